//! "Each limit × each transport": a limit on polling that WebSocket lacks is a hole.

use std::{sync::Arc, time::Duration};

use sori::{AckError, CloseReason, Limits, Namespace, Socket};
use sori_proto::ws::frame::OpCode;
use tokio::sync::mpsc;

use crate::{
    wire::{Http, Received, UPGRADE, WebSocket, frame, until, within},
    world::{Client, EVERY_KIND, Kind, Out, WEBSOCKET, World, handlers},
};

const POLLING_KINDS: [Kind; 4] = [Kind::PollingV3, Kind::PollingV4, Kind::Jsonp, Kind::Probing];
const WEBSOCKET_KINDS: [Kind; 3] = [Kind::WebsocketV3, Kind::WebsocketV4, Kind::Upgraded];

async fn limited(change: impl FnOnce(&mut Limits)) -> World {
    World::with(|server| server.limits(change).namespace("/dynamic-{n}", handlers())).await
}

/// The client is served as ever.
async fn works(client: &mut Client) {
    client.send(&[Out::Text("299[\"echo\",\"fine\"]")]).await;
    client.hears("399[\"fine\"]").await;
}

/// Ends a client's session in good order.
async fn leave(mut client: Client) {
    match client.ws.take().filter(|_| client.kind.is_websocket()) {
        Some(ws) => drop(ws),
        None => assert_eq!(client.say("1").await, 200),
    }
}

#[tokio::test]
async fn max_http_buffer_size() {
    for kind in POLLING_KINDS {
        let world = limited(|limits| limits.max_http_buffer_size = 5_000).await;
        let mut client = world.client(kind).await;
        let fits = |client: &Client, bytes: usize| {
            let framing = client.payload(&["421[\"echo\",\"\"]".into()]).len();
            // The decimal length of revision 3 has grown by two digits.
            let digits = if kind.is_v3() { 2 } else { 0 };
            client.payload(&[format!("421[\"echo\",\"{}\"]", "~".repeat(bytes - framing - digits).replace('~', "x"))])
        };
        let (whole, more) = (fits(&client, 5_000), fits(&client, 5_001));
        assert_eq!((whole.len(), more.len()), (5_000, 5_001), "{kind:?}");
        assert_eq!(client.post(more).await, 413, "{kind:?}");
        assert_eq!(client.post(whole).await, 200, "{kind:?}");
        client.hears("31[\"xxx").await;
        // Without a length, and with one that is absurd: as soon as there is too much.
        for framing in ["transfer-encoding: chunked\r\n\r\n1388\r\n", "content-length: 99999999999\r\n\r\n"] {
            let mut http = Http::open(world.address).await;
            http.write(format!("POST {} HTTP/1.1\r\nhost: test\r\n{framing}", client.target)).await;
            http.write("x".repeat(5_000)).await;
            http.write("\r\n1\r\nx\r\n").await;
            assert_eq!(http.answer().await.expect("an answer").status, 413, "{kind:?} {framing}");
        }
        works(&mut client).await;
        leave(client).await;
        world.unharmed().await;
    }
    for kind in WEBSOCKET_KINDS {
        for split in [false, true] {
            let world = limited(|limits| limits.max_http_buffer_size = 5_000).await;
            let mut client = world.client(kind).await;
            client.send(&[Out::Text(&format!("21[\"echo\",\"{}\"]", "x".repeat(5_000 - 14)))]).await;
            client.hears("31[\"xxx").await;
            let ws = client.ws.as_mut().unwrap();
            if split {
                ws.http.write(frame(false, OpCode::Binary, &[0; 5_000])).await;
                ws.http.write(frame(true, OpCode::Continuation, &[0])).await;
            } else {
                ws.binary(&[0; 5_001]).await;
            }
            assert_eq!(ws.closed().await, Some(Some(1009)), "{kind:?}");
            world.one_closed(CloseReason::TransportError).await;
            world.unharmed().await;
        }
    }
    // The probe has the same limit, and costs only itself.
    let world = limited(|limits| limits.max_http_buffer_size = 5_000).await;
    let mut client = world.client(Kind::Probing).await;
    client.ws.as_mut().unwrap().binary(&[0; 5_001]).await;
    assert!(client.ws.as_mut().unwrap().closed().await.is_some());
    works(&mut client).await;
    leave(client).await;
    world.unharmed().await;
}

