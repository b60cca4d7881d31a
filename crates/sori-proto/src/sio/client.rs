//! One connection's namespaces: which are joined, and what its packets may do. No IO.

use std::borrow::Cow;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Decoder, Incoming, Parser, json, msgpack};
use crate::{
    CloseReason, Limits, ProtocolError,
    eio::Revision,
    session::Event,
    wire::{self, Frames, WireFormat},
};

/// The Socket.IO side of one session.
#[derive(Debug)]
pub struct Client {
    decoder: Decoder,
    /// One namespace is the rule, and lies in place.
    entries: SmallVec<[Entry; 1]>,
    next_key: u32,
    /// When a client that joined nothing is closed; the end of time for one that has joined.
    connect_by: u64,
}

/// One namespace of this connection. The key names one stay in it: joining again makes a new one.
#[derive(Debug)]
struct Entry {
    key: u32,
    state: State,
    /// None is `/`.
    name: Option<Box<str>>,
}

impl Entry {
    fn namespace(&self) -> &str {
        self.name.as_deref().unwrap_or("/")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The application decides.
    Connecting,
    Connected,
    /// The server ended it. What the client sent before it knew is ignored, not punished.
    Left,
}

impl Client {
    /// A connection that has joined nothing yet.
    pub fn new(now: u64, revision: Revision, parser: Parser, limits: &Limits) -> Self {
        Self {
            decoder: Decoder::new(revision, parser),
            entries: SmallVec::new(),
            next_key: 0,
            connect_by: now + u64::from(limits.connect_timeout_ms),
        }
    }

    /// Revision 3 clients never ask for `/`: they are in it from the start.
    pub fn join_implicitly(&mut self) -> Option<Event> {
        (self.decoder.revision() == Revision::V3).then(|| self.connecting("/", None, None))
    }

    /// Takes a text message.
    pub fn handle_text(&mut self, text: &str, limits: &Limits) -> Result<Option<Event>, CloseReason> {
        let incoming = self.decoder.text(text, limits)?;
        incoming.map_or(Ok(None), |packet| self.handle(packet, limits))
    }

    /// Takes a binary message.
    pub fn handle_binary(&mut self, data: &[u8], limits: &Limits) -> Result<Option<Event>, CloseReason> {
        let incoming = self.decoder.binary(data, limits)?;
        incoming.map_or(Ok(None), |packet| self.handle(packet, limits))
    }

    fn handle(&mut self, packet: Incoming, limits: &Limits) -> Result<Option<Event>, CloseReason> {
        match packet {
            Incoming::Connect { namespace, query, auth } => {
                if self.position(&namespace).is_some_and(|i| self.entries[i].state != State::Left) {
                    return Err(CloseReason::ForcedClose);
                }
                if self.entries.len() >= limits.namespaces_per_session_max as usize {
                    // Only those it is in count; the oldest that the server ended is forgotten.
                    let left = self.entries.iter().position(|e| e.state == State::Left).ok_or(CloseReason::ForcedClose)?;
                    self.entries.remove(left);
                }
                Ok(Some(self.connecting(&namespace, query, auth)))
            }
            Incoming::Disconnect { namespace } => {
                let Some(i) = self.joined(&namespace)? else { return Ok(None) };
                let key = self.entries.swap_remove(i).key;
                Ok(Some(Event::Disconnect { key }))
            }
            Incoming::Event { namespace, name, args, ack } => {
                let Some(i) = self.joined(&namespace)? else { return Ok(None) };
                Ok(Some(Event::Event { key: self.entries[i].key, name, args, ack }))
            }
            Incoming::Ack { namespace, id, args } => {
                let Some(i) = self.joined(&namespace)? else { return Ok(None) };
                Ok(Some(Event::Ack { key: self.entries[i].key, id, args }))
            }
            // A client's decoder reads none.
            Incoming::ConnectError { .. } => Err(CloseReason::ParseError),
        }
    }

