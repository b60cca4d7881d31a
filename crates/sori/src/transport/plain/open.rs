//! How a session of a plain client begins.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use sori_proto::{
    CloseReason,
    plain::{Connect, Format, Place, Way},
};
use tokio::sync::oneshot;

use super::{Problem, RESERVED, Request};
use crate::{
    config::Transport, handshake::Handshake, ids::Sid, log::Since, origin, outbox::Carries, peer::Peer, plain_peer::PlainPeer,
    sessions::Place as Room,
};

/// How long a session lasts that a request opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasts {
    /// For this request.
    Request,
    /// As long as the stream that answers it.
    Stream,
    /// Until nobody has asked for it for a while.
    Session,
}

/// A session that was let in. Its request may yet fail to be answered, and then a session that nobody knows of ends with it.
pub(super) struct Opened {
    pub(super) peer: Arc<Peer>,
    is_answered: bool,
    /// For a session that is not in the table.
    room: Option<Room>,
}

/// A session that lives for one request, and has its room as long as it lives.
pub(super) struct Once {
    peer: Arc<Peer>,
    _room: Option<Room>,
}

impl Drop for Once {
    fn drop(&mut self) {
        self.peer.close(CloseReason::ClientNamespaceDisconnect);
    }
}

impl Opened {
    /// The answer is on its way: whatever ends the session from here on is none of our affair.
    pub(super) fn answered(mut self) -> Arc<Peer> {
        self.is_answered = true;
        self.peer.clone()
    }

    /// It lives until this request is answered.
    pub(super) fn once(mut self) -> (Arc<Peer>, Once) {
        self.is_answered = true;
        (self.peer.clone(), Once { peer: self.peer.clone(), _room: self.room.take() })
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if !self.is_answered {
            self.peer.close(CloseReason::TransportClose);
        }
    }
}

