//! Every way of sending to every way of receiving, with answers and with bytes.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use sori::{Ack, Bytes, Data, History, Namespace, Server, Socket};

use crate::{
    client::{Client, Way},
    dice::case,
    http::{JSON, request},
    said::binary,
};

const RECEIVERS: [Way; 12] = [
    Way::Sse,
    Way::SseEnvelopes,
    Way::Lines,
    Way::Multipart,
    Way::Iframe,
    Way::LongPoll,
    Way::ShortPoll,
    Way::Jsonp,
    Way::Raw,
    Way::Bare,
    Way::SocketIo,
    Way::SocketIoPolling,
];

/// How the sender sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    /// A client that listens this way.
    Listener(Way),
    /// A POST that names no session.
    Post,
}

/// Notes which transports were seen, and passes on what is said.
fn server(transports: Arc<Mutex<Vec<String>>>) -> Server {
    let namespace = Namespace::new()
        .allow_callbacks()
        .history(History::new(100, std::time::Duration::from_secs(60)))
        .on("say", move |socket: Socket, Data((text, n, bytes)): Data<(String, u64, Bytes)>| {
            transports.lock().unwrap().push(socket.transport().as_str().to_owned());
            let sent = socket.broadcast().emit("said", &(&text, n, &bytes));
            async move { sent.map(|_| Ack((bytes, json!({ "n": n, "text": text })))) }
        })
        .on("message", async |socket: Socket, Data(value): Data<sori::Value>| socket.broadcast().emit("message", &value));
    Server::builder().namespace("/", namespace).build().unwrap()
}

const TEXT: &str = "</script>\u{2028}--sori \"é\" \u{1f600}\n";
const BYTES: &[u8] = b"\x00\xff\x1e--\r\n";

#[test]
fn whoever_says_it_and_whoever_hears_it() {
    let senders = RECEIVERS.map(Sender::Listener).into_iter().chain([Sender::Post]);
    let mut failed = Vec::new();
    for sender in senders {
        for receiver in RECEIVERS {
            let cell = AssertUnwindSafe(|| case(0, from_to(sender, receiver)));
            if std::panic::catch_unwind(cell).is_err() {
                failed.push(format!("{sender:?} → {receiver:?}"));
            }
        }
    }
    assert!(failed.is_empty(), "{} cells failed: {}", failed.len(), failed.join(", "));
}

async fn from_to(sender: Sender, receiver: Way) {
    let transports = Arc::new(Mutex::new(Vec::new()));
    let io = server(transports.clone());
    let mut to = Client::open(&io, "/live", receiver).await;
    let expected_transport = match sender {
        Sender::Post => "post",
        Sender::Listener(way) => way.name(),
    };
    let mut from = match sender {
        Sender::Post => Client::new(&io, "/live"),
        Sender::Listener(way) => Client::open(&io, "/live", way).await,
    };
    if sender == Sender::Listener(Way::Bare) {
        return bare_to(&mut from, &mut to).await;
    }
    for n in 0..3_u64 {
        let answer = from.asks("say", &[json!(TEXT), json!(n), binary(BYTES)]).await;
        assert_eq!(answer, [binary(BYTES), json!({ "n": n, "text": TEXT })], "the answer");
    }
    for n in 0..3_u64 {
        let heard = to.hears().await;
        let args = [json!(TEXT), json!(n), binary(BYTES)];
        match receiver {
            Way::Bare => assert_eq!(heard.args, [json!(Value::from(&args[..]).to_string())]),
            _ => assert_eq!((heard.event.as_deref(), &heard.args[..]), (Some("said"), &args[..])),
        }
        assert_eq!(heard.id.is_some(), !receiver.is_socket_io() && receiver != Way::Bare, "a cursor");
    }
    assert_eq!(*transports.lock().unwrap(), [expected_transport; 3]);
    if receiver != Way::Bare {
        asked(&io, &mut to).await;
    }
    assert_eq!(io.stats().handler_panics(), 0);
}

/// What comes bare is the event `message`; it has no answer.
async fn bare_to(from: &mut Client, to: &mut Client) {
    from.websocket().text(TEXT).await;
    from.websocket().binary(BYTES).await;
    for data in [json!(TEXT), binary(BYTES)] {
        let heard = to.hears().await;
        assert_eq!((heard.event.as_deref(), heard.data()), (Some("message"), &data));
    }
}

/// The server asks, the client answers.
async fn asked(io: &Server, to: &mut Client) {
    let socket = io.of("/").socket(&to.id()).expect("it is there");
    assert_eq!(socket.transport().as_str(), to.way.name());
    let answer = socket.emit_with_ack::<(Bytes, String)>("ask", &(TEXT, Bytes::from_static(BYTES)));
    let heard = to.hears().await;
    assert_eq!((heard.event.as_deref(), &heard.args[..]), (Some("ask"), &[json!(TEXT), binary(BYTES)][..]));
    to.answers(heard.ack.expect("it asks"), &[binary(b"\xfe"), json!(TEXT)]).await;
    assert_eq!(answer.await.unwrap(), (Bytes::from_static(b"\xfe"), TEXT.to_owned()));

    let all = io.of("/").emit_with_ack::<u64>("all", &7).unwrap();
    let heard = to.hears().await;
    assert_eq!((heard.event.as_deref(), heard.data(), heard.id.is_none()), (Some("all"), &json!(7), true));
    to.answers(heard.ack.expect("it asks"), &[json!(8)]).await;
    // The sender has not answered, if it listens at all.
    drop(all);

    let ended = socket.timeout(std::time::Duration::from_millis(10)).emit_with_ack::<u64>("late", &());
    let heard = to.hears().await;
    assert!(ended.await.is_err());
    if !to.way.is_socket_io() && to.way != Way::Raw {
        let target = format!("/live?sid={}&ack={}", to.sid.as_ref().unwrap(), heard.ack.unwrap());
        assert_eq!(request(io, "POST", &target, JSON, "1").await.status(), 404, "nobody waits for it");
    }
}
