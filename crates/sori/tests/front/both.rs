//! One application, served twice: behind the front, and by axum alone.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};
use sori::{Ack, Data, Namespace, Server, ServerBuilder, Value};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::wire::{PATIENCE, request};

pub const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
pub const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// A server and where it listens.
pub struct Side {
    pub io: Server,
    pub address: SocketAddr,
}

pub struct Both {
    pub axum: Side,
    pub front: Side,
}

impl Both {
    pub async fn new() -> Self {
        Self { axum: axum(builder()).await, front: front(builder()).await }
    }

    /// Writes the same to both, piece by piece, and wants the same back. `{sid}` stands for a session of polling, which is then alone.
    pub async fn compare(&self, name: &str, pieces: &[&[u8]]) -> Heard {
        let mut patience = Duration::from_millis(100);
        loop {
            let (axum, front) = tokio::join!(hear(&self.axum, pieces, patience), hear(&self.front, pieces, patience));
            if axum == front {
                return front;
            }
            // A busy machine is slow, and not silent for good.
            if patience > Duration::from_secs(2) {
                let written = pieces.iter().map(|piece| piece.escape_ascii().to_string()).collect::<Vec<_>>().join("\" \"");
                panic!("{name}: \"{written}\"\naxum: {axum:#?}\nfront: {front:#?}");
            }
            patience *= 6;
        }
    }
}

pub fn builder() -> ServerBuilder {
    let namespace = Namespace::new().allow_callbacks().on("echo", |Data(value): Data<Value>| async move { Ack(value) });
    Server::builder().namespace("/", namespace)
}

pub fn app() -> Router {
    let app = Router::new().route("/", get(async || "index")).route("/echo", post(async |body: String| body));
    app.route("/sentinel", get(async || SENTINEL_BODY)).fallback(async || (axum::http::StatusCode::NOT_FOUND, "not here"))
}

pub async fn front(server: ServerBuilder) -> Side {
    let io = server.build().expect("options");
    let (listener, address) = listen().await;
    tokio::spawn(io.serve(listener, app()).into_future());
    Side { io, address }
}

pub async fn axum(server: ServerBuilder) -> Side {
    let io = server.build().expect("options");
    let (listener, address) = listen().await;
    let app = app().layer(io.layer()).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(axum::serve(listener, app).into_future());
    Side { io, address }
}

pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A session of polling.
pub async fn open(side: &Side) -> String {
    let answer = request(side.address, "GET", POLLING, "", "").await;
    answer.body.split("\"sid\":\"").nth(1).expect("an open packet").split('"').next().unwrap().to_owned()
}

/// What came back on a connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Heard {
    pub answers: Vec<Answer>,
    /// What is no answer of HTTP.
    pub rest: String,
    pub end: End,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: String,
    /// In alphabetical order, without the date.
    pub headers: Vec<String>,
    pub body: String,
}

#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The server ended the connection.
    Closed,
    /// It answers what came next, and is open.
    Alive,
    /// It is open, and silent.
    Waits,
}

/// Behind whatever was written come one request for each of the two that answer: do they hear it?
const SENTINELS: &str =
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: s\r\n\r\nGET /sentinel HTTP/1.1\r\nhost: s\r\n\r\n";
const SENTINEL_BODY: &str = "the sentinel's answer";

async fn hear(side: &Side, pieces: &[&[u8]], patience: Duration) -> Heard {
    let needs_sid = pieces.concat().windows(5).any(|window| window == b"{sid}");
    let sid = if needs_sid { open(side).await } else { String::new() };
    let stream = TcpStream::connect(side.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let write = async {
        for piece in pieces {
            // The server may have hung up.
            let _ = writer.write_all(&replace(piece, b"{sid}", sid.as_bytes())).await;
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        }
        let _ = writer.write_all(SENTINELS.as_bytes()).await;
    };
    let mut came = Vec::new();
    let read = async {
        loop {
            match tokio::time::timeout(patience, reader.read_buf(&mut came)).await {
                Ok(Ok(1..)) if came.ends_with(SENTINEL_BODY.as_bytes()) => return End::Alive,
                Ok(Ok(1..)) => {}
                Ok(_) => return End::Closed,
                Err(_) => return End::Waits,
            }
        }
    };
    let writes = async {
        tokio::time::timeout(PATIENCE, write).await.ok();
        // Until the reader has done with it.
        std::future::pending::<()>().await;
    };
    let end = tokio::select! {
        end = read => end,
        () = writes => unreachable!("it has no end"),
    };
    let came = if sid.is_empty() { came } else { replace(&came, sid.as_bytes(), b"{sid}") };
    let (answers, rest) = answers(&dateless(&came));
    Heard { answers, rest, end }
}

/// The answers in `came`, with every new id the same.
fn answers(mut came: &[u8]) -> (Vec<Answer>, String) {
    let mut answers = Vec::new();
    while came.starts_with(b"HTTP/1.")
        && let Some(end) = came.windows(4).position(|window| window == b"\r\n\r\n")
    {
        let head = String::from_utf8_lossy(&came[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default().to_owned();
        let mut headers: Vec<String> = lines.map(str::to_owned).collect();
        headers.sort();
        let length = headers.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let body = &came[end + 4..(end + 4 + length).min(came.len())];
        came = &came[end + 4 + body.len()..];
        answers.push(Answer { status, headers, body: anonymous(body) });
    }
    (answers, anonymous(came))
}

/// The same text with every new session's ids the same, however they are quoted.
fn anonymous(text: &[u8]) -> String {
    masked(&masked(&text.escape_ascii().to_string(), "\"sid"), "\"id")
}

fn masked(text: &str, name: &str) -> String {
    let mut parts = text.split(name);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let id = part.find(|c: char| !"\\\":".contains(c)).unwrap_or(part.len());
        let end = part[id..].find(['\\', '"']).map_or(part.len(), |end| id + end);
        out.extend([name, &part[..id], "#", &part[end..]]);
    }
    out
}

fn dateless(came: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(came.len());
    for line in came.split_inclusive(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"date: ")) {
        out.extend_from_slice(line);
    }
    out
}

fn replace(within: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(within.len());
    let mut rest = within;
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(by);
        rest = &rest[at + what.len()..];
    }
    out.extend_from_slice(rest);
    out
}
