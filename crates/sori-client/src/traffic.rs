//! What a connection has cost.

use std::ops::{Add, AddAssign};

/// Bytes of one client on its connections: heads, frames and masks included; what TCP and TLS add is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From the server.
    pub read: u64,
    /// To the server.
    pub written: u64,
}

impl Add for Traffic {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.written += other.written;
    }
}
