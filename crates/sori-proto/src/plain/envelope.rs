//! `{"id":"<cursor>","event":"msg","data":…,"ack":7}`, and bytes in JSON.

use std::borrow::Cow;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{
    Limits, ProtocolError, Value,
    sio::{InArgs, OutArgs, json::string},
};

/// What is said to a client: an event, or the answer to one.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The place in the log, when there is one.
    pub cursor: Option<&'a str>,
    /// The event's name; none for an answer.
    pub event: Option<&'a str>,
    /// The arguments.
    pub args: &'a OutArgs,
    /// An event: asks to be answered under this id. An answer: the id it answers.
    pub ack: Option<u64>,
}

/// What one envelope says.
#[derive(Debug)]
pub enum Heard {
    /// It emits.
    Event {
        /// The event's name.
        name: Box<str>,
        /// Its arguments.
        args: InArgs,
        /// Asks to be answered under this id.
        ack: Option<u64>,
    },
    /// It answers.
    Answer {
        /// Which event it answers.
        id: u64,
        /// The answer.
        args: InArgs,
    },
}

/// Appends the envelope of what is said, in one line.
pub fn write(out: &mut Vec<u8>, said: &Said<'_>) {
    let mut separator = b'{';
    let mut key = |out: &mut Vec<u8>, name: &str| {
        out.push(std::mem::replace(&mut separator, b','));
        out.extend_from_slice(name.as_bytes());
    };
    if let Some(cursor) = said.cursor {
        key(out, "\"id\":");
        string(out, cursor);
    }
    if let Some(event) = said.event {
        key(out, "\"event\":");
        string(out, event);
    }
    match said.args.len() {
        0 => {}
        1 => {
            key(out, "\"data\":");
            out.extend_from_slice(json(said.args).as_bytes());
        }
        _ => {
            key(out, "\"args\":[");
            out.extend_from_slice(json(said.args).as_bytes());
            out.push(b']');
        }
    }
    if let Some(ack) = said.ack {
        key(out, "\"ack\":");
        out.extend_from_slice(ack.to_string().as_bytes());
    }
    out.push(b'}');
}

/// The arguments as JSON separated by commas, with bytes as `{"$binary":…}`, without a line end.
pub fn json(args: &OutArgs) -> Cow<'_, str> {
    let text = args.json();
    if !args.attachments().is_empty() || may_hold_marker(text) {
        let values = args.to_values();
        // JSON that is too deep to be read stays as it is: it holds no bytes of ours.
        if values.len() == args.len() {
            let mut out = Vec::with_capacity(text.len() + args.attachments().iter().map(|a| a.len() * 4 / 3 + 16).sum::<usize>());
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_value(&mut out, value);
            }
            return String::from_utf8(out).expect("JSON of strings is UTF-8").into();
        }
    }
    // Between tokens only: within a string JSON has no bare line end.
    match text.contains(['\n', '\r']) {
        true => text.replace(['\n', '\r'], " ").into(),
        false => text.into(),
    }
}

/// Reads what a client says.
pub fn read(text: &str, limits: &Limits) -> Result<Heard, ProtocolError> {
    let envelope: Envelope = serde_json::from_str(text).map_err(|_| ProtocolError::MalformedMessage)?;
    envelope.heard(limits)
}

/// Reads what a server says, and its place in the log when there is one.
///
/// ```
/// use sori_proto::{Limits, plain::envelope::{Heard, read_said}};
/// let (cursor, heard) = read_said(r#"{"id":"e-1","event":"msg","data":"hi"}"#, &Limits::default())?;
/// assert_eq!(cursor.as_deref(), Some("e-1"));
/// assert!(matches!(heard, Heard::Event { name, .. } if &*name == "msg"));
/// # Ok::<_, sori_proto::ProtocolError>(())
/// ```
pub fn read_said(text: &str, limits: &Limits) -> Result<(Option<Box<str>>, Heard), ProtocolError> {
    #[derive(Deserialize)]
    struct Said<'a> {
        #[serde(borrow)]
        id: Option<Cow<'a, str>>,
        #[serde(borrow)]
        event: Option<Cow<'a, str>>,
        #[serde(borrow, default, deserialize_with = "present")]
        data: Option<&'a RawValue>,
        #[serde(borrow)]
        args: Option<&'a RawValue>,
        ack: Option<u64>,
    }
    let Said { id, event, data, args, ack } = serde_json::from_str(text).map_err(|_| ProtocolError::MalformedMessage)?;
    Ok((id.map(Box::from), Envelope { event, data, args, ack }.heard(limits)?))
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    ack: Option<u64>,
}

