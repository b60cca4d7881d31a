//! Encode once, share: events ready for every peer that speaks the same format.
//!
//! Everything that waits for a peer is kept as unmasked WebSocket frames. A WebSocket sends them as
//! they are; polling reads their payloads (`ws::frame::payload`), whose first byte is then the
//! Engine.IO packet type for text, and whose opcode tells text from binary. So one encoding serves
//! both transports of a revision, and a session may change from one to the other with a full queue.

use std::sync::{Arc, OnceLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Buf, Bytes};

use crate::{
    eio::Revision,
    plain::{Format, Said},
    sio::{self, OutArgs, Parser},
    ws::{deflate, frame},
};

/// Engine.IO ping.
pub const PING: Bytes = Bytes::from_static(b"\x81\x012");
/// Engine.IO pong.
pub const PONG: Bytes = Bytes::from_static(b"\x81\x013");
/// The answer to a probe.
pub const PROBE_PONG: Bytes = Bytes::from_static(b"\x81\x063probe");
/// Engine.IO noop, which ends a poll.
pub const NOOP: Bytes = Bytes::from_static(b"\x81\x016");
/// Engine.IO close.
pub const CLOSE: Bytes = Bytes::from_static(b"\x81\x011");

/// A heartbeat of a plain client: its way of moving bytes says what that is.
pub const HEARTBEAT: Bytes = Bytes::new();

/// What one Socket.IO session can read: equal formats share the same bytes. For plain clients see [`Format`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireFormat {
    /// Engine.IO revision.
    pub revision: Revision,
    /// Socket.IO parser.
    pub parser: Parser,
    /// permessage-deflate was negotiated on its WebSocket.
    pub deflate: bool,
}

impl WireFormat {
    const COUNT: usize = 8;

    fn index(self) -> usize {
        usize::from(self.revision == Revision::V4)
            | usize::from(self.parser == Parser::Msgpack) << 1
            | usize::from(self.deflate) << 2
    }
}

/// The frames of one packet: the packet itself, then its attachments.
#[derive(Clone, Debug)]
pub enum Frames {
    /// A packet without attachments.
    One(Bytes),
    /// A packet and its attachments, in order.
    Many(Arc<[Bytes]>),
}

impl Frames {
    /// The frames in the order in which they are sent.
    pub fn as_slice(&self) -> &[Bytes] {
        match self {
            Self::One(frame) => std::slice::from_ref(frame),
            Self::Many(frames) => frames,
        }
    }

    /// No frames at all.
    pub fn none() -> Self {
        Self::Many(Arc::new([]))
    }

    fn new(mut frames: Vec<Bytes>) -> Self {
        match frames.len() {
            1 => Self::One(frames.remove(0)),
            _ => Self::Many(frames.into()),
        }
    }
}

/// One event ready to be shared, encoded at most once per [`WireFormat`] and per [`Format`].
#[derive(Debug)]
pub struct Prepared {
    namespace: Arc<str>,
    /// None: the answer to an event.
    event: Option<Box<str>>,
    args: OutArgs,
    ack: Option<u64>,
    cursor: Option<Cursor>,
    deflate_from: Option<u32>,
    compress: bool,
    frames: [OnceLock<Frames>; WireFormat::COUNT],
    plain: OnceLock<Box<[OnceLock<Bytes>; Format::COUNT]>>,
    again: OnceLock<Arc<Prepared>>,
}

/// An event's place in its namespace's log.
#[derive(Debug)]
struct Cursor {
    offset: u64,
    text: Box<str>,
    is_argument: bool,
    /// Clients go on from it.
    is_told: bool,
}

impl Prepared {
    /// An event of `namespace`; with `ack` the peer is asked to answer under that id.
    pub fn new(namespace: Arc<str>, event: &str, args: OutArgs, ack: Option<u64>) -> Self {
        Self {
            namespace,
            event: Some(event.into()),
            args,
            ack,
            cursor: None,
            deflate_from: Some(0),
            compress: true,
            frames: Default::default(),
            plain: OnceLock::new(),
            again: OnceLock::new(),
        }
    }

