//! One client that can listen on every way, and change it.

use std::collections::VecDeque;

use serde_json::{Value, json};
use sori::Server;

use crate::{
    framing::{Framing, Item, Reader, as_script},
    http::{Answer, Http, JSON, request},
    said::Said,
    socket_io::{self, Assembler},
    websocket::{Frame, WebSocket},
};

/// A way of listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Sse,
    SseEnvelopes,
    Lines,
    Multipart,
    Iframe,
    LongPoll,
    ShortPoll,
    Jsonp,
    Raw,
    /// A raw WebSocket of bare frames.
    Bare,
    SocketIo,
    SocketIoPolling,
}

impl Way {
    pub const STREAMS: [Self; 5] = [Self::Sse, Self::SseEnvelopes, Self::Lines, Self::Multipart, Self::Iframe];
    pub const POLLS: [Self; 3] = [Self::LongPoll, Self::ShortPoll, Self::Jsonp];
    /// Those that can take a session over from each other, and say everything.
    pub const PLAIN: [Self; 9] = [
        Self::Sse,
        Self::SseEnvelopes,
        Self::Lines,
        Self::Multipart,
        Self::Iframe,
        Self::LongPoll,
        Self::ShortPoll,
        Self::Jsonp,
        Self::Raw,
    ];

    pub fn is_poll(self) -> bool {
        Self::POLLS.contains(&self)
    }

    pub fn is_socket_io(self) -> bool {
        matches!(self, Self::SocketIo | Self::SocketIoPolling)
    }

    /// What `socket.transport()` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sse | Self::SseEnvelopes => "sse",
            Self::Lines => "lines",
            Self::Multipart => "multipart",
            Self::Iframe => "iframe",
            Self::LongPoll => "long-polling",
            Self::ShortPoll => "short-polling",
            Self::Jsonp => "jsonp",
            Self::Raw | Self::Bare => "raw-websocket",
            Self::SocketIo => "websocket",
            Self::SocketIoPolling => "polling",
        }
    }

    fn query(self) -> &'static str {
        match self {
            Self::Sse => "framing=sse",
            Self::SseEnvelopes => "framing=sse&format=envelope",
            Self::Lines => "framing=lines",
            Self::Multipart => "framing=multipart",
            Self::Iframe => "framing=iframe&callback=parent.on_1",
            Self::LongPoll => "framing=poll&wait=20",
            Self::ShortPoll => "wait=0",
            Self::Jsonp => "callback=my.$f",
            Self::Raw | Self::Bare => "",
            Self::SocketIo => "EIO=4&transport=websocket",
            Self::SocketIoPolling => "EIO=4&transport=polling",
        }
    }
}

/// What carries the session now.
enum Line {
    None,
    Stream(Http, Reader),
    Poll,
    Raw(WebSocket),
    Bare(WebSocket),
    SocketIo(WebSocket),
    SocketIoPolling,
}

pub struct Client {
    pub io: Server,
    /// Path and first part of the query of a plain client, e.g. `/live/news?room=tea`.
    pub target: String,
    pub way: Way,
    pub sid: Option<String>,
    /// From where to go on.
    pub since: Option<String>,
    /// The data of the newest `connect`.
    pub connect: Value,
    /// How many `connect`s there were.
    pub connects: u32,
    pub inbox: VecDeque<Said>,
    pub heartbeats: u32,
    /// Bytes that the next connections get before the network breaks.
    pub budget: usize,
    /// Buffer between client and server, each way.
    pub buffer: usize,
    /// The answer of a request that was refused.
    pub refused: Option<Answer>,
    line: Line,
    /// What a stream has brought and is not whole yet.
    pieces: Vec<u8>,
    assembler: Assembler,
    next_ack: u64,
}

