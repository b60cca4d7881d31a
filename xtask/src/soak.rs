//! `cargo xtask soak`: the program under ten minutes of clients that come and go, and whether it is then as it was before.

mod held;
mod program;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use crate::{
    bench::generator,
    house::House,
    outcome::{Outcome, Stop, Tally},
    suite::Run,
};
use held::Held;
use program::Program;

pub const HELP: &str = "\
cargo xtask soak [--minutes M] [--rate R] [--alive N] [--seed S] [--sori PATH]
    Has clients of five kinds come and go for ten minutes, and fails unless the program is then what it was before.
    --minutes M    so many minutes, after one to warm up (10)
    --rate R       so many come in a second (800);  --alive N  and so many may be there at once (6000)
    --seed S       other clients (1)
    --sori PATH    this program instead of the release that the checkout builds";

/// How hard, and for how long.
#[derive(Clone, Copy)]
struct Load {
    warm_up: Duration,
    /// Between the warm-up and the first look, at least.
    rest: Duration,
    soak: Duration,
    rate: u32,
    alive: u32,
    seed: u32,
}

/// What keeps words for 30 s must have passed before the first look, too.
const FULL: Load = Load {
    warm_up: Duration::from_secs(60),
    rest: Duration::from_secs(45),
    soak: Duration::from_secs(600),
    rate: 800,
    alive: 6_000,
    seed: 1,
};
/// What `cargo xtask test` can spare. Its program is not optimized, and other suites have their builds beside it.
const SMOKE: Load =
    Load { warm_up: Duration::ZERO, rest: Duration::from_secs(1), soak: Duration::from_secs(4), rate: 100, alive: 600, seed: 1 };
/// The last words of a session that never asked for them are kept for 30 s, idle connections no longer; the rest is what a
/// machine may take that others use.
const REST_MAX: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(500);
const PEAK_EVERY: Duration = Duration::from_secs(2);

/// Soaks, and tells whether everything came back.
pub fn soak(words: &[&str]) -> Result<bool, String> {
    let mut load = FULL;
    let mut sori = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().copied().ok_or_else(|| format!("{word} wants a value"))?;
        let number = || value.parse::<u32>().map_err(|_| format!("{word} wants a number"));
        match *word {
            "--minutes" => {
                let minutes = value.parse::<f64>().ok().filter(|minutes| (0.1..10_000.0).contains(minutes));
                load.soak = Duration::from_secs_f64(60.0 * minutes.ok_or("--minutes wants a number, 0.1 or more")?);
            }
            "--rate" => load.rate = number()?.max(1),
            "--alive" => load.alive = number()?,
            "--seed" => load.seed = number()?,
            "--sori" => sori = Some(value.into()),
            other => return Err(format!("`{other}` is not an option of `cargo xtask soak`\n\n{HELP}")),
        }
    }
    let run = Run::named(House::find()?, "soak");
    let soaked = (|| {
        let program = match sori {
            Some(program) => program,
            None => {
                run.cargo(["build", "--release", "--bin", "sori"]).must()?;
                run.house.target.join("release/sori")
            }
        };
        soaked(&run, &program, load)
    })();
    match soaked {
        Ok(soaked) => {
            soaked.print(&run, load);
            let wrong = soaked.wrong(true);
            wrong.iter().for_each(|wrong| run.say(&format!("FAILED: {wrong}")));
            Ok(wrong.is_empty())
        }
        Err(Stop::Failed(why)) => Err(why),
        Err(Stop::Missing(missing)) => Err(format!("{}\n  mend it with: {}", missing.what, missing.mend)),
    }
}

/// A few seconds of it. Memory is not judged: what so few clients leave to the allocator is chance.
pub fn smoke(run: &Run) -> Outcome {
    let soaked = soaked(run, &run.binary("sori")?, SMOKE)?;
    soaked.print(run, SMOKE);
    match soaked.wrong(false).as_slice() {
        [] => Ok(Tally::one(true)),
        wrong => Err(Stop::Failed(wrong.join("; "))),
    }
}

