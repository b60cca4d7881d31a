//! The only queue towards a peer.
//!
//! Pushing and writing are apart: a push fixes the order and wakes whoever carries the session, and
//! that one takes everything that has gathered. So several queued events leave in one system call.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use parking_lot::Mutex;
use sori_proto::{
    CloseReason,
    eio::Revision,
    sio::Parser,
    wire::{self, Frames, Prepared, WireFormat},
    ws::frame,
};

mod plain;
mod queue;

pub(crate) use plain::{Answered, Carries};
use queue::Queue;

use crate::reading::Reading;

/// Frames waiting for one peer, bounded in bytes.
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// It was full once: this peer is being closed, and is offered nothing more.
    overflowed: AtomicBool,
}

struct State {
    queue: Queue<Item>,
    /// What waits, with what keeping it costs.
    bytes: usize,
    /// The part of it that answers the peer itself.
    control_bytes: u32,
    /// What replays that wait cost beside, because their events are the log's.
    replay_bytes: u32,
    bytes_max: u32,
    reads: Reads,
    taker: Taker,
    /// Wakes the taker.
    waker: Option<Waker>,
    /// Counts those who began to take, so that one that was replaced notices.
    turn: u32,
    /// A wake is under way; the next push need not repeat it.
    woken: bool,
    /// Something that waits may be compressed; a poll's answer then is, as a whole.
    may_compress: bool,
    /// The last write did not finish: the peer reads more slowly than we send.
    blocked: bool,
    closing: bool,
    /// What is left is not sent any more.
    abandoned: bool,
}

/// What the peer reads.
enum Reads {
    /// Frames, made as they are pushed.
    SocketIo(WireFormat),
    /// Events, written when they leave: the way that they take may change until then.
    Plain(Box<Reading>),
}

/// Who takes from the outbox.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taker {
    /// Nobody: a session between two requests.
    Nobody,
    /// A GET that is answered once.
    Poll,
    /// A response without an end.
    Stream,
    /// The driver of a WebSocket.
    Driver,
}

enum Item {
    Frame(Bytes),
    /// For a plain client.
    Event(Arc<Prepared>),
    /// The last word to a plain client.
    Goodbye(CloseReason),
    /// A heartbeat, a connect reply: what the session itself has to say.
    Control(Bytes),
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
    /// Frames, in order, and whether their answer may be compressed.
    Frames(Vec<Bytes>, bool),
    /// Another taker has taken over; end with a noop.
    Replaced,
    /// Nothing is left and nothing will come.
    Closed,
}

/// What the driver has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// Write: whatever comes next wakes the driver.
    All,
    /// Write, and come again at once: there is more.
    Some,
    /// Write: nothing more will come.
    Last,
    /// Leave: another taker has taken over.
    Replaced,
}

impl Outbox {
    pub(crate) fn new(revision: Revision, bytes_max: u32) -> Self {
        Self::reading(Reads::SocketIo(WireFormat { revision, parser: Parser::Json, deflate: false }), bytes_max)
    }

    pub(crate) fn plain(reading: Reading, bytes_max: u32) -> Self {
        Self::reading(Reads::Plain(Box::new(reading)), bytes_max)
    }

    fn reading(reads: Reads, bytes_max: u32) -> Self {
        Self {
            state: Mutex::new(State {
                queue: Queue::Empty,
                bytes: 0,
                control_bytes: 0,
                replay_bytes: 0,
                bytes_max,
                reads,
                taker: Taker::Nobody,
                waker: None,
                turn: 0,
                woken: false,
                may_compress: false,
                blocked: false,
                closing: false,
                abandoned: false,
            }),
            overflowed: AtomicBool::new(false),
        }
    }

    /// Queues an event that others may share.
    pub(crate) fn push(&self, event: &Arc<Prepared>, volatile: bool) -> Pushed {
        let mut state = self.state.lock();
        if state.closing || self.is_overflowed() || (volatile && !state.is_writable()) {
            return Pushed::Dropped;
        }
        state.may_compress |= event.may_compress();
        let pushed = match state.reads {
            Reads::SocketIo(format) => match event.frames(format) {
                Frames::One(frame) => state.push_item(Item::Frame(frame.clone())),
                Frames::Many(frames) => state.push_frames(frames),
            },
            Reads::Plain(_) => state.push_item(Item::Event(event.clone())),
        };
        self.note(pushed)
    }

