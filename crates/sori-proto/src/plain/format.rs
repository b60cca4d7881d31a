//! How what is said goes out on one way: equal formats share the same bytes.

use bytes::Bytes;

use super::{
    Connect, Place,
    envelope::{self, Said},
    iframe, multipart, session_news, sse,
};
use crate::{
    CloseReason,
    sio::OutArgs,
    wire,
    ws::frame::{self, OpCode},
};

/// What one plain client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Server-sent events, and what their `data:` is.
    Sse,
    /// Server-sent events with bare strings.
    SseText,
    /// Server-sent events of whole envelopes.
    SseEnvelope,
    /// One envelope a line; a poll's answer holds these, too.
    Lines,
    /// One envelope a part.
    Multipart,
    /// One envelope a script.
    Iframe,
    /// One envelope a text frame: `sori.json.v1`.
    WebSocket {
        /// permessage-deflate was negotiated.
        deflate: bool,
    },
    /// The data alone: text or bytes.
    WebSocketBare {
        /// permessage-deflate was negotiated.
        deflate: bool,
    },
}

/// What an event's `data:` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SseData {
    /// The argument's JSON.
    Json,
    /// A string as it is, else JSON.
    Text,
    /// The envelope.
    Envelope,
}

impl Format {
    /// How many there are.
    pub const COUNT: usize = 10;

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Sse => 0,
            Self::SseText => 1,
            Self::SseEnvelope => 2,
            Self::Lines => 3,
            Self::Multipart => 4,
            Self::Iframe => 5,
            Self::WebSocket { deflate } => 6 + deflate as usize,
            Self::WebSocketBare { deflate } => 8 + deflate as usize,
        }
    }

    const fn sse(self) -> Option<SseData> {
        match self {
            Self::Sse => Some(SseData::Json),
            Self::SseText => Some(SseData::Text),
            Self::SseEnvelope => Some(SseData::Envelope),
            _ => None,
        }
    }

    /// Whether it is written as WebSocket frames.
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::WebSocket { .. } | Self::WebSocketBare { .. })
    }

    /// An event or an answer. `boundary` is the multipart's.
    pub fn said(self, said: &Said<'_>, boundary: &str) -> Bytes {
        let mut out = Vec::with_capacity(said.args.json().len() + 96);
        match self {
            Self::Sse | Self::SseText | Self::SseEnvelope => sse::said(&mut out, said, self.sse().unwrap_or(SseData::Json)),
            Self::Lines => {
                envelope::write(&mut out, said);
                out.push(b'\n');
            }
            Self::Multipart => multipart::said(&mut out, said, boundary),
            Self::Iframe => iframe::said(&mut out, said),
            Self::WebSocket { .. } => {
                envelope::write(&mut out, said);
                return frame::frame(OpCode::Text, &out);
            }
            Self::WebSocketBare { .. } => return bare(said),
        }
        out.into()
    }

    /// What comes before everything on this way, before the first envelope too. `callback` is the iframe's.
    pub fn begin(self, retry_ms: u32, boundary: &str, callback: &str) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Sse | Self::SseText | Self::SseEnvelope => sse::field(&mut out, "retry", &retry_ms.to_string()),
            Self::Multipart => multipart::begin(&mut out, boundary),
            Self::Iframe => iframe::begin(&mut out, callback),
            Self::Lines | Self::WebSocket { .. } | Self::WebSocketBare { .. } => {}
        }
        out
    }

    /// The first envelope.
    pub fn connect(self, connect: &Connect<'_>, place: &Place, boundary: &str) -> Bytes {
        if matches!(self, Self::WebSocketBare { .. }) {
            return Bytes::new();
        }
        let args = OutArgs::new(connect).expect("it is text and numbers");
        let cursor = place.is_logged.then_some(&*place.cursor);
        self.said(&Said { cursor, event: Some("connect"), args: &args, ack: None }, boundary)
    }

    /// A sign of life that means nothing.
    pub fn heartbeat(self, boundary: &str) -> Bytes {
        match self {
            Self::Sse | Self::SseText | Self::SseEnvelope => Bytes::from_static(b":\n\n"),
            Self::Lines => Bytes::from_static(b"\n"),
            Self::Multipart => {
                let mut out = Vec::new();
                multipart::heartbeat(&mut out, boundary);
                out.into()
            }
            Self::Iframe => Bytes::from_static(b" \n"),
            Self::WebSocket { .. } | Self::WebSocketBare { .. } => frame::ping(b""),
        }
    }

    /// The last thing on this way: why the session ended, and for SSE whether it may come back.
    pub fn goodbye(self, reason: CloseReason, boundary: &str) -> Bytes {
        self.last(reason.as_str(), reason.is_final(), close_code(reason), boundary)
    }

    /// The last thing on this way: another request carries the session now.
    pub fn replaced(self, boundary: &str) -> Bytes {
        self.last("replaced", true, 1000, boundary)
    }

    fn last(self, reason: &str, is_final: bool, close_code: u16, boundary: &str) -> Bytes {
        let args = session_news::goodbye(reason);
        // EventSource sends it back as `Last-Event-ID`, and is answered 204, after which it stays away.
        let cursor = (is_final && self.sse().is_some()).then_some("end");
        let said = Said { cursor, event: Some("disconnect"), args: &args, ack: None };
        let mut out = match self {
            Self::WebSocketBare { .. } => Vec::new(),
            _ => self.said(&said, boundary).to_vec(),
        };
        match self {
            Self::Multipart => multipart::end(&mut out),
            Self::WebSocket { .. } | Self::WebSocketBare { .. } => {
                out.extend_from_slice(&frame::close(Some(close_code), reason));
            }
            _ => {}
        }
        out.into()
    }

    /// The same, compressed where that was agreed on and is worth it.
    pub(crate) fn deflated(self, plain: Bytes, from: Option<u32>) -> Bytes {
        match (self, from) {
            (Self::WebSocket { deflate: true } | Self::WebSocketBare { deflate: true }, Some(from)) => {
                wire::deflate_frame(&plain, from)
            }
            _ => plain,
        }
    }
}

