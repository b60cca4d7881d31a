//! Answers to events that a plain client may send again, because it does not know whether the first time arrived.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use http::StatusCode;
use parking_lot::Mutex;
use sori_proto::Limits;
use tokio::sync::oneshot;

use crate::{ids::Sid, server::Shared};

/// Whose event it is. Fields stay apart, so that no two clients meet in one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RepeatKey {
    pub(crate) namespace: Box<str>,
    pub(crate) event: Box<str>,
    /// The session, or who the client says it is.
    pub(crate) client: Client,
    /// What the client calls this event.
    pub(crate) id: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    Session(Sid),
    Credentials { authorization: Bytes, token: Box<str>, cookie: Bytes },
}

/// What a request was answered.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
}

#[derive(Default)]
pub(crate) struct Repeats(Mutex<Table>);

#[derive(Default)]
struct Table {
    entries: HashMap<Arc<RepeatKey>, Entry>,
    /// What was answered, oldest first, and until when it is kept.
    answered: VecDeque<(u64, Arc<RepeatKey>)>,
    bytes: usize,
}

enum Entry {
    /// Under way; these requests wait for the same answer.
    Running(Vec<oneshot::Sender<Reply>>),
    Answered(Reply),
}

pub(crate) enum Begun {
    /// Nobody has sent this before: whoever holds the ticket answers it.
    First(Ticket),
    /// It is under way.
    Running(oneshot::Receiver<Reply>),
    Answered(Reply),
    /// Too many are under way.
    Full,
}

/// The duty to answer; dropped without an answer, the event may be sent anew.
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    key: Arc<RepeatKey>,
}

impl Repeats {
    pub(crate) fn begin(shared: &Arc<Shared>, key: RepeatKey) -> Begun {
        let limits = &shared.config.limits;
        let mut table = shared.repeats.0.lock();
        table.forget(shared.deadlines.now(), limits);
        let is_full = table.entries.len() >= limits.repeats_max as usize;
        match table.entries.get_mut(&key) {
            Some(Entry::Answered(reply)) => Begun::Answered(reply.clone()),
            Some(Entry::Running(waiting)) => {
                let (sender, reply) = oneshot::channel();
                waiting.retain(|sender| !sender.is_closed());
                waiting.push(sender);
                Begun::Running(reply)
            }
            None if is_full => Begun::Full,
            None => {
                let key = Arc::new(key);
                table.entries.insert(key.clone(), Entry::Running(Vec::new()));
                Begun::First(Ticket { shared: shared.clone(), key })
            }
        }
    }
}

impl Ticket {
    pub(crate) fn answer(self, reply: Reply) {
        let limits = &self.shared.config.limits;
        let now = self.shared.deadlines.now();
        let mut table = self.shared.repeats.0.lock();
        let before = table.entries.insert(self.key.clone(), Entry::Answered(reply.clone()));
        table.bytes += self.key.weight() + reply.body.len();
        table.answered.push_back((now + u64::from(limits.repeat_window_ms), self.key.clone()));
        table.forget(now, limits);
        drop(table);
        if let Some(Entry::Running(waiting)) = before {
            for sender in waiting {
                let _ = sender.send(reply.clone());
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut table = self.shared.repeats.0.lock();
        if matches!(table.entries.get(&self.key), Some(Entry::Running(_))) {
            table.entries.remove(&self.key);
        }
    }
}

impl Table {
    /// Forgets what is too old, and the oldest of what is too much.
    fn forget(&mut self, now: u64, limits: &Limits) {
        while let Some((until, _)) = self.answered.front() {
            let is_room = self.entries.len() < limits.repeats_max as usize && self.bytes <= limits.repeats_bytes_max as usize;
            if now < *until && is_room {
                break;
            }
            let Some((_, key)) = self.answered.pop_front() else { break };
            if let Some(Entry::Answered(reply)) = self.entries.remove(&key) {
                self.bytes -= key.weight() + reply.body.len();
            }
        }
    }
}

impl RepeatKey {
    fn weight(&self) -> usize {
        let client = match &self.client {
            Client::Session(sid) => sid.len(),
            Client::Credentials { authorization, token, cookie } => authorization.len() + token.len() + cookie.len(),
        };
        size_of::<Self>() + self.namespace.len() + self.event.len() + client + self.id.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Server;

    fn key(id: &str) -> RepeatKey {
        RepeatKey {
            namespace: "/".into(),
            event: "x".into(),
            client: Client::Session(Sid::parse(&"s".repeat(24)).unwrap()),
            id: id.into(),
        }
    }

    fn reply(body: &'static str) -> Reply {
        Reply { status: StatusCode::OK, content_type: "text/plain", body: body.into() }
    }

    fn first(io: &Server, id: &str) -> Ticket {
        match Repeats::begin(io.shared(), key(id)) {
            Begun::First(ticket) => ticket,
            _ => panic!("{id} was there before"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_answer_is_everybodys_until_it_is_too_old() {
        let io = Server::builder().build().unwrap();
        let ticket = first(&io, "a");
        let Begun::Running(waits) = Repeats::begin(io.shared(), key("a")) else { panic!() };
        ticket.answer(reply("1"));
        assert_eq!(waits.await.unwrap().body, "1");
        assert!(matches!(Repeats::begin(io.shared(), key("a")), Begun::Answered(reply) if reply.body == "1"));
        tokio::time::advance(std::time::Duration::from_secs(121)).await;
        drop(first(&io, "a"));
        // Not answered: it may be sent anew.
        first(&io, "a").answer(reply("2"));
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let io = Server::builder().limits(|limits| limits.repeats_max = 3).build().unwrap();
        for id in ["a", "b", "c", "d"] {
            first(&io, id).answer(reply("x"));
        }
        assert!(io.shared().repeats.0.lock().entries.len() < 4);
        let running: Vec<_> = ["e", "f", "g"].map(|id| first(&io, id)).into();
        assert!(matches!(Repeats::begin(io.shared(), key("h")), Begun::Full));
        drop(running);
        let table = io.shared().repeats.0.lock();
        assert_eq!((table.entries.len(), table.answered.len(), table.bytes), (0, 0, 0));
    }
}
