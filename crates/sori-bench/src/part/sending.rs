//! Messages leave: by the clock, or when others were answered.

use std::{cell::Cell, rc::Rc, time::Duration};

use tokio::{
    sync::mpsc,
    task::{AbortHandle, spawn_local, yield_now},
    time::Instant,
};

use super::{Member, Part, no_timer};
use crate::{
    Arrivals, Pace, Stamp,
    alarm::Alarm,
    fault::{UNANSWERED, UNSENT},
    orders::Errand,
    window::RING,
};

/// Somebody sends.
pub(super) struct Sending {
    task: AbortHandle,
    /// Those that say something to everybody; none where clients ask.
    speakers: Rc<[Speaker]>,
}

/// One that says something to everybody.
struct Speaker {
    /// Which one of the run.
    sender: u32,
    said: Cell<u32>,
    mouth: Mouth,
}

enum Mouth {
    Member(Rc<Member>),
    /// By HTTP, one message after the other.
    Post(mpsc::UnboundedSender<Stamp>),
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Part {
    /// Begins to send what belongs to this part.
    pub(super) fn send(self: &Rc<Self>, errand: Errand) -> Result<(), String> {
        let Some((parts, senders)) = self.own_share(errand) else { return Ok(()) };
        let load = &self.brief.file.load;
        let seed = self.brief.seed;
        let pace = match errand {
            Errand::Nothing => return Ok(()),
            Errand::Ask { rate } | Errand::Say { rate, .. } => load.pace(rate, seed),
            Errand::SayOnce { .. } => Pace::open(1e9, Arrivals::Constant, seed),
        };
        if self.brief.index >= parts {
            return Ok(());
        }
        let pace = pace.part(self.brief.index, parts);
        if pace.is_nothing() {
            return Ok(());
        }
        let speakers: Rc<[Speaker]> = match errand {
            Errand::Ask { .. } => Rc::new([]),
            _ => (self.brief.index..senders)
                .step_by(self.brief.parts as usize)
                .map(|sender| self.speaker(sender))
                .collect::<Result<_, _>>()?,
        };
        let alarm = Alarm::new().map_err(|error| no_timer(&error))?;
        let mut sender = Sender { part: self.clone(), speakers: speakers.clone(), pace, alarm, next: 0, text: String::new() };
        let task = match errand {
            Errand::SayOnce { .. } => {
                sender.say_once();
                spawn_local(std::future::ready(()))
            }
            _ => spawn_local(sender.send()),
        };
        *self.sending.borrow_mut() = Some(Sending { task: task.abort_handle(), speakers });
        Ok(())
    }

    /// Stops. Tells how much was sent in all, and by which of the senders.
    pub(super) fn hush(&self) -> (u64, Vec<(u32, u32)>) {
        let Some(sending) = self.sending.take() else { return (0, Vec::new()) };
        match self.errand.get() {
            Errand::Ask { .. } => (self.members.borrow().iter().map(|member| u64::from(member.said.get())).sum(), Vec::new()),
            _ => {
                let said: Vec<(u32, u32)> = sending.speakers.iter().map(|speaker| (speaker.sender, speaker.said.get())).collect();
                (said.iter().map(|(_, said)| u64::from(*said)).sum(), said)
            }
        }
    }

    /// A question was answered.
    pub(super) fn answered(&self, member: &Member) {
        if self.brief.file.load.outstanding.is_none() {
            return;
        }
        let members = self.members.borrow();
        let at = (member.number / u64::from(self.brief.parts)) as usize;
        self.free.borrow_mut().extend(members.get(at).cloned());
        self.window.answered(self.brief.index);
    }

    /// How many parts send, and how many senders there are in all.
    fn own_share(&self, errand: Errand) -> Option<(u32, u32)> {
        let parts = self.brief.parts;
        match errand {
            Errand::Nothing => None,
            Errand::Ask { .. } => Some((parts, 0)),
            Errand::Say { senders, .. } | Errand::SayOnce { senders } => Some((parts.min(senders), senders)),
        }
    }

    /// The client of this number, if it can speak; else somebody who posts.
    fn speaker(self: &Rc<Self>, sender: u32) -> Result<Speaker, String> {
        let members = self.members.borrow();
        let at = (sender / self.brief.parts) as usize;
        let mouth = match members.get(at).filter(|member| member.client.speaks() && !self.way.posts_all()) {
            Some(member) => Mouth::Member(member.clone()),
            None => {
                let (stamps, queue) = mpsc::unbounded_channel();
                let posts = self.way.posts().map_err(|error| error.to_string())?;
                spawn_local(self.clone().post(posts, queue));
                Mouth::Post(stamps)
            }
        };
        Ok(Speaker { sender, said: Cell::default(), mouth })
    }

    /// Posts what is to be said, in order.
    async fn post(self: Rc<Self>, mut posts: Vec<sori_client::Post>, mut stamps: mpsc::UnboundedReceiver<Stamp>) {
        let (mut text, bytes) = (String::new(), self.brief.file.load.payload_bytes);
        while let Some(stamp) = stamps.recv().await {
            text.clear();
            stamp.write(&mut text, bytes);
            if let Err(error) = self.way.publish(&mut posts, &text).await {
                self.fault(&error);
            }
        }
    }

    /// A message leaves that was intended for this time.
    fn has_left(&self, intended_ns: u64) {
        let mut tick = self.tick.borrow_mut();
        tick.counts.sent += 1;
        tick.lags.record_ns(self.now_ns().saturating_sub(intended_ns));
    }
}

/// What sends.
struct Sender {
    part: Rc<Part>,
    speakers: Rc<[Speaker]>,
    pace: Pace,
    alarm: Alarm,
    /// Whose turn it is.
    next: usize,
    text: String,
}

impl Sender {
    async fn send(mut self) {
        let part = self.part.clone();
        let patience = *part.brief.file.server.answer_timeout;
        let own = part.brief.index;
        let (began_ns, mut heard_of) = (part.now_ns(), Instant::now());
        loop {
            for _ in 0..part.window.take_answered(own) {
                self.pace.answered();
                heard_of = Instant::now();
            }
            let now_ns = part.now_ns() - began_ns;
            let (mut count, mut is_said) = (0, true);
            while count < BATCH
                && is_said
                && let Some(due_ns) = self.pace.take(now_ns)
            {
                is_said = self.utter(began_ns + due_ns);
                count += 1;
            }
            match self.pace.next_ns() {
                // Nobody is there to speak.
                _ if !is_said && !self.pace.is_open() => {
                    heard_of = Instant::now();
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                _ if !is_said => yield_now().await,
                _ if count == BATCH => yield_now().await,
                Some(next_ns) => {
                    let wait = Duration::from_nanos(next_ns.saturating_sub(part.now_ns() - began_ns));
                    self.alarm.sleep(wait).await;
                }
                None => {
                    let given_up = tokio::time::timeout_at(heard_of + patience, part.window.changed(own)).await.is_err();
                    if given_up {
                        self.give_up(patience);
                        heard_of = Instant::now();
                    }
                }
            }
        }
    }

    /// Each speaker says one thing, at once: whoever is told to stop next has said it.
    fn say_once(&mut self) {
        for _ in 0..self.speakers.len() {
            self.utter(self.part.now_ns());
        }
    }

    /// In a closed loop: what is under way will not be answered any more.
    fn give_up(&mut self, patience: Duration) {
        let Pace::Closed(window) = &self.pace else { return };
        let count = window.outstanding();
        (0..count).for_each(|_| self.pace.answered());
        self.part.window.clear(self.part.brief.index);
        self.part.tick.borrow_mut().counts.errors += u64::from(count);
        let example = || format!("nothing came for {patience:?}, although messages were under way");
        self.part.faults.borrow_mut().add_kind(UNANSWERED, count.into(), example);
    }

    /// There is nobody to send what is due, which is then never sent.
    fn nobody(&mut self) -> bool {
        self.pace.answered();
        if self.pace.is_open() {
            let example = || "a message was due, and nobody was connected who could send it".to_owned();
            self.part.faults.borrow_mut().add_kind(UNSENT, 1, example);
        }
        false
    }

    /// Whether there was somebody to send it.
    fn utter(&mut self, intended_ns: u64) -> bool {
        match self.part.errand.get() {
            Errand::Ask { .. } => self.ask(intended_ns),
            _ => self.say(intended_ns),
        }
    }

    fn ask(&mut self, intended_ns: u64) -> bool {
        let part = &self.part;
        let Some(member) = part.free_member(&mut self.next) else { return self.nobody() };
        let stamp = Stamp { run: part.brief.run, sender: member.number as u32, seq: member.said.get(), sent_ns: intended_ns };
        self.text.clear();
        stamp.write(&mut self.text, part.brief.file.load.payload_bytes);
        member.said.set(stamp.seq + 1);
        part.has_left(intended_ns);
        if let Err(error) = member.speak(|link| link.ask(&part.way.server.echo_event, &self.text)) {
            part.fault(&error);
        }
        true
    }

    fn say(&mut self, intended_ns: u64) -> bool {
        let part = &self.part;
        // One whose connection is lost says nothing until it is back.
        let count = self.speakers.len();
        let able = (0..count).map(|step| (self.next + step) % count).find(|at| match &self.speakers[*at].mouth {
            Mouth::Member(member) => member.is_connected(),
            Mouth::Post(_) => true,
        });
        let Some(at) = able else { return self.nobody() };
        self.next = (at + 1) % count;
        let speaker = &self.speakers[at];
        let stamp = Stamp { run: part.brief.run, sender: speaker.sender, seq: speaker.said.get(), sent_ns: intended_ns };
        speaker.said.set(stamp.seq + 1);
        part.window.begins(stamp.sender, stamp.seq);
        part.has_left(intended_ns);
        match &speaker.mouth {
            Mouth::Post(stamps) => _ = stamps.send(stamp),
            Mouth::Member(member) => {
                self.text.clear();
                stamp.write(&mut self.text, part.brief.file.load.payload_bytes);
                if let Err(error) = member.speak(|link| link.say(&part.way.server.broadcast_event, &self.text)) {
                    part.fault(&error);
                }
            }
        }
        true
    }
}

impl Part {
    /// One whose last question was answered in a closed loop, or else the next.
    fn free_member(&self, next: &mut usize) -> Option<Rc<Member>> {
        let free = self.free.borrow_mut().pop_front().filter(|member| member.is_connected());
        free.or_else(|| {
            let members = self.members.borrow();
            let count = members.len();
            let at = (0..count).map(|step| (*next + step) % count).find(|at| members[*at].is_connected())?;
            *next = (at + 1) % count;
            Some(members[at].clone())
        })
    }
}

/// Before those who listen get their turn.
const BATCH: usize = 64;
const _: () = assert!(BATCH <= RING);
