//! One Engine.IO session: its transport, its heartbeat, its upgrade. No IO, no clock.
//!
//! Times are milliseconds on the caller's clock. What is to be sent is appended to `out` as
//! unmasked WebSocket frames, which is how the outbox keeps everything (see [`crate::wire`]).

use bytes::Bytes;

use super::{Data, Packet, Revision};
use crate::{CloseReason, Limits, wire};

/// Where one session stands.
#[derive(Debug)]
pub struct Engine {
    revision: Revision,
    carrier: Carrier,
    closed: Option<CloseReason>,
    heartbeat: Heartbeat,
    /// When the next heartbeat is due; of a closed session, when nobody will come for its last words any more.
    due: u64,
    /// A WebSocket is open beside polling. None was tried, the last try failed, or one carries the session: it upgrades once.
    probing: Option<Box<Probing>>,
}

/// What carries the session now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// HTTP long-polling, and which of its two requests are under way.
    Polling {
        /// A GET waits for packets.
        get: bool,
        /// A POST is being read.
        post: bool,
    },
    /// A WebSocket, from the start or since the upgrade.
    WebSocket,
}

/// What the next heartbeat deadline means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heartbeat {
    /// Revision 4: a ping is due.
    Ping,
    /// Revision 4: a ping was sent, its pong is due. Revision 3: the client's ping is due.
    Peer { may_extend: bool },
}

/// Polls that arrive while a WebSocket is probed are ended at `noop_at`, so that the client can pause.
#[derive(Debug)]
struct Probing {
    by: u64,
    noop_at: Option<u64>,
}

/// What a message on the probing WebSocket means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `2probe`: answer `3probe` on the same WebSocket.
    Answer,
    /// `5`: the WebSocket carries the session from here on.
    Upgraded,
    /// Anything else: close this WebSocket; polling goes on.
    Abort,
}

impl Engine {
    /// Opens a session and appends its open packet.
    ///
    /// Engine.IO, "Handshake": `upgrades` is what the client may try from its transport.
    pub fn open(
        now: u64,
        revision: Revision,
        websocket: bool,
        sid: &str,
        upgrades: bool,
        limits: &Limits,
        out: &mut Vec<Bytes>,
    ) -> Self {
        let upgrades = if upgrades && !websocket { "\"websocket\"" } else { "" };
        out.push(wire::text_frame(&format!(
            "0{{\"sid\":\"{sid}\",\"upgrades\":[{upgrades}],\"pingInterval\":{},\"pingTimeout\":{},\"maxPayload\":{}}}",
            limits.ping_interval_ms, limits.ping_timeout_ms, limits.max_http_buffer_size
        )));
        let (heartbeat, due) = Heartbeat::first(now, revision, limits);
        let carrier = if websocket { Carrier::WebSocket } else { Carrier::Polling { get: false, post: false } };
        Self { revision, carrier, closed: None, heartbeat, due, probing: None }
    }

