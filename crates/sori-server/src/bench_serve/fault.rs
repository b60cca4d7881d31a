//! What a server may do wrong, so that it is seen who notices.

use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// Every 50th broadcast reaches nobody, and every 50th echo is not answered
    Drop,
    /// Every 50th broadcast is sent twice; an ack cannot be
    Double,
    /// Every 50th broadcast is held back and sent after the next one
    Reorder,
}

/// Counts, and knows whose turn it is.
pub struct Faulty {
    fault: Fault,
    turn: Mutex<Turn>,
}

#[derive(Default)]
struct Turn {
    echoes: u64,
    broadcasts: u64,
    held: Option<String>,
}

impl Fault {
    pub fn about(self) -> &'static str {
        match self {
            Self::Drop => "every 50th broadcast reaches nobody, and every 50th echo is not answered",
            Self::Double => "every 50th broadcast is sent twice",
            Self::Reorder => "every 50th broadcast is held back and sent after the next one",
        }
    }
}

impl Faulty {
    pub fn new(fault: Fault) -> Self {
        Self { fault, turn: Mutex::default() }
    }

    /// What an echo is answered.
    pub fn echo(&self, text: String) -> Option<String> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        turn.echoes += 1;
        let is_dropped = self.fault == Fault::Drop && turn.echoes.is_multiple_of(EVERY);
        (!is_dropped).then_some(text)
    }

    /// What is sent now, one after the other.
    pub fn broadcast(&self, text: String) -> Vec<String> {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        turn.broadcasts += 1;
        match self.fault {
            _ if !turn.broadcasts.is_multiple_of(EVERY) => [text].into_iter().chain(turn.held.take()).collect(),
            Fault::Drop => Vec::new(),
            Fault::Double => vec![text.clone(), text],
            Fault::Reorder => {
                turn.held = Some(text);
                Vec::new()
            }
        }
    }
}

/// Often enough for a short run, and seldom enough for one that fails by itself to be told from it.
const EVERY: u64 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn broadcasts(fault: Fault) -> Vec<String> {
        let faulty = Faulty::new(fault);
        (1..=101).flat_map(|n| faulty.broadcast(n.to_string())).collect()
    }

    /// The numbers around the first fault.
    fn check(fault: Fault, expected: &[&str], all: usize) {
        let sent = broadcasts(fault);
        assert_eq!(sent[48..48 + expected.len()], *expected, "{fault:?}");
        assert_eq!(sent.len(), all, "{fault:?}");
    }

    #[test]
    fn every_50th_broadcast_goes_wrong() {
        check(Fault::Drop, &["49", "51"], 99);
        check(Fault::Double, &["49", "50", "50", "51"], 103);
        check(Fault::Reorder, &["49", "51", "50", "52"], 101);
    }

    #[test]
    fn only_drops_concern_echoes() {
        let answered = |fault| {
            let faulty = Faulty::new(fault);
            (1..=100).filter(|n: &u32| faulty.echo(n.to_string()).is_some()).count()
        };
        assert_eq!([Fault::Drop, Fault::Double, Fault::Reorder].map(answered), [98, 100, 100]);
    }
}