#[tokio::test]
async fn max_attachments() {
    for kind in EVERY_KIND {
        let world = limited(|limits| limits.max_attachments = 2).await;
        let mut client = world.client(kind).await;
        let two = "52-1[\"echo\",[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]]";
        client.send(&[Out::Text(two), Out::Binary(b"a"), Out::Binary(b"b")]).await;
        client.hears("62-1[").await;
        client.send(&[Out::Text(&two.replace("52-", "53-"))]).await;
        world.one_closed(CloseReason::ParseError).await;
        world.unharmed().await;
    }
}

#[tokio::test]
async fn payload_packets_max() {
    for kind in POLLING_KINDS {
        let world = limited(|limits| limits.payload_packets_max = 5).await;
        let mut client = world.client(kind).await;
        let noops = |count| vec!["6".to_owned(); count];
        assert_eq!(client.packets(&noops(5)).await, 200, "{kind:?}");
        // Answers keep to it too: 12 events come in three.
        client.send(&[Out::Text("2[\"flood\",12,1]")]).await;
        let (mut polls, mut events) = (0, 0);
        while events < 12 {
            let packets = client.poll().await.body.matches("42[").count();
            assert!(packets <= 5);
            events += packets;
            polls += 1;
        }
        assert!(polls >= 3 && events == 12, "{kind:?}");
        assert_eq!(client.packets(&noops(6)).await, 400, "{kind:?}");
        world.one_closed(CloseReason::ParseError).await;
        world.unharmed().await;
    }
}

#[tokio::test]
async fn namespaces_per_session_max() {
    for kind in EVERY_KIND {
        let world = limited(|limits| limits.namespaces_per_session_max = 3).await;
        let mut client = world.client(kind).await;
        // Who leaves makes room.
        for n in 0..10 {
            client.say(&format!("40/dynamic-{n},")).await;
            client.hears(&format!("40/dynamic-{n},")).await;
            client.say(&format!("41/dynamic-{n},")).await;
        }
        // So does whom the server made leave.
        for n in 10..20 {
            client.say(&format!("40/dynamic-{n},")).await;
            client.hears(&format!("40/dynamic-{n},")).await;
            world.io.of(&format!("/dynamic-{n}")).disconnect_sockets(false);
            client.hears(&format!("41/dynamic-{n},")).await;
        }
        for n in 20..22 {
            client.say(&format!("40/dynamic-{n},")).await;
            client.hears(&format!("40/dynamic-{n},")).await;
        }
        works(&mut client).await;
        client.say("40/dynamic-22,").await;
        world.one_closed(CloseReason::ForcedClose).await;
        world.unharmed().await;
    }
}

#[tokio::test]
async fn namespace_name_max() {
    for kind in EVERY_KIND {
        let world = limited(|limits| limits.namespace_name_max = 20).await;
        let mut client = world.client(kind).await;
        let name = format!("/dynamic-{}", "n".repeat(20 - 9));
        client.say(&format!("40{name},")).await;
        client.hears(&format!("40{name},")).await;
        for (before, packet) in
            [format!("40{name}n,"), format!("42{name}n,[\"echo\"]"), format!("40/{},", "n".repeat(900_000))].iter().enumerate()
        {
            let mut client = world.client(kind).await;
            client.say(packet).await;
            until(|| world.closed(CloseReason::ParseError) == before as u64 + 1).await;
        }
        works(&mut client).await;
        leave(client).await;
        assert_eq!(world.io.namespaces().len(), 2);
        world.undisturbed().await;
        world.unharmed().await;
    }
}

#[tokio::test]
async fn dynamic_namespaces_max() {
    for kind in EVERY_KIND {
        let world = limited(|limits| limits.dynamic_namespaces_max = 2).await;
        let mut client = world.client(kind).await;
        let mut other = world.client(kind).await;
        for n in 0..2 {
            client.say(&format!("40/dynamic-{n},")).await;
            client.hears(&format!("40/dynamic-{n},")).await;
        }
        other.say("40/dynamic-2,").await;
        other.hears("44/dynamic-2,{\"message\":\"Invalid namespace\"}").await;
        // What exists may be joined; what nobody is in makes room.
        other.say("40/dynamic-1,").await;
        other.hears("40/dynamic-1,").await;
        client.say("41/dynamic-0,").await;
        until(|| world.io.of("/dynamic-0").is_empty()).await;
        other.say("40/dynamic-2,").await;
        other.hears("40/dynamic-2,").await;
        leave(client).await;
        leave(other).await;
        world.unharmed().await;
    }
}

