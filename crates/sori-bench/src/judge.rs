//! What stood in the way: the generator, the machine, or the server. Only in the last case is a figure the server's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Descriptors, Machine, Sample, Series, ServerSample,
    text::{bytes, counted, grouped, number, percent, time},
};

/// What the generator and its machine had to do, while it counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Generator {
    /// Whether the kernel told CPU times at all.
    pub known: bool,
    /// Threads that it could use, each up to one core.
    pub threads: u64,
    /// CPU time of the generator, in cores.
    pub cores: f64,
    /// That of its busiest thread, of the core that it could have.
    pub busiest_thread: f64,
    /// CPU time of everything on the machine, of all its cores.
    pub machine_busy: f64,
    /// Time that the hypervisor gave to others.
    pub machine_stolen: f64,
    /// The least memory that was left.
    pub machine_available_bytes: u64,
    /// The most files and connections that were open.
    pub descriptors: u64,
    /// How many it may have.
    pub descriptors_limit: Descriptors,
    /// Connections that failed because there was no descriptor for them.
    pub descriptor_errors: u64,
    /// Connections that failed because there was no port for them.
    pub port_errors: u64,
    /// By how much messages left too late, 99 of 100 at most.
    pub lag_p99_us: f64,
    /// Whether the server is on this machine, too.
    pub server_is_here: bool,
    /// CPU time of the server while it counted, in cores, if its processes are known.
    pub server_cores: Option<f64>,
    /// That of its busiest thread.
    pub server_busiest_thread: Option<f64>,
    /// How many cores the server could use, as far as the kernel knows.
    pub server_cores_max: Option<f64>,
}

/// What stood in the way, and what the figures are worth therefore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Judgement {
    /// Everything that was at its limit; empty when nothing was.
    pub findings: Vec<Finding>,
    /// What the figures are worth, in one or two sentences.
    pub worth: String,
    /// Whether they are the server's own.
    pub trustworthy: bool,
}

/// Something that was at its limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Whose limit it was.
    pub whose: Whose,
    /// What was seen.
    pub seen: String,
    /// What to do about it.
    pub advice: String,
}

/// Whose limit was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Whose {
    /// The one that measures.
    Generator,
    /// The machine that it runs on.
    Machine,
    /// The one that is measured: that is what was asked.
    Server,
}

impl Generator {
    /// What a series tells of it. The rest is for the scenario to fill in.
    pub fn of(series: &Series) -> Self {
        let samples: Vec<_> =
            series.measured().filter_map(|interval| Some((interval.ms as f64, interval.sample.as_ref()?))).collect();
        let whole: f64 = samples.iter().map(|(ms, _)| ms).sum();
        let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(|(ms, sample)| ms * of(sample)).sum::<f64>() / whole.max(1.0);
        let of_server = |of: fn(&ServerSample) -> f64| {
            let known = samples.iter().any(|(_, sample)| sample.server.is_some());
            known.then(|| mean(&|sample| sample.server.as_ref().map_or(0.0, of)))
        };
        Self {
            known: !samples.is_empty(),
            cores: mean(&|sample| sample.own_cores),
            busiest_thread: mean(&|sample| sample.own_busiest_thread),
            machine_busy: mean(&|sample| sample.machine_busy),
            machine_stolen: mean(&|sample| sample.machine_stolen),
            machine_available_bytes: samples.iter().map(|(_, sample)| sample.machine_available_bytes).min().unwrap_or(0),
            descriptors: samples.iter().map(|(_, sample)| sample.own_descriptors).max().unwrap_or(0),
            server_cores: of_server(|server| server.cores),
            server_busiest_thread: of_server(|server| server.busiest_thread),
            ..Self::default()
        }
    }

