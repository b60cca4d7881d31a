//! Whose session it is, and from where it goes on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::HeaderMap;
use sori::{CloseReason, ConnectionStateRecovery, Data, History, Namespace, Socket};

use crate::{
    plain::{EVERY_WAY, Plain, Way, field},
    wire::{Http, WebSocket, until},
    world::{Client, Kind, POLLING, WEBSOCKET, World, handlers},
};

/// A stranger's public `id` used as a `sid`; a `sid` of Socket.IO here and one of ours there; one of another namespace.
#[tokio::test]
async fn only_the_secret_of_this_namespace_is_one() {
    let world = World::with(|server| server.namespace("/other", handlers())).await;
    let mut socketio = Client::open(&world, Kind::PollingV4).await;
    for way in EVERY_WAY {
        let mut victim = Plain::open(&world, way).await;
        assert_ne!(victim.id, victim.sid);
        let wrong = [
            format!("/live?sid={}", victim.id),
            format!("/live?sid={}", socketio.sid),
            format!("/live/other?sid={}", victim.sid),
            format!("/live//?sid={}", victim.sid),
            format!("/live?sid={}", &victim.sid[1..]),
            format!("/live?sid={}%00", victim.sid),
            format!("/live?sid={}", victim.sid.to_ascii_lowercase() + "_"),
        ];
        for target in wrong {
            for (method, query) in [
                ("GET", "&wait=0"),
                ("GET", "&framing=sse"),
                ("GET", "&framing=multipart"),
                ("GET", "&callback=f"),
                ("GET", "&format=text"),
                ("POST", ""),
                ("POST", "&event=echo"),
                ("POST", "&event=echo&id=1"),
                ("POST", "&ack=0"),
                ("POST", "&event=disconnect"),
                ("DELETE", ""),
            ] {
                let answer = world.request(method, &format!("{target}{query}"), "", "x").await;
                assert_eq!(answer.status, 404, "{way:?} {method} {target}{query}");
            }
            assert_eq!(WebSocket::open(world.address, &target, "").await.err().expect("no 101").status, 404);
            // With a cursor it is somebody new.
            let answer = world.request("GET", &format!("{target}&wait=0&since=x-1"), "", "").await;
            let sid = field(&answer.body, "sid");
            assert!(answer.status == 404 || sid.is_some_and(|sid| sid != victim.sid && sid != socketio.sid), "{answer:?}");
        }
        for (transport, headers) in [(POLLING, ""), (WEBSOCKET, crate::wire::UPGRADE)] {
            let answer = world.request("GET", &format!("{transport}&sid={}", victim.sid), headers, "").await;
            assert_eq!(answer.status, 400, "{transport}");
        }
        let answer = world.request("POST", &format!("{POLLING}&sid={}", victim.sid), "", "1").await;
        assert_eq!(answer.status, 400);
        victim.works().await;
        victim.leaves().await;
    }
    socketio.say("1").await;
    world.undisturbed().await;
}

