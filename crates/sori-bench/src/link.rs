//! One connection, of whatever kind.

use std::task::{Context, Poll, ready};

use sori_client::{Envelope, Error, Event, Lines, LongPoll, Message, Nchan, Options, Recovery, SocketIo, Sse, WebSocket};

use crate::{Stamp, options::Client};

/// A connection to the server. It is read when it is polled, and only then.
pub(crate) enum Link {
    SocketIo(SocketIo),
    Sse(Sse),
    /// With the last line that said where it was.
    Lines(Lines, String),
    LongPoll(LongPoll),
    Nchan(Nchan),
    WebSocket(WebSocket),
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A message of a run.
    Message(Stamp),
    /// A message without a stamp, where all should have one.
    Unreadable,
    /// Anything else that a server says.
    Other,
}

/// Where a client was, to go on there.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    SocketIo(Recovery),
    LastEventId(Box<str>),
    Cursor(Box<str>),
}

impl Link {
    pub(crate) async fn open(client: Client, url: &str, options: &Options) -> Result<Self, Error> {
        Ok(match client {
            Client::SocketIoWebSocket | Client::SocketIoPolling | Client::SocketIoUpgrade => {
                Self::SocketIo(SocketIo::open(url, options).await?)
            }
            Client::Sse => Self::Sse(Sse::open(url, options).await?),
            Client::Lines => Self::Lines(Lines::open(url, options).await?, String::new()),
            Client::LongPoll => Self::LongPoll(LongPoll::open(url, options).await?),
            Client::Nchan => Self::Nchan(Nchan::open(url, options)?),
            Client::RawWebsocket => Self::WebSocket(WebSocket::open(url, options).await?),
        })
    }

    /// What comes next. `event` is the name that messages have, where they have one. After an error it is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, event: &str) -> Poll<Result<Heard, Error>> {
        Poll::Ready(Ok(match self {
            Self::SocketIo(socket) => match ready!(socket.poll_next(cx))? {
                Event::Event { name, .. } if *name != *event => Heard::Other,
                Event::Event { args, .. } | Event::Ack { args, .. } => heard(args.raw_json().unwrap_or_default().as_bytes()),
            },
            Self::Sse(sse) => {
                let said = ready!(sse.poll_next(cx))?;
                heard_of(&said.event, event, said.data.as_bytes())
            }
            Self::Lines(lines, last) => {
                let line = ready!(lines.poll_next_line(cx))?;
                // An envelope without a stamp is the server's own word.
                let heard = Stamp::find(line.as_bytes()).map_or(Heard::Other, Heard::Message);
                // It is read when it is needed.
                if line.starts_with(ENVELOPE) {
                    *last = line;
                }
                heard
            }
            Self::LongPoll(poll) => {
                let envelope = ready!(poll.poll_next(cx))?;
                let args = envelope.args.raw_json().unwrap_or_default();
                heard_of(envelope.event.as_deref().unwrap_or_default(), event, args.as_bytes())
            }
            Self::Nchan(channel) => heard(&ready!(channel.poll_next(cx))?),
            Self::WebSocket(socket) => match ready!(socket.poll_next(cx))? {
                Message::Text(text) => heard(text.as_bytes()),
                Message::Binary(data) => heard(&data),
            },
        }))
    }

    /// Asks the server, which answers with the same text.
    pub(crate) fn ask(&mut self, event: &str, text: &str) -> Result<(), Error> {
        match self {
            Self::SocketIo(socket) => socket.emit_with_ack(event, text).map(drop),
            Self::WebSocket(socket) => socket.send_text(text),
            _ => Err(Error::Option { name: "client".into(), why: "this kind of client only listens".into() }),
        }
    }

    /// Says something that the server says to everybody.
    pub(crate) fn say(&mut self, event: &str, text: &str) -> Result<(), Error> {
        match self {
            Self::SocketIo(socket) => socket.emit(event, text),
            other => other.ask(event, text),
        }
    }

    /// Whether it waits for the network to take what was said, and must be polled therefore.
    pub(crate) fn is_unsent(&self) -> bool {
        match self {
            Self::SocketIo(socket) => socket.is_unsent(),
            Self::WebSocket(socket) => socket.is_unsent(),
            _ => false,
        }
    }

    /// Where to go on.
    pub(crate) fn place(&self) -> Option<Place> {
        match self {
            Self::SocketIo(socket) => socket.recovery().map(Place::SocketIo),
            Self::Sse(sse) => Some(sse.last_event_id()).filter(|id| !id.is_empty()).map(|id| Place::LastEventId(id.into())),
            Self::Lines(_, last) => Envelope::read(last).ok()?.id.map(Place::Cursor),
            Self::LongPoll(poll) => Some(Place::Cursor(poll.cursor().into())),
            Self::Nchan(_) | Self::WebSocket(_) => None,
        }
    }

    /// Whether the server has said that nothing is missed; `None` where its protocol does not say.
    pub(crate) fn recovered(&self) -> Option<bool> {
        match self {
            Self::SocketIo(socket) => Some(socket.recovered()),
            Self::LongPoll(poll) => Some(poll.session().recovered),
            _ => None,
        }
    }

    /// Leaves as its protocol does.
    pub(crate) async fn close(self) -> Result<(), Error> {
        match self {
            Self::SocketIo(socket) => socket.close().await,
            Self::LongPoll(poll) => poll.close().await,
            Self::WebSocket(socket) => socket.close(1000, "").await,
            // Those end by ending.
            Self::Sse(_) | Self::Lines(..) | Self::Nchan(_) => Ok(()),
        }
    }

    /// Is gone without a word.
    pub(crate) fn reset(self) {
        match self {
            Self::SocketIo(socket) => socket.reset(),
            Self::Sse(sse) => sse.reset(),
            Self::Lines(lines, _) => lines.reset(),
            Self::LongPoll(poll) => poll.reset(),
            Self::Nchan(channel) => channel.reset(),
            Self::WebSocket(socket) => socket.reset(),
        }
    }
}

impl Client {
    /// Whether it can say something to the server itself.
    pub(crate) fn speaks(self) -> bool {
        matches!(self, Self::SocketIoWebSocket | Self::SocketIoPolling | Self::SocketIoUpgrade | Self::RawWebsocket)
    }
}

impl Place {
    pub(crate) fn in_options(&self, options: Options) -> Options {
        match self {
            Self::SocketIo(recovery) => options.recover(Some(recovery.clone())),
            Self::LastEventId(id) => options.last_event_id(id),
            Self::Cursor(cursor) => options.query("since", cursor),
        }
    }
}

fn heard(content: &[u8]) -> Heard {
    Stamp::find(content).map_or(Heard::Unreadable, Heard::Message)
}

fn heard_of(name: &str, event: &str, content: &[u8]) -> Heard {
    match Stamp::find(content) {
        Some(stamp) => Heard::Message(stamp),
        None if name == event => Heard::Unreadable,
        None => Heard::Other,
    }
}

/// How Sori begins one that says where it is.
const ENVELOPE: &str = "{\"id\":";
