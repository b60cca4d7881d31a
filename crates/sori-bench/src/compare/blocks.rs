//! Stretches of runs, and runs as they might have been.

use crate::{Counts, Interval, Latencies, Run, random::Random};

/// Runs of the same, in stretches.
pub struct Group {
    /// Every latency that there is, in order. Stretches count by its places, so that adding them up searches nothing.
    axis_ns: Vec<u64>,
    runs: Vec<Vec<Block>>,
}

/// A stretch of a run.
struct Block {
    totals: Totals,
    /// Places on the axis, with how often.
    latencies: Vec<(usize, u64)>,
}

/// Some stretches together.
pub struct Whole<'a> {
    axis_ns: &'a [u64],
    totals: Totals,
    latencies: Vec<u64>,
}

#[derive(Default)]
struct Totals {
    ms: f64,
    counts: Counts,
    /// CPU time of the server, and over how long and how many deliveries it is known.
    server_us: f64,
    server_ms: f64,
    server_delivered: u64,
}

impl Group {
    /// What was measured, each run in some twenty stretches: long enough that one says little about the next, and enough of them to draw
    /// from.
    pub fn of(runs: &[Run]) -> Self {
        let runs: Vec<Vec<(Totals, Latencies)>> = runs.iter().map(stretches).collect();
        let values = runs.iter().flatten().flat_map(|(_, latencies)| latencies.values_ns());
        let mut axis_ns: Vec<u64> = values.map(|(ns, _)| ns).collect();
        axis_ns.sort_unstable();
        axis_ns.dedup();
        let place = |ns: u64| axis_ns.binary_search(&ns).expect("it was made of them");
        let block = |(totals, latencies): (Totals, Latencies)| {
            let latencies = latencies.values_ns().into_iter().map(|(ns, count)| (place(ns), count)).collect();
            Block { totals, latencies }
        };
        let runs = runs.into_iter().map(|run| run.into_iter().map(block).collect()).collect();
        Self { axis_ns, runs }
    }

    /// Each run as it was.
    pub fn each(&self) -> impl Iterator<Item = Whole<'_>> {
        self.runs.iter().map(|blocks| {
            let mut whole = self.nothing();
            blocks.iter().for_each(|block| whole.add(block, 1));
            whole
        })
    }

    /// The runs as they might have been: of each that is drawn, as many stretches as it has, some of them more than once and others not.
    pub fn drawn(&self, random: &mut Random) -> Whole<'_> {
        let mut whole = self.nothing();
        for _ in &self.runs {
            let blocks = &self.runs[random.below(self.runs.len())];
            let mut times = vec![0; blocks.len()];
            blocks.iter().for_each(|_| times[random.below(blocks.len())] += 1);
            blocks.iter().zip(times).for_each(|(block, times)| whole.add(block, times));
        }
        whole
    }

    /// Whether each run has enough stretches to say something about its spread.
    pub fn can_be_drawn(&self) -> bool {
        !self.runs.is_empty() && self.runs.iter().all(|blocks| blocks.len() >= BLOCKS_MIN)
    }

    fn nothing(&self) -> Whole<'_> {
        Whole { axis_ns: &self.axis_ns, totals: Totals::default(), latencies: vec![0; self.axis_ns.len()] }
    }
}

impl Whole<'_> {
    pub fn rate(&self, of: fn(&Counts) -> u64) -> Option<f64> {
        let count = of(&self.totals.counts);
        (count > 0 && self.totals.ms > 0.0).then(|| count as f64 * 1e3 / self.totals.ms)
    }

    pub fn quantile_us(&self, quantile: f64) -> Option<f64> {
        let all: u64 = self.latencies.iter().sum();
        // Below that, a quantile is only the longest by another name.
        if (1.0 - quantile) * (all as f64) < 5.0 {
            return None;
        }
        let rank = ((quantile * all as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let place = self.latencies.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        place.map(|place| self.axis_ns[place] as f64 / 1e3)
    }

    pub fn server_us_per_delivery(&self) -> Option<f64> {
        (self.totals.server_delivered > 0).then(|| self.totals.server_us / self.totals.server_delivered as f64)
    }

    pub fn server_cores(&self) -> Option<f64> {
        (self.totals.server_ms > 0.0).then(|| self.totals.server_us / self.totals.server_ms / 1e3)
    }

    fn add(&mut self, block: &Block, times: u64) {
        if times > 0 {
            (0..times).for_each(|_| self.totals.add(&block.totals));
            block.latencies.iter().for_each(|(place, count)| self.latencies[*place] += count * times);
        }
    }
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.ms += other.ms;
        self.counts.add(&other.counts);
        self.server_us += other.server_us;
        self.server_ms += other.server_ms;
        self.server_delivered += other.server_delivered;
    }
}

fn stretches(run: &Run) -> Vec<(Totals, Latencies)> {
    let intervals: Vec<&Interval> = run.series.measured().collect();
    let length = intervals.len().div_ceil(BLOCKS).max(1);
    intervals.chunks(length).map(stretch).collect()
}

fn stretch(intervals: &[&Interval]) -> (Totals, Latencies) {
    let (mut totals, mut all) = (Totals::default(), Latencies::new());
    for interval in intervals {
        totals.ms += interval.ms as f64;
        totals.counts.add(&interval.counts);
        if let Some(latencies) = interval.latency.as_ref().and_then(|packed| packed.open().ok()) {
            all.merge(&latencies);
        }
        if let Some(server) = interval.sample.as_ref().and_then(|sample| sample.server.as_ref()) {
            totals.server_us += server.cores * interval.ms as f64 * 1e3;
            totals.server_ms += interval.ms as f64;
            totals.server_delivered += interval.counts.delivered;
        }
    }
    (totals, all)
}

const BLOCKS: usize = 20;
/// Fewer say nothing about their spread.
const BLOCKS_MIN: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn stretches_together_are_the_run() {
        let run = example::run();
        let group = Group::of(&[run.clone(), run.clone()]);
        let all = run.latency().expect("it has").packed.open().expect("a histogram");
        for whole in group.each() {
            for quantile in [0.5, 0.9, 0.99, 0.999] {
                assert_eq!(whole.quantile_us(quantile), Some(all.at(quantile).as_nanos() as f64 / 1e3));
            }
            assert_eq!(whole.rate(|counts| counts.delivered), Some(run.figures[1].value));
        }
        assert!(group.can_be_drawn() && group.runs.iter().all(|blocks| (15..=20).contains(&blocks.len())));
    }

    #[test]
    fn what_is_drawn_is_as_much_as_there_was() {
        let group = Group::of(&[example::run(), example::run()]);
        let expected: f64 = group.each().map(|whole| whole.totals.ms).sum();
        let drawn = group.drawn(&mut Random::new(1));
        assert!((drawn.totals.ms / expected - 1.0).abs() < 0.05, "{} of {expected}", drawn.totals.ms);
    }
}