    /// What the figures are worth.
    pub fn judge(&self, latency_p99: Option<Duration>, machine: &Machine) -> Judgement {
        let own_cpu = self.own_cpu();
        let was_busy = own_cpu.is_some();
        let findings: Vec<Finding> =
            [own_cpu, self.lag(latency_p99), self.descriptors(), self.ports(), self.machine_cpu(machine.cores), self.stolen()]
                .into_iter()
                .chain([self.memory(machine.memory_bytes), self.server_cpu()])
                .flatten()
                .collect();
        let of = |whose| findings.iter().any(|finding| finding.whose == whose);
        let (trustworthy, worth) = match (of(Whose::Generator), of(Whose::Machine), of(Whose::Server)) {
            (true, ..) if was_busy => (
                false,
                "The generator was the bottleneck. What arrived, and what did not, is certain; the latencies are partly the generator's, and \
                 the rates say nothing about the server's limit."
                    .to_owned(),
            ),
            (true, ..) if self.descriptor_errors + self.port_errors > 0 => (
                false,
                "The generator could not open all connections: the load was less than it was to be. What is told here is of those that it \
                 could open."
                    .to_owned(),
            ),
            (_, true, _) => (
                false,
                "The machine was the bottleneck: server and generator had less of it than they asked for. What arrived, and what did not, is \
                 certain; latencies and rates may be others in another run. Compare figures of one session only, or take two machines."
                    .to_owned(),
            ),
            (true, ..) => (
                false,
                "The generator was late. What arrived, and what did not, is certain, and so is how much of it; the longest latencies are partly \
                 the generator's."
                    .to_owned(),
            ),
            (false, false, true) => {
                (true, "The server was at its limit, and nothing else was: these figures are what it can do here.".to_owned())
            }
            (false, false, false) if !self.known => {
                (true, "What the generator itself used could not be read here: nobody can say whether it was in the way.".to_owned())
            }
            (false, false, false) => (
                true,
                format!(
                    "Neither the generator ({} of a core in its busiest thread) nor the machine ({} busy) was at a limit: the latencies are the \
                     server's. The rate is what was asked of it, not the most it can do.",
                    percent(self.busiest_thread),
                    percent(self.machine_busy)
                ),
            ),
        };
        Judgement { findings, worth, trustworthy }
    }

    fn own_cpu(&self) -> Option<Finding> {
        (self.busiest_thread >= THREAD_MAX).then(|| Finding {
            whose: Whose::Generator,
            seen: format!(
                "The generator's busiest thread used {} of its core; it has {}.",
                percent(self.busiest_thread),
                counted(self.threads.max(1), "thread", "threads")
            ),
            advice: "Give it more threads or a machine of its own, or ask for a lower rate.".into(),
        })
    }

    fn lag(&self, latency_p99: Option<Duration>) -> Option<Finding> {
        let lag = Duration::from_nanos((self.lag_p99_us * 1e3) as u64);
        let matters = lag > LAG_MIN && latency_p99.is_some_and(|p99| lag.as_secs_f64() > p99.as_secs_f64() * LAG_SHARE);
        matters.then(|| Finding {
            whose: Whose::Generator,
            seen: format!("One of 100 messages left {} or more after its time.", time(lag)),
            advice: "Its latency counts from its time, so none is hidden, but part of it is the generator's. A lower rate, or cores of its own, \
                     leave the server's."
                .into(),
        })
    }

    fn descriptors(&self) -> Option<Finding> {
        let Descriptors { soft, hard } = self.descriptors_limit;
        (self.descriptor_errors > 0).then(|| Finding {
            whose: Whose::Generator,
            seen: format!(
                "{} for want of descriptors: this process may have {}.",
                counted(self.descriptor_errors, "connection failed", "connections failed"),
                grouped(soft)
            ),
            advice: match soft < hard {
                true => format!("`ulimit -n {hard}` before it starts."),
                false => "That is the hard limit: `sudo prlimit --pid $$ --nofile=1048576:1048576` in this shell, or several processes.".into(),
            },
        })
    }

