//! Socket.IO, in both revisions and over each transport.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use sori::{Ack, Auth, Bytes, ConnectError, Data, Namespace, Server, Socket};
use sori_client::{Error, Event, Limits, Revision, SocketIo, Transport};

use crate::support::{Running, WAYS, by, event, serve, soon};

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
}

async fn chat() -> Running {
    let echo = || {
        Namespace::new()
            .on("echo", async |Data(data): Data<Value>| Ack(data))
            .on("bytes", async |Data(data): Data<Bytes>| Ack(data))
            .on("add", async |Data((a, b)): Data<(i64, i64)>| Ack(a + b))
            .on("join", async |socket: Socket, Data(room): Data<String>| {
                socket.join(room);
                Ack(())
            })
            .on("all", async |io: Server, Data(data): Data<Value>| io.emit("all", &data).map(drop))
            .on("say", async |socket: Socket, Data(data): Data<Bytes>| socket.emit("said", &("here", data)).map(drop))
            .on("transport", async |socket: Socket| Ack(socket.transport().as_str()))
            .on("id", async |socket: Socket| Ack(socket.id().to_owned()))
            .on("kick", async |socket: Socket| socket.disconnect())
            .on("close", async |socket: Socket| socket.disconnect_all())
            .on("ask me", async |socket: Socket| {
                let answer: i64 = socket.emit_with_ack("how many", &()).await.unwrap_or(-1);
                socket.emit("so many", &answer).map(drop)
            })
    };
    let admin = echo().middleware(async |Auth(auth): Auth<Token>| match auth.token.as_deref() {
        Some("secret") => Ok(()),
        _ => Err(ConnectError::new("no entry").data(&json!({"code": 7}))),
    });
    serve(|builder| builder.namespace("/", echo()).namespace("/chat", echo()).namespace("/admin", admin)).await
}

#[tokio::test]
async fn questions_are_answered() {
    let server = chat().await;
    for way in WAYS {
        for namespace in ["/", "/chat"] {
            let mut client = SocketIo::open(&server.url(namespace), &by(way)).await.unwrap();
            let expected = if way.1 == Transport::Polling { "polling" } else { "websocket" };
            assert_eq!(soon(client.ask::<String>("transport", &())).await.unwrap(), expected, "{way:?}");
            assert_eq!(soon(client.ask::<i64>("add", &(1, 2))).await.unwrap(), 3);
            let text = json!({"é": ["😀", null, 1.5]});
            assert_eq!(soon(client.ask::<Value>("echo", &text)).await.unwrap(), text, "{way:?}");
            assert_eq!(soon(client.ask::<String>("id", &())).await.unwrap(), client.id());
            // Several at once, answered in order.
            let asked = [client.emit_with_ack("echo", &1).unwrap(), client.emit_with_ack("echo", &2).unwrap()];
            for (expected, asked) in (1..).zip(asked) {
                let Event::Ack { id, args } = soon(client.next()).await.unwrap() else { panic!("no answer") };
                assert_eq!((id, args.deserialize::<i64>().unwrap()), (asked, expected));
            }
            let traffic = client.traffic();
            assert!(traffic.read > 100 && traffic.written > 100, "{traffic:?}");
            soon(client.close()).await.unwrap();
        }
    }
    assert_eq!(server.io.of("/").len() + server.io.of("/chat").len(), 0, "somebody has not left");
}

#[tokio::test]
async fn bytes_travel_both_ways() {
    let server = chat().await;
    for way in WAYS {
        let mut client = SocketIo::open(&server.url, &by(way)).await.unwrap();
        for bytes in [Bytes::from_static(b"\x00\x04\xff"), Bytes::new(), Bytes::from(vec![7; 100_000])] {
            assert_eq!(soon(client.ask::<Bytes>("bytes", &bytes)).await.unwrap(), bytes, "{way:?}");
            client.emit("say", &bytes).unwrap();
            let (args, _) = event(&mut client, "said").await;
            assert_eq!(args.deserialize::<(String, Bytes)>().unwrap(), ("here".to_owned(), bytes));
        }
    }
}

