//! When to send: by the clock, whatever the server does (open loop), or when an answer has come (closed loop).
//!
//! Time is an argument, in nanoseconds since the beginning. In an open loop a message's latency counts from the moment it was
//! *intended* for: a server that stalls for a second makes the messages of that second late, also those that could only be sent
//! afterwards. Counting from the moment of sending would leave them out (coordinated omission).

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// How messages of an open loop are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// One after the other, all the same time apart.
    #[default]
    Constant,
    /// By chance, as people do: gaps are exponential.
    Poisson,
}

/// When a sender sends.
///
/// ```
/// use sori_bench::{Arrivals, Pace};
///
/// let mut pace = Pace::open(1_000.0, Arrivals::Constant, 0);
/// assert_eq!(pace.take(0), Some(0));
/// // Nobody came to send for 2.5 ms. Both are due, and late since their own time.
/// assert_eq!([pace.take(2_500_000), pace.take(2_500_000), pace.take(2_500_000)], [Some(1_000_000), Some(2_000_000), None]);
/// ```
#[derive(Clone, Debug)]
pub enum Pace {
    /// By the clock.
    Open(Schedule),
    /// When an answer has come.
    Closed(Window),
}

impl Pace {
    /// So many a second, from 0 on.
    pub fn open(rate_per_s: f64, arrivals: Arrivals, seed: u64) -> Self {
        Self::Open(Schedule::new(rate_per_s, arrivals, seed))
    }

    /// At most so many that wait for their answer.
    pub fn closed(outstanding_max: u32) -> Self {
        Self::Closed(Window { outstanding_max, outstanding: 0 })
    }

    /// One of `parts` equal senders, which together keep this pace; `part` counts from 0.
    #[must_use]
    pub fn part(&self, part: u32, parts: u32) -> Self {
        match self {
            Self::Open(schedule) => Self::Open(schedule.part(part, parts)),
            Self::Closed(window) => {
                let more = u32::from(part < window.outstanding_max % parts);
                Self::closed(window.outstanding_max / parts + more)
            }
        }
    }

    /// Whether nothing is ever sent: a part of a closed loop that has more parts than messages at once.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Closed(window) if window.outstanding_max == 0)
    }

    /// Takes one message that may be sent now, and tells the time it was intended for, from which its latency counts.
    pub fn take(&mut self, now_ns: u64) -> Option<u64> {
        match self {
            Self::Open(schedule) => schedule.take(now_ns),
            Self::Closed(window) => window.take().then_some(now_ns),
        }
    }

    /// A message was answered, or given up.
    pub fn answered(&mut self) {
        if let Self::Closed(window) = self {
            window.outstanding = window.outstanding.saturating_sub(1);
        }
    }

    /// When to ask again; `None` when only an answer changes anything.
    pub fn next_ns(&self) -> Option<u64> {
        match self {
            Self::Open(schedule) => Some(schedule.next_ns()),
            Self::Closed(window) => (window.outstanding < window.outstanding_max).then_some(0),
        }
    }

    /// Whether coordinated omission is corrected.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

/// The times of an open loop.
#[derive(Clone, Debug)]
pub struct Schedule {
    gap_ns: f64,
    arrivals: Arrivals,
    random: Random,
    seed: u64,
    /// Of a constant schedule: how many were taken, from which the next time follows without adding up errors.
    taken: u64,
    first_ns: f64,
    /// Of arrivals by chance: when the next is due.
    by_chance_ns: f64,
}

impl Schedule {
    fn new(rate_per_s: f64, arrivals: Arrivals, seed: u64) -> Self {
        let gap_ns = 1e9 / rate_per_s.max(f64::MIN_POSITIVE);
        let mut random = Random::new(seed);
        let by_chance_ns = random.exponential(gap_ns);
        Self { gap_ns, arrivals, random, seed, taken: 0, first_ns: 0.0, by_chance_ns }
    }

    fn part(&self, part: u32, parts: u32) -> Self {
        let seed = Random::new(self.seed ^ u64::from(part).rotate_left(32)).next_u64();
        let mut schedule = Self::new(1e9 / (self.gap_ns * f64::from(parts)), self.arrivals, seed);
        schedule.first_ns = self.gap_ns * f64::from(part);
        schedule
    }

    fn next_ns(&self) -> u64 {
        match self.arrivals {
            Arrivals::Constant => (self.first_ns + self.gap_ns * self.taken as f64) as u64,
            Arrivals::Poisson => self.by_chance_ns as u64,
        }
    }

