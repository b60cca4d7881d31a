//! The program as its users meet it: a real process, its output, its exit code, its sockets.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver},
    },
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn sori(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sori"));
    command.args(args).env_remove("SORI_LOG").stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    sori(args).output().expect("the program starts")
}

/// Runs what must fail, and returns what it says.
fn failure(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", text(&output.stdout));
    assert_eq!(text(&output.stdout), "");
    text(&output.stderr)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file that is gone with the test.
struct File(PathBuf);

impl File {
    fn new(content: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("sori-{}-{}.toml", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).expect("a file is written");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path of text")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A server on a port of its own.
struct Sori {
    child: Child,
    address: SocketAddr,
    /// What it said when it started.
    banner: String,
    lines: Receiver<String>,
}

impl Sori {
    fn start(args: &[&str]) -> Self {
        Self::run(sori(args))
    }

    /// With room for so many open files.
    fn start_with_files(files: u32, args: &[&str]) -> Self {
        let mut command = Command::new("sh");
        let script = format!("ulimit -Sn {files} && ulimit -Hn {files} && exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_sori")]).args(args).stdin(Stdio::null());
        Self::run(command)
    }

    fn run(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut banner = String::new();
        while !banner.contains("  config ") {
            assert!(lines.read_line(&mut banner).expect("it is text") > 0, "it ended early: {banner}");
        }
        let address = banner.split_once("listening on ").expect("it says where").1.split_once(". ").expect("a sentence").0;
        let mut address: SocketAddr = address.parse().expect("an address");
        if address.ip().is_unspecified() {
            address.set_ip([127, 0, 0, 1].into());
        }
        let (to, said) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
                let _ = to.send(std::mem::take(&mut line));
            }
        });
        Self { child, address, banner, lines: said }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Client(stream)
    }

    /// One request, and its whole answer.
    fn get(&self, path: &str) -> String {
        let mut client = self.connect();
        client.send(&format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address));
        client.read_to_end()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// The next line with this in it.
    fn says(&self, with: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("a line in time");
            if line.contains(with) {
                return line;
            }
        }
    }

    /// What it says at its end, and with which code it goes.
    fn end(&mut self) -> (String, ExitStatus) {
        let said = self.lines.iter().collect();
        (said, self.child.wait().expect("it ends"))
    }
}

impl Drop for Sori {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(TcpStream);

impl Client {
    fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).expect("it is sent");
    }

    fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        let (mut read, mut byte) = (Vec::new(), [0]);
        while !read.ends_with(end) {
            assert_eq!(self.0.read(&mut byte).expect("an answer in time"), 1, "it ended after {}", text(&read));
            read.push(byte[0]);
        }
        read
    }

    fn read_to_end(&mut self) -> String {
        let mut read = Vec::new();
        self.0.read_to_end(&mut read).expect("an answer in time");
        text(&read)
    }

    /// Becomes a WebSocket that has joined `/`.
    fn join(mut self) -> Self {
        self.send(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        assert!(text(&self.read_until(b"\r\n\r\n")).starts_with("HTTP/1.1 101"));
        self.read_until(b"}");
        // A masked text frame, `40`; the mask is zero.
        self.0.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'4', b'0']).expect("it is sent");
        self.read_until(b"\"}");
        self
    }
}

#[test]
fn help_explains_itself() {
    for args in [&["--help"][..], &["serve", "--help"]] {
        let help = text(&run(args).stdout);
        for part in
            ["--listen <ADDR>", "127.0.0.1:3000", "--config <FILE>", "--client-dir <DIR>", "--no-demo", "Where:", "Pages:"]
        {
            assert!(help.contains(part), "{args:?} does not show {part}:\n{help}");
        }
    }
    assert!(text(&run(&["serve", "--help"]).stdout).contains("SORI_LOG"));
    assert!(text(&run(&["--version"]).stdout).starts_with("sori "));
    // Wrong use is told apart from failure.
    let output = run(&["serve", "--listne", "x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--listen"), "{}", text(&output.stderr));
}

