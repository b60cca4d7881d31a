//! How clients go.

use super::{
    client::{Client, MAIN, POST, Stage},
    line::Asked,
    world::{Random, World},
};
use crate::{link::Protocol, websocket};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    /// It says goodbye as its transport does: a close frame, Engine.IO's close packet, DELETE.
    Goodbye,
    /// Its side of the connection is closed, with a poll or a stream open.
    End,
    /// A TCP reset, with a poll or a stream open.
    Reset,
    /// It leaves the namespace, and then the connection.
    Leave,
    /// It stays connected, and is never heard of again.
    Silence,
    /// In the middle of its first request, or with nothing sent at all.
    HalfRequest,
    /// Between the session and the namespace.
    HalfHandshake,
}

/// What is left to do.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Then {
    Reset,
    End,
    /// The server is to lose its patience.
    Wait,
}

/// Of a hundred clients.
pub const WAYS: [(Way, u64); 7] = [
    (Way::Goodbye, 30),
    (Way::End, 15),
    (Way::Reset, 20),
    (Way::Leave, 10),
    (Way::Silence, 10),
    (Way::HalfRequest, 8),
    (Way::HalfHandshake, 7),
];
const THENS: [Then; 3] = [Then::Reset, Then::End, Then::Wait];
const MS: u64 = 1_000_000;

impl Way {
    pub fn any(random: &mut Random) -> Self {
        let mut left = random.below(100);
        for (way, share) in WAYS {
            if left < share {
                return way;
            }
            left -= share;
        }
        Self::Goodbye
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Goodbye => "goodbye",
            Self::End => "end",
            Self::Reset => "reset",
            Self::Leave => "leave",
            Self::Silence => "silence",
            Self::HalfRequest => "half_request",
            Self::HalfHandshake => "half_handshake",
        }
    }
}

impl Client {
    /// It has been here for as long as it wanted.
    pub fn go(&mut self, world: &mut World) {
        match self.way {
            Way::Goodbye if self.is_websocket() => {
                websocket::frame(self.lines[MAIN].outbox(), websocket::CLOSE, &1000u16.to_be_bytes());
                self.stage = Stage::Ended;
                self.patience(world);
            }
            Way::Leave if self.is_websocket() => {
                self.say_leave(world);
                // Plain clients have left everything with it.
                match self.protocol {
                    Protocol::SocketIo => self.pause(world, Then::Reset),
                    _ => {
                        self.stage = Stage::Ended;
                        self.patience(world);
                    }
                }
            }
            Way::Goodbye | Way::Leave => {
                self.ask_goodbye(world);
                self.patience(world);
                // Polls and streams end with it; what they still bring is heard until then.
                self.stage = Stage::Leaving;
            }
            Way::Silence => self.fall_silent(world),
            Way::End | Way::HalfRequest | Way::HalfHandshake => self.go_on(world, Then::End),
            Way::Reset => self.go_on(world, Then::Reset),
        }
    }

    /// After a part of the way.
    pub fn pause(&mut self, world: &mut World, then: Then) {
        self.stage = Stage::Pausing(then);
        let ms = world.random.below(300);
        self.due_in(world, ms * MS);
    }

    /// Any of the three, after a while.
    pub fn pause_any(&mut self, world: &mut World) {
        let then = THENS[world.random.below(3) as usize];
        self.pause(world, then);
    }

    pub fn go_on(&mut self, world: &mut World, then: Then) {
        match then {
            Then::Reset => self.is_done(world),
            Then::End => {
                self.lines[POST].reset();
                self.lines[MAIN].finish();
                self.stage = Stage::Ended;
                self.patience(world);
            }
            Then::Wait if self.way == Way::HalfRequest => {
                self.stage = Stage::Ended;
                self.patience(world);
            }
            Then::Wait => self.fall_silent(world),
        }
    }

    /// The session is over, and said so; the connection follows.
    pub fn said_goodbye(&mut self, world: &mut World) {
        match self.lines[MAIN].is_open() {
            true => self.go_on(world, Then::End),
            false => self.is_done(world),
        }
    }

    /// Nobody asks for the session any more.
    pub fn ask_whether_forgotten(&mut self, world: &mut World) {
        if self.protocol == Protocol::EventSource && self.listens {
            // Its stream is open still, so its session lives, as it should.
            return self.is_done(world);
        }
        if self.lines[MAIN].under_way.is_some() {
            return self.failed(world, "has a poll that does not end", b"");
        }
        self.stage = Stage::Forgotten;
        self.patience(world);
        self.cursor.clear();
        let request = self.poll_request(world);
        self.line(world, MAIN).ask(Asked::Forgotten, request);
    }

    fn fall_silent(&mut self, world: &mut World) {
        self.stage = Stage::Silent;
        if self.protocol == Protocol::EventSource && self.listens {
            self.lines[MAIN].deafen(world, self.token);
        }
        // A WebSocket's silence is ended by the server and waited for; the others look whether it was.
        let patience_ns = if self.is_websocket() { 15_000 * MS } else { 0 };
        self.due_in(world, (world.options.silence * 1e9) as u64 + patience_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_gone_by_its_share() {
        let mut random = Random::new(1);
        let mut gone = [0; WAYS.len()];
        for _ in 0..10_000 {
            let way = Way::any(&mut random);
            gone[WAYS.iter().position(|(known, _)| *known == way).expect("a known one")] += 1;
        }
        assert_eq!(WAYS.iter().map(|(_, share)| share).sum::<u64>(), 100);
        for ((way, share), gone) in WAYS.iter().zip(gone) {
            assert!(share.abs_diff(gone / 100) <= 2, "{way:?}: {gone} of 10000");
        }
    }
}
