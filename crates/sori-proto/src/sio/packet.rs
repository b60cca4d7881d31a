//! Packets of one connection, decoded.

use std::{borrow::Cow, mem};

use bytes::Bytes;

use super::{
    InArgs,
    json::{self, Kind},
    msgpack,
};
use crate::{Limits, ProtocolError, eio::Revision};

/// How packets become messages. Both sides of a connection have to agree on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parser {
    /// Text, with binary attachments as messages of their own. Everybody's default.
    Json,
    /// `socket.io-msgpack-parser`: every packet is one binary message.
    Msgpack,
    /// The client's first packet shows: text is JSON, binary is MessagePack. Not for revision 3,
    /// where the server speaks first.
    Auto,
}

/// One whole packet.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// Asks for a namespace.
    Connect {
        /// Which.
        namespace: Cow<'a, str>,
        /// Revision 3: the query that came with the name, without `?`. In revision 4 it is part of the name.
        query: Option<Box<str>>,
        /// The `auth` payload: a JSON object. A server's has `sid` and perhaps `pid`.
        auth: Option<Bytes>,
    },
    /// Leaves a namespace.
    Disconnect {
        /// Which.
        namespace: Cow<'a, str>,
    },
    /// Emits an event.
    Event {
        /// Where.
        namespace: Cow<'a, str>,
        /// The event's name; a number comes as its decimal text.
        name: Box<str>,
        /// What follows the name.
        args: InArgs,
        /// Asks to be answered under this id.
        ack: Option<u64>,
    },
    /// Answers an event.
    Ack {
        /// Where.
        namespace: Cow<'a, str>,
        /// Which.
        id: u64,
        /// The answer.
        args: InArgs,
    },
    /// Refuses a namespace. From servers only.
    ConnectError {
        /// Which.
        namespace: Cow<'a, str>,
        /// Why, as JSON: `{"message":…,"data":…}`, or in revision 3 whatever the middleware said.
        why: Bytes,
    },
}

/// Puts one connection's messages together to packets.
///
/// Between packets it holds no memory. In between it holds one packet and as much binary as
/// `max_attachments` messages can carry.
///
/// ```
/// use sori_proto::{Limits, eio::Revision, sio::{Decoder, Incoming, Parser}};
/// let (mut decoder, limits) = (Decoder::new(Revision::V4, Parser::Json), Limits::default());
/// assert!(decoder.text(r#"51-["photo",{"_placeholder":true,"num":0}]"#, &limits)?.is_none());
/// let Some(Incoming::Event { name, args, .. }) = decoder.binary(b"\x89PNG", &limits)? else { panic!() };
/// assert_eq!(&*name, "photo");
/// assert_eq!(args.deserialize::<bytes::Bytes>().unwrap(), &b"\x89PNG"[..]);
/// # Ok::<_, sori_proto::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    revision: Revision,
    parser: Parser,
    from_server: bool,
    pending: Option<Box<Pending>>,
}

/// A packet whose attachments have not all arrived.
#[derive(Debug)]
struct Pending {
    namespace: Box<str>,
    message: Message,
    expected: usize,
    attachments: Vec<Bytes>,
}

#[derive(Debug)]
enum Message {
    Event { name: Box<str>, args: InArgs, ack: Option<u64> },
    Ack { id: u64, args: InArgs },
}

impl Decoder {
    /// A decoder that has seen nothing, for what a client says.
    pub fn new(revision: Revision, parser: Parser) -> Self {
        Self { revision, parser, from_server: false, pending: None }
    }

    /// For what a server says: it may refuse a namespace, too. With the default parser.
    ///
    /// ```
    /// use sori_proto::{Limits, eio::Revision, sio::{Decoder, Incoming}};
    /// let mut decoder = Decoder::client(Revision::V4);
    /// let refused = decoder.text(r#"4/admin,{"message":"no"}"#, &Limits::default())?;
    /// assert!(matches!(refused, Some(Incoming::ConnectError { why, .. }) if why == r#"{"message":"no"}"#));
    /// # Ok::<_, sori_proto::ProtocolError>(())
    /// ```
    pub fn client(revision: Revision) -> Self {
        Self { from_server: true, ..Self::new(revision, Parser::Json) }
    }

    /// The revision of its client.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What this connection speaks, once that is known.
    pub fn parser(&self) -> Option<Parser> {
        (self.parser != Parser::Auto).then_some(self.parser)
    }

