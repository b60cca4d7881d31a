//! One ordered log per namespace: what was broadcast, to whom, and who may still come back for it.
//!
//! Cursors are `epoch-offset`, and `epoch-0` is before everything. Recovery, streams that broke, and history are three ways of
//! reading it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use sori_proto::wire::Prepared;

use crate::{config::Config, data::SocketData, history::History, membership::Memberships, rooms::Target, socket::Socket};

/// The events of one namespace for as long as a client may be away, or history is kept.
pub(crate) struct Log {
    /// Tells this log from another one, such as that of the process before a restart.
    epoch: Box<str>,
    next: u64,
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Stays that were cut off, until they are resumed or given up.
    away: HashMap<Box<str>, Returned>,
    /// Stays that have not ended yet, as far as we know: the network may have, long before a heartbeat is missed.
    present: HashMap<Box<str>, Socket>,
    /// How long a client may be away; zero when none may.
    away_ms: u64,
    keep_ms: u64,
    events_max: usize,
    bytes_max: usize,
    history: Option<History>,
}

struct Entry {
    offset: u64,
    at_ms: u64,
    event: Arc<Prepared>,
    target: Target,
}

/// From where a plain client wants to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// After a place.
    Cursor(Box<str>),
    /// With the last events.
    Last(u32),
}

impl Since {
    /// What it costs to keep.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Cursor(cursor) => cursor.len(),
            Self::Last(_) => 0,
        }
    }
}

/// What a client gets back.
pub(crate) struct Returned {
    pub(crate) id: Box<str>,
    pub(crate) pid: Box<str>,
    pub(crate) rooms: Vec<Arc<str>>,
    pub(crate) data: Option<Arc<SocketData>>,
    /// Which events were meant for it, if it is a plain client's.
    pub(crate) memberships: Option<Memberships>,
    /// The place up to which it has everything.
    pub(crate) after: u64,
    /// When it was cut off.
    since_ms: u64,
}

impl Returned {
    pub(crate) fn new(
        id: &str,
        pid: &str,
        rooms: Vec<Arc<str>>,
        data: Option<Arc<SocketData>>,
        memberships: Option<Memberships>,
    ) -> Self {
        Self { id: id.into(), pid: pid.into(), rooms, data, memberships, after: 0, since_ms: 0 }
    }
}

impl Log {
    /// The log of a namespace, if something is to be kept in it.
    pub(crate) fn of(config: &Config, history: Option<&History>) -> Option<Self> {
        let away_ms = config.connection_state_recovery.map(|recovery| recovery.max_disconnection_duration.as_millis() as u64);
        if away_ms.is_none() && history.is_none() {
            return None;
        }
        let limits = &config.limits;
        let events_max = match (away_ms, history) {
            (None, Some(history)) => limits.log_events_max.min(history.count),
            _ => limits.log_events_max,
        };
        let epoch = crate::ids::Id::random().to_string();
        Some(Self::new(epoch, away_ms.unwrap_or(0), events_max, limits.log_bytes_max, history.cloned()))
    }

    fn new(epoch: String, away_ms: u64, events_max: u32, bytes_max: u32, history: Option<History>) -> Self {
        Self {
            epoch: epoch.into(),
            next: 1,
            entries: VecDeque::new(),
            bytes: 0,
            away: HashMap::new(),
            present: HashMap::new(),
            away_ms,
            keep_ms: away_ms.max(history.as_ref().map_or(0, |history| history.age.as_millis() as u64)),
            events_max: events_max as usize,
            bytes_max: bytes_max as usize,
            history,
        }
    }

    /// Gives an event the next place.
    pub(crate) fn place(&self, event: Prepared, is_argument: bool) -> Arc<Prepared> {
        Arc::new(event.with_cursor(self.next, self.cursor(self.next), is_argument))
    }

    /// The newest place that is taken.
    pub(crate) fn newest(&self) -> u64 {
        self.next - 1
    }

    /// A place as clients know it.
    pub(crate) fn cursor(&self, offset: u64) -> String {
        format!("{}-{offset}", self.epoch)
    }

    /// Keeps an event that has the next place.
    pub(crate) fn append(&mut self, now: u64, event: Arc<Prepared>, target: Target) {
        self.bytes += event.weight();
        self.entries.push_back(Entry { offset: self.next, at_ms: now, event, target });
        self.next += 1;
        self.trim(now);
    }

