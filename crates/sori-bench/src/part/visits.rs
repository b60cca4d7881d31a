//! Clients that come, do something, and go.

use std::{
    cell::Cell,
    future::poll_fn,
    rc::Rc,
    time::{Duration, Instant},
};

use sori_client::Error;
use tokio::{
    task::{spawn_local, yield_now},
    time::{sleep, sleep_until},
};

use super::Part;
use crate::{
    Checker, Pace, Seen, Stamp,
    alarm::Alarm,
    link::{Heard, Link},
    orders::{Errand, Visit},
    way::Traveller,
};

impl Part {
    /// Lets them in, each at its time. While all places are taken, the next ones wait, which counts.
    pub(super) async fn receive(self: Rc<Self>, visit: Visit, alarm: Alarm) {
        let (per_s, talks) = match visit {
            Visit::Look { per_s, .. } => (per_s, false),
            Visit::Talk { per_s, .. } => (per_s, true),
            Visit::Nobody => return,
        };
        if talks {
            self.errand.set(Errand::Ask { rate: 0.0 });
        }
        let load = &self.brief.file.load;
        let mut pace = Pace::open(per_s, load.arrivals, self.brief.seed).part(self.brief.index, self.brief.parts);
        let places = self.brief.share(load.clients as f64 * if talks { SPARE_PLACES } else { 1.0 }).ceil() as u64;
        let alive = Rc::new(Cell::new(0));
        let began = Instant::now();
        for number in (u64::from(self.brief.index)..).step_by(self.brief.parts as usize) {
            let due = loop {
                let now_ns = began.elapsed().as_nanos() as u64;
                match pace.take(now_ns) {
                    Some(due_ns) => break began + Duration::from_nanos(due_ns),
                    None => {
                        let wait_ns = pace.next_ns().unwrap_or(0).saturating_sub(now_ns);
                        alarm.sleep(Duration::from_nanos(wait_ns)).await;
                    }
                }
            };
            while alive.get() >= places {
                sleep(Duration::from_millis(1)).await;
            }
            alive.set(alive.get() + 1);
            let (part, alive) = (self.clone(), alive.clone());
            spawn_local(async move {
                part.visit(visit, number, due).await;
                alive.set(alive.get() - 1);
            });
            yield_now().await;
        }
    }

    async fn visit(&self, visit: Visit, number: u64, due: Instant) {
        let Ok(from) = self.sources.borrow_mut().take() else {
            let error = std::io::ErrorKind::AddrNotAvailable.into();
            return self.refused(&Error::Unreachable { address: self.way.target().url.as_str().into(), error });
        };
        let opened = self.way.open(self.brief.kind(number), &Traveller { from, ..Traveller::default() }).await;
        match opened {
            Ok(link) => {
                {
                    let mut tick = self.tick.borrow_mut();
                    tick.counts.opened += 1;
                    tick.connected += 1;
                    match visit {
                        Visit::Talk { .. } => self.connects.borrow_mut().record(due.elapsed()),
                        _ => tick.latencies.record(due.elapsed()),
                    }
                }
                let left = match visit {
                    Visit::Talk { stay, asks_per_s, .. } => self.talk(link, number, stay, asks_per_s).await,
                    Visit::Look { stay, .. } => self.look(link, stay).await,
                    Visit::Nobody => Ok(()),
                };
                self.tick.borrow_mut().connected -= 1;
                if let Err(error) = left {
                    self.lost(&error);
                }
            }
            Err(error) => self.refused(&error),
        }
        self.sources.borrow_mut().give_back(from);
    }

    async fn look(&self, mut link: Link, stay: Duration) -> Result<(), Error> {
        if !stay.is_zero() {
            let end = tokio::time::Instant::now() + stay;
            let mut silent = None;
            tokio::select! {
                error = self.hear_out(&mut link, &mut silent) => return Err(error),
                () = sleep_until(end) => {}
            }
        }
        link.close().await
    }

