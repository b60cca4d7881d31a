//! One peer across polling, upgrade and close. Bytes and time in; events, frames and a deadline out.

use std::borrow::Cow;

use bytes::Bytes;

use crate::{
    CloseReason, Limits, ProtocolError,
    eio::{Carrier, Data, Engine, Packet, Probe, Revision, packet},
    plain,
    sio::{Client, InArgs, Parser},
    wire::{Frames, WireFormat},
};

/// One session. It lies behind one lock, and whoever has input for it feeds it and then carries off
/// what it has to say: frames appended to `out`, at most one [`Event`] an input, [`Session::closed`].
///
/// ```
/// use sori_proto::{Event, Limits, Session, eio::Revision, sio::Parser};
/// let (limits, mut out) = (Limits::default(), Vec::new());
/// let mut session = Session::open(0, Revision::V4, true, "s1d", true, Some(Parser::Auto), &limits, &mut out);
/// assert!(out[0].ends_with(br#""pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#));
/// let event = session.handle_text(5, "40", &limits, &mut out);
/// assert!(matches!(event, Some(Event::Connect { key: 0, .. })));
/// ```
#[derive(Debug)]
pub struct Session(Speaks);

/// What the peer speaks.
#[derive(Debug)]
enum Speaks {
    EngineIo {
        engine: Engine,
        /// None: the application takes Engine.IO messages as they are.
        client: Option<Client>,
    },
    Plain(plain::Client),
}

use Speaks::{EngineIo, Plain};

/// What a peer's input means to the application.
#[derive(Debug)]
pub enum Event {
    /// A client asks for a namespace; answer with [`Session::accept`] or [`Session::refuse`].
    Connect {
        /// Names this stay in the namespace.
        key: u32,
        /// Its name.
        namespace: Cow<'static, str>,
        /// Revision 3: the query that came with the name, without `?`.
        query: Option<Box<str>>,
        /// The `auth` payload: a JSON object.
        auth: Option<Bytes>,
    },
    /// The client left a namespace.
    Disconnect {
        /// Which stay ended.
        key: u32,
    },
    /// The client emitted.
    Event {
        /// The stay it came from.
        key: u32,
        /// The event's name.
        name: Box<str>,
        /// Its arguments.
        args: InArgs,
        /// Asks to be answered under this id.
        ack: Option<u64>,
    },
    /// The client answered.
    Ack {
        /// The stay it came from.
        key: u32,
        /// Which event it answers.
        id: u64,
        /// The answer.
        args: InArgs,
    },
    /// An Engine.IO message, in a session without Socket.IO.
    Text(Box<str>),
    /// A binary Engine.IO message, in a session without Socket.IO.
    Binary(Bytes),
}

impl Session {
    /// Opens a session and appends its open packet. Without `parser` it hands out bare Engine.IO messages.
    #[expect(clippy::too_many_arguments, reason = "each is a fact of the handshake, named where it is known")]
    pub fn open(
        now: u64,
        revision: Revision,
        websocket: bool,
        sid: &str,
        upgrades: bool,
        parser: Option<Parser>,
        limits: &Limits,
        out: &mut Vec<Bytes>,
    ) -> Self {
        Self(EngineIo {
            engine: Engine::open(now, revision, websocket, sid, upgrades, limits, out),
            client: parser.map(|parser| Client::new(now, revision, parser, limits)),
        })
    }

    /// Opens the session of a client without a library.
    pub fn open_plain(now: u64, ends_with_stream: bool, limits: &Limits) -> Self {
        Self(Plain(plain::Client::open(now, ends_with_stream, limits)))
    }

    /// Revision 3 clients are in `/` without asking. Call once, after the open packet was queued.
    pub fn join_implicitly(&mut self) -> Option<Event> {
        match &mut self.0 {
            EngineIo { client, .. } => client.as_mut()?.join_implicitly(),
            Plain(_) => None,
        }
    }

    /// The plain client's side, if it is one's.
    pub fn plain(&mut self) -> Option<&mut plain::Client> {
        match &mut self.0 {
            EngineIo { .. } => None,
            Plain(client) => Some(client),
        }
    }

    /// Takes a text message of the WebSocket that carries the session.
    pub fn handle_text(&mut self, now: u64, text: &str, limits: &Limits, out: &mut Vec<Bytes>) -> Option<Event> {
        match &mut self.0 {
            EngineIo { engine, .. } => {
                let packet = packet::decode_text(engine.revision(), text);
                self.handle_packet(now, packet, limits, out)
            }
            Plain(client) => client.handle_text(now, text, limits),
        }
    }

