//! What clients hear.

use std::mem;

use crate::{
    generator::Generator,
    http,
    link::{Protocol, Role, Stage},
    websocket,
};

impl Generator<'_> {
    /// Uses what is whole of `bytes`, and tells how much that was.
    pub(crate) fn received(&mut self, at: usize, bytes: &[u8]) -> usize {
        let link = &self.links[at];
        match (link.role, link.protocol) {
            (Role::Publisher | Role::Post, _) | (_, Protocol::SocketIoPolling | Protocol::LongPoll) => self.answers(at, bytes),
            (_, Protocol::SocketIo | Protocol::WebSocket) => self.websocket(at, bytes),
            (_, Protocol::EventSource) => self.event_source(at, bytes),
        }
    }

    fn websocket(&mut self, at: usize, bytes: &[u8]) -> usize {
        let socketio = self.links[at].protocol == Protocol::SocketIo;
        let mut used = 0;
        if self.links[at].stage == Stage::Head {
            let Some(length) = self.head(at, bytes, b"HTTP/1.1 101") else { return 0 };
            used = length;
            if socketio {
                self.links[at].stage = Stage::EngineOpen;
            } else if self.links[at].stage == Stage::Head {
                self.became_ready(at);
            }
        }
        while self.links[at].stage != Stage::Closed {
            let Some((first, payload, length)) = websocket::parse(&bytes[used..]) else { return used };
            used += length;
            match first {
                websocket::TEXT if socketio => self.engine_packet(at, payload),
                websocket::TEXT => self.heard(at, payload),
                websocket::PING => {
                    websocket::frame(&mut self.links[at].outbox, websocket::PONG, payload);
                    self.flush(at);
                }
                websocket::CLOSE => self.close(at),
                _ => self.odd("frame", payload),
            }
        }
        bytes.len()
    }

    fn engine_packet(&mut self, at: usize, packet: &[u8]) {
        match (self.links[at].stage, packet.first()) {
            (Stage::Ready, Some(b'4')) => self.heard(at, packet),
            (_, Some(b'2')) => self.say(at, b"3"),
            (_, Some(b'6')) => {}
            (Stage::EngineOpen, Some(b'0')) => {
                if self.links[at].protocol == Protocol::SocketIoPolling {
                    self.links[at].note = field(&String::from_utf8_lossy(packet), "sid").as_bytes().to_vec();
                }
                self.links[at].stage = Stage::SocketOpen;
                self.say(at, b"40");
            }
            (Stage::SocketOpen, Some(b'4')) if packet.get(1) == Some(&b'0') => self.became_ready(at),
            _ => self.odd("packet", packet),
        }
    }

    fn answers(&mut self, at: usize, bytes: &[u8]) -> usize {
        let mut used = 0;
        while let Some(answer) = http::answer(&bytes[used..]) {
            used += answer.length;
            let link = &mut self.links[at];
            link.busy = false;
            if !(200..300).contains(&answer.status) {
                self.odd("answer", answer.head);
                self.close(at);
                return bytes.len();
            }
            match (link.role, link.protocol) {
                (Role::Publisher, _) => {}
                (Role::Post, _) => self.post_next(at - 1),
                (Role::Main, Protocol::LongPoll) => self.long_poll(at, &answer),
                (Role::Main, _) => {
                    answer.body.split(|byte| *byte == 0x1e).for_each(|packet| self.engine_packet(at, packet));
                    self.request(at);
                }
            }
        }
        used
    }

    /// Asks for what is next before it looks at what has come.
    fn long_poll(&mut self, at: usize, answer: &http::Answer) {
        if answer.body.starts_with(b"{") {
            // {"sid":"…","cursor":"…","events":[…]}; a payload is the only thing in it with a `#`.
            let text = String::from_utf8_lossy(&answer.body);
            let path = &self.options.clients[self.links[at].path].1;
            let separator = if path.contains('?') { '&' } else { '?' };
            let (sid, cursor) = (field(&text, "sid"), field(&text, "cursor"));
            self.links[at].note = format!("{separator}sid={sid}&since={cursor}").into_bytes();
            self.request(at);
            text.split('#').skip(1).for_each(|event| self.heard(at, format!("#{event}").as_bytes()));
        } else {
            let place = |name, condition| {
                http::header(answer.head, name).map(|value| format!("{condition}: {value}\r\n")).unwrap_or_default()
            };
            let note = place("last-modified", "If-Modified-Since") + &place("etag", "If-None-Match");
            self.links[at].note = note.into_bytes();
            self.request(at);
            self.heard(at, &answer.body);
        }
    }

    fn event_source(&mut self, at: usize, bytes: &[u8]) -> usize {
        let mut used = 0;
        if self.links[at].stage == Stage::Head {
            let Some(length) = self.head(at, bytes, b"HTTP/1.1 200") else { return 0 };
            used = length;
            if self.links[at].stage == Stage::Closed {
                return used;
            }
            self.links[at].chunked = http::header(&bytes[..used], "transfer-encoding").is_some();
            self.became_ready(at);
        }
        if !self.links[at].chunked {
            return used + self.events(at, &bytes[used..]);
        }
        let mut text = mem::take(&mut self.links[at].note);
        while let Some((data, length)) = http::chunk(&bytes[used..]) {
            text.extend_from_slice(data);
            used += length;
        }
        let read = self.events(at, &text);
        text.drain(..read);
        self.links[at].note = text;
        used
    }

    /// The whole events that `text` begins with, and their length.
    fn events(&mut self, at: usize, text: &[u8]) -> usize {
        let mut used = 0;
        while let Some(length) = http::find(&text[used..], b"\n\n") {
            for line in text[used..used + length].split(|byte| *byte == b'\n') {
                if let Some(data) = line.strip_prefix(b"data:") {
                    self.heard(at, data.trim_ascii());
                }
            }
            used += length + 2;
        }
        used
    }

    /// The length of the head once it is whole; a refusal closes the link.
    fn head(&mut self, at: usize, bytes: &[u8], wanted: &[u8]) -> Option<usize> {
        let length = http::find(bytes, b"\r\n\r\n")? + 4;
        if bytes.starts_with(wanted) {
            return Some(length);
        }
        self.odd("answer", &bytes[..length]);
        self.close(at);
        Some(bytes.len())
    }
}

/// The value of a string member, without a parser: what servers send here has no escapes in it.
pub fn field<'a>(json: &'a str, name: &str) -> &'a str {
    let value = json.split_once(&format!("\"{name}\":\"")).map_or("", |(_, rest)| rest);
    value.split('"').next().unwrap_or_default()
}
