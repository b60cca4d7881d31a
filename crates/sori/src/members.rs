//! Sockets found by their ids, and walked in the order in which they came.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::socket::Socket;

/// How many sockets a piece holds: 4 KiB of them.
const PIECE: usize = 512;

/// The members of a namespace or of a room.
///
/// 8 bytes for each in the order, 5 to 10 in a table of places. The order of many grows by pieces, and their places are in several
/// tables: what doubles and moves is never large, so nobody waits for it, and it leaves no hole behind that nothing else will fill.
pub(crate) struct Members {
    /// Full but for the last.
    pieces: SmallVec<[Vec<Socket>; 1]>,
    /// By id, where in the order.
    places: SmallVec<[HashTable<u32>; 1]>,
    hasher: RandomState,
}

/// Few, as in most rooms.
impl Default for Members {
    fn default() -> Self {
        Self::in_tables(1)
    }
}

impl Members {
    /// Many, as in a namespace.
    pub(crate) fn many() -> Self {
        Self::in_tables(16)
    }

    fn in_tables(tables: usize) -> Self {
        let places = std::iter::repeat_with(HashTable::new).take(tables).collect();
        Self { pieces: SmallVec::new(), places, hasher: RandomState::new() }
    }

    /// Adds a socket, or puts it in the place of the one with its id.
    pub(crate) fn insert(&mut self, socket: Socket) {
        if let Some(place) = self.place(socket.id()) {
            *at_mut(&mut self.pieces, place) = socket;
            return;
        }
        let place = u32::try_from(self.len()).expect("fewer sockets than u32 counts");
        let Self { pieces, places, hasher } = self;
        let hash = hasher.hash_one(socket.id());
        table(places, hash).insert_unique(hash, place, |&place| hasher.hash_one(at(pieces, place).id()));
        match pieces.last_mut() {
            Some(piece) if piece.len() < PIECE => piece.push(socket),
            // The first one grows as it needs; whoever fills it fills another.
            None => pieces.push(vec![socket]),
            Some(_) => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(socket);
                pieces.push(piece);
            }
        }
    }

    /// The last one takes the place of who leaves.
    pub(crate) fn remove(&mut self, id: &str) {
        let Self { pieces, places, hasher } = self;
        let hash = hasher.hash_one(id);
        let Ok(entry) = table(places, hash).find_entry(hash, |&place| at(pieces, place).id() == id) else { return };
        let (place, _) = entry.remove();
        let last = pieces.last_mut().and_then(Vec::pop).expect("who has a place is in the order");
        if pieces.last().is_some_and(Vec::is_empty) {
            pieces.pop();
        }
        if last.id() == id {
            return;
        }
        let moved = self.len();
        let hash = self.hasher.hash_one(last.id());
        let found = table(&mut self.places, hash).find_mut(hash, |&place| place as usize == moved);
        *found.expect("who is in the order has a place") = place;
        *at_mut(&mut self.pieces, place) = last;
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Socket> {
        self.place(id).map(|place| at(&self.pieces, place))
    }

    pub(crate) fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE + last.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Socket> {
        self.pieces.iter().flatten()
    }

    fn place(&self, id: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(id);
        let table = &self.places[which(&self.places, hash)];
        table.find(hash, |&place| at(&self.pieces, place).id() == id).copied()
    }
}

fn table(places: &mut [HashTable<u32>], hash: u64) -> &mut HashTable<u32> {
    &mut places[which(places, hash)]
}

/// By bits that the tables themselves do not look at.
fn which(places: &[HashTable<u32>], hash: u64) -> usize {
    (hash >> 40) as usize % places.len()
}

fn at(pieces: &[Vec<Socket>], place: u32) -> &Socket {
    &pieces[place as usize / PIECE][place as usize % PIECE]
}

fn at_mut(pieces: &mut [Vec<Socket>], place: u32) -> &mut Socket {
    &mut pieces[place as usize / PIECE][place as usize % PIECE]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Server, testing::Client};

    /// What is in it, by a set that anybody understands.
    #[derive(Default)]
    struct Model(std::collections::BTreeMap<String, Socket>);

    #[track_caller]
    fn check(members: &Members, model: &Model, all: &[(Client, Socket)]) {
        assert_eq!((members.len(), members.is_empty()), (model.0.len(), model.0.is_empty()));
        let walked: Vec<&str> = members.iter().map(Socket::id).collect();
        let mut sorted = walked.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), walked.len(), "walked once each");
        assert!(sorted.iter().eq(model.0.keys()));
        assert!(all.iter().all(|(_, socket)| members.get(socket.id()) == model.0.get(socket.id())));
    }

    #[tokio::test]
    async fn members_come_and_go_in_any_order() {
        let io = Server::builder().build().unwrap();
        let all: Vec<_> = (0..2 * PIECE + 3).map(|_| Client::joined(&io)).collect();
        come_and_go(&all, Members::default());
        come_and_go(&all, Members::many());
    }

    fn come_and_go(all: &[(Client, Socket)], mut members: Members) {
        let mut model = Model::default();
        // Numbers that repeat, and look as if they did not (Lehmer's generator).
        let mut number = 7_u64;
        let mut next = |below: usize| {
            number = number * 48_271 % 0x7fff_ffff;
            usize::try_from(number).unwrap() % below
        };
        // Grows past two pieces, shrinks to nothing, and grows again.
        for comes_of_ten in [8, 2, 9, 0] {
            for step in 0..4 * PIECE {
                let socket = &all[next(all.len())].1;
                if next(10) < comes_of_ten {
                    members.insert(socket.clone());
                    model.0.insert(socket.id().to_owned(), socket.clone());
                } else {
                    members.remove(socket.id());
                    model.0.remove(socket.id());
                }
                if step % PIECE == 0 {
                    check(&members, &model, all);
                }
            }
            check(&members, &model, all);
        }
        for (_, socket) in all {
            members.remove(socket.id());
            model.0.remove(socket.id());
        }
        check(&members, &model, all);
    }

    #[test]
    fn a_room_is_small() {
        assert!(size_of::<Members>() <= 96, "{}", size_of::<Members>());
    }
}
