//! The result as text, for the end of a run and for `sori bench report`.

use std::fmt::Write;

use crate::{
    Completeness, Counts, Ended, Figure, Load, Named, Of, Packed, Run, Unit,
    run::{CATCHING_UP, COMING_BACK, CONNECT},
    text::{bytes, columns, counted, grouped, number, percent, time, time_us},
};

/// All that a person wants to know, what came and what did not first.
pub fn summary(run: &Run) -> String {
    let mut text = format!("{}\n{}\n", run.title(), load(run));
    match &run.ended {
        Ended::Whole => {}
        Ended::Interrupted => text.push_str("It was stopped before its end; what follows was measured until then.\n"),
        Ended::Failed { why } => _ = writeln!(text, "It FAILED: {why}"),
    }
    _ = writeln!(text, "\n{}", verdict(run));
    completeness(&mut text, &run.completeness);
    connections(&mut text, run);
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
    // Phases end within milliseconds of their time, which is not worth a word.
    let seconds = number((run.series.measured_s() * 10.0).round() / 10.0);
    let visitors = || match run.options.get("soak").and_then(|soak| soak.get("churn")?.as_f64()) {
        Some(churn) if run.has_visitors() => format!(", of {} clients a second that come and go", number(churn)),
        _ => String::new(),
    };
    match run.load {
        Load::Open { rate_per_s, .. } if run.scenario == CONNECT => {
            format!("{seconds} s at {} connections a second, whatever the server does (open loop)", number(rate_per_s))
        }
        Load::Open { rate_per_s, .. } => {
            format!("{seconds} s at {} messages a second{}, whatever the server does (open loop)", number(rate_per_s), visitors())
        }
        Load::Closed { outstanding } => {
            format!("{seconds} s, {} at once (closed loop)", counted(outstanding.into(), "message", "messages"))
        }
        Load::None => format!("{seconds} s"),
    }
}

/// Whether everything came about, in a sentence.
pub fn verdict(run: &Run) -> String {
    let completeness = &run.completeness;
    let Counts { opened, refused, lost, .. } = run.series.counts();
    let of_connections = wrong(&[(refused, "refused"), (lost, "lost")]);
    match (completeness.expected, of_connections) {
        (0, _) if opened + refused == 0 => "No delivery was expected.".into(),
        (0, None) => format!("All is right: {}, none refused and none lost.", counted(opened, "connection", "connections")),
        (0, Some(wrong)) => {
            format!("Not everything is right: {wrong} of {}.", counted(opened + refused, "connection", "connections"))
        }
        (_, None) => of_messages(completeness) + ".",
        (_, Some(wrong)) => {
            format!("{}; of {}, {wrong}.", of_messages(completeness), counted(opened + refused, "connection", "connections"))
        }
    }
}

fn of_messages(completeness: &Completeness) -> String {
    let Completeness { expected, missing, doubled, out_of_order, .. } = *completeness;
    let foreign = completeness.foreign + completeness.unreadable;
    let deliveries = counted(expected, "delivery", "deliveries");
    let of_messages =
        [(missing, "missing"), (doubled, "twice"), (out_of_order, "out of order"), (foreign, "not of this run, or unreadable")];
    match wrong(&of_messages) {
        None => format!("Everything arrived: {deliveries}, each once and in order"),
        Some(wrong) => format!("Not everything is right: {wrong} of {deliveries}"),
    }
}

fn wrong(counts: &[(u64, &str)]) -> Option<String> {
    let wrong: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{} {what}", grouped(*count))).collect();
    (!wrong.is_empty()).then(|| wrong.join(", "))
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
        Unit::Times => format!("{} ×", number((value * 100.0).round() / 100.0)),
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
    match (named.of, named.from_intended_time, load) {
        (Of::Connections, ..) if named.name == COMING_BACK => {
            "from the time that each client's network was back or its connection lost, until it was connected"
        }
        (Of::Connections, ..) => "from the time that each connection was due, until it was open",
        (_, true, _) if named.name == CATCHING_UP => {
            "of what was sent while its receiver was away, from the time that each message was intended for"
        }
        (_, false, _) if named.name == CATCHING_UP => "of what was sent while its receiver was away, from sending",
        (_, true, _) => "from the time that each message was intended for, so that waiting for a slow server is part of it",
        (_, false, Load::Closed { .. }) => {
            "from sending: a server that slows down is asked less, and looks better here than to its users"
        }
        (_, false, _) => "from sending",
    }
}

/// Each way of counting, with the latencies that are counted so: `delivery, echo: from …`.
pub(crate) fn counted_ways(run: &Run) -> Vec<String> {
    let mut ways: Vec<(Vec<&str>, &str)> = Vec::new();
    for named in &run.latencies {
        let from = counted_from(named, &run.load);
        match ways.iter_mut().find(|(_, way)| *way == from) {
            Some((names, _)) => names.push(&named.name),
            None => ways.push((vec![&named.name], from)),
        }
    }
    ways.into_iter().map(|(names, from)| format!("{}: {from}", names.join(", "))).collect()
}

/// What this share did not exceed, where so few exceeded it that it says more than the longest does.
pub(crate) fn quantile(packed: &Packed, share: f64, us: f64) -> String {
    let beyond = (1.0 - share) * packed.count as f64;
    // 0.999 of 1,000 is not quite 999.
    if beyond > 0.999 { time_us(us) } else { "–".into() }
}

