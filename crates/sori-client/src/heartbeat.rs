//! Who asks whether the other still lives: in revision 3 the client, in revision 4 the server.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use crate::{Error, Revision, timer::Timer};

/// The heartbeat of one Engine.IO session.
pub(crate) struct Heartbeat {
    timer: Timer,
    revision: Revision,
    interval_ms: u32,
    timeout_ms: u32,
    /// When anything at all last came from the server: whoever sends events lives.
    heard: Instant,
    /// Revision 3: when the next ping is due, or the answer to the last.
    due: Instant,
    is_asked: bool,
}

/// What the time demands.
pub(crate) enum Beat {
    /// Revision 3: ask.
    Ping,
    /// The server has died.
    Silent(Error),
}

impl Heartbeat {
    pub(crate) fn new(revision: Revision, interval_ms: u32, timeout_ms: u32) -> Self {
        let now = Instant::now();
        let due = now + Duration::from_millis(interval_ms.into());
        let mut heartbeat = Self { timer: Timer::new(due), revision, interval_ms, timeout_ms, heard: now, due, is_asked: false };
        heartbeat.timer = Timer::new(heartbeat.deadline());
        heartbeat
    }

    /// Something came.
    pub(crate) fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// Revision 3: the server answers.
    pub(crate) fn ponged(&mut self) {
        if self.is_asked {
            self.is_asked = false;
            self.due = Instant::now() + self.interval();
        }
    }

    /// To be asked when there is nothing to read: what waits in the socket while the caller does something else has been said.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Beat> {
        let deadline = self.deadline();
        ready!(self.timer.poll(cx, deadline));
        if self.revision == Revision::V3 && !self.is_asked {
            self.is_asked = true;
            self.due = Instant::now() + self.timeout();
            return Poll::Ready(Beat::Ping);
        }
        let after = self.heard.elapsed();
        Poll::Ready(Beat::Silent(Error::Silent { after: Duration::from_millis(after.as_millis() as u64) }))
    }

    fn deadline(&self) -> Instant {
        match (self.revision, self.is_asked) {
            (Revision::V4, _) => self.heard + self.interval() + self.timeout(),
            (Revision::V3, false) => self.due,
            (Revision::V3, true) => self.due.max(self.heard + self.timeout()),
        }
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms.into())
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn beat(heartbeat: &mut Heartbeat) -> &'static str {
        match poll_fn(|cx| heartbeat.poll(cx)).await {
            Beat::Ping => "ping",
            Beat::Silent(_) => "silent",
        }
    }

    #[tokio::test(start_paused = true)]
    async fn revision_4_waits_for_the_server() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(Revision::V4, 300, 200);
        tokio::time::advance(Duration::from_millis(400)).await;
        heartbeat.heard();
        assert_eq!(beat(&mut heartbeat).await, "silent");
        assert!((900..=902).contains(&start.elapsed().as_millis()));
    }

    #[tokio::test(start_paused = true)]
    async fn revision_3_asks() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(Revision::V3, 300, 200);
        assert_eq!(beat(&mut heartbeat).await, "ping");
        tokio::time::advance(Duration::from_millis(100)).await;
        heartbeat.heard();
        heartbeat.ponged();
        assert_eq!(beat(&mut heartbeat).await, "ping");
        assert!((700..=703).contains(&start.elapsed().as_millis()));
        assert_eq!(beat(&mut heartbeat).await, "silent");
        assert!((900..=904).contains(&start.elapsed().as_millis()));
    }
}
