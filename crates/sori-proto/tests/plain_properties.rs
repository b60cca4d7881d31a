//! Whatever is said to a plain client, in whatever framing, an independent reader of that framing hears it; and what clients say is heard.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use sori_proto::{
    CloseReason, Limits, Number, Value,
    plain::{
        Format, Said, body,
        envelope::{self, Heard},
        poll_answer,
        script::{is_callback, jsonp},
    },
    sio::OutArgs,
};

#[path = "../../../fuzz/bodies/plain_read.rs"]
mod plain_read;

use plain_read::Told;

const BOUNDARY: &str = "sori-Bound4ry_-";

fn limits() -> Limits {
    Limits { max_attachments: 10_000, ..Limits::default() }
}

/// Text with everything that ends something somewhere.
fn hostile() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        any::<char>().prop_map(String::from),
        ".{0,6}",
        prop::sample::select(
            &[
                "\n",
                "\r",
                "\r\n",
                "\n\n",
                "\0",
                ":",
                ": ",
                " ",
                "data: x",
                "id: x",
                "event: x",
                "retry: 1",
                "\u{feff}",
                "</script>",
                "<!--",
                "\u{2028}",
                "\u{2029}",
                "\\",
                "\"",
                "'",
                "--",
                BOUNDARY,
                "\r\n--",
                "\\u0000",
                "__proto__",
                "$binary",
                "$$binary",
                "n",
                "message",
                "",
                "]}",
                "*/",
                "\u{85}",
                "\t",
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    vec(parts, 0..8).prop_map(|parts| parts.concat())
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        any::<f64>().prop_filter("JSON has no such numbers", |f| f.is_finite()).prop_map(Number::from),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => hostile(),
        2 => "\\${0,3}binary",
        1 => Just("__proto__".to_owned()),
        1 => Just("_placeholder".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number().prop_map(Value::from),
        hostile().prop_map(Value::from),
        vec(any::<u8>(), 0..40).prop_map(|bytes| Value::Binary(bytes.into())),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![vec(inner.clone(), 0..5).prop_map(Value::from), vec((key(), inner), 0..4).prop_map(Value::from)]
    })
}

#[derive(Debug)]
struct Out {
    cursor: Option<String>,
    event: Option<String>,
    args: Vec<Value>,
    ack: Option<u64>,
    out: OutArgs,
}

impl Out {
    fn said(&self) -> Said<'_> {
        Said { cursor: self.cursor.as_deref(), event: self.event.as_deref(), args: &self.out, ack: self.ack }
    }

    fn told(&self) -> Told {
        Told { id: self.cursor.clone(), event: self.event.clone(), args: self.args.clone(), ack: self.ack }
    }
}

prop_compose! {
    /// An event, or the answer to one.
    fn out()(
        cursor in prop::option::of("[A-Za-z0-9_-]{1,20}"),
        event in prop::option::weighted(0.9, hostile()),
        args in vec(value(), 0..4),
        ack in prop::option::of(any::<u64>()),
    ) -> Option<Out> {
        // Bytes beside an object that says it is a placeholder are refused when they are emitted.
        let out = OutArgs::from_values(&args).ok()?;
        let ack = if event.is_none() { Some(ack.unwrap_or(7)) } else { ack };
        Some(Out { cursor, event, args, ack, out })
    }
}

/// What one argument is as text of its own: strings as they are, all else JSON.
fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

