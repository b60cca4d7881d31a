//! Bytes that nobody can guess, for masks and keys (RFC 6455, 5.3 and 10.3).

use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
};

/// A keyed hash of a counter: the key is the system's, and no two calls get the same. Enough to keep a page's author from
/// choosing what is on the wire, which is what masks are for.
pub(crate) fn random() -> u64 {
    thread_local! {
        static SOURCE: (RandomState, Cell<u64>) = (RandomState::new(), Cell::new(0));
    }
    SOURCE.with(|(key, counter)| {
        counter.set(counter.get().wrapping_add(1));
        key.hash_one(counter.get())
    })
}

/// A masking key.
pub(crate) fn mask() -> [u8; 4] {
    (random() as u32).to_ne_bytes()
}

/// The bytes of a `Sec-WebSocket-Key`.
pub(crate) fn nonce() -> [u8; 16] {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&random().to_ne_bytes());
    nonce[8..].copy_from_slice(&random().to_ne_bytes());
    nonce
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_are_the_same() {
        let many: std::collections::HashSet<_> = (0..10_000).map(|_| super::nonce()).collect();
        assert_eq!(many.len(), 10_000);
    }
}
