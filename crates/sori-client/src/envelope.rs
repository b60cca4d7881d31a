//! What Sori says to clients without a library; `docs/plain-protocol.md` specifies it.

use std::sync::LazyLock;

use serde::{Deserialize, de::DeserializeOwned};
use sori_proto::{
    Limits,
    plain::{SseEvent, envelope::Heard},
    sio::InArgs,
};

use crate::Error;

/// One envelope: an event, or the answer to one.
///
/// ```
/// use sori_client::Envelope;
/// let envelope = Envelope::read(r#"{"id":"e-7","event":"moved","args":["ann",3]}"#)?;
/// assert_eq!((envelope.id.as_deref(), envelope.event.as_deref()), (Some("e-7"), Some("moved")));
/// assert_eq!(envelope.data::<(String, i32)>()?, ("ann".to_owned(), 3));
/// # Ok::<_, sori_client::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Its place in the server's log, if that keeps one.
    pub id: Option<Box<str>>,
    /// The event's name; none for an answer.
    pub event: Option<Box<str>>,
    /// The arguments.
    pub args: InArgs,
    /// An event: an answer with this number is wanted. An answer: the number that was asked with.
    pub ack: Option<u64>,
}

impl Envelope {
    /// Reads one, as a line or a WebSocket's frame brings it.
    pub fn read(json: &str) -> Result<Self, Error> {
        let (id, heard) = sori_proto::plain::envelope::read_said(json, limits())?;
        Ok(match heard {
            Heard::Event { name, args, ack } => Self { id, event: Some(name), args, ack },
            Heard::Answer { id: ack, args } => Self { id, event: None, args, ack: Some(ack) },
        })
    }

    /// The arguments as `T`: a tuple gets all of them, anything else the first.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(self.args.deserialize()?)
    }

    /// What `connect` tells, if this is one.
    pub fn session(&self) -> Option<Session> {
        (self.event.as_deref() == Some("connect")).then(|| self.args.deserialize().ok()).flatten()
    }

    /// Why the session is over, if this is its last envelope.
    pub fn goodbye(&self) -> Option<Box<str>> {
        #[derive(Deserialize)]
        struct Goodbye {
            reason: Box<str>,
        }
        let goodbye = (self.event.as_deref() == Some("disconnect")).then(|| self.args.deserialize::<Goodbye>().ok());
        goodbye.flatten().map(|goodbye| goodbye.reason)
    }
}

/// What `connect` tells a client about itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Session {
    /// The public id.
    pub id: Box<str>,
    /// The secret that names this session in requests.
    pub sid: Option<Box<str>>,
    /// From where this client goes on.
    pub cursor: Box<str>,
    /// The name of what carries it.
    pub transport: Box<str>,
    /// Seconds between two signs of life.
    pub heartbeat: f64,
    /// Whether nothing was missed since the cursor that the client named.
    pub recovered: bool,
}

impl Session {
    /// What the event `connect` of a stream of Sori's tells, if this is it.
    pub fn of(event: &SseEvent) -> Option<Self> {
        (&*event.event == "connect").then(|| serde_json::from_str(&event.data).ok()).flatten()
    }
}

/// Of the decoders. As current clients, they refuse more than ten attachments; a polling answer of small events may hold as many as
/// fit a server's outbox.
pub(crate) fn limits() -> &'static Limits {
    static LIMITS: LazyLock<Limits> = LazyLock::new(|| Limits { payload_packets_max: 1_000_000, ..Limits::default() });
    &LIMITS
}
