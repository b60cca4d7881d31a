//! The way in: which request goes where.

use std::{
    borrow::Cow,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use pin_project_lite::pin_project;
use sori_proto::{eio::Revision, ws::handshake};

use crate::{
    config::Transport,
    gauge::Busy,
    handshake::Handshake,
    origin,
    peer::{Peer, PollingStyle},
    query,
    server::{Server, Shared},
    transport::{
        self,
        body::Coming,
        plain::StreamBody,
        polling,
        websocket::{self, Carry},
    },
};

/// Wraps a service: requests below the server's path are answered by it, all others by the service within.
#[derive(Clone)]
pub struct Layer {
    pub(crate) server: Server,
}

impl<S> tower_layer::Layer<S> for Layer {
    type Service = Layered<S>;

    fn layer(&self, inner: S) -> Layered<S> {
        Layered { server: self.server.clone(), inner }
    }
}

/// A service within a [`Layer`].
#[derive(Clone)]
pub struct Layered<S> {
    server: Server,
    inner: S,
}

impl<S, B, R> tower_service::Service<Request<B>> for Layered<S>
where
    S: tower_service::Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = self.server.shared();
        if is_ours(shared, request.uri().path()) {
            let answer = answer_by_hyper(shared.clone(), request);
            return Box::pin(async move { Ok(answer.await.map(Body::from_own)) });
        }
        let inner = self.inner.call(request);
        Box::pin(async move { Ok(inner.await?.map(Body::inner)) })
    }
}

/// A server as a service of its own, for plain hyper; see [`Server::service`].
#[derive(Clone)]
pub struct Service {
    pub(crate) server: Server,
}

impl<B> tower_service::Service<Request<B>> for Service
where
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = self.server.shared().clone();
        Box::pin(async move {
            let response = match is_ours(&shared, request.uri().path()) {
                true => answer_by_hyper(shared, request).await,
                false => plain(StatusCode::NOT_FOUND, "not found: Socket.IO is mounted elsewhere").map(Own::Whole),
            };
            Ok(response.map(Body::from_own))
        })
    }
}

pin_project! {
    /// A response's body: the server's own, or that of the service within.
    pub struct Body<B = Full<Bytes>> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Whole { #[pin] body: Full<Bytes> },
        Stream { #[pin] body: StreamBody },
        Inner { #[pin] body: B },
    }
}

/// How an answer of ours goes on after its head.
pub(crate) enum Own {
    Whole(Bytes),
    Stream(StreamBody),
    /// As a WebSocket: who gets the connection after the 101.
    Switch(Carry),
}

impl<B> Body<B> {
    fn from_own(own: Own) -> Self {
        Self {
            kind: match own {
                Own::Whole(body) => Kind::Whole { body: body.into() },
                Own::Stream(body) => Kind::Stream { body },
                Own::Switch(_) => Kind::Whole { body: Full::default() },
            },
        }
    }

    fn inner(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }
}

impl<B: HttpBody<Data = Bytes>> HttpBody for Body<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Whole { body } => body.poll_frame(cx).map_err(|never| match never {}),
            KindProjection::Stream { body } => body.poll_frame(cx).map_err(|never| match never {}),
            KindProjection::Inner { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole { body } => body.is_end_stream(),
            Kind::Stream { body } => body.is_end_stream(),
            Kind::Inner { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole { body } => body.size_hint(),
            Kind::Stream { body } => body.size_hint(),
            Kind::Inner { body } => body.size_hint(),
        }
    }
}

pub(crate) type Answer = Response<Bytes>;

/// What a request to a session says in its query. Of a repeated name the last one counts, as in the reference.
#[derive(Default)]
pub(crate) struct Params<'a> {
    pub(crate) transport: Cow<'a, str>,
    pub(crate) sid: Option<Cow<'a, str>>,
    pub(crate) is_eio4: bool,
    pub(crate) j: Option<Cow<'a, str>>,
    pub(crate) b64: bool,
}

impl<'a> Params<'a> {
    fn parse(query: Option<&'a str>) -> Self {
        let mut params = Self::default();
        query::for_each(query.unwrap_or_default(), |name, value| match name {
            "transport" => params.transport = value,
            "sid" => params.sid = Some(value).filter(|sid| !sid.is_empty()),
            "EIO" => params.is_eio4 = value == "4",
            "j" => params.j = Some(value),
            "b64" => params.b64 = value == "1" || value == "true",
            _ => {}
        });
        params
    }

    pub(crate) fn revision(&self) -> Revision {
        if self.is_eio4 { Revision::V4 } else { Revision::V3 }
    }
}

