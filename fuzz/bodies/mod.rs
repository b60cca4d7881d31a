//! What each target asserts of any bytes. Used by `fuzz_targets/`, and on stable by `crates/sori-proto/tests/fuzz_bodies.rs`.

mod eio_payload;
mod memory;
mod plain_body;
mod plain_envelope;
mod plain_format;
mod plain_read;
mod plain_session;
mod plain_sse_reader;
mod session;
mod sio;
mod sio_json;
mod sio_msgpack;
mod ws_handshake;
mod ws_reader;

pub use eio_payload::eio_payload;
pub use plain_body::plain_body;
pub use plain_envelope::plain_envelope;
pub use plain_format::plain_format;
pub use plain_session::plain_session;
pub use plain_sse_reader::plain_sse_reader;
pub use session::session;
pub use sio_json::sio_json;
pub use sio_msgpack::sio_msgpack;
pub use ws_handshake::ws_handshake;
pub use ws_reader::ws_reader;
