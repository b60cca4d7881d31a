//! What clients say.

use super::{
    client::{Client, MAIN, POST, Stage},
    going::Way,
    line::Asked,
    world::World,
};
use crate::{
    link::Protocol,
    send::{PLAIN, UPGRADE},
    websocket,
};

/// The chat's.
pub const NAMESPACE: &str = "/chat";
const JSON: &str = "application/json";
/// So that a poll's silence is short, and some polls end empty.
const WAIT_S: u32 = 2;

impl Client {
    /// The first request.
    pub fn open(&mut self, world: &mut World) {
        let (asked, request) = match self.protocol {
            Protocol::SocketIo => (None, self.listen_request(world)),
            Protocol::SocketIoPolling => (Some(Asked::Poll), self.poll_request(world)),
            Protocol::LongPoll if self.is_stranger => (Some(Asked::Poll), self.poll_request(world)),
            _ if self.is_stranger => (None, self.listen_request(world)),
            // A place in a room needs a name, and that goes with a POST.
            _ => (Some(Asked::Session), post(&self.path(world), JSON, &self.guest())),
        };
        if self.way == Way::HalfRequest {
            let length = world.random.below(request.len() as u64) as usize;
            self.lines[MAIN].push(&request[..length]);
            return self.pause_any(world);
        }
        match asked {
            Some(asked) => self.lines[MAIN].ask(asked, request),
            None => {
                self.listens = true;
                self.lines[MAIN].push(&request);
            }
        }
    }

    /// The next poll, and the first.
    pub fn poll_request(&self, world: &World) -> Vec<u8> {
        let path = self.path(world);
        let sid = if self.sid.is_empty() { String::new() } else { format!("&sid={}", self.sid) };
        let since = if self.cursor.is_empty() { String::new() } else { format!("&since={}", self.cursor) };
        let query = match self.protocol {
            Protocol::SocketIoPolling => format!("EIO=4&transport=polling{sid}"),
            _ => format!("wait={WAIT_S}{sid}{since}"),
        };
        format!("GET {path}?{query} HTTP/1.1\r\n{PLAIN}\r\n").into_bytes()
    }

    pub fn poll(&mut self, world: &World) {
        let request = self.poll_request(world);
        self.lines[MAIN].ask(Asked::Poll, request);
    }

    /// There is a session; now for a place in the room.
    pub fn join(&mut self, world: &mut World) {
        self.stage = Stage::Joining;
        match self.protocol {
            Protocol::SocketIo | Protocol::SocketIoPolling => {
                let packet = format!("40{NAMESPACE},{}", self.guest());
                self.packet(world, &packet, Asked::Packets);
                if self.protocol == Protocol::SocketIoPolling {
                    self.poll(world);
                }
            }
            // They have it, and need only listen.
            Protocol::LongPoll => self.poll(world),
            Protocol::WebSocket | Protocol::EventSource => {
                self.listens = true;
                let request = self.listen_request(world);
                self.lines[MAIN].push(&request);
            }
        }
    }

    /// The request that becomes a stream or a WebSocket.
    fn listen_request(&self, world: &World) -> Vec<u8> {
        let path = self.path(world);
        let sid = if self.sid.is_empty() { String::new() } else { format!("?sid={}", self.sid) };
        let request = match self.protocol {
            Protocol::SocketIo => format!("GET {path}?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}\r\n"),
            Protocol::WebSocket => {
                let envelopes = "Sec-WebSocket-Protocol: sori.json.v1\r\n";
                format!("GET {path}{sid} HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}{envelopes}\r\n")
            }
            _ => format!("GET {path}{sid} HTTP/1.1\r\n{PLAIN}Accept: text/event-stream\r\n\r\n"),
        };
        request.into_bytes()
    }

    /// Plain clients name their namespace in the path. Strangers are in the one of everybody.
    fn path(&self, world: &World) -> String {
        let path = world.path(self.protocol);
        if self.protocol.is_socketio() || self.is_stranger { path.to_owned() } else { format!("{path}{NAMESPACE}") }
    }

    /// Something for the room, which is answered.
    pub fn say(&mut self, world: &mut World) {
        self.asked += 1;
        self.is_answered = false;
        let (asked, room, name) = (self.asked, self.room, &self.name);
        let said = format!("{{\"id\":\"{name}.{asked}\",\"text\":\"r{room}: {asked}\"}}");
        match self.protocol {
            Protocol::SocketIo | Protocol::SocketIoPolling => {
                self.packet(world, &format!("42{NAMESPACE},{asked}[\"say\",{said}]"), Asked::Packets);
            }
            Protocol::WebSocket => self.frame(&format!("{{\"event\":\"say\",\"data\":{said},\"ack\":{asked}}}")),
            Protocol::EventSource | Protocol::LongPoll => self.post_event(world, "say", &said, Asked::Said),
        }
    }

    /// Over a WebSocket: it wants to be in no room and no namespace.
    pub fn say_leave(&mut self, world: &mut World) {
        match self.protocol {
            Protocol::SocketIo => self.packet(world, &format!("41{NAMESPACE},"), Asked::Packets),
            _ => self.frame("{\"event\":\"disconnect\"}"),
        }
    }

    /// By a request: the session ends, or the namespace is left.
    pub fn ask_goodbye(&mut self, world: &mut World) {
        match (self.protocol, self.way) {
            (Protocol::SocketIoPolling, Way::Leave) => self.packet(world, &format!("41{NAMESPACE},"), Asked::Goodbye),
            (Protocol::SocketIoPolling, _) => self.packet(world, "1", Asked::Goodbye),
            (_, Way::Leave) => self.post_event(world, "disconnect", "", Asked::Goodbye),
            _ => {
                let request = format!("DELETE {}?sid={} HTTP/1.1\r\n{PLAIN}\r\n", self.path(world), self.sid).into_bytes();
                self.line(world, POST).ask(Asked::Goodbye, request);
            }
        }
    }

    /// An Engine.IO packet, on whatever carries them.
    pub fn packet(&mut self, world: &mut World, packet: &str, asked: Asked) {
        if self.protocol == Protocol::SocketIo {
            return self.frame(packet);
        }
        let path = format!("{}?EIO=4&transport=polling&sid={}", world.path(self.protocol), self.sid);
        let request = post(&path, "text/plain;charset=UTF-8", packet);
        self.line(world, POST).ask(asked, request);
    }

    fn post_event(&mut self, world: &mut World, event: &str, data: &str, asked: Asked) {
        let path = format!("{}?event={event}&sid={}", self.path(world), self.sid);
        let request = post(&path, JSON, data);
        self.line(world, POST).ask(asked, request);
    }

    fn frame(&mut self, text: &str) {
        websocket::frame(self.lines[MAIN].outbox(), websocket::TEXT, text.as_bytes());
    }

    /// Who it is, and where it wants to be.
    fn guest(&self) -> String {
        format!("{{\"name\":\"{}\",\"room\":\"r{}\",\"key\":\"{}\"}}", self.name, self.room, self.name)
    }
}

fn post(path: &str, kind: &str, body: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\n{PLAIN}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