    /// Takes a binary message of the WebSocket that carries the session.
    pub fn handle_binary(&mut self, now: u64, data: &[u8], limits: &Limits, out: &mut Vec<Bytes>) -> Option<Event> {
        match &mut self.0 {
            EngineIo { engine, .. } => {
                let packet = packet::decode_binary(engine.revision(), data);
                self.handle_packet(now, packet, limits, out)
            }
            Plain(client) => client.handle_binary(now, data, limits),
        }
    }

    /// Takes a frame of a WebSocket that is no message: a sign of life, which only plain clients owe.
    pub fn handle_frame(&mut self, now: u64, limits: &Limits) {
        if let Plain(client) = &mut self.0 {
            client.handle_frame(now, limits);
        }
    }

    /// Takes one packet, from whichever transport; what could not be decoded ends the session.
    pub fn handle_packet(
        &mut self,
        now: u64,
        packet: Result<Packet<'_>, ProtocolError>,
        limits: &Limits,
        out: &mut Vec<Bytes>,
    ) -> Option<Event> {
        let EngineIo { engine, client } = &mut self.0 else { return None };
        let packet = match packet {
            Ok(packet) => packet,
            Err(error) => {
                engine.close(now, error.into());
                return None;
            }
        };
        let message = engine.handle_packet(now, packet, limits, out)?;
        let Some(client) = client else { return Some(bare(message)) };
        let handled = match &message {
            Data::Text(text) => client.handle_text(text, limits),
            Data::Binary(data) => client.handle_binary(data, limits),
        };
        handled.unwrap_or_else(|reason| {
            engine.close(now, reason);
            None
        })
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: u64, limits: &Limits, out: &mut Vec<Bytes>) {
        match &mut self.0 {
            EngineIo { engine, client } => {
                engine.handle_timeout(now, limits, out);
                if client.as_ref().is_some_and(|client| now >= client.deadline()) {
                    engine.close(now, CloseReason::ConnectTimeout);
                }
            }
            Plain(client) => client.handle_timeout(now, limits, out),
        }
    }

    /// When [`Session::handle_timeout`] has something to do next. Once closed: when nobody will come
    /// for the last packets any more.
    pub fn deadline(&self) -> u64 {
        match &self.0 {
            EngineIo { engine, client } => match engine.closed() {
                Some(_) => engine.deadline(),
                None => engine.deadline().min(client.as_ref().map_or(u64::MAX, Client::deadline)),
            },
            Plain(client) => client.deadline(),
        }
    }

    /// The application lets a client into a namespace: the reply, of no frames for a plain client. None when the client has gone
    /// meanwhile.
    pub fn accept(&mut self, now: u64, key: u32, id: &str, pid: Option<&str>, limits: &Limits) -> Option<Frames> {
        match &mut self.0 {
            EngineIo { engine, client } => living(engine, client)?.accept(key, id, pid),
            Plain(client) => client.accept(now, limits).then(Frames::none),
        }
    }

    /// The application keeps a client out, and says why as JSON. None when the client has gone meanwhile.
    pub fn refuse(&mut self, key: u32, payload_json: &str) -> Option<Frames> {
        match &mut self.0 {
            EngineIo { engine, client } => living(engine, client)?.refuse(key, payload_json),
            Plain(client) => client.refuse().then(Frames::none),
        }
    }

    /// The server makes a client leave a namespace. None when it had gone already. A plain client's session ends with its
    /// only stay.
    pub fn disconnect(&mut self, now: u64, key: u32) -> Option<Frames> {
        match &mut self.0 {
            EngineIo { engine, client } => living(engine, client)?.disconnect(key),
            Plain(client) => {
                client.close(now, CloseReason::ServerNamespaceDisconnect);
                None
            }
        }
    }

    /// What this peer reads, from its first packet on; none for a plain client, who may read otherwise with each request.
    pub fn format(&self) -> Option<WireFormat> {
        match &self.0 {
            EngineIo { client, .. } => client.as_ref().map(Client::format),
            Plain(_) => None,
        }
    }

    /// Ends the session; the first reason stays.
    pub fn close(&mut self, now: u64, reason: CloseReason) {
        match &mut self.0 {
            EngineIo { engine, .. } => engine.close(now, reason),
            Plain(client) => client.close(now, reason),
        }
    }

