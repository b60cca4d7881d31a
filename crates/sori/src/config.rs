//! What one server does, under the reference's names in snake case.

use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, request::Parts};
use sori_proto::{Limits, sio::Parser};

use crate::{error::BuildError, handler::BoxFuture};

/// The options of a server. [`ServerBuilder`](crate::ServerBuilder) has a method for each.
#[derive(Clone)]
pub struct Config {
    /// Where Engine.IO is mounted (`path`).
    pub path: String,
    /// Where clients without a library find the namespaces; `None` keeps them out. `/live` by default.
    pub plain_path: Option<String>,
    /// Transports of Engine.IO that may be used (`transports`).
    pub transports: Vec<Transport>,
    /// Whether polling sessions are offered WebSocket (`allowUpgrades`).
    pub allow_upgrades: bool,
    /// Whether clients 1.x and 2.x are served (`allowEIO3`). Unlike the reference: true.
    pub allow_eio3: bool,
    /// The parser of clients 1.x and 2.x; newer ones show theirs by their first packet.
    pub eio3_parser: Eio3Parser,
    /// Compression of polling answers (`httpCompression`); `None` switches it off.
    pub http_compression: Option<HttpCompression>,
    /// WebSocket compression (`perMessageDeflate`), off by default, always without context takeover.
    pub per_message_deflate: Option<PerMessageDeflate>,
    /// A cookie that carries the session id, for load balancers (`cookie`).
    pub cookie: Option<Cookie>,
    /// Which other origins may connect (`cors`).
    pub cors: Cors,
    /// Proxies whose `X-Forwarded-For`, `-Host` and `-Proto` headers are believed, by the address that their connections
    /// come from. Needs [`RemoteAddr`](crate::RemoteAddr).
    pub trusted_proxies: Vec<IpAddr>,
    /// Whether clients 4.6 and newer may resume after a lost connection (`connectionStateRecovery`).
    pub connection_state_recovery: Option<ConnectionStateRecovery>,
    /// Whether the client bundle is served below the path (`serveClient`).
    pub serve_client: bool,
    /// Where the client bundle lies, as npm's `socket.io-client/dist` lays it out. Without one, a built server
    /// has here what it found in `node_modules` of the working directory or above.
    pub client_dir: Option<PathBuf>,
    /// The version of the client at the public CDN, for when there is no such directory.
    pub client_version: String,
    /// How long an ack may take when the emitter does not say; 10 s by default. The reference waits for ever.
    pub ack_timeout: Duration,
    /// Whether requests and bytes of each session are counted, for [`Socket::traffic`](crate::Socket::traffic).
    pub count_traffic: bool,
    /// Every number a peer can push against.
    pub limits: Limits,
    pub(crate) allow_request: Option<AllowRequest>,
    pub(crate) initial_headers: Option<HeadersHook>,
    pub(crate) headers: Option<HeadersHook>,
}

pub(crate) type AllowRequest = Arc<dyn Fn(&Parts) -> BoxFuture<Result<(), String>> + Send + Sync>;
pub(crate) type HeadersHook = Arc<dyn Fn(&mut HeaderMap, &Parts) + Send + Sync>;

/// A way of moving a client's bytes. The first two are Engine.IO's, all others those of clients without a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// Engine.IO's HTTP long-polling, JSONP included.
    Polling,
    /// Engine.IO's WebSocket.
    Websocket,
    /// Server-sent events, as `EventSource` reads them.
    Sse,
    /// HTTP streaming, one envelope a line.
    Lines,
    /// HTTP streaming as `multipart/x-mixed-replace`.
    Multipart,
    /// HTTP streaming into a hidden frame, of scripts.
    Iframe,
    /// Polling by script elements.
    Jsonp,
    /// Polling that waits for something to tell.
    LongPolling,
    /// Polling that is answered at once.
    ShortPolling,
    /// A WebSocket without Engine.IO.
    RawWebsocket,
    /// No way back: a socket that lives for one request, or a session that nothing has asked for yet.
    Post,
}

