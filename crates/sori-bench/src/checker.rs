//! Whether a stream arrived: everything, once, in order.

use std::ops::Range;

/// One sender's messages at one receiver. 16 bytes while all goes well.
///
/// ```
/// use sori_bench::{Checker, Seen};
///
/// let mut checker = Checker::new();
/// assert_eq!(checker.receive(0, 10), Seen::InOrder);
/// assert_eq!(checker.receive(2, 30), Seen::AfterGap(1));
/// assert_eq!(checker.receive(2, 30), Seen::Double);
/// let tally = checker.finish(4); // the sender has sent four
/// assert_eq!((tally.delivered, tally.missing, tally.doubled), (2, 2, 1));
/// ```
#[derive(Debug, Default)]
pub struct Checker {
    /// The first one that is expected.
    first: u32,
    /// One more than the highest one received.
    next: u32,
    /// What is not as it should be, and what is known since a break.
    notes: Option<Box<Notes>>,
}

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The next one.
    InOrder,
    /// A later one: so many before it are missing, for now.
    AfterGap(u32),
    /// One that was missing, behind later ones: out of order (RFC 4737, "Reordered").
    Late,
    /// It has come before. Its latency is none.
    Double,
}

#[derive(Debug, Default)]
struct Notes {
    doubled: u32,
    out_of_order: u32,
    recovered: u32,
    resumed_ns: u64,
    /// What is missing below `next`, in order and apart.
    gaps: Vec<Range<u32>>,
    /// Of gaps that were too many to be remembered.
    given_up: u32,
    given_up_longest: u32,
    given_up_first: Option<u32>,
}

/// What became of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many were sent to this receiver.
    pub expected: u64,
    /// How many of them came, once or more often.
    pub delivered: u64,
    /// How many of them never came.
    pub missing: u64,
    /// How many came although they had come before.
    pub doubled: u64,
    /// How many came behind a later one.
    pub out_of_order: u64,
    /// How many came after the connection had been broken and was there again, though sent before that.
    pub recovered: u64,
    /// How many came that nobody has sent.
    pub foreign: u64,
    /// The most that are missing one after the other.
    pub longest_gap: u64,
    /// The first that is missing.
    pub first_missing: Option<u32>,
    /// Missing ones that could not be remembered singly: if one of them came late, it counts here as missing and doubled.
    pub uncertain: u64,
}

impl Checker {
    /// For a receiver that is there before the first message.
    pub fn new() -> Self {
        Self::default()
    }

    /// For a receiver that comes later, and is to get this one and those after it.
    pub fn starting_at(first: u32) -> Self {
        Self { first, next: first, notes: None }
    }

    /// A message came.
    pub fn receive(&mut self, seq: u32, sent_ns: u64) -> Seen {
        let seen = match seq {
            _ if seq == self.next => Seen::InOrder,
            _ if seq > self.next => {
                let gap = self.next..seq;
                self.notes().open_gap(gap);
                Seen::AfterGap(seq - self.next)
            }
            // What came before it was expected does no harm: the server was quicker to let the receiver in.
            _ if seq < self.first => return Seen::InOrder,
            _ if self.notes.as_mut().is_some_and(|notes| notes.fill(seq)) => Seen::Late,
            _ => Seen::Double,
        };
        self.next = self.next.max(seq.saturating_add(1));
        match seen {
            Seen::Double => self.notes().doubled += 1,
            Seen::Late => self.notes().out_of_order += 1,
            Seen::InOrder | Seen::AfterGap(_) => {}
        }
        if seen != Seen::Double
            && let Some(notes) = &mut self.notes
        {
            notes.recovered += u32::from(sent_ns < notes.resumed_ns);
        }
        seen
    }

    /// The connection was broken and is there again. What was sent before now and comes from here on is recovered.
    pub fn resumed(&mut self, now_ns: u64) {
        self.notes().resumed_ns = now_ns;
    }

    /// How many are missing below the highest one received.
    pub fn missing_so_far(&self) -> u64 {
        self.notes.as_ref().map_or(0, |notes| notes.missing())
    }

