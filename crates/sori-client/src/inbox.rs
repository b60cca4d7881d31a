//! What one read brought and the caller has not taken yet.

use std::collections::VecDeque;

use crate::Error;

/// Events in order, and then the end. Empty, it owns nothing.
pub(crate) struct Inbox<T> {
    events: VecDeque<T>,
    end: Option<Box<Error>>,
    is_over: bool,
}

impl<T> Inbox<T> {
    pub(crate) fn push(&mut self, event: T) {
        self.events.push_back(event);
    }

    /// After what is there, this is all. The first end counts.
    pub(crate) fn end(&mut self, error: Error) {
        if self.end.is_none() && !self.is_over {
            self.end = Some(Box::new(error));
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Result<T, Error>> {
        if let Some(event) = self.events.pop_front() {
            if self.events.is_empty() {
                self.events = VecDeque::new();
            }
            return Some(Ok(event));
        }
        self.take_end().map(Err)
    }

    /// The first event that `is_it`, past all others; they stay.
    pub(crate) fn take(&mut self, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let at = self.events.iter().position(is_it)?;
        self.events.remove(at)
    }

    pub(crate) fn take_end(&mut self) -> Option<Error> {
        if let Some(end) = self.end.take() {
            self.is_over = true;
            return Some(*end);
        }
        self.is_over.then(|| Error::closed("it is over already"))
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.end.is_some() || self.is_over
    }
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self { events: VecDeque::new(), end: None, is_over: false }
    }
}