impl Client {
    pub fn new(io: &Server, target: &str) -> Self {
        let target = if target.contains('?') { format!("{target}&") } else { format!("{target}?") };
        Self {
            io: io.clone(),
            target,
            way: Way::Lines,
            sid: None,
            since: None,
            connect: Value::Null,
            connects: 0,
            inbox: VecDeque::new(),
            heartbeats: 0,
            budget: usize::MAX,
            buffer: 4096,
            refused: None,
            line: Line::None,
            pieces: Vec::new(),
            assembler: Assembler::default(),
            next_ack: 0,
        }
    }

    /// A client that has been let in and listens.
    pub async fn open(io: &Server, target: &str, way: Way) -> Self {
        let mut client = Self::new(io, target);
        client.listen(way).await;
        if !matches!(way, Way::Bare) {
            client.connected().await;
        }
        client
    }

    /// A session of its own, which outlives what carries it.
    pub async fn open_by_post(io: &Server, target: &str) -> Self {
        let mut client = Self::new(io, target);
        let target = client.target.trim_end_matches(['?', '&']).to_owned();
        let answer = request(io, "POST", &target, "", "").await;
        assert_eq!(answer.status(), 201, "{answer:?}");
        let said = Said::read(answer.text().trim_end_matches('\n'));
        client.hear(said.clone());
        assert_eq!(said.data()["transport"], "post");
        client
    }

    /// Waits for the `connect` that is due.
    pub async fn connected(&mut self) {
        let before = self.connects;
        while self.connects == before {
            match self.more().await {
                Some(()) => {}
                None => panic!("{:?} ended before it was let in: {:?}", self.way, self.refused),
            }
        }
    }

    /// Begins to listen, in place of what was before. False when the network broke or the request was refused.
    pub async fn listen(&mut self, way: Way) -> bool {
        self.hang_up();
        self.way = way;
        let target = self.listening_target();
        self.line = match way {
            way if way.is_poll() => Line::Poll,
            Way::Raw | Way::Bare => {
                let protocol = if way == Way::Raw { "sec-websocket-protocol: x, sori.json.v1\r\n" } else { "" };
                match WebSocket::open(&self.io, &target, protocol, self.buffer, self.budget).await {
                    Some(Ok(ws)) => {
                        assert_eq!(ws.head.get("sec-websocket-protocol"), (way == Way::Raw).then_some("sori.json.v1"));
                        if way == Way::Raw { Line::Raw(ws) } else { Line::Bare(ws) }
                    }
                    Some(Err(answer)) => {
                        self.refused = Some(answer);
                        Line::None
                    }
                    None => Line::None,
                }
            }
            Way::SocketIo => {
                let target = format!("/socket.io/?{}", way.query());
                let mut ws = WebSocket::open(&self.io, &target, "", self.buffer, self.budget).await.unwrap().unwrap();
                ws.text("40").await;
                Line::SocketIo(ws)
            }
            Way::SocketIoPolling => {
                let open = request(&self.io, "GET", &format!("/socket.io/?{}", way.query()), "", "").await;
                let sid = open.text().split('"').nth(3).unwrap().to_owned();
                self.sid = Some(sid);
                self.post_packets("40").await;
                Line::SocketIoPolling
            }
            _ => self.open_stream(&target).await,
        };
        !matches!(self.line, Line::None)
    }

    fn listening_target(&self) -> String {
        let mut target = format!("{}{}", self.target, self.way.query());
        for (name, value) in [("sid", &self.sid), ("since", &self.since)] {
            let by_header = name == "since" && matches!(self.way, Way::Sse | Way::SseEnvelopes);
            if let Some(value) = value.as_ref().filter(|_| !by_header) {
                target.push_str(&format!("&{name}={value}"));
            }
        }
        target
    }

