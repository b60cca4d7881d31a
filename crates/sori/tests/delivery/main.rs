//! Nothing lost, doubled or reordered: upgrades, poll turnover and lost connections in any order.
//!
//! Each case is a whole session over in-memory streams on virtual time, driven by a seed. `SORI_CASES=5000` runs more.

mod any_order;
mod client;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use client::{Dice, WebSocket, request};
use sori::{ConnectionStateRecovery, Data, Namespace, Server, Socket};
use tokio::{sync::mpsc, time::sleep};

/// A server that notes the numbers it receives, and hands out the socket that came.
fn server(recovery: bool) -> (Server, Arc<Mutex<Vec<u32>>>, mpsc::UnboundedReceiver<Socket>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (sender, sockets) = mpsc::unbounded_channel();
    let notes = heard.clone();
    let io = Server::builder()
        .connection_state_recovery(recovery.then(ConnectionStateRecovery::default))
        .namespace(
            "/",
            Namespace::new()
                .on_connect(move |socket: Socket| {
                    let sender = sender.clone();
                    async move { drop(sender.send(socket)) }
                })
                .on("n", move |Data(n): Data<u32>| {
                    notes.lock().unwrap().push(n);
                    async {}
                }),
        )
        .build()
        .unwrap();
    (io, heard, sockets)
}

/// The number in `42["n",17]`, with or without a cursor behind it.
fn number(packet: &str) -> Option<u32> {
    let rest = packet.strip_prefix("42[\"n\",")?;
    rest.split([',', ']']).next()?.parse().ok()
}

fn cases(default: u64) -> u64 {
    std::env::var("SORI_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Runs one case; a failure names its seed.
fn case(seed: u64, run: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(600), run).await.expect("the case hangs") });
    }));
    assert!(result.is_ok(), "failed with seed {seed}");
}

#[test]
fn an_upgrade_at_any_moment_loses_doubles_and_reorders_nothing() {
    for seed in 0..cases(300) {
        case(seed, upgrade_at_any_moment(seed));
    }
}

