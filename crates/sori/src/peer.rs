//! One peer: its session behind its lock, its outbox, and the sockets it has in namespaces.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, Ordering},
};

use bytes::Bytes;
use http::Response;
use parking_lot::Mutex;
use smallvec::SmallVec;
use sori_proto::{
    CloseReason, Event, Limits, Session,
    eio::{Carrier, Revision},
    wire::{self, Frames},
    ws::frame,
};

use crate::{
    ack::Asker,
    config::Transport,
    deadlines::Armed,
    error::ConnectError,
    handshake::Handshake,
    ids::Sid,
    outbox::Outbox,
    plain_peer::{PlainPeer, Shut, is_fetched},
    reading::Reading,
    server::Shared,
    socket::Socket,
    traffic::Counters,
};

/// One session and everything that hangs on it: a single allocation beside its handshake and its sockets.
///
/// Lock order: `session`, then `sockets`, then a namespace's rooms, then `outbox`. None is held across an await.
pub(crate) struct Peer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sid: Sid,
    pub(crate) revision: Revision,
    pub(crate) handshake: Handshake,
    pub(crate) outbox: Outbox,
    pub(crate) armed: Armed,
    /// How its polls are answered; fixed at the handshake.
    pub(crate) polling: PollingStyle,
    /// What a client without a library has beside.
    pub(crate) plain: Option<Box<PlainPeer>>,
    /// What it has cost, where that is counted.
    pub(crate) traffic: Option<Box<Counters>>,
    session: Mutex<Session>,
    /// One is the rule, and lies in place.
    sockets: Mutex<SmallVec<[Socket; 1]>>,
    transport: AtomicU8,
    ended: AtomicBool,
}

/// What the handshake said about polling answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct PollingStyle {
    /// Answers are scripts that call this slot (`j`), digits only.
    #[expect(clippy::box_collection, reason = "hardly any client asks for it: a word instead of three")]
    pub(crate) jsonp: Option<Box<String>>,
    /// The client cannot read binary bodies (`b64`).
    pub(crate) base64: bool,
    /// The client breaks on answers of more packets than this.
    pub(crate) packets_max: u32,
}

impl Peer {
    /// Opens a session; its open packet is the first thing in its outbox.
    pub(crate) fn open(
        shared: Arc<Shared>,
        sid: Sid,
        revision: Revision,
        transport: Transport,
        handshake: Handshake,
        polling: PollingStyle,
    ) -> Arc<Self> {
        let config = &shared.config;
        let parser = shared.parser(revision);
        let websocket = transport == Transport::Websocket;
        let mut out = Vec::new();
        let now = shared.deadlines.now();
        let session = Session::open(now, revision, websocket, &sid, config.offers_upgrade(), parser, &config.limits, &mut out);
        let outbox = Outbox::new(revision, config.limits.outbox_bytes_max);
        outbox.push_control(out);
        Self::new(shared, sid, revision, transport, handshake, polling, session, outbox, None)
    }

    /// Opens the session of a client without a library.
    pub(crate) fn open_plain(
        shared: Arc<Shared>,
        sid: Sid,
        transport: Transport,
        handshake: Handshake,
        plain: PlainPeer,
    ) -> Arc<Self> {
        let limits = &shared.config.limits;
        let session = Session::open_plain(shared.deadlines.now(), plain.ends_with_stream, limits);
        let outbox = Outbox::plain(Reading::new(shared.boundary.clone(), None), limits.outbox_bytes_max);
        let (revision, polling) = (Revision::V4, PollingStyle::default());
        Self::new(shared, sid, revision, transport, handshake, polling, session, outbox, Some(Box::new(plain)))
    }