#[test]
fn its_own_reference_is_a_configuration() {
    let file = File::new(&text(&run(&["config"]).stdout));
    let sori = Sori::start(&["serve", "--config", file.path(), "--listen", "127.0.0.1:0"]);
    assert!(sori.banner.contains(file.path()), "{}", sori.banner);
}

#[test]
fn a_wrong_configuration_says_what_to_do() {
    let file = File::new("path = \"/rt\"\nping_intervall_ms = 5\n");
    let told = failure(&["serve", "--config", file.path()]);
    let expected = format!("sori: {}: line 2: unknown key `ping_intervall_ms`; did you mean `ping_interval_ms`?\n", file.path());
    assert_eq!(told, expected);
    let check = |args: &[&str], expected: &str| {
        let told = failure(&[&["serve"], args].concat());
        assert!(told.contains(expected), "{args:?}: {told}");
    };
    check(&["--config", "/does/not/exist.toml"], "cannot read the configuration /does/not/exist.toml");
    check(&["--listen", "3000"], "write it like 127.0.0.1:3000");
    check(&["--set", "ping_interval_ms=0"], "ping_interval must not be zero");
    check(&["--origin", "app.example"], "write it like https://app.example");
    check(&["--set", "cors.origin=[]"], "did you mean `origins`?");
}

#[test]
fn a_port_in_use_names_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let told = failure(&["serve", "--listen", &format!("127.0.0.1:{port}")]);
    assert!(told.contains(&format!("port {port} of 127.0.0.1 is in use")), "{told}");
    assert!(told.contains("sori serve --listen 127.0.0.1:"), "{told}");
}

#[test]
fn without_a_command_it_serves_the_demo_on_loopback() {
    let sori = Sori::start(&["--listen", "127.0.0.1:0"]);
    assert!(sori.banner.contains(&format!("http://{}/", sori.address)), "{}", sori.banner);
    let page = sori.get("/");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("content-security-policy: default-src 'none'"), "{page}");
    assert!(page.contains("data-path=\"/socket.io/\""), "{page}");
    for (path, kind) in [("/chat.css", "text/css"), ("/chat.js", "text/javascript"), ("/favicon.svg", "image/svg+xml")] {
        let answer = sori.get(path);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(kind), "{path}: {answer}");
    }
    let missing = sori.get("/nowhere");
    assert!(missing.starts_with("HTTP/1.1 404") && missing.contains("Socket.IO is at /socket.io/"), "{missing}");
    assert!(sori.get("/socket.io/?EIO=4&transport=polling").contains("\"upgrades\":[\"websocket\"]"));
}

#[test]
fn the_demo_is_off_for_everybody_else_unless_asked_for() {
    let check = |args: &[&str], status: &str| {
        let sori = Sori::start(args);
        assert!(sori.get("/").starts_with(status), "{args:?}");
    };
    let (silent, on) = (File::new(""), File::new("demo = true"));
    check(&["serve", "--listen", "0.0.0.0:0"], "HTTP/1.1 404");
    check(&["serve", "--listen", "0.0.0.0:0", "--demo"], "HTTP/1.1 200");
    check(&["serve", "--listen", "127.0.0.1:0", "--no-demo"], "HTTP/1.1 404");
    check(&["serve", "--listen", "127.0.0.1:0", "--config", silent.path()], "HTTP/1.1 404");
    check(&["serve", "--listen", "127.0.0.1:0", "--config", on.path()], "HTTP/1.1 200");
}

