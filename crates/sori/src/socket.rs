//! One session in one namespace.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use sori_proto::{
    CloseReason,
    sio::{InArgs, OutArgs},
    wire::{self, Prepared},
};

use tokio::sync::oneshot;

use crate::{
    ack::{AckFuture, Acks, Answered, Asker},
    config::Transport,
    data::SocketData,
    emit::{Broadcast, Sent},
    engine::Conn,
    error::EmitError,
    handshake::Handshake,
    ids::{Id, Sid},
    inbox::{Inbox, Work},
    log::Returned,
    namespace::NamespaceCore,
    peer::Peer,
    traffic::Traffic,
};

/// A client in a namespace. Cheap to clone; equal when it is the same stay of the same client.
///
/// ```
/// # use sori::{Socket, Data, EmitError};
/// async fn on_move(socket: Socket, Data(to): Data<(i32, i32)>) -> Result<(), EmitError> {
///     socket.to("board").emit("move", &to)?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Socket(pub(crate) Arc<SocketCore>);

pub(crate) struct SocketCore {
    /// Which stay of its session this is.
    pub(crate) key: u32,
    pub(crate) peer: Arc<Peer>,
    pub(crate) namespace: Arc<NamespaceCore>,
    pub(crate) acks: Acks,
    /// The rooms it is in, besides the one of its own id.
    pub(crate) rooms: Mutex<Vec<Arc<str>>>,
    pub(crate) inbox: Inbox,
    id: Id,
    said: Option<Box<Said>>,
    recovered: bool,
    data: OnceLock<Arc<SocketData>>,
    stage: AtomicU8,
}

/// What not every stay has.
struct Said {
    auth: Option<Bytes>,
    /// What recovery needs, when it is on.
    pid: Option<Sid>,
}

/// Before a client is let in, while it is there, and after.
const ARRIVING: u8 = 0;
const CONNECTED: u8 = 1;
const GONE: u8 = 2;

impl Socket {
    pub(crate) fn new(
        key: u32,
        peer: &Arc<Peer>,
        namespace: Arc<NamespaceCore>,
        id: Id,
        pid: Option<Sid>,
        auth: Option<Bytes>,
        returned: Option<&Returned>,
    ) -> Self {
        let data = OnceLock::new();
        if let Some(kept) = returned.and_then(|r| r.data.clone()) {
            let _ = data.set(kept);
        }
        Self(Arc::new(SocketCore {
            key,
            peer: peer.clone(),
            namespace,
            acks: Acks::default(),
            rooms: Mutex::default(),
            inbox: Inbox::default(),
            id,
            said: (auth.is_some() || pid.is_some()).then(|| Box::new(Said { auth, pid })),
            recovered: returned.is_some(),
            data,
            stage: AtomicU8::new(ARRIVING),
        }))
    }

    /// The public id: a room of its own, fit for logs. Clients see it as `socket.id`. 20 characters, fresh for each stay; for clients 1.x
    /// and 2.x the session's id, after `/chat#` in a namespace called `/chat`. Those demand that it is the secret of their session: do not show
    /// it to other clients, or log it, where such clients are served; keep a name of your own with [`Socket::data`].
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The namespace's name, e.g. `/chat`.
    pub fn namespace(&self) -> &str {
        self.0.namespace.name()
    }

    /// Whether the client has been let in and is still there.
    pub fn is_connected(&self) -> bool {
        self.0.stage.load(Ordering::Acquire) == CONNECTED
    }

    /// Whether this is an earlier stay that the client resumed: same id, rooms and data, nothing missed.
    pub fn recovered(&self) -> bool {
        self.0.recovered
    }

    /// What the client said when its session began.
    pub fn handshake(&self) -> &Handshake {
        &self.0.peer.handshake
    }

