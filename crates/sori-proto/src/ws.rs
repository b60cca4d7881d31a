//! WebSocket: RFC 6455 and, as `permessage-deflate`, RFC 7692.
//!
//! Bytes in, messages out, and back. [`handshake`] answers the opening headers, [`Reader`] turns what
//! a connection received into [`Message`]s, [`frame`] writes what it is sent, [`deflate`] compresses.
//! Nobody here answers a ping or a close by itself: the driver does, through its only queue.
//!
//! ```
//! use sori_proto::ws::{Message, Reader, frame};
//!
//! let mut reader = Reader::server(1_000_000, None);
//! let mut bytes = *b"\x81\x82\x01\x02\x03\x04ik"; // "hi", masked as clients must
//! let mut input = &mut bytes[..];
//! while let Some(message) = reader.next(&mut input)? {
//!     assert_eq!(message, Message::Text("hi".into()));
//! }
//! assert_eq!(&frame::frame(frame::OpCode::Text, b"hi")[..], b"\x81\x02hi");
//! # Ok::<(), sori_proto::ws::WsError>(())
//! ```

pub mod deflate;
mod error;
pub mod frame;
pub mod handshake;
mod message;

pub use error::WsError;
pub use message::{Message, Reader};
