//! Programs that only have to start and answer.

use std::path::Path;

use crate::{
    outcome::{Outcome, Tally},
    server::Server,
    suite::Run,
};

pub fn examples(run: &Run) -> Outcome {
    run.build_all()?;
    let names: Vec<&str> = run.house.packages.iter().flat_map(|package| &package.examples).map(String::as_str).collect();
    let mut tally = Tally::default();
    for name in names {
        let answered = answers(&run.example(name)?, "/");
        run.say(&match &answered {
            Ok(status) => format!("{name}: {status}"),
            Err(why) => format!("{name}: FAILED: {why}"),
        });
        tally += Tally::one(answered.is_ok());
    }
    Ok(tally)
}

pub fn bench_smoke(run: &Run) -> Outcome {
    let server = Server::start(&run.example("bench-server")?, &[])?;
    let answer = server.get("/socket.io/?EIO=4&transport=polling").map_err(|error| format!("no answer: {error}"))?;
    let shook_hands = answer.starts_with("HTTP/1.1 200") && answer.contains("\r\n\r\n0{\"sid\":");
    if shook_hands { Ok(Tally::one(true)) } else { Err(format!("it answers a handshake with:\n{answer}").into()) }
}

/// The status line of its answer; which one is the example's own affair, unless it is to blame.
fn answers(example: &Path, path: &str) -> Result<String, String> {
    let answer = Server::start(example, &[])?.get(path).map_err(|error| format!("no answer: {error}"))?;
    let status = answer.lines().next().unwrap_or_default();
    let fine = status.starts_with("HTTP/1.1 ") && !status.starts_with("HTTP/1.1 5");
    if fine { Ok(status.to_owned()) } else { Err(format!("it answers `{status}`")) }
}
