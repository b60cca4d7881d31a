//! What a POST brings. The first line is its `Content-Type`, `-` for none; the second `1` if an array is all arguments.

use bytes::Bytes;
use sori_proto::{
    Limits,
    plain::body::{self, BodyError},
};

use super::{memory, plain_envelope::said_again};

pub fn plain_body(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let (kind, spread) = (lines.next().unwrap_or_default(), lines.next() == Some(b"1"));
    let body = Bytes::copy_from_slice(lines.next().unwrap_or_default());
    let Ok(kind) = str::from_utf8(kind) else { return };
    let kind = Some(kind).filter(|kind| *kind != "-");
    let limits = Limits { max_attachments: 3, ..Limits::default() };

    let read = || body::read(kind, body.clone(), spread, &limits);
    let held = memory::peak(|| drop(read()));
    let len = body.len() + kind.map_or(0, str::len);
    assert!(held <= 64 * len + 2_048, "{held} bytes for {len}");
    match read() {
        Err(error) => {
            assert!(!body.is_empty(), "nothing is no argument");
            assert!(error.to_string().len() <= len * 3 + 200);
            if error == BodyError::Utf8 {
                assert!(str::from_utf8(&body).is_err() || kind.is_some_and(|kind| kind.contains('=')));
            }
        }
        Ok(args) if body.is_empty() => assert!(args.is_empty()),
        Ok(args) => {
            assert!(spread || args.len() == 1);
            // Text is itself, bytes are themselves.
            let values = args.to_values();
            let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            if kind.starts_with("text/") {
                assert_eq!(values.as_ref().expect("text")[0].as_str().map(str::as_bytes), Some(&body[..]));
            }
            if kind == "application/octet-stream" {
                assert_eq!(values.as_ref().expect("bytes")[0].as_binary(), Some(&body));
            }
            if let Some((values, out)) = said_again(&args) {
                assert_eq!(out.to_values(), values);
            }
        }
    }
}
