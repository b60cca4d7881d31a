//! The thread's buffers, so that no connection needs any.

use std::{cell::Cell, mem};

use bytes::Bytes;

/// The buffers, for as long as one connection has its turn. A handler that blocks on another connection's
/// work on this thread finds none and makes its own.
pub(crate) struct Scratch {
    /// What is read; then, what is joined to be written.
    pub(crate) bytes: Box<[u8]>,
    /// What is being written.
    pub(crate) frames: Vec<Bytes>,
}

type Buffers = (Box<[u8]>, Vec<Bytes>);

thread_local! {
    static SCRATCH: Cell<Option<Buffers>> = const { Cell::new(None) };
}

impl Scratch {
    pub(crate) const BYTES: usize = 64 * 1024;

    pub(crate) fn take() -> Self {
        let (bytes, frames) = SCRATCH.take().unwrap_or_else(|| (vec![0; Self::BYTES].into(), Vec::new()));
        Self { bytes, frames }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What a connection that broke had left.
        self.frames.clear();
        self.frames.shrink_to(FRAMES_KEPT);
        SCRATCH.set(Some((mem::take(&mut self.bytes), mem::take(&mut self.frames))));
    }
}

/// Room for frames that a thread keeps between turns.
const FRAMES_KEPT: usize = 64;
