//! What the session of a client without a library has beside what all sessions have.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use sori_proto::{
    CloseReason,
    plain::{Format, Place, Way},
    sio::InArgs,
};
use tokio::sync::oneshot;

use crate::{
    ack::{Answered, Asker},
    config::Transport,
    error::ConnectError,
    log::Since,
    membership::Memberships,
    outbox::Carries,
    peer::{Peer, Refused},
    socket::Socket,
};

pub(crate) struct PlainPeer {
    pub(crate) namespace: String,
    /// The request that opened the session waits to hear whether it was let in.
    pub(crate) opener: Mutex<Option<oneshot::Sender<Result<Socket, Shut>>>>,
    /// From where the opening request wants to go on.
    pub(crate) since: Option<Since>,
    /// Answers are scripts that call a function.
    pub(crate) is_callback: bool,
    /// Requests to come may name its `sid`.
    pub(crate) is_found_by_sid: bool,
    /// It was opened by a stream and ends with it.
    pub(crate) ends_with_stream: bool,
    /// Which events were meant for it, where a log may tell them again.
    pub(crate) memberships: Mutex<Memberships>,
}

/// Whether the last words of a session that ended for this reason wait for the request that fetches them.
pub(crate) fn is_fetched(reason: CloseReason) -> bool {
    reason.is_orderly() || reason.is_final()
}

/// Why a session was not opened.
#[derive(Clone, Debug)]
pub(crate) enum Shut {
    NoNamespace,
    NoCallbacks,
    Refused(ConnectError),
    Closed(CloseReason),
}

impl From<Refused<'_>> for Shut {
    fn from(refused: Refused<'_>) -> Self {
        match refused {
            Refused::NoNamespace => Self::NoNamespace,
            Refused::NoCallbacks => Self::NoCallbacks,
            Refused::Error(error) => Self::Refused(error.clone()),
        }
    }
}

impl Peer {
    /// A request begins to carry the session, in place of the one before; its turn at the outbox comes back.
    pub(crate) fn attach(
        self: &Arc<Self>,
        transport: Transport,
        way: Way,
        carries: Carries,
        format: Format,
        events: Option<Box<[Box<str>]>>,
    ) -> u32 {
        self.set_transport(transport);
        self.feed(|session, feed| {
            if let Some(client) = session.plain() {
                match client.closed() {
                    None => client.attach(feed.now, way, feed.limits),
                    // Its last words may have been lost with the request that fetched them.
                    Some(reason) => self.outbox.say_goodbye_again(reason),
                }
            }
            self.outbox.start_plain(carries, format, events)
        })
    }

    /// What carried the session has ended. Another request may carry it by now, and takes over under the same lock.
    pub(crate) fn detach(self: &Arc<Self>, turn: u32, reason: CloseReason) {
        self.feed(|session, feed| {
            if self.outbox.end(turn)
                && let Some(client) = session.plain()
            {
                client.detach(feed.now, reason, feed.limits);
            }
        });
    }

    /// Whether its namespace may be answered with scripts. Not asked of its socket: last words are fetched when that has gone.
    pub(crate) fn allows_callbacks(&self) -> bool {
        let namespace = self.plain.as_ref().and_then(|plain| self.shared.namespaces.find(&plain.namespace));
        namespace.is_some_and(|namespace| namespace.handlers().allows_callbacks)
    }

    /// Whether it ended with what carried it, and has no last words that somebody could fetch.
    pub(crate) fn is_lost(&self) -> bool {
        self.closed().is_some_and(|reason| !is_fetched(reason))
    }

    /// Whether the session goes on when what carries it ends.
    pub(crate) fn outlives_its_connection(&self) -> bool {
        self.plain.as_ref().is_some_and(|plain| !plain.ends_with_stream) && !self.is_closed()
    }

    /// Goes on after a cursor, for a request that takes over a living session and has this turn.
    pub(crate) fn resume(&self, from: Option<(&str, u32)>) -> Place {
        match self.only_socket() {
            Some(socket) => socket.0.namespace.resume(&socket, from),
            None => Place { cursor: self.outbox.answer_without_events().cursor, is_logged: false, recovered: false },
        }
    }

    /// What the rooms of a session that has just begun keep of what went before, once `on_connect` has joined them.
    pub(crate) async fn catch_up(&self, since: &Since) -> Place {
        match self.only_socket() {
            Some(socket) => {
                // A handler that never returns keeps nobody waiting for longer than a client has to come in.
                let patience = Duration::from_millis(self.shared.config.limits.connect_timeout_ms.into());
                let _ = tokio::time::timeout(patience, socket.0.ready()).await;
                socket.0.namespace.catch_up(&socket, since)
            }
            None => self.resume(None),
        }
    }

    /// Whether the client has come back as who it was.
    pub(crate) fn has_recovered(&self) -> bool {
        self.only_socket().is_some_and(|socket| socket.recovered())
    }

    pub(crate) fn only_socket_id(&self) -> String {
        self.only_socket().map(|socket| socket.id().to_owned()).unwrap_or_default()
    }

    /// The client emits with a request that waits for the answer. None when it has gone.
    pub(crate) fn ask(self: &Arc<Self>, event: Box<str>, args: InArgs) -> Option<oneshot::Receiver<Answered>> {
        let socket = self.only_socket()?;
        self.touch();
        let (asker, answer) = Asker::request();
        socket.receive(event, args, Some(asker));
        Some(answer)
    }

    /// The client answers an event. False when nobody waits for it.
    pub(crate) fn answered(self: &Arc<Self>, id: u64, args: InArgs) -> bool {
        self.touch();
        self.only_socket().is_some_and(|socket| socket.0.acks.answer(id, &socket, args))
    }

    fn touch(self: &Arc<Self>) {
        self.feed(|session, feed| {
            if let Some(client) = session.plain() {
                client.touch(feed.now, feed.limits);
            }
        });
    }
}
