//! The default parser: `<type>[<attachments>-][<namespace>,][<ack id>][<JSON>]`.

use std::{borrow::Cow, cell::Cell, fmt};

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    InArgs, OutArgs,
    args::placeholder::{Check, ILLEGAL},
};
use crate::{Limits, Number, ProtocolError};

/// Appends a connect packet; with `data` as `{"sid":…,"pid":…}`.
///
/// ```
/// let mut out = Vec::new();
/// sori_proto::sio::json::connect(&mut out, "/chat", Some(("i7", None)));
/// assert_eq!(out, br#"0/chat,{"sid":"i7"}"#);
/// ```
pub fn connect(out: &mut Vec<u8>, namespace: &str, data: Option<(&str, Option<&str>)>) {
    start(out, b'0', 0, namespace);
    let Some((sid, pid)) = data else { return };
    out.extend_from_slice(br#"{"sid":"#);
    string(out, sid);
    if let Some(pid) = pid {
        out.extend_from_slice(br#","pid":"#);
        string(out, pid);
    }
    out.push(b'}');
}

/// Appends a client's connect packet; `auth` is a JSON object.
///
/// ```
/// let mut out = Vec::new();
/// sori_proto::sio::json::join(&mut out, "/chat", Some(r#"{"token":"t"}"#));
/// assert_eq!(out, br#"0/chat,{"token":"t"}"#);
/// ```
pub fn join(out: &mut Vec<u8>, namespace: &str, auth: Option<&str>) {
    start(out, b'0', 0, namespace);
    out.extend_from_slice(auth.unwrap_or_default().as_bytes());
}

/// Appends a disconnect packet.
pub fn disconnect(out: &mut Vec<u8>, namespace: &str) {
    start(out, b'1', 0, namespace);
}

/// Appends an event. `extra` is one more string at the end: the offset of connection state recovery.
///
/// ```
/// use sori_proto::sio::{OutArgs, json};
/// let mut out = Vec::new();
/// json::event(&mut out, "/", Some(3), "move", &OutArgs::new(&(1, 2)).unwrap(), None);
/// assert_eq!(out, br#"23["move",1,2]"#);
/// ```
pub fn event(out: &mut Vec<u8>, namespace: &str, ack: Option<u64>, name: &str, args: &OutArgs, extra: Option<&str>) {
    out.reserve(args.json().len() + namespace.len() + name.len() + extra.map_or(0, str::len) + 32);
    let kind = if args.attachments().is_empty() { b'2' } else { b'5' };
    start(out, kind, args.attachments().len(), namespace);
    if let Some(id) = ack {
        decimal(out, id);
    }
    out.push(b'[');
    string(out, name);
    if !args.is_empty() {
        out.push(b',');
        out.extend_from_slice(args.json().as_bytes());
    }
    if let Some(extra) = extra {
        out.push(b',');
        string(out, extra);
    }
    out.push(b']');
}

/// Appends the answer to an event.
pub fn ack(out: &mut Vec<u8>, namespace: &str, id: u64, args: &OutArgs) {
    out.reserve(args.json().len() + namespace.len() + 32);
    let kind = if args.attachments().is_empty() { b'3' } else { b'6' };
    start(out, kind, args.attachments().len(), namespace);
    decimal(out, id);
    out.push(b'[');
    out.extend_from_slice(args.json().as_bytes());
    out.push(b']');
}

/// Appends a refusal; `payload_json` is its JSON.
pub fn connect_error(out: &mut Vec<u8>, namespace: &str, payload_json: &str) {
    start(out, b'4', 0, namespace);
    out.extend_from_slice(payload_json.as_bytes());
}

/// The same packet without a character beyond ASCII in its JSON, which means the same.
///
/// For polling answers of revision 3. Clients of 1.x and Android clients take that text for UTF-8
/// encoded twice, those of 2.x for UTF-8 encoded once, and nothing tells them apart; ASCII is the
/// same either way.
///
/// ```
/// use sori_proto::sio::json::ascii;
/// assert_eq!(ascii(r#"2["é😀"]"#), r#"2["\u00e9\ud83d\ude00"]"#);
/// ```
pub fn ascii(packet: &str) -> Cow<'_, str> {
    if packet.is_ascii() {
        return packet.into();
    }
    let (head, tail) = packet.split_at(json_start(packet));
    let mut out = String::with_capacity(packet.len() * 2);
    out.push_str(head);
    for c in tail.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                use fmt::Write as _;
                write!(out, "\\u{unit:04x}").expect("a String takes everything");
            }
        }
    }
    out.into()
}

