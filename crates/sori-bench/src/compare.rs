//! Two results beside each other: what differs, by how much, and what is only noise.
//!
//! A run is cut into blocks of time. Drawing blocks again and again (a bootstrap over blocks; runs first, where there are several)
//! shows how much a ratio might have been otherwise, percentiles too, because each block has its histogram.

mod blocks;
mod show;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use self::blocks::{Group, Whole};
pub use self::show::{comparison_page, comparison_text};
use crate::{Better, Run, Unit, random::Random};

/// What two results, or two groups of them, say together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What the first is called.
    pub a: String,
    /// What the second is called.
    pub b: String,
    /// How many runs each has.
    pub runs: [usize; 2],
    /// Why they should not be compared, or only with care.
    pub cautions: Vec<String>,
    /// Figure by figure, what arrived first.
    pub rows: Vec<Row>,
}

/// One figure of both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// What it is counted in.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    /// The first's; the median of its runs.
    pub a: Option<f64>,
    /// The second's.
    pub b: Option<f64>,
    /// The second's by the first's.
    pub ratio: Option<f64>,
    /// Where the ratio lies in 95 of 100 drawings.
    pub spread: Option<[f64; 2]>,
    /// What to make of it.
    pub word: Word,
}

/// What to make of a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// The second is better.
    Better,
    /// The second is worse.
    Worse,
    /// They differ, and neither way is better.
    Differs,
    /// No difference that is larger than chance.
    Noise,
    /// Nothing can be said about its spread.
    Unknown,
    /// They are the same.
    Same,
}

/// Compares groups of runs of the same; each needs one at least.
pub fn compare(a: &[Run], b: &[Run]) -> Comparison {
    let (group_a, group_b) = (Group::of(a), Group::of(b));
    let draws = Draws::of(&group_a, &group_b);
    let mut rows = completeness_rows(a, b);
    // Where clients come back because they are cut off, how many were opened says nothing.
    let has_visitors = a.iter().chain(b).all(Run::has_visitors);
    let measures = MEASURES.iter().filter(|measure| has_visitors || measure.name != OPENED);
    rows.extend(measures.filter_map(|measure| measure.row(&group_a, &group_b, &draws)));
    rows.extend(figure_rows(a, b));
    let title = |runs: &[Run]| runs.first().map(Run::title).unwrap_or_default();
    let (mut title_a, mut title_b) = (title(a), title(b));
    if title_a == title_b {
        title_a.push_str(" (first)");
        title_b.push_str(" (second)");
    }
    Comparison { a: title_a, b: title_b, runs: [a.len(), b.len()], cautions: cautions(a, b), rows }
}

/// A figure that every stretch of a run has.
struct Measure {
    name: &'static str,
    unit: Unit,
    better: Better,
    of: fn(&Whole<'_>) -> Option<f64>,
}

const OPENED: &str = "connections opened";

const MEASURES: &[Measure] = &[
    Measure {
        name: "delivered",
        unit: Unit::PerSecond,
        better: Better::Higher,
        of: |whole| whole.rate(|counts| counts.delivered),
    },
    Measure { name: "sent", unit: Unit::PerSecond, better: Better::Neither, of: |whole| whole.rate(|counts| counts.sent) },
    Measure { name: OPENED, unit: Unit::PerSecond, better: Better::Higher, of: |whole| whole.rate(|counts| counts.opened) },
    Measure { name: "latency p50", unit: Unit::Us, better: Better::Lower, of: |whole| whole.quantile_us(0.5) },
    Measure { name: "latency p90", unit: Unit::Us, better: Better::Lower, of: |whole| whole.quantile_us(0.9) },
    Measure { name: "latency p99", unit: Unit::Us, better: Better::Lower, of: |whole| whole.quantile_us(0.99) },
    Measure { name: "latency p99.9", unit: Unit::Us, better: Better::Lower, of: |whole| whole.quantile_us(0.999) },
    Measure {
        name: "server CPU per delivery",
        unit: Unit::Us,
        better: Better::Lower,
        of: |whole| whole.server_us_per_delivery(),
    },
    Measure { name: "server CPU", unit: Unit::Cores, better: Better::Lower, of: |whole| whole.server_cores() },
];

impl Measure {
    fn row(&self, a: &Group, b: &Group, draws: &Draws<'_>) -> Option<Row> {
        let each = |group: &Group| group.each().filter_map(|whole| (self.of)(&whole)).collect::<Vec<f64>>();
        let (each_a, each_b) = (each(a), each(b));
        let ratios = draws.ratios(self.of);
        let (a, b) = (median(&each_a), median(&each_b));
        if a.is_none() && b.is_none() {
            return None;
        }
        let ratio = ratio(a, b);
        let spread = interval(ratios);
        let word = match (ratio, spread) {
            (Some(ratio), Some(spread)) => word(ratio, spread, self.better, &each_a, &each_b),
            _ => Word::Unknown,
        };
        Some(Row { name: self.name.into(), unit: self.unit, better: self.better, a, b, ratio, spread, word })
    }
}

/// Pairs of runs as they might have been.
struct Draws<'a>(Vec<(Whole<'a>, Whole<'a>)>);

impl<'a> Draws<'a> {
    fn of(a: &'a Group, b: &'a Group) -> Self {
        if !a.can_be_drawn() || !b.can_be_drawn() {
            return Self(Vec::new());
        }
        let mut random = Random::new(SEED);
        Self((0..DRAWS).map(|_| (a.drawn(&mut random), b.drawn(&mut random))).collect())
    }

