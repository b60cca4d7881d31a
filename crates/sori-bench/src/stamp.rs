//! What every message carries, so that whoever receives it knows whose it is, which one, and how old.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// The beginning of a message's text.
///
/// ```
/// use sori_bench::Stamp;
///
/// let stamp = Stamp { run: 7, sender: 3, seq: 12, sent_ns: 5_000_000 };
/// let text = stamp.text(100);
/// assert_eq!(text.len(), 100);
/// assert_eq!(Stamp::find(format!("42[\"msg\",\"{text}\"]").as_bytes()), Some(stamp));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which run: what another one left in the server, or says at the same time, is not ours.
    pub run: u32,
    /// Who sent it.
    pub sender: u32,
    /// Which of the sender's it is, counted from 0.
    pub seq: u32,
    /// When it was to be sent, in nanoseconds since the run's beginning.
    pub sent_ns: u64,
}

impl Stamp {
    /// The shortest message, in bytes.
    pub const BYTES: usize = MARK.len() + 8 * 3 + 16 + 4;

    /// The message, filled up to `bytes`: letters, digits and dots, which every format carries as they are.
    pub fn text(&self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes.max(Self::BYTES));
        self.write(&mut text, bytes);
        text
    }

    /// The same, into a string that is used again.
    pub fn write(&self, text: &mut String, bytes: usize) {
        use std::fmt::Write;
        let start = text.len();
        let Self { run, sender, seq, sent_ns } = self;
        let _ = write!(text, "{MARK}{run:08x}.{sender:08x}.{seq:08x}.{sent_ns:016x}.");
        let missing = bytes.saturating_sub(text.len() - start);
        text.extend(std::iter::repeat_n('x', missing));
    }

    /// The first one in whatever was received, envelope and all.
    pub fn find(received: &[u8]) -> Option<Self> {
        static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARK));
        let at = FINDER.find(received)? + MARK.len();
        let mut fields = received.get(at..)?;
        let mut number = |digits: usize| {
            let (field, rest) = fields.split_at_checked(digits)?;
            fields = rest.strip_prefix(b".")?;
            field.iter().try_fold(0u64, |number, digit| Some(number << 4 | u64::from(hex(*digit)?)))
        };
        Some(Self { run: number(8)? as u32, sender: number(8)? as u32, seq: number(8)? as u32, sent_ns: number(16)? })
    }
}

/// What [`Stamp::write`] writes has small letters.
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

const MARK: &str = "sori.bench.";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_found(run: u32, sender: u32, seq: u32, sent_ns: u64, bytes in 0usize..300, before in "[^.]{0,40}") {
            let stamp = Stamp { run, sender, seq, sent_ns };
            let text = stamp.text(bytes);
            prop_assert_eq!(text.len(), bytes.max(Stamp::BYTES));
            prop_assert_eq!(Stamp::find(format!("{before}{text}\"]").as_bytes()), Some(stamp));
        }

        #[test]
        fn nothing_received_is_too_strange(bytes: Vec<u8>, cut in 0usize..Stamp::BYTES) {
            Stamp::find(&bytes);
            Stamp::find(&[MARK.as_bytes(), &bytes].concat());
            let text = Stamp { run: 1, sender: 2, seq: 3, sent_ns: 4 }.text(0);
            prop_assert_eq!(Stamp::find(&text.as_bytes()[..cut]), None);
        }
    }

    #[test]
    fn a_broken_stamp_is_none() {
        let text = Stamp { run: 1, sender: 2, seq: 3, sent_ns: 4 }.text(0);
        for broken in [text.replace("00000003", "0000000g"), text.replace("00000003.", "000000003"), text.replacen(".", "-", 3)] {
            assert_eq!(Stamp::find(broken.as_bytes()), None, "{broken}");
        }
    }
}
