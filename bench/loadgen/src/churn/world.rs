//! What all clients share.

use std::{cmp::Reverse, io, net::Ipv4Addr, net::TcpStream};

use super::{Timers, counts::Counts};
use crate::{
    link::Protocol,
    options::Options,
    system::{Poller, dial},
};

pub struct World<'a> {
    pub options: &'a Options,
    pub poller: Poller,
    pub counts: Counts,
    pub random: Random,
    /// When the events at hand were taken from the kernel.
    pub now: u64,
    timers: Timers,
    dialled: u32,
}

/// SplitMix64: the same clients come in the same order for one seed.
pub struct Random(u64);

/// Connections that end leave a port behind for a minute, and an address has some 28,000.
const SOURCES: u32 = 64;

impl<'a> World<'a> {
    pub fn new(options: &'a Options) -> Result<Self, String> {
        Ok(Self {
            options,
            poller: Poller::new().map_err(|error| format!("epoll: {error}"))?,
            counts: Counts::new(options),
            random: Random::new(options.seed),
            now: 0,
            timers: Timers::new(),
            dialled: 0,
        })
    }

    pub fn dial(&mut self) -> io::Result<TcpStream> {
        self.dialled = self.dialled.wrapping_add(1);
        dial(self.options.port, Some(Ipv4Addr::new(127, 1, 0, (self.dialled % SOURCES) as u8 + 1)))
    }

    /// The client with this token wants to be told.
    pub fn wake(&mut self, at: u64, token: u64) {
        self.timers.push(Reverse((at, token)));
    }

    /// Who is due now.
    pub fn due(&mut self) -> Option<u64> {
        let Reverse((at, token)) = *self.timers.peek()?;
        (at <= self.now).then(|| {
            self.timers.pop();
            token
        })
    }

    pub fn path(&self, protocol: Protocol) -> &'a str {
        self.options.clients.iter().find(|(known, _)| *known == protocol).map_or("", |(_, path)| path)
    }
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % end.max(1)
    }
}
