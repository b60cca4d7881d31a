//! One clock and one wheel for all sessions of a server, instead of a timer for each.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::peer::Peer;

/// Who must be looked at when. A session is entered once; when its deadline moves later, as with each
/// heartbeat, the entry stays and is moved on when it comes up.
pub(crate) struct Deadlines {
    start: Instant,
    slots: Mutex<BTreeMap<u64, Vec<Weak<Peer>>>>,
    earlier: Notify,
}

/// The slot a session is entered in; 0 for none.
#[derive(Default)]
pub(crate) struct Armed(AtomicU64);

impl Deadlines {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), slots: Mutex::default(), earlier: Notify::new() }
    }

    /// Milliseconds since the server began.
    pub(crate) fn now(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    /// Looks at `peer` at `at_ms`, or before.
    pub(crate) fn arm(&self, peer: &Arc<Peer>, armed: &Armed, at_ms: u64) {
        let slot = at_ms.div_ceil(SLOT_MS).max(1);
        let current = armed.0.load(Ordering::Relaxed);
        if current != 0 && current <= slot {
            return;
        }
        let mut slots = self.slots.lock();
        armed.0.store(slot, Ordering::Relaxed);
        let is_first = slots.first_key_value().is_none_or(|(first, _)| slot < *first);
        slots.entry(slot).or_default().push(Arc::downgrade(peer));
        drop(slots);
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// Nothing is due for `peer` any more. Else its memory would stay until its slot comes up, and of sockets that live for one
    /// request there may be thousands a second.
    pub(crate) fn disarm(&self, peer: &Arc<Peer>, armed: &Armed) {
        if armed.0.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut slots = self.slots.lock();
        let slot = armed.0.swap(0, Ordering::Relaxed);
        let Some(peers) = slots.get_mut(&slot) else { return };
        peers.retain(|entered| entered.as_ptr() != Arc::as_ptr(peer));
        if peers.is_empty() {
            slots.remove(&slot);
        }
    }

    /// Runs until the server is gone.
    pub(crate) async fn run(this: Weak<crate::server::Shared>) {
        let mut swept_at = 0;
        loop {
            let Some(shared) = this.upgrade() else { return };
            let now = shared.deadlines.now();
            if now >= swept_at + SWEEP_MS {
                swept_at = now;
                shared.namespaces.forget_idle(now, 1);
            }
            let next = shared.deadlines.slots.lock().first_key_value().map(|(slot, _)| *slot);
            let until = match next {
                Some(slot) => shared.deadlines.start + Duration::from_millis(slot * SLOT_MS),
                // Nobody to look at: wake now and then to see whether the server still exists.
                None => Instant::now() + Duration::from_millis(SWEEP_MS),
            };
            if Instant::now() < until {
                tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    () = shared.deadlines.earlier.notified() => {}
                }
                continue;
            }
            let due = shared.deadlines.slots.lock().pop_first();
            if let Some((slot, peers)) = due {
                for peer in peers.into_iter().filter_map(|peer| peer.upgrade()) {
                    // Entered again elsewhere since: that entry counts.
                    if peer.armed.0.compare_exchange(slot, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                        peer.handle_deadline();
                    }
                }
            }
        }
    }
}

/// How often what nobody uses any more is looked for.
const SWEEP_MS: u64 = 10_000;
/// How exactly deadlines are kept. Input is checked against the exact deadline anyway.
const SLOT_MS: u64 = 8;

#[cfg(test)]
mod tests {
    use sori_proto::CloseReason;

    use super::*;
    use crate::{
        Server,
        testing::{Client, settle},
    };

    fn waiting(io: &Server) -> usize {
        io.shared().deadlines.slots.lock().values().map(Vec::len).sum()
    }

    async fn sleep(ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn sockets_of_one_request_leave_nothing() {
        use http_body_util::{BodyExt, Empty};
        use tower::ServiceExt;
        let io = Server::builder().build().unwrap();
        for _ in 0..100 {
            let post = http::Request::post("/live?event=x").body(Empty::<bytes::Bytes>::new().boxed()).unwrap();
            assert_eq!(io.service().oneshot(post).await.unwrap().status(), 204);
        }
        assert_eq!((waiting(&io), io.stats().sessions_opened(), io.stats().sessions()), (0, 100, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_looked_at_when_it_is_due() {
        let io = Server::builder().build().unwrap();
        let (client, _) = Client::joined(&io);
        sleep(24_999).await;
        assert!(client.hears().is_empty());
        sleep(SLOT_MS + 1).await;
        assert_eq!(client.hears(), ["2"]);
        sleep(19_980).await;
        assert!(!client.peer.is_closed());
        sleep(2 * SLOT_MS + 20).await;
        assert_eq!(io.stats().sessions_closed(CloseReason::PingTimeout), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_moves_later_keeps_its_one_entry() {
        let io = Server::builder().build().unwrap();
        let (client, _) = Client::joined(&io);
        for _ in 0..100 {
            sleep(1_000).await;
            client.says("3");
        }
        assert!(!client.peer.is_closed());
        assert_eq!(waiting(&io), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn input_meets_the_exact_deadline_however_late_the_wheel_is() {
        let io = Server::builder().ping_interval(Duration::from_millis(81)).build().unwrap();
        let (client, _) = Client::joined(&io);
        sleep(81).await;
        client.says(r#"42["x"]"#);
        assert_eq!(client.hears(), ["2"], "the wheel comes at 88 ms");
    }

    #[tokio::test(start_paused = true)]
    async fn many_sessions_come_and_go_and_nothing_is_left() {
        let io = Server::builder().build().unwrap();
        let keeper = Client::joined(&io);
        let weak: Vec<_> = (0..1_000)
            .map(|n| {
                let (client, _) = Client::joined(&io);
                if n % 2 == 0 {
                    client.peer.close(CloseReason::TransportClose);
                }
                Arc::downgrade(&client.peer)
            })
            .collect();
        assert!(waiting(&io) >= 1_000);
        for _ in 0..20 {
            sleep(5_000).await;
            keeper.0.says("3");
        }
        settle().await;
        assert_eq!(waiting(&io), 1);
        assert_eq!((io.stats().sessions(), io.of("/").len()), (1, 1));
        assert!(weak.iter().all(|peer| peer.strong_count() == 0), "every peer is freed");
    }

    #[tokio::test(start_paused = true)]
    async fn the_wheel_stops_with_its_server() {
        let io = Server::builder().build().unwrap();
        let (client, socket) = Client::joined(&io);
        let server = Arc::downgrade(io.shared());
        client.peer.close(CloseReason::TransportClose);
        drop((client, socket, io));
        sleep(60_000).await;
        settle().await;
        assert_eq!(server.strong_count(), 0);
    }
}
