//! Autobahn's fuzzing client against our echo.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::{
    install,
    outcome::{Outcome, Stop, Tally},
    server::Server,
    suite::Run,
};

/// Of the 18 sizes in each group of 12.* and 13.* (compressed messages), these run without `--long`: the smallest five,
/// and one in fragments. The others say the same about more bytes and take ten minutes.
const SIZES_QUICK: [u32; 6] = [1, 2, 3, 4, 5, 11];
const SIZES: u32 = 18;
const LIMIT: Duration = Duration::from_secs(30 * 60);
const FINE: [&str; 3] = ["OK", "NON-STRICT", "INFORMATIONAL"];

pub fn run(run: &Run) -> Outcome {
    let wstest = install::wstest(run)?;
    let server = Server::start(&run.binary("conformance")?, &["autobahn", "{port}"])?;
    let reports = run.house.target.join("autobahn");
    let broken = |error: std::io::Error| Stop::Failed(format!("{}: {error}", reports.display()));
    let _ = fs::remove_dir_all(&reports);
    fs::create_dir_all(&reports).map_err(broken)?;
    let spec = reports.join("spec.json");
    fs::write(&spec, spec_for(server.port, &reports, run.long).to_string()).map_err(broken)?;

    let output = run.step(wstest).args(["-m", "fuzzingclient", "-s"]).args([&spec]).limit(LIMIT).must()?;
    let index = fs::read(reports.join("index.json")).map_err(broken)?;
    let index: Value = serde_json::from_slice(&index).map_err(|error| format!("index.json: {error}"))?;
    judge(run, &index["sori"], announced(&output))
}

fn spec_for(port: u16, reports: &Path, long: bool) -> Value {
    // A pattern must match the beginning of an id; without its end marked, `12.*.1` would take 12.1.10 too.
    let large = (1..=SIZES).filter(|size| !SIZES_QUICK.contains(size));
    let excluded: Vec<String> = large.flat_map(|size| [format!("12.*.{size}$"), format!("13.*.{size}$")]).collect();
    json!({
        "outdir": reports,
        "servers": [{ "agent": "sori", "url": format!("ws://127.0.0.1:{port}") }],
        "cases": ["*"],
        "exclude-cases": if long { Vec::new() } else { excluded },
        "exclude-agent-cases": {},
    })
}

/// `Ok, will run 517 test cases against 1 servers`
fn announced(output: &str) -> usize {
    let count = output.lines().find_map(|line| line.strip_prefix("Ok, will run ")?.split(' ').next());
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn judge(run: &Run, cases: &Value, announced: usize) -> Outcome {
    let cases = cases.as_object().ok_or("the report names no case")?;
    let mut counts = std::collections::BTreeMap::<&str, u32>::new();
    let mut tally = Tally::default();
    for (id, case) in cases {
        let behaved = case["behavior"].as_str().unwrap_or("without result");
        let closed = case["behaviorClose"].as_str().unwrap_or("without result");
        let fine = FINE.contains(&behaved) && FINE.contains(&closed);
        if !fine || behaved == "NON-STRICT" {
            run.say(&format!("{id}: {behaved}, close {closed}"));
        }
        *counts.entry(behaved).or_default() += 1;
        tally += Tally::one(fine);
    }
    let counts: Vec<String> = counts.iter().map(|(behaved, count)| format!("{behaved} {count}")).collect();
    run.say(&format!("{} cases: {}", cases.len(), counts.join(", ")));
    // A connection that is lost for good ends the whole run early, and quietly.
    if cases.len() != announced {
        return Err(format!("{announced} cases were to run, {} have a result", cases.len()).into());
    }
    Ok(tally)
}
