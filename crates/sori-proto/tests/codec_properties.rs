//! What must hold for any input of the codecs: what is written is read again, and garbage is an error.

use proptest::{collection::vec, prelude::*};
use sori_proto::{
    Limits, Number, Value,
    eio::{
        Data, Packet, Revision,
        packet::{decode_binary, decode_text},
        payload::{self, ContentType},
    },
    sio::{Decoder, InArgs, Incoming, OutArgs, Parser, json, msgpack},
};

fn limits() -> Limits {
    Limits { max_attachments: 1_000, ..Limits::default() }
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        (-200i64..300).prop_map(Number::from),
        any::<f64>().prop_filter("JSON has no such numbers", |f| f.is_finite()).prop_map(Number::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        vec(any::<u8>(), 0..300).prop_map(|bytes| Value::Binary(bytes.into())),
    ];
    leaf.prop_recursive(6, 48, 20, |inner| {
        prop_oneof![vec(inner.clone(), 0..20).prop_map(Value::from), vec((".{0,8}", inner), 0..20).prop_map(Value::from),]
    })
}

fn revision() -> impl Strategy<Value = Revision> {
    prop_oneof![Just(Revision::V3), Just(Revision::V4)]
}

/// Text with everything that means something to one of the parsers.
fn hostile() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        any::<char>().prop_map(String::from),
        "[0-9]{1,3}",
        prop::sample::select(
            &[
                "2",
                "3",
                "5",
                "51-",
                "62-",
                "-",
                "/",
                "/a,",
                ",",
                "[",
                "]",
                "{",
                "}",
                "\"",
                ":",
                "\\",
                "\\u",
                "\\ud83d",
                "\\n",
                "b",
                "b4",
                "\u{1e}",
                "\"a\"",
                "[\"a\"",
                "{\"_placeholder\":true,\"num\":",
                "true",
                "null",
                "1e9",
                "-1",
                "é",
                "😀",
                "d=",
                "%",
            ][..]
        )
        .prop_map(String::from),
    ];
    vec(parts, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn json_says_what_was_said(values in vec(value(), 0..5), name in "[a-z\"é\\\\]{0,9}[0-9]", ack in any::<Option<u64>>()) {
        let args = OutArgs::from_values(&values).unwrap();
        prop_assert_eq!(&args.to_values(), &values);
        // By way of serde it is the same.
        prop_assert_eq!(&OutArgs::new(&(&values,)).unwrap().to_values(), &[Value::from(values.clone())]);

        let mut wire = Vec::new();
        json::event(&mut wire, "/chat", ack, &name, &args, None);
        let (limits, mut decoder) = (limits(), Decoder::new(Revision::V4, Parser::Json));
        let mut packet = decoder.text(str::from_utf8(&wire).unwrap(), &limits).unwrap();
        for attachment in args.attachments() {
            prop_assert!(packet.is_none());
            packet = decoder.binary(attachment, &limits).unwrap();
        }
        let Some(Incoming::Event { namespace, name: read, args: incoming, ack: id }) = packet else { panic!() };
        prop_assert_eq!((&*namespace, &*read, id), ("/chat", &*name, ack));
        prop_assert_eq!(&incoming.to_values().unwrap(), &values);
        prop_assert_eq!(incoming.to_out().unwrap(), args.clone());

        let ascii = json::ascii(str::from_utf8(&wire).unwrap());
        prop_assert!(ascii.is_ascii());
        let (mut decoder, mut plain) = (Decoder::new(Revision::V4, Parser::Json), None);
        if args.attachments().is_empty() {
            plain = decoder.text(&ascii, &limits).unwrap();
        }
        if let Some(Incoming::Event { args, .. }) = plain {
            prop_assert_eq!(args.to_values().unwrap(), values);
        }
    }

    #[test]
    fn msgpack_says_what_was_said(values in vec(value(), 0..5), id in any::<u64>()) {
        let args = OutArgs::from_values(&values).unwrap();
        let mut wire = Vec::new();
        msgpack::ack(&mut wire, "/é", id, &args);
        let packet = Decoder::new(Revision::V4, Parser::Auto).binary(&wire, &limits()).unwrap();
        let Some(Incoming::Ack { namespace, id: read, args: incoming }) = packet else { panic!() };
        prop_assert_eq!((&*namespace, read), ("/é", id));
        prop_assert_eq!(incoming.to_values().unwrap(), values);
        prop_assert_eq!(incoming.to_out().unwrap(), args);
        // Any part of it is none.
        for end in 0..wire.len().min(200) {
            prop_assert!(Decoder::new(Revision::V4, Parser::Msgpack).binary(&wire[..end], &limits()).is_err());
        }
    }

    #[test]
    fn values_read_what_serde_json_reads(value in value()) {
        let in_args = InArgs::from_values(vec![value.clone()]);
        prop_assert_eq!(&in_args.deserialize::<Value>().unwrap(), &value);
        let text = serde_json::to_string(&value).unwrap();
        let reference: serde_json::Value = serde_json::from_str(&text).unwrap();
        let ours = Value::from_json(&text).unwrap();
        prop_assert_eq!(serde_json::to_value(&ours).unwrap(), reference.clone());
        prop_assert_eq!(InArgs::from_values(vec![ours]).deserialize::<serde_json::Value>().unwrap(), reference);
    }

    #[test]
    fn polling_says_what_was_said(
        revision in revision(),
        supports_binary in any::<bool>(),
        messages in vec(prop_oneof![any::<String>().prop_map(Ok), vec(any::<u8>(), 0..50).prop_map(Err)], 1..10),
    ) {
        // Neither parser escapes the record separator: JSON has.
        let messages: Vec<_> = messages.into_iter().map(|m| m.map(|text| format!("4{}", text.replace('\u{1e}', "")))).collect();
        let type_byte: &[u8] = if revision == Revision::V3 { b"\x04" } else { b"" };
        let sent = messages.iter().map(|message| match message {
            Ok(text) => Data::from(text.as_str()),
            Err(bytes) => Data::Binary([type_byte, bytes].concat().into()),
        });
        let mut body = Vec::new();
        let content = payload::encode(revision, supports_binary, sent, &mut body);
        let limits = limits();
        let read: Vec<_> = payload::Decoder::new(revision, content, &body, &limits).map(Result::unwrap).collect();
        let expected: Vec<_> = messages.iter().map(|message| Packet::Message(match message {
            Ok(text) => Data::from(&text[1..]),
            Err(bytes) => Data::from(&bytes[..]),
        })).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn jsonp_forms_bring_any_payload(body in hostile()) {
        // As the client's form does: `\n` becomes `\\n`, then a line end `\n`.
        // A backslash right before a line end it writes like the text `\n`: nobody can tell them apart.
        prop_assume!(!body.contains("\\\n"));
        let escaped = body.replace("\\n", "\\\\n").replace('\n', "\\n");
        let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("d", &escaped).finish();
        prop_assert_eq!(payload::jsonp_body(form.as_bytes()), Ok(body.clone()));
        let mut script = Vec::new();
        payload::jsonp("3", &body, &mut script);
        let argument = &str::from_utf8(&script).unwrap()["___eio[3](".len()..script.len() - ");".len()];
        prop_assert_eq!(serde_json::from_str::<String>(argument).unwrap(), body);
        let special = argument.find(['<', '\u{2028}', '\u{2029}']);
        prop_assert_eq!(special, None);
    }

    #[test]
    fn garbage_is_survived(text in hostile(), bytes in vec(any::<u8>(), 0..200), revision in revision()) {
        let limits = limits();
        let _ = decode_text(revision, &text);
        let _ = decode_binary(revision, &bytes);
        let _ = payload::jsonp_body(text.as_bytes());
        let _ = payload::jsonp_body(&bytes);
        for body in [text.as_bytes(), &bytes] {
            for content in [ContentType::Text, ContentType::Binary] {
                let packets = payload::Decoder::new(revision, content, body, &limits).utf8_twice(true);
                prop_assert!(packets.count() <= body.len() + 1);
            }
        }
        for parser in [Parser::Json, Parser::Msgpack, Parser::Auto] {
            let mut decoder = Decoder::new(revision, parser);
            for packet in [decoder.text(&text, &limits), Decoder::new(revision, parser).binary(&bytes, &limits)] {
                if let Ok(Some(Incoming::Event { args, .. } | Incoming::Ack { args, .. })) = packet {
                    let _ = (args.to_values(), args.to_out(), args.deserialize::<(String, Option<Value>)>());
                }
            }
            let _ = decoder.binary(&bytes, &limits);
        }
    }

    /// One wrong byte in a real packet.
    #[test]
    fn one_wrong_byte_is_survived(values in vec(value(), 0..4), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (limits, args) = (limits(), OutArgs::from_values(&values).unwrap());
        let mut wire = Vec::new();
        msgpack::event(&mut wire, "/", Some(1), "event", &args, None);
        let spot = at.index(wire.len());
        wire[spot] = byte;
        if let Ok(Some(Incoming::Event { args, .. })) = Decoder::new(Revision::V4, Parser::Msgpack).binary(&wire, &limits) {
            let _ = args.to_values();
        }
        let mut wire = Vec::new();
        json::event(&mut wire, "/", Some(1), "event", &args, None);
        let spot = at.index(wire.len());
        wire[spot] = byte;
        if let Ok(text) = str::from_utf8(&wire)
            && let Ok(Some(Incoming::Event { args, .. })) = Decoder::new(Revision::V4, Parser::Json).text(text, &limits)
        {
            let _ = (args.to_values(), args.deserialize::<Value>());
        }
    }
}