    /// A stay has begun.
    pub(crate) fn enter(&mut self, socket: &Socket) {
        if let Some(pid) = socket.pid() {
            self.present.insert(pid.into(), socket.clone());
        }
    }

    /// The stay of `pid` that has not ended yet.
    pub(crate) fn present(&self, pid: &str) -> Option<Socket> {
        self.present.get(pid).cloned()
    }

    /// A stay has ended, for good or not. False when its client has resumed it meanwhile, or it never was here.
    pub(crate) fn exit(&mut self, socket: &Socket) -> bool {
        let Some(pid) = socket.pid() else { return false };
        let is_here = self.present.get(pid) == Some(socket);
        if is_here {
            self.present.remove(pid);
        }
        is_here
    }

    /// A stay was cut off: remembers it for as long as its client may be away.
    pub(crate) fn leave(&mut self, now: u64, mut away: Returned) {
        self.trim(now);
        if self.away_ms > 0 && self.away.len() < self.events_max {
            away.since_ms = now;
            self.away.insert(away.pid.clone(), away);
        }
    }

    /// The stay of `pid`, if it can be resumed from `cursor` without a gap. It can be resumed once.
    pub(crate) fn come_back(&mut self, now: u64, pid: &str, cursor: &str) -> Option<Returned> {
        self.trim(now);
        let after = self.reach(cursor)?;
        let mut returned = self.away.remove(pid)?;
        returned.after = after;
        Some(returned)
    }

    /// Gives a stay back that was not resumed after all, because a middleware said no or the client went.
    /// It has no longer than before.
    pub(crate) fn put_back(&mut self, returned: Returned) {
        self.away.insert(returned.pid.clone(), returned);
    }

    /// What the returning stay missed, in order.
    pub(crate) fn missed(&self, returned: &Returned) -> VecDeque<Arc<Prepared>> {
        if let Some(memberships) = returned.memberships.as_ref().filter(|known| known.reaches(returned.after)) {
            return self.between(returned.after, self.newest(), |offset, target| {
                self.was_told(&returned.id, memberships, offset, target)
            });
        }
        let is_in = |room: &Arc<str>| **room == *returned.id || returned.rooms.contains(room);
        self.since(returned.after)
            .filter(|entry| match (&entry.target.rooms[..], entry.target.own) {
                ([id], true) => **id == *returned.id,
                (rooms, _) => rooms.is_empty() || rooms.iter().any(is_in),
            })
            .filter(|entry| !entry.target.except.iter().any(is_in))
            .map(|entry| entry.event.clone())
            .collect()
    }

    /// What went out after one place up to another, to whom `got` says.
    pub(crate) fn between(&self, after: u64, to: u64, got: impl Fn(u64, &Target) -> bool) -> VecDeque<Arc<Prepared>> {
        let sent = self.since(after).take_while(|entry| entry.offset <= to);
        sent.filter(|entry| got(entry.offset, &entry.target)).map(|entry| entry.event.clone()).collect()
    }

    /// From where history reaches a member of `rooms`: whether without a gap, and the places, all after `since` or the last of them.
    pub(crate) fn history(&mut self, now: u64, since: &Since, is_in: impl Fn(&str) -> bool) -> (bool, Vec<u64>) {
        self.trim(now);
        let Some(history) = &self.history else { return (false, Vec::new()) };
        let oldest_ms = now.saturating_sub(history.age.as_millis() as u64);
        let skip = self.entries.len().saturating_sub(history.count as usize);
        let readable = self.entries.iter().skip(skip).filter(|entry| entry.at_ms >= oldest_ms);
        let first = readable.clone().next().map_or(self.next, |entry| entry.offset);
        let meant = readable.filter(|entry| history.tells(&entry.target, &is_in)).map(|entry| entry.offset);
        match since {
            Since::Last(n) => {
                let meant: Vec<u64> = meant.collect();
                (true, meant[meant.len().saturating_sub(*n as usize)..].to_vec())
            }
            Since::Cursor(cursor) => match self.reach(cursor) {
                Some(after) => (after + 1 >= first, meant.filter(|offset| *offset > after).collect()),
                // Nobody knows what such a client has.
                None => (false, Vec::new()),
            },
        }
    }

