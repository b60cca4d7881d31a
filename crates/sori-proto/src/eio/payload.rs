//! Polling bodies: many packets in one.

use std::{borrow::Cow, io::Write};

use base64::Engine;

use super::{
    Data, Packet, Revision,
    packet::{self, BASE64},
};
use crate::{Limits, ProtocolError, plain::script};

/// What a polling body is, as its `Content-Type` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// `text/plain; charset=UTF-8`
    Text,
    /// `application/octet-stream`: revision 3 only.
    Binary,
}

impl ContentType {
    /// The header's value, as the reference sends it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=UTF-8",
            Self::Binary => "application/octet-stream",
        }
    }
}

/// The packets of one polling body, one after the other. After an error there are none.
///
/// ```
/// use sori_proto::{Limits, eio::{Packet, Revision, payload::{ContentType, Decoder}}};
/// let limits = Limits::default();
/// let mut packets = Decoder::new(Revision::V4, ContentType::Text, b"2\x1e4hi", &limits);
/// assert_eq!(packets.next(), Some(Ok(Packet::Ping("".into()))));
/// assert_eq!(packets.next(), Some(Ok(Packet::Message("hi".into()))));
/// assert_eq!(packets.next(), None);
/// ```
#[derive(Debug)]
pub struct Decoder<'a> {
    revision: Revision,
    rest: Rest<'a>,
    utf8_twice: bool,
    packets_left: u32,
}

#[derive(Debug)]
enum Rest<'a> {
    /// None: the last packet was read.
    Text(Option<&'a str>),
    Binary(&'a [u8]),
    /// The body as a whole is wrong.
    Invalid(ProtocolError),
}

impl<'a> Decoder<'a> {
    /// The packets of `body`.
    pub fn new(revision: Revision, content: ContentType, body: &'a [u8], limits: &Limits) -> Self {
        let rest = match (content, revision) {
            (ContentType::Text, _) => match str::from_utf8(body) {
                Ok(text) => Rest::Text(Some(text)),
                Err(_) => Rest::Invalid(ProtocolError::Utf8),
            },
            (ContentType::Binary, Revision::V3) => Rest::Binary(body),
            (ContentType::Binary, Revision::V4) => Rest::Invalid(ProtocolError::MalformedPacket),
        };
        Self { revision, rest, utf8_twice: false, packets_left: limits.payload_packets_max }
    }

    /// Lets text be UTF-8 encoded twice, message by message. For revision 3 sessions with `b64=1`;
    /// see `encoded_once` for what that means.
    pub fn utf8_twice(mut self, maybe: bool) -> Self {
        self.utf8_twice = maybe && self.revision == Revision::V3;
        self
    }

    fn read(&mut self) -> Result<Option<Packet<'a>>, ProtocolError> {
        // Revision 3 may carry empty messages, which are passed over but counted.
        while !self.is_at_end() {
            self.packets_left = self.packets_left.checked_sub(1).ok_or(ProtocolError::TooManyPackets)?;
            let packet = match &mut self.rest {
                Rest::Invalid(error) => return Err(*error),
                Rest::Text(rest) => {
                    let text = rest.as_mut().ok_or(ProtocolError::MalformedPacket)?;
                    let (message, after) = match self.revision {
                        Revision::V4 => match text.split_once(SEPARATOR) {
                            Some((message, after)) => (message, Some(after)),
                            None => (*text, None),
                        },
                        Revision::V3 => {
                            let (message, after) = split_counted(text)?;
                            (message, (!after.is_empty()).then_some(after))
                        }
                    };
                    *rest = after;
                    if self.revision == Revision::V3 && message.is_empty() {
                        continue;
                    }
                    let message = match self.utf8_twice {
                        true => encoded_once(message),
                        false => message.into(),
                    };
                    packet::decode(self.revision, message)?
                }
                Rest::Binary(rest) => {
                    let (is_binary, message) = split_framed(rest)?;
                    match is_binary {
                        true => packet::decode_binary(self.revision, message)?,
                        false => {
                            let text = str::from_utf8(message).map_err(|_| ProtocolError::Utf8)?;
                            packet::decode_text(self.revision, text)?
                        }
                    }
                }
            };
            return Ok(Some(packet));
        }
        Ok(None)
    }

    fn is_at_end(&self) -> bool {
        match self.rest {
            Rest::Text(rest) => rest.is_none(),
            Rest::Binary(rest) => rest.is_empty(),
            Rest::Invalid(_) => false,
        }
    }
}

impl<'a> Iterator for Decoder<'a> {
    type Item = Result<Packet<'a>, ProtocolError>;

