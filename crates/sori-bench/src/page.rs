//! Results as a page: one file, without a script and without anything from elsewhere.

mod plot;

use std::{fmt::Write, time::Duration};

use serde_json::Value;

pub(crate) use self::plot::{Axis, Line, Plot, Scale};
use crate::{
    Completeness, Counts, Ended, Interval, Latencies, Named, Of, Phase, Run,
    summary::{caveat, counted_ways, load, quantile, value, verdict},
    text::{bytes, counted, grouped, number, percent, time_us},
};

/// A run, for somebody who has not run it.
pub fn page(run: &Run) -> String {
    let mut body = heading(run);
    body.push_str(&verdict_card(run));
    body.push_str(&tiles(run));
    body.push_str(&what_came(run));
    body.push_str("<h2>Over time</h2>\n");
    if !shaded(run).is_empty() {
        body.push_str("<p class=\"faint\">Shaded: clients come, the server warms up, or the last messages arrive; that does not count.</p>\n");
    }
    let _ = writeln!(body, "<div class=\"plots\">{}</div>", over_time(run).iter().map(Plot::figure).collect::<String>());
    body.push_str(&latencies(run));
    body.push_str(&figures(run));
    body.push_str(&judgement(run));
    body.push_str(&how(run));
    whole(&run.title(), &body)
}

/// A page around its body.
pub(crate) fn whole(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}<footer>Measured by <code>sori bench</code>, version {}.</footer>\n\
         </main>\n</body>\n</html>\n",
        escaped(title),
        env!("CARGO_PKG_VERSION")
    )
}

/// For text between tags, and in attributes.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A table: its head and its rows, whose cells are HTML.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| -> String {
        cells.map(|cell| format!("<{tag}>{cell}</{tag}>")).collect()
    };
    let head = match head {
        [] => String::new(),
        head => format!("<thead><tr>{}</tr></thead>", cells("th", &mut head.iter().copied())),
    };
    let rows: String =
        rows.iter().map(|row| format!("<tr>{}</tr>\n", cells("td", &mut row.iter().map(String::as_str)))).collect();
    format!("<div class=\"card wide\"><table>{head}<tbody>{rows}</tbody></table></div>\n")
}

/// The distribution as a curve: how long what share of the messages took at most.
pub(crate) fn curve(name: &str, latencies: &Latencies) -> Line {
    let nines = (0..=60).map(|step| 1.0 - 10f64.powf(-f64::from(step) / 10.0));
    // Where there is less than one message to a step, a curve would only repeat the longest.
    let points = nines.filter(|share| (1.0 - share) * latencies.count() as f64 >= 1.0);
    Line { name: name.into(), points: points.map(|share| (share, us(latencies.at(share)))).collect() }
}

pub(crate) fn curve_plot(title: &str, lines: Vec<Line>) -> Plot {
    let share = |share: f64| format!("{} %", number_of_nines(share));
    Plot {
        title: title.into(),
        x: Axis { title: "of all", scale: Scale::Nines, label: share },
        y: Axis { title: "", scale: Scale::Log, label: time_us },
        lines,
        shaded: Vec::new(),
    }
}

/// How it went over time, where what is drawn is known.
pub(crate) fn line_over_time(run: &Run, name: &str, of: impl Fn(&Interval) -> Option<f64>) -> Line {
    let middle = |at: &Interval| (at.from_ms as f64 + at.ms as f64 / 2.0) / 1e3;
    let points = run.series.intervals.iter().filter(|at| at.ms > 0).filter_map(|at| Some((middle(at), of(at)?))).collect();
    Line { name: name.into(), points }
}

pub(crate) fn plot_over_time(title: &str, scale: Scale, label: fn(f64) -> String, lines: Vec<Line>) -> Plot {
    Plot {
        title: title.into(),
        x: Axis { title: "seconds", scale: Scale::Linear, label: number },
        y: Axis { title: "", scale, label },
        lines,
        shaded: Vec::new(),
    }
}

fn heading(run: &Run) -> String {
    format!(
        "<h1>{}</h1>\n<p class=\"faint\">{} · <code>{}</code></p>\n",
        escaped(&run.title()),
        escaped(&load(run)),
        escaped(&run.url)
    )
}

