//! Many threads at once: what each emitter sent arrives in its order, once, while others come and go.

#[path = "delivery/client.rs"]
#[allow(dead_code, reason = "the delivery tests use the rest")]
mod client;

use std::time::Duration;

use client::WebSocket;
use sori::{ConnectionStateRecovery, Data, Namespace, Server, Socket};

const EMITTERS: usize = 4;
const EVENTS: usize = 300;
const STEADY: usize = 12;

#[test]
fn broadcasts_from_many_threads_keep_their_order_while_sockets_come_and_go() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), scene()).await.expect("no deadlock");
    });
}

async fn scene() {
    let io = Server::builder()
        .namespace(
            "/",
            Namespace::new()
                .on("join", |socket: Socket, Data(rooms): Data<Vec<String>>| async move { socket.join(rooms) })
                .on("leave", |socket: Socket, Data(room): Data<String>| async move { socket.leave(room) }),
        )
        .build()
        .unwrap();
    let mut steady = Vec::new();
    for _ in 0..STEADY {
        let mut ws = enter(&io).await;
        ws.send(r#"421["join",["a","b"]]"#).await;
        steady.push(tokio::spawn(listen(ws)));
    }
    while io.to("b").fetch_sockets().len() < STEADY {
        tokio::task::yield_now().await;
    }
    let restless: Vec<_> = (0..4).map(|n| tokio::spawn(come_and_go(io.clone(), n))).collect();
    let emitters: Vec<_> = (0..EMITTERS)
        .map(|emitter| {
            let io = io.clone();
            // A thread of its own, outside of the runtime: emitting needs none.
            std::thread::spawn(move || {
                for n in 0..EVENTS {
                    io.to(["a", "b"]).emit("n", &(emitter, n)).unwrap();
                }
            })
        })
        .collect();
    for listener in steady {
        assert_eq!(listener.await.unwrap(), [EVENTS; EMITTERS]);
    }
    emitters.into_iter().for_each(|emitter| emitter.join().unwrap());
    restless.into_iter().for_each(|task| task.abort());
    assert_eq!(io.stats().handler_panics(), 0);
}

async fn enter(io: &Server) -> WebSocket {
    let mut ws = WebSocket::open(io, "/socket.io/?EIO=4&transport=websocket", 1 << 16).await;
    ws.receive().await;
    ws.send("40").await;
    ws.receive().await;
    ws
}

/// Checks that each emitter's numbers come one after the other.
async fn listen(mut ws: WebSocket) -> [usize; EMITTERS] {
    let mut next = [0; EMITTERS];
    while next != [EVENTS; EMITTERS] {
        let packet = ws.receive().await.expect("nobody closes this one");
        let Some(rest) = packet.strip_prefix(r#"42["n","#) else { continue };
        let (emitter, n) = rest.trim_end_matches(']').split_once(',').unwrap();
        let emitter: usize = emitter.parse().unwrap();
        assert_eq!(n.parse::<usize>().unwrap(), next[emitter], "emitter {emitter}");
        next[emitter] += 1;
    }
    next
}

async fn come_and_go(io: Server, n: usize) {
    loop {
        let mut ws = enter(&io).await;
        ws.send(r#"42["join",["a","c"]]"#).await;
        ws.send(r#"42["leave","a"]"#).await;
        match n % 2 {
            0 => ws.send("41").await,
            _ => io.to("c").disconnect_sockets(true),
        }
    }
}

#[test]
fn slow_consumers_that_resume_get_everything_once_while_threads_emit() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), slow_scene()).await.expect("no deadlock");
    });
}

async fn slow_scene() {
    let io = Server::builder()
        .connection_state_recovery(ConnectionStateRecovery::default())
        // So little that everybody is too slow now and then.
        .limits(|limits| limits.outbox_bytes_max = 4_000)
        .namespace(
            "/",
            Namespace::new()
                .on_disconnect(|socket: Socket| async move { socket.broadcast().volatile().emit("left", socket.id()) }),
        )
        .build()
        .unwrap();
    let listeners: Vec<_> = (0..STEADY).map(|_| tokio::spawn(listen_and_resume(io.clone()))).collect();
    // Everybody has a place to resume from before the flood begins.
    while io.of("/").len() < STEADY {
        tokio::task::yield_now().await;
    }
    let emitters: Vec<_> = (0..EMITTERS)
        .map(|emitter| {
            let io = io.clone();
            std::thread::spawn(move || {
                for n in 0..EVENTS {
                    io.emit("n", &(emitter, n)).unwrap();
                }
            })
        })
        .collect();
    emitters.into_iter().for_each(|emitter| emitter.join().unwrap());
    // A last word, again and again, for those whose first words were lost with nothing to resume from.
    let mut listeners = tokio::task::JoinSet::from_iter(listeners);
    while !listeners.is_empty() {
        io.emit("last", &()).unwrap();
        while let Ok(Some(finished)) = tokio::time::timeout(Duration::from_millis(5), listeners.join_next()).await {
            finished.unwrap().unwrap();
        }
    }
    assert_eq!(io.stats().handler_panics(), 0);
    assert!(io.stats().sessions_closed(sori::CloseReason::SlowConsumer) > 0, "somebody was slow");
}

/// Listens until the last word, coming back after each end; nothing may be missing in between.
async fn listen_and_resume(io: Server) {
    let (mut next, mut pid, mut cursor) = ([None; EMITTERS], String::new(), None::<String>);
    loop {
        let mut ws = WebSocket::open(&io, "/socket.io/?EIO=4&transport=websocket", 256).await;
        match &cursor {
            Some(cursor) => ws.send(&format!("40{{\"pid\":\"{pid}\",\"offset\":\"{cursor}\"}}")).await,
            None => ws.send("40").await,
        }
        while let Some(packet) = ws.receive().await {
            if let Some(reply) = packet.strip_prefix("40") {
                let of =
                    |field: &str| reply.split(&format!("\"{field}\":\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
                assert!(cursor.is_none() || of("pid") == pid, "whoever has a cursor resumes");
                pid = of("pid");
            } else if let Some(event) = packet.strip_prefix("42[\"n\",") {
                let mut fields = event.trim_end_matches(']').split(',');
                let mut number = || fields.next().unwrap().parse::<usize>().unwrap();
                let (emitter, n) = (number(), number());
                assert!(next[emitter].is_none_or(|next| next == n), "emitter {emitter}: {n} after {next:?}");
                next[emitter] = Some(n + 1);
                cursor = Some(fields.next().unwrap().trim_matches('"').to_owned());
            } else if packet.starts_with("42[\"last\",") {
                let all = |next: &Option<usize>| next.is_none_or(|next| next == EVENTS);
                assert!(next.iter().all(all), "{next:?}");
                return;
            }
        }
    }
}
