//! The only queue towards a peer.
//!
//! Pushing and writing are apart: a push fixes the order and wakes whoever carries the session, and
//! that one takes everything that has gathered. So several queued events leave in one system call.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use parking_lot::Mutex;
use sori_proto::{
    eio::Revision,
    sio::Parser,
    wire::{Frames, Prepared, WireFormat},
    ws::frame,
};

/// Frames waiting for one peer, bounded in bytes.
pub(crate) struct Outbox {
    state: Mutex<State>,
}

struct State {
    queue: VecDeque<Item>,
    bytes: usize,
    bytes_max: usize,
    format: WireFormat,
    taker: Taker,
    /// A wake is under way; the next push need not repeat it.
    woken: bool,
    /// The last write did not finish: the peer reads more slowly than we send.
    blocked: bool,
    closing: bool,
    /// What is left is not sent any more.
    abandoned: bool,
}

/// Who takes from the outbox.
enum Taker {
    /// Nobody: a polling session between two polls.
    Nobody,
    /// A GET, by the number of its turn, so that a replaced one notices.
    Poll { turn: u32, waker: Option<Waker> },
    /// The WebSocket driver, once and for all.
    Driver { waker: Option<Waker> },
}

enum Item {
    Frame(Bytes),
    /// Missed events of a recovered socket: read as the outbox drains, so that they are never copied into it.
    #[expect(clippy::box_collection, reason = "keeps every other item as small as its frame")]
    Replay(Box<VecDeque<Arc<Prepared>>>),
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It waits to be written.
    Queued,
    /// It was volatile and nothing could take it, or the peer is going.
    Dropped,
    /// The outbox is full: the peer must be closed as a slow consumer.
    Full,
}

/// What a taker got.
pub(crate) enum Taken {
    /// Frames, in order.
    Frames(Vec<Bytes>),
    /// Another taker has taken over; end with a noop.
    Replaced,
    /// Nothing is left and nothing will come.
    Closed,
}

impl Outbox {
    pub(crate) fn new(revision: Revision, bytes_max: u32) -> Self {
        Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                bytes: 0,
                bytes_max: bytes_max as usize,
                format: WireFormat { revision, parser: Parser::Json, deflate: false },
                taker: Taker::Nobody,
                woken: false,
                blocked: false,
                closing: false,
                abandoned: false,
            }),
        }
    }

    /// Queues an event that others may share.
    pub(crate) fn push(&self, event: &Prepared, volatile: bool) -> Pushed {
        let mut state = self.state.lock();
        if state.closing || (volatile && !state.is_writable()) {
            return Pushed::Dropped;
        }
        let frames = event.frames(state.format);
        state.push_frames(frames)
    }

    /// Queues frames made for this peer alone, such as acks; never dropped for their size while the peer lives.
    pub(crate) fn push_own(&self, encode: impl FnOnce(WireFormat) -> Frames) -> Pushed {
        let mut state = self.state.lock();
        if state.closing {
            return Pushed::Dropped;
        }
        let frames = encode(state.format);
        state.push_frames(&frames)
    }

    /// Queues what the session itself has to say: heartbeats, connect replies. Small, and never refused.
    pub(crate) fn push_control(&self, frames: impl IntoIterator<Item = Bytes>) {
        let mut state = self.state.lock();
        if state.closing {
            return;
        }
        let mut any = false;
        for frame in frames {
            state.queue_frame(frame);
            any = true;
        }
        if any {
            state.wake();
        }
    }

    /// Queues the events that a recovered socket missed.
    pub(crate) fn push_replay(&self, missed: VecDeque<Arc<Prepared>>) {
        let mut state = self.state.lock();
        if !state.closing && !missed.is_empty() {
            state.queue.push_back(Item::Replay(Box::new(missed)));
            state.wake();
        }
    }

    /// Nothing more is accepted. What waits is still sent, unless `discard`; `last` follows it.
    pub(crate) fn close(&self, discard: bool, last: Option<Bytes>) {
        let mut state = self.state.lock();
        if state.closing {
            return;
        }
        state.closing = true;
        if discard {
            state.queue = VecDeque::new();
            state.bytes = 0;
        }
        if let Some(last) = last {
            state.queue_frame(last);
        }
        state.wake();
    }

    /// Drops what is left, for a peer that does not fetch it.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        state.abandoned = true;
        state.queue = VecDeque::new();
        state.bytes = 0;
        // A blocked driver has been woken before, and went on waiting for its socket.
        state.woken = false;
        state.wake();
    }

    /// What this session can read, from its first packet on.
    pub(crate) fn set_parser(&self, parser: Parser) {
        self.state.lock().format.parser = parser;
    }

    /// A GET begins to take, in place of the one before; its turn comes back.
    pub(crate) fn start_poll(&self) -> u32 {
        let mut state = self.state.lock();
        let turn = match &mut state.taker {
            Taker::Poll { turn, waker } => {
                if let Some(waker) = waker.take() {
                    waker.wake();
                }
                turn.wrapping_add(1)
            }
            Taker::Nobody | Taker::Driver { .. } => 0,
        };
        state.taker = Taker::Poll { turn, waker: None };
        turn
    }

    /// The GET is answered or gone.
    pub(crate) fn end_poll(&self, ended: u32) {
        let mut state = self.state.lock();
        if matches!(state.taker, Taker::Poll { turn, .. } if turn == ended) {
            state.taker = Taker::Nobody;
        }
    }

    /// The WebSocket driver takes from here on; a GET that still waits is replaced.
    pub(crate) fn start_driver(&self, deflate: bool) {
        let mut state = self.state.lock();
        if let Taker::Poll { waker: Some(waker), .. } = std::mem::replace(&mut state.taker, Taker::Driver { waker: None }) {
            waker.wake();
        }
        state.format.deflate = deflate;
        state.woken = false;
        if state.closing {
            // It was polling when it ended, and a close packet is what its next GET would have got.
            state.queue_frame(frame::close(None, ""));
        }
    }

    /// Waits for something to send and takes up to `frames_max` frames for a GET.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>, my_turn: u32, frames_max: usize) -> Poll<Taken> {
        let mut state = self.state.lock();
        match &state.taker {
            Taker::Poll { turn, .. } if *turn == my_turn => {}
            _ => return Poll::Ready(Taken::Replaced),
        }
        state.woken = false;
        if state.queue.is_empty() {
            if state.closing {
                return Poll::Ready(Taken::Closed);
            }
            if let Taker::Poll { waker, .. } = &mut state.taker {
                *waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        let mut frames = Vec::new();
        state.take(&mut frames, frames_max, usize::MAX);
        // Between two polls nothing is writable, so what is volatile has nowhere to go.
        state.taker = Taker::Nobody;
        Poll::Ready(Taken::Frames(frames))
    }

    /// Takes what has gathered, for the driver; registers its waker. True when nothing more will come.
    pub(crate) fn drain(&self, cx: &mut Context<'_>, into: &mut Vec<Bytes>, bytes_max: usize) -> bool {
        let mut state = self.state.lock();
        state.woken = false;
        state.take(into, usize::MAX, bytes_max);
        if let Taker::Driver { waker } = &mut state.taker {
            match waker {
                Some(known) if known.will_wake(cx.waker()) => {}
                _ => *waker = Some(cx.waker().clone()),
            }
        }
        state.closing && state.queue.is_empty()
    }

    /// The socket would not take what was drained. True when nobody waits for it any more.
    pub(crate) fn set_blocked(&self) -> bool {
        let mut state = self.state.lock();
        state.blocked = true;
        state.abandoned
    }

    /// Waits for nothing but being given up. True when that has happened.
    pub(crate) fn await_abandonment(&self, cx: &mut Context<'_>) -> bool {
        let mut state = self.state.lock();
        state.taker = Taker::Driver { waker: Some(cx.waker().clone()) };
        state.abandoned
    }

    /// The socket took everything.
    pub(crate) fn set_writable(&self) {
        self.state.lock().blocked = false;
    }

    /// Takes everything there is, for an answer that does not wait.
    pub(crate) fn take_all(&self) -> Vec<Bytes> {
        let mut frames = Vec::new();
        self.state.lock().take(&mut frames, usize::MAX, usize::MAX);
        frames
    }
}