#[tokio::test]
async fn everybody_hears_a_broadcast() {
    let server = chat().await;
    let mut clients = Vec::new();
    for way in WAYS {
        let mut client = SocketIo::open(&server.url, &by(way)).await.unwrap();
        soon(client.ask::<()>("join", "lobby")).await.unwrap();
        clients.push(client);
    }
    for round in 0..20 {
        clients[round % WAYS.len()].emit("all", &round).unwrap();
        soon(clients[round % WAYS.len()].flush()).await.unwrap();
        for client in &mut clients {
            assert_eq!(event(client, "all").await.0.deserialize::<usize>().unwrap(), round);
        }
    }
    assert_eq!(server.io.to("lobby").emit("lobby", &()).unwrap().queued, WAYS.len());
    for client in &mut clients {
        assert!(event(client, "lobby").await.0.is_empty());
    }
}

/// Nothing is lost, doubled or out of order: not while the transport changes, and not by calls that are dropped.
#[tokio::test]
async fn what_comes_early_comes_in_order() {
    const EARLY: usize = 500;
    let server = serve(|builder| {
        builder.namespace(
            "/",
            Namespace::new().on_connect(async |socket: Socket| {
                for n in 0..EARLY {
                    socket.emit("n", &n).ok();
                    if n % 50 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            }),
        )
    })
    .await;
    for way in WAYS {
        let mut client = SocketIo::open(&server.url, &by(way)).await.unwrap();
        let mut expected = 0;
        while expected < EARLY {
            tokio::select! {
                biased;
                event = soon(client.next()) => {
                    let Event::Event { args, .. } = event.unwrap() else { panic!("an answer") };
                    assert_eq!(args.deserialize::<usize>().unwrap(), expected, "{way:?}");
                    expected += 1;
                }
                () = tokio::task::yield_now() => {}
            }
        }
    }
}

#[tokio::test]
async fn polling_stays_where_nothing_else_is_offered() {
    let server = serve(|builder| builder.allow_upgrades(false).namespace("/", Namespace::new())).await;
    for revision in [Revision::V3, Revision::V4] {
        let client = SocketIo::open(&server.url, &by((revision, Transport::Upgrade))).await.unwrap();
        assert_eq!(client.transport(), Transport::Polling);
        soon(client.close()).await.unwrap();
    }
}

#[tokio::test]
async fn who_waits_for_an_answer_keeps_so_much_and_no_more() {
    let flood = Namespace::new().on("flood", async |socket: Socket| {
        for n in 0..200 {
            socket.emit("n", &n).ok();
        }
        std::future::pending::<()>().await
    });
    let server = serve(|builder| builder.namespace("/", flood)).await;
    let limits = Limits { backlog_events_max: 100, ..Limits::default() };
    let mut client = SocketIo::open(&server.url, &by(WAYS[0]).limits(limits)).await.unwrap();
    let error = soon(client.ask::<()>("flood", &())).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: "backlog_events_max", max: 100 }), "{error:?}");
    assert_eq!(event(&mut client, "n").await.0.deserialize::<i64>().unwrap(), 0);
}

#[tokio::test]
async fn the_server_asks_too() {
    let server = chat().await;
    for way in WAYS {
        let mut client = SocketIo::open(&server.url("/chat"), &by(way)).await.unwrap();
        client.emit("ask me", &()).unwrap();
        let (_, ack) = event(&mut client, "how many").await;
        client.answer(ack.expect("an answer is wanted"), &42).unwrap();
        assert_eq!(event(&mut client, "so many").await.0.deserialize::<i64>().unwrap(), 42, "{way:?}");
    }
}

