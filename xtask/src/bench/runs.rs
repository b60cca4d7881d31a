//! The runs themselves: every round, every load, every server, each on a fresh process.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::Instant,
};

use serde_json::json;

use super::{
    Options, Output, machine, records,
    servers::{self, Server, descriptors_max},
    started::{self, Started},
    workloads::{Mode, Workload},
};
use crate::{outcome::Stop, suite::Run};

/// A server that can be started.
struct Prepared {
    server: &'static Server,
    words: Vec<String>,
}

const SERVER_CORE: &str = "0";
const GENERATOR_CORE: &str = "1";
/// Descriptors that a server has beside its clients, and clients beside those that a load counts.
const DESCRIPTORS_BESIDE: usize = 128;
const TIMES: [&str; 6] = ["--secs", "3", "--warmup", "0.7", "--settle", "5"];
const TIMES_QUICK: [&str; 6] = ["--secs", "1", "--warmup", "0.3", "--settle", "0.5"];

/// Adds a line for each run, and tells whether all ended well.
pub fn measure(run: &Run, options: &Options, output: &Output) -> Result<bool, String> {
    let cores = check_machine(run)?;
    let generator = servers::generator(run).map_err(why)?;
    let (prepared, left_out) = prepare(run, options);
    let lines = output.lines();
    records::append(&lines, &json!({ "machine": machine::describe(run, options.sori.is_none(), &left_out) }))?;

    let fits = |workload: &&Workload| {
        let fits = workload.clients + DESCRIPTORS_BESIDE <= descriptors_max();
        if !fits {
            run.say(&format!("left out: {} needs more than the {} descriptors of a process", workload.name, descriptors_max()));
        }
        fits
    };
    let workloads: Vec<&Workload> = options.workloads.iter().copied().filter(fits).collect();
    let bears = |workload: &Workload, prepared: &Prepared| workload.servers.contains(&prepared.server.name);
    let each_round: usize =
        workloads.iter().map(|workload| prepared.iter().filter(|server| bears(workload, server)).count()).sum();
    let total = each_round * options.rounds as usize;
    let started = Instant::now();
    let (mut done, mut failed) = (0, 0);
    // Rounds are the outer loop, so that slow phases of the machine are shared by all.
    for round in 1..=options.rounds {
        for workload in &workloads {
            for prepared in prepared.iter().filter(|prepared| bears(workload, prepared)) {
                let one = One { run, workload, prepared, generator: &generator, cores, quick: options.quick };
                let line = one.measure(round);
                records::append(&lines, &line)?;
                done += 1;
                failed += usize::from(line.get("error").is_some());
                let left = started.elapsed().as_secs_f64() / done as f64 * (total - done) as f64 / 60.0;
                let told = tell(workload.mode, &line);
                run.say(&format!("{done}/{total} {} {}: {told} ({left:.0} min left)", workload.name, prepared.server.name));
            }
        }
    }
    Ok(failed == 0)
}

/// Builds and installs, and tells whether nothing is missing.
pub fn prepare_only(run: &Run, options: &Options) -> Result<bool, String> {
    check_machine(run)?;
    servers::generator(run).map_err(why)?;
    Ok(prepare(run, options).1.is_empty())
}

struct One<'a> {
    run: &'a Run,
    workload: &'a Workload,
    prepared: &'a Prepared,
    generator: &'a Path,
    cores: usize,
    quick: bool,
}

impl One<'_> {
    fn measure(&self, round: u32) -> serde_json::Value {
        let (workload, server) = (self.workload.name, self.prepared.server.name);
        match self.load() {
            Ok(printed) => {
                let mut line = records::run_line(workload, server, round, &printed);
                if !self.workload.pinned {
                    line["cores"] = self.cores.into();
                }
                line
            }
            Err(why) => json!({ "workload": workload, "server": server, "round": round, "error": why }),
        }
    }

    /// What the generator printed.
    fn load(&self) -> Result<String, String> {
        let (workload, server) = (self.workload, self.prepared.server);
        let all = format!("0-{}", self.cores - 1);
        let (server_cores, generator_cores) = if workload.pinned { (SERVER_CORE, GENERATOR_CORE) } else { (&*all, &*all) };
        let started = Started::start(&self.prepared.words, server_cores, server.port)?;
        let mut words: Vec<String> = vec![self.generator.to_string_lossy().into_owned(), workload.mode.name().into()];
        let mut add = |name: &str, value: String| words.extend([name.to_owned(), value]);
        add("--port", server.port.to_string());
        add("--n", workload.clients.to_string());
        add("--pids", started.pids().iter().map(u32::to_string).collect::<Vec<_>>().join(","));
        for client in server.clients(workload).unwrap_or_default() {
            add("--client", client);
        }
        if let Some(path) = server.publish(workload) {
            add("--publish", path.to_owned());
        }
        if workload.pinned {
            add("--core", SERVER_CORE.to_owned());
        }
        words.extend(workload.options.split_whitespace().map(str::to_owned));
        words.extend(if self.quick { TIMES_QUICK } else { TIMES }.map(str::to_owned));
        let mut command = started::pinned(&words, generator_cores);
        let printed = command.current_dir(&self.run.house.root).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let printed = printed.map_err(|error| format!("the generator: {error}"))?;
        Ok(String::from_utf8_lossy(&printed.stdout).trim().to_owned())
    }
}

/// The number of cores; or, in a sentence, what is missing.
fn check_machine(run: &Run) -> Result<usize, String> {
    if !PathBuf::from("/proc/self/schedstat").exists() {
        return Err("The servers are measured by what Linux tells in /proc, and there is none here.".into());
    }
    if run.step("taskset").args(["--version"]).ask().is_none() {
        return Err("taskset is missing: apt-get install util-linux.".into());
    }
    match thread::available_parallelism().map_or(1, usize::from) {
        1 => Err("Two cores are needed: one for the server, one for the generator.".into()),
        cores => Ok(cores),
    }
}

/// Those of the servers in question that can be started, and why the others cannot.
fn prepare(run: &Run, options: &Options) -> (Vec<Prepared>, Vec<(&'static str, String)>) {
    let (mut prepared, mut left_out) = (Vec::new(), Vec::new());
    let asked = |server: &&&'static Server| options.workloads.iter().any(|workload| workload.servers.contains(&server.name));
    for server in options.servers.iter().filter(asked) {
        match server.prepare(run, options.sori.as_deref()) {
            Ok(words) => prepared.push(Prepared { server, words }),
            Err(stop) => {
                let why = why(stop);
                run.say(&format!("left out: {}: {why}", server.name));
                left_out.push((server.name, why));
            }
        }
    }
    (prepared, left_out)
}

fn why(stop: Stop) -> String {
    match stop {
        Stop::Failed(why) => why,
        Stop::Missing(missing) => format!("{}; mend it with: {}", missing.what, missing.mend),
    }
}

/// The figure that a load is about.
fn tell(mode: Mode, line: &serde_json::Value) -> String {
    if let Some(error) = line["error"].as_str() {
        return format!("FAILED: {error}");
    }
    let number = |name: &str| line[name].as_f64().unwrap_or(0.0);
    match mode {
        Mode::Idle => format!("{:.0} B, {:.1} µs per connect", number("resident_bytes"), number("us_per_connect")),
        Mode::Broadcast | Mode::Echo => format!("{:.2} µs, {:.0} errors", number("us_per_op"), number("errors")),
        Mode::Bystander => format!("p99 {:.0} µs, beside {:.0} µs", number("p99_us_quiet"), number("p99_us_beside")),
    }
}