#[tokio::test]
async fn rooms_per_socket_max() {
    for kind in EVERY_KIND {
        let world = limited(|limits| limits.rooms_per_socket_max = 5).await;
        let mut client = world.client(kind).await;
        // Its own room aside.
        client.send(&[Out::Text("21[\"join\",[0,4]]"), Out::Text("21[\"join\",0,4]")]).await;
        client.hears("31[5]").await;
        client.send(&[Out::Text("22[\"join\",4,100]")]).await;
        client.hears("32[6]").await;
        assert_eq!(world.io.rooms_len(), 5);
        leave(client).await;
        until(|| world.io.rooms_len() == 0).await;
        world.unharmed().await;
    }
}

#[tokio::test]
async fn pending_acks_max() {
    for kind in EVERY_KIND {
        let (sender, mut sockets) = mpsc::unbounded_channel();
        let asked = Namespace::new().on_connect(move |socket: Socket| {
            let sender = sender.clone();
            async move { drop(sender.send(socket)) }
        });
        let world = World::with(|server| server.limits(|limits| limits.pending_acks_max = 3).namespace("/asked", asked)).await;
        let mut client = world.client(kind).await;
        client.say("40/asked,").await;
        client.hears("40/asked,").await;
        let socket = within(sockets.recv()).await.unwrap();
        let ask = || socket.emit_with_ack::<u32>("question", &());
        let (first, second, third) = (ask(), ask(), ask());
        assert!(matches!(within(ask()).await, Err(AckError::TooManyPending)), "{kind:?}");
        // One that is given up makes room, and so does one that is answered.
        drop(third);
        let third = ask();
        client.say("43/asked,0[7]").await;
        assert_eq!(within(first).await.unwrap(), 7);
        let fourth = ask();
        assert!(matches!(within(ask()).await, Err(AckError::TooManyPending)), "{kind:?}");
        leave(client).await;
        for answer in [second, third, fourth] {
            assert!(matches!(within(answer).await, Err(AckError::Disconnected)), "{kind:?}");
        }
        world.unharmed().await;
    }
}

/// `handlers_max` handlers run, `inbox_events_max` events wait, one more closes.
#[tokio::test]
async fn handlers_max_and_inbox_events_max() {
    for kind in EVERY_KIND {
        let world = limited(|limits| (limits.handlers_max, limits.inbox_events_max) = (2, 3)).await;
        let mut client = world.client(kind).await;
        let hang = Out::Text("2[\"hang\"]");
        client.send(&[hang; 5]).await;
        // Acks and heartbeats are read all the same.
        client.say(if kind.is_v3() { "2" } else { "3" }).await;
        client.send(&[Out::Text("30[]")]).await;
        if kind.is_v3() {
            client.hears("3").await;
        }
        assert_eq!(world.io.stats().sessions(), 2, "{kind:?}");
        client.send(&[hang]).await;
        world.one_closed(CloseReason::InboxFull).await;
        world.unharmed().await;
    }
}

/// A reader that stops reading: its outbox fills to the limit and it is closed as a slow consumer [RUSTSEC-2020-0043]
#[tokio::test]
async fn outbox_bytes_max() {
    for kind in EVERY_KIND {
        let world = limited(|limits| limits.outbox_bytes_max = 10_000).await;
        let mut client = world.client(kind).await;
        // An empty outbox takes one event of any size.
        client.send(&[Out::Text("2[\"flood\",1,50000]")]).await;
        client.hears("42[\"water\"").await;
        client.send(&[Out::Text("2[\"flood\",5,1000]")]).await;
        client.hears("42[\"water\"").await;
        works(&mut client).await;
        client.send(&[Out::Text("2[\"flood\",100,1000]")]).await;
        world.one_closed(CloseReason::SlowConsumer).await;
        world.unharmed().await;
    }
}

