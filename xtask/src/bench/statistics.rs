//! What several runs of the same thing say together.

/// The middle of the quiet runs, and the ends of all.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Summary {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

/// One run's value, and how much of its core's time the hypervisor gave to others.
#[derive(Clone, Copy)]
pub struct Sample {
    pub value: f64,
    pub steal_pct: f64,
}

/// More than this, and the run says more about the neighbours.
const STEAL_MAX_PCT: f64 = 5.0;
/// Fewer quiet runs than this are no better than all of them.
const QUIET_MIN: usize = 3;

impl Summary {
    pub fn of(samples: &[Sample]) -> Option<Self> {
        let every: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
        let used: Vec<f64> = quiet(samples).iter().map(|sample| sample.value).collect();
        Some(Self {
            median: median(&used)?,
            min: every.iter().copied().reduce(f64::min)?,
            max: every.iter().copied().reduce(f64::max)?,
        })
    }
}

/// Those that count: the ones little was stolen from, as long as enough of them are left.
pub fn quiet(samples: &[Sample]) -> Vec<Sample> {
    let quiet: Vec<Sample> = samples.iter().filter(|sample| sample.steal_pct <= STEAL_MAX_PCT).copied().collect();
    if quiet.len() >= QUIET_MIN { quiet } else { samples.to_vec() }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(samples: &[(f64, f64)], expected: Option<(f64, f64, f64)>) {
        let samples: Vec<Sample> = samples.iter().map(|&(value, steal_pct)| Sample { value, steal_pct }).collect();
        assert_eq!(Summary::of(&samples), expected.map(|(median, min, max)| Summary { median, min, max }));
    }

    #[test]
    fn the_median_is_the_middle() {
        check(&[], None);
        check(&[(3.0, 0.0)], Some((3.0, 3.0, 3.0)));
        check(&[(3.0, 0.0), (1.0, 0.0)], Some((2.0, 1.0, 3.0)));
        check(&[(9.0, 0.0), (1.0, 0.0), (2.0, 0.0)], Some((2.0, 1.0, 9.0)));
    }

    #[test]
    fn runs_that_were_stolen_from_count_only_in_the_spread() {
        check(&[(1.0, 0.0), (2.0, 5.0), (3.0, 1.0), (50.0, 5.1), (60.0, 40.0)], Some((2.0, 1.0, 60.0)));
    }

    #[test]
    fn they_count_where_too_few_others_are() {
        check(&[(1.0, 0.0), (2.0, 0.0), (9.0, 30.0)], Some((2.0, 1.0, 9.0)));
    }
}
