//! HTTP/1.1 connections whose requests are ours: answered here, without a web server between.
//!
//! hyper serves all of HTTP and keeps for each connection what that may need. A poll needs little of it and comes as often as an
//! event. So a connection begins here, where a request is a read, a call and a write. What is not ours, or not plainly a
//! request of the commonest form, is left to a whole web server, with the connection and everything that was read from it.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http::{Extensions, Response};
use http_body::Body;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep},
};

use crate::{
    RemoteAddr,
    front::request::{Parsed, Simple},
    scratch::Scratch,
    server::{Server, Shared},
    service::{self, Own},
    transport::{
        body,
        websocket::{Switched, Taken},
    },
};

mod head;
mod request;
mod rest;

pub use rest::Rest;

/// Answers a server's own requests at the head of a web server.
///
/// [`Server::serve`] has one inside. Who accepts connections himself puts it before his web server:
///
/// ```
/// # async fn f(io: sori::Server, listener: tokio::net::TcpListener) {
/// let front = sori::Front::new(&io);
/// let (stream, remote) = sori::Front::accept(&listener).await;
/// if let Some(rest) = front.answer(stream, remote, std::future::pending()).await {
///     // A request that is not Sori's: `rest` reads it from its first byte on.
///     # drop(rest);
/// }
/// # }
/// ```
///
/// It answers GET and POST over HTTP/1.1 below the server's paths, as [`Server::service`] would, WebSocket's opening handshake
/// among them, if they come whole: a head within the limits below, and a body that has come with it. All else goes on in the
/// [`Rest`], so nothing that a client sends is refused here.
#[derive(Clone)]
pub struct Front {
    shared: Arc<Shared>,
    header_read_timeout: Duration,
    head_bytes_max: usize,
    headers_max: usize,
}

impl Front {
    /// Before this server.
    pub fn new(server: &Server) -> Self {
        Self {
            shared: server.shared().clone(),
            header_read_timeout: Duration::from_secs(30),
            head_bytes_max: request::HEAD_BYTES_MAX,
            headers_max: request::HEADERS_MAX,
        }
    }

    /// How long a connection may be without a whole request; 30 s by default. It is closed then.
    pub fn header_read_timeout(mut self, timeout: Duration) -> Self {
        // What no clock can count to is a long time, and no reason to panic.
        self.header_read_timeout = timeout.min(TIMEOUT_MAX);
        self
    }

    /// Requests with a larger head are left to the web server, which says what it thinks of them; 16 KiB by default, and at most.
    pub fn head_bytes_max(mut self, bytes: usize) -> Self {
        self.head_bytes_max = bytes.min(request::HEAD_BYTES_MAX);
        self
    }

    /// Requests with more headers are left to the web server; 64 by default, and at most.
    pub fn headers_max(mut self, headers: usize) -> Self {
        self.headers_max = headers.min(request::HEADERS_MAX);
        self
    }

