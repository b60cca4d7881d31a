//! `socket.io-msgpack-parser`: every packet is one MessagePack map, with binary in its place.
//!
//! The peer is notepack.io 2.2, which spells three things its own way: `undefined` is an extension
//! of one byte, an `ArrayBuffer` one of any length, a `Date` one of eight bytes, all of type 0. They
//! come as null, as bytes and as the ISO text that JSON would have made of it, so that a handler sees the
//! same whatever the parser. MessagePack's own timestamps (type -1) are dates too. Other extensions
//! come as notepack returns them: `[type, bytes]`.

use super::OutArgs;
use crate::{Number, Value};

mod decode;

pub(super) use decode::{ack_payload, auth, event_payload, packet, values};

/// Appends a connect packet; with `data` as `{"sid":…,"pid":…}`.
pub fn connect(out: &mut Vec<u8>, namespace: &str, data: Option<(&str, Option<&str>)>) {
    start(out, 0, namespace, usize::from(data.is_some()));
    let Some((sid, pid)) = data else { return };
    string(out, "data");
    map(out, 1 + usize::from(pid.is_some()));
    for (key, id) in [("sid", Some(sid)), ("pid", pid)] {
        if let Some(id) = id {
            string(out, key);
            string(out, id);
        }
    }
}

/// Appends a disconnect packet.
pub fn disconnect(out: &mut Vec<u8>, namespace: &str) {
    start(out, 1, namespace, 0);
}

/// Appends an event. `extra` is one more string at the end: the offset of connection state recovery.
///
/// ```
/// use sori_proto::sio::{OutArgs, msgpack};
/// let mut out = Vec::new();
/// msgpack::event(&mut out, "/", None, "hi", &OutArgs::new(&1).unwrap(), None);
/// assert_eq!(out, b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa2hi\x01");
/// ```
pub fn event(out: &mut Vec<u8>, namespace: &str, ack: Option<u64>, name: &str, args: &OutArgs, extra: Option<&str>) {
    start(out, 2, namespace, 1 + usize::from(ack.is_some()));
    id(out, ack);
    string(out, "data");
    let args = args.to_values();
    array(out, 1 + args.len() + usize::from(extra.is_some()));
    string(out, name);
    args.iter().for_each(|arg| value(out, arg));
    if let Some(extra) = extra {
        string(out, extra);
    }
}

/// Appends the answer to an event.
pub fn ack(out: &mut Vec<u8>, namespace: &str, ack: u64, args: &OutArgs) {
    start(out, 3, namespace, 2);
    id(out, Some(ack));
    string(out, "data");
    let args = args.to_values();
    array(out, args.len());
    args.iter().for_each(|arg| value(out, arg));
}

/// Appends a refusal; `payload_json` is its JSON.
pub fn connect_error(out: &mut Vec<u8>, namespace: &str, payload_json: &str) {
    start(out, 4, namespace, 1);
    string(out, "data");
    let payload = Value::from_json(payload_json).unwrap_or_else(|_| payload_json.into());
    value(out, &payload);
}

fn start(out: &mut Vec<u8>, kind: u8, namespace: &str, more: usize) {
    map(out, 2 + more);
    string(out, "type");
    out.push(kind);
    string(out, "nsp");
    string(out, namespace);
}

fn id(out: &mut Vec<u8>, id: Option<u64>) {
    if let Some(id) = id {
        string(out, "id");
        number(out, id.into());
    }
}

fn value(out: &mut Vec<u8>, data: &Value) {
    match data {
        Value::Null => out.push(0xc0),
        Value::Bool(false) => out.push(0xc2),
        Value::Bool(true) => out.push(0xc3),
        Value::Number(data) => number(out, *data),
        Value::String(data) => string(out, data),
        Value::Binary(data) => {
            length(out, data.len(), 0, [Some(0xc4), Some(0xc5), Some(0xc6)]);
            out.extend_from_slice(data);
        }
        Value::Array(items) => {
            array(out, items.len());
            items.iter().for_each(|item| value(out, item));
        }
        Value::Object(members) => {
            map(out, members.len());
            for (key, member) in members {
                string(out, key);
                value(out, member);
            }
        }
    }
}

