//! Clients without a library, as `docs/plain-protocol.md` has them.

use std::time::Duration;

use serde_json::{Value, json};
use sori::{Ack, Auth, Bytes, ConnectError, Data, Namespace, Socket};
use sori_client::{Envelope, Error, Lines, LongPoll, Message, Options, Post, Session, Sse, WebSocket};

use crate::support::{PATIENCE, Running, serve, soon};

async fn news() -> Running {
    let news = Namespace::new()
        .on_connect(async |socket: Socket| socket.join("room"))
        .on("add", async |Data((a, b)): Data<(i64, i64)>| Ack(a + b))
        .on("echo", async |Data(data): Data<Value>| Ack(data))
        .on("who", async |socket: Socket| Ack(socket.id().to_owned()))
        .on("message", async |socket: Socket, Data(text): Data<String>| socket.emit("said", &text).map(drop))
        .on("leave", async |socket: Socket| socket.disconnect())
        .on("ask me", async |socket: Socket| {
            let answer: i64 = socket.emit_with_ack("how many", &()).await.unwrap_or(-1);
            socket.emit("so many", &answer).map(drop)
        });
    let closed = Namespace::new().middleware(async |Auth(auth): Auth<Value>| match auth.get("token") {
        Some(_) => Ok(()),
        None => Err(ConnectError::new("no entry")),
    });
    serve(|builder| builder.namespace("/news", news).namespace("/closed", closed)).await
}

fn options() -> Options {
    Options::new().timeout(PATIENCE)
}

/// Listeners are in the room once their `connect` is here, and a moment later: until one of them hears it.
fn tell(server: &Running, event: &str, data: &Value) {
    assert_eq!(server.io.of("/news").to("room").emit(event, data).unwrap().queued, 1);
}

