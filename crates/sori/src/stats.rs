//! What a server counts.

use std::sync::atomic::{AtomicU64, Ordering};

use sori_proto::CloseReason;

/// Counters of one server since it began.
#[derive(Default)]
pub struct Stats {
    sessions: AtomicU64,
    sessions_opened: AtomicU64,
    handler_panics: AtomicU64,
    rejections: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
}

impl Stats {
    /// Sessions that are open now.
    pub fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Sessions opened so far.
    pub fn sessions_opened(&self) -> u64 {
        self.sessions_opened.load(Ordering::Relaxed)
    }

    /// Handlers that panicked. Each cost its event and nothing else.
    pub fn handler_panics(&self) -> u64 {
        self.handler_panics.load(Ordering::Relaxed)
    }

    /// Handlers that were not called because their arguments could not be had.
    pub fn rejections(&self) -> u64 {
        self.rejections.load(Ordering::Relaxed)
    }

    /// Sessions that ended for this reason.
    pub fn sessions_closed(&self, reason: CloseReason) -> u64 {
        self.closed[index(reason)].load(Ordering::Relaxed)
    }

    pub(crate) fn session_opened(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        self.sessions_opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn session_closed(&self, reason: CloseReason) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
        self.closed[index(reason)].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn handler_panicked(&self) {
        self.handler_panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn rejected(&self) {
        self.rejections.fetch_add(1, Ordering::Relaxed);
    }
}

fn index(reason: CloseReason) -> usize {
    CloseReason::ALL.iter().position(|r| *r == reason).unwrap_or(0)
}
