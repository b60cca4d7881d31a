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
    peers: RwLock<HashSet<BySid>>,
    /// Sessions, and handshakes that will be some.
    taken: Arc<AtomicUsize>,
}

/// Room for one session, from before its handshake is answered until it is removed: however many come at once, and
/// however long a WebSocket takes between its answer and its session, there are never more than the limit.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct BySid(Arc<Peer>, #[expect(dead_code, reason = "held until the session is removed")] Place);

impl Borrow<str> for BySid {
    fn borrow(&self) -> &str {
        &self.0.sid
    }
}

impl Hash for BySid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.sid.hash(state);
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
        Some(Place(self.taken.clone()))
    }

    /// False when another session has this `sid`: two requests may bring back the same one. One that has ended makes room.
    pub(crate) fn insert(&self, peer: Arc<Peer>, place: Place) -> bool {
        let session = BySid(peer, place);
        let mut peers = self.peers.write();
        let is_free = peers.get(&session).is_none_or(|found| found.0.is_closed());
        let replaced = if is_free { peers.replace(session) } else { None };
        drop(peers);
        drop(replaced);
        is_free
    }

    pub(crate) fn get(&self, sid: &str) -> Option<Arc<Peer>> {
        self.peers.read().get(sid).map(|found| found.0.clone())
    }

    pub(crate) fn remove(&self, peer: &Peer) {
        let mut peers = self.peers.write();
        let is_it = peers.get(&*peer.sid).is_some_and(|found| std::ptr::eq(&*found.0, peer));
        let removed = if is_it { peers.take(&*peer.sid) } else { None };
        // Dropped outside of the lock: it may be the last owner.
        drop(peers);
        drop(removed);
    }

    pub(crate) fn all(&self) -> Vec<Arc<Peer>> {
        self.peers.read().iter().map(|found| found.0.clone()).collect()
    }
}