    /// The answer to a plain client's event.
    pub fn answer(namespace: Arc<str>, id: u64, args: OutArgs) -> Self {
        Self { event: None, ..Self::new(namespace, "", args, Some(id)) }
    }

    /// Adds the place in the log. Plain clients read its text as the envelope's `id`. With `is_argument`, for connection state
    /// recovery, it is one more argument for clients of revision 4, which alone know what it is.
    pub fn with_cursor(mut self, offset: u64, text: String, is_argument: bool) -> Self {
        self.cursor = Some(Cursor { offset, text: text.into(), is_argument, is_told: true });
        self
    }

    /// The same event for those who have newer ones: without its place, or they would go back to it. Made once.
    pub fn again(&self) -> &Arc<Self> {
        self.again.get_or_init(|| {
            let again = Self::new(self.namespace.clone(), self.event(), self.args.clone(), self.ack);
            let cursor = self.cursor.as_ref();
            let cursor = cursor.map(|cursor| Cursor { text: "".into(), is_told: false, is_argument: false, ..*cursor });
            Arc::new(Self { cursor, ..again.compress(self.compress).deflate_from(self.deflate_from) })
        })
    }

    /// The place in the log, counted, where clients may go on.
    pub fn offset(&self) -> Option<u64> {
        self.told().map(|cursor| cursor.offset)
    }

    /// That place as clients know it.
    pub fn cursor(&self) -> Option<&str> {
        self.told().map(|cursor| &*cursor.text)
    }

    /// The place in the log, whether clients may go on there or not.
    pub fn place(&self) -> Option<u64> {
        self.cursor.as_ref().map(|cursor| cursor.offset)
    }

    fn told(&self) -> Option<&Cursor> {
        self.cursor.as_ref().filter(|cursor| cursor.is_told)
    }

    /// Whether this event may be compressed, in frames and in polling answers.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Whether this event may be compressed.
    pub fn may_compress(&self) -> bool {
        self.compress
    }

    /// Compresses frames of at least this size for peers that negotiated it; `None` for no peer.
    pub fn deflate_from(mut self, bytes: Option<u32>) -> Self {
        self.deflate_from = bytes;
        self
    }

    /// The event's name.
    pub fn event(&self) -> &str {
        self.event.as_deref().unwrap_or_default()
    }

    /// Whether it answers an event instead of being one.
    pub fn is_answer(&self) -> bool {
        self.event.is_none()
    }

    /// The event's arguments.
    pub fn args(&self) -> &OutArgs {
        &self.args
    }

    /// What this event weighs in a log, roughly, in bytes.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.args.json().len() * 2 + self.args.attachments().iter().map(Bytes::len).sum::<usize>()
    }

    /// The frames for one format. The first call encodes, all others share.
    pub fn frames(&self, mut format: WireFormat) -> &Frames {
        format.deflate &= self.compress && self.deflate_from.is_some();
        // Revision 3 and 4 differ in attachments and in the offset only.
        if format.parser == Parser::Json && self.extra(Revision::V4).is_none() && self.args.attachments().is_empty() {
            format.revision = Revision::V4;
        }
        self.frames[format.index()].get_or_init(|| match (format.deflate, self.deflate_from) {
            (true, Some(from)) => compress(self.frames(WireFormat { deflate: false, ..format }), from),
            _ => self.encode(format),
        })
    }

    /// The bytes for a plain client. The first call for a format encodes, all others share. The `boundary` is the server's.
    pub fn plain(&self, format: Format, boundary: &str) -> &Bytes {
        self.plain.get_or_init(Default::default)[format.index()].get_or_init(|| {
            let said = Said { cursor: self.cursor(), event: self.event.as_deref(), args: &self.args, ack: self.ack };
            let plain = format.said(&said, boundary);
            format.deflated(plain, self.deflate_from.filter(|_| self.compress))
        })
    }

    /// The argument that connection state recovery adds.
    fn extra(&self, revision: Revision) -> Option<&str> {
        let cursor = self.told().filter(|cursor| cursor.is_argument && revision == Revision::V4)?;
        Some(&cursor.text)
    }

    fn encode(&self, format: WireFormat) -> Frames {
        let (event, extra) = (self.event(), self.extra(format.revision));
        let size_hint = self.args.json().len() + event.len() + self.namespace.len();
        packet(format, self.args.attachments(), size_hint, |out| match format.parser {
            Parser::Json | Parser::Auto => sio::json::event(out, &self.namespace, self.ack, event, &self.args, extra),
            Parser::Msgpack => sio::msgpack::event(out, &self.namespace, self.ack, event, &self.args, extra),
        })
    }
}

