//! A run over time: what happened in each interval.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Latencies, Packed, Sample};

/// Intervals one after the other; never more than [`INTERVALS_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Of an interval that was not cut short, in milliseconds. It doubles whenever the intervals would become too many.
    pub interval_ms: u64,
    /// The oldest first.
    pub intervals: Vec<Interval>,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Clients come.
    #[default]
    Connect,
    /// The load is there, and nothing of it counts: memory is warm, and code compiled.
    WarmUp,
    /// What counts.
    Measure,
    /// Nothing new is sent; what is under way may arrive.
    Drain,
}

/// Counts of what happened since they were last taken; threads keep their own, and add them up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Connections that were opened.
    pub opened: u64,
    /// Connections that could not be opened.
    pub refused: u64,
    /// Connections that ended although nobody on this side ended them.
    pub lost: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages received for the first time.
    pub delivered: u64,
    /// Messages received again.
    pub doubled: u64,
    /// Messages received behind later ones.
    pub out_of_order: u64,
    /// Messages that were missing when a later one came; those that come late are not taken off.
    pub skipped: u64,
    /// Whatever else went wrong: timeouts, answers that make no sense.
    pub errors: u64,
}

/// What a part of the generator hands over at the end of an interval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// What happened.
    pub counts: Counts,
    /// Latencies of what was received.
    pub latencies: Latencies,
    /// By how much messages left later than they were intended to: the generator's own part of their latency.
    pub lags: Latencies,
    /// Connections that are open now.
    pub connected: u64,
}

/// One interval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its beginning, since the run's.
    pub from_ms: u64,
    /// Its length.
    pub ms: u64,
    /// What the run was doing.
    pub phase: Phase,
    /// What happened.
    #[serde(flatten)]
    pub counts: Counts,
    /// Connections that were open at its end.
    pub connected: u64,
    /// Latencies of what was received; `null` where nothing was.
    pub latency: Option<Packed>,
    /// What the kernel knew; `null` where it tells nothing.
    pub sample: Option<Sample>,
}

impl Counts {
    /// Adds those of others.
    pub fn add(&mut self, others: &Self) {
        self.opened += others.opened;
        self.refused += others.refused;
        self.lost += others.lost;
        self.sent += others.sent;
        self.delivered += others.delivered;
        self.doubled += others.doubled;
        self.out_of_order += others.out_of_order;
        self.skipped += others.skipped;
        self.errors += others.errors;
    }

    /// Everything that should not be, in one number.
    pub fn wrong(&self) -> u64 {
        self.refused + self.lost + self.errors + self.doubled + self.out_of_order
    }
}

impl Tick {
    /// Adds what another part of the generator has, for the same interval.
    pub fn merge(&mut self, other: &Self) {
        self.counts.add(&other.counts);
        self.latencies.merge(&other.latencies);
        self.lags.merge(&other.lags);
        self.connected += other.connected;
    }

    /// Takes what there is; the next interval begins. How many are connected stays.
    pub fn take(&mut self) -> Self {
        let connected = self.connected;
        std::mem::replace(self, Self { connected, ..Self::default() })
    }
}

impl Series {
    /// For intervals of this length, which is rounded to milliseconds.
    pub fn new(interval: Duration) -> Self {
        Self { interval_ms: (interval.as_millis() as u64).max(1), intervals: Vec::new() }
    }

    /// Adds the interval that ends now. Once intervals have become longer, it goes on with the last one instead, until that is full.
    pub fn push(&mut self, now: Duration, phase: Phase, tick: &Tick, sample: Option<Sample>) {
        let from_ms = self.intervals.last().map_or(0, |last| last.from_ms + last.ms);
        let interval = Interval {
            from_ms,
            ms: (now.as_millis() as u64).saturating_sub(from_ms),
            phase,
            counts: tick.counts.clone(),
            connected: tick.connected,
            latency: (!tick.latencies.is_empty()).then(|| tick.latencies.pack()),
            sample,
        };
        add(&mut self.intervals, interval, self.interval_ms);
        if self.intervals.len() > INTERVALS_MAX {
            self.halve();
        }
    }

