//! For `differential/` of this repository, whose CONTRACT.md says what this application does.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    sync::{LazyLock, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::Query,
    http::{HeaderValue, StatusCode},
    routing::get,
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use sori::{
    Ack, AckError, AckSender, Args, Auth, BuildError, CloseReason, ConnectError, ConnectionStateRecovery, Cookie, Cors, Data,
    EmitError, Namespace, PerMessageDeflate, SameSite, Server, ServerBuilder, Socket, Transport, Value,
};
use tokio::task::JoinSet;

use crate::interop::is_dynamic;

/// The four listeners, on `port` and the three after it.
pub async fn serve(port: u16) -> Result<(), Box<dyn Error>> {
    let mut listeners = Vec::new();
    for (number, server) in (port..).zip([main(), heartbeat(), strict(), recovery()]) {
        listeners.push((crate::listen(number).await?, build(server)?));
    }
    println!("listening on 127.0.0.1:{port}");
    let mut serving = JoinSet::new();
    for (listener, (io, router)) in listeners {
        serving.spawn(io.serve(listener, router).into_future());
    }
    serving.join_all().await;
    Ok(())
}

fn main() -> ServerBuilder {
    Server::builder()
        .cors(Cors { origins: vec!["http://app.example".into()], credentials: true, ..Cors::default() })
        .cookie(Cookie { same_site: SameSite::Strict, max_age: Some(Duration::from_secs(86_400)), ..Cookie::default() })
        .allow_request(|request| {
            let query = Query::<HashMap<String, String>>::try_from_uri(&request.uri);
            let deny = query.ok().and_then(|Query(mut query)| query.remove("deny"));
            async move { deny.map_or(Ok(()), Err) }
        })
}

fn heartbeat() -> ServerBuilder {
    Server::builder().ping_interval(Duration::from_millis(300)).ping_timeout(Duration::from_millis(200))
}

fn strict() -> ServerBuilder {
    Server::builder().allow_eio3(false).allow_upgrades(false).http_compression(None)
}

fn recovery() -> ServerBuilder {
    Server::builder()
        .transports([Transport::Websocket])
        .connection_state_recovery(ConnectionStateRecovery {
            max_disconnection_duration: Duration::from_secs(5),
            skip_middlewares: false,
        })
        .per_message_deflate(PerMessageDeflate { threshold: 1024 })
        .cors(Cors {
            origins: vec!["http://one.example".into(), "http://two.example".into()],
            methods: vec!["GET".into(), "POST".into()],
            allowed_headers: vec!["x-app".into()],
            max_age: Some(Duration::from_secs(600)),
            ..Cors::default()
        })
}

/// What all listeners have in common.
fn build(server: ServerBuilder) -> Result<(Server, Router), BuildError> {
    let io = server
        .limits(|limits| {
            limits.connect_timeout_ms = 1000;
            limits.upgrade_timeout_ms = 1000;
            limits.max_http_buffer_size = 100_000;
        })
        .serve_client(false)
        .initial_headers(|headers, _| drop(headers.insert("x-initial", HeaderValue::from_static("yes"))))
        .headers(|headers, _| drop(headers.insert("x-every", HeaderValue::from_static("yes"))))
        .namespace("/", application().middleware(not_if_asked))
        .namespace("/custom", application())
        .namespace("/private", application().middleware(with_token))
        .namespace("/slow", application().middleware(slowly))
        .namespace_if(is_dynamic, application())
        .build()?;
    let router = Router::new().route("/journal", get(journal)).fallback(async || (StatusCode::NOT_FOUND, Body::from("not here")));
    Ok((io, router))
}

async fn not_if_asked(socket: Socket) -> Result<(), ConnectError> {
    match socket.handshake().query("refuse") {
        Some(data) if !data.is_empty() => Err(refusal(Some(json!(data)))),
        _ => Ok(()),
    }
}

async fn slowly() -> Result<(), ConnectError> {
    tokio::time::sleep(Duration::from_millis(150)).await;
    Ok(())
}