/// The answer to an event that asked for one.
pub fn ack(format: WireFormat, namespace: &str, id: u64, args: &OutArgs) -> Frames {
    packet(format, args.attachments(), args.json().len() + namespace.len(), |out| match format.parser {
        Parser::Json | Parser::Auto => sio::json::ack(out, namespace, id, args),
        Parser::Msgpack => sio::msgpack::ack(out, namespace, id, args),
    })
}

/// A text frame with `text`, for packets that are not shared.
pub fn text_frame(text: &str) -> Bytes {
    frame::frame(frame::OpCode::Text, text.as_bytes())
}

/// One Socket.IO packet as frames. `write` appends the packet without its Engine.IO type.
pub(crate) fn packet(format: WireFormat, attachments: &[Bytes], size_hint: usize, write: impl FnOnce(&mut Vec<u8>)) -> Frames {
    match (format.parser, format.revision) {
        (Parser::Json | Parser::Auto, _) => {
            let text = framed(frame::OpCode::Text, b"4", size_hint, write);
            if attachments.is_empty() {
                return Frames::One(text);
            }
            let mut frames = Vec::with_capacity(1 + attachments.len());
            frames.push(text);
            frames.extend(attachments.iter().map(|data| binary_frame(format.revision, data)));
            Frames::new(frames)
        }
        (Parser::Msgpack, Revision::V4) => Frames::One(framed(frame::OpCode::Binary, b"", size_hint, write)),
        (Parser::Msgpack, Revision::V3) => Frames::One(framed(frame::OpCode::Binary, b"\x04", size_hint, write)),
    }
}

/// Engine.IO revision 3 marks a binary message with its packet type, revision 4 does not.
pub fn binary_frame(revision: Revision, data: &[u8]) -> Bytes {
    let kind: &[u8] = if revision == Revision::V3 { b"\x04" } else { b"" };
    framed(frame::OpCode::Binary, kind, data.len(), |out| out.extend_from_slice(data))
}

/// The same frame for a WebSocket whose client said `b64`: binary travels as text, a `b` and its base64. Revision 3
/// keeps its packet type in the clear.
///
/// ```
/// use sori_proto::{eio::Revision, wire};
/// let plain = wire::binary_frame(Revision::V3, &[1, 2, 3]);
/// assert_eq!(&wire::base64_frame(Revision::V3, &plain)[..], b"\x81\x06b4AQID");
/// ```
pub fn base64_frame(revision: Revision, plain: &Bytes) -> Bytes {
    if frame::opcode(plain) != frame::OpCode::Binary {
        return plain.clone();
    }
    let payload = frame::payload(plain);
    match revision {
        Revision::V4 => text_frame(&format!("b{}", STANDARD.encode(payload))),
        Revision::V3 => text_frame(&format!("b4{}", STANDARD.encode(&payload[1..]))),
    }
}

