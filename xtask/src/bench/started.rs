//! A server that runs for one measurement, and ends with it.

use std::{
    net::{Ipv4Addr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::step;

pub struct Started {
    child: Child,
}

const START_MAX: Duration = Duration::from_secs(15);
const STOP_MAX: Duration = Duration::from_secs(5);
/// What a runtime does after it listens is not what is measured.
const REST: Duration = Duration::from_millis(700);

impl Started {
    /// Starts `words` on `cores` with as many descriptors as it may have, and waits until it listens.
    pub fn start(words: &[String], cores: &str, port: u16) -> Result<Self, String> {
        if listens(port) {
            return Err(format!("port {port} is in use"));
        }
        let child = pinned(words, cores)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", words[0]))?;
        let mut started = Self { child };
        let since = Instant::now();
        while !listens(port) {
            if let Ok(Some(status)) = started.child.try_wait() {
                return Err(format!("`{}` ended with {status} instead of listening", words.join(" ")));
            }
            if since.elapsed() > START_MAX {
                return Err(format!("`{}` does not listen at port {port}", words.join(" ")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        thread::sleep(REST);
        Ok(started)
    }

    /// Itself and what it started.
    pub fn pids(&self) -> Vec<u32> {
        step::tree(self.child.id())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let pids = self.pids();
        // Asked first: nginx ends its workers by itself.
        kill("-TERM", &pids[..1]);
        let since = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && since.elapsed() < STOP_MAX {
            thread::sleep(Duration::from_millis(20));
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            kill("-KILL", &pids);
        }
        let _ = self.child.wait();
    }
}

/// `words` as a process on `cores`, with the hard limit of descriptors.
pub fn pinned(words: &[String], cores: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec taskset -c \"$0\" \"$@\"", cores]).args(words);
    command
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn kill(signal: &str, pids: &[u32]) {
    let pids = pids.iter().map(u32::to_string);
    let _ = Command::new("kill").arg(signal).args(pids).stderr(Stdio::null()).status();
}
