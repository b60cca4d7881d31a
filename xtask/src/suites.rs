//! The suites, in the order they run: what fails fast comes first.

mod autobahn;
mod bench_servers;
mod browser;
mod fuzz;
mod house;
pub mod instructions;
mod node;
mod rust;
mod servers;

use crate::suite::Suite;

pub const ALL: &[Suite] = &[
    Suite { name: "fmt", about: "cargo fmt changes nothing", run: rust::fmt },
    Suite { name: "tidy", about: "the small checks of the house (cargo xtask tidy)", run: house::tidy },
    Suite { name: "clippy", about: "cargo clippy, all targets, no warning", run: rust::clippy },
    Suite { name: "doc", about: "cargo doc without a warning", run: rust::doc },
    Suite { name: "deny", about: "cargo deny: licences, sources, bans, advisories", run: house::deny },
    Suite { name: "unit", about: "every test of the workspace", run: rust::unit },
    Suite { name: "doctest", about: "every example in the documentation", run: rust::doctest },
    Suite { name: "examples", about: "each example builds, starts and shakes hands", run: servers::examples },
    Suite { name: "bench-smoke", about: "sori bench serve shakes hands", run: servers::bench_smoke },
    Suite { name: "soak-smoke", about: "some seconds of clients that come and go, and nothing is left", run: crate::soak::smoke },
    Suite { name: "instructions", about: "operations execute what they did, within 3 %", run: instructions::run },
    Suite { name: "interop", about: "real Socket.IO clients, 1.0 to 4.8 and Python", run: node::interop },
    Suite { name: "bench-servers", about: "sori bench against npm's socket.io, and nginx with Nchan", run: bench_servers::run },
    Suite { name: "plain", about: "clients without a library beside one with it: Node, Python, curl", run: node::plain },
    Suite { name: "documents", about: "the plain wire's documents, and their programs", run: node::documents },
    Suite { name: "differential", about: "the same bytes to socket.io for Node and to Sori", run: node::differential },
    Suite { name: "autobahn", about: "Autobahn's WebSocket cases", run: autobahn::run },
    Suite { name: "browser", about: "headless Chromium on the chat page", run: browser::chat },
    Suite { name: "browser-plain", about: "EventSource and its kin in Chromium, and attacks", run: browser::plain },
    Suite { name: "gallery", about: "headless Chromium on the gallery's applications", run: browser::gallery },
    Suite { name: "lab", about: "headless Chromium on the lab, and what its page counts", run: browser::lab },
    Suite { name: "fuzz", about: "each decoder's fuzz target for a bounded time", run: fuzz::run },
];