    /// The end: the sender has sent `sent` messages in all, from 0 on.
    pub fn finish(mut self, sent: u32) -> Tally {
        let received_end = self.next;
        let sent = sent.max(self.first);
        if sent > self.next {
            self.notes().gaps.push(received_end..sent);
        }
        let notes = self.notes.map(|notes| *notes).unwrap_or_default();
        let beyond: u32 = notes.gaps.iter().map(|gap| gap.end.saturating_sub(gap.start.max(sent))).sum();
        let within = || notes.gaps.iter().map(|gap| gap.start..gap.end.min(sent)).filter(|gap| !gap.is_empty());
        let missing = within().map(|gap| u64::from(gap.end - gap.start)).sum::<u64>() + u64::from(notes.given_up);
        let expected = u64::from(sent - self.first);
        Tally {
            expected,
            delivered: expected.saturating_sub(missing),
            missing,
            doubled: notes.doubled.into(),
            out_of_order: notes.out_of_order.into(),
            recovered: notes.recovered.into(),
            foreign: received_end.saturating_sub(sent).saturating_sub(beyond).into(),
            longest_gap: within().map(|gap| gap.end - gap.start).fold(notes.given_up_longest, u32::max).into(),
            first_missing: notes.given_up_first.or(within().next().map(|gap| gap.start)),
            uncertain: notes.given_up.into(),
        }
    }

    fn notes(&mut self) -> &mut Notes {
        self.notes.get_or_insert_default()
    }
}

impl Notes {
    fn open_gap(&mut self, gap: Range<u32>) {
        if self.gaps.len() == GAPS_MAX {
            let oldest = self.gaps.remove(0);
            let length = oldest.end - oldest.start;
            self.given_up += length;
            self.given_up_longest = self.given_up_longest.max(length);
            self.given_up_first.get_or_insert(oldest.start);
        }
        self.gaps.push(gap);
    }

    /// Whether it was missing.
    fn fill(&mut self, seq: u32) -> bool {
        let at = self.gaps.partition_point(|gap| gap.end <= seq);
        let Some(gap) = self.gaps.get_mut(at).filter(|gap| gap.contains(&seq)) else { return false };
        match (gap.start == seq, gap.end == seq + 1) {
            (true, true) => _ = self.gaps.remove(at),
            (true, false) => gap.start += 1,
            (false, true) => gap.end -= 1,
            (false, false) => {
                let rest = seq + 1..gap.end;
                gap.end = seq;
                self.gaps.insert(at + 1, rest);
            }
        }
        true
    }

    fn missing(&self) -> u64 {
        self.gaps.iter().map(|gap| u64::from(gap.end - gap.start)).sum::<u64>() + u64::from(self.given_up)
    }
}

