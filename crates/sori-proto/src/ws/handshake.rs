//! The opening handshake's headers (RFC 6455, 4.2; RFC 7692, 7.1).
//!
//! Values are whatever bytes the network sent: nothing here wants them to be text.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1_smol::Sha1;

/// Checks `Sec-WebSocket-Key` and `Sec-WebSocket-Version`, and says what to answer.
///
/// ```
/// use sori_proto::ws::handshake::check;
/// let accept = check(Some(b"dGhlIHNhbXBsZSBub25jZQ=="), Some(b"13"))?;
/// assert_eq!(accept.as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// # Ok::<(), sori_proto::ws::handshake::HandshakeError>(())
/// ```
pub fn check(key: Option<&[u8]>, version: Option<&[u8]>) -> Result<Accept, HandshakeError> {
    if version != Some(b"13") {
        return Err(HandshakeError::Version);
    }
    let key = key.ok_or(HandshakeError::Key)?;
    // Sixteen bytes are 22 characters and the padding. As the reference, this looks no closer.
    let [nonce @ .., b'=', b'='] = key else { return Err(HandshakeError::Key) };
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    if nonce.len() != 22 || !nonce.iter().all(is_base64) {
        return Err(HandshakeError::Key);
    }
    Ok(accept_key(key))
}

/// The `Sec-WebSocket-Accept` that proves to the client that its key was read.
pub fn accept_key(key: &[u8]) -> Accept {
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let mut accept = Accept([0; ACCEPT_LEN]);
    STANDARD.encode_slice(sha1.digest().bytes(), &mut accept.0).expect("28 characters hold 20 bytes");
    accept
}

/// A client's `Sec-WebSocket-Key`, of sixteen bytes that nobody can guess.
///
/// ```
/// assert_eq!(sori_proto::ws::handshake::key(*b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
/// ```
pub fn key(nonce: [u8; 16]) -> String {
    STANDARD.encode(nonce)
}

/// Whether `Connection` and `Upgrade` ask for a WebSocket.
///
/// ```
/// use sori_proto::ws::handshake::is_upgrade;
/// assert!(is_upgrade(Some(b"keep-alive, Upgrade"), Some(b"websocket")));
/// assert!(!is_upgrade(Some(b"keep-alive"), Some(b"websocket")));
/// ```
pub fn is_upgrade(connection: Option<&[u8]>, upgrade: Option<&[u8]>) -> bool {
    let names = |header: Option<&[u8]>, name: &str| {
        header.is_some_and(|header| tokens(header).any(|token| token.eq_ignore_ascii_case(name.as_bytes())))
    };
    names(connection, "upgrade") && names(upgrade, "websocket")
}

/// The elements of a comma-separated header, such as the subprotocols that a client offers.
///
/// ```
/// use sori_proto::ws::handshake::tokens;
/// assert!(tokens(b"chat, sori.json.v1").any(|name| name == b"sori.json.v1"));
/// ```
pub fn tokens(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(header, b',').filter(|token| !token.is_empty())
}

/// The value of `Sec-WebSocket-Accept`: 28 characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Accept([u8; ACCEPT_LEN]);

impl Accept {
    /// The header's value.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("base64 is ASCII")
    }
}

impl AsRef<[u8]> for Accept {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Accept").field(&self.as_str()).finish()
    }
}

/// Why an opening handshake is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// `Sec-WebSocket-Key` is missing or is not sixteen bytes in base64.
    Key,
    /// `Sec-WebSocket-Version` is missing or is not 13, which the answer then names.
    Version,
}

impl HandshakeError {
    /// The HTTP status to answer with (RFC 6455, 4.2.2 and 4.4).
    pub const fn status(self) -> u16 {
        match self {
            Self::Key => 400,
            Self::Version => 426,
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "missing or invalid Sec-WebSocket-Key",
            Self::Version => "missing or unsupported Sec-WebSocket-Version",
        })
    }
}

impl std::error::Error for HandshakeError {}

/// How a server compresses. Neither side ever keeps a context between messages: a connection
/// then costs nothing, and one compressed frame serves every peer with the same window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateConfig {
    /// Messages of fewer bytes are sent as they are.
    pub threshold: u32,
    /// Window that the server compresses with (base 2 logarithm, 9 to 15).
    pub server_window_bits_max: u8,
    /// Smallest window that a client may demand instead (9 to 15). An offer that demands less is
    /// declined. By default there is one window, so that a broadcast is compressed once.
    pub server_window_bits_min: u8,
}

impl Default for DeflateConfig {
    fn default() -> Self {
        Self { threshold: 1_024, server_window_bits_max: 15, server_window_bits_min: 15 }
    }
}