    /// Why the session ended, if it did.
    pub fn closed(&self) -> Option<CloseReason> {
        match &self.0 {
            EngineIo { engine, .. } => engine.closed(),
            Plain(client) => client.closed(),
        }
    }

    /// What carries an Engine.IO session now.
    pub fn carrier(&self) -> Option<Carrier> {
        self.engine().map(Engine::carrier)
    }

    /// A GET begins to wait. See [`Engine::get_started`].
    pub fn get_started(&mut self, now: u64) -> bool {
        self.engine_mut().is_some_and(|engine| engine.get_started(now))
    }

    /// The GET was answered.
    pub fn get_answered(&mut self) {
        if let Some(engine) = self.engine_mut() {
            engine.get_answered();
        }
    }

    /// The GET's connection ended before it was answered.
    pub fn get_aborted(&mut self, now: u64) {
        if let Some(engine) = self.engine_mut() {
            engine.get_aborted(now);
        }
    }

    /// A POST begins. See [`Engine::post_started`].
    pub fn post_started(&mut self, now: u64) -> bool {
        self.engine_mut().is_some_and(|engine| engine.post_started(now))
    }

    /// The POST was read and answered.
    pub fn post_ended(&mut self) {
        if let Some(engine) = self.engine_mut() {
            engine.post_ended();
        }
    }

    /// Whether a WebSocket is being probed.
    pub fn is_probing(&self) -> bool {
        self.engine().is_some_and(Engine::is_probing)
    }

    /// A WebSocket names this session. See [`Engine::probe_started`].
    pub fn probe_started(&mut self, now: u64, limits: &Limits) -> bool {
        self.engine_mut().is_some_and(|engine| engine.probe_started(now, limits))
    }

    /// Takes a text message of the probing WebSocket. See [`Engine::handle_probe`].
    pub fn handle_probe(&mut self, now: u64, text: &str) -> Probe {
        self.engine_mut().map_or(Probe::Abort, |engine| engine.handle_probe(now, text))
    }

    /// The probing WebSocket ended before it carried the session.
    pub fn probe_ended(&mut self) {
        if let Some(engine) = self.engine_mut() {
            engine.probe_ended();
        }
    }

    fn engine(&self) -> Option<&Engine> {
        match &self.0 {
            EngineIo { engine, .. } => Some(engine),
            Plain(_) => None,
        }
    }

    fn engine_mut(&mut self) -> Option<&mut Engine> {
        match &mut self.0 {
            EngineIo { engine, .. } => Some(engine),
            Plain(_) => None,
        }
    }
}

fn living<'a>(engine: &Engine, client: &'a mut Option<Client>) -> Option<&'a mut Client> {
    match engine.closed() {
        Some(_) => None,
        None => client.as_mut(),
    }
}

