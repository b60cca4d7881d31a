//! What a plain client reads now, and what it has got and not confirmed.
//!
//! A stream's client confirms nothing: what a broken connection took with it is read from the log again. A poll's client confirms
//! an answer by naming its cursor in the next request; until then the answer is kept.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use sori_proto::{CloseReason, plain::Format, wire::Prepared};

pub(crate) struct Reading {
    format: Format,
    boundary: Arc<str>,
    /// Only events of these names.
    events: Option<Box<[Box<str>]>>,
    /// The newest place in the log that has left: for a stream, or in an answer that was confirmed.
    taken: u64,
    /// What polls were answered with and have not confirmed.
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    /// The cursors of those answers, each with how many of `kept` it confirms.
    marks: VecDeque<(Box<str>, usize)>,
    /// The cursor from before all that is kept.
    confirmed: Box<str>,
    /// The newest cursor in the log, if there is a log.
    place: Option<Box<str>>,
    /// Answers since that place, or of the session when there is no log.
    answers: u64,
}

/// Said to a poll, and maybe to be said again.
pub(crate) enum Kept {
    Event(Arc<Prepared>),
    Goodbye(CloseReason),
}

impl Reading {
    /// `place` is the newest cursor of the log.
    pub(crate) fn new(boundary: Arc<str>, place: Option<Box<str>>) -> Self {
        Self {
            format: Format::Lines,
            boundary,
            events: None,
            taken: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
            marks: VecDeque::new(),
            confirmed: place.clone().unwrap_or_else(|| "0".into()),
            place,
            answers: 0,
        }
    }

    /// Another request carries the session from here on.
    pub(crate) fn start(&mut self, format: Format, events: Option<Box<[Box<str>]>>) {
        (self.format, self.events) = (format, events);
    }

    /// The log's newest cursor when the client was let in.
    pub(crate) fn set_place(&mut self, place: Option<Box<str>>) {
        self.place = place;
        self.confirmed = self.cursor();
    }

    /// The bytes of an event; none if the client does not want it.
    pub(crate) fn event(&mut self, event: &Prepared) -> Option<Bytes> {
        self.taken = self.taken.max(event.offset().unwrap_or(0));
        if !self.wants(event) {
            return None;
        }
        Some(event.plain(self.format, &self.boundary).clone()).filter(|bytes| !bytes.is_empty())
    }

    fn wants(&self, event: &Prepared) -> bool {
        // An answer has no name, and somebody waits for it.
        event.is_answer() || self.events.as_ref().is_none_or(|names| names.iter().any(|name| **name == *event.event()))
    }

    /// A word of the session itself: a WebSocket's ping or pong, or a heartbeat.
    pub(crate) fn control(&self, frame: &Bytes) -> Bytes {
        match self.format.is_websocket() {
            true if !frame.is_empty() => frame.clone(),
            _ => self.format.heartbeat(&self.boundary),
        }
    }

    pub(crate) fn goodbye(&self, reason: CloseReason) -> Bytes {
        self.format.goodbye(reason, &self.boundary)
    }

    /// The newest place in the log that has left.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// The newest place in the log that the client has, or may have.
    pub(crate) fn newest(&self) -> u64 {
        let kept = self.kept.iter().filter_map(|kept| match kept {
            Kept::Event(event) => event.offset(),
            Kept::Goodbye(_) => None,
        });
        kept.fold(self.taken, u64::max)
    }

    /// The client has what `cursor` names, which is let go: what keeping it cost. None when nothing that is kept has this cursor.
    pub(crate) fn confirm(&mut self, cursor: &str) -> Option<usize> {
        let i = self.marks.iter().position(|(mark, _)| **mark == *cursor)?;
        let confirmed = self.marks[i].1;
        self.marks.drain(..=i);
        self.marks.iter_mut().for_each(|(_, count)| *count -= confirmed);
        self.confirmed = cursor.into();
        let mut cost = 0;
        for kept in self.kept.drain(..confirmed) {
            cost += kept.cost();
            if let Kept::Event(event) = kept {
                self.taken = self.taken.max(event.offset().unwrap_or(0));
            }
        }
        self.kept_bytes -= cost;
        Some(cost)
    }

    /// Everything that is kept, to be said in another way.
    pub(crate) fn take_kept(&mut self) -> VecDeque<Kept> {
        self.marks.clear();
        self.kept_bytes = 0;
        std::mem::take(&mut self.kept)
    }

    /// Keeps what a poll is about to be answered with. False if the client does not want it.
    pub(crate) fn keep(&mut self, kept: Kept) -> bool {
        if let Kept::Event(event) = &kept {
            if let Some(cursor) = event.cursor() {
                (self.place, self.answers) = (Some(cursor.into()), 0);
            }
            if !self.wants(event) {
                return false;
            }
        }
        self.kept_bytes += kept.cost();
        self.kept.push_back(kept);
        true
    }

    /// What keeping costs.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    pub(crate) fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    /// The envelopes of everything that is kept, and the cursor that confirms them.
    pub(crate) fn answer(&mut self) -> (Vec<Bytes>, Box<str>) {
        let confirmed_by_last = self.marks.back().map_or(0, |(_, count)| *count);
        let is_new = self.kept.len() > confirmed_by_last;
        if is_new {
            let is_same_place = |(mark, _): &(Box<str>, usize)| **mark == *self.cursor();
            // An answer without a new place in the log needs a cursor of its own all the same.
            if self.place.is_none() || self.marks.iter().any(is_same_place) || !self.ends_in_log() {
                self.answers += 1;
            }
        }
        let cursor = self.cursor();
        if is_new {
            self.marks.push_back((cursor.clone(), self.kept.len()));
        }
        let envelopes = self.kept.iter().map(|kept| match kept {
            Kept::Event(event) => event.plain(Format::Lines, &self.boundary).clone(),
            Kept::Goodbye(reason) => Format::Lines.goodbye(*reason, &self.boundary),
        });
        (envelopes.collect(), cursor)
    }

