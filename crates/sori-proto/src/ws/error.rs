//! What a WebSocket peer does wrong, and the close code it is told.

use std::fmt;

use crate::CloseReason;

/// What the peer did wrong. The connection is over: send a close frame with [`WsError::close_code`] and hang up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WsError {
    /// A client's frame without a mask (5.1).
    Unmasked,
    /// A server's frame with a mask (5.1).
    Masked,
    /// An opcode that RFC 6455 reserves.
    ReservedOpCode,
    /// RSV2, RSV3, or an RSV1 that was not negotiated or stands where it may not.
    ReservedBits,
    /// A control frame without FIN.
    FragmentedControl,
    /// A control frame of more than 125 bytes.
    ControlTooLong,
    /// A length of 2^63 bytes or more.
    Length,
    /// A continuation of nothing.
    UnexpectedContinuation,
    /// A new message before the fragmented one ended.
    ExpectedContinuation,
    /// A close frame with half a code, or a code that must not be sent.
    CloseCode,
    /// Text, or a close reason, that is not UTF-8.
    Utf8,
    /// A compressed message that does not decompress.
    Deflate,
    /// A message larger than the limit, before or after decompression.
    MessageTooLarge,
    /// More fragments than a message of that size can need.
    TooManyFragments,
}

impl WsError {
    /// The status code of the close frame to send (RFC 6455, 7.4.1).
    ///
    /// ```
    /// assert_eq!(sori_proto::ws::WsError::MessageTooLarge.close_code(), 1009);
    /// ```
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Utf8 | Self::Deflate => 1007,
            Self::TooManyFragments => 1008,
            Self::MessageTooLarge => 1009,
            _ => 1002,
        }
    }
}

impl From<WsError> for CloseReason {
    fn from(_: WsError) -> Self {
        // As the reference: its `ws` reports all of these as an error of the transport.
        Self::TransportError
    }
}

impl fmt::Display for WsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unmasked => "client frame without a mask",
            Self::Masked => "server frame with a mask",
            Self::ReservedOpCode => "reserved opcode",
            Self::ReservedBits => "reserved bits without an extension",
            Self::FragmentedControl => "fragmented control frame",
            Self::ControlTooLong => "control frame of more than 125 bytes",
            Self::Length => "frame length of 2^63 or more",
            Self::UnexpectedContinuation => "continuation without a message",
            Self::ExpectedContinuation => "new message inside a fragmented one",
            Self::CloseCode => "invalid close code",
            Self::Utf8 => "text is not UTF-8",
            Self::Deflate => "corrupt compressed message",
            Self::MessageTooLarge => "message larger than the limit",
            Self::TooManyFragments => "too many fragments",
        })
    }
}

impl std::error::Error for WsError {}