impl State {
    /// Whether a volatile event has a way out now. Events of one burst go together, so what is
    /// queued but not yet offered to the transport does not count.
    fn is_writable(&self) -> bool {
        match self.taker {
            Taker::Nobody => false,
            Taker::Poll { .. } => true,
            Taker::Driver { .. } => !self.blocked,
        }
    }

    fn push_frames(&mut self, frames: &Frames) -> Pushed {
        let frames = frames.as_slice();
        let more: usize = frames.iter().map(Bytes::len).sum();
        // An empty outbox takes one event of any size, else a large limit on messages could never be used.
        if self.bytes != 0 && self.bytes + more > self.bytes_max {
            return Pushed::Full;
        }
        frames.iter().for_each(|frame| self.queue_frame(frame.clone()));
        self.wake();
        Pushed::Queued
    }

    /// The one way in for frames: `bytes` counts all that wait.
    fn queue_frame(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.queue.push_back(Item::Frame(frame));
    }

    fn take(&mut self, into: &mut Vec<Bytes>, frames_max: usize, bytes_max: usize) {
        let mut taken = 0;
        while into.len() < frames_max && taken < bytes_max {
            match self.queue.front_mut() {
                None => break,
                Some(Item::Frame(_)) => {
                    let Some(Item::Frame(frame)) = self.queue.pop_front() else { break };
                    self.bytes -= frame.len();
                    taken += frame.len();
                    into.push(frame);
                }
                Some(Item::Replay(missed)) => match missed.pop_front() {
                    Some(event) => {
                        let frames = event.frames(self.format).as_slice();
                        taken += frames.iter().map(Bytes::len).sum::<usize>();
                        into.extend(frames.iter().cloned());
                    }
                    None => {
                        self.queue.pop_front();
                    }
                },
            }
        }
        if self.queue.is_empty() {
            // An empty queue's buffer would be most of what an idle connection costs.
            self.queue = VecDeque::new();
        }
    }

    fn wake(&mut self) {
        if self.woken {
            return;
        }
        let waker = match &self.taker {
            Taker::Nobody => return,
            Taker::Poll { waker, .. } | Taker::Driver { waker } => waker,
        };
        if let Some(waker) = waker {
            self.woken = true;
            waker.wake_by_ref();
        }
    }
}