/// Writes the payload behind room for the longest header, then the header right before it: no copy.
fn framed(opcode: frame::OpCode, kind: &[u8], size_hint: usize, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    const ROOM: usize = 10;
    let mut buffer = Vec::with_capacity(ROOM + kind.len() + size_hint + 32);
    buffer.resize(ROOM, 0);
    buffer.extend_from_slice(kind);
    write(&mut buffer);
    let payload_len = buffer.len() - ROOM;
    let start = ROOM - frame::header_len(payload_len);
    frame::write_header(&mut &mut buffer[start..ROOM], opcode, true, false, payload_len);
    // Without spare room it needs no count of its owners until it has two: a frame for one peer is one allocation.
    buffer.shrink_to_fit();
    let mut frame = Bytes::from(buffer);
    frame.advance(start);
    frame
}

/// Only the packet and attachments that are worth it; the rest is shared as it is.
fn compress(frames: &Frames, from: u32) -> Frames {
    Frames::new(frames.as_slice().iter().map(|plain| deflate_frame(plain, from)).collect())
}

pub(crate) fn deflate_frame(plain: &Bytes, from: u32) -> Bytes {
    let payload = frame::payload(plain);
    if payload.len() < from as usize {
        return plain.clone();
    }
    let small = deflate::compress(payload, 15);
    let mut buffer = Vec::with_capacity(10 + small.len());
    frame::write_header(&mut buffer, frame::opcode(plain), true, true, small.len());
    buffer.extend_from_slice(&small);
    Bytes::from(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Parser::{Json, Msgpack};
    use Revision::{V3, V4};

    const JSON_4: WireFormat = WireFormat { revision: V4, parser: Json, deflate: false };
    const JSON_3: WireFormat = WireFormat { revision: V3, parser: Json, deflate: false };

    fn event(data: &impl serde::Serialize) -> Prepared {
        Prepared::new("/".into(), "x", OutArgs::new(data).unwrap(), None)
    }

    /// The payloads of an event in one format; text as it is, binary as its bytes in hexadecimal.
    #[track_caller]
    fn check(prepared: &Prepared, format: WireFormat, expected: &[&str]) {
        let said: Vec<String> = prepared.frames(format).as_slice().iter().map(told).collect();
        assert_eq!(said, expected, "{format:?}");
    }

    fn told(frame: &Bytes) -> String {
        let payload = frame::payload(frame);
        match frame::opcode(frame) {
            frame::OpCode::Text => String::from_utf8(payload.to_vec()).unwrap(),
            _ => payload.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    fn shared(a: &Frames, b: &Frames) -> bool {
        a.as_slice().iter().zip(b.as_slice()).all(|(a, b)| a.as_ptr() == b.as_ptr())
    }

    #[test]
    fn text_is_the_same_bytes_for_both_revisions() {
        let hi = event(&("hi", 1)).deflate_from(Some(1_024));
        check(&hi, JSON_4, &[r#"42["x","hi",1]"#]);
        check(&hi, JSON_3, &[r#"42["x","hi",1]"#]);
        assert!(shared(hi.frames(JSON_4), hi.frames(JSON_3)));
        assert!(shared(hi.frames(JSON_4), hi.frames(WireFormat { deflate: true, ..JSON_4 })), "too small to compress");
    }

    #[test]
    fn binary_is_marked_for_revision_3_only() {
        let photo = event(&Bytes::from_static(b"\x01\x02"));
        check(&photo, JSON_4, &[r#"451-["x",{"_placeholder":true,"num":0}]"#, "0102"]);
        check(&photo, JSON_3, &[r#"451-["x",{"_placeholder":true,"num":0}]"#, "040102"]);
    }

    #[test]
    fn the_cursor_goes_to_revision_4_alone() {
        let logged = event(&"hi").with_cursor(7, "e-7".into(), true);
        check(&logged, JSON_4, &[r#"42["x","hi","e-7"]"#]);
        check(&logged, JSON_3, &[r#"42["x","hi"]"#]);
        let bare = event(&()).with_cursor(8, "e-8".into(), true);
        check(&bare, JSON_4, &[r#"42["x","e-8"]"#]);
        check(&bare, JSON_3, &[r#"42["x"]"#]);
    }

    #[test]
    fn plain_clients_read_a_cursor_that_is_no_argument() {
        let logged = event(&"hi").with_cursor(7, "e-7".into(), false);
        check(&logged, JSON_4, &[r#"42["x","hi"]"#]);
        assert_eq!(logged.plain(Format::Lines, ""), "{\"id\":\"e-7\",\"event\":\"x\",\"data\":\"hi\"}\n");
        assert_eq!(logged.plain(Format::Lines, "").as_ptr(), logged.plain(Format::Lines, "").as_ptr(), "encoded once");
        let answer = Prepared::answer("/".into(), 7, OutArgs::new(&true).unwrap());
        assert_eq!(answer.plain(Format::Lines, ""), "{\"data\":true,\"ack\":7}\n");
    }

    #[test]
    fn messagepack_is_one_binary_frame_whatever_it_holds() {
        let photo = event(&Bytes::from_static(b"\x01"));
        let v4 = photo.frames(WireFormat { parser: Msgpack, ..JSON_4 });
        let v3 = photo.frames(WireFormat { parser: Msgpack, ..JSON_3 });
        assert_eq!((v4.as_slice().len(), v3.as_slice().len()), (1, 1));
        let (v4, v3) = (frame::payload(&v4.as_slice()[0]), frame::payload(&v3.as_slice()[0]));
        assert_eq!(v3, [b"\x04", v4].concat());
    }

    #[test]
    fn a_format_is_encoded_once() {
        let hi = event(&vec![Bytes::from_static(b"a"); 3]);
        for format in [JSON_4, JSON_3, WireFormat { parser: Msgpack, ..JSON_4 }] {
            assert!(shared(hi.frames(format), hi.frames(format)));
        }
    }

    #[test]
    fn only_what_is_worth_it_is_compressed() {
        let long = "a".repeat(2_000);
        let one = event(&(&long, Bytes::from(vec![7; 2_000]), Bytes::from_static(b"small"))).deflate_from(Some(1_024));
        let plain = one.frames(JSON_4).as_slice();
        let small = one.frames(WireFormat { deflate: true, ..JSON_4 }).as_slice();
        assert!(small[0].len() < 100 && small[0][0] == 0xC1, "final, compressed, text");
        assert!(small[1].len() < 100 && small[1][0] == 0xC2, "final, compressed, binary");
        assert_eq!(small[2].as_ptr(), plain[2].as_ptr(), "too small");
        let told = deflate::decompress(frame::payload(&small[0]), 10_000).unwrap();
        assert_eq!(told, frame::payload(&plain[0]));
        // An emit that must not be compressed is shared as it is.
        let plain = event(&long).deflate_from(None);
        assert!(shared(plain.frames(JSON_4), plain.frames(WireFormat { deflate: true, ..JSON_4 })));
    }

    #[test]
    fn headers_fit_every_length() {
        for len in [0, 1, 116, 117, 118, 119, 65_500, 65_525, 65_526, 65_527, 70_000] {
            let text = "a".repeat(len);
            let frames = event(&text).frames(JSON_4).clone();
            assert_eq!(told(&frames.as_slice()[0]), format!("42[\"x\",\"{text}\"]"));
        }
    }

    #[test]
    fn an_ack_names_its_namespace_and_its_event() {
        let args = OutArgs::new(&("ok", Bytes::from_static(b"\x01"))).unwrap();
        let said: Vec<String> = ack(JSON_4, "/chat", 7, &args).as_slice().iter().map(told).collect();
        assert_eq!(said, [r#"461-/chat,7["ok",{"_placeholder":true,"num":0}]"#, "01"]);
        let nothing: Vec<String> = ack(JSON_3, "/", 0, &OutArgs::new(&()).unwrap()).as_slice().iter().map(told).collect();
        assert_eq!(nothing, ["430[]"]);
    }
}