    fn ports(&self) -> Option<Finding> {
        (self.port_errors > 0).then(|| Finding {
            whose: Whose::Generator,
            seen: format!("{} for want of a local port.", counted(self.port_errors, "connection failed", "connections failed")),
            advice: "More source addresses (--source), or `sysctl net.ipv4.ip_local_port_range=\"1024 65535\"`. Ports of ended connections come \
                     back after a minute."
                .into(),
        })
    }

    fn machine_cpu(&self, cores: u64) -> Option<Finding> {
        let others = self.machine_busy * cores as f64 - self.cores - self.server_cores.unwrap_or(0.0);
        // Where the server is here and its processes are not known, it is among the others.
        let others = Some(others).filter(|others| *others > OTHERS_MIN && (self.server_cores.is_some() || !self.server_is_here));
        (self.machine_busy >= MACHINE_MAX).then(|| Finding {
            whose: Whose::Machine,
            seen: format!(
                "All cores were busy, {} of the time{}{}.",
                percent(self.machine_busy),
                match self.server_cores {
                    Some(server) => format!(": {} cores by the server, {} by the generator", number(server), number(self.cores)),
                    None => format!(", {} cores by the generator", number(self.cores)),
                },
                others.map_or(String::new(), |others| format!(", {} by others", number(others)))
            ),
            advice: match (others, self.server_is_here) {
                (Some(_), _) => "Something else is running here: run it another time.".into(),
                (None, true) => {
                    "Server and generator take each other's time: give each its own cores (taskset), or its own machine.".into()
                }
                (None, false) => "Leave this machine to the generator.".into(),
            },
        })
    }

    fn stolen(&self) -> Option<Finding> {
        (self.machine_stolen >= STOLEN_MAX).then(|| Finding {
            whose: Whose::Machine,
            seen: format!("The hypervisor gave {} of the machine's time to others.", percent(self.machine_stolen)),
            advice: "Measure again, several times, and look at the quiet runs.".into(),
        })
    }

    fn memory(&self, memory_bytes: u64) -> Option<Finding> {
        let share = self.machine_available_bytes as f64 / memory_bytes.max(1) as f64;
        (self.known && memory_bytes > 0 && share < MEMORY_MIN).then(|| Finding {
            whose: Whose::Machine,
            seen: format!("Only {} of memory were left, of {}.", bytes(self.machine_available_bytes), bytes(memory_bytes)),
            advice: "Fewer clients, or a machine with more of it: one that swaps measures its disk.".into(),
        })
    }

    fn server_cpu(&self) -> Option<Finding> {
        let used = self.server_cores?;
        let all = self.server_cores_max.filter(|max| used >= max * SERVER_MAX);
        let thread = self.server_busiest_thread.filter(|busiest| *busiest >= SERVER_MAX);
        let seen = match (all, thread) {
            (Some(max), _) => format!("The server used {} of {} cores that it may use.", number(used), number(max)),
            (None, Some(busiest)) => {
                format!("The server's busiest thread used {} of a core, which is all that a thread can.", percent(busiest))
            }
            (None, None) => return None,
        };
        Some(Finding { whose: Whose::Server, seen, advice: "That is its limit here. More cores for it, or less to do.".into() })
    }
}

