//! Each scenario against a server that does everything right.

use sori_bench::{Completeness, Counts, Load, Phase, Run};

use crate::support::{Folder, Serving, each, figure, latencies, perfect, run};

#[test]
fn connect_counts_and_times_connections() {
    each(&[("100", "0s"), ("20", "100ms")], |(rate, stay)| {
        let server = Serving::start(&[]);
        let run = perfect(&["connect", &server.url(), "--connect-rate", rate, "--stay", stay], "");
        let opened = run.series.measured_counts().opened;
        assert!(opened > 0);
        assert_eq!(latencies(&run, "connect"), opened);
        // They stay when they are told to.
        assert!(stay == "0s" || run.series.measured().any(|interval| interval.connected > 0));
    });
}

#[test]
fn idle_connections_are_there_at_the_end() {
    each(&[true, false], |is_told| {
        let server = Serving::start(&[]);
        let options = format!("idle.broadcast_at_end = {is_told}");
        let run = perfect(&["idle", &server.url(), "--clients", "30", "--pid", &server.pid()], &options);
        assert!(figure(&run, "server CPU while idle") >= 0.0);
        assert!(run.series.measured().all(|interval| interval.connected == 30));
        match is_told {
            true => {
                assert!(figure(&run, "one message to all") > 0.0);
                assert_eq!((run.completeness.sent, run.completeness.delivered), (1, 30));
            }
            false => assert_eq!(run.completeness, Completeness::default()),
        }
    });
}

#[test]
fn a_broadcast_reaches_everybody() {
    let server = Serving::start(&[]);
    let run = perfect(
        &["broadcast", &server.url(), "--clients", "20", "--rate", "50", "--senders", "3", "--seed", "7", "--name", "ours"],
        "",
    );
    assert_eq!((run.seed, run.name.as_str(), run.completeness.streams), (7, "ours", 60));
    assert_eq!(run.completeness.delivered, run.completeness.sent * 20);
    assert!(matches!(run.load, Load::Open { rate_per_s: 50.0, .. }));
    assert!(run.latency().is_some_and(|latency| latency.name == "delivery" && latency.from_intended_time));
}

#[test]
fn an_echo_comes_back_to_who_asked() {
    let server = Serving::start(&[]);
    let run = perfect(&["echo", &server.url(), "--payload", "2000", "--arrivals", "poisson", "--pid", &server.pid()], "");
    assert_eq!(run.completeness.delivered, run.completeness.sent);
    let Counts { sent, delivered, .. } = run.series.measured_counts();
    assert!(sent > 0 && delivered > 0);
    // What was sent while it counted counts, and may come afterwards.
    assert!((delivered..run.completeness.delivered).contains(&latencies(&run, "echo")));
    // What the kernel knows of the server's process.
    let known = run.series.measured().filter_map(|interval| interval.sample.as_ref()?.server.as_ref());
    assert!(known.map(|server| server.memory_bytes).max().is_some_and(|most| most > 1_000_000));
    assert!(run.generator.server_cores.is_some() && run.generator.server_is_here);
}

#[test]
fn clients_of_several_kinds_hear_the_same() {
    let kinds = "fanout_mixed.clients = [\"upgrade\", \"lines\", \"sse\"]";
    each(&[("12", ""), ("5", kinds)], |(clients, options)| {
        let server = Serving::start(&[]);
        let run = perfect(&["fanout-mixed", &server.url(), "--clients", clients], options);
        assert_eq!((run.completeness.streams, run.completeness.sent > 0), (clients.parse().expect("a number"), true));
        assert_eq!(run.completeness.delivered, run.completeness.sent * run.completeness.streams);
    });
}

#[test]
fn after_jitter_nothing_is_missed_where_the_server_recovers() {
    let server = Serving::start(&["--recovery"]);
    let run = perfect(&["jitter", &server.url(), "--clients", "10"], "");
    assert!(run.completeness.recovered > 0 && latencies(&run, "coming back") > 0);
    assert_eq!(figure(&run, "went on where they were"), 1.0);
}

/// They say what they heard last, and the history has what came then.
#[test]
fn after_jitter_streams_go_on_where_they_were() {
    each(&["sse", "lines", "long-poll"], |client| {
        let server = Serving::start(&["--recovery"]);
        let run = perfect(&["jitter", &server.url(), "--clients", "10", "--client", client], "");
        assert!(run.completeness.recovered > 0 && latencies(&run, "coming back") > 0, "{client}");
    });
}

#[test]
fn after_jitter_something_is_missed_where_the_server_does_not_recover() {
    let server = Serving::start(&[]);
    let outcome = run(&["jitter", &server.url(), "--clients", "10"], "");
    let result = outcome.run.expect("a result");
    assert!(!outcome.status.success() && outcome.stderr.contains("missing"), "{}", outcome.stderr);
    assert!(result.completeness.missing > 0, "{:?}", result.completeness);
    assert!(latencies(&result, "coming back") > 0);
    assert_eq!(figure(&result, "went on where they were"), 0.0);
}

#[test]
fn an_avalanche_is_over_when_all_are_back() {
    let server = Serving::start(&["--recovery"]);
    let run = perfect(&["avalanche", &server.url(), "--clients", "20", "--rate", "50", "--within", "100ms"], "");
    assert!(figure(&run, "until all were back") > 0.0);
    assert_eq!((latencies(&run, "coming back"), figure(&run, "went on where they were")), (19, 1.0));
    assert!(run.completeness.recovered > 0);
}

