//! Who is measured, and what each needs before it can start.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::workloads::Workload;
use crate::{
    install,
    outcome::{Missing, Stop},
    suite::Run,
};

pub struct Server {
    pub name: &'static str,
    pub about: &'static str,
    kind: Kind,
    /// The path of each protocol that it speaks.
    paths: &'static [(&'static str, &'static str)],
    /// Where broadcasts are posted, for clients that cannot send them.
    publish: &'static str,
    pub port: u16,
}

enum Kind {
    Sori,
    Socketioxide,
    Node,
    Bun,
    Nchan,
    Floor(&'static str),
}

const SOCKETIO: &[(&str, &str)] = &[("sio-ws", "/socket.io/"), ("sio-poll", "/socket.io/")];
const SOCKETIO_WEBSOCKET: &[(&str, &str)] = &[("sio-ws", "/socket.io/")];

pub const SERVERS: &[Server] = &[
    Server {
        name: "sori",
        about: "Sori, by `sori bench serve`",
        kind: Kind::Sori,
        paths: &[
            ("sio-ws", "/socket.io/"),
            ("sio-poll", "/socket.io/"),
            ("ws", "/live/"),
            ("sse", "/live/"),
            ("lp", "/live/?wait=30"),
        ],
        publish: "/live/?event=broadcast",
        port: 4020,
    },
    Server {
        name: "socketioxide",
        about: "socketioxide on axum",
        kind: Kind::Socketioxide,
        paths: SOCKETIO,
        publish: "",
        port: 4004,
    },
    Server { name: "node", about: "socket.io with ws on Node.js", kind: Kind::Node, paths: SOCKETIO, publish: "", port: 4001 },
    Server {
        name: "bun",
        about: "socket.io with its own engine on Bun",
        kind: Kind::Bun,
        paths: SOCKETIO,
        publish: "",
        port: 4003,
    },
    Server {
        name: "nchan",
        about: "nginx with Nchan, one worker; it has no Socket.IO, its clients speak bare WebSocket",
        kind: Kind::Nchan,
        paths: &[("ws", "/ws"), ("sse", "/sse"), ("lp", "/lp")],
        publish: "/pub",
        port: 4006,
    },
    Server {
        name: "floor",
        about: "an epoll program with one write per delivery, the least that a server can do",
        kind: Kind::Floor("write"),
        paths: SOCKETIO_WEBSOCKET,
        publish: "",
        port: 4007,
    },
    Server {
        name: "floor-co",
        about: "the floor, joining what has come for a peer into one write",
        kind: Kind::Floor("write+co"),
        paths: SOCKETIO_WEBSOCKET,
        publish: "",
        port: 4010,
    },
    Server {
        name: "floor-uring-co",
        about: "the same, submitted in batches by io_uring",
        kind: Kind::Floor("uring+co"),
        paths: SOCKETIO_WEBSOCKET,
        publish: "",
        port: 4011,
    },
];

/// Where what only this measurement needs is built.
pub fn target(run: &Run) -> PathBuf {
    run.house.target.join("bench")
}

pub fn generator(run: &Run) -> Result<PathBuf, Stop> {
    built(run, "bench/loadgen", "loadgen")
}

impl Server {
    /// How the generator's clients reach it under this load: `sio-ws=/socket.io/`, once for each protocol.
    pub fn clients(&self, workload: &Workload) -> Option<Vec<String>> {
        let path = |protocol: &str| self.paths.iter().find(|(known, _)| *known == protocol).map(|(_, path)| *path);
        let all = |speaks: &&str| speaks.split('+').map(|protocol| Some(format!("{protocol}={}", path(protocol)?))).collect();
        workload.speaks.iter().find_map(all)
    }

    /// The word more that turns on connection state recovery, where there is such a thing.
    pub fn recovery(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Sori => Some("--recovery"),
            Kind::Node => Some("recovery"),
            _ => None,
        }
    }

    /// The path to post broadcasts to, when no client of this load can send them.
    pub fn publish(&self, workload: &Workload) -> Option<&'static str> {
        let sends = self.clients(workload)?.first()?.starts_with("sio-");
        (!sends).then_some(self.publish)
    }

    /// Builds and installs what it needs; the words that start it.
    pub fn prepare(&self, run: &Run, sori: Option<&Path>) -> Result<Vec<String>, Stop> {
        let port = self.port.to_string();
        Ok(match self.kind {
            Kind::Sori => {
                let program = match sori {
                    Some(program) => program.to_owned(),
                    None => {
                        run.cargo(["build", "--release", "--bin", "sori"]).must()?;
                        run.house.target.join("release/sori")
                    }
                };
                vec![text(&program), "bench".into(), "serve".into(), "--listen".into(), format!("127.0.0.1:{port}")]
            }
            Kind::Socketioxide => vec![text(&built(run, "bench/peers/socketioxide", "bench-peer-socketioxide")?), port],
            Kind::Floor(how) => vec![text(&built(run, "bench/peers/floor", "floor")?), port, how.into()],
            Kind::Node => {
                let folder = run.house.root.join("bench/peers/node-socketio");
                install::npm_packages(run, &folder)?;
                vec!["node".into(), text(&folder.join("server.js")), port]
            }
            Kind::Bun => {
                let folder = run.house.root.join("bench/peers/bun-socketio");
                install::npm_packages(run, &folder)?;
                vec![text(&bun(&folder)?), text(&folder.join("server.js")), port]
            }
            Kind::Nchan => nchan(run, &port)?,
        })
    }
}

/// The program that the npm package `bun` brings, with or without its install script.
pub fn bun(folder: &Path) -> Result<PathBuf, Missing> {
    let programs = ["node_modules/bun/bin/bun.exe", "node_modules/@oven/bun-linux-x64/bin/bun"];
    let found = programs.iter().map(|program| folder.join(program)).find(|program| program.is_file());
    found.ok_or_else(|| missing("the npm package bun brought no program", "npm ci, in bench/peers/bun-socketio"))
}

/// The words that start nginx with Nchan.
pub fn nchan(run: &Run, port: &str) -> Result<Vec<String>, Stop> {
    let module = install::nchan(run)?;
    let folder = target(run).join("nchan");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let template = run.house.root.join("bench/peers/nchan/nginx.conf.in");
    let template = fs::read_to_string(&template).map_err(|error| format!("{}: {error}", template.display()))?;
    let conf = template
        .replace("@PORT@", port)
        .replace("@MODULE@", &text(&module))
        .replace("@NOFILE@", &descriptors_max().to_string())
        .replace("@DIR@", &text(&folder));
    let path = folder.join("nginx.conf");
    fs::write(&path, conf).map_err(|error| format!("{}: {error}", path.display()))?;
    let folder = text(&folder);
    Ok(vec!["nginx".into(), "-p".into(), folder.clone(), "-e".into(), format!("{folder}/error.log"), "-c".into(), text(&path)])
}

/// The hard limit of descriptors of a process.
pub fn descriptors_max() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|hard| hard.parse().ok()).unwrap_or(1024)
}

/// A program of `bench`, each a workspace of its own.
fn built(run: &Run, folder: &str, program: &str) -> Result<PathBuf, Stop> {
    let target = target(run);
    run.cargo(["build", "--release", "--locked", "--target-dir"]).args([&target]).folder(run.house.root.join(folder)).must()?;
    Ok(target.join("release").join(program))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn missing(what: &str, mend: &str) -> Missing {
    Missing { what: what.to_owned(), mend: mend.to_owned() }
}
