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
    closed: Option<(CloseReason, u64)>,
    heartbeat: Heartbeat,
    upgrade: Upgrade,
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
#[derive(Clone, Copy, Debug)]
enum Heartbeat {
    /// Revision 4: a ping is due.
    PingAt(u64),
    /// Revision 4: a ping was sent, its pong is due. Revision 3: the client's ping is due.
    PeerBy { by: u64, may_extend: bool },
}

#[derive(Clone, Copy, Debug)]
enum Upgrade {
    /// None was tried, or the last try failed.
    Idle,
    /// A WebSocket is open beside polling. Polls that arrive are ended at `noop_at`, so that the client can pause.
    Probing { by: u64, noop_at: Option<u64> },
    /// Not again: a session upgrades once.
    Done,
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
    pub fn open(now: u64, revision: Revision, websocket: bool, sid: &str, upgrades: bool, limits: &Limits, out: &mut Vec<Bytes>) -> Self {
        let upgrades = if upgrades && !websocket { "\"websocket\"" } else { "" };
        out.push(wire::text_frame(&format!(
            "0{{\"sid\":\"{sid}\",\"upgrades\":[{upgrades}],\"pingInterval\":{},\"pingTimeout\":{},\"maxPayload\":{}}}",
            limits.ping_interval_ms, limits.ping_timeout_ms, limits.max_http_buffer_size
        )));
        Self {
            revision,
            carrier: if websocket { Carrier::WebSocket } else { Carrier::Polling { get: false, post: false } },
            closed: None,
            heartbeat: Heartbeat::first(now, revision, limits),
            upgrade: Upgrade::Idle,
        }
    }