    fn next(&mut self) -> Option<Self::Item> {
        let packet = self.read().transpose();
        if !matches!(packet, Some(Ok(_))) {
            self.rest = Rest::Text(None);
        }
        packet
    }
}

/// Revision 3, text: `<length>:<message>`, where the length counts UTF-16 code units, as JavaScript does.
fn split_counted(text: &str) -> Result<(&str, &str), ProtocolError> {
    let (digits, text) = text
        .split_at_checked(text.bytes().take_while(u8::is_ascii_digit).count())
        .and_then(|(digits, text)| Some((digits, text.strip_prefix(':')?)))
        .ok_or(ProtocolError::MalformedPacket)?;
    let units: usize = digits.parse().map_err(|_| ProtocolError::MalformedPacket)?;
    if text.as_bytes().get(..units).is_some_and(<[u8]>::is_ascii) {
        return Ok(text.split_at(units));
    }
    let (mut left, mut end) = (units, 0);
    for c in text.chars() {
        if left == 0 {
            break;
        }
        // A length that ends within a surrogate pair is none of ours to cut.
        left = left.checked_sub(c.len_utf16()).ok_or(ProtocolError::MalformedPacket)?;
        end += c.len_utf8();
    }
    match left {
        0 => Ok(text.split_at(end)),
        _ => Err(ProtocolError::MalformedPacket),
    }
}

/// Revision 3, binary: 0 for text or 1 for binary, the length in bytes as one byte per decimal digit, 255.
fn split_framed<'a>(rest: &mut &'a [u8]) -> Result<(bool, &'a [u8]), ProtocolError> {
    let malformed = ProtocolError::MalformedPacket;
    let (kind, framed) = rest.split_first().ok_or(malformed)?;
    let end = framed.iter().take(LENGTH_DIGITS_MAX + 1).position(|byte| *byte == 255).ok_or(malformed)?;
    let (digits, framed) = framed.split_at(end);
    if digits.is_empty() || *kind > 1 || digits.iter().any(|digit| *digit > 9) {
        return Err(malformed);
    }
    let len = digits.iter().fold(0, |len, digit| len * 10 + usize::from(*digit));
    let (message, after) = framed[1..].split_at_checked(len).ok_or(malformed)?;
    *rest = after;
    Ok((*kind == 1, message))
}

/// Undoes the second of two UTF-8 encodings, if there were two.
///
/// Clients of 1.x encode the text of polling bodies as UTF-8, take the bytes for Latin-1 characters, and
/// send those as UTF-8; 2.x stopped that without a new number. The reference reads the former as the latter and
/// hands `Ã©` to the application for `é`. Here a message is taken for encoded twice if it is possible:
/// all of its characters are Latin-1 and as bytes they are UTF-8 that is not all ASCII. Text of
/// 2.x that looks so by chance needs a capital accented letter before a no-break space or a sign (`É` U+00A0),
/// in every place where it has an accent at all. Browsers of 1.x with binary support write the binary form, which
/// both versions encode once, so only sessions with `b64=1` are asked to guess.
fn encoded_once(message: &str) -> Cow<'_, str> {
    if message.is_ascii() {
        return message.into();
    }
    let bytes: Option<Vec<u8>> = message.chars().map(|c| u8::try_from(c).ok()).collect();
    match bytes.map(String::from_utf8) {
        Some(Ok(once)) => once.into(),
        _ => message.into(),
    }
}

/// Appends `messages` as one polling body and tells its type.
///
/// Text comes with its Engine.IO type, as in `4hi`. Binary comes as in a WebSocket of that revision: in
/// revision 3 with its type byte 4 in front, in revision 4 bare.
///
/// ```
/// use sori_proto::eio::{Data, Revision, payload};
/// let messages = [Data::from("4hi"), Data::from(&b"\x01\x02"[..])];
/// let mut out = Vec::new();
/// payload::encode(Revision::V4, false, messages.iter().cloned(), &mut out);
/// assert_eq!(out, b"4hi\x1ebAQI=");
/// ```
pub fn encode<'a>(
    revision: Revision,
    supports_binary: bool,
    messages: impl Iterator<Item = Data<'a>> + Clone,
    out: &mut Vec<u8>,
) -> ContentType {
    if revision == Revision::V4 {
        for (i, message) in messages.enumerate() {
            if i > 0 {
                out.push(SEPARATOR as u8);
            }
            match message {
                Data::Text(text) => out.extend_from_slice(text.as_bytes()),
                Data::Binary(data) => base64(out, "b", &data),
            }
        }
        return ContentType::Text;
    }
    if supports_binary && messages.clone().any(|message| matches!(message, Data::Binary(_))) {
        messages.for_each(|message| frame(out, &message));
        return ContentType::Binary;
    }
    for message in messages {
        match message {
            Data::Text(text) => {
                number(out, text.chars().map(char::len_utf16).sum());
                out.push(b':');
                out.extend_from_slice(text.as_bytes());
            }
            Data::Binary(data) => {
                let data = data.get(1..).unwrap_or_default();
                number(out, "b4".len() + data.len().div_ceil(3) * 4);
                out.push(b':');
                base64(out, "b4", data);
            }
        }
    }
    ContentType::Text
}

