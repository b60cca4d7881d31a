//! One TCP connection of a client, and the requests that wait for it.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    mem,
    net::{Shutdown, TcpStream},
    os::fd::AsRawFd,
};

use super::world::World;
use crate::system::{READABLE, WRITABLE};

/// What a request's answer will be, and so what it is held to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Asked {
    /// A session by POST: 201.
    Session,
    /// A poll, or Engine.IO's handshake: 200 and what there is.
    Poll,
    /// Engine.IO's packets by POST: `ok`.
    Packets,
    /// Something said: `true`.
    Said,
    /// The session's end.
    Goodbye,
    /// Whether the session is forgotten: 400 or 404.
    Forgotten,
}

#[derive(Default)]
pub struct Line {
    stream: Option<TcpStream>,
    connected: bool,
    wants_write: bool,
    outbox: Vec<u8>,
    /// Received and not used yet.
    pub inbox: Vec<u8>,
    /// Requests that are still to be sent, one after the other.
    waiting: VecDeque<(Asked, Vec<u8>)>,
    pub under_way: Option<Asked>,
}

/// What came of reading.
pub enum Got {
    Bytes(usize),
    Nothing,
    End,
    Broken,
}

impl Line {
    pub fn open(world: &mut World, token: u64) -> std::io::Result<Self> {
        let stream = world.dial()?;
        world.poller.add(stream.as_raw_fd(), token as usize, READABLE | WRITABLE)?;
        Ok(Self { stream: Some(stream), wants_write: true, ..Self::default() })
    }

    pub fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// True the first time.
    pub fn connected(&mut self) -> bool {
        !mem::replace(&mut self.connected, true)
    }

    pub fn ask(&mut self, asked: Asked, request: Vec<u8>) {
        self.waiting.push_back((asked, request));
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.outbox.extend_from_slice(bytes);
    }

    /// Frames and the like: what is appended goes out.
    pub fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    /// Sends what can go. False when the connection is broken.
    pub fn flush(&mut self, world: &World, token: u64) -> bool {
        if self.under_way.is_none()
            && let Some((asked, request)) = self.waiting.pop_front()
        {
            self.under_way = Some(asked);
            self.outbox.extend_from_slice(&request);
        }
        let Some(stream) = self.stream.as_mut().filter(|_| self.connected) else { return true };
        while !self.outbox.is_empty() {
            match stream.write(&self.outbox) {
                Ok(sent) => drop(self.outbox.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        let wants_write = !self.outbox.is_empty();
        if mem::replace(&mut self.wants_write, wants_write) != wants_write {
            let events = if wants_write { READABLE | WRITABLE } else { READABLE };
            let _ = world.poller.change(stream.as_raw_fd(), token as usize, events);
        }
        true
    }

    pub fn read(&mut self, buffer: &mut [u8]) -> Got {
        let Some(stream) = &mut self.stream else { return Got::Nothing };
        match stream.read(buffer) {
            Ok(0) => Got::End,
            Ok(length) => Got::Bytes(length),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Got::Nothing,
            Err(_) => Got::Broken,
        }
    }

    /// Says that nothing more comes, and still listens.
    pub fn finish(&mut self) {
        self.waiting.clear();
        if let Some(stream) = &self.stream {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }

    /// Hears nothing any more, so that the kernel's buffers fill.
    pub fn deafen(&mut self, world: &World, token: u64) {
        if let Some(stream) = &self.stream {
            let _ = world.poller.change(stream.as_raw_fd(), token as usize, 0);
        }
    }

    /// By a TCP reset, where both ends have not ended before: that is how `dial` leaves it.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}
