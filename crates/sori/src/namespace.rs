//! A namespace: the handlers an application gives it, and who is in it.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use sori_proto::{
    CloseReason,
    eio::Revision,
    sio::{EncodeError, OutArgs},
    wire::{Frames, Prepared},
};

use crate::{
    config::Config,
    emit::Outgoing,
    error::ConnectError,
    extract::Rejection,
    handler::{
        Admission, Answer, BoxFuture, BoxHandler, Connection, Disconnection, Event, Filter, Handler, Started, boxed, report,
        start,
    },
    inbox::Work,
    log::{Log, Returned},
    outbox::Pushed,
    peer::Peer,
    rooms::{Rooms, Target},
    server::Shared,
    socket::Socket,
};

/// What an application does in a namespace. It is built once; a connection adds nothing to it.
///
/// ```
/// use sori::{Ack, CloseReason, Data, Namespace, Socket};
///
/// let chat = Namespace::new()
///     .on_connect(|socket: Socket| async move { socket.join("lobby") })
///     .on("msg", |socket: Socket, Data(text): Data<String>| async move { socket.to("lobby").emit("msg", &text) })
///     .on("add", |Data((a, b)): Data<(i64, i64)>| async move { Ack(a + b) })
///     .on_disconnect(|socket: Socket, why: CloseReason| async move { println!("{} left: {why}", socket.id()) });
/// ```
#[derive(Default)]
#[must_use = "give it to Server::builder().namespace(…)"]
pub struct Namespace {
    handlers: Handlers,
}

/// The handlers of a namespace, shared by everybody in it.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) sequential: bool,
    pub(crate) upgrade: Option<BoxHandler<Connection>>,
    middlewares: Vec<BoxHandler<Admission>>,
    connect: Option<BoxHandler<Connection>>,
    filters: Vec<BoxHandler<Filter>>,
    any: Vec<BoxHandler<Event>>,
    events: HashMap<Box<str>, BoxHandler<Event>>,
    fallback: Option<BoxHandler<Event>>,
    disconnect: Option<BoxHandler<Disconnection>>,
    outgoing: Vec<OutgoingListener>,
}

type OutgoingListener = Box<dyn Fn(&Outgoing<'_>) + Send + Sync>;

impl Namespace {
    /// A namespace that lets everybody in and ignores what they say.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decides whether a client is let in; several run in order, the first `Err` refuses.
    /// The client gets it as `connect_error`. The socket is not in the namespace yet: nothing can be emitted to it.
    ///
    /// ```
    /// # use sori::{Auth, ConnectError, Namespace};
    /// #[derive(serde::Deserialize)]
    /// struct Login { token: String }
    ///
    /// Namespace::new().middleware(|Auth(login): Auth<Login>| async move {
    ///     if login.token == "secret" { Ok(()) } else { Err("not authorized") }
    /// });
    /// ```
    pub fn middleware<A: 'static>(mut self, handler: impl Handler<Admission, A>) -> Self {
        self.handlers.middlewares.push(boxed(handler));
        self
    }

    /// Runs when a client was let in, after its connect reply. No event of this client starts before it has returned.
    pub fn on_connect<A: 'static>(mut self, handler: impl Handler<Connection, A>) -> Self {
        self.handlers.connect = Some(boxed(handler));
        self
    }

    /// Runs when a client emits `event`; what it returns answers the ack. The last handler of a name counts.
    pub fn on<A: 'static>(mut self, event: &str, handler: impl Handler<Event, A>) -> Self {
        self.handlers.events.insert(event.into(), boxed(handler));
        self
    }

    /// Runs for every event, before its own handler.
    pub fn on_any<A: 'static>(mut self, handler: impl Handler<Event, A>) -> Self {
        self.handlers.any.push(boxed(handler));
        self
    }

    /// Runs for events that have no handler.
    pub fn fallback<A: 'static>(mut self, handler: impl Handler<Event, A>) -> Self {
        self.handlers.fallback = Some(boxed(handler));
        self
    }

    /// Decides whether handlers see an event (`socket.use` of Socket.IO); several run in order.
    /// An `Err` stops the event, and answers its ack if it is an [`Ack`](crate::Ack).
    pub fn event_middleware<A: 'static>(mut self, handler: impl Handler<Filter, A>) -> Self {
        self.handlers.filters.push(boxed(handler));
        self
    }

    /// Is told of everything that is emitted in this namespace, once each, before it is sent.
    pub fn on_any_outgoing(mut self, listener: impl Fn(&Outgoing<'_>) + Send + Sync + 'static) -> Self {
        self.handlers.outgoing.push(Box::new(listener));
        self
    }

    /// Runs when a client's session has moved from polling to WebSocket.
    pub fn on_upgrade<A: 'static>(mut self, handler: impl Handler<Connection, A>) -> Self {
        self.handlers.upgrade = Some(boxed(handler));
        self
    }

    /// Runs when a stay has ended, after all of its events have started. The socket has left its rooms.
    pub fn on_disconnect<A: 'static>(mut self, handler: impl Handler<Disconnection, A>) -> Self {
        self.handlers.disconnect = Some(boxed(handler));
        self
    }

    /// Runs the handlers of each socket one after the other, instead of letting them interleave at their awaits.
    pub fn sequential(mut self) -> Self {
        self.handlers.sequential = true;
        self
    }

    pub(crate) fn into_handlers(self) -> Arc<Handlers> {
        Arc::new(self.handlers)
    }
}