    /// Queues frames made for this peer alone, such as acks; never dropped for their size while the peer lives.
    pub(crate) fn push_own(&self, encode: impl FnOnce(WireFormat) -> Frames) -> Pushed {
        let mut state = self.state.lock();
        if state.closing || self.is_overflowed() {
            return Pushed::Dropped;
        }
        let Reads::SocketIo(format) = state.reads else { return Pushed::Dropped };
        let frames = encode(format);
        state.may_compress = true;
        let pushed = match frames {
            Frames::One(frame) => state.push_item(Item::Frame(frame)),
            Frames::Many(frames) => state.push_frames(&frames),
        };
        self.note(pushed)
    }

    fn note(&self, pushed: Pushed) -> Pushed {
        if pushed == Pushed::Full {
            self.overflowed.store(true, Ordering::Relaxed);
        }
        pushed
    }

    /// Whether the peer reads so little that it must be closed.
    pub(crate) fn is_overflowed(&self) -> bool {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// Queues what the session itself has to say: heartbeats, connect replies. Small, and never refused; but whoever
    /// provokes it without end and does not read has overflowed.
    pub(crate) fn push_control(&self, frames: impl IntoIterator<Item = Bytes>) {
        let mut state = self.state.lock();
        if state.closing {
            return;
        }
        let mut any = false;
        for frame in frames {
            state.control_bytes = state.control_bytes.saturating_add(cost(&frame) as u32);
            state.queue_item(Item::Control(frame));
            any = true;
        }
        if state.control_bytes > state.bytes_max {
            self.overflowed.store(true, Ordering::Relaxed);
        }
        if any {
            state.wake();
        }
    }

    /// Queues the events that a recovered socket missed.
    pub(crate) fn push_replay(&self, missed: VecDeque<Arc<Prepared>>) {
        let mut state = self.state.lock();
        if state.closing || self.is_overflowed() || missed.is_empty() {
            return;
        }
        state.may_compress |= missed.iter().any(|event| event.may_compress());
        // Whoever provokes them without end and does not read has overflowed; a single one may be of any size.
        if state.replay_bytes > 0 && state.replay_bytes.saturating_add(replay_cost(&missed)) > state.bytes_max {
            self.overflowed.store(true, Ordering::Relaxed);
            return;
        }
        state.replay_bytes = state.replay_bytes.saturating_add(replay_cost(&missed));
        state.queue.push_back(Item::Replay(Box::new(missed)));
        state.wake();
    }

    /// Nothing more is accepted. What waits is still sent, unless `discard`; `last` follows it.
    pub(crate) fn close(&self, discard: bool, last: Option<Bytes>) {
        let mut state = self.state.lock();
        if state.closing {
            return;
        }
        state.closing = true;
        if discard {
            state.discard();
        }
        if let Some(last) = last {
            state.queue_item(Item::Frame(last));
        }
        state.wake();
    }

    /// Drops what is left, for a peer that does not fetch it.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        state.abandoned = true;
        state.discard();
        // A blocked driver has been woken before, and went on waiting for its socket.
        state.woken = false;
        state.wake();
    }

    /// What this session can read, from its first packet on.
    pub(crate) fn set_parser(&self, parser: Parser) {
        if let Reads::SocketIo(format) = &mut self.state.lock().reads {
            format.parser = parser;
        }
    }

    /// A GET begins to take, in place of the one before; its turn comes back.
    pub(crate) fn start_poll(&self) -> u32 {
        self.state.lock().start(Taker::Poll)
    }

    /// The GET or the stream is answered or gone. False when another one has replaced it.
    pub(crate) fn end(&self, turn: u32) -> bool {
        let mut state = self.state.lock();
        let is_mine = state.turn == turn;
        if is_mine {
            state.rest();
            state.blocked = false;
        }
        is_mine
    }

    /// The WebSocket driver takes from here on; a GET that still waits is replaced.
    pub(crate) fn start_driver(&self, deflate: bool) -> u32 {
        let mut state = self.state.lock();
        let turn = state.start(Taker::Driver);
        if let Reads::SocketIo(format) = &mut state.reads {
            format.deflate = deflate;
        }
        state.drop_noops();
        if state.closing {
            // It was polling when it ended, and a close packet is what its next GET would have got.
            state.queue_item(Item::Frame(frame::close(None, "")));
        }
        turn
    }

