//! Events as an application says them: cursor, name and the JSON of its arguments, a line each, then an ack. JSON that the application made
//! itself goes out as it wrote it.

use serde_json::value::RawValue;
use sori_proto::{
    plain::{Format, Said, script},
    sio::OutArgs,
};

use super::{memory, plain_envelope::every_format, plain_read};

pub fn plain_format(lines: &[u8]) {
    let mut lines = lines.splitn(4, |byte| *byte == b'\n');
    let mut text = || str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default().to_owned();
    let (cursor, event, ack, json) = (text(), text(), text(), text());
    // Cursors are ours, names and JSON anybody's.
    let cursor: String = cursor.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    // A string that holds anything at all, and JSON if it is some.
    let args =
        [OutArgs::new(&json), RawValue::from_string(json.clone()).map_or_else(|_| OutArgs::new(&()), |raw| OutArgs::new(&raw))];
    for args in args.into_iter().flatten() {
        let said = Said {
            cursor: Some(&*cursor).filter(|cursor| !cursor.is_empty()),
            event: Some(&event),
            args: &args,
            ack: ack.parse().ok(),
        };
        let len = cursor.len() + event.len() + json.len();
        for format in [Format::SseEnvelope, Format::Multipart, Format::Iframe, Format::WebSocket { deflate: false }] {
            let held = memory::peak(|| drop(format.said(&said, "sori-b")));
            assert!(held <= 80 * len + 4_096, "{format:?}: {held} bytes for {len}");
        }
        let values = args.to_values();
        // JSON that is too deep goes out as it is, and is one line all the same.
        match values.len() == args.len() {
            true => every_format(&said, &values.into_iter().collect::<Vec<_>>()),
            false => assert_eq!(Format::Lines.said(&said, "").iter().filter(|byte| **byte == b'\n').count(), 1),
        }
    }
    if RawValue::from_string(json.clone()).is_ok() {
        let mut out = Vec::new();
        script::jsonp(&mut out, "f", &json.replace(['\n', '\r'], " "));
        if sori_proto::Value::from_json(&json).is_ok() {
            plain_read::jsonp(&out, "f");
        }
    }
    if script::is_callback(&event) {
        assert!(event.len() <= 100 && event.bytes().all(|b| b.is_ascii_alphanumeric() || b"_$.".contains(&b)));
    }
}
