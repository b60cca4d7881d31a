//! A namespace as it lives: who is in it, and how events reach them. Nothing here awaits or knows a transport.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::{Mutex, RwLock};
use sori_proto::{
    CloseReason,
    plain::Place,
    sio::{EncodeError, OutArgs},
    wire::{Frames, Prepared},
};

use crate::{
    config::Config,
    emit::Outgoing,
    handlers::Handlers,
    log::{Log, Returned, Since},
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
    /// Who is cut off may come back.
    pub(crate) may_return: bool,
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
        let log = Log::of(config, handlers.history.as_ref()).map(Mutex::new);
        Arc::new(Self {
            shared,
            name: name.into(),
            handlers,
            rooms: RwLock::default(),
            next_ack: AtomicU64::new(0),
            log,
            may_return: config.connection_state_recovery.is_some(),
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
        // A plain client's stream may have to be told again what it was sent, and so when it came to this room.
        match self.log.as_ref().zip(socket.0.peer.plain.as_ref()) {
            Some((log, plain)) => {
                let log = log.lock();
                if self.rooms.write().join(socket, room.clone(), self.rooms_max) && !socket.0.is_arriving() {
                    plain.memberships.lock().join(room, log.newest());
                }
            }
            None => drop(self.rooms.write().join(socket, room, self.rooms_max)),
        }
    }

    pub(crate) fn leave(&self, socket: &Socket, room: &str) {
        match self.log.as_ref().zip(socket.0.peer.plain.as_ref()) {
            Some((log, plain)) => {
                let log = log.lock();
                self.rooms.write().leave(socket, room);
                plain.memberships.lock().leave(room, log.newest());
            }
            None => self.rooms.write().leave(socket, room),
        }
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
                let now = self.now();
                let mut log = log.lock();
                let event = log.place(event, self.may_return);
                log.append(now, event.clone(), target.clone());
                self.push_all(&event, &target, volatile, ask)
            }
            _ => self.push_all(&Arc::new(event), &target, volatile, ask),
        }
    }

    fn now(&self) -> u64 {
        self.shared.upgrade().map_or(0, |shared| shared.deadlines.now())
    }

    fn push_all(
        &self,
        event: &Arc<Prepared>,
        target: &Target,
        volatile: bool,
        ask: Option<&dyn Fn(&Socket) -> bool>,
    ) -> FannedOut {
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
                let now = self.now();
                let mut log = log.lock();
                if !log.exit(socket) {
                    return;
                }
                let rooms = socket.0.rooms.lock().clone();
                self.rooms.write().remove(socket);
                if reason.is_recoverable() {
                    let memberships = socket.0.peer.plain.as_ref().map(|plain| plain.memberships.lock().clone());
                    log.leave(now, Returned::new(socket.id(), pid, rooms, socket.kept_data(), memberships));
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
            if let Some(plain) = &socket.0.peer.plain {
                let chosen = socket.0.rooms.lock().clone();
                let mut memberships = plain.memberships.lock();
                // What is missed may be lost once more, so it counts as told to this stay.
                match returned {
                    Some(Returned { memberships: Some(known), after, .. }) if known.reaches(*after) => {
                        *memberships = known.clone()
                    }
                    Some(returned) => memberships.enter(returned.after, returned.rooms.iter().cloned()),
                    None => memberships.enter(log.newest(), []),
                }
                chosen.into_iter().for_each(|room| memberships.join(room, log.newest()));
                socket.0.peer.outbox.set_place(Some(log.cursor(log.newest()).into()));
            }
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

    /// The stay of a client that was cut off, by its secret, if it can go on from `cursor` without a gap.
    pub(crate) fn come_back(&self, pid: &str, cursor: &str) -> Option<Returned> {
        let log = self.log.as_ref().filter(|_| self.may_return)?;
        // The client knows before we do that its connection is gone. Only it knows the pid, so its word ends the old stay.
        let stale = log.lock().present(pid);
        if let Some(stale) = stale.filter(|stale| stale.is_connected() || stale.0.peer.closed().is_some()) {
            stale.0.peer.close(CloseReason::TransportClose);
            // Another thread may be ending it just now, and not have come to this yet.
            self.remove(&stale, stale.0.peer.closed().unwrap_or(CloseReason::TransportClose));
        }
        log.lock().come_back(self.now(), pid, cursor)
    }

    /// Whether a plain client that was cut off could come back as who it was.
    pub(crate) fn is_away(&self, sid: &str) -> bool {
        let Some(log) = &self.log else { return false };
        let (is_away, present) = {
            let log = log.lock();
            (log.is_away(sid), log.present(sid))
        };
        // Another thread may be ending its stay just now.
        is_away || present.is_some_and(|socket| socket.0.peer.closed().is_some())
    }

    /// A plain client's socket goes on after a cursor, in a turn of its outbox: what its last stream took with it is said again.
    pub(crate) fn resume(&self, socket: &Socket, from: Option<(&str, u32)>) -> Place {
        let Some((log, plain)) = self.log.as_ref().zip(socket.0.peer.plain.as_ref()) else {
            return Place { cursor: socket.0.peer.outbox.answer_without_events().cursor, is_logged: false, recovered: false };
        };
        let log = log.lock();
        let memberships = plain.memberships.lock();
        let Some((after, turn)) = from.and_then(|(cursor, turn)| Some((log.parse(cursor)?, turn))) else {
            // Who names no place gets one that is before all that waits: its connection may break before any of that comes.
            let first = socket.0.peer.outbox.first_place().map_or(log.newest(), |first| first - 1);
            return Place { cursor: log.cursor(first).into(), is_logged: true, recovered: false };
        };
        let mut recovered = memberships.reaches(after);
        socket.0.peer.outbox.resume(turn, after, |taken, waits| {
            // What has not left yet waits in the outbox, however short the log is.
            recovered &= log.reaches(after);
            let got = |offset, target: &Target| log.was_told(socket.id(), &memberships, offset, target);
            log.between(after, taken, |offset, target| !waits(offset) && got(offset, target))
        });
        Place { cursor: log.cursor(after).into(), is_logged: true, recovered }
    }

    /// A plain client's new socket gets what its rooms keep of what went before. Called once `on_connect` has returned, and before
    /// anything was said to it.
    pub(crate) fn catch_up(&self, socket: &Socket, since: &Since) -> Place {
        let Some(log) = &self.log else { return self.resume(socket, None) };
        let mut log = log.lock();
        let rooms = socket.0.rooms.lock().clone();
        let is_in = |name: &str| name == socket.id() || rooms.iter().any(|room| &**room == name);
        let (reaches, history) = log.history(self.now(), since, is_in);
        if let (Some(first), Some(plain)) = (history.first(), &socket.0.peer.plain) {
            plain.memberships.lock().catch_up(first - 1, rooms.clone());
        }
        let mut first = log.newest();
        let after = match since {
            Since::Cursor(cursor) => log.parse(cursor).unwrap_or(0),
            Since::Last(_) => 0,
        };
        socket.0.peer.outbox.merge(|waits| {
            // What a handler replayed may be what the client has.
            let events = log.at(|offset| (waits(offset) && offset > after) || history.binary_search(&offset).is_ok());
            first = events.front().and_then(|event| event.offset()).map_or(first, |offset| offset - 1);
            events
        });
        let recovered = reaches && matches!(since, Since::Cursor(_));
        // What follows has places of its own; this one is before all of them, and not before what the client has.
        Place { cursor: log.cursor(first).into(), is_logged: true, recovered }
    }

    /// Queues the last events of a room for one socket.
    pub(crate) fn replay(&self, socket: &Socket, room: &str, n: u32) -> usize {
        let Some(log) = &self.log else { return 0 };
        let mut log = log.lock();
        let last = log.last_of(self.now(), room, n);
        let count = last.len();
        socket.0.peer.outbox.push_again(last);
        count
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sori_proto::eio::Revision;

    use super::*;
    use crate::{
        Server,
        config::ConnectionStateRecovery,
        handlers::Namespace,
        testing::{Client, settle},
    };

    /// Runs a scene in a thread of its own, which a deadlock may keep.
    fn without_deadlock(scene: impl Future<Output = ()> + Send + 'static) {
        let (done, finished) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(scene);
            done.send(()).unwrap();
        });
        finished.recv_timeout(Duration::from_secs(20)).expect("it ends");
    }

    fn small_outbox() -> crate::ServerBuilder {
        Server::builder().limits(|limits| limits.outbox_bytes_max = 1_000)
    }

    /// A slow consumer may come back, so its end enters the log, which the broadcast that found it holds.
    #[test]
    fn a_slow_consumer_that_may_resume_does_not_lock_up_its_namespace() {
        without_deadlock(async {
            let io = small_outbox().connection_state_recovery(ConnectionStateRecovery::default()).build().unwrap();
            let ((_slow, socket), (fast, _)) = (Client::joined(&io), Client::joined(&io));
            for n in 0..100 {
                io.emit("n", &n).unwrap();
                assert_eq!(fast.hears().len(), 1);
            }
            settle().await;
            assert!(!socket.is_connected());
            assert_eq!((io.of("/").len(), io.stats().sessions_closed(CloseReason::SlowConsumer)), (1, 1));
        });
    }

    /// Each one's end is told to the others, who are slow as well: were it told on the spot, the stack would grow with each.
    #[test]
    fn thousands_of_slow_consumers_end_one_after_the_other() {
        without_deadlock(async {
            let namespace =
                Namespace::new().on_disconnect(|socket: Socket| async move { drop(socket.broadcast().emit("left", &())) });
            let io = small_outbox().namespace("/", namespace).build().unwrap();
            let clients: Vec<_> = (0..3_000).map(|_| Client::joined(&io)).collect();
            while io.emit("n", "a longer text, so that it does not take as many").unwrap().dropped == 0 {}
            while io.stats().sessions() > 0 {
                tokio::task::yield_now().await;
            }
            assert!(clients.iter().all(|(_, socket)| !socket.is_connected()));
            assert_eq!(io.of("/").len(), 0);
        });
    }

    #[tokio::test]
    async fn whoever_provokes_answers_and_reads_none_is_closed() {
        type Provoke = fn(&Client, usize);
        let provocations: [(Revision, Provoke); 3] = [
            (Revision::V4, |client, n| client.says(&format!("40/nowhere{n},"))),
            (Revision::V4, |client, n| client.says(["40", "41"][n % 2])),
            (Revision::V3, |client, _| client.says("2")),
        ];
        for (revision, provoke) in provocations {
            let io = small_outbox().build().unwrap();
            let client = Client::of_revision(&io, revision);
            let closed = (0..1_000).position(|n| {
                provoke(&client, n);
                client.peer.is_closed()
            });
            assert!(closed.is_some_and(|n| n > 5), "{closed:?}");
            assert_eq!(io.stats().sessions_closed(CloseReason::SlowConsumer), 1);
            assert!(client.hears().len() < 3, "what it did not read is gone");
        }
    }

    #[tokio::test]
    async fn a_predicate_that_panics_says_no() {
        let io = Server::builder().namespace_if(|name, _| name.parse::<u8>().unwrap() == 0, Namespace::new()).build().unwrap();
        let client = Client::open(&io);
        client.says("40/not-a-number,");
        assert_eq!(client.hears(), [r#"44/not-a-number,{"message":"Invalid namespace"}"#]);
        assert_eq!(io.stats().handler_panics(), 1);
        client.joins("/");
    }

    #[tokio::test]
    async fn a_middleware_that_panics_keeps_its_client_out_and_says_so() {
        let namespace = Namespace::new().middleware(|crate::Auth(auth): crate::Auth<serde_json::Value>| async move {
            tokio::task::yield_now().await;
            assert!(auth["good"].is_boolean(), "on purpose");
            Ok::<(), &str>(())
        });
        let io = Server::builder().namespace("/", namespace).build().unwrap();
        let client = Client::open(&io);
        client.says("40{}");
        settle().await;
        assert_eq!(client.hears(), [r#"44{"message":"internal error"}"#]);
        assert_eq!((io.stats().handler_panics(), io.of("/").len()), (1, 0));
        // It may ask again.
        client.says(r#"40{"good":true}"#);
        settle().await;
        assert_eq!(io.of("/").len(), 1);
    }

    #[tokio::test]
    async fn a_refused_return_is_no_lost_stay_and_no_way_around_the_middleware() {
        let namespace = Namespace::new().middleware(|crate::Auth(auth): crate::Auth<serde_json::Value>| async move {
            if auth["token"] == "good" { Ok(()) } else { Err("no") }
        });
        let builder = Server::builder().connection_state_recovery(ConnectionStateRecovery::default());
        let io = builder.namespace("/", namespace).build().unwrap();
        let client = Client::open(&io);
        client.says(r#"40{"token":"good"}"#);
        let socket = io.of("/").fetch_sockets().pop().unwrap();
        socket.join("a");
        let pid = socket.pid().unwrap().to_owned();
        io.emit("n", &1).unwrap();
        let cursor = client.hears().pop().unwrap().rsplit('"').nth(1).unwrap().to_owned();
        client.peer.close(CloseReason::TransportClose);
        io.to("a").emit("n", &2).unwrap();
        let resume = |token: &str| {
            let client = Client::open(&io);
            client.says(&format!(r#"40{{"token":"{token}","pid":"{pid}","offset":"{cursor}"}}"#));
            client
        };
        assert_eq!(resume("bad").hears(), [r#"44{"message":"no"}"#]);
        let back = resume("good");
        let heard = back.hears();
        assert!(heard[0].starts_with(r#"42["n",2,"#) && heard[1].starts_with("40{"), "{heard:?}");
        let again = io.of("/").fetch_sockets().pop().unwrap();
        assert_eq!((again.id(), again.recovered(), again.rooms().len()), (socket.id(), true, 2));
        // Once: whoever comes with the same cursor after a proper end gets nothing.
        back.says("41");
        assert!(resume("good").hears()[0].starts_with("40{"));
        assert!(!io.of("/").fetch_sockets().pop().unwrap().recovered());
    }

    /// The thread that ends a stay may be overtaken by the client that resumes it.
    #[tokio::test]
    async fn an_end_that_comes_late_does_not_end_the_next_stay() {
        let io = Server::builder().connection_state_recovery(ConnectionStateRecovery::default()).build().unwrap();
        let (first, socket) = Client::joined(&io);
        socket.join("a");
        io.emit("n", &1).unwrap();
        let cursor = first.hears().pop().unwrap().rsplit('"').nth(1).unwrap().to_owned();
        let resume = |cursor: &str| {
            let client = Client::open(&io);
            client.says(&format!(r#"40{{"pid":"{}","offset":"{cursor}"}}"#, socket.pid().unwrap()));
            (client, io.of("/").fetch_sockets().pop().unwrap())
        };
        let (_second, again) = resume(&cursor);
        assert!(again.recovered() && first.peer.is_closed());
        socket.0.namespace.remove(&socket, CloseReason::TransportClose);
        assert_eq!((io.of("/").len(), again.rooms().len(), io.to("a").fetch_sockets().len()), (1, 2, 1));
        let (_third, again) = resume(&cursor);
        assert!(again.recovered() && again.is_connected());
        assert_eq!((io.of("/").len(), io.to("a").fetch_sockets().len(), io.stats().sessions()), (1, 1, 1));
    }

    #[tokio::test]
    async fn revision_3_leaves_nothing_in_the_log_to_come_back_to() {
        let io = Server::builder().connection_state_recovery(ConnectionStateRecovery::default()).build().unwrap();
        let client = Client::of_revision(&io, Revision::V3);
        assert_eq!(io.of("/").len(), 1);
        client.peer.close(CloseReason::TransportClose);
        assert!(io.shared().namespaces.find("/").unwrap().is_idle(0));
    }

    #[tokio::test]
    async fn an_answer_that_comes_after_the_stay_is_not_sent() {
        let namespace = Namespace::new().on("slow", || async {
            tokio::task::yield_now().await;
            crate::Ack("late")
        });
        let io = Server::builder().namespace("/", namespace).build().unwrap();
        let (client, _) = Client::joined(&io);
        client.says(r#"420["slow"]"#);
        client.says("41");
        client.joins("/");
        settle().await;
        assert!(client.hears().is_empty());
        client.says(r#"421["slow"]"#);
        settle().await;
        assert_eq!(client.hears(), [r#"431["late"]"#]);
    }

    #[tokio::test]
    async fn who_slips_in_while_the_server_closes_is_told_too() {
        let io = Server::builder().build().unwrap();
        let (before, _) = Client::joined(&io);
        assert!(io.close(Duration::from_secs(1)).await);
        let late = Client::open(&io);
        assert!(before.peer.is_closed() && late.peer.is_closed());
        assert_eq!(io.stats().sessions_closed(CloseReason::ServerShuttingDown), 2);
    }

    #[tokio::test]
    async fn the_order_of_a_room_is_the_order_of_its_emits_with_a_log_too() {
        for recovery in [None, Some(ConnectionStateRecovery::default())] {
            let io = Server::builder().connection_state_recovery(recovery).build().unwrap();
            let (client, socket) = Client::joined(&io);
            socket.join(["a", "b"]);
            for n in 0..50 {
                match n % 3 {
                    0 => drop(io.to(["a", "b"]).emit("n", &n).unwrap()),
                    1 => drop(socket.emit("n", &n).unwrap()),
                    _ => drop(io.emit("n", &n).unwrap()),
                }
            }
            let heard: Vec<u32> =
                client.hears().iter().map(|p| p[7..].split([',', ']']).next().unwrap().parse().unwrap()).collect();
            assert_eq!(heard, (0..50).collect::<Vec<_>>());
        }
    }
}
