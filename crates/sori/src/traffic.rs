//! What a session has cost on the wire.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, request::Parts};

/// Requests and bytes of one session. Heads of requests and answers are counted as HTTP/1.1 writes them, whatever carried them;
/// bodies, chunks and WebSocket frames as they were sent; TCP, TLS and what a proxy adds are not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// HTTP requests, a WebSocket's opening among them.
    pub requests: u64,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> Traffic {
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn request(&self, parts: &Parts) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let target = parts.uri.path_and_query().map_or(1, |target| target.as_str().len());
        // `GET /path HTTP/1.1`, and the empty line.
        self.add_in(parts.method.as_str().len() + target + " HTTP/1.1 \r\n\r\n".len() + head(&parts.headers));
    }

    pub(crate) fn answer(&self, status: http::StatusCode, headers: &HeaderMap) {
        let reason = status.canonical_reason().unwrap_or_default();
        // hyper adds the date, and for a whole body its length, for a stream that it is chunked: about as long.
        const ADDED: usize = "date: Fri, 27 Nov 2026 04:42:07 GMT\r\n".len() + "content-length: 1000\r\n".len();
        self.add_out("HTTP/1.1 200 \r\n\r\n".len() + reason.len() + head(headers) + ADDED);
    }

    /// A WebSocket's opening.
    pub(crate) fn add_opening(&self, opening: &Opening) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.add_in(opening.bytes_in);
        self.add_out(opening.bytes_out);
    }

    pub(crate) fn add_in(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// What will be counted once more.
    pub(crate) fn sub_out(&self, bytes: usize) {
        self.bytes_out.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_out(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// What a WebSocket's opening cost, for a session that begins with it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Opening {
    bytes_in: usize,
    bytes_out: usize,
}

impl Opening {
    pub(crate) fn of<B>(parts: &Parts, answer: &http::Response<B>) -> Self {
        let counters = Counters::default();
        counters.request(parts);
        counters.answer(answer.status(), answer.headers());
        let Traffic { bytes_in, bytes_out, .. } = counters.read();
        Self { bytes_in: bytes_in as usize, bytes_out: bytes_out as usize }
    }
}

fn head(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}