    /// Takes one packet from the transport that carries the session; a message comes back.
    pub fn handle_packet<'a>(&mut self, now: u64, packet: Packet<'a>, limits: &Limits, out: &mut Vec<Bytes>) -> Option<Data<'a>> {
        if self.closed.is_some() {
            return None;
        }
        // A pong may wait behind what a slow client is sending: the first other packet buys it one timeout more.
        if let (Heartbeat::Peer { may_extend: may_extend @ true }, Packet::Message(_)) = (&mut self.heartbeat, &packet) {
            self.due = now + u64::from(limits.ping_timeout_ms);
            *may_extend = false;
        }
        match packet {
            Packet::Message(data) => return Some(data),
            Packet::Ping(_) if self.revision == Revision::V3 => {
                (self.heartbeat, self.due) = Heartbeat::first(now, self.revision, limits);
                out.push(wire::PONG);
            }
            Packet::Pong(_) if self.revision == Revision::V4 => {
                (self.heartbeat, self.due) = Heartbeat::first(now, self.revision, limits);
            }
            // The heartbeat goes in one direction only, and which one is the revision's.
            Packet::Ping(_) | Packet::Pong(_) => self.close(now, CloseReason::TransportError),
            // Over WebSocket the close frame says it; the packet is ignored, as the reference does.
            Packet::Close if matches!(self.carrier, Carrier::Polling { .. }) => self.close(now, CloseReason::TransportClose),
            Packet::Close | Packet::Open(_) | Packet::Upgrade | Packet::Noop => {}
        }
        None
    }

    /// A GET begins to wait. False when another one already does: that is the peer's mistake and ends the session.
    pub fn get_started(&mut self, now: u64) -> bool {
        let Carrier::Polling { get, .. } = &mut self.carrier else { return false };
        if *get {
            self.close(now, CloseReason::TransportError);
            return false;
        }
        *get = true;
        if let Some(probing) = &mut self.probing {
            probing.noop_at = Some(now + LATE_POLL_NOOP_MS);
        }
        true
    }

    /// The GET was answered.
    pub fn get_answered(&mut self) {
        if let Carrier::Polling { get, .. } = &mut self.carrier {
            *get = false;
        }
    }

    /// The GET's connection ended before it was answered.
    pub fn get_aborted(&mut self, now: u64) {
        if matches!(self.carrier, Carrier::Polling { get: true, .. }) {
            self.close(now, CloseReason::TransportError);
        }
    }

    /// A POST begins. False when another one is being read: that is the peer's mistake and ends the session.
    pub fn post_started(&mut self, now: u64) -> bool {
        let Carrier::Polling { post, .. } = &mut self.carrier else { return false };
        if *post {
            self.close(now, CloseReason::TransportError);
            return false;
        }
        *post = true;
        true
    }

    /// The POST was read and answered.
    pub fn post_ended(&mut self) {
        if let Carrier::Polling { post, .. } = &mut self.carrier {
            *post = false;
        }
    }

    /// A WebSocket names this session. False when it may not carry it: close that WebSocket, nothing else happened.
    pub fn probe_started(&mut self, now: u64, limits: &Limits) -> bool {
        let free = self.closed.is_none() && matches!(self.carrier, Carrier::Polling { .. }) && self.probing.is_none();
        if free {
            self.probing = Some(Box::new(Probing { by: now + u64::from(limits.upgrade_timeout_ms), noop_at: None }));
        }
        free
    }

    /// Takes a text message of the probing WebSocket.
    ///
    /// Engine.IO, "Upgrade": `2probe` is answered `3probe`, a GET that stays pending is closed with a
    /// noop, and `5` switches over.
    pub fn handle_probe(&mut self, now: u64, text: &str) -> Probe {
        let Some(probing) = &mut self.probing else { return Probe::Abort };
        // A session that we have ended meanwhile may still have words to deliver, such as a disconnect packet.
        if self.closed.is_some_and(|reason| !reason.is_orderly()) {
            return Probe::Abort;
        }
        match text {
            "2probe" => {
                probing.noop_at = Some(now + PROBED_NOOP_MS);
                Probe::Answer
            }
            "5" => {
                // A client that upgrades has paused polling; the GET of one that has not is the shell's to end.
                self.carrier = Carrier::WebSocket;
                self.probing = None;
                Probe::Upgraded
            }
            _ => Probe::Abort,
        }
    }

    /// The probing WebSocket ended before it carried the session; another one may try.
    pub fn probe_ended(&mut self) {
        self.probing = None;
    }

    /// Does what is due at `now`. True when a probing WebSocket has run out of time and must be closed.
    pub fn handle_timeout(&mut self, now: u64, limits: &Limits, out: &mut Vec<Bytes>) -> bool {
        if self.closed.is_some() {
            return false;
        }
        if self.heartbeat == Heartbeat::Ping && now >= self.due {
            out.push(wire::PING);
            // Counted from when the ping was due, so that a late timer does not lengthen the wait.
            self.due += u64::from(limits.ping_timeout_ms);
            self.heartbeat = Heartbeat::Peer { may_extend: true };
        }
        if self.heartbeat != Heartbeat::Ping && now >= self.due {
            self.close(now, CloseReason::PingTimeout);
            return false;
        }
        self.end_poll_for_probe(now, out);
        self.probing.take_if(|probing| now >= probing.by).is_some()
    }

    /// When [`Engine::handle_timeout`] has something to do next.
    pub fn deadline(&self) -> u64 {
        match &self.probing {
            Some(probing) if self.closed.is_none() => self.due.min(probing.by).min(probing.noop_at.unwrap_or(u64::MAX)),
            _ => self.due,
        }
    }

    /// Ends the session; the first reason stays. What was said last may be fetched for a while.
    pub fn close(&mut self, now: u64, reason: CloseReason) {
        if self.closed.is_none() {
            self.closed = Some(reason);
            self.due = now + CLOSE_LINGER_MS;
        }
    }

    /// Why the session ended, if it did.
    pub fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// The revision the client asked for.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What carries the session now.
    pub fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Whether a WebSocket is being probed.
    pub fn is_probing(&self) -> bool {
        self.probing.is_some()
    }

    fn end_poll_for_probe(&mut self, now: u64, out: &mut Vec<Bytes>) {
        let Some(probing) = &mut self.probing else { return };
        if probing.noop_at.take_if(|at| now >= *at).is_some() && matches!(self.carrier, Carrier::Polling { get: true, .. }) {
            out.push(wire::NOOP);
        }
    }
}

