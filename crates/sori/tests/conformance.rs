//! What the public suites and real clients found, told in a few lines each.

#[path = "delivery/client.rs"]
#[allow(dead_code, reason = "the delivery tests use the rest")]
mod client;

use std::time::Duration;

use bytes::Bytes;
use client::{WebSocket, request};
use sori::{Ack, Args, CloseReason, Data, Namespace, Server, Socket, Value};
use tokio::time::{Instant, sleep};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

fn serve(namespace: Namespace) -> Server {
    Server::builder().namespace("/", namespace).build().unwrap()
}

/// A polling session that has joined `/`: where its requests go.
async fn join_by_polling(io: &Server) -> String {
    let (status, open) = request(io, "GET", POLLING, "").await;
    assert_eq!(status, 200, "{open}");
    let target = format!("{POLLING}&sid={}", open.split('"').nth(3).unwrap());
    assert_eq!(request(io, "POST", &target, "40").await, (200, "ok".into()));
    assert!(request(io, "GET", &target, "").await.1.starts_with("40{"));
    target
}

async fn join(io: &Server, target: &str) -> WebSocket {
    let mut ws = WebSocket::open(io, target, 4096).await;
    assert!(ws.receive().await.unwrap().starts_with("0{"));
    ws.send("40").await;
    assert!(ws.receive().await.unwrap().starts_with("40{"));
    ws
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_payload_ends_the_session_at_once() {
    let io = serve(Namespace::new());
    for body in ["abc", "", "42[\"fine\"]\u{1e}9"] {
        let target = join_by_polling(&io).await;
        assert_eq!(request(&io, "POST", &target, body).await.0, 400, "{body:?}");
        let (status, gone) = request(&io, "GET", &target, "").await;
        assert_eq!((status, &*gone), (400, r#"{"code":1,"message":"Session ID unknown"}"#), "{body:?}");
    }
    assert_eq!(io.stats().sessions_closed(CloseReason::ParseError), 3);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_comes_with_the_ping_timeout_finds_no_session() {
    let io =
        Server::builder().ping_interval(Duration::from_millis(300)).ping_timeout(Duration::from_millis(200)).build().unwrap();
    let (_, open) = request(&io, "GET", POLLING, "").await;
    // Due, whether the wheel has come round or not.
    sleep(Duration::from_millis(500)).await;
    let target = format!("{POLLING}&sid={}", open.split('"').nth(3).unwrap());
    assert_eq!(request(&io, "GET", &target, "").await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn the_close_packet_comes_in_a_poll_of_its_own() {
    // Clients 4.x act on a close packet before the disconnect packet that came with it, and would reconnect.
    let io = serve(Namespace::new().on("bye", |socket: Socket| async move { socket.disconnect_all() }));
    let target = join_by_polling(&io).await;
    request(&io, "POST", &target, r#"42["bye"]"#).await;
    assert_eq!(request(&io, "GET", &target, "").await, (200, "41".into()));
    assert_eq!(request(&io, "GET", &target, "").await, (200, "1".into()));
    assert_eq!(request(&io, "GET", &target, "").await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_ended_while_it_upgrades_hears_why() {
    let io = serve(Namespace::new().on("bye", |socket: Socket| async move { socket.disconnect_all() }));
    let target = join_by_polling(&io).await;
    let mut ws = WebSocket::open(&io, &target.replace("=polling", "=websocket"), 4096).await;
    ws.send("2probe").await;
    assert_eq!(ws.receive().await.unwrap(), "3probe");
    request(&io, "POST", &target, r#"42["bye"]"#).await;
    ws.send("5").await;
    assert_eq!(ws.receive().await.unwrap(), "41");
    assert_eq!(ws.receive().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_without_binary_frames_gets_base64() {
    let io = serve(
        Namespace::new().on("bytes", |socket: Socket| async move { socket.emit("bytes", &Bytes::from_static(&[0, 1, 30, 255])) }),
    );
    let mut ws = join(&io, &format!("{WEBSOCKET}&b64=1")).await;
    ws.send(r#"42["bytes"]"#).await;
    assert_eq!(ws.receive().await.unwrap(), r#"451-["bytes",{"_placeholder":true,"num":0}]"#);
    assert_eq!(ws.receive().await.unwrap(), "bAAEe/w==");
}

#[tokio::test(start_paused = true)]
async fn the_server_reads_on_after_its_close_frame() {
    // A connection that is closed over unread bytes is reset, and the peer never sees the close frame.
    let io = Server::builder().max_http_buffer_size(100).build().unwrap();
    let mut ws = WebSocket::open(&io, WEBSOCKET, 64).await;
    assert!(ws.receive().await.unwrap().starts_with("0{"));
    // Far more than the limit and than the stream holds: it could not be sent if nobody read it.
    ws.send(&"4".repeat(10_000)).await;
    assert_eq!(ws.receive().await, None);
}

#[tokio::test(start_paused = true)]
async fn arguments_go_out_as_they_came_in() {
    let io = serve(
        Namespace::new()
            .on("echo", |socket: Socket, args: Args| async move { socket.emit("echo", &args) })
            .on("ask", |socket: Socket, args: Args| async move {
                let answer: Args = socket.emit_with_ack("question", &args).await.unwrap();
                Ack(answer)
            })
            .on("first", |Data(value): Data<Value>| async move { Ack(value) }),
    );
    let mut ws = join(&io, WEBSOCKET).await;
    for args in [r#",null"#, "", r#",[1,2],{"a":[null]}"#, r#","x",1.5"#] {
        ws.send(&format!(r#"42["echo"{args}]"#)).await;
        assert_eq!(ws.receive().await.unwrap(), format!(r#"42["echo"{args}]"#));
    }
    for (id, answer) in [(0, "[]"), (1, "[null]"), (2, r#"[1,[2],"three"]"#)] {
        ws.send(&format!(r#"42{id}["ask",true]"#)).await;
        assert_eq!(ws.receive().await.unwrap(), format!(r#"42{id}["question",true]"#));
        ws.send(&format!("43{id}{answer}")).await;
        assert_eq!(ws.receive().await.unwrap(), format!("43{id}{answer}"));
    }
    ws.send(r#"429["first",null]"#).await;
    assert_eq!(ws.receive().await.unwrap(), "439[null]", "null is an argument");
}

#[tokio::test(start_paused = true)]
async fn allow_request_may_take_its_time() {
    let io = Server::builder()
        .allow_request(|request| {
            let is_denied = request.uri.query().is_some_and(|query| query.contains("deny"));
            async move {
                sleep(Duration::from_millis(10)).await;
                if is_denied { Err("not today".into()) } else { Ok(()) }
            }
        })
        .build()
        .unwrap();
    let began = Instant::now();
    assert_eq!(request(&io, "GET", POLLING, "").await.0, 200);
    assert!(began.elapsed() >= Duration::from_millis(10));
    let (status, refusal) = request(&io, "GET", &format!("{POLLING}&deny"), "").await;
    assert_eq!((status, &*refusal), (403, r#"{"code":4,"message":"not today"}"#));
}

#[tokio::test(start_paused = true)]
async fn closing_the_engine_looks_like_a_lost_connection() {
    let io = serve(Namespace::new().on("cut", |socket: Socket| async move { socket.conn().close() }));
    let mut ws = join(&io, WEBSOCKET).await;
    ws.send(r#"42["cut"]"#).await;
    assert_eq!(ws.receive().await, None, "no disconnect packet, so that the client comes back");
    assert_eq!(io.stats().sessions_closed(CloseReason::ForcedClose), 1);
}
