//! Short polling, long polling and JSONP: a request, an answer, and the next.

use std::{future::poll_fn, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use sori_proto::{
    CloseReason,
    plain::{Format, Way, poll_answer, script},
};

use super::{
    Problem, Request,
    open::{Lasts, add_hooks},
};
use crate::{
    config::Transport,
    log::Since,
    outbox::{Answered, Carries},
    peer::Peer,
    service::{Answer, ok, with_type},
};

impl Request<'_> {
    pub(super) async fn poll(&self) -> Result<Answer, Problem> {
        let wait = self.wait()?;
        let transport = match (&self.params.callback, wait.is_zero()) {
            (Some(_), _) => Transport::Jsonp,
            (None, true) => Transport::ShortPolling,
            (None, false) => Transport::LongPolling,
        };
        let living = self.living(transport)?;
        let attached = living.as_ref().map(|peer| Attached::new(peer, transport, self.events()));
        // One that has ended just now with a stream that carried it is no more.
        let Some(attached) = attached.filter(|attached| !attached.peer.is_lost()) else {
            self.check_may_open()?;
            return Box::pin(self.first_poll(transport)).await;
        };
        let peer = attached.peer;
        if let Some(counters) = &peer.traffic {
            counters.request(self.parts);
        }
        let place = match &self.since {
            Some(Since::Cursor(cursor)) if peer.outbox.confirm(cursor) => Some(cursor.clone()),
            // Not a cursor of ours, or one that was confirmed before: maybe that of a stream.
            Some(Since::Cursor(cursor)) => Some(peer.resume(Some((cursor, attached.turn))).cursor),
            _ => None,
        };
        let waited = tokio::time::timeout(wait, poll_fn(|cx| peer.outbox.poll_answer(cx, attached.turn))).await;
        let mut answered = match waited {
            Ok(Some(answered)) => answered,
            // It has ended, and said so. One that ended as a lost connection does comes back as who it was.
            Ok(None) if self.comes_back(peer) => return Box::pin(self.first_poll(transport)).await,
            Ok(None) => return Err(Problem::unknown_session()),
            Err(_) => peer.outbox.answer_without_events(),
        };
        // Whoever got nothing stays where he was: what others have taken meanwhile he may not have.
        if let (true, Some(place)) = (answered.envelopes.is_empty(), place) {
            answered.cursor = place;
        }
        Ok(self.polled(peer, answered, None))
    }

    /// Opens a session, and answers at once with who the client is.
    async fn first_poll(&self, transport: Transport) -> Result<Answer, Problem> {
        let opened = self.open(transport, Lasts::Session, self.token_auth()).await?;
        let place = self.begin(&opened.peer).await;
        let connect = self.connect(&opened.peer, transport, Format::Lines, &place);
        let attached = Attached::new(&opened.peer, transport, self.events());
        let now = poll_fn(|cx| std::task::Poll::Ready(opened.peer.outbox.poll_answer(cx, attached.turn))).await;
        let answered = match now {
            std::task::Poll::Ready(Some(answered)) => answered,
            _ => opened.peer.outbox.answer_without_events(),
        };
        drop(attached);
        let answer = self.polled(&opened.peer, answered, Some(connect));
        opened.answered();
        Ok(answer)
    }

    fn polled(&self, peer: &Peer, answered: Answered, connect: Option<Bytes>) -> Answer {
        let Answered { mut envelopes, cursor } = answered;
        let is_first = connect.is_some();
        envelopes.splice(..0, connect);
        let mut body = Vec::new();
        poll_answer(&mut body, &peer.sid, &cursor, &envelopes);
        let mut answer = match self.params.callback.as_deref() {
            None => ok(JSON, body),
            Some(callback) => {
                let mut script = Vec::with_capacity(body.len() + callback.len() + 16);
                script::jsonp(&mut script, callback, &String::from_utf8_lossy(&body));
                with_type(StatusCode::OK, "text/javascript; charset=utf-8", script)
            }
        };
        answer.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
        answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        add_hooks(self, is_first, answer.headers_mut());
        peer.count(&answer);
        answer
    }

    /// How long the client wants to wait.
    fn wait(&self) -> Result<Duration, Problem> {
        let longest = Duration::from_millis(self.shared.config.limits.poll_wait_max_ms.into());
        let wait = match self.params.wait.as_deref() {
            None => Duration::from_millis(self.default_wait_ms().into()),
            Some(text) => {
                let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                seconds.ok_or_else(|| Problem::bad("wait is how many seconds to wait, 0 for not at all"))?
            }
        };
        Ok(wait.min(longest))
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// A poll that carries a session until it is answered, or its client is gone.
struct Attached<'a> {
    peer: &'a Arc<Peer>,
    turn: u32,
}

impl<'a> Attached<'a> {
    fn new(peer: &'a Arc<Peer>, transport: Transport, events: Option<Box<[Box<str>]>>) -> Self {
        let turn = peer.attach(transport, Way::Poll, Carries::Poll, Format::Lines, events);
        Self { peer, turn }
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.peer.detach(self.turn, CloseReason::TransportClose);
    }
}