/// What a reader who stops here should know.
fn verdict_card(run: &Run) -> String {
    let class = if run.is_well() { "good" } else { "bad" };
    let mut card = format!("<div class=\"card verdict {class}\">\n<p><strong>{}</strong></p>\n", escaped(&verdict(run)));
    match &run.ended {
        Ended::Whole => {}
        Ended::Interrupted => card.push_str("<p>The run was stopped before its end.</p>\n"),
        Ended::Failed { why } => _ = writeln!(card, "<p>The run <strong>failed</strong>: {}</p>", escaped(why)),
    }
    if let Some(caveat) = caveat(run) {
        let _ = writeln!(card, "<p>{}</p>", escaped(&caveat));
    }
    if let Some(Named { name, of, packed, .. }) = run.latency() {
        let of = match of {
            Of::Messages => "messages",
            Of::Connections => "connections",
        };
        let p99 = match quantile(packed, 0.99, packed.p99_us).as_str() {
            "–" => String::new(),
            p99 => format!(", 99 of 100 at most {p99}"),
        };
        let _ = writeln!(
            card,
            "<p>Half of the {of} ({}) took at most {}{p99}; the longest took {}.</p>",
            escaped(name),
            time_us(packed.p50_us),
            time_us(packed.max_us)
        );
    }
    let class = if run.judgement.trustworthy { "" } else { " class=\"doubt\"" };
    let _ = writeln!(card, "<p{class}>{}</p>\n</div>", escaped(&run.judgement.worth));
    card
}

fn tiles(run: &Run) -> String {
    let mut tiles: Vec<(String, String)> = Vec::new();
    if let Some(share) = run.completeness.share() {
        tiles.push((percent(share), "delivered".into()));
    }
    tiles.extend(run.latency().map(|named| (time_us(named.packed.p99_us), format!("{}, 99 of 100", named.name))));
    tiles.extend(run.figures.iter().take(TILES_MAX - tiles.len()).map(|figure| (value(figure), figure.name.clone())));
    let tile = |(value, name): (String, String)| {
        format!("<div class=\"card tile\"><b>{}</b><span class=\"faint\">{}</span></div>", escaped(&value), escaped(&name))
    };
    format!("<div class=\"tiles\">{}</div>\n", tiles.into_iter().map(tile).collect::<String>())
}

/// Messages, and connections where they are the question or not as they were to be.
fn what_came(run: &Run) -> String {
    let mut html = String::new();
    if run.completeness != Completeness::default() {
        html.push_str("<h2>What arrived</h2>\n");
        html.push_str(&completeness(&run.completeness));
    }
    let Counts { opened, refused, lost, .. } = run.series.counts();
    if run.has_visitors() || refused + lost > 0 {
        let row = |name: &str, count: u64, about: &str| vec![name.into(), grouped(count), about.into()];
        let rows = [
            row("opened", opened, "came about"),
            row("refused", refused, "did not"),
            row("lost", lost, "ended although nobody here ended them"),
        ];
        html.push_str("<h2>Connections</h2>\n");
        html.push_str(&with_words(&table(&[], &rows), &rows));
    }
    html
}

/// The last cell of each row is text, not a number.
fn with_words(table: &str, rows: &[Vec<String>]) -> String {
    let last = rows.iter().filter_map(|row| row.last());
    last.fold(table.to_owned(), |html, words| html.replace(&format!("<td>{words}"), &format!("<td class=\"words\">{words}")))
}

fn completeness(all: &Completeness) -> String {
    let row = |name: &str, count: u64, streams: Option<u64>, about: &str| {
        vec![name.into(), grouped(count), streams.map(grouped).unwrap_or_default(), about.into()]
    };
    let rows = vec![
        row("expected", all.expected, Some(all.streams), "deliveries that the messages sent mean"),
        row("delivered", all.delivered, None, "came, once or more often"),
        row("missing", all.missing, Some(all.streams_missing), "never came"),
        row("twice", all.doubled, Some(all.streams_doubled), "came although they had come before"),
        row("out of order", all.out_of_order, Some(all.streams_out_of_order), "came behind a later one of the same sender"),
        row("recovered", all.recovered, None, "came after a lost connection, though sent before it was back"),
        row("foreign", all.foreign + all.unreadable, None, "not of this run, or unreadable"),
    ];
    let mut html = with_words(&table(&["", "messages", "receivers", ""], &rows), &rows);
    if !all.worst.is_empty() {
        let rows: Vec<Vec<String>> = all
            .worst
            .iter()
            .map(|worst| {
                let first = worst.first_missing.map_or("–".into(), |seq| grouped(seq.into()));
                let counts = [u64::from(worst.sender), worst.missing, worst.longest_gap].map(grouped);
                [vec![grouped(worst.receiver)], counts.to_vec(), vec![first, grouped(worst.doubled), grouped(worst.out_of_order)]]
                    .concat()
            })
            .collect();
        html.push_str("<h2>The worst receivers</h2>\n");
        html.push_str(&table(
            &["receiver", "of sender", "missing", "at a stretch", "first missing", "twice", "out of order"],
            &rows,
        ));
    }
    html
}

