//! Bars and lines as SVG: text is text, no script, and a ground of their own, light or dark as the reader has it.

use std::fmt::Write;

use super::{page::number, statistics::Summary};

/// Horizontal bars, several to a row.
pub struct Bars {
    pub title: String,
    pub series: Vec<String>,
    pub rows: Vec<(String, Vec<Option<Summary>>)>,
    pub decimals: usize,
}

/// Lines over a few numbers.
pub struct Lines {
    pub title: String,
    pub x_title: String,
    pub xs: Vec<f64>,
    pub lines: Vec<(String, Vec<Option<Summary>>)>,
    pub decimals: usize,
}

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 20.0;
const TITLE: f64 = 34.0;
const LEGEND: f64 = 24.0;
const LABELS: f64 = 120.0;
const VALUES: f64 = 80.0;
const BAR: f64 = 15.0;
const ROW_GAP: f64 = 12.0;
const LINES_HEIGHT: f64 = 320.0;
/// Of middle brightness: each can be told from both grounds, and from the others without colour vision.
const COLOURS: [&str; 8] = ["#d1495b", "#3d85c6", "#e69138", "#45a16c", "#8e6bbf", "#8a8f98", "#b08d57", "#4aa8b5"];

const STYLE: &str = "\
<style>
  .ground { fill: #ffffff; stroke: #d0d7de; }
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 15px; font-weight: 600; }
  .own { font-weight: 700; }
  .faint { fill: #57606a; }
  .axis { stroke: #8c959f; stroke-opacity: 0.5; }
  .spread { stroke: #24292f; stroke-opacity: 0.7; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #161b22; stroke: #30363d; }
    text { fill: #e6edf3; }
    .faint { fill: #9ea7b3; }
    .spread { stroke: #e6edf3; }
  }
</style>
";

impl Bars {
    pub fn svg(&self) -> String {
        let rows: Vec<_> = self.rows.iter().filter(|(_, values)| values.iter().any(Option::is_some)).collect();
        let legend = if self.series.len() > 1 { LEGEND } else { 0.0 };
        let row_height = BAR * self.series.len() as f64 + ROW_GAP;
        let height = MARGIN + TITLE + legend + row_height * rows.len() as f64 + MARGIN / 2.0;
        let longest = rows.iter().flat_map(|(_, values)| values.iter().flatten()).map(|summary| summary.max).fold(0.0, f64::max);
        let scale = (WIDTH - 2.0 * MARGIN - LABELS - VALUES) / longest.max(f64::MIN_POSITIVE);
        let mut svg = opened(&self.title, height);
        if self.series.len() > 1 {
            self.legend(&mut svg);
        }
        let left = MARGIN + LABELS;
        for (row, (label, values)) in rows.iter().enumerate() {
            let top = MARGIN + TITLE + legend + row_height * row as f64;
            let middle = top + BAR * self.series.len() as f64 / 2.0;
            text(&mut svg, left - 10.0, middle + 4.0, "end", class_of(label), label);
            for (at, value) in values.iter().enumerate() {
                let y = top + BAR * at as f64;
                let Some(Summary { median, min, max }) = value else { continue };
                let (colour, middle) = (COLOURS[self.colour(label, at)], y + BAR / 2.0 - 1.0);
                rectangle(&mut svg, left, y, median * scale, BAR - 2.0, colour);
                line(&mut svg, "spread", (left + min * scale, middle), (left + max * scale, middle));
                let end = left + max.max(*median) * scale + 6.0;
                text(&mut svg, end, y + BAR - 4.0, "start", class_of(label), &number(*median, self.decimals));
            }
        }
        svg + "</svg>\n"
    }

    /// A colour for each series; where there is one series, one for Sori and one for the others.
    fn colour(&self, label: &str, series: usize) -> usize {
        if self.series.len() == 1 { usize::from(label != OWN) } else { series }
    }

    fn legend(&self, svg: &mut String) {
        let mut x = MARGIN + LABELS;
        for (at, name) in self.series.iter().enumerate() {
            rectangle(svg, x, MARGIN + TITLE - 6.0, 12.0, 12.0, COLOURS[at]);
            text(svg, x + 18.0, MARGIN + TITLE + 4.0, "start", "faint", name);
            x += 40.0 + text_width(name);
        }
    }
}

impl Lines {
    pub fn svg(&self) -> String {
        let lines: Vec<_> = self.lines.iter().filter(|(_, values)| values.iter().any(Option::is_some)).collect();
        let medians = || lines.iter().flat_map(|(_, values)| values.iter().flatten()).map(|summary| summary.median);
        let top_value = medians().fold(f64::MIN_POSITIVE, f64::max) * 1.08;
        let (left, right) = (MARGIN + 40.0, WIDTH - MARGIN - LABELS - 20.0);
        let (top, bottom) = (MARGIN + TITLE, MARGIN + TITLE + LINES_HEIGHT);
        let end = self.xs.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let x = |value: f64| left + (right - left) * value / end;
        let y = |value: f64| bottom - (bottom - top) * value / top_value;
        let mut svg = opened(&self.title, bottom + 48.0);
        for tick in ticks(top_value) {
            line(&mut svg, "axis", (left, y(tick)), (right, y(tick)));
            text(&mut svg, left - 8.0, y(tick) + 4.0, "end", "faint", &number(tick, self.decimals));
        }
        for at in &self.xs {
            line(&mut svg, "axis", (x(*at), bottom), (x(*at), bottom + 5.0));
            text(&mut svg, x(*at), bottom + 20.0, "middle", "faint", &number(*at, 0));
        }
        text(&mut svg, (left + right) / 2.0, bottom + 38.0, "middle", "faint", &self.x_title);
        let mut names = Vec::new();
        // Backwards: the first one lies on top.
        for (at, (name, values)) in lines.iter().enumerate().rev() {
            let colour = COLOURS[at % COLOURS.len()];
            let points: Vec<(f64, f64)> =
                self.xs.iter().zip(values).filter_map(|(at, value)| Some((x(*at), y(value.as_ref()?.median)))).collect();
            polyline(&mut svg, &points, colour, if name == OWN { 3.5 } else { 2.0 });
            if let Some((_, y)) = points.last() {
                names.push((*y, name, colour));
            }
        }
        for (y, name, colour) in apart(names) {
            rectangle(&mut svg, right + 10.0, y - 5.0, 10.0, 10.0, colour);
            text(&mut svg, right + 26.0, y + 4.0, "start", class_of(name), name);
        }
        svg + "</svg>\n"
    }
}

const OWN: &str = "sori";

fn class_of(label: &str) -> &'static str {
    if label == OWN { "own" } else { "faint" }
}

/// Names beside the ends of their lines, moved so that none hides another.
fn apart<'a>(mut names: Vec<(f64, &'a String, &'static str)>) -> Vec<(f64, &'a String, &'static str)> {
    names.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
    let mut limit = f64::MAX;
    for (y, ..) in &mut names {
        *y = y.min(limit);
        limit = *y - 17.0;
    }
    names
}

/// Round numbers from 0, four to eight of them.
fn ticks(top: f64) -> Vec<f64> {
    let magnitude = 10f64.powf((top / 4.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|round| round * magnitude).into_iter().find(|step| top / step <= 8.0);
    let step = step.unwrap_or(top);
    (0..=(top / step) as usize).map(|at| at as f64 * step).collect()
}

fn opened(title: &str, height: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n"
    );
    let _ = writeln!(svg, "<title>{}</title>", escaped(title));
    svg.push_str(STYLE);
    let (width, inner) = (WIDTH - 1.0, height - 1.0);
    let _ = writeln!(svg, "<rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{width}\" height=\"{inner}\" rx=\"8\"/>");
    text(&mut svg, MARGIN, MARGIN + 10.0, "start", "title", title);
    svg
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, class: &str, text: &str) {
    let text = escaped(text);
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{text}</text>");
}

fn rectangle(svg: &mut String, x: f64, y: f64, width: f64, height: f64, colour: &str) {
    let _ = writeln!(svg, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>");
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(svg, "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>");
}

fn polyline(svg: &mut String, points: &[(f64, f64)], colour: &str, width: f64) {
    let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>", path.join(" "));
    for (x, y) in points {
        let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{width}\" fill=\"{colour}\"/>");
    }
}

/// About as wide as the fonts that readers have.
fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.5
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(median: f64) -> Option<Summary> {
        Some(Summary { median, min: median, max: median * 1.5 })
    }

    #[test]
    fn bars_are_as_long_as_their_medians_and_leave_room_for_the_spread() {
        let rows = vec![("sori".into(), vec![of(10.0)]), ("a<b".into(), vec![of(20.0)]), ("none".into(), vec![None])];
        let svg = Bars { title: "µs & more".into(), series: vec!["one".into()], rows, decimals: 1 }.svg();
        let width = WIDTH - 2.0 * MARGIN - LABELS - VALUES;
        assert!(svg.contains(&format!("width=\"{:.1}\" height=\"13.0\" fill=\"{}\"", width / 3.0, COLOURS[0])), "{svg}");
        assert!(svg.contains(&format!("width=\"{:.1}\" height=\"13.0\" fill=\"{}\"", width / 1.5, COLOURS[1])), "{svg}");
        assert!(svg.contains("µs &amp; more") && svg.contains(">a&lt;b<") && svg.contains(">20.0<"));
        assert!(!svg.contains(">none<"));
    }

    #[test]
    fn a_line_skips_what_was_not_measured() {
        let lines = vec![("sori".into(), vec![of(1.0), None, of(2.0)])];
        let svg = Lines { title: String::new(), x_title: String::new(), xs: vec![1.0, 2.0, 4.0], lines, decimals: 0 }.svg();
        assert_eq!(svg.matches("<circle").count(), 2);
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(29_000.0), [0.0, 5_000.0, 10_000.0, 15_000.0, 20_000.0, 25_000.0]);
    }

    #[test]
    fn names_that_would_meet_are_moved_apart() {
        let (a, b) = ("a".to_owned(), "b".to_owned());
        let moved = apart(vec![(100.0, &a, ""), (102.0, &b, "")]);
        assert_eq!(moved.iter().map(|(y, name, _)| (*y, name.as_str())).collect::<Vec<_>>(), [(102.0, "b"), (85.0, "a")]);
    }
}
