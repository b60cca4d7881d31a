//! A part of the load: its clients, on one thread.

mod befall;
mod member;
mod rehearse;
mod sending;
mod visits;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use sori_client::Error;
use tokio::{sync::mpsc, task::spawn_local};

use crate::{
    Checker, Completeness, Latencies, Ports, Random, Seen, Sources, Tick,
    alarm::Alarm,
    fault::Faults,
    limits::addresses,
    link::Heard,
    orders::{Brief, Errand, Finished, Order, PartTick, Report, Visit},
    run::{CATCHING_UP, COMING_BACK, CONNECT},
    way::Way,
    window::Window,
};

use member::{Member, Wish};
pub(crate) use visits::SPARE_PLACES;

/// The clients of one thread, and what they have seen. Time is in nanoseconds since the run began.
pub(crate) struct Part {
    brief: Brief,
    way: Way,
    epoch: Instant,
    members: RefCell<Vec<Rc<Member>>>,
    sources: RefCell<Sources>,
    random: RefCell<Random>,
    tick: RefCell<Tick>,
    faults: RefCell<Faults>,
    /// Of those who come and go, and what belongs to no stream.
    completeness: RefCell<Completeness>,
    connects: RefCell<Latencies>,
    returns: RefCell<Latencies>,
    caught_up: RefCell<Latencies>,
    resumed: Cell<u64>,
    restarted: Cell<u64>,
    slow_closed: Cell<u64>,
    waiting: Cell<u64>,
    back_ns: Cell<u64>,
    errand: Cell<Errand>,
    sending: RefCell<Option<sending::Sending>>,
    /// Clients whose question was answered, and that ask next in a closed loop.
    free: RefCell<VecDeque<Rc<Member>>>,
    befalling: RefCell<Option<tokio::task::AbortHandle>>,
    visiting: RefCell<Option<tokio::task::AbortHandle>>,
    window: Arc<Window>,
}

impl Part {
    /// Does what it is told until nobody is there to tell it. To be run in a `LocalSet`.
    pub(crate) async fn run(
        brief: Brief,
        window: Arc<Window>,
        mut orders: mpsc::UnboundedReceiver<Order>,
        reports: mpsc::UnboundedSender<Report>,
    ) {
        let part = Self::new(brief, window);
        while let Some(order) = orders.recv().await {
            let report = match &part {
                Ok(part) => part.obey(order).await,
                Err(why) => Report::Failed(why.clone()),
            };
            if reports.send(report).is_err() {
                break;
            }
        }
    }

    fn new(brief: Brief, window: Arc<Window>) -> Result<Rc<Self>, String> {
        let way = Way::new(brief.file.server.clone(), brief.target.clone(), brief.posts.clone())?;
        let sources = sources(&brief)?.part(brief.index, brief.parts);
        let seed = Random::new(brief.seed ^ u64::from(brief.index)).next_u64();
        Ok(Rc::new(Self {
            epoch: brief.epoch(),
            way,
            members: RefCell::default(),
            sources: RefCell::new(sources),
            random: RefCell::new(Random::new(seed)),
            tick: RefCell::default(),
            faults: RefCell::default(),
            completeness: RefCell::default(),
            connects: RefCell::default(),
            returns: RefCell::default(),
            caught_up: RefCell::default(),
            resumed: Cell::default(),
            restarted: Cell::default(),
            slow_closed: Cell::default(),
            waiting: Cell::default(),
            back_ns: Cell::default(),
            errand: Cell::new(Errand::Nothing),
            sending: RefCell::default(),
            free: RefCell::default(),
            befalling: RefCell::default(),
            visiting: RefCell::default(),
            window,
            brief,
        }))
    }