/// What the program held, and what the generator counted.
struct Soaked {
    before: Held,
    peak: Held,
    after: Held,
    counted: Vec<(&'static str, Map<String, Value>)>,
    /// Lines of the program's log, which is told to write warnings and errors.
    warnings: u64,
}

fn soaked(run: &Run, sori: &std::path::Path, load: Load) -> Result<Soaked, Stop> {
    let generator = generator(run)?;
    let program = Program::start(sori)?;
    let churn = |seconds: Duration, seed: u32| -> Result<Map<String, Value>, Stop> {
        let numbers = [
            ("--n", load.alive.to_string()),
            ("--rate", load.rate.to_string()),
            ("--secs", seconds.as_secs_f64().to_string()),
            ("--seed", seed.to_string()),
            ("--silence", program::SILENCE_S.to_string()),
            ("--port", program.port.to_string()),
            ("--pids", program.pid().to_string()),
        ];
        let step = run.step(&generator).args(["churn"]).args(program::CLIENTS.iter().flat_map(|client| ["--client", client]));
        let step = numbers.iter().fold(step, |step, (name, value)| step.args([*name, value]));
        let output = step.limit(seconds + Duration::from_secs(300)).must()?;
        let line = output.lines().rev().find(|line| line.starts_with('{')).unwrap_or_default();
        serde_json::from_str(line).map_err(|error| Stop::Failed(format!("the generator's last line: {error}: {line}")))
    };

    let mut counted = Vec::new();
    if !load.warm_up.is_zero() {
        run.say(&format!("to warm up, {} s of churn", load.warm_up.as_secs_f64()));
        counted.push(("the warm-up", churn(load.warm_up, load.seed.wrapping_add(1_000))?));
    }
    let before = rested(&program, load.rest, None)?;

    run.say(&format!("now {} s of churn", load.soak.as_secs_f64()));
    let is_over = AtomicBool::new(false);
    let (soak, peak) = thread::scope(|scope| {
        let peak = scope.spawn(|| {
            let mut peak = before;
            while !is_over.load(Ordering::Relaxed) {
                if let Ok(held) = program.held() {
                    peak = peak.max(held);
                }
                thread::sleep(PEAK_EVERY);
            }
            peak
        });
        let soak = churn(load.soak, load.seed);
        is_over.store(true, Ordering::Relaxed);
        (soak, peak.join().unwrap_or(before))
    });
    let after = rested(&program, load.rest, Some(&before))?;
    counted.push(("the soak", soak?));
    Ok(Soaked { before, peak, after, counted, warnings: program.warnings() })
}

/// What is held when everybody has gone: once nobody is left and what is held has not changed for a while, or (where it is known)
/// when it is what it was before.
fn rested(program: &Program, rest: Duration, before: Option<&Held>) -> Result<Held, Stop> {
    const STEADY: u32 = 4;
    let started = Instant::now();
    let mut last = program.held()?;
    let mut same = 0;
    loop {
        thread::sleep(LOOK_EVERY);
        let held = program.held()?;
        same = if held.counts() == last.counts() && held.sessions == 0 { same + 1 } else { 0 };
        last = held;
        let is_back = before.is_some_and(|before| before.counts() == held.counts());
        let is_at_rest = before.is_none() && same >= STEADY && started.elapsed() > rest;
        if is_back || is_at_rest || started.elapsed() > REST_MAX {
            return Ok(held);
        }
    }
}

impl Soaked {
    fn wrong(&self, judge_memory: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        for ((name, before), (_, after)) in self.before.counts().into_iter().zip(self.after.counts()) {
            if before != after {
                wrong.push(format!("{name}: {before} before, {after} after"));
            }
        }
        let resident_max = self.before.resident_kib_max();
        if judge_memory && self.after.resident_kib > resident_max {
            wrong.push(format!("memory: {} KiB after, {resident_max} are allowed", self.after.resident_kib));
        }
        for (when, counted) in &self.counted {
            match counted.get("errors").and_then(Value::as_u64) {
                Some(0) => {}
                errors => wrong.push(format!("{} errors in {when}; the generator has shown them", errors.unwrap_or_default())),
            }
        }
        if self.after.panics > 0 {
            wrong.push(format!("{} handlers panicked", self.after.panics));
        }
        wrong
    }

    fn print(&self, run: &Run, load: Load) {
        run.say(&format!("{:<14}{:>12}{:>12}{:>12}", "", "before", "peak", "after"));
        let rows = self.before.rows().into_iter().zip(self.peak.rows()).zip(self.after.rows());
        for (((name, before), (_, peak)), (_, after)) in rows {
            run.say(&format!("{name:<14}{before:>12}{peak:>12}{after:>12}"));
        }
        let load = json!({ "rate": load.rate, "alive_max": load.alive, "seed": load.seed });
        let soak = self.counted.last().map(|(_, soak)| soak);
        let held =
            |held: &Held| Value::from(held.rows().into_iter().map(|(name, n)| (name.into(), n.into())).collect::<Map<_, _>>());
        let line = json!({
            "load": load, "churn": soak, "before": held(&self.before), "peak": held(&self.peak), "after": held(&self.after),
            "warnings": self.warnings,
        });
        println!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a soak after which so much is held, and in which there were so many errors.
    fn wrong(after: Held, errors: u32) -> Vec<String> {
        let counted = json!({ "errors": errors }).as_object().expect("an object").clone();
        Soaked { before: BEFORE, peak: BEFORE, after, counted: vec![("the soak", counted)], warnings: 0 }.wrong(true)
    }

    const BEFORE: Held = Held { sessions: 0, sockets: 0, rooms: 0, tasks: 1, panics: 0, descriptors: 12, resident_kib: 50_000 };

    #[test]
    fn what_stays_fails_the_run() {
        assert!(wrong(BEFORE, 0).is_empty());
        assert_eq!(wrong(Held { tasks: 2, ..BEFORE }, 0), ["tasks: 1 before, 2 after"]);
        assert_eq!(wrong(Held { descriptors: 11, ..BEFORE }, 0), ["descriptors: 12 before, 11 after"]);
        assert!(wrong(Held { resident_kib: 56_024, ..BEFORE }, 0).is_empty());
        assert_eq!(wrong(Held { resident_kib: 56_025, ..BEFORE }, 0), ["memory: 56025 KiB after, 56024 are allowed"]);
        assert_eq!(wrong(Held { panics: 1, ..BEFORE }, 0), ["1 handlers panicked"]);
        assert_eq!(wrong(BEFORE, 3), ["3 errors in the soak; the generator has shown them"]);
    }
}