/// Where a packet's ack id and JSON begin: behind its types, its count and its namespace, which may hold `[`, `{` and `"`.
fn json_start(packet: &str) -> usize {
    let name = packet.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'-').count();
    match packet[name..].starts_with('/') {
        true => packet[name..].find(',').map_or(packet.len(), |comma| name + comma + 1),
        false => name,
    }
}

fn start(out: &mut Vec<u8>, kind: u8, attachments: usize, namespace: &str) {
    out.push(kind);
    if attachments > 0 {
        decimal(out, attachments as u64);
        out.push(b'-');
    }
    if namespace != "/" {
        out.extend_from_slice(namespace.as_bytes());
        out.push(b',');
    }
}

fn decimal(out: &mut Vec<u8>, number: u64) {
    serde_json::to_writer(out, &number).expect("a number has a form in JSON and a Vec takes everything");
}

/// A string, copied where JSON writes it as it is.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    if needs_escape(text) {
        return serde_json::to_writer(out, text).expect("a string has a form in JSON and a Vec takes everything");
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Whether JSON writes some of it otherwise. Whole chunks at a time, which the compiler makes vectors of.
pub(super) fn needs_escape(text: &str) -> bool {
    let needs = |byte: &u8| (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\');
    text.as_bytes().chunks(32).any(|chunk| chunk.iter().fold(false, |any, byte| any | needs(byte)))
}

/// What a packet is, whether or not it has attachments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    /// The server's to say.
    ConnectError,
}

/// A packet's text up to its JSON.
pub(super) struct Header<'a> {
    pub(super) kind: Kind,
    pub(super) attachments: usize,
    pub(super) namespace: &'a str,
    pub(super) id: Option<u64>,
    pub(super) payload: &'a str,
}

pub(super) fn header<'a>(text: &'a str, limits: &Limits) -> Result<Header<'a>, ProtocolError> {
    let (&kind, _) = text.as_bytes().split_first().ok_or(ProtocolError::MalformedMessage)?;
    let (kind, binary) = match kind {
        b'0' => (Kind::Connect, false),
        b'1' => (Kind::Disconnect, false),
        b'2' => (Kind::Event, false),
        b'3' => (Kind::Ack, false),
        b'5' => (Kind::Event, true),
        b'6' => (Kind::Ack, true),
        b'4' => (Kind::ConnectError, false),
        _ => return Err(ProtocolError::MalformedMessage),
    };
    let rest = &text[1..];
    let (attachments, rest) = match binary {
        true => attachments(rest, limits)?,
        false => (0, rest),
    };
    let (namespace, rest) = match rest.starts_with('/') {
        true => rest.split_once(',').unwrap_or((rest, "")),
        false => ("/", rest),
    };
    let (digits, payload) = split_digits(rest);
    let id = match digits {
        "" => None,
        // An id that does not fit was never one of ours, and none that a client could count to.
        digits => Some(digits.parse().map_err(|_| ProtocolError::MalformedMessage)?),
    };
    Ok(Header { kind, attachments, namespace, id, payload })
}