impl Heartbeat {
    /// The first one, or the next, and when it is due.
    fn first(now: u64, revision: Revision, limits: &Limits) -> (Self, u64) {
        let interval = u64::from(limits.ping_interval_ms);
        match revision {
            Revision::V4 => (Self::Ping, now + interval),
            Revision::V3 => (Self::Peer { may_extend: false }, now + interval + u64::from(limits.ping_timeout_ms)),
        }
    }
}

/// A closed polling session is kept this long for the GET that fetches its last packets, as the reference does.
const CLOSE_LINGER_MS: u64 = 30_000;

/// A poll that arrives while a WebSocket is probed waits this long, so that a client that has not
/// yet seen the probe's answer does not poll in a tight loop.
const LATE_POLL_NOOP_MS: u64 = 100;

/// A poll that waits when the probe comes is ended after this long, in which an answer on its way, such as the
/// connect reply, may end it without another request. The reference takes 100.
const PROBED_NOOP_MS: u64 = 20;

#[cfg(test)]
mod tests {
    use super::{
        Revision::{V3, V4},
        *,
    };
    use crate::ws::frame;

    /// A session of 100 ms between heartbeats, 50 ms to answer one and 200 ms to upgrade.
    struct Table {
        engine: Engine,
        limits: Limits,
        out: Vec<Bytes>,
    }

    impl Table {
        fn polling(revision: Revision) -> Self {
            Self::open(revision, false)
        }

        fn websocket(revision: Revision) -> Self {
            Self::open(revision, true)
        }

        fn open(revision: Revision, websocket: bool) -> Self {
            let limits = Limits { ping_interval_ms: 100, ping_timeout_ms: 50, upgrade_timeout_ms: 200, ..Limits::default() };
            let mut out = Vec::new();
            let engine = Engine::open(0, revision, websocket, "s1d", true, &limits, &mut out);
            out.clear();
            Self { engine, limits, out }
        }