/// Every line end becomes the one that a reader of events gives.
fn one_line_end(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_multipart_scripts_and_frames_are_envelopes(outs in vec(out(), 1..4)) {
        let outs: Vec<Out> = outs.into_iter().flatten().collect();
        let expected: Vec<Told> = outs.iter().map(Out::told).collect();
        let stream = |format: Format| -> Vec<u8> {
            outs.iter().flat_map(|out| [format.said(&out.said(), BOUNDARY), format.heartbeat(BOUNDARY)].concat()).collect()
        };

        let lines = stream(Format::Lines);
        let lines = str::from_utf8(&lines).unwrap();
        prop_assert!(lines.is_empty() || lines.ends_with('\n'));
        let heard: Vec<Told> = lines.split('\n').filter(|line| !line.is_empty()).map(plain_read::envelope).collect();
        prop_assert_eq!(&heard, &expected);

        let mut parts = format!("--{BOUNDARY}").into_bytes();
        parts.extend_from_slice(&stream(Format::Multipart));
        let (bodies, is_over) = plain_read::multipart(&parts, BOUNDARY);
        let heard: Vec<Told> = bodies.into_iter().filter(|body| !body.is_empty()).map(plain_read::envelope).collect();
        prop_assert_eq!(&heard, &expected);
        prop_assert!(!is_over);
        parts.extend_from_slice(&Format::Multipart.goodbye(CloseReason::ServerShuttingDown, BOUNDARY));
        prop_assert!(plain_read::multipart(&parts, BOUNDARY).1);

        prop_assert_eq!(&plain_read::iframe(&stream(Format::Iframe)), &expected);

        let frames = stream(Format::WebSocket { deflate: false });
        let heard: Vec<Told> = plain_read::frames(&frames)
            .into_iter()
            .filter(|(opcode, _)| *opcode != 9)
            .map(|(opcode, payload)| {
                assert_eq!(opcode, 1);
                plain_read::envelope(str::from_utf8(payload).unwrap())
            })
            .collect();
        prop_assert_eq!(&heard, &expected);
    }

    #[test]
    fn server_sent_events_are_what_they_were(outs in vec(out(), 1..4)) {
        let outs: Vec<Out> = outs.into_iter().flatten().collect();
        for format in [Format::Sse, Format::SseText, Format::SseEnvelope] {
            let stream: Vec<u8> = b":\n\n"
                .iter()
                .copied()
                .chain(outs.iter().flat_map(|out| [format.said(&out.said(), ""), format.heartbeat("")].concat()))
                .collect();
            let messages = plain_read::sse(&stream);
            prop_assert_eq!(messages.len(), outs.len());
            let mut last_event_id = String::new();
            for (message, out) in messages.iter().zip(&outs) {
                last_event_id = out.cursor.clone().unwrap_or(last_event_id);
                prop_assert_eq!(&message.last_event_id, &last_event_id);
                let name = out.event.as_deref().unwrap_or("ack");
                let is_plain = !name.contains(['\n', '\r', '\0']) && !name.is_empty();
                let is_whole = format == Format::SseEnvelope || !is_plain || out.event.is_none() || out.ack.is_some() || out.args.len() > 1;
                if is_plain {
                    prop_assert_eq!(&*message.event, name);
                }
                match (&out.args[..], is_whole) {
                    (_, true) => prop_assert_eq!(plain_read::envelope(&message.data), out.told()),
                    ([], _) => prop_assert_eq!(&*message.data, ""),
                    ([one], _) if format == Format::SseText && text(one).is_some() => {
                        prop_assert_eq!(&message.data, &one_line_end(text(one).unwrap()));
                    }
                    ([one], _) => prop_assert_eq!(&plain_read::bytes(Value::from_json(&message.data).unwrap()), one),
                    _ => unreachable!("several arguments are an envelope"),
                }
            }
        }
    }

    #[test]
    fn bare_frames_are_the_data(out in out()) {
        let Some(out) = out else { return Ok(()) };
        let stream = Format::WebSocketBare { deflate: false }.said(&out.said(), "");
        let frames = plain_read::frames(&stream);
        if out.event.is_none() {
            prop_assert!(frames.is_empty());
            return Ok(());
        }
        let [(opcode, payload)] = frames[..] else { panic!("one frame") };
        match &out.args[..] {
            [Value::Binary(bytes)] => prop_assert_eq!((opcode, payload), (2, &bytes[..])),
            [one] if text(one).is_some() => prop_assert_eq!((opcode, payload), (1, text(one).unwrap().as_bytes())),
            [] => prop_assert_eq!((opcode, payload), (1, &b""[..])),
            several => {
                prop_assert_eq!(opcode, 1);
                let value = plain_read::bytes(Value::from_json(str::from_utf8(payload).unwrap()).unwrap());
                let expected = if let [one] = several { one.clone() } else { Value::Array(several.to_vec()) };
                prop_assert_eq!(value, expected);
            }
        }
    }

    #[test]
    fn answers_to_polls_are_json_and_scripts(outs in vec(out(), 0..4), sid in hostile(), cursor in hostile()) {
        let outs: Vec<Out> = outs.into_iter().flatten().collect();
        let envelopes: Vec<Bytes> = outs.iter().map(|out| Format::Lines.said(&out.said(), "")).collect();
        let mut body = Vec::new();
        poll_answer(&mut body, &sid, &cursor, &envelopes);
        let mut script = Vec::new();
        jsonp(&mut script, "a.b", str::from_utf8(&body).unwrap());
        for json in [str::from_utf8(&body).unwrap().to_owned(), plain_read::jsonp(&script, "a.b")] {
            let Ok(Value::Object(members)) = Value::from_json(&json) else { panic!("no object: {json}") };
            let [(a, said_sid), (b, said_cursor), (c, Value::Array(events))] = &members[..] else { panic!("{json}") };
            prop_assert_eq!((&**a, &**b, &**c), ("sid", "cursor", "events"));
            prop_assert_eq!((said_sid.as_str(), said_cursor.as_str()), (Some(&*sid), Some(&*cursor)));
            prop_assert_eq!(events.len(), outs.len());
            prop_assert_eq!(json.matches("\n").count(), 0);
        }
    }

    #[test]
    fn goodbyes_are_well_formed(reason in prop::sample::select(&CloseReason::ALL[..])) {
        let expected = Value::from_json(&format!("{{\"reason\":\"{}\"}}", reason.as_str())).unwrap();
        for format in [Format::Sse, Format::SseText, Format::SseEnvelope] {
            let stream = format.goodbye(reason, BOUNDARY);
            let [message] = &plain_read::sse(&stream)[..] else { panic!("one event") };
            prop_assert_eq!(&*message.event, "disconnect");
        }
        let line = Format::Lines.goodbye(reason, BOUNDARY);
        let told = plain_read::envelope(str::from_utf8(&line).unwrap().strip_suffix('\n').unwrap());
        prop_assert_eq!((told.event.as_deref(), &told.args[..]), (Some("disconnect"), &[expected][..]));
        plain_read::iframe(&Format::Iframe.goodbye(reason, BOUNDARY));
        let frames = Format::WebSocket { deflate: false }.goodbye(reason, BOUNDARY);
        let frames = plain_read::frames(&frames);
        prop_assert_eq!(frames.iter().map(|(opcode, _)| *opcode).collect::<Vec<_>>(), [1, 8]);
        prop_assert!(frames[1].1.len() <= 125);
    }

    /// What a client in another language says is heard, however it spells it.
    #[test]
    fn what_clients_say_is_heard(args in vec(value(), 0..4), name in hostile(), ack in prop::option::of(any::<u64>()), spaced: bool) {
        let list: Vec<String> = args.iter().map(|value| json_of(value, spaced)).collect();
        let string = serde_json::to_string(&name).unwrap();
        let ack_json = ack.map(|ack| format!(",\"ack\":{ack}")).unwrap_or_default();
        let data = match &list[..] {
            [] => String::new(),
            [one] => format!(",\"data\":{one}"),
            _ => format!(",\"args\":[{}]", list.join(" , ")),
        };
        let said = format!(" {{\"event\":{string}{ack_json}{data},\"unknown\":[1]}}\n");
        let Ok(Heard::Event { name: heard_name, args: heard, ack: heard_ack }) = envelope::read(&said, &limits()) else {
            panic!("not heard: {said}")
        };
        prop_assert_eq!((&*heard_name, heard_ack), (&*name, ack));
        prop_assert_eq!(heard.to_values().unwrap(), args.clone());

        let answer = format!("{{\"ack\":7{data}}}");
        let Ok(Heard::Answer { id: 7, args: heard }) = envelope::read(&answer, &limits()) else { panic!("not heard: {answer}") };
        prop_assert_eq!(heard.to_values().unwrap(), args.clone());

        // The same by POST.
        let array = format!("[{}]", list.join(","));
        let heard = body::read(Some("application/json"), array.into(), true, &limits()).unwrap();
        prop_assert_eq!(heard.to_values().unwrap(), args.clone());
        for (value, json) in args.iter().zip(&list) {
            let heard = body::read(Some("Application/JSON ; charset=UTF-8"), json.clone().into(), false, &limits()).unwrap();
            prop_assert_eq!(heard.to_values().unwrap(), std::slice::from_ref(value));
        }
    }

    #[test]
    fn bodies_are_what_their_type_says(text in hostile(), bytes in vec(any::<u8>(), 1..60), fields in vec(("[a-c]{1}", hostile()), 1..8)) {
        let read = |kind: Option<&str>, body: Bytes| body::read(kind, body, false, &limits()).map(|args| args.to_values().unwrap());
        let none_or = |value: Value| if text.is_empty() { vec![] } else { vec![value] };
        prop_assert_eq!(read(Some("text/plain"), text.clone().into()).unwrap(), none_or(Value::from(text.clone())));
        for kind in [None, Some("application/octet-stream"), Some("video/mp4"), Some(""), Some(";")] {
            prop_assert_eq!(read(kind, bytes.clone().into()).unwrap(), [Value::Binary(bytes.clone().into())]);
        }
        let form: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        let heard = read(Some("application/x-www-form-urlencoded"), form.into()).unwrap();
        let [Value::Object(members)] = &heard[..] else { panic!("{heard:?}") };
        for name in ["a", "b", "c"] {
            let expected: Vec<Value> = fields.iter().filter(|(known, _)| known == name).map(|(_, v)| Value::from(v.clone())).collect();
            let found: Vec<Value> = members
                .iter()
                .filter(|(known, _)| known == name)
                .flat_map(|(_, value)| value.as_array().map_or_else(|| vec![value.clone()], <[Value]>::to_vec))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn garbage_is_an_error(garbage in hostile(), bytes in vec(any::<u8>(), 0..200), kind in hostile()) {
        let _ = envelope::read(&garbage, &limits());
        let _ = envelope::read_args(&garbage, true, &limits());
        for spread in [false, true] {
            let _ = body::read(Some(&kind), bytes.clone().into(), spread, &limits());
            let _ = body::read(Some("application/json"), bytes.clone().into(), spread, &limits());
            let _ = body::read(Some("application/x-www-form-urlencoded"), bytes.clone().into(), spread, &limits());
        }
    }

    #[test]
    fn callbacks_are_names(name in hostile()) {
        if is_callback(&name) {
            prop_assert!(name.len() <= 100 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_$.".contains(&b)));
        }
    }
}

/// JSON as another program might write it.
fn json_of(value: &Value, spaced: bool) -> String {
    let space = if spaced { "\n\t " } else { "" };
    match value {
        Value::Binary(bytes) => format!("{{{space}\"\\u0024binary\"{space}:\"{}\"}}", STANDARD_NO_PAD.encode(bytes)),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| json_of(item, spaced)).collect();
            format!("[{}{space}]", items.join(","))
        }
        Value::Object(members) => {
            let escapes = matches!(&members[..], [(key, _)] if key.trim_start_matches('$') == "binary" && key != "binary");
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| {
                    let key = if escapes { format!("${key}") } else { key.clone() };
                    format!("{}{space}:{space}{}", serde_json::to_string(&key).unwrap(), json_of(value, spaced))
                })
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::String(text) => serde_json::to_string(text).unwrap(),
        Value::Number(number) => serde_json::to_string(number).unwrap(),
    }
}
