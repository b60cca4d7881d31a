//! `sori bench` against servers that are not ours: what it says of a server must not depend on whose it is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    bench, install,
    outcome::{Outcome, Stop, Tally},
    server::{self, Server},
    suite::Run,
};

/// Short, and as jittery as a second allows. A network that fails silently is left out: npm's recovery keeps nothing for a client
/// that comes back before its server has noticed.
const OPTIONS: &str = r#"
load = { clients = 12, duration = "1s", warm_up = "200ms", connect_rate = 100.0 }
output = { quiet = true }
idle = { settle = "100ms" }
broadcast = { rate = 50.0 }
fanout_mixed = { rate = 50.0, clients = ["websocket", "polling", "upgrade"] }
jitter = { up = "400ms", away = "100ms", silent = 0.0, rate = 50.0 }
avalanche = { away = "200ms", rate = 50.0 }
"#;

/// The scenario and its options, for npm's socket.io.
const OF_SOCKET_IO: &[&str] = &[
    "connect",
    "idle",
    "echo --client websocket",
    "echo --client polling",
    "echo --client upgrade --outstanding 8",
    "echo --revision 3 --client websocket",
    "broadcast --client websocket --threads 2",
    "broadcast --client polling",
    "broadcast --revision 3 --client upgrade",
    "fanout-mixed",
    "jitter",
    "avalanche",
];

/// The path and the kind of its clients, for Nchan.
const OF_NCHAN: &[(&str, &str)] = &[("/ws", "raw-websocket"), ("/sse", "sse"), ("/lp", "nchan")];

pub fn run(run: &Run) -> Outcome {
    let program = run.binary("sori")?;
    let options = run.house.target.join("bench-servers.toml");
    fs::write(&options, OPTIONS).map_err(|error| format!("{}: {error}", options.display()))?;
    let tester = Tester { run, program, options };
    let mut tally = Tally::default();
    for each in [Tester::of_socket_io, Tester::of_nchan] {
        tally += match each(&tester) {
            Err(Stop::Missing(missing)) => run.leave_out(missing),
            done => done?,
        };
    }
    Ok(tally)
}

struct Tester<'a> {
    run: &'a Run,
    program: PathBuf,
    options: PathBuf,
}

impl Tester<'_> {
    fn of_socket_io(&self) -> Outcome {
        let folder = self.run.house.root.join("bench/peers/node-socketio");
        install::npm_packages(self.run, &folder)?;
        let script = folder.join("server.js").to_string_lossy().into_owned();
        let server = Server::start(Path::new("node"), &[&script, "{port}", "recovery", "eio3"])?;
        let url = format!("http://127.0.0.1:{}", server.port);
        let mut tally = Tally::default();
        for words in OF_SOCKET_IO {
            tally += self.load(words, &url, &[]);
        }
        Ok(tally)
    }

    fn of_nchan(&self) -> Outcome {
        let port = server::free_port().map_err(|error| format!("no free port: {error}"))?;
        let words = bench::nchan(self.run, &port.to_string())?;
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let nginx = Nginx(Server::start_at(port, Path::new(&words[0]), &args)?);
        let post = format!("http://127.0.0.1:{}/pub", nginx.0.port);
        let mut tally = Tally::default();
        for (path, client) in OF_NCHAN {
            let url = format!("http://127.0.0.1:{}{path}", nginx.0.port);
            tally += self.load("broadcast", &url, &["--client", client, "--post-url", &post]);
        }
        Ok(tally)
    }

    /// One scenario, with which everything must be well.
    fn load(&self, words: &str, url: &str, more: &[&str]) -> Tally {
        let step = self.run.step(&self.program).args(["bench"]).args(words.split(' ')).args([url]).args(more);
        let finished = step.args(["--file"]).args([&self.options]).run();
        // Where only connections are counted, nothing is there to arrive.
        Tally::one(finished.ok && (words == "connect" || finished.output.contains("Everything arrived")))
    }
}

/// It ends its worker when it is asked to, and leaves it behind when it is killed.
struct Nginx(Server);

impl Drop for Nginx {
    fn drop(&mut self) {
        self.0.end();
    }
}
