//! The order in which one socket's handlers start.
//!
//! Events start in arrival order; each handler runs to its first await before the next one starts.
//! Whoever has work for an idle socket becomes its runner and stays it until nothing can start, so
//! two threads never start handlers of one socket at once. Nobody waits for a handler.

use std::collections::VecDeque;

use parking_lot::{Mutex, MutexGuard};
use sori_proto::{CloseReason, sio::InArgs};

use tokio::sync::oneshot;

use crate::{ack::Asker, handler::Started, socket::Socket};

/// Work that waits for its turn.
pub(crate) enum Work {
    /// The client was let in: `on_connect`.
    Connect,
    /// The client emitted.
    Event { name: Box<str>, args: InArgs, asker: Option<Asker> },
    /// Somebody waits until what came before has started, `on_connect` first of all.
    Tell(oneshot::Sender<()>),
    /// The session moved to WebSocket.
    Upgrade,
    /// The stay has ended: `on_disconnect`, the last of all.
    Disconnect(CloseReason),
}

#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    /// What the waiting events weigh.
    bytes: usize,
    /// Handlers that have started and not finished.
    running: u32,
    /// Somebody is starting handlers now.
    has_runner: bool,
    /// `on_connect` has not returned: nothing else may start.
    connecting: bool,
    closed: bool,
}

impl Inbox {
    /// The client is let in: `on_connect` comes before anything else. The caller becomes the runner
    /// and calls [`Inbox::run`] once it holds no lock.
    pub(crate) fn open(&self) {
        let mut state = self.state.lock();
        state.waiting.push_back(Work::Connect);
        state.has_runner = true;
    }

    /// Takes work; beyond the limit the peer is closed.
    pub(crate) fn push(&self, socket: &Socket, work: Work) {
        let limits = &socket.0.peer.shared.config.limits;
        let state = self.state.lock();
        let more = state.bytes + work.weight();
        // An empty inbox takes one event of any size, else a large limit on messages could never be used.
        let is_full = state.waiting.len() >= limits.inbox_events_max as usize
            || (state.bytes > 0 && more > limits.inbox_bytes_max as usize);
        if is_full {
            drop(state);
            tracing::debug!(id = socket.id(), "inbox full: handlers are slower than this client");
            socket.0.peer.close(CloseReason::InboxFull);
            return;
        }
        self.enqueue(state, socket, work, false);
    }

    /// The stay has ended; `last` comes after everything that waits, and nothing after it.
    pub(crate) fn close(&self, socket: &Socket, last: Work) {
        self.enqueue(self.state.lock(), socket, last, true);
    }

    fn enqueue<'a>(&'a self, mut state: MutexGuard<'a, State>, socket: &Socket, work: Work, closes: bool) {
        if state.closed {
            return;
        }
        state.closed = closes;
        if state.has_runner {
            return state.wait(work);
        }
        state.has_runner = true;
        // Most often nothing waits, and it need not either.
        let first = if state.waiting.is_empty() && state.may_start(handlers_max(socket)) {
            Some(work)
        } else {
            state.wait(work);
            None
        };
        self.start(state, socket, first);
    }

    /// Starts what may start, as the runner.
    pub(crate) fn run(&self, socket: &Socket) {
        self.start(self.state.lock(), socket, None);
    }

    fn start<'a>(&'a self, mut state: MutexGuard<'a, State>, socket: &Socket, mut first: Option<Work>) {
        let (handlers, max) = (socket.0.namespace.handlers(), handlers_max(socket));
        loop {
            let Some(work) = first.take().or_else(|| state.next(max)) else {
                state.has_runner = false;
                if state.waiting.is_empty() {
                    state.waiting = VecDeque::new();
                }
                return;
            };
            let connects = matches!(work, Work::Connect);
            state.connecting = connects;
            state.running += 1;
            drop(state);
            let started = handlers.start(socket, work);
            match started {
                Started::Done => {
                    state = self.state.lock();
                    state.finished(connects);
                }
                Started::Pending(future) => {
                    let stay = socket.clone();
                    socket.0.peer.shared.spawn(async move {
                        future.await;
                        stay.0.inbox.finish(&stay, connects);
                    });
                    state = self.state.lock();
                }
            }
        }
    }

    /// A handler that had to wait has finished.
    fn finish(&self, socket: &Socket, connects: bool) {
        let mut state = self.state.lock();
        state.finished(connects);
        if state.has_runner || state.waiting.is_empty() {
            return;
        }
        state.has_runner = true;
        self.start(state, socket, None);
    }
}