    /// Takes one packet from the transport that carries the session; a message comes back.
    pub fn handle_packet<'a>(&mut self, now: u64, packet: Packet<'a>, limits: &Limits, out: &mut Vec<Bytes>) -> Option<Data<'a>> {
        if self.closed.is_some() {
            return None;
        }
        // A pong may wait behind what a slow client is sending: the first other packet buys it one timeout more.
        if let (Heartbeat::PeerBy { by, may_extend: may_extend @ true }, Packet::Message(_)) = (&mut self.heartbeat, &packet) {
            *by = now + u64::from(limits.ping_timeout_ms);
            *may_extend = false;
        }
        match packet {
            Packet::Message(data) => return Some(data),
            Packet::Ping(_) if self.revision == Revision::V3 => {
                self.heartbeat = Heartbeat::first(now, self.revision, limits);
                out.push(wire::PONG);
            }
            Packet::Pong(_) if self.revision == Revision::V4 => {
                self.heartbeat = Heartbeat::first(now, self.revision, limits);
            }
            // The heartbeat goes in one direction only, and which one is the revision's.
            Packet::Ping(_) | Packet::Pong(_) => self.close(now, CloseReason::TransportError),
            // Over WebSocket the close frame says it; the packet is ignored, as the reference does.
            Packet::Close if matches!(self.carrier, Carrier::Polling { .. }) => self.close(now, CloseReason::TransportClose),
            Packet::Close | Packet::Open | Packet::Upgrade | Packet::Noop => {}
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
        if let Upgrade::Probing { noop_at, .. } = &mut self.upgrade {
            *noop_at = Some(now + PROBE_NOOP_MS);
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
        let free = self.closed.is_none()
            && matches!(self.carrier, Carrier::Polling { .. })
            && matches!(self.upgrade, Upgrade::Idle);
        if free {
            self.upgrade = Upgrade::Probing { by: now + u64::from(limits.upgrade_timeout_ms), noop_at: None };
        }
        free
    }

    /// Takes a text message of the probing WebSocket.
    ///
    /// Engine.IO, "Upgrade": `2probe` is answered `3probe`, the pending GET is closed with a noop,
    /// and `5` switches over.
    pub fn handle_probe(&mut self, now: u64, text: &str, out: &mut Vec<Bytes>) -> Probe {
        let Upgrade::Probing { noop_at, .. } = &mut self.upgrade else { return Probe::Abort };
        if self.closed.is_some() {
            return Probe::Abort;
        }
        match text {
            "2probe" => {
                *noop_at = Some(now);
                self.end_poll_for_probe(now, out);
                Probe::Answer
            }
            "5" => {
                // A client that upgrades has paused polling; the GET of one that has not is the shell's to end.
                self.carrier = Carrier::WebSocket;
                self.upgrade = Upgrade::Done;
                Probe::Upgraded
            }
            _ => Probe::Abort,
        }
    }

    /// The probing WebSocket ended before it carried the session; another one may try.
    pub fn probe_ended(&mut self) {
        if matches!(self.upgrade, Upgrade::Probing { .. }) {
            self.upgrade = Upgrade::Idle;
        }
    }

    /// Does what is due at `now`. True when a probing WebSocket has run out of time and must be closed.
    pub fn handle_timeout(&mut self, now: u64, limits: &Limits, out: &mut Vec<Bytes>) -> bool {
        if self.closed.is_some() {
            return false;
        }
        if let Heartbeat::PingAt(at) = self.heartbeat
            && now >= at
        {
            out.push(wire::PING);
            // Counted from when the ping was due, so that a late timer does not lengthen the wait.
            self.heartbeat = Heartbeat::PeerBy { by: at + u64::from(limits.ping_timeout_ms), may_extend: true };
        }
        if let Heartbeat::PeerBy { by, .. } = self.heartbeat
            && now >= by
        {
            self.close(now, CloseReason::PingTimeout);
            return false;
        }
        self.end_poll_for_probe(now, out);
        if let Upgrade::Probing { by, .. } = self.upgrade
            && now >= by
        {
            self.upgrade = Upgrade::Idle;
            return true;
        }
        false
    }

    /// When [`Engine::handle_timeout`] has something to do next.
    pub fn deadline(&self) -> u64 {
        if let Some((_, until)) = self.closed {
            return until;
        }
        let heartbeat = match self.heartbeat {
            Heartbeat::PingAt(at) | Heartbeat::PeerBy { by: at, .. } => at,
        };
        match self.upgrade {
            Upgrade::Probing { by, noop_at } => heartbeat.min(by).min(noop_at.unwrap_or(u64::MAX)),
            _ => heartbeat,
        }
    }

    /// Ends the session; the first reason stays. What was said last may be fetched for a while.
    pub fn close(&mut self, now: u64, reason: CloseReason) {
        self.closed.get_or_insert((reason, now + CLOSE_LINGER_MS));
    }

    /// Why the session ended, if it did.
    pub fn closed(&self) -> Option<CloseReason> {
        self.closed.map(|(reason, _)| reason)
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
        matches!(self.upgrade, Upgrade::Probing { .. })
    }

    fn end_poll_for_probe(&mut self, now: u64, out: &mut Vec<Bytes>) {
        let Upgrade::Probing { noop_at, .. } = &mut self.upgrade else { return };
        if noop_at.is_some_and(|at| now >= at) {
            *noop_at = None;
            if matches!(self.carrier, Carrier::Polling { get: true, .. }) {
                out.push(wire::NOOP);
            }
        }
    }
}

impl Heartbeat {
    fn first(now: u64, revision: Revision, limits: &Limits) -> Self {
        let interval = u64::from(limits.ping_interval_ms);
        match revision {
            Revision::V4 => Self::PingAt(now + interval),
            Revision::V3 => Self::PeerBy { by: now + interval + u64::from(limits.ping_timeout_ms), may_extend: false },
        }
    }
}

/// A closed polling session is kept this long for the GET that fetches its last packets, as the reference does.
const CLOSE_LINGER_MS: u64 = 30_000;

/// A poll that arrives while a WebSocket is probed waits this long, so that a client that has not
/// yet seen the probe's answer does not poll in a tight loop.
const PROBE_NOOP_MS: u64 = 100;
