//! The server: its options, its namespaces, and the way in for requests.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    future::Future,
    net::IpAddr,
    path::PathBuf,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, request::Parts};
use serde::Serialize;
use sori_proto::{CloseReason, Limits, eio::Revision, sio::Parser};
use tokio::runtime::Handle;

use crate::{
    config::{Config, ConnectionStateRecovery, Cookie, Cors, Eio3Parser, HttpCompression, PerMessageDeflate, Transport},
    deadlines::Deadlines,
    emit::{Broadcast, Sent},
    engine::{Conn, Engine, Incoming, Message},
    error::{BuildError, EmitError},
    gauge::Gauge,
    handlers::Namespace,
    namespaces::{Namespaces, Place},
    peer::Peer,
    repeats::Repeats,
    service::{Layer, Service},
    sessions::Sessions,
    socket::IntoRooms,
    stats::Stats,
};

/// A Socket.IO server. Cheap to clone; all clones are the same server.
///
/// ```
/// use sori::{Data, Namespace, Server, Socket};
///
/// let io = Server::builder()
///     .namespace("/", Namespace::new().on("msg", async |socket: Socket, Data(text): Data<String>| {
///         socket.broadcast().emit("msg", &text)
///     }))
///     .build()?;
/// let app: axum::Router = axum::Router::new().layer(io.layer());
/// # Ok::<(), sori::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

/// Everything a server owns.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) namespaces: Namespaces,
    pub(crate) sessions: Sessions,
    pub(crate) deadlines: Deadlines,
    pub(crate) stats: Stats,
    pub(crate) state: TypeMap,
    pub(crate) bundle: crate::bundle::Bundle,
    /// Between the parts of a multipart stream; in nobody's data.
    pub(crate) boundary: Arc<str>,
    /// Answers to events that may be sent again.
    pub(crate) repeats: Repeats,
    /// Requests and connections that still have something to write.
    pub(crate) busy: Gauge,
    engine: Option<Engine>,
    closing: AtomicBool,
    runtime: OnceLock<Handle>,
}

impl Server {
    /// A server with the reference's defaults, to be changed.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// The sockets of a namespace, by its name on the wire: `/`, `/chat`. Of one that does not exist there are none: emitting to
    /// it reaches nobody and is no error.
    pub fn of(&self, namespace: &str) -> Broadcast {
        let name = if namespace.is_empty() { "/" } else { namespace };
        self.shared.namespaces.find(name).map_or_else(Broadcast::nobody, Broadcast::new)
    }

