//! Who is at fault, and what the peer is told.

use std::fmt;

/// Why a session or a socket ended. The text is the reference's reason where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client left the namespace (`socket.disconnect()`).
    ClientNamespaceDisconnect,
    /// The server made this socket leave its namespace.
    ServerNamespaceDisconnect,
    /// The peer broke the protocol above Engine.IO; its whole session was closed.
    ForcedClose,
    /// The server closed the whole session (`disconnect(true)`).
    ForcedServerClose,
    /// The server is closing.
    ServerShuttingDown,
    /// The connection ended: tab closed, network gone.
    TransportClose,
    /// The connection failed, or the peer misused its transport.
    TransportError,
    /// A heartbeat stayed unanswered.
    PingTimeout,
    /// A packet that is not one.
    ParseError,
    /// The peer did not read what was sent to it and its outbox was full.
    SlowConsumer,
    /// The peer sent events faster than their handlers ran, and its inbox was full.
    InboxFull,
    /// The client joined no namespace in time.
    ConnectTimeout,
}

impl CloseReason {
    /// Every reason, for metrics.
    pub const ALL: [CloseReason; 12] = [
        Self::ClientNamespaceDisconnect,
        Self::ServerNamespaceDisconnect,
        Self::ForcedClose,
        Self::ForcedServerClose,
        Self::ServerShuttingDown,
        Self::TransportClose,
        Self::TransportError,
        Self::PingTimeout,
        Self::ParseError,
        Self::SlowConsumer,
        Self::InboxFull,
        Self::ConnectTimeout,
    ];

    /// The reason as the reference spells it.
    ///
    /// ```
    /// assert_eq!(sori_proto::CloseReason::PingTimeout.as_str(), "ping timeout");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
            Self::ForcedClose => "forced close",
            Self::ForcedServerClose => "forced server close",
            Self::ServerShuttingDown => "server shutting down",
            Self::TransportClose => "transport close",
            Self::TransportError => "transport error",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::SlowConsumer => "slow consumer",
            Self::InboxFull => "inbox full",
            Self::ConnectTimeout => "connect timeout",
        }
    }

    /// Whether we ended it, so that what was said before is still delivered.
    pub const fn is_orderly(self) -> bool {
        matches!(
            self,
            Self::ForcedClose | Self::ForcedServerClose | Self::ServerShuttingDown | Self::ParseError | Self::ConnectTimeout
        )
    }

    /// Whether somebody meant the client to go, so that it should not come back by itself.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::ClientNamespaceDisconnect | Self::ServerNamespaceDisconnect | Self::ForcedServerClose)
    }

    /// Whether a client that comes back in time may resume: the connection broke, nobody ended it.
    pub const fn is_recoverable(self) -> bool {
        matches!(
            self,
            Self::ForcedClose
                | Self::ServerShuttingDown
                | Self::TransportClose
                | Self::TransportError
                | Self::PingTimeout
                | Self::SlowConsumer
        )
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a peer did wrong. It never unwinds past the session: it becomes a [`CloseReason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A message or body larger than the limit.
    PayloadTooLarge,
    /// More packets in one polling body than the limit.
    TooManyPackets,
    /// An Engine.IO packet that is not one: type, length, base64 or encoding.
    MalformedPacket,
    /// Text that is not UTF-8.
    Utf8,
    /// A Socket.IO packet that is not one.
    MalformedMessage,
    /// More attachments than the limit, or an attachment count that is no number.
    Attachments,
    /// Binary where no attachment was awaited, or text where one was.
    UnexpectedMessage,
    /// An event name that Socket.IO reserves.
    ReservedEvent,
    /// A namespace name longer than the limit.
    NamespaceTooLong,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PayloadTooLarge => "payload larger than max_http_buffer_size",
            Self::TooManyPackets => "more packets in one payload than payload_packets_max",
            Self::MalformedPacket => "malformed Engine.IO packet",
            Self::Utf8 => "text is not UTF-8",
            Self::MalformedMessage => "malformed Socket.IO packet",
            Self::Attachments => "bad attachment count or placeholder",
            Self::UnexpectedMessage => "binary and text in the wrong order",
            Self::ReservedEvent => "reserved event name",
            Self::NamespaceTooLong => "namespace name longer than namespace_name_max",
        })
    }
}

impl std::error::Error for ProtocolError {}
