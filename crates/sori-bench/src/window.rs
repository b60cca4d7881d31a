//! How many messages are under way in a closed loop, across all threads of a process.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use tokio::sync::Notify;

/// Counts what has been answered, or has come to everybody, and tells the part that sent it.
pub(crate) struct Window {
    /// Of each part.
    parts: Box<[Answers]>,
    /// Those to whom everything must come.
    present: AtomicU32,
    /// To how many each message has come: `RING` for each sender. Empty in an open loop.
    heard: Box<[AtomicU32]>,
}

#[derive(Default)]
struct Answers {
    count: AtomicU32,
    notify: Notify,
}

impl Window {
    /// For so many parts, and so many senders of a closed loop; 0 in an open one, and where clients ask.
    pub(crate) fn new(parts: u32, senders: u32) -> Self {
        Self {
            parts: (0..parts.max(1)).map(|_| Answers::default()).collect(),
            present: AtomicU32::default(),
            heard: (0..senders as usize * RING).map(|_| AtomicU32::default()).collect(),
        }
    }

    /// Somebody is there.
    pub(crate) fn join(&self) {
        self.present.fetch_add(1, Relaxed);
    }

    /// Somebody is there no longer, and may have been the last one whom messages had to come to.
    pub(crate) fn leave(&self) {
        let present = self.present.fetch_sub(1, Relaxed) - 1;
        for (at, count) in self.heard.iter().enumerate() {
            if present > 0 && count.load(Relaxed) >= present {
                count.store(0, Relaxed);
                self.answered(self.part_of(at / RING));
            }
        }
    }

    /// A message leaves, and has come to nobody.
    pub(crate) fn begins(&self, sender: u32, seq: u32) {
        if let Some(count) = self.of(sender, seq) {
            count.store(0, Relaxed);
        }
    }

    /// A message has come to one more.
    pub(crate) fn heard(&self, sender: u32, seq: u32) {
        let Some(count) = self.of(sender, seq) else { return };
        if count.fetch_add(1, Relaxed) + 1 == self.present.load(Relaxed) {
            count.store(0, Relaxed);
            self.answered(self.part_of(sender as usize));
        }
    }

    /// A message of this part is done with.
    pub(crate) fn answered(&self, part: u32) {
        let answers = &self.parts[part as usize];
        answers.count.fetch_add(1, Relaxed);
        answers.notify.notify_one();
    }

    /// How many of this part were, since the last time.
    pub(crate) fn take_answered(&self, part: u32) -> u32 {
        self.parts[part as usize].count.swap(0, Relaxed)
    }

    /// Until one of this part is.
    pub(crate) async fn changed(&self, part: u32) {
        self.parts[part as usize].notify.notified().await;
    }

    /// What is under way of this part is given up.
    pub(crate) fn clear(&self, part: u32) {
        let own = self.heard.iter().enumerate().filter(|(at, _)| self.part_of(at / RING) == part);
        own.for_each(|(_, count)| count.store(0, Relaxed));
    }

    fn of(&self, sender: u32, seq: u32) -> Option<&AtomicU32> {
        self.heard.get(sender as usize * RING + seq as usize % RING)
    }

    fn part_of(&self, sender: usize) -> u32 {
        (sender % self.parts.len()) as u32
    }
}

/// More cannot be outstanding.
pub(crate) const RING: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_done_when_all_have_it() {
        let window = Window::new(1, 2);
        (0..3).for_each(|_| window.join());
        for (sender, seq) in [(0, 7), (1, 7), (0, 7), (0, 8)] {
            window.heard(sender, seq);
        }
        assert_eq!(window.take_answered(0), 0);
        window.heard(0, 7);
        assert_eq!((window.take_answered(0), window.take_answered(0)), (1, 0));
        // The same place, a ring later.
        (0..3).for_each(|_| window.heard(0, 7 + RING as u32));
        assert_eq!(window.take_answered(0), 1);
    }

    #[test]
    fn who_leaves_is_not_waited_for() {
        let window = Window::new(1, 1);
        (0..3).for_each(|_| window.join());
        (0..2).for_each(|_| window.heard(0, 5));
        window.leave();
        assert_eq!(window.take_answered(0), 1);
        // One of those two had it already: the other's comes late, and counts for nothing new.
        window.heard(0, 5);
        window.begins(0, 5 + RING as u32);
        window.heard(0, 5 + RING as u32);
        assert_eq!(window.take_answered(0), 0);
    }

    #[test]
    fn each_part_has_its_own_answers() {
        let window = Window::new(2, 4);
        window.join();
        window.heard(3, 0);
        window.answered(0);
        assert_eq!((window.take_answered(0), window.take_answered(1)), (1, 1));
        window.join();
        (0..4).for_each(|sender| window.heard(sender, 1));
        window.clear(1);
        (0..4).for_each(|sender| window.heard(sender, 1));
        assert_eq!((window.take_answered(0), window.take_answered(1)), (2, 0));
    }

    #[test]
    fn nothing_is_counted_in_an_open_loop() {
        let window = Window::new(1, 0);
        window.join();
        window.heard(0, 0);
        assert_eq!(window.take_answered(0), 0);
    }
}
