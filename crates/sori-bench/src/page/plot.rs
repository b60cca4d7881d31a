//! Lines and bars as SVG, coloured by the page's style: light or dark as the reader has it.

use std::fmt::Write;

use super::escaped;

/// A plot of lines.
pub struct Plot {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Line>,
    /// Parts of the x axis that do not count.
    pub shaded: Vec<(f64, f64)>,
}

pub struct Axis {
    /// What it is; the y axis is told by the plot's title.
    pub title: &'static str,
    pub scale: Scale,
    /// What stands at a tick.
    pub label: fn(f64) -> String,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Scale {
    /// From 0 on.
    Linear,
    /// From 0 on, with ticks at powers of two.
    Bytes,
    /// By magnitudes, from the smallest value on.
    Log,
    /// A share of all, drawn by how little is left: 0.9, 0.99 and 0.999 are as far apart as each other.
    Nines,
}

pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 40.0;
/// More points than this are more than the pixels of a screen.
const POINTS_MAX: usize = 600;

impl Plot {
    /// As a figure of a page; nothing where there is nothing to draw.
    pub fn figure(&self) -> String {
        let finite = |line: &Line| line.points.iter().all(|(x, y)| x.is_finite() && y.is_finite());
        // A line keeps its colour where another has nothing to show.
        let lines: Vec<(usize, &Line)> =
            self.lines.iter().enumerate().filter(|(_, line)| !line.points.is_empty() && finite(line)).collect();
        if lines.is_empty() {
            return String::new();
        }
        let all = || lines.iter().flat_map(|(_, line)| &line.points);
        // What is shaded is shown to its end, so that plots of one time have one axis.
        let ends = self.shaded.iter().map(|(_, to)| *to);
        let x = Range::of(self.x.scale, all().map(|point| point.0).chain(ends), (LEFT, WIDTH - RIGHT));
        let y = Range::of(self.y.scale, all().map(|point| point.1), (HEIGHT - BOTTOM, TOP));
        let mut svg = self.opened();
        for (from, to) in &self.shaded {
            let (from, to) = (x.place(*from), x.place(*to));
            let _ = write!(
                svg,
                "<rect class=\"shade\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                (to - from).max(0.0),
                HEIGHT - BOTTOM - TOP
            );
        }
        self.grid(&mut svg, &x, &y);
        for (at, line) in lines.iter().rev() {
            let places: Vec<(f64, f64)> =
                line.points.iter().take(POINTS_MAX).map(|point| (x.place(point.0), y.place(point.1))).collect();
            let mut path = String::new();
            for (at, (x, y)) in places.iter().enumerate() {
                let _ = write!(path, "{}{x:.1} {y:.1}", if at == 0 { "M" } else { "L" });
            }
            let _ = match places[..] {
                [(x, y)] => write!(svg, "<circle class=\"f{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>", at % 4),
                _ => write!(svg, "<path class=\"s{}\" d=\"{path}\"/>", at % 4),
            };
        }
        format!(
            "<figure class=\"card\"><figcaption>{}</figcaption>{}{svg}</svg></figure>\n",
            escaped(&self.title),
            if self.lines.len() > 1 { legend(&lines) } else { String::new() }
        )
    }

    fn opened(&self) -> String {
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>{}</title>", escaped(&self.title))
    }

    fn grid(&self, svg: &mut String, x: &Range, y: &Range) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for tick in y.ticks() {
            let at = y.place(tick);
            let label = escaped(&(self.y.label)(tick));
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT - 6.0,
                at + 4.0
            );
        }
        for tick in x.ticks() {
            let at = x.place(tick);
            let label = escaped(&(self.x.label)(tick));
            // A long label at the edge would be cut off.
            let anchor = if at + label.chars().count() as f64 * 3.0 > WIDTH { "end" } else { "middle" };
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom}\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{label}</text>",
                bottom + 15.0
            );
        }
        let _ = write!(svg, "<path class=\"axis\" d=\"M{LEFT} {bottom}H{right}\"/>");
        let middle = (LEFT + right) / 2.0;
        let _ = write!(
            svg,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 6.0,
            escaped(self.x.title)
        );
    }
}

/// Values and where they are drawn.
struct Range {
    scale: Scale,
    low: f64,
    high: f64,
    place: (f64, f64),
}