fn frame(out: &mut Vec<u8>, message: &Data<'_>) {
    let (kind, data) = match message {
        Data::Text(text) => (0, text.as_bytes()),
        Data::Binary(data) => (1, &**data),
    };
    out.push(kind);
    let digits = out.len();
    number(out, data.len());
    out[digits..].iter_mut().for_each(|digit| *digit -= b'0');
    out.push(255);
    out.extend_from_slice(data);
}

fn base64(out: &mut Vec<u8>, prefix: &str, data: &[u8]) {
    out.extend_from_slice(prefix.as_bytes());
    let start = out.len();
    out.resize(start + data.len().div_ceil(3) * 4, 0);
    BASE64.encode_slice(data, &mut out[start..]).expect("four characters for every three bytes");
}

fn number(out: &mut Vec<u8>, number: usize) {
    write!(out, "{number}").expect("a Vec takes everything");
}

/// Appends a body as JSONP. Of `j`, the client's number for its callback, only digits are kept.
///
/// ```
/// let mut out = Vec::new();
/// sori_proto::eio::payload::jsonp("0", "4\"</script>\"", &mut out);
/// assert_eq!(out, br#"___eio[0]("4\"\u003c/script>\"");"#);
/// ```
pub fn jsonp(j: &str, body: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"___eio[");
    out.extend(j.bytes().filter(u8::is_ascii_digit));
    out.extend_from_slice(b"](");
    let json = serde_json::to_string(body).expect("a string has a form in JSON");
    script::push_json(out, &json);
    out.extend_from_slice(b");");
}

