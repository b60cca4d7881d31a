//! Bad input over real connections: whoever sends it gets the clear error or the close, and nobody else notices.
//!
//! Every test quotes its line of the list of what the server survives. A bystander is connected through
//! each of them, and its socket works afterwards as before.

mod handshake;
mod leaks;
mod limits;
mod packets;
mod payloads;
mod plain;
mod plain_handshake;
mod plain_leaks;
mod plain_limits;
mod plain_sessions;
mod websocket;
mod wire;
mod world;
