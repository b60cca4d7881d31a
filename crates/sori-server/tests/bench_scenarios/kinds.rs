//! Clients of each kind.

use crate::support::{Serving, each, perfect, run};

/// Everybody hears what is said, or posted where clients only listen.
fn broadcast(path: &str, words: &[&str]) {
    let server = Serving::start(&[]);
    let run = perfect(&[&["broadcast", &server.at(path)], words].concat(), "broadcast.rate = 30.0");
    assert!(run.completeness.sent > 0 && run.completeness.delivered == run.completeness.sent * 6, "{words:?}");
}

fn echo(path: &str, words: &[&str]) {
    let server = Serving::start(&[]);
    let run = perfect(&[&["echo", &server.at(path)], words].concat(), "");
    assert!(run.completeness.delivered > 0, "{words:?}");
}

/// The kinds of Socket.IO, and both revisions.
const SOCKET_IO: [(&str, &str); 6] =
    [("websocket", "4"), ("polling", "4"), ("upgrade", "4"), ("websocket", "3"), ("polling", "3"), ("upgrade", "3")];

#[test]
fn socket_io_clients_hear_broadcasts() {
    each(&SOCKET_IO, |(client, revision)| broadcast("", &["--client", client, "--revision", revision]));
}

#[test]
fn socket_io_clients_are_echoed() {
    each(&SOCKET_IO, |(client, revision)| echo("/", &["--client", client, "--revision", revision]));
}

/// With a path of its own, an address is taken as it is.
#[test]
fn plain_clients_hear_what_is_posted() {
    each(&[("sse", ""), ("lines", ""), ("long-poll", ""), ("sse", "/live/")], |(client, path)| {
        broadcast(path, &["--client", client]);
    });
}

#[test]
fn a_raw_websocket_is_echoed() {
    echo("/live/", &["--client", "raw-websocket"]);
}

#[test]
fn a_raw_websocket_hears_what_is_posted() {
    let server = Serving::start(&[]);
    let (url, post) = (server.at("/live/"), server.at("/live/?event=broadcast"));
    let run = perfect(&["broadcast", &url, "--client", "raw-websocket", "--post-url", &post, "--rate", "30"], "");
    assert_eq!(run.completeness.delivered, run.completeness.sent * 6);
}

/// An echo alone is no broadcast, although the one who speaks hears something.
#[test]
fn who_hears_only_itself_is_no_broadcast() {
    let server = Serving::start(&[]);
    let outcome = run(&["broadcast", &server.at("/live/"), "--client", "raw-websocket"], "");
    let completeness = outcome.run.expect("a result").completeness;
    assert!(!outcome.status.success() && completeness.missing * 6 == completeness.expected * 5, "{completeness:?}");
}

#[test]
fn clients_come_and_go_by_every_transport() {
    each(&["polling", "upgrade", "sse", "lines", "long-poll"], |client| {
        let server = Serving::start(&[]);
        let run = perfect(&["connect", &server.url(), "--client", client, "--connect-rate", "30"], "");
        assert!(run.series.measured_counts().opened > 0, "{client}");
    });
}