    fn take(&mut self, now_ns: u64) -> Option<u64> {
        let due = self.next_ns();
        if due > now_ns {
            return None;
        }
        self.taken += 1;
        if self.arrivals == Arrivals::Poisson {
            self.by_chance_ns += self.random.exponential(self.gap_ns);
        }
        Some(due)
    }
}

/// How many wait for their answer, and how many may.
#[derive(Clone, Debug)]
pub struct Window {
    outstanding_max: u32,
    outstanding: u32,
}

impl Window {
    /// How many wait for their answer.
    pub fn outstanding(&self) -> u32 {
        self.outstanding
    }

    fn take(&mut self) -> bool {
        let free = self.outstanding < self.outstanding_max;
        self.outstanding += u32::from(free);
        free
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Latencies;

    const SECOND: u64 = 1_000_000_000;

    fn drained(pace: &mut Pace, now_ns: u64) -> Vec<u64> {
        std::iter::from_fn(|| pace.take(now_ns)).collect()
    }

    #[test]
    fn a_constant_rate_does_not_drift() {
        let mut pace = Pace::open(3.0, Arrivals::Constant, 0);
        let times = drained(&mut pace, 1_000_000 * SECOND);
        assert_eq!(times.len(), 3_000_001);
        assert_eq!(times[3_000_000], 1_000_000 * SECOND);
        assert_eq!(times[1], 333_333_333);
    }

    #[test]
    fn a_closed_loop_waits_for_answers() {
        let mut pace = Pace::closed(2);
        assert_eq!(drained(&mut pace, 7), [7, 7]);
        assert_eq!(pace.next_ns(), None);
        pace.answered();
        assert_eq!(drained(&mut pace, 9), [9]);
    }

    /// A server that answers in 1 ms and stalls for a second, asked 1,000 times a second for two seconds.
    #[test]
    fn a_stall_is_seen_in_full() {
        let mut pace = Pace::open(1_000.0, Arrivals::Constant, 0);
        let mut latencies = Latencies::new();
        let mut now = 0;
        while now < 2 * SECOND {
            // The sender stands still with the server: the worst it can do.
            if now == SECOND / 2 {
                now += SECOND;
            }
            for intended in drained(&mut pace, now) {
                latencies.record_ns(now + 1_000_000 - intended);
            }
            now += 1_000_000;
        }
        assert_eq!(latencies.count(), 2_000);
        // Half of them met the stall, and waited for 0 to 1,000 ms.
        let ms = |quantile| latencies.at(quantile).as_millis();
        assert!((1..=2).contains(&ms(0.45)), "{}", ms(0.45));
        assert!((499..=502).contains(&ms(0.75)), "{}", ms(0.75));
        assert!((980..=1_002).contains(&ms(0.99)), "{}", ms(0.99));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn chance_keeps_the_rate_and_its_spread(seed in any::<u64>(), rate in 50.0f64..5_000.0) {
            let seconds = 40_000.0 / rate;
            let end = (seconds * 1e9) as u64;
            let times = drained(&mut Pace::open(rate, Arrivals::Poisson, seed), end);
            prop_assert!(times.is_sorted());
            // 40,000 are expected, and their standard deviation is 200: six of them.
            prop_assert!((times.len() as f64 - 40_000.0).abs() < 1_200.0, "{}", times.len());
            let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let deviation = (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
            prop_assert!((deviation / mean - 1.0).abs() < 0.05, "gaps by chance vary as much as they last: {}", deviation / mean);
        }

        #[test]
        fn a_seed_says_the_same_again(seed in any::<u64>()) {
            let times = || drained(&mut Pace::open(100.0, Arrivals::Poisson, seed), 10 * SECOND);
            prop_assert_eq!(times(), times());
        }

        #[test]
        fn parts_are_the_whole(rate in 1.0f64..2_000.0, parts in 1u32..9) {
            let whole = Pace::open(rate, Arrivals::Constant, 0);
            let mut times: Vec<u64> = (0..parts).flat_map(|part| drained(&mut whole.part(part, parts), 5 * SECOND)).collect();
            times.sort_unstable();
            let expected = drained(&mut whole.clone(), 5 * SECOND);
            prop_assert!(times.len().abs_diff(expected.len()) <= 1);
            prop_assert!(times.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 2), "{times:?} {expected:?}");
        }

        #[test]
        fn parts_of_a_window_are_the_window(max in 0u32..100, parts in 1u32..9) {
            let sum: usize = (0..parts).map(|part| drained(&mut Pace::closed(max).part(part, parts), 0).len()).sum();
            prop_assert_eq!(sum, max as usize);
        }
    }
}
