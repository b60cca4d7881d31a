//! The lines themselves.

use super::{Heading, Snapshot};
use crate::{
    Latencies, Phase,
    text::{bytes, grouped, number, percent, time},
};

pub struct Line {
    pub text: String,
    /// Something is not as it should be.
    pub alarming: bool,
}

/// For a pipe.
pub fn line(snapshot: &Snapshot) -> String {
    let mut parts = vec![seconds(snapshot.elapsed.as_secs()), doing(snapshot.phase).into()];
    parts.push(format!("{} connected", grouped(snapshot.connected)));
    parts.extend(rates(snapshot));
    parts.extend(latency(&snapshot.latencies));
    parts.push(wrong(snapshot).0);
    parts.join("  ")
}

/// For a terminal of this size: no line reaches the last column, where some terminals wrap.
pub fn lines(heading: &Heading, snapshot: &Snapshot, width: usize, height: usize) -> Vec<Line> {
    let calm = |text: String| Line { text, alarming: false };
    let of = heading.planned.map_or(String::new(), |planned| format!(" of {}", seconds(planned.as_secs())));
    let mut lines = vec![
        calm(heading.title.clone()),
        calm(row(doing(snapshot.phase), &format!("{}{of}  {}", seconds(snapshot.elapsed.as_secs()), bar(heading, snapshot, 24)))),
        calm(row("clients", &clients(heading, snapshot))),
    ];
    lines.extend(join("rate", rates(snapshot)).map(calm));
    lines.extend(join("latency", latency(&snapshot.latencies)).map(calm));
    if let Some(text) = histogram(&snapshot.latencies, width.saturating_sub(33).min(48)) {
        lines.push(calm(row("", &text)));
    }
    lines.extend(join("cpu", cpu(snapshot)).map(calm));
    let (text, alarming) = wrong(snapshot);
    lines.push(Line { text: row("wrong", if alarming { &text } else { "nothing" }), alarming });
    lines.truncate(height.saturating_sub(1).max(1));
    lines.iter_mut().for_each(|line| line.text = cut(&line.text, width.saturating_sub(1)));
    lines
}

/// What replaces the lines that are there by these: in one piece, each line over the one before, and only then what is left of it erased.
pub fn drawn(lines: &[Line], before: &[usize], width: usize, colours: bool) -> String {
    let mut text = format!("{SYNCHRONIZED}{}", up(before, width));
    for line in lines {
        match line.alarming && colours {
            true => text.push_str(&format!("{RED}{}{PLAIN}", line.text)),
            false => text.push_str(&line.text),
        }
        text.push_str("\x1b[K\n");
    }
    text.push_str("\x1b[J");
    text.push_str(SHOW);
    text
}

/// What takes the lines away.
pub fn erased(before: &[usize], width: usize) -> String {
    format!("{}\x1b[J", up(before, width))
}

/// Back to where the first line began. A window that has become narrower wraps what is there.
fn up(before: &[usize], width: usize) -> String {
    let rows: usize = before.iter().map(|length| length.div_ceil(width.max(1)).max(1)).sum();
    if rows == 0 { String::new() } else { format!("\r\x1b[{rows}A") }
}

fn rates(snapshot: &Snapshot) -> Vec<String> {
    let counts = &snapshot.counts;
    let rate = |count: u64, what: &str| (count > 0).then(|| format!("{}/s {what}", number(snapshot.rate(count))));
    let parts = [rate(counts.opened, "opened"), rate(counts.sent, "sent"), rate(counts.delivered, "delivered")];
    parts.into_iter().flatten().collect()
}

fn latency(latencies: &Latencies) -> Vec<String> {
    match latencies.is_empty() {
        true => Vec::new(),
        false => vec![
            format!("p50 {}", time(latencies.at(0.5))),
            format!("p99 {}", time(latencies.at(0.99))),
            format!("max {}", time(latencies.max())),
        ],
    }
}

fn cpu(snapshot: &Snapshot) -> Vec<String> {
    let Some(sample) = &snapshot.sample else { return Vec::new() };
    let mut parts = Vec::new();
    if let Some(server) = &sample.server {
        parts.push(format!("server {} of a core, {}", percent(server.cores), bytes(server.memory_bytes)));
    }
    parts.push(format!("own {}", percent(sample.own_cores)));
    parts.push(format!("machine {}", percent(sample.machine_busy)));
    parts
}

