//! What a session says of itself, and the answer to a poll.

use bytes::Bytes;
use serde::Serialize;

use crate::sio::{OutArgs, json::string};

/// The first envelope's data: who the client is, and how it goes on.
#[derive(Clone, Debug, Serialize)]
pub struct Connect<'a> {
    /// The public id.
    pub id: &'a str,
    /// The secret that finds the session; none for a socket that lives for one request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<&'a str>,
    /// From where to go on.
    pub cursor: &'a str,
    /// What carries the session now.
    pub transport: &'a str,
    /// Between two heartbeats of a stream, in seconds on the wire.
    #[serde(rename = "heartbeat", serialize_with = "as_seconds")]
    pub heartbeat_ms: u32,
    /// Seconds that a poll waits when it does not say.
    pub wait: u32,
    /// Whether nothing since the client's cursor was missed.
    pub recovered: bool,
}

fn as_seconds<S: serde::Serializer>(ms: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    match ms % 1_000 {
        0 => serializer.serialize_u32(ms / 1_000),
        _ => serializer.serialize_f64(f64::from(*ms) / 1_000.0),
    }
}

/// From where a stream goes on, for its first envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The cursor.
    pub cursor: Box<str>,
    /// Whether it is a place in a log, which events carry, too.
    pub is_logged: bool,
    /// Whether nothing since the client's cursor was missed.
    pub recovered: bool,
}

/// The last envelope's data: why the session ended.
pub(super) fn goodbye(reason: &str) -> OutArgs {
    #[derive(Serialize)]
    struct Goodbye<'a> {
        reason: &'a str,
    }
    OutArgs::new(&Goodbye { reason }).expect("a reason is text")
}

/// Appends the answer to a poll: `{"sid":…,"cursor":…,"events":[envelope, …]}`.
///
/// ```
/// let mut out = Vec::new();
/// sori_proto::plain::poll_answer(&mut out, "s1d", "e-2", &["{\"event\":\"a\"}".into(), "{\"event\":\"b\"}".into()]);
/// assert_eq!(out, br#"{"sid":"s1d","cursor":"e-2","events":[{"event":"a"},{"event":"b"}]}"#);
/// ```
pub fn poll_answer(out: &mut Vec<u8>, sid: &str, cursor: &str, envelopes: &[Bytes]) {
    out.reserve(64 + envelopes.iter().map(|envelope| envelope.len() + 1).sum::<usize>());
    out.extend_from_slice(b"{\"sid\":");
    string(out, sid);
    out.extend_from_slice(b",\"cursor\":");
    string(out, cursor);
    out.extend_from_slice(b",\"events\":[");
    for (i, envelope) in envelopes.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(envelope.strip_suffix(b"\n").unwrap_or(envelope));
    }
    out.extend_from_slice(b"]}");
}