    async fn obey(self: &Rc<Self>, order: Order) -> Report {
        match order {
            Order::Rehearse(errand) => match self.rehearse(errand).await {
                Ok(()) => Report::Done,
                Err(why) => Report::Failed(why),
            },
            Order::Connect => {
                self.waiting.set(self.brief.numbers().count() as u64);
                spawn_local(self.clone().connect_all());
                Report::Done
            }
            Order::Tick => Report::Ticked(Box::new(PartTick {
                tick: self.tick.borrow_mut().take(),
                faults: self.faults.take(),
                waiting: self.waiting.get(),
                back_ns: self.back_ns.get(),
            })),
            Order::Expect(errand) => {
                self.errand.set(errand);
                Report::Done
            }
            Order::Send(errand) => match self.send(errand) {
                Ok(()) => Report::Done,
                Err(why) => Report::Failed(why),
            },
            Order::Hush => {
                let (all, each) = self.hush();
                Report::Hushed(all, each)
            }
            Order::Befall(event) => {
                self.befall(event);
                Report::Done
            }
            Order::Visit(visit) => {
                if let Some(before) = self.visiting.take() {
                    before.abort();
                }
                if visit == Visit::Nobody {
                    return Report::Done;
                }
                match Alarm::new() {
                    Ok(alarm) => {
                        *self.visiting.borrow_mut() = Some(spawn_local(self.clone().receive(visit, alarm)).abort_handle());
                        Report::Done
                    }
                    Err(error) => Report::Failed(no_timer(&error)),
                }
            }
            Order::Leave => {
                self.members.borrow().iter().filter(|member| member.is_connected()).for_each(|member| member.wish(Wish::Leave));
                Report::Done
            }
            Order::Finish(said) => Report::Finished(Box::new(self.finish(&said))),
        }
    }

    /// Connects everybody, each at its time. Those before it need not be there.
    async fn connect_all(self: Rc<Self>) {
        let gap_s = 1.0 / self.brief.share(self.brief.file.load.connect_rate);
        let began = Instant::now();
        for (count, number) in self.brief.numbers().enumerate() {
            let due = began + Duration::from_secs_f64(gap_s * count as f64);
            if due > Instant::now() {
                tokio::time::sleep_until(due.into()).await;
            } else if count % 16 == 0 {
                // Those that are there are to be heard, too.
                tokio::task::yield_now().await;
            }
            let member = Rc::new(Member::new(number, self.brief.kind(number), self.is_slow(number)));
            self.members.borrow_mut().push(member.clone());
            spawn_local(self.clone().live(member, due));
        }
    }

    /// Those that send are never slow.
    fn is_slow(&self, number: u64) -> bool {
        let slow = self.brief.slow;
        number > 0 && ((number + 1) as f64 * slow).floor() > (number as f64 * slow).floor()
    }

    /// Something came to a client.
    fn heard(&self, member: &Member, heard: Heard) {
        let stamp = match heard {
            Heard::Message(stamp) => stamp,
            Heard::Unreadable => return self.completeness.borrow_mut().unreadable += 1,
            Heard::Other => return,
        };
        let errand = self.errand.get();
        let at = match errand {
            _ if stamp.run == rehearsal(self.brief.run) => return,
            Errand::Ask { .. } if u64::from(stamp.sender) == member.number => 0,
            Errand::Say { senders, .. } | Errand::SayOnce { senders } if stamp.sender < senders => stamp.sender as usize,
            _ => return self.completeness.borrow_mut().foreign += 1,
        };
        if stamp.run != self.brief.run {
            return self.completeness.borrow_mut().foreign += 1;
        }
        let seen = self.check(member, at, stamp.seq, stamp.sent_ns);
        let latency_ns = self.now_ns().saturating_sub(stamp.sent_ns);
        if member.is_slow {
            return;
        }
        let mut tick = self.tick.borrow_mut();
        match seen {
            Seen::InOrder => {}
            Seen::AfterGap(missing) => tick.counts.skipped += u64::from(missing),
            Seen::Late => tick.counts.out_of_order += 1,
            Seen::Double => {
                tick.counts.doubled += 1;
                return;
            }
        }
        tick.counts.delivered += 1;
        match stamp.sent_ns < member.resumed_ns.get() {
            true => self.caught_up.borrow_mut().record_ns(latency_ns),
            false => tick.latencies.record_ns(latency_ns),
        }
        drop(tick);
        match errand {
            Errand::Ask { .. } => self.answered(member),
            _ => self.window.heard(stamp.sender, stamp.seq),
        }
    }