    /// Whether the event at `offset` was meant for a plain client: when it was there, or as history.
    pub(crate) fn was_told(&self, id: &str, memberships: &Memberships, offset: u64, target: &Target) -> bool {
        match (memberships.history(offset), &self.history) {
            (Some(rooms), Some(history)) => history.tells(target, |name| name == id || rooms.iter().any(|room| **room == *name)),
            _ => memberships.got(id, offset, target),
        }
    }

    /// The last events that a room received, if it keeps history.
    pub(crate) fn last_of(&mut self, now: u64, room: &str, n: u32) -> VecDeque<Arc<Prepared>> {
        self.trim(now);
        let Some(history) = self.history.as_ref().filter(|history| history.keeps(room)) else { return VecDeque::new() };
        let oldest_ms = now.saturating_sub(history.age.as_millis() as u64);
        let newest = self.entries.iter().rev().take(history.count as usize).take_while(|entry| entry.at_ms >= oldest_ms);
        let of_room = newest.filter(|entry| !entry.target.own && entry.target.rooms.iter().any(|name| **name == *room));
        let mut last: VecDeque<_> = of_room.take(n as usize).map(|entry| entry.event.clone()).collect();
        last.make_contiguous().reverse();
        last
    }

    /// The events at these places.
    pub(crate) fn at(&self, is_wanted: impl Fn(u64) -> bool) -> VecDeque<Arc<Prepared>> {
        self.entries.iter().filter(|entry| is_wanted(entry.offset)).map(|entry| entry.event.clone()).collect()
    }

    /// The place that a cursor names, if everything after it is still here.
    fn reach(&self, cursor: &str) -> Option<u64> {
        self.parse(cursor).filter(|after| self.reaches(*after))
    }

    /// Whether everything after a place is still here.
    pub(crate) fn reaches(&self, after: u64) -> bool {
        self.entries.front().map_or(self.next, |entry| entry.offset) <= after + 1
    }

    fn since(&self, after: u64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().skip(self.entries.partition_point(|entry| entry.offset <= after))
    }

    /// Whether somebody is away who could come back with this secret.
    pub(crate) fn is_away(&self, pid: &str) -> bool {
        self.away.contains_key(pid)
    }

    /// Whether nobody could come back for anything, and nothing is kept for others.
    pub(crate) fn is_idle(&mut self, now: u64) -> bool {
        self.trim(now);
        self.away.is_empty() && (self.history.is_none() || self.entries.is_empty())
    }

    /// The place that a cursor names: it has an event that the client has, or none yet.
    pub(crate) fn parse(&self, cursor: &str) -> Option<u64> {
        // Behind a dot: the answers of a poll that brought nothing with a place.
        let (epoch, offset) = cursor.split('.').next()?.rsplit_once('-')?;
        let is_ours = epoch == &*self.epoch && offset.bytes().all(|b| b.is_ascii_digit());
        offset.parse().ok().filter(|offset| is_ours && *offset < self.next)
    }