    /// The next connection of a listener, which sends small packets at once. An accept that fails is survived: a client that gave up
    /// at once, and a want of files after a second and with a warning.
    pub async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => {
                    // Small packets that wait for company are the enemy of latency.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%remote, %error, "TCP_NODELAY not set");
                    }
                    return (stream, remote);
                }
                Err(error) => survive(&error).await,
            }
        }
    }

    /// Answers what comes until a request comes that is not the server's. None when the connection has ended, has become a
    /// WebSocket, or was told by `stop` to end: between two requests, and what is being answered is answered first.
    pub async fn answer(&self, io: TcpStream, remote: SocketAddr, mut stop: impl Future<Output = ()> + Unpin) -> Option<Rest> {
        let mut patience = pin!(tokio::time::sleep(self.header_read_timeout));
        let mut stream = Stream { io, ahead: Vec::new(), unsent: Bytes::new() };
        let mut idle_since = Instant::now();
        // Made once: a map in boxes for one address.
        let mut extensions = Extensions::new();
        extensions.insert(RemoteAddr(remote));
        loop {
            let incoming = poll_fn(|cx| {
                let incoming = stream.poll_request(cx, self);
                if incoming.is_ready() {
                    return incoming;
                }
                if Pin::new(&mut stop).poll(cx).is_ready()
                    || is_out_of_patience(cx, patience.as_mut(), idle_since + self.header_read_timeout)
                {
                    return Poll::Ready(Incoming::Nothing);
                }
                Poll::Pending
            });
            let request = match incoming.await {
                Incoming::Request(request) => request,
                Incoming::Foreign => return Some(stream.into_rest()),
                Incoming::Nothing => return None,
            };
            let is_last = request.closes;
            let answer = self.call(&mut stream, request, &mut extensions).await?;
            // A client is told of the end, and one that always has another request must not go on for ever.
            let is_stopping = poll_fn(|cx| Poll::Ready(Pin::new(&mut stop).poll(cx).is_ready())).await;
            let closes = is_last || is_stopping || head::closes(&answer);
            let (head, own) = answer.into_parts();
            match own {
                Own::Switch(carry) => {
                    let mut out = Vec::with_capacity(256);
                    head::write(&mut out, &head, head::Length::None, false);
                    carry(Switched::Tcp(Taken::new(stream.io, &stream.ahead, out.into())));
                    return None;
                }
                Own::Whole(body) => {
                    let send = |out: &mut Vec<u8>| {
                        head::write(out, &head, head::Length::Known(body.len()), closes);
                        out.extend_from_slice(&body);
                    };
                    stream.send(send).await?;
                }
                Own::Stream(body) => {
                    // The head leaves with the first chunk.
                    let mut begin = Vec::with_capacity(512);
                    head::write(&mut begin, &head, head::Length::Chunks, closes);
                    stream.send_chunks(begin, body).await?;
                }
            }
            if closes {
                let _ = poll_fn(|cx| Pin::new(&mut stream.io).poll_shutdown(cx)).await;
                return None;
            }
            idle_since = Instant::now();
        }
    }

    pub(crate) fn patience(&self) -> Duration {
        self.header_read_timeout
    }

    /// The answer, or none when the client has gone before it.
    async fn call(&self, stream: &mut Stream, request: Simple, extensions: &mut Extensions) -> Option<Response<Own>> {
        let Simple { mut head, body, .. } = request;
        std::mem::swap(&mut head.extensions, extensions);
        let body = std::future::ready(body::here(body, &self.shared.config.limits));
        // Boxed: between requests a connection is small, and the memory of the last answer is still warm.
        let mut answering = Box::pin(service::answer(&self.shared, &head, body, true));
        let answer = poll_fn(|cx| match answering.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => stream.poll_gone(cx).map(|()| None),
        })
        .await;
        drop(answering);
        std::mem::swap(&mut head.extensions, extensions);
        request::done(head);
        answer
    }
}

