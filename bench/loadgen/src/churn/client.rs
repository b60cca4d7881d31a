//! One client: from its first byte to its last.

use std::io;

use super::{
    going::{Then, Way},
    line::{Got, Line},
    world::World,
};
use crate::link::Protocol;

pub struct Client {
    pub protocol: Protocol,
    pub way: Way,
    pub stage: Stage,
    /// Of its main line; the other one has the lowest bit set.
    pub token: u64,
    /// Where it listens, and where it posts when that is not the same.
    pub lines: [Line; 2],
    pub room: u64,
    pub name: String,
    pub sid: String,
    pub cursor: String,
    /// The body of a stream, without its chunks.
    pub text: Vec<u8>,
    /// The number of what was asked last, and whether that was answered.
    pub asked: u32,
    pub is_answered: bool,
    /// Its main line is a stream or a WebSocket now.
    pub listens: bool,
    /// Without a name or a place: it opens its session by listening.
    pub is_stranger: bool,
    pub is_gone: bool,
    /// When it goes, once it is there.
    goes_at: u64,
    /// When it is to be looked after.
    due_at: u64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Stage {
    /// Nothing has been answered yet.
    Opening,
    /// There is a session, and no place in a room.
    Joining,
    Here,
    /// It says goodbye by a request, and asks for nothing more.
    Leaving,
    /// It has gone half way, and does the rest when it is due.
    Pausing(Then),
    /// It has nothing more to say; the server ends the connection.
    Ended,
    /// It is not heard of any more, and the server is to notice.
    Silent,
    /// Nobody asked for its session; the server is to have forgotten it.
    Forgotten,
}

pub const MAIN: usize = 0;
pub const POST: usize = 1;
const MS: u64 = 1_000_000;
/// What the server does takes no longer, on a machine that others work on, too.
const PATIENCE_NS: u64 = 15_000 * MS;
/// One person says so little that what is heard is mostly who comes and goes.
const PAUSE_NS: u64 = 1_500 * MS;
const PROTOCOLS: [Protocol; 5] =
    [Protocol::SocketIo, Protocol::SocketIoPolling, Protocol::WebSocket, Protocol::EventSource, Protocol::LongPoll];

impl Client {
    pub fn come(world: &mut World, token: u64) -> io::Result<Self> {
        let number = world.counts.opened;
        let protocol = PROTOCOLS[number as usize % PROTOCOLS.len()];
        // So many rooms that no more than ten people are in each, on average.
        let room = world.random.below((world.options.n as u64 / 10).max(1));
        let mut client = Self {
            protocol,
            way: Way::any(&mut world.random),
            stage: Stage::Opening,
            token,
            lines: [Line::open(world, token)?, Line::default()],
            room,
            name: format!("r{room}-{number}"),
            sid: String::new(),
            cursor: String::new(),
            text: Vec::new(),
            asked: 0,
            is_answered: true,
            listens: false,
            is_stranger: false,
            is_gone: false,
            goes_at: 0,
            due_at: 0,
        };
        client.is_stranger = client.way == Way::HalfHandshake && !protocol.is_socketio() && world.random.below(2) == 0;
        world.counts.came(protocol);
        client.due_in(world, PATIENCE_NS);
        Ok(client)
    }

    pub fn writable(&mut self, world: &mut World, role: usize) {
        if self.lines[role].connected() && role == MAIN && self.stage == Stage::Opening {
            self.open(world);
        }
        self.flush(world, role);
    }

    pub fn readable(&mut self, world: &mut World, role: usize, buffer: &mut [u8]) {
        if self.is_gone {
            return;
        }
        match self.lines[role].read(buffer) {
            Got::Nothing => {}
            // Whatever was under way.
            Got::Bytes(_) if matches!(self.stage, Stage::Ended | Stage::Pausing(_)) => {}
            Got::Bytes(length) => {
                let mut inbox = std::mem::take(&mut self.lines[role].inbox);
                inbox.extend_from_slice(&buffer[..length]);
                let used = self.heard(world, role, &inbox);
                inbox.drain(..used);
                self.lines[role].inbox = inbox;
                self.flush(world, MAIN);
                self.flush(world, POST);
            }
            Got::End => self.ended(world, role, false),
            Got::Broken => self.ended(world, role, true),
        }
    }

