//! Ids that nobody can guess.

use std::{fmt, ops::Deref, str};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// A session's id, the secret of its client: 24 characters, 144 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sid([u8; 24]);

/// A socket's id, which is public.
pub(crate) enum Id {
    /// 20 characters, 120 random bits, as the reference's. Every client's but those of revision 3.
    Random([u8; 20]),
    Derived(Box<str>),
}

impl Sid {
    pub(crate) fn random() -> Self {
        Self(encoded::<18, 24>())
    }

    /// One that we gave out before. None when it cannot be.
    pub(crate) fn parse(sid: &str) -> Option<Self> {
        sid.as_bytes().try_into().ok().map(Self)
    }
}

impl Id {
    pub(crate) fn random() -> Self {
        Self::Random(encoded::<15, 20>())
    }
}

impl From<&str> for Id {
    fn from(id: &str) -> Self {
        id.as_bytes().try_into().map_or_else(|_| Self::Derived(id.into()), Self::Random)
    }
}

impl Deref for Sid {
    type Target = str;

    fn deref(&self) -> &str {
        text(&self.0)
    }
}

impl Deref for Id {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Random(id) => text(id),
            Self::Derived(id) => id,
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

fn encoded<const BYTES: usize, const CHARS: usize>() -> [u8; CHARS] {
    let (mut bytes, mut chars) = ([0; BYTES], [0; CHARS]);
    getrandom::fill(&mut bytes).expect("the system's random generator answers");
    URL_SAFE_NO_PAD.encode_slice(bytes, &mut chars).expect("four characters hold three bytes");
    chars
}

fn text(chars: &[u8]) -> &str {
    str::from_utf8(chars).expect("ids are text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_in_place_and_their_length_is_the_references() {
        assert_eq!((size_of::<Sid>(), size_of::<Id>()), (24, 24));
        let (sid, id) = (Sid::random(), Id::random());
        assert_eq!((sid.len(), id.len()), (24, 20));
        assert!(Sid::parse(&sid) == Some(sid) && Sid::parse(&id).is_none() && Sid::random() != sid);
    }
}
