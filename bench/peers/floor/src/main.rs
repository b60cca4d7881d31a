//! `floor PORT [write|write+co|uring|uring+co]`: the least that one thread can do and still satisfy the load generator.
//!
//! It is no server for use: no timeouts, no pings, no answers to errors; it expects whole frames.
//!
//! - `write`: a broadcast is one `send` to each connection;
//! - `uring`: the same as io_uring entries, submitted in batches;
//! - `+co`: broadcasts that arrive in one read are joined into one send to each connection, as a server may when they outrun its
//!   writes.

mod frames;
mod sending;

use std::{
    io::{self, Read},
    net::{TcpListener, TcpStream},
    os::fd::{AsRawFd, RawFd},
};

use frames::{accept_key, find, frame, unmasked};
use sending::Sender;

struct Connection {
    stream: TcpStream,
    upgraded: bool,
    joined: bool,
}

struct Floor {
    epoll: RawFd,
    /// By descriptor.
    connections: Vec<Option<Connection>>,
    /// Who gets broadcasts.
    joined: Vec<RawFd>,
    sender: Sender,
    joins_broadcasts: bool,
}

const EVENTS: usize = 512;
/// Accepted in a row before others get a turn.
const ACCEPTED_MAX: usize = 64;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let port: u16 = args.next().and_then(|port| port.parse().ok()).unwrap_or(4007);
    let how = args.next().unwrap_or_else(|| "write".into());
    let sender = if how.starts_with("uring") { Sender::uring()? } else { Sender::Write };

    let listener = TcpListener::bind(("0.0.0.0", port))?;
    listener.set_nonblocking(true)?;
    // A backlog as deep as the other servers ask for.
    unsafe { libc::listen(listener.as_raw_fd(), 4096) };
    let mut floor = Floor {
        epoll: unsafe { libc::epoll_create1(0) },
        connections: Vec::new(),
        joined: Vec::new(),
        sender,
        joins_broadcasts: how.ends_with("+co"),
    };
    floor.watch(listener.as_raw_fd());
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
    let mut buffer = vec![0; 1 << 17];
    loop {
        let count = unsafe { libc::epoll_wait(floor.epoll, events.as_mut_ptr(), EVENTS as i32, -1) };
        for event in &events[..count.max(0) as usize] {
            let fd = event.u64 as RawFd;
            if fd == listener.as_raw_fd() {
                floor.accept(&listener);
            } else {
                floor.read(fd, &mut buffer);
            }
        }
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener) {
        for (stream, _) in (0..ACCEPTED_MAX).map_while(|_| listener.accept().ok()) {
            let fd = stream.as_raw_fd();
            if stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).is_err() {
                continue;
            }
            if self.connections.len() <= fd as usize {
                self.connections.resize_with(fd as usize + 1, || None);
            }
            self.connections[fd as usize] = Some(Connection { stream, upgraded: false, joined: false });
            self.watch(fd);
        }
    }

    fn read(&mut self, fd: RawFd, buffer: &mut [u8]) {
        let Some(connection) = &mut self.connections[fd as usize] else { return };
        match connection.stream.read(buffer) {
            Ok(0) => self.close(fd),
            Ok(length) if connection.upgraded => self.frames(fd, &mut buffer[..length]),
            Ok(length) => {
                connection.upgraded = true;
                upgrade(fd, &buffer[..length]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.close(fd),
        }
    }

    fn frames(&mut self, fd: RawFd, mut bytes: &mut [u8]) {
        let mut broadcasts = Vec::new();
        let mut answer = Vec::new();
        while let Some((message, rest)) = unmasked(bytes) {
            bytes = rest;
            if let Some(payload) = message.strip_prefix(b"42[\"broadcast\",") {
                frame(&mut broadcasts, &[b"42[\"msg\",", payload]);
                if !self.joins_broadcasts {
                    self.sender.to_all(&self.joined, &broadcasts);
                    broadcasts.clear();
                }
            } else if message == b"40" {
                self.join(fd, &mut answer);
            } else if let Some((id, payload)) = echoed(message) {
                frame(&mut answer, &[b"43", id, b"[", payload]);
            }
            if !answer.is_empty() {
                sending::send_all(fd, &answer);
                answer.clear();
            }
        }
        if !broadcasts.is_empty() {
            self.sender.to_all(&self.joined, &broadcasts);
        }
    }

    fn join(&mut self, fd: RawFd, answer: &mut Vec<u8>) {
        frame(answer, &[format!("40{{\"sid\":\"sock{fd:016}\"}}").as_bytes()]);
        if let Some(connection) = &mut self.connections[fd as usize] {
            connection.joined = true;
            self.joined.push(fd);
        }
    }

    fn close(&mut self, fd: RawFd) {
        if self.connections[fd as usize].take().is_some_and(|connection| connection.joined) {
            self.joined.retain(|joined| *joined != fd);
        }
    }

    fn watch(&self, fd: RawFd) {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: fd as u64 };
        unsafe { libc::epoll_ctl(self.epoll, libc::EPOLL_CTL_ADD, fd, &mut event) };
    }
}

fn upgrade(fd: RawFd, request: &[u8]) {
    let key = find(request, b"Sec-WebSocket-Key: ").map_or(&[][..], |at| &request[at + 19..]);
    let key = &key[..find(key, b"\r\n").unwrap_or(0)];
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(key)
    )
    .into_bytes();
    let open = format!(
        "0{{\"sid\":\"floor{fd:015}\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}}"
    );
    frame(&mut answer, &[open.as_bytes()]);
    sending::send_all(fd, &answer);
}

/// The ack's number and the rest of `42NUMBER["echo",…]`.
fn echoed(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let packet = message.strip_prefix(b"42")?;
    let digits = packet.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (id, event) = packet.split_at(digits);
    Some((id, event.strip_prefix(b"[\"echo\",")?))
}
