//! HTTP/2 in clear text against the program, from raw bytes: floods that cost their connection and nobody else's.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(20);
/// What a flood may leave in the process's memory, buffers of the allocator among it.
const GROWTH_KIB_MAX: u64 = 24 * 1_024;

/// RFC 9113, 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A server on a port of its own.
struct Sori {
    child: Child,
    address: SocketAddr,
}

impl Sori {
    fn start(settings: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sori"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--no-demo"]).env("SORI_LOG", "off");
        for setting in settings {
            command.args(["--set", setting]);
        }
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut banner = String::new();
        while !banner.contains("  config ") {
            assert!(lines.read_line(&mut banner).expect("it is text") > 0, "it ended early: {banner}");
        }
        std::thread::spawn(move || drop(std::io::copy(&mut lines, &mut std::io::sink())));
        let address = banner.split_once("listening on ").expect("it says where").1.split_once(". ").expect("a sentence").0;
        Self { child, address: address.parse().expect("an address") }
    }

    /// Somebody else, over HTTP/1.1.
    fn get(&self, target: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer in time");
        answer
    }

    fn serves_others(&self) {
        let begun = Instant::now();
        let answer = self.get("/live?wait=0");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    fn memory_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok())
    }
}

impl Drop for Sori {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that keeps to nothing.
struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    fn connect(sori: &Sori) -> Self {
        let stream = TcpStream::connect(sori.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a timeout");
        let mut client = Self { stream, read: Vec::new() };
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        client.frame(SETTINGS, 0, 0, &[]);
        client
    }

    /// False when the server has hung up, or takes no more.
    fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        let bytes = frame(kind, flags, stream, payload);
        self.send(&bytes)
    }

