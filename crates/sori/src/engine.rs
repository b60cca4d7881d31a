//! Engine.IO alone, for applications that speak to `engine.io-client` without Socket.IO.
//!
//! ```
//! use sori::{Server, engine::Engine};
//!
//! let echo = Engine::new().on_message(|conn, incoming| conn.send(incoming.message));
//! let io = Server::builder().path("/engine.io").engine(echo).build().unwrap();
//! ```

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use sori_proto::{CloseReason, wire};

use crate::{handshake::Handshake, outbox::Pushed, peer::Peer};

/// What an application does with bare Engine.IO messages. The functions run where the message was read: they must not block.
#[derive(Default)]
#[must_use = "give it to Server::builder().engine(…)"]
pub struct Engine {
    pub(crate) open: Option<OpenHook>,
    pub(crate) message: Option<MessageHook>,
    pub(crate) close: Option<CloseHook>,
}

type OpenHook = Box<dyn Fn(&Conn) + Send + Sync>;
type MessageHook = Box<dyn Fn(&Conn, Incoming<'_>) + Send + Sync>;
type CloseHook = Box<dyn Fn(&Conn, CloseReason) + Send + Sync>;

impl Engine {
    /// An application that ignores everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs when a session has opened.
    pub fn on_open(mut self, hook: impl Fn(&Conn) + Send + Sync + 'static) -> Self {
        self.open = Some(Box::new(hook));
        self
    }

    /// Runs for each message.
    pub fn on_message(mut self, hook: impl Fn(&Conn, Incoming<'_>) + Send + Sync + 'static) -> Self {
        self.message = Some(Box::new(hook));
        self
    }

    /// Runs when a session has closed.
    pub fn on_close(mut self, hook: impl Fn(&Conn, CloseReason) + Send + Sync + 'static) -> Self {
        self.close = Some(Box::new(hook));
        self
    }
}

/// One Engine.IO session.
#[derive(Clone)]
pub struct Conn(pub(crate) Arc<Peer>);

/// A message and where it came from.
pub struct Incoming<'a> {
    /// The message.
    pub message: Message,
    /// The headers of the POST that carried it, over polling.
    pub headers: Option<&'a HeaderMap>,
}

/// One Engine.IO message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(Box<str>),
    /// Bytes.
    Binary(Bytes),
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(data: Bytes) -> Self {
        Self::Binary(data)
    }
}

impl Conn {
    /// Sends a message. A full outbox closes the session as a slow consumer.
    pub fn send(&self, message: impl Into<Message>) {
        let message = message.into();
        let pushed = self.0.outbox.push_own(|format| {
            wire::Frames::One(match &message {
                Message::Text(text) => wire::text_frame(&format!("4{text}")),
                Message::Binary(data) => wire::binary_frame(format.revision, data),
            })
        });
        if pushed == Pushed::Full {
            self.0.close(CloseReason::SlowConsumer);
        }
    }

    /// Closes the session, once what was sent has left.
    pub fn close(&self) {
        self.0.close(CloseReason::ForcedClose);
    }

    /// What the client said when its session began.
    pub fn handshake(&self) -> &Handshake {
        &self.0.handshake
    }
}
