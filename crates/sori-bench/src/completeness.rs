//! What became of all messages of a run: the first thing that a result says.

use serde::{Deserialize, Serialize};

use crate::Tally;

/// The tallies of all receivers together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Completeness {
    /// Messages that were sent.
    pub sent: u64,
    /// Streams that were checked: one for each receiver and each sender that it hears.
    pub streams: u64,
    /// Deliveries that this means.
    pub expected: u64,
    /// Those that came about.
    pub delivered: u64,
    /// Those that did not.
    pub missing: u64,
    /// Deliveries of what had been delivered before.
    pub doubled: u64,
    /// Deliveries behind a later message of the same sender.
    pub out_of_order: u64,
    /// Deliveries after a break, of what was sent before its end.
    pub recovered: u64,
    /// Messages that nobody in this run has sent.
    pub foreign: u64,
    /// Messages that could not be read at all.
    pub unreadable: u64,
    /// Streams that miss something.
    pub streams_missing: u64,
    /// Streams with doubles.
    pub streams_doubled: u64,
    /// Streams out of order.
    pub streams_out_of_order: u64,
    /// See [`Tally::uncertain`].
    pub uncertain: u64,
    /// The worst streams, the worst first; at most [`WORST_MAX`].
    pub worst: Vec<Worst>,
}

/// A stream that is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Worst {
    /// Which client of the run, counted from 0.
    pub receiver: u64,
    /// Whose messages.
    pub sender: u32,
    /// How many of them never came.
    pub missing: u64,
    /// How many came again.
    pub doubled: u64,
    /// How many came behind later ones.
    pub out_of_order: u64,
    /// The most that are missing one after the other.
    pub longest_gap: u64,
    /// The first that is missing.
    pub first_missing: Option<u32>,
}

impl Completeness {
    /// Adds a stream that has ended.
    pub fn add(&mut self, receiver: u64, sender: u32, tally: Tally) {
        self.streams += 1;
        self.expected += tally.expected;
        self.delivered += tally.delivered;
        self.missing += tally.missing;
        self.doubled += tally.doubled;
        self.out_of_order += tally.out_of_order;
        self.recovered += tally.recovered;
        self.foreign += tally.foreign;
        self.uncertain += tally.uncertain;
        self.streams_missing += u64::from(tally.missing > 0);
        self.streams_doubled += u64::from(tally.doubled > 0);
        self.streams_out_of_order += u64::from(tally.out_of_order > 0);
        let Tally { missing, doubled, out_of_order, longest_gap, first_missing, .. } = tally;
        if missing + doubled + out_of_order > 0 {
            self.remember(Worst { receiver, sender, missing, doubled, out_of_order, longest_gap, first_missing });
        }
    }

    /// Adds those of another part of the run: a thread, a process, a machine.
    pub fn merge(&mut self, others: Self) {
        self.sent += others.sent;
        self.streams += others.streams;
        self.expected += others.expected;
        self.delivered += others.delivered;
        self.missing += others.missing;
        self.doubled += others.doubled;
        self.out_of_order += others.out_of_order;
        self.recovered += others.recovered;
        self.foreign += others.foreign;
        self.unreadable += others.unreadable;
        self.streams_missing += others.streams_missing;
        self.streams_doubled += others.streams_doubled;
        self.streams_out_of_order += others.streams_out_of_order;
        self.uncertain += others.uncertain;
        others.worst.into_iter().for_each(|worst| self.remember(worst));
    }

    /// Whether everything came, once, in order, and nothing else.
    pub fn is_perfect(&self) -> bool {
        self.missing + self.doubled + self.out_of_order + self.foreign + self.unreadable == 0
    }

    /// Delivered of expected, from 0 to 1; `None` where nothing was expected.
    pub fn share(&self) -> Option<f64> {
        (self.expected > 0).then(|| self.delivered as f64 / self.expected as f64)
    }

    fn remember(&mut self, worst: Worst) {
        let at = self.worst.partition_point(|other| other.weight() >= worst.weight());
        self.worst.insert(at, worst);
        self.worst.truncate(WORST_MAX);
    }
}

impl Worst {
    /// What is missing weighs more than what came twice, and that more than what came late.
    fn weight(&self) -> (u64, u64, u64) {
        (self.missing, self.doubled, self.out_of_order)
    }
}

/// Enough to see whether they have something in common.
pub const WORST_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tallies() -> impl Strategy<Value = Vec<Tally>> {
        let tally = (0u64..50, 0u64..5, 0u64..5, 0u64..5).prop_map(|(expected, missing, doubled, out_of_order)| {
            let missing = missing.min(expected);
            Tally { expected, missing, delivered: expected - missing, doubled, out_of_order, ..Tally::default() }
        });
        prop::collection::vec(tally, 0..60)
    }

    fn of(tallies: &[Tally], first: usize) -> Completeness {
        let mut all = Completeness::default();
        tallies.iter().enumerate().for_each(|(at, tally)| all.add((first + at) as u64, 0, *tally));
        all
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole(tallies in tallies(), cut in 0usize..60) {
            let cut = cut.min(tallies.len());
            let mut merged = of(&tallies[..cut], 0);
            merged.merge(of(&tallies[cut..], cut));
            prop_assert_eq!(merged, of(&tallies, 0));
        }

        #[test]
        fn the_worst_come_first(tallies in tallies()) {
            let all = of(&tallies, 0);
            let mut missing: Vec<u64> = tallies.iter().map(|tally| tally.missing).filter(|missing| *missing > 0).collect();
            missing.sort_unstable_by(|a, b| b.cmp(a));
            missing.truncate(WORST_MAX);
            let told: Vec<u64> = all.worst.iter().map(|worst| worst.missing).filter(|missing| *missing > 0).collect();
            prop_assert_eq!(told, missing);
            prop_assert_eq!(all.is_perfect(), all.worst.is_empty());
        }
    }
}
