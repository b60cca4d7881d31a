//! Polling bodies: the input is one, of whatever kind.

use sori_proto::{
    Limits,
    eio::{
        Data, Packet, Revision,
        packet::decode_text,
        payload::{self, ContentType, Decoder},
    },
};

use super::memory;

const PACKETS_MAX: u32 = 50;

pub fn eio_payload(body: &[u8]) {
    for revision in [Revision::V3, Revision::V4] {
        for (content, utf8_twice) in [(ContentType::Text, false), (ContentType::Text, true), (ContentType::Binary, false)] {
            let kind = Kind { revision, content, utf8_twice };
            let held = memory::peak(|| kind.packets(body).for_each(drop));
            assert!(held <= 4 * body.len() + 1_024, "{held} bytes for {}", body.len());
            let packets = kind.read(body);
            written_and_read_again(revision, &packets);
        }
        one_packet(revision, body);
    }
    jsonp(body);
}

#[derive(Clone, Copy)]
struct Kind {
    revision: Revision,
    content: ContentType,
    utf8_twice: bool,
}

impl Kind {
    fn packets<'a>(&self, body: &'a [u8]) -> Decoder<'a> {
        let limits = Limits { payload_packets_max: PACKETS_MAX, ..Limits::default() };
        Decoder::new(self.revision, self.content, body, &limits).utf8_twice(self.utf8_twice)
    }

    /// What comes before the first error.
    fn read<'a>(&self, body: &'a [u8]) -> Vec<Packet<'a>> {
        let mut packets = Vec::new();
        let mut decoder = self.packets(body);
        while let Some(Ok(packet)) = decoder.next() {
            packets.push(packet);
        }
        assert!(decoder.next().is_none(), "after an error, or the end, there is nothing");
        assert!(packets.len() <= PACKETS_MAX as usize);
        assert!(packets.iter().map(weight).sum::<usize>() <= body.len(), "more than came");
        packets
    }
}

fn written_and_read_again(revision: Revision, packets: &[Packet<'_>]) {
    // No body says nothing in revision 4.
    if packets.is_empty() {
        return;
    }
    let messages = packets.iter().map(|packet| message(revision, packet));
    for supports_binary in [true, false] {
        let mut body = Vec::new();
        let content = payload::encode(revision, supports_binary, messages.clone(), &mut body);
        assert_eq!(Kind { revision, content, utf8_twice: false }.read(&body), packets);
        assert!(supports_binary || content == ContentType::Text);
    }
}

/// In revision 4 a text without separators is one packet, the same as over WebSocket.
fn one_packet(revision: Revision, body: &[u8]) {
    let Ok(text) = str::from_utf8(body) else { return };
    let alone = decode_text(revision, text);
    if revision == Revision::V4 && !text.contains('\x1e') {
        let kind = Kind { revision, content: ContentType::Text, utf8_twice: false };
        assert_eq!(kind.packets(body).next(), Some(alone));
    }
}

fn jsonp(form: &[u8]) {
    if let Ok(body) = payload::jsonp_body(form) {
        // What is not UTF-8 becomes U+FFFD, which is three bytes.
        assert!(body.len() <= 3 * form.len());
        through_a_form(&body);
        through_a_script(&body);
    }
    if let Ok(body) = str::from_utf8(form) {
        through_a_form(body);
        through_a_script(body);
    }
}

/// As the client writes it: `\n` as `\\n`, then a line end as `\n`.
fn through_a_form(body: &str) {
    // These two the client writes alike; JSON has neither.
    if body.contains("\\\n") {
        return;
    }
    let escaped = body.replace("\\n", "\\\\n").replace('\n', "\\n");
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("d", &escaped).finish();
    assert_eq!(payload::jsonp_body(form.as_bytes()).as_deref(), Ok(body));
}

/// The body is also the number of the callback, which the peer chooses as well.
fn through_a_script(body: &str) {
    let mut script = Vec::new();
    payload::jsonp(body, body, &mut script);
    let script = str::from_utf8(&script).expect("made of text");
    let call = script.strip_prefix("___eio[").and_then(|call| call.strip_suffix(");")).expect("one call");
    let (number, argument) = call.split_once("](").expect("of one callback");
    assert!(number.bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(argument.find(['<', '\u{2028}', '\u{2029}', '\n', '\r', '\0']), None);
    assert_eq!(serde_json::from_str::<String>(argument).expect("a string"), body);
}

fn weight(packet: &Packet<'_>) -> usize {
    match packet {
        Packet::Message(Data::Text(text)) | Packet::Open(text) | Packet::Ping(text) | Packet::Pong(text) => text.len(),
        Packet::Message(Data::Binary(data)) => data.len(),
        Packet::Close | Packet::Upgrade | Packet::Noop => 1,
    }
}

fn message(revision: Revision, packet: &Packet<'_>) -> Data<'static> {
    let text = |kind: char, text: &str| Data::Text(format!("{kind}{text}").into());
    match packet {
        Packet::Open(data) => text('0', data),
        Packet::Close => text('1', ""),
        Packet::Ping(data) => text('2', data),
        Packet::Pong(data) => text('3', data),
        Packet::Message(Data::Text(data)) => text('4', data),
        Packet::Message(Data::Binary(data)) if revision == Revision::V3 => Data::Binary([b"\x04", &**data].concat().into()),
        Packet::Message(Data::Binary(data)) => Data::Binary(data.to_vec().into()),
        Packet::Upgrade => text('5', ""),
        Packet::Noop => text('6', ""),
    }
}
