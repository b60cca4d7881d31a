//! A client that is there for the whole run, whatever happens to its connections.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    net::IpAddr,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use sori_client::Error;
use tokio::time::{Instant, sleep, sleep_until};

use super::Part;
use crate::{
    Checker,
    link::{Heard, Link, Place},
    options::Client,
    way::Traveller,
};

/// A client.
pub(crate) struct Member {
    /// Which one of the run.
    pub(crate) number: u64,
    pub(crate) client: Client,
    /// Whether it is one of those that become slow.
    pub(crate) is_slow: bool,
    pub(super) link: RefCell<Option<Link>>,
    from: Cell<Option<IpAddr>>,
    waker: RefCell<Option<Waker>>,
    wish: Cell<Option<Wish>>,
    /// One for each sender that it has heard; where clients ask, one for its own answers.
    pub(super) checkers: RefCell<Vec<Checker>>,
    /// How many messages it has sent.
    pub(super) said: Cell<u32>,
    /// What was sent before that, and comes now, had been missed.
    pub(super) resumed_ns: Cell<u64>,
    /// Whether it has ever been connected.
    pub(super) was_there: Cell<bool>,
}

/// What shall happen to a client next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    /// Its network is away until then. Either the server sees the connection end, or nothing at all.
    Away { is_cut: bool, until: Instant },
    /// It reads so many bytes a second.
    Slow { bytes_per_s: u64 },
    /// It reads at once.
    Read,
    /// It leaves as its protocol does.
    Leave,
}

impl Member {
    pub(super) fn new(number: u64, client: Client, is_slow: bool) -> Self {
        Self {
            number,
            client,
            is_slow,
            link: RefCell::default(),
            from: Cell::default(),
            waker: RefCell::default(),
            wish: Cell::default(),
            checkers: RefCell::default(),
            said: Cell::default(),
            resumed_ns: Cell::default(),
            was_there: Cell::default(),
        }
    }

    /// Has it look up from what it waits for.
    pub(super) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    pub(super) fn wish(&self, wish: Wish) {
        self.wish.set(Some(wish));
        self.wake();
    }

    pub(super) fn is_connected(&self) -> bool {
        self.link.borrow().is_some()
    }

    /// Says something. What the network does not take at once leaves when it is polled.
    pub(super) fn speak(&self, say: impl FnOnce(&mut Link) -> Result<(), Error>) -> Result<(), Error> {
        let mut link = self.link.borrow_mut();
        let Some(link) = link.as_mut() else { return Ok(()) };
        say(link)?;
        if link.is_unsent() {
            self.wake();
        }
        Ok(())
    }

    fn remember_waker(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }
}

/// What a client has of its last connection.
#[derive(Default)]
struct Before {
    place: Option<Place>,
    /// The connection, while the server has not been told that it is over.
    link: Option<Box<Link>>,
}

/// Why a client stopped listening.
enum Stopped {
    Wished(Wish),
    Lost(Error),
}

impl Part {
    /// From its first connection to its last. `due` is when it is to connect.
    ///
    /// A million of these wait at once: what is rare and large is in a box of its own, while it lasts.
    pub(super) async fn live(self: Rc<Self>, member: Rc<Member>, mut due: std::time::Instant) {
        let mut before = Before::default();
        let mut attempt = 0;
        loop {
            if let Err(error) = Box::pin(self.connect(&member, &mut before, due)).await {
                self.refused(&error);
                if !self.brief.returns {
                    self.waiting.set(self.waiting.get() - 1);
                    return;
                }
                sleep(self.patience(attempt)).await;
                attempt += 1;
                continue;
            }
            attempt = 0;
            match self.stay(&member).await {
                Stopped::Wished(Wish::Away { is_cut, until }) => {
                    self.goes_away(&member, &mut before, is_cut);
                    sleep_until(until).await;
                    due = until.into_std();
                }
                Stopped::Wished(_) => return Box::pin(self.leave(&member)).await,
                Stopped::Lost(error) => {
                    due = std::time::Instant::now();
                    match member.is_slow {
                        true => self.slow_closed.set(self.slow_closed.get() + 1),
                        false => self.lost(&error),
                    }
                    self.goes_away(&member, &mut before, true);
                    if !self.brief.returns {
                        self.waiting.set(self.waiting.get() - 1);
                        return;
                    }
                    sleep(self.patience(0)).await;
                }
            }
        }
    }

    async fn connect(&self, member: &Member, before: &mut Before, due: std::time::Instant) -> Result<(), Error> {
        let Ok(from) = self.sources.borrow_mut().take() else {
            let error = std::io::ErrorKind::AddrNotAvailable.into();
            return Err(Error::Unreachable { address: self.way.target().url.as_str().into(), error });
        };
        let receive_buffer = member.is_slow.then_some(self.brief.file.slow_readers.receive_buffer_bytes);
        let opened = self.way.open(member.client, &Traveller { from, place: before.place.as_ref(), receive_buffer }).await;
        match opened {
            Ok(link) => {
                member.from.set(from);
                self.is_here(member, link, due);
            }
            Err(error) => {
                self.sources.borrow_mut().give_back(from);
                return Err(error);
            }
        }
        if let Some(link) = before.link.take() {
            link.reset();
        }
        Ok(())
    }

