//! What scenarios can be told: flags for what people look for, and a file for the rest.
//!
//! Each group of options is a table of the file and a group of flags. What is given on the command line wins over the file.
//!
//! ```
//! use sori_bench::options::File;
//!
//! let file = File::parse("[load]\nclients = 500\n\n[jitter]\naway = \"3s\"\n")?;
//! assert_eq!((file.load.clients, file.jitter.away.as_secs()), (500, 3));
//! # Ok::<(), String>(())
//! ```

mod flags;
mod scenarios;
mod span;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Arrivals, Load, Pace};

pub use flags::{Common, LoadFlags, OutputFlags, ServerFlags};
pub use scenarios::{
    Avalanche, AvalancheFlags, Broadcast, BroadcastFlags, Connect, ConnectFlags, Echo, EchoFlags, FanoutMixed, FanoutMixedFlags,
    Idle, IdleFlags, Jitter, JitterFlags, SlowReaders, SlowReadersFlags, Soak, SoakFlags,
};
pub use span::Span;

/// Every option of every scenario: one file may serve several.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// How the server is spoken to.
    pub server: Server,
    /// How much of it.
    pub load: LoadOptions,
    /// What is shown and kept.
    pub output: Output,
    /// `sori bench connect`.
    pub connect: Connect,
    /// `sori bench idle`.
    pub idle: Idle,
    /// `sori bench broadcast`.
    pub broadcast: Broadcast,
    /// `sori bench echo`.
    pub echo: Echo,
    /// `sori bench fanout-mixed`.
    pub fanout_mixed: FanoutMixed,
    /// `sori bench jitter`.
    pub jitter: Jitter,
    /// `sori bench avalanche`.
    pub avalanche: Avalanche,
    /// `sori bench slow-readers`.
    pub slow_readers: SlowReaders,
    /// `sori bench soak`.
    pub soak: Soak,
}

/// How the server is spoken to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Who the clients are.
    pub client: Client,
    /// Socket.IO's revision of Engine.IO: 4 for clients 3.x and 4.x, 3 for 1.x and 2.x.
    pub revision: u8,
    /// Where Engine.IO is mounted.
    pub path: String,
    /// The namespace, for Socket.IO.
    pub namespace: String,
    /// What Socket.IO clients say of themselves when they connect, as JSON.
    pub auth: Option<serde_json::Value>,
    /// Headers of every request, as `Name: value`.
    pub headers: Vec<String>,
    /// The event that is sent to be answered.
    pub echo_event: String,
    /// The event that is sent to be sent to everybody.
    pub broadcast_event: String,
    /// The event that everybody receives then.
    pub message_event: String,
    /// Where messages for everybody are posted to as they are, instead of being emitted. Each message goes to all of these addresses:
    /// servers that do not know each other.
    pub post_urls: Vec<String>,
    /// Hosts whose owner the runner is.
    pub i_own: Vec<String>,
    /// Processes of the server, whose CPU time and memory are read.
    pub pids: Vec<u32>,
    /// A file of certificates in PEM to trust instead of the system's.
    pub ca: Option<std::path::PathBuf>,
    /// Addresses to connect from: one each, or ranges as `127.0.0.2-127.0.0.40`.
    pub sources: Vec<String>,
    /// How long a client may take to connect.
    pub connect_timeout: Span,
    /// How long an answer may take before it counts as an error.
    pub answer_timeout: Span,
}

/// Who the clients are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// Socket.IO over WebSocket from the beginning
    #[default]
    #[value(name = "websocket")]
    #[serde(rename = "websocket")]
    SocketIoWebSocket,
    /// Socket.IO over HTTP long polling
    #[value(name = "polling")]
    #[serde(rename = "polling")]
    SocketIoPolling,
    /// Socket.IO that begins with polling and upgrades, as browsers do
    #[value(name = "upgrade")]
    #[serde(rename = "upgrade")]
    SocketIoUpgrade,
    /// Server-sent events
    Sse,
    /// A stream of lines
    Lines,
    /// Long polling without a library
    LongPoll,
    /// Nchan's long polling
    Nchan,
    /// A bare WebSocket
    RawWebsocket,
}

