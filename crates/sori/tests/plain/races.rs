//! Many threads, real time: others emit while a client comes and goes.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use sori::{ConnectionStateRecovery, History, Namespace, Server, Socket};
use tokio::time::timeout;

use crate::{
    client::{Client, Way},
    dice::{Dice, cases},
};

/// How a client that was cut off comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    /// To its session, which a POST has opened.
    Session,
    /// As a new socket, which reads history.
    History,
    /// As who it was.
    Recovery,
}

#[test]
fn while_others_emit_nothing_is_lost_or_told_twice() {
    for back in [Back::Session, Back::History, Back::Recovery] {
        for seed in 0..cases(4) {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
            let run = AssertUnwindSafe(|| {
                runtime.block_on(async {
                    let story = tokio::spawn(come_and_go(seed, back));
                    timeout(Duration::from_secs(60), story).await.expect("it hangs").unwrap();
                })
            });
            assert!(std::panic::catch_unwind(run).is_ok(), "failed with seed {seed}, coming back to {back:?}");
        }
    }
}

const EVENTS: u32 = 600;

async fn come_and_go(seed: u64, back: Back) {
    let mut dice = Dice::new(seed);
    let namespace = Namespace::new()
        .allow_callbacks()
        .history(History::new(100_000, Duration::from_secs(3_600)))
        .on_connect(async |socket: Socket| socket.join("a"));
    let recovery = (back != Back::History).then(ConnectionStateRecovery::default);
    let io = Server::builder().connection_state_recovery(recovery).namespace("/", namespace).build().unwrap();
    let mut client = match back {
        Back::Session => Client::open_by_post(&io, "/live").await,
        _ => Client::open(&io, "/live", dice.pick(&Way::PLAIN)).await,
    };
    client.since = client.connect["cursor"].as_str().map(str::to_owned);
    let is_done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let emitter = std::thread::spawn({
        let (io, mut dice, is_done) = (io.clone(), Dice::new(seed + 1_000), is_done.clone());
        move || {
            for n in 0..EVENTS {
                let to = if dice.chance(2) { io.of("/") } else { io.to("a") };
                to.emit("n", &(n, "~".repeat(dice.below(100) as usize))).unwrap();
                if dice.chance(8) {
                    std::thread::sleep(Duration::from_micros(dice.below(1_000)));
                }
            }
            is_done.store(true, std::sync::atomic::Ordering::Release);
        }
    });
    let mut received = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(50);
    while received.len() < EVENTS as usize && Instant::now() < deadline {
        client.budget = 300 + dice.below(20_000) as usize;
        if back == Back::History {
            client.sid = None;
        }
        client.listen(dice.pick(&Way::PLAIN)).await;
        let patience = Duration::from_millis(1 + dice.below(10));
        while let Ok(Some(said)) = timeout(patience, client.next()).await {
            match said.number() {
                Some(n) => received.push(n),
                None => panic!("{said:?}"),
            }
        }
        assert!(client.refused.is_none(), "{:?}", client.refused);
        let recovered = client.connects <= 1 || client.connect["recovered"] == true;
        assert!(recovered, "{:?} since {:?}: {}", client.way, client.since, client.connect);
    }
    emitter.join().unwrap();
    assert_eq!(received, (0..EVENTS).collect::<Vec<_>>());
    assert_eq!(io.stats().handler_panics(), 0);
}