/// How many handlers of a socket may run at once.
fn handlers_max(socket: &Socket) -> u32 {
    if socket.0.namespace.handlers().sequential { 1 } else { socket.0.peer.shared.config.limits.handlers_max }
}

impl Work {
    /// What waiting costs, in bytes.
    fn weight(&self) -> usize {
        match self {
            Self::Event { name, args, .. } => name.len() + args.weight(),
            Self::Connect | Self::Upgrade | Self::Tell(_) | Self::Disconnect(_) => 0,
        }
    }
}

impl State {
    fn wait(&mut self, work: Work) {
        self.bytes += work.weight();
        self.waiting.push_back(work);
    }

    fn may_start(&self, max: u32) -> bool {
        !self.connecting && self.running < max
    }

    fn next(&mut self, max: u32) -> Option<Work> {
        let work = if self.may_start(max) { self.waiting.pop_front()? } else { return None };
        self.bytes -= work.weight();
        Some(work)
    }

    fn finished(&mut self, connects: bool) {
        self.running -= 1;
        if connects {
            self.connecting = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex as StdMutex},
        time::Duration,
    };

    use super::*;
    use crate::{
        Namespace, Server,
        extract::Data,
        server::ServerBuilder,
        testing::{Client, settle},
    };

    #[derive(Clone, Default)]
    struct Story(Arc<StdMutex<Vec<String>>>);

    impl Story {
        fn tell(&self, what: impl Into<String>) {
            self.0.lock().unwrap().push(what.into());
        }

        #[track_caller]
        fn check(&self, expected: &[&str]) {
            assert_eq!(std::mem::take(&mut *self.0.lock().unwrap()), expected);
        }
    }

    /// `nap` takes 10 ms between its two lines; `now` has one line and no await.
    fn napping(story: &Story) -> Namespace {
        let (napping, now, gone) = (story.clone(), story.clone(), story.clone());
        Namespace::new()
            .on("nap", move |Data(name): Data<String>| {
                let story = napping.clone();
                async move {
                    story.tell(format!("{name} begins"));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    story.tell(format!("{name} ends"));
                }
            })
            .on("now", move |Data(name): Data<String>| {
                let story = now.clone();
                async move { story.tell(name) }
            })
            .on_disconnect(move |why: CloseReason| {
                let story = gone.clone();
                async move { story.tell(why.as_str()) }
            })
    }

    fn serve(builder: ServerBuilder, namespace: Namespace) -> Server {
        builder.namespace("/", namespace).build().unwrap()
    }

