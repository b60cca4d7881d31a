//! How long things took: HDR histograms, and how they are written down.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer, V2DeflateSerializer},
};
use serde::{Deserialize, Serialize};

/// Durations, each kept within a thousandth of itself; none is kept finer than 64 ns.
///
/// ```
/// use std::time::Duration;
/// use sori_bench::Latencies;
///
/// let mut latencies = Latencies::new();
/// (1..=100).for_each(|ms| latencies.record(Duration::from_millis(ms)));
/// assert_eq!(latencies.at(0.99).as_millis(), 99);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Latencies(Histogram<u64>);

/// A bar of a histogram for people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// The bar counts what took at most this long, and longer than the bar before.
    pub up_to: Duration,
    /// How many that were.
    pub count: u64,
}

impl Latencies {
    /// None yet.
    pub fn new() -> Self {
        let mut histogram =
            Histogram::new_with_bounds(FINEST_NS, FINEST_NS * 2, DIGITS).expect("the bounds are in order, and the digits few");
        histogram.auto(true);
        Self(histogram)
    }

    /// Adds one. What took longer than an hour counts as an hour.
    pub fn record(&mut self, latency: Duration) {
        self.record_ns(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds one, in nanoseconds.
    pub fn record_ns(&mut self, latency_ns: u64) {
        // The place of 0 is not that of the shortest: what is written down would read otherwise.
        self.0.record(latency_ns.clamp(FINEST_NS, LONGEST_NS)).expect("the histogram grows");
    }

    /// Adds those of others.
    pub fn merge(&mut self, others: &Self) {
        self.0.add(&others.0).expect("the histogram grows");
    }

    /// Forgets all, and keeps the memory for the next.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What this share of them (0 to 1) did not exceed.
    pub fn at(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(quantile))
    }

    /// The shortest.
    pub fn min(&self) -> Duration {
        Duration::from_nanos(if self.is_empty() { 0 } else { self.0.min() })
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// All together, by their number.
    pub fn mean(&self) -> Duration {
        Duration::from_nanos(self.0.mean() as u64)
    }

    /// Bars from the shortest to the longest, each as much wider than the one before as that one was.
    pub fn bars(&self, count: usize) -> Vec<Bar> {
        let (low, high) = (self.0.min().max(FINEST_NS) as f64, self.0.max().max(FINEST_NS * 2) as f64);
        if self.is_empty() || count == 0 {
            return Vec::new();
        }
        let step = (high / low).max(1.01).powf(1.0 / count as f64);
        let mut bars: Vec<Bar> = (1..=count)
            .map(|at| Bar { up_to: Duration::from_nanos((low * step.powi(at as i32)).round() as u64), count: 0 })
            .collect();
        for recorded in self.0.iter_recorded() {
            let at = bars.partition_point(|bar| (bar.up_to.as_nanos() as u64) < recorded.value_iterated_to());
            bars[at.min(count - 1)].count += recorded.count_since_last_iteration();
        }
        bars
    }

    /// Each value that there is, in nanoseconds and in order, with how often.
    pub(crate) fn values_ns(&self) -> Vec<(u64, u64)> {
        self.0.iter_recorded().map(|recorded| (recorded.value_iterated_to(), recorded.count_at_value())).collect()
    }

    /// As it is written down.
    pub fn pack(&self) -> Packed {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&self.0, &mut bytes).expect("memory takes what is written");
        let us = |latency: Duration| latency.as_nanos() as f64 / 1e3;
        Packed {
            count: self.count(),
            min_us: us(self.min()),
            mean_us: us(self.mean()),
            p50_us: us(self.at(0.5)),
            p90_us: us(self.at(0.9)),
            p99_us: us(self.at(0.99)),
            p999_us: us(self.at(0.999)),
            max_us: us(self.max()),
            hdr: STANDARD.encode(bytes),
        }
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

impl Serialize for Latencies {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.pack().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Packed::deserialize(from)?.open().map_err(serde::de::Error::custom)
    }
}

/// A histogram in a result. `hdr` has all of it: what the HdrHistogram libraries of other languages read as a compressed
/// histogram, in nanoseconds. The other fields say again what is in it, for those who read without a library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Packed {
    /// How many there are.
    pub count: u64,
    /// The shortest.
    pub min_us: f64,
    /// All together, by their number.
    pub mean_us: f64,
    /// The median.
    pub p50_us: f64,
    /// Nine of ten.
    pub p90_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// 999 of 1,000.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
    /// HdrHistogram V2, compressed, in base64; the unit is 1 ns.
    pub hdr: String,
}

impl Packed {
    /// The histogram itself, or why it is none.
    pub fn open(&self) -> Result<Latencies, String> {
        let bytes = STANDARD.decode(&self.hdr).map_err(|error| format!("a histogram is not base64: {error}"))?;
        let mut histogram: Histogram<u64> =
            Deserializer::new().deserialize(&mut &bytes[..]).map_err(|error| format!("a histogram cannot be read: {error}"))?;
        histogram.auto(true);
        Ok(Latencies(histogram))
    }
}

/// A loopback's echo takes some 20 µs: steps of 64 ns are a third of a percent of it.
const FINEST_NS: u64 = 64;
const LONGEST_NS: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values_ns: &[u64]) -> Latencies {
        let mut latencies = Latencies::new();
        values_ns.iter().for_each(|ns| latencies.record_ns(*ns));
        latencies
    }

    /// The same by sorting.
    fn exact(values_ns: &[u64], quantile: f64) -> u64 {
        let mut sorted = values_ns.to_vec();
        sorted.sort_unstable();
        let rank = (quantile * sorted.len() as f64).ceil() as usize;
        sorted[rank.max(1) - 1]
    }

    fn assert_near(found: Duration, exact_ns: u64) -> Result<(), TestCaseError> {
        let allowed = (exact_ns / 1_000).max(FINEST_NS);
        let found = found.as_nanos() as u64;
        prop_assert!(found.abs_diff(exact_ns) <= allowed, "{found} is not {exact_ns} within {allowed}");
        Ok(())
    }

    /// Values of every magnitude; what is shorter than the shortest counts as that.
    fn values() -> impl Strategy<Value = Vec<u64>> {
        let value = (0u32..41, any::<u64>()).prop_map(|(bits, value)| (value & ((1 << bits) - 1)).max(FINEST_NS));
        prop::collection::vec(value, 1..600)
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_values(values in values()) {
            let latencies = of(&values);
            for quantile in [0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0] {
                assert_near(latencies.at(quantile), exact(&values, quantile))?;
            }
            assert_near(latencies.min(), exact(&values, 0.0))?;
            assert_near(latencies.max(), exact(&values, 1.0))?;
            let sum: u128 = values.iter().map(|ns| u128::from(*ns)).sum();
            assert_near(latencies.mean(), (sum / values.len() as u128) as u64)?;
        }

        #[test]
        fn merging_is_recording_together(a in values(), b in values()) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(&merged, &of(&[a, b].concat()));
        }

        #[test]
        fn what_is_written_down_is_read_again(values in values()) {
            let latencies = of(&values);
            let json = serde_json::to_string(&latencies.pack()).expect("JSON");
            let packed: Packed = serde_json::from_str(&json).expect("JSON");
            prop_assert_eq!(packed.open().expect("a histogram"), latencies);
        }

        #[test]
        fn bars_count_everything_once(values in values(), count in 1usize..40) {
            let bars = of(&values).bars(count);
            prop_assert_eq!(bars.iter().map(|bar| bar.count).sum::<u64>(), values.len() as u64);
        }
    }

    #[test]
    fn none_is_no_number_to_trip_over() {
        let none = Latencies::new();
        assert_eq!((none.count(), none.at(0.99), none.min(), none.max()), (0, Duration::ZERO, Duration::ZERO, Duration::ZERO));
        assert_eq!(none.bars(8), []);
        assert_eq!(none.pack().open(), Ok(none));
    }

    #[test]
    fn nothing_is_shorter_than_the_shortest() {
        assert_eq!(of(&[0, 1, 63]), of(&[FINEST_NS; 3]));
    }

    #[test]
    fn more_than_an_hour_is_an_hour() {
        let mut latencies = Latencies::new();
        latencies.record(Duration::MAX);
        assert!((3_600..3_604).contains(&latencies.at(1.0).as_secs()));
    }

    #[test]
    fn other_libraries_know_it() {
        // HdrHistogram's compressed form begins with this cookie, in base64.
        assert!(of(&[1_000]).pack().hdr.starts_with("HISTF"));
    }

    #[test]
    fn what_is_no_histogram_is_told() {
        let packed = |hdr: &str| Packed { hdr: hdr.into(), ..Latencies::new().pack() };
        assert!(packed("!").open().is_err_and(|why| why.contains("base64")));
        assert!(packed("HISTFAAA").open().is_err_and(|why| why.contains("cannot be read")));
    }
}