fn number(out: &mut Vec<u8>, number: Number) {
    match (number.as_u64(), number.as_i64()) {
        (Some(value), _) => match value {
            0..0x80 => out.push(value as u8),
            0x80..0x100 => out.extend([0xcc, value as u8]),
            0x100..0x1_0000 => tagged(out, 0xcd, (value as u16).to_be_bytes()),
            0x1_0000..0x1_0000_0000 => tagged(out, 0xce, (value as u32).to_be_bytes()),
            _ => tagged(out, 0xcf, value.to_be_bytes()),
        },
        (_, Some(value)) => match value {
            -0x20..0 => out.push(value as u8),
            -0x80..0 => out.extend([0xd0, value as u8]),
            -0x8000..0 => tagged(out, 0xd1, (value as i16).to_be_bytes()),
            -0x8000_0000..0 => tagged(out, 0xd2, (value as i32).to_be_bytes()),
            _ => tagged(out, 0xd3, value.to_be_bytes()),
        },
        _ => tagged(out, 0xcb, number.as_f64().to_be_bytes()),
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    match text.len() {
        len @ 0..0x20 => out.push(0xa0 | len as u8),
        len => length(out, len, 0, [Some(0xd9), Some(0xda), Some(0xdb)]),
    }
    out.extend_from_slice(text.as_bytes());
}

fn array(out: &mut Vec<u8>, len: usize) {
    length(out, len, 0x90, [None, Some(0xdc), Some(0xdd)]);
}

fn map(out: &mut Vec<u8>, len: usize) {
    length(out, len, 0x80, [None, Some(0xde), Some(0xdf)]);
}

/// The shortest of the forms there are: in the tag itself (`fixed`, if not 0), in one, two or four bytes.
fn length(out: &mut Vec<u8>, len: usize, fixed: u8, tags: [Option<u8>; 3]) {
    match (len, tags) {
        (0..0x10, _) if fixed != 0 => out.push(fixed | len as u8),
        (0..0x100, [Some(tag), ..]) => out.extend([tag, len as u8]),
        (0..0x1_0000, [_, Some(tag), _]) => tagged(out, tag, (len as u16).to_be_bytes()),
        (_, [.., tag]) => {
            let len = u32::try_from(len).expect("an event is far smaller than 4 GiB");
            tagged(out, tag.unwrap_or_default(), len.to_be_bytes());
        }
    }
}

fn tagged<const N: usize>(out: &mut Vec<u8>, tag: u8, bytes: [u8; N]) {
    out.push(tag);
    out.extend_from_slice(&bytes);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[track_caller]
    fn check(write: impl FnOnce(&mut Vec<u8>), expected: &[u8]) {
        let mut out = Vec::new();
        write(&mut out);
        assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }

    // notepack.io 2.2.0 reads each of these as the packet that the name says.
    #[test]
    fn every_type_is_written() {
        let args = OutArgs::new(&(1, Bytes::from_static(b"\xff"))).unwrap();
        check(|out| connect(out, "/", None), b"\x82\xa4type\x00\xa3nsp\xa1/");
        check(
            |out| connect(out, "/a", Some(("s", Some("p")))),
            b"\x83\xa4type\x00\xa3nsp\xa2/a\xa4data\x82\xa3sid\xa1s\xa3pid\xa1p",
        );
        check(|out| disconnect(out, "/a"), b"\x82\xa4type\x01\xa3nsp\xa2/a");
        check(
            |out| event(out, "/", Some(300), "e", &args, Some("off")),
            b"\x84\xa4type\x02\xa3nsp\xa1/\xa2id\xcd\x01\x2c\xa4data\x94\xa1e\x01\xc4\x01\xff\xa3off",
        );
        check(|out| ack(out, "/", 7, &args), b"\x84\xa4type\x03\xa3nsp\xa1/\xa2id\x07\xa4data\x92\x01\xc4\x01\xff");
        check(|out| connect_error(out, "/", r#"{"message":"no"}"#), b"\x83\xa4type\x04\xa3nsp\xa1/\xa4data\x81\xa7message\xa2no");
    }

    #[test]
    fn the_shortest_form_is_written_and_every_form_is_read() {
        let text = |len| Value::from("x".repeat(len));
        let list = |len| Value::Array(vec![Value::Null; len]);
        let blob = |len| Value::Binary(vec![0; len].into());
        let cases: Vec<(Value, &[u8])> = vec![
            (127.into(), b"\x7f"),
            (128.into(), b"\xcc\x80"),
            (255.into(), b"\xcc\xff"),
            (256.into(), b"\xcd\x01\x00"),
            (65_536.into(), b"\xce\0\x01\0\0"),
            (4_294_967_296_u64.into(), b"\xcf\0\0\0\x01\0\0\0\0"),
            (u64::MAX.into(), b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
            (i64::MIN.into(), b"\xd3\x80\0\0\0\0\0\0\0"),
            ((-32).into(), b"\xe0"),
            ((-33).into(), b"\xd0\xdf"),
            ((-128).into(), b"\xd0\x80"),
            ((-129).into(), b"\xd1\xff\x7f"),
            ((-32_769).into(), b"\xd2\xff\xff\x7f\xff"),
            ((-2_147_483_649_i64).into(), b"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"),
            (0.5.into(), b"\xcb\x3f\xe0\0\0\0\0\0\0"),
            (text(31), b"\xbf"),
            (text(32), b"\xd9\x20"),
            (text(256), b"\xda\x01\0"),
            (text(65_536), b"\xdb\0\x01\0\0"),
            (list(15), b"\x9f"),
            (list(16), b"\xdc\0\x10"),
            (list(65_536), b"\xdd\0\x01\0\0"),
            (blob(0), b"\xc4\0"),
            (blob(255), b"\xc4\xff"),
            (blob(256), b"\xc5\x01\0"),
            (blob(65_536), b"\xc6\0\x01\0\0"),
            (Value::Object(vec![]), b"\x80"),
            (Value::Object((0..16).map(|i| (i.to_string(), Value::Null)).collect()), b"\xde\0\x10"),
        ];
        for (data, start) in cases {
            let mut out = Vec::new();
            value(&mut out, &data);
            assert!(out.starts_with(start), "{} {}", start.escape_ascii(), out[..10.min(out.len())].escape_ascii());
            assert_eq!(values(&out, 1).unwrap(), [data]);
        }
        assert_eq!(values(b"\xca\x3f\0\0\0", 1).unwrap(), [0.5.into()]);
    }
}
