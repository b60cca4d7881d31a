//! The wire of clients without a library, version 1: the envelope and its framings. `docs/plain-protocol.md` specifies it.
//!
//! ```
//! use bytes::Bytes;
//! use sori_proto::{plain::{Format, Said}, sio::OutArgs};
//!
//! let args = OutArgs::new("hi").unwrap();
//! let said = Said { cursor: Some("e-1"), event: Some("msg"), args: &args, ack: None };
//! assert_eq!(Format::Lines.said(&said, ""), "{\"id\":\"e-1\",\"event\":\"msg\",\"data\":\"hi\"}\n");
//! assert_eq!(Format::Sse.said(&said, ""), "id: e-1\nevent: msg\ndata: \"hi\"\n\n");
//! ```

pub mod body;
mod client;
pub mod envelope;
mod format;
mod iframe;
mod multipart;
pub mod script;
mod session_news;
mod sse;
mod sse_reader;

pub use client::{Client, Way};
pub use envelope::Said;
pub use format::{Format, SseData};
pub use session_news::{Connect, Place, poll_answer};
pub use sse_reader::{SseEvent, SseReader};
