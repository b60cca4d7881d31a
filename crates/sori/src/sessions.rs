//! Every open session by its `sid`.

use std::{
    borrow::Borrow,
    collections::HashSet,
    hash::{Hash, Hasher},
    sync::Arc,
};

use parking_lot::RwLock;

use crate::peer::Peer;

#[derive(Default)]
pub(crate) struct Sessions {
    peers: RwLock<HashSet<BySid>>,
}

struct BySid(Arc<Peer>);

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
    pub(crate) fn insert(&self, peer: Arc<Peer>) {
        self.peers.write().insert(BySid(peer));
    }

    pub(crate) fn get(&self, sid: &str) -> Option<Arc<Peer>> {
        self.peers.read().get(sid).map(|found| found.0.clone())
    }

    pub(crate) fn remove(&self, sid: &str) {
        let removed = self.peers.write().take(sid);
        // Dropped outside of the lock: it may be the last owner.
        drop(removed);
    }

    pub(crate) fn len(&self) -> usize {
        self.peers.read().len()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Peer>> {
        self.peers.read().iter().map(|found| found.0.clone()).collect()
    }
}