impl Request<'_> {
    /// Opens a session and waits until the application has let it in.
    pub(super) async fn open(&self, transport: Transport, lasts: Lasts, auth: Option<Bytes>) -> Result<Opened, Problem> {
        let config = &self.shared.config;
        if let Some(allow_request) = &config.allow_request {
            let refused = |message: String| match message.is_empty() {
                true => Problem::new(StatusCode::FORBIDDEN, "Forbidden"),
                false => Problem::new(StatusCode::FORBIDDEN, message),
            };
            allow_request(self.parts).await.map_err(refused)?;
        }
        if self.shared.is_closing() {
            return Err(Problem::unavailable("the server is closing"));
        }
        let Some(room) = self.shared.sessions.reserve(config.limits.sessions_max) else {
            tracing::warn!(limit = config.limits.sessions_max, "session refused: sessions_max is reached");
            return Err(Problem::unavailable("the server is full"));
        };
        let (address, secure) = origin::client(config, self.parts);
        let handshake = Handshake::without(self.parts, &RESERVED, address, secure);
        if handshake.size() > config.limits.handshake_bytes_max as usize {
            return Err(Problem::too_large("headers and query are larger than handshake_bytes_max"));
        }
        let (opener, decision) = oneshot::channel();
        let sid = self.sid();
        // Who comes back by its sid knows it, and may do so again.
        let knows_sid = self.params.sid.as_deref() == Some(&*sid);
        let plain = PlainPeer {
            namespace: self.namespace.clone().into_owned(),
            opener: Some(opener).into(),
            since: self.since.clone(),
            is_callback: self.is_callback(transport),
            is_found_by_sid: lasts != Lasts::Request,
            ends_with_stream: lasts == Lasts::Stream && !knows_sid,
            memberships: Default::default(),
        };
        let peer = Peer::open_plain(self.shared.clone(), sid, transport, handshake, plain);
        let (room, is_known) = match lasts {
            Lasts::Request => (Some(room), true),
            _ => (None, self.shared.sessions.insert(peer.clone(), room)),
        };
        if let Some(counters) = &peer.traffic {
            counters.request(self.parts);
        }
        let opened = Opened { peer: peer.clone(), is_answered: false, room };
        if !is_known {
            return Err(Problem::unavailable("another request brings this session back just now"));
        }
        let asks = peer.feed(|session, _| Some(session.plain()?.connect(self.namespace.clone().into_owned(), auth)));
        if let Some(event) = asks {
            peer.dispatch(event);
        }
        match decision.await {
            Ok(Ok(_)) => Ok(opened),
            Ok(Err(shut)) => {
                peer.close(CloseReason::ForcedServerClose);
                self.shared.sessions.remove(&peer);
                Err(shut.into())
            }
            Err(_) => Err(Problem::unavailable("the session has ended")),
        }
    }

    /// `auth` of a request without a body for it: who bears this token.
    pub(super) fn token_auth(&self) -> Option<Bytes> {
        let bearer = self.parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let token = bearer.or(self.params.token.as_deref())?;
        Some(serde_json::json!({ "token": token }).to_string().into())
    }

    /// The secret of the session to be: the client's own, if it comes back as who it was, else a new one.
    fn sid(&self) -> Sid {
        let comes_back = |sid: &&str| self.shared.namespaces.is_away(&self.namespace, sid);
        match (&self.params.sid, &self.since) {
            (Some(sid), Some(Since::Cursor(_))) => Some(&**sid).filter(comes_back).and_then(Sid::parse),
            _ => None,
        }
        .unwrap_or_else(Sid::random)
    }

    /// A stream or a WebSocket begins to carry a session: the living one that the request names, or else a new one. From where it goes on,
    /// and its turn at the outbox.
    pub(super) async fn carry(
        &self,
        transport: Transport,
        way: Way,
        carries: Carries,
        format: Format,
    ) -> Result<(Arc<Peer>, Place, u32), Problem> {
        let living = self.living(transport)?;
        if let Some(carried) = living.and_then(|peer| self.go_on(peer, transport, way, carries, format)) {
            return Ok(carried);
        }
        self.check_may_open()?;
        let opened = self.open(transport, Lasts::Stream, self.token_auth()).await?;
        let place = self.begin(&opened.peer).await;
        let turn = opened.peer.attach(transport, way, carries, format, self.events());
        Ok((opened.answered(), place, turn))
    }

    /// Who names a session that is not there gets a new one only with a place to go on from.
    pub(super) fn check_may_open(&self) -> Result<(), Problem> {
        match self.params.sid.is_some() && !matches!(self.since, Some(Since::Cursor(_))) {
            true => Err(Problem::unknown_session()),
            false => Ok(()),
        }
    }

    /// A living session goes on with this stream or WebSocket, in place of what carried it before: from where, and its turn at the outbox.
    /// None if it has just ended with that.
    fn go_on(
        &self,
        peer: Arc<Peer>,
        transport: Transport,
        way: Way,
        carries: Carries,
        format: Format,
    ) -> Option<(Arc<Peer>, Place, u32)> {
        if let Some(counters) = &peer.traffic {
            counters.request(self.parts);
        }
        let cursor = match &self.since {
            Some(Since::Cursor(cursor)) => Some(&**cursor),
            _ => None,
        };
        // Before what is kept for polls waits again: the client may have it.
        if let Some(cursor) = cursor {
            peer.outbox.confirm(cursor);
        }
        let turn = peer.attach(transport, way, carries, format, self.events());
        if peer.is_lost() {
            return None;
        }
        let place = peer.resume(cursor.map(|cursor| (cursor, turn)));
        Some((peer, place, turn))
    }

    /// From where a session that has just been opened goes on. Waits for `on_connect` if history is asked for, because that joins rooms.
    pub(super) async fn begin(&self, peer: &Arc<Peer>) -> Place {
        let Some(since) = &self.since else { return peer.resume(None) };
        match since {
            Since::Cursor(cursor) if peer.has_recovered() => Place { cursor: cursor.clone(), is_logged: true, recovered: true },
            since => peer.catch_up(since).await,
        }
    }

    /// The first envelope.
    pub(super) fn connect(&self, peer: &Peer, transport: Transport, format: Format, place: &Place) -> Bytes {
        let id = peer.only_socket_id();
        let plain = peer.plain.as_ref();
        let connect = Connect {
            id: &id,
            sid: plain.filter(|plain| plain.is_found_by_sid).map(|_| &*peer.sid),
            cursor: &place.cursor,
            transport: transport.as_str(),
            heartbeat_ms: self.shared.config.limits.ping_interval_ms,
            wait: self.default_wait_ms() / 1_000,
            recovered: place.recovered,
        };
        format.connect(&connect, place, &self.shared.boundary)
    }

    /// What a stream begins with: who the client is, or for a session that has ended nothing of the kind.
    pub(super) fn first(&self, peer: &Peer, transport: Transport, format: Format, place: &Place) -> Bytes {
        let callback = self.params.callback.as_deref().unwrap_or("sori");
        let mut first = format.begin(RETRY_MS, &self.shared.boundary, callback);
        if !peer.is_closed() {
            first.extend_from_slice(&self.connect(peer, transport, format, place));
        }
        first.into()
    }

    /// What a poll waits that does not say.
    pub(super) fn default_wait_ms(&self) -> u32 {
        self.shared.config.limits.poll_wait_max_ms.min(30_000)
    }
}

/// Adds the headers that the application wants on every answer of a session.
pub(super) fn add_hooks(request: &Request<'_>, initial: bool, headers: &mut http::HeaderMap) {
    let config = &request.shared.config;
    if initial && let Some(hook) = &config.initial_headers {
        hook(headers, request.parts);
    }
    if let Some(hook) = &config.headers {
        hook(headers, request.parts);
    }
}

/// Nobody keeps such answers, and no proxy holds them back.
pub(super) fn add_live(headers: &mut http::HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// How long EventSource waits before it comes back.
pub(super) const RETRY_MS: u32 = 3_000;
