//! `sori bench serve`: what load tests ask for, answered well or, on purpose, badly.

mod fault;

use std::{
    future::pending,
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use clap::Args;
use sori::{Ack, ConnectionStateRecovery, Data, History, Namespace, Server, Socket};
use tokio::net::TcpListener;

use crate::{
    config,
    demo::Pages,
    listen,
    run::{self, Signals},
};
use fault::{Fault, Faulty};

/// Serves what load tests ask for: to try the tester, and to compare servers.
#[derive(Args)]
pub struct BenchServe {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4020")]
    listen: String,
    /// Another one, on which several processes listen together (SO_REUSEPORT)
    #[arg(long, value_name = "ADDR")]
    shared: Option<String>,
    /// Give clients that come back within two minutes what they missed (connection state recovery, and history for streams)
    #[arg(long)]
    recovery: bool,
    /// Misbehave on purpose, to see that the tester notices
    #[arg(long, value_name = "KIND")]
    fault: Option<Fault>,
}

pub const AFTER_HELP: &str = "\
What it answers, in the namespace /, where texts are JSON strings:
  echo (text, ack)    the ack, with the text
  broadcast (text)    `msg` with the text, to everybody
  message (text)      `message` with the text, to its sender: a raw WebSocket hears what it says

Where:
  /socket.io/         Socket.IO
  /live/              raw WebSockets, streams (SSE, lines), long polls, POST ?event=broadcast

A shared port is for clients that keep one connection: polls would come to several processes.

Examples:
  sori bench serve
  sori bench serve --fault drop
  sori bench serve --listen 127.0.0.1:4021 --shared 127.0.0.1:4020    a process of many at 4020";

impl BenchServe {
    /// Serves until a signal ends it.
    pub fn run(self) -> Result<(), String> {
        let address = config::address("--listen", &self.listen)?;
        let shared = self.shared.as_deref().map(|shared| config::address("--shared", shared)).transpose()?;
        let files = rlimit::increase_nofile_limit(u64::MAX);
        let runtime = run::runtime()?;
        let served = runtime.block_on(async {
            let io = self.server()?;
            let own = listen::alone(address).map_err(|error| cannot_listen("--listen", address, &error))?;
            let shared = match shared {
                None => None,
                Some(at) => Some(listen::together(at).map_err(|error| cannot_listen("--shared", at, &error))?),
            };
            let mut signals = Signals::new().map_err(|error| format!("cannot listen for signals: {error}"))?;
            if let Some(fault) = self.fault {
                eprintln!("sori: it misbehaves on purpose: {}", fault.about());
            }
            run::tell_files(files);
            say_where(&own, shared.as_ref()).map_err(|error| error.to_string())?;
            let pages = Pages::none(io.config(), "This server is for load tests; see `sori bench serve --help`");
            tokio::select! {
                ended = io.serve(own, pages.clone()) => ended,
                ended = async {
                    match shared {
                        Some(shared) => io.serve(shared, pages.clone()).await,
                        None => pending().await,
                    }
                } => ended,
                _ = signals.next() => Ok(()),
            }
            .map_err(|error| error.to_string())
        });
        // Nobody is told: what is there for load tests ends at once.
        runtime.shutdown_background();
        served
    }

    fn server(&self) -> Result<Server, String> {
        let namespace = namespace(self.fault);
        let builder = Server::builder();
        let builder = match self.recovery {
            // Socket.IO clients go on with their session; streams, by the id of what they heard last.
            true => builder
                .connection_state_recovery(ConnectionStateRecovery::default())
                .namespace("/", namespace.history(History::new(HISTORY, HISTORY_FOR))),
            false => builder.namespace("/", namespace),
        };
        let limits = |limits: &mut sori::Limits| {
            // So that a window of messages makes nobody a slow consumer.
            limits.outbox_bytes_max = 16 << 20;
            // The 100,000 messages that a log keeps may have 1 kB each.
            limits.log_bytes_max = 256 << 20;
        };
        builder.limits(limits).build().map_err(|error| error.to_string())
    }
}

fn namespace(fault: Option<Fault>) -> Namespace {
    let Some(fault) = fault else {
        return Namespace::new()
            .on("echo", async |Data(text): Data<String>| Ack(text))
            .on("message", async |socket: Socket, Data(text): Data<String>| socket.emit("message", &text))
            .on("broadcast", async |io: Server, Data(text): Data<String>| io.emit("msg", &text));
    };
    let faulty = Arc::new(Faulty::new(fault));
    let (echo, message, broadcast) = (faulty.clone(), faulty.clone(), faulty);
    Namespace::new()
        .on("echo", move |Data(text): Data<String>| {
            let answer = echo.echo(text).map(Ack);
            async { answer }
        })
        .on("message", move |socket: Socket, Data(text): Data<String>| {
            let answer = message.echo(text);
            async move { answer.map(|text| socket.emit("message", &text)) }
        })
        .on("broadcast", move |io: Server, Data(text): Data<String>| {
            let texts = broadcast.broadcast(text);
            async move { texts.iter().try_for_each(|text| io.emit("msg", text).map(drop)) }
        })
}

fn cannot_listen(option: &str, address: SocketAddr, error: &io::Error) -> String {
    run::cannot_listen(&format!("sori bench serve {option}"), address, error)
}

/// On one line, for those who wait for it.
fn say_where(own: &TcpListener, shared: Option<&TcpListener>) -> io::Result<()> {
    let shared = match shared {
        Some(shared) => format!(" and, together with others, on {}", shared.local_addr()?),
        None => String::new(),
    };
    let mut out = io::stdout();
    writeln!(
        out,
        "Sori {}, listening on {}{shared}: echo answers its ack, broadcast sends msg to everybody; the same at /live/. Ctrl-C stops it.",
        env!("CARGO_PKG_VERSION"),
        own.local_addr()?,
    )?;
    out.flush()
}

/// As many messages as a log keeps.
const HISTORY: u32 = 100_000;
/// As long as recovery.
const HISTORY_FOR: Duration = Duration::from_secs(120);