/// `<count>-`: decimal, at least one.
fn attachments<'a>(text: &'a str, limits: &Limits) -> Result<(usize, &'a str), ProtocolError> {
    let (digits, rest) = split_digits(text);
    let rest = rest.strip_prefix('-').ok_or(ProtocolError::Attachments)?;
    match digits.parse() {
        Ok(count) if count > 0 && count <= limits.max_attachments as usize => Ok((count, rest)),
        _ => Err(ProtocolError::Attachments),
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// The `auth` payload of a connect packet: an object or nothing.
pub(super) fn auth(payload: &str) -> Result<Option<Bytes>, ProtocolError> {
    if payload.is_empty() {
        return Ok(None);
    }
    let payload = with_whole_surrogates(payload);
    serde_json::from_str::<IgnoredAny>(&payload).map_err(|error| malformed(&error))?;
    let object = payload.trim_ascii();
    match object.starts_with('{') {
        true => Ok(Some(Bytes::copy_from_slice(object.as_bytes()))),
        false => Err(ProtocolError::MalformedMessage),
    }
}

/// Any one value: why a namespace is refused.
pub(super) fn value(payload: &str) -> Result<Bytes, ProtocolError> {
    let payload = with_whole_surrogates(payload);
    serde_json::from_str::<IgnoredAny>(&payload).map_err(|error| malformed(&error))?;
    Ok(Bytes::copy_from_slice(payload.trim_ascii().as_bytes()))
}

/// An event's name and arguments.
pub(super) fn event_payload(payload: &str, attachments: usize) -> Result<(Box<str>, InArgs), ProtocolError> {
    let payload = with_whole_surrogates(payload);
    let (first, len) = walk(&payload, attachments, true)?;
    let first = first.ok_or(ProtocolError::MalformedMessage)?;
    let name = name(first)?;
    // What follows the name, in brackets of its own.
    let after = first.as_ptr() as usize - payload.as_ptr() as usize + first.len();
    let tail = payload[after..].trim_ascii();
    let text = match tail.strip_prefix(',') {
        Some(args) => [b"[", args.as_bytes()].concat().into(),
        None => Bytes::from_static(b"[]"),
    };
    Ok((name, InArgs::json(text, len)))
}

/// The arguments of an answer. One without any may come without the array, too.
pub(super) fn ack_payload(payload: &str, attachments: usize) -> Result<InArgs, ProtocolError> {
    if payload.is_empty() && attachments == 0 {
        return Ok(InArgs::json(Bytes::from_static(b"[]"), 0));
    }
    let payload = with_whole_surrogates(payload);
    let (_, len) = walk(&payload, attachments, false)?;
    Ok(InArgs::json(Bytes::copy_from_slice(payload.trim_ascii().as_bytes()), len))
}

/// Validates a whole array in one pass that builds nothing, however deep it is. Returns the text of its
/// first element, if that is asked for apart, and how many others there are.
fn walk(array: &str, attachments: usize, first_apart: bool) -> Result<(Option<&str>, usize), ProtocolError> {
    let found = Cell::new(0);
    let check = (attachments > 0).then_some(Check { attachments, found: &found });
    let mut json = serde_json::Deserializer::from_str(array);
    let walked = json.deserialize_seq(Walk { check, first_apart }).map_err(|error| malformed(&error))?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(walked)
}

struct Walk<'c> {
    check: Option<Check<'c>>,
    first_apart: bool,
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = (Option<&'de str>, usize);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let first = match self.first_apart {
            true => seq.next_element::<&RawValue>()?.map(RawValue::get),
            false => None,
        };
        let mut len = 0;
        match &self.check {
            // serde_json's recursion limit bounds this one; the other does not recurse.
            Some(check) => {
                while seq.next_element_seed(check)?.is_some() {
                    len += 1;
                }
            }
            None => {
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    len += 1;
                }
            }
        }
        Ok((first, len))
    }
}

fn malformed(error: &serde_json::Error) -> ProtocolError {
    match error.to_string().starts_with(ILLEGAL) {
        true => ProtocolError::Attachments,
        false => ProtocolError::MalformedMessage,
    }
}

fn name(json: &str) -> Result<Box<str>, ProtocolError> {
    let Some(quoted) = json.strip_prefix('"') else {
        return numeric_name(json);
    };
    let name: Box<str> = match quoted.strip_suffix('"') {
        Some(plain) if !plain.contains('\\') => plain.into(),
        _ => serde_json::from_str(json).map_err(|error| malformed(&error))?,
    };
    unreserved(name)
}

/// Names that mean something to the library on either side; see `RESERVED_EVENTS` of socket.io-parser.
pub(super) fn unreserved(name: Box<str>) -> Result<Box<str>, ProtocolError> {
    match super::is_reserved(&name) {
        true => Err(ProtocolError::ReservedEvent),
        false => Ok(name),
    }
}

fn numeric_name(json: &str) -> Result<Box<str>, ProtocolError> {
    let number = json.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    if !number {
        return Err(ProtocolError::MalformedMessage);
    }
    let number: serde_json::Number = serde_json::from_str(json).map_err(|error| malformed(&error))?;
    let number = match (number.as_u64(), number.as_i64()) {
        (Some(value), _) => Number::from(value),
        (_, Some(value)) => Number::from(value),
        _ => Number::from(number.as_f64().unwrap_or_default()),
    };
    Ok(number.to_string().into())
}

