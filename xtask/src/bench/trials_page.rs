//! What the trials and the million are in `docs/benchmarks.md`.

use std::{fmt::Write, fs, path::Path};

use serde_json::Value;

use super::trials::{TRIALS, Trial};

/// The sections, as far as there are results.
pub fn render(folder: &Path) -> String {
    let mut page = String::new();
    let read = |path: &Path| serde_json::from_str::<Value>(&fs::read_to_string(path).ok()?).ok();
    if let Some(million) = read(&folder.join("million.json")) {
        page.push_str(&million_section(&million));
    }
    let mut is_first = true;
    for trial in TRIALS {
        let results = ["sori", "node", "socketioxide"].iter().filter_map(|server| {
            let name = format!("{}-{server}.json", trial.name);
            Some((name.clone(), read(&folder.join("trials").join(name))?))
        });
        let results: Vec<(String, Value)> = results.collect();
        if results.is_empty() {
            continue;
        }
        if std::mem::take(&mut is_first) {
            page.push_str(INTRODUCTION);
        }
        section(&mut page, trial, &results);
    }
    page
}

const INTRODUCTION: &str = "\n## Promises on trial\n\n\
By `cargo xtask trials`, which runs `sori bench` on one core against a server on the other; one run each. Connection state recovery is on where a server has \
it (Sori; socket.io for Node.js; not socketioxide, which therefore cannot but lose what was sent to clients that were away). `sori bench report FILE --html PAGE` \
shows a result whole. Latency is of messages that came while their client was there; where the tester was late itself, the last column says so.\n";

fn section(page: &mut String, trial: &Trial, results: &[(String, Value)]) {
    let names: Vec<&str> =
        FIGURES.iter().copied().filter(|name| results.iter().any(|(_, result)| figure(result, name).is_some())).collect();
    let _ = write!(page, "\n### {}\n\n{}\n\n    sori bench {} URL\n\n", trial.name, trial.about, trial.words.join(" "));
    let _ = write!(page, "| server | delivered | missing | twice | out of order | p50 | p99 |");
    names.iter().for_each(|name| _ = write!(page, " {name} |"));
    let _ = write!(
        page,
        " ended | latencies are |\n| --- | --: | --: | --: | --: | --: | --: |{} --- | --- |\n",
        " --: |".repeat(names.len())
    );
    for (file, result) in results {
        let all = &result["completeness"];
        let share = all["delivered"].as_f64().unwrap_or(0.0) / all["expected"].as_f64().unwrap_or(1.0).max(1.0);
        let latency = |which: &str| result["latencies"][0][which].as_f64().map_or("–".into(), time);
        let _ = write!(
            page,
            "| [{}](benchmarks/trials/{file}) | {} % of {} | {} | {} | {} | {} | {} |",
            result["name"].as_str().unwrap_or("?"),
            percent(share),
            grouped(&all["expected"]),
            grouped(&all["missing"]),
            grouped(&all["doubled"]),
            grouped(&all["out_of_order"]),
            latency("p50_us"),
            latency("p99_us"),
        );
        names.iter().for_each(|name| _ = write!(page, " {} |", figure(result, name).unwrap_or("–".into())));
        let ended = match result["ended"]["how"].as_str() {
            Some("whole") => "as it was to".to_owned(),
            _ => result["ended"]["why"].as_str().unwrap_or("before its end").to_owned(),
        };
        let trusted = result["judgement"]["trustworthy"] == true;
        let _ = writeln!(page, " {ended} | {} |", if trusted { "the server's" } else { "partly the tester's" });
    }
    let _ = writeln!(page, "\n{}", trial.notes);
}

/// Figures that are shown where a result has them.
const FIGURES: &[&str] = &[
    "until all were back",
    "went on where they were",
    "p50 of the others, by what it was before",
    "p99 of the others, by what it was before",
    "slow readers that the server closed",
    "server CPU per delivery",
    "server memory, at most",
];

fn figure(result: &Value, name: &str) -> Option<String> {
    let figure = result["figures"].as_array()?.iter().find(|figure| figure["name"] == name)?;
    let value = figure["value"].as_f64()?;
    Some(match figure["unit"].as_str()? {
        "us" => time(value),
        "bytes" => format!("{:.0} MiB", value / f64::from(1 << 20)),
        "share" => format!("{} %", percent(value)),
        "times" => format!("{value:.2} ×"),
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    })
}