/// How much load, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadOptions {
    /// Clients that are connected.
    pub clients: u64,
    /// How many of them connect in a second.
    pub connect_rate: f64,
    /// Messages a second, of all clients together: an open loop.
    pub rate: Option<f64>,
    /// Messages that may wait for their answer at once, of all clients together: a closed loop.
    pub outstanding: Option<u32>,
    /// How an open loop's messages are spread.
    pub arrivals: Arrivals,
    /// Bytes of a message.
    pub payload_bytes: usize,
    /// How long it counts.
    pub duration: Span,
    /// How long before that it does not.
    pub warm_up: Span,
    /// How long after that messages may still arrive.
    pub drain: Span,
    /// What chance begins with; by the clock when it is not given.
    pub seed: Option<u64>,
    /// Threads of the generator.
    pub threads: u32,
    /// Processes of the generator instead, one thread each; by default as many as the descriptors demand.
    pub processes: Option<u32>,
}

/// What is shown and kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Output {
    /// What the run is called.
    pub name: String,
    /// Where the result goes as JSON.
    pub json: Option<std::path::PathBuf>,
    /// Where the result goes as a page.
    pub html: Option<std::path::PathBuf>,
    /// How often a line is shown where there is no terminal.
    pub interval: Span,
    /// Whether nothing is shown before the end.
    pub quiet: bool,
}

impl Client {
    /// As it is written on the command line.
    pub fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self).map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl File {
    /// Reads it, and says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read the options {name}: {error}"))?;
        Self::parse(&text).map_err(|error| format!("{name}: {error}"))
    }

    /// Reads TOML.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        file.checked()
    }

    /// As a result shows it, which is given to others: without what the server is told in confidence.
    #[must_use]
    pub fn published(&self) -> Self {
        let mut file = self.clone();
        let Server { auth, headers, .. } = &mut file.server;
        if let Some(auth) = auth {
            *auth = HIDDEN.into();
        }
        for header in headers {
            let name = header.split_once(':').map_or(header.as_str(), |(name, _)| name);
            *header = format!("{}: {HIDDEN}", name.trim());
        }
        file.server.post_urls.iter_mut().for_each(|url| *url = without_query(url));
        file
    }

    /// What no type forbids, and what cannot be.
    fn checked(self) -> Result<Self, String> {
        let LoadOptions { rate, outstanding, connect_rate, threads, clients, .. } = self.load;
        let positive = |value: f64, name: &str| match value > 0.0 && value.is_finite() {
            true => Ok(()),
            false => Err(format!("{name} must be more than 0, and is {value}")),
        };
        positive(connect_rate, "connect_rate")?;
        if connect_rate < 0.001 {
            return Err(format!("connect_rate must be at least 0.001, and is {connect_rate}"));
        }
        if self.fanout_mixed.clients.is_empty() {
            return Err("fanout_mixed.clients must name at least one kind of clients".into());
        }
        rate.map_or(Ok(()), |rate| positive(rate, "rate"))?;
        match (rate, outstanding) {
            (Some(_), Some(_)) => Err("rate (an open loop) and outstanding (a closed one) exclude each other".into()),
            (_, Some(0)) => Err("outstanding must be at least 1: with 0 nothing is ever sent".into()),
            _ if clients == 0 || threads == 0 || self.load.processes == Some(0) => {
                Err("clients, threads and processes must be at least 1".into())
            }
            _ if !matches!(self.server.revision, 3 | 4) => Err(format!("revision is 3 or 4, not {}", self.server.revision)),
            _ => Ok(self),
        }
    }
}

/// A query may have a token in it.
pub(crate) fn without_query(url: &str) -> String {
    url.split_once('?').map_or_else(|| url.to_owned(), |(url, _)| format!("{url}?…"))
}

const HIDDEN: &str = "(not shown)";

impl LoadOptions {
    /// How load is made, when the scenario's own default rate is this; a result says it.
    pub fn load(&self, rate_per_s: f64) -> Load {
        match self.outstanding {
            Some(outstanding) => Load::Closed { outstanding },
            None => Load::Open { rate_per_s: self.rate.unwrap_or(rate_per_s), arrivals: self.arrivals },
        }
    }

