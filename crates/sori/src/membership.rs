//! Which events a plain client's socket was meant to get, whenever that was: what a stream lost is told apart by it.

use std::sync::Arc;

use crate::rooms::Target;

/// When a socket came, and which rooms it was in from where to where in the log.
#[derive(Clone, Default)]
pub(crate) struct Memberships {
    entered: u64,
    stays: Vec<Stay>,
    /// From where history told what went before that, and the rooms that it was read for.
    history: Option<(u64, Vec<Arc<str>>)>,
    /// Before this place some stays are forgotten.
    known_from: u64,
}

#[derive(Clone)]
struct Stay {
    room: Arc<str>,
    from: u64,
    to: Option<u64>,
}

impl Memberships {
    /// The socket came at a place, or for one that comes back: at the one after which it gets what it missed.
    pub(crate) fn enter(&mut self, at: u64, rooms: impl IntoIterator<Item = Arc<str>>) {
        self.entered = at;
        self.known_from = at;
        self.stays = rooms.into_iter().map(|room| Stay { room, from: at, to: None }).collect();
    }

    /// What its rooms keep was told to it after this place.
    pub(crate) fn catch_up(&mut self, after: u64, rooms: Vec<Arc<str>>) {
        self.known_from = self.known_from.min(after);
        self.history = Some((after, rooms));
    }

    /// The rooms for which history told the event at `offset`.
    pub(crate) fn history(&self, offset: u64) -> Option<&[Arc<str>]> {
        let (after, rooms) = self.history.as_ref()?;
        (*after < offset && offset <= self.entered).then_some(&rooms[..])
    }

    pub(crate) fn join(&mut self, room: Arc<str>, at: u64) {
        // A stay that comes back may be in it already.
        if self.stays.iter().any(|stay| stay.room == room && stay.to.is_none()) {
            return;
        }
        if self.stays.len() >= STAYS_MAX
            && let Some(i) = self.stays.iter().position(|stay| stay.to.is_some())
        {
            let forgotten = self.stays.remove(i);
            self.known_from = self.known_from.max(forgotten.to.unwrap_or(at));
        }
        self.stays.push(Stay { room, from: at, to: None });
    }

    pub(crate) fn leave(&mut self, room: &str, at: u64) {
        if let Some(stay) = self.stays.iter_mut().find(|stay| &*stay.room == room && stay.to.is_none()) {
            stay.to = Some(at);
        }
    }

    /// Whether everything since `after` can be told.
    pub(crate) fn reaches(&self, after: u64) -> bool {
        after >= self.known_from
    }

    /// Whether the event at `offset` went to this socket.
    pub(crate) fn got(&self, id: &str, offset: u64, target: &Target) -> bool {
        let was_in = |room: &Arc<str>| {
            let is_there = |stay: &Stay| stay.room == *room && stay.from < offset && stay.to.is_none_or(|to| offset <= to);
            &**room == id || self.stays.iter().any(is_there)
        };
        let is_meant = match (&target.rooms[..], target.own) {
            ([room], true) => &**room == id,
            (rooms, _) => rooms.is_empty() || rooms.iter().any(was_in),
        };
        is_meant && offset > self.entered && !target.except.iter().any(was_in)
    }
}

/// Ended stays beyond this are forgotten, the oldest first.
const STAYS_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn to(rooms: &[&str], except: &[&str], own: bool) -> Target {
        let names = |list: &[&str]| list.iter().map(|name| (*name).into()).collect();
        Target { rooms: names(rooms), except: names(except), own }
    }

    #[test]
    fn an_event_is_for_who_was_there_at_its_time() {
        let mut m = Memberships::default();
        m.enter(10, ["a".into()]);
        m.join("b".into(), 20);
        m.leave("b", 30);
        m.join("b".into(), 40);
        let got = |offset, target: &Target| m.got("s", offset, target);
        let everybody = to(&[], &[], false);
        assert!(!got(10, &everybody) && got(11, &everybody));
        let b = to(&["b"], &[], false);
        assert_eq!([20, 21, 30, 31, 40, 41].map(|offset| got(offset, &b)), [false, true, true, false, false, true]);
        assert!(got(35, &to(&["b", "a"], &[], false)));
        let but_b = to(&[], &["b"], false);
        assert_eq!([15, 25, 35].map(|offset| got(offset, &but_b)), [true, false, true]);
        assert!(got(11, &to(&["s"], &[], true)) && !got(11, &to(&["t"], &[], true)) && got(11, &to(&["s"], &[], false)));
        assert!(!got(11, &to(&[], &["s"], false)));
    }

    #[test]
    fn history_reaches_back_before_it_came() {
        let mut m = Memberships::default();
        m.enter(10, []);
        assert!(!m.reaches(5) && m.history(7).is_none());
        m.catch_up(5, vec!["a".into()]);
        assert!(m.reaches(5) && !m.reaches(4));
        assert_eq!([5, 6, 10, 11].map(|offset| m.history(offset).is_some()), [false, true, true, false]);
    }

    #[test]
    fn what_is_forgotten_is_known_to_be() {
        let mut m = Memberships::default();
        m.enter(0, []);
        for n in 0..2_000 {
            m.join("a".into(), 2 * n + 1);
            m.leave("a", 2 * n + 2);
        }
        assert_eq!(m.stays.len(), STAYS_MAX);
        assert!(!m.reaches(1_999) && m.reaches(2_000));
    }
}
