//! What a client sends: an event, an answer, or the beginning of a session.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sori_proto::{
    CloseReason,
    plain::{
        Format,
        body::{self, BodyError},
        envelope,
    },
    sio::{self, InArgs, OutArgs},
};
use tokio::sync::oneshot;

use super::{
    Problem, Request,
    open::{Lasts, add_hooks},
};
use crate::{
    ack::Answered,
    config::Transport,
    peer::Peer,
    repeats::{Begun, Client, RepeatKey, Repeats, Reply},
    service::{Answer, empty, with_type},
    transport::body::Coming,
};

impl Request<'_> {
    pub(super) async fn post(&self, body: impl Coming) -> Result<Answer, Problem> {
        let params = &self.params;
        // What needs no body is answered before one is read.
        let named = match (&params.sid, &params.ack, params.event.as_deref()) {
            (None, None, None) => None,
            (None, None, Some(event)) if event != "disconnect" => None,
            _ => Some(self.named()?),
        };
        let body = body.await.map_err(|status| match status {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::new(status, "the body is larger than max_http_buffer_size"),
            StatusCode::REQUEST_TIMEOUT => Problem::new(status, "the body did not come in time"),
            status => Problem::new(status, "the body did not come whole"),
        })?;
        let size = body.len();
        let answer = match (named, params.event.as_deref(), params.ack.as_deref()) {
            (Some(peer), Some("disconnect"), _) => {
                peer.close(CloseReason::ClientNamespaceDisconnect);
                return Ok(empty(StatusCode::NO_CONTENT));
            }
            (Some(peer), None, Some(ack)) => {
                self.count_in(&peer, size);
                let answer = self.answer_event(&peer, ack, body)?;
                peer.count(&answer);
                answer
            }
            (named, Some(event), None) => {
                if sio::is_reserved(event) {
                    return Err(Problem::bad("this event name is reserved by Socket.IO; choose another"));
                }
                let args = self.args(body)?;
                let (event, peer) = (event.to_owned(), named.clone());
                if let Some(peer) = &named {
                    self.count_in(peer, size);
                }
                let reply = match params.id.as_deref() {
                    None => self.emit(named, event, args).await?,
                    Some(id) => self.emit_once(named, event, args, id).await?,
                };
                let mut answer = reply.answer();
                add_hooks(self, false, answer.headers_mut());
                if let Some(peer) = &peer {
                    peer.count(&answer);
                }
                answer
            }
            (None, None, None) => self.begin_session(body).await?,
            (Some(_), None, None) => return Err(Problem::bad("say what to do: event=…, or ack=…")),
            _ => return Err(Problem::bad("event and ack are two requests: an event asks, an ack answers")),
        };
        Ok(answer)
    }

    /// Opens a session that requests to come may name.
    async fn begin_session(&self, body: Bytes) -> Result<Answer, Problem> {
        let auth = match body.is_empty() {
            true => self.token_auth(),
            false => Some(self.auth(body)?),
        };
        let opened = self.open(Transport::Post, Lasts::Session, auth).await?;
        let place = self.begin(&opened.peer).await;
        let connect = self.connect(&opened.peer, Transport::Post, Format::Lines, &place);
        let mut answer = with_type(StatusCode::CREATED, "application/json", connect);
        let location = format!("{}?sid={}", self.parts.uri.path(), &*opened.peer.sid);
        if let Ok(location) = HeaderValue::try_from(location) {
            answer.headers_mut().insert(header::LOCATION, location);
        }
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        add_hooks(self, true, answer.headers_mut());
        opened.peer.count(&answer);
        opened.answered();
        Ok(answer)
    }

    /// The `auth` of an opening request: a JSON object, whatever its type says, or a form.
    fn auth(&self, body: Bytes) -> Result<Bytes, Problem> {
        let is_object = |json: &[u8]| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(json).is_ok();
        if is_object(&body) {
            return Ok(body);
        }
        let form = self.args(body)?.to_out().map_err(|error| Problem::bad(error.to_string()))?;
        match form.attachments().is_empty() && is_object(form.json().as_bytes()) {
            true => Ok(Bytes::copy_from_slice(form.json().as_bytes())),
            false => Err(Problem::bad("the body of an opening request is auth: a JSON object, or a form")),
        }
    }

    /// Answers an event that asked for it.
    fn answer_event(&self, peer: &Arc<Peer>, ack: &str, body: Bytes) -> Result<Answer, Problem> {
        let id = ack.parse().map_err(|_| Problem::bad("ack is the number that the event came with"))?;
        match peer.answered(id, self.args(body)?) {
            true => Ok(empty(StatusCode::NO_CONTENT)),
            false => Err(Problem::new(
                StatusCode::NOT_FOUND,
                "nobody waits for this answer: it came before, too late, or was not asked for",
            )),
        }
    }

    /// Emits, and waits for what the handler says.
    async fn emit(&self, named: Option<Arc<Peer>>, event: String, args: InArgs) -> Result<Reply, Problem> {
        match named {
            Some(peer) => {
                let answer = peer.ask(event.into(), args).ok_or_else(Problem::unknown_session)?;
                Ok(reply(&peer, answer).await)
            }
            None => {
                let (peer, once) = self.open(Transport::Post, Lasts::Request, self.token_auth()).await?.once();
                let answer = peer.ask(event.into(), args).ok_or_else(Problem::unknown_session)?;
                let reply = reply(&peer, answer).await;
                drop(once);
                Ok(reply)
            }
        }
    }

    /// Emits, unless this was done before: then its answer is this one's, too. The handler goes on when the request is gone, because
    /// that is when a client asks again.
    async fn emit_once(&self, named: Option<Arc<Peer>>, event: String, args: InArgs, id: &str) -> Result<Reply, Problem> {
        if id.is_empty() || id.len() > REPEAT_ID_BYTES_MAX {
            return Err(Problem::bad("id is 1 to 64 bytes"));
        }
        let client = match &named {
            Some(peer) => Client::Session(peer.sid),
            None => {
                let header = |name: HeaderName| self.parts.headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
                Client::Credentials {
                    authorization: Bytes::copy_from_slice(header(header::AUTHORIZATION)),
                    token: self.params.token.as_deref().unwrap_or_default().into(),
                    cookie: Bytes::copy_from_slice(header(header::COOKIE)),
                }
            }
        };
        // A kept answer is no way around the middlewares: who asks again is let in again first.
        let (peer, once) = match named {
            Some(peer) => (peer, None),
            None => {
                let (peer, once) = self.open(Transport::Post, Lasts::Request, self.token_auth()).await?.once();
                (peer, Some(once))
            }
        };
        let key = RepeatKey { namespace: (&*self.namespace).into(), event: event.as_str().into(), client, id: id.into() };
        let waits = match Repeats::begin(self.shared, key) {
            Begun::Answered(reply) => return Ok(reply),
            Begun::Running(reply) => {
                drop(once);
                reply
            }
            Begun::Full => return Err(Problem::unavailable("too many events with an id are under way")),
            Begun::First(ticket) => {
                let answer = peer.ask(event.into(), args).ok_or_else(Problem::unknown_session)?;
                let (sender, waits) = oneshot::channel();
                self.shared.spawn(async move {
                    // However long it takes: a request that has waited long enough may ask again for what comes in the end.
                    let reply = said(&peer, answer.await);
                    drop(once);
                    ticket.answer(reply.clone());
                    let _ = sender.send(reply);
                });
                waits
            }
        };
        match tokio::time::timeout(self.shared.config.ack_timeout, waits).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) => Err(Problem::unavailable("the first request with this id was not answered; send it again")),
            Err(_) => {
                Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "the handler has not answered yet; send it again with this id"))
            }
        }
    }

    fn args(&self, body: Bytes) -> Result<InArgs, Problem> {
        let encoding = self.parts.headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
        if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "compressed bodies are not read here"));
        }
        let content_type = self.parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let spread = match self.params.args.as_deref() {
            None | Some("0") => false,
            Some("1") => true,
            Some(_) => return Err(Problem::bad("args=1 says that the body is an array of arguments")),
        };
        body::read(content_type, body, spread, &self.shared.config.limits).map_err(|error| {
            let status = match error {
                BodyError::Type(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                BodyError::Malformed(_) | BodyError::Utf8 => StatusCode::BAD_REQUEST,
            };
            Problem::new(status, error.to_string())
        })
    }

    fn count_in(&self, peer: &Peer, body: usize) {
        if let Some(counters) = &peer.traffic {
            counters.request(self.parts);
            counters.add_in(body);
        }
    }
}

