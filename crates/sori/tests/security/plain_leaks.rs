//! Nothing of a plain client is left when it has gone, however it went.

use std::{sync::Arc, time::Duration};

use sori::{CloseReason, History};
use tokio::{runtime::Handle, task::JoinSet};

use crate::{
    plain::{EVERY_WAY, Plain, Way},
    websocket::memory_kib,
    wire::{Http, until, until_within},
    world::{World, handlers},
};

/// How a client goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    /// It says so.
    Graceful,
    /// A TCP reset, with a poll, a stream or a WebSocket open.
    Reset,
    /// In the middle of the request that would have opened it, or before its answer.
    MidHandshake,
    /// Another request takes its session over, and then it is never heard of again.
    Replaced,
    /// It joins a room of a dynamic namespace, asks for water, and is never heard of again.
    Abandoned,
    /// One event, and nothing before or after it.
    Once,
}

const GOINGS: [Going; 6] = [Going::Graceful, Going::Reset, Going::MidHandshake, Going::Replaced, Going::Abandoned, Going::Once];
const AT_ONCE: usize = 32;
/// What the memory may grow by from the second part to the third. One leaked session in ten would be more.
const GROWTH_KIB_MAX: u64 = 512;

/// Leak baseline: after thousands of connects and disconnects on each way, sessions, rooms, tasks, timers and memory are back where
/// they began
///
/// `SORI_LEAK_CLIENTS=60000` makes it so many.
#[test]
fn thousands_come_and_go() {
    // A process of its own, because memory is counted by process and other tests run beside this one.
    if std::env::var_os("SORI_LEAK_CHILD").is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "plain_leaks::thousands_come_and_go", "--nocapture"])
            .env("SORI_LEAK_CHILD", "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let clients = std::env::var("SORI_LEAK_CLIENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(3_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(come_and_go(clients));
}

async fn come_and_go(clients: usize) {
    let moment = Duration::from_secs(1);
    let world = World::with(|server| {
        let kept = handlers().history(History::new(50, Duration::from_secs(2)));
        let server = server.limits(|limits| {
            limits.plain_idle_ms = 3_000;
            limits.connect_timeout_ms = 1_000;
            limits.repeat_window_ms = 1_000;
            limits.repeats_max = 100;
        });
        server.ping_interval(moment).ping_timeout(moment).namespace("/dynamic-{n}", handlers()).namespace("/kept-{n}", kept)
    })
    .await;
    let world = Arc::new(world);
    world.undisturbed().await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();

    let mut resident = Vec::new();
    for part in 0..10 {
        let mut clients: Vec<usize> = (0..clients / 10).map(|n| part * clients / 10 + n).collect();
        let mut under_way = JoinSet::new();
        while !clients.is_empty() || !under_way.is_empty() {
            while under_way.len() < AT_ONCE
                && let Some(n) = clients.pop()
            {
                under_way.spawn(come(world.clone(), n));
            }
            under_way.join_next().await.unwrap().unwrap();
        }
        // The abandoned ones take their time, which is not spent after every part.
        if [2, 5, 9].contains(&part) {
            until(|| world.io.stats().sessions() == 1).await;
            until(|| tasks() <= before).await;
            resident.push(memory_kib("VmRSS:"));
        }
    }

    assert_eq!((world.io.of("/").len(), world.io.rooms_len()), (1, 0));
    // Looked after every 10 s.
    until_within(Duration::from_secs(25), || world.io.namespaces().len() == 1).await;
    let opened = world.io.stats().sessions_opened() as usize;
    assert!(opened > clients * 7 / 10, "only {opened} sessions were opened");
    for (reason, share) in
        [(CloseReason::TransportClose, 10), (CloseReason::PingTimeout, 10), (CloseReason::ClientNamespaceDisconnect, 10)]
    {
        assert!(world.closed(reason) as usize > clients / share, "{reason}: {}", world.closed(reason));
    }
    assert!(resident[2] <= resident[1] + GROWTH_KIB_MAX, "the process grew, in KiB: {resident:?}");
    world.undisturbed().await;
}

/// One client comes and goes. Every way goes every way.
async fn come(world: Arc<World>, n: usize) {
    let (way, going) = (EVERY_WAY[n % EVERY_WAY.len()], GOINGS[n / EVERY_WAY.len() % GOINGS.len()]);
    let path = ["/live".to_owned(), format!("/live/kept-{}", n % 7), format!("/live/dynamic-{}", n % 7)][n % 3].clone();
    match going {
        Going::MidHandshake => {
            let mut http = Http::open(world.address).await;
            let head = format!("{} {} HTTP/1.1\r\nhost: test\r\n{}\r\n", way.method(), way.opening(&path), way.headers());
            http.write(&head[..if n.is_multiple_of(2) { head.len() } else { n % head.len() }]).await;
            http.reset();
        }
        Going::Graceful => {
            let mut client = Plain::of(&world, way, &path).await;
            client.asks("join", "[0,3]").await;
            match client.ws.as_mut().filter(|_| way == Way::Websocket) {
                Some(ws) => {
                    ws.http.write(b"\x88\x82\0\0\0\0\x03\xe8").await;
                    ws.closed().await;
                }
                None => client.leaves().await,
            }
        }
        Going::Reset => {
            let mut client = Plain::of(&world, way, &path).await;
            client.says("join", "[3,3]").await;
            match (client.http.take(), client.ws.take()) {
                (Some(http), _) => http.reset(),
                (_, Some(ws)) => ws.http.reset(),
                _ => client.attach(Way::LongPolling).await.reset(),
            }
        }
        Going::Replaced => {
            let mut client = Plain::of(&world, way, &path).await;
            let mut next = client.attach([Way::Sse, Way::LongPolling, Way::Multipart][n % 3]).await;
            client.says("join", "[3,3]").await;
            if let Some(ws) = client.ws.as_mut().filter(|_| n.is_multiple_of(2)) {
                ws.closed().await;
            }
            next.head().await;
        }
        Going::Abandoned => {
            let mut client = Plain::of(&world, way, &path).await;
            client.says("join", "[6,3]").await;
            client.says("flood", "[3,1000]").await;
            // A WebSocket that stays and answers no ping.
            if client.ws.is_some() {
                tokio::spawn(async move { client.ends().await });
            }
        }
        Going::Once => {
            for query in ["event=join&args=1".to_owned(), format!("event=echo&args=1&id={n}")] {
                let body = if query.contains("join") { "[0,2]" } else { "[1]" };
                let answer = world.request("POST", &format!("{path}?{query}"), "content-type: application/json\r\n", body).await;
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        }
    }
}