/// A reader that stops reading and goes on asking: answers of every kind count, those of the session itself too.
#[tokio::test]
async fn answers_that_nobody_reads() {
    for kind in EVERY_KIND {
        let heartbeat = if kind.is_v3() { Some("2".to_owned()) } else { None };
        for asked in [Some("421[\"echo\",\"................\"]".to_owned()), Some("40/nowhere,".to_owned()), heartbeat]
            .into_iter()
            .flatten()
        {
            let world = limited(|limits| limits.outbox_bytes_max = 100_000).await;
            let mut client = world.client(kind).await;
            // Over polling, asking again while the first is being answered would be a mistake of its own.
            let at_once = if kind.is_websocket() {
                2_000
            } else if asked.starts_with("40") {
                1
            } else {
                50
            };
            within(async {
                while world.closed(CloseReason::SlowConsumer) == 0 {
                    match client.ws.as_mut().filter(|_| kind.is_websocket()) {
                        Some(ws) => ws.http.write(frame(true, OpCode::Text, asked.as_bytes()).repeat(at_once)).await,
                        None => drop(client.packets(&vec![asked.clone(); at_once]).await),
                    }
                }
            })
            .await;
            until(|| world.closed(CloseReason::SlowConsumer) == 1).await;
            world.undisturbed().await;
            world.unharmed().await;
        }
    }
    // WebSocket pings, which Engine.IO does not know.
    for kind in WEBSOCKET_KINDS {
        let world = limited(|limits| limits.outbox_bytes_max = 100_000).await;
        let mut client = world.client(kind).await;
        let pings = frame(true, OpCode::Ping, &[7; 125]).repeat(2_000);
        let http = &mut client.ws.as_mut().unwrap().http;
        within(async {
            while world.closed(CloseReason::SlowConsumer) == 0 {
                http.write(&pings).await;
            }
        })
        .await;
        world.unharmed().await;
    }
}

/// A probe that asks and does not read costs no more than the time it is given.
#[tokio::test]
async fn probes_that_nobody_reads() {
    let world = World::with(|server| server.upgrade_timeout(Duration::from_millis(300))).await;
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut client = world.client(Kind::Probing).await;
    let pings = frame(true, OpCode::Ping, &[7; 125]).repeat(2_000);
    let ws = client.ws.as_mut().unwrap();
    // Until it takes no more.
    while tokio::time::timeout(Duration::from_millis(100), ws.http.write(&pings)).await.is_ok() && !ws.http.is_hung_up() {}
    works(&mut client).await;
    assert_eq!(client.say("1").await, 200);
    // Its task is gone, although the connection still stands and takes nothing.
    until(|| tokio::runtime::Handle::current().metrics().num_alive_tasks() <= before).await;
    drop(client);
    world.unharmed().await;
}

#[tokio::test]
async fn connect_timeout() {
    for kind in EVERY_KIND {
        let refusing = Namespace::new().middleware(|| async { Err::<(), _>("no") });
        let world = World::with(|server| server.connect_timeout(Duration::from_millis(50)).namespace("/no", refusing)).await;
        if kind.is_v3() {
            // These are in `/` from the start.
            let client = world.client(kind).await;
            tokio::time::timeout(Duration::from_millis(100), world.one_closed(CloseReason::ConnectTimeout)).await.unwrap_err();
            leave(client).await;
        } else {
            // Asking in vain is not joining.
            let mut client = Client::open(&world, kind).await;
            client.say("40/no,").await;
            client.say("40/nowhere,").await;
            world.one_closed(CloseReason::ConnectTimeout).await;
        }
        world.unharmed().await;
    }
}

#[tokio::test]
async fn ping_timeout() {
    for kind in EVERY_KIND {
        let world =
            World::with(|server| server.ping_interval(Duration::from_millis(100)).ping_timeout(Duration::from_millis(100))).await;
        let mut client = world.client(kind).await;
        // Messages are no heartbeat, and WebSocket's pings are none either.
        let begun = std::time::Instant::now();
        while world.closed(CloseReason::PingTimeout) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(2), "{kind:?}");
            client.send(&[Out::Text("2[\"nobody\"]")]).await;
            if let Some(ws) = client.ws.as_mut().filter(|_| kind.is_websocket()) {
                ws.http.write(frame(true, OpCode::Ping, b"")).await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(begun.elapsed() > Duration::from_millis(150), "{kind:?} {:?}", begun.elapsed());
        world.one_closed(CloseReason::PingTimeout).await;
        world.unharmed().await;
    }
}