/// An agreement on `permessage-deflate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// `None` when nobody spoke of it, which means 15.
    server_window_bits: Option<u8>,
}

impl Negotiated {
    /// The window to compress with, for [`compress`](super::deflate::compress).
    pub const fn server_window_bits(self) -> u8 {
        match self.server_window_bits {
            Some(bits) => bits,
            None => 15,
        }
    }

    /// The value of the answer's `Sec-WebSocket-Extensions`.
    pub const fn header_value(self) -> &'static str {
        macro_rules! answer {
            ($($window:literal)?) => {
                concat!("permessage-deflate; server_no_context_takeover; client_no_context_takeover" $(, "; server_max_window_bits=", $window)?)
            };
        }
        match self.server_window_bits {
            None => answer!(),
            Some(9) => answer!(9),
            Some(10) => answer!(10),
            Some(11) => answer!(11),
            Some(12) => answer!(12),
            Some(13) => answer!(13),
            Some(14) => answer!(14),
            Some(_) => answer!(15),
        }
    }
}

/// Takes the first offer of `permessage-deflate` that the server can satisfy.
///
/// `offers` are the values of `Sec-WebSocket-Extensions`, one per header line.
///
/// ```
/// use sori_proto::ws::handshake::{DeflateConfig, negotiate_deflate};
/// let chrome = b"permessage-deflate; client_max_window_bits";
/// let deflate = negotiate_deflate([&chrome[..]].into_iter(), &DeflateConfig::default()).unwrap();
/// assert_eq!(deflate.header_value(), "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
/// ```
pub fn negotiate_deflate<'a>(offers: impl Iterator<Item = &'a [u8]>, config: &DeflateConfig) -> Option<Negotiated> {
    offers.flat_map(|header| split(header, b',')).find_map(|offer| accept_offer(offer, config))
}

/// RFC 7692, 7.1: an offer with an unknown, repeated or invalid parameter is declined as a whole.
fn accept_offer(offer: &[u8], config: &DeflateConfig) -> Option<Negotiated> {
    let mut parts = split(offer, b';');
    if !parts.next()?.eq_ignore_ascii_case(b"permessage-deflate") {
        return None;
    }
    let mut seen = 0;
    let mut demanded = None;
    for part in parts {
        let mut sides = split(part, b'=');
        let (name, value) = (sides.next()?, sides.next().map(unquote));
        let bit = match (name, value) {
            (b"server_no_context_takeover", None) => 1,
            (b"client_no_context_takeover", None) => 2,
            (b"server_max_window_bits", Some(value)) => {
                demanded = Some(window_bits(value)?);
                4
            }
            // What the client can be told to use. The server decompresses any window at no cost
            // that stays, so it never asks for less.
            (b"client_max_window_bits", None) => 8,
            (b"client_max_window_bits", Some(value)) => {
                window_bits(value)?;
                8
            }
            _ => return None,
        };
        if sides.next().is_some() || seen & bit != 0 {
            return None;
        }
        seen |= bit;
    }

    // zlib has no raw window of 2^8.
    let max = config.server_window_bits_max.clamp(9, 15);
    let min = config.server_window_bits_min.clamp(9, max);
    let server_window_bits = match demanded {
        Some(bits) if bits < min => return None,
        Some(bits) => Some(bits.min(max)),
        None => (max < 15).then_some(max),
    };
    Some(Negotiated { server_window_bits })
}