    /// Those that count.
    pub fn measured(&self) -> impl Iterator<Item = &Interval> {
        self.intervals.iter().filter(|interval| interval.phase == Phase::Measure)
    }

    /// How long the measuring took.
    pub fn measured_s(&self) -> f64 {
        self.measured().map(|interval| interval.ms).sum::<u64>() as f64 / 1e3
    }

    /// What happened in all of them.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.intervals.iter().for_each(|interval| counts.add(&interval.counts));
        counts
    }

    /// What happened in those that count.
    pub fn measured_counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.measured().for_each(|interval| counts.add(&interval.counts));
        counts
    }

    /// Two and two become one, where they did the same.
    fn halve(&mut self) {
        self.interval_ms *= 2;
        let mut halved = Vec::with_capacity(INTERVALS_MAX / 2 + PHASES);
        self.intervals.drain(..).for_each(|interval| add(&mut halved, interval, self.interval_ms));
        self.intervals = halved;
    }
}

/// As a part of the last one while that is not full. A clock is never exact: what is a little short of it is.
fn add(intervals: &mut Vec<Interval>, interval: Interval, interval_ms: u64) {
    match intervals.last_mut() {
        Some(last) if last.phase == interval.phase && last.ms * 16 < interval_ms * 15 => last.merge(interval),
        _ => intervals.push(interval),
    }
}

impl Interval {
    /// Goes on with the one that follows.
    fn merge(&mut self, next: Self) {
        self.sample = match (self.sample.take(), next.sample) {
            (Some(a), Some(b)) => Some(a.followed_by(b, self.ms, next.ms)),
            (a, b) => a.or(b),
        };
        self.latency = match (self.latency.take(), next.latency) {
            (Some(a), Some(b)) => Some(together(&a, &b)),
            (a, b) => a.or(b),
        };
        self.ms += next.ms;
        self.counts.add(&next.counts);
        self.connected = next.connected;
    }

    /// So many a second.
    pub fn rate(&self, count: u64) -> f64 {
        count as f64 * 1e3 / self.ms.max(1) as f64
    }
}

fn together(a: &Packed, b: &Packed) -> Packed {
    let mut merged = a.open().expect("we have packed it");
    merged.merge(&b.open().expect("we have packed it"));
    merged.pack()
}

/// A plot has no more points to show, and a result of an hour stays below 2 MB.
pub const INTERVALS_MAX: usize = 600;
const PHASES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(sent: u64, latency_ms: u64, timed: bool) -> Tick {
        let mut tick = Tick { counts: Counts { sent, delivered: sent, ..Counts::default() }, connected: 5, ..Tick::default() };
        (0..if timed { sent } else { 0 }).for_each(|_| tick.latencies.record(Duration::from_millis(latency_ms)));
        tick
    }

    #[test]
    fn a_long_run_is_told_in_longer_intervals_and_loses_nothing() {
        let mut series = Series::new(Duration::from_secs(1));
        for second in 0..2_000u64 {
            let phase = if second < 7 { Phase::WarmUp } else { Phase::Measure };
            series.push(Duration::from_secs(second + 1), phase, &tick(3, second % 10 + 1, second % 20 == 0), None);
        }
        assert!(series.intervals.len() <= INTERVALS_MAX && series.intervals.len() > INTERVALS_MAX / 3);
        assert_eq!(series.interval_ms, 4_000);
        assert_eq!(series.intervals.iter().map(|interval| interval.counts.sent).sum::<u64>(), 6_000);
        assert_eq!(series.intervals.iter().filter_map(|interval| Some(interval.latency.as_ref()?.count)).sum::<u64>(), 300);
        assert_eq!((series.measured_counts().sent, series.measured_s()), (5_979, 1_993.0));
        assert!(series.intervals.windows(2).all(|pair| pair[0].from_ms + pair[0].ms == pair[1].from_ms));
    }

    #[test]
    fn a_tick_is_taken_once() {
        let mut all = tick(2, 1, true);
        all.merge(&tick(1, 9, true));
        assert_eq!((all.counts.sent, all.connected, all.latencies.count()), (3, 10, 3));
        assert_eq!(all.take().counts.sent, 3);
        assert_eq!(all, Tick { connected: 10, ..Tick::default() });
    }
}