impl Transport {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::Websocket => "websocket",
            Self::Sse => "sse",
            Self::Lines => "lines",
            Self::Multipart => "multipart",
            Self::Iframe => "iframe",
            Self::Jsonp => "jsonp",
            Self::LongPolling => "long-polling",
            Self::ShortPolling => "short-polling",
            Self::RawWebsocket => "raw-websocket",
            Self::Post => "post",
        }
    }

    pub(crate) const ALL: [Self; 11] = [
        Self::Polling,
        Self::Websocket,
        Self::Sse,
        Self::Lines,
        Self::Multipart,
        Self::Iframe,
        Self::Jsonp,
        Self::LongPolling,
        Self::ShortPolling,
        Self::RawWebsocket,
        Self::Post,
    ];
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which parser clients 1.x and 2.x use: theirs cannot be told from their packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Eio3Parser {
    /// `socket.io-parser`.
    #[default]
    Json,
    /// `socket.io-msgpack-parser`.
    Msgpack,
}

impl Eio3Parser {
    pub(crate) fn parser(self) -> Parser {
        match self {
            Self::Json => Parser::Json,
            Self::Msgpack => Parser::Msgpack,
        }
    }
}

/// Compression of polling answers.
#[derive(Clone, Copy, Debug)]
pub struct HttpCompression {
    /// Smaller answers are sent as they are, in bytes.
    pub threshold: u32,
}

impl Default for HttpCompression {
    fn default() -> Self {
        Self { threshold: 1024 }
    }
}

/// WebSocket compression. No context is kept between messages, so a connection costs nothing more
/// and a broadcast is compressed once for everybody.
#[derive(Clone, Copy, Debug)]
pub struct PerMessageDeflate {
    /// Smaller messages are sent as they are, in bytes.
    pub threshold: u32,
}

impl Default for PerMessageDeflate {
    fn default() -> Self {
        Self { threshold: 1024 }
    }
}

/// The session cookie, on the polling handshake only.
#[derive(Clone, Debug)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// Whether scripts cannot read it.
    pub http_only: bool,
    /// `lax`, `strict` or `none`.
    pub same_site: SameSite,
    /// Whether it travels over HTTPS only.
    pub secure: bool,
    /// Its lifetime; `None` ends with the browser session.
    pub max_age: Option<Duration>,
}

/// The cookie's `SameSite` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Sent from other sites on top-level navigation only.
    Lax,
    /// Never sent from other sites.
    Strict,
    /// Always sent; browsers then ask for `secure`.
    None,
}

impl Default for Cookie {
    fn default() -> Self {
        Self { name: "io".into(), path: "/".into(), http_only: true, same_site: SameSite::Lax, secure: false, max_age: None }
    }
}

impl Cookie {
    /// The `Set-Cookie` value for a session.
    pub(crate) fn header(&self, sid: &str) -> Option<HeaderValue> {
        let mut value = format!("{}={sid}", self.name);
        if let Some(age) = self.max_age {
            value += &format!("; Max-Age={}", age.as_secs());
        }
        value += &format!("; Path={}", self.path);
        if self.http_only {
            value += "; HttpOnly";
        }
        if self.secure {
            value += "; Secure";
        }
        value += match self.same_site {
            SameSite::Lax => "; SameSite=Lax",
            SameSite::Strict => "; SameSite=Strict",
            SameSite::None => "; SameSite=None",
        };
        HeaderValue::try_from(value).ok()
    }
}

/// Which other origins may connect, and what browsers are told. The page's own origin always may, and so do requests that no
/// page made. All others are refused with 403, on every transport, before a session exists.
///
/// A page's origin is its `Origin` header, or else the one of its `Referer`; it is our own when its host and port are those
/// of `Host`. The scheme is not compared, because behind a proxy that ends TLS it is not known.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    /// Allowed origins, e.g. `https://app.example`; `*` alone allows every one, without credentials.
    pub origins: Vec<String>,
    /// Whether cookies travel (`credentials`). Clients 1.x and 2.x in browsers always ask for it. Not together with `*`.
    pub credentials: bool,
    /// Methods named in a preflight's answer; empty names the usual ones, as the reference does.
    pub methods: Vec<String>,
    /// Headers named in a preflight's answer; empty echoes what was asked.
    pub allowed_headers: Vec<String>,
    /// Headers that pages may read.
    pub exposed_headers: Vec<String>,
    /// How long a preflight's answer holds, in whole seconds on the wire.
    pub max_age: Option<Duration>,
}