/// Resume cursors of every malformed kind, and of another namespace or room: nothing comes twice, and nothing of others.
#[tokio::test]
async fn cursors() {
    let history = || {
        let rooms = async |socket: Socket| socket.join("mine");
        handlers().history(History::new(100, Duration::from_secs(60))).on_connect(rooms)
    };
    let world = World::with(|server| server.namespace("/a", history()).namespace("/b", history())).await;
    let (a, b) = (|| world.io.of("/a"), || world.io.of("/b"));
    let mut other = Plain::of(&world, Way::LongPolling, "/live/b").await;
    for n in 0..3 {
        a().to("mine").emit("n", &format!("mine {n}")).unwrap();
        a().to("staff").emit("n", &format!("secret {n}")).unwrap();
        b().to("mine").emit("n", &format!("theirs {n}")).unwrap();
    }
    other.hears("theirs 2").await;
    let cursor_of_b = field(&other.poll().await.body, "cursor").unwrap();
    let cursors = [
        "-",
        "--1",
        "-0x1",
        "-1.5",
        "-99999999999999999999",
        "e",
        "e-",
        "e-0",
        "end-1",
        ".",
        "%00",
        "%ff",
        "a%0ab",
        "18446744073709551615",
        "x-18446744073709551616",
        &"9".repeat(300),
        &cursor_of_b,
        &format!("{cursor_of_b}.1"),
    ]
    .map(str::to_owned);
    for way in EVERY_WAY {
        for cursor in &cursors {
            for header in [false, true] {
                if header && (cursor.contains('%') || way == Way::Bare) {
                    continue;
                }
                let (query, headers) = match header {
                    false => (format!("since={cursor}"), String::new()),
                    true => (String::new(), format!("last-event-id: {cursor}\r\n")),
                };
                let living = Plain::of(&world, way, "/live/a").await;
                if !way.is_stream() && !way.is_websocket() {
                    let answer = living.request("GET", &format!("wait=0&{query}"), &headers, "").await;
                    assert_eq!(answer.status, 200, "{way:?} {cursor}");
                    assert!(!answer.body.contains("secret") && !answer.body.contains("theirs"), "{way:?} {cursor}: {answer:?}");
                    assert!(!answer.body.contains("mine"), "it was not there: {way:?} {cursor}: {answer:?}");
                }
                living.leaves().await;
                let target = format!("{}{}{query}", way.opening("/live/a"), if way.method() == "GET" { "&" } else { "?" });
                let mut http = Http::open(world.address).await;
                http.request(way.method(), &target, &format!("{headers}{}", way.headers()), "").await;
                let answer = http.head().await.expect("an answer");
                assert!(matches!(answer.status, 101 | 200 | 201), "{way:?} {cursor}: {answer:?}");
                if way.is_stream() {
                    let first = String::from_utf8(http.chunk().await.unwrap()).unwrap();
                    assert!(first.contains("\"recovered\":false"), "{way:?} {cursor}: {first}");
                    assert!(!first.contains("secret") && !first.contains("theirs"), "{first}");
                }
            }
        }
    }
    // The last of the rooms that are joined, and of no other.
    let answer = world.request("GET", "/live/a?wait=0&since=-4294967295", "", "").await;
    assert_eq!((answer.body.matches("mine").count(), answer.body.contains("secret")), (3, false), "{answer:?}");
    let gone = world.request("GET", "/live/a?framing=sse&since=end", "", "").await;
    assert_eq!(gone.status, 204);
    other.leaves().await;
    world.undisturbed().await;
}

/// Recovery never skips authorisation, and a stay is resumed by the secret alone, once.
#[tokio::test]
async fn who_comes_back_is_asked_again() {
    let guarded = handlers().middleware(async |headers: HeaderMap| {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let good = headers.get("authorization").is_some_and(|value| value == "Bearer good");
        if good { Ok(()) } else { Err("no") }
    });
    let world = World::with(|server| {
        server
            .connection_state_recovery(ConnectionStateRecovery::default())
            .limits(|l| (l.sessions_max, l.plain_idle_ms) = (60, 500))
            .namespace("/in", guarded)
    })
    .await;
    let good = "authorization: Bearer good\r\n";
    for way in EVERY_WAY.into_iter().filter(|way| way.ends_with_connection()) {
        let mut client = Plain::try_open(&world, way, "/live/in", good).await.unwrap();
        world.io.of("/in").emit("n", &1).unwrap();
        let heard = client.hears(if way == Way::Sse { "event: n\n" } else { "\"n\"" }).await;
        let cursor = match way {
            Way::Sse => heard.rsplit("id: ").next().unwrap().split('\n').next().unwrap().to_owned(),
            _ => field(&heard, "id").unwrap(),
        };
        let (sid, id) = (client.sid.clone(), client.id.clone());
        client.http.take().or(client.ws.take().map(|ws| ws.http)).expect("what carries it").reset();
        until(|| world.io.of("/in").is_empty()).await;
        world.io.of("/in").emit("n", &2).unwrap();
        let back = format!("{}&sid={sid}&since={cursor}", way.opening("/live/in"));
        // Many at once, whom the middleware refuses; each gives its place back.
        let mut refused = Vec::new();
        for _ in 0..20 {
            let mut http = Http::open(world.address).await;
            http.request("GET", &back, &way.headers(), "").await;
            refused.push(http);
        }
        for http in &mut refused {
            let status = http.head().await.expect("an answer").status;
            // While one is being refused, another one is asked to wait, which EventSource is told by an empty stream.
            assert!(matches!(status, 403 | 503) || (way == Way::Sse && status == 200), "{way:?} {status}");
        }
        // Many at once who may: one is who it was, the others are new, and all are sessions like any other.
        let mut let_in = Vec::new();
        for _ in 0..20 {
            let mut http = Http::open(world.address).await;
            http.request("GET", &back, &format!("{good}{}", way.headers()), "").await;
            let_in.push(http);
        }
        let mut statuses = Vec::new();
        for http in &mut let_in {
            statuses.push(http.head().await.expect("an answer").status);
        }
        let sockets = world.io.of("/in").fetch_sockets();
        let recovered = sockets.iter().filter(|socket| socket.recovered()).count();
        assert_eq!((recovered, sockets.iter().filter(|socket| socket.id() == id).count()), (1, 1), "{way:?} {statuses:?}");
        assert_eq!(world.io.stats().sessions() as usize, sockets.len() + 1, "{way:?} {statuses:?}");
        let_in.into_iter().for_each(Http::reset);
        until(|| world.io.of("/in").is_empty()).await;
        until(|| world.io.stats().sessions() == 1).await;
    }
    // All places are free again.
    let mut clients = Vec::new();
    for _ in 0..58 {
        clients.push(Plain::try_open(&world, Way::Lines, "/live/in", good).await.unwrap());
    }
    drop(clients);
    world.unharmed().await;
}

