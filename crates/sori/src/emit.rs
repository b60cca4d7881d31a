//! Emitting to many: whom, how, and what became of it.

use std::{sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use sori_proto::{sio::OutArgs, wire::Prepared};
use tokio::sync::{mpsc, oneshot};

use crate::{
    ack::{AckFuture, Pending, RoomFuture, collect},
    error::{AckError, EmitError},
    namespace::{FannedOut, NamespaceCore},
    rooms::Target,
    socket::{IntoRooms, Socket},
};

/// Sockets of one namespace: everybody, until [`to`](Broadcast::to) and [`except`](Broadcast::except) narrow it.
///
/// ```
/// # fn f(io: sori::Server) -> Result<(), sori::EmitError> {
/// io.emit("news", "to everybody in /")?;
/// io.of("/chat").to("lobby").to("hall").except("quiet").emit("notice", "hello")?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "nothing is sent before emit"]
pub struct Broadcast {
    /// None when there is no such namespace: nobody is meant.
    namespace: Option<Arc<NamespaceCore>>,
    target: Target,
    volatile: bool,
    compress: bool,
    timeout: Option<Duration>,
}

/// What became of an emit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Sockets whose outbox took it.
    pub queued: usize,
    /// Sockets that did not get it: volatile and not ready, or closed as slow consumers by it.
    pub dropped: usize,
}

/// One event on its way out, for [`Namespace::on_any_outgoing`](crate::Namespace::on_any_outgoing).
pub struct Outgoing<'a> {
    event: &'a Prepared,
    target: &'a Target,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn new(event: &'a Prepared, target: &'a Target) -> Self {
        Self { event, target }
    }

    /// The event's name.
    pub fn event(&self) -> &str {
        self.event.event()
    }

    /// The arguments as JSON, without the brackets of their array. Binary is `{"_placeholder":true,"num":n}`.
    pub fn json(&self) -> &str {
        self.event.args().json()
    }

    /// The rooms it goes to; none means everybody. One socket's is its id.
    pub fn rooms(&self) -> impl Iterator<Item = &str> {
        self.target.rooms.iter().map(|room| &**room)
    }
}

impl Broadcast {
    pub(crate) fn new(namespace: Arc<NamespaceCore>) -> Self {
        Self { namespace: Some(namespace), target: Target::default(), volatile: false, compress: true, timeout: None }
    }

    pub(crate) fn nobody() -> Self {
        Self { namespace: None, target: Target::default(), volatile: false, compress: true, timeout: None }
    }

    pub(crate) fn but(mut self, socket: &Socket) -> Self {
        self.target.except.push(socket.id().into());
        self
    }

    /// Only members of this room, or of any of several.
    pub fn to(mut self, rooms: impl IntoRooms) -> Self {
        self.target.rooms.extend(rooms.into_rooms());
        self
    }

    /// But nobody of this room, or of any of several.
    pub fn except(mut self, rooms: impl IntoRooms) -> Self {
        self.target.except.extend(rooms.into_rooms());
        self
    }

    /// Only on this node of a cluster.
    pub fn local(self) -> Self {
        // One node is all there is until a broker joins it to others.
        self
    }

    /// Drops the event for those who cannot take it at once: over polling those without a waiting request, over WebSocket those
    /// whose last write has not finished. Volatile events are not kept for recovery.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Whether the event may be compressed; it may, where compression is on.
    pub fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// How long to wait for answers; [`Config::ack_timeout`](crate::Config) otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends an event. A tuple travels as several arguments, `()` as none, [`bytes::Bytes`] as binary. On the wire of a default
    /// client it is `42/chat,["event",…]`, and with binary `451-/chat,["event",{"_placeholder":true,"num":0}]` and the bytes.
    ///
    /// The arguments are serialized once and each wire format is encoded once, however many receive it. Nobody is waited
    /// for, and a target without members is no error.
    ///
    /// # Errors
    /// A reserved name, arguments that cannot be written, or more attachments than `max_attachments`; nothing is sent then.
    pub fn emit<T: Serialize + ?Sized>(self, event: &str, data: &T) -> Result<Sent, EmitError> {
        let Some(namespace) = &self.namespace else { return Ok(Sent::default()) };
        let prepared = self.prepare(namespace, event, data, None)?;
        Ok(namespace.fan_out(prepared, self.target, self.volatile, None).into())
    }

