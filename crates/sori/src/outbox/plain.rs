//! What only plain clients' outboxes do: events wait as events, polls confirm, streams go on after a place in the log.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use sori_proto::{CloseReason, plain::Format, wire::Prepared};

use super::{Item, Outbox, Reads, State, Taken, Taker, cost, replay_cost, weight};
use crate::reading::Kept;

/// What a plain client's poll got.
pub(crate) struct Answered {
    /// What it has not confirmed, then what is new.
    pub(crate) envelopes: Vec<Bytes>,
    /// Confirms them.
    pub(crate) cursor: Box<str>,
}

/// What a plain client's request is to its outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    Poll,
    Stream,
    Driver,
}

impl Outbox {
    /// Queues what a handler replays. What is older than something that the client has, or will have before, says no place: from there the
    /// client would get again what it has. A Socket.IO client keeps its place to itself, so for it all may be older.
    pub(crate) fn push_again(&self, events: VecDeque<Arc<Prepared>>) {
        let newest = match &*self.state.lock() {
            State { reads: Reads::Plain(reading), queue, .. } => {
                queue.iter().filter_map(Item::newest).max().max(Some(reading.newest())).unwrap_or(0)
            }
            _ => u64::MAX,
        };
        let is_old = |event: &Prepared| event.offset().is_some_and(|offset| offset <= newest);
        self.push_replay(events.into_iter().map(|event| if is_old(&event) { event.again().clone() } else { event }).collect());
    }

    /// The same for a plain client, whose last word is why.
    pub(crate) fn say_goodbye(&self, discard: bool, reason: CloseReason) {
        let mut state = self.state.lock();
        if state.closing {
            return;
        }
        state.closing = true;
        if discard {
            state.discard();
        }
        state.queue_item(Item::Goodbye(reason));
        state.wake();
    }

    /// Whether nothing waits, and nothing is kept to be said again.
    pub(crate) fn is_spent(&self) -> bool {
        self.state.lock().is_spent()
    }

    /// Says the last word again, unless it still waits, or is kept.
    pub(crate) fn say_goodbye_again(&self, reason: CloseReason) {
        let mut state = self.state.lock();
        if state.closing && state.is_spent() {
            state.queue_item(Item::Goodbye(reason));
        }
    }

    /// A request of a plain client begins to take.
    pub(crate) fn start_plain(&self, carries: Carries, format: Format, events: Option<Box<[Box<str>]>>) -> u32 {
        let mut state = self.state.lock();
        if let Reads::Plain(reading) = &mut state.reads {
            reading.start(format, events);
        }
        if !matches!(carries, Carries::Poll) {
            state.unkeep();
        }
        state.start(match carries {
            Carries::Poll => Taker::Poll,
            Carries::Stream => Taker::Stream,
            Carries::Driver => Taker::Driver,
        })
    }

    /// Waits for something to send and takes up to about `bytes_max` bytes for a stream.
    pub(crate) fn poll_stream(&self, cx: &mut Context<'_>, turn: u32, bytes_max: usize) -> Poll<Taken> {
        let mut state = self.state.lock();
        if !state.is_turn_of(turn) {
            return Poll::Ready(Taken::Replaced);
        }
        state.woken = false;
        let mut frames = Vec::new();
        state.take(&mut frames, usize::MAX, bytes_max);
        match frames.is_empty() {
            true => state.wait(cx, Taken::Closed),
            false => Poll::Ready(Taken::Frames(frames, false)),
        }
    }

    /// Waits for something to say to a plain client's poll, or to say again; `None` when there is nothing and nothing will come.
    /// An answer without envelopes when another poll has taken over.
    pub(crate) fn poll_answer(&self, cx: &mut Context<'_>, turn: u32) -> Poll<Option<Answered>> {
        let mut state = self.state.lock();
        if !state.is_turn_of(turn) {
            return Poll::Ready(Some(state.answer_without_events()));
        }
        state.woken = false;
        state.keep_some();
        match &mut state.reads {
            Reads::Plain(reading) if reading.has_kept() => {
                let (envelopes, cursor) = reading.answer();
                state.rest();
                Poll::Ready(Some(Answered { envelopes, cursor }))
            }
            _ => state.wait(cx, None),
        }
    }

    /// The answer to a poll that has waited long enough.
    pub(crate) fn answer_without_events(&self) -> Answered {
        self.state.lock().answer_without_events()
    }

    /// A poll names the cursor of an answer that it has. False when there is no such answer, or it was confirmed before.
    pub(crate) fn confirm(&self, cursor: &str) -> bool {
        let mut state = self.state.lock();
        let Reads::Plain(reading) = &mut state.reads else { return false };
        let Some(cost) = reading.confirm(cursor) else { return false };
        state.bytes -= cost;
        true
    }

    /// Where the log was when the client was let in.
    pub(crate) fn set_place(&self, cursor: Option<Box<str>>) {
        if let Reads::Plain(reading) = &mut self.state.lock().reads {
            reading.set_place(cursor);
        }
    }

    /// The place in the log of the first event that waits.
    pub(crate) fn first_place(&self) -> Option<u64> {
        self.state.lock().queue.iter().find_map(Item::offset)
    }