/// Reads the body of a JSONP client's form: the payload is its field `d`.
///
/// ```
/// use sori_proto::eio::payload::jsonp_body;
/// assert_eq!(jsonp_body(b"d=4%3A4a%2Bb"), Ok("4:4a+b".to_owned()));
/// ```
pub fn jsonp_body(form: &[u8]) -> Result<String, ProtocolError> {
    let mut fields = form_urlencoded::parse(form).filter(|(name, _)| name == "d");
    let (Some((_, payload)), None) = (fields.next(), fields.next()) else {
        return Err(ProtocolError::MalformedPacket);
    };
    // Forms rewrite line ends, so the client writes them as `\n`, and what was `\n` before as `\\n`.
    let (mut out, mut rest) = (String::with_capacity(payload.len()), &*payload);
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (text, escaped) = match &rest[at..] {
            escape if escape.starts_with("\\\\n") => ("\\n", 3),
            escape if escape.starts_with("\\n") => ("\n", 2),
            _ => ("\\", 1),
        };
        out.push_str(text);
        rest = &rest[at + escaped..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Revision 4 puts the record separator between packets; JSON escapes it, so it is never within one.
const SEPARATOR: char = '\x1e';

/// Longer lengths than any body.
const LENGTH_DIGITS_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::{
        ContentType::{Binary, Text},
        Revision::{V3, V4},
        *,
    };
    use crate::ProtocolError::{MalformedPacket, TooManyPackets, Utf8};

    fn decode(revision: Revision, content: ContentType, body: &[u8]) -> Vec<Result<Packet<'_>, ProtocolError>> {
        let limits = Limits { payload_packets_max: 16, ..Limits::default() };
        Decoder::new(revision, content, body, &limits).utf8_twice(true).collect()
    }

    /// Messages only: text as it is, bytes in hexadecimal.
    #[track_caller]
    fn check(revision: Revision, content: ContentType, body: &[u8], expected: &[&str]) {
        let messages: Vec<String> = decode(revision, content, body)
            .into_iter()
            .map(|packet| match packet.unwrap() {
                Packet::Message(Data::Text(text)) => text.into_owned(),
                Packet::Message(Data::Binary(data)) => data.iter().map(|byte| format!("{byte:02x}")).collect(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(messages, expected, "{}", body.escape_ascii());
    }

    /// The last thing that comes is the error; what came before it counts.
    #[track_caller]
    fn refuse(revision: Revision, content: ContentType, error: ProtocolError, bodies: &[&[u8]]) {
        for body in bodies {
            let packets = decode(revision, content, body);
            assert_eq!(packets.last(), Some(&Err(error)), "{}", body.escape_ascii());
            assert_eq!(packets.iter().filter(|packet| packet.is_err()).count(), 1);
        }
    }

    /// Written and read again.
    #[track_caller]
    fn encoded(revision: Revision, supports_binary: bool, messages: &[Data<'_>], content: ContentType, expected: &[u8]) {
        let mut out = Vec::new();
        assert_eq!(encode(revision, supports_binary, messages.iter().cloned(), &mut out), content);
        assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
        let packets: Vec<_> = decode(revision, content, &out).into_iter().map(Result::unwrap).collect();
        assert_eq!(packets.len(), messages.len());
    }

    // The literals are what engine.io-parser 5.2.3 writes.
    #[test]
    fn revision_4_separates_records() {
        let text = "4€a\x1e2\x1ebAQID\x1e4😀".as_bytes();
        check(V4, Text, text, &["€a", "Ping(\"\")", "010203", "😀"]);
        encoded(V4, true, &["4€a".into(), "2".into(), b"\x01\x02\x03"[..].into(), "4😀".into()], Text, text);
        refuse(
            V4,
            Text,
            MalformedPacket,
            &[b"", b"\x1e", b"4a\x1e", b"\x1e4a", b"4a\x1e\x1e4b", b"\x1e\x1e\x1e\x1e", b"7:4a", b"4a\x1e9", b"bA"],
        );
        refuse(V4, Text, Utf8, &[b"4\xff", b"4a\x1e4\xc3"]);
        refuse(V4, Binary, MalformedPacket, &[b"", b"4a", b"\x00\x02\xff4a"]);
    }

    // The literals are what engine.io-parser 2.2.1 writes, for clients with `b64=1`.
    #[test]
    fn revision_3_counts_utf16_units() {
        let text = "3:4€a1:26:b4AQID3:4😀".as_bytes();
        check(V3, Text, text, &["€a", "Ping(\"\")", "010203", "😀"]);
        encoded(V3, false, &["4€a".into(), "2".into(), b"\x04\x01\x02\x03"[..].into(), "4😀".into()], Text, text);
        encoded(V3, true, &["4hi".into(), "2".into()], Text, b"3:4hi1:2");
        check(V3, Text, b"0:", &[]);
        check(V3, Text, b"0:2:4a0:0:", &["a"]);
        check(V3, Text, "6:4\u{1e}:4a12:4é".as_bytes(), &["\u{1e}:4a1", "é"]);
        refuse(
            V3,
            Text,
            MalformedPacket,
            &[
                b"",
                b":",
                b"1",
                b"1:",
                b"2:4",
                b"3:4a",
                b"-1:4",
                b"+1:4",
                b" 1:4",
                b"1.0:4",
                b"1e0:4",
                b"0x1:4",
                b"x:4",
                b"1:9",
                b"1:4x",
                b"1:41",
                b"99999999999999999999999:4",
                b"18446744073709551615:4",
                b"\x00\x02\x7f4a",
                b"1::4",
                "2:4😀".as_bytes(),
                "1:😀".as_bytes(),
                "1:é".as_bytes(),
                b"3:b5A",
                b"6:b4A===",
            ],
        );
        refuse(V3, Text, Utf8, &[b"2:4\xe9"]);
    }

    // The literals are what engine.io-parser 2.2.1 writes, for browsers.
    #[test]
    fn revision_3_frames_binary() {
        let body = b"\x00\x05\xff4\xe2\x82\xaca\x00\x01\xff2\x01\x04\xff\x04\x01\x02\x03\x00\x05\xff4\xf0\x9f\x98\x80";
        check(V3, Binary, body, &["€a", "Ping(\"\")", "010203", "😀"]);
        encoded(V3, true, &["4€a".into(), "2".into(), b"\x04\x01\x02\x03"[..].into(), "4😀".into()], Binary, body);
        let long = [&b"\x01\x01\x00\x02\xff\x04"[..], &[7; 101]].concat();
        let messages = [Data::from(&long[5..])];
        encoded(V3, true, &messages, Binary, &long);
        check(V3, Binary, b"", &[]);
        check(V3, Binary, b"\x00\x06\xffb4AQID", &["010203"]);
        refuse(
            V3,
            Binary,
            MalformedPacket,
            &[
                b"\x00",
                b"\x00\xff",
                b"\x00\x01",
                b"\x00\x01\xff",
                b"\x00\x02\xff4",
                b"\x02\x02\xff4a",
                b"\x00\x0a\xff4",
                b"1:4",
                b"\x00\x00\xff",
                b"\x01\x00\xff",
                b"\x01\x01\xff\x05",
                b"\x00\x01\xff9",
                b"\x01\x01\xff4",
                &[&b"\x00"[..], &[9; 20], b"\xff4"].concat(),
                &[&b"\x00"[..], &[0; 400], b"\x01\xff4"].concat(),
            ],
        );
        refuse(V3, Binary, Utf8, &[b"\x00\x02\xff4\xff"]);
    }

    // "5:4â¬a" is what engine.io-parser 1.3.2 writes for "4€a".
    #[test]
    fn text_encoded_twice_is_read_once() {
        let body = b"5:4\xc3\xa2\xc2\x82\xc2\xaca5:4\xc3\xb0\xc2\x9f\xc2\x98\xc2\x80";
        check(V3, Text, body, &["€a", "😀"]);
        // Encoded once, and no accident makes it the other.
        for text in ["é", "NÃO", "à la carte", "¡ñ!", "«été\u{a0}»", "ÿþ", "日本", "Ã\u{a9}日", "\u{80}"] {
            let body = format!("{}:4{text}", 1 + text.encode_utf16().count());
            check(V3, Text, body.as_bytes(), &[text]);
        }
        // Never guessed for sessions that can do better.
        let limits = Limits::default();
        let mut packets = Decoder::new(V3, Text, body, &limits);
        assert_eq!(packets.next(), Some(Ok(Packet::Message("â\u{82}¬a".into()))));
        check(V4, Text, "4Ã©".as_bytes(), &["Ã©"]);
    }

    // CVE-2020-36048, CVE-2026-32689.
    #[test]
    fn packets_are_counted_and_floods_stay_linear() {
        refuse(V4, Text, TooManyPackets, &[b"4\x1e".repeat(17).as_slice(), b"2\x1e".repeat(500_000).as_slice()]);
        refuse(V4, Text, MalformedPacket, &[b"\x1e".repeat(1_000_000).as_slice()]);
        refuse(V3, Text, TooManyPackets, &[b"0:".repeat(500_000).as_slice(), b"1:2".repeat(333_333).as_slice()]);
        refuse(V3, Text, MalformedPacket, &[b"1".repeat(1_000_000).as_slice(), b"\n".repeat(1_000_000).as_slice()]);
        refuse(V3, Binary, TooManyPackets, &[b"\x00\x01\xff2".repeat(250_000).as_slice()]);
        refuse(V3, Binary, MalformedPacket, &[&[0; 1_000_000], &[255; 1_000_000]]);
        assert!(decode(V4, Text, b"2\x1e".repeat(16)[..31].as_ref()).iter().all(Result::is_ok));

        let limits = Limits { payload_packets_max: u32::MAX, ..Limits::default() };
        let bodies = [(V4, b"4\x1e".repeat(500_000)[..999_999].to_vec()), (V3, "0:2:4é".repeat(125_000).into_bytes())];
        let started = std::time::Instant::now();
        for (revision, body) in &bodies {
            assert!(Decoder::new(*revision, Text, body, &limits).all(|packet| packet.is_ok()));
        }
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }

    #[test]
    fn jsonp_is_a_script() {
        let check = |j: &str, body: &str, expected: &str| {
            let mut out = Vec::new();
            jsonp(j, body, &mut out);
            assert_eq!(str::from_utf8(&out).unwrap(), expected);
        };
        check("0", "4é\"\\\n", r#"___eio[0]("4é\"\\\n");"#);
        check("1);alert(2", "", r#"___eio[12]("");"#);
        check("", "<!--</\u{2028}\u{2029}", r#"___eio[]("\u003c!--\u003c/\u2028\u2029");"#);
    }

    #[test]
    fn jsonp_forms_are_read_as_the_reference_reads_them() {
        let check = |form: &[u8], expected: Option<&str>| {
            assert_eq!(jsonp_body(form), expected.map(str::to_owned).ok_or(MalformedPacket));
        };
        check(b"d=4%3A4a%2Bb+c", Some("4:4a+b c"));
        check(b"x=1&d=2&y", Some("2"));
        check(b"d=%E2%82%AC", Some("€"));
        check(br"d=a\nb", Some("a\nb"));
        check(br"d=a\\nb", Some(r"a\nb"));
        check(br"d=a\\\nb", Some(r"a\\nb"));
        check(br"d=\\\\n\t\", Some(r"\\\n\t\"));
        check(b"d=", Some(""));
        check(b"", None);
        check(b"e=1", None);
        check(b"d=1&d=2", None);
    }
}