impl Handlers {
    /// Starts one piece of work and runs it to its first await.
    pub(crate) fn start(self: &Arc<Self>, socket: &Socket, work: Work) -> Started {
        let shared = &socket.0.peer.shared;
        // Everything before the future's first poll is the application's code too: extractors, closures.
        let made = catch_unwind(AssertUnwindSafe(|| self.future(socket, work)));
        match made {
            Ok(Some(future)) => start(shared, future),
            Ok(None) => Started::Done,
            Err(panic) => {
                report(shared, &*panic);
                Started::Done
            }
        }
    }

    fn future(self: &Arc<Self>, socket: &Socket, work: Work) -> Option<BoxFuture<()>> {
        match work {
            Work::Connect => {
                let made = self.connect.as_ref()?.call(&mut Connection { socket: socket.clone() });
                accepted(socket, "on_connect", made)
            }
            Work::Upgrade => {
                let made = self.upgrade.as_ref()?.call(&mut Connection { socket: socket.clone() });
                accepted(socket, "on_upgrade", made)
            }
            Work::Disconnect(reason) => {
                let made = self.disconnect.as_ref()?.call(&mut Disconnection { socket: socket.clone(), reason });
                accepted(socket, "on_disconnect", made)
            }
            Work::Event { name, args, ack } => {
                let event = Event { socket: socket.clone(), name, args, ack };
                match self.any.is_empty() && self.filters.is_empty() {
                    true => self.handle(event),
                    false => Some(Box::pin(self.clone().filter_and_handle(event))),
                }
            }
        }
    }

    /// The usual case: one handler, no middleware.
    fn handle(&self, mut event: Event) -> Option<BoxFuture<()>> {
        let handler = self.events.get(&event.name).or(self.fallback.as_ref())?;
        let (socket, ack) = (event.socket.clone(), event.ack);
        let made = handler.call(&mut event);
        let future = accepted(&socket, &event.name, made)?;
        Some(Box::pin(async move { answer(&socket, ack, future.await) }))
    }

    async fn filter_and_handle(self: Arc<Self>, event: Event) {
        for filter in &self.filters {
            let Some(future) = accepted(&event.socket, "event_middleware", filter.call(&mut Filter { event: event.clone() }))
            else {
                return;
            };
            if let Err(reply) = future.await {
                return answer(&event.socket, event.ack, reply);
            }
        }
        for listener in &self.any {
            // A catch-all listens; answering is its affair only through an AckSender.
            if let Some(future) = accepted(&event.socket, "on_any", listener.call(&mut event.clone())) {
                future.await;
            }
        }
        if let Some(future) = self.handle(event) {
            future.await;
        }
    }