/// Replaces half characters by U+FFFD.
///
/// JavaScript's strings may hold half an emoji, cut off by counting code units, and `JSON.stringify` writes
/// it as one `\ud83d`. That is JSON, but nothing that a Rust string could hold.
fn with_whole_surrogates(json: &str) -> Cow<'_, str> {
    // Whole chunks at a time, which the compiler makes vectors of: most packets escape nothing.
    let escapes = |chunk: &[u8]| chunk.iter().fold(false, |any, byte| any | (*byte == b'\\'));
    if !json.as_bytes().chunks(32).any(escapes) || !json.contains("\\u") {
        return json.into();
    }
    let unit = |at: usize| {
        let escape = json.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(str::from_utf8(escape).ok()?, 16).ok()
    };
    let (mut halves, mut at) = (Vec::new(), 0);
    while let Some(next) = json[at..].find('\\') {
        at += next;
        at += match unit(at) {
            Some(0xd800..=0xdbff) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff) => {
                halves.push(at);
                6
            }
            Some(_) => 6,
            // Any other escape: the backslash and what it escapes, which is ASCII in valid JSON.
            None => 1 + json[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    if halves.is_empty() {
        return json.into();
    }
    let mut whole = json.to_owned();
    for at in halves {
        whole.replace_range(at..at + 6, "\\ufffd");
    }
    whole.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(write: impl FnOnce(&mut Vec<u8>), expected: &str) {
        let mut out = b"4".to_vec();
        write(&mut out);
        assert_eq!(str::from_utf8(&out).unwrap(), format!("4{expected}"));
    }

    fn args<T: serde::Serialize>(data: T) -> OutArgs {
        OutArgs::new(&data).unwrap()
    }

    // The same text as socket.io-parser 4.2.6 writes for the same packets.
    #[test]
    fn every_type_is_written_as_the_reference_writes_it() {
        check(|out| connect(out, "/", None), "0");
        check(|out| connect(out, "/chat", None), "0/chat,");
        check(|out| connect(out, "/", Some(("s", None))), r#"0{"sid":"s"}"#);
        check(|out| connect(out, "/chat", Some(("s", Some("p")))), r#"0/chat,{"sid":"s","pid":"p"}"#);
        check(|out| disconnect(out, "/"), "1");
        check(|out| disconnect(out, "/chat"), "1/chat,");
        check(|out| event(out, "/", None, "a", &args(()), None), r#"2["a"]"#);
        check(|out| event(out, "/chat", Some(12), "a\"b", &args((1, "é")), None), r#"2/chat,12["a\"b",1,"é"]"#);
        check(|out| event(out, "/", None, "a", &args(()), Some("off")), r#"2["a","off"]"#);
        check(|out| event(out, "/", None, "a", &args(vec![1, 2]), Some("off")), r#"2["a",[1,2],"off"]"#);
        check(|out| ack(out, "/", 0, &args(())), "30[]");
        check(|out| ack(out, "/chat", 7, &args(("x", None::<u8>))), r#"3/chat,7["x",null]"#);
        check(|out| connect_error(out, "/", r#"{"message":"no"}"#), r#"4{"message":"no"}"#);
        check(|out| connect_error(out, "/a", r#""no""#), r#"4/a,"no""#);
    }

    #[test]
    fn bytes_leave_placeholders() {
        let one = Bytes::from_static(b"\x01");
        check(
            |out| event(out, "/chat", Some(12), "m", &args((&one, [("a", &one)].as_slice())), None),
            r#"52-/chat,12["m",{"_placeholder":true,"num":0},[["a",{"_placeholder":true,"num":1}]]]"#,
        );
        check(|out| ack(out, "/", 1, &args(&one)), r#"61-1[{"_placeholder":true,"num":0}]"#);
    }

    #[test]
    fn ascii_leaves_the_namespace_alone() {
        assert_eq!(ascii(r#"2/é,["é"]"#), r#"2/é,["\u00e9"]"#);
        assert_eq!(ascii("0/é,"), "0/é,");
        assert_eq!(ascii(r#"451-/{"é,7["é"]"#), r#"451-/{"é,7["\u00e9"]"#);
        assert_eq!(ascii("1/[é,"), "1/[é,");
        assert!(matches!(ascii(r#"2["e"]"#), Cow::Borrowed(_)));
    }

    // CVE-2020-36049: many parts, each cheap.
    #[test]
    fn large_packets_stay_linear() {
        let started = std::time::Instant::now();
        for part in [r#""\ud800""#, "{\"a\":[]}", "0", r#""\\\"\u0000""#, r#"{"_placeholder":false}"#] {
            let text = format!(r#"["a"{}]"#, format!(",{part}").repeat(1_000_000 / part.len()));
            let (name, args) = event_payload(&text, 0).unwrap();
            assert_eq!((&*name, args.len()), ("a", 1_000_000 / part.len()));
            assert_eq!(event_payload(&text, 1).unwrap().1.len(), args.len());
        }
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    }
}
