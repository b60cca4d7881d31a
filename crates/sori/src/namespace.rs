//! A namespace as it lives: who is in it, and how events reach them. Nothing here awaits or knows a transport.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use sori_proto::{
    CloseReason,
    sio::{EncodeError, OutArgs},
    wire::{Frames, Prepared},
};

use crate::{
    config::Config,
    emit::Outgoing,
    handlers::Handlers,
    log::{Log, Returned},
    outbox::Pushed,
    rooms::{Rooms, Target},
    server::Shared,
    socket::Socket,
};

/// A namespace: its name, its handlers, who is in it.
pub(crate) struct NamespaceCore {
    pub(crate) shared: Weak<Shared>,
    name: Arc<str>,
    handlers: Arc<Handlers>,
    rooms: RwLock<Rooms>,
    /// Ack ids count per namespace, so that one asked of a room is encoded once.
    next_ack: AtomicU64,
    pub(crate) log: Option<Mutex<Log>>,
    attachments_max: usize,
    rooms_max: usize,
}

/// What became of a fan-out.
pub(crate) struct FannedOut {
    pub(crate) queued: usize,
    pub(crate) dropped: usize,
    pub(crate) asked: Vec<Socket>,
}

impl NamespaceCore {
    pub(crate) fn new(shared: Weak<Shared>, config: &Config, name: &str, handlers: Arc<Handlers>) -> Arc<Self> {
        let limits = &config.limits;
        let log = config.connection_state_recovery.map(|recovery| {
            let keep_ms = recovery.max_disconnection_duration.as_millis() as u64;
            Mutex::new(Log::new(crate::ids::random_id(), keep_ms, limits.log_events_max, limits.log_bytes_max))
        });
        Arc::new(Self {
            shared,
            name: name.into(),
            handlers,
            rooms: RwLock::default(),
            next_ack: AtomicU64::new(0),
            log,
            attachments_max: limits.max_attachments as usize,
            rooms_max: limits.rooms_per_socket_max as usize,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }

    pub(crate) fn handlers(&self) -> &Arc<Handlers> {
        &self.handlers
    }

    pub(crate) fn next_ack(&self) -> u64 {
        self.next_ack.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn check_attachments(&self, args: &OutArgs) -> Result<(), EncodeError> {
        match args.attachments().len() {
            count if count > self.attachments_max => {
                Err(EncodeError::TooManyAttachments { count, limit: self.attachments_max as u32 })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn join(&self, socket: &Socket, room: Arc<str>) {
        self.rooms.write().join(socket, room, self.rooms_max);
    }

    pub(crate) fn leave(&self, socket: &Socket, room: &str) {
        self.rooms.write().leave(socket, room);
    }

    pub(crate) fn get(&self, id: &str) -> Option<Socket> {
        self.rooms.read().get(id).cloned()
    }

    pub(crate) fn sockets(&self, target: &Target) -> Vec<Socket> {
        let mut found = Vec::new();
        self.rooms.read().select(target, |socket| found.push(socket.clone()));
        found
    }

    pub(crate) fn len(&self) -> usize {
        self.rooms.read().len()
    }

    pub(crate) fn rooms_len(&self) -> usize {
        self.rooms.read().rooms_len()
    }

    /// Whether nobody is here and nobody could resume.
    pub(crate) fn is_idle(&self, now: u64) -> bool {
        self.len() == 0 && self.log.as_ref().is_none_or(|log| log.lock().is_idle(now))
    }

    /// The one way out for events. The order in which outboxes are pushed to is the order in which each peer receives.
    ///
    /// With a log, its lock is held until all outboxes have the event, so that cursors and outboxes agree on the order.
    pub(crate) fn fan_out(
        &self,
        event: Prepared,
        target: Target,
        volatile: bool,
        ask: Option<&dyn Fn(&Socket) -> bool>,
    ) -> FannedOut {
        if !self.handlers.outgoing.is_empty()
            && let Some(shared) = self.shared.upgrade()
        {
            self.handlers.tell_outgoing(&shared, &Outgoing::new(&event, &target));
        }
        // Acks and what asks for one carry no cursor, as in the reference: who was away cannot answer any more.
        match &self.log {
            Some(log) if !volatile && ask.is_none() => {
                let now = self.shared.upgrade().map_or(0, |shared| shared.deadlines.now());
                let mut log = log.lock();
                let event = Arc::new(event.with_offset(log.next_cursor()));
                log.append(now, event.clone(), target.clone());
                self.push_all(&event, &target, volatile, ask)
            }
            _ => self.push_all(&event, &target, volatile, ask),
        }
    }

    fn push_all(&self, event: &Prepared, target: &Target, volatile: bool, ask: Option<&dyn Fn(&Socket) -> bool>) -> FannedOut {
        let mut done = FannedOut { queued: 0, dropped: 0, asked: Vec::new() };
        let mut slow = Vec::new();
        self.rooms.read().select(target, |socket| {
            if ask.is_some_and(|ask| !ask(socket)) {
                return;
            }
            match socket.0.peer.outbox.push(event, volatile) {
                Pushed::Queued => {
                    done.queued += 1;
                    if ask.is_some() {
                        done.asked.push(socket.clone());
                    }
                }
                Pushed::Dropped => done.dropped += 1,
                Pushed::Full => {
                    done.dropped += 1;
                    slow.push(socket.clone());
                }
            }
        });
        self.close_slow(slow);
        done
    }

    /// In a task of its own: closing takes locks that come before those held here, and runs `on_disconnect`, whose
    /// own broadcast may meet the next slow consumer. One inside of the other, a thousand of them would need a
    /// thousand stack frames.
    fn close_slow(&self, slow: Vec<Socket>) {
        let Some(shared) = self.shared.upgrade().filter(|_| !slow.is_empty()) else { return };
        shared.spawn(async move {
            for socket in slow {
                tracing::debug!(id = socket.id(), "outbox full: slow consumer");
                socket.0.peer.close(CloseReason::SlowConsumer);
            }
        });
    }

    /// A stay has ended: its rooms are left, and remembered if the client may come back.
    pub(crate) fn remove(&self, socket: &Socket, reason: CloseReason) {
        match self.log.as_ref().zip(socket.pid()) {
            Some((log, pid)) => {
                let now = self.shared.upgrade().map_or(0, |shared| shared.deadlines.now());
                let mut log = log.lock();
                let rooms = socket.0.rooms.lock().clone();
                self.rooms.write().remove(socket);
                log.exit(pid);
                if reason.is_recoverable() {
                    log.leave(now, socket.id(), pid, rooms, socket.kept_data());
                }
            }
            None => self.rooms.write().remove(socket),
        }
    }

    /// Gives a socket its place. What a returning client missed goes before the reply, as the reference
    /// does; live events come after it. Nothing falls between, because the log stays locked.
    pub(crate) fn enter(&self, socket: &Socket, reply: Frames, returned: Option<&Returned>) {
        let mut log = self.log.as_ref().map(|log| log.lock());
        if let Some(log) = &mut log {
            if let Some(returned) = returned {
                socket.0.peer.outbox.push_replay(log.missed(returned));
            }
            log.enter(socket);
        }
        socket.0.peer.outbox.push_control(reply.as_slice().iter().cloned());
        let mut rooms = self.rooms.write();
        rooms.insert(socket);
        for room in returned.into_iter().flat_map(|r| &r.rooms) {
            rooms.join(socket, room.clone(), self.rooms_max);
        }
        socket.0.set_connected();
        socket.0.inbox.open();
    }

    pub(crate) fn come_back(&self, now: u64, auth: Option<&Bytes>) -> Option<Returned> {
        /// What a client 4.6 or newer adds to its `auth` when it resumes.
        #[derive(serde::Deserialize)]
        struct Resume {
            pid: String,
            offset: String,
        }
        let log = self.log.as_ref()?;
        let resume: Resume = serde_json::from_slice(auth?).ok()?;
        // The client knows before we do that its connection is gone. Only it knows the pid, so its word ends the old stay.
        let stale = log.lock().present(&resume.pid);
        if let Some(stale) = stale {
            stale.0.peer.close(CloseReason::TransportClose);
        }
        log.lock().come_back(now, &resume.pid, &resume.offset)
    }
}
