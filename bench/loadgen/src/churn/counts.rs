//! What came of it all.

use std::{collections::BTreeMap, fs};

use super::{
    client::Client,
    going::{WAYS, Way},
};
use crate::{link::Protocol, options::Options, record::Record};

pub struct Counts {
    pids: Vec<i32>,
    pub opened: u64,
    /// For whom there was no room.
    pub kept_out: u64,
    pub messages: u64,
    pub answers: u64,
    errors: u64,
    by_error: BTreeMap<String, u64>,
    by_protocol: BTreeMap<&'static str, u64>,
    by_way: BTreeMap<Way, u64>,
    seen: Seen,
    peak: Seen,
    told_at: u64,
    told_opened: u64,
}

/// The server's process, and its clients.
#[derive(Clone, Copy, Default)]
struct Seen {
    alive: u64,
    resident_kb: u64,
    descriptors: u64,
}

/// Of each kind of error so many are shown.
const SHOWN_MAX: u64 = 3;

impl Counts {
    pub fn new(options: &Options) -> Self {
        Self {
            pids: options.pids.clone(),
            opened: 0,
            kept_out: 0,
            messages: 0,
            answers: 0,
            errors: 0,
            by_error: BTreeMap::new(),
            by_protocol: BTreeMap::new(),
            by_way: BTreeMap::new(),
            seen: Seen::default(),
            peak: Seen::default(),
            told_at: 0,
            told_opened: 0,
        }
    }

    pub fn came(&mut self, protocol: Protocol) {
        self.opened += 1;
        *self.by_protocol.entry(protocol.name()).or_default() += 1;
    }

    pub fn went(&mut self, way: Way) {
        *self.by_way.entry(way).or_default() += 1;
    }

    pub fn failed(&mut self, client: &Client, what: &str, bytes: &[u8]) {
        self.errors += 1;
        let what = format!("{} on its way to {}, {:?}: {what}", client.protocol.name(), client.way.name(), client.stage);
        let count = self.by_error.entry(what.clone()).or_default();
        *count += 1;
        if *count <= SHOWN_MAX {
            eprintln!("loadgen: {what} {}", String::from_utf8_lossy(&bytes[..bytes.len().min(300)]));
        }
    }

    pub fn look(&mut self, alive: usize) {
        let alive = alive as u64;
        let (resident_kb, descriptors) =
            self.pids.iter().fold((0, 0), |(kb, fds), pid| (kb + resident_kb(*pid), fds + descriptors(*pid)));
        self.seen = Seen { alive, resident_kb, descriptors };
        let peak = &mut self.peak;
        peak.alive = peak.alive.max(alive);
        peak.resident_kb = peak.resident_kb.max(resident_kb);
        peak.descriptors = peak.descriptors.max(descriptors);
    }

    pub fn tell(&mut self, since_start: u64, alive: usize) {
        let rate = (self.opened - self.told_opened) as f64 * 1e9 / (since_start - self.told_at) as f64;
        eprintln!(
            "{:>4} s: {} connections made, {alive} alive, {rate:.0}/s; {} messages, {} answers; {:.1} MiB, {} descriptors; {} errors",
            since_start / 1_000_000_000,
            self.opened,
            self.messages,
            self.answers,
            self.seen.resident_kb as f64 / 1024.0,
            self.seen.descriptors,
            self.errors,
        );
        (self.told_at, self.told_opened) = (since_start, self.opened);
    }

    pub fn record(&self, record: Record, took_s: f64) -> Record {
        let mut record = record
            .number("seconds", took_s)
            .number("opened", self.opened as f64)
            .number("kept_out", self.kept_out as f64)
            .number("messages", self.messages as f64)
            .number("answers", self.answers as f64)
            .number("errors", self.errors as f64)
            .number("peak_alive", self.peak.alive as f64)
            .number("peak_resident_kb", self.peak.resident_kb as f64)
            .number("peak_descriptors", self.peak.descriptors as f64);
        for (protocol, count) in &self.by_protocol {
            record = record.number(protocol, *count as f64);
        }
        for (way, _) in WAYS {
            record = record.number(way.name(), self.by_way.get(&way).copied().unwrap_or_default() as f64);
        }
        for (what, count) in &self.by_error {
            eprintln!("loadgen: {count} times: {what}");
        }
        record
    }
}

fn resident_kb(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn descriptors(pid: i32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |folder| folder.count() as u64)
}
