//! Engine.IO, revisions 3 and 4.

mod engine;
pub mod packet;
pub mod payload;

pub use engine::{Carrier, Engine, Probe};
pub use packet::{Data, Packet, Revision};
