//! HTTP/1.1 connections whose requests are ours: answered here, without a web server between.
//!
//! hyper serves all of HTTP and keeps for each connection what that may need. A poll needs little of it and comes as often as an
//! event. So a connection begins here, where a request is a read, a call and a write. What is not ours, or not plainly a
//! request of the commonest form, is left to a whole web server, with the connection and everything that was read from it.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    io, mem,
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
    sync::watch,
    task::unconstrained,
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
        plain::StreamBody,
        websocket::{Carry, Switched, Taken},
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
/// // To send something, or to drop the sender, is to stop.
/// let (_stop, stopped) = tokio::sync::watch::channel(());
/// let front = sori::Front::new(&io);
/// let (stream, remote) = sori::Front::accept(&listener).await;
/// if let Some(rest) = front.answer(stream, remote, stopped.clone()).await {
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
    /// WebSocket, or was told by `stopped` to end: between two requests, and what is being answered is answered first.
    pub async fn answer(&self, io: TcpStream, remote: SocketAddr, stopped: watch::Receiver<()>) -> Option<Rest> {
        let mut patience = pin!(tokio::time::sleep(self.header_read_timeout));
        let mut stream = Stream { io, ahead: Vec::new(), unsent: Bytes::new() };
        let mut idle_since = Instant::now();
        // Made once: a map in boxes for one address.
        let mut extensions = Extensions::new();
        extensions.insert(RemoteAddr(remote));
        let mut signal = stopped.clone();
        let mut signal = pin!(async move {
            let _ = unconstrained(signal.changed()).await;
        });
        // Asked with each request, it looks. It awaits once, because that takes a lock which connections share, and this task has one
        // waker; unconstrained, because awaiting in vain is not awaiting.
        let mut is_awaited = false;
        let mut poll_stop = |cx: &mut Context<'_>| match stopped.has_changed() {
            Ok(false) if mem::replace(&mut is_awaited, true) => Poll::Pending,
            _ => signal.as_mut().poll(cx),
        };
        loop {
            let incoming = poll_fn(|cx| {
                let incoming = stream.poll_request(cx, self);
                if incoming.is_ready() {
                    return incoming;
                }
                if poll_stop(cx).is_ready() || is_out_of_patience(cx, patience.as_mut(), idle_since + self.header_read_timeout) {
                    return Poll::Ready(Incoming::Nothing);
                }
                Poll::Pending
            });
            let request = match incoming.await {
                Incoming::Request(request) => request,
                Incoming::Foreign => return Some(stream.into_rest()),
                Incoming::Nothing => return None,
            };
            // A client is told of the end, and one that always has another request must not go on for ever.
            let said = self.call(&mut stream, request, &mut extensions, &mut poll_stop).await?;
            match said.rest {
                Unsaid::Nothing => stream.flush().await?,
                // Boxed, because a stream lives long, and the connections of those who poll are many.
                Unsaid::Chunks(begin, body) => Box::pin(stream.send_chunks(begin, body)).await?,
                Unsaid::Words(carry, out) => {
                    carry(Switched::Tcp(Taken::new(stream.io, &stream.ahead, out.into())));
                    return None;
                }
            }
            if said.closes {
                let _ = poll_fn(|cx| Pin::new(&mut stream.io).poll_shutdown(cx)).await;
                return None;
            }
            idle_since = Instant::now();
        }
    }

    pub(crate) fn patience(&self) -> Duration {
        self.header_read_timeout
    }

    /// Answers as far as the socket takes it. None when the client has gone before.
    async fn call(
        &self,
        stream: &mut Stream,
        request: Simple,
        extensions: &mut Extensions,
        mut poll_stop: impl FnMut(&mut Context<'_>) -> Poll<()>,
    ) -> Option<Said> {
        let Simple { mut head, body, closes } = request;
        mem::swap(&mut head.extensions, extensions);
        let body = std::future::ready(body::here(body, &self.shared.config.limits));
        // Boxed: between requests a connection is small, and the memory of the last answer is still warm.
        let mut answering = Box::pin(service::answer(&self.shared, &head, body, true));
        let said = poll_fn(|cx| match answering.as_mut().poll(cx) {
            Poll::Ready(answer) => {
                let closes = closes || poll_stop(cx).is_ready();
                Poll::Ready(stream.say(cx, answer, closes))
            }
            Poll::Pending => stream.poll_gone(cx).map(|()| None),
        })
        .await;
        drop(answering);
        mem::swap(&mut head.extensions, extensions);
        request::done(head);
        said
    }
}

