//! Engine.IO packets as they travel on their own: one WebSocket message each.

use std::borrow::Cow;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::ProtocolError;

/// Revision of Engine.IO, as `EIO` in the query names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revision {
    /// `EIO=3` and everything before: Socket.IO 1.x and 2.x.
    V3,
    /// `EIO=4`: Socket.IO 3.x and 4.x.
    V4,
}

/// What a message carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes.
    Binary(Cow<'a, [u8]>),
}

impl<'a> From<&'a str> for Data<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<&'a [u8]> for Data<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Binary(bytes.into())
    }
}

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Opens a session: a JSON object with `sid`, `upgrades` and the heartbeat. Only servers send it.
    Open(Cow<'a, str>),
    /// Closes the transport.
    Close,
    /// Asks for a pong with the same data.
    Ping(Cow<'a, str>),
    /// Answers a ping.
    Pong(Cow<'a, str>),
    /// Carries a message.
    Message(Data<'a>),
    /// Switches to the transport it comes from.
    Upgrade,
    /// Ends a poll.
    Noop,
}

/// Reads a text message of a WebSocket, or one of a polling body.
///
/// ```
/// use sori_proto::eio::{Data, Packet, Revision, packet::decode_text};
/// assert_eq!(decode_text(Revision::V4, "4hi")?, Packet::Message(Data::Text("hi".into())));
/// assert_eq!(decode_text(Revision::V4, "bAQI")?, Packet::Message(Data::Binary(vec![1, 2].into())));
/// assert_eq!(decode_text(Revision::V3, "b4AQI")?, Packet::Message(Data::Binary(vec![1, 2].into())));
/// # Ok::<_, sori_proto::ProtocolError>(())
/// ```
pub fn decode_text(revision: Revision, text: &str) -> Result<Packet<'_>, ProtocolError> {
    decode(revision, Cow::Borrowed(text))
}

/// Reads a binary message of a WebSocket.
pub fn decode_binary(revision: Revision, data: &[u8]) -> Result<Packet<'_>, ProtocolError> {
    match (revision, data) {
        (Revision::V4, data) => Ok(Packet::Message(data.into())),
        // Engine.IO revision 3 begins a binary packet with its type, as a number; only messages can be binary.
        (Revision::V3, [4, data @ ..]) => Ok(Packet::Message(data.into())),
        (Revision::V3, _) => Err(ProtocolError::MalformedPacket),
    }
}

pub(super) fn decode(revision: Revision, text: Cow<'_, str>) -> Result<Packet<'_>, ProtocolError> {
    Ok(match text.as_bytes().first() {
        Some(b'0') => Packet::Open(without_type(text)),
        Some(b'1') => Packet::Close,
        Some(b'2') => Packet::Ping(without_type(text)),
        Some(b'3') => Packet::Pong(without_type(text)),
        Some(b'4') => Packet::Message(Data::Text(without_type(text))),
        Some(b'5') => Packet::Upgrade,
        Some(b'6') => Packet::Noop,
        Some(b'b') => {
            let digits = match revision {
                Revision::V4 => &text[1..],
                Revision::V3 => text.strip_prefix("b4").ok_or(ProtocolError::MalformedPacket)?,
            };
            Packet::Message(Data::Binary(decode_base64(digits)?.into()))
        }
        _ => return Err(ProtocolError::MalformedPacket),
    })
}

fn without_type(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[1..]),
        Cow::Owned(mut text) => {
            text.remove(0);
            Cow::Owned(text)
        }
    }
}

/// Padding may be left out, and lines may be broken: Android's encoder does so by default.
fn decode_base64(digits: &str) -> Result<Vec<u8>, ProtocolError> {
    let decoded = match digits.contains(['\n', '\r']) {
        true => BASE64.decode(digits.replace(['\n', '\r'], "")),
        false => BASE64.decode(digits),
    };
    decoded.map_err(|_| ProtocolError::MalformedPacket)
}

pub(super) const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

#[cfg(test)]
mod tests {
    use super::{
        Revision::{V3, V4},
        *,
    };

    fn binary(bytes: &[u8]) -> Packet<'_> {
        Packet::Message(Data::Binary(bytes.into()))
    }

    #[track_caller]
    fn check(revision: Revision, text: &str, expected: Packet<'_>) {
        assert_eq!(decode_text(revision, text), Ok(expected), "{text}");
    }

    #[track_caller]
    fn refuse(revision: Revision, texts: &[&str]) {
        for text in texts {
            assert_eq!(decode_text(revision, text), Err(ProtocolError::MalformedPacket), "{text}");
        }
    }

    #[test]
    fn every_type_is_read() {
        for revision in [V3, V4] {
            check(revision, "0{}", Packet::Open("{}".into()));
            check(revision, "1", Packet::Close);
            check(revision, "2", Packet::Ping("".into()));
            check(revision, "2probe", Packet::Ping("probe".into()));
            check(revision, "3probe", Packet::Pong("probe".into()));
            check(revision, "4", Packet::Message("".into()));
            check(revision, "4é\0", Packet::Message("é\0".into()));
            check(revision, "5", Packet::Upgrade);
            check(revision, "6", Packet::Noop);
            refuse(revision, &["", "7", "a", "é", " 4", "/", ":", "\0", "\u{1e}", "-1"]);
        }
    }

    #[test]
    fn base64_is_marked_per_revision() {
        check(V4, "bAQIDBA==", binary(b"\x01\x02\x03\x04"));
        check(V4, "b", binary(b""));
        // Base64 that begins with 4 is data in revision 4, and a type in revision 3.
        check(V4, "b4444", binary(b"\xe3\x8e\x38"));
        check(V3, "b4444", binary(b"\xe3\x8e"));
        check(V3, "b4AQIDBA==", binary(b"\x01\x02\x03\x04"));
        check(V3, "b4", binary(b""));
        for digits in ["AQ", "AQ==", "A\r\nQ=\n="] {
            check(V4, &format!("b{digits}"), binary(b"\x01"));
        }
        refuse(V4, &["bA", "bA===", "b AQ==", "bA-__", "bé", "bAQ==AQ==", "b="]);
        refuse(V3, &["b", "bAQID", "b2AQID", "b5"]);
    }

    #[test]
    fn revision_3_types_its_binary() {
        assert_eq!(decode_binary(V4, b"\x04\x01"), Ok(binary(b"\x04\x01")));
        assert_eq!(decode_binary(V4, b""), Ok(binary(b"")));
        assert_eq!(decode_binary(V3, b"\x04\x01"), Ok(binary(b"\x01")));
        assert_eq!(decode_binary(V3, b"\x04"), Ok(binary(b"")));
        for refused in [&b""[..], b"\x02", b"\x00", b"4hi", b"\xff"] {
            assert_eq!(decode_binary(V3, refused), Err(ProtocolError::MalformedPacket));
        }
    }
}
