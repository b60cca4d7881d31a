//! Connections that break after any byte: what was emitted is heard once and in order, on whichever way the client goes on.

use std::{collections::BTreeSet, time::Duration};

use sori::{ConnectionStateRecovery, History, Namespace, Server, Socket};
use tokio::time::{sleep, timeout};

use crate::{
    client::{Client, Way},
    dice::{Dice, case, cases},
};

/// What a client was told to come back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Nothing,
    History,
    Recovery,
    Both,
}

/// A client, and a model of what it must hear.
struct Story {
    io: Server,
    dice: Dice,
    client: Client,
    emitted: u32,
    expected: Vec<u32>,
    /// What may get lost with a connection, because no log holds it.
    fleeting: BTreeSet<u32>,
    received: Vec<u32>,
    rooms: BTreeSet<&'static str>,
    has_log: bool,
    is_log_short: bool,
    is_gap_told: bool,
    trace: Vec<String>,
    mistakes: Vec<&'static str>,
}

const ROOMS: [&str; 3] = ["a", "b", "c"];

fn server(kept: Kept, namespace: Namespace) -> Server {
    server_with(kept, namespace, 100_000)
}

fn server_with(kept: Kept, namespace: Namespace, events_max: u32) -> Server {
    let has_history = matches!(kept, Kept::History | Kept::Both);
    let recovers = matches!(kept, Kept::Recovery | Kept::Both);
    let namespace = namespace.allow_callbacks();
    let namespace = match has_history {
        true => namespace.history(History::new(events_max, Duration::from_secs(3_600))),
        false => namespace,
    };
    // Longer than anybody here is away.
    let recovery = ConnectionStateRecovery { max_disconnection_duration: Duration::from_secs(36_000), ..Default::default() };
    Server::builder()
        .connection_state_recovery(recovers.then_some(recovery))
        .limits(|limits| limits.log_events_max = events_max)
        .namespace("/", namespace)
        .build()
        .unwrap()
}

impl Story {
    fn new(io: Server, dice: Dice, client: Client) -> Self {
        Self {
            io,
            dice,
            client,
            emitted: 0,
            expected: Vec::new(),
            fleeting: BTreeSet::new(),
            received: Vec::new(),
            rooms: BTreeSet::new(),
            has_log: true,
            is_log_short: false,
            is_gap_told: false,
            trace: Vec::new(),
            mistakes: Vec::new(),
        }
    }

    fn socket(&self) -> Option<Socket> {
        self.io.of("/").socket(&self.client.id())
    }

    /// One event to somebody, maybe to this client.
    fn emit(&mut self) {
        let n = self.emitted;
        self.emitted += 1;
        let padding = "~".repeat(self.dice.below(300) as usize);
        let data = (n, padding);
        let (a, b) = (self.dice.pick(&ROOMS), self.dice.pick(&ROOMS));
        let (to, is_meant) = match self.dice.below(5) {
            0 => (self.io.of("/"), true),
            1 | 2 => (self.io.to(a), self.rooms.contains(a)),
            3 => (self.io.to([a, b]), self.rooms.contains(a) || self.rooms.contains(b)),
            _ => (self.io.of("/").except(a), !self.rooms.contains(a)),
        };
        self.trace.push(format!("emit {n} {}", if is_meant { "" } else { "to others" }));
        to.emit("n", &data).unwrap();
        if is_meant {
            self.expected.push(n);
        }
    }

    /// One event to this client alone, if the server thinks that it is there.
    fn emit_to_it(&mut self) {
        if let Some(socket) = self.socket() {
            self.trace.push(format!("own {}", self.emitted));
            socket.emit("n", &(self.emitted, "own")).unwrap();
            self.expected.push(self.emitted);
            self.emitted += 1;
        }
    }

    /// One event that no log holds.
    fn emit_fleeting(&mut self) {
        if let Some(socket) = self.socket() {
            self.trace.push(format!("fleeting {}", self.emitted));
            drop(socket.emit_with_ack::<u32>("n", &(self.emitted, "fleeting")));
            self.fleeting.insert(self.emitted);
            self.emitted += 1;
        }
    }

    fn change_rooms(&mut self) {
        let room = self.dice.pick(&ROOMS);
        let Some(socket) = self.socket() else { return };
        if self.rooms.remove(room) {
            self.trace.push(format!("leave {room}"));
            socket.leave(room);
        } else {
            self.trace.push(format!("join {room}"));
            self.rooms.insert(room);
            socket.join(room);
        }
    }

    /// Goes on in some way, for as long as the network holds.
    async fn listen(&mut self, ways: &[Way]) {
        let way = self.dice.pick(ways);
        self.client.budget = match self.dice.below(4) {
            0 => usize::MAX,
            1 => self.dice.below(500) as usize,
            _ => self.dice.below(5_000) as usize,
        };
        self.client.buffer = [64, 500, 4_096, 64 << 10][self.dice.below(4) as usize];
        self.trace.push(format!("listen {way:?} since {:?}, {} bytes", self.client.since, self.client.budget));
        self.client.listen(way).await;
    }