    /// Goes on after a place in the log: what has left since is said again, and what waits follows. `left` gets the newest place that
    /// has left, and which places wait; the log must be locked. Nothing happens when a newer request than that of this turn carries the
    /// session: its client has got more by now.
    pub(crate) fn resume(&self, turn: u32, after: u64, left: impl FnOnce(u64, &dyn Fn(u64) -> bool) -> VecDeque<Arc<Prepared>>) {
        let mut state = self.state.lock();
        if state.turn != turn {
            return;
        }
        state.unkeep();
        state.drop_events(|event| event.offset().is_some_and(|offset| offset <= after));
        let Reads::Plain(reading) = &state.reads else { return };
        let taken = reading.taken();
        if taken <= after {
            return;
        }
        let waits = state.places(Prepared::offset);
        let again = left(taken, &|offset| waits.contains(&offset));
        if !again.is_empty() {
            // Whatever has left has left before what waits.
            state.queue_replay_first(Box::new(again));
        }
    }

    /// Puts what a newcomer has missed in its place among what waits already: `merge` is told which places wait. The log must be locked.
    pub(crate) fn merge(&self, merge: impl FnOnce(&dyn Fn(u64) -> bool) -> VecDeque<Arc<Prepared>>) {
        let mut state = self.state.lock();
        let waits = state.places(Prepared::place);
        let merged = merge(&|offset| waits.contains(&offset));
        state.drop_events(|event| event.place().is_some());
        if !merged.is_empty() {
            state.queue_replay_first(Box::new(merged));
        }
    }
}

impl State {
    fn is_spent(&self) -> bool {
        self.queue.is_empty() && !matches!(&self.reads, Reads::Plain(reading) if reading.has_kept())
    }

    #[expect(clippy::box_collection, reason = "as in `Item`")]
    pub(super) fn queue_replay_first(&mut self, missed: Box<VecDeque<Arc<Prepared>>>) {
        self.replay_bytes = self.replay_bytes.saturating_add(replay_cost(&missed));
        self.queue.push_front(Item::Replay(missed));
    }

    /// Makes what waits for a plain client's poll part of its answer, as far as one answer goes: who asks for it again and again costs
    /// no more than that each time.
    pub(super) fn keep_some(&mut self) {
        let Reads::Plain(reading) = &mut self.reads else { return };
        while reading.kept_bytes() < BYTES_PER_ANSWER
            && let Some(item) = self.queue.pop_front()
        {
            let kept = match item {
                Item::Event(event) => Kept::Event(event),
                Item::Goodbye(reason) => Kept::Goodbye(reason),
                Item::Replay(mut missed) => {
                    self.replay_bytes = self.replay_bytes.saturating_sub(replay_cost(&missed));
                    // Shared with the log until now, and counted from now on.
                    while reading.kept_bytes() < BYTES_PER_ANSWER
                        && let Some(event) = missed.pop_front()
                    {
                        let cost = weight(&event);
                        if reading.keep(Kept::Event(event)) {
                            self.bytes += cost;
                        }
                    }
                    if !missed.is_empty() {
                        self.replay_bytes = self.replay_bytes.saturating_add(replay_cost(&missed));
                        self.queue.push_front(Item::Replay(missed));
                    }
                    continue;
                }
                // A poll needs no heartbeat.
                Item::Control(frame) => {
                    self.bytes -= cost(&frame);
                    self.control_bytes = self.control_bytes.saturating_sub(cost(&frame) as u32);
                    continue;
                }
                Item::Frame(frame) => {
                    self.bytes -= cost(&frame);
                    continue;
                }
            };
            let cost = kept.cost();
            if !reading.keep(kept) {
                self.bytes -= cost;
            }
        }
    }

    /// Puts what was kept for polls back before what waits.
    pub(super) fn unkeep(&mut self) {
        let Reads::Plain(reading) = &mut self.reads else { return };
        for kept in reading.take_kept().into_iter().rev() {
            self.queue.push_front(match kept {
                Kept::Event(event) => Item::Event(event),
                Kept::Goodbye(reason) => Item::Goodbye(reason),
            });
        }
    }

    /// The places in the log of all that waits.
    pub(super) fn places(&self, place_of: impl Fn(&Prepared) -> Option<u64>) -> HashSet<u64> {
        let mut places = HashSet::new();
        for item in self.queue.iter() {
            match item {
                Item::Event(event) => places.extend(place_of(event)),
                Item::Replay(events) => places.extend(events.iter().filter_map(|event| place_of(event))),
                _ => {}
            }
        }
        places
    }

    /// Drops events that wait, other things stay.
    pub(super) fn drop_events(&mut self, drops: impl Fn(&Prepared) -> bool) {
        let mut dropped = 0;
        self.queue.retain_mut(|item| match item {
            Item::Event(event) if drops(event) => {
                dropped += weight(event);
                false
            }
            Item::Replay(missed) => {
                self.replay_bytes = self.replay_bytes.saturating_sub(replay_cost(missed));
                missed.retain(|event| !drops(event));
                let stays = !missed.is_empty();
                self.replay_bytes = self.replay_bytes.saturating_add(if stays { replay_cost(missed) } else { 0 });
                stays
            }
            _ => true,
        });
        self.bytes -= dropped;
    }

    pub(super) fn answer_without_events(&self) -> Answered {
        let cursor = match &self.reads {
            Reads::Plain(reading) => reading.cursor_of_nothing(),
            Reads::SocketIo(_) => Box::default(),
        };
        Answered { envelopes: Vec::new(), cursor }
    }
}

impl Kept {
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Event(event) => weight(event),
            Self::Goodbye(_) => size_of::<Item>(),
        }
    }
}

/// What a poll is answered with at once, give or take an event.
const BYTES_PER_ANSWER: usize = 1 << 20;
