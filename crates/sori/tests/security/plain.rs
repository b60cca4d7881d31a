//! Clients without a library, over every way that they have.

use std::net::SocketAddr;

use crate::{
    wire::{Answer, Http, WebSocket, request},
    world::World,
};

/// How a plain client listens. All of them may speak with POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Sse,
    Lines,
    Multipart,
    Iframe,
    LongPolling,
    ShortPolling,
    Jsonp,
    /// `sori.json.v1`
    Websocket,
    /// A WebSocket of data alone, of a session that a POST opened.
    Bare,
    /// Nothing listens between two polls.
    Post,
}

pub const EVERY_WAY: [Way; 10] = [
    Way::Sse,
    Way::Lines,
    Way::Multipart,
    Way::Iframe,
    Way::LongPolling,
    Way::ShortPolling,
    Way::Jsonp,
    Way::Websocket,
    Way::Bare,
    Way::Post,
];

pub const ENVELOPES: &str = "sec-websocket-protocol: sori.json.v1\r\n";

impl Way {
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Sse | Self::Lines | Self::Multipart | Self::Iframe)
    }

    pub fn is_websocket(self) -> bool {
        matches!(self, Self::Websocket | Self::Bare)
    }

    /// Whether the session is one that only this connection carries.
    pub fn ends_with_connection(self) -> bool {
        self.is_stream() || self == Self::Websocket
    }

    /// The query that opens a session or goes on with one.
    pub fn query(self) -> &'static str {
        match self {
            Self::Sse => "framing=sse",
            Self::Lines => "framing=lines",
            Self::Multipart => "framing=multipart",
            Self::Iframe => "framing=iframe",
            Self::LongPolling => "wait=5",
            Self::ShortPolling | Self::Post => "wait=0",
            Self::Jsonp => "callback=f&wait=5",
            Self::Websocket => "",
            Self::Bare => "format=text",
        }
    }

    pub fn method(self) -> &'static str {
        if matches!(self, Self::Bare | Self::Post) { "POST" } else { "GET" }
    }

    /// The target of the request that opens a session.
    pub fn opening(self, path: &str) -> String {
        if matches!(self, Self::Bare | Self::Post) { path.to_owned() } else { format!("{path}?{}", self.query()) }
    }

    /// What it takes to be one.
    pub fn headers(self) -> String {
        if self == Self::Websocket { format!("{}{ENVELOPES}", crate::wire::UPGRADE) } else { String::new() }
    }
}

pub struct Plain {
    pub way: Way,
    pub address: SocketAddr,
    pub path: String,
    pub sid: String,
    pub id: String,
    cursor: String,
    /// What carries it, for streams.
    pub http: Option<Http>,
    pub ws: Option<WebSocket>,
    heard: String,
}

impl Plain {
    /// A client of `/`.
    pub async fn open(world: &World, way: Way) -> Self {
        Self::of(world, way, "/live").await
    }

    /// A client of the namespace at `path`.
    pub async fn of(world: &World, way: Way, path: &str) -> Self {
        Self::try_open(world, way, path, "").await.unwrap_or_else(|answer| panic!("{way:?} at {path}: {answer:?}"))
    }

    /// A client, or why it is none.
    pub async fn try_open(world: &World, way: Way, path: &str, headers: &str) -> Result<Self, Answer> {
        let address = world.address;
        let (path, sid, id) = (path.to_owned(), String::new(), String::new());
        let mut client = Self { way, address, path, sid, id, cursor: String::new(), http: None, ws: None, heard: String::new() };
        let target = way.opening(&client.path);
        let headers = format!("{headers}{}", way.headers());
        if way == Way::Websocket {
            let mut ws = WebSocket::open(address, &target, &format!("{headers}{ENVELOPES}")).await?;
            let connect = ws.receive_text().await.expect("who it is");
            client.introduced(&connect);
            client.ws = Some(ws);
            return Ok(client);
        }
        if way.is_stream() {
            let mut http = Http::open(address).await;
            http.request("GET", &target, &headers, "").await;
            let head = http.head().await.expect("an answer");
            if head.status != 200 {
                return Err(head);
            }
            client.http = Some(http);
            let connect = client.hears("\"sid\":\"").await;
            client.introduced(&connect);
            return Ok(client);
        }
        let answer = request(address, way.method(), &target, &headers, "").await;
        if !matches!(answer.status, 200 | 201) {
            return Err(answer);
        }
        client.introduced(&answer.body);
        if way == Way::Bare {
            client.ws = Some(client.attach_websocket().await);
        }
        Ok(client)
    }

