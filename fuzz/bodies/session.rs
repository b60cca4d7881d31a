//! One session's life, a line an input. The first line says what it is: `3` for revision 3, `w` on a WebSocket, `u` may
//! upgrade, `j` JSON, `m` MessagePack, `n` without Socket.IO. Then:
//!
//! | line | input |
//! | --- | --- |
//! | `T4hi`, `B…` | a text or binary message of the WebSocket |
//! | `P…` | a POST with that body; `(` and `)` its start and its end alone |
//! | `g`, `a`, `x` | a GET starts, is answered, is aborted |
//! | `u`, `p2probe`, `e` | a probe starts, says something, ends |
//! | `A0`, `R0`, `D0` | the application accepts, refuses, disconnects that key |
//! | `c` | the application closes |
//! | `+10`, `~10`, `@` | time passes: with its timeout, without, up to the deadline |

use std::collections::HashMap;

use bytes::Bytes;
use sori_proto::{
    CloseReason, Event, Limits, ProtocolError, Session,
    eio::{
        Carrier, Packet, Probe, Revision,
        packet::{decode_binary, decode_text},
        payload::{ContentType, Decoder},
    },
    sio::Parser,
    wire,
    ws::{Message, Reader},
};

pub fn session(lines: &[u8]) {
    let mut lines = lines.split(|byte| *byte == b'\n');
    let mut world = World::open(lines.next().unwrap_or_default());
    for line in lines {
        world.input(line);
        world.check();
    }
}

/// A session, and what an onlooker knows of it.
struct World {
    session: Session,
    revision: Revision,
    socketio: bool,
    limits: Limits,
    now: u64,
    out: Vec<Bytes>,
    frames_seen: usize,
    stays: HashMap<u32, (String, Stay)>,
    /// The first reason, and how long it may be fetched.
    closed: Option<(CloseReason, u64)>,
    upgraded: bool,
    awaits_pong: bool,
    pings: usize,
    pongs: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stay {
    Asked,
    In,
    Over,
}

impl World {
    fn open(kind: &[u8]) -> Self {
        let is = |letter: &u8| kind.contains(letter);
        let revision = if is(&b'3') { Revision::V3 } else { Revision::V4 };
        let parser = match revision {
            _ if is(&b'n') => None,
            _ if is(&b'm') => Some(Parser::Msgpack),
            Revision::V4 if !is(&b'j') => Some(Parser::Auto),
            _ => Some(Parser::Json),
        };
        let limits = Limits {
            ping_interval_ms: 1_000,
            ping_timeout_ms: 600,
            upgrade_timeout_ms: 400,
            connect_timeout_ms: 1_500,
            max_attachments: 2,
            payload_packets_max: 8,
            namespaces_per_session_max: 3,
            namespace_name_max: 32,
            ..Limits::default()
        };
        let (now, mut out) = (1_000_000, Vec::new());
        let session = Session::open(now, revision, is(&b'w'), "sid", is(&b'u'), parser, &limits, &mut out);
        assert_eq!(out.len(), 1, "the open packet");
        let mut world = Self {
            session,
            revision,
            socketio: parser.is_some(),
            limits,
            now,
            out,
            frames_seen: 0,
            stays: HashMap::new(),
            closed: None,
            upgraded: is(&b'w'),
            awaits_pong: false,
            pings: 0,
            pongs: 0,
        };
        let event = world.session.join_implicitly();
        assert_eq!(event.is_some(), revision == Revision::V3 && parser.is_some());
        world.event(event);
        world.check();
        world
    }