        /// What the engine says to one packet.
        fn hears(&mut self, now: u64, packet: Packet<'static>) -> Option<Data<'static>> {
            self.engine.handle_packet(now, packet, &self.limits, &mut self.out)
        }

        fn time_is(&mut self, now: u64) -> bool {
            self.engine.handle_timeout(now, &self.limits, &mut self.out)
        }

        fn probes(&mut self, now: u64, text: &str) -> Probe {
            self.engine.handle_probe(now, text)
        }

        /// What was said since it was last asked, as Engine.IO text.
        #[track_caller]
        fn said(&mut self, expected: &[&str]) {
            let said: Vec<String> = self.out.drain(..).map(|f| String::from_utf8(frame::payload(&f).to_vec()).unwrap()).collect();
            assert_eq!(said, expected);
        }

        #[track_caller]
        fn closed(&self, expected: impl Into<Option<CloseReason>>) {
            assert_eq!(self.engine.closed(), expected.into());
        }
    }

    #[track_caller]
    fn opens_with(websocket: bool, upgrades: bool, expected: &str) {
        let mut out = Vec::new();
        Engine::open(0, V4, websocket, "s1d", upgrades, &Limits::default(), &mut out);
        assert_eq!(out.len(), 1);
        assert_eq!(frame::payload(&out[0]), expected.as_bytes());
    }

