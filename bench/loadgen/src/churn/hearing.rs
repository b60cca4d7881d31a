//! What clients hear, and what of it they may.

use std::mem;

use super::{
    client::{Client, MAIN, Stage},
    going::Way,
    line::Asked,
    world::World,
};
use crate::{http, link::Protocol, receive::field, websocket};

const CONNECTED: &str = "40/chat,{";
const EVENT: &str = "42/chat,[\"";
const ANSWER: &str = "43/chat,";

impl Client {
    /// Uses what is whole of `bytes`, and tells how much that was.
    pub fn heard(&mut self, world: &mut World, role: usize, bytes: &[u8]) -> usize {
        match self.protocol {
            Protocol::SocketIo | Protocol::WebSocket if role == MAIN && self.listens => self.heard_frames(world, bytes),
            Protocol::EventSource if role == MAIN && self.listens => self.heard_stream(world, bytes),
            _ => self.heard_answers(world, role, bytes),
        }
    }

    fn heard_frames(&mut self, world: &mut World, bytes: &[u8]) -> usize {
        let mut used = 0;
        if bytes.starts_with(b"HTTP/") {
            let Some(length) = http::find(bytes, b"\r\n\r\n") else { return 0 };
            used = length + 4;
            if !bytes.starts_with(b"HTTP/1.1 101") {
                self.failed(world, "is refused", bytes);
            }
        }
        while !self.is_gone
            && let Some((first, payload, length)) = websocket::parse(&bytes[used..])
        {
            used += length;
            match first {
                _ if matches!(self.stage, Stage::Silent | Stage::Ended | Stage::Pausing(_)) => {}
                websocket::TEXT if self.protocol == Protocol::SocketIo => self.heard_packet(world, payload),
                websocket::TEXT => self.heard_envelope(world, payload),
                websocket::PING => websocket::frame(self.lines[MAIN].outbox(), websocket::PONG, payload),
                websocket::CLOSE => self.failed(world, "is sent a close frame", payload),
                _ => self.failed(world, "hears an odd frame", payload),
            }
        }
        used
    }

    fn heard_packet(&mut self, world: &mut World, packet: &[u8]) {
        let text = String::from_utf8_lossy(packet);
        match (self.stage, &*text) {
            (Stage::Silent, _) | (_, "6") => {}
            (_, "2") => self.packet(world, "3", Asked::Packets),
            (Stage::Opening, open) if open.starts_with("0{") => {
                self.sid = field(open, "sid").to_owned();
                self.is_open(world);
            }
            // A message of nobody's interest: it is in the room when it has `entered`.
            (Stage::Joining, joined) if joined.starts_with(CONNECTED) => {}
            (_, event) if event.starts_with(EVENT) => {
                let name = event[EVENT.len()..].split('"').next().unwrap_or_default();
                self.heard_event(world, name, event);
            }
            (_, answer) if answer.starts_with(ANSWER) => match answer == format!("{ANSWER}{}[true]", self.asked) {
                true => self.answered(world),
                false => self.failed(world, "hears an odd answer", packet),
            },
            // The session's last word to a poll that was open when it said goodbye.
            (Stage::Leaving, "1") => {}
            _ => self.failed(world, "hears an odd packet", packet),
        }
    }

    /// Of `sori.json.v1`.
    fn heard_envelope(&mut self, world: &mut World, envelope: &[u8]) {
        let text = String::from_utf8_lossy(envelope);
        match (self.stage, field(&text, "event")) {
            (Stage::Opening, "connect") => self.is_open(world),
            (_, "connect") => {}
            (_, "") if text == format!("{{\"data\":true,\"ack\":{}}}", self.asked) => self.answered(world),
            (_, "") => self.failed(world, "hears an odd answer", envelope),
            (_, name) => self.heard_event(world, name, &text),
        }
    }

