//! Every open session by its `sid`.

use std::{
    borrow::Borrow,
    collections::HashSet,
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::RwLock;

use crate::peer::Peer;

#[derive(Default)]
pub(crate) struct Sessions {
    /// By the last character of the `sid`, which is random. Handshakes rarely wait for each other, and a table that grows is small.
    peers: [RwLock<HashSet<BySid>>; 16],
    /// Sessions, and handshakes that will be some.
    taken: Arc<AtomicUsize>,
}

/// Room for one session, from before its handshake is answered until it is removed: however many come at once, and
/// however long a WebSocket takes between its answer and its session, there are never more than the limit.
pub(crate) struct Place(Option<Arc<AtomicUsize>>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(taken) = &self.0 {
            taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A session that is in its place: whoever takes it out gives the place back.
struct BySid(Arc<Peer>);

impl Borrow<str> for BySid {
    fn borrow(&self) -> &str {
        &self.0.sid
    }
}

impl Hash for BySid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (*self.0.sid).hash(state);
    }
}

impl PartialEq for BySid {
    fn eq(&self, other: &Self) -> bool {
        self.0.sid == other.0.sid
    }
}

impl Eq for BySid {}

impl Sessions {
    /// Room for one session more, if there is any.
    pub(crate) fn reserve(&self, max: u32) -> Option<Place> {
        let more = |taken| (taken < max as usize).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Place(Some(self.taken.clone())))
    }

    /// False when another session has this `sid`: two requests may bring back the same one. One that has ended makes room.
    pub(crate) fn insert(&self, peer: Arc<Peer>, mut place: Place) -> bool {
        let session = BySid(peer);
        let mut peers = self.beside(&session.0.sid).write();
        let is_free = peers.get(&session).is_none_or(|found| found.0.is_closed());
        if is_free {
            let replaced = peers.replace(session);
            drop(peers);
            // Without a session in this place before, it is taken now.
            if replaced.is_none() {
                place.0 = None;
            }
        }
        is_free
    }

    pub(crate) fn get(&self, sid: &str) -> Option<Arc<Peer>> {
        self.beside(sid).read().get(sid).map(|found| found.0.clone())
    }

    pub(crate) fn remove(&self, peer: &Peer) {
        let mut peers = self.beside(&peer.sid).write();
        let is_it = peers.get(&*peer.sid).is_some_and(|found| std::ptr::eq(&*found.0, peer));
        let removed = if is_it { peers.take(&*peer.sid) } else { None };
        // Dropped outside of the lock: it may be the last owner.
        drop(peers);
        if let Some(session) = removed {
            drop(session);
            self.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Peer>> {
        let mut all = Vec::new();
        for peers in &self.peers {
            all.extend(peers.read().iter().map(|found| found.0.clone()));
        }
        all
    }

    /// The sessions among which this one is, if it is any.
    fn beside(&self, sid: &str) -> &RwLock<HashSet<BySid>> {
        let last = sid.bytes().next_back().unwrap_or(0);
        &self.peers[usize::from(last) % self.peers.len()]
    }
}