    /// Everybody in `/` who is in a room, or in any of several.
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.of("/").to(rooms)
    }

    /// Everybody in `/` but a room, or several.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.of("/").except(rooms)
    }

    /// Sends an event to everybody in `/`. See [`Broadcast::emit`].
    pub fn emit<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<Sent, EmitError> {
        self.of("/").emit(event, data)
    }

    /// A tower layer: requests below the path, and below that of plain clients, are answered here, all others by the service within. In axum, layers added
    /// before it lie within and see none of its requests, so that compression and CORS belong there.
    pub fn layer(&self) -> Layer {
        Layer { server: self.clone() }
    }

    /// A tower service that answers requests below the path, and 404 to all others. The server around it must serve HTTP/1.1
    /// with upgrades, for WebSocket; the address of a client comes as [`RemoteAddr`](crate::RemoteAddr).
    pub fn service(&self) -> Service {
        Service { server: self.clone() }
    }

    /// The options it was built with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// What it counts.
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    /// The names of all namespaces that exist now.
    pub fn namespaces(&self) -> Vec<String> {
        self.shared.namespaces.all().iter().map(|namespace| namespace.name().to_owned()).collect()
    }

    /// How many rooms have members, in all namespaces together, own rooms of sockets aside.
    pub fn rooms_len(&self) -> usize {
        self.shared.namespaces.all().iter().map(|namespace| namespace.rooms_len()).sum()
    }

    /// Closes gracefully: new clients are refused with 503, everybody connected is told and closed, and what
    /// was queued for them is sent. Returns when all is sent, or after `deadline`; true in the first case.
    /// Clients reconnect by themselves, to wherever their address then leads. Their sockets end as
    /// [`CloseReason::ServerShuttingDown`]; clients see `transport close`.
    ///
    /// ```
    /// # async fn f(io: sori::Server, app: axum::Router, listener: tokio::net::TcpListener) -> std::io::Result<()> {
    /// let closing = async move {
    ///     tokio::signal::ctrl_c().await.ok();
    ///     io.close(std::time::Duration::from_secs(10)).await;
    /// };
    /// axum::serve(listener, app).with_graceful_shutdown(closing).await
    /// # }
    /// ```
    pub async fn close(&self, deadline: Duration) -> bool {
        self.shared.closing.store(true, Ordering::Release);
        for peer in self.shared.sessions.all() {
            peer.close(CloseReason::ServerShuttingDown);
        }
        let drained = async {
            self.shared.busy.zero().await;
        };
        let done = tokio::time::timeout(deadline, drained).await.is_ok();
        for peer in self.shared.sessions.all() {
            peer.outbox.abandon();
            self.shared.sessions.remove(&peer);
        }
        done
    }

    pub(crate) fn from_shared(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Shared {
    /// Remembers the runtime and starts the one task a server has. Called with each request.
    pub(crate) fn start(self: &Arc<Self>) {
        self.runtime.get_or_init(|| {
            let handle = Handle::current();
            handle.spawn(Deadlines::run(Arc::downgrade(self)));
            handle
        });
    }

    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        match self.runtime.get() {
            Some(handle) => drop(handle.spawn(future)),
            None => drop(tokio::spawn(future)),
        }
    }

    /// Lets the application's code find the runtime, wherever it was called from.
    pub(crate) fn enter(&self) -> Option<tokio::runtime::EnterGuard<'_>> {
        match Handle::try_current() {
            Ok(_) => None,
            Err(_) => self.runtime.get().map(Handle::enter),
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// The parser of a session, or none when the application takes bare Engine.IO messages.
    pub(crate) fn parser(&self, revision: Revision) -> Option<Parser> {
        match (&self.engine, revision) {
            (Some(_), _) => None,
            (None, Revision::V3) => Some(self.config.eio3_parser.parser()),
            (None, Revision::V4) => Some(Parser::Auto),
        }
    }

    pub(crate) fn engine_opened(&self, peer: &Arc<Peer>) {
        if let Some(hook) = self.engine.as_ref().and_then(|engine| engine.open.as_ref()) {
            self.guarded(|| hook(&Conn(peer.clone())));
        }
    }

    pub(crate) fn engine_message(&self, peer: &Arc<Peer>, message: Message, headers: Option<&HeaderMap>) {
        if let Some(hook) = self.engine.as_ref().and_then(|engine| engine.message.as_ref()) {
            self.guarded(|| hook(&Conn(peer.clone()), Incoming { message, headers }));
        }
    }

    pub(crate) fn engine_closed(&self, peer: &Arc<Peer>, reason: CloseReason) {
        if let Some(hook) = self.engine.as_ref().and_then(|engine| engine.close.as_ref()) {
            self.guarded(|| hook(&Conn(peer.clone()), reason));
        }
    }

    /// Runs the application's code; a panic is its own.
    fn guarded(&self, run: impl FnOnce()) {
        if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
            crate::handler::report(self, &*panic);
        }
    }
}

/// Values by type, fixed once the server is built.
#[derive(Default)]
pub(crate) struct TypeMap(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl TypeMap {
    pub(crate) fn get<T: Clone + 'static>(&self) -> Option<T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref().cloned()
    }
}

/// Puts a server together. The options have the reference's names and defaults; see [`Config`].
#[derive(Default)]
#[must_use = "call build"]
pub struct ServerBuilder {
    config: Config,
    places: Vec<(Place, Namespace)>,
    state: TypeMap,
    engine: Option<Engine>,
}

impl ServerBuilder {
    /// Adds a namespace. A name with parameters in braces, such as `/tenant-{id}`, stands for every name that fits: `{id}` for
    /// text without `/`, `{*rest}` at the end for all that follows. Each such name is a namespace of its own with its own sockets
    /// and rooms, made when a client asks for it and forgotten when nobody is left; a handler reads it from
    /// [`Socket::namespace`](crate::Socket::namespace). Fixed names come first, then patterns, then predicates.
    ///
    /// [`build`](Self::build) refuses a name that is given twice, and patterns that overlap.
    pub fn namespace(mut self, name: &str, namespace: Namespace) -> Self {
        self.places.push((Place::Name(name.to_owned()), namespace));
        self
    }

