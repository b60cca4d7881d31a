//! Each target of `fuzz/`, for a bounded time.

use std::path::Path;

use crate::{
    install,
    outcome::{Outcome, Stop, Tally},
    suite::Run,
};

const SECONDS: u64 = 20;
const SECONDS_LONG: u64 = 5 * 60;

pub fn run(run: &Run) -> Outcome {
    let folder = run.house.root.join("fuzz");
    let targets = targets(&folder)?;
    let cargo_fuzz = install::cargo_tool(run, "cargo-fuzz", "0.13.2")?;
    let seconds = if run.long { SECONDS_LONG } else { SECONDS };

    // Instrumentation is a nightly flag that the stable compiler has, too, where it is asked like this: no second toolchain.
    let step = || run.step(&cargo_fuzz).env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", run.house.target.join("fuzz"));
    step().args(["build"]).must()?;
    let mut tally = Tally::default();
    for target in &targets {
        let bounds = [format!("-max_total_time={seconds}"), "-rss_limit_mb=2048".to_owned()];
        let finished = step().args(["run", target, "--"]).args(bounds).run();
        if !finished.ok {
            run.say(&format!("FAILED {target}: {}", finished.why));
        }
        tally += Tally::one(finished.ok);
    }
    Ok(tally)
}

fn targets(folder: &Path) -> Result<Vec<String>, Stop> {
    let entries = std::fs::read_dir(folder.join("fuzz_targets")).map_err(|_| "fuzz/fuzz_targets is not in this checkout")?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let sources = paths.filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let mut targets: Vec<String> = sources.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    targets.sort();
    Ok(targets)
}
