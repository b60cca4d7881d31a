//! `churn`: clients of every kind come, talk for a while and go, in every way that clients go, for as long as it is wanted.
//!
//! They are guests of the chat that the program serves: each takes its place in a room, hears who comes, who goes and what is
//! said, and now and then says something itself. Whatever the server sends is checked, its end of the connection too.

mod client;
mod counts;
mod going;
mod hearing;
mod line;
mod saying;
mod world;

use std::collections::BinaryHeap;

use crate::{
    options::Options,
    record::Record,
    system::{BROKEN, READABLE, Ready, WRITABLE, descriptors_max, now_ns},
};
use client::Client;
use world::World;

/// How often the server's process is looked at, and how often that is told.
const LOOK_NS: u64 = 1_000_000_000;
const TELL_NS: u64 = 30 * LOOK_NS;
/// The last clients have so long to go, after the last one has come.
const LEAVE_NS: u64 = 60 * LOOK_NS;

pub fn run(options: &Options) -> Result<Record, String> {
    // Beside a client's own: one for its posts.
    let (needed, limit) = (options.n * 2 + 64, descriptors_max());
    if needed > limit {
        return Err(format!("{} clients need {needed} descriptors, and {limit} are allowed", options.n));
    }
    let mut churn =
        Churn { world: World::new(options)?, clients: Vec::new(), free: Vec::new(), stays: 0, buffer: vec![0; 1 << 18] };
    let start = now_ns();
    let end = start + (options.secs * 1e9) as u64;
    let gap_ns = (1e9 / options.rate) as u64;
    let (mut due, mut look, mut tell) = (start, start, start + TELL_NS);
    loop {
        let now = now_ns();
        churn.world.now = now;
        while due <= now && now < end {
            // Who finds no place does not come later: the rate is what it is.
            if churn.alive() < options.n {
                churn.come()?
            } else {
                churn.world.counts.kept_out += 1
            }
            due += gap_ns;
        }
        if look <= now {
            churn.world.counts.look(churn.alive());
            look = now + LOOK_NS;
        }
        if tell <= now {
            churn.world.counts.tell(now - start, churn.alive());
            tell += TELL_NS;
        }
        if now >= end && (churn.alive() == 0 || now > end + LEAVE_NS) {
            break;
        }
        churn.turn();
    }
    for at in 0..churn.clients.len() {
        churn.with(at, |client, world| client.failed(world, "is still there at the end", b""));
    }
    Ok(churn.world.counts.record(Record::of(options), (now_ns() - start) as f64 / 1e9))
}

struct Churn<'a> {
    world: World<'a>,
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    /// So many places were taken: tells a client from the one that sat there before.
    stays: u32,
    buffer: Vec<u8>,
}

impl Churn<'_> {
    fn alive(&self) -> usize {
        self.clients.len() - self.free.len()
    }

    fn come(&mut self) -> Result<(), String> {
        let at = self.free.pop().unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() - 1
        });
        self.stays = self.stays.wrapping_add(1);
        match Client::come(&mut self.world, u64::from(self.stays) << 32 | (at as u64) << 1) {
            Ok(client) => self.clients[at] = Some(client),
            Err(error) => {
                self.free.push(at);
                return Err(format!("connecting: {error}"));
            }
        }
        Ok(())
    }

    /// Waits for something to happen, a millisecond at most: somebody is always about to come.
    fn turn(&mut self) {
        let mut ready = [Ready { events: 0, u64: 0 }; 512];
        let count = self.world.poller.wait(&mut ready, 1);
        self.world.now = now_ns();
        let mut buffer = std::mem::take(&mut self.buffer);
        for event in &ready[..count] {
            let (events, token) = (event.events, event.u64);
            self.with_token(token, |client, world| {
                let role = (token & 1) as usize;
                if events & WRITABLE != 0 {
                    client.writable(world, role);
                }
                if events & (READABLE | BROKEN) != 0 {
                    client.readable(world, role, &mut buffer);
                }
            });
        }
        self.buffer = buffer;
        while let Some(token) = self.world.due() {
            self.with_token(token, |client, world| client.due(world));
        }
    }

    fn with_token(&mut self, token: u64, act: impl FnOnce(&mut Client, &mut World)) {
        let at = (token as u32 >> 1) as usize;
        if self.clients[at].as_ref().is_some_and(|client| client.token >> 32 == token >> 32) {
            self.with(at, act);
        }
    }

    fn with(&mut self, at: usize, act: impl FnOnce(&mut Client, &mut World)) {
        let Some(mut client) = self.clients[at].take() else { return };
        act(&mut client, &mut self.world);
        if client.is_gone {
            self.free.push(at);
        } else {
            self.clients[at] = Some(client);
        }
    }
}

/// When somebody is due: the earliest first.
type Timers = BinaryHeap<std::cmp::Reverse<(u64, u64)>>;
