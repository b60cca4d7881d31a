//! What a client knows of its session and its namespace; no IO.

use serde::Deserialize;
use sori_proto::{
    eio::{Data, Packet},
    sio::{Decoder, InArgs, Incoming},
};

use super::Event;
use crate::{Error, Limits, Options, Recovery, Revision, Traffic, envelope::limits, inbox::Inbox};

pub(super) struct Stay {
    pub(super) revision: Revision,
    pub(super) namespace: Box<str>,
    pub(super) sid: Box<str>,
    /// Empty until the namespace is joined.
    pub(super) id: Box<str>,
    pub(super) recovered: bool,
    /// The server asks whether we live, and with what.
    pub(super) pinged: Option<Box<str>>,
    pub(super) ponged: bool,
    /// Of the transport before the upgrade.
    pub(super) traffic_before: Traffic,
    decoder: Decoder,
    inbox: Inbox<Event>,
    pid: Option<Box<str>>,
    /// What was recovered with, then that of the last event taken.
    offset: String,
    acks: u64,
    backlog_events_max: u32,
}

impl Stay {
    pub(super) fn new(namespace: Box<str>, sid: Box<str>, options: &Options) -> Self {
        let settings = options.settings();
        Self {
            revision: settings.revision,
            namespace,
            sid,
            id: "".into(),
            recovered: false,
            pinged: None,
            ponged: false,
            traffic_before: Traffic::default(),
            decoder: Decoder::client(settings.revision.into()),
            inbox: Inbox::default(),
            pid: settings.recovery.as_ref().map(|recovery| recovery.pid.clone()),
            offset: settings.recovery.as_ref().map(|recovery| recovery.offset.to_string()).unwrap_or_default(),
            acks: 0,
            backlog_events_max: settings.limits.backlog_events_max,
        }
    }

    /// Takes a packet of Engine.IO. An error is the end.
    pub(super) fn take(&mut self, packet: Packet<'_>) -> Result<(), Error> {
        match (packet, self.revision) {
            (Packet::Message(Data::Text(text)), _) => {
                let packet = self.decoder.text(&text, limits())?;
                self.packet(packet)
            }
            (Packet::Message(Data::Binary(data)), _) => {
                let packet = self.decoder.binary(&data, limits())?;
                self.packet(packet)
            }
            (Packet::Ping(data), Revision::V4) => {
                self.pinged = Some(data.into());
                Ok(())
            }
            (Packet::Pong(_), _) => {
                self.ponged = true;
                Ok(())
            }
            (Packet::Noop, _) => Ok(()),
            (Packet::Close, _) => Err(Error::closed("it ended the session")),
            (Packet::Open(_) | Packet::Upgrade | Packet::Ping(_), _) => {
                Err(Error::violation("a packet of Engine.IO that only the other side may send, or only at the beginning"))
            }
        }
    }

    fn packet(&mut self, packet: Option<Incoming<'_>>) -> Result<(), Error> {
        match packet {
            None => Ok(()),
            Some(Incoming::Event { namespace, name, args, ack }) if *namespace == *self.namespace => {
                self.inbox.push(Event::Event { name, args, ack });
                Ok(())
            }
            Some(Incoming::Ack { namespace, id, args }) if *namespace == *self.namespace => {
                self.inbox.push(Event::Ack { id, args });
                Ok(())
            }
            Some(Incoming::Connect { namespace, auth, .. }) if *namespace == *self.namespace => self.joined(auth.as_deref()),
            Some(Incoming::ConnectError { namespace, why }) if *namespace == *self.namespace => Err(self.refused(&why)),
            Some(Incoming::Disconnect { namespace }) if *namespace == *self.namespace => {
                Err(Error::closed("it made this client leave the namespace"))
            }
            // Revision 3 puts every client into `/`, too.
            Some(_) => Ok(()),
        }
    }

    fn joined(&mut self, connect: Option<&[u8]>) -> Result<(), Error> {
        #[derive(Default, Deserialize)]
        struct Connect {
            sid: Option<Box<str>>,
            pid: Option<Box<str>>,
        }
        let Connect { sid, pid } = match connect {
            Some(json) => serde_json::from_slice(json).map_err(|_| Error::violation("the answer to CONNECT"))?,
            None => Connect::default(),
        };
        self.id = match (self.revision, sid) {
            (Revision::V4, Some(id)) => id,
            // socket.io-client 4 says the same of a server 2.x.
            (Revision::V4, None) => {
                return Err(Error::violation("CONNECT without an id: it seems to be a server 2.x; use revision 3"));
            }
            // What clients 2.x make of it.
            (Revision::V3, _) if &*self.namespace == "/" => self.sid.clone(),
            (Revision::V3, _) => format!("{}#{}", self.namespace, self.sid).into(),
        };
        self.recovered = pid.is_some() && pid == self.pid;
        if !self.recovered {
            self.offset.clear();
        }
        self.pid = pid;
        Ok(())
    }