    /// Adds a namespace for every name that `predicate` says yes to; it also gets the `auth` payload, `{}` when there is none.
    /// Such a namespace exists while somebody is in it.
    ///
    /// As in the reference, the predicate is asked when a namespace is to be made. Who joins one that exists is not asked: to
    /// keep people out, use a [`middleware`](Namespace::middleware).
    pub fn namespace_if(
        mut self,
        predicate: impl Fn(&str, &serde_json::Value) -> bool + Send + Sync + 'static,
        namespace: Namespace,
    ) -> Self {
        self.places.push((Place::Predicate(Box::new(predicate)), namespace));
        self
    }

    /// Takes bare Engine.IO messages instead of Socket.IO's namespaces.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Keeps a value for handlers, which take it as [`State<T>`](crate::State). One of each type.
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.state.0.insert(TypeId::of::<T>(), Box::new(value));
        self
    }

    /// Replaces all options at once.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Changes limits in place.
    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.config.limits);
        self
    }

    /// Where Engine.IO is mounted; `/socket.io` by default.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.config.path = path.into();
        self
    }

    /// Where clients without a library find the namespaces: `/live` by default, so that `/live/chat` is the namespace `/chat` and
    /// `/live` is `/`. `None` keeps them out.
    ///
    /// ```
    /// let io = sori::Server::builder().plain_path("/events").build()?;
    /// let socket_io_only = sori::Server::builder().plain_path(None).build()?;
    /// # Ok::<(), sori::BuildError>(())
    /// ```
    pub fn plain_path<'a>(mut self, path: impl Into<Option<&'a str>>) -> Self {
        self.config.plain_path = path.into().map(str::to_owned);
        self
    }

    /// Whether requests and bytes of each session are counted, for [`Socket::traffic`](crate::Socket::traffic); false by default.
    pub fn count_traffic(mut self, count: bool) -> Self {
        self.config.count_traffic = count;
        self
    }

    /// Time between two heartbeats; 25 s by default.
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.config.limits.ping_interval_ms = millis(interval);
        self
    }

    /// Time a heartbeat may stay unanswered; 20 s by default.
    pub fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.config.limits.ping_timeout_ms = millis(timeout);
        self
    }

    /// Time a started upgrade may take; 10 s by default.
    pub fn upgrade_timeout(mut self, timeout: Duration) -> Self {
        self.config.limits.upgrade_timeout_ms = millis(timeout);
        self
    }

    /// Time in which a client has to join a first namespace; 45 s by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.limits.connect_timeout_ms = millis(timeout);
        self
    }

    /// Largest polling body and largest WebSocket message of a client, in bytes; 1,000,000 by default. More is answered 413 over
    /// polling, where the session lives on, and closes a WebSocket with code 1009. What the server sends is not limited.
    pub fn max_http_buffer_size(mut self, bytes: u32) -> Self {
        self.config.limits.max_http_buffer_size = bytes;
        self
    }

    /// Binary attachments of one packet; 10 by default, which is what current clients take.
    pub fn max_attachments(mut self, attachments: u32) -> Self {
        self.config.limits.max_attachments = attachments;
        self
    }

    /// Transports that may be used; all by default.
    pub fn transports(mut self, transports: impl Into<Vec<Transport>>) -> Self {
        self.config.transports = transports.into();
        self
    }

    /// Whether polling sessions are offered WebSocket; true by default.
    pub fn allow_upgrades(mut self, allow: bool) -> Self {
        self.config.allow_upgrades = allow;
        self
    }

    /// Whether clients 1.x and 2.x are served; true by default, unlike the reference.
    pub fn allow_eio3(mut self, allow: bool) -> Self {
        self.config.allow_eio3 = allow;
        self
    }

    /// The parser of clients 1.x and 2.x, JSON by default. Newer clients show theirs by their first packet.
    pub fn eio3_parser(mut self, parser: Eio3Parser) -> Self {
        self.config.eio3_parser = parser;
        self
    }

    /// Compression of polling answers; from 1,024 bytes on by default.
    pub fn http_compression(mut self, compression: impl Into<Option<HttpCompression>>) -> Self {
        self.config.http_compression = compression.into();
        self
    }

    /// WebSocket compression; off by default.
    pub fn per_message_deflate(mut self, deflate: impl Into<Option<PerMessageDeflate>>) -> Self {
        self.config.per_message_deflate = deflate.into();
        self
    }

    /// A cookie that carries the session id; none by default.
    pub fn cookie(mut self, cookie: impl Into<Option<Cookie>>) -> Self {
        self.config.cookie = cookie.into();
        self
    }

    /// Which other origins may connect; none by default, so that their pages are refused with 403.
    ///
    /// ```
    /// let origins = vec!["https://app.example".into()];
    /// let io = sori::Server::builder().cors(sori::Cors { origins, credentials: true, ..Default::default() }).build()?;
    /// # Ok::<(), sori::BuildError>(())
    /// ```
    pub fn cors(mut self, cors: Cors) -> Self {
        self.config.cors = cors;
        self
    }

    /// Proxies whose `X-Forwarded-*` headers are believed; none by default.
    pub fn trusted_proxies(mut self, proxies: impl Into<Vec<IpAddr>>) -> Self {
        self.config.trusted_proxies = proxies.into();
        self
    }

    /// Whether clients 4.6 and newer may resume after a lost connection; off by default.
    pub fn connection_state_recovery(mut self, recovery: impl Into<Option<ConnectionStateRecovery>>) -> Self {
        self.config.connection_state_recovery = recovery.into();
        self
    }

    /// Whether the client bundle is served below the path; true by default.
    pub fn serve_client(mut self, serve: bool) -> Self {
        self.config.serve_client = serve;
        self
    }

    /// Where the client bundle lies: npm's `socket.io-client/dist`. Without one, pages are sent to the public CDN.
    pub fn client_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config.client_dir = Some(dir.into());
        self
    }

    /// The version of the client at the public CDN.
    pub fn client_version(mut self, version: impl Into<String>) -> Self {
        self.config.client_version = version.into();
        self
    }

    /// How long an ack may take when the emitter does not say; 10 s by default.
    pub fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.config.ack_timeout = timeout;
        self
    }

    /// Decides whether a handshake is answered; `Err` is the message of a 403. Runs before a session exists.
    /// What the answer depends on is read from the request first; the rest may take its time.
    ///
    /// ```
    /// # async fn is_banned(address: Option<String>) -> bool { address.is_some() }
    /// sori::Server::builder().allow_request(|request| {
    ///     let address = request.headers.get("x-real-ip").and_then(|value| value.to_str().ok()).map(str::to_owned);
    ///     async move { if is_banned(address).await { Err("not you".into()) } else { Ok(()) } }
    /// });
    /// ```
    pub fn allow_request<F>(mut self, decide: impl Fn(&Parts) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.config.allow_request = Some(Arc::new(move |request| Box::pin(decide(request))));
        self
    }

    /// Changes the headers of a session's first answer: the polling handshake or the 101 of a WebSocket, not error answers. Must not block.
    pub fn initial_headers(mut self, change: impl Fn(&mut HeaderMap, &Parts) + Send + Sync + 'static) -> Self {
        self.config.initial_headers = Some(Arc::new(change));
        self
    }

    /// Changes the headers of every answer to a session, error answers aside. Must not block.
    pub fn headers(mut self, change: impl Fn(&mut HeaderMap, &Parts) + Send + Sync + 'static) -> Self {
        self.config.headers = Some(Arc::new(change));
        self
    }

    /// Builds the server. It starts working with its first request, in the runtime of that request, and stops when its last clone is
    /// dropped. An error says which option cannot be as it is, or which namespace.
    pub fn build(self) -> Result<Server, BuildError> {
        let mut config = self.config.checked()?;
        if self.engine.is_some() {
            // Bare Engine.IO has no namespaces that plain clients could meet in.
            config.plain_path = None;
        }
        if config.serve_client && config.client_dir.is_none() {
            config.client_dir = crate::bundle::find_installed();
        }
        let mut failed = None;
        let shared = Arc::new_cyclic(|weak: &Weak<Shared>| {
            let namespaces = Namespaces::new(weak.clone(), &config, self.places).unwrap_or_else(|error| {
                failed = Some(error);
                Namespaces::new(weak.clone(), &config, Vec::new())
                    .unwrap_or_else(|_| unreachable!("nothing given, nothing wrong"))
            });
            Shared {
                bundle: crate::bundle::Bundle::new(&config),
                config,
                namespaces,
                sessions: Sessions::default(),
                deadlines: Deadlines::new(),
                stats: Stats::default(),
                state: self.state,
                boundary: format!("sori-{}", crate::ids::Id::random()).into(),
                repeats: Repeats::default(),
                busy: Gauge::default(),
                engine: self.engine,
                closing: AtomicBool::new(false),
                runtime: OnceLock::new(),
            }
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(Server { shared }),
        }
    }
}

fn millis(duration: Duration) -> u32 {
    duration.as_millis().try_into().unwrap_or(u32::MAX)
}
