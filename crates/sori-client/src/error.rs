//! What can go wrong, said so that a person knows what to do.

use std::{fmt, io, time::Duration};

use sori_proto::{
    ProtocolError,
    sio::{DecodeError, EncodeError},
    ws::WsError,
};

/// Why a connection did not open, or is over.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The address is none that a client can connect to.
    Address {
        /// As it was given.
        url: Box<str>,
        /// What is wrong with it.
        why: Box<str>,
    },
    /// An option has a value that it cannot have.
    Option {
        /// Which.
        name: Box<str>,
        /// What is wrong with it.
        why: Box<str>,
    },
    /// Nobody is there, or the system does not let us.
    Unreachable {
        /// Who was asked for.
        address: Box<str>,
        /// What the system says.
        error: io::Error,
    },
    /// Something took longer than [`Options::timeout`](crate::Options::timeout) allows.
    TimedOut {
        /// What was being done.
        doing: Doing,
        /// How long it was waited for.
        after: Duration,
    },
    /// The server cannot prove who it is, or does not speak TLS.
    Tls {
        /// Whom the certificate should be for.
        host: Box<str>,
        /// What TLS says.
        why: Box<str>,
    },
    /// The server speaks HTTP and answered something else than was asked for.
    WrongAnswer {
        /// What was asked for.
        expected: &'static str,
        /// The HTTP status that came instead.
        status: u16,
        /// Where it redirects to, or else the beginning of what it said.
        body: Box<str>,
    },
    /// What is listening there does not speak HTTP.
    NotHttp {
        /// The beginning of what it said.
        begins: Box<str>,
    },
    /// The server does not let this client into the namespace (`connect_error`).
    Refused {
        /// Which.
        namespace: Box<str>,
        /// Its message.
        message: Box<str>,
        /// What it adds to it, as JSON.
        data: Option<Box<str>>,
    },
    /// The server ended the connection.
    Closed {
        /// The code of a WebSocket.
        code: Option<u16>,
        /// Why, in the server's words where it had some.
        reason: Box<str>,
    },
    /// Nothing was heard from the server for as long as its heartbeat promises, or as [`Options::silence`](crate::Options::silence) allows.
    Silent {
        /// How long.
        after: Duration,
    },
    /// The network gave up the connection.
    Lost(io::Error),
    /// What the server said is not in the protocol.
    Violation(Box<str>),
    /// The server, or the caller, exceeds one of the client's [`Limits`](crate::Limits).
    TooLarge {
        /// The field of `Limits`.
        limit: &'static str,
        /// Its value.
        max: u32,
    },
    /// The arguments cannot be sent.
    Arguments(EncodeError),
    /// The answer, or an event's data, is not of the type that was asked for.
    Data(DecodeError),
}

/// What a client was doing when its time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// Looking up the name and opening the TCP connection.
    Connecting,
    /// Agreeing on TLS.
    Securing,
    /// Waiting for an HTTP answer.
    Asking,
    /// Waiting for the server's word that the namespace has been joined.
    Joining,
    /// Changing from polling to WebSocket.
    Upgrading,
    /// Closing.
    Closing,
}

