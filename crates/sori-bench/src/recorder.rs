//! What a scenario tells while it runs, and the result that comes of it.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    Better, Completeness, Counts, Descriptors, Ended, Generator, Interval, Latencies, Of, Phase, Run, Sample, Series, Snapshot,
    Tick, Unit, run::CONNECT,
};

/// Collects a run. Time is an argument: how long ago the run began.
///
/// ```
/// use std::time::Duration;
/// use sori_bench::{Completeness, Counts, Ended, Phase, Recorder, Run, Tick};
///
/// let mut recorder = Recorder::new(Run::new("echo", "http://127.0.0.1:3000"), Duration::from_secs(1));
/// recorder.enter(Phase::Measure);
/// let mut tick = Tick { counts: Counts { sent: 1, delivered: 1, ..Counts::default() }, connected: 1, ..Tick::default() };
/// tick.latencies.record(Duration::from_micros(80));
/// let snapshot = recorder.tick(Duration::from_secs(1), &tick, None);
/// assert_eq!(snapshot.counts.delivered, 1);
/// let run = recorder.finish("echo", Completeness::default(), Ended::Whole);
/// assert_eq!(run.latencies[0].packed.count, 1);
/// ```
#[derive(Debug)]
pub struct Recorder {
    run: Run,
    phase: Phase,
    counts_late: bool,
    latencies: Latencies,
    lags: Latencies,
    totals: Counts,
    /// What the kernel said before the load came.
    idle_server_bytes: Option<u64>,
    limits: Limits,
}

/// What only the scenario knows of the generator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Threads that it runs on.
    pub threads: u64,
    /// How many descriptors it may have.
    pub descriptors: Descriptors,
    /// Connections that failed for want of a descriptor (`EMFILE`).
    pub descriptor_errors: u64,
    /// Connections that failed for want of a port (`EADDRNOTAVAIL`).
    pub port_errors: u64,
    /// Whether the server is on the same machine.
    pub server_is_here: bool,
    /// See [`Watch::server_cores_max`](crate::Watch::server_cores_max).
    pub server_cores_max: Option<f64>,
}

impl Recorder {
    /// For a run whose head is filled in, in intervals of about this length.
    pub fn new(mut run: Run, interval: Duration) -> Self {
        run.series = Series::new(interval);
        Self {
            run,
            phase: Phase::Connect,
            counts_late: false,
            latencies: Latencies::new(),
            lags: Latencies::new(),
            totals: Counts::default(),
            idle_server_bytes: None,
            limits: Limits::default(),
        }
    }

    /// What follows is of this phase. Call it right after [`tick`](Self::tick), so that no interval is of two.
    pub fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Nothing is sent from now on. What comes was sent before, and belongs to what was measured if that has just ended.
    pub fn count_the_late(&mut self) {
        self.counts_late = self.phase == Phase::Measure;
    }

    /// An interval ends now: keeps it, and tells what there is to show.
    pub fn tick(&mut self, now: Duration, tick: &Tick, sample: Option<Sample>) -> Snapshot {
        if self.idle_server_bytes.is_none() && self.phase == Phase::Connect {
            self.idle_server_bytes = sample.as_ref().and_then(|sample| sample.server.as_ref()).map(|server| server.memory_bytes);
        }
        self.totals.add(&tick.counts);
        if self.phase == Phase::Measure || self.counts_late {
            self.latencies.merge(&tick.latencies);
        }
        if self.phase == Phase::Measure {
            self.lags.merge(&tick.lags);
        }
        let before = self.run.series.intervals.last().map_or(0, |last| last.from_ms + last.ms);
        let snapshot = Snapshot {
            elapsed: now,
            took: now.saturating_sub(Duration::from_millis(before)),
            phase: self.phase,
            counts: tick.counts.clone(),
            totals: self.totals.clone(),
            connected: tick.connected,
            latencies: tick.latencies.clone(),
            sample: sample.clone(),
        };
        self.run.series.push(now, self.phase, tick, sample);
        snapshot
    }

    /// What the server held before the first client came, if its processes are watched.
    pub fn idle_server_bytes(&mut self, bytes: u64) {
        self.idle_server_bytes = Some(bytes);
    }

    /// So many errors of a kind: `connection refused`. Kinds beyond 32 are told together.
    pub fn errors(&mut self, kind: &str, count: u64) {
        let errors: &mut BTreeMap<String, u64> = &mut self.run.errors;
        let kind = if errors.len() < KINDS_MAX || errors.contains_key(kind) { kind } else { "others" };
        *errors.entry(kind.to_owned()).or_default() += count;
    }

    /// What only the scenario knows of the generator; it may be told again, when more is known.
    pub fn limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The result so far, for what else the scenario has to say.
    pub fn run(&mut self) -> &mut Run {
        &mut self.run
    }

    /// The end. `name` is what took so long: `delivery`, `echo`.
    pub fn finish(mut self, name: &str, completeness: Completeness, ended: Ended) -> Run {
        // What the scenario has added itself comes behind.
        let own = std::mem::take(&mut self.run.latencies);
        self.run.add_latencies(name, Of::named(name), &self.latencies);
        self.run.latencies.extend(own);
        self.run.completeness = completeness;
        self.run.ended = ended;
        self.figures();
        let Limits { threads, descriptors, descriptor_errors, port_errors, server_is_here, server_cores_max } = self.limits;
        self.run.generator = Generator {
            threads,
            descriptors_limit: descriptors,
            descriptor_errors,
            port_errors,
            lag_p99_us: self.lags.at(0.99).as_nanos() as f64 / 1e3,
            server_is_here,
            server_cores_max,
            ..Generator::of(&self.run.series)
        };
        self.run.judge();
        self.run
    }

