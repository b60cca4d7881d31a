//! The thread's read buffer, so that no connection needs one.

use std::cell::Cell;

/// The buffer, for as long as one connection reads. A handler that blocks on another connection's
/// work on this thread finds none and makes its own.
pub(crate) struct Scratch(pub(crate) Box<[u8]>);

thread_local! {
    static SCRATCH: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

impl Scratch {
    pub(crate) const BYTES: usize = 64 * 1024;

    pub(crate) fn take() -> Self {
        Self(SCRATCH.take().unwrap_or_else(|| vec![0; Self::BYTES].into()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        SCRATCH.set(Some(std::mem::take(&mut self.0)));
    }
}