impl Envelope<'_> {
    fn heard(self, limits: &Limits) -> Result<Heard, ProtocolError> {
        let args = match (self.data, self.args) {
            (None, None) => InArgs::from_values(Vec::new()),
            (Some(data), None) => read_args(data.get(), false, limits)?,
            (None, Some(args)) => read_args(args.get(), true, limits)?,
            (Some(_), Some(_)) => return Err(ProtocolError::MalformedMessage),
        };
        match (self.event, self.ack) {
            (Some(name), ack) => Ok(Heard::Event { name: name.into(), args, ack }),
            (None, Some(id)) => Ok(Heard::Answer { id, args }),
            (None, None) => Err(ProtocolError::MalformedMessage),
        }
    }
}

/// Reads one JSON value as the one argument, or with `spread` an array as all of them.
pub fn read_args(json: &str, spread: bool, limits: &Limits) -> Result<InArgs, ProtocolError> {
    let malformed = |_| ProtocolError::MalformedMessage;
    // One value, whole: else `1,2` would become two arguments.
    let json = serde_json::from_str::<&RawValue>(json).map_err(malformed)?.get();
    let array = if spread { Cow::Borrowed(json) } else { Cow::Owned(format!("[{json}]")) };
    let args = InArgs::from_json(&array).map_err(|_| ProtocolError::MalformedMessage)?;
    if !may_hold_marker(json) {
        return Ok(args);
    }
    let mut values = args.to_values().map_err(|_| ProtocolError::MalformedMessage)?;
    let mut found = 0;
    values.iter_mut().try_for_each(|value| read_markers(value, &mut found))?;
    match found > limits.max_attachments as usize {
        true => Err(ProtocolError::Attachments),
        false => Ok(InArgs::from_values(values)),
    }
}

/// An absent `data` is none, `null` is one.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Whether a key of these arguments could be a marker, however it is escaped. True now and then where none is.
fn may_hold_marker(json: &str) -> bool {
    let spelled = |dollar: &str| json.contains(dollar) && (json.contains("binary") || json.contains("\\u"));
    spelled("$") || json.contains("\\u0024")
}

/// `$binary` with any number of `$` more: ours with none, an application's own with one more than it has.
fn is_marker(key: &str) -> bool {
    key.strip_suffix("binary").is_some_and(|dollars| !dollars.is_empty() && dollars.bytes().all(|b| b == b'$'))
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Binary(bytes) => {
            out.extend_from_slice(b"{\"$binary\":\"");
            out.extend_from_slice(BASE64.encode(bytes).as_bytes());
            out.extend_from_slice(b"\"}");
        }
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_value(out, item);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let is_own_marker = matches!(&members[..], [(key, _)] if is_marker(key));
            out.push(b'{');
            for (i, (key, value)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                match is_own_marker {
                    true => string(out, &format!("${key}")),
                    false => string(out, key),
                }
                out.push(b':');
                write_value(out, value);
            }
            out.push(b'}');
        }
        scalar => serde_json::to_writer(out, scalar).expect("scalars have a form in JSON and a Vec takes everything"),
    }
}

fn read_markers(value: &mut Value, found: &mut usize) -> Result<(), ProtocolError> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| read_markers(item, found)),
        Value::Object(members) => {
            if let [(key, marked)] = &mut members[..]
                && is_marker(key)
            {
                if key != "$binary" {
                    key.remove(0);
                    return read_markers(marked, found);
                }
                let text = marked.as_str().ok_or(ProtocolError::MalformedMessage)?;
                let bytes = BASE64.decode(text).map_err(|_| ProtocolError::MalformedMessage)?;
                *found += 1;
                *value = Value::Binary(Bytes::from(bytes));
                return Ok(());
            }
            members.iter_mut().try_for_each(|(_, value)| read_markers(value, found))
        }
        _ => Ok(()),
    }
}

