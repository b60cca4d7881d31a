//! The order in which one socket's handlers start.
//!
//! Events start in arrival order; each handler runs to its first await before the next one starts.
//! Whoever has work for an idle socket becomes its runner and stays it until nothing can start, so
//! two threads never start handlers of one socket at once. Nobody waits for a handler.

use std::collections::VecDeque;

use parking_lot::Mutex;
use sori_proto::{CloseReason, sio::InArgs};

use crate::{handler::Started, socket::Socket};

/// Work that waits for its turn.
pub(crate) enum Work {
    /// The client was let in: `on_connect`.
    Connect,
    /// The client emitted.
    Event { name: Box<str>, args: InArgs, ack: Option<u64> },
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
        let max = socket.0.peer.shared.config.limits.inbox_events_max as usize;
        let is_full = self.state.lock().waiting.len() >= max;
        if is_full {
            tracing::debug!(id = socket.id(), "inbox full: handlers are slower than this client");
            socket.0.peer.close(CloseReason::InboxFull);
            return;
        }
        self.enqueue(socket, work, false);
    }

    /// The stay has ended; `last` comes after everything that waits, and nothing after it.
    pub(crate) fn close(&self, socket: &Socket, last: Work) {
        self.enqueue(socket, last, true);
    }

    fn enqueue(&self, socket: &Socket, work: Work, closes: bool) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        state.closed = closes;
        state.waiting.push_back(work);
        if state.has_runner {
            return;
        }
        state.has_runner = true;
        drop(state);
        self.run(socket);
    }

    /// Starts what may start, as the runner.
    pub(crate) fn run(&self, socket: &Socket) {
        let handlers = socket.0.namespace.handlers();
        let max = if handlers.sequential { 1 } else { socket.0.peer.shared.config.limits.handlers_max };
        loop {
            let mut state = self.state.lock();
            let may_start = !state.connecting && state.running < max;
            let Some(work) = may_start.then(|| state.waiting.pop_front()).flatten() else {
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
                Started::Done => self.state.lock().finished(connects),
                Started::Pending(future) => {
                    let stay = socket.clone();
                    socket.0.peer.shared.spawn(async move {
                        future.await;
                        stay.0.inbox.finish(&stay, connects);
                    });
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
        drop(state);
        self.run(socket);
    }
}

impl State {
    fn finished(&mut self, connects: bool) {
        self.running -= 1;
        if connects {
            self.connecting = false;
        }
    }
}
