//! What an outbox does, without a connection.

use std::task::Wake;

use sori_proto::{plain::Format, sio::OutArgs, wire};

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

    /// An outbox of a plain client that reads lines.
    fn plain() -> Self {
        let reading = Reading::new("b".into(), Some("e-0".into()));
        let table = Self { outbox: Outbox::plain(reading, 1 << 20), bell: Arc::default() };
        table.outbox.start_plain(Carries::Stream, Format::Lines, None);
        table
    }

    /// Queues these places of a log.
    fn log(&self, offsets: impl IntoIterator<Item = u64>) {
        offsets.into_iter().for_each(|offset| assert_eq!(self.outbox.push(&place(offset), false), Pushed::Queued));
    }

    /// A request goes on after a place; the log has all of them.
    fn resumes(&self, carries: Carries, after: u64) {
        let turn = self.outbox.start_plain(carries, Format::Lines, None);
        self.resumes_in(turn, after);
    }

    fn resumes_in(&self, turn: u32, after: u64) {
        self.outbox.resume(turn, after, |taken, waits| (after + 1..=taken).filter(|offset| !waits(*offset)).map(place).collect());
    }

    /// The places that a stream gets.
    #[track_caller]
    fn streams(&self, expected: &[u64]) {
        let waker = self.bell.clone().into();
        let turn = self.outbox.state.lock().turn;
        let Poll::Ready(Taken::Frames(frames, _)) = self.outbox.poll_stream(&mut Context::from_waker(&waker), turn, usize::MAX)
        else {
            panic!("it waits")
        };
        assert_eq!(frames, expected.iter().map(|offset| place(*offset).plain(Format::Lines, "b").clone()).collect::<Vec<_>>());
    }

    fn rings(&self) -> u32 {
        self.bell.0.swap(0, Ordering::Relaxed)
    }

    fn push(&self, name: &str) -> Pushed {
        self.outbox.push(&Arc::new(event(name)), false)
    }

    fn volatile(&self, name: &str) -> Pushed {
        self.outbox.push(&Arc::new(event(name)), true)
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
        let turn = self.outbox.state.lock().turn;
        let drained = self.outbox.drain(&mut Context::from_waker(&waker), turn, &mut frames, bytes_max);
        (told(&frames), drained == Drained::Last)
    }
}

fn place(offset: u64) -> Arc<Prepared> {
    let event = Prepared::new("/".into(), "n", OutArgs::new(&offset).unwrap(), None);
    Arc::new(event.with_cursor(offset, format!("e-{offset}"), false))
}

const JSON: WireFormat = WireFormat { revision: Revision::V4, parser: Parser::Json, deflate: false };

