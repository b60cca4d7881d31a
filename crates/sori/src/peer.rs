//! One peer: its session behind its lock, its outbox, and the sockets it has in namespaces.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, Ordering},
};

use bytes::Bytes;
use parking_lot::Mutex;
use sori_proto::{
    CloseReason, Event, Limits, Session,
    eio::{Carrier, Revision},
    wire::{self, Frames},
    ws::frame,
};

use crate::{config::Transport, deadlines::Armed, handshake::Handshake, outbox::Outbox, server::Shared, socket::Socket};

/// One session and everything that hangs on it: a single allocation beside its handshake.
///
/// Lock order: `session`, then `sockets`, then a namespace's rooms, then `outbox`. None is held across an await.
pub(crate) struct Peer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sid: Box<str>,
    pub(crate) revision: Revision,
    pub(crate) handshake: Handshake,
    pub(crate) outbox: Outbox,
    pub(crate) armed: Armed,
    /// How its polls are answered; fixed at the handshake.
    pub(crate) polling: PollingStyle,
    session: Mutex<Session>,
    sockets: Mutex<Vec<Socket>>,
    transport: AtomicU8,
    ended: AtomicBool,
}

/// What the handshake said about polling answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct PollingStyle {
    /// Answers are scripts that call this slot (`j`), digits only.
    pub(crate) jsonp: Option<Box<str>>,
    /// The client cannot read binary bodies (`b64`).
    pub(crate) base64: bool,
    /// The client breaks on answers of more packets than this.
    pub(crate) packets_max: u32,
}

impl Peer {
    /// Opens a session; its open packet is the first thing in its outbox.
    pub(crate) fn open(
        shared: Arc<Shared>,
        sid: Box<str>,
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
        let deadline = session.deadline();
        let peer = Arc::new(Self {
            sid,
            revision,
            handshake,
            outbox,
            armed: Armed::default(),
            polling,
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

    /// Feeds the session under its lock, carries off what it has to say, and ends it if it is closed.
    /// What comes back is dispatched by the caller, after the lock is released.
    pub(crate) fn feed<R>(self: &Arc<Self>, input: impl FnOnce(&mut Session, Feed<'_>) -> R) -> R {
        let limits = &self.shared.config.limits;
        let now = self.shared.deadlines.now();
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
        self.shared.deadlines.arm(self, &self.armed, deadline);
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
            self.shared.sessions.remove(&self.sid);
            return;
        }
        self.feed(|_, _| ());
    }

    /// Closes the session from our side.
    pub(crate) fn close(self: &Arc<Self>, reason: CloseReason) {
        self.feed(|session, feed| session.close(feed.now, reason));
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
                    socket.0.receive(name, args, ack);
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
        let Some(reply) = session.accept(socket.0.key, socket.id(), socket.pid()) else { return false };
        if let Some(format) = session.format() {
            self.outbox.set_parser(format.parser);
        }
        self.sockets.lock().push(socket.clone());
        enter(reply);
        true
    }

    /// Keeps a client out of a namespace.
    pub(crate) fn refuse(self: &Arc<Self>, key: u32, payload_json: &str) {
        let mut session = self.session.lock();
        if let Some(reply) = session.refuse(key, payload_json) {
            self.outbox.push_control(reply.as_slice().iter().cloned());
        }
    }

    /// Makes a socket leave its namespace.
    pub(crate) fn disconnect_socket(self: &Arc<Self>, key: u32) {
        let mut session = self.session.lock();
        if let Some(packet) = session.disconnect(key) {
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
        if self.transport.load(Ordering::Relaxed) == Transport::Websocket as u8 {
            Transport::Websocket
        } else {
            Transport::Polling
        }
    }

    /// The WebSocket carries the session from here on.
    pub(crate) fn upgraded(self: &Arc<Self>) {
        self.transport.store(Transport::Websocket as u8, Ordering::Relaxed);
        let sockets = self.sockets.lock().clone();
        for socket in sockets {
            socket.0.upgraded();
        }
    }

    /// Whether a request over this transport fits the session.
    pub(crate) fn is_polling(&self) -> bool {
        matches!(self.session.lock().carrier(), Carrier::Polling { .. })
    }

    /// Whether a WebSocket is being probed.
    pub(crate) fn is_probing(&self) -> bool {
        self.session.lock().is_probing()
    }

    /// Does what is due, for requests that come before the wheel does: whether nothing is left of the session.
    pub(crate) fn is_over(self: &Arc<Self>) -> bool {
        self.feed(|_, _| ());
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
            self.shared.sessions.remove(&self.sid);
        }
        let sockets = std::mem::take(&mut *self.sockets.lock());
        for socket in sockets {
            socket.0.end(reason);
        }
        self.shared.engine_closed(self, reason);
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

/// What every input to a session comes with.
pub(crate) struct Feed<'a> {
    pub(crate) now: u64,
    pub(crate) limits: &'a Limits,
    pub(crate) out: &'a mut Vec<Bytes>,
}
