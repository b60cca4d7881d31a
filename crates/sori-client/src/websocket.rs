//! A WebSocket without Engine.IO.

use std::{
    borrow::Cow,
    future::poll_fn,
    task::{Context, Poll},
};

use bytes::Bytes;
use serde::Serialize;
use sori_proto::{
    plain::{Said, envelope},
    sio::OutArgs,
    ws::{self, frame::OpCode},
};

use crate::{
    Error, Options, Traffic,
    dial::{Dial, within},
    error::Doing,
    frames::Frames,
    inbox::Inbox,
    silence::Silence,
};

/// A WebSocket, of any server. Against Sori it is the raw WebSocket of plain clients, with or without `sori.json.v1`.
///
/// Pings are answered while somebody reads.
///
/// ```
/// # async fn f() -> Result<(), sori_client::Error> {
/// use sori_client::{Message, Options, WebSocket};
///
/// let mut socket = WebSocket::open("ws://127.0.0.1:3000/live/chat", &Options::new()).await?;
/// socket.send_text("hello")?;
/// if let Message::Text(text) = socket.next().await? {
///     println!("{text}");
/// }
/// socket.close(1000, "").await
/// # }
/// ```
pub struct WebSocket {
    frames: Frames,
    inbox: Inbox<Message>,
    silence: Option<Silence>,
    subprotocol: Option<Box<str>>,
    timeout: std::time::Duration,
}

/// What a WebSocket brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

impl WebSocket {
    /// Opens one. Reads of the options: all but what is Socket.IO's or another transport's.
    pub async fn open(url: &str, options: &Options) -> Result<Self, Error> {
        let opening = async {
            let dial = Dial::new(url, options)?;
            let resource = dial.target.resource(&dial.target.path, &[&options.settings().query]);
            let (frames, subprotocol) = Frames::open(&dial, &resource, dial.deadline()).await?;
            let silence = options.settings().silence.map(Silence::new);
            Ok(Self { frames, inbox: Inbox::default(), silence, subprotocol, timeout: options.settings().timeout })
        };
        // In a box of its own, so that the caller's future stays small when the connection is open.
        Box::pin(opening).await
    }

    /// Sends text. What the network does not take at once leaves while somebody reads, or flushes.
    pub fn send_text(&mut self, text: &str) -> Result<(), Error> {
        self.frames.send(OpCode::Text, text.as_bytes())
    }

    /// Sends bytes.
    pub fn send_binary(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.frames.send(OpCode::Binary, bytes)
    }

    /// Sends a ping; the pong is a sign of life and no message. At most 125 bytes.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.frames.send(OpCode::Ping, &payload[..payload.len().min(125)])
    }

    /// With `sori.json.v1`: emits an event, and asks for an answer with the number `ack`.
    pub fn emit<T: Serialize + ?Sized>(&mut self, event: &str, data: &T, ack: Option<u64>) -> Result<(), Error> {
        self.say(Some(event), data, ack)
    }

    /// With `sori.json.v1`: answers an event of the server's that has this `ack`.
    pub fn answer<T: Serialize + ?Sized>(&mut self, ack: u64, data: &T) -> Result<(), Error> {
        self.say(None, data, Some(ack))
    }

    /// The next message. Until somebody asks, nothing is read; a call that is dropped loses nothing.
    pub async fn next(&mut self) -> Result<Message, Error> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`WebSocket::next`], for futures by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        loop {
            if let Some(next) = self.inbox.pop() {
                return Poll::Ready(next);
            }
            let Self { frames, inbox, silence, .. } = self;
            let read = frames.poll(cx, |message| {
                match message {
                    ws::Message::Text(text) => inbox.push(Message::Text(text.into_owned())),
                    ws::Message::Binary(data) => inbox.push(Message::Binary(match data {
                        Cow::Borrowed(data) => Bytes::copy_from_slice(data),
                        Cow::Owned(data) => data.into(),
                    })),
                    _ => {}
                }
                Ok(())
            });
            if let Err(error) = std::task::ready!(Silence::watch(silence, cx, read)) {
                self.inbox.end(error);
            }
        }
    }

    /// Waits until the network has taken everything.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.frames.poll_flush(cx)).await
    }

    /// Whether something waits for the network to take it.
    pub fn is_unsent(&self) -> bool {
        self.frames.is_unsent()
    }

    /// The subprotocol that the server chose.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// What it has cost.
    pub fn traffic(&self) -> Traffic {
        self.frames.traffic()
    }

    /// Says goodbye, and waits for the server's.
    pub async fn close(mut self, code: u16, reason: &str) -> Result<(), Error> {
        let deadline = tokio::time::Instant::now() + self.timeout;
        within(deadline, self.timeout, Doing::Closing, self.frames.close(code, reason)).await?
    }

    /// Is gone, as a client whose power failed: the server sees the connection reset.
    pub fn reset(self) {
        self.frames.reset();
    }

    fn say<T: Serialize + ?Sized>(&mut self, event: Option<&str>, data: &T, ack: Option<u64>) -> Result<(), Error> {
        let mut text = Vec::new();
        envelope::write(&mut text, &Said { cursor: None, event, args: &OutArgs::new(data)?, ack });
        self.frames.send(OpCode::Text, &text)
    }
}