    /// A while has passed.
    pub fn due(&mut self, world: &mut World) {
        if world.now < self.due_at {
            // It was put off since.
            return;
        }
        match self.stage {
            Stage::Opening => self.failed(world, "is not answered", b""),
            Stage::Joining => self.failed(world, "is not let in", b""),
            Stage::Leaving => self.failed(world, "is not let go", b""),
            Stage::Here if world.now >= self.goes_at => self.go(world),
            Stage::Here if !self.is_answered => self.failed(world, "is not answered what it said", b""),
            Stage::Here => {
                self.say(world);
                self.due_next(world);
            }
            Stage::Pausing(then) => self.go_on(world, then),
            Stage::Ended => self.failed(world, "has ended, and the server has not", b""),
            Stage::Silent if self.is_websocket() => {
                self.failed(world, "is silent, and the server does not mind", b"");
            }
            Stage::Silent => self.ask_whether_forgotten(world),
            Stage::Forgotten => self.failed(world, "is not told whether it was forgotten", b""),
        }
        self.flush(world, MAIN);
        self.flush(world, POST);
    }

    /// It has its place in the room.
    pub fn is_here(&mut self, world: &mut World) {
        self.stage = Stage::Here;
        let random = &mut world.random;
        // A fifth only looks in.
        let stay = if random.below(5) == 0 { 2 + random.below(50) } else { 500 + random.below(6_500) };
        self.goes_at = world.now + stay * MS;
        self.due_next(world);
    }

    pub fn due_in(&mut self, world: &mut World, ns: u64) {
        self.due_at = world.now + ns;
        world.wake(self.due_at, self.token);
    }

    /// It is over, and went as it should.
    pub fn is_done(&mut self, world: &mut World) {
        if !self.is_gone {
            world.counts.went(self.way);
            self.leave();
        }
    }

    pub fn failed(&mut self, world: &mut World, what: &'static str, bytes: &[u8]) {
        if !self.is_gone {
            world.counts.failed(self, what, bytes);
            self.leave();
        }
    }

    /// One of its connections, opened again where the server has closed it because nothing was asked on it.
    pub fn line(&mut self, world: &mut World, role: usize) -> &mut Line {
        if !self.lines[role].is_open() {
            match Line::open(world, self.token | role as u64) {
                Ok(line) => self.lines[role] = line,
                Err(_) => self.failed(world, "cannot connect again", b""),
            }
        }
        &mut self.lines[role]
    }

    pub fn patience(&mut self, world: &mut World) {
        self.due_in(world, PATIENCE_NS);
    }

    fn due_next(&mut self, world: &mut World) {
        let pause = PAUSE_NS / 2 + world.random.below(PAUSE_NS);
        // The server takes its time for an answer, so who goes does not wait for it.
        let next = if self.is_answered { pause } else { PATIENCE_NS };
        let left = self.goes_at.saturating_sub(world.now);
        self.due_in(world, next.min(left));
    }

    /// What was said is answered.
    pub fn answered(&mut self, world: &mut World) {
        if std::mem::replace(&mut self.is_answered, true) {
            return self.failed(world, "is answered twice", b"");
        }
        world.counts.answers += 1;
        if self.stage == Stage::Here {
            self.due_next(world);
        }
    }

    fn flush(&mut self, world: &mut World, role: usize) {
        if !self.is_gone && !self.lines[role].flush(world, self.token | role as u64) {
            self.ended(world, role, true);
        }
    }

    /// The server has ended a connection, orderly or not.
    fn ended(&mut self, world: &mut World, role: usize, by_reset: bool) {
        let is_idle = self.lines[role].under_way.is_none() && !by_reset;
        match self.stage {
            Stage::Pausing(_) | Stage::Ended if role == MAIN => self.is_done(world),
            Stage::Silent if role == MAIN && is_idle && self.is_websocket() => self.is_done(world),
            // Nothing was asked on it for a while.
            _ if is_idle && role == POST => self.lines[POST].reset(),
            Stage::Silent if is_idle && !self.listens => self.lines[MAIN].reset(),
            // The stream was faster than the answer to the goodbye.
            Stage::Leaving if role == MAIN && is_idle => self.lines[MAIN].reset(),
            _ if by_reset => self.failed(world, "is reset", b""),
            _ => self.failed(world, "is closed", b""),
        }
    }

    /// Its silence is noticed by the server, which ends the connection.
    pub fn is_websocket(&self) -> bool {
        match self.protocol {
            Protocol::SocketIo => true,
            Protocol::WebSocket => self.listens,
            _ => false,
        }
    }

    fn leave(&mut self) {
        self.is_gone = true;
        self.lines.iter_mut().for_each(Line::reset);
    }
}