impl Range {
    fn of(scale: Scale, values: impl Iterator<Item = f64>, place: (f64, f64)) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = match scale {
            _ if low > high => (0.0, 1.0),
            Scale::Linear | Scale::Bytes => (0.0, if high > 0.0 { high * 1.04 } else { 1.0 }),
            Scale::Log => {
                let low = low.max(high * 1e-9).max(f64::MIN_POSITIVE);
                (low / 1.15, high.max(low * 1.5) * 1.15)
            }
            Scale::Nines => (0.0, high.clamp(0.9, NINES_MAX)),
        };
        Self { scale, low, high, place }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (self.measure(value) - self.measure(self.low)) / (self.measure(self.high) - self.measure(self.low));
        self.place.0 + (self.place.1 - self.place.0) * share.clamp(0.0, 1.0)
    }

    fn measure(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear | Scale::Bytes => value,
            Scale::Log => value.max(self.low).log10(),
            Scale::Nines => -(1.0 - value.min(NINES_MAX)).log10(),
        }
    }

    /// Round values, three to eight of them.
    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => linear_ticks(self.high),
            Scale::Bytes => bytes_ticks(self.high),
            Scale::Log => log_ticks(self.low, self.high),
            Scale::Nines => {
                [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999].into_iter().filter(|tick| *tick <= self.high).collect()
            }
        }
    }
}

fn linear_ticks(high: f64) -> Vec<f64> {
    let magnitude = 10f64.powf((high / 4.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|round| round * magnitude).into_iter().find(|step| high / step <= 7.0).unwrap_or(high);
    (0..=(high / step) as usize).map(|at| at as f64 * step).collect()
}

fn bytes_ticks(high: f64) -> Vec<f64> {
    let step = 2f64.powf((high / 6.0).log2().ceil());
    (0..=(high / step) as usize).map(|at| at as f64 * step).collect()
}

fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let magnitudes = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    let within = |steps: &[f64]| -> Vec<f64> {
        let ticks = magnitudes.clone().flat_map(|magnitude| steps.iter().map(move |step| step * 10f64.powi(magnitude)));
        ticks.filter(|tick| (low..=high).contains(tick)).collect()
    };
    [&[1.0][..], &[1.0, 3.0], &[1.0, 2.0, 5.0]]
        .map(within)
        .into_iter()
        .find(|ticks| ticks.len() >= 3)
        .unwrap_or_else(|| within(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]))
}

fn legend(lines: &[(usize, &Line)]) -> String {
    let entry = |(at, line): &(usize, &Line)| {
        format!(
            "<span><svg viewBox=\"0 0 26 10\"><path class=\"s{}\" d=\"M0 5H26\"/></svg>{}</span>",
            at % 4,
            escaped(&line.name)
        )
    };
    format!("<div class=\"legend\">{}</div>", lines.iter().map(entry).collect::<String>())
}

/// A curve ends at 100 %, which lies at infinity.
const NINES_MAX: f64 = 0.999_999_9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::number;

    fn plot(scale: Scale, points: &[(f64, f64)]) -> String {
        let axis = |scale| Axis { title: "s", scale, label: number };
        let line = Line { name: "a<b".into(), points: points.to_vec() };
        Plot { title: "one & all".into(), x: axis(Scale::Linear), y: axis(scale), lines: vec![line], shaded: vec![(0.0, 1.0)] }
            .figure()
    }

    #[test]
    fn nothing_is_drawn_as_nothing() {
        assert_eq!(plot(Scale::Linear, &[]), "");
        assert_eq!(plot(Scale::Linear, &[(0.0, 1.0), (1.0, f64::NAN)]), "");
    }

    #[test]
    fn every_value_is_drawn_within() {
        for scale in [Scale::Linear, Scale::Bytes, Scale::Log, Scale::Nines] {
            for points in [&[(0.0, 0.0)][..], &[(1.0, 5.0), (2.0, 0.0), (3.0, 1e12)], &[(1.0, 1e-300), (1.0, 1.0)]] {
                let figure = plot(scale, points);
                assert!(figure.contains("one &amp; all"));
                assert!(!figure.contains("NaN") && !figure.contains("inf"), "{scale:?} {points:?} {figure}");
            }
        }
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(linear_ticks(29.0), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]);
        assert_eq!(
            log_ticks(80.0, 120_000.0).iter().map(|tick| tick.round()).collect::<Vec<_>>(),
            [100.0, 1_000.0, 10_000.0, 100_000.0]
        );
        assert_eq!(
            bytes_ticks(12.0 * 1_048_576.0).iter().map(|tick| tick / 1_048_576.0).collect::<Vec<_>>(),
            [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]
        );
        assert_eq!(log_ticks(90.0, 700.0).iter().map(|tick| tick.round()).collect::<Vec<_>>(), [100.0, 200.0, 500.0]);
    }
}
