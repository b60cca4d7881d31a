//! What a part of the load is told, and what it tells: within a process by channels, between processes as lines of JSON.

use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::{
    Completeness, Latencies, Target, Tick,
    fault::Faults,
    options::{Client, File},
};

/// What a part has to know before it begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Brief {
    pub(crate) file: File,
    pub(crate) target: Target,
    /// Who the clients are: the first is of the first kind, and so on, and around.
    pub(crate) kinds: Vec<Client>,
    /// See [`Stamp::run`](crate::Stamp::run).
    pub(crate) run: u32,
    pub(crate) seed: u64,
    /// Which part it is.
    pub(crate) index: u32,
    /// Of how many.
    pub(crate) parts: u32,
    /// When the run began, in nanoseconds since 1970: all parts count from there.
    pub(crate) epoch_unix_ns: u64,
    /// Whether clients whose connection is lost come back.
    pub(crate) returns: bool,
    /// The share of the clients that reads slowly when it is told to.
    pub(crate) slow: f64,
}

/// Something to do. Each is answered by one [`Report`], in their order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Try with one client of each kind whether all of this can work.
    Rehearse(Errand),
    /// Begin to connect everybody.
    Connect,
    /// Tell what happened since the last time.
    Tick,
    /// Somebody will send this.
    Expect(Errand),
    /// Begin to send.
    Send(Errand),
    /// Stop sending, and tell how much was sent.
    Hush,
    /// Something happens to the clients.
    Befall(Event),
    /// Clients come and go from now on.
    Visit(Visit),
    /// Everybody leaves, in the way of their protocol.
    Leave,
    /// The end. How much each sender has sent, of all parts.
    Finish(Vec<u32>),
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Errand {
    /// Nothing.
    Nothing,
    /// Each client asks and is answered; by default so many messages a second.
    Ask { rate: f64 },
    /// So many senders say something to everybody; by default so many messages a second.
    Say { senders: u32, rate: f64 },
    /// The same, once for each sender.
    SayOnce { senders: u32 },
}

/// What happens to the clients.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// The slow ones become slow, and read so many bytes a second.
    Slow { bytes_per_s: u64 },
    /// Their networks come and go.
    Jitter { up: Duration, away: Duration, silent: f64 },
    /// Everybody but those that send is cut off, and comes back.
    Avalanche { away: Duration, within: Duration },
    /// That is over.
    Calm,
}

/// How clients come and go.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Visit {
    /// They connect, stay so long, and leave.
    Look { per_s: f64, stay: Duration },
    /// They connect, ask, and leave in all ways.
    Talk { per_s: f64, stay: Duration, asks_per_s: f64 },
    /// No more of them. Those who are there leave as they were going to.
    Nobody,
}

/// What a part answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    Done,
    /// It cannot work, and why.
    Failed(String),
    Ticked(Box<PartTick>),
    /// The first number counts all; then, for each sender of this part, which it is and how many it has sent.
    Hushed(u64, Vec<(u32, u32)>),
    Finished(Box<Finished>),
}

/// What happened in a part since the last time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PartTick {
    pub(crate) tick: Tick,
    pub(crate) faults: Faults,
    /// Clients that have not yet tried to connect, or not yet succeeded where they try again.
    pub(crate) waiting: u64,
    /// When the last one that had been away was back.
    pub(crate) back_ns: u64,
}

/// What a part knows at the end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Finished {
    pub(crate) completeness: Completeness,
    /// Of those that were to read slowly.
    pub(crate) slow: Completeness,
    pub(crate) latencies: Vec<(String, Latencies)>,
    /// Connections that went on where they had been, and that could not.
    pub(crate) resumed: u64,
    pub(crate) restarted: u64,
    /// Slow readers that the server has closed.
    pub(crate) slow_closed: u64,
}

impl PartTick {
    pub(crate) fn merge(&mut self, other: Self) {
        self.tick.merge(&other.tick);
        self.faults.merge(other.faults);
        self.waiting += other.waiting;
        self.back_ns = self.back_ns.max(other.back_ns);
    }
}

impl Finished {
    pub(crate) fn merge(&mut self, other: Self) {
        self.completeness.merge(other.completeness);
        self.slow.merge(other.slow);
        self.resumed += other.resumed;
        self.restarted += other.restarted;
        self.slow_closed += other.slow_closed;
        for (name, latencies) in other.latencies {
            match self.latencies.iter_mut().find(|(own, _)| *own == name) {
                Some((_, own)) => own.merge(&latencies),
                None => self.latencies.push((name, latencies)),
            }
        }
    }
}

impl Brief {
    /// When the run began.
    pub(crate) fn epoch(&self) -> Instant {
        let passed = unix_ns().saturating_sub(self.epoch_unix_ns);
        Instant::now().checked_sub(Duration::from_nanos(passed)).unwrap_or_else(Instant::now)
    }

    /// Clients of this part, by their numbers in the run.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> + use<> {
        (u64::from(self.index)..self.file.load.clients).step_by(self.parts.max(1) as usize)
    }

    /// What of `all` a second is this part's.
    pub(crate) fn share(&self, all: f64) -> f64 {
        all / f64::from(self.parts.max(1))
    }

    pub(crate) fn kind(&self, number: u64) -> Client {
        self.kinds[(number % self.kinds.len() as u64) as usize]
    }
}

/// The system's clock, which all processes of a machine share.
pub(crate) fn unix_ns() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}
