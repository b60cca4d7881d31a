//! What a POST brings: JSON, a form, text or bytes, by its `Content-Type`.

use std::fmt;

use bytes::Bytes;

use super::envelope;
use crate::{Limits, ProtocolError, Value, sio::InArgs};

/// A body that cannot be read as arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Its type is none of those that are read.
    Type(Box<str>),
    /// It is not what its type says.
    Malformed(ProtocolError),
    /// It says that it is text in another encoding than UTF-8, or is not.
    Utf8,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(kind) => {
                write!(f, "{kind} is not read here; send application/json, a form, text, or application/octet-stream")
            }
            Self::Malformed(ProtocolError::Attachments) => f.write_str("more byte strings than max_attachments"),
            Self::Malformed(_) => f.write_str("the body is not the JSON that its Content-Type promises"),
            Self::Utf8 => f.write_str("text must be UTF-8"),
        }
    }
}

/// Reads a body as the one argument of an event; with `spread` a JSON array as all of them. An empty body is no argument.
///
/// ```
/// use sori_proto::{Limits, plain::body};
/// let read = |kind, body: &'static str| body::read(Some(kind), body.into(), false, &Limits::default()).unwrap();
/// assert_eq!(read("application/json", "7").deserialize::<u8>().unwrap(), 7);
/// assert_eq!(read("text/plain", "7").deserialize::<String>().unwrap(), "7");
/// // What `curl -d hello` sends says that it is a form, and is none.
/// assert_eq!(read("application/x-www-form-urlencoded", "hello").deserialize::<String>().unwrap(), "hello");
/// ```
pub fn read(content_type: Option<&str>, body: Bytes, spread: bool, limits: &Limits) -> Result<InArgs, BodyError> {
    if body.is_empty() {
        return Ok(InArgs::from_values(Vec::new()));
    }
    let (kind, parameters) = content_type.unwrap_or_default().split_once(';').unwrap_or((content_type.unwrap_or_default(), ""));
    let kind = kind.trim().to_ascii_lowercase();
    let text = || {
        let other_charset = parameters.split(';').filter_map(|p| p.trim().split_once('=')).any(|(name, value)| {
            name.eq_ignore_ascii_case("charset")
                && !["utf-8", "utf8", "us-ascii"].iter().any(|known| value.trim_matches('"').eq_ignore_ascii_case(known))
        });
        match (std::str::from_utf8(&body), other_charset) {
            (Ok(text), false) => Ok(text),
            _ => Err(BodyError::Utf8),
        }
    };
    let value = match &*kind {
        "application/json" => return envelope::read_args(text()?, spread, limits).map_err(BodyError::Malformed),
        kind if kind.starts_with("application/") && kind.ends_with("+json") => {
            return envelope::read_args(text()?, spread, limits).map_err(BodyError::Malformed);
        }
        "application/x-www-form-urlencoded" => match text()? {
            form if form.contains('=') => fields(form),
            text => Value::String(text.to_owned()),
        },
        kind if kind.starts_with("text/") => Value::String(text()?.to_owned()),
        "multipart/form-data" => return Err(BodyError::Type(kind.into())),
        _ => Value::Binary(body.clone()),
    };
    Ok(InArgs::from_values(vec![value]))
}

/// The fields of a form as an object of strings; a name that comes again has a list.
fn fields(form: &str) -> Value {
    let mut members: Vec<(String, Value)> = Vec::new();
    for (name, value) in form_urlencoded::parse(form.as_bytes()).take(FIELDS_MAX) {
        let value = Value::String(value.into_owned());
        match members.iter_mut().find(|(known, _)| *known == name) {
            None => members.push((name.into_owned(), value)),
            Some((_, Value::Array(values))) => values.push(value),
            Some((_, first)) => *first = Value::Array(vec![std::mem::take(first), value]),
        }
    }
    Value::Object(members)
}

/// A form that people fill in has fewer; finding a name again takes time for each that is there.
const FIELDS_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(kind: Option<&str>, body: &'static [u8], spread: bool, expected: serde_json::Value) {
        let args = read(kind, Bytes::from_static(body), spread, &Limits::default()).unwrap();
        let out = args.to_out().unwrap();
        assert_eq!(format!("[{}]", envelope::json(&out)), expected.to_string(), "{kind:?} {body:?}");
    }

    #[test]
    fn the_content_type_decides() {
        check(Some("application/json"), br#"{"a":1}"#, false, json!([{"a": 1}]));
        check(Some("Application/JSON; charset=utf-8"), b"[1,2]", false, json!([[1, 2]]));
        check(Some("application/json"), b"[1,2]", true, json!([1, 2]));
        check(Some("application/vnd.x+json"), b"null", false, json!([null]));
        check(Some("application/json"), br#"{"$binary":"AA=="}"#, false, json!([{"$binary": "AA=="}]));
        check(Some("text/plain;charset=UTF-8"), "é".as_bytes(), false, json!(["é"]));
        check(
            Some("application/x-www-form-urlencoded"),
            b"a=1&b=x+y&a=2&a=3",
            false,
            json!([{"a": ["1", "2", "3"], "b": "x y"}]),
        );
        check(Some("application/x-www-form-urlencoded"), b"lunch is ready", false, json!(["lunch is ready"]));
        check(Some("application/octet-stream"), b"\xff", false, json!([{"$binary": "/w=="}]));
        check(Some("image/png"), b"\xff", false, json!([{"$binary": "/w=="}]));
        check(None, b"a", false, json!([{"$binary": "YQ=="}]));
        check(Some("application/json"), b"", false, json!([]));
    }

    #[test]
    fn what_is_not_what_it_says_is_refused() {
        let refused = |kind: &str, body: &'static [u8]| read(Some(kind), body.into(), false, &Limits::default()).unwrap_err();
        assert!(matches!(refused("application/json", b"{"), BodyError::Malformed(_)));
        assert!(matches!(refused("application/json", b"1,2"), BodyError::Malformed(_)));
        assert_eq!(refused("application/json", b"\"\xff\""), BodyError::Utf8);
        assert_eq!(refused("text/plain", b"\xff"), BodyError::Utf8);
        assert_eq!(refused("text/plain; charset=euc-kr", b"a"), BodyError::Utf8);
        assert!(matches!(refused("multipart/form-data; boundary=x", b"--x"), BodyError::Type(_)));
        let args = read(Some("application/json"), "[1]".into(), true, &Limits::default());
        assert_eq!(args.unwrap().len(), 1);
        assert!(read(Some("application/json"), "{}".into(), true, &Limits::default()).is_err());
    }
}
