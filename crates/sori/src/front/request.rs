//! Requests of the commonest form, and nothing else.

use std::{cell::Cell, mem::MaybeUninit};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header, request::Parts};

use crate::query;

/// What the beginning of a connection's bytes is.
pub(super) enum Parsed {
    /// Not a whole head yet.
    Partial,
    /// Not ours, or not as simple as the requests that we answer.
    Foreign,
    /// One of ours, and how many bytes it took.
    Request(Simple, usize),
}

/// A whole request.
pub(super) struct Simple {
    /// In a box, because an answer is a future, and what it is given by value it keeps twice.
    pub(super) head: Box<Parts>,
    pub(super) body: Bytes,
    /// The client wants the connection to end with the answer.
    pub(super) closes: bool,
}

/// Reads one request. Whatever may be read in two ways is foreign, so that no two readers of a connection ever disagree.
pub(super) fn parse(input: &[u8], head_bytes_max: usize, headers_max: usize, is_ours: impl FnOnce(&str) -> bool) -> Parsed {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut read = httparse::Request::new(&mut []);
    let size = match read.parse_with_uninit_headers(input, &mut headers) {
        Ok(httparse::Status::Complete(size)) if size <= head_bytes_max => size,
        Ok(httparse::Status::Partial) if input.len() <= head_bytes_max => return Parsed::Partial,
        _ => return Parsed::Foreign,
    };
    match whole(input, size, &read, headers_max, is_ours) {
        Some((request, used)) => Parsed::Request(request, used),
        None => Parsed::Foreign,
    }
}

fn whole(
    input: &[u8],
    size: usize,
    read: &httparse::Request<'_, '_>,
    headers_max: usize,
    is_ours: impl FnOnce(&str) -> bool,
) -> Option<(Simple, usize)> {
    let method = match read.method? {
        "GET" => Method::GET,
        "POST" => Method::POST,
        _ => return None,
    };
    let target = read.path?;
    let path = query::cut(target, b'?').map_or(target, |(path, _)| path);
    let is_plain = read.version == Some(1) && path.starts_with('/') && !target.bytes().any(|byte| byte == b'#');
    if !is_plain || !is_ours(path) || read.headers.len() > headers_max {
        return None;
    }
    // One copy; names, values and target are parts of it.
    let head = Bytes::copy_from_slice(&input[..size]);
    let part = |of: &[u8]| {
        let start = of.as_ptr() as usize - input.as_ptr() as usize;
        head.slice(start..start + of.len())
    };
    let mut parts = SPARE.take().unwrap_or_else(|| Box::new(Request::new(()).into_parts().0));
    let mut body = None;
    let mut closes = false;
    for line in read.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
        if name == header::CONTENT_LENGTH {
            let digits = std::str::from_utf8(line.value).ok().filter(|value| value.bytes().all(|b| b.is_ascii_digit()))?;
            let length: usize = digits.parse().ok()?;
            if body.replace(length).is_some() {
                return None;
            }
        } else if name == header::TRANSFER_ENCODING || name == header::EXPECT {
            return None;
        } else if name == header::CONNECTION {
            // What is no text is no list of words, for some.
            if !line.value.is_ascii() {
                return None;
            }
            let mut tokens = line.value.split(|b| *b == b',').map(<[u8]>::trim_ascii);
            closes |= tokens.any(|token| token.eq_ignore_ascii_case(b"close"));
        }
        let value = if line.value.is_empty() {
            HeaderValue::from_static("")
        } else {
            HeaderValue::from_maybe_shared(part(line.value)).ok()?
        };
        parts.headers.append(name, value);
    }
    let length = body.unwrap_or(0);
    // A body that is still on its way is read as it comes, which is not our affair; nor is that of a GET.
    if input.len() - size < length || (method == Method::GET && length > 0) {
        return None;
    }
    let used = size + length;
    parts.method = method;
    parts.uri = Uri::from_maybe_shared(part(target.as_bytes())).ok()?;
    Some((Simple { head: parts, body: Bytes::copy_from_slice(&input[size..used]), closes }, used))
}

thread_local! {
    /// The last head that was done with, for its memory, which is in three parts: 600 of the 24,000 instructions that a POST and its
    /// client take (`poll-post`, 2026-11-27).
    static SPARE: Cell<Option<Box<Parts>>> = const { Cell::new(None) };
}

/// Takes back a head that was answered.
pub(super) fn done(mut head: Box<Parts>) {
    head.uri = Uri::default();
    head.headers.clear();
    SPARE.set(Some(head));
}

/// More is a head of its own kind; a browser's is some 700 bytes.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A browser sends some 15.
pub(super) const HEADERS_MAX: usize = 64;

#[cfg(test)]
mod tests;