    fn refused(&self, why: &[u8]) -> Error {
        #[derive(Deserialize)]
        struct Why<'a> {
            message: Box<str>,
            #[serde(borrow)]
            data: Option<&'a serde_json::value::RawValue>,
        }
        let namespace = self.namespace.clone();
        if let Ok(Why { message, data }) = serde_json::from_slice(why) {
            return Error::Refused { namespace, message, data: data.map(|data| data.get().into()) };
        }
        // Revision 3: a text is the message, anything else is data.
        match serde_json::from_slice::<Box<str>>(why) {
            Ok(message) => Error::Refused { namespace, message, data: None },
            Err(_) => {
                let data: Box<str> = String::from_utf8_lossy(why).into();
                Error::Refused { namespace, message: data.clone(), data: Some(data) }
            }
        }
    }

    pub(super) fn is_joined(&self) -> bool {
        !self.id.is_empty()
    }

    pub(super) fn next_ack(&mut self) -> u64 {
        let id = self.acks;
        self.acks += 1;
        id
    }

    /// The next event for the caller, which counts as received now.
    pub(super) fn pop(&mut self) -> Option<Result<Event, Error>> {
        let next = self.inbox.pop()?;
        if self.pid.is_some()
            && let Ok(Event::Event { args, ack: None, .. }) = &next
        {
            self.remember(args);
        }
        Some(next)
    }

    /// As `socket.io-client`: the last argument is the offset, if it is text.
    fn remember(&mut self, args: &InArgs) {
        let from_values = || args.to_values().ok()?.pop()?.as_str().map(str::to_owned);
        match args.raw_json().map(last_text) {
            Some(Last::Plain(offset)) => {
                self.offset.clear();
                self.offset.push_str(offset);
            }
            Some(Last::None) => {}
            Some(Last::Escaped) | None => {
                if let Some(offset) = from_values() {
                    self.offset = offset;
                }
            }
        }
    }

    pub(super) fn recovery(&self) -> Option<Recovery> {
        let pid = self.pid.clone()?;
        (!self.offset.is_empty()).then(|| Recovery { pid, offset: self.offset.as_str().into() })
    }

    /// The answer to the question with this number, if it has come.
    pub(super) fn take_answer(&mut self, asked: u64) -> Option<InArgs> {
        match self.inbox.take(|event| matches!(event, Event::Ack { id, .. } if *id == asked))? {
            Event::Ack { args, .. } => Some(args),
            Event::Event { .. } => unreachable!("an answer was looked for"),
        }
    }

    pub(super) fn check_backlog(&self) -> Result<(), Error> {
        match self.inbox.len() > self.backlog_events_max as usize {
            true => Err(Error::TooLarge { limit: "backlog_events_max", max: self.backlog_events_max }),
            false => Ok(()),
        }
    }

    pub(super) fn end(&mut self, error: Error) {
        self.inbox.end(error);
    }

    pub(super) fn take_end(&mut self) -> Option<Error> {
        self.inbox.take_end()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.inbox.has_ended()
    }
}

/// The last argument, if it is text.
#[derive(Debug, PartialEq)]
enum Last<'a> {
    Plain(&'a str),
    Escaped,
    None,
}

/// Of arguments as JSON: the text between the last two quotes, unless something in it is escaped.
fn last_text(json: &str) -> Last<'_> {
    let Some(rest) = json.trim_end().strip_suffix('"') else { return Last::None };
    let Some(quote) = rest.rfind('"') else { return Last::None };
    let (before, text) = (rest[..quote].trim_end(), &rest[quote + 1..]);
    match before.is_empty() || before.ends_with(',') {
        true if !text.contains('\\') => Last::Plain(text),
        _ => Last::Escaped,
    }
}

/// The namespace that an address names, or the options do.
pub(super) fn namespace(path: &str, options: &Options) -> Result<Box<str>, Error> {
    let namespace = options.settings().namespace.as_deref().unwrap_or(path);
    let why = match namespace {
        "" | "/" => return Ok("/".into()),
        name if name.contains(',') => "a comma ends a namespace's name",
        name if !name.starts_with('/') => "it must begin with a slash",
        name => return Ok(name.into()),
    };
    Err(Error::Option { name: "namespace".into(), why: why.into() })
}

const _: () = assert!(size_of::<Limits>() <= 24, "it is copied into each connection");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_the_last_text() {
        assert_eq!(last_text(r#""off-1""#), Last::Plain("off-1"));
        assert_eq!(last_text(r#"{"a":"b"} , "off-1" "#), Last::Plain("off-1"));
        assert_eq!(last_text(r#"1,"a\"b""#), Last::Escaped);
        assert_eq!(last_text(r#""a\\b""#), Last::Escaped);
        assert_eq!(last_text(""), Last::None);
        assert_eq!(last_text(r#""a",1"#), Last::None);
        assert_eq!(last_text(r#"["a"]"#), Last::None);
        // The comma is in a string: to be read as a whole.
        assert_eq!(last_text(r#""a,\"b""#), Last::Escaped);
    }
}
