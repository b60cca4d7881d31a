//! What a message costs between the wire and its meaning, both ways.

use std::hint::black_box;

use bytes::Bytes;
use serde::Serialize;
use sori_proto::{
    Limits,
    eio::{
        Data, Packet, Revision,
        packet::{decode_binary, decode_text},
        payload,
    },
    plain::{Format, envelope},
    sio::{Decoder, InArgs, Incoming, OutArgs, Parser, msgpack},
    wire::{self, Prepared, WireFormat},
    ws::{
        Message, Reader, deflate,
        frame::{self, Header, OpCode},
        handshake,
    },
};

use crate::{Operation, Work};

pub fn operations() -> impl Iterator<Item = Operation> {
    [reading(), writing(), plain(), payloads(), websocket()].into_iter().flatten()
}

/// From a client's masked frame to a handler's argument.
fn reading() -> Vec<Operation> {
    let text = |name: &str, text: String| {
        Operation::new(name, move || read(&[(OpCode::Text, text.as_bytes())], Revision::V4, Parser::Json))
    };
    vec![
        text("read-event", format!(r#"42["msg","{}"]"#, words(100))),
        text("read-event-for-ack", format!(r#"4217["msg","{}"]"#, words(100))),
        text("read-ack", r#"4317["ok"]"#.into()),
        Operation::new("read-event-binary", || {
            let frames: [(_, &[u8]); 2] =
                [(OpCode::Text, br#"451-["msg",{"_placeholder":true,"num":0}]"#), (OpCode::Binary, &[7; 100])];
            read(&frames, Revision::V4, Parser::Json)
        }),
        Operation::new("read-event-msgpack", || {
            let mut packet = Vec::new();
            msgpack::event(&mut packet, "/", None, "msg", &args(&words(100)), None);
            read(&[(OpCode::Binary, &packet)], Revision::V4, Parser::Msgpack)
        }),
        Operation::new("read-event-plain", || {
            let text = format!(r#"{{"event":"msg","data":"{}"}}"#, words(100));
            let limits = Limits::default();
            Work::new(move || envelope::read(&text, &limits).expect("an envelope"))
        }),
    ]
}

/// An event, encoded once for each format, with and without bytes beside it.
fn writing() -> Vec<Operation> {
    let formats = [
        ("v4-json", WireFormat { revision: Revision::V4, parser: Parser::Json, deflate: false }),
        ("v3-json", WireFormat { revision: Revision::V3, parser: Parser::Json, deflate: false }),
        ("v4-msgpack", WireFormat { revision: Revision::V4, parser: Parser::Msgpack, deflate: false }),
        ("v3-msgpack", WireFormat { revision: Revision::V3, parser: Parser::Msgpack, deflate: false }),
        ("v4-json-deflate", WireFormat { revision: Revision::V4, parser: Parser::Json, deflate: true }),
        ("v3-json-deflate", WireFormat { revision: Revision::V3, parser: Parser::Json, deflate: true }),
        ("v4-msgpack-deflate", WireFormat { revision: Revision::V4, parser: Parser::Msgpack, deflate: true }),
        ("v3-msgpack-deflate", WireFormat { revision: Revision::V3, parser: Parser::Msgpack, deflate: true }),
    ];
    let text = |(name, format)| Operation::new(format!("write-event-{name}"), move || write(words(100), format));
    let binary = |(name, format)| {
        Operation::new(format!("write-event-binary-{name}"), move || write(Bytes::from_static(&[7; 100]), format))
    };
    let mut operations: Vec<_> = formats.into_iter().map(text).chain(formats[..4].iter().copied().map(binary)).collect();
    for (name, format) in [formats[0], formats[2]] {
        operations.push(Operation::new(format!("write-ack-{name}"), move || {
            let text = words(100);
            Work::new(move || wire::ack(format, "/", 17, &args(&text)))
        }));
    }
    operations
}

/// An event for clients without a library.
fn plain() -> Vec<Operation> {
    let formats = [
        ("sse", Format::Sse),
        ("sse-text", Format::SseText),
        ("sse-envelope", Format::SseEnvelope),
        ("lines", Format::Lines),
        ("multipart", Format::Multipart),
        ("iframe", Format::Iframe),
        ("websocket", Format::WebSocket { deflate: false }),
        ("websocket-bare", Format::WebSocketBare { deflate: false }),
    ];
    let operation = |(name, format)| {
        Operation::new(format!("write-plain-{name}"), move || {
            let text = words(100);
            Work::new(move || {
                let event = Prepared::new("/".into(), "msg", args(&text), None);
                event.with_cursor(17, "Ab3-17".into(), false).plain(format, "sori").clone()
            })
        })
    };
    formats.into_iter().map(operation).collect()
}

/// Polling bodies of ten events and an attachment.
fn payloads() -> Vec<Operation> {
    let messages = |revision| {
        let text: String = format!(r#"42["msg","{}"]"#, words(100));
        let binary: &[u8] = if revision == Revision::V3 { &[4; 101] } else { &[4; 100] };
        let mut messages = vec![Data::from(text.as_str()); 10];
        messages.push(Data::from(binary));
        let owned = |message| match message {
            Data::Text(text) => Data::Text(std::borrow::Cow::Owned(String::from(text))),
            Data::Binary(bytes) => Data::Binary(Vec::from(bytes).into()),
        };
        messages.into_iter().map(owned).collect::<Vec<Data<'static>>>()
    };
    let mut operations = Vec::new();
    for (name, revision) in [("v4", Revision::V4), ("v3", Revision::V3)] {
        operations.push(Operation::new(format!("payload-write-{name}"), move || {
            let messages = messages(revision);
            Work::new(move || {
                let mut body = Vec::new();
                payload::encode(revision, true, messages.iter().cloned(), &mut body);
                body
            })
        }));
        operations.push(Operation::new(format!("payload-read-{name}"), move || {
            let (mut body, limits) = (Vec::new(), Limits::default());
            let content = payload::encode(revision, true, messages(revision).into_iter(), &mut body);
            Work::new(move || {
                let mut packets = payload::Decoder::new(revision, content, &body, &limits);
                assert!(packets.all(|packet| black_box(packet).is_ok()));
            })
        }));
    }
    operations
}

/// Frames alone.
fn websocket() -> Vec<Operation> {
    let unmask = |bytes: usize| {
        Operation::new(format!("unmask-{bytes}"), move || {
            // In place: the next time it masks again, which is the same.
            let mut buffer = Vec::from(masked(OpCode::Binary, &vec![7; bytes]));
            let mut reader = Reader::server(1 << 20, None);
            Work::new(move || {
                let message = reader.next(&mut &mut buffer[..]).expect("a frame");
                assert!(matches!(black_box(message), Some(Message::Binary(_))));
            })
        })
    };
    vec![
        unmask(100),
        unmask(65_536),
        Operation::new("frame-100", || {
            let payload = [7; 100];
            Work::new(move || frame::frame(OpCode::Text, black_box(&payload)))
        }),
        Operation::new("compress-1000", || {
            let text = json_text();
            Work::new(move || deflate::compress(text.as_bytes(), 15))
        }),
        Operation::new("decompress-1000", || {
            let packed = deflate::compress(json_text().as_bytes(), 15);
            Work::new(move || deflate::decompress(&packed, 1 << 20).expect("it is whole"))
        }),
        Operation::new("websocket-accept", || {
            let key = Some(&b"dGhlIHNhbXBsZSBub25jZQ=="[..]);
            Work::new(move || handshake::check(black_box(key), Some(b"13")).expect("a key"))
        }),
    ]
}

/// Reads frames that make one packet, and its first argument.
fn read(frames: &[(OpCode, &[u8])], revision: Revision, parser: Parser) -> Work {
    let wire: Vec<u8> = frames.iter().flat_map(|(opcode, payload)| masked(*opcode, payload)).collect();
    let (mut reader, mut decoder) = (Reader::server(1 << 20, None), Decoder::new(revision, parser));
    let (limits, mut buffer) = (Limits::default(), Vec::new());
    Work::new(move || {
        // Unmasking writes into it.
        buffer.clone_from(&wire);
        let (mut input, mut args) = (&mut buffer[..], None);
        while let Some(message) = reader.next(&mut input).expect("a frame") {
            args = args_of(&message, revision, &mut decoder, &limits);
        }
        let args = args.expect("a whole packet");
        if args.raw_json().is_some() {
            black_box(args.deserialize::<String>().expect("a text"));
        }
        args
    })
}

fn args_of(message: &Message<'_>, revision: Revision, decoder: &mut Decoder, limits: &Limits) -> Option<InArgs> {
    let packet = match message {
        Message::Text(text) => decode_text(revision, text),
        Message::Binary(data) => decode_binary(revision, data),
        _ => panic!("no other frame was sent"),
    };
    let incoming = match packet.expect("a packet") {
        Packet::Message(Data::Text(text)) => decoder.text(&text, limits).expect("a packet")?.into_args(),
        Packet::Message(Data::Binary(data)) => decoder.binary(&data, limits).expect("a packet")?.into_args(),
        _ => panic!("no other packet was sent"),
    };
    Some(incoming)
}

trait IntoArgs {
    fn into_args(self) -> InArgs;
}

impl IntoArgs for Incoming<'_> {
    fn into_args(self) -> InArgs {
        match self {
            Incoming::Event { args, .. } | Incoming::Ack { args, .. } => args,
            _ => panic!("an event or an ack was sent"),
        }
    }
}

fn write(data: impl Serialize + 'static, format: WireFormat) -> Work {
    Work::new(move || Prepared::new("/".into(), "msg", args(&data), None).frames(format).clone())
}

fn args(data: &impl Serialize) -> OutArgs {
    OutArgs::new(data).expect("it can be written")
}

fn masked(opcode: OpCode, payload: &[u8]) -> Bytes {
    let header = Header { fin: true, rsv1: false, opcode, mask: Some([7, 3, 1, 9]), len: payload.len() as u64 };
    header.frame(payload)
}

/// As the load generator sends.
fn words(bytes: usize) -> String {
    "the quick brown fox jumps over the lazy dog ".chars().cycle().take(bytes).collect()
}

/// A thousand bytes as applications send them.
fn json_text() -> String {
    let mut text: String = (0..30).map(|n| format!(r#"{{"id":{},"name":"user {n}"}},"#, n * 7919 % 1_000)).collect();
    text.truncate(1_000);
    text
}