/// An answer that is kept for a client who asks again is nobody else's: not a stranger's without what lets in, whatever that is.
#[tokio::test]
async fn a_repeat_is_no_way_around_the_middleware() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let guarded = Namespace::new()
        .middleware(async |headers: HeaderMap| {
            let key = headers.get("x-api-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
            if key.starts_with("good") { Ok(()) } else { Err("no") }
        })
        .on("secret", move |headers: HeaderMap, Data(_): Data<String>| {
            let n = counted.fetch_add(1, Ordering::Relaxed);
            let key = headers.get("x-api-key").unwrap().to_str().unwrap().to_owned();
            async move { sori::Ack(format!("of {key}, {n}")) }
        });
    let world = World::with(|server| server.namespace("/guarded", guarded)).await;
    let ask = async |headers: &str| {
        let headers = format!("content-type: text/plain\r\n{headers}");
        let answer = world.request("POST", "/live/guarded?event=secret&id=1", &headers, "x").await;
        (answer.status, answer.body)
    };
    let good = "x-api-key: good\r\n";
    assert_eq!(ask(good).await, (200, "\"of good, 0\"".into()));
    assert_eq!(ask(good).await, (200, "\"of good, 0\"".into()));
    for stranger in ["", "x-api-key: bad\r\n", "authorization: Bearer x\r\n", "cookie: a=b\r\n", "x-api-key: \r\n"] {
        assert_eq!(ask(stranger).await.0, 403, "{stranger:?}");
    }
    // Nobody is anybody by what joins to the same text.
    for pair in [("authorization: ab\r\ncookie: c\r\n", "authorization: a\r\ncookie: bc\r\n")] {
        let (one, two) = (ask(&format!("{good}{}", pair.0)).await, ask(&format!("{good}{}", pair.1)).await);
        assert_ne!(one.1, two.1);
    }
    world.unharmed().await;
}

/// The same within sessions: an id is that of one session's event, and of no other event, session or namespace.
#[tokio::test]
async fn an_id_is_one_sessions_own() {
    let world = World::with(|server| server.namespace("/other", handlers())).await;
    let (one, two) = (Plain::open(&world, Way::Post).await, Plain::open(&world, Way::Post).await);
    let other = Plain::of(&world, Way::Post, "/live/other").await;
    let text = "content-type: text/plain\r\n";
    let ask = async |client: &Plain, event: &str, body: &str| {
        client.request("POST", &format!("event={event}&id=1"), text, body).await.body
    };
    assert_eq!(ask(&one, "echo", "a").await, "\"a\"");
    assert_eq!(ask(&one, "echo", "again").await, "\"a\"");
    assert_eq!(ask(&two, "echo", "b").await, "\"b\"");
    assert_eq!(ask(&other, "echo", "c").await, "\"c\"");
    assert_eq!(ask(&one, "nobody", "d").await, "");
    let anonymous = world.request("POST", "/live?event=echo&id=1", text, "e").await;
    assert_eq!(anonymous.body, "\"e\"");
    // With its session its answers are gone, too: the sid opens nothing.
    let target = one.target("event=echo&id=1");
    one.leaves().await;
    assert_eq!(world.request("POST", &target, text, "f").await.status, 404);
    two.leaves().await;
    other.leaves().await;
    world.unharmed().await;
}

/// Joining after disconnect leaks nothing, on every way of leaving.
#[tokio::test]
async fn join_after_disconnect() {
    let late = || {
        Namespace::new()
            .allow_callbacks()
            .on("leave", async |socket: Socket| {
                socket.disconnect();
                socket.join("ghost");
                let _ = socket.emit("late", &());
            })
            .on_disconnect(async |socket: Socket| {
                socket.join("ghost");
                tokio::task::yield_now().await;
                socket.join("ghost");
            })
    };
    let history = late().history(History::new(10, Duration::from_secs(60)));
    let world = World::with(|server| server.namespace("/late", late()).namespace("/kept", history)).await;
    for path in ["/live/late", "/live/kept"] {
        for way in EVERY_WAY {
            let mut client = Plain::of(&world, way, path).await;
            client.says("leave", "[]").await;
            until(|| world.io.of("/late").is_empty() && world.io.of("/kept").is_empty()).await;
            assert_eq!(world.io.rooms_len(), 0, "{way:?}");
            assert_eq!(world.io.of(&path[5..]).to("ghost").emit("boo", &()).unwrap().queued, 0);
            drop(client);
            Plain::of(&world, way, path).await.leaves().await;
        }
    }
    world.undisturbed().await;
}