fn completeness(text: &mut String, all: &Completeness) {
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
    for worst in all.worst.iter().take(WORST) {
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
    if all.worst.len() > WORST {
        row(text, "", "and others: the page and the JSON tell of ten");
    }
}

/// Where they are the question, or not as they were to be.
fn connections(text: &mut String, run: &Run) {
    let Counts { opened, refused, lost, .. } = run.series.counts();
    if run.has_visitors() || refused + lost > 0 {
        let line = format!("{} opened, {} refused, {} lost", grouped(opened), grouped(refused), grouped(lost));
        row(text, "connections", &line);
    }
}

fn latencies(text: &mut String, run: &Run) {
    if let Some(caveat) = caveat(run) {
        _ = writeln!(text, "\n{caveat}");
    }
    let Some(first) = run.latencies.first() else { return };
    let head = ["Latency", "of", "p50", "p90", "p99", "p99.9", "max"].map(str::to_owned);
    let line = |Named { name, packed, .. }: &Named| {
        let quantiles = [(0.5, packed.p50_us), (0.9, packed.p90_us), (0.99, packed.p99_us), (0.999, packed.p999_us)];
        let [p50, p90, p99, p999] = quantiles.map(|(share, us)| quantile(packed, share, us));
        [format!("  {name}"), grouped(packed.count), p50, p90, p99, p999, time_us(packed.max_us)]
    };
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(run.latencies.iter().map(line)).collect();
    _ = write!(text, "\n{}", columns(&rows));
    for way in counted_ways(run) {
        _ = writeln!(text, "  {way}");
    }
    _ = writeln!(text, "\nHow many took how long ({})", first.name);
    histogram(text, first);
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

/// Whoever wants to see more has a page.
const WORST: usize = 3;
const BARS: usize = 12;
const BAR_WIDTH: usize = 40;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::example;

    fn place(text: &str, part: &str) -> usize {
        text.find(part).unwrap_or_else(|| panic!("{part} in\n{text}"))
    }

    #[test]
    fn what_came_is_said_before_how_long_it_took() {
        let text = summary(&example::run());
        let order = ["Everything arrived", "missing", "twice", "out of order", "  echo ", "Figures", "Neither the generator"];
        assert!(order.map(|part| place(&text, part)).is_sorted(), "{text}");
        assert!(!text.contains("is not a number"));
    }

    #[test]
    fn latency_of_what_never_came_is_not_a_number() {
        let text = summary(&example::broken());
        let order = ["It FAILED: the server went away", "Not everything is right", "worst", "is not a number", "  echo "];
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

    #[test]
    fn connections_are_told_where_they_are_the_question_or_not_as_they_were_to_be() {
        let told = |scenario: &str, counts: Counts| {
            let mut run = Run::new(scenario, "http://127.0.0.1:3000");
            run.load = Load::Open { rate_per_s: 200.0, arrivals: crate::Arrivals::Constant };
            let tick = crate::Tick { counts, ..crate::Tick::default() };
            run.series.push(Duration::from_secs(1), crate::Phase::Measure, &tick, None);
            summary(&run)
        };
        let good = told("connect", Counts { opened: 200, ..Counts::default() });
        assert!(good.contains("1 s at 200 connections a second"), "{good}");
        assert!(good.contains("All is right: 200 connections, none refused and none lost."), "{good}");
        let bad = told("connect", Counts { opened: 190, refused: 10, lost: 2, ..Counts::default() });
        assert!(bad.contains("Not everything is right: 10 refused, 2 lost of 200 connections."), "{bad}");
        assert!(bad.contains("190 opened, 10 refused, 2 lost"), "{bad}");
        assert!(!told("idle", Counts { opened: 9, ..Counts::default() }).contains("opened"));
        assert!(told("idle", Counts { opened: 9, lost: 1, ..Counts::default() }).contains("9 opened, 0 refused, 1 lost"));
    }

    #[test]
    fn each_kind_of_latency_says_from_when_it_counts() {
        let mut run = example::run();
        let latencies = run.latencies[0].packed.open().expect("a histogram");
        run.load = Load::Closed { outstanding: 4 };
        run.latencies.clear();
        for name in ["echo", "connect", "coming back", "catching up"] {
            run.add_latencies(name, Of::named(name), &latencies);
        }
        let ways = counted_ways(&run);
        let expected = [
            "echo: from sending: a server",
            "connect: from the time that each connection was due",
            "coming back: from the time that each client",
            "catching up: of what was sent while",
        ];
        assert!(ways.iter().zip(expected).all(|(way, expected)| way.starts_with(expected)), "{ways:?}");
        assert_eq!(run.latencies.iter().map(|named| named.from_intended_time).collect::<Vec<_>>(), [false, true, true, false]);
    }

    #[test]
    fn a_quantile_of_too_few_is_no_number() {
        let mut packed = example::run().latencies.remove(0).packed;
        packed.count = 100;
        assert_eq!([quantile(&packed, 0.99, 5.0), quantile(&packed, 0.999, 5.0)], ["5 µs", "–"]);
    }
}
