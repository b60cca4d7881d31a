//! `cargo xtask trials`: what Sori promises, put to the test beside its peers, by `sori bench`.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;

use super::{
    servers::{SERVERS, Server},
    started::Started,
};
use crate::{house::House, outcome::Stop, suite::Run};

pub const HELP: &str = "\
cargo xtask trials [--only NAME,…] [--servers NAME,…] [--sori PATH]
    Jitter, avalanche and slow readers, on Sori and on its peers. Writes a result of each to docs/benchmarks/trials and renders
    docs/benchmarks.md.
    --only NAME,…     these trials alone;  --servers NAME,…  these servers alone
    --sori PATH       this program `sori` instead of the release that the checkout builds";

/// A scenario as it is published.
pub struct Trial {
    pub name: &'static str,
    pub about: &'static str,
    /// What there is to know about the results.
    pub notes: &'static str,
    pub words: &'static [&'static str],
}

pub const TRIALS: &[Trial] = &[
    Trial {
        name: "jitter",
        about: "10,000 clients for a minute. Each one's network fails every 20 s on average, and is away for 3 s on average; of every other \
                failure the server is told nothing. Two messages a second go to everybody.",
        notes: "socket.io keeps a session for later when it sees the end of its connection: who comes back before that, because its network was silent, is somebody \
                new, and what it missed is lost. Sori looks for the session whether or not its connection has ended.",
        words: &["jitter", "--clients", "10000", "--rate", "2", "--up", "20s", "--away", "3s", "--duration", "60s"],
    },
    Trial {
        name: "avalanche",
        about: "19,000 clients are cut off at the same moment, and try to come back one second later, all at once. One message a second goes \
                to everybody, also meanwhile.",
        notes: "\"Until all were back\" begins when they first try. Some of Node's were not answered within the 20 s that a client waits for a connection, and came at their second try: that, and \
                waiting for an answer, is its time.",
        words: &["avalanche", "--clients", "19000", "--rate", "1", "--connect-rate", "2000", "--duration", "15s"],
    },
    Trial {
        name: "slow-readers",
        about: "500 clients, 25 messages of 8 kB a second to everybody. After half a minute one of ten stops reading.",
        notes: "Some 7 MB are sent to each of the 50 that do not read: a part waits in the kernel, the rest in the server, which Sori keeps once for all of them. Who does not read does not answer \
                heartbeats either, and is closed for that after 20 to 45 s (`pingInterval` and `pingTimeout`). The ratios are within the noise of 1: one run on each.",
        words: &["slow-readers", "--clients", "500", "--rate", "25", "--payload", "8000", "--slow", "0.1", "--duration", "30s"],
    },
];

/// Those that speak Socket.IO.
const SERVERS_TRIED: &[&str] = &["sori", "node", "socketioxide"];

/// Runs them, and tells whether every run gave a result.
pub fn trials(words: &[&str]) -> Result<bool, String> {
    let (mut only, mut servers, mut sori) = (None, None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().copied().ok_or_else(|| format!("{word} wants a value"))?;
        match *word {
            "--only" => only = Some(value),
            "--servers" => servers = Some(value),
            "--sori" => sori = Some(value),
            other => return Err(format!("`{other}` is not an option of `cargo xtask trials`\n\n{HELP}")),
        }
    }
    let is_chosen = |chosen: Option<&str>, name: &str| chosen.is_none_or(|chosen| chosen.split(',').any(|one| one == name));
    let house = House::find()?;
    let folder = house.root.join("docs/benchmarks/trials");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let run = Run::named(house, "trials");
    let mut all_well = true;
    for trial in TRIALS.iter().filter(|trial| is_chosen(only, trial.name)) {
        for server in SERVERS_TRIED.iter().filter(|name| is_chosen(servers, name)) {
            let server = SERVERS.iter().find(|known| known.name == *server).expect("they are of those");
            match one(&run, trial, server, sori.map(Path::new), &folder) {
                Ok(told) => run.say(&format!("{} {}: {told}", trial.name, server.name)),
                Err(Stop::Failed(why)) => {
                    all_well = false;
                    run.say(&format!("{} {} FAILED: {why}", trial.name, server.name));
                }
                Err(Stop::Missing(missing)) => {
                    run.say(&format!("{} left out: {}; mend it with: {}", server.name, missing.what, missing.mend));
                }
            }
        }
    }
    super::render(&run)?;
    Ok(all_well)
}

fn one(run: &Run, trial: &Trial, server: &Server, sori: Option<&Path>, folder: &Path) -> Result<String, Stop> {
    let mut words = server.prepare(run, sori)?;
    words.extend(server.recovery().map(str::to_owned));
    let tester = SERVERS[0].prepare(run, sori)?[0].clone();
    let started = Started::start(&words, SERVER_CORE, server.port).map_err(Stop::Failed)?;
    let result = folder.join(format!("{}-{}.json", trial.name, server.name));
    let _ = fs::remove_file(&result);
    let step = run.step("taskset").args(["-c", TESTER_CORE, &tester, "bench"]).args(trial.words);
    let step = step.args([&format!("http://127.0.0.1:{}", server.port), "--name", server.name, "--interval", "5s"]);
    let step = started.pids().iter().fold(step, |step, pid| step.args(["--pid", &pid.to_string()]));
    // It fails when something is missing, which is what is to be found out.
    // By its name alone: the result repeats its options, and is published.
    let name = result.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let finished = step.args(["--json", &name]).folder(folder).limit(Duration::from_secs(900)).run();
    let text = fs::read_to_string(&result).map_err(|_| Stop::Failed(finished.why))?;
    let result: Value = serde_json::from_str(&text).map_err(|error| Stop::Failed(error.to_string()))?;
    let completeness = &result["completeness"];
    Ok(format!("{} of {} delivered, {}", completeness["delivered"], completeness["expected"], result["ended"]))
}

const SERVER_CORE: &str = "0";
const TESTER_CORE: &str = "1";
