//! A comparison as text and as a page.

use std::fmt::Write;

use super::{Comparison, Row, Word};
use crate::{
    Run, Unit,
    page::{Line, Scale, curve, curve_plot, escaped, line_over_time, plot_over_time, table, whole},
    summary::in_unit,
    text::{counted, number, time_us},
};

/// For a terminal or a pipe.
pub fn comparison_text(comparison: &Comparison) -> String {
    let Comparison { a, b, runs, cautions, rows } = comparison;
    let of = |count: usize| counted(count as u64, "run", "runs");
    let mut text = format!("A: {a} ({})\nB: {b} ({})\n\n{}\n\n", of(runs[0]), of(runs[1]), verdict(comparison));
    let cells: Vec<[String; 6]> = rows.iter().map(cells).collect();
    let head = ["", "A", "B", "B / A", "spread", ""].map(str::to_owned);
    let width = |at: usize| cells.iter().chain([&head]).map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    for row in std::iter::once(&head).chain(&cells) {
        let [name, a, b, ratio, spread, word] = row;
        let [w0, w1, w2, w3, w4, _] = widths;
        let line = format!("{name:<w0$}  {a:>w1$}  {b:>w2$}  {ratio:>w3$}  {spread:>w4$}  {word}");
        _ = writeln!(text, "{}", line.trim_end());
    }
    text.push_str("\nSpread: where the ratio would be in 95 of 100 such runs.\n");
    for caution in cautions {
        _ = writeln!(text, "\n! {caution}");
    }
    text
}

/// As a page.
pub fn comparison_page(comparison: &Comparison, a: &[Run], b: &[Run]) -> String {
    let Comparison { cautions, rows, .. } = comparison;
    let mut body = format!("<h1>{}<br>beside<br>{}</h1>\n", escaped(&comparison.a), escaped(&comparison.b));
    let has = |word: Word| rows.iter().any(|row| row.word == word);
    let class = match (has(Word::Worse), has(Word::Better) || has(Word::Noise)) {
        (true, _) => "bad",
        (false, true) => "good",
        // Nothing is known, and no colour says otherwise.
        (false, false) => "",
    };
    _ = writeln!(body, "<div class=\"card verdict {class}\"><p><strong>{}</strong></p></div>", escaped(&verdict(comparison)));
    if !cautions.is_empty() {
        let items: String = cautions.iter().map(|caution| format!("<li>{}</li>\n", escaped(caution))).collect();
        _ = writeln!(body, "<h2>With care</h2>\n<ul>\n{items}</ul>");
    }
    body.push_str("<h2>Figures</h2>\n");
    let html_rows: Vec<Vec<String>> = rows.iter().map(|row| cells(row).map(|cell| escaped(&cell)).to_vec()).collect();
    let mut html = table(&["", "first", "second", "second / first", "95 of 100 lie in", ""], &html_rows);
    for (word, class) in [("better", "good"), ("worse", "bad")] {
        html = html.replace(&format!("<td>{word}</td>"), &format!("<td class=\"{class}\">{word}</td>"));
    }
    body.push_str(&html);
    body.push_str("<h2>Plots</h2>\n<div class=\"plots\">");
    for plot in plots(a, b) {
        body.push_str(&plot.figure());
    }
    body.push_str("</div>\n");
    if a.len() + b.len() > 2 {
        body.push_str("<p class=\"faint\">The plots are of the first run of each.</p>\n");
    }
    whole(&format!("{} beside {}", comparison.a, comparison.b), &body)
}

/// What a reader who stops there should know.
fn verdict(comparison: &Comparison) -> String {
    let names = |word: Word| {
        let rows: Vec<String> = comparison.rows.iter().filter(|row| row.word == word).map(named).collect();
        (!rows.is_empty()).then(|| rows.join(", "))
    };
    match (names(Word::Worse), names(Word::Better)) {
        (None, None) if comparison.rows.iter().all(|row| matches!(row.word, Word::Unknown | Word::Same)) => {
            "Too little was measured to tell a difference from chance.".into()
        }
        (None, None) => "No difference that is larger than chance.".into(),
        (Some(worse), None) => format!("The second is worse: {worse}."),
        (None, Some(better)) => format!("The second is better: {better}."),
        (Some(worse), Some(better)) => format!("The second is worse: {worse}. It is better: {better}."),
    }
}

fn named(row: &Row) -> String {
    match row.ratio {
        Some(ratio) => format!("{} {}", row.name, in_unit(ratio, Unit::Times)),
        None => row.name.clone(),
    }
}

fn cells(row: &Row) -> [String; 6] {
    let value = |value: Option<f64>| value.map_or("–".into(), |value| in_unit(value, row.unit));
    let word = match row.word {
        Word::Better => "better",
        Word::Worse => "worse",
        Word::Differs => "differs",
        Word::Noise => "noise",
        Word::Unknown => "spread unknown",
        Word::Same => "same",
    };
    let spread = row.spread.map_or(String::new(), |[low, high]| format!("{low:.2} to {high:.2}"));
    let ratio = row.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
    [row.name.clone(), value(row.a), value(row.b), ratio, spread, word.into()]
}

fn plots(a: &[Run], b: &[Run]) -> Vec<crate::page::Plot> {
    let (Some(a), Some(b)) = (a.first(), b.first()) else { return Vec::new() };
    let both = |of: &dyn Fn(&Run, &str) -> Line| vec![of(a, "first"), of(b, "second")];
    let curves = |run: &Run, name: &str| match run.latency().and_then(|named| named.packed.open().ok()) {
        Some(latencies) => curve(name, &latencies),
        None => Line { name: name.into(), points: Vec::new() },
    };
    vec![
        curve_plot("What share took at most how long", both(&curves)),
        plot_over_time(
            "Latency, 99 of 100",
            Scale::Log,
            time_us,
            both(&|run, name| line_over_time(run, name, |at| Some(at.latency.as_ref()?.p99_us))),
        ),
        plot_over_time(
            "Delivered a second",
            Scale::Linear,
            number,
            both(&|run, name| line_over_time(run, name, |at| Some(at.rate(at.counts.delivered)))),
        ),
        plot_over_time(
            "Server: CPU, in cores",
            Scale::Linear,
            number,
            both(&|run, name| line_over_time(run, name, |at| Some(at.sample.as_ref()?.server.as_ref()?.cores))),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{compare, example};

    #[test]
    fn a_table_stands_in_columns() {
        let text = comparison_text(&compare(&[example::slower(1.0, 1)], &[example::slower(2.0, 2)]));
        assert!(text.contains("The second is worse: latency p50") && text.contains("! One run of a side"), "{text}");
        let rows: Vec<&str> =
            text.lines().skip_while(|line| !line.contains("B / A")).take_while(|line| !line.is_empty()).collect();
        let column = rows[0].find("B / A").expect("it is there") + "B / A".len();
        assert!(
            rows.iter().filter(|row| row.contains("latency")).all(|row| {
                let cell: String = row.chars().take(column).collect();
                cell.ends_with(|c: char| c.is_ascii_digit())
            }),
            "{text}"
        );
    }

    #[test]
    fn a_page_stands_alone() {
        let (mut a, b) = ([example::run()], [example::broken()]);
        a[0].name = "<script>".into();
        let page = comparison_page(&compare(&a, &b), &a, &b);
        assert!(!page.contains("<script") && !page.contains("href") && !page.contains("NaN"));
        assert!(page.contains("td class=\"bad\"") && page.contains("With care"));
    }
}
