//! One peer across polling, upgrade and close. Bytes and time in; events, frames and a deadline out.

use std::borrow::Cow;

use bytes::Bytes;

use crate::{
    CloseReason, Limits, ProtocolError,
    eio::{Carrier, Data, Engine, Packet, Probe, Revision, packet},
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
pub struct Session {
    engine: Engine,
    /// None: the application takes Engine.IO messages as they are.
    client: Option<Client>,
}

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
        Self {
            engine: Engine::open(now, revision, websocket, sid, upgrades, limits, out),
            client: parser.map(|parser| Client::new(now, revision, parser, limits)),
        }
    }

    /// Revision 3 clients are in `/` without asking. Call once, after the open packet was queued.
    pub fn join_implicitly(&mut self) -> Option<Event> {
        self.client.as_mut()?.join_implicitly()
    }

    /// Takes a text message of the WebSocket that carries the session.
    pub fn handle_text(&mut self, now: u64, text: &str, limits: &Limits, out: &mut Vec<Bytes>) -> Option<Event> {
        let packet = packet::decode_text(self.engine.revision(), text);
        self.handle_packet(now, packet, limits, out)
    }

    /// Takes a binary message of the WebSocket that carries the session.
    pub fn handle_binary(&mut self, now: u64, data: &[u8], limits: &Limits, out: &mut Vec<Bytes>) -> Option<Event> {
        let packet = packet::decode_binary(self.engine.revision(), data);
        self.handle_packet(now, packet, limits, out)
    }

    /// Takes one packet, from whichever transport; what could not be decoded ends the session.
    pub fn handle_packet(
        &mut self,
        now: u64,
        packet: Result<Packet<'_>, ProtocolError>,
        limits: &Limits,
        out: &mut Vec<Bytes>,
    ) -> Option<Event> {
        let packet = match packet {
            Ok(packet) => packet,
            Err(error) => {
                self.close(now, error.into());
                return None;
            }
        };
        let message = self.engine.handle_packet(now, packet, limits, out)?;
        let Some(client) = &mut self.client else { return Some(bare(message)) };
        let handled = match &message {
            Data::Text(text) => client.handle_text(text, limits),
            Data::Binary(data) => client.handle_binary(data, limits),
        };
        handled.unwrap_or_else(|reason| {
            self.close(now, reason);
            None
        })
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: u64, limits: &Limits, out: &mut Vec<Bytes>) {
        self.engine.handle_timeout(now, limits, out);
        if self.client.as_ref().is_some_and(|client| now >= client.deadline()) {
            self.close(now, CloseReason::ConnectTimeout);
        }
    }

    /// When [`Session::handle_timeout`] has something to do next. Once closed: when nobody will come
    /// for the last packets any more.
    pub fn deadline(&self) -> u64 {
        let client = self.client.as_ref().map_or(u64::MAX, Client::deadline);
        match self.engine.closed() {
            Some(_) => self.engine.deadline(),
            None => self.engine.deadline().min(client),
        }
    }

    /// The application lets a client into a namespace: the reply. None when the client has gone meanwhile.
    pub fn accept(&mut self, key: u32, id: &str, pid: Option<&str>) -> Option<Frames> {
        self.living()?.accept(key, id, pid)
    }

    /// The application keeps a client out, and says why as JSON. None when the client has gone meanwhile.
    pub fn refuse(&mut self, key: u32, payload_json: &str) -> Option<Frames> {
        self.living()?.refuse(key, payload_json)
    }

    /// The server makes a client leave a namespace. None when it had gone already.
    pub fn disconnect(&mut self, key: u32) -> Option<Frames> {
        self.living()?.disconnect(key)
    }

    /// What this peer reads, from its first packet on.
    pub fn format(&self) -> Option<WireFormat> {
        self.client.as_ref().map(Client::format)
    }

    /// Ends the session; the first reason stays.
    pub fn close(&mut self, now: u64, reason: CloseReason) {
        self.engine.close(now, reason);
    }

    /// Why the session ended, if it did.
    pub fn closed(&self) -> Option<CloseReason> {
        self.engine.closed()
    }

    /// What carries the session now.
    pub fn carrier(&self) -> Carrier {
        self.engine.carrier()
    }

    /// A GET begins to wait. See [`Engine::get_started`].
    pub fn get_started(&mut self, now: u64) -> bool {
        self.engine.get_started(now)
    }

    /// The GET was answered.
    pub fn get_answered(&mut self) {
        self.engine.get_answered();
    }

    /// The GET's connection ended before it was answered.
    pub fn get_aborted(&mut self, now: u64) {
        self.engine.get_aborted(now);
    }

    /// A POST begins. See [`Engine::post_started`].
    pub fn post_started(&mut self, now: u64) -> bool {
        self.engine.post_started(now)
    }

    /// The POST was read and answered.
    pub fn post_ended(&mut self) {
        self.engine.post_ended();
    }

    /// Whether a WebSocket is being probed.
    pub fn is_probing(&self) -> bool {
        self.engine.is_probing()
    }

    /// A WebSocket names this session. See [`Engine::probe_started`].
    pub fn probe_started(&mut self, now: u64, limits: &Limits) -> bool {
        self.engine.probe_started(now, limits)
    }

    /// Takes a text message of the probing WebSocket. See [`Engine::handle_probe`].
    pub fn handle_probe(&mut self, now: u64, text: &str, out: &mut Vec<Bytes>) -> Probe {
        self.engine.handle_probe(now, text, out)
    }

    /// The probing WebSocket ended before it carried the session.
    pub fn probe_ended(&mut self) {
        self.engine.probe_ended();
    }

    fn living(&mut self) -> Option<&mut Client> {
        match self.engine.closed() {
            Some(_) => None,
            None => self.client.as_mut(),
        }
    }
}

fn bare(message: Data<'_>) -> Event {
    match message {
        Data::Text(text) => Event::Text(text.into()),
        Data::Binary(data) => Event::Binary(Bytes::copy_from_slice(&data)),
    }
}
