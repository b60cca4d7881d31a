//! Counts what is under way, and tells when nothing is.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use crate::server::Shared;

#[derive(Default)]
pub(crate) struct Gauge {
    count: AtomicUsize,
    emptied: Notify,
}

/// One thing under way.
pub(crate) struct Busy(Arc<Shared>);

impl Busy {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        shared.busy.count.fetch_add(1, Ordering::AcqRel);
        Self(shared.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.busy.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.busy.emptied.notify_waiters();
        }
    }
}

impl Gauge {
    /// Waits until nothing is under way.
    pub(crate) async fn zero(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }
}
