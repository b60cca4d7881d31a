//! Many threads at once: what each emitter sent arrives in its order, once, while others come and go.

#[path = "delivery/client.rs"]
#[allow(dead_code, reason = "the delivery tests use the rest")]
mod client;

use std::time::Duration;

use client::WebSocket;
use sori::{Data, Namespace, Server, Socket};

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