    /// Asks everybody who is meant, and waits until all have answered or time is up.
    /// The event is sent now. Each answer is the first argument of the client's callback, or with a tuple type all of them.
    ///
    /// ```
    /// # async fn f(io: sori::Server) -> Result<(), sori::EmitError> {
    /// let votes = io.to("jury").timeout(std::time::Duration::from_secs(5)).emit_with_ack::<bool>("guilty?", &())?.await;
    /// println!("{} of {} answered", votes.answers.len(), votes.answers.len() + votes.missing.len());
    /// # Ok(()) }
    /// ```
    pub fn emit_with_ack<T: DeserializeOwned + Send + 'static>(
        self,
        event: &str,
        data: &(impl Serialize + ?Sized),
    ) -> Result<RoomFuture<T>, EmitError> {
        let (sender, answers) = mpsc::unbounded_channel();
        let (id, asked, timeout) = match &self.namespace {
            None => (0, Vec::new(), Duration::ZERO),
            Some(namespace) => {
                let id = namespace.next_ack();
                let prepared = self.prepare(namespace, event, data, Some(id))?;
                let pending_max = namespace.shared.upgrade().map_or(0, |shared| shared.config.limits.pending_acks_max);
                let ask = |socket: &Socket| socket.0.acks.expect(id, Pending::Room(sender.clone()), pending_max);
                let timeout = self.ack_timeout(namespace);
                (id, namespace.fan_out(prepared, self.target, false, Some(&ask)).asked, timeout)
            }
        };
        drop(sender);
        Ok(Box::pin(collect(id, asked, answers, timeout)))
    }

    /// Everybody who is meant, at this moment.
    pub fn fetch_sockets(&self) -> Vec<Socket> {
        self.namespace.as_ref().map_or_else(Vec::new, |namespace| namespace.sockets(&self.target))
    }

    /// Makes everybody who is meant join a room, or several.
    pub fn sockets_join(&self, rooms: impl IntoRooms) {
        let rooms: Vec<Arc<str>> = rooms.into_rooms().collect();
        for socket in self.fetch_sockets() {
            rooms.iter().for_each(|room| socket.join(room.clone()));
        }
    }

    /// Makes everybody who is meant leave a room, or several.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) {
        let rooms: Vec<Arc<str>> = rooms.into_rooms().collect();
        for socket in self.fetch_sockets() {
            rooms.iter().for_each(|room| socket.leave(room.clone()));
        }
    }

    /// Makes everybody who is meant leave the namespace, or with `close` closes their connections. Clients do not come back by
    /// themselves after either: they are told `io server disconnect`.
    pub fn disconnect_sockets(&self, close: bool) {
        for socket in self.fetch_sockets() {
            if close { socket.disconnect_all() } else { socket.disconnect() }
        }
    }

    /// A socket of this namespace, by its id.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.namespace.as_ref()?.get(id)
    }

    /// How many sockets are in this namespace, whoever is meant.
    pub fn len(&self) -> usize {
        self.namespace.as_ref().map_or(0, |namespace| namespace.len())
    }

    /// Whether nobody is in this namespace.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends an event to the other nodes of a cluster, for their
    /// servers and not their clients. On a single node there are none: nothing is sent and zero comes back.
    pub fn server_side_emit<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<usize, EmitError> {
        if let Some(namespace) = &self.namespace {
            self.prepare(namespace, event, data, None)?;
        }
        Ok(0)
    }

    pub(crate) fn emit_to<T: Serialize + ?Sized>(self, socket: &Socket, event: &str, data: &T) -> Result<Sent, EmitError> {
        if !socket.is_connected() {
            return Err(EmitError::Disconnected);
        }
        self.only(socket).emit(event, data)
    }

    pub(crate) fn ask_one<T: DeserializeOwned + Send + 'static>(
        self,
        socket: &Socket,
        event: &str,
        data: &(impl Serialize + ?Sized),
    ) -> AckFuture<T> {
        if !socket.is_connected() {
            return AckFuture::failed(AckError::Disconnected);
        }
        let namespace = &socket.0.namespace;
        let id = namespace.next_ack();
        let prepared = match self.prepare(namespace, event, data, Some(id)) {
            Ok(prepared) => prepared,
            Err(error) => return AckFuture::failed(error.into()),
        };
        let (sender, answer) = oneshot::channel();
        let timeout = self.ack_timeout(namespace);
        let pending_max = socket.0.peer.shared.config.limits.pending_acks_max;
        if !socket.0.acks.expect(id, Pending::One(sender), pending_max) {
            return AckFuture::failed(AckError::TooManyPending);
        }
        if namespace.fan_out(prepared, self.only(socket).target, false, Some(&|_| true)).queued == 0 {
            // It has gone since, or takes no more.
            socket.0.acks.forget(id);
            return AckFuture::failed(AckError::Disconnected);
        }
        AckFuture::waiting(socket.clone(), id, answer, timeout)
    }

    fn only(mut self, socket: &Socket) -> Self {
        self.target = Target { rooms: vec![socket.id().into()], except: Vec::new(), own: true };
        self
    }

    fn prepare<T: Serialize + ?Sized>(
        &self,
        namespace: &NamespaceCore,
        event: &str,
        data: &T,
        ack: Option<u64>,
    ) -> Result<Prepared, EmitError> {
        if sori_proto::sio::is_reserved(event) {
            return Err(EmitError::ReservedEvent);
        }
        let args = OutArgs::new(data)?;
        namespace.check_attachments(&args)?;
        let threshold =
            namespace.shared.upgrade().and_then(|shared| shared.config.per_message_deflate).map(|deflate| deflate.threshold);
        Ok(Prepared::new(namespace.shared_name(), event, args, ack).compress(self.compress).deflate_from(threshold))
    }

    fn ack_timeout(&self, namespace: &NamespaceCore) -> Duration {
        self.timeout.or_else(|| Some(namespace.shared.upgrade()?.config.ack_timeout)).unwrap_or_default()
    }
}

impl From<FannedOut> for Sent {
    fn from(done: FannedOut) -> Self {
        Self { queued: done.queued, dropped: done.dropped }
    }
}