    /// Tells the outgoing listeners; a panic of theirs must not reach the emitter.
    fn tell_outgoing(&self, shared: &Shared, outgoing: &Outgoing<'_>) {
        for listener in &self.outgoing {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| listener(outgoing))) {
                report(shared, &*panic);
            }
        }
    }
}

fn accepted<T>(socket: &Socket, what: &str, made: Result<BoxFuture<T>, Rejection>) -> Option<BoxFuture<T>> {
    made.map_err(|rejection| {
        socket.0.peer.shared.stats.rejected();
        tracing::debug!(id = socket.id(), event = what, %rejection, "handler not called");
    })
    .ok()
}

fn answer(socket: &Socket, ack: Option<u64>, answer: Answer) {
    match answer {
        Answer::None => {}
        Answer::Ack(args) => {
            let Some(id) = ack else { return };
            match socket.0.namespace.check_attachments(&args) {
                Ok(()) => socket.send_ack(id, &args),
                Err(error) => tracing::warn!(id = socket.id(), %error, "ack not sent"),
            }
        }
        Answer::Failed(error) => tracing::warn!(id = socket.id(), error, "handler failed"),
    }
}

/// A namespace as it lives: its name, its handlers, who is in it.
pub(crate) struct NamespaceCore {
    pub(crate) shared: Weak<Shared>,
    name: Arc<str>,
    handlers: Arc<Handlers>,
    rooms: RwLock<Rooms>,
    /// Ack ids count per namespace, so that one asked of a room is encoded once.
    next_ack: AtomicU64,
    log: Option<Mutex<Log>>,
    attachments_max: usize,
    rooms_max: usize,
}

/// What became of a fan-out.
pub(crate) struct FannedOut {
    pub(crate) queued: usize,
    pub(crate) dropped: usize,
    pub(crate) asked: Vec<Socket>,
}

