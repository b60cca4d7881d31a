//! The head of an answer: what of it means something here.

use super::Body;
use crate::{Error, Limits, error::excerpt};

/// What an answer says before its body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) body: Body,
    /// Whether the connection takes another request afterwards.
    pub(crate) keeps_alive: bool,
    pub(crate) content: Content,
    pub(crate) location: Option<Box<str>>,
    pub(crate) etag: Option<Box<str>>,
    pub(crate) last_modified: Option<Box<str>>,
    /// `Sec-WebSocket-Accept` and `-Protocol`.
    pub(crate) accept: Option<Box<str>>,
    pub(crate) subprotocol: Option<Box<str>>,
}

/// A `Content-Type` that a transport reads, or another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Binary,
    EventStream,
    Other,
}

impl Head {
    /// Reads a head off the front of `bytes` and tells how long it is; `None` when `bytes` ends before it does. Answers that only
    /// announce the real one (100, 103) are passed over.
    pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<Option<(Self, usize)>, Error> {
        let mut at = 0;
        loop {
            match Self::parse_one(&bytes[at..], limits)? {
                Some((head, len)) if matches!(head.status, 100 | 102..=199) => at += len,
                Some((head, len)) => return Ok(Some((head, at + len))),
                None if bytes.len() > limits.head_bytes_max as usize => {
                    return Err(Error::TooLarge { limit: "head_bytes_max", max: limits.head_bytes_max });
                }
                None => return Ok(None),
            }
        }
    }

    fn parse_one(bytes: &[u8], limits: &Limits) -> Result<Option<(Self, usize)>, Error> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let headers_max = HEADERS_MAX.min(limits.headers_max as usize);
        let mut answer = httparse::Response::new(&mut headers[..headers_max]);
        let len = match answer.parse(bytes) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Error::TooLarge { limit: "headers_max", max: headers_max as u32 });
            }
            Err(_) if !bytes.starts_with(b"HTTP/") => return Err(Error::NotHttp { begins: excerpt(bytes) }),
            Err(error) => return Err(Error::violation(format!("the head of its HTTP answer: {error}"))),
        };
        if len > limits.head_bytes_max as usize {
            return Err(Error::TooLarge { limit: "head_bytes_max", max: limits.head_bytes_max });
        }
        let status = answer.code.expect("a whole head has a status");
        let mut head = Self {
            status,
            body: Body::UntilEnd,
            keeps_alive: answer.version == Some(1),
            content: Content::Other,
            location: None,
            etag: None,
            last_modified: None,
            accept: None,
            subprotocol: None,
        };
        let (mut length, mut chunked) = (None, None);
        for header in answer.headers.iter() {
            match Known::of(header.name) {
                Some(Known::ContentLength) => length = Some(content_length(header.value, length)?),
                Some(Known::TransferEncoding) => chunked = Some(last_token(header.value).eq_ignore_ascii_case("chunked")),
                Some(Known::Connection) => head.connection(header.value),
                Some(Known::ContentType) => head.content = Content::of(header.value),
                Some(Known::Location) => head.location = text(header.value),
                Some(Known::Etag) => head.etag = text(header.value),
                Some(Known::LastModified) => head.last_modified = text(header.value),
                Some(Known::Accept) => head.accept = text(header.value),
                Some(Known::Subprotocol) => head.subprotocol = text(header.value),
                None => {}
            }
        }
        // RFC 9112, 6.3: what has no body, then the codings, then the length, then the end of the connection.
        head.body = match (status, chunked, length) {
            (101 | 204 | 304, _, _) => Body::Done,
            (_, Some(true), _) => Body::chunked(),
            (_, Some(false), _) => Body::UntilEnd,
            (_, None, Some(length)) => Body::of_length(length),
            (_, None, None) => Body::UntilEnd,
        };
        head.keeps_alive &= !matches!(head.body, Body::UntilEnd);
        Ok(Some((head, len)))
    }

    fn connection(&mut self, value: &[u8]) {
        for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if token.eq_ignore_ascii_case(b"close") {
                self.keeps_alive = false;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keeps_alive = true;
            }
        }
    }
}

