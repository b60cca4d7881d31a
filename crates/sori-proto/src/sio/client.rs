//! One connection's namespaces: which are joined, and what its packets may do. No IO.

use std::borrow::Cow;

use bytes::Bytes;

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
    revision: Revision,
    decoder: Decoder,
    entries: Vec<Entry>,
    next_key: u32,
    /// When a client that joined nothing is closed.
    connect_by: Option<u64>,
}

/// One namespace of this connection. The key names one stay in it: joining again makes a new one.
#[derive(Debug)]
struct Entry {
    key: u32,
    namespace: Cow<'static, str>,
    state: State,
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
            revision,
            decoder: Decoder::new(revision, parser),
            entries: Vec::new(),
            next_key: 0,
            connect_by: Some(now + u64::from(limits.connect_timeout_ms)),
        }
    }

    /// Revision 3 clients never ask for `/`: they are in it from the start.
    pub fn join_implicitly(&mut self) -> Option<Event> {
        (self.revision == Revision::V3).then(|| self.connecting(Cow::Borrowed("/"), None, None))
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
                    return Err(CloseReason::ForcedClose);
                }
                Ok(Some(self.connecting(canonical(&namespace), query, auth)))
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
        }
    }

    /// The application lets this one in: its connect reply. None when the client has gone meanwhile.
    pub fn accept(&mut self, key: u32, id: &str, pid: Option<&str>) -> Option<Frames> {
        let format = self.format();
        let revision = self.revision;
        let entry = self.entries.iter_mut().find(|e| e.key == key && e.state == State::Connecting)?;
        entry.state = State::Connected;
        self.connect_by = None;
        // Revision 3 clients know their id from the handshake and expect no data.
        let data = (revision == Revision::V4).then_some((id, pid));
        Some(wire::packet(format, &[], 64, |out| match format.parser {
            Parser::Json => json::connect(out, &entry.namespace, data),
            _ => msgpack::connect(out, &entry.namespace, data),
        }))
    }

    /// The application keeps this one out, and says why as JSON.
    pub fn refuse(&mut self, key: u32, payload_json: &str) -> Option<Frames> {
        let i = self.entries.iter().position(|e| e.key == key && e.state == State::Connecting)?;
        let namespace = self.entries.swap_remove(i).namespace;
        let format = self.format();
        Some(wire::packet(format, &[], payload_json.len(), |out| match format.parser {
            Parser::Json => json::connect_error(out, &namespace, payload_json),
            _ => msgpack::connect_error(out, &namespace, payload_json),
        }))
    }

    /// The server makes the client leave: its disconnect packet.
    pub fn disconnect(&mut self, key: u32) -> Option<Frames> {
        let format = self.format();
        let entry = self.entries.iter_mut().find(|e| e.key == key && e.state == State::Connected)?;
        entry.state = State::Left;
        Some(wire::packet(format, &[], 0, |out| match format.parser {
            Parser::Json => json::disconnect(out, &entry.namespace),
            _ => msgpack::disconnect(out, &entry.namespace),
        }))
    }

    /// What this client reads. Deflate is the transport's to say.
    pub fn format(&self) -> WireFormat {
        let parser = self.decoder.parser().unwrap_or(Parser::Json);
        WireFormat { revision: self.revision, parser, deflate: false }
    }

    /// When a client that joined nothing is closed.
    pub fn deadline(&self) -> u64 {
        self.connect_by.unwrap_or(u64::MAX)
    }

    fn connecting(&mut self, namespace: Cow<'static, str>, query: Option<Box<str>>, auth: Option<Bytes>) -> Event {
        self.entries.retain(|e| e.namespace != namespace);
        let key = self.next_key;
        self.next_key = self.next_key.wrapping_add(1);
        // One namespace is the rule, and a vector's first step would be room for four.
        self.entries.reserve_exact(1);
        self.entries.push(Entry { key, namespace: namespace.clone(), state: State::Connecting });
        Event::Connect { key, namespace, query, auth }
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
        self.entries.iter().position(|e| e.namespace == namespace)
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

