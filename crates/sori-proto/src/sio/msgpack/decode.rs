//! Reading packets.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::Error;

use crate::{
    Number, ProtocolError, Value,
    sio::{
        DecodeError, InArgs,
        json::{Kind, unreserved},
    },
};

/// A packet's map, with its data still encoded.
pub(in crate::sio) struct Packet<'a> {
    pub(in crate::sio) kind: Kind,
    pub(in crate::sio) namespace: Cow<'a, str>,
    pub(in crate::sio) id: Option<u64>,
    pub(in crate::sio) data: Option<&'a [u8]>,
}

/// Reads one whole packet. Everything in it is complete afterwards, at any depth.
pub(in crate::sio) fn packet(bytes: &[u8]) -> Result<Packet<'_>, ProtocolError> {
    let mut reader = Reader { rest: bytes };
    let packet = fields(&mut reader).ok_or(ProtocolError::MalformedMessage)?;
    match reader.rest {
        [] => Ok(packet),
        _ => Err(ProtocolError::MalformedMessage),
    }
}

fn fields<'a>(reader: &mut Reader<'a>) -> Option<Packet<'a>> {
    let Item::Map(len) = reader.item()? else {
        return None;
    };
    let (mut kind, mut namespace, mut id, mut data) = (None, None, None, None);
    for _ in 0..len {
        let Item::Str(key) = reader.item()? else {
            return None;
        };
        let field = reader.skip()?;
        let head = Reader { rest: field }.item()?;
        match (key, head) {
            (b"type", Item::Number(value)) => kind = Some(kind_of(value.as_u64()?)?),
            (b"nsp", Item::Str(name @ [b'/', ..])) => namespace = Some(String::from_utf8_lossy(name)),
            (b"id", Item::Number(value)) => id = Some(value.as_u64()?),
            (b"id" | b"data", head) if head.is_nothing() => {}
            (b"data", _) => data = Some(field),
            (b"type" | b"nsp" | b"id", _) => return None,
            // Encoders send the packet's other members along (`options`).
            _ => {}
        }
    }
    Some(Packet { kind: kind?, namespace: namespace?, id, data })
}

fn kind_of(number: u64) -> Option<Kind> {
    match number {
        0 => Some(Kind::Connect),
        1 => Some(Kind::Disconnect),
        2 => Some(Kind::Event),
        3 => Some(Kind::Ack),
        // CONNECT_ERROR is the server's to say.
        _ => None,
    }
}

/// The `auth` payload of a connect packet, an object or nothing, as JSON.
pub(in crate::sio) fn auth(data: Option<&[u8]>) -> Result<Option<Bytes>, ProtocolError> {
    let Some(data) = data else { return Ok(None) };
    match values(data, 1).as_deref() {
        Ok([auth @ Value::Object(_)]) => {
            let json = serde_json::to_vec(auth).map_err(|_| ProtocolError::MalformedMessage)?;
            Ok(Some(json.into()))
        }
        _ => Err(ProtocolError::MalformedMessage),
    }
}

/// An event's name and arguments.
pub(in crate::sio) fn event_payload(data: Option<&[u8]>) -> Result<(Box<str>, InArgs), ProtocolError> {
    let (mut reader, len) = elements(data)?;
    let name = reader.item().filter(|_| len > 0).ok_or(ProtocolError::MalformedMessage)?;
    let name = match name {
        Item::Str(name) => unreserved(String::from_utf8_lossy(name).into())?,
        Item::Number(name) => name.to_string().into(),
        _ => return Err(ProtocolError::MalformedMessage),
    };
    Ok((name, InArgs::msgpack(reader.rest, len - 1)))
}

/// The arguments of an answer.
pub(in crate::sio) fn ack_payload(data: Option<&[u8]>) -> Result<InArgs, ProtocolError> {
    let (reader, len) = elements(data)?;
    Ok(InArgs::msgpack(reader.rest, len))
}

fn elements(data: Option<&[u8]>) -> Result<(Reader<'_>, usize), ProtocolError> {
    let mut reader = Reader { rest: data.ok_or(ProtocolError::MalformedMessage)? };
    match reader.item() {
        Some(Item::Array(len)) => Ok((reader, len)),
        _ => Err(ProtocolError::MalformedMessage),
    }
}