impl NamespaceCore {
    pub(crate) fn new(shared: Weak<Shared>, config: &Config, name: &str, handlers: Arc<Handlers>) -> Arc<Self> {
        let limits = &config.limits;
        let log = config.connection_state_recovery.map(|recovery| {
            let keep_ms = recovery.max_disconnection_duration.as_millis() as u64;
            Mutex::new(Log::new(crate::ids::random_id(), keep_ms, limits.log_events_max, limits.log_bytes_max))
        });
        Arc::new(Self {
            shared,
            name: name.into(),
            handlers,
            rooms: RwLock::default(),
            next_ack: AtomicU64::new(0),
            log,
            attachments_max: limits.max_attachments as usize,
            rooms_max: limits.rooms_per_socket_max as usize,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }

    pub(crate) fn handlers(&self) -> &Arc<Handlers> {
        &self.handlers
    }

    pub(crate) fn next_ack(&self) -> u64 {
        self.next_ack.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn check_attachments(&self, args: &OutArgs) -> Result<(), EncodeError> {
        match args.attachments().len() {
            count if count > self.attachments_max => {
                Err(EncodeError::TooManyAttachments { count, limit: self.attachments_max as u32 })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn join(&self, socket: &Socket, room: Arc<str>) {
        self.rooms.write().join(socket, room, self.rooms_max);
    }

    pub(crate) fn leave(&self, socket: &Socket, room: &str) {
        self.rooms.write().leave(socket, room);
    }

    pub(crate) fn get(&self, id: &str) -> Option<Socket> {
        self.rooms.read().get(id).cloned()
    }

    pub(crate) fn sockets(&self, target: &Target) -> Vec<Socket> {
        let mut found = Vec::new();
        self.rooms.read().select(target, |socket| found.push(socket.clone()));
        found
    }

    pub(crate) fn len(&self) -> usize {
        self.rooms.read().len()
    }

    pub(crate) fn rooms_len(&self) -> usize {
        self.rooms.read().rooms_len()
    }

    /// Whether nobody is here and nobody could resume.
    pub(crate) fn is_idle(&self, now: u64) -> bool {
        self.len() == 0 && self.log.as_ref().is_none_or(|log| log.lock().is_idle(now))
    }

    /// The one way out for events. The order in which outboxes are pushed to is the order in which each peer receives.
    ///
    /// With a log, its lock is held until all outboxes have the event, so that cursors and outboxes agree on the order.
    pub(crate) fn fan_out(
        &self,
        event: Prepared,
        target: Target,
        volatile: bool,
        ask: Option<&dyn Fn(&Socket) -> bool>,
    ) -> FannedOut {
        if !self.handlers.outgoing.is_empty()
            && let Some(shared) = self.shared.upgrade()
        {
            self.handlers.tell_outgoing(&shared, &Outgoing::new(&event, &target));
        }
        // Acks and what asks for one carry no cursor, as in the reference: who was away cannot answer any more.
        match &self.log {
            Some(log) if !volatile && ask.is_none() => {
                let now = self.shared.upgrade().map_or(0, |shared| shared.deadlines.now());
                let mut log = log.lock();
                let event = Arc::new(event.with_offset(log.next_cursor()));
                log.append(now, event.clone(), target.clone());
                self.push_all(&event, &target, volatile, ask)
            }
            _ => self.push_all(&event, &target, volatile, ask),
        }
    }

    fn push_all(&self, event: &Prepared, target: &Target, volatile: bool, ask: Option<&dyn Fn(&Socket) -> bool>) -> FannedOut {
        let mut done = FannedOut { queued: 0, dropped: 0, asked: Vec::new() };
        let mut slow = Vec::new();
        self.rooms.read().select(target, |socket| {
            if ask.is_some_and(|ask| !ask(socket)) {
                return;
            }
            match socket.0.peer.outbox.push(event, volatile) {
                Pushed::Queued => {
                    done.queued += 1;
                    if ask.is_some() {
                        done.asked.push(socket.clone());
                    }
                }
                Pushed::Dropped => done.dropped += 1,
                Pushed::Full => {
                    done.dropped += 1;
                    slow.push(socket.clone());
                }
            }
        });
        // Closing takes session locks, which come before the rooms' lock.
        for socket in slow {
            tracing::debug!(id = socket.id(), "outbox full: slow consumer");
            socket.0.peer.close(CloseReason::SlowConsumer);
        }
        done
    }

    /// A stay has ended: its rooms are left, and remembered if the client may come back.
    pub(crate) fn remove(&self, socket: &Socket, reason: CloseReason) {
        match self.log.as_ref().zip(socket.pid()) {
            Some((log, pid)) => {
                let now = self.shared.upgrade().map_or(0, |shared| shared.deadlines.now());
                let mut log = log.lock();
                let rooms = socket.0.rooms.lock().clone();
                self.rooms.write().remove(socket);
                log.exit(pid);
                if reason.is_recoverable() {
                    log.leave(now, socket.id(), pid, rooms, socket.kept_data());
                }
            }
            None => self.rooms.write().remove(socket),
        }
    }

    /// Gives a socket its place. What a returning client missed goes before the reply, as the reference
    /// does; live events come after it. Nothing falls between, because the log stays locked.
    fn enter(&self, socket: &Socket, reply: Frames, returned: Option<&Returned>) {
        let mut log = self.log.as_ref().map(|log| log.lock());
        if let Some(log) = &mut log {
            if let Some(returned) = returned {
                socket.0.peer.outbox.push_replay(log.missed(returned));
            }
            log.enter(socket);
        }
        socket.0.peer.outbox.push_control(reply.as_slice().iter().cloned());
        let mut rooms = self.rooms.write();
        rooms.insert(socket);
        for room in returned.into_iter().flat_map(|r| &r.rooms) {
            rooms.join(socket, room.clone(), self.rooms_max);
        }
        socket.0.set_connected();
        socket.0.inbox.open();
    }

    fn come_back(&self, now: u64, auth: Option<&Bytes>) -> Option<Returned> {
        /// What a client 4.6 or newer adds to its `auth` when it resumes.
        #[derive(serde::Deserialize)]
        struct Resume {
            pid: String,
            offset: String,
        }
        let log = self.log.as_ref()?;
        let resume: Resume = serde_json::from_slice(auth?).ok()?;
        // The client knows before we do that its connection is gone. Only it knows the pid, so its word ends the old stay.
        let stale = log.lock().present(&resume.pid);
        if let Some(stale) = stale {
            stale.0.peer.close(CloseReason::TransportClose);
        }
        log.lock().come_back(now, &resume.pid, &resume.offset)
    }
}

/// A client asks for a namespace.
pub(crate) fn connect(peer: &Arc<Peer>, key: u32, name: &str, query: Option<Box<str>>, auth: Option<Bytes>) {
    let shared = &peer.shared;
    let auth = match (peer.revision, query) {
        (Revision::V3, query) => query.map(|query| query_as_json(&query)),
        (Revision::V4, _) => auth,
    };
    let Some(namespace) = shared.namespaces.find_or_create(shared, name, auth.as_deref()) else {
        // An object for clients of every age.
        return peer.refuse(key, "{\"message\":\"Invalid namespace\"}");
    };
    let now = shared.deadlines.now();
    let returned = (peer.revision == Revision::V4).then(|| namespace.come_back(now, auth.as_ref())).flatten();
    let (id, pid) = match &returned {
        Some(returned) => (returned.id.clone(), Some(returned.pid.clone())),
        None => (new_id(peer, name), namespace.log.is_some().then(|| crate::ids::secret_id().into())),
    };
    let socket = Socket::new(key, peer, namespace.clone(), id, pid, auth, returned.as_ref());
    let future: BoxFuture<()> = Box::pin(admit(namespace, socket, returned));
    if let Started::Pending(future) = start(shared, future) {
        shared.spawn(future);
    }
}

/// Runs the middlewares, then lets the client in or keeps it out.
async fn admit(namespace: Arc<NamespaceCore>, socket: Socket, returned: Option<Returned>) {
    let peer = &socket.0.peer;
    let recovery = peer.shared.config.connection_state_recovery;
    let skips = returned.is_some() && recovery.is_some_and(|recovery| recovery.skip_middlewares);
    if !skips {
        for middleware in &namespace.handlers.middlewares {
            let verdict = match middleware.call(&mut Admission { socket: socket.clone() }) {
                Ok(future) => future.await,
                Err(rejection) => Err(ConnectError::new(rejection.to_string())),
            };
            if let Err(error) = verdict {
                return refuse(&socket, &error);
            }
        }
    }
    // Before the reply, because a client whose on_connect cannot be called was not let in.
    if let Some(handler) = &namespace.handlers.connect
        && let Err(rejection) = handler.check(&mut Connection { socket: socket.clone() })
    {
        return refuse(&socket, &ConnectError::new(rejection.to_string()));
    }
    let entered = peer.accept(&socket, |reply| namespace.enter(&socket, reply, returned.as_ref()));
    if entered {
        socket.0.inbox.run(&socket);
    } else if let (Some(log), Some(returned)) = (&namespace.log, returned) {
        log.lock().put_back(peer.shared.deadlines.now(), returned);
    }
}

fn refuse(socket: &Socket, error: &ConnectError) {
    tracing::debug!(id = socket.id(), namespace = socket.namespace(), %error, "client refused");
    let payload = match socket.0.peer.revision {
        Revision::V3 => error.to_json_eio3(),
        Revision::V4 => error.to_json(),
    };
    socket.0.peer.refuse(socket.0.key, &payload);
}

/// Clients of revision 3 derive their id from the session's; newer ones get a fresh one.
fn new_id(peer: &Peer, namespace: &str) -> Box<str> {
    match (peer.revision, namespace) {
        (Revision::V3, "/") => peer.sid.clone(),
        (Revision::V3, other) => format!("{other}#{}", peer.sid).into(),
        (Revision::V4, _) => crate::ids::random_id().into(),
    }
}

/// The query of a 2.x client's namespace becomes its `auth`: strings only, the last of each name.
fn query_as_json(query: &str) -> Bytes {
    let map: serde_json::Map<String, serde_json::Value> =
        form_urlencoded::parse(query.as_bytes()).map(|(key, value)| (key.into_owned(), value.into_owned().into())).collect();
    serde_json::Value::Object(map).to_string().into()
}
