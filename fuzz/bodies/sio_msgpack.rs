//! One MessagePack packet.

use sori_proto::{
    ProtocolError,
    eio::Revision,
    sio::{Decoder, EncodeError, Incoming, OutArgs, Parser},
};

use super::{
    memory,
    sio::{LIMITS, Said, VALUE_BYTES, said, values_are_bounded},
};

pub fn sio_msgpack(data: &[u8]) {
    for revision in [Revision::V3, Revision::V4] {
        let held = memory::peak(|| drop(decode(revision, Parser::Msgpack, data)));
        assert!(held <= VALUE_BYTES * data.len() + 1_024, "{held} bytes for {}", data.len());
        let packet = decode(revision, Parser::Msgpack, data);
        let by_itself = decode(revision, Parser::Auto, data);
        assert_eq!(packet.as_ref().map(said).ok(), by_itself.as_ref().map(said).ok());
        assert_eq!(packet.as_ref().err(), by_itself.as_ref().err());
        if let Ok(packet) = &packet {
            check(revision, packet);
            values_are_bounded(packet, data.len());
            for end in [data.len() - 1, data.len() / 2] {
                assert!(decode(revision, Parser::Msgpack, &data[..end]).is_err(), "a part of a packet is none");
            }
        }
    }
}

fn decode(revision: Revision, parser: Parser, data: &[u8]) -> Result<Incoming<'_>, ProtocolError> {
    let packet = Decoder::new(revision, parser).binary(data, &LIMITS());
    packet.map(|packet| packet.expect("a MessagePack packet is whole"))
}

fn check(revision: Revision, packet: &Incoming<'_>) {
    let Some(said) = said(packet) else { return };
    let out = match packet {
        Incoming::Event { args, .. } | Incoming::Ack { args, .. } => {
            assert_eq!(args.raw_json(), None);
            args.to_out()
        }
        _ => Ok(OutArgs::default()),
    };
    let out = match out {
        // `{_placeholder: true}` beside bytes, which JSON cannot say.
        Err(error) => return assert_eq!(error, EncodeError::Placeholder),
        Ok(out) => out,
    };
    assert_eq!(out.to_values(), said.args());
    assert_eq!(said.by_msgpack(revision, &out), said);
    let (Said::Disconnect { namespace } | Said::Event { namespace, .. } | Said::Ack { namespace, .. }) = &said;
    if !namespace.contains(',') && out.check_attachments(LIMITS().max_attachments).is_ok() {
        assert_eq!(said.by_json(revision, &out), said);
    }
}