    async fn leave(&self, member: &Member) {
        let Some(link) = self.disconnected(member) else { return };
        self.waiting.set(self.waiting.get() + 1);
        if let Err(error) = link.close().await {
            self.fault(&error);
        }
        self.waiting.set(self.waiting.get() - 1);
    }

    /// Its network is away, or its connection lost. A server that has not been told still has the connection.
    fn goes_away(&self, member: &Member, before: &mut Before, is_told: bool) {
        let Some(link) = self.disconnected(member) else { return };
        before.place = self.brief.file.jitter.recovery.then(|| link.place()).flatten();
        match is_told {
            true => link.reset(),
            false => before.link = Some(Box::new(link)),
        }
        self.waiting.set(self.waiting.get() + 1);
    }

    /// It is connected, perhaps again.
    fn is_here(&self, member: &Member, link: Link, due: std::time::Instant) {
        let now_ns = self.now_ns();
        let took = due.elapsed();
        match member.was_there.replace(true) {
            false => self.connects.borrow_mut().record(took),
            true => {
                self.returns.borrow_mut().record(took);
                self.back_ns.set(now_ns);
                if let Some(recovered) = link.recovered() {
                    let count = if recovered { &self.resumed } else { &self.restarted };
                    count.set(count.get() + 1);
                }
                member.checkers.borrow_mut().iter_mut().for_each(|checker| checker.resumed(now_ns));
                member.resumed_ns.set(now_ns);
            }
        }
        *member.link.borrow_mut() = Some(link);
        self.waiting.set(self.waiting.get() - 1);
        let mut tick = self.tick.borrow_mut();
        tick.counts.opened += 1;
        tick.connected += 1;
        if !member.is_slow {
            self.window.join();
        }
    }

    fn disconnected(&self, member: &Member) -> Option<Link> {
        let link = member.link.borrow_mut().take()?;
        self.sources.borrow_mut().give_back(member.from.take());
        self.tick.borrow_mut().connected -= 1;
        if !member.is_slow {
            self.window.leave();
        }
        Some(link)
    }

    /// Reads until something else is to be done.
    async fn stay(&self, member: &Member) -> Stopped {
        let mut wish = match self.listen(member).await {
            Stopped::Wished(wish) => wish,
            lost => return lost,
        };
        loop {
            let stopped = match wish {
                Wish::Slow { bytes_per_s: 0 } => self.wait(member).await,
                Wish::Slow { bytes_per_s } => Box::pin(self.crawl(member, bytes_per_s)).await,
                Wish::Read => self.listen(member).await,
                wish => return Stopped::Wished(wish),
            };
            match stopped {
                Stopped::Wished(next) => wish = next,
                lost => return lost,
            }
        }
    }

    async fn listen(&self, member: &Member) -> Stopped {
        poll_fn(|cx| {
            loop {
                match std::task::ready!(self.poll_member(member, cx)) {
                    Ok(heard) => self.heard(member, heard),
                    Err(stopped) => return Poll::Ready(stopped),
                }
            }
        })
        .await
    }

    /// Reads nothing.
    async fn wait(&self, member: &Member) -> Stopped {
        let wish = poll_fn(|cx| {
            member.remember_waker(cx);
            member.wish.take().map_or(Poll::Pending, Poll::Ready)
        });
        Stopped::Wished(wish.await)
    }

    /// Reads one message after the other, as slowly as it is told. What was read at once comes at once.
    async fn crawl(&self, member: &Member, bytes_per_s: u64) -> Stopped {
        let each = (self.brief.file.load.payload_bytes as f64 / bytes_per_s as f64).min(3_600.0);
        loop {
            let pause = sleep(Duration::from_secs_f64(each));
            tokio::select! {
                stopped = self.wait(member) => return stopped,
                () = pause => {}
            }
            match poll_fn(|cx| self.poll_member(member, cx)).await {
                Ok(heard) => self.heard(member, heard),
                Err(stopped) => return stopped,
            }
        }
    }

    fn poll_member(&self, member: &Member, cx: &mut Context<'_>) -> Poll<Result<Heard, Stopped>> {
        member.remember_waker(cx);
        if let Some(wish) = member.wish.take() {
            return Poll::Ready(Err(Stopped::Wished(wish)));
        }
        let mut link = member.link.borrow_mut();
        let link = link.as_mut().expect("who listens is connected");
        link.poll(cx, &self.way.server.message_event).map_err(Stopped::Lost)
    }

    /// As long as Socket.IO's clients wait before they try again: 1 s, then twice as long up to 5 s, and half more or less by chance.
    fn patience(&self, attempt: u32) -> Duration {
        let wait_s = f64::from(2u32.saturating_pow(attempt)).min(5.0);
        Duration::from_secs_f64(wait_s * (0.5 + self.random.borrow_mut().unit()))
    }
}
