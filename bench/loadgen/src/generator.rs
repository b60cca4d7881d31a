//! Every connection of a run, and the loop that serves them.

use std::{
    io::{ErrorKind, Read, Write},
    mem,
    net::Ipv4Addr,
    os::fd::AsRawFd,
};

use crate::{
    broadcast::Broadcast,
    echo::Echo,
    link::{Link, Protocol, Role, Stage},
    options::Options,
    system::{BROKEN, Poller, READABLE, Ready, WRITABLE, descriptors_max, dial, now_ns},
};

pub struct Generator<'a> {
    pub(crate) options: &'a Options,
    pub(crate) links: Vec<Link>,
    /// The main link of each client.
    pub(crate) clients: Vec<usize>,
    pub(crate) publisher: Option<usize>,
    pub work: Work,
    /// When the bytes at hand were read.
    pub(crate) now: u64,
    pub ready: usize,
    pub failed: usize,
    pub closed: usize,
    pub errors: u64,
    opening: usize,
    poller: Poller,
    buffer: Vec<u8>,
}

/// What its clients do once they are connected.
pub enum Work {
    Idle,
    Broadcast(Broadcast),
    Echo(Echo),
}

/// What follows from a message.
pub enum Next {
    Nothing,
    Broadcast,
    Echo,
    /// It is not what the server should have sent.
    Odd,
}

/// Handshakes under way at once.
const OPENING_MAX: usize = 128;
const CONNECT_MAX_S: f64 = 120.0;
/// Clients that share a source address; the range of ports is some 28,000 wide.
const PER_SOURCE: usize = 10_000;
const BUFFER_BYTES: usize = 256 * 1024;
/// The first few oddities are shown.
const SHOWN_MAX: u64 = 5;

impl<'a> Generator<'a> {
    pub fn new(options: &'a Options, work: Work) -> Result<Self, String> {
        let links = if options.clients.iter().any(|(protocol, _)| *protocol == Protocol::SocketIoPolling) { 2 } else { 1 };
        let (needed, limit) = (options.n * links + 64, descriptors_max());
        if needed > limit {
            return Err(format!("{} clients need {needed} descriptors, and {limit} are allowed", options.n));
        }
        Ok(Self {
            options,
            links: Vec::with_capacity(options.n * links + 1),
            clients: Vec::with_capacity(options.n),
            publisher: None,
            work,
            now: now_ns(),
            ready: 0,
            failed: 0,
            closed: 0,
            errors: 0,
            opening: 0,
            poller: Poller::new().map_err(|error| format!("epoll: {error}"))?,
            buffer: vec![0; BUFFER_BYTES],
        })
    }

    /// Opens every client, and the publisher where there is one.
    pub fn connect(&mut self) -> Result<(), String> {
        let started = now_ns();
        while self.ready + self.failed < self.options.n {
            while self.clients.len() < self.options.n && self.opening < OPENING_MAX {
                self.open_client()?;
            }
            self.turn(50);
            if now_ns() - started > (CONNECT_MAX_S * 1e9) as u64 || (self.failed > 200 && self.ready == 0) {
                return Err(format!("{} clients are ready, {} failed", self.ready, self.failed));
            }
        }
        if self.options.publish.is_some() && matches!(self.work, Work::Broadcast(_)) {
            self.publisher = Some(self.open_link(Protocol::LongPoll, Role::Publisher, 0)?);
        }
        Ok(())
    }

    /// For runs that mean nothing unless all are there.
    pub fn connect_all(&mut self) -> Result<(), String> {
        self.connect()?;
        if self.failed == 0 { Ok(()) } else { Err(format!("{} clients are ready, {} failed", self.ready, self.failed)) }
    }

    pub fn run_for(&mut self, secs: f64) {
        let end = now_ns() + (secs * 1e9) as u64;
        while let left @ 1.. = end.saturating_sub(now_ns()) {
            self.turn((left / 1_000_000).min(100) as i32);
        }
    }

    /// Waits for something to happen, and serves it.
    pub fn turn(&mut self, wait_ms: i32) {
        let mut ready = [Ready { events: 0, u64: 0 }; 512];
        let count = self.poller.wait(&mut ready, wait_ms);
        for event in &ready[..count] {
            let (events, link) = (event.events, event.u64 as usize);
            match self.links[link].stage {
                Stage::Closed => {}
                Stage::Connecting if events & BROKEN != 0 => self.close(link),
                Stage::Connecting => self.connected(link),
                _ => {
                    if events & (READABLE | BROKEN) != 0 {
                        self.read(link);
                    }
                    if events & WRITABLE != 0 {
                        self.flush(link);
                    }
                }
            }
        }
    }