    fn trim(&mut self, now: u64) {
        let oldest_ms = now.saturating_sub(self.keep_ms);
        while let Some(entry) = self.entries.front() {
            let keeps = entry.at_ms >= oldest_ms && self.entries.len() <= self.events_max && self.bytes <= self.bytes_max;
            if keeps {
                break;
            }
            self.bytes -= entry.event.weight();
            self.entries.pop_front();
        }
        let away_since_ms = now.saturating_sub(self.away_ms);
        if self.away.values().any(|away| away.since_ms < away_since_ms) {
            self.away.retain(|_, away| away.since_ms >= away_since_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::event;

    /// A log of three events and a minute, with one stay that was cut off at 0: `p`, of socket `s`, in room `a`.
    fn log() -> Log {
        let mut log = Log::new("e".into(), 60_000, 3, 1 << 20, None);
        log.leave(0, stay("p"));
        log
    }

    fn stay(pid: &str) -> Returned {
        Returned::new("s", pid, vec!["a".into()], None, None)
    }

    fn to(rooms: &[&str], except: &[&str], own: bool) -> Target {
        let names = |list: &[&str]| list.iter().map(|name| (*name).into()).collect();
        Target { rooms: names(rooms), except: names(except), own }
    }

    /// What `p` missed after `cursor`.
    #[track_caller]
    fn check(log: &mut Log, now: u64, cursor: &str, expected: Option<&[&str]>) {
        let returned = log.come_back(now, "p", cursor);
        let missed = returned.as_ref().map(|returned| log.missed(returned));
        let names: Option<Vec<String>> = missed.map(|m| m.iter().map(|event| event.event().to_owned()).collect());
        assert_eq!(names.as_deref(), expected.map(|e| e.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).as_deref());
    }

    fn append(log: &mut Log, now: u64, name: &str) {
        log.append(now, Arc::new(event(name)), Target::default());
    }

    #[test]
    fn who_comes_back_gets_what_came_after_its_cursor() {
        for (cursor, expected) in
            [("e-1", &["1", "2"][..]), ("e-2", &["2"]), ("e-3", &[]), ("e-3.7", &[]), ("e-0", &["0", "1", "2"])]
        {
            let mut log = log();
            ["0", "1", "2"].iter().for_each(|name| append(&mut log, 1, name));
            assert_eq!(log.cursor(log.newest()), "e-3");
            check(&mut log, 2, cursor, Some(expected));
        }
    }

    #[test]
    fn only_what_was_meant_for_it() {
        let mut log = Log::new("e".into(), 60_000, 100, 1 << 20, None);
        log.leave(0, stay("p"));
        append(&mut log, 0, "first");
        for (name, target) in [
            ("room", to(&["a"], &[], false)),
            ("other room", to(&["b"], &[], false)),
            ("both", to(&["b", "a"], &[], false)),
            ("id", to(&["s"], &[], false)),
            ("own", to(&["s"], &[], true)),
            ("somebody else's own", to(&["a"], &[], true)),
            ("but the room", to(&[], &["a"], false)),
            ("but the socket", to(&["a"], &["s"], false)),
            ("but others", to(&["a"], &["b"], false)),
        ] {
            log.append(0, Arc::new(event(name)), target);
        }
        check(&mut log, 1, "e-1", Some(&["room", "both", "id", "own", "but others"]));
    }

    #[test]
    fn a_gap_is_told() {
        let mut log = log();
        (0..5).for_each(|n| append(&mut log, 1, &n.to_string()));
        check(&mut log, 2, "e-1", None);
        // A vain try costs nothing: the stay is still there for a better cursor.
        check(&mut log, 2, "e-2", Some(&["2", "3", "4"]));
    }

    #[test]
    fn a_stay_is_resumed_once() {
        let mut log = log();
        append(&mut log, 1, "0");
        check(&mut log, 2, "e-1", Some(&[]));
        check(&mut log, 2, "e-1", None);
    }

    #[test]
    fn cursors_of_every_malformed_kind_resume_nothing() {
        let mut log = log();
        append(&mut log, 1, "0");
        let max = format!("e-{}", u64::MAX);
        for cursor in [
            "",
            "-",
            "e",
            "e-",
            "-0",
            "e-2",
            "e-7",
            ".1",
            "e--0",
            "e-+0",
            "e- 0",
            "e-0x0",
            "x-0",
            "E-0",
            "e-0-0",
            "e-99999999999999999999",
            &max,
        ] {
            assert!(log.come_back(2, "p", cursor).is_none(), "{cursor:?}");
        }
        assert!(log.come_back(2, "q", "e-0").is_none(), "another's id");
        check(&mut log, 2, "e-1", Some(&[]));
    }

    #[test]
    fn an_absence_has_an_end_that_a_refusal_does_not_move() {
        let mut log = log();
        append(&mut log, 0, "0");
        append(&mut log, 50_000, "1");
        let returned = log.come_back(59_000, "p", "e-1").expect("in time");
        log.put_back(returned);
        assert!(!log.is_idle(60_000));
        assert!(log.is_idle(60_001));
        check(&mut log, 60_001, "e-2", None);
    }

    #[test]
    fn the_log_is_bounded_in_bytes_too() {
        let weight = event("0").weight();
        let mut log = Log::new("e".into(), 60_000, 100, 2 * weight as u32, None);
        (0..1_000).for_each(|n| append(&mut log, 1, &n.to_string()));
        assert_eq!((log.entries.len(), log.bytes), (2, 2 * weight));
        log.trim(70_000);
        assert_eq!((log.entries.len(), log.bytes), (0, 0));
    }

    #[test]
    fn who_is_away_is_bounded() {
        let mut log = log();
        (0..100).for_each(|n| log.leave(1, stay(&n.to_string())));
        assert_eq!(log.away.len(), 3);
    }
}
