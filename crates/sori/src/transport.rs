//! Ways of moving bytes. A transport knows sessions, never a namespace, room or handler.

pub(crate) mod body;
pub(crate) mod plain;
pub(crate) mod polling;
pub(crate) mod websocket;
