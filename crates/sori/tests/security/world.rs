//! A server on the loopback, somebody who only wants to be left alone, and clients over every transport.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sori::{Ack, CloseReason, Data, Namespace, Server, ServerBuilder, Socket, Value};
use tokio::sync::mpsc;

use crate::wire::{Answer, Http, Received, WebSocket, request, until, within};

pub struct World {
    pub io: Server,
    pub address: SocketAddr,
    ends: Arc<Mutex<Vec<CloseReason>>>,
    ask: mpsc::UnboundedSender<String>,
    answers: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
    asked: AtomicU32,
}

impl World {
    /// A server with the usual options.
    pub async fn new() -> Self {
        Self::with(|server| server).await
    }

    /// A server with changed options.
    pub async fn with(change: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let notes = ends.clone();
        let namespace = handlers().on_disconnect(move |why: CloseReason| {
            notes.lock().unwrap().push(why);
            async {}
        });
        let io = change(Server::builder().namespace("/", namespace)).build().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = axum::Router::new().route("/", axum::routing::get(|| async { "index" }));
        match HAS_FRONT {
            true => drop(tokio::spawn(io.serve(listener, app).into_future())),
            false => drop(tokio::spawn(axum::serve(listener, app.layer(io.layer())).into_future())),
        }

        let (ask, asked) = mpsc::unbounded_channel();
        let (answer, answers) = mpsc::unbounded_channel();
        let mut bystander = WebSocket::open(address, WEBSOCKET, "").await.unwrap();
        bystander.text("40").await;
        assert!(bystander.receive_text().await.unwrap().starts_with('0'));
        assert!(bystander.receive_text().await.unwrap().starts_with("40"));
        tokio::spawn(stand_by(bystander, asked, answer));
        Self { io, address, ends, ask, answers: answers.into(), asked: AtomicU32::new(0) }
    }

    /// One request on a connection of its own.
    pub async fn request(&self, method: &str, target: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
        request(self.address, method, target, headers, body).await
    }

    pub async fn websocket(&self, target: &str) -> WebSocket {
        WebSocket::open(self.address, target, "").await.expect("a WebSocket")
    }

    /// A client of `/`.
    pub async fn client(&self, kind: Kind) -> Client {
        Client::open(self, kind).await.join().await
    }

    /// The reasons that `on_disconnect` of `/` was told so far.
    pub fn ends(&self) -> Vec<CloseReason> {
        self.ends.lock().unwrap().clone()
    }

    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.io.stats().sessions_closed(reason)
    }

    /// Waits until exactly one session has ended, and for this reason.
    #[track_caller]
    pub fn one_closed(&self, reason: CloseReason) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        let io = self.io.clone();
        async move {
            let total = || CloseReason::ALL.iter().map(|reason| io.stats().sessions_closed(*reason)).sum::<u64>();
            until(|| total() > 0).await;
            let reasons: Vec<_> = CloseReason::ALL.into_iter().filter(|reason| io.stats().sessions_closed(*reason) > 0).collect();
            assert_eq!((total(), &reasons[..]), (1, &[reason][..]), "{caller}");
        }
    }

    /// The bystander is served as ever, nothing has panicked, and nobody else is left.
    pub async fn unharmed(self) {
        self.undisturbed().await;
        until(|| self.io.stats().sessions() == 1).await;
        until(|| self.io.of("/").len() == 1).await;
    }

    /// The bystander is served as ever, and nothing has panicked.
    pub async fn undisturbed(&self) {
        let n = self.asked.fetch_add(1, Ordering::Relaxed);
        self.ask.send(format!("42{n}[\"echo\",\"still here\"]")).unwrap();
        let answer = within(self.answers.lock().await.recv()).await.expect("the bystander was closed");
        assert_eq!(answer, format!("43{n}[\"still here\"]"));
        assert_eq!(self.io.stats().handler_panics(), 0);
        let index = self.request("GET", "/", "", "").await;
        assert_eq!((index.status, &*index.body), (200, "index"));
    }
}