    fn ratios(&self, of: fn(&Whole<'_>) -> Option<f64>) -> Vec<f64> {
        self.0.iter().filter_map(|(a, b)| ratio(of(a), of(b))).collect()
    }
}

fn ratio(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    let (a, b) = (a?, b?);
    (a > 0.0 && b.is_finite()).then(|| b / a)
}

/// Where 95 of 100 lie.
fn interval(mut ratios: Vec<f64>) -> Option<[f64; 2]> {
    if ratios.len() < DRAWS / 2 {
        return None;
    }
    ratios.sort_by(f64::total_cmp);
    let at = |share: f64| ratios[((ratios.len() - 1) as f64 * share).round() as usize];
    Some([at(0.025), at(0.975)])
}

fn word(ratio: f64, [low, high]: [f64; 2], better: Better, a: &[f64], b: &[f64]) -> Word {
    let by_chance = low <= 1.0 && 1.0 <= high;
    let single = a.len() == 1 || b.len() == 1;
    let small = single && (BETWEEN_RUNS.recip()..=BETWEEN_RUNS).contains(&ratio);
    if by_chance || small || !single && overlap(a, b) {
        return Word::Noise;
    }
    match (better, ratio > 1.0) {
        (Better::Neither, _) => Word::Differs,
        (Better::Higher, true) | (Better::Lower, false) => Word::Better,
        (Better::Higher, false) | (Better::Lower, true) => Word::Worse,
    }
}

fn overlap(a: &[f64], b: &[f64]) -> bool {
    let ends =
        |values: &[f64]| values.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
    let ((low_a, high_a), (low_b, high_b)) = (ends(a), ends(b));
    low_a <= high_b && low_b <= high_a
}

fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    Some((upper + values[(values.len() - 1) / 2]) / 2.0)
}

/// What is missing is counted, not averaged: one message is one too many.
fn completeness_rows(a: &[Run], b: &[Run]) -> Vec<Row> {
    let row = |name: &str, of: fn(&Run) -> u64| {
        let sum = |runs: &[Run]| runs.iter().map(of).sum::<u64>();
        let (a, b) = (sum(a), sum(b));
        let word = match a.cmp(&b) {
            std::cmp::Ordering::Equal => Word::Same,
            std::cmp::Ordering::Less => Word::Worse,
            std::cmp::Ordering::Greater => Word::Better,
        };
        let [a, b] = [a, b].map(|count| Some(count as f64));
        Row { name: name.into(), unit: Unit::Count, better: Better::Lower, a, b, ratio: None, spread: None, word }
    };
    let rows = [
        row("missing", |run| run.completeness.missing),
        row("twice", |run| run.completeness.doubled),
        row("out of order", |run| run.completeness.out_of_order),
        row("foreign", |run| run.completeness.foreign + run.completeness.unreadable),
    ];
    let of_connections =
        [row("connections refused", |run| run.series.counts().refused), row("connections lost", |run| run.series.counts().lost)];
    let is_told = |row: &Row| a.iter().chain(b).any(Run::has_visitors) || [row.a, row.b] != [Some(0.0); 2];
    rows.into_iter().chain(of_connections.into_iter().filter(is_told)).collect()
}

/// Figures of the scenario, which a run has once: only several runs show their spread.
fn figure_rows(a: &[Run], b: &[Run]) -> Vec<Row> {
    const HAVE_MEASURES: [&str; 4] = ["messages sent", "messages delivered", "server CPU per delivery", OPENED];
    let values = |runs: &[Run], name: &str| -> Vec<f64> {
        runs.iter().flat_map(|run| run.figures.iter().filter(|figure| figure.name == name).map(|figure| figure.value)).collect()
    };
    let first = a.first().into_iter().flat_map(|run| &run.figures);
    first
        .filter(|figure| !HAVE_MEASURES.contains(&figure.name.as_str()))
        .filter_map(|figure| {
            let (each_a, each_b) = (values(a, &figure.name), values(b, &figure.name));
            let (a, b) = (median(&each_a)?, median(&each_b)?);
            let ratio = ratio(Some(a), Some(b));
            let word = match ratio {
                Some(ratio) if each_a.len() > 1 && each_b.len() > 1 => word(ratio, [ratio; 2], figure.better, &each_a, &each_b),
                _ => Word::Unknown,
            };
            let (name, unit, better) = (figure.name.clone(), figure.unit, figure.better);
            Some(Row { name, unit, better, a: Some(a), b: Some(b), ratio, spread: None, word })
        })
        .collect()
}

fn cautions(a: &[Run], b: &[Run]) -> Vec<String> {
    let mut cautions = Vec::new();
    let (Some(first_a), Some(first_b)) = (a.first(), b.first()) else { return cautions };
    if a.iter().chain(b).any(|run| run.scenario != first_a.scenario) {
        cautions.push("The scenarios differ: these figures are of different things.".into());
    }
    let options = |run: &Run| -> BTreeMap<String, Value> {
        let of_both = run.flat_options().into_iter().filter(|(name, _)| !OF_ONE_RUN.iter().any(|own| name.starts_with(own)));
        of_both.map(|(name, value)| (name, value.clone())).collect()
    };
    let (options_a, options_b) = (options(first_a), options(first_b));
    let names: BTreeSet<&String> = options_a.keys().chain(options_b.keys()).collect();
    // Other scenarios have other options.
    let is_of_both = |name: &str| options_a.contains_key(name) && options_b.contains_key(name);
    let same_scenario = first_a.scenario == first_b.scenario;
    let differing: Vec<&str> = names
        .into_iter()
        .filter(|name| options_a.get(*name) != options_b.get(*name))
        .map(String::as_str)
        .filter(|name| same_scenario || is_of_both(name))
        .collect();
    if !differing.is_empty() || first_a.load != first_b.load {
        let differing = if differing.is_empty() { "the load".into() } else { differing.join(", ") };
        cautions.push(format!("They were run with different options: {differing}."));
    }
    if first_a.machine != first_b.machine {
        cautions.push("They were run on different machines.".into());
    }
    for (name, runs) in [("first", a), ("second", b)] {
        let missing: u64 = runs.iter().map(|run| run.completeness.missing).sum();
        if missing > 0 {
            cautions.push(format!(
                "The {name} misses {} messages, and latency of messages that never came is not a number: its latencies are those of a lighter load.",
                crate::text::grouped(missing)
            ));
        }
        if let Some(run) = runs.iter().find(|run| !run.judgement.trustworthy) {
            cautions.push(format!("Of the {name}: {}", run.judgement.worth));
        }
        if runs.iter().any(|run| run.ended != crate::Ended::Whole) {
            cautions.push(format!("The {name} did not run to its end."));
        }
    }
    if a.len() == 1 || b.len() == 1 {
        cautions.push(format!(
            "One run of a side shows how much it varies within, not how much another run would differ: less than {:.0} % is called noise, and several \
             runs of each (A1.json,A2.json B1.json,B2.json) say more.",
            (BETWEEN_RUNS - 1.0) * 100.0
        ));
    }
    cautions
}

/// Options that tell where a run went and what is kept of it, not what was done.
const OF_ONE_RUN: [&str; 3] = ["output.", "server.pids", "server.i_own"];
/// Two runs of the same differ by as much on a shared machine, and often by more.
const BETWEEN_RUNS: f64 = 1.1;
const DRAWS: usize = 200;
/// The same files say the same, each time.
const SEED: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn row<'a>(comparison: &'a Comparison, name: &str) -> &'a Row {
        comparison.rows.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("{name} in {comparison:?}"))
    }

    #[test]
    fn a_run_beside_itself_is_noise() {
        let run = example::run();
        let comparison = compare(std::slice::from_ref(&run), std::slice::from_ref(&run));
        for row in &comparison.rows {
            assert!(matches!(row.word, Word::Noise | Word::Same | Word::Unknown), "{row:?}");
            assert!(row.ratio.is_none_or(|ratio| (ratio - 1.0).abs() < 1e-9), "{row:?}");
        }
    }

    #[test]
    fn chance_alone_is_noise() {
        let comparison = compare(&[example::slower(1.0, 1)], &[example::slower(1.0, 2)]);
        for name in ["delivered", "latency p50", "latency p90", "server CPU per delivery"] {
            assert_eq!(row(&comparison, name).word, Word::Noise, "{:?}", row(&comparison, name));
        }
    }

    #[test]
    fn a_slower_server_is_told_and_by_how_much() {
        let comparison = compare(&[example::slower(1.0, 1)], &[example::slower(2.0, 2)]);
        let p50 = row(&comparison, "latency p50");
        let [low, high] = p50.spread.expect("there are blocks enough");
        assert_eq!(p50.word, Word::Worse);
        assert!(low < 2.0 && 2.0 < high + 0.05 && high - low < 0.2, "{p50:?}");
        assert_eq!(row(&comparison, "server CPU per delivery").word, Word::Worse);
        assert_eq!(row(&comparison, "delivered").word, Word::Noise);
        let back = compare(&[example::slower(2.0, 2)], &[example::slower(1.0, 1)]);
        assert_eq!(row(&back, "latency p50").word, Word::Better);
    }

    #[test]
    fn several_runs_may_tell_less_apart() {
        let runs = |factor: f64, seeds: [u64; 3]| seeds.map(|seed| example::slower(factor, seed));
        // 5 % slower: one run each cannot say it, three can.
        let comparison = compare(&[example::slower(1.0, 1)], &[example::slower(1.05, 4)]);
        assert_eq!(row(&comparison, "latency p50").word, Word::Noise);
        let comparison = compare(&runs(1.0, [1, 2, 3]), &runs(1.05, [4, 5, 6]));
        assert_eq!(row(&comparison, "latency p50").word, Word::Worse, "{:?}", row(&comparison, "latency p50"));
        // Unless one of the slower ones was as quick as the others.
        let mixed = [example::slower(1.0, 4), example::slower(1.05, 5), example::slower(1.05, 6)];
        assert_eq!(row(&compare(&runs(1.0, [1, 2, 3]), &mixed), "latency p50").word, Word::Noise);
    }

    #[test]
    fn what_is_missing_comes_first_and_is_a_caution() {
        let comparison = compare(&[example::run()], &[example::broken()]);
        assert_eq!(
            (comparison.rows[0].name.as_str(), comparison.rows[0].b, comparison.rows[0].word),
            ("missing", Some(4.0), Word::Worse)
        );
        let cautions = comparison.cautions.join("\n");
        assert!(cautions.contains("is not a number") && cautions.contains("did not run to its end"), "{cautions}");
    }

    #[test]
    fn different_things_are_not_compared_in_silence() {
        let mut other = example::run();
        other.scenario = "broadcast".into();
        other.options.insert("clients".into(), 2_000.into());
        other.options.insert("output".into(), serde_json::json!({"name": "other"}));
        other.machine.cores += 1;
        let cautions = compare(&[example::run()], &[other]).cautions.join("\n");
        assert!(
            ["scenarios differ", "different options: clients.", "different machines"].iter().all(|part| cautions.contains(part)),
            "{cautions}"
        );
    }

    #[test]
    fn a_short_run_has_no_spread() {
        let mut short = example::run();
        short.series.intervals.truncate(9);
        let comparison = compare(&[short.clone()], &[short]);
        assert_eq!(row(&comparison, "latency p50").word, Word::Unknown);
    }
}