/// An accept that failed is a client that gave up, or a limit that others will leave room under again.
async fn survive(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::warn!(%error, "no new connection can be accepted; trying again in a second. If files ran out, raise `ulimit -n`");
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Whether the time is over that a client has for its next request. The timer is set again when it fires, and not with each request.
fn is_out_of_patience(cx: &mut Context<'_>, mut patience: Pin<&mut Sleep>, until: Instant) -> bool {
    while patience.as_mut().poll(cx).is_ready() {
        if Instant::now() >= until {
            return true;
        }
        patience.as_mut().reset(until);
    }
    false
}

/// What a connection brings.
enum Incoming {
    /// One of ours.
    Request(Simple),
    /// Something for a whole web server.
    Foreign,
    /// It has ended.
    Nothing,
}

struct Stream {
    io: TcpStream,
    /// What came and is not a request yet.
    ahead: Vec<u8>,
    /// What the socket would not take.
    unsent: Bytes,
}

thread_local! {
    /// Where answers are put together.
    static OUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Stream {
    fn poll_request(&mut self, cx: &mut Context<'_>, front: &Front) -> Poll<Incoming> {
        if !self.ahead.is_empty() {
            let ahead = std::mem::take(&mut self.ahead);
            if let Some(incoming) = self.parse(front, &ahead) {
                return Poll::Ready(incoming);
            }
        }
        let mut scratch = Scratch::take();
        loop {
            let mut buffer = ReadBuf::new(&mut scratch.bytes);
            let is_read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)).is_ok();
            let read = buffer.filled();
            if !is_read || read.is_empty() {
                return Poll::Ready(Incoming::Nothing);
            }
            let incoming = match self.ahead.is_empty() {
                true => self.parse(front, read),
                false => {
                    let mut ahead = std::mem::take(&mut self.ahead);
                    ahead.extend_from_slice(read);
                    self.parse(front, &ahead)
                }
            };
            if let Some(incoming) = incoming {
                return Poll::Ready(incoming);
            }
        }
    }

    /// Takes the first request from `input` and keeps the rest.
    fn parse(&mut self, front: &Front, input: &[u8]) -> Option<Incoming> {
        let (used, incoming) =
            match request::parse(input, front.head_bytes_max, front.headers_max, |path| service::is_ours(&front.shared, path)) {
                Parsed::Partial => (0, None),
                Parsed::Foreign => (0, Some(Incoming::Foreign)),
                Parsed::Request(request, used) => (used, Some(Incoming::Request(request))),
            };
        self.ahead = input[used..].into();
        incoming
    }

    /// Waits for the end of the client while it is being answered. What it sends meanwhile is its next request.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = Scratch::take();
        while self.ahead.len() <= AHEAD_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut scratch.bytes);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => self.ahead.extend_from_slice(buffer.filled()),
                _ => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// Sends what `write` writes, in one system call as far as the socket takes it. None when the client takes no more.
    async fn send(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Option<()> {
        let mut write = Some(write);
        poll_fn(|cx| match self.poll_send(cx, &mut write) {
            Some(()) if self.unsent.is_empty() => Poll::Ready(Some(())),
            Some(()) => Poll::Pending,
            None => Poll::Ready(None),
        })
        .await
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, write: &mut Option<impl FnOnce(&mut Vec<u8>)>) -> Option<()> {
        if let Some(write) = write.take() {
            let mut out = OUT.take();
            write(&mut out);
            let written = self.write(cx, &out);
            self.unsent = Bytes::copy_from_slice(&out[written.unwrap_or(out.len())..]);
            out.clear();
            if out.capacity() <= Scratch::BYTES {
                OUT.set(out);
            }
            written?;
        } else {
            let mut unsent = std::mem::take(&mut self.unsent);
            let written = self.write(cx, &unsent)?;
            // Not moved: of a large answer a slow reader takes little at a time.
            unsent.advance(written);
            self.unsent = unsent;
        }
        Some(())
    }

    /// As much as the socket takes; none when it is broken.
    fn write(&mut self, cx: &mut Context<'_>, out: &[u8]) -> Option<usize> {
        let mut written = 0;
        while written < out.len() {
            match Pin::new(&mut self.io).poll_write(cx, &out[written..]) {
                Poll::Ready(Ok(n)) if n > 0 => written += n,
                Poll::Ready(_) => return None,
                Poll::Pending => break,
            }
        }
        Some(written)
    }

    /// A body without a known end, chunk by chunk (RFC 9112, 7.1), behind its head. It is asked for more only when all before has left.
    async fn send_chunks<B: Body<Data = Bytes> + Unpin>(&mut self, head: Vec<u8>, mut body: B) -> Option<()> {
        let mut head = head;
        loop {
            let step = poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
                Poll::Ready(frame) => Poll::Ready(Some(Some(frame))),
                // Nothing to say yet; the head need not wait for it.
                Poll::Pending if !head.is_empty() => Poll::Ready(Some(None)),
                Poll::Pending => self.poll_gone(cx).map(|()| None),
            });
            let (chunk, is_last) = match step.await? {
                Some(Some(frame)) => (frame.ok()?.into_data().unwrap_or_default(), false),
                Some(None) => (Bytes::new(), true),
                None => (Bytes::new(), false),
            };
            let head = std::mem::take(&mut head);
            let write = |out: &mut Vec<u8>| {
                out.extend_from_slice(&head);
                head::write_chunk(out, &chunk, is_last);
            };
            self.send(write).await?;
            if is_last {
                return Some(());
            }
        }
    }

    fn into_rest(self) -> Rest {
        Rest::new(self.io, self.ahead.into())
    }
}

const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// A client that sends requests before it is answered is read no further than this.
const AHEAD_BYTES_MAX: usize = Scratch::BYTES;
