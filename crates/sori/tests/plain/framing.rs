//! Strict readers of responses without an end.

use serde_json::Value;

use crate::said::Said;

/// How a stream is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    Sse { is_envelope: bool },
    Lines,
    Multipart { boundary: String },
    Iframe { callback: String },
}

/// One whole thing of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Said(Said),
    Heartbeat,
}

/// Takes whole items from the front of what has come.
pub struct Reader {
    framing: Framing,
    is_begun: bool,
    /// `retry:`, if it came.
    pub retry: Option<u32>,
    /// What EventSource would send as `Last-Event-ID`.
    pub last_event_id: Option<String>,
    /// The end was said in the framing's own way.
    pub is_ended: bool,
}

impl Reader {
    pub fn new(framing: Framing) -> Self {
        Self { framing, is_begun: false, retry: None, last_event_id: None, is_ended: false }
    }

    pub fn next(&mut self, buffer: &mut Vec<u8>) -> Option<Item> {
        assert!(!self.is_ended || buffer.is_empty(), "bytes after the end: {:?}", String::from_utf8_lossy(buffer));
        let framing = self.framing.clone();
        match framing {
            Framing::Sse { is_envelope } => self.sse(buffer, is_envelope),
            Framing::Lines => {
                let line = take_through(buffer, b"\n")?;
                Some(if line.is_empty() { Item::Heartbeat } else { Item::Said(Said::read(&line)) })
            }
            Framing::Multipart { boundary } => self.multipart(buffer, &boundary),
            Framing::Iframe { callback } => self.iframe(buffer, &callback),
        }
    }

    /// HTML Living Standard, 9.2.6.
    fn sse(&mut self, buffer: &mut Vec<u8>, is_envelope: bool) -> Option<Item> {
        let block = take_through(buffer, b"\n\n")?;
        if block == ":" {
            return Some(Item::Heartbeat);
        }
        let (mut id, mut event, mut data) = (None, None, None::<String>);
        for line in block.split('\n') {
            let (field, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line:?}"));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "retry" => self.retry = Some(value.parse().unwrap()),
                "id" => assert!(id.replace(value.to_owned()).is_none(), "two ids: {block:?}"),
                "event" => assert!(event.replace(value.to_owned()).is_none(), "two names: {block:?}"),
                "data" => data = Some(data.map_or(value.to_owned(), |before| format!("{before}\n{value}"))),
                other => panic!("unknown field {other:?} in {block:?}"),
            }
        }
        if id.is_some() {
            self.last_event_id = id.clone();
        }
        // The standard drops an event without data.
        let Some(data) = data else { return self.next(buffer) };
        let name = event.unwrap_or_else(|| "message".into());
        let looks_like_envelope = || {
            let value: Value = serde_json::from_str(&data).expect("JSON");
            value.as_object().is_some_and(|m| m.contains_key("ack") || m.contains_key("args"))
        };
        if (is_envelope && name != "connect" && name != "disconnect") || (!data.is_empty() && looks_like_envelope()) {
            let said = Said::read(&data);
            assert_eq!(said.id, id);
            assert_eq!(said.event.as_deref().unwrap_or("ack"), name);
            return Some(Item::Said(said));
        }
        let said = match serde_json::from_str::<Value>(&data) {
            // `connect` and `disconnect` are envelopes as well where all are.
            Ok(Value::Object(members)) if is_envelope && members.contains_key("event") => Said::read(&data),
            Ok(value) => Said { id: id.clone(), event: Some(name), args: vec![value], ack: None },
            Err(_) if data.is_empty() => Said { id: id.clone(), event: Some(name), args: Vec::new(), ack: None },
            Err(error) => panic!("{error}: {block:?}"),
        };
        assert_eq!(said.id, id);
        Some(Item::Said(said))
    }

    /// RFC 2046, 5.1: by `Content-Length`, which must agree with the delimiter.
    fn multipart(&mut self, buffer: &mut Vec<u8>, boundary: &str) -> Option<Item> {
        let delimiter = format!("--{boundary}");
        if !self.is_begun {
            if buffer.len() < delimiter.len() {
                return None;
            }
            assert!(buffer.starts_with(delimiter.as_bytes()));
            buffer.drain(..delimiter.len());
            self.is_begun = true;
        }
        if buffer.starts_with(b"--") {
            if buffer.len() >= 4 {
                assert_eq!(&buffer[..], b"--\r\n");
                buffer.clear();
                self.is_ended = true;
            }
            return None;
        }
        let head = "\r\nContent-Type: application/json\r\nContent-Length: ";
        let text = String::from_utf8_lossy(buffer);
        assert!(text.starts_with(&head[..head.len().min(text.len())]), "{text:?}");
        let (length, _) = text.get(head.len()..)?.split_once("\r\n\r\n")?;
        let start = head.len() + length.len() + 4;
        let end = start + length.parse::<usize>().expect("Content-Length");
        let behind = format!("\r\n{delimiter}");
        if buffer.len() < end + behind.len() {
            return None;
        }
        assert_eq!(&buffer[end..end + behind.len()], behind.as_bytes());
        let body = String::from_utf8(buffer[start..end].to_vec()).expect("UTF-8");
        assert!(!body.contains(boundary));
        buffer.drain(..end + behind.len());
        Some(if body.is_empty() { Item::Heartbeat } else { Item::Said(Said::read(&body)) })
    }

    fn iframe(&mut self, buffer: &mut Vec<u8>, callback: &str) -> Option<Item> {
        if !self.is_begun {
            let head = take_through(buffer, b"</script>\n")?;
            assert!(head.starts_with("<!DOCTYPE html><meta charset=\"utf-8\">") && head.len() > 2_048);
            assert!(head.ends_with(&format!("--><script>var _=function(e){{parent.{callback}(e)}}")), "{head}");
            self.is_begun = true;
        }
        let line = take_through(buffer, b"\n")?;
        if line == " " {
            return Some(Item::Heartbeat);
        }
        let call = line.strip_prefix("<script>_(").and_then(|rest| rest.strip_suffix(")</script>"));
        Some(Item::Said(Said::read(as_script(call.unwrap_or_else(|| panic!("no script: {line:?}"))))))
    }
}

/// JSON in a script, which nothing in it may end.
#[track_caller]
pub fn as_script(json: &str) -> &str {
    assert!(!json.contains(['<', '\u{2028}', '\u{2029}']), "it ends its script: {json}");
    json
}

fn take_through(buffer: &mut Vec<u8>, end: &[u8]) -> Option<String> {
    let at = buffer.windows(end.len()).position(|window| window == end)?;
    let text = String::from_utf8(buffer[..at].to_vec()).expect("UTF-8");
    buffer.drain(..at + end.len());
    Some(text)
}
