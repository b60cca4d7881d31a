//! One JSON connection: each line of the input is a message of the client, binary behind `<`.

use sori_proto::{
    ProtocolError,
    eio::Revision,
    sio::{Decoder, Incoming, Parser},
};

use super::{
    memory,
    sio::{LIMITS, said, values_are_bounded},
};

pub fn sio_json(lines: &[u8]) {
    for revision in [Revision::V3, Revision::V4] {
        let held = memory::peak(|| decode(revision, lines, |_, _| {}));
        assert!(held <= 8 * lines.len() + 1_024, "{held} bytes for {}", lines.len());
        decode(revision, lines, |packet, attachments| {
            check(revision, packet, attachments);
            values_are_bounded(packet, lines.len());
        });
    }
}

/// Decodes up to the first error, which ends a session. Each packet comes with how many attachments it announced.
fn decode(revision: Revision, lines: &[u8], mut each: impl FnMut(&Incoming<'_>, usize)) {
    let (limits, mut decoder) = (LIMITS(), Decoder::new(revision, Parser::Json));
    let (mut announced, mut missing) = (0, 0);
    for line in lines.split(|byte| *byte == b'\n') {
        let packet = match (line.strip_prefix(b"<"), str::from_utf8(line)) {
            (Some(_), _) if missing == 0 => {
                assert_eq!(decoder.binary(&line[1..], &limits).err(), Some(ProtocolError::UnexpectedMessage));
                return;
            }
            (Some(data), _) => {
                let packet = decoder.binary(data, &limits).expect("awaited");
                missing -= 1;
                assert_eq!(packet.is_some(), missing == 0, "with its last attachment");
                packet
            }
            (None, Ok(text)) if missing > 0 => {
                assert_eq!(decoder.text(text, &limits).err(), Some(ProtocolError::UnexpectedMessage));
                return;
            }
            (None, Ok(text)) => {
                let Ok(packet) = decoder.text(text, &limits) else { return };
                announced = count(text);
                assert!(announced <= limits.max_attachments as usize);
                assert_eq!(packet.is_none(), announced > 0);
                missing = announced;
                packet
            }
            (None, Err(_)) => continue,
        };
        if let Some(packet) = packet {
            each(&packet, announced);
        }
    }
}

fn check(revision: Revision, packet: &Incoming<'_>, attachments: usize) {
    let said = said(packet);
    if let Incoming::Event { args, .. } | Incoming::Ack { args, .. } = packet {
        let out = args.to_out().expect("what came in may go out");
        assert_eq!(out.attachments().len(), attachments);
        assert_eq!(args.raw_json(), (attachments == 0).then_some(out.json()));
        if let Some(said) = &said {
            assert_eq!(out.to_values(), said.args());
            assert_eq!(&said.by_json(revision, &out), said);
            assert_eq!(&said.by_msgpack(revision, &out), said);
        }
    } else if let Some(said) = &said {
        assert_eq!(&said.by_json(revision, &Default::default()), said);
        assert_eq!(&said.by_msgpack(revision, &Default::default()), said);
    }
}

/// `52-[…]` announces two.
fn count(accepted: &str) -> usize {
    match accepted.as_bytes()[0] {
        b'5' | b'6' => accepted[1..].split('-').next().and_then(|count| count.parse().ok()).expect("a count"),
        _ => 0,
    }
}