    #[expect(clippy::too_many_arguments, reason = "each is a fact of the handshake, named where it is known")]
    fn new(
        shared: Arc<Shared>,
        sid: Sid,
        revision: Revision,
        transport: Transport,
        handshake: Handshake,
        polling: PollingStyle,
        session: Session,
        outbox: Outbox,
        plain: Option<Box<PlainPeer>>,
    ) -> Arc<Self> {
        let deadline = session.deadline();
        let traffic = shared.config.count_traffic.then(Box::default);
        let peer = Arc::new(Self {
            sid,
            revision,
            handshake,
            outbox,
            armed: Armed::default(),
            polling,
            plain,
            traffic,
            session: Mutex::new(session),
            sockets: Mutex::default(),
            transport: AtomicU8::new(transport as u8),
            ended: AtomicBool::new(false),
            shared,
        });
        peer.shared.stats.session_opened();
        peer.shared.deadlines.arm(&peer, &peer.armed, deadline);
        peer
    }

    /// Tells the application, once the open packet is on its way.
    pub(crate) fn opened(self: &Arc<Self>) {
        if self.shared.is_closing() {
            // Let in just before; `Server::close` may have missed it.
            self.close(CloseReason::ServerShuttingDown);
        }
        if let Some(event) = self.feed(|session, _| session.join_implicitly()) {
            self.dispatch(event);
        }
        self.shared.engine_opened(self);
    }

    /// Counts an answer with a whole body.
    pub(crate) fn count(&self, answer: &Response<Bytes>) {
        if let Some(counters) = &self.traffic {
            counters.answer(answer.status(), answer.headers());
            counters.add_out(answer.body().len());
        }
    }

