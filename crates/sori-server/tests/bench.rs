//! `sori bench report` and `sori bench compare` as their users meet them.

#[path = "bench_scenarios/folder.rs"]
mod folder;

use std::{
    fs,
    process::{Command, Output, Stdio},
    time::Duration,
};

use folder::Folder;

use sori_bench::{Checker, Completeness, Counts, Ended, Phase, Recorder, Run, Tick};

fn bench(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sori"));
    command.arg("bench").args(args).stdin(Stdio::null()).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Twenty seconds of a server that answers after this time, and swallows the messages named.
fn result(name: &str, latency_us: u64, swallowed: &[u32]) -> Run {
    let mut head = Run::new("echo", "http://127.0.0.1:3000/");
    head.name = name.into();
    let mut recorder = Recorder::new(head, Duration::from_secs(1));
    recorder.enter(Phase::Measure);
    let mut checker = Checker::new();
    for second in 0..20 {
        let mut tick = Tick { connected: 1, ..Tick::default() };
        for seq in second * 100..(second + 1) * 100 {
            tick.counts.sent += 1;
            if !swallowed.contains(&seq) {
                checker.receive(seq, 0);
                tick.counts.delivered += 1;
                tick.latencies.record(Duration::from_micros(latency_us + u64::from(seq % 10)));
            }
        }
        recorder.tick(Duration::from_secs(u64::from(second) + 1), &tick, None);
    }
    let mut all = Completeness { sent: 2_000, ..Completeness::default() };
    all.add(0, 0, checker.finish(2_000));
    recorder.finish("echo", all, Ended::Whole)
}

#[test]
fn a_result_is_shown_and_becomes_a_page() {
    let folder = Folder::new();
    let (result, page) = (folder.file("a.json", &result("one", 100, &[7]).json()), folder.path("a.html"));
    let output = bench(&["report", &result, "--html", &page]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(shown.starts_with("one, echo") && shown.contains("1 missing") && shown.contains("is not a number"), "{shown}");
    assert!(fs::read_to_string(&page).expect("it was written").starts_with("<!doctype html>"));
}

#[test]
fn two_results_are_compared() {
    let folder = Folder::new();
    let (a, b) = (folder.file("a.json", &result("one", 100, &[]).json()), folder.file("b.json", &result("two", 300, &[]).json()));
    let output = bench(&["compare", &a, &b]);
    let shown = text(&output.stdout);
    assert!(output.status.success() && shown.contains("The second is worse: latency p50"), "{shown}");
    let several = bench(&["compare", &format!("{a},{a}"), &format!("{b},{b}"), "--json", "-"]);
    assert!(text(&several.stdout).starts_with('{') && text(&several.stderr).contains("(2 runs)"), "{}", text(&several.stderr));
}

#[test]
fn what_cannot_be_read_ends_in_a_sentence() {
    let folder = Folder::new();
    let broken = folder.file("broken.json", "{\"format\": 1}");
    for (file, why) in [(folder.path("nowhere.json"), "cannot read the result"), (broken, "no result of sori bench")] {
        let output = bench(&["report", &file]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).starts_with("sori: ") && text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
    let output =
        bench(&["report", &folder.file("a.json", &result("one", 100, &[]).json()), "--html", &folder.path("no/folder.html")]);
    assert!(!output.status.success() && text(&output.stderr).contains("cannot write"), "{}", text(&output.stderr));
}

/// The counts above are those of a run, not only of the checker.
#[test]
fn a_swallowed_message_is_missing_from_the_counts() {
    let counts: Counts = result("one", 100, &[7, 8]).series.measured_counts();
    assert_eq!((counts.sent, counts.delivered), (2_000, 1_998));
}