#[test]
fn the_gallery_comes_with_the_demo() {
    let sori = Sori::start(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(sori.banner.contains(&format!("http://{}/gallery/", sori.address)), "{}", sori.banner);
    let index = sori.get("/gallery/");
    assert!(index.starts_with("HTTP/1.1 200") && index.contains("/gallery/polling-chat/"), "{index}");
    assert!(sori.get("/gallery").contains("location: /gallery/"));
    assert!(sori.get("/galleryx").starts_with("HTTP/1.1 404"));
    // Each application is a server of its own, below its own path.
    assert!(sori.get("/gallery/messaging/socket.io/?EIO=4&transport=polling").contains("\"upgrades\":[\"websocket\"]"));
    let off = Sori::start(&["serve", "--listen", "127.0.0.1:0", "--no-demo"]);
    assert!(off.get("/gallery/").starts_with("HTTP/1.1 404"));
}

#[test]
fn the_lab_comes_with_the_demo() {
    let sori = Sori::start(&["--listen", "127.0.0.1:0"]);
    assert!(sori.banner.contains(&format!("http://{}/lab", sori.address)), "{}", sori.banner);
    assert!(sori.get("/lab").starts_with("HTTP/1.1 200"));
    assert!(sori.get("/").contains("href=\"/lab\""), "the first page leads there");
    assert!(sori.get("/lab/live?lab=abcdefgh&lane=sse&wait=0").contains("\"event\":\"hello\""));
    assert!(sori.get("/lab/socket.io/?EIO=4&transport=polling").contains("\"sid\""));
    assert!(sori.get("/labs").starts_with("HTTP/1.1 404"));
}

#[test]
fn what_the_gallery_has_stored_survives_a_kill() {
    let dir = std::env::temp_dir().join(format!("sori-data-{}", std::process::id()));
    let args = ["serve", "--listen", "127.0.0.1:0", "--data-dir", dir.to_str().expect("a path of text")];
    let sori = Sori::start(&args);
    let mut client = sori.connect();
    let body = "nickname=Ada&message=still+here";
    client.send(&format!(
        "POST /gallery/polling-chat/messages HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    let answer = client.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    drop(sori);
    assert!(Sori::start(&args).get("/gallery/polling-chat/messages").contains("still here"));
    let _ = std::fs::remove_dir_all(dir);
}

#[test]
fn a_held_request_is_answered_at_the_end() {
    let mut sori = Sori::start(&["serve", "--listen", "127.0.0.1:0"]);
    let mut client = sori.connect();
    client.send(
        "POST /gallery/long-polling/longpolling HTTP/1.1\r\nhost: a\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: 0\r\n\r\n",
    );
    // Nothing tells that it waits; by the time of so many other answers it does.
    (0..20).for_each(|_| drop(sori.get("/favicon.svg")));
    sori.signal("INT");
    assert!(client.read_to_end().ends_with("End"), "the held request is answered");
    assert!(sori.end().0.contains("Done: 0 clients told"));
}

#[test]
fn the_file_applies_and_the_command_line_wins() {
    let file = File::new(
        "listen = \"127.0.0.1:0\"\npath = \"/file\"\nping_interval_ms = 1234\nmax_http_buffer_size_bytes = 777\n\
         allow_upgrades = false\nserve_client = false\n[cookie]\nname = \"node\"\n",
    );
    let sori = Sori::start(&["serve", "--config", file.path(), "--path", "/flag", "--set", "ping_timeout_ms=987"]);
    let answer = sori.get("/flag/?EIO=4&transport=polling");
    let expected = "\"upgrades\":[],\"pingInterval\":1234,\"pingTimeout\":987,\"maxPayload\":777}";
    assert!(answer.contains(expected) && answer.contains("set-cookie: node="), "{answer}");
    assert!(sori.get("/file/?EIO=4&transport=polling").starts_with("HTTP/1.1 404"));
    assert!(!sori.get("/flag/socket.io.js").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_slow_request_ends() {
    let sori = Sori::start(&["serve", "--listen", "127.0.0.1:0", "--set", "header_read_timeout_ms=50"]);
    let mut client = sori.connect();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-slow");
    // The answer does not matter; that there is an end does.
    client.read_to_end();
}

#[test]
fn when_files_run_out_it_waits_for_some() {
    let sori = Sori::start_with_files(32, &["serve", "--listen", "127.0.0.1:0"]);
    let crowd: Vec<_> = (0..64).map(|_| sori.connect()).collect();
    drop(crowd);
    assert!(sori.get("/favicon.svg").starts_with("HTTP/1.1 200"));
}

#[test]
fn ctrl_c_tells_everybody_and_says_so() {
    for signal in ["INT", "TERM"] {
        let mut sori = Sori::start(&["serve", "--listen", "127.0.0.1:0"]);
        let mut client = sori.connect().join();
        sori.signal(signal);
        // A close frame, or at least the end of the stream; not a reset, and not the process's last breath.
        let last = client.read_to_end();
        drop(client);
        let (said, status) = sori.end();
        assert!(said.contains("Telling 1 client to go …\nDone: 1 client told, in "), "{said}");
        assert_eq!(status.code(), Some(0), "{said}{last}");
        assert!(TcpStream::connect(sori.address).is_err(), "the port is free");
    }
}

#[test]
fn who_sends_usr1_is_told_what_is_held() {
    let mut sori = Sori::start(&["serve", "--listen", "127.0.0.1:0"]);
    sori.signal("USR1");
    let before = sori.says("State: ");
    assert!(before.starts_with("State: sessions 0, opened 0, sockets 0, rooms 0, rejected 0, panics 0, tasks "), "{before}");
    let client = sori.connect().join();
    sori.signal("USR1");
    let with_one = sori.says("State: ");
    assert!(with_one.starts_with("State: sessions 1, opened 1, sockets 1, rooms 0, rejected 0, panics 0, tasks "), "{with_one}");
    let tasks =
        |state: &str| state.trim_end_matches(".\n").rsplit(' ').next().and_then(|n| n.parse::<u32>().ok()).expect("a number");
    assert!(tasks(&with_one) > tasks(&before), "a WebSocket has a task: {with_one}");
    // It goes on as before, and answers while it ends, too.
    drop(client);
    sori.signal("INT");
    assert!(sori.end().0.contains("Done: "));
}

#[test]
fn a_waiting_poll_is_answered_at_the_end() {
    let mut sori = Sori::start(&["serve", "--listen", "127.0.0.1:0"]);
    let opened = sori.get("/socket.io/?EIO=4&transport=polling");
    let sid = opened.split_once("\"sid\":\"").expect("a sid").1.split_once('"').expect("its end").0;
    let mut poll = sori.connect();
    poll.send(&format!("GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: a\r\n\r\n"));
    let mut post = sori.connect();
    post.send(&format!("POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n40"));
    post.read_until(b"ok");
    poll.read_until(b"\"}");
    poll.send(&format!("GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: a\r\n\r\n"));
    // Nothing tells that a poll waits; by the time of so many other answers it does.
    (0..20).for_each(|_| drop(sori.get("/favicon.svg")));
    sori.signal("INT");
    assert!(poll.read_to_end().contains("HTTP/1.1 200"), "the last poll is answered");
    assert!(sori.end().0.contains("Done: 1 client told"));
}

#[test]
fn a_second_ctrl_c_stops_at_once() {
    let mut sori = Sori::start(&["serve", "--listen", "127.0.0.1:0", "--set", "shutdown_timeout_ms=60000"]);
    // A body that never comes keeps the server waiting.
    let opened = sori.get("/socket.io/?EIO=4&transport=polling");
    let sid = opened.split_once("\"sid\":\"").expect("a sid").1.split_once('"').expect("its end").0;
    let mut post = sori.connect();
    post.send(&format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n"
    ));
    // Asked to go on, so the request has begun.
    post.read_until(b"100 Continue\r\n\r\n");
    sori.signal("INT");
    while TcpStream::connect(sori.address).is_ok() {
        std::thread::yield_now();
    }
    sori.signal("INT");
    let (said, status) = sori.end();
    assert!(said.ends_with("Stopped at once.\n"), "{said}");
    assert_eq!(status.code(), Some(130));
}