/// What the handler said in time, or that it did not.
async fn reply(peer: &Peer, answer: oneshot::Receiver<Answered>) -> Reply {
    match tokio::time::timeout(peer.shared.config.ack_timeout, answer).await {
        Ok(answered) => said(peer, answered),
        Err(_) => Reply::problem(StatusCode::GATEWAY_TIMEOUT, "the handler has not answered within ack_timeout"),
    }
}

fn said(peer: &Peer, answered: Result<Answered, oneshot::error::RecvError>) -> Reply {
    match answered {
        Ok(Answered::Ack(args)) if args.is_empty() => Reply::nothing(),
        Ok(Answered::Ack(args)) => Reply { status: StatusCode::OK, content_type: "application/json", body: ack(&args) },
        Ok(Answered::Rejected(why)) => Reply::problem(StatusCode::UNPROCESSABLE_ENTITY, why),
        Ok(Answered::Failed) => Reply::problem(StatusCode::INTERNAL_SERVER_ERROR, "the handler failed"),
        Err(_) if peer.closed() == Some(CloseReason::InboxFull) => {
            let why = "events came faster than their handlers ran; the session has ended";
            Reply::problem(StatusCode::TOO_MANY_REQUESTS, why)
        }
        // It has returned and answered nothing.
        Err(_) => Reply::nothing(),
    }
}

/// One argument as it is, several as an array.
fn ack(args: &OutArgs) -> Bytes {
    let json = envelope::json(args);
    match args.len() {
        1 => Bytes::copy_from_slice(json.as_bytes()),
        _ => format!("[{json}]").into(),
    }
}

impl Reply {
    fn problem(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let body = Problem::new(status, detail).json().into();
        Self { status, content_type: "application/problem+json", body }
    }

    fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT, content_type: "", body: Bytes::new() }
    }

    fn answer(self) -> Answer {
        let mut answer = match self.status {
            StatusCode::NO_CONTENT => empty(StatusCode::NO_CONTENT),
            status => with_type(status, self.content_type, self.body),
        };
        let headers: &mut HeaderMap = answer.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        answer
    }
}

/// What a client may call an event to be repeated.
const REPEAT_ID_BYTES_MAX: usize = 64;
