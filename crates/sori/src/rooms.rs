//! Who is in a namespace, and in which of its rooms. Nothing here awaits or knows a transport.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

use indexmap::IndexSet;

use crate::socket::Socket;

/// The sockets of a namespace by id, and its rooms. Walked in memory order when everybody is meant.
#[derive(Default)]
pub(crate) struct Rooms {
    sockets: IndexSet<ById>,
    rooms: HashMap<Arc<str>, IndexSet<ById>>,
}

/// Whom an event is for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    /// Members of any of these; everybody when empty.
    pub(crate) rooms: Vec<Arc<str>>,
    /// But members of none of these.
    pub(crate) except: Vec<Arc<str>>,
    /// Only the socket whose id is the one room, not who else may have joined a room of that name.
    pub(crate) own: bool,
}

/// A socket found by its id.
#[derive(Clone)]
struct ById(Socket);

impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        self.0.id()
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id().hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for ById {}

impl Rooms {
    /// A socket enters the namespace; it is at once in the room of its own id.
    pub(crate) fn insert(&mut self, socket: &Socket) {
        // The newer stay wins: an id repeats only when one client leaves and comes back.
        self.sockets.replace(ById(socket.clone()));
        // Rooms that a middleware chose.
        for room in std::mem::take(&mut *socket.0.rooms.lock()) {
            self.join(socket, room, usize::MAX);
        }
    }

    /// A socket leaves the namespace and all of its rooms.
    pub(crate) fn remove(&mut self, socket: &Socket) {
        if self.get(socket.id()).is_some_and(|found| found == socket) {
            self.sockets.swap_remove(socket.id());
        }
        for room in std::mem::take(&mut *socket.0.rooms.lock()) {
            self.take_out(&room, socket);
        }
    }

    /// Joins a room; false when it was in it, or may be in no more.
    pub(crate) fn join(&mut self, socket: &Socket, room: Arc<str>, rooms_max: usize) -> bool {
        let is_here = self.get(socket.id()).is_some_and(|found| found == socket);
        if &*room == socket.id() || !(is_here || socket.0.is_arriving()) {
            return false;
        }
        let mut joined = socket.0.rooms.lock();
        if joined.len() >= rooms_max || joined.contains(&room) {
            return false;
        }
        if !is_here {
            joined.push(room);
            return true;
        }
        // Members share one allocation of the room's name.
        let name = self.rooms.get_key_value(&room).map_or(room, |(name, _)| name.clone());
        self.rooms.entry(name.clone()).or_default().insert(ById(socket.clone()));
        joined.push(name);
        true
    }

    /// Leaves a room.
    pub(crate) fn leave(&mut self, socket: &Socket, room: &str) {
        let mut joined = socket.0.rooms.lock();
        if let Some(i) = joined.iter().position(|r| &**r == room) {
            joined.swap_remove(i);
            drop(joined);
            self.take_out(room, socket);
        }
    }

    /// A socket by its id.
    pub(crate) fn get(&self, id: &str) -> Option<&Socket> {
        self.sockets.get(id).map(|found| &found.0)
    }

    /// How many sockets are here.
    pub(crate) fn len(&self) -> usize {
        self.sockets.len()
    }

    /// How many rooms have members.
    pub(crate) fn rooms_len(&self) -> usize {
        self.rooms.len()
    }

    /// Calls `each` once for everyone who is meant.
    pub(crate) fn select(&self, target: &Target, mut each: impl FnMut(&Socket)) {
        match (&target.rooms[..], &target.except[..]) {
            ([id], _) if target.own => self.get(id).into_iter().for_each(each),
            ([], []) => self.sockets.iter().for_each(|s| each(&s.0)),
            ([], [one]) if !self.rooms.contains_key(one) => {
                // Everybody but one, which is what `socket.broadcast()` says.
                self.sockets.iter().filter(|s| s.0.id() != &**one).for_each(|s| each(&s.0));
            }
            ([], except) => self.sockets.iter().filter(|s| !self.is_in_any(&s.0, except)).for_each(|s| each(&s.0)),
            ([room], []) => self.members(room).for_each(each),
            ([room], except) => self.members(room).filter(|s| !self.is_in_any(s, except)).for_each(each),
            (rooms, except) => {
                // A set: who is in several of the rooms is called once.
                let several: IndexSet<&Socket> = rooms.iter().flat_map(|room| self.members(room)).collect();
                several.into_iter().filter(|s| !self.is_in_any(s, except)).for_each(each);
            }
        }
    }

    /// The members of a room; that of a socket's id has this socket in it.
    fn members<'a>(&'a self, room: &'a str) -> impl Iterator<Item = &'a Socket> {
        let own = self.get(room);
        let members = self.rooms.get(room).into_iter().flatten().map(|found| &found.0);
        members.filter(move |socket| Some(*socket) != own).chain(own)
    }

    fn is_in_any(&self, socket: &Socket, rooms: &[Arc<str>]) -> bool {
        rooms
            .iter()
            .any(|room| socket.id() == &**room || self.rooms.get(room).is_some_and(|members| members.contains(socket.id())))
    }

    fn take_out(&mut self, room: &str, socket: &Socket) {
        if let Some(members) = self.rooms.get_mut(room) {
            members.swap_remove(socket.id());
            if members.is_empty() {
                self.rooms.remove(room);
            }
        }
    }
}
