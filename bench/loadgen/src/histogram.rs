//! Latencies, in buckets 1.5 % wide.

pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

/// Each octave has 64 steps.
const STEPS_LOG2: usize = 6;
const STEPS: usize = 1 << STEPS_LOG2;

impl Histogram {
    pub fn new() -> Self {
        Self { counts: vec![0; STEPS * (65 - STEPS_LOG2)], total: 0, max: 0 }
    }

    pub fn add(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
        self.total += 1;
        self.max = self.max.max(value);
    }

    pub fn max(&self) -> u64 {
        self.max
    }

    /// The value that the share `q` of all does not exceed.
    pub fn quantile(&self, q: f64) -> u64 {
        let wanted = (self.total as f64 * q).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            seen += count;
            if seen >= wanted {
                return lowest(bucket);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> usize {
    if value < STEPS as u64 {
        return value as usize;
    }
    let octave = 63 - value.leading_zeros() as usize;
    let step = (value >> (octave - STEPS_LOG2)) as usize & (STEPS - 1);
    ((octave + 1 - STEPS_LOG2) << STEPS_LOG2) + step
}

fn lowest(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let octave = (bucket >> STEPS_LOG2) + STEPS_LOG2 - 1;
    ((STEPS + (bucket & (STEPS - 1))) as u64) << (octave - STEPS_LOG2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_a_bucket_that_begins_at_most_two_percent_below_it() {
        for value in [0, 1, 63, 64, 65, 127, 128, 1000, 123_456, u64::MAX / 3, u64::MAX] {
            let low = lowest(bucket(value));
            assert!(low <= value && value - low <= value / 50, "{value} is in the bucket of {low}");
        }
    }

    #[test]
    fn quantiles_are_of_the_count() {
        let mut histogram = Histogram::new();
        (1..=60).for_each(|value| histogram.add(value));
        assert_eq!((histogram.quantile(0.5), histogram.quantile(0.99), histogram.max()), (30, 60, 60));
    }
}
