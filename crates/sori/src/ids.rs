//! Ids that nobody can guess.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// A public id: 20 characters, 120 random bits, as the reference's.
pub(crate) fn random_id() -> String {
    encoded::<15>()
}

/// A bearer secret: 24 characters, 144 random bits.
pub(crate) fn secret_id() -> String {
    encoded::<18>()
}

fn encoded<const N: usize>() -> String {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system's random generator answers");
    URL_SAFE_NO_PAD.encode(bytes)
}
