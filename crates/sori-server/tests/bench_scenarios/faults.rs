//! What a server does wrong is found, told apart, and told.

use sori_bench::{Completeness, Ended};

use crate::support::{Serving, each, run};

/// What is wrong of all: (missing, doubled, out of order).
fn wrong(fault: &str, words: &[&str]) -> ((u64, u64, u64), String) {
    let server = Serving::start(&["--fault", fault]);
    let outcome = run(&[words, &[&server.url(), "--rate", "300"]].concat(), "");
    let run = outcome.run.expect("a result");
    assert_eq!((run.ended, outcome.status.code()), (Ended::Whole, Some(1)), "{fault}: {}", outcome.stderr);
    let Completeness { missing, doubled, out_of_order, foreign, unreadable, .. } = run.completeness;
    assert_eq!(foreign + unreadable, 0, "{fault}");
    let said = outcome.stderr.lines().last().expect("it says something").to_owned();
    assert!(said.starts_with("sori: Not everything is right: "), "{said}");
    ((missing, doubled, out_of_order), said)
}

#[test]
fn a_dropped_broadcast_is_missing() {
    each(&["websocket", "polling", "sse"], |client| {
        let ((missing, doubled, out_of_order), said) = wrong("drop", &["broadcast", "--client", client]);
        assert!(missing >= 12 && missing.is_multiple_of(6) && doubled + out_of_order == 0, "{client}: {said}");
        assert!(said.contains(&format!("{missing} missing of ")), "{said}");
    });
}

#[test]
fn a_doubled_broadcast_is_twice() {
    each(&["websocket", "long-poll"], |client| {
        let ((missing, doubled, out_of_order), said) = wrong("double", &["broadcast", "--client", client]);
        assert!(doubled >= 12 && doubled.is_multiple_of(6) && missing + out_of_order == 0, "{client}: {said}");
        assert!(said.contains(&format!("{doubled} twice")), "{said}");
    });
}

#[test]
fn a_broadcast_that_is_held_back_is_out_of_order() {
    each(&["websocket", "lines"], |client| {
        let ((missing, doubled, out_of_order), said) = wrong("reorder", &["broadcast", "--client", client]);
        // One that was held back when the last had been said stays there.
        assert!(out_of_order >= 12 && out_of_order.is_multiple_of(6) && doubled == 0, "{client}: {said}");
        assert!(matches!(missing, 0 | 6), "{client}: {said}");
        assert!(said.contains(&format!("{out_of_order} out of order")), "{said}");
    });
}

#[test]
fn an_echo_that_is_not_answered_is_missing() {
    let ((missing, doubled, out_of_order), said) = wrong("drop", &["echo"]);
    assert!(missing >= 2 && doubled + out_of_order == 0, "{said}");
}

/// Faults of a server are found by whichever part of the tester listens.
#[test]
fn threads_and_kinds_find_the_same() {
    let ((missing, doubled, out_of_order), said) = wrong("drop", &["fanout-mixed", "--threads", "2"]);
    assert!(missing >= 12 && missing.is_multiple_of(6) && doubled + out_of_order == 0, "{said}");
}

/// A closed loop does not wait forever for what never comes.
#[test]
fn a_closed_loop_goes_on_without_the_answer() {
    let server = Serving::start(&["--fault", "drop"]);
    let outcome = run(&["echo", &server.url(), "--outstanding", "2"], "server.answer_timeout = \"100ms\"");
    let run = outcome.run.expect("a result");
    assert!(!outcome.status.success() && run.completeness.missing > 0, "{}", outcome.stderr);
    assert!(run.errors.contains_key("not answered in time"), "{:?}", run.errors);
}

/// In a closed loop an answer makes room at the thread that asked, and at no other.
#[test]
fn answers_go_to_the_thread_that_asked() {
    let server = Serving::start(&[]);
    for outstanding in ["1", "3"] {
        let words = ["echo", &server.url(), "--outstanding", outstanding, "--threads", "2"];
        let outcome = run(&words, "server.answer_timeout = \"200ms\"");
        let run = outcome.run.expect("a result");
        assert!(outcome.status.success() && run.errors.is_empty(), "{:?} {}", run.errors, outcome.stderr);
    }
}