/// Reads `len` values that lie one after the other.
pub(in crate::sio) fn values(bytes: &[u8], len: usize) -> Result<Vec<Value>, DecodeError> {
    let mut reader = Reader { rest: bytes };
    let values = (0..len).map(|_| reader.value(DEPTH_MAX)).collect::<Option<_>>();
    values.ok_or_else(|| DecodeError::custom("nested too deeply, or a map with keys that are not text"))
}

struct Reader<'a> {
    rest: &'a [u8],
}

/// One value, or the head of one that holds others.
enum Item<'a> {
    Nil,
    Bool(bool),
    Number(Number),
    Str(&'a [u8]),
    Bin(&'a [u8]),
    Ext(i8, &'a [u8]),
    Array(usize),
    Map(usize),
}

impl Item<'_> {
    /// `null` or `undefined`.
    fn is_nothing(&self) -> bool {
        matches!(self, Self::Nil | Self::Ext(0, [_]))
    }
}

impl<'a> Reader<'a> {
    fn item(&mut self) -> Option<Item<'a>> {
        let [tag] = self.array()?;
        Some(match tag {
            0x00..=0x7f => Item::Number(tag.into()),
            0x80..=0x8f => Item::Map(self.held((tag & 0x0f).into(), 2)?),
            0x90..=0x9f => Item::Array(self.held((tag & 0x0f).into(), 1)?),
            0xa0..=0xbf => Item::Str(self.take((tag & 0x1f).into())?),
            0xc0 => Item::Nil,
            0xc1 => return None,
            0xc2 => Item::Bool(false),
            0xc3 => Item::Bool(true),
            0xc4..=0xc6 => {
                let len = self.length(tag - 0xc4)?;
                Item::Bin(self.take(len)?)
            }
            0xc7..=0xc9 => {
                let len = self.length(tag - 0xc7)?;
                match self.ext(len)? {
                    // An ArrayBuffer, even where its length is that of `undefined` or of a Date.
                    Item::Ext(0, bytes) => Item::Bin(bytes),
                    other => other,
                }
            }
            0xca => Item::Number(f32::from_be_bytes(self.array()?).into()),
            0xcb => Item::Number(f64::from_be_bytes(self.array()?).into()),
            0xcc => Item::Number(u8::from_be_bytes(self.array()?).into()),
            0xcd => Item::Number(u16::from_be_bytes(self.array()?).into()),
            0xce => Item::Number(u32::from_be_bytes(self.array()?).into()),
            0xcf => Item::Number(u64::from_be_bytes(self.array()?).into()),
            0xd0 => Item::Number(i8::from_be_bytes(self.array()?).into()),
            0xd1 => Item::Number(i16::from_be_bytes(self.array()?).into()),
            0xd2 => Item::Number(i32::from_be_bytes(self.array()?).into()),
            0xd3 => Item::Number(i64::from_be_bytes(self.array()?).into()),
            0xd4..=0xd8 => self.ext(1 << (tag - 0xd4))?,
            0xd9..=0xdb => {
                let len = self.length(tag - 0xd9)?;
                Item::Str(self.take(len)?)
            }
            0xdc | 0xdd => {
                let len = self.length(tag - 0xdc + 1)?;
                Item::Array(self.held(len, 1)?)
            }
            0xde | 0xdf => {
                let len = self.length(tag - 0xde + 1)?;
                Item::Map(self.held(len, 2)?)
            }
            0xe0..=0xff => Item::Number((tag as i8).into()),
        })
    }

    /// Passes over one value, however deep, without recursion, and returns its bytes.
    fn skip(&mut self) -> Option<&'a [u8]> {
        let (start, mut left) = (self.rest, 1_usize);
        while left > 0 {
            left -= 1;
            left += match self.item()? {
                Item::Array(len) => len,
                Item::Map(len) => len * 2,
                _ => 0,
            };
        }
        Some(&start[..start.len() - self.rest.len()])
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        Some(match self.item()? {
            Item::Nil => Value::Null,
            Item::Bool(value) => value.into(),
            Item::Number(value) => value.into(),
            Item::Str(text) => text_of(text).into(),
            Item::Bin(bytes) => Bytes::copy_from_slice(bytes).into(),
            Item::Ext(kind, bytes) => extension(kind, bytes),
            // No length is trusted with memory: room is made as elements arrive. But few need no room for more.
            Item::Array(len) => {
                let mut items = Vec::with_capacity(len.min(ROOM_FIRST));
                for _ in 0..len {
                    items.push(self.value(depth)?);
                }
                items.into()
            }
            Item::Map(len) => {
                let mut members = Vec::with_capacity(len.min(ROOM_FIRST));
                for _ in 0..len {
                    members.push((self.key()?, self.value(depth)?));
                }
                members.into()
            }
        })
    }

    fn key(&mut self) -> Option<String> {
        match self.item()? {
            Item::Str(text) => Some(text_of(text)),
            Item::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn ext(&mut self, len: usize) -> Option<Item<'a>> {
        let [kind] = self.array()?;
        Some(Item::Ext(kind as i8, self.take(len)?))
    }

    /// A length in 1, 2 or 4 bytes.
    fn length(&mut self, size: u8) -> Option<usize> {
        match size {
            0 => Some(u8::from_be_bytes(self.array()?).into()),
            1 => Some(u16::from_be_bytes(self.array()?).into()),
            _ => u32::from_be_bytes(self.array()?).try_into().ok(),
        }
    }

    /// `len` elements of at least `size` bytes: more than could follow is a lie.
    fn held(&self, len: usize, size: usize) -> Option<usize> {
        (len <= self.rest.len() / size).then_some(len)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        self.rest.split_off(..len)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }
}

