//! What Sori is held to, and how near it comes.

use super::{page::number, records::Records};

pub struct Goal {
    pub about: &'static str,
    pub workload: &'static str,
    pub figure: &'static str,
    pub unit: &'static str,
    pub decimals: usize,
    pub limit: Limit,
}

pub enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// So many times what a peer needs under the same load.
    TimesPeer(f64, &'static str),
    /// So many times the mean of other figures (workload, figure) of the same server.
    TimesOwn(f64, &'static [(&'static str, &'static str)], &'static str),
}

pub struct Verdict {
    pub reached: f64,
    /// By the limit, and met where it is at most 1.
    pub of_goal: f64,
}

impl Goal {
    /// What the goal's row shows of a server: its figure, or its ratio to its own others.
    pub fn shown(&self, records: &Records, server: &str) -> Option<f64> {
        let median = |workload, figure| records.median(workload, server, figure);
        let value = median(self.workload, self.figure)?;
        let Limit::TimesOwn(_, others, _) = self.limit else { return Some(value) };
        let others: Option<Vec<f64>> = others.iter().map(|(workload, figure)| median(workload, figure)).collect();
        let others = others?;
        Some(value / (others.iter().sum::<f64>() / others.len() as f64))
    }

    pub fn verdict(&self, records: &Records) -> Option<Verdict> {
        let shown = self.shown(records, "sori")?;
        let (reached, of_goal) = match self.limit {
            Limit::AtMost(limit) | Limit::TimesOwn(limit, ..) => (shown, shown / limit),
            Limit::AtLeast(limit) => (shown, limit / shown),
            Limit::TimesPeer(limit, peer) => {
                let ratio = shown / records.median(self.workload, peer, self.figure)?;
                (ratio, ratio / limit)
            }
        };
        Some(Verdict { reached, of_goal })
    }

    pub fn text(&self) -> String {
        match self.limit {
            Limit::AtMost(limit) => format!("≤ {}{}", grouped(limit), self.unit),
            Limit::AtLeast(limit) => format!("≥ {}{}", grouped(limit), self.unit),
            Limit::TimesPeer(limit, peer) => format!("≤ {limit} × {peer}"),
            Limit::TimesOwn(limit, _, what) => format!("≤ {limit} × {what}"),
        }
    }

    /// Whether what is reached is a ratio, and not in the goal's unit.
    pub fn is_ratio(&self) -> bool {
        matches!(self.limit, Limit::TimesPeer(..) | Limit::TimesOwn(..))
    }
}

impl Verdict {
    pub fn met(&self) -> bool {
        self.of_goal <= 1.0
    }
}

/// As it was written.
fn grouped(limit: f64) -> String {
    if limit < 1000.0 { limit.to_string() } else { number(limit, 0) }
}

pub const GOALS: &[Goal] = &[
    bytes("idle memory per connection, 10,000", "idle-10k", Limit::AtMost(1536.0)),
    bytes("idle memory per connection, 19,000", "idle-19k", Limit::AtMost(1536.0)),
    bytes("idle memory per connection, 10,000, a browser's headers", "idle-10k-browser", Limit::AtMost(2048.0)),
    cpu("CPU per connect", "idle-10k", "us_per_connect", Limit::TimesPeer(2.0, "floor")),
    cpu("CPU per delivery, 1,000, four under way", "bc-1k-100", "us_per_op", Limit::TimesPeer(0.5, "socketioxide")),
    cpu("the same", "bc-1k-100", "us_per_op", Limit::TimesPeer(0.9, "floor-co")),
    cpu("CPU per delivery, 10,000, four under way", "bc-10k-100", "us_per_op", Limit::TimesPeer(0.5, "socketioxide")),
    cpu("the same", "bc-10k-100", "us_per_op", Limit::TimesPeer(0.9, "floor-co")),
    cpu("CPU per delivery, 1,000, one under way", "bc-1k-100-w1", "us_per_op", Limit::TimesPeer(1.15, "floor")),
    cpu("its part in user space", "bc-1k-100-w1", "user_us_per_op", Limit::AtMost(1.2)),
    cpu("CPU per echo, 100 clients", "echo-100", "us_per_op", Limit::TimesPeer(1.2, "floor")),
    ratio("its p99 by its p50", "echo-100", "p99_over_p50", Limit::AtMost(3.0)),
    cpu("CPU per echo, 1,000 clients", "echo-1k", "us_per_op", Limit::TimesPeer(1.2, "floor")),
    ratio("its p99 by its p50", "echo-1k", "p99_over_p50", Limit::AtMost(3.0)),
    cpu("CPU per echo over long polling, 100 clients", "poll-100", "us_per_op", Limit::TimesPeer(0.5, "socketioxide")),
    cpu("CPU per delivery over server-sent events, 1,000", "sse-1k-100", "us_per_op", Limit::TimesPeer(0.5, "nchan")),
    cpu("CPU per delivery over long polling, 1,000", "lp-1k-100", "us_per_op", Limit::TimesPeer(0.9, "nchan")),
    ratio(
        "CPU per delivery, one broadcast to a third Socket.IO, a third server-sent events, a third bare WebSockets",
        "mixed-1k-100",
        "us_per_op",
        Limit::TimesOwn(
            1.1,
            &[("bc-1k-100", "us_per_op"), ("sse-1k-100", "us_per_op"), ("raw-1k-100", "us_per_op")],
            "the mean of the three alone",
        ),
    ),
    ratio(
        "CPU per delivery, one worker on each core",
        "workers-1k-100",
        "us_per_op",
        Limit::TimesOwn(1.15, &[("bc-1k-100", "us_per_op")], "that of one worker alone"),
    ),
    Goal {
        about: "all cores busy meanwhile",
        workload: "workers-1k-100",
        figure: "machine_busy_pct",
        unit: " %",
        decimals: 1,
        limit: Limit::AtLeast(95.0),
    },
    ratio("the busiest worker's share by the idlest's", "workers-1k-100", "workers_ratio", Limit::AtMost(1.2)),
    ratio(
        "growth of CPU per delivery, 1,000 to 19,000",
        "bc-19k-100",
        "us_per_op",
        Limit::TimesOwn(1.15, &[("bc-1k-100", "us_per_op")], "that of 1,000"),
    ),
    ratio("p99 of an echo beside broadcasts to 19,000, by that without", "bystander-19k", "p99_ratio", Limit::AtMost(3.0)),
];