fn over_time(run: &Run) -> Vec<Plot> {
    let line = |name: &str, of: &dyn Fn(&Interval) -> Option<f64>| line_over_time(run, name, of);
    let latency = |name: &str, of: fn(&crate::Packed) -> f64| line_over_time(run, name, move |at| at.latency.as_ref().map(of));
    let server = |of: fn(&crate::ServerSample) -> f64| move |at: &Interval| at.sample.as_ref()?.server.as_ref().map(of);
    let rate = |name: &str, of: fn(&Counts) -> u64| line(name, &|at| Some(at.rate(of(&at.counts))));
    let counts = run.series.counts();
    // Beside what everybody receives, what one has sent is a line on the ground.
    let (title, sent) = match counts.sent.saturating_mul(20) < counts.delivered {
        true => ("Deliveries a second", None),
        false => ("Messages a second", Some(rate("sent", |counts| counts.sent))),
    };
    let delivered = (counts.sent > 0).then(|| rate("delivered", |counts| counts.delivered));
    let opened = run.has_visitors().then(|| rate("opened", |counts| counts.opened));
    let not_opened = (run.has_visitors() && counts.refused + counts.lost > 0)
        .then(|| [rate("refused", |counts| counts.refused), rate("lost", |counts| counts.lost)]);
    let was_open = run.series.intervals.iter().any(|at| at.connected > 0);
    let open = was_open.then(|| line("open", &|at| Some(at.connected as f64)));
    let plots = vec![
        plot_over_time(
            "Connections a second",
            Scale::Linear,
            number,
            opened.into_iter().chain(not_opened.into_iter().flatten()).collect(),
        ),
        plot_over_time(title, Scale::Linear, number, delivered.into_iter().chain(sent.filter(|_| counts.sent > 0)).collect()),
        plot_over_time(
            "Latency",
            Scale::Log,
            time_us,
            vec![
                latency("median", |packed| packed.p50_us),
                latency("99 of 100", |packed| packed.p99_us),
                latency("longest", |packed| packed.max_us),
            ],
        ),
        plot_over_time(
            "Server: CPU, in cores",
            Scale::Linear,
            number,
            vec![
                line("server", &server(|server| server.cores)),
                line("its busiest thread", &server(|server| server.busiest_thread)),
            ],
        ),
        plot_over_time(
            "Server: memory",
            Scale::Bytes,
            |value| bytes(value as u64),
            vec![line("resident", &server(|server| server.memory_bytes as f64))],
        ),
        plot_over_time("Connections open", Scale::Linear, number, open.into_iter().collect()),
        plot_over_time(
            "Generator and machine: share of what they have",
            Scale::Linear,
            whole_percent,
            vec![
                line("generator's busiest thread", &|at| Some(at.sample.as_ref()?.own_busiest_thread)),
                line("all cores of the machine", &|at| Some(at.sample.as_ref()?.machine_busy)),
            ],
        ),
    ];
    let shaded = shaded(run);
    plots.into_iter().map(|plot| Plot { shaded: shaded.clone(), ..plot }).collect()
}

fn shaded(run: &Run) -> Vec<(f64, f64)> {
    let outside = run.series.intervals.iter().filter(|at| at.phase != Phase::Measure);
    outside.map(|at| (at.from_ms as f64 / 1e3, (at.from_ms + at.ms) as f64 / 1e3)).collect()
}

fn latencies(run: &Run) -> String {
    if run.latencies.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = run
        .latencies
        .iter()
        .map(|named| {
            let Named { name, packed, .. } = named;
            let quantiles = [(0.5, packed.p50_us), (0.9, packed.p90_us), (0.99, packed.p99_us), (0.999, packed.p999_us)];
            let [p50, p90, p99, p999] = quantiles.map(|(share, us)| quantile(packed, share, us));
            let (shortest, longest) = (time_us(packed.min_us), time_us(packed.max_us));
            vec![escaped(name), grouped(packed.count), shortest, p50, p90, p99, p999, longest]
        })
        .collect();
    let opened = || run.latencies.iter().filter_map(|named| Some((named.name.as_str(), named.packed.open().ok()?)));
    let curves =
        curve_plot("What share took at most how long", opened().map(|(name, latencies)| curve(name, &latencies)).collect());
    let ways: String =
        counted_ways(run).iter().map(|way| format!("<p class=\"faint\">{}.</p>\n", escaped(&capital(way)))).collect();
    format!(
        "<h2>Latency</h2>\n{ways}{}<div class=\"plots\" style=\"margin-top:1rem\">{}{}</div>\n",
        table(&["", "how many", "shortest", "median", "90 of 100", "99 of 100", "999 of 1,000", "longest"], &rows),
        opened().next().map(|(name, latencies)| distribution(name, &latencies)).unwrap_or_default(),
        curves.figure()
    )
}

