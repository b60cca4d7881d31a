//! "Each limit × each transport" for clients without a library.

use std::time::Duration;

use sori::{AckError, CloseReason, Limits, Namespace, Socket};
use sori_proto::ws::frame::OpCode;
use tokio::sync::mpsc;

use crate::{
    plain::{EVERY_WAY, Plain, Way, field},
    wire::{Http, WebSocket, frame, until, within},
    world::{World, handlers},
};

async fn limited(change: impl FnOnce(&mut Limits)) -> World {
    World::with(|server| server.limits(change).namespace("/dynamic-{n}", handlers())).await
}

/// A server whose middleware and handlers take their time.
async fn slow(change: impl FnOnce(&mut Limits)) -> World {
    let never = Namespace::new().allow_callbacks().middleware(async || {
        std::future::pending::<()>().await;
        Ok::<(), &str>(())
    });
    World::with(|server| server.limits(change).namespace("/never", never)).await
}

#[tokio::test]
async fn max_http_buffer_size() {
    for way in EVERY_WAY {
        let world = limited(|limits| limits.max_http_buffer_size = 5_000).await;
        let mut client = Plain::open(&world, way).await;
        let text = |bytes: usize| format!("[\"{}\"]", "x".repeat(bytes - 4));
        // POSTs of every session have it, whatever carries what comes back.
        let (fits, more) = (client.post("echo", &text(5_000)).await, client.post("echo", &text(5_001)).await);
        assert_eq!((fits.status, more.status), (200, 413), "{way:?}");
        for framing in ["transfer-encoding: chunked\r\n\r\n1388\r\n", "content-length: 99999999999\r\n\r\n"] {
            let mut http = Http::open(world.address).await;
            http.write(format!("POST {} HTTP/1.1\r\nhost: test\r\n{framing}", client.target("event=echo"))).await;
            http.write("x".repeat(5_000)).await;
            http.write("\r\n1\r\nx\r\n").await;
            assert_eq!(http.answer().await.expect("an answer").status, 413, "{way:?} {framing}");
        }
        client.works().await;
        if let Some(ws) = &mut client.ws {
            ws.http.write(frame(false, OpCode::Text, &[b'x'; 5_000])).await;
            ws.http.write(frame(true, OpCode::Continuation, b"x")).await;
            assert_eq!(ws.closed().await, Some(Some(1009)), "{way:?}");
        }
        if way == Way::Websocket {
            world.one_closed(CloseReason::TransportError).await;
        } else {
            client.leaves().await;
        }
        world.unharmed().await;
    }
    // And those that belong to no session yet.
    let world = limited(|limits| limits.max_http_buffer_size = 5_000).await;
    for target in ["/live", "/live?event=echo", "/live?event=echo&id=1"] {
        assert_eq!(world.request("POST", target, "", "x".repeat(5_001)).await.status, 413, "{target}");
    }
    world.unharmed().await;
}