fn million_section(million: &Value) -> String {
    let run = &million["run"];
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let clients = number(&million["clients"]);
    let idle: Vec<&Value> = run["series"]["intervals"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|at| at["phase"] == "measure" && at["delivered"] == 0)
        .collect();
    let mean = |path: &str| {
        let weight: f64 = idle.iter().map(|at| number(&at["ms"])).sum();
        idle.iter().filter_map(|at| Some(at.pointer(path)?.as_f64()? * number(&at["ms"]))).sum::<f64>() / weight.max(1.0)
    };
    let connecting: f64 = run["series"]["intervals"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|at| at["phase"] == "connect")
        .map(|at| number(&at["ms"]) / 1e3)
        .sum();
    let figure_us = |name: &str| {
        let figures = run["figures"].as_array().into_iter().flatten();
        figures.filter(|figure| figure["name"] == name).map(|figure| number(&figure["value"])).next()
    };
    let all = &run["completeness"];
    let (server, tester) = (mean("/sample/server/memory_bytes"), mean("/sample/own_memory_bytes"));
    let memory = number(&million["all_memory_bytes"]);
    let mib = |bytes: f64| format!("{:.0} MiB", bytes / f64::from(1 << 20));
    let each = |bytes: f64| format!("{:.0} B", bytes / clients.max(1.0));
    let mut text = format!(
        "\n## {} idle connections on one machine\n\nBy `cargo xtask million`: Socket.IO over WebSocket, {} processes of Sori on one shared port (`SO_REUSEPORT`), as many as \
         {} descriptors a process demand, and `sori bench idle` on the same machine ({} cores, {} GiB, Linux {}; {}). [The result](benchmarks/million.json).\n\n\
         | | all | for each connection |\n| --- | --: | --: |\n",
        grouped(&million["clients"]),
        million["processes"],
        million["machine"]["descriptors"],
        million["machine"]["cores"],
        million["machine"]["memory_gib"],
        million["machine"]["kernel"].as_str().unwrap_or_default().trim_start_matches("Linux "),
        million["machine"]["date"].as_str().unwrap_or_default(),
    );
    let mut row = |what: &str, all: String, each: String| _ = writeln!(text, "| {what} | {all} | {each} |");
    row("memory that the machine had less, both ends and the kernel", mib(memory), each(memory));
    row("Sori's processes, with what they had before (resident; what they share counts in each)", mib(server), each(server));
    row("of it the tester's", mib(tester), each(tester));
    row("time to connect all", format!("{connecting:.0} s"), format!("{:.0} a second", clients / connecting.max(1.0)));
    let cores = mean("/sample/server/cores");
    row(
        &format!("CPU of Sori while idle, with a ping and a pong every {} s", million["ping_interval_s"]),
        format!("{cores:.2} cores"),
        format!("{:.1} µs a ping", cores * 1e6 * number(&million["ping_interval_s"]) / clients.max(1.0)),
    );
    row(
        "CPU of the whole machine meanwhile",
        format!("{:.0} % of its cores", mean("/sample/machine_busy") * 100.0),
        String::new(),
    );
    row(
        "traffic while idle, headers included",
        format!(
            "{:.1} MB/s, {} packets/s",
            number(&million["idle"]["loopback_bytes_per_s"]) / 1e6,
            round(&million["idle"]["loopback_packets_per_s"])
        ),
        format!("{:.1} B/s", number(&million["idle"]["loopback_bytes_per_s"]) / clients.max(1.0)),
    );
    if let Some(us) = figure_us("one message to all") {
        row(
            &format!("one message to all: {} of {} came", grouped(&all["delivered"]), grouped(&all["expected"])),
            format!("{} until the last had it", time(us)),
            String::new(),
        );
    }
    text.push_str(MILLION_NOTES);
    text
}

const MILLION_NOTES: &str = "\nBoth ends of a million connections share two cores here, and heartbeats alone keep them busy: every 25 s each connection wakes a process of Sori and one of the tester for some bytes, which neither finds in its \
caches. A connection that came, or the message to all, had to wait behind that; the tester read half of it. On machines of their own Sori's half of the work is what counts: see \
[capacity.md](capacity.md#checked-against-the-trial-of-a-million).\n";

fn percent(share: f64) -> String {
    // 99.9996 % is not 100 %.
    match share {
        share if share >= 1.0 => "100".into(),
        share => format!("{:.3}", (share * 1e5).floor() / 1e3),
    }
}

fn time(us: f64) -> String {
    match us {
        us if us < 1e3 => format!("{us:.0} µs"),
        us if us < 1e6 => format!("{:.1} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

fn round(value: &Value) -> String {
    grouped(&Value::from(value.as_f64().unwrap_or(0.0).round() as u64))
}

fn grouped(number: &Value) -> String {
    let digits = number.as_u64().unwrap_or(0).to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).expect("digits")).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_as_they_are() {
        assert_eq!((percent(1.0), percent(0.999_999_9)), ("100".into(), "99.999".into()));
        assert_eq!((time(12.3), time(4_560.0), time(1_234_000.0)), ("12 µs".into(), "4.6 ms".into(), "1.23 s".into()));
        assert_eq!(grouped(&Value::from(1_000_000)), "1,000,000");
    }

    #[test]
    fn a_result_becomes_a_row() {
        let result = serde_json::json!({
            "name": "sori", "ended": { "how": "whole" },
            "completeness": { "delivered": 10, "expected": 20, "missing": 10, "doubled": 0, "out_of_order": 1 },
            "latencies": [{ "p50_us": 1500.0, "p99_us": 9000.0 }],
            "figures": [{ "name": "until all were back", "value": 2_500_000.0, "unit": "us" }],
        });
        let mut page = String::new();
        section(&mut page, &TRIALS[1], &[("a.json".into(), result)]);
        assert!(
            page.contains("| 50.000 % of 20 | 10 | 0 | 1 | 1.5 ms | 9.0 ms | 2.50 s | as it was to | partly the tester's |"),
            "{page}"
        );
    }
}
