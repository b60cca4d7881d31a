//! For `interop/` of this repository, whose CONTRACT.md says what this application does.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::json;
use sori::{
    Ack, AckError, Args, BuildError, CloseReason, ConnectError, ConnectionStateRecovery, Data, EmitError, Namespace, Server,
    Socket, Value,
};

pub fn server(recovery: bool) -> Result<Server, BuildError> {
    let recovery = recovery.then(|| ConnectionStateRecovery {
        max_disconnection_duration: Duration::from_secs(60),
        ..ConnectionStateRecovery::default()
    });
    Server::builder()
        .ping_interval(Duration::from_millis(1000))
        .ping_timeout(Duration::from_millis(1500))
        .max_http_buffer_size(1_000_000)
        .connection_state_recovery(recovery)
        .namespace("/", application().middleware(not_if_asked))
        .namespace("/chat", application())
        .namespace_if(is_dynamic, application())
        .namespace("/guarded", application().middleware(guard))
        .build()
}

fn application() -> Namespace {
    Namespace::new()
        .on_connect(|socket: Socket| async move {
            let welcome = json!({ "id": socket.id(), "nsp": socket.namespace(), "recovered": socket.recovered() });
            socket.emit("welcome", &welcome)
        })
        .on_disconnect(|io: Server, socket: Socket, why: CloseReason| async move {
            io.of(socket.namespace()).to(format!("watch:{}", socket.id())).emit("left", &(socket.id(), why.as_str()))
        })
        // Messages and acknowledgements
        .on("echo", |socket: Socket, args: Args| async move { socket.emit("echo", &args) })
        .on("ack", |args: Args| async move { Ack(args) })
        .on("ask", |socket: Socket, args: Args| async move {
            let answer: Args = socket.emit_with_ack("question", &args).await?;
            Ok::<_, AckError>(socket.emit("answered", &answer)?)
        })
        .on("collect", |socket: Socket, Data(n): Data<i64>| async move {
            if socket.data().update(|Collected(all)| all.push(n)).is_none() {
                socket.data().insert(Collected(vec![n]));
            }
        })
        .on("collected", |socket: Socket| async move { Ack(socket.data().get().unwrap_or(Collected(Vec::new())).0) })
        .on("count", |socket: Socket, Data((from, to)): Data<(i64, i64)>| async move {
            (from..to).try_for_each(|i| socket.emit("number", &i).map(drop))
        })
        .on("blink", |socket: Socket, Data(n): Data<i64>| async move {
            (0..n).try_for_each(|i| socket.volatile().emit("blink", &i).map(drop))?;
            socket.emit("blinked", &())
        })
        .on("handshake", |socket: Socket| async move { Ack(handshake(&socket)) })
        // Rooms
        .on("join", |socket: Socket, Data(room): Data<String>| async move {
            socket.join(room);
            Ack(rooms(&socket))
        })
        .on("leave", |socket: Socket, Data(room): Data<String>| async move {
            socket.leave(room);
            Ack(rooms(&socket))
        })
        .on("say", |io: Server, socket: Socket, Data(say): Data<Say>, Args(mut args): Args| async move {
            args.remove(0);
            let everyone = if say.speaker == "server" { io.of(socket.namespace()) } else { socket.broadcast() };
            everyone.to(say.to).except(say.except).emit("said", &Args(args))?;
            Ok::<_, EmitError>(Ack(()))
        })
        .on("survey", survey)
        .on("members", |io: Server, socket: Socket, Data(room): Data<String>| async move {
            let members = io.of(socket.namespace()).to(room).fetch_sockets();
            Ack(sorted(members.iter().map(|member| member.id().to_owned())))
        })
        .on("gather", |io: Server, socket: Socket, Data((from, into)): Data<(String, String)>| async move {
            io.of(socket.namespace()).to(from).sockets_join(into);
            Ack(())
        })
        .on("scatter", |io: Server, socket: Socket, Data((from, room)): Data<(String, String)>| async move {
            io.of(socket.namespace()).to(from).sockets_leave(room);
            Ack(())
        })
        .on("dismiss", |io: Server, socket: Socket, Data((room, close)): Data<(String, bool)>| async move {
            io.of(socket.namespace()).to(room).disconnect_sockets(close);
        })
        // Endings
        .on("kick", |socket: Socket, Data(close): Data<bool>| async move {
            if close { socket.disconnect_all() } else { socket.disconnect() }
        })
        .on("cut", |socket: Socket| async move { socket.conn().close() })
}

async fn not_if_asked(socket: Socket) -> Result<(), ConnectError> {
    match socket.handshake().query("refuse") {
        Some(refuse) if !refuse.is_empty() => Err("refused by /".into()),
        _ => Ok(()),
    }
}

/// Clients 1.x and 2.x have no `auth`: theirs is in the query.
async fn guard(socket: Socket) -> Result<(), ConnectError> {
    let auth: serde_json::Value = socket.auth().unwrap_or_default();
    let token = auth["token"].as_str().map(str::to_owned).or_else(|| Some(socket.handshake().query("token")?.into_owned()));
    match token.as_deref() {
        Some("secret") => Ok(()),
        Some(_) => Err("not authorized".into()),
        None => Err(ConnectError::new("not authorized").data(&json!({ "code": 401, "missing": ["token"] }))),
    }
}

async fn survey(
    io: Server,
    socket: Socket,
    Data((room, timeout_ms, question)): Data<(String, u64, Value)>,
) -> Result<Ack<Survey>, EmitError> {
    let room = io.of(socket.namespace()).to(room).timeout(Duration::from_millis(timeout_ms));
    let asked = room.emit_with_ack::<Value>("question", &question)?.await;
    Ok(Ack(Survey { complete: asked.is_complete(), answers: asked.answers.into_iter().map(|(_, answer)| answer).collect() }))
}

#[derive(Clone)]
struct Collected(Vec<i64>);

/// Whom to say something to.
#[derive(Deserialize)]
struct Say {
    #[serde(rename = "as", default)]
    speaker: String,
    #[serde(default)]
    to: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
}

#[derive(Serialize)]
struct Survey {
    complete: bool,
    answers: Vec<Value>,
}

/// `socket.handshake` as the reference has it, and the transport's name.
pub fn handshake(socket: &Socket) -> serde_json::Value {
    let handshake = socket.handshake();
    let (query, headers) = (handshake.queries(), handshake.headers());
    let headers = headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
    json!({
        "address": handshake.address().map(|address| address.ip()),
        "auth": socket.auth::<serde_json::Value>().unwrap_or_default(),
        "headers": headers.collect::<BTreeMap<_, _>>(),
        "issued": handshake.issued(),
        "query": query.collect::<BTreeMap<_, _>>(),
        "secure": handshake.secure(),
        "transport": socket.transport().as_str(),
        "url": handshake.url(),
        "xdomain": handshake.xdomain(),
    })
}

fn rooms(socket: &Socket) -> Vec<String> {
    sorted(socket.rooms().into_iter())
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// `/dynamic-` and a number.
pub fn is_dynamic(name: &str, _: &serde_json::Value) -> bool {
    let number = name.strip_prefix("/dynamic-").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}
