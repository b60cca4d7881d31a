//! Server-sent events as a client reads them: HTML Living Standard, 9.2.6.

use std::mem;

use crate::ProtocolError;

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SseEvent {
    /// The id to come back with, as `Last-Event-ID`: its own, or that of an earlier event. Empty when there was none.
    pub id: Box<str>,
    /// Its name: `message` when the server gave none.
    pub event: Box<str>,
    /// The lines of its data, joined by line feeds.
    pub data: String,
}

/// Turns the bytes of an event stream into events, however they are cut.
///
/// Between events it holds the last id and no more.
///
/// ```
/// use sori_proto::plain::SseReader;
/// let mut reader = SseReader::new(1_000_000);
/// let mut input = &b"id: 7\nevent: said\ndata: hel"[..];
/// assert_eq!(reader.next(&mut input)?, None);
/// let mut input = &b"lo\n\n"[..];
/// let event = reader.next(&mut input)?.unwrap();
/// assert_eq!((&*event.event, &*event.data, &*event.id), ("said", "hello", "7"));
/// # Ok::<_, sori_proto::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct SseReader {
    /// The beginning of a line.
    line: Vec<u8>,
    event: String,
    data: String,
    id: String,
    retry_ms: Option<u32>,
    event_bytes_max: u32,
    /// A line ended with CR: an LF that follows belongs to it.
    after_cr: bool,
    /// A byte order mark may only come first.
    begun: bool,
}

impl SseReader {
    /// A reader at the beginning of a stream. An event with more bytes than the limit is an error.
    pub fn new(event_bytes_max: u32) -> Self {
        Self {
            line: Vec::new(),
            event: String::new(),
            data: String::new(),
            id: String::new(),
            retry_ms: None,
            event_bytes_max,
            after_cr: false,
            begun: false,
        }
    }

    /// Takes the next event off the front of `input`. `None` says that `input` is empty now; what it held of an unfinished
    /// event has been kept.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<SseEvent>, ProtocolError> {
        while let Some(&first) = input.first() {
            if mem::take(&mut self.after_cr) && first == b'\n' {
                *input = &input[1..];
                continue;
            }
            let Some(end) = input.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.check_room(input.len())?;
                self.line.extend_from_slice(mem::take(input));
                break;
            };
            let (rest, after) = (&input[..end], &input[end + 1..]);
            self.after_cr = input[end] == b'\r';
            *input = after;
            self.check_room(rest.len())?;
            let dispatched = match self.line.is_empty() {
                true => self.line(rest),
                false => {
                    self.line.extend_from_slice(rest);
                    let line = mem::take(&mut self.line);
                    self.line(&line)
                }
            };
            if dispatched.is_some() {
                return Ok(dispatched);
            }
        }
        Ok(None)
    }

    /// How long to wait before coming back, when the server has said so.
    pub fn retry_ms(&self) -> Option<u32> {
        self.retry_ms
    }

    fn check_room(&self, more: usize) -> Result<(), ProtocolError> {
        match self.line.len() + self.data.len() + more > self.event_bytes_max as usize {
            true => Err(ProtocolError::PayloadTooLarge),
            false => Ok(()),
        }
    }

    fn line(&mut self, line: &[u8]) -> Option<SseEvent> {
        let line = match mem::replace(&mut self.begun, true) {
            true => line,
            false => line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line),
        };
        if line.is_empty() {
            return self.dispatch();
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(0) => return None,
            Some(colon) => (&line[..colon], line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..])),
            None => (line, &b""[..]),
        };
        let text = || String::from_utf8_lossy(value);
        match name {
            b"event" => self.event = text().into_owned(),
            b"data" => {
                self.data.push_str(&text());
                self.data.push('\n');
            }
            // It comes with each event that follows. One that fits into no header is of no use to anybody.
            b"id" if !value.contains(&0) && value.len() <= ID_BYTES_MAX => {
                self.id.clear();
                self.id.push_str(&text());
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.retry_ms = text().parse().ok().or(Some(u32::MAX));
            }
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<SseEvent> {
        let (event, mut data) = (mem::take(&mut self.event), mem::take(&mut self.data));
        // Without a data field there is no event; with an empty one there is.
        data.pop()?;
        let event = if event.is_empty() { "message".into() } else { event.into() };
        Some(SseEvent { id: self.id.as_str().into(), event, data })
    }
}

