//! What the command line asks for.

use std::str::FromStr;

use crate::link::Protocol;

pub const USAGE: &str = "\
loadgen idle|broadcast|echo|bystander|churn --port PORT --client PROTOCOL=PATH [options]
  --client PROTOCOL=PATH  sio-ws, sio-poll, ws, sse or lp; given again, the clients are shared out equally
  --publish PATH          broadcasts are sent by POST to this path; without it, the first Socket.IO client sends them
  --n N                   clients (100)
  --size BYTES            of each payload (100)
  --window W              broadcasts under way at once (4)
  --bystanders N          echo clients beside a broadcast (50), each with
  --rate R                requests a second (20); of a churn, the clients that come in a second, while there are fewer than N
  --silence S             a churn: the server has forgotten whoever is silent for so long (9)
  --seed N                a churn: the same clients, in the same order (1)
  --secs S                measured time (3);  --warmup S  before it (0.7);  --settle S  of idle connections (5)
  --headers short|browser what a WebSocket's handshake brings (short)
  --pids PID,PID          the server's processes
  --core N                the core that the server is pinned to; without it, both use the whole machine";

pub struct Options {
    pub mode: Mode,
    pub port: u16,
    pub clients: Vec<(Protocol, String)>,
    pub publish: Option<String>,
    pub n: usize,
    pub size: usize,
    pub window: u32,
    pub bystanders: usize,
    pub rate: f64,
    pub silence: f64,
    pub seed: u64,
    pub secs: f64,
    pub warmup: f64,
    pub settle: f64,
    pub browser: bool,
    pub pids: Vec<i32>,
    pub core: Option<usize>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    Idle,
    Broadcast,
    Echo,
    Bystander,
    Churn,
}

impl Options {
    pub fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mode = match args.next().as_deref() {
            Some("idle") => Mode::Idle,
            Some("broadcast") => Mode::Broadcast,
            Some("echo") => Mode::Echo,
            Some("bystander") => Mode::Bystander,
            Some("churn") => Mode::Churn,
            _ => return Err("which mode?".into()),
        };
        let mut options = Self {
            mode,
            port: 0,
            clients: Vec::new(),
            publish: None,
            n: 100,
            size: 100,
            window: 4,
            bystanders: 50,
            rate: 20.0,
            silence: 9.0,
            seed: 1,
            secs: 3.0,
            warmup: 0.7,
            settle: 5.0,
            browser: false,
            pids: Vec::new(),
            core: None,
        };
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| format!("{name} wants a value"))?;
            options.set(&name, &value)?;
        }
        if options.port == 0 || options.clients.is_empty() {
            return Err("--port and --client are needed".into());
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--port" => self.port = number(name, value)?,
            "--client" => {
                let (protocol, path) = value.split_once('=').ok_or("--client wants PROTOCOL=PATH")?;
                self.clients.push((protocol.parse()?, path.to_owned()));
            }
            "--publish" => self.publish = Some(value.to_owned()),
            "--n" => self.n = number(name, value)?,
            // A broadcast's payload begins with its number: `#00000001`.
            "--size" => self.size = number::<usize>(name, value)?.max(9),
            "--window" => self.window = number(name, value)?,
            "--bystanders" => self.bystanders = number(name, value)?,
            "--rate" => self.rate = number(name, value)?,
            "--silence" => self.silence = number(name, value)?,
            "--seed" => self.seed = number(name, value)?,
            "--secs" => self.secs = number(name, value)?,
            "--warmup" => self.warmup = number(name, value)?,
            "--settle" => self.settle = number(name, value)?,
            "--headers" => self.browser = value == "browser",
            "--pids" => self.pids = value.split(',').map(|pid| number(name, pid)).collect::<Result<_, _>>()?,
            "--core" => self.core = Some(number(name, value)?),
            _ => return Err(format!("no option {name}")),
        }
        Ok(())
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} wants a number, not {value}"))
}
