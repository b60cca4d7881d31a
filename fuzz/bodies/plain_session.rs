//! The session of a plain client, a line an input. The first line is `s` if only its stream knows of it. Then:
//!
//! | line | input |
//! | --- | --- |
//! | `A`, `R`, `D` | the application lets it in, keeps it out, makes it leave |
//! | `p`, `s`, `w`, `b` | a poll, a stream, a WebSocket, one of bare data begins to carry it |
//! | `d`, `t` | what carried it has ended; a request shows that the client is there |
//! | `f`, `T…`, `B…` | a frame, a text message, a binary message |
//! | `c` | the application closes |
//! | `+10`, `~10`, `@` | time passes: with its timeout, without, up to the deadline |

use bytes::Bytes;
use sori_proto::{
    CloseReason, Event, Limits, Session,
    plain::Way,
    wire,
    ws::frame::{self, OpCode},
};

pub fn plain_session(lines: &[u8]) {
    let mut lines = lines.split(|byte| *byte == b'\n');
    let mut world = World::open(lines.next() == Some(b"s"));
    for line in lines {
        world.input(line);
        world.check();
    }
}

/// A session, and what an onlooker knows of it.
struct World {
    session: Session,
    ends_with_stream: bool,
    limits: Limits,
    now: u64,
    out: Vec<Bytes>,
    frames_seen: usize,
    stay: Stay,
    way: Option<Way>,
    is_pinged: bool,
    closed: Option<(CloseReason, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    Asked,
    In,
    Out,
}

impl World {
    fn open(ends_with_stream: bool) -> Self {
        let limits = Limits {
            ping_interval_ms: 1_000,
            ping_timeout_ms: 600,
            connect_timeout_ms: 1_500,
            plain_idle_ms: 2_000,
            poll_wait_max_ms: 3_000,
            max_attachments: 2,
            ..Limits::default()
        };
        let now = 1_000_000;
        let mut session = Session::open_plain(now, ends_with_stream, &limits);
        let asks = session.plain().expect("it is one").connect("/".into(), None);
        assert!(matches!(asks, Event::Connect { key: 0, .. }));
        let mut world = Self {
            session,
            ends_with_stream,
            limits,
            now,
            out: Vec::new(),
            frames_seen: 0,
            stay: Stay::Asked,
            way: None,
            is_pinged: false,
            closed: None,
        };
        assert!(!world.session.get_started(now), "it has none of Engine.IO");
        world.check();
        world
    }

    fn input(&mut self, line: &[u8]) {
        let [kind, rest @ ..] = line else { return };
        let text = str::from_utf8(rest);
        let number = text.ok().and_then(|digits| digits.parse::<u32>().ok()).map(u64::from);
        let (now, limits) = (self.now, self.limits.clone());
        let is_open = self.closed.is_none();
        match (kind, text, number) {
            (b'A', ..) => {
                let is_in = self.session.accept(now, 0, "id", None, &limits).is_some();
                assert_eq!(is_in, self.stay == Stay::Asked && is_open);
                self.stay = if is_in { Stay::In } else { self.stay };
            }
            (b'R', ..) => {
                let is_out = self.session.refuse(0, "{}").is_some();
                assert_eq!(is_out, self.stay == Stay::Asked && is_open);
                self.stay = if is_out { Stay::Out } else { self.stay };
            }
            (b'D', ..) => {
                assert!(self.session.disconnect(now, 0).is_none());
                assert!(self.session.closed().is_some());
            }
            (b'p', ..) => self.attach(Way::Poll),
            (b's', ..) => self.attach(Way::Stream),
            (b'w', ..) => self.attach(Way::WebSocket),
            (b'b', ..) => self.attach(Way::WebSocketBare),
            (b'd', ..) => {
                let was_stream = self.way.is_some_and(|way| way != Way::Poll);
                self.client().detach(now, CloseReason::TransportClose, &limits);
                if self.ends_with_stream && was_stream && is_open {
                    assert_eq!(self.session.closed(), Some(CloseReason::TransportClose));
                }
                self.way = None;
            }
            (b't', ..) => {
                self.client().touch(now, &limits);
                if is_open && self.way.is_none() && self.stay == Stay::In {
                    assert_eq!(self.session.deadline(), now + u64::from(limits.plain_idle_ms));
                }
            }
            (b'f', ..) => {
                self.session.handle_frame(now, &limits);
                self.is_pinged = false;
            }
            (b'T', Ok(text), _) => {
                self.is_pinged = false;
                let event = self.session.handle_text(now, text, &limits, &mut self.out);
                self.event(event);
            }
            (b'B', ..) => {
                self.is_pinged = false;
                let event = self.session.handle_binary(now, rest, &limits, &mut self.out);
                self.event(event);
            }
            (b'c', ..) => self.session.close(now, CloseReason::ForcedServerClose),
            (b'+', _, Some(millis)) => self.timeout(now + millis),
            (b'~', _, Some(millis)) => self.now += millis,
            (b'@', ..) => self.timeout(now.max(self.session.deadline())),
            _ => {}
        }
    }

