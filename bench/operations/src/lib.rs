//! What a server does for one client or for many, each operation defined once and read twice: criterion times it
//! (`cargo bench`), and `cargo xtask instructions` counts what it executes.

mod codecs;
mod delivery;
mod operation;
mod world;

pub use operation::{Operation, Work};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Every operation, the small ones first.
pub fn all() -> Vec<Operation> {
    codecs::operations().chain(delivery::operations()).collect()
}
