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
        // What it finds, it keeps in the first folder; the second is ours.
        let inputs = [folder.join("corpus").join(target), folder.join("seeds").join(target)];
        std::fs::create_dir_all(&inputs[0]).map_err(|error| format!("{}: {error}", inputs[0].display()))?;
        let bounds =
            [format!("-max_total_time={seconds}"), "-timeout=10".into(), "-rss_limit_mb=2048".into(), "-verbosity=0".into()];
        let finished = step().args(["run", target]).args(&inputs).args(["--"]).args(bounds).run();
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