/// RFC 4648, section 4; padding is written, and need not be there to be read.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use serde_json::{json, value::RawValue};

    use super::*;

    #[track_caller]
    fn check<T: serde::Serialize + ?Sized>(data: &T, expected: &str) {
        let args = OutArgs::new(data).unwrap();
        let mut out = Vec::new();
        write(&mut out, &Said { cursor: None, event: Some("x"), args: &args, ack: None });
        assert_eq!(str::from_utf8(&out).unwrap(), expected);
        // And back, as a client would say it.
        let Ok(Heard::Event { args: heard, .. }) = read(expected, &Limits::default()) else { panic!("{expected}") };
        assert_eq!(heard.to_values().unwrap(), args.to_values());
    }

    #[test]
    fn one_argument_is_data_and_several_are_args() {
        check(&(), r#"{"event":"x"}"#);
        check(&None::<u8>, r#"{"event":"x","data":null}"#);
        check("hi", r#"{"event":"x","data":"hi"}"#);
        check(&(1, "two"), r#"{"event":"x","args":[1,"two"]}"#);
        check(&(vec![1],), r#"{"event":"x","data":[1]}"#);
    }

    #[test]
    fn bytes_are_base64_and_an_own_key_of_that_name_is_told_apart() {
        check(&Bytes::from_static(b"\x00\xff"), r#"{"event":"x","data":{"$binary":"AP8="}}"#);
        check(&json!({"$binary": "AP8="}), r#"{"event":"x","data":{"$$binary":"AP8="}}"#);
        check(&json!({"$$binary": {"$binary": 1}}), r#"{"event":"x","data":{"$$$binary":{"$$binary":1}}}"#);
        check(&json!({"$binary": 1, "more": 2}), r#"{"event":"x","data":{"$binary":1,"more":2}}"#);
        check(&json!({"binary": true, "price": "$5"}), r#"{"event":"x","data":{"binary":true,"price":"$5"}}"#);
        check(&(Bytes::new(), vec![Bytes::from_static(b"a")]), r#"{"event":"x","args":[{"$binary":""},[{"$binary":"YQ=="}]]}"#);
        // However it is spelled.
        let raw = RawValue::from_string(r#"{"\u0024b\u0069nary":"AP8="}"#.into()).unwrap();
        check(&raw, r#"{"event":"x","data":{"$$binary":"AP8="}}"#);
    }

    #[test]
    fn an_envelope_is_one_line_whatever_it_holds() {
        let raw = RawValue::from_string("{\"a\":\n[1,\r\n2]}".into()).unwrap();
        let args = OutArgs::new(&(raw, "\n\r\u{2028}")).unwrap();
        let mut out = Vec::new();
        write(&mut out, &Said { cursor: Some("e\n1"), event: Some("a\nb"), args: &args, ack: Some(7) });
        let text = str::from_utf8(&out).unwrap();
        assert_eq!(text, "{\"id\":\"e\\n1\",\"event\":\"a\\nb\",\"args\":[{\"a\": [1,  2]},\"\\n\\r\u{2028}\"],\"ack\":7}");
    }

    #[test]
    fn an_answer_has_no_event() {
        let args = OutArgs::new(&true).unwrap();
        let mut out = Vec::new();
        write(&mut out, &Said { cursor: None, event: None, args: &args, ack: Some(7) });
        assert_eq!(out, br#"{"data":true,"ack":7}"#);
        assert!(matches!(read(r#"{"ack":7,"data":true}"#, &Limits::default()), Ok(Heard::Answer { id: 7, .. })));
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        let bomb = format!("{{\"event\":\"x\",\"data\":{}\"$binary\"{}}}", "[".repeat(10_000), "]".repeat(10_000));
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"data":1}"#,
            r#"{"event":1}"#,
            r#"{"event":"x","data":1,"args":[1]}"#,
            r#"{"event":"x","args":1}"#,
            r#"{"event":"x","args":{}}"#,
            r#"{"event":"x","event":"y"}"#,
            r#"{"event":"x","ack":-1}"#,
            r#"{"event":"x","ack":1.5}"#,
            r#"{"event":"x","ack":"1"}"#,
            r#"{"event":"x"}{"event":"x"}"#,
            r#"{"event":"x","data":{"$binary":1}}"#,
            r#"{"event":"x","data":{"$binary":"*"}}"#,
            &bomb,
        ] {
            assert!(matches!(read(text, &Limits::default()), Err(ProtocolError::MalformedMessage)), "{text:.80}");
        }
        let many = format!(r#"{{"event":"x","args":[{}]}}"#, [r#"{"$binary":""}"#; 11].join(","));
        assert!(matches!(read(&many, &Limits::default()), Err(ProtocolError::Attachments)));
        assert!(read_args("1,2", false, &Limits::default()).is_err());
        assert!(read_args("1],[2", false, &Limits::default()).is_err());
    }

    #[test]
    fn padding_need_not_be_there() {
        for text in ["AP8=", "AP8"] {
            let args = read_args(&format!(r#"{{"$binary":"{text}"}}"#), false, &Limits::default()).unwrap();
            assert_eq!(args.deserialize::<Bytes>().unwrap(), &b"\x00\xff"[..]);
        }
    }
}