/// An answer whose head has been written.
struct Said {
    rest: Unsaid,
    /// Whether the connection ends with it.
    closes: bool,
}

/// What an answer still has to say.
enum Unsaid {
    /// Nothing but what the socket would not take.
    Nothing,
    /// All that comes; the head leaves with the first chunk.
    Chunks(Vec<u8>, StreamBody),
    /// In another protocol, behind this head.
    Words(Carry, Vec<u8>),
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
            let ahead = mem::take(&mut self.ahead);
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
                    let mut ahead = mem::take(&mut self.ahead);
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

    /// Says what can be said at once. None when the client takes no more.
    fn say(&mut self, cx: &mut Context<'_>, answer: Response<Own>, closes: bool) -> Option<Said> {
        let closes = closes || head::closes(&answer);
        let (head, own) = answer.into_parts();
        let rest = match own {
            Own::Whole(body) => {
                self.send(cx, |out| {
                    head::write(out, &head, head::Length::Known(body.len()), closes);
                    out.extend_from_slice(&body);
                })?;
                Unsaid::Nothing
            }
            Own::Stream(body) => {
                let mut begin = Vec::with_capacity(512);
                head::write(&mut begin, &head, head::Length::Chunks, closes);
                Unsaid::Chunks(begin, body)
            }
            Own::Switch(carry) => {
                let mut out = Vec::with_capacity(256);
                head::write(&mut out, &head, head::Length::None, false);
                Unsaid::Words(carry, out)
            }
        };
        Some(Said { rest, closes })
    }

    /// Sends what `write` writes, in one system call as far as the socket takes it. None when the client takes no more.
    fn send(&mut self, cx: &mut Context<'_>, write: impl FnOnce(&mut Vec<u8>)) -> Option<()> {
        let mut out = OUT.take();
        write(&mut out);
        let written = self.write(cx, &out);
        self.unsent = Bytes::copy_from_slice(&out[written.unwrap_or(out.len())..]);
        out.clear();
        if out.capacity() <= Scratch::BYTES {
            OUT.set(out);
        }
        written.map(drop)
    }

    /// Waits until the socket has taken everything. None when the client takes no more.
    async fn flush(&mut self) -> Option<()> {
        poll_fn(|cx| {
            while !self.unsent.is_empty() {
                let mut unsent = mem::take(&mut self.unsent);
                let Some(written) = self.write(cx, &unsent) else { return Poll::Ready(None) };
                // Not moved: of a large answer a slow reader takes little at a time.
                unsent.advance(written);
                self.unsent = unsent;
                if !self.unsent.is_empty() {
                    return Poll::Pending;
                }
            }
            Poll::Ready(Some(()))
        })
        .await
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
    async fn send_chunks(&mut self, mut head: Vec<u8>, mut body: StreamBody) -> Option<()> {
        loop {
            let is_last = poll_fn(|cx| {
                let (chunk, is_last) = match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => (frame.into_data().unwrap_or_default(), false),
                    Poll::Ready(None) => (Bytes::new(), true),
                    // Nothing to say yet; the head need not wait for it.
                    Poll::Pending if !head.is_empty() => (Bytes::new(), false),
                    Poll::Pending => return self.poll_gone(cx).map(|()| None),
                };
                let sent = self.send(cx, |out| {
                    out.append(&mut head);
                    head::write_chunk(out, &chunk, is_last);
                });
                Poll::Ready(sent.map(|()| is_last))
            });
            let is_last = is_last.await?;
            // Of a head that has left nothing is kept.
            head = Vec::new();
            self.flush().await?;
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