    async fn read(&mut self, most: u64) {
        for _ in 0..most {
            let connects = self.client.connects;
            let heard = timeout(Duration::from_millis(5), self.client.next()).await;
            if self.client.connects > connects && self.client.connects > 1 {
                self.trace.push(format!("connect {}", self.client.connect));
                match self.client.connect["recovered"] == self.has_log {
                    true => {}
                    false if self.is_log_short => self.is_gap_told = true,
                    false => self.mistakes.push("the log reaches, and that was not said"),
                }
            }
            match heard {
                // A WebSocket that another connection has replaced says so, and no more.
                Ok(Some(said)) if said.is("disconnect") => self.mistakes.push("it was sent away"),
                Ok(Some(said)) => {
                    let n = said.number().expect("a number");
                    self.trace.push(format!("heard {n} at {:?}", said.id));
                    self.received.push(n);
                }
                Ok(None) => {
                    if self.client.refused.is_some() {
                        self.mistakes.push("it was refused");
                    }
                    return self.trace.push("broken".into());
                }
                Err(_) => return,
            }
        }
    }

    /// The network holds from here on; then what was heard must be what was emitted.
    async fn catch_up(mut self, ways: &[Way], fresh_session: bool) {
        self.client.budget = usize::MAX;
        let way = self.dice.pick(ways);
        if fresh_session {
            self.client.sid = None;
        }
        self.trace.push(format!("at last {way:?} since {:?}", self.client.since));
        self.client.listen(way).await;
        // However slow the way is.
        for _ in 0..400 {
            let logged = self.received.iter().filter(|n| !self.fleeting.contains(n)).count();
            if logged >= self.expected.len() {
                break;
            }
            self.read(100).await;
        }
        self.read(20).await;
        sleep(Duration::from_millis(60)).await;
        self.read(20).await;
        if self.is_gap_told {
            self.expected.retain(|n| self.received.contains(n));
        }
        let logged: Vec<u32> = self.received.iter().copied().filter(|n| !self.fleeting.contains(n)).collect();
        let story = || self.trace.join("\n");
        assert!(self.mistakes.is_empty(), "{:?}\n{}", self.mistakes, story());
        assert_eq!(logged, self.expected, "what was heard, of what was emitted:\n{}", story());
        assert!(self.received.is_sorted_by(|a, b| a < b), "what no log holds: {:?}\n{}", self.received, story());
        assert_eq!(self.io.stats().handler_panics(), 0);
    }
}

/// A session that a POST has opened goes on until nobody asks for it.
#[test]
fn a_session_of_its_own_misses_nothing_whatever_breaks_and_carries_it() {
    for seed in 0..cases(30) {
        case(seed, session_of_its_own(seed));
    }
}

async fn session_of_its_own(seed: u64) {
    let mut dice = Dice::new(seed);
    let io = server(dice.pick(&[Kept::History, Kept::Recovery, Kept::Both]), Namespace::new());
    let client = Client::open_by_post(&io, "/live").await;
    // Some stay with one kind of way.
    let ways = match dice.below(4) {
        0 => &Way::STREAMS[..],
        1 => &Way::POLLS[..],
        _ => &Way::PLAIN[..],
    };
    let mut story = Story::new(io, dice, client);
    for _ in 0..20 + story.dice.below(60) {
        match story.dice.below(12) {
            0 | 1 => story.change_rooms(),
            2..5 => (0..story.dice.below(8)).for_each(|_| story.emit()),
            5 => story.emit_to_it(),
            6 => story.emit_fleeting(),
            7 | 8 => story.listen(ways).await,
            9 => story.client.hang_up(),
            _ => {
                let most = 1 + story.dice.below(10);
                story.read(most).await;
            }
        }
    }
    story.catch_up(ways, false).await;
}

/// A log that is too short for what a connection took with it: that is told, and otherwise nothing is missing.
#[test]
fn where_the_log_does_not_reach_that_is_told() {
    for seed in 0..cases(30) {
        case(seed, short_log(seed));
    }
}

async fn short_log(seed: u64) {
    let mut dice = Dice::new(seed);
    let events_max = 3 + dice.below(20) as u32;
    let io = server_with(dice.pick(&[Kept::History, Kept::Recovery, Kept::Both]), Namespace::new(), events_max);
    let client = Client::open_by_post(&io, "/live").await;
    let mut story = Story::new(io, dice, client);
    story.is_log_short = true;
    let ways = [Way::Sse, Way::SseEnvelopes, Way::Lines, Way::Multipart, Way::Iframe, Way::Raw];
    for _ in 0..20 + story.dice.below(40) {
        match story.dice.below(8) {
            0 => story.change_rooms(),
            1..4 => (0..story.dice.below(8)).for_each(|_| story.emit()),
            4 | 5 => story.listen(&ways).await,
            _ => {
                let most = 1 + story.dice.below(10);
                story.read(most).await;
            }
        }
    }
    story.catch_up(&ways, false).await;
}

