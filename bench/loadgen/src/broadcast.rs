//! `broadcast`: one sends, all receive. A delivery is one message at one client.
//!
//! The next one is sent when one has reached everybody, so that `window` of them are always under way. With more than one a
//! server may join several into one write.

use crate::{
    generator::{Generator, Next, Work},
    histogram::Histogram,
    link::Protocol,
    measure::{Cpu, Memory, Spent},
    options::Options,
    record::Record,
};

pub struct Broadcast {
    running: bool,
    payload: Vec<u8>,
    number: u32,
    under_way: Vec<UnderWay>,
    pub tally: Tally,
}

/// What is counted while it is measured.
pub struct Tally {
    pub measuring: bool,
    pub count: u64,
    pub latency: Histogram,
}

#[derive(Clone, Copy, Default)]
struct UnderWay {
    remaining: u32,
    sent_at: u64,
}

/// More than are ever under way at once.
const RING: usize = 1 << 12;
const NUMBER: std::ops::Range<usize> = 1..9;

pub fn run(options: &Options) -> Result<Record, String> {
    let mut generator = Generator::new(options, Work::Broadcast(Broadcast::new(options.size)))?;
    let before = Cpu::now(&options.pids, options.core);
    generator.connect_all()?;
    let connect = Cpu::now(&options.pids, options.core).since(&before, options.core);
    generator.run_for(0.5);
    generator.start_broadcasts();
    generator.run_for(options.warmup);

    let (spent, memory) = generator.measured();

    let (count, latency) = generator.counted().ok_or("nothing was counted")?;
    if count == 0 {
        return Err("nothing was delivered".into());
    }
    Ok(Record::of(options)
        .number("window", options.window.into())
        .spent(&spent, count)
        .latency("", latency)
        .number("us_per_connect", connect.total_us / options.n as f64)
        .number("resident_kb", memory.resident as f64)
        .number("errors", (generator.errors + generator.closed as u64) as f64))
}

impl Broadcast {
    pub fn new(size: usize) -> Self {
        Self {
            running: false,
            payload: vec![b'x'; size],
            number: 0,
            under_way: vec![UnderWay::default(); RING],
            tally: Tally::new(),
        }
    }

    /// The payload of the next one, which the caller gives back.
    pub fn next(&mut self, receivers: u32, now: u64) -> &mut Vec<u8> {
        self.under_way[self.number as usize % RING] = UnderWay { remaining: receivers, sent_at: now };
        self.payload[..NUMBER.end].copy_from_slice(format!("#{:08}", self.number % 100_000_000).as_bytes());
        self.number += 1;
        &mut self.payload
    }

    pub fn give_back(&mut self, payload: Vec<u8>) {
        self.payload = payload;
    }

    pub fn heard(&mut self, protocol: Protocol, message: &[u8], now: u64) -> Next {
        let size = self.payload.len();
        let payload = if protocol.is_socketio() {
            message.strip_prefix(b"42[\"msg\",\"").and_then(|rest| rest.strip_suffix(b"\"]"))
        } else if message.len() == size {
            Some(message)
        } else {
            // A plain client may get it inside an envelope; an envelope without one is the session's own news.
            let Some(start) = message.iter().position(|byte| *byte == b'#') else { return Next::Nothing };
            message.get(start..start + size)
        };
        let Some(number) = payload.filter(|payload| payload.len() == size).and_then(number) else { return Next::Odd };
        let under_way = &mut self.under_way[number as usize % RING];
        if under_way.remaining == 0 {
            // Delivered more often than there are clients.
            return Next::Odd;
        }
        under_way.remaining -= 1;
        self.tally.add(now.saturating_sub(under_way.sent_at));
        if under_way.remaining == 0 && self.running { Next::Broadcast } else { Next::Nothing }
    }
}

impl Tally {
    pub fn new() -> Self {
        Self { measuring: false, count: 0, latency: Histogram::new() }
    }

    pub fn add(&mut self, latency_ns: u64) {
        if self.measuring {
            self.count += 1;
            self.latency.add(latency_ns);
        }
    }
}

impl Generator<'_> {
    pub fn start_broadcasts(&mut self) {
        if let Work::Broadcast(broadcast) = &mut self.work {
            broadcast.running = true;
        }
        (0..self.options.window).for_each(|_| self.send_broadcast());
    }

    /// Counts for `secs`: what the server spent meanwhile, and its memory at the end. The load ends with it.
    pub fn measured(&mut self) -> (Spent, Memory) {
        let before = Cpu::now(&self.options.pids, self.options.core);
        self.measure(true);
        self.run_for(self.options.secs);
        let spent = Cpu::now(&self.options.pids, self.options.core).since(&before, self.options.core);
        self.measure(false);
        let memory = Memory::now(&self.options.pids);
        self.stop();
        (spent, memory)
    }

    /// Begins to count anew, or ends it.
    pub fn measure(&mut self, measuring: bool) {
        let tally = match &mut self.work {
            Work::Idle => return,
            Work::Broadcast(broadcast) => &mut broadcast.tally,
            Work::Echo(echo) => &mut echo.tally,
        };
        if measuring {
            *tally = Tally::new();
        }
        tally.measuring = measuring;
    }

    /// Sends no more, and lets what is under way arrive.
    pub fn stop(&mut self) {
        match &mut self.work {
            Work::Idle => {}
            Work::Broadcast(broadcast) => broadcast.running = false,
            Work::Echo(echo) => echo.running = false,
        }
        self.run_for(0.3);
    }

    pub fn counted(&self) -> Option<(u64, &Histogram)> {
        let tally = match &self.work {
            Work::Idle => return None,
            Work::Broadcast(broadcast) => &broadcast.tally,
            Work::Echo(echo) => &echo.tally,
        };
        Some((tally.count, &tally.latency))
    }
}

fn number(payload: &[u8]) -> Option<u32> {
    (payload.first() == Some(&b'#')).then_some(())?;
    std::str::from_utf8(payload.get(NUMBER)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(protocol: Protocol, message: &[u8], expected: Next) {
        let mut broadcast = Broadcast::new(12);
        broadcast.running = true;
        broadcast.next(1, 0);
        let heard = broadcast.heard(protocol, message, 1);
        assert_eq!(std::mem::discriminant(&heard), std::mem::discriminant(&expected), "{}", String::from_utf8_lossy(message));
    }

    #[test]
    fn the_last_delivery_sends_the_next() {
        check(Protocol::SocketIo, b"42[\"msg\",\"#00000000xxx\"]", Next::Broadcast);
        check(Protocol::WebSocket, b"#00000000xxx", Next::Broadcast);
        check(Protocol::LongPoll, b"#00000000xxx\"}]}", Next::Broadcast);
    }

    #[test]
    fn what_was_not_sent_is_odd() {
        check(Protocol::SocketIo, b"42[\"msg\",\"#00000000xxxx\"]", Next::Odd);
        check(Protocol::SocketIo, b"42[\"other\",\"#00000000xxx\"]", Next::Odd);
        check(Protocol::WebSocket, b"#00000001xxx", Next::Odd);
        check(Protocol::EventSource, b"{\"event\":\"connect\"}", Next::Nothing);
    }
}
