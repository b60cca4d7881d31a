//! What a connection can be told.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::{Error, Limits};

/// How to connect. One type for all transports: each reads what concerns it, as its `open` says.
///
/// Cloning it costs a count, so that thousands of connections share one.
///
/// ```
/// use std::time::Duration;
/// use sori_client::Options;
///
/// let options = Options::new()
///     .timeout(Duration::from_secs(5))
///     .query("room", "lobby")
///     .header("Authorization", "Bearer secret")?
///     .auth(&serde_json::json!({"token": "secret"}))?;
/// # Ok::<_, sori_client::Error>(())
/// ```
#[derive(Clone)]
pub struct Options(Arc<Settings>);

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) timeout: Duration,
    pub(crate) silence: Option<Duration>,
    pub(crate) path: Box<str>,
    /// Percent-encoded, `name=value&…`.
    pub(crate) query: String,
    /// Whole lines of a request's head.
    pub(crate) headers: String,
    /// A JSON object.
    pub(crate) auth: Option<Box<str>>,
    pub(crate) namespace: Option<Box<str>>,
    pub(crate) revision: Revision,
    pub(crate) transport: Transport,
    pub(crate) recovery: Option<Recovery>,
    pub(crate) subprotocols: Box<str>,
    pub(crate) last_event_id: Box<str>,
    pub(crate) wait: Duration,
    pub(crate) local: Option<IpAddr>,
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) receive_buffer: Option<u32>,
    pub(crate) limits: Limits,
    #[cfg(feature = "tls")]
    pub(crate) tls: crate::tls::Trust,
}

/// Which Socket.IO clients to be like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Revision {
    /// `EIO=3`: Socket.IO 1.x and 2.x. The client sends the heartbeat.
    V3,
    /// `EIO=4`: Socket.IO 3.x and 4.x. The server sends the heartbeat.
    #[default]
    V4,
}

/// What carries Socket.IO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// WebSocket from the beginning.
    #[default]
    WebSocket,
    /// HTTP long polling, to the end.
    Polling,
    /// Polling first, then WebSocket where the server offers it: what unmodified clients do.
    Upgrade,
}

/// Where a Socket.IO connection was, to go on there (connection state recovery, Socket.IO 4.6 and newer).
///
/// Its `pid` is a secret of this client.
#[derive(Clone, PartialEq, Eq)]
pub struct Recovery {
    /// What the server gave to this client to be known by.
    pub pid: Box<str>,
    /// The place after the last event that was received.
    pub offset: Box<str>,
}

