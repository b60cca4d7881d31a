//! What ends a run before its end. What was found out until then is kept.

use sori_bench::Ended;

use crate::support::{Outcome, Serving, each, start};

/// The server dies when it counts.
fn killed(words: &[&str]) -> Outcome {
    let mut server = Serving::start(&["--recovery"]);
    let bench = start(&[words, &[&server.url(), "--duration", "30s"]].concat(), "");
    bench.until_measuring();
    server.kill();
    bench.end()
}

/// How the result says it ended, which is what the program says.
fn check_killed(words: &[&str], why: &str) {
    let outcome = killed(words);
    assert!(!outcome.status.success());
    let Some(Ended::Failed { why: told }) = outcome.run.map(|run| run.ended) else { panic!("{words:?}: {}", outcome.stderr) };
    assert!(told.starts_with(why), "{words:?}: {told}");
    assert_eq!(outcome.stderr.lines().last(), Some(format!("sori: {told}").as_str()));
}

#[test]
fn a_server_that_dies_takes_all_connections_along() {
    let cases = [
        &["broadcast"][..],
        &["echo"],
        &["idle"],
        &["avalanche"],
        &["echo", "--threads", "2"],
        &["broadcast", "--client", "polling"],
    ];
    each(&cases, |words| check_killed(words, "all connections were lost: "));
}

#[test]
fn a_server_that_dies_is_noticed_by_streams() {
    each(&["sse", "lines", "long-poll"], |client| {
        check_killed(&["broadcast", "--client", client], "all connections were lost: ")
    });
}

/// Where clients come and go, nobody need be there when it happens.
#[test]
fn a_server_that_dies_lets_nobody_in() {
    each(&[&["connect", "--connect-rate", "20"][..], &["soak"], &["jitter"]], |words| check_killed(words, ""));
}

#[test]
fn a_server_that_dies_is_told_by_processes() {
    let mut server = Serving::start(&[]);
    let bench = start(&["echo", &server.url(), "--duration", "30s"], "load.processes = 2");
    bench.until_measuring();
    server.kill();
    let outcome = bench.end();
    assert!(!outcome.status.success() && outcome.stderr.contains("sori: all connections were lost: "), "{}", outcome.stderr);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_run_with_what_there_is() {
    each(&[&["echo"][..], &["connect"], &["soak"], &["avalanche"], &["fanout-mixed"], &["idle"]], |words| {
        let server = Serving::start(&["--recovery"]);
        let bench = start(&[words, &[&server.url(), "--duration", "30s"]].concat(), "");
        bench.until_measuring();
        bench.interrupt();
        let outcome = bench.end();
        assert_eq!(outcome.run.map(|run| run.ended), Some(Ended::Interrupted), "{words:?}: {}", outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{words:?}");
        assert_eq!(outcome.stderr.lines().last(), Some("sori: stopped before its end"));
    });
}

/// Processes of the tester end with it, and tell what they have.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_processes_as_well() {
    let server = Serving::start(&[]);
    let bench = start(&["broadcast", &server.url(), "--duration", "30s", "--rate", "50"], "load.processes = 3");
    bench.until_measuring();
    bench.interrupt();
    let run = bench.end().run.expect("a result");
    assert_eq!(run.ended, Ended::Interrupted);
    assert!(run.completeness.is_perfect() && run.completeness.streams == 6, "{:?}", run.completeness);
}
