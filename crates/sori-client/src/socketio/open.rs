//! From an address to a namespace that has been joined.

use std::future::poll_fn;

use http::uri::PathAndQuery;
use serde::Deserialize;
use sori_proto::{
    eio::{Data, Packet},
    sio::json,
    ws::{Message, frame::OpCode},
};
use tokio::time::Instant;

use super::{
    SocketIo,
    stay::{Stay, namespace},
};
use crate::{
    Error, Options, Revision, Transport,
    carrier::Carrier,
    dial::{Dial, within},
    error::Doing,
    frames::Frames,
    heartbeat::Heartbeat,
    polling::Polling,
};

pub(super) async fn open(url: &str, options: &Options) -> Result<SocketIo, Error> {
    let (dial, settings) = (Dial::new(url, options)?, options.settings());
    let namespace = namespace(&dial.target.path, options)?;
    if !settings.path.starts_with('/') || PathAndQuery::try_from(&*settings.path).is_err() {
        return Err(Error::Option { name: "path".into(), why: "it must begin with a slash, and be percent-encoded".into() });
    }
    let deadline = dial.deadline();
    let mut client = match settings.transport {
        Transport::WebSocket => over_websocket(&dial, namespace, deadline).await?,
        Transport::Polling | Transport::Upgrade => {
            let opening = over_polling(&dial, namespace);
            within(deadline, settings.timeout, Doing::Asking, opening).await??
        }
    };
    client.join(options)?;
    within(deadline, settings.timeout, Doing::Joining, client.joined()).await??;
    if settings.transport == Transport::Upgrade && client.may_upgrade {
        let upgrading = client.client.upgrade(&dial, deadline);
        within(deadline, settings.timeout, Doing::Upgrading, upgrading).await??;
    }
    Ok(client.client)
}

/// A client whose session is open and whose namespace is not joined.
struct Opened {
    client: SocketIo,
    may_upgrade: bool,
}

async fn over_websocket(dial: &Dial, namespace: Box<str>, deadline: Instant) -> Result<Opened, Error> {
    let timeout = dial.options.settings().timeout;
    let (mut frames, _) = Frames::open(dial, &resource(dial, "websocket"), deadline).await?;
    let (mut opened, mut rest) = (None, Vec::new());
    while opened.is_none() {
        // What comes in the same read as the open packet is the next one's, in revision 3.
        let reading = poll_fn(|cx| {
            frames.poll(cx, |message| match (&opened, message) {
                (None, Message::Text(text)) => {
                    let handshake = text.strip_prefix('0').ok_or_else(|| Error::violation("no open packet came first"))?;
                    opened = Some(Handshake::read(handshake)?);
                    Ok(())
                }
                (Some(_), Message::Text(text)) => {
                    rest.push(Data::Text(text.into_owned().into()));
                    Ok(())
                }
                (Some(_), Message::Binary(data)) => {
                    rest.push(Data::Binary(data.into_owned().into()));
                    Ok(())
                }
                _ => Err(Error::violation("no open packet came first")),
            })
        });
        within(deadline, timeout, Doing::Asking, reading).await??;
    }
    let handshake = opened.expect("the loop ends with it");
    let mut client = SocketIo::new(Carrier::WebSocket(frames), &handshake, namespace, &dial.options);
    for message in &rest {
        let revision = client.stay.revision.into();
        client.stay.take(match message {
            Data::Text(text) => sori_proto::eio::packet::decode_text(revision, text)?,
            Data::Binary(data) => sori_proto::eio::packet::decode_binary(revision, data)?,
        })?;
    }
    Ok(Opened { client, may_upgrade: false })
}

async fn over_polling(dial: &Dial, namespace: Box<str>) -> Result<Opened, Error> {
    let mut polling = Polling::new(dial.clone(), dial.options.settings().revision, &resource(dial, "polling"));
    let (mut stay, mut handshake) = (Stay::new(namespace.clone(), "".into(), &dial.options), None);
    while handshake.is_none() {
        poll_fn(|cx| {
            polling.poll(cx, |packet| match (&handshake, packet) {
                (None, Packet::Open(json)) => {
                    let read = Handshake::read(&json)?;
                    stay.sid = read.sid.clone();
                    handshake = Some(read);
                    Ok(())
                }
                (None, _) => Err(Error::violation("no open packet came first")),
                (Some(_), packet) => stay.take(packet),
            })
        })
        .await?;
    }
    let handshake = handshake.expect("the loop ends with it");
    polling.opened(&handshake.sid, handshake.payload_bytes_max);
    let may_upgrade = handshake.upgrades.iter().any(|name| &**name == "websocket");
    let mut client = SocketIo::new(Carrier::Polling(Box::new(polling)), &handshake, namespace, &dial.options);
    client.stay = stay;
    Ok(Opened { client, may_upgrade })
}

fn resource(dial: &Dial, transport: &str) -> String {
    let settings = dial.options.settings();
    let revision = if settings.revision == Revision::V3 { "3" } else { "4" };
    let engine = format!("EIO={revision}&transport={transport}");
    dial.target.resource(&settings.path, &[&settings.query, &engine])
}

