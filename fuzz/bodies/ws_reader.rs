//! The bytes of one connection. The first byte of the input chooses the role (bit 1) and deflate (bit 0), the second how the
//! rest is cut.

use sori_proto::ws::{
    Message, Reader, WsError, deflate,
    frame::{Header, OpCode},
    handshake::{DeflateConfig, Negotiated, negotiate_deflate},
};

use super::memory;

const LIMIT: u32 = 1_000;

pub fn ws_reader(data: &[u8]) {
    let [flags, cut, bytes @ ..] = data else { return };
    let connection = Connection { client: flags & 2 != 0, deflate: flags & 1 != 0 };

    let whole = connection.read(bytes, std::iter::repeat(usize::MAX));
    assert_eq!(connection.read(bytes, std::iter::repeat(1)), whole, "byte by byte");
    assert_eq!(connection.read(bytes, sizes(*cut)), whole, "cut like {cut}");
    connection.sent_again(&whole.0);
    connection.held(bytes, *cut);
}

#[derive(Clone, Copy)]
struct Connection {
    client: bool,
    deflate: bool,
}

impl Connection {
    fn reader(self) -> Reader {
        let offer = || negotiate_deflate([&b"permessage-deflate"[..]].into_iter(), &DeflateConfig::default());
        let deflate: Option<Negotiated> = self.deflate.then(offer).flatten();
        match self.client {
            true => Reader::client(LIMIT, deflate),
            false => Reader::server(LIMIT, deflate),
        }
    }

    /// Everything that is read, and the error that ended it.
    fn read(self, bytes: &[u8], mut sizes: impl Iterator<Item = usize>) -> (Vec<Message<'static>>, Option<WsError>) {
        let (mut reader, mut messages, mut error) = (self.reader(), Vec::new(), None);
        let mut bytes = bytes.to_vec();
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let size = sizes.next().expect("endless").min(rest.len());
            let (mut input, later) = rest.split_at_mut(size);
            loop {
                match reader.next(&mut input) {
                    Ok(Some(message)) => {
                        assert!(!over(&messages, error), "after the end");
                        assert!(len(&message) <= LIMIT as usize);
                        messages.push(owned(message));
                    }
                    Ok(None) => break assert!(input.is_empty()),
                    Err(wrong) => {
                        assert!(!over(&messages, error), "after the end");
                        error = Some(wrong);
                    }
                }
            }
            rest = later;
        }
        (messages, error)
    }

    /// Messages that were read can be sent, and are then read as the same.
    fn sent_again(self, messages: &[Message<'static>]) {
        let mut bytes = Vec::new();
        for message in messages {
            let (opcode, payload) = match message {
                Message::Text(text) => (OpCode::Text, text.as_bytes().to_vec()),
                Message::Binary(data) => (OpCode::Binary, data.to_vec()),
                Message::Ping(data) => (OpCode::Ping, data.to_vec()),
                Message::Pong(data) => (OpCode::Pong, data.to_vec()),
                Message::Close { code, reason } => {
                    let code = code.map(u16::to_be_bytes);
                    (OpCode::Close, [code.as_ref().map_or(&b""[..], |code| code), reason.as_bytes()].concat())
                }
            };
            let mask = (!self.client).then_some([7, 0, 255, 1]);
            let rsv1 = self.deflate && !opcode.is_control();
            let payload = if rsv1 { deflate::compress(&payload, 15) } else { payload };
            bytes.extend(Header { fin: true, rsv1, opcode, mask, len: payload.len() as u64 }.frame(&payload));
        }
        let (read, error) = self.read(&bytes, std::iter::repeat(usize::MAX));
        assert_eq!((read.as_slice(), error), (messages, None));
    }

    /// Memory follows what has arrived, not what was promised; with deflate, the limit as well.
    fn held(self, bytes: &[u8], cut: u8) {
        // The thread's own decompressor is made when it is first needed.
        let _ = deflate::decompress(b"", 0);
        let mut bytes = bytes.to_vec();
        let held = memory::peak(|| {
            let (mut reader, mut rest) = (self.reader(), &mut bytes[..]);
            for size in sizes(cut) {
                let (mut input, later) = rest.split_at_mut(size.min(rest.len()));
                while let Ok(Some(_)) = reader.next(&mut input) {}
                if later.is_empty() {
                    break;
                }
                rest = later;
            }
        });
        let inflated = if self.deflate { LIMIT as usize + 1 } else { 0 };
        let most = PARTIAL_BYTES + (2 * bytes.len()).min(LIMIT as usize + 256) + inflated;
        assert!(held <= most, "{held} bytes for {}", bytes.len());
    }
}

/// What stands beside a message that is not complete, the reason of a close frame included.
const PARTIAL_BYTES: usize = 512;

fn over(messages: &[Message<'_>], error: Option<WsError>) -> bool {
    error.is_some() || matches!(messages.last(), Some(Message::Close { .. }))
}

/// Endless, small, and different for every byte.
fn sizes(cut: u8) -> impl Iterator<Item = usize> {
    let mut state = u32::from(cut) << 8 | 1;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        1 + (state >> 24) as usize % (1 + usize::from(cut % 64))
    })
}

fn len(message: &Message<'_>) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(data) => data.len(),
        Message::Ping(data) | Message::Pong(data) => {
            assert!(data.len() <= 125);
            data.len()
        }
        Message::Close { code, reason } => {
            assert!(reason.len() <= 123 && (code.is_some() || reason.is_empty()));
            reason.len()
        }
    }
}

fn owned(message: Message<'_>) -> Message<'static> {
    match message {
        Message::Text(text) => Message::Text(text.into_owned().into()),
        Message::Binary(data) => Message::Binary(data.into_owned().into()),
        Message::Ping(data) => Message::Ping(data.into_owned().into()),
        Message::Pong(data) => Message::Pong(data.into_owned().into()),
        Message::Close { code, reason } => Message::Close { code, reason: reason.into_owned().into() },
    }
}