/// What has gone wrong since the beginning, and whether anything has.
fn wrong(snapshot: &Snapshot) -> (String, bool) {
    let totals = &snapshot.totals;
    let part = |count: u64, what: &str| (count > 0).then(|| format!("{} {what}", grouped(count)));
    let parts = [
        part(totals.refused, "refused"),
        part(totals.lost, "lost"),
        part(totals.doubled, "doubled"),
        part(totals.out_of_order, "out of order"),
        part(totals.skipped, "skipped"),
        part(totals.errors, "errors"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match parts.is_empty() {
        true => ("0 wrong".into(), false),
        false => (parts.join(", "), true),
    }
}

fn doing(phase: Phase) -> &'static str {
    match phase {
        Phase::Connect => "connecting",
        Phase::WarmUp => "warming up",
        Phase::Measure => "measuring",
        Phase::Drain => "draining",
    }
}

fn bar(heading: &Heading, snapshot: &Snapshot, width: usize) -> String {
    let Some(planned) = heading.planned else { return String::new() };
    let share = snapshot.elapsed.as_secs_f64() / planned.as_secs_f64().max(1e-3);
    let done = (share.min(1.0) * width as f64).round() as usize;
    format!("{}{}", "━".repeat(done), "─".repeat(width - done))
}

/// Its shape, between its ends.
fn histogram(latencies: &Latencies, width: usize) -> Option<String> {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bars = latencies.bars(width);
    let highest = bars.iter().map(|bar| bar.count).max()? as f64;
    let step = |count: u64| match count {
        0 => ' ',
        count => STEPS[((count as f64 / highest * 8.0).ceil() as usize).clamp(1, 8) - 1],
    };
    let shape: String = bars.iter().map(|bar| step(bar.count)).collect();
    Some(format!("{} {shape} {}", time(latencies.min()), time(latencies.max())))
}

fn clients(heading: &Heading, snapshot: &Snapshot) -> String {
    let connected = grouped(snapshot.connected);
    match heading.visitors {
        true => format!("{connected} at once, {} have come", grouped(snapshot.totals.opened)),
        false => format!("{connected} of {}", grouped(heading.clients)),
    }
}

fn join(name: &str, parts: Vec<String>) -> Option<String> {
    (!parts.is_empty()).then(|| row(name, &parts.join("  ")))
}

fn row(name: &str, text: &str) -> String {
    format!("  {name:<10}  {text}")
}

fn seconds(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3_600, seconds / 60 % 60),
    }
}

fn cut(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => text.chars().take(width.saturating_sub(1)).chain(['…']).take(width).collect(),
        false => text.to_owned(),
    }
}

/// Terminals that know it show a frame when it is whole; the others ignore it.
const SYNCHRONIZED: &str = "\x1b[?2026h";
const SHOW: &str = "\x1b[?2026l";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Counts;

    fn snapshot() -> Snapshot {
        let mut latencies = Latencies::new();
        (1..=1_000).for_each(|us| latencies.record(Duration::from_micros(us)));
        let counts = Counts { sent: 2_000, delivered: 1_999, ..Counts::default() };
        let totals = Counts { refused: 3, doubled: 1, ..Counts::default() };
        let (elapsed, took) = (Duration::from_secs(130), Duration::from_secs(2));
        Snapshot { elapsed, took, phase: Phase::Measure, counts, totals, connected: 99, latencies, sample: None }
    }

    #[test]
    fn a_frame_fits_every_window() {
        let heading = Heading {
            title: "echo on http://127.0.0.1:3000".into(),
            planned: Some(Duration::from_secs(260)),
            clients: 100,
            visitors: false,
        };
        for (width, height) in [(0, 0), (1, 1), (10, 3), (40, 24), (80, 24), (300, 80)] {
            let lines = lines(&heading, &snapshot(), width, height);
            assert!(lines.len() <= height.saturating_sub(1).max(1));
            assert!(lines.iter().all(|line| line.text.chars().count() <= width.saturating_sub(1)), "{width}");
        }
    }

    #[test]
    fn a_frame_tells_how_it_goes() {
        let heading = Heading { title: "echo".into(), planned: Some(Duration::from_secs(260)), clients: 100, visitors: false };
        let lines = lines(&heading, &snapshot(), 80, 24);
        let text: String = lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n");
        for expected in [
            "measuring   2:10 min of 4:20 min  ━━━━━━━━━━━━────────────",
            "99 of 100",
            "1,000/s sent  1,000/s delivered",
            "3 refused, 1 doubled",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(text.contains("p50 500 µs  p99 990 µs  max 1 ms") && text.contains('█'), "{text}");
        assert_eq!(lines.iter().filter(|line| line.alarming).count(), 1);
        assert!(drawn(&lines, &[], 80, true).contains("\x1b[31m  wrong") && !drawn(&lines, &[], 80, false).contains("\x1b[31m"));
    }
}