    /// When to send accordingly.
    pub fn pace(&self, rate_per_s: f64, seed: u64) -> Pace {
        match self.load(rate_per_s) {
            Load::Closed { outstanding } => Pace::closed(outstanding),
            _ => Pace::open(self.rate.unwrap_or(rate_per_s), self.arrivals, seed),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            client: Client::default(),
            revision: 4,
            path: "/socket.io/".into(),
            namespace: "/".into(),
            auth: None,
            headers: Vec::new(),
            echo_event: "echo".into(),
            broadcast_event: "broadcast".into(),
            message_event: "msg".into(),
            post_urls: Vec::new(),
            i_own: Vec::new(),
            pids: Vec::new(),
            ca: None,
            sources: Vec::new(),
            connect_timeout: Span::from_secs(20),
            answer_timeout: Span::from_secs(10),
        }
    }
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            clients: 100,
            connect_rate: 1_000.0,
            rate: None,
            outstanding: None,
            arrivals: Arrivals::default(),
            payload_bytes: 100,
            duration: Span::from_secs(30),
            warm_up: Span::from_secs(5),
            drain: Span::from_secs(5),
            seed: None,
            threads: 1,
            processes: None,
        }
    }
}

impl Default for Output {
    fn default() -> Self {
        Self { name: String::new(), json: None, html: None, interval: Span::from_secs(1), quiet: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_says_nothing_is_the_defaults() {
        assert_eq!(File::parse(""), Ok(File::default()));
    }

    #[test]
    fn defaults_written_down_are_the_defaults() {
        let text = serde_json::to_string(&File::default()).expect("JSON");
        assert_eq!(serde_json::from_str::<File>(&text).expect("as it was written"), File::default());
    }

    /// The guide has a whole file: with everything that is, as it is without a file.
    #[test]
    fn the_guide_knows_every_option() {
        let guide = include_str!("../../../docs/bench.md");
        let (_, toml) = guide.split_once("```toml\n").expect("a file in TOML");
        let (toml, _) = toml.split_once("```").expect("it ends");
        assert_eq!(File::parse(toml), Ok(File::default()));
        let tables = serde_json::to_value(File::default()).expect("JSON");
        for (table, options) in tables.as_object().expect("tables") {
            let (_, written) = toml.split_once(&format!("[{table}]\n")).unwrap_or_else(|| panic!("[{table}]"));
            let written = written.split("\n[").next().expect("there is always a first");
            for option in options.as_object().expect("a table").keys() {
                let is_told = written.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{option} =")));
                assert!(is_told, "{table}.{option}");
            }
        }
        // What is nothing by default has an example, which is right, too.
        let all: String = toml.lines().map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n").collect();
        let all = all.replace("outstanding = 64", "");
        assert!(File::parse(&all).is_ok_and(|file| file.load.seed == Some(7)), "{:?}", File::parse(&all));
    }

    #[test]
    fn what_is_not_known_or_cannot_be_is_told() {
        let check = |text: &str, why: &str| {
            let error = File::parse(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        };
        check("[load]\nclient = 3", "clients");
        check("[lode]", "lode");
        check("[load]\nrate = 0", "rate must be more than 0");
        check("[load]\nconnect_rate = -1.0", "connect_rate must be more than 0");
        check("[load]\nrate = 5\noutstanding = 5", "exclude each other");
        check("[load]\noutstanding = 0", "at least 1");
        check("[load]\nclients = 0", "at least 1");
        check("[server]\nrevision = 5", "3 or 4");
        check("[load]\nduration = \"soon\"", "30s");
        check("[server]\nclient = \"carrier-pigeon\"", "websocket");
    }

    #[test]
    fn secrets_are_not_published() {
        let text = "[server]\nauth = { token = \"s3cret\" }\nheaders = [\"Authorization: Bearer s3cret\"]";
        let published = serde_json::to_string(&File::parse(text).expect("valid").published()).expect("JSON");
        assert!(!published.contains("s3cret") && published.contains("Authorization: (not shown)"), "{published}");
    }

    #[test]
    fn a_rate_is_an_open_loop_and_outstanding_a_closed_one() {
        let load = |text: &str| File::parse(text).expect("valid").load.load(1_000.0);
        assert_eq!(load(""), Load::Open { rate_per_s: 1_000.0, arrivals: Arrivals::Constant });
        let poisson = Load::Open { rate_per_s: 5.0, arrivals: Arrivals::Poisson };
        assert_eq!(load("[load]\nrate = 5\narrivals = \"poisson\""), poisson);
        assert_eq!(load("[load]\noutstanding = 4"), Load::Closed { outstanding: 4 });
        assert!(!File::parse("[load]\noutstanding = 4").expect("valid").load.pace(1.0, 0).is_open());
    }
}
