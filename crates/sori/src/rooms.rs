//! Who is in a namespace, and in which of its rooms. Nothing here awaits or knows a transport.

use std::{collections::HashMap, sync::Arc};

use hashbrown::{HashTable, hash_table::Entry};

use crate::{members::Members, socket::Socket};

/// The sockets of a namespace, and its rooms.
pub(crate) struct Rooms {
    sockets: Members,
    rooms: HashMap<Arc<str>, Members>,
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

impl Default for Rooms {
    fn default() -> Self {
        Self { sockets: Members::many(), rooms: HashMap::new() }
    }
}

impl Rooms {
    /// A socket enters the namespace; it is at once in the room of its own id.
    pub(crate) fn insert(&mut self, socket: &Socket) {
        // The newer stay wins: an id repeats only when one client leaves and comes back.
        self.sockets.insert(socket.clone());
        // Rooms that a middleware chose. Taken out first: joining locks them again.
        let chosen = std::mem::take(&mut *socket.0.rooms.lock());
        for room in chosen {
            self.join(socket, room, usize::MAX);
        }
    }

    /// A socket leaves the namespace and all of its rooms.
    pub(crate) fn remove(&mut self, socket: &Socket) {
        if self.get(socket.id()).is_some_and(|found| found == socket) {
            self.sockets.remove(socket.id());
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
        self.rooms.entry(name.clone()).or_default().insert(socket.clone());
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
        self.sockets.get(id)
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
    pub(crate) fn select(&self, target: &Target, each: impl FnMut(&Socket)) {
        match (&target.rooms[..], &target.except[..]) {
            ([id], _) if target.own => self.get(id).into_iter().for_each(each),
            ([], []) => self.sockets.iter().for_each(each),
            ([], [one]) if !self.rooms.contains_key(one) => {
                // Everybody but one, which is what `socket.broadcast()` says.
                self.sockets.iter().filter(|s| s.id() != &**one).for_each(each);
            }
            ([], except) => self.sockets.iter().filter(|s| !self.is_in_any(s, except)).for_each(each),
            ([room], []) => self.members(room).for_each(each),
            ([room], except) => self.members(room).filter(|s| !self.is_in_any(s, except)).for_each(each),
            (rooms, except) => {
                let mut met = Met::of(rooms.iter().filter_map(|room| self.rooms.get(room)).map(Members::len).sum());
                let members = rooms.iter().flat_map(|room| self.members(room)).filter(|socket| met.is_new(socket));
                members.filter(|s| !self.is_in_any(s, except)).for_each(each);
            }
        }
    }

    /// The members of a room; that of a socket's id has this socket in it.
    fn members<'a>(&'a self, room: &'a str) -> impl Iterator<Item = &'a Socket> {
        let own = self.get(room);
        let members = self.rooms.get(room).into_iter().flat_map(Members::iter);
        members.filter(move |socket| Some(*socket) != own).chain(own)
    }

    fn is_in_any(&self, socket: &Socket, rooms: &[Arc<str>]) -> bool {
        let is_in = |room: &Arc<str>| {
            socket.id() == &**room || self.rooms.get(room).is_some_and(|members| members.get(socket.id()).is_some())
        };
        rooms.iter().any(is_in)
    }

    fn take_out(&mut self, room: &str, socket: &Socket) {
        if let Some(members) = self.rooms.get_mut(room) {
            // Not a newer stay of the same id.
            if members.get(socket.id()).is_some_and(|found| found == socket) {
                members.remove(socket.id());
            }
            if members.is_empty() {
                self.rooms.remove(room);
            }
        }
    }
}

/// Who was met already, in any of several rooms.
struct Met(HashTable<usize>);

impl Met {
    fn of(members: usize) -> Self {
        Self(HashTable::with_capacity(members))
    }

    fn is_new(&mut self, socket: &Socket) -> bool {
        // Nobody chooses where a socket lies in memory: what an address needs of a hash is that all bits count.
        let spread = |address: usize| {
            let product = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            product ^ (product >> 32)
        };
        let address = Arc::as_ptr(&socket.0).addr();
        match self.0.entry(spread(address), |&met| met == address, |&met| spread(met)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(address);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Server,
        testing::{Client, settle},
    };

    struct Table {
        io: Server,
        clients: Vec<(Client, Socket)>,
        rooms: Rooms,
    }

    /// Sockets 0, 1, 2, … in a fresh set of rooms, apart from the namespace they really are in.
    fn table(sockets: usize) -> Table {
        let io = Server::builder().build().unwrap();
        let clients: Vec<_> = (0..sockets).map(|_| Client::joined(&io)).collect();
        let mut rooms = Rooms::default();
        clients.iter().for_each(|(_, socket)| rooms.insert(socket));
        Table { io, clients, rooms }
    }

    impl Table {
        fn join(&mut self, i: usize, room: &str) -> bool {
            self.rooms.join(&self.clients[i].1, room.into(), 3)
        }

        fn id(&self, i: usize) -> String {
            self.clients[i].1.id().to_owned()
        }

        #[track_caller]
        fn check(&self, rooms: &[&str], except: &[&str], expected: &[usize]) {
            let target = Target {
                rooms: rooms.iter().map(|r| (*r).into()).collect(),
                except: except.iter().map(|r| (*r).into()).collect(),
                own: false,
            };
            let mut found = Vec::new();
            let place = |socket: &Socket| self.clients.iter().position(|(_, s)| s == socket).unwrap_or(99);
            self.rooms.select(&target, |socket| found.push(place(socket)));
            found.sort_unstable();
            assert_eq!(found, expected, "to {rooms:?} except {except:?}");
        }
    }

    #[tokio::test]
    async fn a_target_is_a_set() {
        let mut t = table(4);
        for (i, room) in [(0, "a"), (1, "a"), (1, "b"), (2, "b"), (3, "c")] {
            assert!(t.join(i, room));
        }
        t.check(&[], &[], &[0, 1, 2, 3]);
        t.check(&["a"], &[], &[0, 1]);
        t.check(&["a", "b"], &[], &[0, 1, 2]);
        t.check(&["a", "a"], &[], &[0, 1]);
        t.check(&["a", "b"], &["b"], &[0]);
        t.check(&["a"], &["b", "c"], &[0]);
        t.check(&[], &["a"], &[2, 3]);
        t.check(&[], &["a", "c"], &[2]);
        t.check(&["nobody"], &[], &[]);
        t.check(&["a"], &["nobody"], &[0, 1]);
        t.check(&[], &["nobody"], &[0, 1, 2, 3]);
    }

    #[tokio::test]
    async fn an_id_is_a_room_of_its_own_and_others_may_join_it() {
        let mut t = table(3);
        let (zero, one) = (t.id(0), t.id(1));
        t.check(&[&zero], &[], &[0]);
        t.check(&[], &[&zero], &[1, 2]);
        t.check(&[&zero, &one], &[], &[0, 1]);
        assert!(t.join(2, &zero));
        t.check(&[&zero], &[], &[0, 2]);
        t.check(&[&zero, &one], &[&zero], &[1]);
        t.check(&[], &[&zero], &[1]);
        // But an emit to this socket alone is not for eavesdroppers.
        let own = Target { rooms: vec![zero.as_str().into()], except: vec![], own: true };
        let mut found = Vec::new();
        t.rooms.select(&own, |socket| found.push(socket.id().to_owned()));
        assert_eq!(found, [zero]);
    }

    #[tokio::test]
    async fn joining_twice_is_joining_once_and_a_limit_holds() {
        let mut t = table(1);
        assert!(t.join(0, "a"));
        assert!(!t.join(0, "a"));
        let id = t.id(0);
        assert!(!t.join(0, &id), "it is there from the start");
        assert!(t.join(0, "b") && t.join(0, "c"));
        assert!(!t.join(0, "d"), "one too many");
        assert_eq!(t.rooms.rooms_len(), 3);
        t.rooms.leave(&t.clients[0].1, "a");
        t.rooms.leave(&t.clients[0].1, "a");
        assert!(t.join(0, "d"));
    }

    #[tokio::test]
    async fn an_empty_room_is_forgotten_and_who_left_joins_nothing() {
        let mut t = table(2);
        t.join(0, "a");
        t.join(1, "a");
        t.rooms.remove(&t.clients[0].1);
        assert_eq!((t.rooms.len(), t.rooms.rooms_len()), (1, 1));
        assert!(!t.join(0, "ghost"));
        t.rooms.remove(&t.clients[1].1);
        t.rooms.remove(&t.clients[1].1);
        assert_eq!((t.rooms.len(), t.rooms.rooms_len()), (0, 0));
    }

    /// Clients of revision 3 keep their id when they leave and come back.
    #[tokio::test]
    async fn the_end_of_an_older_stay_does_not_touch_the_newer() {
        let io = Server::builder().build().unwrap();
        let client = Client::of_revision(&io, sori_proto::eio::Revision::V3);
        settle().await;
        let stay = |io: &Server| io.of("/").fetch_sockets().pop().unwrap();
        let old = stay(&io);
        client.says("41");
        client.says("40");
        let new = stay(&io);
        assert!(old.id() == new.id() && old != new);
        let mut rooms = Rooms::default();
        rooms.insert(&old);
        rooms.join(&old, "a".into(), 9);
        rooms.insert(&new);
        rooms.join(&new, "a".into(), 9);
        rooms.remove(&old);
        let mut found = Vec::new();
        rooms.select(&Target { rooms: vec!["a".into()], ..Target::default() }, |socket| found.push(socket.clone()));
        assert_eq!(found, [new]);
    }

    #[tokio::test]
    async fn rooms_that_a_middleware_chose_are_entered_with_the_socket() {
        let io = Server::builder()
            .namespace(
                "/",
                crate::Namespace::new().middleware(|socket: Socket| async move {
                    socket.join(["a", "b"]);
                    socket.leave("b");
                    Ok::<(), &str>(())
                }),
            )
            .build()
            .unwrap();
        let (_client, socket) = Client::joined(&io);
        assert_eq!(socket.rooms(), [socket.id(), "a"]);
        assert_eq!(io.to("a").fetch_sockets(), [socket]);
        assert_eq!(io.rooms_len(), 1);
        let _ = table(0).io;
    }
}
