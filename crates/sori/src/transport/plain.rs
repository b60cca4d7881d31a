//! Clients without a library: which request means what. `docs/plain-protocol.md` specifies it.

use std::{borrow::Cow, sync::Arc};

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use sori_proto::plain::{Format, script};

use crate::{
    config::Transport,
    log::Since,
    peer::Peer,
    plain_peer::Shut,
    query,
    server::Shared,
    service::{Answer, Own, empty},
    transport::body::Coming,
};

mod open;
mod poll;
mod post;
mod problem;
mod raw_websocket;
mod stream;

use problem::Problem;
pub(crate) use problem::foreign;
pub(crate) use stream::StreamBody;

/// Answers a request below the plain path.
pub(crate) async fn answer(shared: &Arc<Shared>, parts: &Parts, body: impl Coming, is_upgrade: bool) -> Response<Own> {
    let request = match Request::read(shared, parts) {
        Ok(request) => request,
        Err(problem) => return problem.answer().map(Own::Whole),
    };
    request.answer(body, is_upgrade).await.unwrap_or_else(|problem| problem.answer().map(Own::Whole))
}

/// Whether a path is below the plain path.
pub(crate) fn is_plain(shared: &Shared, path: &str) -> bool {
    shared.config.plain_path.as_ref().and_then(|plain| path.strip_prefix(&**plain)).is_some_and(|rest| {
        // Not `/livestock`.
        rest.is_empty() || rest.starts_with('/')
    })
}

/// What every part of the answer needs to know.
struct Request<'a> {
    shared: &'a Arc<Shared>,
    parts: &'a Parts,
    namespace: Cow<'a, str>,
    params: Params<'a>,
    since: Option<Since>,
}

/// The query names that are ours; of a repeated one the last counts. All others are the handshake's.
#[derive(Default)]
struct Params<'a> {
    sid: Option<Cow<'a, str>>,
    since: Option<Cow<'a, str>>,
    wait: Option<Cow<'a, str>>,
    framing: Option<Cow<'a, str>>,
    callback: Option<Cow<'a, str>>,
    format: Option<Cow<'a, str>>,
    event: Option<Cow<'a, str>>,
    events: Option<Cow<'a, str>>,
    ack: Option<Cow<'a, str>>,
    args: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    token: Option<Cow<'a, str>>,
}

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The names that no handshake's query has.
const RESERVED: [&str; 12] =
    ["sid", "since", "wait", "framing", "callback", "format", "event", "events", "ack", "args", "id", "token"];

impl<'a> Params<'a> {
    fn read(query: Option<&'a str>) -> Self {
        let mut params = Self::default();
        query::for_each(query.unwrap_or_default(), |name, value| params.set(name, value));
        params.sid = params.sid.filter(|sid| !sid.is_empty());
        params.since = params.since.filter(|since| !since.is_empty());
        params
    }

    fn set(&mut self, name: &str, value: Cow<'a, str>) {
        let place = match name {
            "sid" => &mut self.sid,
            "since" => &mut self.since,
            "wait" => &mut self.wait,
            "framing" => &mut self.framing,
            "callback" => &mut self.callback,
            "format" => &mut self.format,
            "event" => &mut self.event,
            "events" => &mut self.events,
            "ack" => &mut self.ack,
            "args" => &mut self.args,
            "id" => &mut self.id,
            "token" => &mut self.token,
            _ => return,
        };
        *place = Some(value);
    }
}

impl<'a> Request<'a> {
    fn read(shared: &'a Arc<Shared>, parts: &'a Parts) -> Result<Self, Problem> {
        let params = Params::read(parts.uri.query());
        // What EventSource sends by itself is newer than what its address says.
        let last_event_id = parts.headers.get(&LAST_EVENT_ID).and_then(|id| std::str::from_utf8(id.as_bytes()).ok());
        let since = last_event_id.filter(|id| !id.is_empty()).or(params.since.as_deref()).map(|text| {
            let last = text.strip_prefix('-').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
            match last.and_then(|digits| digits.parse().ok()) {
                Some(n) => Since::Last(n),
                None => Since::Cursor(text.into()),
            }
        });
        // These are kept, as headers are.
        let kept = since.as_ref().map_or(0, Since::weight)
            + events(&params).map(|name| size_of::<Box<str>>() + name.len()).sum::<usize>();
        if kept > shared.config.limits.handshake_bytes_max as usize {
            return Err(Problem::too_large("cursor and events are larger than handshake_bytes_max"));
        }
        Ok(Self { shared, parts, namespace: namespace(shared, parts)?, params, since })
    }

