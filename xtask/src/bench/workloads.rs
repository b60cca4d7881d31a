//! The loads.

pub struct Workload {
    pub name: &'static str,
    pub about: &'static str,
    pub mode: Mode,
    /// What its clients speak: the first of these that the server can; several at once are joined by `+`.
    pub speaks: &'static [&'static str],
    pub clients: usize,
    /// More for the generator.
    pub options: &'static str,
    pub servers: &'static [&'static str],
    /// The server on one core and the generator on another; otherwise both on all.
    pub pinned: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Mode {
    Idle,
    Broadcast,
    Echo,
    Bystander,
}

/// One number of a run, and how the page shows it.
pub struct Figure {
    pub name: &'static str,
    pub title: &'static str,
    pub decimals: usize,
    /// With the lowest and the highest of all runs.
    pub spread: bool,
}

impl Mode {
    /// As the generator calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Broadcast => "broadcast",
            Self::Echo => "echo",
            Self::Bystander => "bystander",
        }
    }

    pub fn figures(self) -> &'static [Figure] {
        match self {
            Self::Idle => IDLE,
            Self::Broadcast => BROADCAST,
            Self::Echo => ECHO,
            Self::Bystander => BYSTANDER,
        }
    }
}

const SOCKETIO: &[&str] = &["sio-ws"];
/// Nchan has no Socket.IO, and broadcasts over bare WebSockets.
const WEBSOCKET: &[&str] = &["sio-ws", "ws"];
const ALL: &[&str] = &["sori", "socketioxide", "node", "bun", "nchan", "floor"];
const ALL_JOINING: &[&str] = &["sori", "socketioxide", "node", "bun", "nchan", "floor", "floor-co", "floor-uring-co"];
const ECHOING: &[&str] = &["sori", "socketioxide", "node", "bun", "floor"];

pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "idle-10k",
        about: "10,000 idle connections",
        mode: Mode::Idle,
        speaks: WEBSOCKET,
        clients: 10_000,
        options: "",
        servers: ALL,
        pinned: true,
    },
    Workload {
        name: "idle-10k-browser",
        about: "10,000 idle connections that came with a real browser's headers",
        mode: Mode::Idle,
        speaks: WEBSOCKET,
        clients: 10_000,
        options: "--headers browser",
        servers: ALL,
        pinned: true,
    },
    Workload {
        name: "idle-19k",
        about: "19,000 idle connections",
        mode: Mode::Idle,
        speaks: WEBSOCKET,
        clients: 19_000,
        options: "",
        servers: ALL,
        pinned: true,
    },
    Workload {
        name: "idle-5k-sse",
        about: "5,000 idle streams of server-sent events",
        mode: Mode::Idle,
        speaks: &["sse"],
        clients: 5_000,
        options: "",
        servers: &["sori", "nchan"],
        pinned: true,
    },
    Workload {
        name: "idle-5k-lp",
        about: "5,000 waiting long polls",
        mode: Mode::Idle,
        speaks: &["lp"],
        clients: 5_000,
        options: "",
        servers: &["sori", "nchan"],
        pinned: true,
    },
    Workload {
        name: "bc-1k-100",
        about: "broadcast to 1,000, four under way: a server may join them",
        mode: Mode::Broadcast,
        speaks: WEBSOCKET,
        clients: 1_000,
        options: "--size 100 --window 4",
        servers: ALL_JOINING,
        pinned: true,
    },
    Workload {
        name: "bc-10k-100",
        about: "broadcast to 10,000, four under way",
        mode: Mode::Broadcast,
        speaks: WEBSOCKET,
        clients: 10_000,
        options: "--size 100 --window 4",
        servers: ALL_JOINING,
        pinned: true,
    },
    Workload {
        name: "bc-19k-100",
        about: "broadcast to 19,000, four under way",
        mode: Mode::Broadcast,
        speaks: WEBSOCKET,
        clients: 19_000,
        options: "--size 100 --window 4",
        servers: ALL_JOINING,
        pinned: true,
    },
    Workload {
        name: "bc-1k-100-w1",
        about: "broadcast to 1,000, one under way: nothing can be joined",
        mode: Mode::Broadcast,
        speaks: WEBSOCKET,
        clients: 1_000,
        options: "--size 100 --window 1",
        servers: ALL,
        pinned: true,
    },
    Workload {
        name: "bc-1k-1000",
        about: "broadcast of 1,000 bytes to 1,000, four under way",
        mode: Mode::Broadcast,
        speaks: WEBSOCKET,
        clients: 1_000,
        options: "--size 1000 --window 4",
        servers: ALL_JOINING,
        pinned: true,
    },
    Workload {
        name: "echo-100",
        about: "echo with ack, 100 clients",
        mode: Mode::Echo,
        speaks: SOCKETIO,
        clients: 100,
        options: "--size 100",
        servers: ECHOING,
        pinned: true,
    },
    Workload {
        name: "echo-1k",
        about: "echo with ack, 1,000 clients",
        mode: Mode::Echo,
        speaks: SOCKETIO,
        clients: 1_000,
        options: "--size 100",
        servers: ECHOING,
        pinned: true,
    },
    Workload {
        name: "poll-100",
        about: "echo with ack over Socket.IO's long polling, 100 clients",
        mode: Mode::Echo,
        speaks: &["sio-poll"],
        clients: 100,
        options: "--size 100",
        servers: &["sori", "socketioxide", "node", "bun"],
        pinned: true,
    },
    Workload {
        name: "sse-1k-100",
        about: "broadcast to 1,000 streams of server-sent events, four under way",
        mode: Mode::Broadcast,
        speaks: &["sse"],
        clients: 1_000,
        options: "--size 100 --window 4",
        servers: &["sori", "nchan"],
        pinned: true,
    },
    Workload {
        name: "raw-1k-100",
        about: "broadcast to 1,000 bare WebSockets, four under way",
        mode: Mode::Broadcast,
        speaks: &["ws"],
        clients: 1_000,
        options: "--size 100 --window 4",
        servers: &["sori", "nchan"],
        pinned: true,
    },
    Workload {
        name: "lp-1k-100",
        about: "broadcast to 1,000 long polls",
        mode: Mode::Broadcast,
        speaks: &["lp"],
        clients: 1_000,
        options: "--size 100 --window 1",
        servers: &["sori", "nchan"],
        pinned: true,
    },
    Workload {
        name: "mixed-1k-100",
        about: "one broadcast to 1,000: a third Socket.IO, a third server-sent events, a third bare WebSockets",
        mode: Mode::Broadcast,
        speaks: &["sio-ws+sse+ws"],
        clients: 1_000,
        options: "--size 100 --window 4",
        servers: &["sori"],
        pinned: true,
    },
    Workload {
        name: "bystander-19k",
        about: "50 clients that ask for 20 echoes a second each, without and beside broadcasts to 19,000 that never end",
        mode: Mode::Bystander,
        speaks: SOCKETIO,
        clients: 19_000,
        options: "--size 100 --window 1 --bystanders 50 --rate 20",
        servers: ECHOING,
        pinned: true,
    },
    Workload {
        name: "workers-1k-100",
        about: "broadcast to 1,000, four under way, server and generator both on all cores",
        mode: Mode::Broadcast,
        speaks: SOCKETIO,
        clients: 1_000,
        options: "--size 100 --window 4",
        servers: &["sori", "socketioxide"],
        pinned: false,
    },
];