    fn heard_answers(&mut self, world: &mut World, role: usize, bytes: &[u8]) -> usize {
        let mut used = 0;
        while !self.is_gone
            && let Some(answer) = http::answer(&bytes[used..])
        {
            used += answer.length;
            let Some(asked) = self.lines[role].under_way.take() else {
                self.failed(world, "is answered what it did not ask", answer.head);
                return used;
            };
            let body = String::from_utf8_lossy(&answer.body);
            match (asked, answer.status) {
                (Asked::Forgotten, 400) if self.protocol == Protocol::SocketIoPolling => self.is_done(world),
                (Asked::Forgotten, 404) if self.protocol != Protocol::SocketIoPolling => self.is_done(world),
                // Who never joins is closed, after a ping; both wait for 30 s, and each is answered alone.
                (Asked::Forgotten, 200) if body == "1" && self.way == Way::HalfHandshake => self.is_done(world),
                (Asked::Forgotten, 200) if body == "2" && self.way == Way::HalfHandshake => self.ask_whether_forgotten(world),
                (Asked::Forgotten, _) => self.failed(world, "was not forgotten", answer.head),
                (Asked::Session, 201) => {
                    self.sid = field(&body, "sid").to_owned();
                    self.cursor = field(&body, "cursor").to_owned();
                    self.is_open(world);
                }
                (Asked::Poll, 200) => self.heard_poll(world, &body),
                (Asked::Packets, 200) if body == "ok" => {}
                // A poll that crossed the goodbye on its way: they take two connections.
                (Asked::Poll, 400) if self.stage == Stage::Leaving && self.protocol == Protocol::SocketIoPolling => {}
                (Asked::Goodbye, 200) if body == "ok" => self.said_goodbye(world),
                (Asked::Goodbye, 204) => self.said_goodbye(world),
                (Asked::Said, 200) if body == "true" => self.answered(world),
                _ => self.failed(world, "is answered oddly", &bytes[used - answer.length..used]),
            }
        }
        used
    }

    fn heard_poll(&mut self, world: &mut World, body: &str) {
        let is_known = self.stage != Stage::Opening;
        if self.protocol == Protocol::SocketIoPolling {
            for packet in body.split('\u{1e}') {
                if !self.is_gone {
                    self.heard_packet(world, packet.as_bytes());
                }
            }
        } else {
            // {"sid":"…","cursor":"…","events":[{"id":"…","event":"…",…},…]}
            self.cursor = field(body, "cursor").to_owned();
            if self.stage == Stage::Opening {
                self.sid = field(body, "sid").to_owned();
                self.is_open(world);
            }
            for event in body.split("\"event\":\"").skip(1) {
                let (name, rest) = event.split_once('"').unwrap_or_default();
                if name != "connect" {
                    self.heard_event(world, name, rest);
                }
            }
        }
        // Who only just opened has polled already.
        if !self.is_gone && is_known && matches!(self.stage, Stage::Joining | Stage::Here) {
            self.poll(world);
        }
    }

    fn heard_stream(&mut self, world: &mut World, bytes: &[u8]) -> usize {
        let mut used = 0;
        if bytes.starts_with(b"HTTP/") {
            let Some(length) = http::find(bytes, b"\r\n\r\n") else { return 0 };
            used = length + 4;
            if !bytes.starts_with(b"HTTP/1.1 200") {
                self.failed(world, "is refused its stream", bytes);
            }
        }
        let mut text = mem::take(&mut self.text);
        while let Some((data, length)) = http::chunk(&bytes[used..]) {
            text.extend_from_slice(data);
            used += length;
        }
        let mut read = 0;
        while !self.is_gone
            && let Some(length) = http::find(&text[read..], b"\n\n")
        {
            let block = String::from_utf8_lossy(&text[read..read + length]).into_owned();
            read += length + 2;
            let name = block.lines().find_map(|line| line.strip_prefix("event: ")).unwrap_or_default();
            if name == "connect" && self.stage == Stage::Opening {
                self.is_open(world);
            } else if !name.is_empty() && name != "connect" {
                self.heard_event(world, name, &block);
            }
        }
        text.drain(..read);
        self.text = text;
        used
    }

    /// There is a session.
    fn is_open(&mut self, world: &mut World) {
        if self.way == Way::HalfHandshake {
            self.stage = Stage::Joining;
            return self.pause_any(world);
        }
        self.join(world);
    }

    /// What the chat tells, which is always of the own room.
    fn heard_event(&mut self, world: &mut World, name: &str, text: &str) {
        let is_ours = match name {
            "entered" => text.contains(&format!("\"r{}\"", self.room)),
            "joined" | "left" => text.contains(&format!("\"r{}-", self.room)),
            "said" => text.contains(&format!("\"r{}-", self.room)) && text.contains(&format!("\"r{}: ", self.room)),
            // The answer to its own goodbye.
            "disconnect" => self.stage == Stage::Leaving,
            _ => false,
        };
        if !is_ours {
            return self.failed(world, "hears an odd event", format!("{name} {text}").as_bytes());
        }
        world.counts.messages += 1;
        if name == "entered" && self.stage == Stage::Joining && !self.is_gone {
            self.is_here(world);
        }
    }
}