    /// Takes a text message.
    pub fn text<'a>(&mut self, text: &'a str, limits: &Limits) -> Result<Option<Incoming<'a>>, ProtocolError> {
        if self.parser == Parser::Auto {
            self.parser = Parser::Json;
        }
        if self.parser != Parser::Json || self.pending.is_some() {
            return Err(ProtocolError::UnexpectedMessage);
        }
        let header = json::header(text, limits)?;
        let (namespace, query) = self.namespace(header.namespace.into(), limits)?;
        let message = match header.kind {
            Kind::Connect => {
                return Ok(Some(Incoming::Connect { namespace, query, auth: json::auth(header.payload)? }));
            }
            Kind::Disconnect if header.payload.is_empty() => {
                return Ok(Some(Incoming::Disconnect { namespace }));
            }
            Kind::Disconnect => return Err(ProtocolError::MalformedMessage),
            Kind::ConnectError if self.from_server => {
                return Ok(Some(Incoming::ConnectError { namespace, why: json::value(header.payload)? }));
            }
            Kind::ConnectError => return Err(ProtocolError::MalformedMessage),
            Kind::Event => {
                let (name, args) = json::event_payload(header.payload, header.attachments)?;
                Message::Event { name, args, ack: header.id }
            }
            Kind::Ack => Message::Ack {
                id: header.id.ok_or(ProtocolError::MalformedMessage)?,
                args: json::ack_payload(header.payload, header.attachments)?,
            },
        };
        if header.attachments == 0 {
            return Ok(Some(message.incoming(namespace)));
        }
        self.pending = Some(Box::new(Pending {
            namespace: namespace.into(),
            message,
            expected: header.attachments,
            attachments: Vec::new(),
        }));
        Ok(None)
    }

    /// Takes a binary message: an attachment, or a whole MessagePack packet.
    pub fn binary<'a>(&mut self, data: &'a [u8], limits: &Limits) -> Result<Option<Incoming<'a>>, ProtocolError> {
        if self.parser == Parser::Auto {
            self.parser = Parser::Msgpack;
        }
        if self.parser == Parser::Msgpack {
            return self.msgpack(data, limits).map(Some);
        }
        let pending = self.pending.as_mut().ok_or(ProtocolError::UnexpectedMessage)?;
        pending.attachments.push(Bytes::copy_from_slice(data));
        if pending.attachments.len() < pending.expected {
            return Ok(None);
        }
        Ok(self.pending.take().map(|pending| pending.complete()))
    }

    fn msgpack<'a>(&self, data: &'a [u8], limits: &Limits) -> Result<Incoming<'a>, ProtocolError> {
        let packet = msgpack::packet(data)?;
        let (namespace, query) = self.namespace(packet.namespace, limits)?;
        Ok(match packet.kind {
            Kind::Connect => Incoming::Connect { namespace, query, auth: msgpack::auth(packet.data)? },
            Kind::Disconnect if packet.data.is_none() => Incoming::Disconnect { namespace },
            Kind::Disconnect | Kind::ConnectError => return Err(ProtocolError::MalformedMessage),
            Kind::Event => {
                let (name, args) = msgpack::event_payload(packet.data)?;
                Incoming::Event { namespace, name, args, ack: packet.id }
            }
            Kind::Ack => Incoming::Ack {
                namespace,
                id: packet.id.ok_or(ProtocolError::MalformedMessage)?,
                args: msgpack::ack_payload(packet.data)?,
            },
        })
    }

    /// Splits the query off, which revision 3 clients write behind the name.
    fn namespace<'a>(&self, name: Cow<'a, str>, limits: &Limits) -> Result<(Cow<'a, str>, Option<Box<str>>), ProtocolError> {
        if name.len() > limits.namespace_name_max as usize {
            return Err(ProtocolError::NamespaceTooLong);
        }
        match name.split_once('?') {
            Some((path, query)) if self.revision == Revision::V3 => {
                let (len, query) = (path.len(), Some(query.into()));
                Ok((truncated(name, len), query))
            }
            _ => Ok((name, None)),
        }
    }
}

impl Pending {
    fn complete(self) -> Incoming<'static> {
        let Self { namespace, mut message, attachments, .. } = self;
        let (Message::Event { args, .. } | Message::Ack { args, .. }) = &mut message;
        *args = mem::replace(args, InArgs::from_values(Vec::new())).with_attachments(attachments);
        message.incoming(Cow::Owned(namespace.into()))
    }
}