#[tokio::test]
async fn max_attachments() {
    for way in EVERY_WAY {
        let world = limited(|limits| limits.max_attachments = 2).await;
        let mut client = Plain::open(&world, way).await;
        let bytes = |count| format!("[[{}]]", vec![r#"{"$binary":"YQ=="}"#; count].join(","));
        assert!(client.asks("echo", &bytes(2)).await.contains("$binary"), "{way:?}");
        assert_eq!(client.post("echo", &bytes(3)).await.status, 400, "{way:?}");
        client.works().await;
        if way == Way::Websocket {
            client.says("echo", &bytes(3)).await;
            world.one_closed(CloseReason::ParseError).await;
        } else {
            client.leaves().await;
        }
        world.unharmed().await;
    }
}

#[tokio::test]
async fn namespace_name_max_and_dynamic_namespaces_max() {
    for way in EVERY_WAY {
        let world = limited(|limits| (limits.namespace_name_max, limits.dynamic_namespaces_max) = (20, 2)).await;
        let refused = async |path: &str| Plain::try_open(&world, way, path, "").await.err().map(|answer| answer.status);
        let long = format!("/live/dynamic-{}", "n".repeat(20 - 9));
        assert_eq!(refused(&format!("{long}n")).await, Some(404), "{way:?}");
        let mut first = Plain::of(&world, way, &long).await;
        let second = Plain::of(&world, way, "/live/dynamic-2").await;
        assert_eq!(refused("/live/dynamic-3").await, Some(404), "{way:?}");
        assert_eq!(refused("/live/nowhere").await, Some(404), "{way:?}");
        first.works().await;
        // What nobody is in makes room.
        second.leaves().await;
        until(|| world.io.of("/dynamic-2").is_empty()).await;
        Plain::of(&world, way, "/live/dynamic-3").await.leaves().await;
        first.leaves().await;
        world.unharmed().await;
    }
}

/// A flood of namespaces, in which nobody stays, leaves none.
#[tokio::test]
async fn a_flood_of_namespaces() {
    let world = limited(|limits| limits.dynamic_namespaces_max = 10).await;
    for n in 0..1_000 {
        let name = if n % 2 == 0 { format!("/live/dynamic-{n}") } else { format!("/live/none-{n}") };
        let answer = world.request("POST", &format!("{name}?event=echo"), "", "x").await;
        assert_eq!(answer.status, if n % 2 == 0 { 200 } else { 404 }, "{answer:?}");
    }
    assert!(world.io.namespaces().len() <= 12, "{}", world.io.namespaces().len());
    world.unharmed().await;
}

#[tokio::test]
async fn rooms_per_socket_max() {
    for way in EVERY_WAY {
        let world = limited(|limits| limits.rooms_per_socket_max = 5).await;
        let mut client = Plain::open(&world, way).await;
        // Its own room aside.
        assert!(client.asks("join", "[0,4]").await.contains('5'), "{way:?}");
        assert!(client.asks("join", "[4,100]").await.contains('6'), "{way:?}");
        assert_eq!(world.io.rooms_len(), 5);
        client.leaves().await;
        until(|| world.io.rooms_len() == 0).await;
        world.unharmed().await;
    }
}

/// And: ack ids that are negative, huge, unknown, or answered twice.
#[tokio::test]
async fn pending_acks_max() {
    for way in EVERY_WAY {
        let (sender, mut sockets) = mpsc::unbounded_channel();
        let asked = handlers().on_connect(move |socket: Socket| {
            let sender = sender.clone();
            async move { drop(sender.send(socket)) }
        });
        let world = World::with(|server| server.limits(|limits| limits.pending_acks_max = 3).namespace("/asked", asked)).await;
        let mut client = Plain::of(&world, way, "/live/asked").await;
        let socket = within(sockets.recv()).await.unwrap();
        let ask = || socket.emit_with_ack::<u32>("question", &());
        let (first, second, third) = (ask(), ask(), ask());
        assert!(matches!(within(ask()).await, Err(AckError::TooManyPending)), "{way:?}");
        for (ack, status) in [
            ("-1", 400),
            ("0.5", 400),
            ("", 400),
            ("1e3", 400),
            ("18446744073709551616", 400),
            ("18446744073709551615", 404),
            ("3", 404),
            ("0", 204),
            ("0", 404),
        ] {
            let answer = client.request("POST", &format!("ack={ack}"), "content-type: application/json\r\n", "7").await;
            assert_eq!(answer.status, status, "{way:?} ack={ack}: {answer:?}");
        }
        assert_eq!(within(first).await.unwrap(), 7);
        // A stranger's session answers nothing for it.
        let stranger = Plain::of(&world, way, "/live/asked").await;
        let answer = stranger.request("POST", "ack=1", "content-type: application/json\r\n", "7").await;
        assert_eq!(answer.status, 404, "{way:?}");
        stranger.leaves().await;
        if way == Way::Websocket {
            let ws = client.ws.as_mut().unwrap();
            for ack in ["99", "0", "1", "1"] {
                ws.text(&format!("{{\"ack\":{ack},\"data\":8}}")).await;
            }
            assert_eq!(within(second).await.unwrap(), 8);
            client.works().await;
            client.leaves().await;
        } else {
            client.leaves().await;
            assert!(matches!(within(second).await, Err(AckError::Disconnected)), "{way:?}");
        }
        assert!(matches!(within(third).await, Err(AckError::Disconnected)), "{way:?}");
        assert!(matches!(within(ask()).await, Err(AckError::Disconnected)), "{way:?}");
        world.unharmed().await;
    }
}

/// `handlers_max` handlers run, `inbox_events_max` events wait, one more closes.
#[tokio::test]
async fn handlers_max_and_inbox_events_max() {
    for way in EVERY_WAY {
        let world = limited(|limits| (limits.handlers_max, limits.inbox_events_max) = (2, 3)).await;
        let mut client = Plain::open(&world, way).await;
        if way == Way::Websocket {
            for _ in 0..6 {
                client.says("hang", "[]").await;
            }
        } else {
            let mut waiting = Vec::new();
            for _ in 0..6 {
                let mut http = Http::open(world.address).await;
                http.request("POST", &client.target("event=hang"), "", "x").await;
                waiting.push(http);
            }
            // Of the one too many, and of those that will not start any more.
            for http in waiting.iter_mut().skip(5) {
                assert_eq!(http.answer().await.expect("an answer").status, 429, "{way:?}");
            }
        }
        world.one_closed(CloseReason::InboxFull).await;
        world.unharmed().await;
    }
}

/// A reader that stops reading: its outbox fills to the limit and it is closed as a slow consumer [RUSTSEC-2020-0043]
#[tokio::test]
async fn outbox_bytes_max() {
    for way in EVERY_WAY {
        let world = limited(|limits| limits.outbox_bytes_max = 10_000).await;
        let mut client = Plain::open(&world, way).await;
        // An empty outbox takes one event of any size.
        client.says("flood", "[1,50000]").await;
        client.hears("~~~").await;
        while !way.is_stream() && !way.is_websocket() && client.poll().await.body.contains("~~~") {}
        client.says("flood", "[5,1000]").await;
        client.hears("~~~").await;
        client.works().await;
        client.says("flood", "[100,1000]").await;
        world.one_closed(CloseReason::SlowConsumer).await;
        world.unharmed().await;
    }
}

/// A reader that stops reading, and what it does not read is little at a time.
#[tokio::test]
async fn a_stream_that_nobody_reads() {
    for way in EVERY_WAY.into_iter().filter(|way| way.is_stream() || way.is_websocket()) {
        let world = limited(|limits| limits.outbox_bytes_max = 100_000).await;
        let client = Plain::open(&world, way).await;
        client.post("join", "[0,1]").await;
        let mut sent = 0;
        while world.closed(CloseReason::SlowConsumer) == 0 {
            sent += world.io.to("room 0").emit("water", &"~".repeat(50_000)).unwrap().queued;
            assert!(sent < 1_000, "{way:?} takes everything");
            // So that it is offered to the connection.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.undisturbed().await;
        assert_eq!(client.request("GET", "wait=0", "", "").await.status, 404, "{way:?}");
        drop(client);
        world.unharmed().await;
    }
}

/// Pings, and answers that nobody reads, are bounded as events are.
#[tokio::test]
async fn answers_that_nobody_reads() {
    for (way, asked) in [
        (Way::Websocket, frame(true, OpCode::Ping, &[7; 125])),
        (Way::Bare, frame(true, OpCode::Ping, &[7; 125])),
        (Way::Websocket, frame(true, OpCode::Text, br#"{"event":"echo","data":"................","ack":1}"#)),
    ] {
        let world = limited(|limits| limits.outbox_bytes_max = 100_000).await;
        let mut client = Plain::open(&world, way).await;
        let flood = asked.repeat(2_000);
        within(async {
            while world.closed(CloseReason::SlowConsumer) == 0 {
                client.ws.as_mut().unwrap().http.write(&flood).await;
            }
        })
        .await;
        drop(client);
        world.unharmed().await;
    }
}

#[tokio::test]
async fn connect_timeout() {
    for way in EVERY_WAY {
        let world = slow(|limits| limits.connect_timeout_ms = 500).await;
        let target = way.opening("/live/never");
        let mut http = Http::open(world.address).await;
        http.request(way.method(), &target, &way.headers(), "").await;
        let answer = http.answer().await.expect("an answer");
        // EventSource would give up for good on 503.
        assert_eq!(answer.status, if way == Way::Sse { 200 } else { 503 }, "{way:?} {answer:?}");
        world.one_closed(CloseReason::ConnectTimeout).await;
        world.unharmed().await;
    }
    let world = slow(|limits| limits.connect_timeout_ms = 500).await;
    assert_eq!(world.request("POST", "/live/never?event=x", "", "x").await.status, 503);
    assert_eq!(world.request("POST", "/live/never?event=x&id=1", "", "x").await.status, 503);
    world.unharmed().await;
}

/// Streams owe nothing, WebSockets a pong, and all others a request now and then.
#[tokio::test]
async fn plain_idle_and_ping_timeout() {
    for way in EVERY_WAY {
        let times = |limits: &mut Limits| {
            (limits.ping_interval_ms, limits.ping_timeout_ms, limits.plain_idle_ms) = (700, 700, 1_500);
        };
        let world = limited(times).await;
        let begun = std::time::Instant::now();
        let mut client = Plain::open(&world, way).await;
        if way.is_stream() {
            for heartbeat in 0..4 {
                let chunk = client.http.as_mut().unwrap().chunk().await.expect("a heartbeat");
                assert!(chunk.len() < 200, "{way:?} {heartbeat}: {:?}", chunk.escape_ascii().to_string());
            }
            client.http.take().unwrap().reset();
            world.one_closed(CloseReason::TransportClose).await;
        } else {
            // A WebSocket whose client sends nothing, and a session that nobody asks for.
            if way != Way::Websocket && way != Way::Bare {
                while begun.elapsed() < Duration::from_millis(2_500) {
                    client.works().await;
                }
                assert_eq!(world.closed(CloseReason::PingTimeout), 0, "{way:?}: each request puts it off");
            }
            world.one_closed(CloseReason::PingTimeout).await;
            assert!(begun.elapsed() > Duration::from_millis(1_350), "{way:?} {:?}", begun.elapsed());
        }
        world.unharmed().await;
    }
}

/// However short it is beside the time for connecting.
#[tokio::test]
async fn plain_idle_counts_from_the_beginning() {
    let world = limited(|limits| (limits.plain_idle_ms, limits.connect_timeout_ms) = (50, 60_000)).await;
    let _client = Plain::open(&world, Way::Post).await;
    world.one_closed(CloseReason::PingTimeout).await;
    world.unharmed().await;
}

#[tokio::test]
async fn poll_wait_max() {
    let world = limited(|limits| limits.poll_wait_max_ms = 50).await;
    for wait in ["wait=1000000", "wait=1e9", "wait=60", "wait=0.01", "callback=f", "framing=poll"] {
        let client = Plain::open(&world, Way::Post).await;
        let answer = within(client.request("GET", wait, "", "")).await;
        assert_eq!((answer.status, answer.body.contains("\"events\":[]")), (200, true), "{wait}: {answer:?}");
        client.leaves().await;
    }
    for wait in ["-1", "1e300", "NaN", "inf", "", "1s", "0x10", "%00"] {
        let client = Plain::open(&world, Way::Post).await;
        assert_eq!(client.request("GET", &format!("wait={wait}"), "", "").await.status, 400, "{wait}");
        client.leaves().await;
    }
    world.unharmed().await;
}

#[tokio::test]
async fn sessions_max() {
    for way in EVERY_WAY {
        let world = limited(|limits| limits.sessions_max = 4).await;
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(Plain::open(&world, way).await);
        }
        for way in EVERY_WAY {
            let refused = world.request(way.method(), &way.opening("/live"), &way.headers(), "").await;
            assert_eq!(refused.status, if way == Way::Sse { 200 } else { 503 }, "{way:?}: {refused:?}");
            assert!(!refused.body.contains("sid"), "{refused:?}");
        }
        // One that lives for a request only, too, and those of other clients.
        assert_eq!(world.request("POST", "/live?event=echo", "", "x").await.status, 503);
        assert_eq!(world.request("POST", "/live?event=echo&id=1", "", "x").await.status, 503);
        assert_eq!(world.request("GET", crate::world::POLLING, "", "").await.status, 503);
        assert_eq!(WebSocket::open(world.address, crate::world::WEBSOCKET, "").await.err().expect("no 101").status, 503);
        clients[0].works().await;
        clients.pop().unwrap().leaves().await;
        // Its last words wait for it, over what is no connection.
        if way.ends_with_connection() {
            until(|| world.io.stats().sessions() == 3).await;
        }
        world.undisturbed().await;
        for client in clients {
            client.leaves().await;
        }
        world.unharmed().await;
    }
}

/// Sockets that live for one request are sessions as long as it lasts.
#[tokio::test]
async fn sessions_max_counts_requests_under_way() {
    for query in ["event=hang", "event=hang&id="] {
        let world = limited(|limits| limits.sessions_max = 4).await;
        let mut waiting = Vec::new();
        for n in 0..3 {
            let mut http = Http::open(world.address).await;
            let target = if query.ends_with('=') { format!("/live?{query}{n}") } else { format!("/live?{query}") };
            http.request("POST", &target, "", "x").await;
            waiting.push(http);
        }
        until(|| world.io.of("/").len() == 4).await;
        let answer = world.request("POST", "/live?event=echo", "", "x").await;
        assert_eq!(answer.status, 503, "{query} {answer:?}");
        assert_eq!(world.request("GET", "/live?wait=0", "", "").await.status, 503);
        waiting.into_iter().for_each(Http::reset);
        world.undisturbed().await;
        if !query.ends_with('=') {
            world.unharmed().await;
        }
    }
}

#[tokio::test]
async fn handshake_bytes_max() {
    let world = limited(|limits| limits.handshake_bytes_max = 1_000).await;
    for way in EVERY_WAY {
        let long = format!("{}cookie: {}\r\n", way.headers(), "c".repeat(1_000));
        let answer = world.request(way.method(), &way.opening("/live"), &long, "").await;
        assert_eq!(answer.status, 431, "{way:?}");
        for name in ["q", "since", "events"] {
            let target = way.opening("/live");
            let separator = if target.contains('?') { '&' } else { '?' };
            let value = if name == "events" { "a,".repeat(5_000) } else { "q".repeat(10_000) };
            let answer = world.request(way.method(), &format!("{target}{separator}{name}={value}"), &way.headers(), "").await;
            assert_eq!(answer.status, 431, "{way:?} {name}");
        }
        Plain::open(&world, way).await.leaves().await;
    }
    world.unharmed().await;
}

/// `repeats_max` and `repeats_bytes_max`: a flood of ids is forgotten, and costs nobody his own.
#[tokio::test]
async fn a_flood_of_ids() {
    let world = limited(|limits| (limits.repeats_max, limits.repeats_bytes_max) = (10, 100_000)).await;
    let client = Plain::open(&world, Way::Post).await;
    let long = "x".repeat(20_000);
    for n in 0..200 {
        let answer = client.request("POST", &format!("event=echo&id={n}"), "content-type: text/plain\r\n", &long).await;
        assert_eq!(answer.status, 200, "{n}");
        let answer = world.request("POST", &format!("/live?event=echo&id={n}"), "content-type: text/plain\r\n", &long).await;
        assert_eq!(answer.status, 200, "{n}");
    }
    let id = "i".repeat(65);
    for id in ["", &id] {
        assert_eq!(client.request("POST", &format!("event=echo&id={id}"), "", "x").await.status, 400, "{id:?}");
    }
    // Beyond what may be under way, the clear error.
    let mut waiting = Vec::new();
    for n in 0..10 {
        let mut http = Http::open(world.address).await;
        http.request("POST", &client.target(&format!("event=hang&id=h{n}")), "", "x").await;
        waiting.push(http);
    }
    within(async { while client.request("POST", "event=echo&id=late", "", "x").await.status != 503 {} }).await;
    drop(waiting);
    client.leaves().await;
    world.undisturbed().await;
}

/// A poll that is repeated for ever costs what one answer may, not all that waits.
#[tokio::test]
async fn an_answer_to_a_poll_is_bounded() {
    let world = World::new().await;
    let mut client = Plain::open(&world, Way::Post).await;
    client.says("flood", "[70,100000]").await;
    let (mut events, mut answers) = (0, 0);
    let first = client.request("GET", "wait=0", "", "").await;
    let again = client.request("GET", "wait=0", "", "").await;
    assert_eq!(field(&first.body, "cursor"), field(&again.body, "cursor"));
    assert_eq!(first.body.len(), again.body.len());
    while events < 70 {
        let answer = client.poll().await;
        assert!(answer.body.len() < 1_500_000, "{}", answer.body.len());
        events += answer.body.matches("\"water\"").count();
        answers += 1;
    }
    assert!((5..10).contains(&answers) && events == 70, "{answers} answers, {events} events");
    client.leaves().await;
    world.unharmed().await;
}
