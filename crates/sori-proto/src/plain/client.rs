//! One client without a library: its stay in its namespace, what carries it, its deadlines. No IO, no clock.

use bytes::Bytes;

use super::envelope::{self, Heard};
use crate::{
    CloseReason, Limits, ProtocolError,
    session::Event,
    sio::{self, InArgs},
    wire,
    ws::frame,
};

/// Where one plain client stands.
#[derive(Debug)]
pub struct Client {
    stay: Stay,
    way: Carried,
    /// Nobody but this stream knows of the session: it ends with it.
    ends_with_stream: bool,
    closed: Option<CloseReason>,
    deadline: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    Asking,
    Connected,
    Left,
}

/// What begins to carry a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A request that waits for an answer.
    Poll,
    /// A response without an end.
    Stream,
    /// A WebSocket of envelopes.
    WebSocket,
    /// A WebSocket of bare data: what comes is the event `message`.
    WebSocketBare,
}

#[derive(Clone, Copy, Debug)]
enum Carried {
    /// By nothing: between two requests.
    Nothing,
    Poll,
    Stream,
    WebSocket {
        is_bare: bool,
        is_pinged: bool,
    },
}

/// The one stay that such a session has.
const KEY: u32 = 0;

impl Client {
    /// A session whose client is not let in yet.
    pub fn open(now: u64, ends_with_stream: bool, limits: &Limits) -> Self {
        Self {
            stay: Stay::Asking,
            way: Carried::Nothing,
            ends_with_stream,
            closed: None,
            deadline: now + u64::from(limits.connect_timeout_ms),
        }
    }

    /// Asks for its namespace. Call once.
    pub fn connect(&mut self, namespace: String, auth: Option<Bytes>) -> Event {
        Event::Connect { key: KEY, namespace: namespace.into(), query: None, auth }
    }

    /// The application lets it in. False when it has gone meanwhile.
    pub fn accept(&mut self, now: u64, limits: &Limits) -> bool {
        let may = self.stay == Stay::Asking && self.closed.is_none();
        if may {
            self.stay = Stay::Connected;
            self.deadline = now + u64::from(limits.plain_idle_ms);
        }
        may
    }

    /// The application keeps it out. False when it has gone meanwhile, or was let in.
    pub fn refuse(&mut self) -> bool {
        let may = self.stay == Stay::Asking && self.closed.is_none();
        if may {
            self.stay = Stay::Left;
        }
        may
    }

    /// Whether its client was let in, however it went on.
    pub fn was_let_in(&self) -> bool {
        self.stay == Stay::Connected
    }

    /// A request begins to carry it; the one before has no part in it any more.
    pub fn attach(&mut self, now: u64, way: Way, limits: &Limits) {
        let ping_at = now + u64::from(limits.ping_interval_ms);
        (self.way, self.deadline) = match way {
            // A poll's wait has an end of its own.
            Way::Poll => (Carried::Poll, now + u64::from(limits.poll_wait_max_ms) + u64::from(limits.plain_idle_ms)),
            Way::Stream => (Carried::Stream, ping_at),
            Way::WebSocket => (Carried::WebSocket { is_bare: false, is_pinged: false }, ping_at),
            Way::WebSocketBare => (Carried::WebSocket { is_bare: true, is_pinged: false }, ping_at),
        };
    }

    /// What carried it has ended, for this reason if the session ends with it.
    pub fn detach(&mut self, now: u64, reason: CloseReason, limits: &Limits) {
        let was_stream = !matches!(self.way, Carried::Poll);
        self.way = Carried::Nothing;
        self.touch(now, limits);
        if self.ends_with_stream && was_stream {
            self.close(now, reason);
        }
    }

    /// Its client has shown itself with a request that carries nothing.
    pub fn touch(&mut self, now: u64, limits: &Limits) {
        if self.closed.is_none() && self.stay == Stay::Connected && matches!(self.way, Carried::Nothing) {
            self.deadline = now + u64::from(limits.plain_idle_ms);
        }
    }

    /// Any frame of its WebSocket.
    pub fn handle_frame(&mut self, now: u64, limits: &Limits) {
        if let (Carried::WebSocket { is_pinged, .. }, None) = (&mut self.way, self.closed) {
            *is_pinged = false;
            self.deadline = now + u64::from(limits.ping_interval_ms);
        }
    }

