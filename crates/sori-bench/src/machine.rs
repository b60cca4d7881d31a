//! What the kernel knows of the generator, the machine and the server: `/proc`, where there is one.

mod proc;

use std::{collections::HashMap, fs, time::Instant};

use serde::{Deserialize, Serialize};

/// Reads the kernel's figures again and again, and tells what happened between.
#[derive(Debug)]
pub struct Watch {
    /// The generator's.
    own: Vec<u32>,
    /// The server's.
    pids: Vec<u32>,
    last: Option<Reading>,
}

/// What happened between two readings. CPU time is in cores: 1.5 is one and a half of them, all the time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// The generator's CPU time.
    pub own_cores: f64,
    /// That of its busiest thread, which cannot have more than 1.
    pub own_busiest_thread: f64,
    /// Its resident memory.
    pub own_memory_bytes: u64,
    /// Its open files and connections.
    pub own_descriptors: u64,
    /// CPU time of everything on this machine, by the time that its cores have: from 0 to 1.
    pub machine_busy: f64,
    /// Time that the hypervisor gave to other machines: from 0 to 1.
    pub machine_stolen: f64,
    /// Memory that programs could still have.
    pub machine_available_bytes: u64,
    /// What the kernel holds for TCP connections' data.
    pub machine_tcp_bytes: u64,
    /// The server, if its process ids are known.
    pub server: Option<ServerSample>,
}

/// The server's processes together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerSample {
    /// CPU time.
    pub cores: f64,
    /// The share of it that was the kernel's for the server: from 0 to 1.
    pub kernel_share: f64,
    /// That of its busiest thread.
    pub busiest_thread: f64,
    /// Resident memory.
    pub memory_bytes: u64,
    /// How many of the processes are there.
    pub processes: u64,
}

/// The machine that the generator runs on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// The processor, as it calls itself.
    pub cpu: String,
    /// How many cores.
    pub cores: u64,
    /// All memory.
    pub memory_bytes: u64,
    /// The system, as it calls itself.
    pub system: String,
}

impl Watch {
    /// Watches the generator and the machine, and the server's processes. Names the ones that are not there.
    pub fn new(pids: &[u32]) -> Result<Self, String> {
        let missing: Vec<String> = pids.iter().filter(|pid| !proc::exists(**pid)).map(u32::to_string).collect();
        match &missing[..] {
            [] => {
                let own = vec![std::process::id()];
                let last = Reading::now(&own, pids);
                Ok(Self { own, pids: pids.to_vec(), last })
            }
            [pid] => Err(format!("there is no process {pid} on this machine (--pid); `pidof NAME` finds a server's")),
            pids => Err(format!("there are no processes {} on this machine (--pid)", pids.join(", "))),
        }
    }

    /// These processes are the generator's, too.
    pub fn helped_by(&mut self, pids: Vec<u32>) {
        self.own.extend(pids);
        self.last = Reading::now(&self.own, &self.pids);
    }

    /// How many cores the server may use, as far as the kernel knows: all that one of its processes may run on.
    pub fn server_cores_max(&self) -> Option<f64> {
        self.pids.iter().filter_map(|pid| proc::cores_allowed(*pid)).max().map(|cores| cores as f64)
    }

    /// What happened since the last time; `None` where the kernel does not tell.
    pub fn sample(&mut self) -> Option<Sample> {
        let now = Reading::now(&self.own, &self.pids)?;
        let then = self.last.replace(now.clone())?;
        Some(now.since(&then))
    }
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            cpu: proc::cpu_model(&read("/proc/cpuinfo")).unwrap_or_else(|| std::env::consts::ARCH.into()),
            cores: proc::cores(&read("/proc/stat")).unwrap_or_else(available_cores),
            memory_bytes: proc::kib(&read("/proc/meminfo"), "MemTotal:") * 1024,
            system: format!("{} {}", std::env::consts::OS, read("/proc/sys/kernel/osrelease").trim()).trim_end().into(),
        }
    }
}

impl Sample {
    /// Both together, weighted by how long they took; of memory and descriptors the later.
    pub(crate) fn followed_by(self, next: Self, ms: u64, next_ms: u64) -> Self {
        let whole = (ms + next_ms).max(1) as f64;
        let mean = |a: f64, b: f64| (a * ms as f64 + b * next_ms as f64) / whole;
        Self {
            own_cores: mean(self.own_cores, next.own_cores),
            own_busiest_thread: mean(self.own_busiest_thread, next.own_busiest_thread),
            machine_busy: mean(self.machine_busy, next.machine_busy),
            machine_stolen: mean(self.machine_stolen, next.machine_stolen),
            server: match (self.server, next.server) {
                (Some(a), Some(b)) => Some(ServerSample {
                    cores: mean(a.cores, b.cores),
                    kernel_share: mean(a.kernel_share, b.kernel_share),
                    busiest_thread: mean(a.busiest_thread, b.busiest_thread),
                    ..b
                }),
                (a, b) => b.or(a),
            },
            ..next
        }
    }
}

