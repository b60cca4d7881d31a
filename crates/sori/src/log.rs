//! One ordered log per namespace: what was broadcast, to whom, and who may still come back for it.
//!
//! Cursors are `epoch-offset`; recovery reads from a cursor what the returning socket's rooms received.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use sori_proto::wire::Prepared;

use crate::{data::SocketData, rooms::Target, socket::Socket};

/// The events of one namespace for as long as a client may be away.
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
    keep_ms: u64,
    events_max: usize,
    bytes_max: usize,
}

struct Entry {
    offset: u64,
    at_ms: u64,
    event: Arc<Prepared>,
    target: Target,
}

/// What a client gets back.
pub(crate) struct Returned {
    pub(crate) id: Box<str>,
    pub(crate) pid: Box<str>,
    pub(crate) rooms: Vec<Arc<str>>,
    pub(crate) data: Option<Arc<SocketData>>,
    /// The place up to which it has everything.
    after: u64,
    /// When it was cut off.
    since_ms: u64,
}

impl Log {
    pub(crate) fn new(epoch: String, keep_ms: u64, events_max: u32, bytes_max: u32) -> Self {
        Self {
            epoch: epoch.into(),
            next: 0,
            entries: VecDeque::new(),
            bytes: 0,
            away: HashMap::new(),
            present: HashMap::new(),
            keep_ms,
            events_max: events_max as usize,
            bytes_max: bytes_max as usize,
        }
    }

    /// The cursor that the next event will have.
    pub(crate) fn next_cursor(&self) -> String {
        format!("{}-{}", self.epoch, self.next)
    }

    /// Keeps an event that carries [`Log::next_cursor`].
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

    /// A stay has ended, for good or not.
    pub(crate) fn exit(&mut self, pid: &str) {
        self.present.remove(pid);
    }

    /// A stay was cut off: remembers it for as long as its client may be away.
    pub(crate) fn leave(&mut self, now: u64, id: &str, pid: &str, rooms: Vec<Arc<str>>, data: Option<Arc<SocketData>>) {
        self.trim(now);
        if self.away.len() < self.events_max {
            let returned = Returned { id: id.into(), pid: pid.into(), rooms, data, after: 0, since_ms: now };
            self.away.insert(pid.into(), returned);
        }
    }

    /// The stay of `pid`, if it can be resumed from `cursor` without a gap. It can be resumed once.
    pub(crate) fn come_back(&mut self, now: u64, pid: &str, cursor: &str) -> Option<Returned> {
        self.trim(now);
        let after = self.parse(cursor)?;
        let oldest = self.entries.front().map_or(self.next, |entry| entry.offset);
        // The cursor names an event that the client has; the one after it must still be here.
        if after >= self.next || after + 1 < oldest {
            return None;
        }
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
        let is_in = |room: &Arc<str>| **room == *returned.id || returned.rooms.contains(room);
        let skip = self.entries.partition_point(|entry| entry.offset <= returned.after);
        self.entries
            .iter()
            .skip(skip)
            .filter(|entry| match (&entry.target.rooms[..], entry.target.own) {
                ([id], true) => **id == *returned.id,
                (rooms, _) => rooms.is_empty() || rooms.iter().any(is_in),
            })
            .filter(|entry| !entry.target.except.iter().any(is_in))
            .map(|entry| entry.event.clone())
            .collect()
    }

    /// Whether nobody could come back for anything.
    pub(crate) fn is_idle(&mut self, now: u64) -> bool {
        self.trim(now);
        self.away.is_empty()
    }

    fn parse(&self, cursor: &str) -> Option<u64> {
        let (epoch, offset) = cursor.rsplit_once('-')?;
        (epoch == &*self.epoch && offset.bytes().all(|b| b.is_ascii_digit())).then(|| offset.parse().ok())?
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
        if self.away.values().any(|away| away.since_ms < oldest_ms) {
            self.away.retain(|_, away| away.since_ms >= oldest_ms);
        }
    }
}