    /// Waits for something to send and takes up to `frames_max` frames for a GET.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>, turn: u32, frames_max: usize) -> Poll<Taken> {
        let mut state = self.state.lock();
        if !state.is_turn_of(turn) {
            return Poll::Ready(Taken::Replaced);
        }
        state.woken = false;
        if state.queue.is_empty() {
            return state.wait(cx, Taken::Closed);
        }
        let mut frames = Vec::new();
        let may_compress = state.may_compress;
        state.take(&mut frames, frames_max, usize::MAX);
        // Between two polls nothing is writable, so what is volatile has nowhere to go.
        state.rest();
        Poll::Ready(Taken::Frames(frames, may_compress))
    }

    /// The driver hands in what it has read, and drains after that: until then nobody need wake it, its own answers least of all.
    pub(crate) fn will_drain(&self, turn: u32) {
        let mut state = self.state.lock();
        state.woken |= state.turn == turn;
    }

    /// Takes what has gathered, for the driver; registers its waker.
    pub(crate) fn drain(&self, cx: &mut Context<'_>, turn: u32, into: &mut Vec<Bytes>, bytes_max: usize) -> Drained {
        let mut state = self.state.lock();
        if !state.is_turn_of(turn) {
            return Drained::Replaced;
        }
        state.woken = false;
        state.take(into, usize::MAX, bytes_max);
        match &state.waker {
            Some(known) if known.will_wake(cx.waker()) => {}
            _ => state.waker = Some(cx.waker().clone()),
        }
        match state.queue.is_empty() {
            true if state.closing => Drained::Last,
            true => Drained::All,
            false => Drained::Some,
        }
    }

    /// The socket would not take what was drained. True when nobody waits for it any more.
    pub(crate) fn set_blocked(&self, turn: u32) -> bool {
        let mut state = self.state.lock();
        let is_mine = state.turn == turn;
        state.blocked |= is_mine;
        state.abandoned || !is_mine
    }

    /// Whether whoever has this turn takes still.
    pub(crate) fn is_turn(&self, turn: u32) -> bool {
        self.state.lock().turn == turn
    }

    /// Waits for nothing but being given up. True when that has happened.
    pub(crate) fn await_abandonment(&self, cx: &mut Context<'_>, turn: u32) -> bool {
        let mut state = self.state.lock();
        if state.turn != turn {
            return true;
        }
        state.taker = Taker::Driver;
        state.waker = Some(cx.waker().clone());
        state.abandoned
    }

    /// The socket took everything.
    pub(crate) fn set_writable(&self, turn: u32) {
        let mut state = self.state.lock();
        if state.turn == turn {
            state.blocked = false;
        }
    }

    /// Takes everything there is, for an answer that does not wait.
    pub(crate) fn take_all(&self) -> Vec<Bytes> {
        let mut frames = Vec::new();
        self.state.lock().take(&mut frames, usize::MAX, usize::MAX);
        frames
    }
}

impl State {
    /// Another taker takes from here on; the one before is woken and notices.
    fn start(&mut self, taker: Taker) -> u32 {
        self.taker = taker;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        self.woken = false;
        self.blocked = false;
        self.turn = self.turn.wrapping_add(1);
        self.turn
    }

    /// Nobody takes from here on.
    fn rest(&mut self) {
        self.taker = Taker::Nobody;
        self.waker = None;
    }

    fn is_turn_of(&self, turn: u32) -> bool {
        self.turn == turn && self.taker != Taker::Nobody
    }