    /// Takes a text message of its WebSocket.
    pub fn handle_text(&mut self, now: u64, text: &str, limits: &Limits) -> Option<Event> {
        self.handle_frame(now, limits);
        match self.way {
            _ if self.closed.is_some() => None,
            Carried::WebSocket { is_bare: true, .. } => Some(message(crate::Value::String(text.to_owned()))),
            _ => match envelope::read(text, limits) {
                Ok(heard) => self.hear(now, heard),
                Err(error) => self.fail(now, error),
            },
        }
    }

    /// Takes a binary message of its WebSocket.
    pub fn handle_binary(&mut self, now: u64, data: &[u8], limits: &Limits) -> Option<Event> {
        self.handle_frame(now, limits);
        match self.way {
            _ if self.closed.is_some() => None,
            Carried::WebSocket { is_bare: true, .. } => Some(message(crate::Value::Binary(Bytes::copy_from_slice(data)))),
            // Envelopes are text.
            _ => self.fail(now, ProtocolError::UnexpectedMessage),
        }
    }

    fn hear(&mut self, now: u64, heard: Heard) -> Option<Event> {
        match heard {
            Heard::Event { name, .. } if &*name == "disconnect" => {
                self.close(now, CloseReason::ClientNamespaceDisconnect);
                None
            }
            Heard::Event { name, .. } if sio::is_reserved(&name) => self.fail(now, ProtocolError::ReservedEvent),
            Heard::Event { name, args, ack } => Some(Event::Event { key: KEY, name, args, ack }),
            Heard::Answer { id, args } => Some(Event::Ack { key: KEY, id, args }),
        }
    }

    fn fail(&mut self, now: u64, error: ProtocolError) -> Option<Event> {
        self.close(now, error.into());
        None
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: u64, limits: &Limits, out: &mut Vec<Bytes>) {
        if self.closed.is_some() || now < self.deadline {
            return;
        }
        let (interval, timeout) = (u64::from(limits.ping_interval_ms), u64::from(limits.ping_timeout_ms));
        match &mut self.way {
            _ if self.stay == Stay::Asking => self.close(now, CloseReason::ConnectTimeout),
            // Nobody came back.
            Carried::Nothing | Carried::Poll => self.close(now, CloseReason::PingTimeout),
            Carried::Stream => {
                out.push(wire::HEARTBEAT);
                self.deadline = now + interval;
            }
            Carried::WebSocket { is_pinged: true, .. } => self.close(now, CloseReason::PingTimeout),
            Carried::WebSocket { is_pinged, .. } => {
                out.push(frame::ping(b""));
                *is_pinged = true;
                self.deadline = now + timeout;
            }
        }
    }

    /// When [`Client::handle_timeout`] has something to do next. Once closed: when nobody will come for the last words any more.
    pub fn deadline(&self) -> u64 {
        self.deadline
    }

    /// Ends the session; the first reason stays.
    pub fn close(&mut self, now: u64, reason: CloseReason) {
        if self.closed.is_none() {
            self.closed = Some(reason);
            self.deadline = now + LINGER_MS;
        }
    }

    /// Why the session ended, if it did.
    pub fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// Whether nothing carries it now.
    pub fn is_between_requests(&self) -> bool {
        matches!(self.way, Carried::Nothing)
    }
}

fn message(value: crate::Value) -> Event {
    Event::Event { key: KEY, name: "message".into(), args: InArgs::from_values(vec![value]), ack: None }
}

