//! The result as text, for the end of a run and for `sori bench report`.

use std::fmt::Write;

use crate::{
    Completeness, Ended, Figure, Load, Named, Run, Unit,
    text::{bytes, counted, grouped, number, percent, time, time_us},
};

/// All that a person wants to know, what came and what did not first.
pub fn summary(run: &Run) -> String {
    let mut text = format!("{}\n{}\n", run.title(), load(run));
    match &run.ended {
        Ended::Whole => {}
        Ended::Interrupted => text.push_str("It was stopped before its end; what follows was measured until then.\n"),
        Ended::Failed { why } => _ = writeln!(text, "It FAILED: {why}"),
    }
    text.push('\n');
    completeness(&mut text, &run.completeness);
    latencies(&mut text, run);
    figures(&mut text, &run.figures);
    errors(&mut text, run);
    _ = writeln!(text, "\n{}", run.judgement.worth);
    for finding in &run.judgement.findings {
        _ = writeln!(text, "  {} {}", finding.seen, finding.advice);
    }
    text
}

/// How load was made, in a sentence.
pub fn load(run: &Run) -> String {
    let seconds = run.series.measured_s();
    match run.load {
        Load::Open { rate_per_s, .. } => {
            format!("{} s at {} messages a second, whatever the server does (open loop)", number(seconds), number(rate_per_s))
        }
        Load::Closed { outstanding } => {
            format!("{} s, {} at once (closed loop)", number(seconds), counted(outstanding.into(), "message", "messages"))
        }
        Load::None => format!("{} s", number(seconds)),
    }
}

/// Whether everything arrived, in a sentence.
pub fn verdict(completeness: &Completeness) -> String {
    let Completeness { expected, missing, doubled, out_of_order, .. } = *completeness;
    let foreign = completeness.foreign + completeness.unreadable;
    if expected == 0 {
        return "No delivery was expected.".into();
    }
    if completeness.is_perfect() {
        return format!("Everything arrived: {}, each once and in order.", counted(expected, "delivery", "deliveries"));
    }
    let wrong =
        [(missing, "missing"), (doubled, "twice"), (out_of_order, "out of order"), (foreign, "not of this run, or unreadable")];
    let wrong: Vec<String> =
        wrong.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{} {what}", grouped(*count))).collect();
    format!("Not everything is right: {} of {}.", wrong.join(", "), counted(expected, "delivery", "deliveries"))
}

/// A figure with its unit.
pub fn value(figure: &Figure) -> String {
    in_unit(figure.value, figure.unit)
}

pub(crate) fn in_unit(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Count => number(value),
        Unit::PerSecond => format!("{} /s", number(value)),
        Unit::Us => time_us(value),
        Unit::Bytes => bytes(value.max(0.0) as u64),
        Unit::Share => percent(value),
        Unit::Cores => format!("{} cores", number(value)),
    }
}

/// What latencies are worth beside what did not come.
pub fn caveat(run: &Run) -> Option<String> {
    let missing = run.completeness.missing;
    (missing > 0).then(|| {
        format!(
            "Latencies are of what came. Latency of messages that never came is not a number: with {} missing, compare nothing below.",
            grouped(missing)
        )
    })
}

/// From when latencies count.
pub fn counted_from(named: &Named, load: &Load) -> &'static str {
    match (named.from_intended_time, load) {
        (true, _) => "counted from the time that each message was intended for, so that waiting for a slow server is part of it",
        (false, Load::Closed { .. }) => {
            "counted from sending: a server that slows down is asked less, and looks better here than to its users"
        }
        (false, _) => "counted from sending",
    }
}

