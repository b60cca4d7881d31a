//! Heartbeats, timeouts, slow readers, and the end.

use sori::{CloseReason, Data, Namespace, Server, Socket};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};

use crate::{
    EIO3, EIO4,
    client::{WebSocket, connect, request},
    join, ms, serve, with,
};

fn quick() -> Server {
    with(Server::builder().ping_interval(ms(300)).ping_timeout(ms(200)), Namespace::new())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_pings_stays_and_a_mute_one_goes_on_time() {
    let io = quick();
    let mut ws = join(&io).await;
    for _ in 0..5 {
        assert_eq!(ws.receive().await.unwrap(), "2");
        ws.send("3").await;
    }
    let answered = Instant::now();
    assert_eq!(ws.receive().await.unwrap(), "2");
    assert_eq!(ws.receive().await, None);
    assert!((500..520).contains(&answered.elapsed().as_millis()), "{:?}", answered.elapsed());
    assert_eq!(io.stats().sessions_closed(CloseReason::PingTimeout), 1);
}

#[tokio::test(start_paused = true)]
async fn an_old_client_pings_and_a_mute_one_goes() {
    let io = quick();
    let mut ws = WebSocket::open(&io, EIO3, 4096).await;
    ws.receive().await;
    ws.receive().await;
    for _ in 0..3 {
        sleep(ms(400)).await;
        ws.send("2").await;
        assert_eq!(ws.receive().await.unwrap(), "3");
    }
    assert_eq!(ws.receive().await, None);
    assert_eq!(io.stats().sessions_closed(CloseReason::PingTimeout), 1);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_in_the_wrong_direction_closes() {
    let io = serve(Namespace::new());
    let mut ws = join(&io).await;
    ws.send("2").await;
    assert_eq!(ws.receive().await, None);
    assert_eq!(io.stats().sessions_closed(CloseReason::TransportError), 1);
}

#[tokio::test(start_paused = true)]
async fn a_polling_session_that_is_abandoned_is_collected() {
    let io = quick();
    let (_, open) = request(&io, "GET", "/socket.io/?EIO=4&transport=polling", "").await;
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", open.split('"').nth(3).unwrap());
    assert_eq!(request(&io, "POST", &target, "40").await.0, 200);
    sleep(ms(499)).await;
    assert_eq!(io.stats().sessions(), 1);
    sleep(ms(2)).await;
    let (status, body) = request(&io, "GET", &target, "").await;
    assert_eq!((status, &*body), (400, r#"{"code":1,"message":"Session ID unknown"}"#));
    assert_eq!((io.stats().sessions(), io.of("/").len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_joins_nothing_is_closed() {
    let io = with(Server::builder().connect_timeout(ms(1000)), Namespace::new());
    let mut ws = WebSocket::open(&io, EIO4, 4096).await;
    ws.receive().await;
    let began = Instant::now();
    assert_eq!(ws.receive().await, None);
    assert!((1000..1020).contains(&began.elapsed().as_millis()));
}

#[tokio::test(start_paused = true)]
async fn two_polls_at_once_end_the_session() {
    let io = serve(Namespace::new());
    let (_, open) = request(&io, "GET", "/socket.io/?EIO=4&transport=polling", "").await;
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", open.split('"').nth(3).unwrap());
    let first = tokio::spawn({
        let (io, target) = (io.clone(), target.clone());
        async move { request(&io, "GET", &target, "").await }
    });
    sleep(ms(10)).await;
    assert_eq!(request(&io, "GET", &target, "").await.0, 400);
    assert_eq!(first.await.unwrap(), (200, "1".into()));
    assert_eq!(io.stats().sessions_closed(CloseReason::TransportError), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_closed_and_nobody_waits_for_it() {
    let io = with(Server::builder().limits(|limits| limits.outbox_bytes_max = 10_000), Namespace::new());
    let (slow, mut good) = (join(&io).await, join(&io).await);
    let payload = "x".repeat(1000);
    let mut dropped = 0;
    for _ in 0..200 {
        dropped += io.emit("data", &payload).unwrap().dropped;
        assert!(good.receive().await.unwrap().starts_with(r#"42["data""#));
    }
    assert_eq!((dropped, io.stats().sessions_closed(CloseReason::SlowConsumer), io.of("/").len()), (1, 1, 1));
    drop(slow);
}

#[tokio::test(start_paused = true)]
async fn volatile_events_go_only_where_there_is_a_way_out() {
    let io = serve(Namespace::new());
    let (_, open) = request(&io, "GET", "/socket.io/?EIO=4&transport=polling", "").await;
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", open.split('"').nth(3).unwrap());
    request(&io, "POST", &target, "40").await;
    request(&io, "GET", &target, "").await;
    // Between two polls there is none.
    let sent = io.of("/").volatile().emit("v", &1).unwrap();
    assert_eq!((sent.queued, sent.dropped), (0, 1));
    let poll = tokio::spawn({
        let (io, target) = (io.clone(), target.clone());
        async move { request(&io, "GET", &target, "").await }
    });
    sleep(ms(10)).await;
    // A burst goes together.
    for n in 2..4 {
        assert_eq!(io.of("/").volatile().emit("v", &n).unwrap().queued, 1);
    }
    assert_eq!(poll.await.unwrap().1, "42[\"v\",2]\u{1e}42[\"v\",3]");
}

#[tokio::test(start_paused = true)]
async fn an_outbox_takes_one_event_of_any_size() {
    let io = with(Server::builder().limits(|limits| limits.outbox_bytes_max = 10_000), Namespace::new());
    let mut ws = join(&io).await;
    assert_eq!(io.emit("big", &"x".repeat(50_000)).unwrap().queued, 1);
    assert_eq!(ws.receive().await.unwrap().len(), 50_000 + r#"42["big",""]"#.len());
}

#[tokio::test(start_paused = true)]
async fn closing_tells_everybody_and_refuses_the_next() {
    let io = serve(Namespace::new().on("x", |socket: Socket, Data(n): Data<u32>| async move { socket.emit("x", &n) }));
    let mut ws = join(&io).await;
    io.emit("last words", &()).unwrap();
    let closing = tokio::spawn({
        let io = io.clone();
        async move { io.close(ms(5000)).await }
    });
    assert_eq!(ws.receive().await.unwrap(), r#"42["last words"]"#);
    assert_eq!(ws.receive().await, None);
    drop(ws);
    assert!(closing.await.unwrap(), "all was sent in time");
    let (status, body) = request(&io, "GET", "/socket.io/?EIO=4&transport=polling", "").await;
    assert_eq!((status, &*body), (503, r#"{"code":3,"message":"the server is closing"}"#));
    assert_eq!(io.stats().sessions_closed(CloseReason::ServerShuttingDown), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_marked_so_is_not_compressed_for_a_poll() {
    let io = serve(Namespace::new());
    let (_, open) = request(&io, "GET", "/socket.io/?EIO=4&transport=polling", "").await;
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", open.split('"').nth(3).unwrap());
    request(&io, "POST", &target, "40").await;
    request(&io, "GET", &target, "").await;
    let big = "x".repeat(5_000);
    for (compress, is_gzip) in [(false, false), (true, true)] {
        io.of("/").compress(compress).emit("big", &big).unwrap();
        let head = poll_head(&io, &target).await;
        assert_eq!(head.contains("content-encoding: gzip"), is_gzip, "{head}");
    }
}

/// The head of a poll's answer, for a client that reads gzip.
async fn poll_head(io: &Server, target: &str) -> String {
    let mut stream = connect(io, 1 << 16);
    let request = format!("GET {target} HTTP/1.1\r\nhost: test\r\naccept-encoding: gzip\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|w| w == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
    }
    String::from_utf8_lossy(&answer).split("\r\n\r\n").next().unwrap().to_ascii_lowercase()
}
