//! The tests of `security` once more, served by `Server::serve`: the library's front is before hyper.

#[path = "../security/handshake.rs"]
mod handshake;
#[path = "../security/leaks.rs"]
mod leaks;
#[path = "../security/limits.rs"]
mod limits;
#[path = "../security/packets.rs"]
mod packets;
#[path = "../security/payloads.rs"]
mod payloads;
#[path = "../security/plain.rs"]
mod plain;
#[path = "../security/plain_handshake.rs"]
mod plain_handshake;
#[path = "../security/plain_leaks.rs"]
mod plain_leaks;
#[path = "../security/plain_limits.rs"]
mod plain_limits;
#[path = "../security/plain_sessions.rs"]
mod plain_sessions;
#[path = "../security/websocket.rs"]
mod websocket;
#[path = "../security/wire.rs"]
mod wire;
#[path = "../security/world.rs"]
mod world;