    /// The `auth` payload; for clients 1.x and 2.x the query of the namespace, strings only. An empty object when there was none.
    /// An error when it is not a `T`. See the extractor [`Auth`](crate::Auth).
    pub fn auth<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.raw_auth())
    }

    pub(crate) fn raw_auth(&self) -> &[u8] {
        self.0.said.as_ref().and_then(|said| said.auth.as_deref()).unwrap_or(b"{}")
    }

    /// The Engine.IO session that carries this socket, and maybe others of the same client.
    /// Closing it is what a lost connection is to the client: it comes back by itself.
    pub fn conn(&self) -> Conn {
        Conn(self.0.peer.clone())
    }

    /// What carries it now. Between two requests of a client without a library: the last that did.
    pub fn transport(&self) -> Transport {
        self.0.peer.transport()
    }

    /// The Engine.IO revision of the client: 3 for clients 1.x and 2.x, else 4; 0 for a client without a library.
    pub fn protocol(&self) -> u8 {
        match self.0.peer.revision {
            _ if self.0.peer.plain.is_some() => 0,
            sori_proto::eio::Revision::V3 => 3,
            sori_proto::eio::Revision::V4 => 4,
        }
    }

    /// Values that the application keeps with this socket, by type.
    ///
    /// ```
    /// # fn f(socket: sori::Socket) {
    /// #[derive(Clone)]
    /// struct User { name: String }
    /// socket.data().insert(User { name: "Ada".into() });
    /// assert_eq!(socket.data().get::<User>().unwrap().name, "Ada");
    /// # }
    /// ```
    pub fn data(&self) -> &SocketData {
        self.0.data.get_or_init(Arc::default)
    }

    /// Joins a room, or several. Takes effect before this returns; in a middleware, once the client is let in.
    /// Nothing happens after disconnecting, and nothing beyond [`Limits::rooms_per_socket_max`](crate::Limits).
    ///
    /// Rooms share their names with the ids of sockets. Where clients choose a room, give it a prefix, so that nobody
    /// joins the room of somebody else's id.
    pub fn join(&self, rooms: impl IntoRooms) {
        for room in rooms.into_rooms() {
            self.0.namespace.join(self, room);
        }
    }

    /// Leaves a room, or several.
    pub fn leave(&self, rooms: impl IntoRooms) {
        for room in rooms.into_rooms() {
            self.0.namespace.leave(self, &room);
        }
    }

    /// The rooms it is in; the first is its own id.
    pub fn rooms(&self) -> Vec<String> {
        std::iter::once(self.id().to_owned()).chain(self.0.rooms.lock().iter().map(|r| r.to_string())).collect()
    }

    /// Sends an event to this client. A tuple travels as several arguments, `()` as none, [`Bytes`] as binary.
    ///
    /// ```
    /// # fn f(socket: sori::Socket) -> Result<(), sori::EmitError> {
    /// socket.emit("welcome", "hello")?;              // client: socket.on("welcome", text => …)
    /// socket.emit("move", &(3, 4, "fast"))?;         // client: socket.on("move", (x, y, how) => …)
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Broadcast::emit`], and [`EmitError::Disconnected`] when the client has gone or was not let in yet.
    pub fn emit<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<Sent, EmitError> {
        self.to_self().emit(event, data)
    }

    /// Asks this client, and waits for its answer for as long as [`Config::ack_timeout`](crate::Config).
    /// The event is sent now; the answer is the first argument of the client's callback, or with a tuple type all of them.
    pub fn emit_with_ack<T: DeserializeOwned + Send + 'static>(
        &self,
        event: &str,
        data: &(impl Serialize + ?Sized),
    ) -> AckFuture<T> {
        self.to_self().ask_one(self, event, data)
    }

    /// Everyone else in the namespace.
    pub fn broadcast(&self) -> Broadcast {
        Broadcast::new(self.0.namespace.clone()).but(self)
    }

    /// Everyone else in a room, or in several.
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().to(rooms)
    }

    /// Everyone else outside of a room, or of several.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().except(rooms)
    }

    /// Everyone else on this node of a cluster.
    pub fn local(&self) -> Broadcast {
        self.broadcast().local()
    }

    /// This client, but what it cannot take at once is dropped.
    pub fn volatile(&self) -> ToSocket {
        self.to_self().volatile()
    }

    /// This client, with or without compression.
    pub fn compress(&self, compress: bool) -> ToSocket {
        self.to_self().compress(compress)
    }

    /// This client, waiting this long for its answers.
    pub fn timeout(&self, timeout: Duration) -> ToSocket {
        self.to_self().timeout(timeout)
    }

    /// Makes the client leave this namespace, after what was emitted before. It does not come back by itself: it is told
    /// `io server disconnect`. `on_disconnect` hears [`CloseReason::ServerNamespaceDisconnect`].
    ///
    /// `on_disconnect` runs to its first await before this returns: hold no lock here that it takes.
    pub fn disconnect(&self) {
        self.0.peer.disconnect_socket(self.0.key);
    }

    /// Makes the client leave all namespaces and closes its connection (`disconnect(true)` of the reference).
    pub fn disconnect_all(&self) {
        self.0.peer.disconnect_all();
    }

    pub(crate) fn pid(&self) -> Option<&str> {
        self.0.said.as_ref().and_then(|said| said.pid.as_deref())
    }

    pub(crate) fn kept_data(&self) -> Option<Arc<SocketData>> {
        self.0.data.get().cloned()
    }

    /// Queues the last `n` events that a room received, for this client alone, and tells how many there were; none when the
    /// namespace keeps no [`History`](crate::History) of that room. Whoever calls it decides that this client may read them: it need not be in the room.
    pub fn replay(&self, room: &str, n: u32) -> usize {
        match self.is_connected() {
            true => self.0.namespace.replay(self, room, n),
            false => 0,
        }
    }

    /// Requests and bytes of this client's session so far, if [`ServerBuilder::count_traffic`](crate::ServerBuilder::count_traffic) is on.
    pub fn traffic(&self) -> Option<Traffic> {
        self.0.peer.traffic.as_ref().map(|counters| counters.read())
    }

    /// Answers an event.
    pub(crate) fn answer(&self, asker: &Asker, args: OutArgs) {
        let peer = &self.0.peer;
        let pushed = match asker {
            Asker::Request(asking) => return asking.answer(Answered::Ack(args)),
            Asker::Wire(id) if peer.plain.is_some() => {
                let answer = Prepared::answer(self.0.namespace.shared_name(), *id, args);
                peer.outbox.push(&Arc::new(answer), false)
            }
            Asker::Wire(id) => peer.outbox.push_own(|format| wire::ack(format, self.namespace(), *id, &args)),
        };
        if pushed == crate::outbox::Pushed::Full {
            self.0.peer.close(CloseReason::SlowConsumer);
        }
    }

    fn to_self(&self) -> ToSocket {
        ToSocket { socket: self.clone(), broadcast: Broadcast::new(self.0.namespace.clone()) }
    }
}

/// One socket with the options of one emit. See [`Socket::volatile`], [`Socket::timeout`], [`Socket::compress`].
#[must_use = "nothing is sent before emit"]
pub struct ToSocket {
    socket: Socket,
    broadcast: Broadcast,
}

impl ToSocket {
    /// Drops the event when the client cannot take it at once.
    pub fn volatile(mut self) -> Self {
        self.broadcast = self.broadcast.volatile();
        self
    }

    /// Whether the event may be compressed.
    pub fn compress(mut self, compress: bool) -> Self {
        self.broadcast = self.broadcast.compress(compress);
        self
    }

    /// How long to wait for an answer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.broadcast = self.broadcast.timeout(timeout);
        self
    }

    /// Sends an event. See [`Socket::emit`].
    pub fn emit<T: Serialize + ?Sized>(self, event: &str, data: &T) -> Result<Sent, EmitError> {
        self.broadcast.emit_to(&self.socket, event, data)
    }

    /// Asks, and waits for the answer. See [`Socket::emit_with_ack`].
    pub fn emit_with_ack<T: DeserializeOwned + Send + 'static>(
        self,
        event: &str,
        data: &(impl Serialize + ?Sized),
    ) -> AckFuture<T> {
        self.broadcast.ask_one(&self.socket, event, data)
    }

    fn ask_one<T: DeserializeOwned + Send + 'static>(
        self,
        socket: &Socket,
        event: &str,
        data: &(impl Serialize + ?Sized),
    ) -> AckFuture<T> {
        self.broadcast.ask_one(socket, event, data)
    }
}

impl SocketCore {
    /// The client has been let in.
    pub(crate) fn set_connected(&self) {
        self.stage.store(CONNECTED, Ordering::Release);
    }

    /// The client is on its way in: middlewares decide.
    pub(crate) fn is_arriving(&self) -> bool {
        self.stage.load(Ordering::Acquire) == ARRIVING
    }

    /// All ends of a stay lead here, once each: its place is given up, then `on_disconnect` is queued last.
    pub(crate) fn end(self: &Arc<Self>, reason: CloseReason) {
        if self.stage.swap(GONE, Ordering::AcqRel) != CONNECTED {
            return;
        }
        let socket = Socket(self.clone());
        self.namespace.remove(&socket, reason);
        self.acks.forget_all();
        self.inbox.close(&socket, Work::Disconnect(reason));
    }

    /// The client emitted.
    pub(crate) fn receive(self: &Arc<Self>, name: Box<str>, args: InArgs, asker: Option<Asker>) {
        self.inbox.push(&Socket(self.clone()), Work::Event { name, args, asker });
    }

    /// Waits until `on_connect` has returned, and what came before this has started.
    pub(crate) fn ready(self: &Arc<Self>) -> impl Future<Output = ()> + use<> {
        let (sender, ready) = oneshot::channel();
        self.inbox.push(&Socket(self.clone()), Work::Tell(sender));
        async {
            let _ = ready.await;
        }
    }

    /// The session moved to WebSocket.
    pub(crate) fn upgraded(self: &Arc<Self>) {
        if self.namespace.handlers().upgrade.is_some() {
            self.inbox.push(&Socket(self.clone()), Work::Upgrade);
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.id()).field("namespace", &self.namespace()).finish_non_exhaustive()
    }
}

impl PartialEq for Socket {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Socket {}

impl Hash for Socket {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// One room's name, or several.
pub trait IntoRooms {
    /// The names.
    fn into_rooms(self) -> impl Iterator<Item = Arc<str>>;
}

impl IntoRooms for &str {
    fn into_rooms(self) -> impl Iterator<Item = Arc<str>> {
        std::iter::once(self.into())
    }
}

impl IntoRooms for String {
    fn into_rooms(self) -> impl Iterator<Item = Arc<str>> {
        std::iter::once(self.into())
    }
}

impl IntoRooms for &String {
    fn into_rooms(self) -> impl Iterator<Item = Arc<str>> {
        std::iter::once(self.as_str().into())
    }
}

impl IntoRooms for Arc<str> {
    fn into_rooms(self) -> impl Iterator<Item = Arc<str>> {
        std::iter::once(self)
    }
}

impl<T: AsRef<str>, const N: usize> IntoRooms for [T; N] {
    fn into_rooms(self) -> impl Iterator<Item = Arc<str>> {
        self.into_iter().map(|room| room.as_ref().into())
    }
}

impl<T: AsRef<str>> IntoRooms for Vec<T> {
    fn into_rooms(self) -> impl Iterator<Item = Arc<str>> {
        self.into_iter().map(|room| room.as_ref().into())
    }
}

impl<T: AsRef<str>> IntoRooms for &[T] {
    fn into_rooms(self) -> impl Iterator<Item = Arc<str>> {
        self.iter().map(|room| room.as_ref().into())
    }
}

/// A socket stands for the room of its own id.
impl IntoRooms for &Socket {
    fn into_rooms(self) -> impl Iterator<Item = Arc<str>> {
        std::iter::once(self.id().into())
    }
}
