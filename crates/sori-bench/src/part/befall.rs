//! What happens to clients: networks that come and go, everybody cut off at once, readers that become slow.

use std::{cmp::Reverse, collections::BinaryHeap, rc::Rc, time::Duration};

use tokio::{
    task::spawn_local,
    time::{Instant, sleep_until},
};

use super::{Member, Part, Wish};
use crate::orders::{Errand, Event};

impl Part {
    pub(super) fn befall(self: &Rc<Self>, event: Event) {
        if let Some(before) = self.befalling.take() {
            before.abort();
        }
        match event {
            Event::Slow { bytes_per_s } => {
                let members = self.members.borrow();
                members.iter().filter(|member| member.is_slow).for_each(|member| member.wish(Wish::Slow { bytes_per_s }));
            }
            Event::Jitter { up, away, silent } => {
                let task = spawn_local(self.clone().jitter(up, away, silent));
                *self.befalling.borrow_mut() = Some(task.abort_handle());
            }
            Event::Avalanche { away, within } => self.cut_all(away, within),
            Event::Calm => {
                let members = self.members.borrow();
                members.iter().filter(|member| member.is_slow).for_each(|member| member.wish(Wish::Read));
            }
        }
    }

    fn cut_all(&self, away: Duration, within: Duration) {
        let now = Instant::now();
        for member in self.members.borrow().iter().filter(|member| !self.is_steady(member)) {
            let until = now + away + within.mul_f64(self.random.borrow_mut().unit());
            if member.is_connected() {
                member.wish(Wish::Away { is_cut: true, until });
            }
        }
    }

    /// Each client's network fails after a time that chance decides, again and again.
    async fn jitter(self: Rc<Self>, up: Duration, away: Duration, silent: f64) {
        let chance = |mean: Duration| mean.mul_f64(self.random.borrow_mut().exponential(1.0).min(20.0));
        let now = Instant::now();
        let mut failures: BinaryHeap<Reverse<(Instant, usize)>> = {
            let members = self.members.borrow();
            let all = members.iter().enumerate().filter(|(_, member)| !self.is_steady(member));
            all.map(|(at, _)| Reverse((now + chance(up), at))).collect()
        };
        while let Some(Reverse((when, at))) = failures.pop() {
            sleep_until(when).await;
            let member = self.members.borrow()[at].clone();
            let until = Instant::now() + chance(away);
            if member.is_connected() {
                let is_cut = self.random.borrow_mut().unit() > silent;
                member.wish(Wish::Away { is_cut, until });
            }
            failures.push(Reverse((until + chance(up), at)));
        }
    }

    /// Those that send stay where they are, so that there is something to miss.
    fn is_steady(&self, member: &Member) -> bool {
        match self.errand.get() {
            Errand::Say { senders, .. } | Errand::SayOnce { senders } => {
                member.number < u64::from(senders) && member.client.speaks()
            }
            Errand::Ask { .. } | Errand::Nothing => false,
        }
    }
}
