//! A server from which nothing is heard.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use crate::{Error, timer::Timer};

/// Gives up what has been silent for too long.
pub(crate) struct Silence {
    timer: Timer,
    after: Duration,
    heard: Instant,
}

impl Silence {
    pub(crate) fn new(after: Duration) -> Self {
        let heard = Instant::now();
        Self { timer: Timer::new(heard + after), after, heard }
    }

    /// Passes on what was read, or that nothing was for too long. Reading comes first: what waits in the socket while the caller
    /// does something else has been said.
    pub(crate) fn watch<T>(
        silence: &mut Option<Self>,
        cx: &mut Context<'_>,
        read: Poll<Result<T, Error>>,
    ) -> Poll<Result<T, Error>> {
        let Some(Self { timer, after, heard }) = silence else { return read };
        match read {
            Poll::Ready(read) => {
                *heard = Instant::now();
                Poll::Ready(read)
            }
            Poll::Pending => timer.poll(cx, *heard + *after).map(|()| Err(Error::Silent { after: *after })),
        }
    }
}
