//! How sessions begin and end, and who hears of it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use sori::{Ack, CloseReason, ConnectError, Data, Namespace, Server, ServerBuilder, Socket};
use tokio::time::{sleep, timeout};

use crate::{
    client::{Client, Way},
    http::{Http, JSON, request},
};

/// A server that notes what happens, in order.
#[derive(Clone)]
struct World {
    io: Server,
    log: Arc<Mutex<Vec<String>>>,
}

fn world(change: impl FnOnce(ServerBuilder) -> ServerBuilder) -> World {
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |log: &Arc<Mutex<Vec<String>>>| {
        let log = log.clone();
        move |text: String| log.lock().unwrap().push(text)
    };
    let (came, said, left) = (note(&log), note(&log), note(&log));
    let namespace = Namespace::new()
        .allow_callbacks()
        .on_connect(move |socket: Socket| {
            came(format!("came by {}", socket.transport()));
            async {}
        })
        .on("say", move |Data(text): Data<String>| {
            said(format!("said {text}"));
            async move { Ack(text.len()) }
        })
        .on_disconnect(move |why: CloseReason| {
            left(format!("left: {why}"));
            async {}
        });
    let io = change(Server::builder().namespace("/", namespace)).build().unwrap();
    World { io, log }
}

impl World {
    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    #[track_caller]
    fn is_empty(&self) {
        assert_eq!((self.io.of("/").len(), self.io.stats().sessions(), self.io.rooms_len()), (0, 0, 0));
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn settle() {
    sleep(Duration::from_millis(50)).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_asks_for_ends() {
    let world = world(|server| server.limits(|limits| limits.plain_idle_ms = 10_000));
    let mut client = Client::open_by_post(&world.io, "/live").await;
    assert_eq!(world.log(), ["came by post"]);
    let target = format!("/live?event=say&sid={}", client.sid.clone().unwrap());
    for _ in 0..3 {
        sleep(seconds(9)).await;
        let answer = request(&world.io, "POST", &target, "content-type: text/plain\r\n", "hi").await;
        assert_eq!((answer.status(), answer.text()), (200, "2"));
    }
    assert_eq!(world.log(), ["said hi", "said hi", "said hi"]);
    for way in Way::PLAIN {
        sleep(seconds(9)).await;
        client.listen(way).await;
        // However long it listens.
        let listens = timeout(seconds(100), client.next()).await;
        assert!(listens.is_err(), "{way:?}: {listens:?}");
        client.hang_up();
    }
    sleep(seconds(9)).await;
    assert_eq!(world.io.of("/").len(), 1);
    sleep(seconds(2)).await;
    assert_eq!(world.log(), ["left: ping timeout"]);
    world.is_empty();
    assert_eq!(request(&world.io, "POST", &target, "", "hi").await.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn a_session_of_a_stream_ends_with_it() {
    for way in Way::STREAMS.into_iter().chain([Way::Raw, Way::Bare]) {
        let world = world(|server| server);
        let mut client = Client::open(&world.io, "/live", way).await;
        settle().await;
        assert_eq!(world.log(), [format!("came by {}", way.name())]);
        client.hang_up();
        settle().await;
        assert_eq!(world.log(), ["left: transport close"], "{way:?}");
        world.is_empty();
    }
}

#[tokio::test(start_paused = true)]
async fn every_stream_has_its_heartbeat() {
    for way in Way::STREAMS {
        let world = world(|server| server);
        let mut client = Client::open(&world.io, "/live", way).await;
        assert_eq!((client.connect["heartbeat"].as_u64(), client.connect["wait"].as_u64()), (Some(25), Some(30)));
        assert!(timeout(seconds(1), client.next()).await.is_err());
        for n in 0..4 {
            assert_eq!(client.heartbeats, n, "{way:?}");
            let heard = timeout(seconds(25), client.next()).await;
            assert!(heard.is_err(), "{heard:?}");
        }
        world.io.emit("n", &1).unwrap();
        assert_eq!(client.hears().await.number(), Some(1), "{way:?}");
    }
    for way in [Way::Raw, Way::Bare] {
        let world = world(|server| server);
        let mut client = Client::open(&world.io, "/live", way).await;
        assert!(timeout(seconds(101), client.next()).await.is_err());
        assert_eq!(client.websocket().pings, 4, "{way:?}");
        client.websocket().pongs = false;
        // The last ping was at 100 s; the next is due at 125 and given up at 145.
        assert!(timeout(seconds(43), client.next()).await.is_err());
        world.log();
        let end = timeout(seconds(2), client.next()).await.expect("the end");
        assert!(end.is_none_or(|said| said.is("closed") || said.is("disconnect")));
        settle().await;
        assert_eq!(world.log(), ["left: ping timeout"], "{way:?}");
        world.is_empty();
    }
}

#[tokio::test(start_paused = true)]
async fn polls_wait_as_long_as_they_say() {
    let world = world(|server| server);
    let client = Client::open_by_post(&world.io, "/live").await;
    let sid = client.sid.unwrap();
    for (wait, expected) in
        [("wait=0", 0), ("wait=1.5", 1_500), ("wait=10", 10_000), ("wait=500", 60_000), ("framing=poll", 30_000)]
    {
        let began = tokio::time::Instant::now();
        let answer = request(&world.io, "GET", &format!("/live?{wait}&sid={sid}"), "", "").await;
        let took = began.elapsed().as_millis();
        assert_eq!((answer.status(), &answer.json()["events"]), (200, &json!([])));
        assert!((expected..expected + 30).contains(&took), "{wait}: {took}");
    }
    for wait in ["wait=", "wait=-1", "wait=x", "wait=inf", "wait=NaN"] {
        assert_eq!(request(&world.io, "GET", &format!("/live?{wait}&sid={sid}"), "", "").await.status(), 400, "{wait}");
    }
    let socket = world.io.of("/").fetch_sockets().pop().unwrap();
    let (io, target) = (world.io.clone(), format!("/live?wait=50&sid={sid}"));
    let waits = tokio::spawn(async move { request(&io, "GET", &target, "", "").await.json() });
    sleep(seconds(40)).await;
    socket.emit("n", &1).unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(waits.await.unwrap()["events"], json!([{ "event": "n", "data": 1 }]));
    assert!(began.elapsed() < Duration::from_millis(10));
}

/// How a session is ended, what `on_disconnect` hears, and the client, if it hears anything.
#[derive(Clone, Copy, Debug)]
enum End {
    Delete,
    Post,
    Socket,
    All,
    Conn,
}

#[tokio::test(start_paused = true)]
async fn every_end_is_told_with_its_reason_and_after_what_was_said() {
    let ends = [
        (End::Delete, "client namespace disconnect"),
        (End::Post, "client namespace disconnect"),
        (End::Socket, "server namespace disconnect"),
        (End::All, "server namespace disconnect"),
        (End::Conn, "forced close"),
    ];
    for (end, why) in ends {
        for way in Way::PLAIN.into_iter().chain([Way::Bare]) {
            for by_post in [true, false] {
                if by_post || (way != Way::Bare || !matches!(end, End::Delete | End::Post)) {
                    one_end(end, why, way, by_post).await;
                }
            }
        }
    }
}

async fn one_end(end: End, why: &str, way: Way, by_post: bool) {
    let world = world(|server| server);
    let mut client = match by_post {
        false => Client::open(&world.io, "/live", way).await,
        true => {
            let mut client = Client::open_by_post(&world.io, "/live").await;
            client.listen(way).await;
            if !way.is_poll() && way != Way::Bare {
                client.connected().await;
            }
            client
        }
    };
    settle().await;
    let socket = world.io.of("/").fetch_sockets().pop().expect("it is there");
    let sid = client.sid.clone().unwrap_or_default();
    world.log();
    socket.emit("n", &7).unwrap();
    match end {
        End::Delete => assert_eq!(request(&world.io, "DELETE", &format!("/live?sid={sid}"), "", "").await.status(), 204),
        End::Post => {
            let target = format!("/live?sid={sid}&event=disconnect");
            assert_eq!(request(&world.io, "POST", &target, "", "").await.status(), 204);
        }
        End::Socket => socket.disconnect(),
        End::All => socket.disconnect_all(),
        End::Conn => socket.conn().close(),
    }
    settle().await;
    let cell = format!("{end:?} over {way:?}, opened by POST: {by_post}");
    assert_eq!(world.log(), [format!("left: {why}")], "{cell}");
    assert!(!socket.is_connected() && world.io.of("/").is_empty());
    assert!(socket.emit("n", &8).is_err());

    let heard = client.hears().await;
    match way {
        Way::Bare => assert_eq!(heard.args, [json!("7")], "{cell}"),
        _ => assert_eq!(heard.number(), Some(7), "{cell}"),
    }
    if way != Way::Bare {
        let last = client.hears().await;
        assert_eq!((last.event.as_deref(), last.data()), (Some("disconnect"), &json!({ "reason": why })), "{cell}");
        // Whoever is not meant to come back is told so in the way of EventSource.
        if matches!(way, Way::Sse | Way::SseEnvelopes) {
            assert_eq!(last.id.as_deref(), (why != "forced close").then_some("end"), "{cell}");
        }
    }
    if matches!(way, Way::Raw | Way::Bare) {
        let closed = client.hears().await;
        assert!(closed.is("closed") && closed.args[1] == why, "{cell}: {closed:?}");
    }
    let after = timeout(seconds(5), client.next()).await.expect("it is over");
    assert!(after.is_none(), "{cell}: {after:?}");
    if way.is_poll() {
        assert_eq!(client.refused.as_ref().map(|refused| refused.status()), Some(404), "{cell}");
    }
    drop(client);
    drop(socket);
    sleep(seconds(100)).await;
    world.is_empty();
}

#[tokio::test(start_paused = true)]
async fn last_words_wait_for_the_poll_that_fetches_them() {
    let world = world(|server| server);
    let client = Client::open_by_post(&world.io, "/live").await;
    let target = format!("/live?wait=0&sid={}", client.sid.as_ref().unwrap());
    let socket = world.io.of("/").fetch_sockets().pop().unwrap();
    socket.emit("n", &1).unwrap();
    socket.disconnect();
    assert_eq!(request(&world.io, "POST", &target.replace("wait=0", "event=say"), "", "").await.status(), 404);
    let goodbye = json!({ "event": "disconnect", "data": { "reason": "server namespace disconnect" } });
    let first = request(&world.io, "GET", &target, "", "").await.json();
    assert_eq!(first["events"], json!([{ "event": "n", "data": 1 }, goodbye]));
    // The answer was lost.
    let again = request(&world.io, "GET", &target, "", "").await.json();
    assert_eq!(again["events"], first["events"]);
    let target = format!("{target}&since={}", again["cursor"].as_str().unwrap());
    assert_eq!(request(&world.io, "GET", &target, "", "").await.status(), 404);
    sleep(seconds(31)).await;
    world.is_empty();
}

#[tokio::test(start_paused = true)]
async fn whom_a_middleware_refuses_is_told_why() {
    let namespace = Namespace::new().allow_callbacks().middleware(async |socket: Socket| {
        sleep(Duration::from_millis(5)).await;
        match socket.auth::<serde_json::Value>().unwrap_or_default()["token"] == "good" {
            true => Ok(()),
            false => Err(ConnectError::new("not you").data(&json!({ "code": 7 }))),
        }
    });
    let io = Server::builder().namespace("/", namespace).build().unwrap();
    let expected = json!({ "title": "Forbidden", "status": 403, "detail": "not you", "data": { "code": 7 } });
    for way in Way::PLAIN.into_iter().chain([Way::Bare]) {
        let mut client = Client::new(&io, "/live");
        client.listen(way).await;
        assert!(client.next().await.is_none());
        let refused = client.refused.unwrap();
        assert_eq!((refused.status(), refused.json()), (403, expected.clone()), "{way:?}");
        let mut client = Client::new(&io, "/live?token=good");
        client.listen(way).await;
        if way != Way::Bare {
            client.connected().await;
        }
        settle().await;
        assert!(client.refused.is_none() && !io.of("/").is_empty());
    }
    for (target, headers, body, status) in [
        ("/live", "", "", 403),
        ("/live?event=say", "", "", 403),
        ("/live?event=say&id=1", "", "", 403),
        ("/live?event=say", "authorization: Bearer good\r\n", "", 204),
        ("/live", JSON, r#"{"token":"good"}"#, 201),
        ("/live", JSON, r#"{"token":"bad"}"#, 403),
        ("/live", JSON, r#"["good"]"#, 400),
        ("/live/nowhere", "", "", 404),
    ] {
        let answer = request(&io, "POST", target, headers, body).await;
        assert_eq!(answer.status(), status, "{target} {headers}{body}: {}", answer.text());
    }
    assert_eq!(io.stats().handler_panics(), 0);
}

#[tokio::test(start_paused = true)]
async fn event_source_is_told_to_try_again_where_others_are_refused() {
    let full = world(|server| server.limits(|limits| limits.sessions_max = 1));
    let _occupant = Client::open(&full.io, "/live", Way::Raw).await;
    let closing = world(|server| server);
    assert!(closing.io.close(seconds(1)).await);
    for io in [&full.io, &closing.io] {
        let answer = request(io, "GET", "/live", "accept: text/event-stream\r\n", "").await;
        let kind = answer.head.get("content-type");
        assert_eq!((answer.status(), kind, answer.text()), (200, Some("text/event-stream"), "retry: 9000\n\n"));
        for target in ["/live", "/live?framing=multipart", "/live?framing=iframe", "/live?wait=0", "/live?callback=f"] {
            let answer = request(io, "GET", target, "", "").await;
            assert_eq!((answer.status(), answer.json()["status"].as_u64()), (503, Some(503)), "{target}");
        }
        for target in ["/live", "/live?event=say"] {
            assert_eq!(request(io, "POST", target, "", "").await.status(), 503, "{target}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_for_one_request_comes_says_and_goes() {
    let world = world(|server| server);
    let mut listener = Client::open(&world.io, "/live", Way::Lines).await;
    world.log();
    for n in 1..=3 {
        let answer = request(&world.io, "POST", "/live?event=say", "content-type: text/plain\r\n", "hello").await;
        assert_eq!((answer.status(), answer.text()), (200, "5"));
        settle().await;
        assert_eq!(world.log(), ["came by post", "said hello", "left: client namespace disconnect"], "the {n}th");
    }
    assert_eq!(request(&world.io, "POST", "/live?event=unknown", "", "x").await.status(), 204);
    assert_eq!(request(&world.io, "POST", "/live?event=say", JSON, "7").await.status(), 422);
    assert_eq!(request(&world.io, "POST", "/live?event=say", JSON, "{").await.status(), 400);
    assert_eq!(request(&world.io, "POST", "/live?event=connect", JSON, "1").await.status(), 400);
    assert_eq!(world.io.of("/").len(), 1);
    assert!(timeout(seconds(1), listener.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn when_the_server_closes_everybody_is_told_and_it_is_soon_over() {
    // Nobody can wait for the next poll of somebody who asks now and then.
    for way in Way::PLAIN.into_iter().filter(|way| *way != Way::ShortPoll) {
        let world = world(|server| server);
        let mut client = Client::open(&world.io, "/live", way).await;
        let idle = Client::open_by_post(&world.io, "/live").await;
        let listens = tokio::spawn(async move {
            let mut heard = Vec::new();
            while let Some(said) = client.next().await {
                heard.push(said);
            }
            heard
        });
        settle().await;
        world.log();
        world.io.emit("n", &1).unwrap();
        let began = tokio::time::Instant::now();
        assert!(world.io.close(seconds(10)).await, "{way:?}");
        assert!(began.elapsed() < seconds(1), "{way:?}");
        assert_eq!(world.log(), ["left: server shutting down", "left: server shutting down"]);
        let heard = listens.await.unwrap();
        assert_eq!((heard.len(), heard[0].number()), (2 + usize::from(way == Way::Raw), Some(1)), "{way:?}: {heard:?}");
        let last = &heard[1];
        assert_eq!((last.event.as_deref(), last.data()), (Some("disconnect"), &json!({ "reason": "server shutting down" })));
        if way == Way::Raw {
            assert_eq!(heard[2].args, [json!(1001), json!("server shutting down")]);
        }
        // It may come back, to the server that starts next.
        assert_eq!(last.id, None);
        world.is_empty();
        drop(idle);
    }
}

#[tokio::test(start_paused = true)]
async fn everybody_is_found_whatever_carries_them() {
    let world = world(|server| server);
    let mut clients = Vec::new();
    for way in Way::PLAIN.into_iter().chain([Way::SocketIo, Way::SocketIoPolling]) {
        let client = Client::open(&world.io, "/live?name=ada", way).await;
        let socket = world.io.of("/").socket(&client.id()).unwrap();
        assert_eq!(socket.transport().as_str(), way.name());
        assert_eq!(socket.protocol(), if way.is_socket_io() { 4 } else { 0 });
        socket.join("all");
        clients.push(client);
    }
    assert_eq!(world.io.to("all").fetch_sockets().len(), clients.len());
    world.io.of("/").sockets_leave("all");
    world.io.to("all").emit("n", &0).unwrap();
    world.io.of("/").except(&*clients[0].id()).sockets_join("most");
    assert_eq!(world.io.to("most").emit("n", &1).unwrap().queued, clients.len() - 1);
    for client in &mut clients[1..] {
        assert_eq!(client.hears().await.number(), Some(1), "{:?}", client.way);
    }
    assert_eq!(world.io.stats().handler_panics(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_volatile_goes_to_who_listens_now() {
    let world = world(|server| server);
    let idle = Client::open_by_post(&world.io, "/live").await;
    let sent = world.io.of("/").volatile().emit("n", &0).unwrap();
    assert_eq!((sent.queued, sent.dropped), (0, 1), "nobody listens");
    drop(idle);
    for way in Way::PLAIN {
        let world = self::world(|server| server);
        let mut client = Client::open(&world.io, "/live", way).await;
        let io = world.io.clone();
        let emits = async move {
            sleep(Duration::from_millis(20)).await;
            io.of("/").volatile().emit("n", &1).unwrap().queued
        };
        let (heard, queued) = tokio::join!(timeout(seconds(1), client.next()), emits);
        match way {
            Way::ShortPoll => assert_eq!((queued, heard.is_err()), (0, true)),
            _ => assert_eq!((queued, heard.unwrap().unwrap().number()), (1, Some(1)), "{way:?}"),
        }
    }
}

/// What a client says in several ways at once starts in the order of its requests, and the answers find their requests.
#[tokio::test(start_paused = true)]
async fn a_connection_may_carry_one_request_after_the_other() {
    let world = world(|server| server);
    let client = Client::open_by_post(&world.io, "/live").await;
    world.log();
    let target = format!("/live?event=say&sid={}", client.sid.unwrap());
    let mut http = Http::open(&world.io, 4096);
    for text in ["a", "bb", "ccc"] {
        http.request("POST", &target, "content-type: text/plain\r\n", text.as_bytes()).await;
    }
    for n in 1..=3 {
        let answer = http.answer().await.unwrap();
        assert_eq!((answer.status(), answer.text()), (200, &*n.to_string()));
    }
    assert_eq!(world.log(), ["said a", "said bb", "said ccc"]);
}

/// What a lost connection is to a Socket.IO client: it comes back by itself.
#[tokio::test(start_paused = true)]
async fn who_was_cut_off_by_the_server_comes_back_as_who_it_was() {
    let io = Server::builder().connection_state_recovery(sori::ConnectionStateRecovery::default()).build().unwrap();
    for way in [Way::Sse, Way::Lines, Way::LongPoll, Way::Raw] {
        let mut client = Client::new(&io, "/live");
        if way == Way::LongPoll || way == Way::Lines {
            client = Client::open_by_post(&io, "/live").await;
        }
        client.listen(way).await;
        if way != Way::LongPoll {
            client.connected().await;
        }
        let socket = io.of("/").fetch_sockets().pop().unwrap();
        socket.join("a");
        io.to("a").emit("n", &1).unwrap();
        assert_eq!(client.hears().await.number(), Some(1), "{way:?}");
        socket.conn().close();
        let last = client.hears().await;
        assert_eq!(last.data(), &json!({ "reason": "forced close" }), "{way:?}");
        io.to("a").emit("n", &2).unwrap();
        client.listen(way).await;
        client.connected().await;
        assert_eq!((client.id(), client.connect["recovered"].as_bool()), (socket.id().to_owned(), Some(true)), "{way:?}");
        assert_eq!(client.hears().await.number(), Some(2), "{way:?}");
        drop(client);
        io.of("/").disconnect_sockets(true);
        settle().await;
    }
}