    #[test]
    fn the_open_packet_offers_what_can_be_had() {
        let rest = r#""pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
        opens_with(false, true, &format!(r#"0{{"sid":"s1d","upgrades":["websocket"],{rest}"#));
        opens_with(false, false, &format!(r#"0{{"sid":"s1d","upgrades":[],{rest}"#));
        // There is nothing above a WebSocket.
        opens_with(true, true, &format!(r#"0{{"sid":"s1d","upgrades":[],{rest}"#));
    }

    #[test]
    fn a_revision_4_server_pings_and_a_pong_starts_over() {
        let mut t = Table::websocket(V4);
        assert_eq!(t.engine.deadline(), 100);
        t.time_is(99);
        t.said(&[]);
        t.time_is(100);
        t.said(&["2"]);
        assert_eq!(t.engine.deadline(), 150);
        t.hears(149, Packet::Pong("".into()));
        t.said(&[]);
        assert_eq!(t.engine.deadline(), 249);
        t.time_is(249);
        t.said(&["2"]);
        t.closed(None);
    }

    #[test]
    fn a_ping_unanswered_ends_the_session_after_the_timeout() {
        let mut t = Table::websocket(V4);
        t.time_is(100);
        t.time_is(149);
        t.closed(None);
        t.time_is(150);
        t.closed(CloseReason::PingTimeout);
        t.said(&["2"]);
    }

    #[test]
    fn a_timer_that_comes_late_does_not_lengthen_the_wait() {
        let mut t = Table::websocket(V4);
        t.time_is(140);
        t.said(&["2"]);
        assert_eq!(t.engine.deadline(), 150);
        let mut asleep = Table::websocket(V4);
        asleep.time_is(10_000);
        asleep.closed(CloseReason::PingTimeout);
    }

    #[test]
    fn a_message_buys_an_awaited_pong_one_timeout_more_and_only_one() {
        let mut t = Table::websocket(V4);
        t.time_is(100);
        assert_eq!(t.hears(140, Packet::Message("a".into())), Some("a".into()));
        assert_eq!(t.engine.deadline(), 190);
        t.hears(180, Packet::Message("b".into()));
        assert_eq!(t.engine.deadline(), 190);
        t.time_is(190);
        t.closed(CloseReason::PingTimeout);
    }

    #[test]
    fn a_revision_3_client_pings_and_is_answered() {
        let mut t = Table::websocket(V3);
        assert_eq!(t.engine.deadline(), 150);
        t.hears(149, Packet::Ping("".into()));
        t.said(&["3"]);
        assert_eq!(t.engine.deadline(), 299);
        // A message is no heartbeat.
        t.hears(250, Packet::Message("a".into()));
        assert_eq!(t.engine.deadline(), 299);
        t.time_is(299);
        t.closed(CloseReason::PingTimeout);
        t.said(&[]);
    }

    #[test]
    fn a_heartbeat_in_the_wrong_direction_ends_the_session() {
        let mut t = Table::websocket(V4);
        t.hears(1, Packet::Ping("".into()));
        t.closed(CloseReason::TransportError);
        let mut t = Table::websocket(V3);
        t.hears(1, Packet::Pong("".into()));
        t.closed(CloseReason::TransportError);
        t.said(&[]);
    }

    #[test]
    fn a_close_packet_ends_polling_and_means_nothing_to_a_websocket() {
        let mut t = Table::polling(V4);
        t.hears(1, Packet::Close);
        t.closed(CloseReason::TransportClose);
        let mut t = Table::websocket(V4);
        t.hears(1, Packet::Close);
        t.closed(None);
    }

    #[test]
    fn what_only_a_server_says_is_passed_over() {
        let mut t = Table::websocket(V4);
        for packet in [Packet::Open("{}".into()), Packet::Upgrade, Packet::Noop] {
            assert_eq!(t.hears(1, packet), None);
        }
        t.said(&[]);
        t.closed(None);
    }

    #[test]
    fn the_first_reason_stays_and_nothing_is_heard_after_it() {
        let mut t = Table::websocket(V4);
        t.engine.close(5, CloseReason::ForcedClose);
        t.engine.close(6, CloseReason::PingTimeout);
        t.closed(CloseReason::ForcedClose);
        assert_eq!(t.hears(7, Packet::Message("a".into())), None);
        t.time_is(1_000);
        t.said(&[]);
        // Half a minute for the GET that fetches the last packets, from the first close on.
        assert_eq!(t.engine.deadline(), 5 + 30_000);
    }

    #[test]
    fn two_gets_at_once_end_the_session() {
        let mut t = Table::polling(V4);
        assert!(t.engine.get_started(1));
        assert_eq!(t.engine.carrier(), Carrier::Polling { get: true, post: false });
        assert!(!t.engine.get_started(2));
        t.closed(CloseReason::TransportError);
    }

    #[test]
    fn polls_one_after_the_other_are_fine() {
        let mut t = Table::polling(V4);
        for now in 1..10 {
            assert!(t.engine.get_started(now));
            assert!(t.engine.post_started(now));
            t.engine.post_ended();
            t.engine.get_answered();
        }
        t.closed(None);
    }

    #[test]
    fn two_posts_at_once_end_the_session() {
        let mut t = Table::polling(V4);
        assert!(t.engine.post_started(1));
        assert!(!t.engine.post_started(2));
        t.closed(CloseReason::TransportError);
    }

    #[test]
    fn a_get_that_breaks_off_ends_the_session_unless_it_was_answered() {
        let mut t = Table::polling(V4);
        t.engine.get_started(1);
        t.engine.get_answered();
        t.engine.get_aborted(2);
        t.closed(None);
        t.engine.get_started(3);
        t.engine.get_aborted(4);
        t.closed(CloseReason::TransportError);
    }

    #[test]
    fn an_upgrade_walks_through_probe_noop_and_switch() {
        let mut t = Table::polling(V4);
        t.engine.get_started(1);
        assert!(t.engine.probe_started(2, &t.limits));
        t.said(&[]);
        assert_eq!(t.probes(3, "2probe"), Probe::Answer);
        t.time_is(22);
        t.said(&[]);
        assert_eq!(t.engine.deadline(), 23);
        t.time_is(23);
        t.said(&["6"]);
        t.engine.get_answered();
        assert_eq!(t.probes(24, "5"), Probe::Upgraded);
        assert_eq!(t.engine.carrier(), Carrier::WebSocket);
        t.said(&[]);
        // What polling still wants comes too late, and harms nothing.
        assert!(!t.engine.get_started(25));
        assert!(!t.engine.post_started(25));
        t.engine.get_aborted(26);
        t.closed(None);
    }

    #[test]
    fn a_probe_without_a_poll_needs_no_noop() {
        let mut t = Table::polling(V4);
        t.engine.probe_started(2, &t.limits);
        assert_eq!(t.probes(3, "2probe"), Probe::Answer);
        t.time_is(23);
        t.said(&[]);
        // Nor does one whose poll was ended by what it waited for.
        t.engine.get_started(24);
        t.probes(25, "2probe");
        t.engine.get_answered();
        t.time_is(45);
        t.said(&[]);
    }

    #[test]
    fn a_poll_that_arrives_while_probing_is_ended_a_little_later() {
        let mut t = Table::polling(V4);
        t.time_is(100);
        t.hears(101, Packet::Pong("".into()));
        t.said(&["2"]);
        t.engine.probe_started(102, &t.limits);
        t.probes(103, "2probe");
        assert!(t.engine.get_started(104));
        assert_eq!(t.engine.deadline(), 201);
        t.hears(105, Packet::Pong("".into()));
        assert_eq!(t.engine.deadline(), 204);
        t.time_is(203);
        t.said(&[]);
        t.time_is(204);
        t.said(&["6"]);
        // Once is enough.
        t.time_is(205);
        t.said(&["2"]);
    }

    #[test]
    fn a_probe_that_takes_too_long_is_given_up_and_another_may_try() {
        let mut t = Table::polling(V3);
        t.limits.ping_timeout_ms = 5_000;
        t.hears(0, Packet::Ping("".into()));
        t.engine.probe_started(10, &t.limits);
        assert!(!t.engine.probe_started(11, &t.limits), "one at a time");
        assert_eq!(t.engine.deadline(), 210);
        assert!(!t.time_is(209));
        assert!(t.time_is(210));
        assert!(!t.engine.is_probing());
        assert_eq!(t.probes(211, "5"), Probe::Abort);
        t.closed(None);
        assert!(t.engine.probe_started(212, &t.limits));
    }

    #[test]
    fn anything_but_probe_and_upgrade_aborts_the_websocket_and_not_the_session() {
        for text in ["", "2", "2probe2", "3probe", "4hi", "1", "6", "5 ", "\0"] {
            let mut t = Table::polling(V4);
            t.engine.probe_started(1, &t.limits);
            assert_eq!(t.probes(2, text), Probe::Abort, "{text:?}");
            t.engine.probe_ended();
            t.closed(None);
            assert_eq!(t.engine.carrier(), Carrier::Polling { get: false, post: false });
        }
    }

    #[test]
    fn a_session_upgrades_once_and_not_after_its_end() {
        let mut t = Table::polling(V4);
        t.engine.probe_started(1, &t.limits);
        t.probes(2, "5");
        t.engine.probe_ended();
        assert!(!t.engine.probe_started(3, &t.limits));
        let mut t = Table::websocket(V4);
        assert!(!t.engine.probe_started(1, &t.limits));
        let mut t = Table::polling(V4);
        t.engine.close(2, CloseReason::ForcedClose);
        assert!(!t.engine.probe_started(3, &t.limits));
    }

    #[test]
    fn an_upgrade_under_way_still_carries_the_last_words_of_an_orderly_end() {
        for (reason, expected) in [(CloseReason::ForcedServerClose, Probe::Upgraded), (CloseReason::PingTimeout, Probe::Abort)] {
            let mut t = Table::polling(V4);
            t.engine.probe_started(1, &t.limits);
            t.engine.close(2, reason);
            assert_eq!(t.probes(3, "5"), expected, "{reason}");
            t.closed(reason);
        }
    }

    #[test]
    fn a_session_that_we_ended_while_it_was_probed_still_moves_over() {
        for (reason, step) in [(CloseReason::ForcedServerClose, Probe::Upgraded), (CloseReason::PingTimeout, Probe::Abort)] {
            let mut table = Table::polling(V4);
            assert!(table.engine.probe_started(0, &table.limits));
            assert_eq!(table.probes(1, "2probe"), Probe::Answer);
            table.engine.close(2, reason);
            assert_eq!(table.probes(3, "5"), step, "{reason}");
        }
    }
}