#[tokio::test]
async fn upgrade_timeout() {
    let world = World::with(|server| server.upgrade_timeout(Duration::from_millis(50))).await;
    for said in [&[][..], &["2probe"], &["2probe", "2probe", "2probe"]] {
        let mut client = world.client(Kind::PollingV4).await;
        let mut ws = world.websocket(&format!("{WEBSOCKET}&sid={}", client.sid)).await;
        for text in said {
            ws.text(text).await;
            assert_eq!(ws.receive_text().await.as_deref(), Some("3probe"));
        }
        assert_eq!(ws.closed().await, Some(None));
        assert_eq!(ws.receive().await, Received::End);
        works(&mut client).await;
        // And may try again.
        let mut ws = world.websocket(&format!("{WEBSOCKET}&sid={}", client.sid)).await;
        ws.text("2probe").await;
        assert_eq!(ws.receive_text().await.as_deref(), Some("3probe"));
        leave(client).await;
    }
    world.unharmed().await;
}

#[tokio::test]
async fn sessions_max() {
    for kind in EVERY_KIND {
        let world = limited(|limits| limits.sessions_max = 4).await;
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(world.client(kind).await);
        }
        for kind in [Kind::PollingV3, Kind::PollingV4, Kind::Jsonp] {
            let answer = world.request("GET", kind.target(), "", "").await;
            assert_eq!((answer.status, answer.body.contains("the server is full")), (503, true), "{answer:?}");
        }
        for kind in [Kind::WebsocketV3, Kind::WebsocketV4] {
            assert_eq!(WebSocket::open(world.address, kind.target(), "").await.err().expect("no 101").status, 503);
        }
        // Those who are there are served, and upgrade.
        works(&mut clients[0]).await;
        leave(clients.pop().unwrap()).await;
        until(|| world.io.stats().sessions() == 3).await;
        clients.push(world.client(kind).await);
        world.undisturbed().await;
        for client in clients {
            leave(client).await;
        }
        world.unharmed().await;
    }
}

/// The same when all come at once, before any of them is a session.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_max_in_a_rush() {
    for kind in [Kind::PollingV4, Kind::WebsocketV4] {
        let world = Arc::new(limited(|limits| limits.sessions_max = 10).await);
        let mut rush = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let world = world.clone();
            rush.spawn(async move {
                let mut http = Http::open(world.address).await;
                http.request("GET", kind.target(), if kind.is_websocket() { UPGRADE } else { "" }, "").await;
                let answer = http.answer().await.expect("an answer");
                (answer.status, http)
            });
        }
        let answers = rush.join_all().await;
        let (let_in, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|(status, _)| *status != 503);
        assert!(!refused.is_empty());
        until(|| world.io.stats().sessions() >= 10).await;
        assert_eq!(world.io.stats().sessions(), 10, "{kind:?}: {} were let in", let_in.len());
        assert_eq!(world.io.stats().handler_panics(), 0);
    }
}

#[tokio::test]
async fn handshake_bytes_max() {
    let world = limited(|limits| limits.handshake_bytes_max = 1_000).await;
    for kind in [Kind::PollingV3, Kind::PollingV4, Kind::Jsonp, Kind::WebsocketV3, Kind::WebsocketV4] {
        let upgrade = if kind.is_websocket() { UPGRADE } else { "" };
        let long = format!("{upgrade}cookie: {}\r\n", "c".repeat(1_000));
        assert_eq!(world.request("GET", kind.target(), &long, "").await.status, 431, "{kind:?}");
        let query = format!("{}&q={}", kind.target(), "q".repeat(1_000));
        assert_eq!(world.request("GET", &query, upgrade, "").await.status, 431, "{kind:?}");
        leave(world.client(kind).await).await;
    }
    world.unharmed().await;
}