    /// The application lets this one in: its connect reply. None when the client has gone meanwhile.
    pub fn accept(&mut self, key: u32, id: &str, pid: Option<&str>) -> Option<Frames> {
        let format = self.format();
        let entry = self.entries.iter_mut().find(|e| e.key == key && e.state == State::Connecting)?;
        entry.state = State::Connected;
        self.connect_by = u64::MAX;
        // Revision 3 clients know their id from the handshake and expect no data.
        let data = (format.revision == Revision::V4).then_some((id, pid));
        Some(wire::packet(format, &[], 64, |out| match format.parser {
            Parser::Json => json::connect(out, entry.namespace(), data),
            _ => msgpack::connect(out, entry.namespace(), data),
        }))
    }

    /// The application keeps this one out, and says why as JSON.
    pub fn refuse(&mut self, key: u32, payload_json: &str) -> Option<Frames> {
        let i = self.entries.iter().position(|e| e.key == key && e.state == State::Connecting)?;
        let entry = self.entries.swap_remove(i);
        let format = self.format();
        Some(wire::packet(format, &[], payload_json.len(), |out| match format.parser {
            Parser::Json => json::connect_error(out, entry.namespace(), payload_json),
            _ => msgpack::connect_error(out, entry.namespace(), payload_json),
        }))
    }

    /// The server makes the client leave: its disconnect packet.
    pub fn disconnect(&mut self, key: u32) -> Option<Frames> {
        let format = self.format();
        let entry = self.entries.iter_mut().find(|e| e.key == key && e.state == State::Connected)?;
        entry.state = State::Left;
        Some(wire::packet(format, &[], 0, |out| match format.parser {
            Parser::Json => json::disconnect(out, entry.namespace()),
            _ => msgpack::disconnect(out, entry.namespace()),
        }))
    }

    /// What this client reads. Deflate is the transport's to say.
    pub fn format(&self) -> WireFormat {
        let parser = self.decoder.parser().unwrap_or(Parser::Json);
        WireFormat { revision: self.decoder.revision(), parser, deflate: false }
    }

    /// When a client that joined nothing is closed.
    pub fn deadline(&self) -> u64 {
        self.connect_by
    }

    fn connecting(&mut self, namespace: &str, query: Option<Box<str>>, auth: Option<Bytes>) -> Event {
        self.entries.retain(|e| e.namespace() != namespace);
        let key = self.next_key;
        self.next_key = self.next_key.wrapping_add(1);
        let name = (namespace != "/").then(|| namespace.into());
        self.entries.push(Entry { key, state: State::Connecting, name });
        Event::Connect { key, namespace: canonical(namespace), query, auth }
    }

    /// The place of a joined namespace. A packet for any other one ends the session, unless the server
    /// itself has just ended that one.
    fn joined(&self, namespace: &str) -> Result<Option<usize>, CloseReason> {
        match self.position(namespace) {
            Some(i) if self.entries[i].state == State::Connected => Ok(Some(i)),
            Some(i) if self.entries[i].state == State::Left => Ok(None),
            _ => Err(CloseReason::ForcedClose),
        }
    }

