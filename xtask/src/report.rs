//! The table at the end of a run, and its closing line.

use std::time::Duration;

use crate::{
    outcome::{Missing, Tally},
    suite::minutes,
};

pub struct Report {
    pub lines: Vec<Line>,
}

pub struct Line {
    pub suite: &'static str,
    pub tally: Tally,
    /// Why it failed, when no count says it.
    pub note: Option<String>,
    pub left_out: Vec<Missing>,
    pub took: Duration,
}

impl Report {
    pub fn passed(&self) -> bool {
        self.lines.iter().all(|line| line.tally.failed == 0)
    }

    pub fn print(&self) {
        println!("\n{:<14} {:<8} {:>7} {:>7} {:>8} {:>9}", "suite", "result", "passed", "failed", "skipped", "minutes");
        for line in &self.lines {
            print_row(line.suite, line.result(), line.tally, line.took);
        }
        let total = self.total();
        let result = if self.passed() { "passed" } else { "FAILED" };
        print_row("total", result, total, self.lines.iter().map(|line| line.took).sum());
        println!();
        for line in &self.lines {
            if let Some(note) = &line.note {
                println!("FAILED {}: {note}", line.suite);
            }
            for Missing { what, mend } in &line.left_out {
                println!("SKIPPED {}: {what}\n    mend it with: {mend}", line.suite);
            }
        }
        // Read by machines: alone on its line, and the last.
        println!("\n{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    }

    fn total(&self) -> Tally {
        let mut total = Tally::default();
        for line in &self.lines {
            total += line.tally;
        }
        total
    }
}

impl Line {
    pub fn result(&self) -> &'static str {
        match self.tally {
            Tally { failed: 1.., .. } => "FAILED",
            Tally { passed: 0, .. } => "SKIPPED",
            _ => "passed",
        }
    }
}

fn print_row(suite: &str, result: &str, tally: Tally, took: Duration) {
    let Tally { passed, failed, skipped } = tally;
    println!("{suite:<14} {result:<8} {passed:>7} {failed:>7} {skipped:>8} {:>9}", minutes(took));
}