    async fn sleep(ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn handlers_start_in_order_and_nobody_waits_for_one() {
        let story = Story::default();
        let (client, _) = Client::joined(&serve(Server::builder(), napping(&story)));
        client.says(r#"42["nap","a"]"#);
        client.says(r#"42["now","b"]"#);
        client.says(r#"42["nap","c"]"#);
        // Without anybody else having run: the first step belongs to whoever brought the event.
        story.check(&["a begins", "b", "c begins"]);
        sleep(20).await;
        story.check(&["a ends", "c ends"]);
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_handlers_max_events_wait_in_order() {
        let story = Story::default();
        let io = serve(Server::builder().limits(|limits| limits.handlers_max = 2), napping(&story));
        let (client, _) = Client::joined(&io);
        for name in ["a", "b", "c"] {
            client.says(&format!(r#"42["nap","{name}"]"#));
        }
        client.says(r#"42["now","d"]"#);
        story.check(&["a begins", "b begins"]);
        sleep(15).await;
        story.check(&["a ends", "c begins", "b ends", "d"]);
        sleep(10).await;
        story.check(&["c ends"]);
    }

    #[tokio::test(start_paused = true)]
    async fn sequential_handlers_do_not_interleave_and_the_end_is_last() {
        let story = Story::default();
        let (client, _) = Client::joined(&serve(Server::builder(), napping(&story).sequential()));
        client.says(r#"42["nap","a"]"#);
        client.says(r#"42["nap","b"]"#);
        client.says("41");
        sleep(100).await;
        story.check(&["a begins", "a ends", "b begins", "b ends", "client namespace disconnect"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_before_the_end_still_starts_before_on_disconnect() {
        let story = Story::default();
        let io = serve(Server::builder().limits(|limits| limits.handlers_max = 1), napping(&story));
        let (client, socket) = Client::joined(&io);
        for name in ["a", "b"] {
            client.says(&format!(r#"42["nap","{name}"]"#));
        }
        client.peer.close(CloseReason::TransportClose);
        client.says(r#"42["now","too late"]"#);
        // Another thread may have found the socket just before.
        socket.receive("now".into(), InArgs::from_json(r#"["too late"]"#).unwrap(), None);
        sleep(100).await;
        story.check(&["a begins", "a ends", "b begins", "b ends", "transport close"]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_starts_before_on_connect_has_returned() {
        let story = Story::default();
        let early = story.clone();
        let namespace = napping(&story).on_connect(move || {
            let story = early.clone();
            async move {
                story.tell("connecting");
                sleep(10).await;
                story.tell("connected");
            }
        });
        let (client, _) = Client::joined(&serve(Server::builder(), namespace));
        client.says(r#"42["now","a"]"#);
        client.says("41");
        story.check(&["connecting"]);
        sleep(20).await;
        story.check(&["connected", "a", "client namespace disconnect"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_inbox_closes_its_peer_and_no_other() {
        let story = Story::default();
        let builder = Server::builder().limits(|limits| (limits.handlers_max, limits.inbox_events_max) = (1, 3));
        let io = serve(builder, napping(&story));
        let ((client, socket), (_other, bystander)) = (Client::joined(&io), Client::joined(&io));
        for n in 0..4 {
            client.says(&format!(r#"42["nap","{n}"]"#));
        }
        assert!(socket.is_connected());
        client.says(r#"42["nap","one too many"]"#);
        assert!(!socket.is_connected() && bystander.is_connected());
        assert_eq!(io.stats().sessions_closed(CloseReason::InboxFull), 1);
        sleep(100).await;
        // What was taken is done, and the end is told although there was no room.
        assert_eq!(story.0.lock().unwrap().last().map(String::as_str), Some("inbox full"));
        assert_eq!(story.0.lock().unwrap().len(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn few_large_events_fill_an_inbox_too() {
        let story = Story::default();
        let builder = Server::builder().limits(|limits| (limits.handlers_max, limits.inbox_bytes_max) = (1, 2_000));
        let io = serve(builder, napping(&story));
        let (client, socket) = Client::joined(&io);
        let nap = |size: usize| client.says(&format!(r#"42["nap","{}"]"#, "z".repeat(size)));
        // One runs, one waits, whatever its size; read in time, any number of them is fine.
        for _ in 0..3 {
            nap(100);
            nap(50_000);
            sleep(30).await;
        }
        assert!(socket.is_connected());
        (0..3).for_each(|_| nap(800));
        assert!(socket.is_connected());
        nap(800);
        assert_eq!(io.stats().sessions_closed(CloseReason::InboxFull), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_gives_its_place_back() {
        let story = Story::default();
        let namespace = napping(&story)
            .on("bad", || async { assert!(false_at_run_time(), "on purpose") })
            .on("worse", || async {
                tokio::task::yield_now().await;
                assert!(false_at_run_time(), "on purpose, later");
            })
            .on_any(|| async {});
        let io = serve(Server::builder().limits(|limits| limits.handlers_max = 1), namespace);
        let (client, _) = Client::joined(&io);
        for _ in 0..3 {
            client.says(r#"42["bad"]"#);
            client.says(r#"42["worse"]"#);
        }
        settle().await;
        client.says(r#"42["now","alive"]"#);
        story.check(&["alive"]);
        assert_eq!(io.stats().handler_panics(), 6);
    }
    /// False; the compiler is not told.
    fn false_at_run_time() -> bool {
        std::hint::black_box(false)
    }
}
