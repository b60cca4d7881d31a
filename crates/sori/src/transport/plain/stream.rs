//! Responses without an end: SSE, lines, multipart, iframe.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame};
use sori_proto::{
    CloseReason,
    plain::{Format, Way},
};

use super::{
    Problem, Request,
    open::{RETRY_MS, add_hooks, add_live},
};
use crate::{
    config::Transport,
    gauge::Busy,
    log::Since,
    outbox::{Carries, Taken},
    peer::Peer,
    service::{Answer, Own, empty, with_type},
};

impl Request<'_> {
    pub(super) async fn stream(&self, transport: Transport, format: Format) -> Result<Response<Own>, Problem> {
        // What an SSE client was told to say when it was sent away for good.
        if self.since == Some(Since::Cursor("end".into())) {
            return Ok(empty(StatusCode::NO_CONTENT).map(Own::Whole));
        }
        let (peer, place, turn) = match self.carry(transport, Way::Stream, Carries::Stream, format).await {
            // EventSource gives up for good on an error, so one that may try again is told to.
            Err(problem) if transport == Transport::Sse && problem.is_temporary() => {
                return Ok(try_again().map(Own::Whole));
            }
            carried => carried?,
        };
        let first = self.first(&peer, transport, format, &place);
        let content_type = match format {
            Format::Lines => HeaderValue::from_static("application/x-ndjson"),
            Format::Iframe => HeaderValue::from_static("text/html; charset=utf-8"),
            Format::Multipart => HeaderValue::try_from(format!("multipart/x-mixed-replace; boundary={}", self.shared.boundary))
                .unwrap_or(HeaderValue::from_static("multipart/x-mixed-replace")),
            _ => HeaderValue::from_static("text/event-stream"),
        };
        let mut response = Response::new(StreamBody::new(peer.clone(), turn, format, first));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, content_type);
        add_live(headers);
        if format == Format::Iframe {
            // Its scripts call a function, and that is all they do.
            let policy = "default-src 'none'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        }
        add_hooks(self, true, headers);
        if let Some(counters) = &peer.traffic {
            counters.answer(StatusCode::OK, response.headers());
        }
        Ok(response.map(Own::Stream))
    }
}

/// 200, `retry:` and the end.
fn try_again() -> Answer {
    let mut answer = with_type(StatusCode::OK, "text/event-stream", format!("retry: {}\n\n", 3 * RETRY_MS));
    add_live(answer.headers_mut());
    answer
}

/// The body of a stream. It is polled by the connection's own task, and only when that can write: there is no task and no buffer
/// of its own.
pub(crate) struct StreamBody {
    peer: Arc<Peer>,
    turn: u32,
    format: Format,
    first: Option<Bytes>,
    is_over: bool,
    _busy: Busy,
}

impl StreamBody {
    fn new(peer: Arc<Peer>, turn: u32, format: Format, first: Bytes) -> Self {
        let busy = Busy::new(&peer.shared);
        Self { peer, turn, format, first: Some(first), is_over: false, _busy: busy }
    }

    fn said(&self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(counters) = &self.peer.traffic {
            counters.add_out(bytes.len() + chunk_overhead(bytes.len()));
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    /// The last bytes, if there are any.
    fn end(&mut self, last: Bytes) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.is_over = true;
        match last.is_empty() {
            true => Poll::Ready(None),
            false => self.said(last),
        }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if let Some(first) = self.first.take() {
            return self.said(first);
        }
        match self.peer.outbox.poll_stream(cx, self.turn, BYTES_PER_FRAME) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Taken::Frames(frames, _)) => self.said(joined(frames)),
            Poll::Ready(Taken::Closed) => self.end(Bytes::new()),
            // The newer one has the session now. An EventSource that is not the newest must not come back for it.
            Poll::Ready(Taken::Replaced) => {
                let last = self.format.replaced(&self.peer.shared.boundary);
                self.end(last)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        self.peer.detach(self.turn, CloseReason::TransportClose);
    }
}

/// What gathered leaves in one chunk.
fn joined(mut frames: Vec<Bytes>) -> Bytes {
    if frames.len() == 1 {
        return frames.pop().unwrap_or_default();
    }
    let mut all = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
    frames.iter().for_each(|frame| all.extend_from_slice(frame));
    all.freeze()
}

/// RFC 9112, 7.1: the chunk's size in hexadecimal and two line ends.
fn chunk_overhead(len: usize) -> usize {
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4).max(1) as usize;
    digits + "\r\n\r\n".len()
}

/// Enough to fill a socket, and no more than that at once of what a client may never read.
const BYTES_PER_FRAME: usize = 64 << 10;
