//! `docs/benchmarks.md`.

use std::fmt::Write;

use serde_json::Value;

use super::{
    goals::{GOALS, Goal},
    plots::PLOTS,
    records::Records,
    servers::SERVERS,
    statistics::Summary,
    workloads::{Figure, WORKERS, WORKLOADS, Workload},
};

const INTRODUCTION: &str = "\
# Benchmarks

Rendered by `cargo xtask bench` from [the lines that its runs left](benchmarks/runs.jsonl); what is written here by hand is lost at
the next rendering, and `benchmarks/notes.md` is shown below the goals. The contract that every server keeps is in [bench/README.md](../bench/README.md).

The figure to compare is the **server's CPU time per operation**: user and system time of all its threads and processes, divided by
the operations. Wall time says more about the machine and the generator. Compare within a row only: what was measured side by
side, in the same rounds. Differences under 25 % are noise on a shared machine.
";

const HOW: &str = "\
## How it is measured

- Each run has a fresh server. It is pinned to core 0 and the generator to core 1, except where both use all cores; the rounds are
  the outermost loop, so that slow phases of the machine are shared by all.
- Figures are medians; behind those that matter stand the lowest and the highest of all runs. A run in which the hypervisor
  took more than 5 % of the server's core stays out of the medians, as long as three others are left (`runs`: those that count, of all).
- One delivery is one message at one client. `W` broadcasts are under way at once: the next is sent when one has reached everybody. With
  more than one, a server may join several into one write; `floor-co` and `floor-uring-co` show what that is worth.
- Latency is from handing a message to the sender's socket to reading it at the receiver; with several broadcasts under way it
  includes the wait behind those before it.
- Memory is the growth of the server's resident memory (`smaps_rollup`) by its connections; the kernel's is not in it.
- Every answer is checked: `errors` counts what was wrong, missing, or closed.
- `server util` and `generator util` are shares of one core. A rate is the server's own limit only where the first is near 1, and
  the generator's where the second is.
- `others' util` is what neither of them used: other programs, or the kernel on nobody's account. Where it is not near 0, measure again.
- On loopback the server's system time includes the receiving side's work in the kernel, for every server alike.

## How to run it

    cargo xtask bench                       # five rounds of everything
    cargo xtask bench --quick               # does everything work? One round, into target/bench/quick
    cargo xtask bench --workloads echo-100,echo-1k --servers sori,floor
    cargo xtask bench --fresh --render-only # forget all lines
    cargo xtask bench --list

It builds Sori, the Rust peers and the generator, installs the npm peers, and says what is missing (Node.js; nginx with Nchan). What
cannot be started is left out, and named below. Each call adds its lines, so a measurement may be run in pieces; `--render-only` renders
what there is.
";

/// `notes` are those of a human, on what the goals' table says; `trials` are sections of their own.
pub fn render(records: &Records, notes: &str, trials: &str) -> String {
    let mut page = INTRODUCTION.to_owned();
    goals(&mut page, records);
    if !notes.trim().is_empty() {
        let _ = write!(page, "\n{}\n", notes.trim());
    }
    page.push_str(trials);
    page.push_str("\n## In pictures\n\n");
    for plot in PLOTS {
        let _ = writeln!(page, "![{}](benchmarks/{}.svg)\n", plot.title, plot.name);
    }
    page.push_str("## Every load\n");
    for workload in WORKLOADS {
        table(&mut page, records, workload);
    }
    page.push('\n');
    page.push_str(HOW);
    machine(&mut page, records.machine());
    page
}

fn goals(page: &mut String, records: &Records) {
    page.push_str(
        "\n## Goals\n\n`of the goal` is what was reached by what was to be reached: at most 1 is met.\n\n\
         | load | Sori | socketioxide | best other peer | floor (joining) | goal | reached | of the goal | met |\n\
         | --- | --: | --: | --: | --: | --- | --: | --: | :-: |\n",
    );
    for goal in GOALS {
        let (reached, of_goal, met) = match goal.verdict(records) {
            Some(verdict) if goal.is_ratio() => (ratio(verdict.reached), verdict.of_goal, verdict.met()),
            Some(verdict) => (in_unit(goal, verdict.reached), verdict.of_goal, verdict.met()),
            None => (String::new(), f64::NAN, false),
        };
        let measured = !of_goal.is_nan();
        let cell = |server| goal.shown(records, server).map(|value| in_unit(goal, value)).unwrap_or_default();
        let floor = match (cell("floor"), cell("floor-co")) {
            (floor, joining) if joining.is_empty() => floor,
            (floor, joining) => format!("{floor} ({joining})"),
        };
        let _ = writeln!(
            page,
            "| {} (`{}`) | {} | {} | {} | {floor} | {} | {reached} | {} | {} |",
            goal.about,
            goal.workload,
            bold(&cell("sori")),
            cell("socketioxide"),
            best_other(goal, records),
            goal.text(),
            if measured { number(of_goal, 2) } else { String::new() },
            if !measured {
                "–"
            } else if met {
                "✔"
            } else {
                "✘"
            },
        );
    }
}

/// The best of those that are neither socketioxide nor the floor.
fn best_other(goal: &Goal, records: &Records) -> String {
    let others = ["node", "bun", "nchan"];
    let values = others.iter().filter_map(|server| Some((*server, goal.shown(records, server)?)));
    let best = values.min_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map(|(server, value)| format!("{server} {}", in_unit(goal, value))).unwrap_or_default()
}

