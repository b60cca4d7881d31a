//! How many messages are under way in a closed loop, across all threads of a process.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use tokio::sync::Notify;

/// Counts what has been answered, or has come to everybody, and tells the senders.
pub(crate) struct Window {
    answered: AtomicU32,
    notify: Notify,
    /// Those to whom everything must come.
    present: AtomicU32,
    /// To how many each message has come: `RING` for each sender. Empty in an open loop.
    heard: Box<[AtomicU32]>,
}

impl Window {
    /// For so many senders of a closed loop; 0 in an open one, and where clients ask.
    pub(crate) fn new(senders: u32) -> Self {
        Self {
            answered: AtomicU32::default(),
            notify: Notify::new(),
            present: AtomicU32::default(),
            heard: (0..senders as usize * RING).map(|_| AtomicU32::default()).collect(),
        }
    }

    /// Somebody is there.
    pub(crate) fn join(&self) {
        self.present.fetch_add(1, Relaxed);
    }

    /// Somebody is there no longer.
    pub(crate) fn leave(&self) {
        self.present.fetch_sub(1, Relaxed);
    }

    /// A message has come to one more.
    pub(crate) fn heard(&self, sender: u32, seq: u32) {
        let Some(count) = self.heard.get(sender as usize * RING + seq as usize % RING) else { return };
        if count.fetch_add(1, Relaxed) + 1 == self.present.load(Relaxed) {
            count.store(0, Relaxed);
            self.answered();
        }
    }

    /// A message is done with.
    pub(crate) fn answered(&self) {
        self.answered.fetch_add(1, Relaxed);
        self.notify.notify_one();
    }

    /// How many were, since the last time.
    pub(crate) fn take_answered(&self) -> u32 {
        self.answered.swap(0, Relaxed)
    }

    /// Until one is.
    pub(crate) async fn changed(&self) {
        self.notify.notified().await;
    }

    /// What is under way is given up.
    pub(crate) fn clear(&self) {
        self.heard.iter().for_each(|count| count.store(0, Relaxed));
    }
}

/// More cannot be outstanding.
pub(crate) const RING: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_done_when_all_have_it() {
        let window = Window::new(2);
        (0..3).for_each(|_| window.join());
        for (sender, seq) in [(0, 7), (1, 7), (0, 7), (0, 8)] {
            window.heard(sender, seq);
        }
        assert_eq!(window.take_answered(), 0);
        window.heard(0, 7);
        assert_eq!((window.take_answered(), window.take_answered()), (1, 0));
        window.leave();
        window.heard(1, 7);
        assert_eq!(window.take_answered(), 1);
        // The same place, a ring later.
        (0..2).for_each(|_| window.heard(0, 7 + RING as u32));
        assert_eq!(window.take_answered(), 1);
    }

    #[test]
    fn nothing_is_counted_in_an_open_loop() {
        let window = Window::new(0);
        window.join();
        window.heard(0, 0);
        assert_eq!(window.take_answered(), 0);
    }
}
