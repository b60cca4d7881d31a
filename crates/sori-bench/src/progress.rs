//! What is seen while it runs: a few lines that stay where they are in a terminal, one line after the other anywhere else.

mod frame;

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use crate::{Counts, Latencies, Phase, Sample};

/// What there is to show of an interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Since the run began.
    pub elapsed: Duration,
    /// How long the interval took.
    pub took: Duration,
    /// What the run is doing.
    pub phase: Phase,
    /// What happened in the interval.
    pub counts: Counts,
    /// What has happened since the run began.
    pub totals: Counts,
    /// Connections that are open.
    pub connected: u64,
    /// Latencies of the interval.
    pub latencies: Latencies,
    /// What the kernel knows.
    pub sample: Option<Sample>,
}

/// What does not change while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heading {
    /// What is run, and where.
    pub title: String,
    /// How long it is to take, if that is known.
    pub planned: Option<Duration>,
    /// How many connections there are to be.
    pub clients: u64,
    /// Whether they come and go, and it is told how many have come.
    pub visitors: bool,
}

/// Shows a run, on the standard error: the standard output is for its result.
pub struct Progress {
    heading: Heading,
    /// Lines are not shown more often.
    every: Duration,
    way: Way,
    pending: Option<Snapshot>,
    out: Box<dyn Write + Send>,
}

enum Way {
    Quiet,
    Lines,
    /// What is on the screen, as the lengths of its lines.
    Terminal {
        drawn: Vec<usize>,
        colours: bool,
        size: fn() -> (usize, usize),
    },
}

impl Progress {
    /// In the way that suits: `every` is for lines, a terminal is drawn with each snapshot.
    pub fn new(heading: Heading, every: Duration, quiet: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let way = match (quiet, io::stderr().is_terminal() && !dumb) {
            (true, _) => Way::Quiet,
            (false, true) => Way::Terminal { drawn: Vec::new(), colours: !set("NO_COLOR"), size: terminal_size },
            (false, false) => Way::Lines,
        };
        Self { heading, every, way, pending: None, out: Box::new(io::stderr()) }
    }

    /// An interval has ended.
    pub fn show(&mut self, snapshot: Snapshot) {
        let is_line = matches!(self.way, Way::Lines);
        let snapshot = match self.pending.take() {
            // The end of a phase has a line of its own, so that no line is of two.
            Some(pending) if is_line && pending.phase != snapshot.phase && pending.took > self.every / 4 => {
                self.say(&format!("{}\n", frame::line(&pending)));
                snapshot
            }
            Some(pending) => pending.followed_by(snapshot),
            None => snapshot,
        };
        match &mut self.way {
            Way::Quiet => {}
            // A clock is never exact: what is a little short of it is an interval.
            Way::Lines if snapshot.took < self.every * 15 / 16 => self.pending = Some(snapshot),
            Way::Lines => self.say(&format!("{}\n", frame::line(&snapshot))),
            // Of so short a time, rates say nothing; it is shown with the next.
            Way::Terminal { .. } if snapshot.took < SHORTEST => self.pending = Some(snapshot),
            Way::Terminal { drawn, colours, size } => {
                let (width, height) = size();
                let lines = frame::lines(&self.heading, &snapshot, width, height);
                let text = frame::drawn(&lines, drawn, width, *colours);
                *drawn = lines.iter().map(|line| line.text.chars().count()).collect();
                self.say(&text);
            }
        }
    }

    /// Something that is to be read, above what moves.
    pub fn note(&mut self, text: &str) {
        self.erase();
        if !matches!(self.way, Way::Quiet) {
            self.say(&format!("{text}\n"));
        }
    }

    /// Says the rest, and leaves the terminal as it was.
    pub fn close(&mut self) {
        self.erase();
        let rest = self.pending.take().filter(|rest| matches!(self.way, Way::Lines) && rest.took > self.every / 4);
        if let Some(rest) = rest {
            self.say(&format!("{}\n", frame::line(&rest)));
        }
    }

    fn erase(&mut self) {
        if let Way::Terminal { drawn, size, .. } = &mut self.way
            && !drawn.is_empty()
        {
            let text = frame::erased(drawn, size().0);
            drawn.clear();
            self.say(&text);
        }
    }

    /// In one piece, so that nothing flickers. Nobody to tell it to is no reason to stop measuring.
    fn say(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.close();
    }
}