fn completeness(text: &mut String, all: &Completeness) {
    _ = writeln!(text, "{}", verdict(all));
    if all.expected == 0 {
        return;
    }
    let share = all.share().map(percent).unwrap_or_default();
    row(text, "delivered", &format!("{} of {}, {share}", grouped(all.delivered), grouped(all.expected)));
    let in_streams = |count: u64, streams: u64| match count {
        0 => "0".to_owned(),
        count => format!("{}, at {} of {}", grouped(count), grouped(streams), counted(all.streams, "receiver", "receivers")),
    };
    row(text, "missing", &in_streams(all.missing, all.streams_missing));
    row(text, "twice", &in_streams(all.doubled, all.streams_doubled));
    row(text, "out of order", &in_streams(all.out_of_order, all.streams_out_of_order));
    if all.recovered > 0 {
        row(text, "recovered", &format!("{} after a lost connection", grouped(all.recovered)));
    }
    if all.foreign + all.unreadable > 0 {
        row(text, "foreign", &format!("{} of another run, {} unreadable", grouped(all.foreign), grouped(all.unreadable)));
    }
    if all.uncertain > 0 {
        row(text, "uncertain", &format!("{} may be late instead of missing: too many gaps to remember", grouped(all.uncertain)));
    }
    for worst in &all.worst {
        let first = worst.first_missing.map_or(String::new(), |seq| format!(", the first is message {}", grouped(seq.into())));
        let line = format!(
            "receiver {} of sender {}: {} missing ({} at a stretch{first}), {} twice, {} out of order",
            grouped(worst.receiver),
            worst.sender,
            grouped(worst.missing),
            grouped(worst.longest_gap),
            grouped(worst.doubled),
            grouped(worst.out_of_order)
        );
        row(text, "worst", &line);
    }
}

fn latencies(text: &mut String, run: &Run) {
    if let Some(caveat) = caveat(run) {
        _ = writeln!(text, "\n{caveat}");
    }
    for named in &run.latencies {
        let packed = &named.packed;
        _ = writeln!(text, "\nLatency, {}: {}", named.name, counted_from(named, &run.load));
        let quantiles = [("p50", packed.p50_us), ("p90", packed.p90_us), ("p99", packed.p99_us), ("p99.9", packed.p999_us)];
        let quantiles: Vec<String> = quantiles.iter().map(|(name, us)| format!("{name} {}", time_us(*us))).collect();
        row(text, "of", &format!("{}: {}  max {}", grouped(packed.count), quantiles.join("  "), time_us(packed.max_us)));
        histogram(text, named);
    }
}

fn histogram(text: &mut String, named: &Named) {
    let bars = named.packed.open().map(|latencies| latencies.bars(BARS)).unwrap_or_default();
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(1);
    for bar in bars {
        let length = (bar.count as f64 / most as f64 * BAR_WIDTH as f64).round() as usize;
        let length = length.max(usize::from(bar.count > 0));
        row(
            text,
            &format!("≤ {}", time(bar.up_to)),
            format!("{:<BAR_WIDTH$} {}", "█".repeat(length), grouped(bar.count)).trim_end(),
        );
    }
}

fn figures(text: &mut String, figures: &[Figure]) {
    if !figures.is_empty() {
        text.push_str("\nFigures\n");
    }
    let width = figures.iter().map(|figure| figure.name.chars().count()).max().unwrap_or(0);
    for figure in figures {
        _ = writeln!(text, "  {:<width$}  {}", figure.name, value(figure));
    }
}

fn errors(text: &mut String, run: &Run) {
    if !run.errors.is_empty() {
        text.push_str("\nErrors\n");
    }
    for (kind, count) in &run.errors {
        _ = writeln!(text, "  {:>9}  {kind}", grouped(*count));
    }
}

fn row(text: &mut String, name: &str, value: &str) {
    _ = writeln!(text, "  {name:<12}  {value}");
}

const BARS: usize = 12;
const BAR_WIDTH: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn place(text: &str, part: &str) -> usize {
        text.find(part).unwrap_or_else(|| panic!("{part} in\n{text}"))
    }

    #[test]
    fn what_came_is_said_before_how_long_it_took() {
        let text = summary(&example::run());
        let order =
            ["Everything arrived", "missing", "twice", "out of order", "Latency, echo", "Figures", "Neither the generator"];
        assert!(order.map(|part| place(&text, part)).is_sorted(), "{text}");
        assert!(!text.contains("is not a number"));
    }

    #[test]
    fn latency_of_what_never_came_is_not_a_number() {
        let text = summary(&example::broken());
        let order = ["It FAILED: the server went away", "Not everything is right", "worst", "is not a number", "Latency, echo"];
        assert!(order.map(|part| place(&text, part)).is_sorted(), "{text}");
        // One of a million is missing: that is not 100 %.
        assert!(text.contains("99.99 %"), "{text}");
    }

    #[test]
    fn a_run_that_measured_nothing_has_no_latency() {
        let run = Run::new("idle", "http://127.0.0.1:3000");
        let text = summary(&run);
        assert!(text.contains("No delivery was expected.") && !text.contains("Latency"), "{text}");
    }
}