const fn bytes(about: &'static str, workload: &'static str, limit: Limit) -> Goal {
    Goal { about, workload, figure: "resident_bytes", unit: " B", decimals: 0, limit }
}

const fn cpu(about: &'static str, workload: &'static str, figure: &'static str, limit: Limit) -> Goal {
    Goal { about, workload, figure, unit: " µs", decimals: 2, limit }
}

const fn ratio(about: &'static str, workload: &'static str, figure: &'static str, limit: Limit) -> Goal {
    Goal { about, workload, figure, unit: " ×", decimals: 2, limit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::workloads::WORKLOADS;

    fn check(goal: &Goal, lines: &str, expected: Option<(f64, bool)>) {
        let verdict = goal.verdict(&Records::parse(lines).expect("JSON"));
        assert_eq!(verdict.map(|verdict| (verdict.reached, verdict.met())), expected, "{}", goal.text());
    }

    #[test]
    fn a_peers_figure_sets_the_mark() {
        let goal = cpu("", "bc", "us", Limit::TimesPeer(0.5, "nchan"));
        let sori = "{\"workload\":\"bc\",\"server\":\"sori\",\"us\":2}\n";
        check(&goal, sori, None);
        check(&goal, &format!("{sori}{}", sori.replace("sori", "nchan").replace(":2", ":4")), Some((0.5, true)));
        check(&goal, &format!("{sori}{}", sori.replace("sori", "nchan").replace(":2", ":2.5")), Some((0.8, false)));
    }

    #[test]
    fn its_own_figures_set_the_mark() {
        let goal = ratio("", "mixed", "us", Limit::TimesOwn(1.1, &[("a", "us"), ("b", "us")], "the mean"));
        let lines = "{\"workload\":\"mixed\",\"server\":\"sori\",\"us\":4}\n{\"workload\":\"a\",\"server\":\"sori\",\"us\":1}\n";
        check(&goal, lines, None);
        check(&goal, &format!("{lines}{}", "{\"workload\":\"b\",\"server\":\"sori\",\"us\":3}"), Some((2.0, false)));
    }

    #[test]
    fn a_number_sets_the_mark() {
        let lines = "{\"workload\":\"w\",\"server\":\"sori\",\"busy\":96}\n";
        check(&ratio("", "w", "busy", Limit::AtLeast(95.0)), lines, Some((96.0, true)));
        check(&ratio("", "w", "busy", Limit::AtMost(95.0)), lines, Some((96.0, false)));
    }

    #[test]
    fn every_goal_is_about_a_load_that_there_is() {
        let known = |name: &str| WORKLOADS.iter().any(|workload| workload.name == name && workload.servers.contains(&"sori"));
        for goal in GOALS {
            assert!(known(goal.workload), "{}", goal.workload);
            if let Limit::TimesOwn(_, others, _) = goal.limit {
                others.iter().for_each(|(workload, _)| assert!(known(workload), "{workload}"));
            }
        }
    }
}