fn bare(message: Data<'_>) -> Event {
    match message {
        Data::Text(text) => Event::Text(text.into()),
        Data::Binary(data) => Event::Binary(Bytes::copy_from_slice(&data)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        eio::payload::{ContentType, Decoder},
        ws::frame,
    };

    #[test]
    fn a_session_is_small() {
        assert!(size_of::<Session>() <= 88, "{}", size_of::<Session>());
    }

    /// One session and what it has said, as text.
    struct Table {
        session: Session,
        limits: Limits,
        out: Vec<Bytes>,
    }

    impl Table {
        fn open(revision: Revision, parser: Option<Parser>) -> Self {
            let limits = Limits { ping_interval_ms: 100, ping_timeout_ms: 50, connect_timeout_ms: 80, ..Limits::default() };
            let mut out = Vec::new();
            let session = Session::open(0, revision, true, "s1d", true, parser, &limits, &mut out);
            out.clear();
            Self { session, limits, out }
        }

        fn hears(&mut self, text: &str) -> Option<Event> {
            self.session.handle_text(1, text, &self.limits, &mut self.out)
        }

        fn hears_bytes(&mut self, data: &[u8]) -> Option<Event> {
            self.session.handle_binary(1, data, &self.limits, &mut self.out)
        }

        /// Connects and is let in, as stay 0.
        fn connected(mut self) -> Self {
            assert!(matches!(self.hears("40"), Some(Event::Connect { key: 0, .. })));
            self.session.accept(1, 0, "1d", None, &self.limits).expect("it is there");
            self
        }

        #[track_caller]
        fn closes(&mut self, text: &str, reason: CloseReason) {
            assert!(self.hears(text).is_none(), "{text}");
            assert_eq!(self.session.closed(), Some(reason), "{text}");
        }
    }

    fn eio4() -> Table {
        Table::open(Revision::V4, Some(Parser::Auto))
    }

    #[test]
    fn an_event_with_binary_comes_when_its_last_attachment_has() {
        let mut t = eio4().connected();
        let text = r#"452-["x",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#;
        assert!(t.hears(text).is_none());
        assert!(t.hears_bytes(b"a").is_none());
        let Some(Event::Event { key: 0, args, .. }) = t.hears_bytes(b"b") else { panic!("no event") };
        assert_eq!(args.deserialize::<(Bytes, Bytes)>().unwrap(), (Bytes::from("b"), Bytes::from("a")));
        assert_eq!(t.session.closed(), None);
    }

    #[test]
    fn heartbeats_may_stand_between_an_event_and_its_attachment() {
        let mut t = eio4().connected();
        t.hears(r#"451-["x",{"_placeholder":true,"num":0}]"#);
        assert!(t.hears("3").is_none());
        assert!(matches!(t.hears_bytes(b"a"), Some(Event::Event { .. })));
    }

    #[test]
    fn who_breaks_the_protocol_is_closed_with_the_layers_reason() {
        eio4().connected().closes("9", CloseReason::ParseError);
        eio4().connected().closes("", CloseReason::ParseError);
        eio4().connected().closes("4", CloseReason::ParseError);
        eio4().connected().closes(r#"4511-["x"]"#, CloseReason::ParseError);
        eio4().connected().closes("2", CloseReason::TransportError);
        eio4().connected().closes("40", CloseReason::ForcedClose);
        eio4().connected().closes(r#"42/other,["x"]"#, CloseReason::ForcedClose);
        let mut t = eio4().connected();
        assert!(t.hears_bytes(b"unasked").is_none());
        assert_eq!(t.session.closed(), Some(CloseReason::ParseError));
    }

    #[test]
    fn a_closed_session_hears_and_lets_in_nobody() {
        let mut t = eio4();
        t.hears("40");
        t.session.close(2, CloseReason::TransportClose);
        assert!(t.session.accept(2, 0, "1d", None, &t.limits).is_none());
        assert!(t.session.refuse(0, "{}").is_none());
        assert!(t.session.disconnect(2, 0).is_none());
        assert!(t.hears("40/other,").is_none());
        assert!(t.out.is_empty());
    }

    #[test]
    fn who_joins_nothing_is_closed_in_time() {
        let mut t = eio4();
        assert_eq!(t.session.deadline(), 80);
        t.session.handle_timeout(79, &t.limits, &mut t.out);
        assert_eq!(t.session.closed(), None);
        t.session.handle_timeout(80, &t.limits, &mut t.out);
        assert_eq!(t.session.closed(), Some(CloseReason::ConnectTimeout));
        assert_eq!(t.session.deadline(), 80 + 30_000);
        assert!(t.out.is_empty());
    }

    #[test]
    fn who_was_let_in_is_bound_by_its_heartbeat_alone() {
        let mut t = eio4().connected();
        assert_eq!(t.session.deadline(), 100);
        t.session.handle_timeout(100, &t.limits, &mut t.out);
        assert_eq!(frame::payload(&t.out[0]), b"2");
        assert_eq!(t.session.deadline(), 150);
    }

    #[test]
    fn messages_pass_through_a_session_without_socket_io() {
        let mut t = Table::open(Revision::V3, None);
        assert!(matches!(t.hears("442"), Some(Event::Text(text)) if &*text == "42"));
        assert!(matches!(t.hears_bytes(b"\x04ab"), Some(Event::Binary(data)) if data == "ab"));
        assert!(t.session.join_implicitly().is_none());
        assert!(t.session.format().is_none());
        assert_eq!(t.session.deadline(), 150, "nobody has to connect");
    }

    #[test]
    fn one_payload_is_read_in_order_up_to_its_first_mistake() {
        let mut t = eio4();
        let body = "40/a,\u{1e}40/b,\u{1e}9\u{1e}40/c,";
        let packets: Vec<_> = Decoder::new(Revision::V4, ContentType::Text, body.as_bytes(), &t.limits).collect();
        assert_eq!(packets.len(), 3, "nothing after an error");
        let events: Vec<Event> =
            packets.into_iter().filter_map(|p| t.session.handle_packet(1, p, &t.limits, &mut t.out)).collect();
        assert!(matches!(&events[..], [Event::Connect { key: 0, .. }, Event::Connect { key: 1, .. }]));
        assert_eq!(t.session.closed(), Some(CloseReason::ParseError));
    }
}
