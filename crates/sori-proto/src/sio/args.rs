//! The arguments of events and acks, on their way out and in.

use std::fmt;

mod incoming;
mod outgoing;
pub(super) mod placeholder;

pub use incoming::{ALL_ARGUMENTS, InArgs};
pub use outgoing::OutArgs;

/// Arguments that cannot be sent.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// Their `Serialize` failed, or they have no form in JSON (a map whose keys are not text).
    Serialize(Box<str>),
    /// More byte strings than one packet may carry. Current clients refuse more than 10.
    TooManyAttachments {
        /// How many there are.
        count: usize,
        /// `max_attachments`.
        limit: u32,
    },
    /// Beside bytes there is an object with `_placeholder: true`, which every receiver would take
    /// for bytes or close over. An event with both cannot be said.
    Placeholder,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serialize(why) => write!(f, "arguments cannot be serialized: {why}"),
            Self::TooManyAttachments { count, limit } => {
                write!(f, "{count} byte strings in one event, more than max_attachments ({limit})")
            }
            Self::Placeholder => f.write_str("an object with `_placeholder: true` beside bytes"),
        }
    }
}

impl std::error::Error for EncodeError {}

/// Arguments that are not what the handler asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Counted from one; 0 when it is not known.
    argument: u32,
    message: Box<str>,
}

impl DecodeError {
    /// Which argument, counted from one.
    pub fn argument(&self) -> Option<u32> {
        (self.argument != 0).then_some(self.argument)
    }

    pub(crate) fn from_json(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        // A place in text that the handler never saw helps nobody.
        let place = format!(" at line {} column {}", error.line(), error.column());
        Self { argument: 0, message: text.strip_suffix(&place).unwrap_or(&text).into() }
    }

    fn at(self, argument: u32) -> Self {
        Self { argument, ..self }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(argument) = self.argument() {
            write!(f, "argument {argument}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl serde::de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { argument: 0, message: message.to_string().into() }
    }
}
