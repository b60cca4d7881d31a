//! RFC 6455, the client's half of it.

use std::collections::VecDeque;

use sori::Server;

use crate::http::{Answer, Head, Http};

pub struct WebSocket {
    pub http: Http,
    pub head: Head,
    inbox: VecDeque<Frame>,
    /// Whether pings are answered.
    pub pongs: bool,
    pub pings: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Close(Option<u16>, String),
}

const UPGRADE: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

impl WebSocket {
    /// Upgrades, or gives the answer that came instead. None when the network broke before.
    pub async fn open(io: &Server, target: &str, headers: &str, buffer: usize, budget: usize) -> Option<Result<Self, Answer>> {
        let mut http = Http::open(io, buffer);
        http.budget = budget;
        http.request("GET", target, &format!("{UPGRADE}{headers}"), b"").await;
        let head = http.head().await?;
        if head.status != 101 {
            let length = head.get("content-length").map_or(0, |length| length.parse().unwrap());
            while http.rest().len() < length {
                http.read().await?;
            }
            return Some(Err(Answer { head, body: std::mem::take(http.rest()) }));
        }
        assert_eq!(head.get("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        Some(Ok(Self { http, head, inbox: VecDeque::new(), pongs: true, pings: 0 }))
    }

    pub async fn text(&mut self, text: &str) {
        self.write(1, text.as_bytes()).await;
    }

    pub async fn binary(&mut self, data: &[u8]) {
        self.write(2, data).await;
    }

    /// The next message, or the close frame. None when the connection ends without one.
    pub async fn receive(&mut self) -> Option<Frame> {
        loop {
            while let Some((opcode, payload)) = self.take() {
                let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
                match opcode {
                    1 => self.inbox.push_back(Frame::Text(text(payload))),
                    2 => self.inbox.push_back(Frame::Binary(payload)),
                    8 if payload.is_empty() => self.inbox.push_back(Frame::Close(None, String::new())),
                    8 => {
                        let code = u16::from_be_bytes([payload[0], payload[1]]);
                        self.inbox.push_back(Frame::Close(Some(code), text(payload[2..].to_vec())));
                    }
                    9 => {
                        self.pings += 1;
                        if self.pongs {
                            self.write(10, &payload).await;
                        }
                    }
                    10 => {}
                    other => panic!("opcode {other}"),
                }
            }
            if let Some(frame) = self.inbox.pop_front() {
                return Some(frame);
            }
            self.http.read().await?;
        }
    }

    /// A whole frame of the server: unfragmented, unmasked, its length in the shortest form.
    fn take(&mut self) -> Option<(u8, Vec<u8>)> {
        let bytes = self.http.rest();
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        assert_eq!((first & 0xf0, second & 0x80), (0x80, 0), "a whole frame, and not masked");
        let (start, length) = match second {
            126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
            127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()) as usize),
            short => (2, usize::from(short)),
        };
        assert!(start == 2 || (start == 4 && length > 125) || (start == 10 && length > 65_535));
        let payload = bytes.get(start..start + length)?.to_vec();
        bytes.drain(..start + length);
        Some((first & 0x0f, payload))
    }

    async fn write(&mut self, opcode: u8, payload: &[u8]) {
        const MASK: [u8; 4] = [7, 3, 1, 9];
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            n @ 0..=125 => frame.push(0x80 | n as u8),
            n @ 126..=65_535 => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(n as u16).to_be_bytes());
            }
            n => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(n as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.http.write(&frame).await;
    }
}
