//! HTTP/1.1 as bytes, over in-memory connections, which the client may cut after any byte.

use hyper_util::rt::TokioIo;
use sori::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// One connection of a client.
pub struct Http {
    stream: DuplexStream,
    buffer: Vec<u8>,
    /// How many bytes the client still gets before the network breaks.
    pub budget: usize,
}

#[derive(Debug)]
pub struct Head {
    pub status: u16,
    headers: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub head: Head,
    pub body: Vec<u8>,
}

impl Http {
    /// A connection, as a listener would have accepted it, with so many bytes of buffer each way.
    pub fn open(io: &Server, buffer: usize) -> Self {
        let (near, far) = tokio::io::duplex(buffer);
        let service = hyper_util::service::TowerToHyperService::new(io.service());
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service);
            let _ = connection.with_upgrades().await;
        });
        Self { stream: near, buffer: Vec::new(), budget: usize::MAX }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    pub async fn request(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) {
        let length = match method {
            "GET" | "DELETE" => String::new(),
            _ => format!("content-length: {}\r\n", body.len()),
        };
        let mut bytes = format!("{method} {target} HTTP/1.1\r\nhost: test\r\n{length}{headers}\r\n").into_bytes();
        bytes.extend_from_slice(body);
        self.write(&bytes).await;
    }

    /// The head of the next answer; none when the connection ends before.
    pub async fn head(&mut self) -> Option<Head> {
        let end = loop {
            match find(&self.buffer, b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.read().await?,
            }
        };
        let text = String::from_utf8(self.buffer.drain(..end).collect()).expect("a head is ASCII");
        let mut lines = text.split("\r\n");
        let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").expect("a status line")[..3].parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.to_ascii_lowercase(), v.into()));
        Some(Head { status, headers: headers.collect() })
    }

    /// The next answer; none when the connection ends before all of it came.
    pub async fn answer(&mut self) -> Option<Answer> {
        let head = self.head().await?;
        let mut body = Vec::new();
        match head.get("content-length") {
            Some(length) => {
                let length: usize = length.parse().unwrap();
                while self.buffer.len() < length {
                    self.read().await?;
                }
                body.extend(self.buffer.drain(..length));
            }
            None if head.is_chunked() => while self.chunk(&mut body).await? {},
            None => assert_eq!(head.status, 204, "a body of unknown length"),
        }
        Some(Answer { head, body })
    }

    /// Appends the next chunk. False for the last, none when the connection ends before.
    pub async fn chunk(&mut self, into: &mut Vec<u8>) -> Option<bool> {
        let (start, length) = loop {
            match find(&self.buffer, b"\r\n") {
                Some(end) => {
                    let size = std::str::from_utf8(&self.buffer[..end]).unwrap();
                    break (end + 2, usize::from_str_radix(size, 16).expect("the size of a chunk"));
                }
                None => self.read().await?,
            }
        };
        // A browser hands on what it has of a chunk. An event whose end is missing is none, so whole chunks do as well.
        while self.buffer.len() < start + length + 2 {
            if self.read().await.is_none() {
                let have = self.buffer.len().min(start + length);
                into.extend_from_slice(&self.buffer[start..have.max(start)]);
                return None;
            }
        }
        assert_eq!(&self.buffer[start + length..start + length + 2], b"\r\n");
        into.extend_from_slice(&self.buffer[start..start + length]);
        self.buffer.drain(..start + length + 2);
        Some(length > 0)
    }

    /// What was read and belongs to nothing yet.
    pub fn rest(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Reads something; none at the end. May be dropped while it waits.
    pub async fn read(&mut self) -> Option<()> {
        let mut piece = [0; 2048];
        let most = self.budget.min(piece.len());
        if most == 0 {
            return None;
        }
        let n = self.stream.read(&mut piece[..most]).await.ok().filter(|n| *n > 0)?;
        self.budget -= if self.budget == usize::MAX { 0 } else { n };
        self.buffer.extend_from_slice(&piece[..n]);
        Some(())
    }
}

impl Head {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    pub fn is_chunked(&self) -> bool {
        self.get("transfer-encoding") == Some("chunked")
    }
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.status
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {:?}", String::from_utf8_lossy(&self.body)))
    }
}

/// One request on a connection of its own.
pub async fn request(io: &Server, method: &str, target: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
    let mut http = Http::open(io, 4096);
    http.request(method, target, headers, body.as_ref()).await;
    http.answer().await.expect("an answer")
}

pub const JSON: &str = "content-type: application/json\r\n";

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
