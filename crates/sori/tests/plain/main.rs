//! Clients without a library: what was emitted arrives, on every way, once and in order, whatever breaks.
//!
//! Clients are raw bytes over in-memory connections to hyper, on virtual time; what they read is parsed here and not by `sori-proto`.
//! Random cases print their seed when they fail. `SORI_CASES=1000` runs more of them.

mod client;
mod dice;
mod framing;
mod http;
mod said;
mod socket_io;
mod websocket;

mod history;
mod matrix;
mod races;
mod repeats;
mod resume;
mod sessions;
mod slow;