#[tokio::test]
async fn a_namespace_may_refuse() {
    let server = chat().await;
    for way in WAYS {
        let refused = SocketIo::open(&server.url("/admin"), &by(way)).await.err();
        match (refused, way.0) {
            (Some(Error::Refused { namespace, message, data }), Revision::V4) => {
                assert_eq!((&*namespace, &*message, data.as_deref()), ("/admin", "no entry", Some(r#"{"code":7}"#)));
            }
            // Clients 2.x are told the data alone.
            (Some(Error::Refused { data, .. }), Revision::V3) => assert_eq!(data.as_deref(), Some(r#"{"code":7}"#)),
            (other, _) => panic!("{other:?} by {way:?}"),
        }
        let unknown = SocketIo::open(&server.url("/nowhere"), &by(way)).await.err();
        assert!(matches!(&unknown, Some(Error::Refused { message, .. }) if &**message == "Invalid namespace"), "{unknown:?}");

        let options = by(way).auth(&json!({"token": "secret"})).unwrap();
        let mut client = SocketIo::open(&server.url("/admin"), &options).await.unwrap();
        assert_eq!(soon(client.ask::<i64>("add", &(1, 1))).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn the_server_may_end_it() {
    let server = chat().await;
    for way in WAYS {
        for end in ["kick", "close"] {
            let mut client = SocketIo::open(&server.url("/chat"), &by(way)).await.unwrap();
            client.emit(end, &()).unwrap();
            let error = soon(client.next()).await.unwrap_err();
            assert!(matches!(error, Error::Closed { .. }) && error.is_end(), "{error:?} by {way:?}");
            let error = soon(client.next()).await.unwrap_err();
            assert_eq!(error.to_string(), "the server closed the connection: it is over already");
            assert!(client.emit("echo", &1).is_err());
        }
    }
    let mut client = SocketIo::open(&server.url, &by(WAYS[0])).await.unwrap();
    let (all_gone, end) = tokio::join!(server.io.close(Duration::from_secs(10)), soon(client.next()));
    assert!(all_gone && matches!(end, Err(Error::Closed { .. })), "{end:?}");
}

#[tokio::test]
async fn whoever_resets_is_gone_at_once() {
    let server = chat().await;
    for way in [WAYS[0], WAYS[1], WAYS[4]] {
        let client = SocketIo::open(&server.url, &by(way)).await.unwrap();
        let mut other = SocketIo::open(&server.url, &by(WAYS[0])).await.unwrap();
        if way.1 == Transport::WebSocket {
            client.reset();
            while server.io.of("/").len() > 1 {
                soon(other.ask::<Value>("echo", &1)).await.unwrap();
            }
        } else {
            // A session of polling outlives its connections.
            client.reset();
            assert_eq!(server.io.of("/").len(), 2);
            server.io.of("/").disconnect_sockets(true);
        }
    }
}

#[tokio::test]
async fn nothing_is_read_while_nobody_asks() {
    let server = chat().await;
    let options = by(WAYS[0]).receive_buffer(4_096);
    let mut slow = SocketIo::open(&server.url, &options).await.unwrap();
    let before = slow.traffic().read;
    let big = "x".repeat(100_000);
    for _ in 0..20 {
        server.io.emit("big", &big).unwrap();
    }
    let mut quick = SocketIo::open(&server.url, &by(WAYS[0])).await.unwrap();
    soon(quick.ask::<i64>("add", &(1, 2))).await.unwrap();
    assert_eq!(slow.traffic().read, before);
    for _ in 0..20 {
        assert_eq!(event(&mut slow, "big").await.0.deserialize::<String>().unwrap(), big);
    }
}

#[tokio::test]
async fn addresses_may_be_chosen() {
    let server = serve(|builder| {
        builder.namespace(
            "/",
            Namespace::new().on("from", async |socket: Socket| Ack(socket.handshake().address().map(|a| a.to_string()))),
        )
    })
    .await;
    let remote = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    let options = by(WAYS[0]).local_address("127.0.0.77".parse().unwrap()).remote_address(remote);
    let mut client = SocketIo::open("http://sori.invalid/", &options).await.unwrap();
    let from: Option<String> = soon(client.ask("from", &())).await.unwrap();
    assert!(from.is_some_and(|from| from.starts_with("127.0.0.77")));
}

#[tokio::test]
async fn reserved_names_are_not_sent() {
    let server = chat().await;
    let mut client = SocketIo::open(&server.url, &by(WAYS[0])).await.unwrap();
    let error = client.emit("disconnect", &()).unwrap_err();
    assert_eq!(error.to_string(), "option `disconnect`: Socket.IO keeps this event's name for itself");
    assert_eq!(soon(client.ask::<i64>("add", &(1, 2))).await.unwrap(), 3);
}