#[test]
fn an_avalanche_ends_where_nobody_goes_on_where_he_was() {
    let server = Serving::start(&[]);
    let outcome = run(&["avalanche", &server.url(), "--rate", "50", "--times", "2"], "");
    let result = outcome.run.expect("a result");
    assert_eq!(result.ended, sori_bench::Ended::Whole);
    assert!(figure(&result, "until all were back, 2 of 2") > 0.0);
    assert_eq!(latencies(&result, "coming back"), 10);
    assert!(result.completeness.missing > 0 && outcome.stderr.contains("missing"), "{}", outcome.stderr);
}

#[test]
fn slow_readers_are_counted_apart() {
    let server = Serving::start(&[]);
    let run = perfect(&["slow-readers", &server.url(), "--clients", "10", "--slow", "0.2", "--payload", "1000"], "");
    assert_eq!((figure(&run, "slow readers"), run.completeness.streams), (2.0, 8));
    assert!(figure(&run, "p50 of the others, by what it was before") > 0.0);
    assert!(figure(&run, "p99 of the others, by what it was before") > 0.0);
    // They read on in the end, and find what has waited for them.
    assert_eq!(figure(&run, "delivered to slow readers"), 1.0);
    assert_eq!(figure(&run, "slow readers that the server closed"), 0.0);
    assert!(latencies(&run, "delivery before that") > 0 && latencies(&run, "delivery to the others") > 0);
}

#[test]
fn slow_readers_get_everything_in_the_end() {
    let server = Serving::start(&[]);
    let slow = perfect(&["slow-readers", &server.url(), "--slow", "0.5", "--read", "1000000"], "");
    assert_eq!(figure(&slow, "delivered to slow readers"), 1.0);
}

#[test]
fn a_soak_leaves_nobody_behind() {
    let server = Serving::start(&[]);
    let run = perfect(&["soak", &server.url(), "--pid", &server.pid()], "");
    assert!(run.completeness.delivered > 0 && run.series.measured_counts().opened > 0);
    assert!(figure(&run, "server memory at rest, before") > 0.0 && figure(&run, "server memory at rest, after") > 0.0);
    assert!(figure(&run, "growth").is_finite());
    assert_eq!(run.series.intervals.last().map(|interval| (interval.phase, interval.connected)), Some((Phase::Drain, 0)));
}

#[test]
fn a_soak_in_which_the_server_grows_too_much_fails() {
    let server = Serving::start(&[]);
    let outcome = run(&["soak", &server.url(), "--pid", &server.pid()], "soak.memory_growth_max = -1.0");
    assert!(!outcome.status.success() && outcome.stderr.contains("memory_growth_max"), "{}", outcome.stderr);
    assert!(outcome.run.is_some_and(|run| matches!(run.ended, sori_bench::Ended::Failed { .. })));
}

#[test]
fn a_closed_loop_waits_for_answers() {
    each(&[&["echo"][..], &["broadcast", "--senders", "2"]], |words| {
        let server = Serving::start(&[]);
        let run = perfect(&[words, &[&server.url(), "--outstanding", "4"]].concat(), "");
        assert_eq!(run.load, Load::Closed { outstanding: 4 });
        assert!(run.latency().is_some_and(|latency| !latency.from_intended_time));
    });
}

#[test]
fn threads_share_the_clients() {
    let cases = [
        &["broadcast", "--senders", "3"][..],
        &["broadcast", "--senders", "2", "--outstanding", "4"],
        &["fanout-mixed"],
        &["soak"],
        &["avalanche", "--rate", "50"],
    ];
    each(&cases, |words| {
        let server = Serving::start(&["--recovery"]);
        let run = perfect(&[words, &[&server.url(), "--clients", "9", "--threads", "2"]].concat(), "");
        assert!(run.completeness.delivered > 0 && run.generator.threads == 2, "{words:?}");
    });
}

#[test]
fn processes_share_the_clients() {
    let cases = [
        &["connect", "--connect-rate", "50"][..],
        &["idle"],
        &["broadcast", "--senders", "3"],
        &["echo", "--outstanding", "4"],
        &["jitter", "--clients", "12"],
        &["slow-readers", "--clients", "10"],
    ];
    each(&cases, |words| {
        let server = Serving::start(&["--recovery"]);
        let run = perfect(&[words, &[&server.url()]].concat(), "load.processes = 2");
        assert_eq!(run.generator.threads, 2, "{words:?}");
    });
}

#[test]
fn a_result_goes_to_the_standard_output_and_becomes_a_page() {
    let server = Serving::start(&[]);
    let folder = Folder::new();
    let page = folder.path("run.html");
    let outcome = run(&["broadcast", &server.url(), "--json", "-", "--html", &page], "");
    assert!(outcome.status.success(), "{}", outcome.stderr);
    let result = Run::parse(&outcome.stdout).expect("the standard output is the result and nothing else");
    assert!(result.completeness.is_perfect() && result.completeness.delivered > 0);
    assert!(outcome.stderr.contains("Everything arrived") && outcome.stderr.contains("run.html"), "{}", outcome.stderr);
    assert!(std::fs::read_to_string(&page).expect("it is written").starts_with("<!doctype html>"));
}

#[test]
fn the_text_is_for_people_and_the_rest_for_nobody_when_quiet() {
    let server = Serving::start(&[]);
    let outcome = run(&["broadcast", &server.url(), "--quiet"], "");
    assert!(outcome.status.success() && outcome.stdout.contains("Everything arrived"), "{}", outcome.stdout);
    assert!(!outcome.stderr.contains("measuring"), "{}", outcome.stderr);
}
