//! The thread's buffers, so that no connection needs its own.

use std::cell::Cell;

use bytes::Bytes;

/// The buffers, for as long as one connection has its turn. A handler that blocks on another connection's
/// work on this thread finds none and makes its own.
pub(crate) struct Scratch(pub(crate) Buffers);

#[derive(Default)]
pub(crate) struct Buffers {
    /// What is read; then, what is joined to be written.
    pub(crate) bytes: Box<[u8]>,
    /// What is being written.
    pub(crate) frames: Vec<Bytes>,
}

thread_local! {
    static BUFFERS: Cell<Option<Buffers>> = const { Cell::new(None) };
}

impl Scratch {
    pub(crate) const BYTES: usize = 64 * 1024;

    pub(crate) fn take() -> Self {
        Self(BUFFERS.take().unwrap_or_else(|| Buffers { bytes: vec![0; Self::BYTES].into(), frames: Vec::new() }))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut buffers = std::mem::take(&mut self.0);
        // What a connection that broke had left.
        buffers.frames.clear();
        buffers.frames.shrink_to(FRAMES_KEPT);
        BUFFERS.set(Some(buffers));
    }
}

/// Room for frames that a thread keeps between turns.
const FRAMES_KEPT: usize = 64;