/// What everybody can ask for.
pub fn handlers() -> Namespace {
    Namespace::new()
        .allow_callbacks()
        .on("echo", |Data(value): Data<Value>| async move { Ack(value) })
        .on("hang", std::future::pending::<()>)
        .on("join", |socket: Socket, Data((from, count)): Data<(u32, u32)>| async move {
            (from..from + count).for_each(|room| socket.join(format!("room {room}")));
            Ack(socket.rooms().len())
        })
        .on("flood", |socket: Socket, Data((count, bytes)): Data<(u32, usize)>| async move {
            let water = "~".repeat(bytes);
            for _ in 0..count {
                let _ = socket.emit("water", &water);
            }
        })
}

async fn stand_by(mut ws: WebSocket, mut ask: mpsc::UnboundedReceiver<String>, answer: mpsc::UnboundedSender<String>) {
    loop {
        tokio::select! {
            question = ask.recv() => match question {
                Some(question) => ws.text(&question).await,
                None => return,
            },
            received = ws.receive_some_day() => match received {
                Received::Text(text) if text == "2" => ws.text("3").await,
                Received::Text(text) => drop(answer.send(text)),
                Received::Close(_) | Received::End => return,
                _ => {}
            }
        }
    }
}

/// Whether requests meet [`sori::Front`] first: so in the tests of `security_front`.
pub const HAS_FRONT: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"security_front");

pub const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";
pub const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

/// How a client speaks to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    PollingV3,
    PollingV4,
    /// Polling of revision 3 by scripts and forms.
    Jsonp,
    WebsocketV3,
    WebsocketV4,
    /// Polling of revision 4 while a WebSocket is probed beside it.
    Probing,
    /// Polling of revision 4 that has become a WebSocket.
    Upgraded,
}

pub const EVERY_KIND: [Kind; 7] =
    [Kind::PollingV3, Kind::PollingV4, Kind::Jsonp, Kind::WebsocketV3, Kind::WebsocketV4, Kind::Probing, Kind::Upgraded];

impl Kind {
    pub fn is_v3(self) -> bool {
        matches!(self, Self::PollingV3 | Self::Jsonp | Self::WebsocketV3)
    }

    pub fn is_websocket(self) -> bool {
        matches!(self, Self::WebsocketV3 | Self::WebsocketV4 | Self::Upgraded)
    }

    pub fn target(self) -> &'static str {
        match self {
            Self::PollingV3 => "/socket.io/?EIO=3&transport=polling",
            Self::Jsonp => "/socket.io/?EIO=3&transport=polling&j=7",
            Self::WebsocketV3 => "/socket.io/?EIO=3&transport=websocket",
            Self::WebsocketV4 => WEBSOCKET,
            Self::PollingV4 | Self::Probing | Self::Upgraded => POLLING,
        }
    }
}

/// One Engine.IO message of a client.
#[derive(Clone, Copy, Debug)]
pub enum Out<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

/// A client of any kind.
pub struct Client {
    pub kind: Kind,
    pub address: SocketAddr,
    /// Path and query of its polls.
    pub target: String,
    pub sid: String,
    /// The WebSocket that carries it, or is probed.
    pub ws: Option<WebSocket>,
}

impl Client {
    /// Opens a session and joins nothing.
    pub async fn open(world: &World, kind: Kind) -> Self {
        let address = world.address;
        let mut client = Self { kind, address, target: kind.target().into(), sid: String::new(), ws: None };
        if kind.is_websocket() && kind != Kind::Upgraded {
            let mut ws = world.websocket(kind.target()).await;
            client.sid = sid_of(&ws.receive_text().await.unwrap());
            client.ws = Some(ws);
            return client;
        }
        let open = world.request("GET", kind.target(), "", "").await;
        assert_eq!(open.status, 200, "{open:?}");
        client.sid = sid_of(&open.body);
        client.target = format!("{}&sid={}", kind.target(), client.sid);
        if matches!(kind, Kind::Probing | Kind::Upgraded) {
            let mut ws = world.websocket(&format!("{WEBSOCKET}&sid={}", client.sid)).await;
            ws.text("2probe").await;
            assert_eq!(ws.receive_text().await.as_deref(), Some("3probe"));
            if kind == Kind::Upgraded {
                ws.text("5").await;
                // Until then a poll is still answered.
                while client.poll().await.status == 200 {}
            }
            client.ws = Some(ws);
        }
        client
    }