    /// Whether the newest place is that of the last thing that is kept.
    fn ends_in_log(&self) -> bool {
        match self.kept.back() {
            Some(Kept::Event(event)) => event.cursor().is_some(),
            _ => false,
        }
    }

    /// The cursor of an answer that brings nothing: it confirms nothing, either.
    pub(crate) fn cursor_of_nothing(&self) -> Box<str> {
        if self.has_kept() { self.confirmed.clone() } else { self.cursor() }
    }

    /// The newest place that an answer brought, or a stream.
    fn place(&self) -> Option<Box<str>> {
        let place = self.place.as_deref()?;
        let (epoch, offset) = place.rsplit_once('-')?;
        match offset.parse().is_ok_and(|offset: u64| offset < self.taken) {
            true => Some(format!("{epoch}-{}", self.taken).into()),
            false => Some(place.into()),
        }
    }

    /// The cursor of a poll's answer: the newest place in the log, and how many answers came since; without a log, how many came.
    pub(crate) fn cursor(&self) -> Box<str> {
        match (self.place(), self.answers) {
            (Some(place), 0) => place,
            (Some(place), answers) => format!("{place}.{answers}").into(),
            (None, answers) => answers.to_string().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use sori_proto::sio::OutArgs;

    use super::*;

    fn event(n: u64, is_logged: bool) -> Kept {
        let event = Prepared::new("/".into(), "n", OutArgs::new(&n).unwrap(), None);
        Kept::Event(Arc::new(if is_logged { event.with_cursor(n, format!("e-{n}"), false) } else { event }))
    }

    #[track_caller]
    fn answers(reading: &mut Reading, count: usize, cursor: &str) {
        let (envelopes, at) = reading.answer();
        assert_eq!((envelopes.len(), &*at), (count, cursor));
    }

    #[test]
    fn an_answer_is_kept_until_its_cursor_is_named() {
        let mut reading = Reading::new("b".into(), None);
        answers(&mut reading, 0, "0");
        reading.keep(event(1, false));
        answers(&mut reading, 1, "1");
        answers(&mut reading, 1, "1");
        reading.keep(event(2, false));
        answers(&mut reading, 2, "2");
        // The client has the first answer and not the second.
        assert!(reading.confirm("1").is_some());
        answers(&mut reading, 1, "2");
        assert!(reading.confirm("2").is_some());
        answers(&mut reading, 0, "2");
        assert_eq!(&*reading.cursor_of_nothing(), "2");
        reading.keep(event(3, false));
        answers(&mut reading, 1, "3");
        // A poll that was replaced ends with nothing, and has not got this one.
        assert_eq!(&*reading.cursor_of_nothing(), "2");
        assert!(reading.confirm("3").is_some());
        for cursor in ["1", "2", "3", "", "e-1"] {
            assert_eq!(reading.confirm(cursor), None);
        }
    }

    #[test]
    fn an_answer_without_events_confirms_none() {
        for place in [None, Some("e-0".into())] {
            let mut reading = Reading::new("b".into(), place);
            let before = reading.cursor_of_nothing();
            reading.keep(event(1, true));
            let (_, cursor) = reading.answer();
            assert_eq!(reading.cursor_of_nothing(), before);
            assert!(reading.confirm(&cursor).is_some());
            assert_eq!((reading.cursor_of_nothing(), reading.kept_bytes()), (cursor, 0));
        }
    }

    #[test]
    fn a_cursor_is_a_place_in_the_log_where_there_is_one() {
        let mut reading = Reading::new("b".into(), Some("e-0".into()));
        let cost = event(1, true).cost();
        answers(&mut reading, 0, "e-0");
        reading.keep(event(1, true));
        answers(&mut reading, 1, "e-1");
        reading.keep(event(9, false));
        answers(&mut reading, 2, "e-1.1");
        reading.keep(event(9, false));
        answers(&mut reading, 3, "e-1.2");
        assert_eq!(reading.confirm("e-1.1"), Some(2 * cost));
        reading.keep(event(2, true));
        reading.keep(event(9, false));
        answers(&mut reading, 3, "e-2.1");
        assert_eq!(reading.confirm("e-2.1"), Some(3 * cost));
        assert!(!reading.has_kept() && reading.marks.is_empty());
    }

    #[test]
    fn a_poll_after_a_stream_does_not_go_back() {
        let mut reading = Reading::new("b".into(), Some("e-0".into()));
        let Kept::Event(five) = event(5, true) else { unreachable!() };
        reading.event(&five);
        answers(&mut reading, 0, "e-5");
        reading.keep(event(9, false));
        answers(&mut reading, 1, "e-5.1");
    }

    #[test]
    fn what_is_not_wanted_is_passed_over_and_its_place_is_not() {
        let mut reading = Reading::new("b".into(), Some("e-0".into()));
        reading.start(Format::Lines, Some(["other".into()].into()));
        assert!(!reading.keep(event(1, true)));
        answers(&mut reading, 0, "e-1");
        let Kept::Event(three) = event(3, true) else { unreachable!() };
        assert!(reading.event(&three).is_none());
        assert_eq!(reading.taken(), 3);
    }
}