/// Bytes of an id that is kept.
const ID_BYTES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that comes, as `name=data@id`, however the stream is cut.
    #[track_caller]
    fn check(stream: &str, expected: &[&str]) {
        for size in 1..=stream.len() {
            let mut reader = SseReader::new(1_000);
            let mut events = Vec::new();
            for mut chunk in stream.as_bytes().chunks(size) {
                while let Some(SseEvent { id, event, data }) = reader.next(&mut chunk).unwrap() {
                    events.push(format!("{event}={data}@{id}"));
                }
                assert!(chunk.is_empty());
            }
            assert_eq!(events, expected, "in chunks of {size}");
        }
    }

    // The examples of the standard, 9.2.6.
    #[test]
    fn examples_of_the_standard() {
        check("data: YHOO\ndata: +2\ndata: 10\n\n", &["message=YHOO\n+2\n10@"]);
        check(
            ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            &["message=first event@1", "message=second event@", "message= third event@"],
        );
        check("data\n\ndata\ndata\n\ndata:", &["message=@", "message=\n@"]);
        check("data:test\n\ndata: test\n\n", &["message=test@", "message=test@"]);
    }

    #[test]
    fn every_line_end_ends_a_line() {
        check("event: a\rdata: 1\r\rdata: 2\r\n\r\ndata: 3\n\n", &["a=1@", "message=2@", "message=3@"]);
        check("\u{feff}data: 1\n\n\u{feff}data: 2\n\n", &["message=1@"]);
    }

    #[test]
    fn ids_stay_until_there_is_another() {
        check(
            "id: a\ndata: 1\n\ndata: 2\n\nid: b\0\ndata: 3\n\nid: c\n\ndata: 4\n\n",
            &["message=1@a", "message=2@a", "message=3@a", "message=4@c"],
        );
    }

    #[test]
    fn an_id_that_nobody_could_come_back_with_is_none() {
        let long = "x".repeat(ID_BYTES_MAX + 1);
        let mut reader = SseReader::new(10_000);
        let stream = format!("id: a\ndata: 1\n\nid: {long}\ndata: 2\n\n");
        let mut input = stream.as_bytes();
        let ids: Vec<_> = std::iter::from_fn(|| reader.next(&mut input).unwrap()).map(|event| event.id).collect();
        assert_eq!(ids, ["a".into(), "a".into()]);
    }

    #[test]
    fn what_is_unknown_is_passed_over() {
        check(":\n\nfoo: bar\nDATA: x\ndata: 1\nevent\n\nevent: lost\n\ndata: 2\n\n", &["message=1@", "message=2@"]);
        let mut reader = SseReader::new(1_000);
        let mut input = &b"retry: 3000\nretry: x\nretry:\nretry: -1\n"[..];
        assert_eq!(reader.next(&mut input), Ok(None));
        assert_eq!(reader.retry_ms(), Some(3_000));
        let mut input = &b"data: \xff\n\n"[..];
        assert_eq!(reader.next(&mut input).unwrap().unwrap().data, "\u{fffd}");
    }

    #[test]
    fn an_event_has_a_limit() {
        let endless = |text: &str| {
            let mut reader = SseReader::new(1_000);
            (0..1_000).find_map(|_| reader.next(&mut text.as_bytes()).err())
        };
        assert_eq!(endless("data"), Some(ProtocolError::PayloadTooLarge));
        assert_eq!(endless("data: 1\n"), Some(ProtocolError::PayloadTooLarge));
        assert_eq!(endless("data: 1\n\n"), None);
    }
}
