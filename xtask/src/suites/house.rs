//! The house's own rules, and those for its guests.

use crate::{
    install,
    outcome::{Missing, Outcome, Stop, Tally},
    suite::Run,
    tidy,
};

pub fn tidy(run: &Run) -> Outcome {
    let found = tidy::findings(&run.house);
    tidy::print(&found);
    let failed = found.iter().filter(|(_, findings)| !findings.is_empty()).count() as u32;
    Ok(Tally { passed: found.len() as u32 - failed, failed, skipped: 0 })
}

pub fn deny(run: &Run) -> Outcome {
    let cargo_deny = install::cargo_tool(run, "cargo-deny", "0.20.2")?;
    let step = |checks: &[&str]| run.step(&cargo_deny).args(["check"]).args(checks);

    let checks = step(&["licenses", "bans", "sources"]).must().map(|_| Tally { passed: 3, ..Tally::default() });
    let advisories = step(&["advisories"]).run();
    let advised = if advisories.ok {
        Tally::one(true)
    } else if advisories.output.contains("failed to fetch advisory database") {
        run.leave_out(Missing {
            what: "advisories are not checked: their database is a Git repository that cannot be fetched from here".into(),
            mend: "cargo deny check advisories (where github.com can be reached)".into(),
        })
    } else {
        return Err(Stop::Failed(advisories.why));
    };
    checks.map(|mut tally| {
        tally += advised;
        tally
    })
}
