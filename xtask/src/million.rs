//! `cargo xtask million`: a million idle connections on this machine, on as many processes as its descriptors demand.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use crate::{
    bench::{descriptors_max, machine, render},
    house::House,
    outcome::Stop,
    server::Server,
    suite::Run,
};

pub const HELP: &str = "\
cargo xtask million [--clients N] [--rate R] [--settle S] [--seconds S] [--into NAME] [--sori PATH]
    Opens a million connections of Socket.IO to as many processes of Sori as that demands, on one shared port, leaves them alone, and
    sends one message to all. Writes docs/benchmarks/million.json and renders docs/benchmarks.md.
    --clients N    so many instead;  --rate R  connections a second (4000)
    --settle S     how long it rests before it is measured (40);  --seconds S  how long it is measured (60)
    --into NAME    into target/bench/NAME, and docs stay as they are
    --sori PATH    this program instead of the release that the checkout builds";

struct Options {
    clients: u64,
    rate: u64,
    settle: u64,
    seconds: u64,
    into: Option<String>,
    sori: Option<String>,
}

/// The kernel's own figures, every other second, to be looked at when it is known what happened when.
struct Kernel {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Vec<Reading>>,
}

#[derive(Clone, Copy)]
struct Reading {
    unix_ms: u64,
    available_bytes: u64,
    loopback_bytes: u64,
    loopback_packets: u64,
}

/// Runs it, and tells whether everybody was there and heard the message.
pub fn million(words: &[&str]) -> Result<bool, String> {
    let options = Options::parse(words)?;
    let house = House::find()?;
    let docs = options.into.as_ref().map_or_else(|| house.root.join("docs"), |name| house.target.join("bench").join(name));
    let folder = docs.join("benchmarks");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let run = Run::named(house, "million");
    let measured = measure(&run, &options).map_err(|stop| match stop {
        Stop::Failed(why) => why,
        Stop::Missing(missing) => format!("{}\n  mend it with: {}", missing.what, missing.mend),
    })?;
    let is_whole = measured["run"]["ended"]["how"] == "whole" && measured["run"]["completeness"]["missing"] == 0;
    let path = folder.join("million.json");
    let text = serde_json::to_string(&measured).map_err(|error| error.to_string())? + "\n";
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    run.say(&format!("written: {}", path.display()));
    if options.into.is_none() {
        render(&run)?;
    }
    Ok(is_whole)
}

fn measure(run: &Run, options: &Options) -> Result<Value, Stop> {
    let program = match &options.sori {
        Some(program) => program.into(),
        None => {
            run.cargo(["build", "--release", "--bin", "sori"]).must()?;
            run.house.target.join("release/sori")
        }
    };
    let each = descriptors_max().saturating_sub(BESIDE) as u64;
    let processes = (options.clients * 100).div_ceil(each * FILLED_PERCENT).max(1);
    let needed = options.clients * PAIR_BYTES + processes * 2 * PROCESS_BYTES;
    let before = reading();
    if needed > before.available_bytes {
        return Err(Stop::Failed(format!(
            "{} connections need some {} MiB, and {} MiB are free: --clients takes fewer",
            options.clients,
            needed >> 20,
            before.available_bytes >> 20
        )));
    }
    run.say(&format!("{processes} processes of Sori for {} connections", options.clients));
    let servers = start(&program, processes)?;
    let shared = format!("http://127.0.0.1:{SHARED_PORT}/");
    let started = reading();
    let kernel = Kernel::watch();
    let result = run.house.target.join("million.json");
    let settings = run.house.target.join("million.toml");
    fs::write(&settings, format!("[idle]\nsettle = \"{}s\"\n[load]\ndrain = \"120s\"\n", options.settle))
        .map_err(|error| Stop::Failed(format!("{}: {error}", settings.display())))?;
    let step = run.step(&program).args(["bench", "idle", &shared, "--name", "Sori", "--interval", "10s"]);
    let step = step.args(["--clients", &options.clients.to_string(), "--connect-rate", &options.rate.to_string()]);
    let step = step.args(["--duration", &format!("{}s", options.seconds), "--json", "million.json"]);
    // By their names alone: the result repeats its options, and is published.
    let step = step.args(["--file", "million.toml"]).folder(&run.house.target);
    let step = servers.iter().fold(step, |step, server| {
        let post = format!("http://127.0.0.1:{}/live/?event=broadcast", server.port);
        step.args(["--pid", &server.pid().to_string(), "--post-url", &post])
    });
    let _ = fs::remove_file(&result);
    let finished = step.limit(Duration::from_secs(3_600)).run();
    let readings = kernel.readings();
    let text = fs::read_to_string(&result).map_err(|_| Stop::Failed(finished.why))?;
    let result: Value = serde_json::from_str(&text).map_err(|error| Stop::Failed(error.to_string()))?;
    let idle = Idle::of(&result, &readings);
    Ok(json!({
        "machine": machine::describe(run, options.sori.is_none(), &[]),
        "clients": options.clients,
        "processes": processes,
        "ping_interval_s": PING_INTERVAL_S,
        "processes_alone_bytes": before.available_bytes.saturating_sub(started.available_bytes),
        "all_memory_bytes": started.available_bytes.saturating_sub(idle.available_bytes),
        "idle": { "loopback_bytes_per_s": idle.bytes_per_s, "loopback_packets_per_s": idle.packets_per_s },
        "run": result,
    }))
}

