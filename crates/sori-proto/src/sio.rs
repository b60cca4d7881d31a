//! Socket.IO protocol, revisions 3 to 5.

pub mod args;
mod client;
pub mod json;
pub mod msgpack;
mod packet;

/// Event names that mean something to the library on either side, so that an application cannot use them.
pub fn is_reserved(event: &str) -> bool {
    matches!(event, "connect" | "connect_error" | "disconnect" | "disconnecting" | "newListener" | "removeListener")
}

pub use args::{ALL_ARGUMENTS, DecodeError, EncodeError, InArgs, OutArgs};
pub use client::Client;
pub use packet::{Decoder, Incoming, Parser};