    fn check(&self, member: &Member, at: usize, seq: u32, sent_ns: u64) -> Seen {
        let mut checkers = member.checkers.borrow_mut();
        while checkers.len() <= at {
            let mut checker = Checker::new();
            if member.resumed_ns.get() > 0 {
                checker.resumed(member.resumed_ns.get());
            }
            checkers.push(checker);
        }
        checkers[at].receive(seq, sent_ns)
    }

    fn finish(&self, said: &[u32]) -> Finished {
        // Whoever still has something in mind has nobody to do it to.
        [&self.befalling, &self.visiting].into_iter().filter_map(RefCell::take).for_each(|task| task.abort());
        let mut completeness = self.completeness.take();
        let mut slow = Completeness::default();
        let is_ask = matches!(self.errand.get(), Errand::Ask { .. });
        for member in self.members.take() {
            let mut checkers = member.checkers.take();
            // Who was never there has missed nothing that it could have had.
            if checkers.is_empty() && !member.is_connected() && !member.was_there.get() {
                continue;
            }
            let own = [member.said.get()];
            let all = if is_ask { &own[..] } else { said };
            checkers.resize_with(all.len(), Checker::new);
            for (sender, (checker, said)) in checkers.into_iter().zip(all).enumerate() {
                let of = if member.is_slow { &mut slow } else { &mut completeness };
                let sender = if is_ask { member.number as u32 } else { sender as u32 };
                of.add(member.number, sender, checker.finish(*said));
            }
        }
        let named = [(CONNECT, self.connects.take()), (COMING_BACK, self.returns.take()), (CATCHING_UP, self.caught_up.take())];
        let latencies = named.into_iter().filter(|(_, latencies)| !latencies.is_empty());
        Finished {
            completeness,
            slow,
            latencies: latencies.map(|(name, latencies)| (name.to_owned(), latencies)).collect(),
            resumed: self.resumed.get(),
            restarted: self.restarted.get(),
            slow_closed: self.slow_closed.get(),
        }
    }

    fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    fn refused(&self, error: &Error) {
        self.tick.borrow_mut().counts.refused += 1;
        self.faults.borrow_mut().add(error);
    }

    fn lost(&self, error: &Error) {
        self.tick.borrow_mut().counts.lost += 1;
        self.faults.borrow_mut().add(error);
    }

    fn fault(&self, error: &Error) {
        self.tick.borrow_mut().counts.errors += 1;
        self.faults.borrow_mut().add(error);
    }
}

/// Where all connections of a run come from.
pub(crate) fn sources(brief: &Brief) -> Result<Sources, String> {
    let mut own = Vec::new();
    for source in &brief.file.server.sources {
        own.extend(addresses(source)?);
    }
    let to = brief.target.addresses[0].ip();
    Sources::plan(to, brief.parts.into(), brief.connections, &own, Ports::here())
}

fn no_timer(error: &std::io::Error) -> String {
    format!("the system has no timer for us: {error}")
}

/// Messages of the rehearsal bear another number.
fn rehearsal(run: u32) -> u32 {
    !run
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_waits_is_small() {
        fn size<F: Future, A, B, C>(_: impl Fn(A, B, C) -> F) -> usize {
            size_of::<F>()
        }
        let (member, life) = (size_of::<Member>(), size(Part::live));
        assert!(member <= 560 && life <= 640, "{member} and {life} bytes");
    }
}