/// Last words wait this long for the request that fetches them, as a closed polling session's do.
const LINGER_MS: u64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    struct Table {
        client: Client,
        limits: Limits,
        out: Vec<Bytes>,
    }

    impl Table {
        fn open(ends_with_stream: bool) -> Self {
            let limits = Limits {
                ping_interval_ms: 100,
                ping_timeout_ms: 50,
                connect_timeout_ms: 80,
                plain_idle_ms: 600,
                poll_wait_max_ms: 300,
                ..Limits::default()
            };
            Self { client: Client::open(0, ends_with_stream, &limits), limits, out: Vec::new() }
        }

        fn on(way: Way) -> Self {
            let mut t = Self::open(false);
            assert!(t.client.accept(1, &t.limits));
            t.client.attach(1, way, &t.limits);
            t
        }

        fn time_is(&mut self, now: u64) {
            self.client.handle_timeout(now, &self.limits, &mut self.out);
        }

        fn says(&mut self, text: &str) -> Option<Event> {
            self.client.handle_text(2, text, &self.limits)
        }
    }

    #[test]
    fn who_is_not_let_in_in_time_is_closed() {
        let mut t = Table::open(false);
        assert_eq!(t.client.deadline(), 80);
        t.time_is(80);
        assert_eq!(t.client.closed(), Some(CloseReason::ConnectTimeout));
        assert!(!t.client.accept(81, &t.limits));
    }

    #[test]
    fn a_session_that_nobody_asks_for_ends_and_each_request_puts_that_off() {
        let mut t = Table::on(Way::Poll);
        t.client.detach(10, CloseReason::TransportClose, &t.limits);
        assert_eq!(t.client.deadline(), 610);
        t.client.touch(400, &t.limits);
        t.time_is(999);
        assert_eq!(t.client.closed(), None);
        t.time_is(1_000);
        assert_eq!(t.client.closed(), Some(CloseReason::PingTimeout));
    }

    #[test]
    fn a_stream_hears_a_heartbeat_and_owes_nothing() {
        let mut t = Table::on(Way::Stream);
        for n in 1..=10 {
            t.time_is(1 + n * 100);
        }
        assert_eq!((t.out.len(), t.client.closed()), (10, None));
        t.client.detach(2_000, CloseReason::TransportClose, &t.limits);
        assert_eq!((t.client.closed(), t.client.deadline()), (None, 2_600));
    }

    #[test]
    fn a_session_of_one_stream_ends_with_it() {
        let mut t = Table::open(true);
        t.client.accept(1, &t.limits);
        t.client.attach(1, Way::Stream, &t.limits);
        t.client.detach(2, CloseReason::TransportClose, &t.limits);
        assert_eq!(t.client.closed(), Some(CloseReason::TransportClose));
    }

    #[test]
    fn a_websocket_answers_pings_or_is_closed() {
        let mut t = Table::on(Way::WebSocket);
        t.time_is(101);
        assert_eq!(t.out, [frame::ping(b"")]);
        t.client.handle_frame(140, &t.limits);
        assert_eq!(t.client.deadline(), 240);
        t.time_is(240);
        t.time_is(290);
        assert_eq!(t.client.closed(), Some(CloseReason::PingTimeout));
    }

    #[test]
    fn envelopes_are_events_answers_or_the_end() {
        let mut t = Table::on(Way::WebSocket);
        let Some(Event::Event { name, ack: Some(7), .. }) = t.says(r#"{"event":"add","args":[1,2],"ack":7}"#) else { panic!() };
        assert_eq!(&*name, "add");
        assert!(matches!(t.says(r#"{"ack":3,"data":1}"#), Some(Event::Ack { id: 3, .. })));
        assert!(t.says(r#"{"event":"disconnect"}"#).is_none());
        assert_eq!(t.client.closed(), Some(CloseReason::ClientNamespaceDisconnect));
        assert!(t.says(r#"{"event":"late"}"#).is_none());
        for text in ["", "hi", r#"{"event":"connect"}"#] {
            let mut t = Table::on(Way::WebSocket);
            assert!(t.says(text).is_none());
            assert_eq!(t.client.closed(), Some(CloseReason::ParseError), "{text}");
        }
        let mut t = Table::on(Way::WebSocket);
        assert!(t.client.handle_binary(2, b"x", &t.limits).is_none());
        assert_eq!(t.client.closed(), Some(CloseReason::ParseError));
    }

    #[test]
    fn bare_frames_are_messages_and_never_parsed() {
        let mut t = Table::on(Way::WebSocketBare);
        let Some(Event::Event { name, args, ack: None, .. }) = t.says(r#"{"event":"x"}"#) else { panic!() };
        assert_eq!((&*name, args.deserialize::<String>().unwrap()), ("message", r#"{"event":"x"}"#.to_owned()));
        let Some(Event::Event { args, .. }) = t.client.handle_binary(2, b"\xff", &t.limits) else { panic!() };
        assert_eq!(args.deserialize::<Bytes>().unwrap(), &b"\xff"[..]);
    }
}
