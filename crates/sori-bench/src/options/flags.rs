//! The flags that every scenario has.

use std::path::PathBuf;

use clap::Args;

use super::{Client, File, Span};
use crate::{Arrivals, addresses};

/// What every scenario is told.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// The server, e.g. http://127.0.0.1:3000
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    server: ServerFlags,
    #[command(flatten)]
    load: LoadFlags,
    #[command(flatten)]
    output: OutputFlags,
    /// A file in TOML with these options and the rarer ones [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    file: Option<PathBuf>,
}

/// How the server is spoken to.
#[derive(Args, Clone, Debug)]
pub struct ServerFlags {
    /// Who the clients are [default: websocket]
    #[arg(long, value_name = "KIND", help_heading = "Server")]
    client: Option<Client>,
    /// Engine.IO's revision: 4 for Socket.IO 3.x and 4.x, 3 for 1.x and 2.x [default: 4]
    #[arg(long, value_name = "3|4", help_heading = "Server")]
    revision: Option<u8>,
    /// Where Socket.IO is mounted [default: /socket.io/]
    #[arg(long, value_name = "PATH", help_heading = "Server")]
    path: Option<String>,
    /// The namespace [default: /]
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    namespace: Option<String>,
    /// The event that is answered with its argument, for `echo` and `soak` [default: echo]
    #[arg(long, value_name = "EVENT", help_heading = "Server")]
    echo_event: Option<String>,
    /// The event whose argument the server sends to everybody [default: broadcast]
    #[arg(long, value_name = "EVENT", help_heading = "Server")]
    broadcast_event: Option<String>,
    /// The event that everybody receives then [default: msg]
    #[arg(long, value_name = "EVENT", help_heading = "Server")]
    message_event: Option<String>,
    /// Where messages for everybody are posted instead; may be repeated [default: none]
    #[arg(long, value_name = "URL", help_heading = "Server")]
    post_url: Vec<String>,
    /// What clients say of themselves, as JSON [default: none]
    #[arg(long, value_name = "JSON", value_parser = json, help_heading = "Server")]
    auth: Option<serde_json::Value>,
    /// A process of the server, whose CPU time and memory are read; may be repeated [default: none]
    #[arg(long, value_name = "PID", help_heading = "Server")]
    pid: Vec<u32>,
    /// I own the server on this host, or its owner has agreed; may be repeated [default: none]
    #[arg(long, value_name = "HOST", help_heading = "Server")]
    i_own: Vec<String>,
    /// An address of this machine to connect from, or a range of them; may be repeated [default: none]
    #[arg(long, value_name = "ADDR[-ADDR]", help_heading = "Server")]
    source: Vec<String>,
}

/// How much load, and for how long.
#[derive(Args, Clone, Debug)]
pub struct LoadFlags {
    /// Clients that are connected [default: 100]
    #[arg(short, long, value_name = "N", help_heading = "Load")]
    clients: Option<u64>,
    /// Clients that connect in a second [default: 1000]
    #[arg(long, value_name = "N", help_heading = "Load")]
    connect_rate: Option<f64>,
    /// Messages a second, whatever the server does (an open loop) [default: the scenario's]
    #[arg(short, long, value_name = "N", conflicts_with = "outstanding", help_heading = "Load")]
    rate: Option<f64>,
    /// Messages that wait for their answer at once (a closed loop) [default: none]
    #[arg(long, value_name = "N", help_heading = "Load")]
    outstanding: Option<u32>,
    /// How messages of an open loop are spread [default: constant]
    #[arg(long, value_name = "HOW", help_heading = "Load")]
    arrivals: Option<Arrivals>,
    /// Bytes of a message [default: 100]
    #[arg(long, value_name = "BYTES", help_heading = "Load")]
    payload: Option<usize>,
    /// How long it is measured, e.g. 30s, 5m, 1h [default: 30s]
    #[arg(short, long, value_name = "TIME", help_heading = "Load")]
    duration: Option<Span>,
    /// How long the load is there before that [default: 5s]
    #[arg(long, value_name = "TIME", help_heading = "Load")]
    warm_up: Option<Span>,
    /// What chance begins with, to run the same again [default: by the clock]
    #[arg(long, value_name = "N", help_heading = "Load")]
    seed: Option<u64>,
    /// Threads of the generator [default: 1]
    #[arg(long, value_name = "N", help_heading = "Load")]
    threads: Option<u32>,
}

/// What is shown and kept.
#[derive(Args, Clone, Debug)]
pub struct OutputFlags {
    /// What the run is called, e.g. the server's name [default: none]
    #[arg(long, value_name = "TEXT", help_heading = "Output")]
    name: Option<String>,
    /// Write the result as JSON; `-` is the standard output [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Write the result as a page, for a browser [default: none]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    html: Option<PathBuf>,
    /// How often there is a line where there is no terminal [default: 1s]
    #[arg(long, value_name = "TIME", help_heading = "Output")]
    interval: Option<Span>,
    /// Show nothing before the end
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

impl Common {
    /// The address, and all options: the file's, then the command line's.
    pub fn settled(self, own: impl FnOnce(&mut File)) -> Result<(String, File), String> {
        let mut file = self.file.as_deref().map_or_else(|| Ok(File::default()), File::read)?;
        self.server.over(&mut file);
        self.load.over(&mut file);
        self.output.over(&mut file);
        own(&mut file);
        file.server.sources.iter().try_for_each(|source| addresses(source).map(drop))?;
        Ok((self.url, file.checked()?))
    }
}

impl ServerFlags {
    fn over(self, file: &mut File) {
        let server = &mut file.server;
        replace(&mut server.client, self.client);
        replace(&mut server.revision, self.revision);
        replace(&mut server.path, self.path);
        replace(&mut server.namespace, self.namespace);
        replace(&mut server.echo_event, self.echo_event);
        replace(&mut server.broadcast_event, self.broadcast_event);
        replace(&mut server.message_event, self.message_event);
        server.post_urls.extend(self.post_url);
        server.auth = self.auth.or(server.auth.take());
        server.pids.extend(self.pid);
        server.i_own.extend(self.i_own);
        server.sources.extend(self.source);
    }
}

impl LoadFlags {
    fn over(self, file: &mut File) {
        let load = &mut file.load;
        replace(&mut load.clients, self.clients);
        replace(&mut load.connect_rate, self.connect_rate);
        // The command line's loop is meant instead of the file's.
        if self.rate.is_some() || self.outstanding.is_some() {
            (load.rate, load.outstanding) = (self.rate, self.outstanding);
        }
        replace(&mut load.arrivals, self.arrivals);
        replace(&mut load.payload_bytes, self.payload);
        replace(&mut load.duration, self.duration);
        replace(&mut load.warm_up, self.warm_up);
        load.seed = self.seed.or(load.seed);
        replace(&mut load.threads, self.threads);
    }
}

impl OutputFlags {
    fn over(self, file: &mut File) {
        let output = &mut file.output;
        replace(&mut output.name, self.name);
        output.json = self.json.or(output.json.take());
        output.html = self.html.or(output.html.take());
        replace(&mut output.interval, self.interval);
        output.quiet |= self.quiet;
    }
}

fn replace<T>(option: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *option = value;
    }
}

fn json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))
}
