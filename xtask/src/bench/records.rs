//! The lines that runs left, and what can be asked of them.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::Path,
};

use serde_json::{Value, json};

use super::statistics::{Sample, Summary, quiet};

#[derive(Default)]
pub struct Records {
    runs: Vec<Value>,
    machine: Value,
}

/// How many runs there are of something, and how many of them count.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Count {
    pub used: usize,
    pub all: usize,
    pub failed: usize,
}

impl Records {
    /// Those of a file; none when there is no file.
    pub fn read(path: &Path) -> Result<Self, String> {
        match fs::read_to_string(path) {
            Ok(lines) => Self::parse(&lines),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    pub fn parse(lines: &str) -> Result<Self, String> {
        let mut records = Self::default();
        for (number, line) in lines.lines().enumerate() {
            let line: Value = serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))?;
            match line.get("machine") {
                // The last word about the machine is the one that holds.
                Some(machine) => records.machine = machine.clone(),
                None => records.runs.push(line),
            }
        }
        Ok(records)
    }

    pub fn machine(&self) -> &Value {
        &self.machine
    }

    /// A figure's median and spread; `None` where nothing was measured.
    pub fn summary(&self, workload: &str, server: &str, figure: &str) -> Option<Summary> {
        Summary::of(&self.samples(workload, server, |run| value(run, figure)))
    }

    pub fn median(&self, workload: &str, server: &str, figure: &str) -> Option<f64> {
        self.summary(workload, server, figure).map(|summary| summary.median)
    }

    pub fn count(&self, workload: &str, server: &str) -> Count {
        let samples = self.samples(workload, server, |run| run.get("error").is_none().then_some(0.0));
        let failed = self.of(workload, server).count() - samples.len();
        Count { used: quiet(&samples).len(), all: samples.len(), failed }
    }

    /// Why the last run failed, of those that did.
    pub fn failure(&self, workload: &str, server: &str) -> Option<&str> {
        self.of(workload, server).filter_map(|run| run["error"].as_str()).last()
    }

    fn samples(&self, workload: &str, server: &str, value: impl Fn(&Value) -> Option<f64>) -> Vec<Sample> {
        let steal = |run: &Value| run["steal_pct"].as_f64().unwrap_or(0.0);
        self.of(workload, server).filter_map(|run| Some(Sample { value: value(run)?, steal_pct: steal(run) })).collect()
    }

    fn of(&self, workload: &str, server: &str) -> impl Iterator<Item = &Value> {
        self.runs.iter().filter(move |run| run["workload"] == workload && run["server"] == server)
    }
}

/// Adds one line.
pub fn append(path: &Path, line: &Value) -> Result<(), String> {
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| writeln!(file, "{line}")).map_err(|error| format!("{}: {error}", path.display()))
}

/// What the generator printed, told whose it is.
pub fn run_line(workload: &str, server: &str, round: u32, printed: &str) -> Value {
    let mut line = json!({ "workload": workload, "server": server, "round": round });
    match serde_json::from_str(printed) {
        Ok(Value::Object(figures)) => line.as_object_mut().expect("it is one").extend(figures),
        _ => line["error"] = "the generator printed no line".into(),
    }
    line
}

/// A number of the line, or one that follows from several.
fn value(run: &Value, figure: &str) -> Option<f64> {
    let ratio = |above: &str, below: &str| Some(run[above].as_f64()? / run[below].as_f64().filter(|below| *below > 0.0)?);
    match figure {
        "p99_over_p50" => ratio("p99_us", "p50_us"),
        "p99_ratio" => ratio("p99_us_beside", "p99_us_quiet"),
        "workers_ratio" => workers_ratio(run),
        "others_util" => others_util(run),
        _ => run[figure].as_f64(),
    }
}

/// The busiest thread's share by the idlest's, of as many as there are cores; what else a server runs does nearly nothing.
fn workers_ratio(run: &Value) -> Option<f64> {
    let cores = run["cores"].as_u64()? as usize;
    let shares: Vec<f64> = run["threads"].as_array()?.iter().filter_map(Value::as_f64).take(cores).collect();
    (shares.len() == cores).then(|| shares[0] / shares[cores - 1])
}

/// What neither server nor generator used, of one core.
fn others_util(run: &Value) -> Option<f64> {
    let number = |figure: &str| run[figure].as_f64();
    let all = number("machine_busy_pct")? / 100.0 * number("machine_cores")?;
    Some((all - number("server_util")? - number("generator_util")?).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"{"machine":{"cpu":"old"}}
{"workload":"echo-100","server":"sori","round":1,"p50_us":10,"p99_us":20,"steal_pct":0}
{"workload":"echo-100","server":"sori","round":2,"p50_us":10,"p99_us":40,"steal_pct":0}
{"workload":"echo-100","server":"sori","round":3,"error":"connecting"}
{"workload":"workers-1k-100","server":"sori","cores":2,"threads":[0.55,0.44,0.01],"machine_busy_pct":75,"machine_cores":2,"server_util":0.5,"generator_util":0.5}
{"machine":{"cpu":"new"}}"#;

    #[test]
    fn figures_are_asked_by_workload_and_server() {
        let records = Records::parse(LINES).expect("JSON");
        assert_eq!(records.median("echo-100", "sori", "p99_us"), Some(30.0));
        assert_eq!(records.median("echo-100", "sori", "p99_over_p50"), Some(3.0));
        assert_eq!(records.median("echo-100", "node", "p99_us"), None);
        assert_eq!(records.count("echo-100", "sori"), Count { used: 2, all: 2, failed: 1 });
        assert_eq!(records.failure("echo-100", "sori"), Some("connecting"));
        assert!(records.median("workers-1k-100", "sori", "workers_ratio").is_some_and(|ratio| (ratio - 1.25).abs() < 1e-9));
        assert_eq!(records.median("workers-1k-100", "sori", "others_util"), Some(0.5));
        assert_eq!(records.machine()["cpu"], "new");
    }

    #[test]
    fn a_run_keeps_the_generators_figures() {
        assert_eq!(run_line("a", "b", 1, "{\"n\":3}"), json!({ "workload": "a", "server": "b", "round": 1, "n": 3 }));
        assert!(run_line("a", "b", 1, "").get("error").is_some());
    }
}