    /// Nothing is there: the taker is woken when something is, unless nothing will be.
    fn wait<T>(&mut self, cx: &mut Context<'_>, closed: T) -> Poll<T> {
        if self.closing {
            return Poll::Ready(closed);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether a volatile event has a way out now. Events of one burst go together, so what is
    /// queued but not yet offered to the transport does not count.
    fn is_writable(&self) -> bool {
        match self.taker {
            Taker::Nobody => false,
            Taker::Poll => true,
            // A response does not say that its connection is full; it takes nothing then.
            Taker::Stream => self.bytes < STREAM_BLOCKED_BYTES,
            Taker::Driver => !self.blocked,
        }
    }

    fn push_frames(&mut self, frames: &[Bytes]) -> Pushed {
        if !self.has_room(frames.iter().map(cost).sum()) {
            return Pushed::Full;
        }
        frames.iter().for_each(|frame| self.queue_item(Item::Frame(frame.clone())));
        self.wake();
        Pushed::Queued
    }

    fn push_item(&mut self, item: Item) -> Pushed {
        if !self.has_room(item.cost()) {
            return Pushed::Full;
        }
        self.queue_item(item);
        self.wake();
        Pushed::Queued
    }

    /// An empty outbox takes one event of any size, else a large limit on messages could never be used.
    fn has_room(&self, more: usize) -> bool {
        self.bytes == self.control_bytes as usize || self.bytes + more <= self.bytes_max as usize
    }

    /// The one way in: `bytes` counts all that wait.
    fn queue_item(&mut self, item: Item) {
        self.bytes += item.cost();
        self.queue.push_back(item);
    }

    /// A noop is for the poll it ends, and means nothing to a WebSocket.
    fn drop_noops(&mut self) {
        let before = self.queue.len();
        self.queue.retain_mut(|item| !matches!(item, Item::Control(frame) if *frame == wire::NOOP));
        let dropped = (before - self.queue.len()) * cost(&wire::NOOP);
        self.bytes -= dropped;
        self.control_bytes = self.control_bytes.saturating_sub(dropped as u32);
    }

    fn discard(&mut self) {
        if let Reads::Plain(reading) = &mut self.reads {
            reading.take_kept();
        }
        self.queue = Queue::Empty;
        (self.bytes, self.control_bytes, self.replay_bytes) = (0, 0, 0);
    }

    fn take(&mut self, into: &mut Vec<Bytes>, frames_max: usize, bytes_max: usize) {
        let mut taken = 0;
        while into.len() < frames_max && taken < bytes_max {
            let Some(item) = self.queue.pop_front() else { break };
            self.bytes -= item.cost();
            let frame = match (item, &mut self.reads) {
                (Item::Frame(frame), _) => frame,
                (Item::Control(frame), reads) => {
                    self.control_bytes = self.control_bytes.saturating_sub(cost(&frame) as u32);
                    match reads {
                        Reads::SocketIo(_) => frame,
                        Reads::Plain(reading) => reading.control(&frame),
                    }
                }
                (Item::Event(event), Reads::Plain(reading)) => match reading.event(&event) {
                    Some(bytes) => bytes,
                    None => continue,
                },
                (Item::Goodbye(reason), Reads::Plain(reading)) => reading.goodbye(reason),
                (Item::Replay(mut missed), reads) => {
                    self.replay_bytes = self.replay_bytes.saturating_sub(replay_cost(&missed));
                    let Some(event) = missed.pop_front() else { continue };
                    let before = into.len();
                    match reads {
                        Reads::SocketIo(format) => into.extend(event.frames(*format).as_slice().iter().cloned()),
                        Reads::Plain(reading) => into.extend(reading.event(&event)),
                    }
                    taken += into[before..].iter().map(Bytes::len).sum::<usize>();
                    self.queue_replay_first(missed);
                    continue;
                }
                (Item::Event(_) | Item::Goodbye(_), Reads::SocketIo(_)) => continue,
            };
            taken += frame.len();
            into.push(frame);
        }
        if self.queue.is_empty() {
            self.may_compress = false;
        }
    }

    fn wake(&mut self) {
        if self.woken {
            return;
        }
        if let Some(waker) = &self.waker {
            self.woken = true;
            waker.wake_by_ref();
        }
    }
}

impl Item {
    fn cost(&self) -> usize {
        match self {
            Self::Frame(frame) | Self::Control(frame) => cost(frame),
            Self::Event(event) => weight(event),
            Self::Goodbye(_) => size_of::<Self>(),
            // Shared with the log.
            Self::Replay(_) => 0,
        }
    }

    /// The newest place in the log that it holds.
    fn newest(&self) -> Option<u64> {
        match self {
            Self::Event(event) => event.offset(),
            Self::Replay(events) => events.iter().filter_map(|event| event.offset()).max(),
            _ => None,
        }
    }

    /// The first place in the log that it holds.
    fn offset(&self) -> Option<u64> {
        match self {
            Self::Event(event) => event.offset(),
            Self::Replay(missed) => missed.iter().find_map(|event| event.offset()),
            _ => None,
        }
    }
}

/// What a waiting event costs, which it shares with everybody else's outbox.
fn weight(event: &Prepared) -> usize {
    let args = event.args();
    size_of::<Item>() + event.event().len() + args.json().len() + args.attachments().iter().map(Bytes::len).sum::<usize>()
}

/// What a replay costs, whose events are shared with the log: their places in it.
fn replay_cost(missed: &VecDeque<Arc<Prepared>>) -> u32 {
    let bytes = size_of::<Item>() + size_of::<VecDeque<Arc<Prepared>>>() + missed.len() * size_of::<Arc<Prepared>>();
    bytes.try_into().unwrap_or(u32::MAX)
}

/// What a waiting frame costs: its bytes and its place, or three million empty ones would fit in a few megabytes.
fn cost(frame: &Bytes) -> usize {
    frame.len() + size_of::<Item>()
}

/// More than this waits only behind a connection that is full.
const STREAM_BLOCKED_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests;
