//! Results for tests: made by the recorder, as scenarios make theirs.

use std::time::Duration;

use crate::{
    Arrivals, Checker, Completeness, Counts, Ended, Load, Phase, Recorder, Run, Sample, ServerSample, Tick, random::Random,
};

/// All went well: 1,000 clients, an echo a second each, for half a minute.
pub fn run() -> Run {
    slower(1.0, 7)
}

/// The same server so many times slower; the seed says the chances.
pub fn slower(factor: f64, seed: u64) -> Run {
    let mut random = Random::new(seed);
    let mut recorder = Recorder::new(head("sori"), Duration::from_secs(1));
    for second in 1..=36u64 {
        let clients = (second * 400).min(1_000);
        let sent = if second < 4 { 0 } else { 990 + random.below(21) as u64 };
        let mut tick = tick(sent, sent, clients);
        for _ in 0..sent {
            let us = factor * (80.0 + random.exponential(40.0) + if random.below(200) == 0 { 2_000.0 } else { 0.0 });
            tick.latencies.record(Duration::from_nanos((us * 1e3) as u64));
            tick.lags.record(Duration::from_micros(20));
        }
        recorder.tick(Duration::from_secs(second), &tick, Some(sample(factor * 0.3 + random.unit() * 0.02, clients)));
        recorder.enter(match second {
            0..3 => Phase::Connect,
            3..5 => Phase::WarmUp,
            _ => Phase::Measure,
        });
    }
    let mut all = Completeness { sent: 31_000, ..Completeness::default() };
    (0..1_000).for_each(|receiver| all.add(receiver, receiver as u32, stream(31, &[], &[])));
    recorder.finish("echo", all, Ended::Whole)
}

/// A server that drops, doubles and reorders, and ends before the run.
pub fn broken() -> Run {
    let mut recorder = Recorder::new(head("broken"), Duration::from_secs(1));
    recorder.enter(Phase::Measure);
    for second in 1..=8u64 {
        let mut tick = tick(1_000, 990, 1_000);
        tick.counts.doubled = 3;
        (0..990).for_each(|at| tick.latencies.record(Duration::from_micros(100 + at * second * 20)));
        recorder.tick(Duration::from_secs(second), &tick, Some(sample(0.99, 1_000)));
    }
    recorder.errors("connection reset", 1);
    let mut all = Completeness { sent: 1_000, ..Completeness::default() };
    (0..1_000).for_each(|receiver| match receiver {
        17 => all.add(receiver, 0, stream(1_000, &[3, 4, 5, 40], &[9])),
        _ => all.add(receiver, 0, stream(1_000, &[], &[])),
    });
    recorder.finish("echo", all, Ended::Failed { why: "the server went away after 8 s".into() })
}

fn head(name: &str) -> Run {
    let mut run = Run::new("echo", "http://127.0.0.1:3000/");
    run.name = name.into();
    run.seed = 7;
    run.set_options(&serde_json::json!({"clients": 1_000, "payload_bytes": 100}));
    run.load = Load::Open { rate_per_s: 1_000.0, arrivals: Arrivals::Constant };
    run
}

fn tick(sent: u64, delivered: u64, connected: u64) -> Tick {
    Tick { counts: Counts { sent, delivered, ..Counts::default() }, connected, ..Tick::default() }
}

fn sample(server_cores: f64, clients: u64) -> Sample {
    let server = ServerSample {
        cores: server_cores,
        kernel_share: 0.7,
        busiest_thread: server_cores / 2.0,
        memory_bytes: 9_000_000 + clients * 4_000,
        processes: 1,
    };
    Sample {
        own_cores: 0.4,
        own_busiest_thread: 0.35,
        own_memory_bytes: 30_000_000,
        own_descriptors: clients + 12,
        machine_busy: 0.4,
        machine_stolen: 0.01,
        machine_available_bytes: 64 << 30,
        machine_tcp_bytes: 4_096,
        server: Some(server),
    }
}

fn stream(sent: u32, dropped: &[u32], doubled: &[u32]) -> crate::Tally {
    let mut checker = Checker::new();
    for seq in (0..sent).filter(|seq| !dropped.contains(seq)) {
        checker.receive(seq, 0);
        if doubled.contains(&seq) {
            checker.receive(seq, 0);
        }
    }
    checker.finish(sent)
}
