//! WebSocket: from the request's upgrade to a driver of its own.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use hyper::upgrade::Upgraded;
use hyper_util::{rt::TokioIo, server::conn::auto};
use sori_proto::{
    eio::Probe,
    wire,
    ws::{
        Message, Reader, frame,
        handshake::{self, DeflateConfig, HandshakeError, Negotiated},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    config::Transport,
    driver::{Driver, Start},
    front::Rest,
    gauge::Busy,
    handshake::Handshake,
    peer::{Peer, PollingStyle},
    server::Shared,
    service::{Answer, Own, Params, add_session_headers, empty, with_type},
    sessions::Place,
    traffic::Opening,
};

/// A session that begins as a WebSocket.
pub(crate) fn open(
    shared: &Arc<Shared>,
    parts: &Parts,
    params: &Params<'_>,
    handshake: Handshake,
    place: Place,
) -> Response<Own> {
    let Switching { mut answer, deflate } = match switching(shared, parts) {
        Ok(switching) => switching,
        Err(error) => return refused(&error).map(Own::Whole),
    };
    add_first_subprotocol(parts, &mut answer);
    if let Some(hook) = &shared.config.initial_headers {
        hook(answer.headers_mut(), parts);
    }
    if let Some(hook) = &shared.config.headers {
        hook(answer.headers_mut(), parts);
    }
    let opening = shared.config.count_traffic.then(|| Opening::of(parts, &answer));
    let (revision, base64) = (params.revision(), params.b64);
    let style = PollingStyle::new(params, parts, shared.config.limits.payload_packets_max);
    let shared = shared.clone();
    let carry: Carry = Box::new(move |connection| {
        let sid = crate::ids::Sid::random();
        let peer = Peer::open(shared.clone(), sid, revision, Transport::Websocket, handshake, style);
        if let (Some(counters), Some(opening)) = (&peer.traffic, &opening) {
            counters.add_opening(opening);
        }
        shared.sessions.insert(peer.clone(), place);
        let reader = Reader::server(shared.config.limits.max_http_buffer_size, deflate);
        let turn = peer.outbox.start_driver(shares_deflate(deflate, base64));
        drive(connection, peer.clone(), reader, Start { turn, base64, first: Vec::new() });
        peer.opened();
    });
    answer.map(|_| Own::Switch(carry))
}

/// A WebSocket beside a polling session: probed first, then it carries the session.
pub(crate) fn upgrade(peer: &Arc<Peer>, parts: &Parts, params: &Params<'_>) -> Response<Own> {
    let Switching { mut answer, deflate } = match switching(&peer.shared, parts) {
        Ok(switching) => switching,
        Err(error) => return refused(&error).map(Own::Whole),
    };
    add_first_subprotocol(parts, &mut answer);
    if let Some(counters) = &peer.traffic {
        counters.add_opening(&Opening::of(parts, &answer));
    }
    add_session_headers(peer, parts, false, &mut answer);
    // Now, and not when the connection is ours: of two requests the first one probes.
    let claim = Claim::new(peer);
    let (peer, base64) = (peer.clone(), params.b64);
    let carry: Carry = Box::new(move |connection| match connection {
        Switched::Tcp(taken) => peer.shared.clone().spawn(async move {
            let Taken { mut io, ahead, head } = taken;
            if io.write_all(&head).await.is_ok() {
                probe(io, ahead, peer, claim, deflate, base64).await;
            }
        }),
        Switched::Foreign(io) => peer.shared.clone().spawn(probe(io, None, peer, claim, deflate, base64)),
    });
    answer.map(|_| Own::Switch(carry))
}

/// The right to probe a session; whoever gives it up lets another one try.
struct Claim(Arc<Peer>);

impl Claim {
    fn new(peer: &Arc<Peer>) -> Option<Self> {
        let is_free = peer.feed(|session, feed| session.probe_started(feed.now, feed.limits));
        is_free.then(|| Self(peer.clone()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.feed(|session, _| session.probe_ended());
    }
}

/// Waits for the probe and the upgrade packet. What else comes closes this WebSocket and not the session.
async fn probe<S>(
    mut io: S,
    ahead: Option<Box<[u8]>>,
    peer: Arc<Peer>,
    claim: Option<Claim>,
    deflate: Option<Negotiated>,
    base64: bool,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let busy = Busy::new(&peer.shared);
    let limits = &peer.shared.config.limits;
    let mut reader = Reader::server(limits.max_http_buffer_size, deflate);
    let patience = Duration::from_millis(limits.upgrade_timeout_ms.into());
    let upgraded = match &claim {
        Some(_) => {
            let shares = shares_deflate(deflate, base64);
            tokio::time::timeout(patience, wait_for_upgrade(&mut io, ahead, &peer, &mut reader, shares)).await.ok().flatten()
        }
        None => None,
    };
    drop(claim);
    match upgraded {
        Some((rest, turn)) => {
            peer.upgraded();
            peer.shared.clone().spawn(Driver::new(io, peer, reader, rest, Start { turn, base64, first: Vec::new() }));
            drop(busy);
        }
        None => {
            // A client that stopped reading would keep us here.
            let goodbye = async {
                io.write_all(&frame::close(None, "")).await?;
                io.shutdown().await
            };
            let _ = tokio::time::timeout(patience, goodbye).await;
        }
    }
}

/// Some with what was read beyond the upgrade packet and the driver's turn; none when this WebSocket does not take over.
async fn wait_for_upgrade<S>(
    io: &mut S,
    ahead: Option<Box<[u8]>>,
    peer: &Arc<Peer>,
    reader: &mut Reader,
    shares_deflate: bool,
) -> Option<(ReadAhead, u32)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = ahead.map(Vec::from).unwrap_or_default();
    loop {
        let mut input = &mut buffer[..];
        while let Some(message) = reader.next(&mut input).ok()? {
            let text = match &message {
                Message::Text(text) => text,
                Message::Ping(data) => {
                    io.write_all(&frame::pong(data)).await.ok()?;
                    continue;
                }
                Message::Pong(_) => continue,
                Message::Binary(_) | Message::Close { .. } => return None,
            };
            let (step, turn) = peer.feed(|session, feed| {
                let step = session.handle_probe(feed.now, text);
                // Under the session's lock: from here on nothing leaves by polling.
                let turn = (step == Probe::Upgraded).then(|| peer.outbox.start_driver(shares_deflate));
                (step, turn.unwrap_or_default())
            });
            match step {
                Probe::Answer => io.write_all(&wire::PROBE_PONG).await.ok()?,
                Probe::Upgraded => return Some(((!input.is_empty()).then(|| (&*input).into()), turn)),
                Probe::Abort => return None,
            }
        }
        buffer.resize(512, 0);
        let n = io.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        buffer.truncate(n);
    }
}

/// The 101, and the compression that was agreed on.
pub(crate) struct Switching {
    pub(crate) answer: Answer,
    pub(crate) deflate: Option<Negotiated>,
}

/// The answer to an opening handshake, or why it is none.
pub(crate) fn switching(shared: &Shared, parts: &Parts) -> Result<Switching, HandshakeError> {
    let bytes = |name| parts.headers.get(name).map(HeaderValue::as_bytes);
    let accept = handshake::check(bytes(header::SEC_WEBSOCKET_KEY), bytes(header::SEC_WEBSOCKET_VERSION))?;
    let deflate = shared.config.per_message_deflate.and_then(|deflate| {
        let offers = parts.headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter().map(HeaderValue::as_bytes);
        handshake::negotiate_deflate(offers, &DeflateConfig { threshold: deflate.threshold, ..DeflateConfig::default() })
    });
    let mut answer = empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = answer.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(accept.as_str()) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(deflate) = deflate {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(deflate.header_value()));
    }
    Ok(Switching { answer, deflate })
}

fn refused(error: &HandshakeError) -> Answer {
    let mut answer = with_type(StatusCode::BAD_REQUEST, "text/html", error.to_string());
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    if *error == HandshakeError::Version {
        answer.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    answer
}

/// The first subprotocol offered is taken, as the reference does; Engine.IO has none of its own.
fn add_first_subprotocol(parts: &Parts, answer: &mut Answer) {
    let offers = parts.headers.get(header::SEC_WEBSOCKET_PROTOCOL).map(HeaderValue::as_bytes);
    let offered = offers.and_then(|header| handshake::tokens(header).next());
    if let Some(Ok(protocol)) = offered.map(HeaderValue::from_bytes) {
        answer.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
}

/// Starts the driver, in a task of its own: the caller's still holds what the request needed.
pub(crate) fn drive(connection: Switched, peer: Arc<Peer>, reader: Reader, start: Start) {
    let shared = peer.shared.clone();
    match connection {
        Switched::Tcp(taken) => {
            let Taken { io, ahead, head } = taken;
            if let Some(counters) = &peer.traffic {
                // It was counted with the opening.
                counters.sub_out(head.len());
            }
            let first = [head].into_iter().chain(start.first).filter(|first| !first.is_empty()).collect();
            shared.spawn(Driver::new(io, peer, reader, ahead, Start { first, ..start }));
        }
        Switched::Foreign(io) => shared.spawn(Driver::new(io, peer, reader, None, start)),
    }
}

/// What was read before the connection was ours.
pub(crate) type ReadAhead = Option<Box<[u8]>>;

/// Who gets a connection after its 101. Dropped when there is none.
pub(crate) type Carry = Box<dyn FnOnce(Switched) + Send>;

/// A connection that has switched to WebSocket, and is ours now.
pub(crate) enum Switched {
    /// Reads and writes go straight to the socket.
    Tcp(Taken),
    /// TLS and foreign streams stay within hyper's.
    Foreign(TokioIo<Upgraded>),
}

/// A TCP connection, taken from whoever served HTTP on it.
pub(crate) struct Taken {
    io: TcpStream,
    ahead: ReadAhead,
    /// The 101, if it has not been sent: it leaves with what follows it.
    head: Bytes,
}

impl Taken {
    /// What was read ahead is copied, because the buffer it lies in is large.
    pub(crate) fn new(io: TcpStream, ahead: &[u8], head: Bytes) -> Self {
        Self { io, ahead: (!ahead.is_empty()).then(|| ahead.into()), head }
    }
}

impl From<Upgraded> for Switched {
    /// The TCP connection itself, where hyper has one to give back: its buffers are freed.
    fn from(upgraded: Upgraded) -> Self {
        let (io, read) = match taken_back(upgraded) {
            Ok(taken) => taken,
            Err(upgraded) => return Self::Foreign(TokioIo::new(upgraded)),
        };
        // Events are small and wanted now.
        let _ = io.set_nodelay(true);
        Self::Tcp(Taken::new(io, &read, Bytes::new()))
    }
}

fn taken_back(upgraded: Upgraded) -> Result<(TcpStream, Bytes), Upgraded> {
    // hyper itself, and what serves either version of HTTP, each around a bare connection or one that a front has left.
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => return Ok((parts.io.into_inner(), parts.read_buf)),
        Err(upgraded) => upgraded,
    };
    let upgraded = match upgraded.downcast::<TokioIo<Rest>>() {
        Ok(parts) => return Ok(left(parts.io.into_inner(), parts.read_buf)),
        Err(upgraded) => upgraded,
    };
    let upgraded = match auto::upgrade::downcast::<TokioIo<Rest>>(upgraded) {
        Ok(parts) => return Ok(left(parts.io.into_inner(), parts.read_buf)),
        Err(upgraded) => upgraded,
    };
    let parts = auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded)?;
    Ok((parts.io.into_inner(), parts.read_buf))
}

/// Of what was ahead, hyper has read as much as it had room for.
fn left(rest: Rest, read: Bytes) -> (TcpStream, Bytes) {
    let (io, ahead) = rest.into_parts();
    (io, if ahead.is_empty() { read } else { [read, ahead].concat().into() })
}

/// Peers that asked for a smaller window, or for base64, cannot share what is compressed for all; they get it as it is.
pub(crate) fn shares_deflate(deflate: Option<Negotiated>, base64: bool) -> bool {
    !base64 && deflate.is_some_and(|negotiated| negotiated.server_window_bits() == 15)
}