    fn position(&self, namespace: &str) -> Option<usize> {
        self.entries.iter().position(|e| e.namespace() == namespace)
    }
}

impl From<ProtocolError> for CloseReason {
    fn from(_: ProtocolError) -> Self {
        Self::ParseError
    }
}

fn canonical(namespace: &str) -> Cow<'static, str> {
    match namespace {
        "/" => Cow::Borrowed("/"),
        other => Cow::Owned(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::frame;

    /// One connection, spoken to in Socket.IO text.
    struct Line {
        client: Client,
        limits: Limits,
    }

    impl Line {
        fn eio4() -> Self {
            Self::new(Revision::V4, Parser::Auto)
        }

        fn new(revision: Revision, parser: Parser) -> Self {
            let limits = Limits { namespaces_per_session_max: 3, ..Limits::default() };
            Self { client: Client::new(0, revision, parser, &limits), limits }
        }

        /// What the text means, in a short form.
        fn says(&mut self, text: &str) -> String {
            match self.client.handle_text(text, &self.limits) {
                Err(reason) => format!("closed: {reason}"),
                Ok(None) => "nothing".into(),
                Ok(Some(event)) => told(event),
            }
        }

        #[track_caller]
        fn check(&mut self, text: &str, expected: &str) -> &mut Self {
            assert_eq!(self.says(text), expected, "{text}");
            self
        }

        #[track_caller]
        fn accepts(&mut self, key: u32, expected: &str) {
            assert_eq!(read(self.client.accept(key, "1d", None)), expected);
        }
    }

    fn told(event: Event) -> String {
        let json = |args: &crate::sio::InArgs| format!("[{}]", args.raw_json().unwrap_or("?"));
        match event {
            Event::Connect { key, namespace, query, auth } => {
                let auth = auth.map(|auth| String::from_utf8_lossy(&auth).into_owned());
                format!("{key} connects to {namespace} query {query:?} auth {auth:?}")
            }
            Event::Disconnect { key } => format!("{key} leaves"),
            Event::Event { key, name, args, ack } => format!("{key} emits {name} {} ack {ack:?}", json(&args)),
            Event::Ack { key, id, args } => format!("{key} answers {id} {}", json(&args)),
            Event::Text(_) | Event::Binary(_) => unreachable!("this is Socket.IO"),
        }
    }

    fn read(frames: Option<Frames>) -> String {
        let Some(frames) = frames else { return "nothing".into() };
        assert_eq!(frames.as_slice().len(), 1);
        String::from_utf8(frame::payload(&frames.as_slice()[0]).to_vec()).unwrap()
    }

    #[test]
    fn a_client_connects_emits_answers_and_leaves() {
        let mut line = Line::eio4();
        line.check("0", "0 connects to / query None auth None");
        line.accepts(0, r#"40{"sid":"1d"}"#);
        line.check(r#"2["hi"]"#, r#"0 emits hi [] ack None"#)
            .check(r#"27["add",1,2]"#, r#"0 emits add [1,2] ack Some(7)"#)
            .check("33[true]", "0 answers 3 [true]")
            .check("1", "0 leaves")
            .check(r#"2["hi"]"#, "closed: forced close");
    }

    #[test]
    fn namespaces_of_one_connection_do_not_meet() {
        let mut line = Line::eio4();
        line.check("0/a,", "0 connects to /a query None auth None");
        line.check(r#"0/b,{"token":1}"#, r#"1 connects to /b query None auth Some("{\"token\":1}")"#);
        line.accepts(1, r#"40/b,{"sid":"1d"}"#);
        line.accepts(0, r#"40/a,{"sid":"1d"}"#);
        line.check(r#"2/a,["x"]"#, "0 emits x [] ack None").check(r#"2/b,["x"]"#, "1 emits x [] ack None");
        line.check("1/a,", "0 leaves").check(r#"2/b,["x"]"#, "1 emits x [] ack None");
    }

    #[test]
    fn coming_back_is_another_stay() {
        let mut line = Line::eio4();
        line.check("0", "0 connects to / query None auth None");
        line.accepts(0, r#"40{"sid":"1d"}"#);
        line.check("1", "0 leaves").check("0", "1 connects to / query None auth None");
        assert_eq!(read(line.client.accept(0, "1d", None)), "nothing");
        line.accepts(1, r#"40{"sid":"1d"}"#);
    }

    #[test]
    fn whoever_speaks_before_it_was_let_in_is_closed() {
        for text in [r#"2["x"]"#, "1", "31[]"] {
            Line::eio4().check("0", "0 connects to / query None auth None").check(text, "closed: forced close");
            Line::eio4().check(text, "closed: forced close");
        }
    }

    #[test]
    fn a_second_connect_closes() {
        let mut line = Line::eio4();
        line.check("0", "0 connects to / query None auth None").check("0", "closed: forced close");
        let mut line = Line::eio4();
        line.says("0");
        line.accepts(0, r#"40{"sid":"1d"}"#);
        line.check("0", "closed: forced close");
    }

    #[test]
    fn what_is_no_packet_closes() {
        for text in ["", "9", "2", "2[]", "2[{}]", r#"2["connect"]"#, "51-", "2[\"a\"", "4{}"] {
            let mut line = Line::eio4();
            line.says("0");
            line.accepts(0, r#"40{"sid":"1d"}"#);
            line.check(text, "closed: parse error");
        }
    }

    #[test]
    fn a_refused_client_may_ask_again() {
        let mut line = Line::eio4();
        for key in 0..10 {
            line.check("0/a,", &format!("{key} connects to /a query None auth None"));
            assert_eq!(read(line.client.refuse(key, r#"{"message":"no"}"#)), r#"44/a,{"message":"no"}"#);
            assert_eq!(read(line.client.refuse(key, "{}")), "nothing");
            assert_eq!(read(line.client.accept(key, "1d", None)), "nothing");
        }
    }

    #[test]
    fn what_crosses_the_servers_disconnect_is_passed_over() {
        let mut line = Line::eio4();
        line.says("0/a,");
        line.accepts(0, r#"40/a,{"sid":"1d"}"#);
        assert_eq!(read(line.client.disconnect(0)), "41/a,");
        assert_eq!(read(line.client.disconnect(0)), "nothing");
        line.check(r#"2/a,["late"]"#, "nothing").check("31/a,1[]", "closed: parse error");
        let mut line = Line::eio4();
        line.says("0/a,");
        line.accepts(0, r#"40/a,{"sid":"1d"}"#);
        line.client.disconnect(0);
        line.check("1/a,", "nothing").check("3/a,1[]", "nothing");
        line.check("0/a,", "1 connects to /a query None auth None");
    }

    #[test]
    fn a_flood_of_namespaces_is_closed_at_the_limit() {
        let mut line = Line::eio4();
        for key in 0..3 {
            line.check(&format!("0/{key},"), &format!("{key} connects to /{key} query None auth None"));
        }
        line.check("0/3,", "closed: forced close");
        // Refused ones give their place back.
        let mut line = Line::eio4();
        for key in 0..100 {
            line.says(&format!("0/{key},"));
            line.client.refuse(key, "{}");
        }
        line.check("0/last,", "100 connects to /last query None auth None");
    }

    #[test]
    fn a_client_that_joins_nothing_has_until_its_deadline() {
        let mut line = Line::eio4();
        assert_eq!(line.client.deadline(), 45_000);
        line.says("0");
        assert_eq!(line.client.deadline(), 45_000);
        line.client.refuse(0, "{}");
        assert_eq!(line.client.deadline(), 45_000);
        line.says("0");
        line.accepts(1, r#"40{"sid":"1d"}"#);
        assert_eq!(line.client.deadline(), u64::MAX);
    }

    #[test]
    fn revision_3_is_in_the_main_namespace_without_asking() {
        let mut line = Line::new(Revision::V3, Parser::Json);
        let joined = line.client.join_implicitly().map(told);
        assert_eq!(joined.as_deref(), Some("0 connects to / query None auth None"));
        line.accepts(0, "40");
        line.check("0/chat?token=x", r#"1 connects to /chat query Some("token=x") auth None"#);
        line.accepts(1, "40/chat,");
        line.check(r#"2["hi",1]"#, "0 emits hi [1] ack None");
        assert!(Line::eio4().client.join_implicitly().is_none());
    }

    #[test]
    fn the_recovery_id_travels_with_the_connect_reply() {
        let mut line = Line::eio4();
        line.says("0");
        assert_eq!(read(line.client.accept(0, "1d", Some("p1d"))), r#"40{"sid":"1d","pid":"p1d"}"#);
    }

    #[test]
    fn a_client_shows_by_its_first_packet_which_parser_it_speaks() {
        let mut line = Line::eio4();
        let connect = b"\x82\xa4type\x00\xa3nsp\xa1/";
        let event = line.client.handle_binary(connect, &line.limits).unwrap().map(told);
        assert_eq!(event.as_deref(), Some("0 connects to / query None auth None"));
        assert_eq!(line.client.format().parser, Parser::Msgpack);
        let reply = line.client.accept(0, "1d", None).unwrap();
        assert_eq!(frame::opcode(&reply.as_slice()[0]), frame::OpCode::Binary);
    }

    #[test]
    fn attachments_that_never_come_keep_nobody_waiting() {
        let mut line = Line::eio4();
        line.says("0");
        line.accepts(0, r#"40{"sid":"1d"}"#);
        line.check(r#"51-["x",{"_placeholder":true,"num":0}]"#, "nothing");
        line.check(r#"2["y"]"#, "closed: parse error");
    }
}
