//! How a suite ended, and how many checks it counts.

use std::ops::AddAssign;

/// Counted checks, or why there are none.
pub type Outcome = Result<Tally, Stop>;

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    pub passed: u32,
    pub failed: u32,
    pub skipped: u32,
}

pub enum Stop {
    Failed(String),
    Missing(Missing),
}

/// Something this machine lacks and we may not, or could not, install.
#[derive(Clone)]
pub struct Missing {
    pub what: String,
    /// The command that mends it.
    pub mend: String,
}

impl Tally {
    /// One check that passed or did not.
    pub fn one(passed: bool) -> Self {
        if passed { Self { passed: 1, ..Self::default() } } else { Self { failed: 1, ..Self::default() } }
    }

    /// What the closing lines of a test runner add up to; `None` when there is none.
    pub fn read(output: &str) -> Option<Self> {
        let mut all: Option<Self> = None;
        for tally in output.lines().filter_map(Self::read_line) {
            *all.get_or_insert_default() += tally;
        }
        all
    }

    /// `1 passed, 2 failed, 3 skipped` of ours, `test result: ok. 1 passed; 0 failed; 2 ignored` of cargo test,
    /// `Summary [ 1.0s] 3 tests run: 2 passed (1 slow), 1 failed, 4 skipped` of nextest.
    fn read_line(line: &str) -> Option<Self> {
        let line = line.trim();
        let counts = match line.split_once("tests run:").or_else(|| line.split_once("test run:")) {
            Some((before, counts)) if before.starts_with("Summary") => counts,
            Some(_) => return None,
            None => match line.strip_prefix("test result:").and_then(|rest| rest.split_once(". ")) {
                Some((_, counts)) => counts,
                None if line.starts_with(|c: char| c.is_ascii_digit()) && line.contains(" passed, ") => line,
                None => return None,
            },
        };
        let mut tally = Self::default();
        for part in counts.split([',', ';']) {
            let mut words = part.split_whitespace();
            let Some(number) = words.next().and_then(|number| number.parse::<u32>().ok()) else { continue };
            match words.next() {
                Some("passed") => tally.passed = number,
                Some("failed") => tally.failed += number,
                Some("timed") => tally.failed += number, // "1 timed out"
                Some("skipped" | "ignored") => tally.skipped = number,
                _ => {}
            }
        }
        Some(tally)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

impl From<&str> for Stop {
    fn from(why: &str) -> Self {
        Self::Failed(why.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, counts: Option<(u32, u32, u32)>) {
        assert_eq!(Tally::read(output), counts.map(|(passed, failed, skipped)| Tally { passed, failed, skipped }), "{output}");
    }

    #[test]
    fn closing_lines_of_every_runner_are_read() {
        check("12 passed, 3 failed, 4 skipped", Some((12, 3, 4)));
        check("7 passed, 0 failed", Some((7, 0, 0)));
        check("test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s", Some((5, 0, 1)));
        check("test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out", Some((5, 2, 0)));
        check("     Summary [   1.203s] 120 tests run: 118 passed (1 slow), 2 failed, 3 skipped", Some((118, 2, 3)));
        check("     Summary [   1.203s] 1 test run: 0 passed, 1 timed out, 3 skipped", Some((0, 1, 3)));
    }

    #[test]
    fn several_are_added_and_other_lines_are_not() {
        check("test result: ok. 5 passed; 0 failed; 1 ignored\ntest result: ok. 2 passed; 0 failed; 0 ignored", Some((7, 0, 1)));
        check("all of it passed, none failed", None);
        check("", None);
    }
}