/// Data without its name: a string as text, bytes as binary, else JSON; several arguments as an array.
fn bare(said: &Said<'_>) -> Bytes {
    if said.event.is_none() {
        return Bytes::new();
    }
    let json = envelope::json(said.args);
    match said.args.len() {
        1 if said.args.is_one_attachment() => frame::frame(OpCode::Binary, &said.args.attachments()[0]),
        1 if json.starts_with('"') => {
            let text: String = serde_json::from_str(&json).unwrap_or_default();
            frame::frame(OpCode::Text, text.as_bytes())
        }
        0 | 1 => frame::frame(OpCode::Text, json.as_bytes()),
        _ => frame::frame(OpCode::Text, format!("[{json}]").as_bytes()),
    }
}

/// RFC 6455, 7.4.1. A client that comes back unless it was closed with 1000 does right.
const fn close_code(reason: CloseReason) -> u16 {
    match reason {
        CloseReason::ServerShuttingDown => 1001,
        CloseReason::ParseError => 1007,
        reason if reason.is_final() => 1000,
        _ => 1008,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: serde::Serialize + ?Sized>(data: &T, opcode: OpCode, expected: &[u8]) {
        let args = OutArgs::new(data).unwrap();
        let said = Said { cursor: Some("e-1"), event: Some("x"), args: &args, ack: None };
        let sent = Format::WebSocketBare { deflate: false }.said(&said, "");
        assert_eq!((frame::opcode(&sent), frame::payload(&sent)), (opcode, expected));
    }

    #[test]
    fn bare_frames_are_the_data() {
        check("a\"b", OpCode::Text, b"a\"b");
        check(&Bytes::from_static(b"\xff"), OpCode::Binary, b"\xff");
        check(&vec![Bytes::from_static(b"\xff")], OpCode::Text, br#"[{"$binary":"/w=="}]"#);
        check(&7, OpCode::Text, b"7");
        check(&(), OpCode::Text, b"");
        check(&("a", 1), OpCode::Text, br#"["a",1]"#);
    }

    #[test]
    fn a_goodbye_says_why_and_whether_to_come_back() {
        let told = |format: Format, reason| String::from_utf8(format.goodbye(reason, "b").to_vec()).unwrap();
        let sse = "id: end\nevent: disconnect\ndata: {\"reason\":\"server namespace disconnect\"}\n\n";
        assert_eq!(told(Format::Sse, CloseReason::ServerNamespaceDisconnect), sse);
        let sse = "event: disconnect\ndata: {\"reason\":\"server shutting down\"}\n\n";
        assert_eq!(told(Format::Sse, CloseReason::ServerShuttingDown), sse);
        let lines = "{\"event\":\"disconnect\",\"data\":{\"reason\":\"slow consumer\"}}\n";
        assert_eq!(told(Format::Lines, CloseReason::SlowConsumer), lines);
        assert!(told(Format::Multipart, CloseReason::SlowConsumer).ends_with("\r\n--b--\r\n"));
        let bare = Format::WebSocketBare { deflate: false }.goodbye(CloseReason::ServerShuttingDown, "");
        assert_eq!(frame::payload(&bare), b"\x03\xe9server shutting down");
    }

    #[test]
    fn a_stream_begins_with_who_the_client_is() {
        let connect = Connect {
            id: "1d",
            sid: Some("s1d"),
            cursor: "e-0",
            transport: "sse",
            heartbeat_ms: 25_000,
            wait: 30,
            recovered: false,
        };
        let place = Place { cursor: "e-0".into(), is_logged: true, recovered: false };
        let said = |format: Format| {
            let first = format.connect(&connect, &place, "b");
            String::from_utf8([format.begin(3_000, "b", "f"), first.to_vec()].concat()).unwrap()
        };
        let data = r#"{"id":"1d","sid":"s1d","cursor":"e-0","transport":"sse","heartbeat":25,"wait":30,"recovered":false}"#;
        assert_eq!(said(Format::Sse), format!("retry: 3000\nid: e-0\nevent: connect\ndata: {data}\n\n"));
        assert_eq!(said(Format::Lines), format!("{{\"id\":\"e-0\",\"event\":\"connect\",\"data\":{data}}}\n"));
        assert!(said(Format::Multipart).starts_with("--b\r\nContent-Type: application/json\r\n"));
        assert!(said(Format::Iframe).contains("parent.f(e)"));
        assert_eq!(said(Format::WebSocketBare { deflate: false }), "");
    }
}