async fn upgrade_at_any_moment(seed: u64) {
    let mut dice = Dice::new(seed);
    let (io, heard, mut sockets) = server(false);
    let sid = handshake(&io).await;
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    assert_eq!(request(&io, "POST", &target, "40").await, (200, "ok".into()));
    let socket = sockets.recv().await.unwrap();

    // The server emits at its own pace, whatever the client does meanwhile.
    let (down, up) = (20 + dice.below(60) as u32, 20 + dice.below(60) as u32);
    let pace = dice.below(8);
    let mut pauses = Dice::new(seed + 1_000_000);
    let emitter = tokio::spawn(async move {
        for n in 0..down {
            socket.emit("n", &n).unwrap();
            if pauses.below(3) == 0 {
                sleep(Duration::from_millis(pauses.below(pace + 1))).await;
            }
        }
    });

    // Polling: one GET hangs at a time, POSTs of several packets go beside it.
    let mut received = Vec::new();
    let mut sent = 0;
    let upgrade_after = dice.below(u64::from(up)) as u32;
    while sent < upgrade_after {
        let batch = (1 + dice.below(5) as u32).min(upgrade_after - sent);
        let body: Vec<String> = (sent..sent + batch).map(|n| format!("42[\"n\",{n}]")).collect();
        let body = body.join("\u{1e}");
        let post = request(&io, "POST", &target, &body);
        if dice.below(2) == 0 {
            assert_eq!(post.await, (200, "ok".into()));
        } else {
            // The GET may hang until the next heartbeat, which virtual time brings at once.
            let (posted, polled) = tokio::join!(post, request(&io, "GET", &target, ""));
            assert_eq!(posted, (200, "ok".into()));
            take_payload(&io, &target, polled, &mut received).await;
        }
        sent += batch;
        sleep(Duration::from_millis(dice.below(4))).await;
    }

    // The probe, with a GET hanging or not; then the pause, then the upgrade packet.
    let ws_target = format!("/socket.io/?EIO=4&transport=websocket&sid={sid}");
    let mut ws = WebSocket::open(&io, &ws_target, 64 + dice.below(4096) as usize).await;
    let poll = (dice.below(2) == 0).then(|| {
        tokio::spawn({
            let (io, target) = (io.clone(), target.clone());
            async move { request(&io, "GET", &target, "").await }
        })
    });
    sleep(Duration::from_millis(dice.below(5))).await;
    ws.send("2probe").await;
    assert_eq!(ws.receive().await.as_deref(), Some("3probe"));
    if let Some(poll) = poll {
        take_payload(&io, &target, poll.await.unwrap(), &mut received).await;
    }
    sleep(Duration::from_millis(dice.below(5))).await;
    ws.send("5").await;

    while sent < up {
        ws.send(&format!("42[\"n\",{sent}]")).await;
        sent += 1;
    }
    while received.len() < down as usize {
        match ws.receive().await.expect("the WebSocket stays open").as_str() {
            "2" => ws.send("3").await,
            packet => received.extend(number(packet)),
        }
    }
    emitter.await.unwrap();
    while heard.lock().unwrap().len() < up as usize {
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(received, (0..down).collect::<Vec<_>>(), "what the client received");
    assert_eq!(*heard.lock().unwrap(), (0..up).collect::<Vec<_>>(), "what the server received");
    assert_eq!(io.stats().sessions(), 1);
}

async fn handshake(io: &Server) -> String {
    let (status, open) = request(io, "GET", "/socket.io/?EIO=4&transport=polling", "").await;
    assert_eq!(status, 200);
    open.split('"').nth(3).unwrap().to_owned()
}

/// Takes the numbers out of a poll's answer, and answers heartbeats.
async fn take_payload(io: &Server, target: &str, (status, body): (u16, String), received: &mut Vec<u32>) {
    assert_eq!(status, 200, "{body}");
    for packet in body.split('\u{1e}') {
        if packet == "2" {
            assert_eq!(request(io, "POST", target, "3").await.0, 200);
        }
        received.extend(number(packet));
    }
}

#[test]
fn a_client_that_resumes_gets_each_missed_event_once_or_is_told() {
    for seed in 0..cases(200) {
        case(seed, cut_and_resume(seed));
    }
}

async fn cut_and_resume(seed: u64) {
    let mut dice = Dice::new(seed);
    let (io, _, mut sockets) = server(true);
    let total = 40 + dice.below(80) as u32;
    let emitter = tokio::spawn({
        let (io, mut pauses) = (io.clone(), Dice::new(seed + 1_000_000));
        async move {
            sleep(Duration::from_millis(5)).await;
            for n in 0..total {
                io.emit("n", &n).unwrap();
                sleep(Duration::from_millis(pauses.below(4))).await;
            }
        }
    });
    let (mut received, mut pid, mut cursor, mut first_id) = (Vec::new(), String::new(), None::<String>, None);
    while received.last() != Some(&(total - 1)) {
        let mut ws = WebSocket::open(&io, "/socket.io/?EIO=4&transport=websocket", 64 + dice.below(512) as usize).await;
        let known = cursor.is_some();
        match &cursor {
            Some(cursor) => ws.send(&format!("40{{\"pid\":\"{pid}\",\"offset\":\"{cursor}\"}}")).await,
            None => ws.send("40").await,
        }
        // Cut after some packets, anywhere: the stream is dropped with whatever was under way.
        for _ in 0..1 + dice.below(30) {
            let Some(packet) = ws.receive().await else { break };
            if let Some(n) = number(&packet) {
                received.push(n);
                cursor = packet.rsplit('"').nth(1).map(str::to_owned);
            } else if let Some(reply) = packet.strip_prefix("40") {
                let id = reply.split('"').nth(3).unwrap().to_owned();
                pid = reply.split('"').nth(7).unwrap().to_owned();
                // Stays whose reply was cut off are in the queue too; the last of this id is ours.
                let mut socket = sockets.recv().await.unwrap();
                while let Ok(later) = sockets.try_recv() {
                    socket = later;
                }
                assert_eq!((socket.id(), socket.recovered()), (&*id, known), "whoever has a cursor resumes");
                if known {
                    assert_eq!(Some(&id), first_id.as_ref(), "a resumed socket keeps its id");
                }
                first_id = Some(id);
            }
            if received.last() == Some(&(total - 1)) {
                break;
            }
        }
        drop(ws);
        sleep(Duration::from_millis(dice.below(20))).await;
    }
    emitter.await.unwrap();
    let first = received[0];
    assert_eq!(received, (first..total).collect::<Vec<_>>());
}

#[test]
fn a_client_that_polls_resumes_without_a_gap_too() {
    for seed in 0..cases(150) {
        case(seed, cut_and_resume_by_polling(seed));
    }
}

async fn cut_and_resume_by_polling(seed: u64) {
    let mut dice = Dice::new(seed);
    let (io, _, mut sockets) = server(true);
    let total = 30 + dice.below(60) as u32;
    let emitter = tokio::spawn({
        let (io, mut pauses) = (io.clone(), Dice::new(seed + 1_000_000));
        async move {
            sleep(Duration::from_millis(5)).await;
            for n in 0..total {
                io.emit("n", &n).unwrap();
                sleep(Duration::from_millis(pauses.below(4))).await;
            }
        }
    });
    let (mut received, mut pid, mut cursor) = (Vec::new(), String::new(), None::<String>);
    while received.last() != Some(&(total - 1)) {
        if cursor.is_none() && emitter.is_finished() {
            // Every answer was lost: it never had anything to resume.
            return;
        }
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", handshake(&io).await);
        let auth = cursor.as_ref().map_or(String::new(), |cursor| format!("{{\"pid\":\"{pid}\",\"offset\":\"{cursor}\"}}"));
        assert_eq!(request(&io, "POST", &target, &format!("40{auth}")).await, (200, "ok".into()));
        let socket = sockets.recv().await.unwrap();
        assert_eq!(socket.recovered(), cursor.is_some(), "whoever has a cursor resumes");
        for _ in 0..1 + dice.below(6) {
            // Some answers are lost on their way, some GETs break off before there is one.
            let patience = Duration::from_millis(1 + dice.below(30));
            let Ok((status, body)) = tokio::time::timeout(patience, request(&io, "GET", &target, "")).await else { break };
            if status != 200 || dice.below(5) == 0 {
                break;
            }
            for packet in body.split('\u{1e}') {
                if let Some(n) = number(packet) {
                    received.push(n);
                    cursor = packet.rsplit('"').nth(1).map(str::to_owned);
                } else if let Some(reply) = packet.strip_prefix("40") {
                    reply.split('"').nth(7).unwrap().clone_into(&mut pid);
                }
            }
        }
        sleep(Duration::from_millis(dice.below(20))).await;
    }
    emitter.await.unwrap();
    let first = received[0];
    assert_eq!(received, (first..total).collect::<Vec<_>>());
}

#[test]
fn a_client_may_resume_before_the_server_knows_that_its_connection_is_gone() {
    case(0, async {
        let (io, _, _sockets) = server(true);
        let target = "/socket.io/?EIO=4&transport=websocket";
        let mut gone = WebSocket::open(&io, target, 4096).await;
        gone.send("40").await;
        assert!(gone.receive().await.unwrap().starts_with("0{"));
        let reply = gone.receive().await.unwrap();
        let (id, pid) = (reply.split('"').nth(3).unwrap(), reply.split('"').nth(7).unwrap());
        io.emit("n", &1).unwrap();
        let cursor = gone.receive().await.unwrap().rsplit('"').nth(1).unwrap().to_owned();
        // The network swallows this one; no FIN ever arrives.
        io.emit("n", &2).unwrap();
        let mut back = WebSocket::open(&io, target, 4096).await;
        back.send(&format!("40{{\"pid\":\"{pid}\",\"offset\":\"{cursor}\"}}")).await;
        assert!(back.receive().await.unwrap().starts_with("0{"));
        assert_eq!(number(&back.receive().await.unwrap()), Some(2));
        assert_eq!(back.receive().await.unwrap(), format!("40{{\"sid\":\"{id}\",\"pid\":\"{pid}\"}}"));
        io.emit("n", &3).unwrap();
        assert_eq!(number(&back.receive().await.unwrap()), Some(3));
        assert_eq!((io.of("/").len(), io.stats().sessions()), (1, 1), "the old connection was ended");
    });
}
