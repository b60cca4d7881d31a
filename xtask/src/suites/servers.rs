//! Programs that only have to start and shake hands.

use std::path::Path;

use crate::{
    outcome::{Outcome, Stop, Tally},
    server::Server,
    suite::Run,
};

pub fn examples(run: &Run) -> Outcome {
    run.build_all()?;
    // The gallery's example is beneath HTTP, and its own tests run it.
    let of_library = run.house.packages.iter().filter(|package| package.name == "sori");
    let names = of_library.flat_map(|package| &package.examples);
    let mut tally = Tally::default();
    for name in names {
        let greeted = shake_hands(&run.built_path("examples", name), &["{port}"]);
        match &greeted {
            Ok(()) => run.say(&format!("{name}: ok")),
            Err(why) => run.say(&format!("{name}: FAILED: {why}")),
        }
        tally += Tally::one(greeted.is_ok());
    }
    Ok(tally)
}

pub fn bench_smoke(run: &Run) -> Outcome {
    shake_hands(&run.binary("sori")?, &["bench", "serve", "--listen", "127.0.0.1:{port}"])
        .map(|()| Tally::one(true))
        .map_err(Stop::Failed)
}

/// Starts the program and opens an Engine.IO session.
fn shake_hands(program: &Path, args: &[&str]) -> Result<(), String> {
    let server = Server::start(program, args)?;
    let answer = server.get("/socket.io/?EIO=4&transport=polling").map_err(|error| format!("no answer: {error}"))?;
    let greeted = answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\n\r\n0{\"sid\":");
    if greeted { Ok(()) } else { Err(format!("it answers a handshake with:\n{answer}")) }
}