    fn introduced(&mut self, connect: &str) {
        self.sid = field(connect, "sid").expect("a sid");
        // The member before it.
        let before = connect.split("\",\"sid\":\"").next().expect("a sid");
        self.id = before.rsplit("\"id\":\"").next().expect("an id").to_owned();
        self.cursor = field(connect, "cursor").unwrap_or_default();
    }

    /// A request that names the session.
    pub fn target(&self, query: &str) -> String {
        format!("{}?sid={}&{query}", self.path, self.sid)
    }

    pub async fn request(&self, method: &str, query: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
        request(self.address, method, &self.target(query), headers, body).await
    }

    /// Posts an event with its arguments as a JSON array.
    pub async fn post(&self, event: &str, args: &str) -> Answer {
        self.request("POST", &format!("event={event}&args=1"), "content-type: application/json\r\n", args).await
    }

    /// Says an event the way this client would, and waits for its acknowledgement.
    pub async fn asks(&mut self, event: &str, args: &str) -> String {
        if self.way == Way::Websocket {
            let ws = self.ws.as_mut().unwrap();
            ws.text(&format!("{{\"event\":\"{event}\",\"args\":{args},\"ack\":77}}")).await;
            return self.hears("\"ack\":77").await;
        }
        let answer = self.post(event, args).await;
        assert!(matches!(answer.status, 200 | 204), "{:?}: {answer:?}", self.way);
        answer.body
    }

    /// Says an event and waits for nothing that the handler does. The POST's status, 200 of a WebSocket.
    pub async fn says(&mut self, event: &str, args: &str) -> u16 {
        if self.way == Way::Websocket {
            self.ws.as_mut().unwrap().text(&format!("{{\"event\":\"{event}\",\"args\":{args}}}")).await;
            return 200;
        }
        self.post(event, args).await.status
    }

    pub async fn attach_websocket(&self) -> WebSocket {
        WebSocket::open(self.address, &self.target("format=text"), "").await.expect("a WebSocket")
    }

    /// A GET with a body that does not end, or that waits.
    pub async fn attach(&self, way: Way) -> Http {
        let mut http = Http::open(self.address).await;
        http.request("GET", &self.target(way.query()), "", "").await;
        http
    }

    /// Polls once, confirming the answer before.
    pub async fn poll(&mut self) -> Answer {
        let query = if self.way.query().contains("wait") { self.way.query() } else { "wait=5" };
        let answer = self.request("GET", &format!("{query}&since={}", self.cursor), "", "").await;
        if let Some(cursor) = field(&answer.body, "cursor").filter(|_| answer.status == 200) {
            self.cursor = cursor;
        }
        answer
    }

    /// Reads until this text has come, and gives what came with it.
    #[track_caller]
    pub fn hears(&mut self, text: &str) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            loop {
                let heard = self.reads().await;
                self.heard += &heard.unwrap_or_else(|| panic!("{:?} ended before {text:?} came: {caller}", self.way));
                if self.heard.contains(text) {
                    return std::mem::take(&mut self.heard);
                }
            }
        }
    }

    async fn reads(&mut self) -> Option<String> {
        if let Some(http) = &mut self.http {
            return http.chunk().await.map(|chunk| String::from_utf8(chunk).expect("text"));
        }
        if let Some(ws) = &mut self.ws {
            return ws.receive_text().await;
        }
        let answer = self.poll().await;
        if self.way == Way::ShortPolling || self.way == Way::Post {
            tokio::task::yield_now().await;
        }
        (answer.status == 200).then_some(answer.body)
    }

    /// Waits until what carries it has ended; of a poll, that its session is gone.
    pub async fn ends(&mut self) {
        while self.reads().await.is_some() {}
    }

    /// The client is served as ever.
    pub async fn works(&mut self) {
        let answer = self.asks("echo", "[\"fine\"]").await;
        assert!(answer.contains("\"fine\""), "{:?}: {answer:?}", self.way);
    }

    /// Ends the session in good order.
    pub async fn leaves(self) {
        assert_eq!(self.request("DELETE", "", "", "").await.status, 204, "{:?}", self.way);
    }
}

/// A string in JSON that has no escapes.
pub fn field(json: &str, name: &str) -> Option<String> {
    let value = json.split(&format!("\"{name}\":\"")).nth(1)?;
    value.split('"').next().map(str::to_owned)
}
