//! For `interop/plain/` and `browser/plain/` of this repository, whose README.md says what this application does.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{any, get},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sori::{
    Ack, AckError, Args, BuildError, CloseReason, ConnectError, ConnectionStateRecovery, Data, EmitError, History, Namespace,
    Query, Server, Socket,
};

pub fn server(recovery: bool) -> Result<(Server, Router), BuildError> {
    build(recovery, &Arc::default())
}

/// Every request passes the application's middleware, which tells of it at `/witness`.
pub fn watched(recovery: bool) -> Result<Router, BuildError> {
    let witness = Arc::default();
    let (io, router) = build(recovery, &witness)?;
    Ok(router.layer(io.layer()).layer(middleware::from_fn_with_state(witness, watch)))
}

fn build(recovery: bool, witness: &Arc<Witness>) -> Result<(Server, Router), BuildError> {
    let recovery = recovery.then(|| ConnectionStateRecovery {
        max_disconnection_duration: Duration::from_secs(60),
        ..ConnectionStateRecovery::default()
    });
    let io = Server::builder()
        .ping_interval(Duration::from_millis(1000))
        .ping_timeout(Duration::from_millis(1500))
        .ack_timeout(Duration::from_millis(1000))
        .connection_state_recovery(recovery)
        .namespace("/", application(witness))
        .namespace("/chat", application(witness).history(history()).allow_callbacks())
        .namespace("/guarded", application(witness).middleware(guard))
        .build()?;
    let router = Router::new()
        .route("/login", get(login))
        .route("/witness", get(testimony).delete(forget))
        // What happens to a server that asks nobody where he comes from: the attacks must be seen to work.
        .route("/open/{*rest}", any(async || StatusCode::NO_CONTENT))
        .route("/page", get(async || Html("<!DOCTYPE html><meta charset=\"utf-8\"><title>page</title>")))
        .with_state(witness.clone());
    Ok((io, router))
}

fn history() -> History {
    History::new(EVENTS_KEPT, Duration::from_secs(3600)).rooms(|room| !room.starts_with("quiet"))
}

/// All tests share it, and EventSource is away for three seconds.
const EVENTS_KEPT: u32 = 100_000;

#[derive(Deserialize)]
struct Rooms {
    /// Separated by commas.
    #[serde(default)]
    rooms: String,
}

fn application(witness: &Arc<Witness>) -> Namespace {
    let (connects, events) = (witness.clone(), witness.clone());
    Namespace::new()
        .on_connect(move |socket: Socket, Query(query): Query<Rooms>| {
            connects.connects.fetch_add(1, Ordering::Relaxed);
            async move {
                query.rooms.split(',').filter(|room| !room.is_empty()).for_each(|room| socket.join(room));
                socket.emit("welcome", &json!({ "id": socket.id(), "recovered": socket.recovered() }))
            }
        })
        .on_disconnect(|io: Server, socket: Socket, why: CloseReason| async move {
            io.of(socket.namespace()).to(format!("watch:{}", socket.id())).emit("left", &(socket.id(), why.as_str()))
        })
        // Messages and acknowledgements
        .on("message", |socket: Socket, args: Args| async move { socket.emit("message", &args) })
        .on("echo", |socket: Socket, args: Args| async move { socket.emit("echo", &args) })
        .on("ack", |args: Args| async move { Ack(args) })
        .on("add", |Data((a, b)): Data<(i64, i64)>| async move { Ack(a + b) })
        .on("ask", |socket: Socket, args: Args| async move {
            let answer: Args = socket.emit_with_ack("question", &args).await?;
            Ok::<_, AckError>(socket.emit("answered", &answer)?)
        })
        .on("count", |socket: Socket, Data((from, to)): Data<(i64, i64)>| async move {
            (from..to).try_for_each(|i| socket.emit("number", &i).map(drop))
        })
        .on("run", move || {
            let run = events.runs.fetch_add(1, Ordering::Relaxed) + 1;
            async move { Ack(run) }
        })
        .on("fail", || async move { Err::<(), Box<dyn std::error::Error + Send + Sync>>("on purpose".into()) })
        .on("never", |socket: Socket| async move {
            std::future::pending::<()>().await;
            Ack(socket.id().to_owned())
        })
        .on("who", |socket: Socket| async move { Ack(crate::interop::handshake(&socket)) })
        // Rooms
        .on("join", |socket: Socket, Data(room): Data<String>| async move {
            socket.join(room);
            Ack(rooms(&socket))
        })
        .on("leave", |socket: Socket, Data(room): Data<String>| async move {
            socket.leave(room);
            Ack(rooms(&socket))
        })
        .on("say", |io: Server, socket: Socket, Data(room): Data<String>, Args(mut args): Args| async move {
            args.remove(0);
            Ok::<_, EmitError>(Ack(io.of(socket.namespace()).to(room).emit("said", &Args(args))?.queued))
        })
        .on("replay", |socket: Socket, Data((room, n)): Data<(String, u32)>| async move { Ack(socket.replay(&room, n)) })
        // Endings
        .on("kick", |socket: Socket| async move { socket.disconnect() })
        .on("dismiss", |io: Server, socket: Socket, Data(room): Data<String>| async move {
            io.of(socket.namespace()).to(room).disconnect_sockets(true);
        })
}