/// JavaScript's strings may hold half a character, which notepack writes as it is.
fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn extension(kind: i8, bytes: &[u8]) -> Value {
    let millis = match (kind, bytes) {
        (0, [_]) => return Value::Null,
        (0, &[a, b, c, d, e, f, g, h]) => i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        (-1, &[a, b, c, d]) => i64::from(u32::from_be_bytes([a, b, c, d])) * 1_000,
        (-1, &[a, b, c, d, e, f, g, h]) => {
            let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            (both & 0x3_ffff_ffff) as i64 * 1_000 + (both >> 34) as i64 / 1_000_000
        }
        (-1, &[a, b, c, d, ref seconds @ ..]) if let Ok(seconds) = seconds.try_into() => {
            let nanos = u32::from_be_bytes([a, b, c, d]);
            i64::from_be_bytes(seconds).saturating_mul(1_000).saturating_add(i64::from(nanos / 1_000_000))
        }
        (kind, bytes) => {
            return Value::Array(vec![kind.into(), Bytes::copy_from_slice(bytes).into()]);
        }
    };
    iso_date(millis).into()
}

/// `Date.prototype.toJSON` of milliseconds since 1970.
fn iso_date(millis: i64) -> Option<String> {
    const DAY: i64 = 86_400_000;
    if millis.unsigned_abs() > 100_000_000 * DAY.unsigned_abs() {
        return None;
    }
    let (days, time) = (millis.div_euclid(DAY), millis.rem_euclid(DAY));
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{year:+07}"),
    };
    let (hour, minute, second) = (time / 3_600_000, time / 60_000 % 60, time / 1_000 % 60);
    Some(format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", time % 1_000))
}

/// What a `Vec` makes room for with its first element.
const ROOM_FIRST: usize = 4;

