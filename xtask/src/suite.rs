//! A suite, the choice of suites, and the run of them.

use std::{
    cell::{Cell, RefCell},
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    house::House,
    outcome::{Missing, Outcome, Stop, Tally},
    report::{Line, Report},
    step::Step,
    suites,
};

pub struct Suite {
    pub name: &'static str,
    pub about: &'static str,
    pub run: fn(&Run) -> Outcome,
}

/// What the words behind `cargo xtask test` ask for.
pub struct Choice {
    pub long: bool,
    pub list: bool,
    pub suites: Vec<&'static Suite>,
}

/// What a suite is given.
pub struct Run {
    pub house: House,
    pub long: bool,
    suite: Cell<&'static str>,
    all_built: Cell<bool>,
    left_out: RefCell<Vec<Missing>>,
}

impl Choice {
    pub fn parse(options: &[&str]) -> Result<Self, String> {
        let mut choice = Self { long: false, list: false, suites: Vec::new() };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match *option {
                "--long" => choice.long = true,
                "--list" => choice.list = true,
                "--only" => {
                    let names = options.next().ok_or("--only wants the name of a suite")?;
                    for name in names.split(',') {
                        choice.suites.push(find(name)?);
                    }
                }
                other => return Err(format!("`{other}` is not an option of `cargo xtask test`")),
            }
        }
        if choice.suites.is_empty() {
            choice.suites = suites::ALL.iter().collect();
        }
        Ok(choice)
    }
}

impl Run {
    pub fn new(house: House, long: bool) -> Self {
        Self { house, long, suite: "".into(), all_built: false.into(), left_out: Vec::new().into() }
    }

    /// For a task that is no suite; its steps are shown under `name`.
    pub fn named(house: House, name: &'static str) -> Self {
        Self { suite: name.into(), ..Self::new(house, false) }
    }

    pub fn step(&self, program: impl AsRef<std::ffi::OsStr>) -> Step {
        Step::new(self.suite.get(), program, &self.house.root)
    }

    pub fn cargo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Step {
        self.step("cargo").args(args)
    }

    /// Builds every program and example at once, in the profile of the unit tests: their dependencies are there already.
    pub fn build_all(&self) -> Result<(), Stop> {
        self.cargo(["build", "--workspace", "--bins", "--examples"]).must()?;
        self.all_built.set(true);
        Ok(())
    }

    /// A program of the workspace, by its path; built by itself where not all are.
    pub fn binary(&self, name: &str) -> Result<PathBuf, Stop> {
        self.built("--bin", name, "")
    }

    /// An example of the workspace, by its path.
    pub fn example(&self, name: &str) -> Result<PathBuf, Stop> {
        self.built("--example", name, "examples")
    }

    /// Where Cargo puts it.
    pub fn built_path(&self, folder: &str, name: &str) -> PathBuf {
        self.house.target.join("debug").join(folder).join(name)
    }

    /// Notes that a part of the suite cannot run here; the rest of it goes on.
    pub fn leave_out(&self, missing: Missing) -> Tally {
        self.say(&format!("SKIPPED: {}", missing.what));
        self.say(&format!("  mend it with: {}", missing.mend));
        self.left_out.borrow_mut().push(missing);
        Tally { skipped: 1, ..Tally::default() }
    }

    pub fn say(&self, line: &str) {
        println!("{:>12} | {line}", self.suite.get());
    }

    fn built(&self, kind: &str, name: &str, folder: &str) -> Result<PathBuf, Stop> {
        if !self.all_built.get() {
            self.cargo(["build", kind, name]).must()?;
        }
        let path = self.built_path(folder, name);
        if path.exists() { Ok(path) } else { Err(format!("the workspace builds no `{name}`").into()) }
    }

    fn one(&self, suite: &Suite) -> Line {
        self.suite.set(suite.name);
        println!("\n== {}: {}", suite.name, suite.about);
        let started = Instant::now();
        let (tally, note) = match (suite.run)(self) {
            Ok(tally) => (tally, None),
            Err(Stop::Failed(why)) => (Tally::one(false), Some(why)),
            Err(Stop::Missing(missing)) => (self.leave_out(missing), None),
        };
        let line = Line { suite: suite.name, tally, note, left_out: self.left_out.take(), took: started.elapsed() };
        println!("== {}: {} in {}", line.suite, line.result(), minutes(line.took));
        line
    }
}

/// Runs them in order, reports, and tells whether none failed.
pub fn run_all(run: &Run, suites: &[&Suite]) -> bool {
    let report = Report { lines: suites.iter().map(|suite| run.one(suite)).collect() };
    report.print();
    report.passed()
}

pub fn minutes(took: Duration) -> String {
    format!("{:.1} min", took.as_secs_f64() / 60.0)
}

fn find(name: &str) -> Result<&'static Suite, String> {
    let names = || suites::ALL.iter().map(|suite| suite.name).collect::<Vec<_>>().join(", ");
    suites::ALL.iter().find(|suite| suite.name == name).ok_or_else(|| format!("no suite `{name}`; there are {}", names()))
}
