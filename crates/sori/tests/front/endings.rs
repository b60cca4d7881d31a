//! Who leaves, who is silent, and who is sent home.

use std::time::Duration;

use sori::{CloseReason, Front, Server};
use tokio::{net::TcpStream, sync::oneshot};

use crate::{
    both::{self, POLLING, Side, WEBSOCKET},
    wire::{Http, WebSocket, request, until, within},
};

/// What is under way when a client leaves.
#[derive(Clone, Copy, Debug)]
enum During {
    Poll,
    PlainPoll,
    Stream,
    Body,
    Websocket,
}

const EVERY: [During; 5] = [During::Poll, During::PlainPoll, During::Stream, During::Body, During::Websocket];

#[tokio::test]
async fn who_leaves_ends_for_the_same_reason() {
    for during in EVERY {
        for is_reset in [false, true] {
            let mut reasons = Vec::new();
            for has_front in [false, true] {
                let server = both::builder().limits(|limits| limits.plain_idle_ms = 100);
                let side = if has_front { both::front(server).await } else { both::axum(server).await };
                leave(&side, during, is_reset).await;
                let closed = || -> Vec<CloseReason> {
                    CloseReason::ALL.into_iter().filter(|reason| side.io.stats().sessions_closed(*reason) > 0).collect()
                };
                until(|| !closed().is_empty() && side.io.stats().sessions() == 0).await;
                reasons.push(closed());
            }
            assert_eq!(reasons[0], reasons[1], "{during:?}, reset: {is_reset}");
        }
    }
}

async fn leave(side: &Side, during: During, is_reset: bool) {
    let mut http = Http::open(side.address).await;
    // Its answer tells that what came with it is being answered as well.
    let first = format!("GET {POLLING}&sid=nobody HTTP/1.1\r\nhost: t\r\n\r\n");
    match during {
        During::Poll => {
            let sid = both::open(side).await;
            http.write(format!("{first}GET {POLLING}&sid={sid} HTTP/1.1\r\nhost: t\r\n\r\n")).await;
            assert_eq!(http.answer().await.unwrap().status, 400);
        }
        During::Body => {
            let sid = both::open(side).await;
            let post = format!("POST {POLLING}&sid={sid} HTTP/1.1\r\nhost: t\r\ncontent-length: 20\r\n\r\n42");
            http.write(format!("{first}{post}")).await;
            assert_eq!(http.answer().await.unwrap().status, 400);
        }
        During::PlainPoll => {
            http.request("GET", "/live?wait=0", "", "").await;
            let opened = http.answer().await.unwrap();
            let sid = opened.body.split("\"sid\":\"").nth(1).expect("who it is").split('"').next().unwrap();
            http.write(format!("{first}GET /live?wait=20&sid={sid} HTTP/1.1\r\nhost: t\r\n\r\n")).await;
            assert_eq!(http.answer().await.unwrap().status, 400);
        }
        During::Stream => {
            http.request("GET", "/live?framing=sse", "", "").await;
            assert_eq!(http.head().await.unwrap().status, 200);
            http.chunk().await.unwrap();
        }
        During::Websocket => {
            let mut ws = WebSocket::open(side.address, WEBSOCKET, "").await.unwrap();
            ws.receive_text().await.unwrap();
            http = ws.http;
        }
    }
    match is_reset {
        true => http.reset(),
        false => drop(http),
    }
}

/// A front alone, which has little patience.
async fn impatient(io: &Server, patience: Duration) -> std::net::SocketAddr {
    let front = Front::new(io).header_read_timeout(patience);
    let (listener, address) = both::listen().await;
    tokio::spawn(async move {
        while let Ok((stream, remote)) = listener.accept().await {
            let front = front.clone();
            let (stop, stopped) = tokio::sync::watch::channel(());
            tokio::spawn(async move {
                let _ = front.answer(stream, remote, stopped).await;
                drop(stop);
            });
        }
    });
    address
}