/// Who bears the token, or whom the browser's cookie names.
async fn guard(socket: Socket) -> Result<(), ConnectError> {
    let auth: serde_json::Value = socket.auth().unwrap_or_default();
    let cookie = socket.handshake().headers().get("cookie").is_some_and(|cookie| cookie.as_bytes() == LOGGED_IN.as_bytes());
    match auth["token"].as_str() {
        Some("secret") => Ok(()),
        None if cookie => Ok(()),
        _ => Err(ConnectError::new("not authorized").data(&json!({ "code": 401 }))),
    }
}

const LOGGED_IN: &str = "user=ada";

/// Cookies that travel from pages of other sites, too: browsers believe 127.0.0.1 to be secure.
async fn login() -> impl IntoResponse {
    ([(header::SET_COOKIE, format!("{LOGGED_IN}; Path=/; SameSite=None; Secure"))], Html("<title>logged in</title>"))
}

fn rooms(socket: &Socket) -> Vec<String> {
    let mut names: Vec<String> = socket.rooms().into_iter().collect();
    names.sort();
    names
}

/// What has reached the server, for who must show that something did not.
#[derive(Default)]
struct Witness {
    connects: AtomicU64,
    runs: AtomicU64,
    requests: Mutex<VecDeque<Seen>>,
}

#[derive(Clone, Serialize)]
struct Seen {
    method: String,
    path: String,
    query: String,
    origin: Option<String>,
    /// That of [`login`].
    has_cookie: bool,
    status: u16,
}

/// More are forgotten, the oldest first.
const SEEN_MAX: usize = 5_000;

async fn watch(State(witness): State<Arc<Witness>>, request: Request, next: Next) -> Response {
    let header =
        |headers: &HeaderMap, name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let mut seen = Seen {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        origin: header(request.headers(), header::ORIGIN),
        has_cookie: header(request.headers(), header::COOKIE).is_some_and(|cookie| cookie.contains(LOGGED_IN)),
        status: 0,
    };
    let response = next.run(request).await;
    seen.status = response.status().as_u16();
    if seen.path != "/witness" {
        let mut requests = witness.requests.lock();
        if requests.len() == SEEN_MAX {
            requests.pop_front();
        }
        requests.push_back(seen);
    }
    response
}

async fn testimony(State(witness): State<Arc<Witness>>) -> Json<serde_json::Value> {
    let requests: Vec<Seen> = witness.requests.lock().iter().cloned().collect();
    let (connects, runs) = (witness.connects.load(Ordering::Relaxed), witness.runs.load(Ordering::Relaxed));
    Json(json!({ "connects": connects, "runs": runs, "requests": requests }))
}

async fn forget(State(witness): State<Arc<Witness>>) -> StatusCode {
    witness.requests.lock().clear();
    StatusCode::NO_CONTENT
}
