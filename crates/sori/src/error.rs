//! What can go wrong, and who can do something about it.

use std::fmt;

use sori_proto::sio::{DecodeError, EncodeError};

/// A server that cannot be built as asked. Its text says what to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// An option that cannot be right; the text says what to do.
    Option(String),
    /// A namespace's name that cannot be one.
    Namespace(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(text) | Self::Namespace(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for BuildError {}

/// An event that could not be sent. Nobody got it: it is checked before anything is queued. That a client reads slowly or not at all is
/// no error of an emit; see [`Sent`](crate::Sent) and [`CloseReason::SlowConsumer`](crate::CloseReason).
#[derive(Debug)]
#[non_exhaustive]
pub enum EmitError {
    /// The arguments could not be written: not serializable, or more attachments than clients take.
    Encode(EncodeError),
    /// The name is Socket.IO's own: `connect`, `connect_error`, `disconnect`, `disconnecting`, `newListener`, `removeListener`.
    ReservedEvent,
    /// The socket has disconnected.
    Disconnected,
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(error) => error.fmt(f),
            Self::ReservedEvent => f.write_str("this event name is reserved by Socket.IO; choose another"),
            Self::Disconnected => f.write_str("the socket has disconnected"),
        }
    }
}

impl std::error::Error for EmitError {}

impl From<EncodeError> for EmitError {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

/// An answer that did not come, or could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum AckError {
    /// The event could not be sent.
    Emit(EmitError),
    /// No answer came in time.
    Timeout,
    /// The socket disconnected before it answered.
    Disconnected,
    /// More answers are awaited from this socket than `pending_acks_max`.
    TooManyPending,
    /// The answer is not what was asked for.
    Decode(DecodeError),
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Emit(error) => error.fmt(f),
            Self::Timeout => f.write_str("operation has timed out"),
            Self::Disconnected => f.write_str("the socket disconnected before it answered"),
            Self::TooManyPending => f.write_str("too many answers are awaited from this socket"),
            Self::Decode(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AckError {}

impl From<EmitError> for AckError {
    fn from(error: EmitError) -> Self {
        Self::Emit(error)
    }
}

/// Why a middleware keeps a client out: what the client receives as `connect_error`. A `&str` or `String` becomes one without data.
///
/// Clients 3.x and newer get `{"message":…,"data":…}`; clients 1.x and 2.x get the data alone, or else the message alone, as from the reference.
///
/// ```
/// use sori::ConnectError;
/// let error = ConnectError::new("not authorized").data(&serde_json::json!({ "retry": false }));
/// ```
#[derive(Debug, Clone)]
pub struct ConnectError {
    message: String,
    data: Option<String>,
}

impl ConnectError {
    /// The message, `err.message` at the client.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// More about it, `err.data` at the client. What does not serialize is left out.
    pub fn data<T: serde::Serialize + ?Sized>(mut self, data: &T) -> Self {
        self.data = serde_json::to_string(data).ok();
        self
    }

    /// The data, as JSON.
    pub(crate) fn data_json(&self) -> Option<&str> {
        self.data.as_deref()
    }

    /// As clients 3.x and newer read it.
    pub(crate) fn to_json(&self) -> String {
        let message = quoted(&self.message);
        match &self.data {
            Some(data) => format!("{{\"message\":{message},\"data\":{data}}}"),
            None => format!("{{\"message\":{message}}}"),
        }
    }

    /// As clients 1.x and 2.x read it: the data alone, or else the message alone.
    pub(crate) fn to_json_eio3(&self) -> String {
        self.data.clone().unwrap_or_else(|| quoted(&self.message))
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConnectError {}

impl From<&str> for ConnectError {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl From<String> for ConnectError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