fn told(frames: &[Bytes]) -> Vec<String> {
    frames.iter().map(|frame| String::from_utf8_lossy(frame::payload(frame)).into_owned()).collect()
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
    t.outbox.end(turn);
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
    t.outbox.end(turn);
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
    t.outbox.end(first);
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
    t.outbox.end(turn);
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
    let large = Arc::new(Prepared::new("/".into(), "x", OutArgs::new(&"a".repeat(100_000)).unwrap(), None));
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
    t.outbox.start_driver(false);
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
    let before = t.outbox.start_driver(false);
    let turn = t.outbox.start_driver(false);
    assert_eq!(t.volatile("c"), Pushed::Queued);
    assert!(t.outbox.set_blocked(before), "it was replaced, and its socket is nobody's affair");
    assert_eq!(t.volatile("c"), Pushed::Queued);
    t.outbox.set_blocked(turn);
    assert_eq!(t.volatile("the socket is full"), Pushed::Dropped);
    assert_eq!(t.push("d"), Pushed::Queued);
    t.outbox.set_writable(before);
    assert_eq!(t.volatile("still full"), Pushed::Dropped);
    t.outbox.set_writable(turn);
    assert_eq!(t.volatile("e"), Pushed::Queued);
    assert_eq!(t.drain(usize::MAX).0, ["42[\"c\"]", "42[\"c\"]", "42[\"d\"]", "42[\"e\"]"]);
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
    let turn = t.outbox.start_driver(false);
    t.push("a");
    t.drain(usize::MAX);
    t.push("b");
    assert!(!t.outbox.set_blocked(turn));
    t.rings();
    t.outbox.abandon();
    assert_eq!(t.rings(), 1);
    assert!(t.outbox.set_blocked(turn), "nobody waits for what it still holds");
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
fn replays_that_nobody_takes_are_bounded_and_a_single_one_is_not() {
    let t = Table::new(1_000);
    let event = Arc::new(event("a"));
    let missed = |count| std::iter::repeat_n(event.clone(), count).collect();
    t.outbox.push_replay(missed(1_000));
    assert!(!t.outbox.is_overflowed());
    t.outbox.push_replay(missed(1));
    assert!(t.outbox.is_overflowed());
    let t = Table::new(1_000);
    for _ in 0..100 {
        (0..4).for_each(|_| t.outbox.push_replay(missed(3)));
        assert_eq!(t.outbox.take_all().len(), 12);
    }
    assert_eq!((t.outbox.is_overflowed(), t.outbox.state.lock().replay_bytes), (false, 0));
}

#[test]
fn events_are_written_as_the_peer_reads_them() {
    let t = Table::for_events(10);
    t.outbox.set_parser(Parser::Msgpack);
    t.push("a");
    let frames = t.outbox.take_all();
    assert_eq!(frame::opcode(&frames[0]), frame::OpCode::Binary);
}

#[test]
fn what_is_said_again_is_said_once_though_two_requests_ask_for_it() {
    let table = Table::plain();
    table.log(1..=3);
    table.streams(&[1, 2, 3]);
    // The first one is gone before it took anything.
    table.resumes(Carries::Stream, 1);
    table.log(4..=4);
    table.resumes(Carries::Stream, 1);
    table.streams(&[2, 3, 4]);
    // Or it was a poll, which keeps what it took.
    table.resumes(Carries::Poll, 2);
    table.outbox.state.lock().keep_some();
    table.resumes(Carries::Stream, 2);
    table.streams(&[3, 4]);
}

#[test]
fn what_a_handler_replays_does_not_hide_what_a_stream_has_taken() {
    let table = Table::plain();
    table.log(1..=5);
    table.outbox.push_replay([2, 3].map(place).into());
    table.streams(&[1, 2, 3, 4, 5, 2, 3]);
    table.resumes(Carries::Stream, 4);
    table.streams(&[5]);
}

#[test]
fn a_request_that_was_replaced_meanwhile_has_nothing_said_again() {
    let table = Table::plain();
    table.log(1..=3);
    table.streams(&[1, 2, 3]);
    // The client has given up the first one, and has got more before it asks again.
    let [first, second] = [(); 2].map(|()| table.outbox.start_plain(Carries::Stream, Format::Lines, None));
    table.resumes_in(second, 3);
    table.resumes_in(first, 1);
    table.log(4..=4);
    table.streams(&[4]);
}

#[test]
fn a_waiting_item_costs_its_place_and_no_more() {
    assert_eq!(size_of::<Queue<Item>>(), size_of::<Item>());
    assert_eq!(size_of::<Item>(), 40);
}

#[test]
fn a_driver_is_not_woken_by_what_it_is_about_to_drain() {
    let t = Table::for_events(10);
    let turn = t.outbox.start_driver(false);
    t.drain(usize::MAX);
    t.outbox.will_drain(turn);
    t.push("a");
    assert_eq!((t.rings(), t.drain(usize::MAX).0.len()), (0, 1));
    t.push("b");
    assert_eq!(t.rings(), 1);
    // Whoever came before has no say.
    t.drain(usize::MAX);
    t.outbox.will_drain(turn - 1);
    t.push("c");
    assert_eq!(t.rings(), 1);
}