/// As deep as serde_json goes inside of the array of arguments: what is deeper could be read, but not sent on.
const DEPTH_MAX: usize = 127;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Limits,
        ProtocolError::{MalformedMessage, ReservedEvent},
        eio::Revision,
        sio::{Decoder, Incoming, Parser},
    };

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    fn decode(data: &[u8]) -> Result<Incoming<'_>, ProtocolError> {
        let packet = Decoder::new(Revision::V4, Parser::Msgpack).binary(data, &Limits::default())?;
        Ok(packet.expect("a MessagePack packet is whole"))
    }

    // The literals are what socket.io-msgpack-parser 3.0.2 (notepack.io 2.2.0) writes under Node.
    #[test]
    fn every_type_is_read() {
        let packet = bytes("83a47479706500 a36e7370a12f a464617461 81a5746f6b656ea178");
        let Ok(Incoming::Connect { namespace, query: None, auth: Some(auth) }) = decode(&packet) else { panic!() };
        assert_eq!((&*namespace, &*auth), ("/", &br#"{"token":"x"}"#[..]));

        // `data: undefined` is written, not left out.
        let packet = bytes("83a47479706500 a36e7370a12f a464617461 d40000");
        assert!(matches!(decode(&packet), Ok(Incoming::Connect { auth: None, .. })));

        let packet = bytes("82a47479706501 a36e7370a22f78");
        assert!(matches!(decode(&packet), Ok(Incoming::Disconnect { namespace }) if namespace == "/x"));

        let packet = bytes(
            "84a47479706502 a36e7370a52f63686174 a46461746198 a36d7367 01 ff cb3ff8000000000000 c0 c3 d40000 c4020102 a2696407",
        );
        let Ok(Incoming::Event { namespace, name, args, ack: Some(7) }) = decode(&packet) else { panic!() };
        assert_eq!((&*namespace, &*name, args.len()), ("/chat", "msg", 7));
        let two = Value::Binary(Bytes::from_static(b"\x01\x02"));
        let expected = [1.into(), (-1).into(), 1.5.into(), Value::Null, true.into(), Value::Null, two];
        assert_eq!(args.to_values().unwrap(), expected);

        let packet = bytes(
            "84a47479706503 a26964cf0000000100000000 a36e7370a12f a46461746196 e0 d0df d1ff7f ce00011170 cf000000012a05f200 d3fffffffed5fa0e00",
        );
        let Ok(Incoming::Ack { id: 0x1_0000_0000, args, .. }) = decode(&packet) else { panic!() };
        let expected = [-32, -33, -129, 70_000, 5_000_000_000, -5_000_000_000_i64];
        assert_eq!(args.deserialize::<[i64; 6]>().unwrap(), expected);
    }

    #[test]
    fn notepacks_own_types_are_read() {
        // A Date, with the `options` that the encoder sends along.
        let packet =
            bytes("84a47479706502 a46461746192a161 d7000000016f6435cc8e a76f7074696f6e7381a8636f6d7072657373c3 a36e7370a12f");
        let Ok(Incoming::Event { args, .. }) = decode(&packet) else { panic!() };
        assert_eq!(args.deserialize::<String>().unwrap(), "2020-01-02T03:04:05.006Z");
        // An ArrayBuffer and a Uint8Array.
        let packet = bytes("83a47479706502 a36e7370a12f a46461746193 a162 c702000908 c7010001");
        let Ok(Incoming::Event { args, .. }) = decode(&packet) else { panic!() };
        let expected = (Bytes::from_static(b"\x09\x08"), Bytes::from_static(b"\x01"));
        assert_eq!(args.deserialize::<(Bytes, Bytes)>().unwrap(), expected);
        // Even one of eight bytes is no Date.
        assert_eq!(values(b"\xc7\x08\x0012345678", 1).unwrap(), [Value::Binary(Bytes::from_static(b"12345678"))]);
        assert_eq!(args.to_out().unwrap().json(), r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#);
        // Whatever else there is.
        let data = values(&bytes("d50501ff"), 1).unwrap();
        assert_eq!(data, [Value::Array(vec![5.into(), Bytes::from_static(b"\x01\xff").into()])]);
    }

    #[test]
    fn dates_are_json_dates() {
        let check = |millis, text: &str| assert_eq!(iso_date(millis).as_deref(), Some(text));
        check(0, "1970-01-01T00:00:00.000Z");
        check(-1, "1969-12-31T23:59:59.999Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(4_102_444_799_999, "2099-12-31T23:59:59.999Z");
        check(-62_167_219_200_001, "-000001-12-31T23:59:59.999Z");
        check(8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z");
        assert_eq!(iso_date(8_640_000_000_000_001), None);
        assert_eq!(iso_date(i64::MIN + 1), None);
        assert_eq!(extension(0, &i64::MIN.to_be_bytes()), Value::Null);
        assert_eq!(extension(-1, &[0, 0, 0, 1]), "1970-01-01T00:00:01.000Z".into());
        assert_eq!(extension(-1, &bytes("3b9aca00 ffffffffffffffff")), "1970-01-01T00:00:00.000Z".into());
        assert_eq!(extension(-1, &bytes("00000000 8000000000000000")), Value::Null);
        assert_eq!(extension(-1, &bytes("5d21dba0 00000001")), "1970-01-01T00:00:01.390Z".into());
    }

    #[test]
    fn keys_may_be_numbers_and_text_may_be_broken() {
        let data = values(&bytes("82 01c3 a1ffc2"), 1).unwrap();
        assert_eq!(data, [Value::Object(vec![("1".into(), true.into()), ("\u{fffd}".into(), false.into())])]);
        assert!(values(&bytes("81 c0c3"), 1).is_err());
    }

    #[track_caller]
    fn refuse(expected: ProtocolError, packets: &[&[u8]]) {
        for packet in packets {
            assert_eq!(decode(packet).err(), Some(expected), "{}", packet.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        refuse(
            MalformedMessage,
            &[
                b"",
                b"\xc1",
                b"\xc0",
                b"\x80",
                b"\x90",
                b"\xa3abc",
                b"\x01",
                b"\x81\xa4type\x00",
                b"\x81\xa3nsp\xa1/",
                b"\x82\xa4type\x00\xa3nsp\xa1",
                b"\x82\xa4type\x00\xa3nsp\xa1/\x00",
                b"\x82\xa4type\x04\xa3nsp\xa1/",
                b"\x82\xa4type\x05\xa3nsp\xa1/",
                b"\x82\xa4type\xff\xa3nsp\xa1/",
                b"\x82\xa4type\xa10\xa3nsp\xa1/",
                b"\x82\xa4type\x00\xa3nsp\xa1x",
                b"\x82\xa4type\x00\xa3nsp\xa0",
                b"\x82\xa4type\x00\xa3nsp\x01",
                b"\x82\xa4type\x00\xa3nsp\xc4\x01/",
                b"\x82\xa4type\x02\xa3nsp\xa1/",
                b"\x82\xa4type\x03\xa3nsp\xa1/",
                b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\x90",
                b"\x83\xa4type\x01\xa3nsp\xa1/\xa4data\x80",
                b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x90",
                b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x80",
                b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xc0",
                b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\x91\xa1a",
                b"\x83\xa4type\x03\xa3nsp\xa1/\xa4data\x90",
                b"\x84\xa4type\x03\xa3nsp\xa1/\xa4data\x90\xa2id\xff",
                b"\x84\xa4type\x03\xa3nsp\xa1/\xa4data\x90\xa2id\xa11",
                b"\x84\xa4type\x03\xa3nsp\xa1/\xa4data\x90\xa2id\xcb\x3f\xf8\0\0\0\0\0\0",
            ],
        );
        refuse(ReservedEvent, &[b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa7connect"]);
    }

    // RUSTSEC-2017-0006, CVE-2026-48109: a length is a claim.
    #[test]
    fn length_bombs_are_refused_before_they_cost_anything() {
        for bomb in ["dbffffffff", "c6ffffffff", "c9ffffffff00", "ddffffffff", "dfffffffff", "dcffff", "deffff", "9f", "8f"] {
            let packet = [&b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data"[..], &bytes(bomb)].concat();
            refuse(MalformedMessage, &[&packet]);
            let packet = [&b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a"[..], &bytes(bomb)].concat();
            refuse(MalformedMessage, &[&packet]);
        }
        // Each level claims all there is below it.
        let packet = [&b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a"[..], &b"\xdd\0\x01\0\0".repeat(100_000)].concat();
        refuse(MalformedMessage, &[&packet]);
    }

    #[test]
    fn a_few_values_take_no_room_for_more() {
        let capacity = |packed: &[u8]| match values(packed, 1).unwrap().remove(0) {
            Value::Array(items) => items.capacity(),
            Value::Object(members) => members.capacity(),
            other => panic!("{other:?}"),
        };
        // Two or three bytes each on the wire, and there may be as many as fit.
        assert_eq!(capacity(b"\x91\xc0"), 1);
        assert_eq!(capacity(b"\x81\xa0\xc0"), 1);
        assert_eq!(capacity(b"\x90"), 0);
    }

    #[test]
    fn depth_is_survived() {
        for depth in [100, DEPTH_MAX - 1, DEPTH_MAX, 1_000, 10_000, 900_000] {
            for level in [&b"\x91"[..], b"\x81\xa0"] {
                let packet = [&b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a"[..], &level.repeat(depth), b"\xc0"].concat();
                let Ok(Incoming::Event { args, .. }) = decode(&packet) else { panic!() };
                assert_eq!(args.to_values().is_ok(), depth < DEPTH_MAX);
                let sent_on = args.to_out().map(|out| out.to_values());
                assert_eq!(sent_on.ok(), args.to_values().ok());
            }
        }
    }
}
