//! A connection is lost, and nothing else.

use serde_json::Value;
use sori::{Ack, ConnectionStateRecovery, History, Namespace, Socket};
use sori_client::{Envelope, Lines, LongPoll, Options, Revision, Session, SocketIo, Sse, Transport};

use crate::support::{Running, WAYS, by, event, serve, soon};

async fn news() -> Running {
    let room = || {
        Namespace::new()
            .history(History::new(100, std::time::Duration::from_secs(60)))
            .on_connect(async |socket: Socket| socket.join("room"))
            .on("rooms", async |socket: Socket| Ack(socket.rooms().len()))
    };
    serve(|builder| {
        builder.connection_state_recovery(ConnectionStateRecovery::default()).namespace("/", room()).namespace("/news", room())
    })
    .await
}

#[tokio::test]
async fn socket_io_goes_on_where_it_was() {
    let server = news().await;
    for transport in [Transport::WebSocket, Transport::Polling, Transport::Upgrade] {
        let way = (Revision::V4, transport);
        let mut client = SocketIo::open(&server.url, &by(way)).await.unwrap();
        assert!(!client.recovered() && client.recovery().is_none());
        server.io.to("room").emit("n", &1).unwrap();
        server.io.to("room").emit("n", &("bytes", sori::Bytes::from_static(b"\x01"))).unwrap();
        server.io.to("room").emit("n", &"taken \"last\"").unwrap();
        for _ in 0..3 {
            event(&mut client, "n").await;
        }
        let (recovery, id) = (client.recovery().expect("there was an event"), client.id().to_owned());
        server.io.to("room").emit("n", &"on its way").unwrap();
        client.reset();
        server.io.to("room").emit("n", &"missed").unwrap();

        let mut client = SocketIo::open(&server.url, &by(way).recover(Some(recovery))).await.unwrap();
        assert!(client.recovered(), "{way:?}");
        assert_eq!(client.id(), id);
        for expected in ["on its way", "missed"] {
            assert_eq!(event(&mut client, "n").await.0.deserialize::<String>().unwrap(), expected);
        }
        assert_eq!(soon(client.ask::<usize>("rooms", &())).await.unwrap(), 2);
        soon(client.close()).await.unwrap();
    }
}

#[tokio::test]
async fn who_cannot_be_given_back_is_somebody_new() {
    let server = news().await;
    let gone = sori_client::Recovery { pid: "gone".into(), offset: "x-1".into() };
    let options = by(WAYS[0]).auth(&serde_json::json!({"token": "t"})).unwrap().recover(Some(gone));
    let mut client = SocketIo::open(&server.url, &options).await.unwrap();
    assert!(!client.recovered() && client.recovery().is_none());
    assert_eq!(soon(client.ask::<Value>("rooms", &())).await.unwrap(), 2);
}

#[tokio::test]
async fn sse_goes_on_after_the_last_event_taken() {
    let server = news().await;
    let url = server.url("/live/news");
    let mut stream = Sse::open(&url, &Options::new()).await.unwrap();
    assert!(!Session::of(&soon(stream.next()).await.unwrap()).expect("connect").recovered);
    for n in 1..=3 {
        server.io.of("/news").to("room").emit("n", &n).unwrap();
    }
    assert_eq!(soon(stream.next()).await.unwrap().data, "1");
    let last = stream.last_event_id().to_owned();
    stream.reset();

    let mut stream = Sse::open(&url, &Options::new().last_event_id(&last)).await.unwrap();
    assert!(Session::of(&soon(stream.next()).await.unwrap()).expect("connect").recovered);
    for n in 2..=3 {
        assert_eq!(soon(stream.next()).await.unwrap().data, n.to_string());
    }
}

#[tokio::test]
async fn lines_go_on_after_the_last_envelope_taken() {
    let server = news().await;
    let url = server.url("/live/news");
    let mut stream = Lines::open(&url, &Options::new()).await.unwrap();
    assert!(soon(stream.next()).await.unwrap().session().is_some());
    for n in 1..=3 {
        server.io.of("/news").to("room").emit("n", &n).unwrap();
    }
    assert_eq!(soon(stream.next()).await.unwrap().data::<i64>().unwrap(), 1);
    let cursor = stream.cursor().expect("a place in the log").to_owned();
    stream.reset();

    let mut stream = Lines::open(&url, &Options::new().query("since", &cursor)).await.unwrap();
    assert!(soon(stream.next()).await.unwrap().session().expect("connect").recovered);
    for n in 2..=3 {
        assert_eq!(soon(stream.next()).await.unwrap().data::<i64>().unwrap(), n);
    }
}

#[tokio::test]
async fn long_polling_goes_on_in_a_new_session() {
    let server = news().await;
    let url = server.url("/live/news");
    let mut poll = LongPoll::open(&url, &Options::new()).await.unwrap();
    server.io.of("/news").to("room").emit("n", &1).unwrap();
    assert_eq!(number(&soon(poll.next()).await.unwrap()), 1);
    server.io.of("/news").to("room").emit("n", &2).unwrap();
    assert_eq!(number(&soon(poll.next()).await.unwrap()), 2);
    // The answer with 2 has been taken, and its receipt was not sent: it comes again rather than never.
    let cursor = poll.cursor().to_owned();
    poll.reset();
    server.io.of("/news").to("room").emit("n", &3).unwrap();

    let mut poll = LongPoll::open(&url, &Options::new().query("since", &cursor)).await.unwrap();
    let first = number(&soon(poll.next()).await.unwrap());
    assert!(first == 2 || first == 3, "{first}");
    if first == 2 {
        assert_eq!(number(&soon(poll.next()).await.unwrap()), 3);
    }
    soon(poll.close()).await.unwrap();
}

fn number(envelope: &Envelope) -> i64 {
    envelope.data().unwrap()
}