    async fn open_stream(&mut self, target: &str) -> Line {
        let mut http = Http::open(&self.io, self.buffer);
        http.budget = self.budget;
        let last = match (&self.since, self.way) {
            (Some(since), Way::Sse | Way::SseEnvelopes) => format!("last-event-id: {since}\r\n"),
            _ => String::new(),
        };
        http.request("GET", target, &last, b"").await;
        let Some(head) = http.head().await else { return Line::None };
        if head.status != 200 {
            let length = head.get("content-length").map_or(0, |length| length.parse().unwrap());
            while http.rest().len() < length && http.read().await.is_some() {}
            self.refused = Some(Answer { head, body: std::mem::take(http.rest()) });
            return Line::None;
        }
        let kind = head.get("content-type").unwrap();
        let framing = match self.way {
            Way::Sse | Way::SseEnvelopes => Framing::Sse { is_envelope: self.way == Way::SseEnvelopes },
            Way::Lines => Framing::Lines,
            Way::Iframe => Framing::Iframe { callback: "parent.on_1".into() },
            Way::Multipart => {
                let boundary = kind.strip_prefix("multipart/x-mixed-replace; boundary=").expect("a boundary");
                Framing::Multipart { boundary: boundary.into() }
            }
            other => unreachable!("{other:?} is no stream"),
        };
        let expected = match &framing {
            Framing::Sse { .. } => "text/event-stream",
            Framing::Lines => "application/x-ndjson",
            Framing::Iframe { .. } => "text/html; charset=utf-8",
            Framing::Multipart { .. } => kind,
        };
        assert_eq!((kind, head.get("cache-control")), (expected, Some("no-store, no-transform")));
        assert!(head.is_chunked());
        Line::Stream(http, Reader::new(framing))
    }

    /// The next event or answer; none when the connection ends, breaks or is refused. `connect` is noted and passed over.
    /// May be dropped while it waits: a stream goes on, a poll breaks off.
    pub async fn next(&mut self) -> Option<Said> {
        loop {
            if let Some(said) = self.inbox.pop_front() {
                return Some(said);
            }
            self.more().await?;
        }
    }

    /// As [`Client::next`], of a connection that goes on.
    #[track_caller]
    pub fn hears(&mut self) -> impl Future<Output = Said> {
        let caller = std::panic::Location::caller();
        async move {
            let waited = tokio::time::timeout(std::time::Duration::from_secs(120), self.next()).await;
            let said = waited.unwrap_or_else(|_| panic!("nothing came over {:?}: {caller}", self.way));
            said.unwrap_or_else(|| panic!("{:?} ended: {caller}: {:?}", self.way, self.refused))
        }
    }

    /// Reads something, be it a heartbeat.
    pub async fn more(&mut self) -> Option<()> {
        match &mut self.line {
            Line::None => None,
            Line::Poll => self.poll().await,
            Line::SocketIoPolling => {
                let target = format!("/socket.io/?{}&sid={}", self.way.query(), self.sid.as_ref().unwrap());
                let answer = request(&self.io, "GET", &target, "", "").await;
                assert_eq!(answer.status(), 200, "{answer:?}");
                let (said, is_pinged) = socket_io::read_payload(answer.text(), &mut self.assembler);
                said.into_iter().for_each(|said| self.hear(said));
                if is_pinged {
                    self.post_packets("3").await;
                }
                Some(())
            }
            Line::Stream(http, reader) => {
                let goes_on = http.chunk(&mut self.pieces).await;
                let mut items = Vec::new();
                while let Some(item) = reader.next(&mut self.pieces) {
                    items.push(item);
                }
                if let Some(id) = &reader.last_event_id {
                    self.since = Some(id.clone());
                }
                for item in items {
                    match item {
                        Item::Heartbeat => self.heartbeats += 1,
                        Item::Said(said) => self.hear(said),
                    }
                }
                match goes_on {
                    Some(true) => Some(()),
                    // What came with the end is heard all the same.
                    _ => {
                        if goes_on == Some(false) {
                            assert!(self.pieces.is_empty(), "{:?}", String::from_utf8_lossy(&self.pieces));
                        }
                        self.line = Line::None;
                        (!self.inbox.is_empty()).then_some(())
                    }
                }
            }
            Line::Raw(ws) => match ws.receive().await {
                Some(Frame::Text(text)) => {
                    let said = Said::read(&text);
                    self.hear(said);
                    Some(())
                }
                other => self.closed(other),
            },
            Line::Bare(ws) => {
                let data = match ws.receive().await {
                    Some(Frame::Text(text)) => json!(text),
                    Some(Frame::Binary(bytes)) => crate::said::binary(&bytes),
                    other => return self.closed(other),
                };
                self.inbox.push_back(Said { id: None, event: Some("message".into()), args: vec![data], ack: None });
                Some(())
            }
            Line::SocketIo(ws) => {
                let said = match ws.receive().await {
                    Some(Frame::Text(text)) => match text.split_at(1) {
                        ("0", _) => None,
                        ("2", "") => {
                            ws.text("3").await;
                            None
                        }
                        ("4", packet) => self.assembler.text(packet),
                        _ => panic!("{text}"),
                    },
                    Some(Frame::Binary(data)) => self.assembler.binary(data),
                    other => return self.closed(other),
                };
                said.into_iter().for_each(|said| self.hear(said));
                Some(())
            }
        }
    }