async fn with_token(Auth(mut auth): Auth<HashMap<String, serde_json::Value>>) -> Result<(), ConnectError> {
    match auth.get("token").and_then(|token| token.as_str()) {
        Some("open") => Ok(()),
        _ => Err(refusal(auth.remove("data"))),
    }
}

fn refusal(data: Option<serde_json::Value>) -> ConnectError {
    let error = ConnectError::new("not allowed");
    match data {
        Some(data) if data != "plain" => error.data(&json!({ "asked": data })),
        _ => error,
    }
}

fn application() -> Namespace {
    Namespace::new()
        .on_connect(|socket: Socket, Auth(auth): Auth<Value>| async move {
            note(&socket, "connect");
            socket.emit("auth", &auth)
        })
        .on_disconnect(|socket: Socket, why: CloseReason| async move { note(&socket, &format!("disconnect {why}")) })
        .on("message", |socket: Socket, args: Args| async move { socket.emit("message-back", &args) })
        .on("message-with-ack", |args: Args| async move { Ack(args) })
        // The second answer cannot be written down here.
        .on("ack-twice", || async { Ack(1) })
        .on("ask", |socket: Socket, Data(value): Data<Option<Value>>| async move {
            let answer: Args = socket.emit_with_ack("question", &value).await?;
            Ok::<_, AckError>(socket.emit("answered", &answer)?)
        })
        .on("ask-briefly", |socket: Socket, Data(ms): Data<u64>| async move {
            match socket.timeout(Duration::from_millis(ms)).emit_with_ack::<Option<Value>>("question", "brief").await {
                Ok(answer) => socket.emit("answered", &((), answer)),
                Err(error) => socket.emit("answered", &(error.to_string(), ())),
            }
        })
        .on(
            "many",
            |socket: Socket, Data(n): Data<u64>| async move { (0..n).try_for_each(|i| socket.emit("item", &i).map(drop)) },
        )
        .on("volatile", |socket: Socket, Data(n): Data<u64>| async move {
            (0..n).try_for_each(|i| socket.volatile().emit("item", &i).map(drop))
        })
        .on("big", |socket: Socket, Data(n): Data<usize>| async move { socket.emit("big", &"x".repeat(n)) })
        .on(
            "uncompressed",
            |socket: Socket, Data(n): Data<usize>| async move { socket.compress(false).emit("big", &"x".repeat(n)) },
        )
        .on("binary", |socket: Socket| async move {
            let deep = Value::Array(vec![Value::Binary(Bytes::from_static(b"asdf")), Value::Null]);
            let deep = Value::Object(vec![("deep".into(), deep)]);
            socket.emit("binary", &(Bytes::from_static(&[0, 1, 30, 255]), deep))
        })
        .on("binary-ack", || async { Ack(Bytes::from_static(&[7])) })
        .on("types", |socket: Socket| async move {
            let (list, object, nested) = (json!([]), json!({}), json!({ "b": [null] }));
            socket.emit("types", &((), true, -0.5, "é😀\u{2028}\n\0", list, object, nested))
        })
        .on("join", |socket: Socket, Data(room): Data<String>| async move {
            socket.join(room);
            Ack(socket.rooms().len())
        })
        .on("leave", |socket: Socket, Data(room): Data<String>| async move {
            socket.leave(room);
            Ack(socket.rooms().len())
        })
        .on("say", |io: Server, socket: Socket, Data(Rooms(rooms)): Data<Rooms>, Args(args): Args| async move {
            io.of(socket.namespace()).to(rooms).emit("said", &Args(args[1..].to_vec()))
        })
        .on("say-others", |socket: Socket, Data(Rooms(rooms)): Data<Rooms>, Args(args): Args| async move {
            socket.to(rooms).emit("said", &Args(args[1..].to_vec()))
        })
        .on(
            "say-except",
            |io: Server, socket: Socket, Data((Rooms(rooms), other)): Data<(Rooms, String)>, Args(args): Args| async move {
                io.of(socket.namespace()).to(rooms).except(other).emit("said", &Args(args[2..].to_vec()))
            },
        )
        .on("ask-room", |io: Server, socket: Socket, Data(room): Data<String>, ack: AckSender| async move {
            let room = io.of(socket.namespace()).to(room).timeout(Duration::from_millis(300));
            let asked = room.emit_with_ack::<Value>("question", "room")?.await;
            let answers: Vec<&Value> = asked.answers.iter().map(|(_, answer)| answer).collect();
            ack.send(&(!asked.is_complete(), answers))
        })
        .on("disconnect-room", |io: Server, socket: Socket, Data((room, close)): Data<(String, Option<bool>)>| async move {
            io.of(socket.namespace()).to(room).disconnect_sockets(close == Some(true));
        })
        .on("bye", |socket: Socket, Data(close): Data<Option<bool>>| async move { disconnect(&socket, close) })
        .on("last-words", |socket: Socket, Data(close): Data<Option<bool>>| async move {
            socket.emit("item", "last")?;
            disconnect(&socket, close);
            // Nobody is there any more, which the emitter is told.
            debug_assert!(socket.emit("item", "too late").is_err());
            Ok::<_, EmitError>(())
        })
        .on("close-engine", |socket: Socket| async move { socket.conn().close() })
        .on("who", |socket: Socket| async move { Ack(who(&socket)) })
}