    /// Feeds the session under its lock, carries off what it has to say, and ends it if it is closed.
    /// What comes back is dispatched by the caller, after the lock is released.
    pub(crate) fn feed<R>(self: &Arc<Self>, input: impl FnOnce(&mut Session, Feed<'_>) -> R) -> R {
        self.feed_at(self.shared.deadlines.now(), input)
    }

    /// The same, by a clock that was read just now: one request feeds its session several times.
    pub(crate) fn feed_at<R>(self: &Arc<Self>, now: u64, input: impl FnOnce(&mut Session, Feed<'_>) -> R) -> R {
        let limits = &self.shared.config.limits;
        let mut out = Vec::new();
        let mut session = self.session.lock();
        // First what was due before this input came, however late the wheel is.
        if now >= session.deadline() {
            session.handle_timeout(now, limits, &mut out);
        }
        let result = input(&mut session, Feed { now, limits, out: &mut out });
        if !out.is_empty() {
            self.outbox.push_control(out);
        }
        if self.outbox.is_overflowed() {
            session.close(now, CloseReason::SlowConsumer);
        }
        let closed = session.closed();
        let deadline = session.deadline();
        drop(session);
        match closed {
            // Nobody can come for its last words.
            Some(_) if self.plain.as_ref().is_some_and(|plain| !plain.is_found_by_sid) => {
                self.shared.deadlines.disarm(self, &self.armed);
            }
            _ => self.shared.deadlines.arm(self, &self.armed, deadline),
        }
        if let Some(reason) = closed {
            self.end(reason);
        }
        result
    }

    /// The wheel has come round.
    pub(crate) fn handle_deadline(self: &Arc<Self>) {
        let now = self.shared.deadlines.now();
        let lingered = {
            let session = self.session.lock();
            session.closed().is_some() && now >= session.deadline()
        };
        if lingered {
            self.outbox.abandon();
            self.shared.sessions.remove(self);
            return;
        }
        self.feed(|_, _| ());
    }

    /// Closes the session from our side.
    pub(crate) fn close(self: &Arc<Self>, reason: CloseReason) {
        self.feed(|session, feed| session.close(feed.now, reason));
    }

    /// Closes the session with the connection that has this turn, whose last frame may be `farewell`. False when another one carries it now.
    pub(crate) fn close_with(self: &Arc<Self>, turn: u32, reason: CloseReason, farewell: Option<Bytes>) -> bool {
        self.feed(|session, feed| {
            let is_carried = self.outbox.is_turn(turn);
            if is_carried {
                if farewell.is_some() {
                    self.outbox.close(true, farewell);
                }
                session.close(feed.now, reason);
            }
            is_carried
        })
    }

    /// Hands an event of this peer to whom it concerns.
    pub(crate) fn dispatch(self: &Arc<Self>, event: Event) {
        match event {
            Event::Connect { key, namespace, query, auth } => crate::admission::connect(self, key, &namespace, query, auth),
            Event::Disconnect { key } => {
                if let Some(socket) = self.take_socket(key) {
                    socket.0.end(CloseReason::ClientNamespaceDisconnect);
                }
            }
            Event::Event { key, name, args, ack } => {
                if let Some(socket) = self.socket(key) {
                    socket.receive(name, args, ack.map(Asker::Wire));
                }
            }
            Event::Ack { key, id, args } => {
                if let Some(socket) = self.socket(key) {
                    socket.0.acks.answer(id, &socket, args);
                }
            }
            Event::Text(text) => self.shared.engine_message(self, crate::engine::Message::Text(text), None),
            Event::Binary(data) => self.shared.engine_message(self, crate::engine::Message::Binary(data), None),
        }
    }

    /// Lets a socket in; `enter` gives it its place in the namespace and queues the connect reply.
    /// False when the client has gone meanwhile.
    pub(crate) fn accept(self: &Arc<Self>, socket: &Socket, enter: impl FnOnce(Frames)) -> bool {
        let mut session = self.session.lock();
        let (now, limits) = (self.shared.deadlines.now(), &self.shared.config.limits);
        let Some(reply) = session.accept(now, socket.0.key, socket.id(), socket.pid(), limits) else { return false };
        if let Some(format) = session.format() {
            self.outbox.set_parser(format.parser);
        }
        let deadline = session.deadline();
        self.sockets.lock().push(socket.clone());
        enter(reply);
        drop(session);
        self.shared.deadlines.arm(self, &self.armed, deadline);
        true
    }

    /// Keeps a client out of a namespace. Nothing happens when it was let in, or has been refused.
    pub(crate) fn refuse(self: &Arc<Self>, key: u32, refused: Refused<'_>) {
        let payload = match (&refused, self.revision) {
            // An object for clients of every age.
            (Refused::NoNamespace | Refused::NoCallbacks, _) => "{\"message\":\"Invalid namespace\"}".to_owned(),
            (Refused::Error(error), Revision::V3) => error.to_json_eio3(),
            (Refused::Error(error), Revision::V4) => error.to_json(),
        };
        let mut session = self.session.lock();
        let Some(reply) = session.refuse(key, &payload) else { return };
        self.outbox.push_control(reply.as_slice().iter().cloned());
        drop(session);
        self.tell_opener(Err(refused.into()));
    }

    /// Tells the request that opened a plain client's session what became of it.
    pub(crate) fn tell_opener(&self, opened: Result<Socket, Shut>) {
        if let Some(opener) = self.plain.as_ref().and_then(|plain| plain.opener.lock().take()) {
            let _ = opener.send(opened);
        }
    }

    /// Makes a socket leave its namespace.
    pub(crate) fn disconnect_socket(self: &Arc<Self>, key: u32) {
        if self.plain.is_some() {
            // It has no other.
            return self.close(CloseReason::ServerNamespaceDisconnect);
        }
        let mut session = self.session.lock();
        if let Some(packet) = session.disconnect(self.shared.deadlines.now(), key) {
            self.outbox.push_control(packet.as_slice().iter().cloned());
        }
        drop(session);
        if let Some(socket) = self.take_socket(key) {
            socket.0.end(CloseReason::ServerNamespaceDisconnect);
        }
    }

    /// `disconnect(true)`: every socket leaves, then the connection closes.
    pub(crate) fn disconnect_all(self: &Arc<Self>) {
        let keys: Vec<u32> = self.sockets.lock().iter().map(|s| s.0.key).collect();
        for key in keys {
            self.disconnect_socket(key);
        }
        self.close(CloseReason::ForcedServerClose);
    }

    /// The transport that carries the session now.
    pub(crate) fn transport(&self) -> Transport {
        Transport::ALL[usize::from(self.transport.load(Ordering::Relaxed))]
    }

    pub(crate) fn set_transport(&self, transport: Transport) {
        self.transport.store(transport as u8, Ordering::Relaxed);
    }

    /// The WebSocket carries the session from here on.
    pub(crate) fn upgraded(self: &Arc<Self>) {
        self.set_transport(Transport::Websocket);
        let sockets = self.sockets.lock().clone();
        for socket in sockets {
            socket.0.upgraded();
        }
    }

    /// Whether a request over this transport fits the session.
    pub(crate) fn is_polling(&self) -> bool {
        matches!(self.session.lock().carrier(), Some(Carrier::Polling { .. }))
    }

    /// Whether a WebSocket is being probed.
    pub(crate) fn is_probing(&self) -> bool {
        self.session.lock().is_probing()
    }

    /// Whether a plain client was let in, however it went on.
    pub(crate) fn was_let_in(&self) -> bool {
        self.session.lock().plain().is_some_and(|client| client.was_let_in())
    }

    /// Does what is due, for requests that come before the wheel does: whether nothing is left of the session.
    pub(crate) fn is_over(self: &Arc<Self>, now: u64) -> bool {
        self.feed_at(now, |_, _| ());
        self.is_closed() && self.shared.sessions.get(&self.sid).is_none()
    }

    /// Why the session has ended, even if its sockets have not heard of it yet.
    pub(crate) fn closed(&self) -> Option<CloseReason> {
        self.session.lock().closed()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// All ends lead here, once each.
    fn end(self: &Arc<Self>, reason: CloseReason) {
        if self.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        tracing::debug!(reason = reason.as_str(), "session closed");
        self.shared.stats.session_closed(reason);
        let orderly = reason.is_orderly();
        let carrier = self.session.lock().carrier();
        let Some(carrier) = carrier else { return self.end_plain(reason) };
        let last = match carrier {
            Carrier::WebSocket => Some(frame::close(None, "")),
            // A GET of its own fetches it, because clients 4.x act on a close packet before what came with it.
            Carrier::Polling { .. } if orderly => None,
            // The client said so itself.
            Carrier::Polling { .. } if reason == CloseReason::TransportClose => Some(wire::NOOP),
            Carrier::Polling { .. } => Some(wire::CLOSE),
        };
        let is_fetched = last.is_none();
        self.outbox.close(!orderly, last);
        if !is_fetched {
            self.shared.sessions.remove(self);
        }
        self.end_sockets(reason);
        self.shared.engine_closed(self, reason);
    }

    fn end_plain(self: &Arc<Self>, reason: CloseReason) {
        let is_fetched = is_fetched(reason);
        self.outbox.say_goodbye(!is_fetched, reason);
        if !is_fetched {
            self.shared.sessions.remove(self);
        }
        self.end_sockets(reason);
        // One that never came in has an opener still.
        self.tell_opener(Err(Shut::Closed(reason)));
    }

    fn end_sockets(&self, reason: CloseReason) {
        let sockets = std::mem::take(&mut *self.sockets.lock());
        for socket in sockets {
            socket.0.end(reason);
        }
    }

    /// The only socket of a plain client, once it was let in.
    pub(crate) fn only_socket(&self) -> Option<Socket> {
        self.sockets.lock().first().cloned()
    }

    fn socket(&self, key: u32) -> Option<Socket> {
        self.sockets.lock().iter().find(|s| s.0.key == key).cloned()
    }

    fn take_socket(&self, key: u32) -> Option<Socket> {
        let mut sockets = self.sockets.lock();
        let i = sockets.iter().position(|s| s.0.key == key)?;
        Some(sockets.swap_remove(i))
    }
}

/// Why a client is kept out of a namespace.
pub(crate) enum Refused<'a> {
    NoNamespace,
    /// It reads answers as scripts, and this namespace does not allow that.
    NoCallbacks,
    Error(&'a ConnectError),
}

/// What every input to a session comes with.
pub(crate) struct Feed<'a> {
    pub(crate) now: u64,
    pub(crate) limits: &'a Limits,
    pub(crate) out: &'a mut Vec<Bytes>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::SocketCore;

    /// Two words more for the counts of an `Arc`. An allocator has few sizes: the next ones below are 384 and 192, for mimalloc and others.
    #[test]
    fn an_idle_connection_is_small() {
        let sizes = (size_of::<Peer>() + 16, size_of::<SocketCore>() + 16, size_of::<Outbox>());
        assert_eq!(sizes, (368, 192, 120), "Peer, SocketCore, Outbox");
    }
}