/// Gaps that one receiver remembers, 8 bytes each: 19,000 receivers with as many hold 39 MB.
const GAPS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// The same without thrift: everything that came, in a list.
    fn reference(received: &[u32], sent: u32) -> Tally {
        let mut seen = HashSet::new();
        let mut tally = Tally { expected: sent.into(), ..Tally::default() };
        let mut highest = None;
        for seq in received {
            if !seen.insert(*seq) {
                tally.doubled += 1;
            } else if highest.is_some_and(|highest| *seq < highest) {
                tally.out_of_order += 1;
            }
            highest = highest.max(Some(*seq));
        }
        tally.foreign = seen.iter().filter(|seq| **seq >= sent).count() as u64;
        tally.delivered = seen.len() as u64 - tally.foreign;
        tally.missing = u64::from(sent) - tally.delivered;
        tally.first_missing = (0..sent).find(|seq| !seen.contains(seq));
        let mut run = 0;
        for seq in 0..sent {
            run = if seen.contains(&seq) { 0 } else { run + 1 };
            tally.longest_gap = tally.longest_gap.max(run);
        }
        tally
    }

    fn checked(received: &[u32], sent: u32) -> Tally {
        let mut checker = Checker::new();
        received.iter().for_each(|seq| _ = checker.receive(*seq, 0));
        checker.finish(sent)
    }

    /// What a server may do to one message of its stream.
    #[derive(Clone, Debug)]
    enum Fault {
        None,
        Drop,
        Double(usize),
        Delay(usize),
    }

    fn faults() -> impl Strategy<Value = Vec<Fault>> {
        let fault = prop_oneof![
            8 => Just(Fault::None),
            1 => Just(Fault::Drop),
            1 => (0usize..20).prop_map(Fault::Double),
            1 => (1usize..20).prop_map(Fault::Delay),
        ];
        prop::collection::vec(fault, 0..400)
    }

    /// The stream that such a server makes: each message at its place, and those that were held back behind later ones.
    fn stream(faults: &[Fault]) -> Vec<u32> {
        let mut placed: Vec<(usize, usize, u32)> = Vec::new();
        for (at, fault) in faults.iter().enumerate() {
            let seq = at as u32;
            match fault {
                Fault::None => placed.push((at, 0, seq)),
                Fault::Drop => {}
                Fault::Double(later) => placed.extend([(at, 0, seq), (at + later, 1, seq)]),
                Fault::Delay(later) => placed.push((at + later, 1, seq)),
            }
        }
        placed.sort_unstable();
        placed.into_iter().map(|(.., seq)| seq).collect()
    }

    proptest! {
        #[test]
        fn every_fault_is_counted_exactly(faults in faults()) {
            let (received, sent) = (stream(&faults), faults.len() as u32);
            let tally = checked(&received, sent);
            prop_assert_eq!(tally, reference(&received, sent));
            // And against what was done, not only against what came.
            let dropped = faults.iter().filter(|fault| matches!(fault, Fault::Drop)).count() as u64;
            let doubled = faults.iter().filter(|fault| matches!(fault, Fault::Double(_))).count() as u64;
            prop_assert_eq!((tally.missing, tally.doubled), (dropped, doubled));
        }

        #[test]
        fn any_order_of_anything_is_counted_exactly(received in prop::collection::vec(0u32..60, 0..200), sent in 0u32..70) {
            prop_assert_eq!(checked(&received, sent), reference(&received, sent));
        }

        #[test]
        fn too_many_gaps_are_bounded_and_said(extra in 1u32..300) {
            let gaps = GAPS_MAX as u32 + extra;
            let received: Vec<u32> = (0..gaps).map(|at| at * 2 + 1).collect();
            let tally = checked(&received, gaps * 2);
            prop_assert_eq!((tally.missing, tally.delivered), (gaps.into(), gaps.into()));
            prop_assert_eq!((tally.uncertain, tally.first_missing), (extra.into(), Some(0)));
        }

        #[test]
        fn a_break_recovers_what_was_sent_before_it_ended(sent in 1u32..100, broken in 0u32..100, lost in 0u32..100) {
            let (broken, back) = (broken.min(sent), (broken + lost).min(sent));
            let mut checker = Checker::new();
            // Message `n` is sent at 10 n; the connection is broken before `broken`, and back before `back` is sent.
            (0..broken).for_each(|seq| _ = checker.receive(seq, u64::from(seq) * 10));
            checker.resumed(u64::from(back) * 10);
            (broken..sent).for_each(|seq| _ = checker.receive(seq, u64::from(seq) * 10));
            let tally = checker.finish(sent);
            prop_assert_eq!((tally.missing, tally.recovered), (0, u64::from(back - broken)));
        }
    }

    #[test]
    fn a_server_that_drops_is_caught() {
        let tally = checked(&[0, 1, 3, 4], 5);
        assert_eq!((tally.missing, tally.doubled, tally.out_of_order, tally.first_missing), (1, 0, 0, Some(2)));
    }

    #[test]
    fn a_server_that_drops_the_end_is_caught() {
        let tally = checked(&[0, 1], 5);
        assert_eq!((tally.missing, tally.longest_gap, tally.first_missing), (3, 3, Some(2)));
        assert_eq!(checked(&[], 5).missing, 5);
    }

    #[test]
    fn a_server_that_doubles_is_caught() {
        let tally = checked(&[0, 1, 1, 2, 0, 3, 4], 5);
        assert_eq!((tally.missing, tally.doubled, tally.out_of_order), (0, 2, 0));
    }

    #[test]
    fn a_server_that_reorders_is_caught() {
        let tally = checked(&[1, 0, 2, 4, 3], 5);
        assert_eq!((tally.missing, tally.doubled, tally.out_of_order), (0, 0, 2));
    }

    #[test]
    fn a_server_that_invents_is_caught() {
        let tally = checked(&[0, 1, 2, 9], 3);
        assert_eq!((tally.missing, tally.delivered, tally.foreign), (0, 3, 1));
    }

    #[test]
    fn a_perfect_stream_is_nothing_to_tell_and_costs_nothing() {
        let mut checker = Checker::new();
        (0..1_000).for_each(|seq| assert_eq!(checker.receive(seq, 0), Seen::InOrder));
        assert!(checker.notes.is_none());
        assert_eq!(checker.finish(1_000), Tally { expected: 1_000, delivered: 1_000, ..Tally::default() });
        assert_eq!(size_of::<Checker>(), 16);
    }

    #[test]
    fn who_comes_later_misses_nothing_from_before() {
        let mut checker = Checker::starting_at(10);
        assert_eq!(checker.receive(9, 0), Seen::InOrder);
        assert_eq!(checker.receive(10, 0), Seen::InOrder);
        assert_eq!(checker.receive(12, 0), Seen::AfterGap(1));
        let tally = checker.finish(13);
        assert_eq!((tally.expected, tally.delivered, tally.missing, tally.doubled), (3, 2, 1, 0));
        assert_eq!(Checker::starting_at(10).finish(5), Tally::default());
    }
}