fn disconnect(socket: &Socket, close: Option<bool>) {
    if close == Some(true) { socket.disconnect_all() } else { socket.disconnect() }
}

/// One room, or several.
struct Rooms(Vec<String>);

impl<'de> Deserialize<'de> for Rooms {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMany {
            One(String),
            Many(Vec<String>),
        }
        Ok(match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(room) => Self(vec![room]),
            OneOrMany::Many(rooms) => Self(rooms),
        })
    }
}

fn who(socket: &Socket) -> Value {
    let handshake = socket.handshake();
    let auth: Value = socket.auth().unwrap_or_default();
    let query: BTreeMap<_, _> = handshake.queries().collect();
    let text = |text: &str| Value::String(text.into());
    let member = |name: &str, value: Value| (name.to_owned(), value);
    Value::Object(vec![
        member("id", text(socket.id())),
        member("namespace", text(socket.namespace())),
        member("recovered", socket.recovered().into()),
        member("transport", text(socket.transport().as_str())),
        member("address", handshake.address().map_or(Value::Null, |address| text(&address.ip().to_string()))),
        member("xdomain", handshake.xdomain().into()),
        member("secure", handshake.secure().into()),
        member("url", text(handshake.url())),
        member("auth", auth),
        member("query", Value::Object(query.iter().map(|(name, value)| member(name, text(value))).collect())),
        member("agent", handshake.header("user-agent").map_or(Value::Null, text)),
        member("app", handshake.header("x-app").map_or(Value::Null, text)),
    ])
}

/// What happened to the sockets whose handshake's query had `tag`.
static JOURNAL: LazyLock<Mutex<HashMap<String, Vec<String>>>> = LazyLock::new(Mutex::default);
const ENTRIES_PER_TAG_MAX: usize = 1000;

fn note(socket: &Socket, what: &str) {
    let Some(tag) = socket.handshake().query("tag").filter(|tag| !tag.is_empty()) else { return };
    let mut journal = JOURNAL.lock().expect("nobody panics with it");
    let entries = journal.entry(tag.into_owned()).or_default();
    if entries.len() < ENTRIES_PER_TAG_MAX {
        entries.push(format!("{} {what}", socket.namespace()));
    }
}

async fn journal(Query(query): Query<HashMap<String, String>>) -> Json<Vec<String>> {
    let journal = JOURNAL.lock().expect("nobody panics with it");
    Json(query.get("tag").and_then(|tag| journal.get(tag)).cloned().unwrap_or_default())
}
