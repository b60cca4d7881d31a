//! `bystander`: how long a few echoes take while nothing else happens, and how long beside a broadcast that never ends.
//!
//! The subscribers live in a process of their own that runs only when the echoes' does not, so that what is measured is the
//! server's fairness and not ours.

use std::{
    io::{PipeReader, PipeWriter, Read, Write, pipe},
    process::exit,
};

use crate::{
    broadcast::Broadcast,
    echo::Echo,
    generator::{Generator, Work},
    measure::Cpu,
    options::{Mode, Options},
    record::Record,
    system::{now_ns, yield_to_others},
};

pub fn run(options: &Options) -> Result<Record, String> {
    let mut subscribers = Subscribers::start(options)?;
    subscribers.hear()?;
    let few = Options {
        n: options.bystanders,
        mode: Mode::Echo,
        pids: options.pids.clone(),
        clients: options.clients.clone(),
        publish: None,
        ..*options
    };
    let mut echoes = Generator::new(&few, Work::Echo(Echo::new(options.size, false)))?;
    echoes.connect_all()?;
    echoes.send_for(options.warmup);

    echoes.measure(true);
    echoes.send_for(options.secs);
    echoes.measure(false);
    let (_, quiet) = echoes.counted().ok_or("nothing was counted")?;
    let record = Record::of(options).latency("_quiet", quiet);

    subscribers.say();
    echoes.send_for(options.warmup);
    let before = Cpu::now(&options.pids, options.core);
    echoes.measure(true);
    echoes.send_for(options.secs);
    echoes.measure(false);
    let spent = Cpu::now(&options.pids, options.core).since(&before, options.core);
    let (count, beside) = echoes.counted().ok_or("nothing was counted")?;
    if count == 0 {
        return Err("no echo was answered beside the broadcasts".into());
    }
    let record = record.latency("_beside", beside).number("echoes", count as f64);
    subscribers.say();
    let [deliveries, errors] = subscribers.hear()?;
    Ok(record
        .number("deliveries_per_s", deliveries / (options.warmup + options.secs))
        .number("server_util", spent.server_util)
        .number("steal_pct", spent.stolen * 100.0)
        .number("errors", errors + (echoes.errors + echoes.closed as u64) as f64))
}

impl Generator<'_> {
    /// Each client asks at its rate, answered or not, all of them spread evenly.
    fn send_for(&mut self, secs: f64) {
        let gap_ns = (1e9 / (self.options.rate * self.clients.len() as f64)) as u64;
        let start = now_ns();
        let end = start + (secs * 1e9) as u64;
        let (mut due, mut client) = (start, 0);
        while now_ns() < end {
            while due <= now_ns() {
                self.send_echo(self.clients[client]);
                client = (client + 1) % self.clients.len();
                due += gap_ns;
            }
            self.turn(1);
        }
    }
}

/// The process that holds them, and the pipes to it.
struct Subscribers {
    go: PipeWriter,
    news: PipeReader,
}

impl Subscribers {
    fn start(options: &Options) -> Result<Self, String> {
        let (orders, go) = pipe().map_err(|error| format!("pipe: {error}"))?;
        let (news, tell) = pipe().map_err(|error| format!("pipe: {error}"))?;
        // SAFETY: there is one thread, and the child ends within `subscribe`.
        match unsafe { libc::fork() } {
            0 => {
                drop((go, news));
                yield_to_others();
                let result = subscribe(options, orders, tell);
                if let Err(why) = &result {
                    eprintln!("loadgen: subscribers: {why}");
                }
                exit(result.is_err().into())
            }
            1.. => Ok(Self { go, news }),
            _ => Err("fork failed".into()),
        }
    }

    fn say(&mut self) {
        let _ = self.go.write_all(b".");
    }

    fn hear(&mut self) -> Result<[f64; 2], String> {
        let mut bytes = [0; 16];
        self.news.read_exact(&mut bytes).map_err(|_| "the subscribers did not get ready")?;
        let (first, second) = bytes.split_at(8);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0.0, f64::from_ne_bytes);
        Ok([number(first), number(second)])
    }
}

fn subscribe(options: &Options, mut orders: PipeReader, mut tell: PipeWriter) -> Result<(), String> {
    let mut generator = Generator::new(options, Work::Broadcast(Broadcast::new(options.size)))?;
    generator.connect_all()?;
    generator.run_for(0.5);
    let mut order = || orders.read_exact(&mut [0]).map_err(|_| "the parent is gone".to_owned());
    let mut say = |numbers: [f64; 2]| tell.write_all(&numbers.map(f64::to_ne_bytes).concat()).map_err(|error| error.to_string());
    say([0.0, 0.0])?;
    order()?;
    generator.measure(true);
    generator.start_broadcasts();
    // The parent measures the last `secs` of it.
    generator.run_for(options.warmup + options.secs);
    let deliveries = generator.counted().map_or(0, |(count, _)| count);
    // On until the parent has read its clocks.
    generator.run_for(0.5);
    generator.stop();
    order()?;
    say([deliveries as f64, (generator.errors + generator.closed as u64) as f64])
}
