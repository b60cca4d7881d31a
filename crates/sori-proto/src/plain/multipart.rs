//! `multipart/x-mixed-replace`: RFC 2046, 5.1; one part for each envelope.
//!
//! The delimiter is written behind each part and its line end before the next, so that a reader knows at once that the
//! part is whole, and the end is well-formed whenever it comes.

use super::envelope::{self, Said};

/// What a stream begins with.
pub(super) fn begin(out: &mut Vec<u8>, boundary: &str) {
    out.extend_from_slice(b"--");
    out.extend_from_slice(boundary.as_bytes());
}

pub(super) fn said(out: &mut Vec<u8>, said: &Said<'_>, boundary: &str) {
    let mut json = Vec::with_capacity(said.args.json().len() + 64);
    envelope::write(&mut json, said);
    part(out, &without(String::from_utf8(json).expect("JSON is UTF-8"), boundary), boundary);
}

/// An empty part, which readers pass over.
pub(super) fn heartbeat(out: &mut Vec<u8>, boundary: &str) {
    part(out, "", boundary);
}

/// Behind the last delimiter.
pub(super) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"--\r\n");
}

fn part(out: &mut Vec<u8>, body: &str, boundary: &str) {
    let head = format!("\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body.as_bytes());
    out.extend_from_slice(b"\r\n");
    begin(out, boundary);
}

/// No reader that looks for the bare boundary is misled: where it stands in a string, its first letter is escaped.
fn without(json: String, boundary: &str) -> String {
    match (boundary.chars().next(), json.contains(boundary)) {
        (Some(first), true) => json.replace(boundary, &format!("\\u{:04x}{}", u32::from(first), &boundary[first.len_utf8()..])),
        _ => json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sio::OutArgs;

    #[test]
    fn parts_stand_between_delimiters_and_never_hold_one() {
        let args = OutArgs::new("\r\n--bound").unwrap();
        let mut out = Vec::new();
        begin(&mut out, "bound");
        said(&mut out, &Said { cursor: None, event: Some("x"), args: &args, ack: None }, "bound");
        heartbeat(&mut out, "bound");
        end(&mut out);
        let head = "\r\nContent-Type: application/json\r\nContent-Length: ";
        let body = r#"{"event":"x","data":"\r\n--\u0062ound"}"#;
        let expected = format!("--bound{head}{}\r\n\r\n{body}\r\n--bound{head}0\r\n\r\n\r\n--bound--\r\n", body.len());
        assert_eq!(str::from_utf8(&out).unwrap(), expected);
    }
}