    async fn answer(&self, body: impl Coming, is_upgrade: bool) -> Result<Response<Own>, Problem> {
        match self.parts.method {
            Method::GET => self.get(is_upgrade).await,
            // Boxed, as all that is not a poll: a request waits for the larger of its parts, and a thousand polls wait at once.
            Method::POST => Ok(Box::pin(self.post(body)).await?.map(Own::Whole)),
            Method::DELETE => Ok(self.delete()?.map(Own::Whole)),
            _ => {
                let mut answer =
                    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "GET listens, POST sends, DELETE ends a session").answer();
                answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST, DELETE"));
                Ok(answer.map(Own::Whole))
            }
        }
    }

    /// The way that a GET chooses, in the order in which it is read.
    async fn get(&self, is_upgrade: bool) -> Result<Response<Own>, Problem> {
        if is_upgrade {
            return Box::pin(self.websocket()).await;
        }
        let params = &self.params;
        let accepts_sse = || {
            let accept = self.parts.headers.get_all(header::ACCEPT);
            accept.iter().any(|value| value.to_str().is_ok_and(|value| value.contains("text/event-stream")))
        };
        let stream = match params.framing.as_deref() {
            Some("sse") => Some(self.sse()?),
            Some("lines") => Some((Transport::Lines, Format::Lines)),
            Some("multipart") => Some((Transport::Multipart, Format::Multipart)),
            Some("iframe") => Some((Transport::Iframe, Format::Iframe)),
            Some("poll") => None,
            Some(_) => {
                return Err(Problem::bad("framing is sse, lines, multipart, iframe or poll"));
            }
            None if params.wait.is_some() || params.callback.is_some() => None,
            None if accepts_sse() => Some(self.sse()?),
            None => Some((Transport::Lines, Format::Lines)),
        };
        if params.callback.as_deref().is_some_and(|callback| !script::is_callback(callback)) {
            return Err(Problem::bad("callback is the name of a function: letters, digits, _ and $, parts joined by dots"));
        }
        match stream {
            Some((transport, format)) => Box::pin(self.stream(transport, format)).await,
            None => Ok(self.poll().await?.map(Own::Whole)),
        }
    }

    fn sse(&self) -> Result<(Transport, Format), Problem> {
        let format = match self.params.format.as_deref() {
            None | Some("json") => Format::Sse,
            Some("text") => Format::SseText,
            Some("envelope") => Format::SseEnvelope,
            Some(_) => return Err(Problem::bad("format is json, text or envelope")),
        };
        Ok((Transport::Sse, format))
    }

    fn delete(&self) -> Result<Answer, Problem> {
        self.named()?.close(sori_proto::CloseReason::ClientNamespaceDisconnect);
        Ok(empty(StatusCode::NO_CONTENT))
    }

    /// The living session that the request must name.
    fn named(&self) -> Result<Arc<Peer>, Problem> {
        let sid = self.params.sid.as_deref().ok_or_else(|| Problem::bad("name your session: sid=…"))?;
        self.find(sid).filter(|peer| !peer.is_closed()).ok_or_else(Problem::unknown_session)
    }

    /// A plain session of this namespace, which may have last words left. Not one that is being brought back, or was refused: nobody is
    /// let in by another one's request.
    fn find(&self, sid: &str) -> Option<Arc<Peer>> {
        let peer = self.shared.sessions.get(sid)?;
        (peer.plain.as_ref()?.namespace == self.namespace && !peer.is_over(self.shared.deadlines.now()) && peer.was_let_in())
            .then_some(peer)
    }

    /// The session that the request goes on with, if it is there. A way that answers with scripts is asked about each time, because
    /// another may have opened the session.
    fn living(&self, transport: Transport) -> Result<Option<Arc<Peer>>, Problem> {
        let Some(peer) = self.params.sid.as_deref().and_then(|sid| self.find(sid)) else { return Ok(None) };
        // It has ended as a lost connection does, and its client has been told: it comes back as who it was.
        if peer.is_closed()
            && self.since.is_some()
            && peer.outbox.is_spent()
            && self.shared.namespaces.is_away(&self.namespace, &peer.sid)
        {
            return Ok(None);
        }
        match self.is_callback(transport) && !peer.allows_callbacks() {
            true => Err(Shut::NoCallbacks.into()),
            false => Ok(Some(peer)),
        }
    }

    /// Whether the client of a session that has ended is awaited, and names a place to go on from.
    fn comes_back(&self, peer: &Peer) -> bool {
        matches!(self.since, Some(Since::Cursor(_))) && self.shared.namespaces.is_away(&self.namespace, &peer.sid)
    }

    /// Whether the answer is a script that calls a function.
    fn is_callback(&self, transport: Transport) -> bool {
        self.params.callback.is_some() || transport == Transport::Iframe
    }

    /// Names of events that the client wants, if not all.
    fn events(&self) -> Option<Box<[Box<str>]>> {
        self.params.events.as_ref().map(|_| events(&self.params).map(Into::into).collect())
    }
}

fn events<'a>(params: &'a Params<'_>) -> impl Iterator<Item = &'a str> {
    params.events.as_deref().into_iter().flat_map(|events| events.split(',').map(str::trim))
}

/// `/live` and `/live/` are `/`; what follows, decoded once, is the namespace.
fn namespace<'a>(shared: &Shared, parts: &'a Parts) -> Result<Cow<'a, str>, Problem> {
    let plain = shared.config.plain_path.as_deref().unwrap_or_default();
    let rest = parts.uri.path().strip_prefix(plain).unwrap_or_default();
    match rest {
        "" => Ok("/".into()),
        plain if !plain.contains('%') => Ok(plain.into()),
        rest => percent_encoding::percent_decode_str(rest).decode_utf8().map_err(|_| Problem::bad("the path is not UTF-8")),
    }
}
