//! What Cargo alone can tell.

use crate::{
    outcome::{Outcome, Tally},
    step::Step,
    suite::Run,
};

/// Each property test runs this many cases with `--long`; without, proptest's own 256.
const CASES_LONG: &str = "4096";

pub fn fmt(run: &Run) -> Outcome {
    one(run.cargo(["fmt", "--all", "--", "--check", "--color", "never"]))
}

pub fn clippy(run: &Run) -> Outcome {
    one(run.cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

pub fn doc(run: &Run) -> Outcome {
    one(run.cargo(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

pub fn unit(run: &Run) -> Outcome {
    let has_nextest = run.cargo(["nextest", "--version"]).ask().is_some();
    let step = if has_nextest {
        run.cargo(["nextest", "run", "--workspace", "--no-fail-fast", "--status-level", "slow"])
    } else {
        run.cargo(["test", "--workspace", "--all-targets", "--no-fail-fast"])
    };
    counted(if run.long { step.env("PROPTEST_CASES", CASES_LONG) } else { step })
}

pub fn doctest(run: &Run) -> Outcome {
    counted(run.cargo(["test", "--workspace", "--doc", "--no-fail-fast"]))
}

fn one(step: Step) -> Outcome {
    step.must().map(|_| Tally::one(true))
}

/// What the runner counted; it fails when the runner did, whatever it counted.
pub fn counted(step: Step) -> Outcome {
    let finished = step.run();
    let tally = Tally::read(&finished.output).unwrap_or_default();
    match (finished.ok, tally) {
        (true, Tally { failed: 0, passed: 1.., .. }) => Ok(tally),
        (true, Tally { failed: 0, .. }) => Err("it ran no test".into()),
        (false, Tally { failed: 0, .. }) => Err(finished.why.into()),
        _ => Ok(tally),
    }
}