    fn input(&mut self, line: &[u8]) {
        let [kind, rest @ ..] = line else { return };
        let text = str::from_utf8(rest);
        let number = text.ok().and_then(|digits| digits.parse::<u32>().ok());
        match (kind, text, number) {
            (b'T', Ok(text), _) => {
                self.heard(&decode_text(self.revision, text));
                let event = self.session.handle_text(self.now, text, &self.limits, &mut self.out);
                self.event(event);
            }
            (b'B', ..) => {
                self.heard(&decode_binary(self.revision, rest));
                let event = self.session.handle_binary(self.now, rest, &self.limits, &mut self.out);
                self.event(event);
            }
            (b'P', ..) => self.post(rest),
            (b'(', ..) => _ = self.post_started(),
            (b')', ..) => self.session.post_ended(),
            (b'g', ..) => {
                let free = self.session.carrier();
                let began = self.session.get_started(self.now);
                assert_eq!(began, matches!(free, Some(Carrier::Polling { get: false, .. })));
            }
            (b'a', ..) => self.session.get_answered(),
            (b'x', ..) => self.session.get_aborted(self.now),
            (b'u', ..) => {
                let busy = self.session.is_probing() || self.upgraded || self.closed.is_some();
                assert_eq!(self.session.probe_started(self.now, &self.limits), !busy);
            }
            (b'p', Ok(text), _) => self.probe(text),
            (b'e', ..) => {
                self.session.probe_ended();
                assert!(!self.session.is_probing());
            }
            (b'A', _, Some(key)) => {
                let reply = self.session.accept(self.now, key, "id", Some("pid"), &self.limits);
                self.answered(key, Stay::Asked, Stay::In, reply);
            }
            (b'R', _, Some(key)) => {
                let reply = self.session.refuse(key, r#"{"message":"no"}"#);
                self.answered(key, Stay::Asked, Stay::Over, reply);
            }
            (b'D', _, Some(key)) => {
                let reply = self.session.disconnect(self.now, key);
                self.answered(key, Stay::In, Stay::Over, reply);
            }
            (b'c', ..) => self.session.close(self.now, CloseReason::ForcedServerClose),
            (b'+', _, Some(millis)) => self.timeout(self.now + u64::from(millis)),
            (b'~', _, Some(millis)) => self.now += u64::from(millis),
            (b'@', ..) => self.timeout(self.now.max(self.session.deadline())),
            _ => {}
        }
    }

    fn post(&mut self, body: &[u8]) {
        if !self.post_started() {
            return;
        }
        let content = if body.starts_with(b"\0") { ContentType::Binary } else { ContentType::Text };
        let limits = self.limits.clone();
        for packet in Decoder::new(self.revision, content, body, &limits) {
            self.heard(&packet);
            let event = self.session.handle_packet(self.now, packet, &limits, &mut self.out);
            self.event(event);
        }
        self.session.post_ended();
    }

    fn post_started(&mut self) -> bool {
        let free = matches!(self.session.carrier(), Some(Carrier::Polling { post: false, .. }));
        let began = self.session.post_started(self.now);
        assert_eq!(began, free);
        began
    }

    fn probe(&mut self, text: &str) {
        // Who is being sent away may still upgrade, to hear why.
        let alive = self.session.is_probing() && self.closed.is_none_or(|(reason, _)| reason.is_orderly());
        match self.session.handle_probe(self.now, text) {
            Probe::Answer => assert!(alive && text == "2probe"),
            Probe::Upgraded => {
                assert!(alive && text == "5");
                assert!(!self.upgraded, "upgraded once before");
                self.upgraded = true;
            }
            Probe::Abort => assert!(!alive || !matches!(text, "2probe" | "5")),
        }
    }

    fn timeout(&mut self, now: u64) {
        let is_due = now >= self.session.deadline();
        let (closed, frames) = (self.session.closed(), self.out.len());
        self.now = now;
        self.session.handle_timeout(now, &self.limits, &mut self.out);
        if !is_due {
            assert_eq!((self.session.closed(), self.out.len()), (closed, frames), "nothing was due");
        }
        if self.session.closed().is_none() {
            assert!(self.session.deadline() > now, "what was due is done");
        }
    }

    /// Before a packet is handled: what it means to the heartbeat.
    fn heard(&mut self, packet: &Result<Packet<'_>, ProtocolError>) {
        match packet {
            Ok(Packet::Pong(_)) => self.awaits_pong = false,
            Ok(Packet::Ping(_)) => self.pings += 1,
            _ => {}
        }
    }

    fn event(&mut self, event: Option<Event>) {
        let Some(event) = event else { return };
        assert!(self.closed.is_none() && self.session.closed().is_none(), "{event:?} of a closed session");
        let bare = matches!(event, Event::Text(_) | Event::Binary(_));
        assert_eq!(bare, !self.socketio);
        match event {
            Event::Connect { key, namespace, .. } => {
                assert!(!self.stays.values().any(|(name, stay)| *name == namespace && *stay != Stay::Over), "joined twice");
                let before = self.stays.insert(key, (namespace.into_owned(), Stay::Asked));
                assert!(before.is_none(), "a key names one stay");
            }
            Event::Disconnect { key } => {
                assert!(self.stays[&key].1 == Stay::In);
                self.stays.entry(key).and_modify(|(_, stay)| *stay = Stay::Over);
            }
            Event::Event { key, .. } | Event::Ack { key, .. } => assert!(self.stays[&key].1 == Stay::In),
            Event::Text(_) | Event::Binary(_) => {}
        }
        let here = self.stays.values().filter(|(_, stay)| *stay != Stay::Over).count();
        assert!(here <= self.limits.namespaces_per_session_max as usize);
    }

    /// The application's answer counts if the stay is `from` and the session lives.
    fn answered(&mut self, key: u32, from: Stay, to: Stay, reply: Option<wire::Frames>) {
        let stay = self.stays.get_mut(&key).filter(|(_, stay)| *stay == from && self.closed.is_none());
        assert_eq!(reply.is_some(), stay.is_some());
        let (Some((_, stay)), Some(reply)) = (stay, reply) else { return };
        *stay = to;
        reply.as_slice().iter().for_each(well_formed);
    }

    /// What holds between any two inputs.
    fn check(&mut self) {
        for frame in &self.out[self.frames_seen..] {
            assert!(self.closed.is_none(), "said after the end");
            well_formed(frame);
            if *frame == wire::PING {
                assert!(self.revision == Revision::V4 && !self.awaits_pong, "a second ping before the pong");
                self.awaits_pong = true;
            }
            self.pongs += usize::from(*frame == wire::PONG);
        }
        self.frames_seen = self.out.len();
        assert!(self.pongs <= if self.revision == Revision::V3 { self.pings } else { 0 });

        let is_websocket = self.session.carrier() == Some(Carrier::WebSocket);
        assert_eq!(is_websocket, self.upgraded, "there is one way to a WebSocket, and none back");
        assert!(!(is_websocket && self.session.is_probing()));

        match (self.closed, self.session.closed()) {
            (None, Some(reason)) => {
                assert!(self.session.deadline() > self.now);
                self.closed = Some((reason, self.session.deadline()));
            }
            (closed, reason) => {
                assert_eq!(closed.map(|(reason, _)| reason), reason, "the first reason stays");
                assert!(closed.is_none_or(|(_, until)| until == self.session.deadline()));
            }
        }
    }
}

/// One whole unmasked message, which is not a control frame.
fn well_formed(frame: &Bytes) {
    let mut bytes = frame.to_vec();
    let (mut reader, mut input) = (Reader::client(u32::MAX, None), &mut bytes[..]);
    let message = reader.next(&mut input).expect("our own");
    assert!(matches!(message, Some(Message::Text(_) | Message::Binary(_))));
    assert!(input.is_empty());
}
