//! For socket.io-client's own suite.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use sori::{
    Ack, AckError, BuildError, ConnectionStateRecovery, Data, EmitError, EventName, Namespace, Query, Sent, Server, Socket, Value,
};

use crate::interop::handshake;

pub fn server() -> Result<Server, BuildError> {
    Server::builder()
        .ping_interval(Duration::from_secs(2))
        .connection_state_recovery(ConnectionStateRecovery::default())
        // Tests of `timeout: 0` rely on a handshake that takes a while.
        .allow_request(|_| async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(())
        })
        .namespace("/", main())
        .namespace("/foo", Namespace::new().on("getId", get_id))
        .namespace("/timeout_socket", Namespace::new())
        .namespace("/valid", Namespace::new())
        .namespace("/asd", Namespace::new())
        .namespace(
            "/abc",
            Namespace::new().on_connect(|socket: Socket| async move { socket.emit("handshake", &handshake(&socket)) }),
        )
        .namespace("/no", Namespace::new().middleware(|| async { Err("Auth failed (custom namespace)") }))
        .build()
}

fn main() -> Namespace {
    Namespace::new()
        .middleware(|Query(query): Query<Fail>| async move {
            if query.fail.is_some() { Err("Auth failed (main namespace)") } else { Ok(()) }
        })
        .on("hi", |socket: Socket| async move { socket.emit("hi", &()) })
        .on("echo", |Data(value): Data<Value>| async move { Ack(value) })
        .on("ack", ask)
        .on("getAckDate", || async { Ack(DATE) })
        .on("getDate", |socket: Socket| async move { socket.emit("takeDate", DATE) })
        .on("getDateObj", |socket: Socket| async move { socket.emit("takeDateObj", &json!({ "date": DATE })) })
        .on("getUtf8", |socket: Socket| async move {
            for text in ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"] {
                socket.emit("takeUtf8", text)?;
            }
            Ok::<(), EmitError>(())
        })
        .on("false", |socket: Socket| async move { socket.emit("false", &false) })
        .on("doge", |socket: Socket| async move { socket.emit("doge", &BYTES) })
        .on("getbin", |socket: Socket| async move { socket.emit("takebin", &BYTES) })
        // These are called with binary arguments only; a call with others is rejected.
        .on("buffa", |socket: Socket, _: Bytes| async move { socket.emit("buffack", &()) })
        .on("blob", |socket: Socket, _: Bytes| async move { socket.emit("back", &()) })
        .on("jsonbuff", mixed)
        .on("jsonblob", mixed)
        .on("abuff1", first)
        .on("abuff2", |socket: Socket| async move { reached(&socket, 1, "abuff2-ack") })
        .on("blob1", first)
        .on("blob2", |socket: Socket, Data(text): Data<String>| async move {
            if text == "second" && socket.data().get() == Some(Step(1)) {
                socket.data().insert(Step(2));
            }
        })
        .on("blob3", |socket: Socket, _: Bytes| async move { reached(&socket, 2, "blob3-ack") })
        .on("getHandshake", |socket: Socket| async move { Ack(handshake(&socket)) })
        .on("getId", get_id)
}

#[derive(Deserialize)]
struct Fail {
    fail: Option<String>,
}

/// How many of a sequence of events have come.
#[derive(Clone, Copy, PartialEq)]
struct Step(u8);

async fn first(socket: Socket, _: Bytes) {
    socket.data().insert(Step(1));
}

fn reached(socket: &Socket, step: u8, event: &str) -> Result<Option<Sent>, EmitError> {
    (socket.data().get() == Some(Step(step))).then(|| socket.emit(event, &())).transpose()
}

async fn get_id(socket: Socket) -> Ack<String> {
    Ack(socket.id().to_owned())
}

async fn ask(socket: Socket) -> Result<(), AckError> {
    #[derive(Deserialize)]
    struct Test {
        test: bool,
    }
    let (number, Test { test }) = socket.emit_with_ack::<(i64, Test)>("ack", &()).await?;
    if number == 5 && test {
        socket.emit("got it", &())?;
    }
    Ok(())
}

async fn mixed(socket: Socket, EventName(event): EventName, Data(mixed): Data<Mixed>) -> Result<(), EmitError> {
    if mixed.hello == "lol" && mixed.goodbye == "gotcha" && !mixed.message.is_empty() {
        socket.emit(&format!("{event}-ack"), &())?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Mixed {
    hello: String,
    message: Bytes,
    goodbye: String,
}

const BYTES: Bytes = Bytes::from_static(b"asdfasdf");
/// Any will do.
const DATE: &str = "2014-03-06T08:00:00.000Z";
