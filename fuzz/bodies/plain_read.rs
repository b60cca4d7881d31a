//! Strict readers of what plain clients are told, written from the specifications and not from our writers. They panic at what a
//! browser or a careful program would not take.

use base64::{Engine, engine::general_purpose::STANDARD};
use sori_proto::Value;

/// One envelope.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    pub id: Option<String>,
    pub event: Option<String>,
    pub args: Vec<Value>,
    pub ack: Option<u64>,
}

/// `{"id":…,"event":…,"data":… | "args":[…],"ack":…}` in this order, in one line.
pub fn envelope(json: &str) -> Told {
    assert!(!json.contains(['\n', '\r']), "an envelope is one line");
    let Ok(Value::Object(members)) = Value::from_json(json) else { panic!("no object: {json}") };
    let (mut told, mut last) = (Told::default(), 0);
    for (name, value) in members {
        let place = ["id", "event", "data", "args", "ack"].iter().position(|known| *known == name).expect("a known member") + 1;
        assert!(place > last && !(last == 3 && place == 4), "{json}");
        last = place;
        match (&*name, value) {
            ("id", Value::String(id)) => told.id = Some(id),
            ("event", Value::String(event)) => told.event = Some(event),
            ("data", value) => told.args = vec![bytes(value)],
            ("args", Value::Array(args)) => told.args = args.into_iter().map(bytes).collect(),
            ("ack", Value::Number(id)) => told.ack = Some(id.as_u64().expect("an id")),
            _ => panic!("a member of another kind: {json}"),
        }
    }
    told
}

/// `{"$binary":"…"}` is bytes; with one more `$` it is an application's own object with one less.
pub fn bytes(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(bytes).collect()),
        Value::Object(mut members) => {
            if members.len() == 1 && members[0].0.trim_start_matches('$') == "binary" && members[0].0 != "binary" {
                let (name, value) = members.remove(0);
                return match (name.strip_prefix("$$"), value) {
                    (None, Value::String(text)) => Value::Binary(STANDARD.decode(text).expect("base64").into()),
                    (None, other) => panic!("no bytes: {other:?}"),
                    (Some(rest), value) => Value::Object(vec![(format!("${rest}"), bytes(value))]),
                };
            }
            Value::Object(members.into_iter().map(|(name, value)| (name, bytes(value))).collect())
        }
        scalar => scalar,
    }
}

/// An event of a stream, as EventSource dispatches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub last_event_id: String,
    pub event: String,
    pub data: String,
}

/// HTML Living Standard, 9.2.6. Comments and other blocks without data are no events.
pub fn sse(stream: &[u8]) -> Vec<Message> {
    let text = str::from_utf8(stream).expect("UTF-8");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut messages, mut last_event_id) = (Vec::new(), String::new());
    let (mut data, mut event) = (String::new(), String::new());
    let lines = text.strip_suffix('\n').expect("a whole last line");
    for line in lines.split('\n') {
        if line.is_empty() {
            if !data.is_empty() {
                data.pop();
                let event = if event.is_empty() { "message".to_owned() } else { event.clone() };
                messages.push(Message { last_event_id: last_event_id.clone(), event, data: data.clone() });
            }
            (data, event) = (String::new(), String::new());
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => {}
            "event" => event = value.to_owned(),
            "data" => {
                data += value;
                data.push('\n');
            }
            "id" if !value.contains('\0') => last_event_id = value.to_owned(),
            "retry" if value.bytes().all(|b| b.is_ascii_digit()) => {}
            other => panic!("no field of ours: {other:?}"),
        }
    }
    assert!(data.is_empty() && event.is_empty(), "it ends with a whole block");
    messages
}

/// RFC 2046, 5.1.1: the bodies of all parts, and whether the last delimiter was the close delimiter.
pub fn multipart<'a>(stream: &'a [u8], boundary: &str) -> (Vec<&'a str>, bool) {
    let delimiter = format!("--{boundary}");
    let text = str::from_utf8(stream).expect("UTF-8");
    // As the simplest of readers: wherever the boundary stands is a delimiter.
    let mut pieces = text.split(&delimiter);
    assert_eq!(pieces.next(), Some(""), "nothing before the first delimiter");
    let mut pieces: Vec<&str> = pieces.collect();
    assert_eq!(pieces.concat().matches(boundary).count(), 0, "the boundary stands in delimiters only");
    let last = pieces.pop().expect("a delimiter");
    assert!(matches!(last, "" | "--\r\n"), "{last:?}");
    let part = |piece: &'a str| {
        let piece = piece.strip_prefix("\r\n").and_then(|piece| piece.strip_suffix("\r\n")).expect("line ends around a part");
        let (head, body) = piece.split_once("\r\n\r\n").expect("a head");
        let length = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
        assert_eq!(head, length);
        body
    };
    (pieces.into_iter().map(part).collect(), last == "--\r\n")
}

/// Scripts of a page, each `_(…)`; whitespace between them means nothing.
pub fn iframe(page: &[u8]) -> Vec<Told> {
    let mut rest = str::from_utf8(page).expect("UTF-8").trim();
    let mut told = Vec::new();
    while !rest.is_empty() {
        let script = rest.strip_prefix("<script>").expect("a script and nothing else");
        // As HTML ends it: at the first `</`.
        let (script, after) = script.split_once("</script>").expect("an end");
        assert!(!script.contains('<'), "{script}");
        told.push(envelope(&argument(script, "_")));
        rest = after.trim_start();
    }
    told
}

/// `/**/callback(…);`
pub fn jsonp(script: &[u8], callback: &str) -> String {
    let script = str::from_utf8(script).expect("UTF-8");
    let call = script.strip_prefix("/**/").and_then(|script| script.strip_suffix(';')).expect("a comment and a statement");
    argument(call, callback)
}

/// The JSON of the one argument of a call, as JavaScript takes it: a literal, or a string that is parsed.
fn argument(call: &str, callback: &str) -> String {
    assert!(!call.contains(['\n', '\r', '\u{2028}', '\u{2029}']), "lines of JavaScript end there");
    let inside = call.strip_prefix(callback).and_then(|call| call.strip_prefix('(')).and_then(|call| call.strip_suffix(')'));
    let literal = inside.expect("a call");
    match literal.strip_prefix("JSON.parse(").and_then(|string| string.strip_suffix(')')) {
        Some(string) => serde_json::from_str(string).expect("a string"),
        None => {
            let value = Value::from_json(literal).expect("JSON is JavaScript");
            assert!(!sets_a_prototype(&value), "a literal's `__proto__` is no member: {literal}");
            literal.to_owned()
        }
    }
}

fn sets_a_prototype(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(sets_a_prototype),
        Value::Object(members) => members.iter().any(|(name, value)| name == "__proto__" || sets_a_prototype(value)),
        _ => false,
    }
}

/// RFC 6455, 5.2: whole unmasked frames without extensions, each with its opcode.
pub fn frames(mut stream: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while !stream.is_empty() {
        let (first, second) = (stream[0], stream[1]);
        assert_eq!((first & 0xf0, second & 0x80), (0x80, 0), "a whole frame of a server");
        let (head, len) = match second {
            126 => (4, usize::from(u16::from_be_bytes([stream[2], stream[3]]))),
            127 => (10, usize::try_from(u64::from_be_bytes(stream[2..10].try_into().expect("eight"))).expect("it is here")),
            len => (2, usize::from(len)),
        };
        // The shortest way of saying it.
        assert!((head == 2) || (head == 4 && len >= 126) || len > 0xffff);
        frames.push((first & 0x0f, &stream[head..head + len]));
        stream = &stream[head + len..];
    }
    frames
}