/// Resuming after a lost connection: the client gets its id, rooms and data back, and the events that it missed. Kept in memory
/// and bounded by [`Limits::log_events_max`] and [`Limits::log_bytes_max`], for each namespace.
///
/// On the wire each event without ack carries its place in the log as one more argument at its end, which clients of
/// revision 4 expect and clients 1.x and 2.x never get.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionStateRecovery {
    /// How long a client may be away.
    pub max_disconnection_duration: Duration,
    /// Whether a returning client passes the middlewares unasked. Unlike the reference: false.
    pub skip_middlewares: bool,
}

impl Default for ConnectionStateRecovery {
    fn default() -> Self {
        Self { max_disconnection_duration: Duration::from_secs(120), skip_middlewares: false }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "/socket.io".into(),
            plain_path: Some("/live".into()),
            transports: vec![Transport::Polling, Transport::Websocket],
            allow_upgrades: true,
            allow_eio3: true,
            eio3_parser: Eio3Parser::Json,
            http_compression: Some(HttpCompression::default()),
            per_message_deflate: None,
            cookie: None,
            cors: Cors::default(),
            trusted_proxies: Vec::new(),
            connection_state_recovery: None,
            serve_client: true,
            client_dir: None,
            client_version: "4.8.4".into(),
            ack_timeout: Duration::from_secs(10),
            count_traffic: false,
            limits: Limits::default(),
            allow_request: None,
            initial_headers: None,
            headers: None,
        }
    }
}

impl Config {
    /// Checks what cannot be right, and puts the path into its one form: `/name/`.
    pub(crate) fn checked(mut self) -> Result<Self, BuildError> {
        let trimmed = self.path.trim_matches('/');
        self.path = if trimmed.is_empty() { "/".into() } else { format!("/{trimmed}/") };
        // Without a slash at its end: a namespace's name begins with one.
        self.plain_path = self.plain_path.map(|path| format!("/{}", path.trim_matches('/')));
        if let Some(plain) = &self.plain_path
            && (plain == "/" || format!("{plain}/") == self.path)
        {
            return Err(BuildError::Option(format!(
                "plain_path {plain:?} would take requests that are not its own; take another, or None for no plain clients"
            )));
        }
        if self.transports.is_empty() {
            return Err(BuildError::Option("transports is empty: name polling, websocket or both".into()));
        }
        if let Some(plain) = self.transports.iter().find(|t| !matches!(t, Transport::Polling | Transport::Websocket)) {
            return Err(BuildError::Option(format!(
                "transports: {plain} is not Engine.IO's; plain_path = None keeps plain clients out"
            )));
        }
        if self.cors.credentials && self.cors.origins.iter().any(|o| o == "*") {
            return Err(BuildError::Option(
                "cors: origins = [\"*\"] with credentials would let every site act for your users; list the origins".into(),
            ));
        }
        for origin in self.cors.origins.iter().filter(|o| *o != "*") {
            if HeaderValue::from_str(origin).is_err() || !origin.contains("://") || origin.ends_with('/') {
                return Err(BuildError::Option(format!("cors: {origin:?} is not an origin; write it like https://app.example")));
            }
        }
        if self.limits.ping_interval_ms == 0 {
            return Err(BuildError::Option("ping_interval must not be zero".into()));
        }
        Ok(self)
    }

    pub(crate) fn allows(&self, transport: Transport) -> bool {
        self.transports.contains(&transport)
    }

    pub(crate) fn offers_upgrade(&self) -> bool {
        self.allow_upgrades && self.allows(Transport::Websocket)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("path", &self.path).field("limits", &self.limits).finish_non_exhaustive()
    }
}