/// The errors of Engine.IO, with the reference's codes and texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    UnknownTransport,
    UnknownSid,
    BadHandshakeMethod,
    BadRequest,
    Forbidden(Option<String>),
    /// Ours: a page of another origin.
    Foreign,
    UnsupportedProtocolVersion,
    /// Ours: no room for more sessions, or closing.
    Unavailable(&'static str),
}

impl Refusal {
    fn code(&self) -> u8 {
        match self {
            Self::UnknownTransport => 0,
            Self::UnknownSid => 1,
            Self::BadHandshakeMethod => 2,
            Self::BadRequest | Self::Unavailable(_) => 3,
            Self::Forbidden(_) | Self::Foreign => 4,
            Self::UnsupportedProtocolVersion => 5,
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::UnknownTransport => "Transport unknown",
            Self::UnknownSid => "Session ID unknown",
            Self::BadHandshakeMethod => "Bad handshake method",
            Self::BadRequest => "Bad request",
            Self::Forbidden(message) => message.as_deref().unwrap_or("Forbidden"),
            Self::Foreign => "Forbidden",
            Self::UnsupportedProtocolVersion => "Unsupported protocol version",
            Self::Unavailable(why) => why,
        }
    }

    /// `{"code":1,"message":"Session ID unknown"}`, or for an upgrade the bare message.
    fn answer(&self, upgrade: bool) -> Answer {
        if upgrade {
            let status = match self {
                Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
                Self::Foreign => StatusCode::FORBIDDEN,
                _ => StatusCode::BAD_REQUEST,
            };
            let mut answer = with_type(status, "text/html", self.message().to_owned());
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            return answer;
        }
        let status = match self {
            Self::Forbidden(_) | Self::Foreign => StatusCode::FORBIDDEN,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        let message = serde_json::Value::from(self.message());
        with_type(status, "application/json", format!("{{\"code\":{},\"message\":{message}}}", self.code()))
    }
}

pub(crate) fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = ok(HeaderValue::from_static(content_type), body);
    *answer.status_mut() = status;
    answer
}

/// A poll's answer, of a type that was checked when this was compiled.
pub(crate) fn ok(content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(body.into());
    answer.headers_mut().insert(header::CONTENT_TYPE, content_type);
    answer
}

pub(crate) fn plain(status: StatusCode, text: &'static str) -> Answer {
    with_type(status, "text/plain; charset=utf-8", text)
}

pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = status;
    answer
}

pub(crate) fn is_ours(shared: &Shared, path: &str) -> bool {
    path.starts_with(&shared.config.path) || transport::plain::is_plain(shared, path)
}

/// Answers a request that hyper brings, and has a WebSocket carried once hyper gives its connection back.
async fn answer_by_hyper<B>(shared: Arc<Shared>, mut request: Request<B>) -> Response<Own>
where
    B: HttpBody + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (parts, body) = request.into_parts();
    let body = transport::body::read(body, &shared.config.limits);
    let (head, own) = answer(&shared, &parts, body, upgrade.is_some()).await.into_parts();
    let own = match (own, upgrade) {
        (Own::Switch(carry), Some(upgrade)) => {
            shared.spawn(async move {
                if let Ok(upgraded) = upgrade.await {
                    carry(upgraded.into());
                }
            });
            Own::Whole(Bytes::new())
        }
        (own, _) => own,
    };
    Response::from_parts(head, own)
}

/// Answers a request below the path, or the plain path, on a connection that may become a WebSocket or not.
pub(crate) async fn answer(shared: &Arc<Shared>, parts: &Parts, body: impl Coming, may_switch: bool) -> Response<Own> {
    shared.start();
    let _busy = Busy::new(shared);
    let is_upgrade = may_switch && wants_websocket(parts);
    let is_plain = !parts.uri.path().starts_with(&shared.config.path);
    if !is_plain
        && shared.config.serve_client
        && let Some(answer) = shared.bundle.answer(&shared.config, parts)
    {
        return answer.map(Own::Whole);
    }
    let mut answer = match admit(shared, parts) {
        Err(_) if is_plain => transport::plain::foreign().map(Own::Whole),
        Err(refusal) => refusal.answer(is_upgrade).map(Own::Whole),
        Ok(()) if origin::is_preflight(&shared.config.cors, parts) => {
            let mut answer = empty(StatusCode::NO_CONTENT);
            origin::add_preflight_headers(&shared.config.cors, parts, answer.headers_mut());
            answer.map(Own::Whole)
        }
        Ok(()) if is_plain => transport::plain::answer(shared, parts, body, is_upgrade).await,
        Ok(()) => match route(shared, parts, body, is_upgrade).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.answer(is_upgrade).map(Own::Whole),
        },
    };
    origin::add_headers(&shared.config.cors, parts, answer.headers_mut());
    answer
}

