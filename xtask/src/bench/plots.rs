//! Which pictures there are.

use std::{fs, path::Path};

use super::{
    plot::{Bars, Lines},
    records::Records,
    servers::SERVERS,
};

pub struct Plot {
    pub name: &'static str,
    pub title: &'static str,
    kind: Kind,
}

/// Series are a title, a load and a figure.
enum Kind {
    Bars(&'static [(&'static str, &'static str, &'static str)], usize),
    /// The load of each number of clients.
    Growth(&'static [(f64, &'static str)], &'static str),
}

pub const PLOTS: &[Plot] = &[
    Plot {
        name: "memory",
        title: "Resident memory per idle connection, bytes",
        kind: Kind::Bars(
            &[
                ("short handshake, 10,000", "idle-10k", "resident_bytes"),
                ("a browser's headers, 10,000", "idle-10k-browser", "resident_bytes"),
            ],
            0,
        ),
    },
    Plot {
        name: "broadcast",
        title: "Server CPU per delivery of a broadcast to 1,000, µs",
        kind: Kind::Bars(&[("four under way", "bc-1k-100", "us_per_op"), ("one under way", "bc-1k-100-w1", "us_per_op")], 2),
    },
    Plot {
        name: "echo",
        title: "Server CPU per echo with ack, µs",
        kind: Kind::Bars(
            &[
                ("100 clients", "echo-100", "us_per_op"),
                ("1,000 clients", "echo-1k", "us_per_op"),
                ("100 clients, long polling", "poll-100", "us_per_op"),
            ],
            1,
        ),
    },
    Plot {
        name: "growth",
        title: "Server CPU per delivery as the audience grows, four broadcasts under way, µs",
        kind: Kind::Growth(&[(1_000.0, "bc-1k-100"), (10_000.0, "bc-10k-100"), (19_000.0, "bc-19k-100")], "us_per_op"),
    },
];

pub fn write(records: &Records, folder: &Path) -> Result<(), String> {
    for plot in PLOTS {
        let path = folder.join(format!("{}.svg", plot.name));
        fs::write(&path, plot.svg(records)).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

impl Plot {
    fn svg(&self, records: &Records) -> String {
        let title = self.title.to_owned();
        match self.kind {
            Kind::Bars(series, decimals) => {
                let values =
                    |server: &str| series.iter().map(|(_, workload, figure)| records.summary(workload, server, figure)).collect();
                let rows = SERVERS.iter().map(|server| (server.name.to_owned(), values(server.name))).collect();
                Bars { title, series: series.iter().map(|(title, ..)| (*title).to_owned()).collect(), rows, decimals }.svg()
            }
            Kind::Growth(steps, figure) => {
                let values = |server: &str| steps.iter().map(|(_, workload)| records.summary(workload, server, figure)).collect();
                let lines = SERVERS.iter().map(|server| (server.name.to_owned(), values(server.name))).collect();
                let xs = steps.iter().map(|(clients, _)| *clients).collect();
                Lines { title, x_title: "subscribers".into(), xs, lines, decimals: 0 }.svg()
            }
        }
    }
}
