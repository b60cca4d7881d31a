//! What the kernel knows of the server, the machine and ourselves.

use std::{collections::HashMap, fs};

use crate::system::{now_ns, own_pid, process_cpu_ns};

/// /proc counts in these steps.
const TICK_NS: u64 = 10_000_000;

/// CPU times, in ns, as of one moment.
#[derive(Default)]
pub struct Cpu {
    pub wall: u64,
    /// Of the server, all its threads and processes; `total` exact, the other two in steps of 10 ms.
    pub total: u64,
    pub user: u64,
    pub system: u64,
    pub own: u64,
    /// Of the whole machine.
    busy: u64,
    /// Of the server's core, or of all.
    stolen: u64,
    threads: HashMap<String, u64>,
}

/// What happened between two moments.
pub struct Spent {
    pub wall_s: f64,
    pub total_us: f64,
    pub user_us: f64,
    pub system_us: f64,
    /// Shares of one core.
    pub server_util: f64,
    pub own_util: f64,
    /// Shares of all cores in question.
    pub busy: f64,
    pub stolen: f64,
    /// Each of the server's threads that did more than a hundredth of its work, by its share, the busiest first.
    pub threads: Vec<f64>,
}

impl Cpu {
    pub fn now(pids: &[i32], core: Option<usize>) -> Self {
        let mut now = Self::default();
        for &pid in pids {
            let (user, system) = process_times(pid);
            now.user += user;
            now.system += system;
            now.total += process_cpu_ns(pid).unwrap_or(user + system);
            now.threads.extend(thread_times(pid));
        }
        now.own = process_cpu_ns(own_pid()).unwrap_or(0);
        now.busy = machine("cpu").0;
        now.stolen = core.map_or_else(|| machine("cpu"), |core| machine(&format!("cpu{core}"))).1;
        now.wall = now_ns();
        now
    }

    pub fn since(&self, then: &Self, core: Option<usize>) -> Spent {
        let ns = |of: fn(&Self) -> u64| of(self).saturating_sub(of(then)) as f64;
        let wall = ns(|cpu| cpu.wall).max(1.0);
        let total = ns(|cpu| cpu.total);
        let cores = cores_of_machine() as f64;
        let mut threads: Vec<f64> = self
            .threads
            .iter()
            .map(|(id, now)| now - then.threads.get(id).unwrap_or(&0))
            .map(|ns| ns as f64 / total.max(1.0))
            .collect();
        threads.retain(|share| *share > 0.01);
        threads.sort_by(|a, b| b.total_cmp(a));
        Spent {
            wall_s: wall / 1e9,
            total_us: total / 1e3,
            user_us: ns(|cpu| cpu.user) / 1e3,
            system_us: ns(|cpu| cpu.system) / 1e3,
            server_util: total / wall,
            own_util: ns(|cpu| cpu.own) / wall,
            busy: ns(|cpu| cpu.busy) / wall / cores,
            stolen: ns(|cpu| cpu.stolen) / wall / if core.is_some() { 1.0 } else { cores },
            threads,
        }
    }
}

/// Memory of the server's processes, in kB.
#[derive(Default, Clone, Copy)]
pub struct Memory {
    pub resident: i64,
    pub proportional: i64,
    pub private: i64,
    pub anonymous: i64,
}

impl Memory {
    pub fn now(pids: &[i32]) -> Self {
        let mut now = Self::default();
        for pid in pids {
            for line in fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default().lines() {
                let mut words = line.split_whitespace();
                let name = words.next().unwrap_or_default();
                let Some(kb) = words.next().and_then(|kb| kb.parse::<i64>().ok()) else { continue };
                match name {
                    "Rss:" => now.resident += kb,
                    "Pss:" => now.proportional += kb,
                    "Private_Clean:" | "Private_Dirty:" => now.private += kb,
                    "Anonymous:" => now.anonymous += kb,
                    _ => {}
                }
            }
        }
        now
    }
}

/// (user, system) of a process.
fn process_times(pid: i32) -> (u64, u64) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field, a name in parentheses, may hold spaces.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let time = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0) * TICK_NS;
    (time(11), time(12))
}

/// What each thread has run, by process and thread.
fn thread_times(pid: i32) -> Vec<(String, u64)> {
    let folders = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let time = |folder: fs::DirEntry| {
        let stat = fs::read_to_string(folder.path().join("schedstat")).ok()?;
        Some((format!("{pid}/{}", folder.file_name().display()), stat.split(' ').next()?.parse().ok()?))
    };
    folders.filter_map(time).collect()
}

/// (busy, stolen) of a line of /proc/stat.
fn machine(line: &str) -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let Some(rest) = stat.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' ')) else { return (0, 0) };
    let times: Vec<u64> = rest.split_whitespace().filter_map(|ticks| ticks.parse().ok()).collect();
    match times[..] {
        [user, nice, system, _idle, _wait, irq, softirq, stolen, ..] => {
            ((user + nice + system + irq + softirq) * TICK_NS, stolen * TICK_NS)
        }
        _ => (0, 0),
    }
}

pub fn cores_of_machine() -> usize {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    stat.lines().filter(|line| line.starts_with("cpu")).count().saturating_sub(1).max(1)
}