/// Counters as of one moment.
#[derive(Clone, Debug)]
struct Reading {
    at: Instant,
    own: Times,
    own_memory_bytes: u64,
    own_descriptors: u64,
    server: Times,
    server_memory_bytes: u64,
    server_processes: u64,
    watches_server: bool,
    machine: proc::MachineTimes,
    cores: u64,
    available_bytes: u64,
    tcp_bytes: u64,
}

/// CPU times in seconds.
#[derive(Clone, Debug, Default)]
struct Times {
    user_s: f64,
    system_s: f64,
    threads_s: HashMap<(u32, u32), f64>,
}

impl Reading {
    fn now(own: &[u32], pids: &[u32]) -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Some(Self {
            at: Instant::now(),
            own: Times::of(own),
            own_memory_bytes: own.iter().map(|pid| proc::memory_bytes(*pid)).sum(),
            own_descriptors: own.iter().map(|pid| proc::descriptors(*pid)).sum(),
            server: Times::of(pids),
            server_memory_bytes: pids.iter().map(|pid| proc::memory_bytes(*pid)).sum(),
            server_processes: pids.iter().filter(|pid| proc::exists(**pid)).count() as u64,
            watches_server: !pids.is_empty(),
            machine: proc::machine_times(&stat)?,
            cores: proc::cores(&stat)?,
            available_bytes: proc::kib(&meminfo, "MemAvailable:") * 1024,
            tcp_bytes: proc::tcp_pages(&fs::read_to_string("/proc/net/sockstat").unwrap_or_default()) * PAGE_BYTES,
        })
    }

    fn since(self, then: &Self) -> Sample {
        let wall_s = self.at.duration_since(then.at).as_secs_f64().max(1e-3);
        let cores_s = wall_s * self.cores as f64;
        let server = self.watches_server.then(|| {
            let (user_s, system_s) = (self.server.user_s - then.server.user_s, self.server.system_s - then.server.system_s);
            ServerSample {
                // A process that has ended takes its times with it.
                cores: ((user_s + system_s) / wall_s).max(0.0),
                kernel_share: if user_s + system_s > 0.0 { (system_s / (user_s + system_s)).clamp(0.0, 1.0) } else { 0.0 },
                busiest_thread: self.server.busiest_s(&then.server) / wall_s,
                memory_bytes: self.server_memory_bytes,
                processes: self.server_processes,
            }
        });
        let own_cores = (self.own.all_s() - then.own.all_s()) / wall_s;
        let machine_busy = ((self.machine.busy_s - then.machine.busy_s) / cores_s).clamp(0.0, 1.0);
        // Some kernels count a core's time by looking at it now and then, and miss who works shorter. What the two were given is certain.
        let known_busy = (own_cores + server.as_ref().map_or(0.0, |server| server.cores)) / self.cores as f64;
        Sample {
            own_cores,
            own_busiest_thread: self.own.busiest_s(&then.own) / wall_s,
            own_memory_bytes: self.own_memory_bytes,
            own_descriptors: self.own_descriptors,
            machine_busy: machine_busy.max(known_busy.min(1.0)),
            machine_stolen: ((self.machine.stolen_s - then.machine.stolen_s) / cores_s).clamp(0.0, 1.0),
            machine_available_bytes: self.available_bytes,
            machine_tcp_bytes: self.tcp_bytes,
            server,
        }
    }
}

impl Times {
    fn of(pids: &[u32]) -> Self {
        let mut times = Self::default();
        for pid in pids {
            let (user_s, system_s) = proc::process_times(*pid).unwrap_or_default();
            times.user_s += user_s;
            times.system_s += system_s;
            times.threads_s.extend(proc::thread_times(*pid));
        }
        times
    }

    fn all_s(&self) -> f64 {
        self.user_s + self.system_s
    }

    fn busiest_s(&self, then: &Self) -> f64 {
        let spent = |(id, now): (&(u32, u32), &f64)| now - then.threads_s.get(id).unwrap_or(&0.0);
        self.threads_s.iter().map(spent).fold(0.0, f64::max)
    }
}

fn available_cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
}

/// What the kernel counts TCP's memory in. Some machines have larger pages, and this figure is then too low there.
const PAGE_BYTES: u64 = 4_096;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_is_seen() {
        let mut watch = Watch::new(&[std::process::id()]).expect("we are there");
        let start = Instant::now();
        while start.elapsed().as_millis() < 120 {
            std::hint::black_box(start);
        }
        let sample = watch.sample().expect("Linux tells");
        let server = sample.server.expect("it was asked for");
        // A busy machine may leave us a tenth of a core, and no more is asked for.
        assert!(sample.own_cores > 0.1 && sample.own_busiest_thread > 0.1, "{}", sample.own_cores);
        assert!(server.cores > 0.1 && server.processes == 1 && server.memory_bytes > 100_000);
        assert!(sample.machine_busy > 0.0 && sample.own_descriptors > 2 && sample.machine_available_bytes > 0);
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        let error = Watch::new(&[4_194_305]).expect_err("no pid is so high");
        assert!(error.contains("4194305") && error.contains("--pid"), "{error}");
    }

    #[test]
    fn this_machine_has_a_name() {
        let machine = Machine::here();
        assert!(machine.cores > 0 && machine.memory_bytes > 0 && !machine.cpu.is_empty() && machine.system.starts_with("linux"));
    }
}
