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
    /// Where messages for everybody are posted.
    pub(crate) posts: Vec<Target>,
    /// The most that are open at once, of all parts.
    pub(crate) connections: u64,
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

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::{Checker, Counts};

    fn again<T: Serialize + DeserializeOwned>(what: &T) -> T {
        let line = serde_json::to_string(what).expect("JSON");
        // A line is a message between processes.
        assert!(!line.contains('\n'), "{line}");
        serde_json::from_str(&line).expect("as it was written")
    }

    fn brief(clients: u64, index: u32, parts: u32) -> Brief {
        let mut file = File::default();
        file.load.clients = clients;
        Brief {
            file,
            target: Target::find("http://127.0.0.1:3000", &[]).expect("an address"),
            posts: Vec::new(),
            connections: clients,
            kinds: vec![Client::SocketIoWebSocket, Client::Sse, Client::LongPoll],
            run: 7,
            seed: 8,
            index,
            parts,
            epoch_unix_ns: unix_ns(),
            returns: true,
            slow: 0.1,
        }
    }

    #[test]
    fn orders_are_the_same_in_another_process() {
        let (up, away) = (Duration::from_millis(1_500), Duration::from_nanos(1));
        for order in [
            Order::Rehearse(Errand::Nothing),
            Order::Connect,
            Order::Tick,
            Order::Expect(Errand::Say { senders: 3, rate: 0.1 }),
            Order::Send(Errand::Ask { rate: 1e9 }),
            Order::Send(Errand::SayOnce { senders: 1 }),
            Order::Hush,
            Order::Befall(Event::Jitter { up, away, silent: 0.5 }),
            Order::Befall(Event::Avalanche { away, within: Duration::ZERO }),
            Order::Befall(Event::Slow { bytes_per_s: u64::MAX }),
            Order::Visit(Visit::Talk { per_s: 1.0, stay: up, asks_per_s: 2.0 }),
            Order::Leave,
            Order::Finish(vec![0, u32::MAX]),
        ] {
            assert_eq!(format!("{:?}", again(&order)), format!("{order:?}"));
        }
        let brief = brief(10, 1, 2);
        assert_eq!(format!("{:?}", again(&brief)), format!("{brief:?}"));
    }

    #[test]
    fn reports_are_the_same_in_another_process() {
        let mut part = PartTick { waiting: 3, back_ns: u64::MAX, ..PartTick::default() };
        part.tick.counts = Counts { opened: 1, lost: 2, ..Counts::default() };
        part.tick.latencies.record_ns(123_456);
        part.faults.add_kind("odd", 2, || "it was \"odd\",\nin two lines".into());
        let mut finished = Finished { resumed: 4, ..Finished::default() };
        finished.completeness.add(1, 2, Checker::new().finish(5));
        finished.latencies.push(("coming back".into(), part.tick.latencies.clone()));
        for report in [
            Report::Done,
            Report::Failed("why".into()),
            Report::Ticked(Box::new(part)),
            Report::Hushed(5, vec![(0, 2), (3, 3)]),
            Report::Finished(Box::new(finished)),
        ] {
            assert_eq!(format!("{:?}", again(&report)), format!("{report:?}"));
        }
    }

    #[test]
    fn every_client_belongs_to_one_part() {
        for (clients, parts) in [(1, 1), (10, 3), (2, 5), (1_000, 7)] {
            let mut all: Vec<u64> = (0..parts).flat_map(|index| brief(clients, index, parts).numbers()).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..clients), "{clients} in {parts}");
            let shares: f64 = (0..parts).map(|index| brief(clients, index, parts).share(100.0)).sum();
            assert!((shares - 100.0).abs() < 1e-9);
        }
        let kinds: Vec<Client> = (0..4).map(|number| brief(4, 0, 1).kind(number)).collect();
        assert_eq!(kinds, [Client::SocketIoWebSocket, Client::Sse, Client::LongPoll, Client::SocketIoWebSocket]);
    }

    #[test]
    fn parts_come_together_by_name() {
        let part = |ns| {
            let mut latencies = Latencies::new();
            latencies.record_ns(ns);
            Finished { latencies: vec![("connect".into(), latencies)], restarted: 1, ..Finished::default() }
        };
        let mut all = part(1_000);
        all.merge(part(2_000));
        all.merge(Finished { latencies: vec![("catching up".into(), Latencies::new())], ..Finished::default() });
        assert_eq!((all.restarted, all.latencies.len(), all.latencies[0].1.count()), (2, 2, 2));
    }
}