const IDLE: &[Figure] = &[
    spread("resident_bytes", "resident bytes per connection", 0),
    median("proportional_bytes", "Pss", 0),
    median("private_bytes", "private", 0),
    spread("us_per_connect", "CPU µs per connect", 1),
    median("connects_per_s", "connects/s", 0),
    median("ready", "connections", 0),
    median("idle_util_pct", "CPU % at rest", 2),
    median("errors", "errors", 0),
];
const BROADCAST: &[Figure] = &[
    spread("us_per_op", "CPU µs per delivery", 2),
    median("user_us_per_op", "user", 2),
    median("system_us_per_op", "system", 2),
    median("per_s", "deliveries/s", 0),
    median("p50_us", "p50 µs", 0),
    median("p99_us", "p99 µs", 0),
    median("server_util", "server util", 2),
    median("generator_util", "generator util", 2),
    median("others_util", "others' util", 2),
    median("errors", "errors", 0),
];
const ECHO: &[Figure] = &[
    spread("us_per_op", "CPU µs per round trip", 2),
    median("user_us_per_op", "user", 2),
    median("system_us_per_op", "system", 2),
    median("per_s", "round trips/s", 0),
    spread("p50_us", "p50 µs", 0),
    spread("p99_us", "p99 µs", 0),
    spread("p99_over_p50", "p99 / p50", 2),
    median("server_util", "server util", 2),
    median("generator_util", "generator util", 2),
    median("others_util", "others' util", 2),
    median("errors", "errors", 0),
];
const BYSTANDER: &[Figure] = &[
    spread("p50_us_quiet", "p50 µs without", 0),
    spread("p99_us_quiet", "p99 µs without", 0),
    spread("p50_us_beside", "p50 µs beside", 0),
    spread("p99_us_beside", "p99 µs beside", 0),
    spread("p99_ratio", "p99 beside / without", 2),
    median("deliveries_per_s", "deliveries/s", 0),
    median("server_util", "server util", 2),
    median("errors", "errors", 0),
];
/// What a run on all cores tells beside.
pub const WORKERS: &[Figure] =
    &[median("machine_busy_pct", "all cores busy, %", 1), spread("workers_ratio", "busiest / idlest worker", 2)];

const fn spread(name: &'static str, title: &'static str, decimals: usize) -> Figure {
    Figure { name, title, decimals, spread: true }
}

const fn median(name: &'static str, title: &'static str, decimals: usize) -> Figure {
    Figure { name, title, decimals, spread: false }
}
