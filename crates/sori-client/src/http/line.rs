//! One connection for requests, opened when there is one.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::Instant;

use super::{Answer, Exchange};
use crate::{Error, Traffic, dial::Dial, wire::Wire};

/// Carries one request at a time, over one connection after the other: servers hang up on those that idle.
#[derive(Default)]
pub(crate) struct Line {
    state: State,
    /// The request under way, until its answer is here.
    request: Option<Request>,
    /// Of the connections before this one.
    traffic: Traffic,
}

#[derive(Default)]
enum State {
    #[default]
    Down,
    Connecting(Connecting),
    Up(Exchange),
}

type Connecting = Pin<Box<dyn Future<Output = Result<Wire, Error>> + Send>>;

struct Request {
    bytes: Vec<u8>,
    /// Asking twice does no harm.
    is_repeatable: bool,
}

impl Line {
    pub(crate) fn is_free(&self) -> bool {
        self.request.is_none()
    }

    /// Whether there is no connection.
    pub(crate) fn is_down(&self) -> bool {
        matches!(self.state, State::Down)
    }

    /// Sends a request, at once if there is a connection. The line must be free.
    pub(crate) fn ask(&mut self, dial: &Dial, bytes: Vec<u8>, is_repeatable: bool) -> Result<(), Error> {
        debug_assert!(self.is_free(), "one request at a time");
        if let State::Up(exchange) = &mut self.state
            && exchange.wire.is_stale()
        {
            self.hang_up();
        }
        match &mut self.state {
            State::Up(exchange) => exchange.wire.send(&bytes)?,
            State::Connecting(_) => {}
            State::Down => self.state = State::Connecting(connecting(dial)),
        }
        self.request = Some(Request { bytes, is_repeatable });
        Ok(())
    }

    /// The answer to the request under way.
    pub(crate) fn poll_answer(&mut self, cx: &mut Context<'_>, dial: &Dial) -> Poll<Result<Answer, Error>> {
        loop {
            match &mut self.state {
                State::Down => self.state = State::Connecting(connecting(dial)),
                State::Connecting(connecting) => {
                    let mut wire = ready!(connecting.as_mut().poll(cx))?;
                    if let Some(request) = &self.request {
                        wire.send(&request.bytes)?;
                    }
                    self.state = State::Up(Exchange::new(wire));
                }
                State::Up(exchange) => match ready!(exchange.poll_answer(cx, &dial.options.settings().limits)) {
                    Ok(answer) => {
                        self.request = None;
                        if !answer.head.keeps_alive {
                            self.hang_up();
                        }
                        return Poll::Ready(Ok(answer));
                    }
                    // The server hung up on an idle connection while the request was on its way (RFC 9112, 9.3.1).
                    Err(Error::Lost(_)) if self.may_ask_again() => self.hang_up(),
                    Err(error) => return Poll::Ready(Err(error)),
                },
            }
        }
    }

    pub(crate) fn traffic(&self) -> Traffic {
        let mut traffic = self.traffic;
        if let State::Up(exchange) = &self.state {
            traffic += exchange.wire.traffic();
        }
        traffic
    }

    pub(crate) fn reset(self) {
        if let State::Up(exchange) = self.state {
            exchange.wire.reset();
        }
    }

    fn may_ask_again(&self) -> bool {
        let State::Up(exchange) = &self.state else { return false };
        let is_repeatable = self.request.as_ref().is_some_and(|request| request.is_repeatable);
        is_repeatable && exchange.was_used() && !exchange.has_begun()
    }

    /// Closes the connection. The next request opens another.
    pub(crate) fn hang_up(&mut self) {
        self.traffic = self.traffic();
        self.state = State::Down;
    }
}

fn connecting(dial: &Dial) -> Connecting {
    let dial = dial.clone();
    Box::pin(async move {
        let deadline = Instant::now() + dial.options.settings().timeout;
        dial.connect(deadline).await
    })
}