#[tokio::test]
async fn sse() {
    let server = news().await;
    let mut stream = Sse::open(&server.url("/live/news"), &options()).await.unwrap();
    let session = Session::of(&soon(stream.next()).await.unwrap()).expect("connect comes first");
    assert_eq!(&*session.transport, "sse");
    assert_eq!(stream.retry(), Some(Duration::from_secs(3)));

    // Who listens speaks by POST.
    let mut post = Post::open(&server.url("/live/news"), &options()).unwrap();
    let answer = soon(post.emit("who", &(), session.sid.as_deref())).await.unwrap();
    assert_eq!(serde_json::from_slice::<Box<str>>(&answer.body).unwrap(), session.id);
    assert_eq!(soon(post.emit("add", &(1, 2), None)).await.unwrap().body, b"3");

    tell(&server, "said", &json!("one\ntwo"));
    let event = soon(stream.next()).await.unwrap();
    assert_eq!((&*event.event, &*event.data), ("said", r#""one\ntwo""#));

    // The POST is answered when the handler has been.
    let mut other = Post::open(&server.url("/live/news"), &options()).unwrap();
    let asking = post.emit("ask me", &(), session.sid.as_deref());
    let answering = async {
        let question = Envelope::read(&soon(stream.next()).await.unwrap().data).unwrap();
        soon(other.answer(question.ack.unwrap(), &9, session.sid.as_deref().unwrap())).await.unwrap();
    };
    let (asked, ()) = tokio::join!(asking, answering);
    assert_eq!(asked.unwrap().status, 204);
    assert_eq!(soon(stream.next()).await.unwrap().data, "9");

    post.emit("leave", &(), session.sid.as_deref()).await.unwrap();
    assert_eq!(&*soon(stream.next()).await.unwrap().event, "disconnect");
    assert!(matches!(soon(stream.next()).await, Err(Error::Closed { .. })));
    assert_eq!(stream.last_event_id(), "end");
    let back = Sse::open(&server.url("/live/news"), &options().last_event_id("end")).await.err();
    assert!(matches!(back, Some(Error::Closed { .. })), "{back:?}");
}

#[tokio::test]
async fn lines() {
    let server = news().await;
    let mut stream = Lines::open(&server.url("/live/news"), &options()).await.unwrap();
    let session = soon(stream.next()).await.unwrap().session().expect("connect comes first");
    assert_eq!(&*session.transport, "lines");
    let mut post = Post::open(&server.url("/live/news"), &options()).unwrap();
    soon(post.emit("who", &(), session.sid.as_deref())).await.unwrap();
    tell(&server, "said", &json!({"a": [1]}));
    let envelope = soon(stream.next()).await.unwrap();
    assert_eq!((envelope.event.as_deref(), envelope.data::<Value>().unwrap()), (Some("said"), json!({"a": [1]})));
    tell(&server, "raw", &json!(7));
    assert_eq!(soon(stream.next_line()).await.unwrap(), r#"{"event":"raw","data":7}"#);
    post.emit("leave", &(), session.sid.as_deref()).await.unwrap();
    assert_eq!(soon(stream.next()).await.unwrap().goodbye().as_deref(), Some("server namespace disconnect"));
    assert!(matches!(soon(stream.next()).await, Err(Error::Closed { .. })));
    assert!(stream.traffic().read > 200);
}

#[tokio::test]
async fn long_polling() {
    let server = news().await;
    let options = options().wait(Duration::from_secs(20));
    let mut poll = LongPoll::open(&server.url("/live/news"), &options).await.unwrap();
    let sid = poll.session().sid.clone();
    let mut post = Post::open(&server.url("/live/news"), &options).unwrap();
    soon(post.emit("who", &(), sid.as_deref())).await.unwrap();
    for n in 0..50 {
        tell(&server, "n", &json!(n));
        tell(&server, "n", &json!(n));
        for _ in 0..2 {
            assert_eq!(soon(poll.next()).await.unwrap().data::<i64>().unwrap(), n);
        }
    }
    post.emit("leave", &(), sid.as_deref()).await.unwrap();
    assert!(soon(poll.next()).await.unwrap().goodbye().is_some());
    assert!(matches!(soon(poll.next()).await, Err(Error::Closed { .. })));

    let poll = LongPoll::open(&server.url("/live/news"), &options).await.unwrap();
    soon(poll.close()).await.unwrap();
    assert!(server.io.of("/news").is_empty());
}

#[tokio::test]
async fn websocket_with_envelopes() {
    let server = news().await;
    let options = options().subprotocols("sori.json.v1").unwrap();
    let mut socket = WebSocket::open(&server.url("/live/news"), &options).await.unwrap();
    assert_eq!(socket.subprotocol(), Some("sori.json.v1"));
    async fn envelope(socket: &mut WebSocket) -> Envelope {
        let Message::Text(text) = soon(socket.next()).await.unwrap() else { panic!("bytes") };
        Envelope::read(&text).unwrap()
    }
    assert_eq!(&*envelope(&mut socket).await.session().unwrap().transport, "raw-websocket");
    socket.emit("add", &(1, 2), Some(5)).unwrap();
    let answer = envelope(&mut socket).await;
    assert_eq!((answer.event, answer.ack, answer.args.deserialize::<i64>().unwrap()), (None, Some(5), 3));
    let bytes = Bytes::from_static(b"\x00\xff");
    socket.emit("echo", &json!({"$binary": "AP8="}), Some(6)).unwrap();
    assert!(envelope(&mut socket).await.ack == Some(6));
    server.io.of("/news").emit("bytes", &bytes).unwrap();
    assert_eq!(envelope(&mut socket).await.data::<Bytes>().unwrap(), bytes);
    socket.emit("ask me", &(), None).unwrap();
    let question = envelope(&mut socket).await;
    socket.answer(question.ack.unwrap(), &4).unwrap();
    assert_eq!(envelope(&mut socket).await.data::<i64>().unwrap(), 4);
    socket.emit("leave", &(), None).unwrap();
    assert!(envelope(&mut socket).await.goodbye().is_some());
    assert!(matches!(soon(socket.next()).await, Err(Error::Closed { code: Some(1000), .. })));
}

#[tokio::test]
async fn websocket_with_data_alone() {
    let server = news().await;
    let mut socket = WebSocket::open(&server.url("/live/news"), &options()).await.unwrap();
    socket.send_text("hello").unwrap();
    assert_eq!(soon(socket.next()).await.unwrap(), Message::Text("hello".into()));
    server.io.of("/news").emit("bytes", &Bytes::from_static(b"\x00\xff")).unwrap();
    assert_eq!(soon(socket.next()).await.unwrap(), Message::Binary(Bytes::from_static(b"\x00\xff")));
    soon(socket.close(1000, "done")).await.unwrap();
    let unknown = WebSocket::open(&server.url("/live/news"), &options().subprotocols("soap").unwrap()).await.err();
    assert!(matches!(unknown, Some(Error::WrongAnswer { status: 400, .. })), "{unknown:?}");
}

#[tokio::test]
async fn a_namespace_may_refuse() {
    let server = news().await;
    let url = server.url("/live/closed");
    let forbidden = |error: Option<Error>| match error {
        Some(Error::WrongAnswer { status: 403, body, .. }) => assert!(body.contains("no entry"), "{body}"),
        other => panic!("{other:?}"),
    };
    forbidden(Sse::open(&url, &options()).await.err());
    forbidden(Lines::open(&url, &options()).await.err());
    forbidden(LongPoll::open(&url, &options()).await.err());
    forbidden(WebSocket::open(&url, &options()).await.err());
    forbidden(Post::open(&url, &options()).unwrap().emit("x", &1, None).await.err());
    let options = options().header("Authorization", "Bearer t").unwrap();
    assert!(Session::of(&soon(Sse::open(&url, &options).await.unwrap().next()).await.unwrap()).is_some());
    assert!(LongPoll::open(&url, &options).await.is_ok());
}
