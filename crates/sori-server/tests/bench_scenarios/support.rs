//! A server, and a load tester.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub use crate::folder::Folder;
use sori_bench::{Completeness, Ended, Run};

/// A run of seconds that has not ended then never will.
const PATIENCE: Duration = Duration::from_secs(100);

/// What makes runs short. The rest is said by each test.
const OPTIONS: &str = "
server.answer_timeout = \"3s\"
server.connect_timeout = \"5s\"
load.clients = 6
load.duration = \"500ms\"
load.warm_up = \"100ms\"
load.drain = \"3s\"
echo.rate = 200.0
idle.settle = \"100ms\"
jitter.up = \"300ms\"
jitter.away = \"60ms\"
jitter.rate = 50.0
avalanche.away = \"100ms\"
soak.rest = \"100ms\"
soak.churn = 30.0
soak.rate = 100.0
# That of a server that has just started says nothing.
soak.memory_growth_max = 100.0
";

/// `sori bench serve`, until the test ends.
pub struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    pub fn start(args: &[&str]) -> Self {
        let mut command = sori(&["bench", "serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("it is text");
        let address = line.split(' ').find(|word| word.starts_with("127.0.0.1:"));
        let address = address.unwrap_or_else(|| panic!("it says where it listens, and not {line:?}"));
        Self { address: address.trim_end_matches(':').to_owned(), child }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Without a word to anybody.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A load test that runs.
pub struct Bench {
    child: Child,
    _folder: Folder,
    json: String,
    lines: mpsc::Receiver<String>,
    listener: Option<JoinHandle<String>>,
}

/// What came of it.
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    /// The result, if one was written.
    pub run: Option<Run>,
}

/// Starts `sori bench WORDS`, with these options beside: a line each, as `load.processes = 2`.
pub fn start(words: &[&str], options: &str) -> Bench {
    let folder = Folder::new();
    let file = folder.file("options.toml", &merged(options));
    let json = folder.path("result.json");
    let mut command = sori(&["bench"]);
    command.args(words).args(["--file", &file, "--interval", "100ms"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    if !words.contains(&"--json") {
        command.args(["--json", &json]);
    }
    let mut child = command.spawn().expect("the program starts");
    let (said, lines) = mpsc::channel();
    let stderr = child.stderr.take().expect("piped");
    let listener = thread::spawn(move || heard(stderr, &said));
    Bench { child, _folder: folder, json, lines, listener: Some(listener) }
}

/// To its end.
pub fn run(words: &[&str], options: &str) -> Outcome {
    start(words, options).end()
}

/// A run with which everything must be well.
pub fn perfect(words: &[&str], options: &str) -> Run {
    let outcome = run(words, options);
    assert!(outcome.status.success(), "{words:?}: {}", outcome.stderr);
    let run = outcome.run.expect("a result is written");
    assert_eq!(run.ended, Ended::Whole, "{words:?}");
    let Completeness { expected, delivered, .. } = run.completeness;
    assert!(run.completeness.is_perfect() && expected == delivered, "{words:?}: {:?}", run.completeness);
    assert!(run.errors.is_empty(), "{words:?}: {:?}", run.errors);
    run
}

/// One that cannot begin: the sentence, which begins with the program's name and is the only thing that is said.
pub fn refused(words: &[&str], options: &str) -> String {
    let outcome = run(words, options);
    assert!(!outcome.status.success(), "{words:?}");
    assert!(outcome.run.is_none() && outcome.stdout.is_empty(), "{words:?}: {}", outcome.stdout);
    let said = outcome.stderr.trim_end();
    assert!(said.starts_with("sori: ") && said.lines().count() == 1, "{words:?}: {said}");
    said.to_owned()
}

/// The same for each, all at once: what takes seconds here is mostly waiting. Broadcasts of one test would be foreign in another, so
/// that each has a server of its own.
pub fn each<T: Copy + Send>(cases: &[T], check: impl Fn(T) + Sync) {
    thread::scope(|scope| {
        for case in cases.iter().copied() {
            let check = &check;
            scope.spawn(move || check(case));
        }
    });
}

impl Bench {
    /// Until it counts.
    pub fn until_measuring(&self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let line = self.lines.recv_timeout(end - Instant::now()).expect("it measures some day");
            if line.contains("measuring") {
                return;
            }
        }
    }

    /// As Ctrl-C does.
    #[cfg(unix)]
    pub fn interrupt(&self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    pub fn end(mut self) -> Outcome {
        let mut stdout = self.child.stdout.take().expect("piped");
        let reader = thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).expect("it is text");
            text
        });
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(10));
        };
        let stderr = self.listener.take().and_then(|listener| listener.join().ok()).expect("it is text");
        let stdout = reader.join().expect("it is text");
        assert!(!stderr.contains("panicked"), "{stderr}");
        let run = fs::read_to_string(&self.json).ok().map(|text| Run::parse(&text).expect("a result"));
        Outcome { status, stdout, stderr, run }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A figure of the result.
#[track_caller]
pub fn figure(run: &Run, name: &str) -> f64 {
    let figure = run.figures.iter().find(|figure| figure.name == name);
    figure.unwrap_or_else(|| panic!("no figure {name:?} in {:?}", run.figures)).value
}

/// How many latencies of this name there are.
#[track_caller]
pub fn latencies(run: &Run, name: &str) -> u64 {
    let named = run.latencies.iter().find(|named| named.name == name);
    named.unwrap_or_else(|| panic!("no latencies {name:?}")).packed.count
}

fn sori(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sori"));
    command.args(words).env_remove("SORI_LOG").stdin(Stdio::null());
    command
}

fn heard(stderr: ChildStderr, said: &mpsc::Sender<String>) -> String {
    let mut all = String::new();
    for line in BufReader::new(stderr).lines() {
        let line = line.expect("it is text");
        all.push_str(&line);
        all.push('\n');
        // Who does not listen any more has heard enough.
        let _ = said.send(line);
    }
    all
}

/// The options above, except where these say something else.
fn merged(options: &str) -> String {
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let own: Vec<String> = options.lines().map(key).collect();
    let usual = OPTIONS.lines().filter(|line| !own.contains(&key(line)));
    usual.chain(options.lines()).map(|line| format!("{line}\n")).collect()
}