    async fn join(mut self) -> Self {
        if !self.kind.is_v3() {
            self.say("40").await;
        }
        if self.kind.is_websocket() {
            assert!(self.ws.as_mut().unwrap().receive_text().await.unwrap().starts_with("40"));
        } else {
            let poll = self.poll().await;
            assert_eq!(poll.status, 200, "{poll:?}");
            assert!(poll.body.contains("40"), "{poll:?}");
        }
        self
    }

    /// Sends Engine.IO packets of text as they are, each a frame or together a payload. The POST's status; 200 of a WebSocket.
    pub async fn say(&mut self, text: &str) -> u16 {
        self.packets(&[text.to_owned()]).await
    }

    /// Sends messages: one payload, or one frame each.
    pub async fn send(&mut self, messages: &[Out<'_>]) -> u16 {
        if self.kind.is_websocket() {
            let ws = self.ws.as_mut().unwrap();
            for message in messages {
                match message {
                    Out::Text(text) => ws.text(&format!("4{text}")).await,
                    Out::Binary(data) if self.kind.is_v3() => ws.binary(&[&[4], *data].concat()).await,
                    Out::Binary(data) => ws.binary(data).await,
                }
            }
            return 200;
        }
        let packets: Vec<String> = messages
            .iter()
            .map(|message| match message {
                Out::Text(text) => format!("4{text}"),
                Out::Binary(data) if self.kind.is_v3() => format!("b4{}", STANDARD.encode(data)),
                Out::Binary(data) => format!("b{}", STANDARD.encode(data)),
            })
            .collect();
        self.packets(&packets).await
    }

    /// Sends Engine.IO packets of text.
    pub async fn packets(&mut self, packets: &[String]) -> u16 {
        if self.kind.is_websocket() {
            for packet in packets {
                self.ws.as_mut().unwrap().text(packet).await;
            }
            return 200;
        }
        let body = self.payload(packets);
        self.post(&body).await
    }

    /// A body of packets, as this client writes it.
    pub fn payload(&self, packets: &[String]) -> String {
        let v3 = || packets.iter().map(|packet| format!("{}:{packet}", packet.encode_utf16().count())).collect::<String>();
        match self.kind {
            Kind::Jsonp => {
                format!("d={}", form_urlencoded::byte_serialize(v3().replace("\\n", "\\\\n").as_bytes()).collect::<String>())
            }
            kind if kind.is_v3() => v3(),
            _ => packets.join("\u{1e}"),
        }
    }

    /// Posts a body as it is.
    pub async fn post(&self, body: impl AsRef<[u8]>) -> u16 {
        request(self.address, "POST", &self.target, "content-type: text/plain;charset=UTF-8\r\n", body).await.status
    }

    /// Polls once.
    pub async fn poll(&self) -> Answer {
        request(self.address, "GET", &self.target, "", "").await
    }

    /// A poll that hangs.
    pub async fn hanging_poll(&self) -> Http {
        let mut http = Http::open(self.address).await;
        http.request("GET", &self.target, "", "").await;
        http
    }

    /// Reads until a packet contains this text.
    #[track_caller]
    pub fn hears(&mut self, text: &str) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            loop {
                let heard = if self.kind.is_websocket() {
                    self.ws.as_mut().unwrap().receive_text().await
                } else {
                    let poll = self.poll().await;
                    (poll.status == 200).then(|| poll.body.replace("\\\"", "\""))
                };
                let heard = heard.unwrap_or_else(|| panic!("{:?} closed before {text:?} came: {caller}", self.kind));
                if heard.contains(text) {
                    return heard;
                }
            }
        }
    }
}

fn sid_of(open: &str) -> String {
    let open = open.replace("\\\"", "\"");
    open.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// Shorter heartbeats and timeouts than any network would bear.
pub fn impatient(server: ServerBuilder) -> ServerBuilder {
    server
        .ping_interval(Duration::from_millis(200))
        .ping_timeout(Duration::from_millis(200))
        .upgrade_timeout(Duration::from_millis(200))
        .connect_timeout(Duration::from_millis(200))
}
