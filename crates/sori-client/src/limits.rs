//! Every number a server can push against.

/// Bounds of one connection. Sizes are bytes.
///
/// ```
/// use sori_client::{Limits, Options};
/// let options = Options::new().limits(Limits { message_bytes_max: 64 << 20, ..Limits::default() });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One message, event or polling answer. Servers send what their applications emit, which is more than they accept.
    pub message_bytes_max: u32,
    /// The head of an HTTP answer.
    pub head_bytes_max: u32,
    /// Header lines of an HTTP answer; 128 at most.
    pub headers_max: u32,
    /// What the caller has sent and the network has not taken yet.
    pub unsent_bytes_max: u32,
    /// Events that were read while the caller waited for something else: an answer, or to be let in.
    pub backlog_events_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 16 << 20,
            head_bytes_max: 32 << 10,
            headers_max: 100,
            unsent_bytes_max: 16 << 20,
            backlog_events_max: 100_000,
        }
    }
}
