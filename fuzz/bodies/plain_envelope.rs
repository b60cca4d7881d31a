//! One envelope of a plain client: what is read is said again and read the same, in every framing.

use sori_proto::{
    Limits, Value,
    plain::{
        Format, Said, SseReader,
        envelope::{self, Heard},
    },
    sio::{InArgs, OutArgs},
};

use super::{memory, plain_read};

/// Few attachments, so that the limit is met.
const LIMITS: fn() -> Limits = || Limits { max_attachments: 3, ..Limits::default() };
/// What a byte may become as a value.
const VALUE_BYTES: usize = 64;
const BOUNDARY: &str = "sori-b";

pub fn plain_envelope(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let held = memory::peak(|| drop(envelope::read(text, &LIMITS())));
    assert!(held <= VALUE_BYTES * text.len() + 1_024, "{held} bytes for {}", text.len());
    let Ok(heard) = envelope::read(text, &LIMITS()) else {
        assert!(envelope::read_said(text, &LIMITS()).is_err());
        return;
    };
    let (event, args, ack) = match &heard {
        Heard::Event { name, args, ack } => (Some(&**name), args, *ack),
        Heard::Answer { id, args } => (None, args, Some(*id)),
    };
    let Some((values, out)) = said_again(args) else { return };
    for cursor in [None, Some("e-7")] {
        every_format(&Said { cursor, event, args: &out, ack }, &values);
    }
    // And as another client would say it.
    let line = Format::Lines.said(&Said { cursor: None, event, args: &out, ack }, "");
    let again = envelope::read(str::from_utf8(&line).expect("text"), &LIMITS()).expect("our own");
    match (heard, again) {
        (Heard::Event { name: a, ack: c, .. }, Heard::Event { name: b, args, ack: d }) => {
            assert_eq!((a, c, values), (b, d, args.to_values().expect("as before")));
        }
        (Heard::Answer { id: a, .. }, Heard::Answer { id: b, args }) => {
            assert_eq!((a, values), (b, args.to_values().expect("as before")));
        }
        (heard, again) => panic!("{heard:?} became {again:?}"),
    }
}

/// What can be said again: not what is too deep, a number beyond all floats, or bytes beside what says it stands for some.
pub fn said_again(args: &InArgs) -> Option<(Vec<Value>, OutArgs)> {
    let values = args.to_values().ok()?;
    let out = OutArgs::from_values(&values).ok()?;
    let attachments = out.attachments().len();
    assert!(attachments <= LIMITS().max_attachments as usize, "{attachments}");
    Some((values, out))
}

/// Says it in every framing, and reads it with strict readers.
pub fn every_format(said: &Said<'_>, values: &[Value]) {
    let told = plain_read::Told {
        id: said.cursor.map(str::to_owned),
        event: said.event.map(str::to_owned),
        args: values.to_vec(),
        ack: said.ack,
    };
    let text = |format: Format| String::from_utf8(format.said(said, BOUNDARY).to_vec()).expect("text");
    let line = text(Format::Lines);
    assert_eq!(plain_read::envelope(line.strip_suffix('\n').expect("a line")), told);
    let (cursor, _) = envelope::read_said(&line, &Limits::default()).expect("our own");
    assert_eq!(cursor.as_deref(), said.cursor);
    assert_eq!(plain_read::iframe(text(Format::Iframe).as_bytes()), std::slice::from_ref(&told));
    let parts = format!("--{BOUNDARY}{}", text(Format::Multipart));
    let (bodies, _) = plain_read::multipart(parts.as_bytes(), BOUNDARY);
    assert_eq!(bodies.into_iter().map(plain_read::envelope).collect::<Vec<_>>(), std::slice::from_ref(&told));
    let frames = Format::WebSocket { deflate: false }.said(said, BOUNDARY);
    let frames = plain_read::frames(&frames);
    assert_eq!(frames.len(), 1);
    assert_eq!(plain_read::envelope(str::from_utf8(frames[0].1).expect("text")), told);
    assert!(plain_read::frames(&Format::WebSocketBare { deflate: false }.said(said, BOUNDARY)).len() <= 1);
    for format in [Format::Sse, Format::SseText, Format::SseEnvelope] {
        let stream = text(format);
        let messages = plain_read::sse(stream.as_bytes());
        let [message] = &messages[..] else { panic!("one event: {stream:?}") };
        assert_eq!(message.last_event_id, said.cursor.unwrap_or_default());
        let read = SseReader::new(u32::MAX).next(&mut stream.as_bytes()).expect("no limit").expect("one event");
        assert_eq!((&*read.id, &*read.event, &read.data), (&*message.last_event_id, &*message.event, &message.data));
        if format == Format::SseEnvelope {
            assert_eq!(plain_read::envelope(&message.data), told);
        }
    }
}
