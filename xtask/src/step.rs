//! A program that a suite runs: its lines are shown as they come and kept, and it ends within its limit.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use crate::outcome::Stop;

/// Longer than any step needs on two busy cores; a hang still leaves CI the time to say so.
const LIMIT_DEFAULT: Duration = Duration::from_secs(15 * 60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub struct Step {
    suite: &'static str,
    shown: String,
    command: Command,
    limit: Duration,
}

pub struct Finished {
    pub ok: bool,
    pub output: String,
    /// How it ended when not well.
    pub why: String,
}

impl Step {
    pub fn new(suite: &'static str, program: impl AsRef<OsStr>, root: &Path) -> Self {
        let mut command = Command::new(&program);
        // What we read is plain; what talks on the loopback needs no proxy.
        command.current_dir(root).env("CARGO_TERM_COLOR", "never").env("NO_COLOR", "1").env("FORCE_COLOR", "0");
        command.env("NO_PROXY", "127.0.0.1,localhost").env("no_proxy", "127.0.0.1,localhost");
        // Set for us by the cargo that runs us; it would make every crate look changed to the next one.
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_our_build(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        let shown = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { suite, shown, command, limit: LIMIT_DEFAULT }
    }

    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        for arg in args {
            self.shown.push(' ');
            self.shown.push_str(&arg.as_ref().to_string_lossy());
            self.command.arg(arg);
        }
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Its output alone, nothing shown; `None` when it cannot run or fails.
    pub fn ask(mut self) -> Option<String> {
        let output = self.command.stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    pub fn run(mut self) -> Finished {
        self.say(&format!("$ {}", self.shown));
        let spawned = self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        match spawned {
            Ok(child) => self.follow(child),
            Err(error) => Finished { ok: false, output: String::new(), why: format!("{}: {error}", self.shown) },
        }
    }

    /// Runs it; that it fails ends the suite.
    pub fn must(self) -> Result<String, Stop> {
        let finished = self.run();
        if finished.ok { Ok(finished.output) } else { Err(finished.why.into()) }
    }

    fn follow(self, mut child: Child) -> Finished {
        let (lines, incoming) = mpsc::channel();
        forward(child.stdout.take(), lines.clone());
        forward(child.stderr.take(), lines);
        let started = Instant::now();
        let mut output = String::new();
        let mut ended = None;
        let mut late = false;
        loop {
            match incoming.recv_timeout(LOOK_EVERY) {
                Ok(line) => {
                    self.say(&line);
                    output.push_str(&line);
                    output.push('\n');
                }
                // A grandchild may hold the pipe for longer than its parent lives: silence is the end too.
                Err(_) if ended.is_some() => break,
                Err(RecvTimeoutError::Disconnected) => thread::sleep(LOOK_EVERY),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if ended.is_none() {
                ended = child.try_wait().ok().flatten();
            }
            if ended.is_none() && !late && started.elapsed() > self.limit {
                late = true;
                kill_tree(child.id());
                let _ = child.kill();
            }
        }
        let ok = !late && ended.is_some_and(|status| status.success());
        let why = match ended {
            _ if late => format!("`{}` took more than {} minutes and was ended", self.shown, self.limit.as_secs() / 60),
            Some(status) => format!("`{}` ended with {status}", self.shown),
            None => String::new(),
        };
        Finished { ok, output, why }
    }

    fn say(&self, line: &str) {
        println!("{:>12} | {line}", self.suite);
    }
}

fn is_of_our_build(name: &str) -> bool {
    name.starts_with("CARGO_PKG_")
        || name.starts_with("CARGO_MANIFEST_")
        || name.starts_with("CARGO_BIN_")
        || name == "RUST_RECURSION_COUNT"
}

fn forward(from: Option<impl Read + Send + 'static>, to: Sender<String>) {
    let Some(from) = from else { return };
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            if to.send(line.trim_end_matches('\r').to_owned()).is_err() {
                break;
            }
        }
    });
}

/// Ends what `root` started. They share our process group, so that Ctrl-C reaches them all by itself.
fn kill_tree(root: u32) {
    let pids = tree(root).into_iter().skip(1).map(|pid| pid.to_string());
    let _ = Command::new("kill").args(pids).stderr(Stdio::null()).status();
}

/// A process and all that it started, parents before their children.
pub fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent_of(pid)?)))
        .collect();
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    tree
}

/// The fourth field of `/proc/PID/stat`; the second, a name in parentheses, may hold spaces.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Step {
        Step::new("test", "sh", Path::new(".")).args(["-c", script])
    }

    #[test]
    fn both_streams_are_kept_and_the_status_told() {
        let finished = shell("echo out; echo err >&2; exit 3").run();
        assert!(!finished.ok);
        assert!(finished.output.contains("out\n") && finished.output.contains("err\n"));
        assert!(finished.why.contains("exit status: 3"), "{}", finished.why);
    }

    #[test]
    fn a_hanging_step_and_its_children_are_ended() {
        let finished = shell("sleep 61 & wait").limit(Duration::from_millis(200)).run();
        assert!(!finished.ok);
        assert!(finished.why.contains("took more than"), "{}", finished.why);
    }
}
