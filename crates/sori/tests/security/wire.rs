//! A client made of raw bytes on TCP: nothing between the test and the wire, and nothing that prevents a mistake.

use std::{collections::VecDeque, future::Future, net::SocketAddr, time::Duration};

use sori_proto::ws::{
    Message, Reader,
    frame::{Header, OpCode},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What takes longer than this hangs.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for something that is to happen.
#[track_caller]
pub fn within<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move { tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("hangs: {caller}")) }
}

/// Waits until a condition holds.
#[track_caller]
pub fn until(condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    until_within(PATIENCE, condition)
}

/// Waits until a condition holds, for what may take longer.
#[track_caller]
pub fn until_within(patience: Duration, condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let holds = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(patience, holds).await.unwrap_or_else(|_| panic!("never: {caller}"));
    }
}

/// One TCP connection that speaks HTTP/1.1.
pub struct Http {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer; its head is in lower case.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Http {
    pub async fn open(address: SocketAddr) -> Self {
        // A small window, so that not reading is noticed soon.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        let stream = within(socket.connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Writes what the server will take; it may hang up in between.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = within(self.stream.write_all(bytes.as_ref())).await;
    }

    pub async fn request(&mut self, method: &str, target: &str, headers: &str, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let length =
            if body.is_empty() && method == "GET" { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let mut bytes = format!("{method} {target} HTTP/1.1\r\nhost: test\r\n{length}{headers}\r\n").into_bytes();
        bytes.extend_from_slice(body);
        self.write(bytes).await;
    }

    /// The next answer; none when the server hangs up instead.
    pub async fn answer(&mut self) -> Option<Answer> {
        let end = loop {
            match find(&self.buffer, b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.read().await?,
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        while self.buffer.len() < end + length {
            self.read().await?;
        }
        let rest = self.buffer.split_off(end + length);
        let body = String::from_utf8_lossy(&self.buffer[end..]).into_owned();
        self.buffer = rest;
        Some(Answer { status, head, body })
    }

    /// The head of an answer whose body goes on; what came of the body waits to be read.
    pub async fn head(&mut self) -> Option<Answer> {
        let end = loop {
            match find(&self.buffer, b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.read().await?,
            }
        };
        let rest = self.buffer.split_off(end);
        let head = String::from_utf8_lossy(&std::mem::replace(&mut self.buffer, rest)).to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Answer { status, head, body: String::new() })
    }

    /// The next chunk of a body; none at its end, or when the server hangs up.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let start = loop {
            match find(&self.buffer, b"\r\n") {
                Some(end) => break end,
                None => self.read().await?,
            }
        };
        let size = usize::from_str_radix(str::from_utf8(&self.buffer[..start]).unwrap(), 16).expect("RFC 9112, 7.1");
        while self.buffer.len() < start + size + 4 {
            self.read().await?;
        }
        let mut chunk: Vec<u8> = self.buffer.drain(..start + size + 4).skip(start + 2).collect();
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    #[allow(dead_code)]
    /// So many bytes of a body.
    pub async fn exactly(&mut self, bytes: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < bytes {
            self.read().await?;
        }
        Some(self.buffer.drain(..bytes).collect())
    }

    #[allow(dead_code)]
    pub fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// Waits until the server hangs up.
    pub async fn hung_up(&mut self) {
        while self.read().await.is_some() {}
    }

    /// Whether the server has hung up, as far as is known without reading.
    pub fn is_hung_up(&self) -> bool {
        matches!(self.stream.try_write(&[]), Err(error) if error.kind() != std::io::ErrorKind::WouldBlock)
    }

    async fn read(&mut self) -> Option<()> {
        within(self.stream.read_buf(&mut self.buffer)).await.ok().filter(|n| *n > 0).map(drop)
    }

    /// Ends with a TCP reset.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Says that nothing more will come, and goes on listening.
    pub async fn half_close(&mut self) {
        let _ = self.stream.shutdown().await;
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// One request on a connection of its own.
pub async fn request(address: SocketAddr, method: &str, target: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
    let mut http = Http::open(address).await;
    http.request(method, target, headers, body).await;
    let answer = http.answer().await.expect("an answer");
    // Else thousands of requests would leave as many ports waiting.
    http.reset();
    answer
}

pub const UPGRADE: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A WebSocket of the client, which may break every rule.
pub struct WebSocket {
    pub http: Http,
    pub head: String,
    reader: Reader,
    inbox: VecDeque<Received>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    Text(String),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    /// A close frame and its code.
    Close(Option<u16>),
    /// The connection ended without one.
    End,
}

impl WebSocket {
    /// Upgrades, or gives the answer that came instead.
    pub async fn open(address: SocketAddr, target: &str, headers: &str) -> Result<Self, Answer> {
        let mut http = Http::open(address).await;
        http.request("GET", target, &format!("{UPGRADE}{headers}"), "").await;
        let answer = http.answer().await.expect("an answer");
        match answer.status {
            101 => Ok(Self { http, head: answer.head, reader: Reader::client(1 << 24, None), inbox: VecDeque::new() }),
            _ => Err(answer),
        }
    }

    /// Goes on where a request for an upgrade was written.
    pub async fn of(mut http: Http) -> Self {
        let answer = http.answer().await.expect("an answer");
        assert_eq!(answer.status, 101);
        Self { http, head: answer.head, reader: Reader::client(1 << 24, None), inbox: VecDeque::new() }
    }

    pub async fn text(&mut self, text: &str) {
        self.http.write(frame(true, OpCode::Text, text.as_bytes())).await;
    }

    pub async fn binary(&mut self, data: &[u8]) {
        self.http.write(frame(true, OpCode::Binary, data)).await;
    }

    pub async fn receive(&mut self) -> Received {
        within(self.receive_some_day()).await
    }

    /// As [`WebSocket::receive`], however long it takes. May be dropped while it waits.
    pub async fn receive_some_day(&mut self) -> Received {
        loop {
            let mut input = &mut self.http.buffer[..];
            while let Some(message) = self.reader.next(&mut input).expect("the server keeps to RFC 6455") {
                self.inbox.push_back(match message {
                    Message::Text(text) => Received::Text(text.into_owned()),
                    Message::Binary(data) => Received::Binary(data.into_owned()),
                    Message::Pong(data) => Received::Pong(data.into_owned()),
                    Message::Close { code, .. } => Received::Close(code),
                    Message::Ping(_) => continue,
                });
            }
            self.http.buffer.clear();
            if let Some(received) = self.inbox.pop_front() {
                return received;
            }
            if self.http.stream.read_buf(&mut self.http.buffer).await.unwrap_or(0) == 0 {
                return Received::End;
            }
        }
    }

    /// The next text that is not a heartbeat, which is answered.
    pub async fn receive_text(&mut self) -> Option<String> {
        loop {
            match self.receive().await {
                Received::Text(text) if text == "2" => self.text("3").await,
                Received::Text(text) => return Some(text),
                Received::Close(_) | Received::End => return None,
                Received::Binary(_) | Received::Pong(_) => {}
            }
        }
    }

    /// The code of the close frame to come; what comes before it is passed over. None: there was no frame.
    pub async fn closed(&mut self) -> Option<Option<u16>> {
        loop {
            match self.receive().await {
                Received::Close(code) => return Some(code),
                Received::End => return None,
                _ => {}
            }
        }
    }
}

/// A masked frame.
pub fn frame(fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    Header { fin, rsv1: false, opcode, mask: Some([7, 3, 1, 9]), len: payload.len() as u64 }.frame(payload).to_vec()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