    /// What follows from the series, behind the scenario's own: that is what was asked.
    fn figures(&mut self) {
        let run = &mut self.run;
        let (counts, seconds) = (run.series.measured_counts(), run.series.measured_s());
        if counts.sent > 0 && seconds > 0.0 {
            run.add_figure("messages sent", counts.sent as f64 / seconds, Unit::PerSecond, Better::Neither);
        }
        if counts.delivered > 0 && seconds > 0.0 {
            run.add_figure("messages delivered", counts.delivered as f64 / seconds, Unit::PerSecond, Better::Higher);
        }
        if run.has_visitors() && seconds > 0.0 {
            run.add_figure("connections opened", counts.opened as f64 / seconds, Unit::PerSecond, Better::Neither);
        }
        if let Some(us) = server_cpu_us_per(&run.series, |counts| counts.delivered) {
            run.add_figure("server CPU per delivery", us, Unit::Us, Better::Lower);
        }
        // Where nothing else happens, that is what it costs.
        if run.scenario == CONNECT
            && let Some(us) = server_cpu_us_per(&run.series, |counts| counts.opened)
        {
            run.add_figure("server CPU per connection", us, Unit::Us, Better::Lower);
        }
        self.memory_figures();
    }

    fn memory_figures(&mut self) {
        let run = &mut self.run;
        let bytes_of = |at: &Interval| Some(at.sample.as_ref()?.server.as_ref()?.memory_bytes);
        if let Some(most) = run.series.intervals.iter().filter_map(bytes_of).max() {
            run.add_figure("server memory, at most", most as f64, Unit::Bytes, Better::Lower);
        }
        let Some(last) = run.series.measured().last().filter(|last| run.scenario == "idle" && last.connected >= CONNECTIONS_MIN)
        else {
            return;
        };
        // A server that has served before may have memory left for them: then nothing can be said.
        if let Some((held, idle)) = bytes_of(last).zip(self.idle_server_bytes).filter(|(held, idle)| held > idle) {
            let bytes = (held - idle) as f64 / last.connected as f64;
            run.add_figure("server memory per connection", bytes, Unit::Bytes, Better::Lower);
        }
    }
}

/// CPU time of the server by what it did for it, where both are known.
fn server_cpu_us_per(series: &Series, of: fn(&Counts) -> u64) -> Option<f64> {
    let known: Vec<_> = series.measured().filter_map(|at| Some((at, at.sample.as_ref()?.server.as_ref()?))).collect();
    let cpu_us: f64 = known.iter().map(|(at, server)| server.cores * at.ms as f64 * 1e3).sum();
    let count: u64 = known.iter().map(|(at, _)| of(&at.counts)).sum();
    (count > 0).then(|| cpu_us / count as f64)
}

/// Enough to understand what happens, and few enough to read.
pub(crate) const KINDS_MAX: usize = 32;
/// By fewer connections nothing can be divided: what else the server needs is more.
const CONNECTIONS_MIN: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerSample;

    fn sample(cores: f64, memory_bytes: u64) -> Option<Sample> {
        let server = Some(ServerSample { cores, memory_bytes, processes: 1, ..ServerSample::default() });
        Some(Sample { server, own_busiest_thread: 0.2, machine_available_bytes: 1 << 40, ..Sample::default() })
    }

    fn tick(delivered: u64, latency_us: u64, connected: u64) -> Tick {
        let mut tick = Tick { counts: Counts { sent: delivered, delivered, ..Counts::default() }, connected, ..Tick::default() };
        (0..delivered).for_each(|_| tick.latencies.record(Duration::from_micros(latency_us)));
        tick
    }

    fn figure(run: &Run, name: &str) -> f64 {
        run.figures.iter().find(|figure| figure.name == name).unwrap_or_else(|| panic!("{name} in {:?}", run.figures)).value
    }

    #[test]
    fn only_what_is_measured_counts() {
        let mut recorder = Recorder::new(Run::new("idle", "http://127.0.0.1/"), Duration::from_secs(1));
        let at = Duration::from_secs;
        recorder.tick(at(1), &tick(0, 0, 0), sample(0.0, 1_000));
        recorder.tick(at(2), &tick(0, 0, 200), sample(0.5, 201_000));
        recorder.enter(Phase::WarmUp);
        recorder.tick(at(3), &tick(10, 90_000, 200), sample(0.5, 301_000));
        recorder.enter(Phase::Measure);
        recorder.tick(at(4), &tick(10, 100, 200), sample(0.5, 401_000));
        let snapshot = recorder.tick(at(6), &tick(10, 300, 200), sample(0.5, 401_000));
        assert_eq!((snapshot.took, snapshot.totals.delivered), (at(2), 30));
        recorder.errors("reset", 2);
        let run = recorder.finish("echo", Completeness::default(), Ended::Whole);
        assert_eq!(run.latencies[0].packed.count, 20);
        assert_eq!(run.errors["reset"], 2);
        assert!((figure(&run, "messages delivered") - 20.0 / 3.0).abs() < 1e-9);
        assert!((figure(&run, "server CPU per delivery") - 75_000.0).abs() < 1e-6);
        assert!((figure(&run, "server memory per connection") - 2_000.0).abs() < 1e-6);
        assert!(run.judgement.trustworthy, "{:?}", run.judgement);
    }

    #[test]
    fn kinds_of_errors_are_bounded() {
        let mut recorder = Recorder::new(Run::new("echo", ""), Duration::from_secs(1));
        (0..100).for_each(|kind| recorder.errors(&kind.to_string(), 1));
        let run = recorder.finish("echo", Completeness::default(), Ended::Whole);
        assert_eq!((run.errors.len(), run.errors["others"]), (KINDS_MAX + 1, 68));
    }
}