/// Events that a handler replays for a client that reads nothing are bounded as all others are.
#[tokio::test]
async fn replays_that_nobody_reads() {
    let again = handlers().history(History::new(100, Duration::from_secs(600))).on("again", async |socket: Socket| {
        socket.replay("room", 100);
    });
    let world = World::with(|server| server.limits(|limits| limits.outbox_bytes_max = 20_000).namespace("/replays", again)).await;
    for n in 0..100 {
        world.io.of("/replays").to("room").emit("n", &n).unwrap();
    }
    let client = Plain::of(&world, Way::Post, "/live/replays").await;
    let mut asked = 0;
    while world.closed(CloseReason::SlowConsumer) == 0 {
        client.post("again", "[]").await;
        asked += 1;
        assert!(asked < 1_000, "nothing bounds it");
    }
    assert!(asked > 3);
    // Who reads may ask as often as it likes.
    let mut client = Plain::of(&world, Way::Lines, "/live/replays").await;
    for _ in 0..50 {
        client.post("again", "[]").await;
        client.hears("\"data\":99}").await;
    }
    client.leaves().await;
    world.unharmed().await;
}

/// Two polls, two streams, one after the other and at once: each session has one taker, and the one before ends.
#[tokio::test]
async fn who_takes_over() {
    let world = World::new().await;
    let ways = [Way::Sse, Way::Lines, Way::Multipart, Way::Iframe, Way::LongPolling, Way::Jsonp];
    for before in ways {
        for after in ways {
            let client = Plain::open(&world, Way::Post).await;
            let mut first = client.attach(before).await;
            if before.is_stream() {
                first.head().await.unwrap();
            } else {
                until(|| {
                    let sockets = world.io.of("/").fetch_sockets();
                    sockets.iter().any(|s| s.id() == client.id && s.transport().as_str() != "post")
                })
                .await;
            }
            let mut second = client.attach(after).await;
            if before.is_stream() {
                let mut last = String::new();
                while let Some(chunk) = first.chunk().await {
                    last = String::from_utf8(chunk).unwrap();
                }
                assert!(last.contains("replaced"), "{before:?} then {after:?}: {last}");
            } else {
                let answer = first.answer().await.expect("an answer");
                assert!(answer.body.contains("\"events\":[]"), "{before:?} then {after:?}: {answer:?}");
            }
            client.post("flood", "[1,5]").await;
            if after.is_stream() {
                second.head().await.unwrap();
                while !String::from_utf8(second.chunk().await.unwrap()).unwrap().contains("~~~~~") {}
            } else {
                assert!(second.answer().await.unwrap().body.contains("~~~~~"), "{before:?} then {after:?}");
            }
            client.leaves().await;
        }
    }
    world.unharmed().await;
}

/// A poll that was replaced confirms nothing of what its successor was told, whose answer may be lost.
#[tokio::test]
async fn the_answer_of_a_replaced_poll_confirms_nothing() {
    for keeps in [false, true] {
        let namespace = if keeps { handlers().history(History::new(10, Duration::from_secs(60))) } else { handlers() };
        let world = World::with(|server| server.namespace("/n", namespace)).await;
        let client = Plain::of(&world, Way::Post, "/live/n").await;
        let mut first = client.attach(Way::LongPolling).await;
        until(|| world.io.of("/n").fetch_sockets().iter().any(|socket| socket.transport().as_str() == "long-polling")).await;
        world.io.of("/n").emit("early", &()).unwrap();
        let second = client.request("GET", "wait=0", "", "").await;
        let first = first.answer().await.unwrap();
        let (told, empty) = if second.body.contains("early") { (second, first) } else { (first, second) };
        assert!(told.body.contains("early"));
        if empty.body.contains("\"events\":[]") {
            let cursor = field(&empty.body, "cursor").unwrap();
            let third = client.request("GET", &format!("wait=0&since={cursor}"), "", "").await;
            assert!(third.body.contains("early"), "history {keeps}: {third:?}");
        }
        client.leaves().await;
        world.unharmed().await;
    }
}