/// A thread that is busier waits for its core more often than for the network.
const THREAD_MAX: f64 = 0.85;
/// What is left beside is the kernel's scheduling.
const MACHINE_MAX: f64 = 0.95;
const SERVER_MAX: f64 = 0.95;
/// Cores; less is what every system does beside.
const OTHERS_MIN: f64 = 0.3;
/// More than this, and the run says more about the neighbours; as `cargo xtask bench` has it.
const STOLEN_MAX: f64 = 0.05;
const MEMORY_MIN: f64 = 0.03;
/// Timers are not finer than a millisecond.
const LAG_MIN: Duration = Duration::from_micros(1_500);
const LAG_SHARE: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn quiet() -> Generator {
        Generator {
            known: true,
            threads: 1,
            cores: 0.3,
            busiest_thread: 0.3,
            machine_busy: 0.4,
            machine_available_bytes: 8 * GIB,
            descriptors_limit: Descriptors { soft: 1_024, hard: 1_024 },
            server_is_here: true,
            server_cores: Some(0.4),
            server_cores_max: Some(1.0),
            ..Generator::default()
        }
    }

    #[track_caller]
    fn check(generator: Generator, whose: &[Whose], seen: &str) {
        let machine = Machine { cores: 2, memory_bytes: 16 * GIB, ..Machine::default() };
        let judgement = generator.judge(Some(Duration::from_millis(5)), &machine);
        assert_eq!(judgement.findings.iter().map(|finding| finding.whose).collect::<Vec<_>>(), whose, "{judgement:?}");
        let told = judgement.findings.iter().map(|finding| format!("{} {} ", finding.seen, finding.advice)).collect::<String>()
            + &judgement.worth;
        assert!(told.contains(seen), "{told}");
        assert_eq!(judgement.trustworthy, whose.iter().all(|whose| *whose == Whose::Server));
    }

    #[test]
    fn a_quiet_run_is_the_servers() {
        check(quiet(), &[], "30.0 % of a core in its busiest thread");
        check(Generator { known: false, ..quiet() }, &[], "nobody can say");
    }

    #[test]
    fn a_busy_generator_is_blamed() {
        check(Generator { busiest_thread: 0.97, ..quiet() }, &[Whose::Generator], "97.0 % of its core; it has 1 thread");
        check(Generator { lag_p99_us: 2_500.0, ..quiet() }, &[Whose::Generator], "left 2.5 ms or more after its time");
        check(Generator { lag_p99_us: 2_500.0, ..quiet() }, &[Whose::Generator], "What arrived, and what did not, is certain");
        check(Generator { lag_p99_us: 900.0, ..quiet() }, &[], "");
        check(Generator { descriptor_errors: 7, ..quiet() }, &[Whose::Generator], "7 connections failed for want of descriptors");
        check(Generator { port_errors: 1, ..quiet() }, &[Whose::Generator], "1 connection failed for want of a local port");
    }

    #[test]
    fn a_busy_machine_is_blamed() {
        let together = Generator { machine_busy: 0.99, server_cores: Some(0.9), cores: 0.8, ..quiet() };
        check(together, &[Whose::Machine], "99.0 % of the time: 0.9 cores by the server, 0.8 by the generator. Server and");
        let others = Generator { machine_busy: 0.99, ..quiet() };
        check(others.clone(), &[Whose::Machine], "0.3 by the generator, 1.28 by others. Something else");
        // Who waits for a core is late; that is not its fault.
        check(Generator { lag_p99_us: 2_500.0, ..others }, &[Whose::Generator, Whose::Machine], "The machine was the bottleneck");
        check(Generator { machine_stolen: 0.2, ..quiet() }, &[Whose::Machine], "20.0 % of the machine's time to others");
        check(
            Generator { machine_available_bytes: GIB / 4, ..quiet() },
            &[Whose::Machine],
            "256 MiB of memory were left, of 16 GiB",
        );
    }

    #[test]
    fn a_server_at_its_limit_is_the_answer() {
        check(Generator { server_cores: Some(0.98), ..quiet() }, &[Whose::Server], "what it can do here");
        let one_thread =
            Generator { server_cores: Some(1.1), server_cores_max: Some(8.0), server_busiest_thread: Some(0.99), ..quiet() };
        check(one_thread, &[Whose::Server], "all that a thread can");
        // Not if something else was, too.
        check(
            Generator { server_cores: Some(0.98), busiest_thread: 0.99, ..quiet() },
            &[Whose::Generator, Whose::Server],
            "The generator was the bottleneck",
        );
    }
}
