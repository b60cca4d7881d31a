//! What holds for every message, every way to cut it, and every byte that is none.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*, sample::Index};
use sori_proto::ws::{
    Message, Reader, WsError, deflate,
    frame::{self, Header, OpCode},
    handshake::{self, DeflateConfig, Negotiated, negotiate_deflate},
};

const LIMIT: u32 = 4_000;

proptest! {
    /// However a client fragments and compresses, and however the network cuts it, the server reads the same messages.
    #[test]
    fn server_reads_what_a_client_sends(sent in vec((message(), any::<Index>(), any::<[u8; 4]>()), 0..12), sizes in vec(1usize..700, 1..20)) {
        let mut bytes = Vec::new();
        for (message, cut, mask) in &sent {
            message.write(&mut bytes, Some(*mask), *cut);
        }
        let mut reader = Reader::server(LIMIT, negotiated());
        prop_assert_eq!(read(&mut reader, &bytes, &sizes), Ok(expected(sent.into_iter().map(|(message, ..)| message))));
    }

    /// The same the other way, where nothing is masked.
    #[test]
    fn client_reads_what_a_server_sends(sent in vec((message(), any::<Index>()), 0..12), sizes in vec(1usize..700, 1..20)) {
        let mut bytes = Vec::new();
        for (message, cut) in &sent {
            message.write(&mut bytes, None, *cut);
        }
        let mut reader = Reader::client(LIMIT, negotiated());
        prop_assert_eq!(read(&mut reader, &bytes, &sizes), Ok(expected(sent.into_iter().map(|(message, ..)| message))));
    }

    /// Polling finds in a queued frame what a WebSocket would have sent.
    #[test]
    fn payload_of_a_written_frame(text in ".{0,300}") {
        let written = frame::frame(OpCode::Text, text.as_bytes());
        prop_assert_eq!(frame::opcode(&written), OpCode::Text);
        prop_assert_eq!(frame::payload(&written), text.as_bytes());
        prop_assert_eq!(written.len(), frame::header_len(text.len()) + text.len());
    }

    /// An error is the same error wherever the network cuts.
    #[test]
    fn garbage_is_refused_alike(bytes in vec(any::<u8>(), 0..300), sizes in vec(1usize..50, 1..20)) {
        let whole = read(&mut Reader::server(LIMIT, negotiated()), &bytes, &[usize::MAX]);
        prop_assert_eq!(read(&mut Reader::server(LIMIT, negotiated()), &bytes, &sizes), whole);
        let whole = read(&mut Reader::client(LIMIT, None), &bytes, &[usize::MAX]);
        prop_assert_eq!(read(&mut Reader::client(LIMIT, None), &bytes, &sizes), whole);
    }

    /// Text is accepted exactly when it is UTF-8.
    #[test]
    fn text_is_utf8_or_refused(mut text in ".{0,40}".prop_map(String::into_bytes), at in any::<Index>(), byte in any::<u8>(), sizes in vec(1usize..9, 1..9)) {
        if !text.is_empty() {
            let at = at.index(text.len());
            text[at] = byte;
        }
        let header = Header { fin: true, rsv1: false, opcode: OpCode::Text, mask: Some([9, 8, 7, 6]), len: text.len() as u64 };
        let read = read(&mut Reader::server(LIMIT, None), &header.frame(&text), &sizes);
        prop_assert_eq!(read, match String::from_utf8(text) {
            Ok(text) => Ok(vec![Sent::Text(text)]),
            Err(_) => Err(WsError::Utf8),
        });
    }

    #[test]
    fn compression_is_undone(payload in vec(0u8..20, 0..5_000), bits in 9u8..=15) {
        let small = deflate::compress(&payload, bits);
        prop_assert_eq!(deflate::decompress(&small, payload.len()), Ok(payload.clone()));
        if let Some(too_few) = payload.len().checked_sub(1) {
            prop_assert_eq!(deflate::decompress(&small, too_few), Err(WsError::MessageTooLarge));
        }
    }

    #[test]
    fn decompressed_garbage_is_bounded(payload in vec(any::<u8>(), 0..500), limit in 0usize..500) {
        if let Ok(message) = deflate::decompress(&payload, limit) {
            prop_assert!(message.len() <= limit);
        }
    }

    #[test]
    fn handshake_headers_may_be_anything(a in vec(any::<u8>(), 0..200), b in "(permessage-deflate|[a-z_]{0,30}|[;,=\" \\\\]|1?[0-9]){0,20}") {
        for header in [&a[..], b.as_bytes()] {
            let _ = handshake::check(Some(header), Some(b"13"));
            let _ = handshake::check(Some(b"dGhlIHNhbXBsZSBub25jZQ=="), Some(header));
            let _ = handshake::is_upgrade(Some(header), Some(header));
            if let Some(agreed) = negotiate_deflate([header].into_iter(), &DeflateConfig { server_window_bits_min: 9, ..DeflateConfig::default() }) {
                prop_assert!((9..=15).contains(&agreed.server_window_bits()));
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Sent {
    Text(String),
    Binary(Vec<u8>),
    Compressed(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

fn message() -> impl Strategy<Value = Sent> {
    let small = || vec(any::<u8>(), 0..=125);
    prop_oneof![
        3 => ".{0,400}".prop_map(Sent::Text),
        3 => vec(any::<u8>(), 0..=LIMIT as usize).prop_map(Sent::Binary),
        3 => ".{0,900}".prop_map(Sent::Compressed),
        2 => small().prop_map(Sent::Ping),
        2 => small().prop_map(Sent::Pong),
        1 => (proptest::option::of(3000u16..5000), "[a-zé]{0,60}").prop_map(|(code, reason)| Sent::Close(code, if code.is_some() { reason } else { String::new() })),
    ]
}

impl Sent {
    /// Data goes as two fragments with a ping between them, or as one, which `cut` decides.
    fn write(&self, out: &mut Vec<u8>, mask: Option<[u8; 4]>, cut: Index) {
        let mut put = |opcode, fin, rsv1, payload: &[u8]| {
            out.extend_from_slice(&Header { fin, rsv1, opcode, mask, len: payload.len() as u64 }.frame(payload));
        };
        let (opcode, rsv1, payload) = match self {
            Self::Text(text) => (OpCode::Text, false, text.clone().into_bytes()),
            Self::Binary(data) => (OpCode::Binary, false, data.clone()),
            Self::Compressed(text) => (OpCode::Text, true, deflate::compress(text.as_bytes(), 15)),
            Self::Ping(data) => return put(OpCode::Ping, true, false, data),
            Self::Pong(data) => return put(OpCode::Pong, true, false, data),
            Self::Close(code, reason) => {
                let close = frame::close(*code, reason);
                return put(OpCode::Close, true, false, frame::payload(&close));
            }
        };
        match cut.index(payload.len() + 2) {
            0 => put(opcode, true, rsv1, &payload),
            cut => {
                put(opcode, false, rsv1, &payload[..cut - 1]);
                put(OpCode::Continuation, false, false, b"");
                put(OpCode::Continuation, true, false, &payload[cut - 1..]);
            }
        }
    }
}

/// Nothing is read after a close frame.
fn expected(sent: impl Iterator<Item = Sent>) -> Vec<Sent> {
    let mut expected = Vec::new();
    for message in sent {
        expected.push(match message {
            Sent::Compressed(text) => Sent::Text(text),
            other => other,
        });
        if matches!(expected.last(), Some(Sent::Close(..))) {
            break;
        }
    }
    expected
}

/// Reads `bytes` in chunks of `sizes`, over and over.
fn read(reader: &mut Reader, bytes: &[u8], sizes: &[usize]) -> Result<Vec<Sent>, WsError> {
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    let mut messages = Vec::new();
    for size in sizes.iter().cycle() {
        let (mut input, later) = rest.split_at_mut(rest.len().min(*size));
        while let Some(message) = reader.next(&mut input)? {
            messages.push(match message {
                Message::Text(text) => Sent::Text(text.into_owned()),
                Message::Binary(data) => Sent::Binary(data.into_owned()),
                Message::Ping(data) => Sent::Ping(data.into_owned()),
                Message::Pong(data) => Sent::Pong(data.into_owned()),
                Message::Close { code, reason } => Sent::Close(code, reason.into_owned()),
            });
        }
        assert!(input.is_empty());
        if later.is_empty() {
            break;
        }
        rest = later;
    }
    Ok(messages)
}

fn negotiated() -> Option<Negotiated> {
    negotiate_deflate([&b"permessage-deflate"[..]].into_iter(), &DeflateConfig::default())
}

/// `Bytes` that were sent to several peers are read by polling without a copy.
#[test]
fn payload_is_shared() {
    let written: Bytes = frame::frame(OpCode::Binary, &[1; 1_000]);
    let payload = frame::payload(&written);
    assert_eq!(payload.as_ptr(), written[4..].as_ptr());
}