/// 8 to 15, without leading zeros (RFC 7692, 7.1.2).
fn window_bits(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// The parts between separators that stand outside of quoted strings, trimmed.
fn split(bytes: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    bytes
        .split(move |&byte| {
            let was_escaped = std::mem::take(&mut escaped);
            match byte {
                _ if was_escaped => false,
                b'\\' if quoted => {
                    escaped = true;
                    false
                }
                b'"' => {
                    quoted = !quoted;
                    false
                }
                _ => byte == separator && !quoted,
            }
        })
        .map(<[u8]>::trim_ascii)
}

fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

const ACCEPT_LEN: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    #[test]
    fn key_and_version() {
        #[track_caller]
        fn check(key: Option<&[u8]>, version: Option<&[u8]>, expected: Result<&str, HandshakeError>) {
            let accept = super::check(key, version);
            assert_eq!(accept.as_ref().map(Accept::as_str), expected.as_ref().map(|accept| *accept));
        }
        let key: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";
        check(Some(key), Some(b"13"), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        for version in [None, Some(&b""[..]), Some(b"8"), Some(b"13, 8"), Some(b"013"), Some(b"\xff")] {
            check(Some(key), version, Err(HandshakeError::Version));
        }
        for key in [
            &b""[..],
            b"==",
            b"dGhlIHNhbXBsZSBub25jZQ=",
            b"dGhlIHNhbXBsZSBub25jZQ==\xff",
            b"dGhlIHNhbXBsZSBub25jZ\xc3==",
            b"dGhlIHNhbXBsZSBub25jZ===",
            &[b'A'; 10_000],
            &[0xff; 24],
        ] {
            check(Some(key), Some(b"13"), Err(HandshakeError::Key));
        }
        check(None, Some(b"13"), Err(HandshakeError::Key));
        assert_eq!((HandshakeError::Key.status(), HandshakeError::Version.status()), (400, 426));
    }

    #[test]
    fn upgrade_headers() {
        assert!(is_upgrade(Some(b"Upgrade"), Some(b"WebSocket")));
        assert!(is_upgrade(Some(b" keep-alive ,upgrade"), Some(b"h2c, websocket")));
        assert!(!is_upgrade(None, Some(b"websocket")));
        assert!(!is_upgrade(Some(b"Upgrade"), None));
        assert!(!is_upgrade(Some(b"Upgrade"), Some(b"web\xffsocket")));
        assert!(!is_upgrade(Some(b"no-upgrade"), Some(b"websocket")));
    }

    #[track_caller]
    fn negotiate(offers: &[&[u8]], min: u8, max: u8) -> Option<&'static str> {
        let config = DeflateConfig { server_window_bits_min: min, server_window_bits_max: max, ..DeflateConfig::default() };
        negotiate_deflate(offers.iter().copied(), &config).map(Negotiated::header_value)
    }

    #[test]
    fn offers_that_are_accepted() {
        #[track_caller]
        fn check(offer: &str, answer: &str) {
            assert_eq!(negotiate(&[offer.as_bytes()], 9, 15), Some(answer));
        }
        check("permessage-deflate", PLAIN);
        check("permessage-deflate; client_max_window_bits", PLAIN);
        check("permessage-deflate;client_max_window_bits=10", PLAIN);
        check("Permessage-Deflate; server_no_context_takeover; client_no_context_takeover", PLAIN);
        check("x-webkit-deflate-frame, permessage-deflate", PLAIN);
        check("permessage-deflate; server_max_window_bits=10", &format!("{PLAIN}; server_max_window_bits=10"));
        check("permessage-deflate; server_max_window_bits=\"9\"", &format!("{PLAIN}; server_max_window_bits=9"));
        check("permessage-deflate; server_max_window_bits=15", &format!("{PLAIN}; server_max_window_bits=15"));
        // The first that can be satisfied.
        check(
            "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=12",
            &format!("{PLAIN}; server_max_window_bits=12"),
        );
        check("permessage-deflate; odd=\"a,b;c\\\"=\", permessage-deflate", PLAIN);
    }

    #[test]
    fn offers_that_are_declined() {
        for offer in [
            "",
            "permessage-bzip2",
            "permessage-deflate; unknown",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=1=0",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=",
            "permessage-deflate; client_max_window_bits=4294967305",
            "permessage-deflate; client_no_context_takeover=1",
            "permessage-deflate; ; client_no_context_takeover",
            "permessage-deflate;",
            "permessage-deflate; \"",
            "permessage-deflate; odd=\"a, permessage-deflate",
        ] {
            assert_eq!(negotiate(&[offer.as_bytes()], 9, 15), None, "{offer}");
        }
    }

    #[test]
    fn server_window_of_the_config() {
        assert_eq!(negotiate(&[b"permessage-deflate"], 9, 12), Some(&*format!("{PLAIN}; server_max_window_bits=12")));
        assert_eq!(
            negotiate(&[b"permessage-deflate; server_max_window_bits=15"], 9, 12),
            Some(&*format!("{PLAIN}; server_max_window_bits=12"))
        );
        assert_eq!(negotiate(&[b"permessage-deflate; server_max_window_bits=11"], 12, 12), None);
        assert_eq!(negotiate(&[b"permessage-deflate"], 0, 255), Some(PLAIN));
        assert_eq!(negotiate(&[b"permessage-deflate"], 255, 0), Some(&*format!("{PLAIN}; server_max_window_bits=9")));
    }

    #[test]
    fn several_header_lines_and_garbage() {
        assert_eq!(negotiate(&[b"\xff\xfe;;,,==\"", b"", b"permessage-deflate"], 9, 15), Some(PLAIN));
        assert_eq!(negotiate(&[&b",;=\"\\".repeat(10_000), &[0xff; 10_000]], 9, 15), None);
    }
}