impl Content {
    fn of(value: &[u8]) -> Self {
        let kind = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if kind.eq_ignore_ascii_case(b"application/octet-stream") {
            Self::Binary
        } else if kind.eq_ignore_ascii_case(b"text/event-stream") {
            Self::EventStream
        } else {
            Self::Other
        }
    }
}

/// The headers that mean something here.
enum Known {
    ContentLength,
    TransferEncoding,
    Connection,
    ContentType,
    Location,
    Etag,
    LastModified,
    Accept,
    Subprotocol,
}

impl Known {
    fn of(name: &str) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // Most heads have a date, a server and a policy or two: the length tells these from ours.
        Some(match name.len() {
            4 if is("etag") => Self::Etag,
            8 if is("location") => Self::Location,
            10 if is("connection") => Self::Connection,
            12 if is("content-type") => Self::ContentType,
            13 if is("last-modified") => Self::LastModified,
            14 if is("content-length") => Self::ContentLength,
            17 if is("transfer-encoding") => Self::TransferEncoding,
            20 if is("sec-websocket-accept") => Self::Accept,
            22 if is("sec-websocket-protocol") => Self::Subprotocol,
            _ => return None,
        })
    }
}

/// Digits, and the same ones if they come again: two lengths are how answers are smuggled (RFC 9112, 6.3).
fn content_length(value: &[u8], before: Option<u64>) -> Result<u64, Error> {
    let digits = value.trim_ascii();
    let length = str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .filter(|length| before.is_none_or(|before| before == *length));
    length.ok_or_else(|| Error::violation(format!("Content-Length: {}", excerpt(value))))
}

fn last_token(value: &[u8]) -> &str {
    let token = value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
    str::from_utf8(token.trim_ascii()).unwrap_or_default()
}

fn text(value: &[u8]) -> Option<Box<str>> {
    str::from_utf8(value).ok().map(Box::from)
}

/// As many as the array on the stack has room for.
const HEADERS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &str) -> Result<Option<(Head, usize)>, Error> {
        Head::parse(bytes.as_bytes(), &Limits { head_bytes_max: 300, headers_max: 4, ..Limits::default() })
    }

    #[track_caller]
    fn check(bytes: &str, status: u16, body: Body, keeps_alive: bool) {
        let (head, len) = parse(bytes).unwrap().unwrap();
        assert_eq!((head.status, head.body, head.keeps_alive, len), (status, body, keeps_alive, bytes.len()));
        for end in 0..bytes.len() {
            assert!(matches!(parse(&bytes[..end]), Ok(None)), "{end}");
        }
    }

    #[test]
    fn the_framing_of_the_body() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, Body::of_length(5), true);
        check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nConnection: close\r\n\r\n", 200, Body::Done, false);
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 200, Body::chunked(), true);
        check("HTTP/1.1 200 \r\n\r\n", 200, Body::UntilEnd, false);
        check("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", 200, Body::of_length(1), false);
        check("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\n", 200, Body::of_length(1), true);
        check("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, Body::Done, true);
        check("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n", 101, Body::Done, true);
        check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, Body::Done, true);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        assert!(matches!(parse("SSH-2.0-OpenSSH_9.6\r\n"), Err(Error::NotHttp { begins }) if &*begins == "SSH-2.0-OpenSSH_9.6"));
        assert!(matches!(parse("HTTP/1.1 abc\r\n\r\n"), Err(Error::Violation(_))));
        assert!(matches!(parse("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), Err(Error::Violation(_))));
        assert!(matches!(parse("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), Err(Error::Violation(_))));
    }

    #[test]
    fn a_head_has_limits() {
        let long = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(300));
        assert!(matches!(parse(&long), Err(Error::TooLarge { limit: "head_bytes_max", .. })));
        assert!(matches!(parse(&format!("{long}\r\n\r\n")), Err(Error::TooLarge { limit: "head_bytes_max", .. })));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: x\r\n".repeat(5));
        assert!(matches!(parse(&many), Err(Error::TooLarge { limit: "headers_max", max: 4 })));
    }
}
