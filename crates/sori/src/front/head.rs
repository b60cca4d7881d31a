//! Heads and chunks of answers (RFC 9112).

use std::{
    cell::RefCell,
    io::Write,
    time::{Duration, SystemTime},
};

use http::{Response, StatusCode, header, response::Parts};
use tokio::time::Instant;

/// How the end of a body is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Known(usize),
    Chunks,
    /// What follows is no body.
    None,
}

/// Whether the answer itself wants the connection to end.
pub(super) fn closes<B>(answer: &Response<B>) -> bool {
    answer.headers().get(header::CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

pub(super) fn write(out: &mut Vec<u8>, head: &Parts, length: Length, closes: bool) {
    let reason = head.status.canonical_reason().unwrap_or_default();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(head.status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\n");
    let (mut has_length, mut has_connection, mut has_date) = (false, false, false);
    for (name, value) in &head.headers {
        has_length |= name == header::CONTENT_LENGTH;
        has_connection |= name == header::CONNECTION;
        has_date |= name == header::DATE;
        line(out, name.as_str(), value.as_bytes());
    }
    // RFC 9110, 8.6: none of these needs a length.
    let has_body = !head.status.is_informational() && !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    match length {
        Length::Known(bytes) if has_body && !has_length => {
            line(out, "content-length", itoa::Buffer::new().format(bytes).as_bytes());
        }
        Length::Chunks => line(out, "transfer-encoding", b"chunked"),
        _ => {}
    }
    if closes && !has_connection {
        line(out, "connection", b"close");
    }
    if !has_date {
        DATE.with_borrow_mut(|date| line(out, "date", date.text()));
    }
    out.extend_from_slice(b"\r\n");
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// One chunk, unless it is empty, and the end of the body with the last.
pub(super) fn write_chunk(out: &mut Vec<u8>, chunk: &[u8], is_last: bool) {
    if !chunk.is_empty() {
        let _ = write!(out, "{:X}\r\n", chunk.len());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    if is_last {
        out.extend_from_slice(b"0\r\n\r\n");
    }
}

thread_local! {
    static DATE: RefCell<Date> = const { RefCell::new(Date { text: Vec::new(), until: None }) };
}

/// The date as HTTP says it, made once a second.
struct Date {
    text: Vec<u8>,
    until: Option<Instant>,
}

impl Date {
    fn text(&mut self) -> &[u8] {
        let now = Instant::now();
        if self.until.is_none_or(|until| now >= until) {
            self.text = httpdate::fmt_http_date(SystemTime::now()).into_bytes();
            self.until = Some(now + Duration::from_secs(1));
        }
        &self.text
    }
}