/// How many took how long, drawn as a line over magnitudes.
fn distribution(name: &str, latencies: &Latencies) -> String {
    let bars = latencies.bars(60);
    let mut points = Vec::with_capacity(bars.len() * 2 + 1);
    let mut from = us(latencies.min()).max(0.064);
    for bar in &bars {
        let share = bar.count as f64 / latencies.count() as f64;
        points.extend([(from, share), (us(bar.up_to), share)]);
        from = us(bar.up_to);
    }
    Plot {
        title: format!("How many took how long ({name})"),
        x: Axis { title: "latency", scale: Scale::Log, label: time_us },
        y: Axis { title: "", scale: Scale::Linear, label: whole_percent },
        lines: vec![Line { name: name.into(), points }],
        shaded: Vec::new(),
    }
    .figure()
}

fn figures(run: &Run) -> String {
    let figures = run.figures.iter().map(|figure| vec![escaped(&figure.name), escaped(&value(figure))]);
    let errors = run.errors.iter().map(|(kind, count)| vec![format!("error: {}", escaped(kind)), grouped(*count)]);
    let rows: Vec<Vec<String>> = figures.chain(errors).collect();
    match rows.is_empty() {
        true => String::new(),
        false => format!("<h2>Figures</h2>\n{}", table(&[], &rows)),
    }
}

fn judgement(run: &Run) -> String {
    let mut html = format!("<h2>What the figures are worth</h2>\n<p>{}</p>\n", escaped(&run.judgement.worth));
    if !run.judgement.findings.is_empty() {
        html.push_str("<ul>\n");
        for finding in &run.judgement.findings {
            let _ = writeln!(html, "<li><strong>{}</strong> {}</li>", escaped(&finding.seen), escaped(&finding.advice));
        }
        html.push_str("</ul>\n");
    }
    html
}

fn how(run: &Run) -> String {
    let machine = &run.machine;
    let mut rows = vec![
        vec![
            "machine".into(),
            format!(
                "{}, {}, {}, {}",
                escaped(&machine.cpu),
                counted(machine.cores, "core", "cores"),
                bytes(machine.memory_bytes),
                escaped(&machine.system)
            ),
        ],
        vec!["seed".into(), run.seed.to_string()],
    ];
    rows.extend(
        run.flat_options()
            .iter()
            .filter(|(name, _)| !name.starts_with("output."))
            .map(|(name, value)| vec![escaped(name), format!("<code>{}</code>", escaped(&plain(value)))]),
    );
    let table = table(&[], &rows).replace("</td><td>", "</td><td class=\"words\">");
    format!("<details><summary>How it was run: machine and options</summary>\n{table}</details>\n")
}

/// As it is written on the command line.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "–".into(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn us(latency: Duration) -> f64 {
    latency.as_nanos() as f64 / 1e3
}

/// For an axis, whose ticks are round.
fn whole_percent(share: f64) -> String {
    format!("{} %", number(share * 100.0))
}

fn number_of_nines(share: f64) -> String {
    let text = format!("{:.5}", share * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

const STYLE: &str = include_str!("page/style.css");
const TILES_MAX: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    /// What could bring something from elsewhere, or run.
    fn assert_self_contained(page: &str) {
        for word in ["<script", "<link", "<img", "src=", "href=", "@import", "url(", "<iframe"] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn a_page_stands_alone() {
        for run in [example::run(), example::broken(), Run::new("idle", "http://127.0.0.1")] {
            let page = page(&run);
            assert_self_contained(&page);
            assert!(!page.contains("NaN") && !page.contains("inf%"));
            for tag in ["div", "table", "svg", "figure", "p", "h2", "details"] {
                assert_eq!(
                    page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count(),
                    page.matches(&format!("</{tag}>")).count(),
                    "{tag}"
                );
            }
        }
    }

    #[test]
    fn what_a_server_says_is_text() {
        let mut run = example::broken();
        run.name = "<script>alert(1)</script>".into();
        run.errors.insert("<img src=x>".into(), 1);
        run.latencies[0].name = "\"><i>".into();
        run.ended = Ended::Failed { why: "<iframe>".into() };
        let page = page(&run);
        for tag in ["<script", "<img", "<iframe", "<i>"] {
            assert!(!page.contains(tag), "{tag}");
        }
    }

    #[test]
    fn the_verdict_comes_first() {
        let good = page(&example::run());
        assert!(
            good.contains("verdict good")
                && !good.contains("class=\"doubt\"")
                && good.find("Everything arrived") < good.find("<svg")
        );
        let bad = page(&example::broken());
        assert!(bad.contains("verdict bad") && bad.contains("is not a number") && bad.contains("The worst receivers"));
    }
}