impl Error {
    /// Whether a connection ended as connections do: closed by the server, lost, or silent. Rather than that it never opened, or that
    /// one side broke the rules. Coming back is worth a try.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Closed { .. } | Self::Silent { .. } | Self::Lost(_))
    }

    pub(crate) fn violation(what: impl Into<Box<str>>) -> Self {
        Self::Violation(what.into())
    }

    pub(crate) fn closed(reason: &str) -> Self {
        Self::Closed { code: None, reason: reason.into() }
    }

    /// The connection ended where more was to come.
    pub(crate) fn cut(doing: &str) -> Self {
        Self::Lost(io::Error::new(io::ErrorKind::UnexpectedEof, format!("the server hung up {doing}")))
    }

    pub(crate) fn wrong_answer(expected: &'static str, status: u16, said: &[u8]) -> Self {
        Self::WrongAnswer { expected, status, body: excerpt(said) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { url, why } => write!(f, "`{url}` is no address to connect to: {why}"),
            Self::Option { name, why } => write!(f, "option `{name}`: {why}"),
            Self::Unreachable { address, error } => write!(f, "cannot connect to {address}: {error}; {}", remedy(error)),
            Self::TimedOut { doing, after } => {
                write!(f, "gave up after {after:?} while {doing}; the server is overloaded, or too far away for this timeout")
            }
            Self::Tls { host, why } => {
                write!(f, "TLS with {host} failed: {why}; trust its certificate, or use http:// if it speaks no TLS")
            }
            Self::WrongAnswer { expected, status, body } => {
                write!(f, "expected {expected}, and was answered HTTP {status}")?;
                if !body.is_empty() {
                    write!(f, " ({body})")?;
                }
                f.write_str(match status {
                    301 | 302 | 303 | 307 | 308 => "; use the address that it redirects to",
                    401 | 403 => "; it wants other credentials, or another origin",
                    404 => "; check the path, and that this transport is switched on there",
                    500.. => "; look at the server's log",
                    _ => "; check the address, the path and the protocol's version",
                })
            }
            Self::NotHttp { begins } => {
                write!(f, "what answers there is no HTTP server (`{begins}`); check the port, and http or https")
            }
            Self::Refused { namespace, message, .. } => write!(f, "the server refuses namespace {namespace}: {message}"),
            Self::Closed { code: Some(code), reason } if reason.is_empty() => {
                write!(f, "the server closed the connection with code {code}")
            }
            Self::Closed { code: Some(code), reason } => write!(f, "the server closed the connection with code {code}: {reason}"),
            Self::Closed { code: None, reason } => write!(f, "the server closed the connection: {reason}"),
            Self::Silent { after } => {
                write!(f, "nothing was heard from the server for {after:?}; it has died, or the network between has")
            }
            Self::Lost(error) => write!(f, "the connection was lost: {error}"),
            Self::Violation(what) => write!(f, "the server breaks the protocol: {what}"),
            Self::TooLarge { limit, max } => {
                write!(f, "more than this client's limit `{limit}` of {max}; raise it if that is meant")
            }
            Self::Arguments(error) => write!(f, "cannot be sent: {error}"),
            Self::Data(error) => write!(f, "not of the expected type: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable { error, .. } | Self::Lost(error) => Some(error),
            Self::Arguments(error) => Some(error),
            Self::Data(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Securing => "agreeing on TLS",
            Self::Asking => "waiting for an HTTP answer",
            Self::Joining => "waiting to be let into the namespace",
            Self::Upgrading => "upgrading to WebSocket",
            Self::Closing => "closing",
        })
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::Arguments(error)
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::Data(error)
    }
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::violation(error.to_string())
    }
}

impl From<WsError> for Error {
    fn from(error: WsError) -> Self {
        Self::violation(error.to_string())
    }
}

/// What to do about it.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "is the server running, and is this its port?",
        io::ErrorKind::AddrNotAvailable => {
            "no local port is left, or the local address is none of this machine's: use more source addresses"
        }
        // Names that do not resolve come as `Other` or `Uncategorized`; files that are used up as the latter, too.
        _ if matches!(error.raw_os_error(), Some(23 | 24)) => "raise the limit of open files (`ulimit -n`)",
        _ => "check the host, the port and the network",
    }
}

/// The beginning of what a server said, fit for one line.
pub(crate) fn excerpt(said: &[u8]) -> Box<str> {
    let text = String::from_utf8_lossy(&said[..said.len().min(EXCERPT_BYTES)]);
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.retain(|c| !c.is_control());
    if said.len() > EXCERPT_BYTES {
        line.push('…');
    }
    line.into()
}

/// As much as a line of a terminal can bear.
const EXCERPT_BYTES: usize = 160;
