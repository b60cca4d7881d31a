//! The program that is soaked: a process of its own, with deadlines that pass in seconds.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
    time::Duration,
};

use super::held::Held;

/// The chat of the demo is what has rooms and answers. Each deadline passes many times within a run; the heartbeat's leaves
/// time for a generator that waits for its core.
const OPTIONS: &[&str] = &[
    "ping_interval_ms=2000",
    "ping_timeout_ms=4000",
    "connect_timeout_ms=3000",
    "upgrade_timeout_ms=3000",
    "header_read_timeout_ms=3000",
    "connection_state_recovery.max_disconnection_duration_ms=2000",
    "limits.plain_idle_ms=3000",
    "limits.repeat_window_ms=2000",
];
/// Who is silent for so long is forgotten: a poll's `wait` of 2 s or a ping's interval, and 6 s.
pub const SILENCE_S: u32 = 9;
pub const CLIENTS: [&str; 5] = ["sio-ws=/socket.io/", "sio-poll=/socket.io/", "ws=/live", "sse=/live", "lp=/live"];
const WARNINGS_SHOWN_MAX: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Program {
    child: Child,
    pub port: u16,
    lines: Mutex<Receiver<String>>,
    warnings: Arc<AtomicU64>,
}

impl Program {
    pub fn start(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let mut child = Command::new(path)
            .args(["serve", "--demo", "--listen", "127.0.0.1:0"])
            .args(OPTIONS.iter().flat_map(|option| ["--set", option]))
            .env("SORI_LOG", "warn")
            // Memory that somebody holds, and not what the allocator keeps because it may need it again, nor huge pages that the
            // kernel makes of small ones when it comes around, ten minutes later: each is 2 MiB, however little of it was in use.
            .env("MIMALLOC_PURGE_DELAY", "0")
            .env("MIMALLOC_ALLOW_THP", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        let (to, lines) = mpsc::channel();
        let (output, log) = (child.stdout.take(), child.stderr.take());
        let warnings = Arc::new(AtomicU64::new(0));
        let counted = warnings.clone();
        thread::spawn(move || {
            for line in log.into_iter().flat_map(|log| BufReader::new(log).lines()).map_while(Result::ok) {
                if counted.fetch_add(1, Ordering::Relaxed) < WARNINGS_SHOWN_MAX {
                    println!("        sori | {line}");
                }
            }
        });
        thread::spawn(move || {
            for line in output.into_iter().flat_map(|output| BufReader::new(output).lines()).map_while(Result::ok) {
                if to.send(line).is_err() {
                    break;
                }
            }
        });
        let mut program = Self { child, port: 0, lines: lines.into(), warnings };
        let banner = program.line("listening on ")?;
        let port = banner.split_once("127.0.0.1:").and_then(|(_, rest)| rest.split_once('.')?.0.parse().ok());
        program.port = port.ok_or_else(|| format!("{name} says no port: {banner}"))?;
        program.first_session().map_err(|error| format!("{name} does not answer: {error}"))?;
        Ok(program)
    }

    /// The clock of all sessions, a task that stays, starts with the first of them.
    fn first_session(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        stream.read_exact(&mut [0; 100])
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it holds now. It is asked by one at a time.
    pub fn held(&self) -> Result<Held, String> {
        let asked = Command::new("kill").args(["-USR1", &self.pid().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            return Err("the program has ended".into());
        }
        Held::read(&self.line("State: ")?, self.pid())
    }

    /// So many lines it has logged.
    pub fn warnings(&self) -> u64 {
        self.warnings.load(Ordering::Relaxed)
    }

    fn line(&self, with: &str) -> Result<String, String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let line = lines.recv_timeout(PATIENCE).map_err(|_| format!("the program does not say `{with}…`"))?;
            if line.contains(with) {
                return Ok(line);
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
