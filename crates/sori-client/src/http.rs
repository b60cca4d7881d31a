//! HTTP/1.1 as a client: heads by httparse, bodies in the framings of RFC 9112.
//!
//! A connection that waits for an answer owns its socket and nothing else, which is why this is not hyper: see `docs/decisions.md`.

mod body;
mod exchange;
mod head;
mod line;

pub(crate) use body::Body;
pub(crate) use exchange::{Answer, Exchange, read_head, refused};
pub(crate) use head::{Content, Head};
pub(crate) use line::Line;
