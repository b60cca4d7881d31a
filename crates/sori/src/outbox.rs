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
    eio::Revision,
    sio::Parser,
    wire::{self, Frames, Prepared, WireFormat},
    ws::frame,
};

/// Frames waiting for one peer, bounded in bytes.
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// It was full once: this peer is being closed, and is offered nothing more.
    overflowed: AtomicBool,
}

struct State {
    queue: VecDeque<Item>,
    /// What waits, with what keeping it costs.
    bytes: usize,
    /// The part of it that answers the peer itself.
    control_bytes: usize,
    bytes_max: usize,
    format: WireFormat,
    taker: Taker,
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

impl Outbox {
    pub(crate) fn new(revision: Revision, bytes_max: u32) -> Self {
        Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                bytes: 0,
                control_bytes: 0,
                bytes_max: bytes_max as usize,
                format: WireFormat { revision, parser: Parser::Json, deflate: false },
                taker: Taker::Nobody,
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
    pub(crate) fn push(&self, event: &Prepared, volatile: bool) -> Pushed {
        let mut state = self.state.lock();
        if state.closing || self.is_overflowed() || (volatile && !state.is_writable()) {
            return Pushed::Dropped;
        }
        let frames = event.frames(state.format);
        state.may_compress |= event.may_compress();
        self.push_frames(&mut state, frames)
    }

    /// Queues frames made for this peer alone, such as acks; never dropped for their size while the peer lives.
    pub(crate) fn push_own(&self, encode: impl FnOnce(WireFormat) -> Frames) -> Pushed {
        let mut state = self.state.lock();
        if state.closing || self.is_overflowed() {
            return Pushed::Dropped;
        }
        let frames = encode(state.format);
        state.may_compress = true;
        self.push_frames(&mut state, &frames)
    }

    fn push_frames(&self, state: &mut State, frames: &Frames) -> Pushed {
        let pushed = state.push_frames(frames.as_slice());
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
            state.control_bytes += cost(&frame);
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
        if !state.closing && !missed.is_empty() {
            state.may_compress |= missed.iter().any(|event| event.may_compress());
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
        state.drop_noops();
        if state.closing {
            // It was polling when it ended, and a close packet is what its next GET would have got.
            state.queue_item(Item::Frame(frame::close(None, "")));
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
        let may_compress = state.may_compress;
        state.take(&mut frames, frames_max, usize::MAX);
        // Between two polls nothing is writable, so what is volatile has nowhere to go.
        state.taker = Taker::Nobody;
        Poll::Ready(Taken::Frames(frames, may_compress))
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

    fn push_frames(&mut self, frames: &[Bytes]) -> Pushed {
        let more: usize = frames.iter().map(cost).sum();
        // An empty outbox takes one event of any size, else a large limit on messages could never be used.
        if self.bytes != self.control_bytes && self.bytes + more > self.bytes_max {
            return Pushed::Full;
        }
        frames.iter().for_each(|frame| self.queue_item(Item::Frame(frame.clone())));
        self.wake();
        Pushed::Queued
    }

    /// The one way in for frames: `bytes` counts all that wait.
    fn queue_item(&mut self, item: Item) {
        if let Item::Frame(frame) | Item::Control(frame) = &item {
            self.bytes += cost(frame);
        }
        self.queue.push_back(item);
    }

    /// A noop is for the poll it ends, and means nothing to a WebSocket.
    fn drop_noops(&mut self) {
        let before = self.queue.len();
        self.queue.retain(|item| !matches!(item, Item::Control(frame) if *frame == wire::NOOP));
        let dropped = (before - self.queue.len()) * cost(&wire::NOOP);
        self.bytes -= dropped;
        self.control_bytes -= dropped;
    }

    fn discard(&mut self) {
        self.queue = VecDeque::new();
        (self.bytes, self.control_bytes) = (0, 0);
    }

    fn take(&mut self, into: &mut Vec<Bytes>, frames_max: usize, bytes_max: usize) {
        let mut taken = 0;
        while into.len() < frames_max && taken < bytes_max {
            let frame = match self.queue.pop_front() {
                None => break,
                Some(Item::Frame(frame)) => frame,
                Some(Item::Control(frame)) => {
                    self.control_bytes -= cost(&frame);
                    frame
                }
                Some(Item::Replay(mut missed)) => {
                    let Some(event) = missed.pop_front() else { continue };
                    let frames = event.frames(self.format).as_slice();
                    taken += frames.iter().map(Bytes::len).sum::<usize>();
                    into.extend(frames.iter().cloned());
                    self.queue.push_front(Item::Replay(missed));
                    continue;
                }
            };
            self.bytes -= cost(&frame);
            taken += frame.len();
            into.push(frame);
        }
        if self.queue.is_empty() {
            // An empty queue's buffer would be most of what an idle connection costs.
            self.queue = VecDeque::new();
            self.may_compress = false;
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

/// What a waiting frame costs: its bytes and its place, or three million empty ones would fit in a few megabytes.
fn cost(frame: &Bytes) -> usize {
    frame.len() + size_of::<Item>()
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use sori_proto::{sio::OutArgs, wire};

    use super::*;
    use crate::testing::event;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Bell(std::sync::atomic::AtomicU32);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Table {
        outbox: Outbox,
        bell: Arc<Bell>,
    }

    impl Table {
        /// An outbox for `events` events of [`event`].
        fn for_events(events: u32) -> Self {
            let size: usize = event("x").frames(JSON).as_slice().iter().map(cost).sum();
            Self::new(events * size as u32)
        }

        fn new(bytes_max: u32) -> Self {
            Self { outbox: Outbox::new(Revision::V4, bytes_max), bell: Arc::default() }
        }

        fn rings(&self) -> u32 {
            self.bell.0.swap(0, Ordering::Relaxed)
        }

        fn push(&self, name: &str) -> Pushed {
            self.outbox.push(&event(name), false)
        }

        fn volatile(&self, name: &str) -> Pushed {
            self.outbox.push(&event(name), true)
        }

        /// What a GET gets; `None` while it waits.
        fn poll(&self, turn: u32, frames_max: usize) -> Option<Taken> {
            let waker = self.bell.clone().into();
            match self.outbox.poll_take(&mut Context::from_waker(&waker), turn, frames_max) {
                Poll::Ready(taken) => Some(taken),
                Poll::Pending => None,
            }
        }

        #[track_caller]
        fn polls(&self, turn: u32, expected: &[&str]) {
            match self.poll(turn, usize::MAX) {
                Some(Taken::Frames(frames, _)) => assert_eq!(told(&frames), expected),
                Some(Taken::Replaced) => panic!("replaced"),
                Some(Taken::Closed) => panic!("closed"),
                None => panic!("it waits"),
            }
        }

        /// What the driver gets, and whether that was all for good.
        fn drain(&self, bytes_max: usize) -> (Vec<String>, bool) {
            let (waker, mut frames) = (self.bell.clone().into(), Vec::new());
            let is_last = self.outbox.drain(&mut Context::from_waker(&waker), &mut frames, bytes_max);
            (told(&frames), is_last)
        }
    }

    const JSON: WireFormat = WireFormat { revision: Revision::V4, parser: Parser::Json, deflate: false };

    fn told(frames: &[Bytes]) -> Vec<String> {
        frames.iter().map(|frame| String::from_utf8_lossy(&frame::payload(frame)).into_owned()).collect()
    }

    #[test]
    fn a_poll_waits_is_woken_once_and_takes_everything() {
        let t = Table::for_events(10);
        let turn = t.outbox.start_poll();
        assert!(t.poll(turn, usize::MAX).is_none());
        assert_eq!(t.rings(), 0);
        t.push("a");
        t.push("b");
        assert_eq!(t.rings(), 1, "one wake for several events");
        t.polls(turn, &["42[\"a\"]", "42[\"b\"]"]);
    }

    #[test]
    fn events_between_two_polls_wait_for_the_next() {
        let t = Table::for_events(10);
        t.push("a");
        let turn = t.outbox.start_poll();
        t.polls(turn, &["42[\"a\"]"]);
        t.outbox.end_poll(turn);
        t.push("b");
        let turn = t.outbox.start_poll();
        t.polls(turn, &["42[\"b\"]"]);
    }

    #[test]
    fn a_poll_of_few_packets_leaves_the_rest_in_order() {
        let t = Table::for_events(10);
        ["a", "b", "c"].iter().for_each(|name| assert_eq!(t.push(name), Pushed::Queued));
        let turn = t.outbox.start_poll();
        let Some(Taken::Frames(first, _)) = t.poll(turn, 2) else { panic!() };
        assert_eq!(told(&first), ["42[\"a\"]", "42[\"b\"]"]);
        t.outbox.end_poll(turn);
        let turn = t.outbox.start_poll();
        t.polls(turn, &["42[\"c\"]"]);
    }

    #[test]
    fn a_replaced_poll_notices() {
        let t = Table::for_events(10);
        let first = t.outbox.start_poll();
        assert!(t.poll(first, 9).is_none());
        let second = t.outbox.start_poll();
        assert_eq!(t.rings(), 1);
        assert!(matches!(t.poll(first, 9), Some(Taken::Replaced)));
        t.outbox.end_poll(first);
        t.push("a");
        t.polls(second, &["42[\"a\"]"]);
    }

    #[test]
    fn the_driver_takes_over_from_a_poll_and_what_waits_goes_with_it() {
        let t = Table::for_events(10);
        let turn = t.outbox.start_poll();
        assert!(t.poll(turn, 9).is_none());
        t.outbox.start_driver(false);
        assert_eq!(t.rings(), 1);
        t.push("a");
        assert!(matches!(t.poll(turn, 9), Some(Taken::Replaced)));
        t.outbox.end_poll(turn);
        assert_eq!(t.drain(usize::MAX), (vec!["42[\"a\"]".into()], false));
        t.push("b");
        assert_eq!(t.rings(), 1, "the driver's waker stayed");
    }

    #[test]
    fn the_driver_takes_as_much_as_fits_into_a_write() {
        let t = Table::for_events(10);
        t.outbox.start_driver(false);
        ["a", "b", "c"].iter().for_each(|name| assert_eq!(t.push(name), Pushed::Queued));
        assert_eq!(t.drain(9).0, ["42[\"a\"]"]);
        assert_eq!(t.drain(10).0, ["42[\"b\"]", "42[\"c\"]"]);
        assert_eq!(t.drain(10), (vec![], false));
    }

    #[test]
    fn a_full_outbox_says_so_once_and_takes_nothing_any_more() {
        let t = Table::for_events(2);
        assert_eq!((t.push("a"), t.push("b")), (Pushed::Queued, Pushed::Queued));
        assert!(!t.outbox.is_overflowed());
        assert_eq!(t.push("c"), Pushed::Full);
        assert!(t.outbox.is_overflowed());
        // A gap would be worse than an end.
        t.drain(usize::MAX);
        assert_eq!(t.push("d"), Pushed::Dropped);
    }

    #[test]
    fn an_outbox_that_is_emptied_takes_events_without_end() {
        let t = Table::for_events(2);
        t.outbox.start_driver(false);
        for _ in 0..1_000 {
            assert_eq!((t.push("a"), t.push("b")), (Pushed::Queued, Pushed::Queued));
            assert_eq!(t.drain(usize::MAX).0.len(), 2);
        }
    }

    #[test]
    fn an_empty_outbox_takes_one_event_of_any_size() {
        let t = Table::for_events(2);
        let large = Prepared::new("/".into(), "x", OutArgs::new(&"a".repeat(100_000)).unwrap(), None);
        // Heartbeats are no events.
        t.outbox.push_control([wire::PING]);
        assert_eq!(t.outbox.push(&large, false), Pushed::Queued);
        t.outbox.push_control([wire::PING]);
        assert!(!t.outbox.is_overflowed(), "a heartbeat behind it harms nothing");
        assert_eq!(t.push("a"), Pushed::Full);
    }

    #[test]
    fn answers_that_a_peer_provokes_and_does_not_read_overflow() {
        let t = Table::for_events(3);
        let mut pushed = 0;
        while !t.outbox.is_overflowed() {
            t.outbox.push_control([wire::PONG]);
            pushed += 1;
            assert!(pushed < 100, "no end");
        }
        // Read, they cost nothing.
        let t = Table::for_events(3);
        for _ in 0..1_000 {
            t.outbox.push_control([wire::PONG]);
            t.drain(usize::MAX);
        }
        assert!(!t.outbox.is_overflowed());
    }

    #[test]
    fn volatile_goes_only_where_it_can_go_at_once() {
        let t = Table::for_events(10);
        assert_eq!(t.volatile("nobody polls"), Pushed::Dropped);
        let turn = t.outbox.start_poll();
        assert!(t.poll(turn, 9).is_none());
        assert_eq!((t.volatile("a"), t.volatile("b")), (Pushed::Queued, Pushed::Queued), "one burst goes together");
        t.polls(turn, &["42[\"a\"]", "42[\"b\"]"]);
        assert_eq!(t.volatile("between two polls"), Pushed::Dropped);
        t.outbox.start_driver(false);
        assert_eq!(t.volatile("c"), Pushed::Queued);
        t.outbox.set_blocked();
        assert_eq!(t.volatile("the socket is full"), Pushed::Dropped);
        assert_eq!(t.push("d"), Pushed::Queued);
        t.outbox.set_writable();
        assert_eq!(t.volatile("e"), Pushed::Queued);
        assert_eq!(t.drain(usize::MAX).0, ["42[\"c\"]", "42[\"d\"]", "42[\"e\"]"]);
    }

    #[test]
    fn an_orderly_end_sends_what_waits_and_an_abrupt_one_does_not() {
        let t = Table::for_events(10);
        t.outbox.start_driver(false);
        t.push("a");
        t.outbox.close(false, Some(wire::CLOSE));
        assert_eq!(t.push("b"), Pushed::Dropped);
        t.outbox.push_control([wire::PING]);
        t.outbox.close(true, Some(wire::NOOP));
        assert_eq!(t.drain(usize::MAX), (vec!["42[\"a\"]".into(), "1".into()], true), "the first close counts");
        let t = Table::for_events(10);
        t.outbox.start_driver(false);
        t.push("a");
        t.outbox.close(true, Some(wire::CLOSE));
        assert_eq!(t.drain(usize::MAX), (vec!["1".into()], true));
    }

    #[test]
    fn the_end_wakes_whoever_waits() {
        let t = Table::for_events(10);
        let turn = t.outbox.start_poll();
        assert!(t.poll(turn, 9).is_none());
        t.outbox.close(false, None);
        assert_eq!(t.rings(), 1);
        assert!(matches!(t.poll(turn, 9), Some(Taken::Closed)));
    }

    #[test]
    fn an_abandoned_driver_is_woken_even_when_its_socket_is_full() {
        let t = Table::for_events(10);
        t.outbox.start_driver(false);
        t.push("a");
        t.drain(usize::MAX);
        t.push("b");
        assert!(!t.outbox.set_blocked());
        t.rings();
        t.outbox.abandon();
        assert_eq!(t.rings(), 1);
        assert!(t.outbox.set_blocked(), "nobody waits for what it still holds");
        assert_eq!(t.drain(usize::MAX), (vec![], true));
    }

    #[test]
    fn a_replay_is_read_as_it_drains_and_live_events_follow_it() {
        let t = Table::for_events(2);
        let missed: VecDeque<_> = ["a", "b", "c", "d"].map(|name| Arc::new(event(name))).into();
        t.outbox.push_replay(missed);
        assert_eq!((t.push("e"), t.push("f")), (Pushed::Queued, Pushed::Queued), "a replay takes no room");
        let turn = t.outbox.start_poll();
        let Some(Taken::Frames(first, _)) = t.poll(turn, 3) else { panic!() };
        assert_eq!(told(&first), ["42[\"a\"]", "42[\"b\"]", "42[\"c\"]"]);
        t.outbox.start_driver(false);
        assert_eq!(t.drain(usize::MAX).0, ["42[\"d\"]", "42[\"e\"]", "42[\"f\"]"]);
    }

    #[test]
    fn events_are_written_as_the_peer_reads_them() {
        let t = Table::for_events(10);
        t.outbox.set_parser(Parser::Msgpack);
        t.push("a");
        let frames = t.outbox.take_all();
        assert_eq!(frame::opcode(&frames[0]), frame::OpCode::Binary);
    }
}