    /// One application message: a Socket.IO packet behind its `4`, or what a plain client got.
    pub(crate) fn heard(&mut self, at: usize, message: &[u8]) {
        let link = &mut self.links[at];
        let next = match &mut self.work {
            Work::Idle => Next::Nothing,
            Work::Broadcast(broadcast) => broadcast.heard(link.protocol, message, self.now),
            Work::Echo(echo) => echo.heard(link, message, self.now),
        };
        match next {
            Next::Nothing => {}
            Next::Broadcast => self.send_broadcast(),
            Next::Echo => self.send_echo(at),
            Next::Odd => self.odd("message", message),
        }
    }

    pub(crate) fn odd(&mut self, what: &str, bytes: &[u8]) {
        self.errors += 1;
        if self.errors <= SHOWN_MAX {
            eprintln!("loadgen: odd {what}: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(160)]));
        }
    }

    pub(crate) fn became_ready(&mut self, link: usize) {
        self.links[link].stage = Stage::Ready;
        self.ready += 1;
        self.opening -= 1;
    }

    /// Sends what it can of what waits, and asks to be told when the rest can go.
    pub(crate) fn flush(&mut self, at: usize) {
        let link = &mut self.links[at];
        let Some(stream) = &mut link.stream else { return };
        while !link.outbox.is_empty() {
            match stream.write(&link.outbox) {
                Ok(sent) => drop(link.outbox.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return self.close(at),
            }
        }
        if matches!(self.work, Work::Idle) && link.outbox.is_empty() {
            link.outbox = Vec::new();
        }
        let wants_write = !link.outbox.is_empty();
        if mem::replace(&mut link.wants_write, wants_write) != wants_write {
            let events = if wants_write { READABLE | WRITABLE } else { READABLE };
            let _ = self.poller.change(stream.as_raw_fd(), at, events);
        }
    }

    pub(crate) fn close(&mut self, at: usize) {
        let link = &mut self.links[at];
        let before = mem::replace(&mut link.stage, Stage::Closed);
        if before == Stage::Closed {
            return;
        }
        link.stream = None;
        self.closed += 1;
        if before != Stage::Ready && link.role != Role::Publisher {
            self.failed += 1;
            self.opening = self.opening.saturating_sub(1);
        }
    }

    fn open_client(&mut self) -> Result<(), String> {
        let path = self.clients.len() % self.options.clients.len();
        let protocol = self.options.clients[path].0;
        let main = self.open_link(protocol, Role::Main, path)?;
        if protocol == Protocol::SocketIoPolling {
            self.open_link(protocol, Role::Post, path)?;
        }
        self.clients.push(main);
        self.opening += 1;
        Ok(())
    }

    fn open_link(&mut self, protocol: Protocol, role: Role, path: usize) -> Result<usize, String> {
        let at = self.links.len();
        let source = match (at / PER_SOURCE) as u8 {
            0 => None,
            further => Some(Ipv4Addr::new(127, 1, 0, further)),
        };
        let stream = dial(self.options.port, source).map_err(|error| format!("connecting: {error}"))?;
        self.poller.add(stream.as_raw_fd(), at, READABLE | WRITABLE).map_err(|error| format!("epoll: {error}"))?;
        let mut link = Link::new(protocol, role, path);
        link.stream = Some(stream);
        self.links.push(link);
        Ok(at)
    }

    fn connected(&mut self, at: usize) {
        let link = &mut self.links[at];
        match (link.role, link.protocol) {
            (Role::Publisher, _) => link.stage = Stage::Ready,
            (Role::Post, _) => {
                link.stage = Stage::Ready;
                self.post_next(at - 1);
            }
            (Role::Main, Protocol::SocketIoPolling) => {
                link.stage = Stage::EngineOpen;
                self.request(at);
            }
            (Role::Main, Protocol::LongPoll) => {
                self.became_ready(at);
                self.request(at);
            }
            (Role::Main, _) => {
                link.stage = Stage::Head;
                self.request(at);
            }
        }
        self.flush(at);
    }

    fn read(&mut self, at: usize) {
        let mut buffer = mem::take(&mut self.buffer);
        let received = self.links[at].stream.as_mut().map_or(Ok(0), |stream| stream.read(&mut buffer));
        self.now = now_ns();
        match received {
            Ok(0) => self.close(at),
            Ok(length) => self.use_bytes(at, &buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.close(at),
        }
        self.buffer = buffer;
    }

    fn use_bytes(&mut self, at: usize, bytes: &[u8]) {
        let mut inbox = mem::take(&mut self.links[at].inbox);
        if inbox.is_empty() {
            let used = self.received(at, bytes);
            inbox.extend_from_slice(&bytes[used..]);
        } else {
            inbox.extend_from_slice(bytes);
            let used = self.received(at, &inbox);
            inbox.drain(..used);
        }
        self.links[at].inbox = inbox;
    }
}