/// Keeps out pages that may not speak to us.
fn admit(shared: &Shared, parts: &Parts) -> Result<(), Refusal> {
    origin::check(&shared.config, parts).map_err(|foreign| {
        tracing::warn!(origin = foreign.0, "request of a foreign page refused; to allow it, list its origin in `cors`");
        Refusal::Foreign
    })
}

/// The reference's order of checks, then to the transport.
async fn route(shared: &Arc<Shared>, parts: &Parts, body: impl Coming, is_upgrade: bool) -> Result<Response<Own>, Refusal> {
    let config = &shared.config;
    let params = Params::parse(parts.uri.query());
    let transport = match &*params.transport {
        "polling" if config.allows(Transport::Polling) => Transport::Polling,
        "websocket" if config.allows(Transport::Websocket) => Transport::Websocket,
        _ => return Err(Refusal::UnknownTransport),
    };
    if let Some(sid) = &params.sid {
        let peer = shared.sessions.get(sid).filter(|peer| peer.plain.is_none()).ok_or(Refusal::UnknownSid)?;
        let now = shared.deadlines.now();
        if peer.is_over(now) {
            return Err(Refusal::UnknownSid);
        }
        if peer.revision != params.revision() {
            return Err(Refusal::BadRequest);
        }
        return match (transport, is_upgrade) {
            // RFC 6455, 4.1: an opening handshake is a GET.
            (Transport::Websocket, true) if parts.method == Method::GET => Ok(websocket::upgrade(&peer, parts, &params)),
            (Transport::Polling, false) if peer.is_polling() => {
                let answer = match parts.method {
                    Method::GET => polling::get(&peer, parts, now).await?,
                    Method::POST => polling::post(&peer, parts, body, now).await,
                    _ => empty(StatusCode::METHOD_NOT_ALLOWED),
                };
                Ok(answer.map(Own::Whole))
            }
            _ => Err(Refusal::BadRequest),
        };
    }
    if parts.method != Method::GET {
        return Err(Refusal::BadHandshakeMethod);
    }
    if is_upgrade != (transport == Transport::Websocket) {
        return Err(Refusal::BadRequest);
    }
    if let Some(allow_request) = &config.allow_request {
        allow_request(parts).await.map_err(|message| Refusal::Forbidden(Some(message).filter(|m| !m.is_empty())))?;
    }
    if !params.is_eio4 && !config.allow_eio3 {
        return Err(Refusal::UnsupportedProtocolVersion);
    }
    if shared.is_closing() {
        return Err(Refusal::Unavailable("the server is closing"));
    }
    let Some(place) = shared.sessions.reserve(config.limits.sessions_max) else {
        tracing::warn!(limit = config.limits.sessions_max, "handshake refused: sessions_max is reached");
        return Err(Refusal::Unavailable("the server is full"));
    };
    let (address, secure) = origin::client(config, parts);
    let handshake = Handshake::new(parts, address, secure);
    if handshake.size() > config.limits.handshake_bytes_max as usize {
        return Ok(empty(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE).map(Own::Whole));
    }
    Ok(match is_upgrade {
        true => websocket::open(shared, parts, &params, handshake, place),
        false => polling::open(shared, parts, &params, handshake, place).map(Own::Whole),
    })
}

impl PollingStyle {
    /// What the handshake says about answers.
    pub(crate) fn new(params: &Params<'_>, parts: &Parts, packets_max: u32) -> Self {
        // python-socketio refuses an answer of more than 16 packets, and says who it is.
        let agent = parts.headers.get(header::USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
        let is_python = agent.windows(6).any(|w| w.eq_ignore_ascii_case(b"python"));
        Self {
            jsonp: params.j.as_ref().map(|j| Box::new(j.chars().filter(char::is_ascii_digit).take(20).collect())),
            base64: params.b64,
            packets_max: if is_python { packets_max.min(16) } else { packets_max },
        }
    }
}

/// What hooks and quirks add to every answer of a session.
pub(crate) fn add_session_headers(peer: &Peer, parts: &Parts, initial: bool, answer: &mut Answer) {
    let config = &peer.shared.config;
    if initial && let Some(hook) = &config.initial_headers {
        hook(answer.headers_mut(), parts);
    }
    if let Some(hook) = &config.headers {
        hook(answer.headers_mut(), parts);
    }
}

fn wants_websocket(parts: &Parts) -> bool {
    let header = |name| parts.headers.get(name).map(HeaderValue::as_bytes);
    let upgrade = header(header::UPGRADE);
    upgrade.is_some() && handshake::is_upgrade(header(header::CONNECTION), upgrade)
}