impl Options {
    /// The defaults, which are those of `socket.io-client`, except that it is WebSocket from the beginning.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long opening may take, and closing; 20 s by default.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.timeout = timeout)
    }

    /// Streams, polls and WebSockets without Engine.IO: after how long without a byte from the server the connection is given up as
    /// [`Error::Silent`]. For ever by default; twice the server's heartbeat is a good value. Engine.IO has a heartbeat of its own, and
    /// [`LongPoll`](crate::LongPoll) knows how long an answer may take.
    pub fn silence(self, silence: Duration) -> Self {
        self.with(|settings| settings.silence = Some(silence))
    }

    /// Socket.IO: where Engine.IO is mounted; `/socket.io/` by default. A slash at the end is added, as `socket.io-client` does.
    pub fn path(self, path: &str) -> Self {
        self.with(|settings| settings.path = format!("{}/", path.trim_end_matches('/')).into())
    }

    /// Adds to the query of every request.
    pub fn query(self, name: &str, value: &str) -> Self {
        self.with(|settings| {
            let query = std::mem::take(&mut settings.query);
            settings.query = form_urlencoded::Serializer::new(query).append_pair(name, value).finish();
        })
    }

    /// Adds a header to every request. One that may not stand in a request is an error.
    pub fn header(self, name: &str, value: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::Option { name: name.into(), why: why.into() };
        HeaderName::from_bytes(name.as_bytes()).map_err(|error| wrong(format!("as a header: {error}")))?;
        HeaderValue::from_str(value).map_err(|_| wrong("the header's value has characters that may not stand there".into()))?;
        Ok(self.with(|settings| settings.headers.push_str(&format!("{name}: {value}\r\n"))))
    }

    /// Socket.IO: the `auth` payload, which must serialize as a JSON object.
    ///
    /// Clients of revision 3 have none: there its members travel as the query of the namespace, so that a server finds them in the same place, but not in `/`.
    pub fn auth<T: Serialize + ?Sized>(self, auth: &T) -> Result<Self, Error> {
        let wrong = |why: String| Error::Option { name: "auth".into(), why: why.into() };
        let json = serde_json::to_string(auth).map_err(|error| wrong(error.to_string()))?;
        match json.starts_with('{') {
            true => Ok(self.with(|settings| settings.auth = Some(json.into()))),
            false => Err(wrong("it must be an object".into())),
        }
    }

    /// Socket.IO: the namespace. By default it is the path of the address, as in `socket.io-client`.
    pub fn namespace(self, namespace: &str) -> Self {
        self.with(|settings| settings.namespace = Some(namespace.into()))
    }

    /// Socket.IO: which revision to speak.
    pub fn revision(self, revision: Revision) -> Self {
        self.with(|settings| settings.revision = revision)
    }

    /// Socket.IO: what carries it.
    pub fn transport(self, transport: Transport) -> Self {
        self.with(|settings| settings.transport = transport)
    }

    /// Socket.IO: goes on where a connection was lost. [`SocketIo::recovered`](crate::SocketIo::recovered) tells whether the server could.
    pub fn recover(self, recovery: Option<Recovery>) -> Self {
        self.with(|settings| settings.recovery = recovery)
    }

    /// WebSocket: the subprotocols to offer, separated by commas: `sori.json.v1`.
    pub fn subprotocols(self, names: &str) -> Result<Self, Error> {
        let wrong = || Error::Option { name: "subprotocols".into(), why: "these are no names of subprotocols".into() };
        HeaderValue::from_str(names).map_err(|_| wrong())?;
        Ok(self.with(|settings| settings.subprotocols = names.into()))
    }

    /// SSE: goes on after this event. One that may not stand in a header is left out, as browsers do.
    pub fn last_event_id(self, id: &str) -> Self {
        let id = if HeaderValue::from_str(id).is_ok() { id } else { "" };
        self.with(|settings| settings.last_event_id = id.into())
    }

    /// Long polling: how long a request may be held; 30 s by default, up to 60.
    pub fn wait(self, wait: Duration) -> Self {
        self.with(|settings| settings.wait = wait)
    }

    /// The local address to connect from. On loopback any of 127.0.0.0/8 is one, and each has ports of its own.
    pub fn local_address(self, local: IpAddr) -> Self {
        self.with(|settings| settings.local = Some(local))
    }

    /// Connects there, whatever the address says, which is still what the server is told and its certificate must be for.
    pub fn remote_address(self, remote: SocketAddr) -> Self {
        self.with(|settings| settings.remote = Some(remote))
    }

    /// Bytes that the kernel may hold for a caller who does not read. A small buffer makes a slow reader felt sooner.
    pub fn receive_buffer(self, bytes: u32) -> Self {
        self.with(|settings| settings.receive_buffer = Some(bytes))
    }

    /// Every number that the server can push against.
    pub fn limits(self, limits: Limits) -> Self {
        self.with(|settings| settings.limits = limits)
    }

    /// TLS: trusts these certificates, in PEM, instead of the system's.
    #[cfg(feature = "tls")]
    pub fn trust_pem(self, pem: &[u8]) -> Result<Self, Error> {
        let trust = crate::tls::Trust::of_pem(pem)?;
        Ok(self.with(|settings| settings.tls = trust))
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Options {
    pub(crate) fn settings(&self) -> &Settings {
        &self.0
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without headers, query and auth: they hold secrets.
        let Settings { transport, revision, timeout, limits, .. } = self.settings();
        f.debug_struct("Options")
            .field("transport", transport)
            .field("revision", revision)
            .field("timeout", timeout)
            .field("limits", limits)
            .finish_non_exhaustive()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self(Arc::new(Settings {
            timeout: Duration::from_secs(20),
            silence: None,
            path: "/socket.io/".into(),
            query: String::new(),
            headers: String::new(),
            auth: None,
            namespace: None,
            revision: Revision::default(),
            transport: Transport::default(),
            recovery: None,
            subprotocols: "".into(),
            last_event_id: "".into(),
            wait: Duration::from_secs(30),
            local: None,
            remote: None,
            receive_buffer: None,
            limits: Limits::default(),
            #[cfg(feature = "tls")]
            tls: crate::tls::Trust::default(),
        }))
    }
}

impl fmt::Debug for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the secret.
        f.debug_struct("Recovery").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl From<Revision> for sori_proto::eio::Revision {
    fn from(revision: Revision) -> Self {
        match revision {
            Revision::V3 => Self::V3,
            Revision::V4 => Self::V4,
        }
    }
}