#[tokio::test]
async fn who_says_nothing_whole_is_sent_home() {
    let patience = Duration::from_millis(200);
    let io = both::builder().ping_interval(3 * patience).build().unwrap();
    let side = Side { address: impatient(&io, patience).await, io };
    let poll = format!("GET {POLLING}&sid=nobody HTTP/1.1\r\nhost: t\r\n\r\n");
    for silent in ["", "G", &poll[..poll.len() - 1], &poll, &format!("{poll}{}", &poll[..20])] {
        let mut http = Http::open(side.address).await;
        http.write(silent).await;
        http.hung_up().await;
    }
    // Every byte comes in time, and the request does not.
    let mut http = Http::open(side.address).await;
    let dribbled = async {
        for byte in poll.bytes().cycle() {
            http.write([if byte == b'\r' { b'x' } else { byte }]).await;
            if http.is_hung_up() {
                break;
            }
            tokio::time::sleep(patience / 40).await;
        }
    };
    within(dribbled).await;
    // Who waits for an answer is not silent: the heartbeat comes later than patience ends.
    let sid = both::open(&side).await;
    let mut http = Http::open(side.address).await;
    http.request("GET", &format!("{POLLING}&sid={sid}"), "", "").await;
    assert_eq!(http.answer().await.unwrap().body, "2");
    http.hung_up().await;
}

#[tokio::test]
async fn patience_without_end() {
    let io = both::builder().build().unwrap();
    let address = impatient(&io, Duration::MAX).await;
    let mut http = Http::open(address).await;
    for _ in 0..2 {
        http.request("GET", &format!("{POLLING}&sid=nobody"), "", "").await;
        assert_eq!(http.answer().await.unwrap().status, 400);
    }
}

/// Idle connections end at once, answers that are under way arrive, and WebSockets are told.
#[tokio::test]
async fn an_orderly_stop() {
    let io = both::builder().build().unwrap();
    let (listener, address) = both::listen().await;
    let (stop, stopped) = oneshot::channel::<()>();
    let (closing, close) = oneshot::channel::<()>();
    let (ended, end) = oneshot::channel();
    let serve = io.serve(listener, both::app()).with_graceful_shutdown(async move { drop(stopped.await) });
    tokio::spawn(async move {
        let _ = ended.send(serve.await.is_ok());
    });
    let side = Side { io: io.clone(), address };
    tokio::spawn(async move {
        let _ = close.await;
        io.close(Duration::from_secs(10)).await;
    });

    let mut silent = Http::open(address).await;
    let mut idle = Http::open(address).await;
    idle.request("GET", &format!("{POLLING}&sid=nobody"), "", "").await;
    idle.answer().await.unwrap();
    let mut page = Http::open(address).await;
    page.request("GET", "/", "", "").await;
    page.answer().await.unwrap();
    let sid = both::open(&side).await;
    let target = format!("{POLLING}&sid={sid}");
    assert_eq!(request(address, "POST", &target, "", "40").await.status, 200);
    assert!(request(address, "GET", &target, "", "").await.body.starts_with("40"));
    let mut poll = Http::open(address).await;
    let first = format!("GET {POLLING}&sid=nobody HTTP/1.1\r\nhost: t\r\n\r\n");
    let waits = format!("GET {target} HTTP/1.1\r\nhost: t\r\n\r\n");
    // The third one comes too late.
    poll.write(format!("{first}{waits}{first}")).await;
    poll.answer().await.unwrap();
    let mut ws = WebSocket::open(address, WEBSOCKET, "").await.unwrap();
    ws.receive_text().await.unwrap();

    stop.send(()).unwrap();
    silent.hung_up().await;
    idle.hung_up().await;
    page.hung_up().await;
    assert!(TcpStream::connect(address).await.is_err());
    side.io.of("/").emit("last", &1).unwrap();
    let last = poll.answer().await.expect("an answer");
    assert_eq!((&*last.body, last.header("connection")), ("42[\"last\",1]", Some("close")));
    assert!(poll.answer().await.is_none());
    assert!(within(end).await.unwrap());
    closing.send(()).unwrap();
    assert!(ws.closed().await.is_some());
}