/// What the kernel saw while everybody was idle.
struct Idle {
    available_bytes: u64,
    bytes_per_s: f64,
    packets_per_s: f64,
}

impl Idle {
    fn of(result: &Value, readings: &[Reading]) -> Self {
        let started_ms = result["started_unix_ms"].as_u64().unwrap_or(0);
        let intervals = result["series"]["intervals"].as_array().cloned().unwrap_or_default();
        // The message at the end is not idle any more.
        let idle = intervals.iter().filter(|at| at["phase"] == "measure" && at["delivered"] == 0);
        let times: Vec<(u64, u64)> = idle
            .filter_map(|at| Some((at["from_ms"].as_u64()?, at["ms"].as_u64()?)))
            .map(|(from, ms)| (started_ms + from, started_ms + from + ms))
            .collect();
        let (from, to) = (times.first().map_or(0, |at| at.0), times.last().map_or(0, |at| at.1));
        let within: Vec<&Reading> = readings.iter().filter(|at| (from..=to).contains(&at.unix_ms)).collect();
        let (Some(first), Some(last)) = (within.first(), within.last()) else {
            return Self { available_bytes: 0, bytes_per_s: 0.0, packets_per_s: 0.0 };
        };
        let seconds = (last.unix_ms - first.unix_ms).max(1) as f64 / 1e3;
        Self {
            available_bytes: last.available_bytes,
            bytes_per_s: (last.loopback_bytes - first.loopback_bytes) as f64 / seconds,
            packets_per_s: (last.loopback_packets - first.loopback_packets) as f64 / seconds,
        }
    }
}

fn start(program: &Path, processes: u64) -> Result<Vec<Server>, Stop> {
    let shared = format!("127.0.0.1:{SHARED_PORT}");
    let args = ["bench", "serve", "--listen", "127.0.0.1:0", "--shared", &shared];
    (0..processes).map(|_| Server::start(program, &args).map_err(Stop::Failed)).collect()
}

impl Kernel {
    fn watch() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let mut readings = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                readings.push(reading());
                thread::sleep(Duration::from_secs(2));
            }
            readings
        });
        Self { stop, thread }
    }

    fn readings(self) -> Vec<Reading> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

fn reading() -> Reading {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap_or_default();
    let kib: u64 = available.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let devices = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let loopback = devices.lines().find_map(|line| line.trim().strip_prefix("lo:")).unwrap_or_default();
    let mut received = loopback.split_whitespace().map(|number| number.parse().unwrap_or(0));
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Reading {
        unix_ms: unix.as_millis() as u64,
        available_bytes: kib << 10,
        loopback_bytes: received.next().unwrap_or(0),
        loopback_packets: received.next().unwrap_or(0),
    }
}

impl Options {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self { clients: 1_000_000, rate: 4_000, settle: 40, seconds: 60, into: None, sori: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let value = words.next().copied().ok_or_else(|| format!("{word} wants a value"))?;
            let number = || value.parse::<u64>().map(|number| number.max(1)).map_err(|_| format!("{word} wants a number"));
            match *word {
                "--clients" => options.clients = number()?,
                "--rate" => options.rate = number()?,
                "--settle" => options.settle = number()?,
                "--seconds" => options.seconds = number()?,
                "--into" => options.into = Some(value.into()),
                "--sori" => options.sori = Some(value.into()),
                other => return Err(format!("`{other}` is not an option of `cargo xtask million`\n\n{HELP}")),
            }
        }
        Ok(options)
    }
}

const SHARED_PORT: u16 = 4030;
/// Socket.IO's default.
const PING_INTERVAL_S: u64 = 25;
/// Descriptors of a process beside its clients.
const BESIDE: usize = 128;
/// The kernel deals connections to the processes by their addresses, which chance makes uneven: one of 19,000 has some 140 more or less.
const FILLED_PERCENT: u64 = 95;
/// Measured with 100,000: the kernel's for both ends, Sori's, and the tester's.
const PAIR_BYTES: u64 = 14_500;
const PROCESS_BYTES: u64 = 8 << 20;