impl Message {
    fn incoming(self, namespace: Cow<'_, str>) -> Incoming<'_> {
        match self {
            Self::Event { name, args, ack } => Incoming::Event { namespace, name, args, ack },
            Self::Ack { id, args } => Incoming::Ack { namespace, id, args },
        }
    }
}

fn truncated(name: Cow<'_, str>, len: usize) -> Cow<'_, str> {
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(&name[..len]),
        Cow::Owned(mut name) => {
            name.truncate(len);
            Cow::Owned(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProtocolError::{Attachments, MalformedMessage, NamespaceTooLong, ReservedEvent, UnexpectedMessage};
    use crate::Value;

    /// One packet as a line that a reader can compare with its wire text.
    fn line(packet: Incoming<'_>) -> String {
        match packet {
            Incoming::Connect { namespace, query, auth } => {
                format!("connect {namespace} {query:?} {:?}", auth.map(|auth| String::from_utf8(auth.into()).unwrap()))
            }
            Incoming::Disconnect { namespace } => format!("disconnect {namespace}"),
            Incoming::Event { namespace, name, args, ack } => {
                assert_eq!(args.len(), args.to_values().unwrap().len());
                format!("event {namespace} {name:?} {} {ack:?}", args.to_out().unwrap().json())
            }
            Incoming::Ack { namespace, id, args } => format!("ack {namespace} {id} {}", args.to_out().unwrap().json()),
            Incoming::ConnectError { namespace, why } => format!("refused {namespace} {}", str::from_utf8(&why).unwrap()),
        }
    }

    fn decode(revision: Revision, text: &str) -> Result<Option<String>, ProtocolError> {
        let limits = Limits { namespace_name_max: 32, ..Limits::default() };
        Decoder::new(revision, Parser::Json).text(text, &limits).map(|packet| packet.map(line))
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(decode(Revision::V4, text), Ok(Some(expected.to_owned())), "{text}");
    }

    #[track_caller]
    fn refuse(expected: ProtocolError, texts: &[&str]) {
        for text in texts {
            assert_eq!(decode(Revision::V4, text), Err(expected), "{text}");
        }
    }

    #[test]
    fn every_type_is_read() {
        check("0", "connect / None None");
        check("0/chat,", "connect /chat None None");
        check("0/chat", "connect /chat None None");
        check(r#"0/chat, {"token":"x"} "#, r#"connect /chat None Some("{\"token\":\"x\"}")"#);
        check("0/chat?token=x,", "connect /chat?token=x None None");
        check("1", "disconnect /");
        check("1/chat,", "disconnect /chat");
        check(r#"2["msg"]"#, r#"event / "msg"  None"#);
        check(r#"2["msg",1,{"a":[null]}]"#, r#"event / "msg" 1,{"a":[null]} None"#);
        check(r#"2/chat,12["msg","é, 😀"]"#, r#"event /chat "msg" "é, 😀" Some(12)"#);
        check(r#"2007["a" , 1 , [ 2 ] ] "#, r#"event / "a" 1 , [ 2 ] Some(7)"#);
        check(r#"2["a\"b\\c\u00e9"]"#, r#"event / "a\"b\\cé"  None"#);
        check(r#"2["",0]"#, r#"event / "" 0 None"#);
        check(r#"2["error",0]"#, r#"event / "error" 0 None"#);
        check("317[]", "ack / 17 ");
        check("3/chat,1[1,null]", "ack /chat 1 1,null");
        check("31", "ack / 1 ");
    }

    #[test]
    fn a_server_may_refuse() {
        let read = |revision, text| Decoder::client(revision).text(text, &Limits::default()).map(|packet| packet.map(line));
        let refused = r#"refused /admin {"message":"no","data":[1]}"#.to_owned();
        assert_eq!(read(Revision::V4, r#"4/admin,{"message":"no","data":[1]}"#), Ok(Some(refused)));
        assert_eq!(read(Revision::V3, r#"4/admin,"no""#), Ok(Some(r#"refused /admin "no""#.to_owned())));
        assert_eq!(read(Revision::V4, r#"0{"sid":"s","pid":"p"}"#), decode(Revision::V4, r#"0{"sid":"s","pid":"p"}"#));
        for wrong in ["4", "4/admin,", "4{", "4{}{}"] {
            assert_eq!(read(Revision::V4, wrong), Err(MalformedMessage), "{wrong}");
        }
        // A client may not.
        refuse(MalformedMessage, &["4{}", r#"4/admin,"no""#]);
    }

    #[test]
    fn numeric_names_are_their_decimal_text() {
        for (wire, name) in [("7", "7"), ("-7", "-7"), ("1.5", "1.5"), ("1e3", "1000"), ("-0", "0"), ("2.0", "2")] {
            check(&format!("2[{wire},true]"), &format!(r#"event / "{name}" true None"#));
        }
    }

    #[test]
    fn revision_3_has_a_query_behind_the_name() {
        let v3 = |text| decode(Revision::V3, text).unwrap().unwrap();
        assert_eq!(v3("0/admin?token=x&a=1,"), r#"connect /admin Some("token=x&a=1") None"#);
        assert_eq!(v3("0/?x"), r#"connect / Some("x") None"#);
        assert_eq!(v3(r#"2/admin?token=x,["a"]"#), r#"event /admin "a"  None"#);
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        refuse(
            MalformedMessage,
            &[
                "",
                "4",
                "7",
                "9[]",
                "x",
                "é",
                "-1",
                "4/a,\"no\"",
                "0[]",
                "0\"a\"",
                "0null",
                "0{",
                "0{}{}",
                "1{}",
                "1null",
                "2",
                "2/chat",
                "2/chat,",
                "2[]",
                "2{}",
                "2null",
                "2\"a\"",
                "2[\"a\"",
                "2[\"a\"]]",
                "2[\"a\",]",
                "2[null]",
                "2[true]",
                "2[[\"a\"]]",
                "2[{\"toString\":1}]",
                "2[\"a]",
                "2[\"a\\x\"]",
                "3[]",
                "3",
                "31{}",
                "31null",
                "2-1[\"a\"]",
                "21.5[\"a\"]",
                "2+1[\"a\"]",
                "299999999999999999999[\"a\"]",
                "2[\"a\",01]",
                "2[\"a\", undefined]",
                "2[\"\u{1}\"]",
                "2[0x1]",
                "2[\"a\" 1]",
            ],
        );
        refuse(NamespaceTooLong, &[&format!("0/{}", "a".repeat(32)), &format!("2/{},[\"a\"]", "é".repeat(16))]);
        refuse(
            ReservedEvent,
            &[
                r#"2["connect"]"#,
                r#"2["connect_error"]"#,
                r#"2["disconnect",1]"#,
                r#"2["disconnecting"]"#,
                r#"2["newListener"]"#,
                r#"2["removeListener"]"#,
                r#"2["\u0063onnect"]"#,
                r#"51-["connect"]"#,
            ],
        );
    }

    #[test]
    fn attachment_counts_are_decimal_and_bounded() {
        for count in ["", "0", "11", "1.5", "1e9", "-1", "+1", " 1", "0x1", "99999999999999999999", "1e0", "NaN", "１"] {
            refuse(Attachments, &[&format!(r#"5{count}-["a"]"#), &format!(r#"6{count}-1[]"#)]);
        }
        refuse(Attachments, &["5", "51", "5[\"a\"]", "51[\"a\"]"]);
        for count in ["1", "10", "01"] {
            assert_eq!(decode(Revision::V4, &format!(r#"5{count}-["a"]"#)), Ok(None));
        }
    }

    #[test]
    fn placeholders_point_at_attachments() {
        for num in ["2", "-1", "0.5", "1.0", "1e0", r#""0""#, "null", "{}", "true", "99999999999999999999", r#"0,"num":2"#] {
            refuse(Attachments, &[&format!(r#"52-["a",{{"x":[{{"_placeholder":true,"num":{num}}}]}}]"#)]);
            refuse(Attachments, &[&format!(r#"62-1[{{"num":{num},"_placeholder":true}}]"#)]);
        }
        refuse(Attachments, &[r#"51-["a",{"_placeholder":true}]"#]);
        for fine in [r#"{"_placeholder":false,"num":9}"#, r#"{"_placeholder":1,"num":9}"#, r#"{"num":9}"#] {
            assert_eq!(decode(Revision::V4, &format!(r#"51-["a",{fine}]"#)), Ok(None), "{fine}");
        }
        // Without attachments it is an object like any other.
        check(r#"2["a",{"_placeholder":true,"num":9}]"#, r#"event / "a" {"_placeholder":true,"num":9} None"#);
    }

    /// Text first, then attachments, then what the handler reads.
    #[track_caller]
    fn check_binary(text: &str, attachments: &[&[u8]], expected: &[Value]) {
        let (limits, mut decoder) = (Limits::default(), Decoder::new(Revision::V4, Parser::Json));
        assert!(decoder.text(text, &limits).unwrap().is_none());
        let (last, first) = attachments.split_last().unwrap();
        for data in first {
            assert!(decoder.binary(data, &limits).unwrap().is_none());
        }
        match decoder.binary(last, &limits).unwrap().unwrap() {
            Incoming::Event { args, .. } | Incoming::Ack { args, .. } => {
                assert_eq!(args.to_values().unwrap(), expected);
                assert_eq!(args.raw_json(), None);
            }
            other => panic!("{other:?}"),
        }
        // And it is ready for the next.
        assert!(decoder.pending.is_none());
        assert_eq!(decoder.binary(b"", &limits).err(), Some(UnexpectedMessage));
    }

    #[test]
    fn attachments_take_their_places() {
        let (a, b) = (Value::Binary(Bytes::from_static(b"a")), Value::Binary(Bytes::new()));
        check_binary(
            r#"52-/chat,12["m",{"_placeholder":true,"num":1},{"x":[{"num":0,"_placeholder":true}]}]"#,
            &[b"a", b""],
            &[b.clone(), Value::Object(vec![("x".into(), vec![a.clone()].into())])],
        );
        check_binary(r#"61-1[{"_placeholder":true,"num":0}]"#, &[b"a"], std::slice::from_ref(&a));
        // One used twice, one never.
        check_binary(r#"52-["m",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#, &[b"a", b"b"], &[a.clone(), a]);
    }

    #[test]
    fn text_and_binary_keep_their_order() {
        let (limits, mut decoder) = (Limits::default(), Decoder::new(Revision::V4, Parser::Json));
        assert_eq!(decoder.binary(b"x", &limits).err(), Some(UnexpectedMessage));
        assert!(decoder.text(r#"51-["a"]"#, &limits).unwrap().is_none());
        assert_eq!(decoder.text(r#"2["a"]"#, &limits).err(), Some(UnexpectedMessage));
    }

    #[test]
    fn the_first_packet_shows_the_parser() {
        let limits = Limits::default();
        let mut decoder = Decoder::new(Revision::V4, Parser::Auto);
        assert_eq!(decoder.parser(), None);
        decoder.text("0", &limits).unwrap();
        assert_eq!(decoder.parser(), Some(Parser::Json));
        assert_eq!(decoder.binary(b"\x82\xa4type\x00\xa3nsp\xa1/", &limits).err(), Some(UnexpectedMessage));

        let mut decoder = Decoder::new(Revision::V4, Parser::Auto);
        let packet = decoder.binary(b"\x82\xa4type\x00\xa3nsp\xa1/", &limits).unwrap().unwrap();
        assert_eq!(line(packet), "connect / None None");
        assert_eq!(decoder.parser(), Some(Parser::Msgpack));
        assert_eq!(decoder.text("0", &limits).err(), Some(UnexpectedMessage));
    }

    #[test]
    fn depth_is_survived() {
        let deep = |n| format!("{}{}", "[".repeat(n), "]".repeat(n));
        for n in [100, 1_000, 10_000, 400_000] {
            for (text, kind) in [(format!(r#"2["a",{}]"#, deep(n)), "event"), (format!("31{}", deep(n)), "ack")] {
                let limits = Limits::default();
                let packet = Decoder::new(Revision::V4, Parser::Json).text(&text, &limits).unwrap().unwrap();
                let (Incoming::Event { args, .. } | Incoming::Ack { args, .. }) = packet else { panic!("{kind}") };
                // Sent on as it is, and readable if it is not too deep.
                assert!(args.to_out().unwrap().json().starts_with(if n > 1 { "[" } else { "" }));
                assert_eq!(args.to_values().is_ok(), n < 127);
                assert_eq!(args.deserialize::<Value>().is_ok(), n < 127);
            }
        }
        refuse(MalformedMessage, &[&format!(r#"51-["a",{}]"#, deep(10_000)), &format!("2{}", deep(10_000))]);
        refuse(MalformedMessage, &[&"2".repeat(10_000), &format!("2{}", "[".repeat(1_000_000)), &"0{\"a\":".repeat(9_999)]);
    }

    #[test]
    fn half_a_character_does_not_spoil_the_event() {
        check(
            r#"2["a","cut\ud83d","\ude00","\ud83d\ude00","\\ud83d","é\ud83d\n"]"#,
            r#"event / "a" "cut\ufffd","\ufffd","\ud83d\ude00","\\ud83d","é\ufffd\n" None"#,
        );
        check(r#"2["\ud83d"]"#, "event / \"\u{fffd}\"  None");
    }

    #[test]
    fn an_idle_decoder_is_small() {
        assert_eq!(size_of::<Decoder>(), 16);
    }
}