fn table(page: &mut String, records: &Records, workload: &Workload) {
    let figures: Vec<&Figure> = workload.mode.figures().iter().chain(if workload.pinned { &[] } else { WORKERS }).collect();
    let _ = writeln!(page, "\n### {}\n\n{}\n", workload.name, capitalized(workload.about));
    let titles: String = figures.iter().map(|figure| format!(" {} |", figure.title)).collect();
    let _ = writeln!(page, "| server |{titles} runs |\n| --- |{} --: |", " --: |".repeat(figures.len()));
    for server in SERVERS.iter().filter(|server| workload.servers.contains(&server.name)) {
        let count = records.count(workload.name, server.name);
        let cells: String = figures
            .iter()
            .map(|figure| {
                let summary = records.summary(workload.name, server.name, figure.name);
                format!(" {} |", summary.map(|summary| with_spread(figure, &summary)).unwrap_or_default())
            })
            .collect();
        let runs = match (count.all, count.failed) {
            (0, 0) => "not measured".to_owned(),
            (0, _) => format!("failed: {}", records.failure(workload.name, server.name).unwrap_or_default()),
            (all, 0) => format!("{}/{all}", count.used),
            (all, failed) => format!("{}/{all}, {failed} failed", count.used),
        };
        let _ = writeln!(page, "| {} |{cells} {runs} |", server.name);
    }
}

fn machine(page: &mut String, machine: &Value) {
    let text = |name: &str| machine[name].as_str().unwrap_or("unknown").to_owned();
    let count = |name: &str| machine[name].as_u64().unwrap_or(0);
    let _ = writeln!(
        page,
        "\n## The machine\n\n{}, {} cores, {} GiB, {}, at most {} descriptors a process. Measured on {}, at `{}`.\n",
        text("cpu"),
        count("cores"),
        count("memory_gib"),
        text("kernel"),
        number(count("descriptors") as f64, 0),
        text("date"),
        text("commit"),
    );
    page.push_str("| server | is |\n| --- | --- |\n");
    for server in SERVERS {
        let _ = writeln!(page, "| {} | {} |", server.name, server.about);
    }
    page.push_str("\n| version of | |\n| --- | --- |\n");
    for version in machine["versions"].as_array().into_iter().flatten() {
        let _ = writeln!(page, "| {} | {} |", version[0].as_str().unwrap_or_default(), version[1].as_str().unwrap_or_default());
    }
    for left_out in machine["left_out"].as_array().into_iter().flatten() {
        let (server, why) = (left_out["server"].as_str(), left_out["why"].as_str());
        let _ = writeln!(page, "\nLeft out: {}, because {}.", server.unwrap_or_default(), why.unwrap_or_default());
    }
}

fn with_spread(figure: &Figure, summary: &Summary) -> String {
    let Summary { median, min, max } = *summary;
    if !figure.spread || min == max {
        return number(median, figure.decimals);
    }
    let ends = [min, max].map(|end| number(end, figure.decimals));
    format!("{} ({} – {})", bold(&number(median, figure.decimals)), ends[0], ends[1])
}

fn in_unit(goal: &Goal, value: f64) -> String {
    format!("{}{}", number(value, goal.decimals), goal.unit)
}

fn ratio(value: f64) -> String {
    format!("{} ×", number(value, 2))
}

/// With a comma at every thousand.
pub fn number(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{grouped}{rest}")
}

fn bold(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("**{text}**") }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().collect::<String>() + chars.as_str() + ".").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(number(1234567.0, 0), "1,234,567");
        assert_eq!(number(999.956, 2), "999.96");
        assert_eq!(number(1000.5, 1), "1,000.5");
        assert_eq!(number(-12.0, 0), "-12");
    }

    #[test]
    fn a_goal_is_met_or_not_or_not_measured() {
        let run = |server: &str, us: f64| {
            format!("{{\"workload\":\"echo-100\",\"server\":\"{server}\",\"us_per_op\":{us},\"p50_us\":10,\"p99_us\":40}}\n")
        };
        let lines = run("sori", 6.0) + &run("floor", 5.5) + &run("bun", 20.0) + &run("node", 19.6);
        let page = render(&Records::parse(&lines).expect("JSON"), "", "");
        let row = |start: &str| page.lines().find(|line| line.starts_with(start)).map(str::to_owned).unwrap_or_default();
        assert_eq!(
            row("| CPU per echo, 100"),
            "| CPU per echo, 100 clients (`echo-100`) | **6.00 µs** |  | node 19.60 µs | 5.50 µs | ≤ 1.2 × floor | 1.09 × | 0.91 | ✔ |"
        );
        assert!(row("| its p99 by its p50 (`echo-100`)").ends_with("| ≤ 3 × | 4.00 × | 1.33 | ✘ |"));
        assert!(row("| CPU per echo, 1,000").ends_with("| ≤ 1.2 × floor |  |  | – |"));
    }

    #[test]
    fn a_load_shows_medians_spread_and_what_failed() {
        let run = |us: f64| format!("{{\"workload\":\"lp-1k-100\",\"server\":\"sori\",\"us_per_op\":{us},\"steal_pct\":0}}\n");
        let lines = run(19.0)
            + &run(17.0)
            + &run(30.0)
            + "{\"workload\":\"lp-1k-100\",\"server\":\"nchan\",\"error\":\"port 4006 is in use\"}";
        let page = render(&Records::parse(&lines).expect("JSON"), "", "");
        assert!(page.contains("| sori | **19.00** (17.00 – 30.00) |"), "{page}");
        assert!(page.contains("failed: port 4006 is in use |"));
        assert!(page.contains("| not measured |"));
    }
}