    /// Asks at times that chance decides, and leaves in one of the ways that there are.
    async fn talk(&self, mut link: Link, number: u64, stay: Duration, asks_per_s: f64) -> Result<(), Error> {
        let speaks = self.brief.kind(number).speaks() && asks_per_s > 0.0;
        let stay = stay.mul_f64(self.random.borrow_mut().exponential(1.0).min(10.0));
        let (end, load) = (tokio::time::Instant::now() + stay, &self.brief.file.load);
        let mut talk = Some(Talk { checker: Checker::new(), number: number as u32, said: 0, heard: 0 });
        let mut text = String::new();
        loop {
            let pause = self.random.borrow_mut().exponential(1.0 / asks_per_s.max(1e-6));
            let next = tokio::time::Instant::now() + Duration::from_secs_f64(pause.min(86_400.0));
            tokio::select! {
                error = self.hear_out(&mut link, &mut talk) => return self.ends(talk, Err(error)),
                () = sleep_until(next.min(end)) => {}
            }
            if tokio::time::Instant::now() >= end {
                break;
            }
            if let Some(talk) = talk.as_mut().filter(|_| speaks) {
                let sent_ns = self.now_ns();
                let stamp = Stamp { run: self.brief.run, sender: talk.number, seq: talk.said, sent_ns };
                text.clear();
                stamp.write(&mut text, load.payload_bytes);
                talk.said += 1;
                self.tick.borrow_mut().counts.sent += 1;
                if let Err(error) = link.ask(&self.way.server.echo_event, &text) {
                    return self.ends(Some(std::mem::take(talk)), Err(error));
                }
            }
        }
        // What was asked is to be answered, whatever comes then.
        let patience = tokio::time::Instant::now() + *self.way.server.answer_timeout;
        while talk.as_ref().is_some_and(|talk| talk.heard < talk.said) {
            let heard = poll_fn(|cx| link.poll(cx, &self.way.server.message_event));
            match tokio::time::timeout_at(patience, heard).await {
                Ok(Ok(heard)) => self.heard_in(&mut talk, heard),
                Ok(Err(error)) => return self.ends(talk, Err(error)),
                Err(_) => break,
            }
        }
        let way = self.random.borrow_mut().below(3);
        let left = match way {
            0 => link.close().await,
            1 => {
                link.reset();
                Ok(())
            }
            // It hangs up without a word.
            _ => {
                drop(link);
                Ok(())
            }
        };
        self.ends(talk, left)
    }

    /// Reads until the connection is lost.
    async fn hear_out(&self, link: &mut Link, talk: &mut Option<Talk>) -> Error {
        loop {
            match poll_fn(|cx| link.poll(cx, &self.way.server.message_event)).await {
                Ok(heard) => self.heard_in(talk, heard),
                Err(error) => return error,
            }
        }
    }

    fn heard_in(&self, talk: &mut Option<Talk>, heard: Heard) {
        let (Some(talk), Heard::Message(stamp)) = (talk, heard) else { return };
        if stamp.run != self.brief.run || stamp.sender != talk.number {
            return self.completeness.borrow_mut().foreign += 1;
        }
        let seen = talk.checker.receive(stamp.seq, stamp.sent_ns);
        let mut tick = self.tick.borrow_mut();
        match seen {
            Seen::Double => tick.counts.doubled += 1,
            seen => {
                talk.heard += 1;
                tick.counts.delivered += 1;
                tick.counts.out_of_order += u64::from(seen == Seen::Late);
                tick.latencies.record_ns(self.now_ns().saturating_sub(stamp.sent_ns));
            }
        }
    }

    fn ends(&self, talk: Option<Talk>, left: Result<(), Error>) -> Result<(), Error> {
        if let Some(talk) = talk {
            let mut completeness = self.completeness.borrow_mut();
            completeness.sent += u64::from(talk.said);
            completeness.add(talk.number.into(), talk.number, talk.checker.finish(talk.said));
        }
        left
    }
}

/// Where chance decides how long each stays, more are there at times than on average.
pub(crate) const SPARE_PLACES: f64 = 2.0;

/// What one of them asks.
#[derive(Default)]
struct Talk {
    checker: Checker,
    number: u32,
    said: u32,
    heard: u32,
}
