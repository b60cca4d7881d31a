//! One TCP connection of a client.

use std::{collections::VecDeque, net::TcpStream, str::FromStr};

/// What a client speaks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Protocol {
    /// Engine.IO 4 and Socket.IO 5 over WebSocket.
    SocketIo,
    /// The same over HTTP long polling.
    SocketIoPolling,
    /// Text frames and nothing else.
    WebSocket,
    EventSource,
    /// Nchan's (Last-Modified, ETag) or Sori's (sid, cursor).
    LongPoll,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Stage {
    Connecting,
    /// Waits for a 101 or for the head of a stream.
    Head,
    /// Waits for Engine.IO's open packet.
    EngineOpen,
    /// Waits for Socket.IO's connect packet.
    SocketOpen,
    Ready,
    Closed,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Role {
    /// What a client listens on; it also sends, if its protocol does that on one connection.
    Main,
    /// Where a polling client posts; its main link is the one before it.
    Post,
    /// Where broadcasts are posted.
    Publisher,
}

pub struct Link {
    pub protocol: Protocol,
    pub role: Role,
    /// Which of the generator's paths.
    pub path: usize,
    pub stage: Stage,
    pub stream: Option<TcpStream>,
    pub wants_write: bool,
    /// A request is under way (polling).
    pub busy: bool,
    pub chunked: bool,
    /// Received and not used yet.
    pub inbox: Vec<u8>,
    pub outbox: Vec<u8>,
    /// What the next request must name: polling's sid, a long poll's place. For SSE, the body without its chunks.
    pub note: Vec<u8>,
    /// Bodies to post.
    pub posts: VecDeque<Vec<u8>>,
    /// Echoes under way, and when each was sent.
    pub asked: VecDeque<(u32, u64)>,
    pub asked_last: u32,
}

impl Link {
    pub fn new(protocol: Protocol, role: Role, path: usize) -> Self {
        Self {
            protocol,
            role,
            path,
            stage: Stage::Connecting,
            stream: None,
            wants_write: true,
            busy: false,
            chunked: false,
            inbox: Vec::new(),
            outbox: Vec::new(),
            note: Vec::new(),
            posts: VecDeque::new(),
            asked: VecDeque::new(),
            asked_last: 0,
        }
    }

    /// When the echo with this number was sent; from now on it is not under way.
    pub fn answered(&mut self, number: u32) -> Option<u64> {
        let at = self.asked.iter().position(|(asked, _)| *asked == number)?;
        self.asked.remove(at).map(|(_, sent_at)| sent_at)
    }
}

impl Protocol {
    pub fn is_socketio(self) -> bool {
        matches!(self, Self::SocketIo | Self::SocketIoPolling)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::SocketIo => "sio-ws",
            Self::SocketIoPolling => "sio-poll",
            Self::WebSocket => "ws",
            Self::EventSource => "sse",
            Self::LongPoll => "lp",
        }
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "sio-ws" => Self::SocketIo,
            "sio-poll" => Self::SocketIoPolling,
            "ws" => Self::WebSocket,
            "sse" => Self::EventSource,
            "lp" => Self::LongPoll,
            _ => return Err(format!("no protocol {name}")),
        })
    }
}