/// Without a log, polls still confirm what they got.
#[test]
fn without_a_log_polls_miss_nothing() {
    for seed in 0..cases(25) {
        case(seed, polls_without_a_log(seed));
    }
}

async fn polls_without_a_log(seed: u64) {
    let mut dice = Dice::new(seed);
    let io = server(Kept::Nothing, Namespace::new());
    let client = match dice.chance(2) {
        true => Client::open_by_post(&io, "/live").await,
        false => Client::open(&io, "/live", dice.pick(&Way::POLLS)).await,
    };
    let mut story = Story::new(io, dice, client);
    story.has_log = false;
    for _ in 0..20 + story.dice.below(60) {
        match story.dice.below(8) {
            0 => story.change_rooms(),
            1 | 2 => (0..story.dice.below(8)).for_each(|_| story.emit()),
            3 => story.emit_to_it(),
            4 => story.listen(&Way::POLLS).await,
            _ => {
                let most = 1 + story.dice.below(10);
                story.read(most).await;
            }
        }
    }
    // A stream or a WebSocket goes on where the last answer that came has ended.
    story.catch_up(&Way::PLAIN, false).await;
}

/// Nobody knows such a session but its stream: a new one reads what its rooms keep.
#[test]
fn whoever_comes_with_a_cursor_gets_what_its_rooms_received_since() {
    for seed in 0..cases(30) {
        case(seed, history(seed));
    }
}

async fn history(seed: u64) {
    let mut dice = Dice::new(seed);
    let pause_ms = dice.below(3) * 2;
    let namespace = Namespace::new().on_connect(move |socket: Socket| async move {
        socket.join("a");
        // Events go on meanwhile.
        sleep(Duration::from_millis(pause_ms)).await;
        socket.join("b");
    });
    let io = server(Kept::History, namespace);
    let mut client = Client::new(&io, "/live");
    client.since = Some("-0".into());
    client.listen(dice.pick(&Way::PLAIN)).await;
    client.connected().await;
    client.connects = 1;
    let mut story = Story::new(io, dice, client);
    story.rooms.extend(["a", "b"]);
    for _ in 0..20 + story.dice.below(40) {
        match story.dice.below(8) {
            0..3 => (0..story.dice.below(8)).for_each(|_| story.emit()),
            3 | 4 => {
                story.client.sid = None;
                let more = (story.dice.below(4), story.dice.below(4));
                let io = story.io.clone();
                // While it is let in, others emit.
                let others = async {
                    sleep(Duration::from_millis(more.0)).await;
                    io.to("nobody").emit("n", &(0, "")).unwrap();
                };
                tokio::join!(story.listen(&Way::PLAIN), others);
            }
            5 => story.client.hang_up(),
            _ => {
                let most = 1 + story.dice.below(10);
                story.read(most).await;
            }
        }
        let ms = story.dice.below(3);
        sleep(Duration::from_millis(ms)).await;
    }
    story.catch_up(&Way::PLAIN, true).await;
}

/// With recovery a client comes back as who it was.
#[test]
fn whoever_comes_back_in_time_is_who_it_was() {
    for seed in 0..cases(30) {
        case(seed, recovery(seed));
    }
}

async fn recovery(seed: u64) {
    let mut dice = Dice::new(seed);
    let io = server(dice.pick(&[Kept::Recovery, Kept::Both]), Namespace::new());
    let client = Client::open(&io, "/live", dice.pick(&Way::PLAIN)).await;
    let (id, sid) = (client.id(), client.sid.clone());
    let mut story = Story::new(io, dice, client);
    for _ in 0..20 + story.dice.below(40) {
        match story.dice.below(10) {
            0 => story.change_rooms(),
            1..4 => (0..story.dice.below(8)).for_each(|_| story.emit()),
            4 => story.emit_to_it(),
            5 | 6 => story.listen(&Way::PLAIN).await,
            7 => {
                story.client.hang_up();
                // Polls have no connection whose end could be noticed; a minute without one is the end.
                let ms = story.dice.pick(&[0, 1, 50, 70_000]);
                sleep(Duration::from_millis(ms)).await;
            }
            _ => {
                let most = 1 + story.dice.below(10);
                story.read(most).await;
            }
        }
    }
    story.client.sid = sid.clone();
    let who = (story.io.clone(), id, story.rooms.clone());
    story.catch_up(&Way::PLAIN, false).await;
    let (io, id, rooms) = who;
    let socket = io.of("/").socket(&id);
    if let Some(socket) = socket {
        let again: BTreeSet<String> = socket.rooms().into_iter().skip(1).collect();
        assert_eq!(again, rooms.into_iter().map(str::to_owned).collect());
    }
}
