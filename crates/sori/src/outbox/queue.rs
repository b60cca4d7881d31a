//! What waits, in order.

use std::{collections::VecDeque, slice};

/// A queue that owns no memory while it is empty, and none beside itself with one item in it, as most often.
#[derive(Default)]
pub(super) enum Queue<T> {
    #[default]
    Empty,
    One(T),
    Many(VecDeque<T>),
}

impl<T> Queue<T> {
    pub(super) fn push_back(&mut self, item: T) {
        match self {
            Self::Empty => *self = Self::One(item),
            Self::One(_) => self.widened().push_back(item),
            Self::Many(items) => items.push_back(item),
        }
    }

    pub(super) fn push_front(&mut self, item: T) {
        match self {
            Self::Empty => *self = Self::One(item),
            Self::One(_) => self.widened().push_front(item),
            Self::Many(items) => items.push_front(item),
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<T> {
        match self {
            Self::Many(items) if items.len() > 1 => items.pop_front(),
            _ => match std::mem::take(self) {
                Self::Empty => None,
                Self::One(item) => Some(item),
                Self::Many(mut items) => items.pop_front(),
            },
        }
    }

    pub(super) fn retain_mut(&mut self, mut keeps: impl FnMut(&mut T) -> bool) {
        match self {
            Self::Empty => {}
            Self::One(item) => {
                if !keeps(item) {
                    *self = Self::Empty;
                }
            }
            Self::Many(items) => {
                items.retain_mut(keeps);
                if items.is_empty() {
                    *self = Self::Empty;
                }
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let (front, back) = match self {
            Self::Empty => (&[][..], &[][..]),
            Self::One(item) => (slice::from_ref(item), &[][..]),
            Self::Many(items) => items.as_slices(),
        };
        front.iter().chain(back)
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(_) => 1,
            Self::Many(items) => items.len(),
        }
    }

    fn widened(&mut self) -> &mut VecDeque<T> {
        let one = self.pop_front();
        // Room for four, as the queued broadcasts of one turn are few.
        let mut items = VecDeque::with_capacity(4);
        items.extend(one);
        *self = Self::Many(items);
        match self {
            Self::Many(items) => items,
            _ => unreachable!("set just now"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_queue_however_many_wait() {
        let mut queue = Queue::default();
        let mut model = VecDeque::new();
        // Grows to five, shrinks to none, from both ends.
        for step in 0..200_u32 {
            match step % 7 {
                0 | 2 | 4 => (queue.push_back(step), model.push_back(step)).0,
                1 if step % 3 == 0 => (queue.push_front(step), model.push_front(step)).0,
                6 if step % 5 == 0 => {
                    queue.retain_mut(|item| *item % 2 == 0);
                    model.retain_mut(|item| *item % 2 == 0);
                }
                _ => assert_eq!(queue.pop_front(), model.pop_front()),
            }
            while model.len() > 5 || (step % 50 > 40 && !model.is_empty()) {
                assert_eq!(queue.pop_front(), model.pop_front());
            }
            assert!(queue.iter().eq(&model), "step {step}");
            assert_eq!((queue.len(), queue.is_empty()), (model.len(), model.is_empty()));
            assert_eq!(matches!(queue, Queue::Empty), model.is_empty(), "nothing is owned when nothing waits");
        }
    }
}