impl Opened {
    /// Asks for the namespace. In revision 3 everybody is in `/` unasked.
    fn join(&mut self, options: &Options) -> Result<(), Error> {
        let SocketIo { carrier, stay, .. } = &mut self.client;
        let settings = options.settings();
        let mut packet = b"4".to_vec();
        match stay.revision {
            Revision::V3 if &*stay.namespace == "/" => return Ok(()),
            Revision::V3 => {
                let query = settings.auth.as_deref().map(query_of).unwrap_or_default();
                let separator = if query.is_empty() { "" } else { "?" };
                json::join(&mut packet, &format!("{}{separator}{query}", stay.namespace), None);
            }
            Revision::V4 => {
                let mut auth = settings.auth.as_deref().map(str::to_owned);
                if let Some(recovery) = &settings.recovery {
                    auth = Some(with_recovery(auth.as_deref().unwrap_or("{}"), &recovery.pid, &recovery.offset));
                }
                json::join(&mut packet, &stay.namespace, auth.as_deref());
            }
        }
        carrier.text(str::from_utf8(&packet).expect("JSON is text"))?;
        carrier.speak()
    }

    async fn joined(&mut self) -> Result<(), Error> {
        let client = &mut self.client;
        while !client.stay.is_joined() {
            client.stay.check_backlog()?;
            poll_fn(|cx| client.poll_read(cx)).await?;
        }
        Ok(())
    }
}

impl SocketIo {
    fn new(carrier: Carrier, handshake: &Handshake, namespace: Box<str>, options: &Options) -> Self {
        let settings = options.settings();
        Self {
            carrier,
            heartbeat: Heartbeat::new(settings.revision, handshake.ping_interval_ms, handshake.ping_timeout_ms),
            stay: Stay::new(namespace, handshake.sid.clone(), options),
            timeout: settings.timeout,
        }
    }

    /// Engine.IO, "Upgrade": probes the WebSocket, ends polling, switches. Where the WebSocket does not open polling goes on, as in
    /// every client.
    async fn upgrade(&mut self, dial: &Dial, deadline: Instant) -> Result<(), Error> {
        // No GET waits now: the answer that joined the namespace was the last.
        if let Carrier::Polling(polling) = &mut self.carrier {
            polling.ask(false);
        }
        self.flush().await?;
        let sid: String = form_urlencoded::byte_serialize(self.stay.sid.as_bytes()).collect();
        let resource = format!("{}&sid={sid}", resource(dial, "websocket"));
        match probe(dial, &resource, deadline).await {
            Ok(mut frames) => {
                frames.send(OpCode::Text, b"5")?;
                self.stay.traffic_before = self.carrier.traffic();
                self.carrier = Carrier::WebSocket(frames);
            }
            Err(_) => {
                if let Carrier::Polling(polling) = &mut self.carrier {
                    polling.ask(true);
                }
            }
        }
        Ok(())
    }
}

async fn probe(dial: &Dial, resource: &str, deadline: Instant) -> Result<Frames, Error> {
    let (mut frames, _) = Frames::open(dial, resource, deadline).await?;
    frames.send(OpCode::Text, b"2probe")?;
    let mut answered = false;
    while !answered {
        poll_fn(|cx| {
            frames.poll(cx, |message| match message {
                Message::Text(text) if text == "3probe" => {
                    answered = true;
                    Ok(())
                }
                _ => Err(Error::violation("another answer to the probe than `3probe`")),
            })
        })
        .await?;
    }
    Ok(frames)
}

/// What the open packet says.
#[derive(Deserialize)]
struct Handshake {
    sid: Box<str>,
    #[serde(default)]
    upgrades: Vec<Box<str>>,
    #[serde(rename = "pingInterval")]
    ping_interval_ms: u32,
    #[serde(rename = "pingTimeout")]
    ping_timeout_ms: u32,
    /// Engine.IO 6.2 and newer tell.
    #[serde(rename = "maxPayload")]
    payload_bytes_max: Option<u32>,
}

impl Handshake {
    fn read(json: &str) -> Result<Self, Error> {
        serde_json::from_str(json).map_err(|error| Error::violation(format!("the open packet of Engine.IO: {error}")))
    }
}

/// The members of a JSON object as a query; those that are no text, as JSON.
fn query_of(auth: &str) -> String {
    let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(auth).unwrap_or_default();
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &members {
        match value {
            serde_json::Value::String(text) => query.append_pair(name, text),
            other => query.append_pair(name, &other.to_string()),
        };
    }
    query.finish()
}

/// The `auth` payload with `pid` and `offset`, which the application's own members override, as in `socket.io-client`.
fn with_recovery(auth: &str, pid: &str, offset: &str) -> String {
    let quoted = |text: &str| serde_json::to_string(text).expect("a string has a form in JSON");
    let members = auth.trim().trim_start_matches('{');
    let separator = if members.trim_start().starts_with('}') { "" } else { "," };
    format!("{{\"pid\":{},\"offset\":{}{separator}{members}", quoted(pid), quoted(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_joins_the_auth_payload() {
        assert_eq!(with_recovery("{}", "p", "o\""), r#"{"pid":"p","offset":"o\""}"#);
        assert_eq!(with_recovery(r#"{"a":{}}"#, "p", "o"), r#"{"pid":"p","offset":"o","a":{}}"#);
    }

    #[test]
    fn auth_as_a_query() {
        assert_eq!(query_of(r#"{"token":"a b&c","n":1}"#), "n=1&token=a+b%26c");
    }
}
