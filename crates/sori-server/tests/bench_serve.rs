//! `sori bench serve` as load tests meet it: a real process, and clients of each kind.

use std::{
    future::Future,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use sori_client::{Event, Message, Options, Post, SocketIo, Sse, WebSocket};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a port of its own.
struct Serving {
    child: Child,
    own: SocketAddr,
    shared: Option<SocketAddr>,
}

impl Serving {
    fn start(args: &[&str]) -> Self {
        let mut child = command(&[&["--listen", "127.0.0.1:0"], args].concat()).spawn().expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("it is text");
        let mut addresses = line.split([' ', ',']).filter_map(|word| word.trim_end_matches(':').parse().ok());
        let own = addresses.next().unwrap_or_else(|| panic!("it says where it listens, and not {line:?}"));
        Self { child, own, shared: addresses.next() }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.own)
    }

    fn plain_url(&self) -> String {
        format!("http://{}/live/", self.own)
    }

    async fn socket(&self) -> SocketIo {
        soon(SocketIo::open(&self.url(), &Options::new())).await.expect("it lets clients in")
    }

    /// As somebody who is no client.
    async fn post_broadcast(&self, text: &str) {
        let mut post = Post::open(&self.plain_url(), &Options::new()).expect("an address");
        let answered = soon(post.emit("broadcast", text, None)).await.expect("it is taken");
        assert_eq!((answered.status, &*answered.body), (204, &b""[..]));
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Ends it, and tells what it said on standard error.
    fn end(mut self) -> String {
        self.child.kill().expect("it runs");
        let mut said = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut said).expect("it is text");
        said
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sori"));
    command.args(["bench", "serve"]).args(args).env_remove("SORI_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Nothing here takes long. What does has gone wrong.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

/// The next event, which must be a `msg`.
async fn msg(client: &mut SocketIo) -> String {
    match soon(client.next()).await {
        Ok(Event::Event { name, args, .. }) if &*name == "msg" => args.deserialize().expect("a text"),
        other => panic!("{other:?} instead of msg"),
    }
}

#[tokio::test]
async fn echo_answers_and_broadcast_reaches_everybody() {
    let server = Serving::start(&[]);
    let (mut one, mut other) = (server.socket().await, server.socket().await);
    assert_eq!(soon(one.ask::<String>("echo", "hello")).await.expect("an answer"), "hello");
    one.emit("broadcast", "to all").expect("it is sent");
    assert_eq!((msg(&mut one).await, msg(&mut other).await), ("to all".to_owned(), "to all".to_owned()));
    assert_eq!(one.recovery(), None);
}

#[tokio::test]
async fn a_posted_broadcast_reaches_streams_and_sockets() {
    let server = Serving::start(&[]);
    let mut stream = soon(Sse::open(&server.plain_url(), &Options::new())).await.expect("a stream");
    assert_eq!(soon(stream.next()).await.expect("an event").event.as_ref(), "connect");
    let mut socket = server.socket().await;
    server.post_broadcast("news").await;
    let event = soon(stream.next()).await.expect("an event");
    assert_eq!((&*event.event, &*event.data), ("msg", "\"news\""));
    assert_eq!(msg(&mut socket).await, "news");
}

#[tokio::test]
async fn a_raw_websocket_hears_itself_and_broadcasts() {
    let server = Serving::start(&[]);
    let mut one = soon(WebSocket::open(&server.plain_url(), &Options::new())).await.expect("a WebSocket");
    let mut other = soon(WebSocket::open(&server.plain_url(), &Options::new())).await.expect("a WebSocket");
    for text in ["[1]", "said"] {
        one.send_text(text).expect("it is sent");
        assert_eq!(soon(one.next()).await.expect("an echo"), Message::Text(text.into()));
    }
    server.post_broadcast("to all").await;
    // And not what the one has said to itself.
    assert_eq!(soon(other.next()).await.expect("a message"), Message::Text("to all".into()));
    assert_eq!(soon(one.next()).await.expect("a message"), Message::Text("to all".into()));
}

/// What comes of the broadcasts 1 to 51, and of as many echoes.
async fn with_fault(kind: &str) -> (Vec<u32>, Vec<u32>, String) {
    let server = Serving::start(&["--fault", kind]);
    let mut client = server.socket().await;
    for n in 1..=51 {
        client.emit("broadcast", &n.to_string()).expect("it is sent");
    }
    for n in 1..=51 {
        client.emit_with_ack("echo", &n.to_string()).expect("it is sent");
    }
    let (mut broadcasts, mut echoes) = (Vec::new(), Vec::new());
    let number = |args: sori_client::InArgs| args.deserialize::<String>().expect("a text").parse().expect("a number");
    // Everything takes the same way, so that the last answer comes last.
    while echoes.last() != Some(&51) {
        match soon(client.next()).await.expect("an event") {
            Event::Event { args, .. } => broadcasts.push(number(args)),
            Event::Ack { args, .. } => echoes.push(number(args)),
        }
    }
    (broadcasts, echoes, server.end())
}

#[tokio::test]
async fn it_drops_every_50th_when_told_so() {
    let (broadcasts, echoes, said) = with_fault("drop").await;
    assert_eq!(broadcasts, (1..=49).chain([51]).collect::<Vec<_>>());
    assert_eq!(echoes, (1..=49).chain([51]).collect::<Vec<_>>());
    assert!(said.contains("misbehaves on purpose: every 50th broadcast reaches nobody"), "{said}");
}

#[tokio::test]
async fn it_doubles_every_50th_when_told_so() {
    let (broadcasts, echoes, said) = with_fault("double").await;
    assert_eq!(broadcasts, (1..=50).chain([50, 51]).collect::<Vec<_>>());
    assert_eq!(echoes, (1..=51).collect::<Vec<_>>());
    assert!(said.contains("misbehaves on purpose: every 50th broadcast is sent twice"), "{said}");
}

#[tokio::test]
async fn it_holds_back_every_50th_when_told_so() {
    let (broadcasts, echoes, said) = with_fault("reorder").await;
    assert_eq!(broadcasts, (1..=49).chain([51, 50]).collect::<Vec<_>>());
    assert_eq!(echoes, (1..=51).collect::<Vec<_>>());
    assert!(said.contains("misbehaves on purpose: every 50th broadcast is held back"), "{said}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn two_processes_share_a_port() {
    let one = Serving::start(&["--shared", "127.0.0.1:0"]);
    let shared = one.shared.expect("it says where it listens").to_string();
    let other = Serving::start(&["--shared", &shared]);
    assert_eq!(other.shared, one.shared);
    let mut clients = Vec::new();
    for _ in 0..64 {
        clients.push(soon(SocketIo::open(&format!("http://{shared}/"), &Options::new())).await.expect("it lets clients in"));
    }
    one.post_broadcast("one").await;
    other.post_broadcast("other").await;
    let (mut at_one, mut at_other) = (0, 0);
    for client in &mut clients {
        match &*msg(client).await {
            "one" => at_one += 1,
            _ => at_other += 1,
        }
    }
    // All at the same one: once in 2^63 runs.
    assert!(at_one > 0 && at_other > 0, "{at_one} and {at_other}");
}

#[tokio::test]
async fn with_recovery_a_client_gets_what_it_missed() {
    let server = Serving::start(&["--recovery"]);
    let mut client = server.socket().await;
    client.emit("broadcast", "heard").expect("it is sent");
    assert_eq!(msg(&mut client).await, "heard");
    let recovery = client.recovery();
    assert!(recovery.is_some());
    client.reset();
    server.post_broadcast("missed").await;
    let options = Options::new().recover(recovery);
    let mut client = soon(SocketIo::open(&server.url(), &options)).await.expect("it lets clients in");
    assert!(client.recovered());
    assert_eq!(msg(&mut client).await, "missed");
}

#[test]
fn what_stands_in_the_way_is_a_sentence() {
    let server = Serving::start(&[]);
    let taken = server.own.to_string();
    let port = server.own.port();
    for (args, why) in [
        (["--listen", &taken], format!("sori: port {port} of 127.0.0.1 is in use, perhaps by another sori. ")),
        (["--listen", "nowhere"], "sori: --listen: \"nowhere\" is not an address with a port; ".into()),
        (["--shared", "nowhere"], "sori: --shared: \"nowhere\" is not an address with a port; ".into()),
    ] {
        let output = command(&args).output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(&why) && output.stdout.is_empty(), "{args:?}: {said}");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
    }
    // Who shares a port says so; the others keep theirs.
    let output = command(&["--listen", "127.0.0.1:0", "--shared", &taken]).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("take another port: sori bench serve --shared 127.0.0.1:"), "{said}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_ends_it_though_clients_are_there() {
    for name in ["INT", "TERM"] {
        let mut server = Serving::start(&[]);
        let mut client = server.socket().await;
        server.signal(name);
        assert!(soon(client.next()).await.is_err());
        assert_eq!(server.child.wait().expect("it ends").code(), Some(0), "{name}");
    }
}
