//! A client made of raw bytes, over in-memory streams: nothing between the test and the wire.

use hyper_util::rt::TokioIo;
use sori::Server;
use sori_proto::ws::{
    Message, Reader,
    frame::{Header, OpCode},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// A connection to the server, through hyper, as a listener would have accepted it.
pub fn connect(io: &Server, buffer: usize) -> DuplexStream {
    let (near, far) = tokio::io::duplex(buffer);
    let service = hyper_util::service::TowerToHyperService::new(io.service());
    tokio::spawn(async move {
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service);
        let _ = connection.with_upgrades().await;
    });
    near
}

/// Status and body of one request on a connection of its own.
pub async fn request(io: &Server, method: &str, target: &str, body: &str) -> (u16, String) {
    let mut stream = connect(io, 4096);
    let head = format!("{method} {target} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        if let Some(end) = find(&answer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
            let length: usize =
                head.split("content-length: ").nth(1).map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
            if answer.len() >= end + 4 + length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return (status, String::from_utf8_lossy(&answer[end + 4..end + 4 + length]).into_owned());
            }
        }
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "the answer was cut off");
    }
}

/// A WebSocket of the client.
pub struct WebSocket {
    stream: DuplexStream,
    reader: Reader,
    buffer: Vec<u8>,
    inbox: std::collections::VecDeque<String>,
}

impl WebSocket {
    pub async fn open(io: &Server, target: &str, buffer: usize) -> Self {
        let mut stream = connect(io, buffer);
        let head = format!(
            "GET {target} HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while find(&answer, b"\r\n\r\n").is_none() {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "no 101");
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        let end = find(&answer, b"\r\n\r\n").unwrap() + 4;
        Self { stream, reader: Reader::client(1 << 24, None), buffer: answer.split_off(end), inbox: Default::default() }
    }

    pub async fn send(&mut self, text: &str) {
        let header = Header { fin: true, rsv1: false, opcode: OpCode::Text, mask: Some([7, 3, 1, 9]), len: text.len() as u64 };
        self.stream.write_all(&header.frame(text.as_bytes())).await.unwrap();
    }

    /// Sends a frame as the network may cut it.
    pub async fn send_in_pieces(&mut self, text: &str, dice: &mut Dice) {
        let header = Header { fin: true, rsv1: false, opcode: OpCode::Text, mask: Some([7, 3, 1, 9]), len: text.len() as u64 };
        let frame = header.frame(text.as_bytes());
        let mut rest = &frame[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((1 + dice.below(12) as usize).min(rest.len()));
            self.stream.write_all(piece).await.unwrap();
            if dice.below(2) == 0 {
                tokio::task::yield_now().await;
            }
            rest = after;
        }
    }

    /// The next text message; none once the server has closed.
    pub async fn receive(&mut self) -> Option<String> {
        loop {
            let mut input = &mut self.buffer[..];
            while let Some(message) = self.reader.next(&mut input).expect("the server keeps to RFC 6455") {
                match message {
                    Message::Text(text) => self.inbox.push_back(text.into_owned()),
                    Message::Close { .. } => self.inbox.push_back(CLOSED.into()),
                    _ => {}
                }
            }
            self.buffer.clear();
            if let Some(text) = self.inbox.pop_front() {
                return (text != CLOSED).then_some(text);
            }
            if self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

const CLOSED: &str = "\0closed";

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Numbers that look random, from a seed that is printed when a test fails.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}
