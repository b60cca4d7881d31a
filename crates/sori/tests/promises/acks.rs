//! Answers in both directions, and whom events reach.

use std::time::Duration;

use sori::{Ack, AckError, AckSender, Args, Auth, ConnectError, Data, Namespace, Server, Socket};
use tokio::time::sleep;

use crate::{EIO3, EIO4, Story, client::WebSocket, join, ms, serve};

#[tokio::test(start_paused = true)]
async fn what_a_handler_returns_answers_the_ack() {
    let io = serve(
        Namespace::new()
            .on("add", |Data((a, b)): Data<(i64, i64)>| async move { Ack(a + b) })
            .on("pair", |_: Socket| async { Ack((1, "two")) })
            .on("maybe", |Data(ok): Data<bool>| async move { if ok { Ok(Ack("yes")) } else { Err(Ack("no")) } })
            .on("echo", |args: Args| async { Ack(args) })
            .on("later", |ack: AckSender| async move {
                sleep(ms(10)).await;
                ack.send(&"now").unwrap();
            }),
    );
    let mut ws = join(&io).await;
    for (asked, answer) in [
        (r#"421["add",1,2]"#, r#"431[3]"#),
        (r#"422["pair"]"#, r#"432[1,"two"]"#),
        (r#"423["maybe",true]"#, r#"433["yes"]"#),
        (r#"424["maybe",false]"#, r#"434["no"]"#),
        (r#"425["echo",1,[2],{"x":null}]"#, r#"435[1,[2],{"x":null}]"#),
        (r#"426["later"]"#, r#"436["now"]"#),
    ] {
        ws.send(asked).await;
        assert_eq!(ws.receive().await.unwrap(), answer);
    }
}

#[tokio::test(start_paused = true)]
async fn an_ack_times_out_and_is_forgotten() {
    let io = serve(Namespace::new());
    let mut ws = join(&io).await;
    let socket = io.of("/").fetch_sockets().remove(0);
    let began = tokio::time::Instant::now();
    let late = socket.timeout(ms(300)).emit_with_ack::<u32>("q", &()).await;
    assert!(matches!(late, Err(AckError::Timeout)), "{late:?}");
    assert!((300..310).contains(&began.elapsed().as_millis()));
    // The answer comes after all: it is nobody's, and harms nobody.
    ws.send("430[1]").await;
    let answer = socket.emit_with_ack::<u32>("q", &());
    ws.receive().await;
    ws.receive().await;
    ws.send("431[2]").await;
    assert_eq!(answer.await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_ack_ends_when_its_socket_does() {
    let io = serve(Namespace::new());
    let ws = join(&io).await;
    let answer = io.of("/").fetch_sockets().remove(0).emit_with_ack::<u32>("q", &());
    drop(ws);
    assert!(matches!(answer.await, Err(AckError::Disconnected)));
}

#[tokio::test(start_paused = true)]
async fn a_room_answers_as_far_as_it_does() {
    let io = serve(Namespace::new().on_connect(|socket: Socket| async move { socket.join("jury") }));
    let (mut one, mut two, _mute) = (join(&io).await, join(&io).await, join(&io).await);
    let votes = io.to("jury").timeout(ms(500)).emit_with_ack::<bool>("guilty?", &()).unwrap();
    assert_eq!(one.receive().await.unwrap(), r#"420["guilty?"]"#);
    one.send("430[true]").await;
    two.receive().await;
    two.send("430[false]").await;
    let votes = votes.await;
    assert_eq!(votes.answers.iter().map(|(_, vote)| *vote).collect::<Vec<_>>(), [true, false]);
    assert_eq!((votes.missing.len(), votes.is_complete()), (1, false));
}

#[tokio::test(start_paused = true)]
async fn who_is_in_two_targeted_rooms_receives_once() {
    let io = serve(Namespace::new().on_connect(|socket: Socket| async move { socket.join(["a", "b"]) }));
    let mut ws = join(&io).await;
    let sent = io.to(["a", "b"]).emit("x", &1).unwrap();
    io.emit("end", &()).unwrap();
    assert_eq!(
        (sent.queued, ws.receive().await.unwrap(), ws.receive().await.unwrap()),
        (1, r#"42["x",1]"#.into(), r#"42["end"]"#.into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_socket_emits_to_itself_alone_whatever_rooms_others_joined() {
    let io = serve(Namespace::new());
    let (mut one, mut two) = (join(&io).await, join(&io).await);
    let sockets = io.of("/").fetch_sockets();
    sockets[1].join(sockets[0].id());
    sockets[0].emit("private", &()).unwrap();
    io.emit("end", &()).unwrap();
    assert_eq!(one.receive().await.unwrap(), r#"42["private"]"#);
    assert_eq!(two.receive().await.unwrap(), r#"42["end"]"#);
}

#[derive(serde::Deserialize)]
struct Login {
    token: String,
}

fn guarded() -> Namespace {
    Namespace::new().middleware(|Auth(login): Auth<Login>| async move {
        sleep(ms(20)).await;
        match &*login.token {
            "good" => Ok(()),
            "plain" => Err(ConnectError::new("not you")),
            _ => Err(ConnectError::new("not you").data(&serde_json::json!({ "retry": true }))),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_middleware_keeps_clients_out_and_says_why() {
    let io = Server::builder().namespace("/admin", guarded()).build().unwrap();
    let mut ws = WebSocket::open(&io, EIO4, 4096).await;
    ws.receive().await;
    for (asked, answer) in [
        (r#"40/admin,{"token":"plain"}"#, r#"44/admin,{"message":"not you"}"#),
        (r#"40/admin,{"token":"bad"}"#, r#"44/admin,{"message":"not you","data":{"retry":true}}"#),
        ("40/admin,", r#"44/admin,{"message":"auth: missing field `token`"}"#),
        ("40/nowhere,", r#"44/nowhere,{"message":"Invalid namespace"}"#),
    ] {
        ws.send(asked).await;
        assert_eq!(ws.receive().await.unwrap(), answer);
    }
    ws.send(r#"40/admin,{"token":"good"}"#).await;
    assert!(ws.receive().await.unwrap().starts_with("40/admin,{\"sid\":"));

    let mut old = WebSocket::open(&io, EIO3, 4096).await;
    assert!(old.receive().await.unwrap().starts_with("0{"));
    assert_eq!(old.receive().await.unwrap(), "40", "clients 1.x and 2.x are in `/` from the start");
    for (asked, answer) in [
        ("40/admin?token=plain", r#"44/admin,"not you""#),
        ("40/admin?token=bad", r#"44/admin,{"retry":true}"#),
        ("40/nowhere", r#"44/nowhere,{"message":"Invalid namespace"}"#),
        ("40/admin?token=good", "40/admin,"),
    ] {
        old.send(asked).await;
        assert_eq!(old.receive().await.unwrap(), answer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_a_middleware_thinks_was_never_there() {
    let story = Story::default();
    let told = story.clone();
    let io = serve(
        Namespace::new()
            .middleware(|_: Socket| async {
                sleep(Duration::from_secs(1)).await;
                Ok::<_, ConnectError>(())
            })
            .on_connect(move |_: Socket| {
                let story = told.clone();
                async move { story.tell("connected") }
            }),
    );
    let mut ws = WebSocket::open(&io, EIO4, 4096).await;
    ws.receive().await;
    ws.send("40").await;
    sleep(ms(100)).await;
    drop(ws);
    sleep(Duration::from_secs(5)).await;
    assert!(story.so_far().is_empty());
    assert_eq!((io.of("/").len(), io.stats().sessions()), (0, 0));
}