    /// The next frame: kind, flags, stream, payload. None when the server has hung up.
    fn receive(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        loop {
            if self.read.len() >= 9 {
                let len = usize::from(self.read[0]) << 16 | usize::from(self.read[1]) << 8 | usize::from(self.read[2]);
                if self.read.len() >= 9 + len {
                    let frame: Vec<u8> = self.read.drain(..9 + len).collect();
                    let stream = u32::from_be_bytes([frame[5] & 0x7f, frame[6], frame[7], frame[8]]);
                    return Some((frame[3], frame[4], stream, frame[9..].to_vec()));
                }
            }
            let mut buffer = [0; 16 * 1_024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(n) => self.read.extend_from_slice(&buffer[..n]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!("it says nothing"),
                Err(_) => return None,
            }
        }
    }

    /// Reads until a frame of this kind.
    fn until(&mut self, kind: u8) -> (u8, u32, Vec<u8>) {
        loop {
            let (k, flags, stream, payload) = self.receive().expect("it goes on");
            if k == kind && !(kind == SETTINGS && flags == 0) {
                return (flags, stream, payload);
            }
            assert_ne!(k, GOAWAY, "{payload:?}");
        }
    }

    /// Reads until the server has hung up; whether it said why.
    fn ends(mut self) -> Option<u32> {
        let mut why = None;
        while let Some((kind, _, _, payload)) = self.receive() {
            if kind == GOAWAY {
                why = Some(u32::from_be_bytes(payload[4..8].try_into().expect("four")));
            }
        }
        why
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u32;
    let mut bytes = vec![(len >> 16) as u8, (len >> 8) as u8, len as u8, kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// RFC 7541: method and scheme from the static table, path and authority as literals without index.
fn request(method: &str, path: &str) -> Vec<u8> {
    let mut block = vec![if method == "POST" { 0x83 } else { 0x82 }, 0x86];
    for (name, value) in [(0x04, path), (0x01, "a")] {
        block.extend_from_slice(&[name, u8::try_from(value.len()).expect("short")]);
        block.extend_from_slice(value.as_bytes());
    }
    block
}

/// Runs a flood for as long as it is let; what it leaves is bounded, and others are served meanwhile and afterwards.
#[track_caller]
fn flood(
    settings: &[&str],
    times: u32,
    begin: impl FnOnce(&mut Client),
    mut wave: impl FnMut(&mut Client, u32) -> bool,
) -> Client {
    let sori = Sori::start(settings);
    sori.serves_others();
    let before = sori.memory_kib();
    let mut client = Client::connect(&sori);
    begin(&mut client);
    for n in 0..times {
        if !wave(&mut client, n) {
            break;
        }
        if n % (times / 4) == 0 {
            sori.serves_others();
        }
    }
    sori.serves_others();
    if let Some((before, after)) = before.zip(sori.memory_kib()) {
        assert!(after < before + GROWTH_KIB_MAX, "{before} KiB became {after}");
    }
    client
}

#[test]
fn a_session_ends_with_its_stream() {
    let sori = Sori::start(&["limits.sessions_max=4"]);
    let mut client = Client::connect(&sori);
    for n in 0..20 {
        let stream = 2 * n + 1;
        client.frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", "/live?framing=lines"));
        let (_, on, payload) = client.until(DATA);
        assert_eq!(on, stream);
        assert!(String::from_utf8_lossy(&payload).contains("\"event\":\"connect\""), "{}", payload.escape_ascii());
        client.frame(RST_STREAM, 0, stream, &8u32.to_be_bytes());
        // In order behind the reset.
        client.frame(PING, 0, 0, &[n as u8; 8]);
        client.until(PING);
    }
    // A connection that ends takes all of its streams' sessions along.
    for n in 20..24 {
        client.frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &request("GET", "/live?framing=sse"));
        client.until(DATA);
    }
    let full = || sori.get("/live?wait=0").starts_with("HTTP/1.1 503");
    assert!(full());
    drop(client);
    let begun = Instant::now();
    while full() {
        assert!(begun.elapsed() < PATIENCE, "sessions are left");
    }
}

/// Rapid reset [CVE-2023-44487, RUSTSEC-2024-0003]
#[test]
fn streams_that_are_reset_at_once() {
    for path in ["/live?framing=sse", "/live?wait=5", "/socket.io/?EIO=4&transport=polling"] {
        let mut stream = 1;
        let client = flood(
            &["limits.sessions_max=1000000", "limits.plain_idle_ms=100"],
            400,
            |_| {},
            |client, _| {
                let mut wave = Vec::new();
                for _ in 0..50 {
                    wave.extend_from_slice(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", path)));
                    wave.extend_from_slice(&frame(RST_STREAM, 0, stream, &8u32.to_be_bytes()));
                    stream += 2;
                }
                client.send(&wave)
            },
        );
        drop(client);
    }
}

/// CONTINUATION flood [RUSTSEC-2024-0332]: full frames, and empty ones.
#[test]
fn headers_that_never_end() {
    for payload in [&[0x82; 16_384][..], &[0; 100], &[]] {
        let begin = |client: &mut Client| _ = client.frame(HEADERS, 0, 1, &request("GET", "/live"));
        let wave = frame(CONTINUATION, 0, 1, payload).repeat(20);
        let client = flood(&[], 2_000, begin, |client, _| client.send(&wave));
        // The connection is over: nothing but the end of that block could be read on it.
        assert!(client.ends().is_some_and(|why| why != 0) || payload.is_empty());
    }
}

/// Empty DATA flood [RUSTSEC-2026-0258], and of one byte each.
#[test]
fn bodies_of_nothing() {
    for payload in [&b""[..], b"x"] {
        let begin = |client: &mut Client| _ = client.frame(HEADERS, END_HEADERS, 1, &request("POST", "/live?event=x"));
        let wave = frame(DATA, 0, 1, payload).repeat(1_000);
        drop(flood(&[], 400, begin, |client, _| client.send(&wave)));
    }
}

/// Resets that the server is made to send [CVE-2025-8671]
#[test]
fn streams_that_the_server_resets() {
    let mistakes: [(u8, &[u8]); 3] =
        [(WINDOW_UPDATE, &[0; 4]), (WINDOW_UPDATE, &[0x7f, 0xff, 0xff, 0xff]), (DATA, b"after the end")];
    for (kind, payload) in mistakes {
        let mut stream = 1;
        let client = flood(
            &["limits.plain_idle_ms=100"],
            400,
            |_| {},
            |client, _| {
                let mut wave = Vec::new();
                for _ in 0..50 {
                    wave.extend_from_slice(&frame(
                        HEADERS,
                        END_HEADERS | END_STREAM,
                        stream,
                        &request("GET", "/live?framing=sse"),
                    ));
                    wave.extend_from_slice(&frame(kind, 0, stream, payload));
                    stream += 2;
                }
                client.send(&wave)
            },
        );
        assert_ne!(client.ends(), Some(0), "20,000 resets end a connection");
    }
}

/// Frames that ask for an answer, of a client that reads none.
#[test]
fn questions_whose_answers_nobody_reads() {
    for wave in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff])] {
        let wave = wave.repeat(1_000);
        drop(flood(&[], 2_000, |_| {}, |client, _| client.send(&wave)));
    }
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    let sori = Sori::start(&["limits.sessions_max=1000"]);
    let mut client = Client::connect(&sori);
    client.until(SETTINGS);
    for n in 0..251 {
        client.frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &request("GET", "/live?framing=sse"));
    }
    let (_, stream, why) = client.until(RST_STREAM);
    // REFUSED_STREAM
    assert_eq!((stream, &why[..]), (501, &[0, 0, 0, 7][..]));
    // And the client is told a head that is too large, instead of being read to.
    let mut client = Client::connect(&sori);
    let mut block = request("GET", "/live?wait=0");
    // HPACK: a literal that enters the dynamic table, and then a byte for each time that it comes again.
    block.extend_from_slice(&[0x40, 1, b'x', 120]);
    block.extend_from_slice(&[b'y'; 120]);
    block.extend_from_slice(&[0xbe; 15_000]);
    client.frame(HEADERS, END_HEADERS | END_STREAM, 1, &block);
    drop(client);
    sori.serves_others();
}

/// A reader that stops reading one stream is closed as slow, and the others of its connection go on.
#[test]
fn a_window_that_is_never_opened() {
    let sori = Sori::start(&["limits.outbox_bytes_max=20000"]);
    let mut client = Client::connect(&sori);
    // SETTINGS_INITIAL_WINDOW_SIZE is zero: no byte of any body may be sent.
    client.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    client.frame(HEADERS, END_HEADERS | END_STREAM, 1, &request("GET", "/live?framing=lines"));
    let (_, stream, _) = client.until(HEADERS);
    assert_eq!(stream, 1);
    sori.serves_others();
    client.frame(PING, 0, 0, &[1; 8]);
    client.until(PING);
}