impl Snapshot {
    /// So many a second.
    pub fn rate(&self, count: u64) -> f64 {
        count as f64 / self.took.as_secs_f64().max(1e-3)
    }

    fn followed_by(mut self, next: Self) -> Self {
        self.counts.add(&next.counts);
        self.latencies.merge(&next.latencies);
        Self { took: self.took + next.took, counts: self.counts, latencies: self.latencies, ..next }
    }
}

/// A terminal is drawn four times a second at most.
const SHORTEST: Duration = Duration::from_millis(250);

fn terminal_size() -> (usize, usize) {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map_or((80, 24), |(width, height)| (width.0.into(), height.0.into()))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("one thread").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Screen {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("one thread").clone()).expect("text")
        }
    }

    fn snapshot(second: u64) -> Snapshot {
        let counts = Counts { sent: 100, delivered: 90, ..Counts::default() };
        let mut latencies = Latencies::new();
        (1..=100).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        let (elapsed, took) = (Duration::from_secs(second), Duration::from_secs(1));
        Snapshot { elapsed, took, phase: Phase::Measure, counts, connected: 1_000, latencies, ..Snapshot::default() }
    }

    fn progress(way: Way, every_s: u64) -> (Progress, Screen) {
        let screen = Screen::default();
        let heading = Heading { title: "echo".into(), planned: Some(Duration::from_secs(10)), clients: 1_000, visitors: false };
        let every = Duration::from_secs(every_s);
        (Progress { heading, every, way, pending: None, out: Box::new(screen.clone()) }, screen)
    }

    #[test]
    fn a_pipe_gets_plain_lines() {
        let (mut progress, screen) = progress(Way::Lines, 2);
        (1..=4).for_each(|second| progress.show(snapshot(second)));
        drop(progress);
        let line = "measuring  1,000 connected  100/s sent  90/s delivered  p50 50 ms  p99 99 ms  max 100 ms  0 wrong\n";
        assert_eq!(screen.text(), format!("2 s  {line}4 s  {line}"));
    }

    #[test]
    fn no_line_is_of_two_phases_and_what_is_left_is_told() {
        let (mut progress, screen) = progress(Way::Lines, 1);
        let tick = |ms: u64, phase: Phase| Snapshot { took: Duration::from_millis(ms), phase, ..snapshot(1) };
        // What is too short for a line goes with the next.
        for (ms, phase) in [(970, Phase::WarmUp), (500, Phase::WarmUp), (20, Phase::Measure), (500, Phase::Measure)] {
            progress.show(tick(ms, phase));
        }
        drop(progress);
        let doing: Vec<String> = screen.text().lines().map(|line| line.split("  ").nth(1).unwrap_or_default().into()).collect();
        assert_eq!(doing, ["warming up", "warming up", "measuring"]);
    }

    #[test]
    fn a_quiet_run_says_nothing() {
        let (mut progress, screen) = progress(Way::Quiet, 1);
        progress.show(snapshot(1));
        progress.note("x");
        drop(progress);
        assert_eq!(screen.text(), "");
    }

    #[test]
    fn a_terminal_is_drawn_in_place_and_left_clean() {
        let way = Way::Terminal { drawn: Vec::new(), colours: false, size: || (60, 24) };
        let (mut progress, screen) = progress(way, 1);
        progress.show(snapshot(1));
        let first = screen.text();
        let rows = first.matches('\n').count();
        assert!(!first.contains("\x1b[1A") && rows >= 4, "{first:?}");
        progress.show(snapshot(2));
        let second = screen.text()[first.len()..].to_owned();
        assert!(second.contains(&format!("\r\x1b[{rows}A")), "{second:?}");
        drop(progress);
        assert!(screen.text().ends_with(&format!("\r\x1b[{rows}A\x1b[J")), "{:?}", screen.text());
        for line in
            first.replace("\x1b[?2026h", "").replace("\x1b[?2026l", "").replace("\x1b[K", "").replace("\x1b[J", "").lines()
        {
            assert!(line.chars().count() < 60, "{line}");
        }
    }

    #[test]
    fn a_window_that_became_narrow_is_cleaned_in_full() {
        // Two lines of 50 in a window of now 20 columns are six rows.
        assert_eq!(frame::erased(&[50, 50], 20), "\r\x1b[6A\x1b[J");
        assert_eq!(frame::erased(&[0, 20, 21], 20), "\r\x1b[4A\x1b[J");
    }
}
