//! The protocols of Sori without IO: bytes and time in; events, bytes and deadlines out.
//!
//! No function here reads a clock, a socket or a random source, and none awaits.

pub mod eio;
mod error;
mod limits;
pub mod plain;
mod session;
pub mod sio;
mod value;
pub mod wire;
pub mod ws;

pub use error::{CloseReason, ProtocolError};
pub use limits::Limits;
pub use session::{Event, Session};
pub use value::{Number, Value};