    fn closed(&mut self, frame: Option<Frame>) -> Option<()> {
        if let Some(Frame::Close(code, why)) = frame {
            let args = vec![json!(code), json!(why)];
            self.inbox.push_back(Said { id: None, event: Some("closed".into()), args, ack: None });
        }
        self.line = Line::None;
        (!self.inbox.is_empty()).then_some(())
    }

    /// One poll. None when it broke off or was refused.
    async fn poll(&mut self) -> Option<()> {
        let mut http = Http::open(&self.io, self.buffer);
        http.budget = self.budget;
        http.request("GET", &self.listening_target(), "", b"").await;
        let answer = http.answer().await?;
        if answer.status() != 200 {
            self.refused = Some(answer);
            self.line = Line::None;
            return None;
        }
        let (cursor, said) = read_poll(&answer, (self.way == Way::Jsonp).then_some("my.$f"));
        let is_empty = said.is_empty();
        // The last cursor is the answer's.
        said.into_iter().for_each(|said| self.hear(said));
        self.since = Some(cursor);
        if is_empty && self.way == Way::ShortPoll {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Some(())
    }

    fn hear(&mut self, said: Said) {
        if let Some(id) = &said.id {
            self.since = Some(id.clone());
        }
        if !said.is("connect") {
            return self.inbox.push_back(said);
        }
        self.connects += 1;
        self.connect = said.data().clone();
        if !self.way.is_socket_io() {
            self.sid = self.connect["sid"].as_str().map(str::to_owned);
            assert!(self.connect["heartbeat"].is_number() && self.connect["recovered"].is_boolean(), "{}", self.connect);
        }
    }

    /// The connection is cut, or a WebSocket simply gone.
    pub fn hang_up(&mut self) {
        self.line = Line::None;
        self.pieces.clear();
        self.assembler = Assembler::default();
    }

    /// The WebSocket that carries it.
    pub fn websocket(&mut self) -> &mut WebSocket {
        match &mut self.line {
            Line::Raw(ws) | Line::Bare(ws) | Line::SocketIo(ws) => ws,
            _ => panic!("{:?} is no WebSocket", self.way),
        }
    }

    /// The public id.
    pub fn id(&self) -> String {
        let key = if self.way.is_socket_io() { "sid" } else { "id" };
        self.connect[key].as_str().expect("it was let in").to_owned()
    }

    /// Emits as this client can, and waits for the answer.
    pub async fn asks(&mut self, event: &str, args: &[Value]) -> Vec<Value> {
        let ack = self.next_ack;
        self.next_ack += 1;
        match &mut self.line {
            Line::Raw(ws) => ws.text(&envelope(Some(event), args, Some(ack)).to_string()).await,
            Line::SocketIo(ws) => {
                let (text, attachments) = socket_io::packet(Some(event), args, Some(ack));
                ws.text(&format!("4{text}")).await;
                for data in attachments {
                    ws.binary(&data).await;
                }
            }
            Line::SocketIoPolling => {
                let (text, attachments) = socket_io::packet(Some(event), args, Some(ack));
                self.post_packets(&socket_io::payload(&text, &attachments)).await;
            }
            _ => return self.posts(event, args).await,
        }
        // The answer comes among events; those wait for their turn.
        let mut others = VecDeque::new();
        loop {
            let said = self.hears().await;
            if said.event.is_none() {
                assert_eq!(said.ack, Some(ack));
                self.inbox = others;
                return said.args;
            }
            others.push_back(said);
        }
    }

    async fn posts(&mut self, event: &str, args: &[Value]) -> Vec<Value> {
        let sid = self.sid.as_ref().map(|sid| format!("&sid={sid}")).unwrap_or_default();
        let target = format!("{}event={event}{sid}&args=1", self.target);
        let answer = request(&self.io, "POST", &target, JSON, Value::from(args).to_string()).await;
        match answer.status() {
            204 => Vec::new(),
            200 => match answer.json() {
                Value::Array(args) => args,
                one => vec![one],
            },
            _ => panic!("{}: {}", answer.status(), answer.text()),
        }
    }

    /// Answers an event that asked for it.
    pub async fn answers(&mut self, ack: u64, args: &[Value]) {
        match &mut self.line {
            Line::Raw(ws) => ws.text(&envelope(None, args, Some(ack)).to_string()).await,
            Line::SocketIo(ws) => {
                let (text, attachments) = socket_io::packet(None, args, Some(ack));
                ws.text(&format!("4{text}")).await;
                for data in attachments {
                    ws.binary(&data).await;
                }
            }
            Line::SocketIoPolling => {
                let (text, attachments) = socket_io::packet(None, args, Some(ack));
                self.post_packets(&socket_io::payload(&text, &attachments)).await;
            }
            _ => {
                let target = format!("{}sid={}&ack={ack}&args=1", self.target, self.sid.as_ref().unwrap());
                let answer = request(&self.io, "POST", &target, JSON, Value::from(args).to_string()).await;
                assert_eq!(answer.status(), 204, "{}", answer.text());
            }
        }
    }

    async fn post_packets(&self, body: &str) {
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", self.sid.as_ref().unwrap());
        let answer = request(&self.io, "POST", &target, "content-type: text/plain;charset=UTF-8\r\n", body).await;
        assert_eq!((answer.status(), answer.text()), (200, "ok"));
    }
}

/// `{"event":…,"args":[…],"ack":…}` of a client.
fn envelope(event: Option<&str>, args: &[Value], ack: Option<u64>) -> Value {
    let mut members = serde_json::Map::new();
    members.extend(event.map(|event| ("event".into(), json!(event))));
    match args {
        [] => {}
        [one] => drop(members.insert("data".into(), one.clone())),
        more => drop(members.insert("args".into(), more.into())),
    }
    members.extend(ack.map(|ack| ("ack".into(), json!(ack))));
    Value::Object(members)
}

/// Cursor and envelopes of a poll's answer.
pub fn read_poll(answer: &Answer, callback: Option<&str>) -> (String, Vec<Said>) {
    let text = answer.text();
    let json = match callback {
        None => {
            assert_eq!(answer.head.get("content-type"), Some("application/json"));
            text
        }
        Some(callback) => {
            assert_eq!(answer.head.get("content-type"), Some("text/javascript; charset=utf-8"));
            let call = text.strip_prefix(&format!("/**/{callback}(")).and_then(|rest| rest.strip_suffix(");"));
            as_script(call.unwrap_or_else(|| panic!("no call: {text}")))
        }
    };
    assert!(json.starts_with("{\"sid\":\""), "{json}");
    let value: Value = serde_json::from_str(json).unwrap();
    assert_eq!(value.as_object().unwrap().len(), 3);
    let events = value["events"].as_array().expect("events");
    (value["cursor"].as_str().expect("a cursor").into(), events.iter().map(|event| Said::read(&event.to_string())).collect())
}