    fn client(&mut self) -> &mut sori_proto::plain::Client {
        self.session.plain().expect("it is one")
    }

    /// As requests do: only a session that was let in and lives is carried.
    fn attach(&mut self, way: Way) {
        if self.stay == Stay::In && self.closed.is_none() {
            let (now, limits) = (self.now, self.limits.clone());
            self.client().attach(now, way, &limits);
            (self.way, self.is_pinged) = (Some(way), false);
        }
    }

    fn event(&mut self, event: Option<Event>) {
        let Some(event) = event else { return };
        assert!(self.closed.is_none() && self.session.closed().is_none(), "{event:?} of a closed session");
        match event {
            Event::Event { key: 0, name, args, ack } => {
                let is_bare = self.way == Some(Way::WebSocketBare);
                assert!(!is_bare || (&*name == "message" && args.len() == 1 && ack.is_none()));
                assert!(is_bare || !sori_proto::sio::is_reserved(&name), "{name}");
            }
            Event::Ack { key: 0, .. } => assert_ne!(self.way, Some(Way::WebSocketBare)),
            other => panic!("no event of a plain client: {other:?}"),
        }
    }

    fn timeout(&mut self, now: u64) {
        let is_due = now >= self.session.deadline();
        let (closed, frames) = (self.session.closed(), self.out.len());
        self.now = now;
        self.session.handle_timeout(now, &self.limits, &mut self.out);
        let said = self.out.len() - frames;
        match (is_due, closed, self.way) {
            (false, ..) | (_, Some(_), _) => assert_eq!((self.session.closed(), said), (closed, 0), "nothing was due"),
            _ if self.stay != Stay::In => assert!(self.session.closed().is_some() && said == 0),
            (_, _, Some(Way::Stream)) => assert!(self.session.closed().is_none() && said == 1, "streams owe nothing"),
            (_, _, Some(Way::WebSocket | Way::WebSocketBare)) if !self.is_pinged => {
                assert!(self.session.closed().is_none() && said == 1);
                self.is_pinged = true;
            }
            _ => assert_eq!((self.session.closed(), said), (Some(CloseReason::PingTimeout), 0)),
        }
        if self.session.closed().is_none() {
            assert!(self.session.deadline() > now, "what was due is done");
        }
    }

    /// What holds between any two inputs.
    fn check(&mut self) {
        for frame in &self.out[self.frames_seen..] {
            assert!(self.closed.is_none(), "said after the end");
            match self.way {
                Some(Way::Stream) => assert_eq!(*frame, wire::HEARTBEAT),
                Some(Way::WebSocket | Way::WebSocketBare) => assert_eq!(frame::opcode(frame), OpCode::Ping),
                way => panic!("{frame:?} said over {way:?}"),
            }
        }
        self.frames_seen = self.out.len();
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
