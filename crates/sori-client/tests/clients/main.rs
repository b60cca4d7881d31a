//! The clients against real servers on loopback: Sori, and small ones by hand that do what Sori would not.

mod by_hand;
mod foreign;
mod heartbeat;
mod plain;
mod recovery;
mod refused;
mod size;
mod socketio;
mod support;
#[cfg(feature = "tls")]
mod tls;
mod websocket;
