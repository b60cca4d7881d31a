//! From a function to a handler: what it takes is extracted, what it returns answers.

use std::{
    any::Any,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use serde::Serialize;
use sori_proto::{
    CloseReason,
    sio::{InArgs, OutArgs},
};

use crate::{
    ack::Asker,
    emit::Sent,
    error::{AckError, ConnectError, EmitError},
    extract::{Ack, Extract, Rejection},
    server::Shared,
    socket::Socket,
};

/// An asynchronous function whose arguments can be extracted from a call of kind `C`.
///
/// Implemented for closures and functions of up to eight extractors; there is nothing to implement by hand. `async |…| …` serves where
/// nothing is captured; what captures is written `move |…| { let it = it.clone(); async move { … } }`, or asks for [`State`](crate::State) instead.
pub trait Handler<C, A>: Send + Sync + 'static
where
    C: Call,
{
    /// Extracts the arguments and makes the future.
    #[doc(hidden)]
    fn call(&self, call: &mut C) -> Result<BoxFuture<C::Output>, Rejection>;

    /// Whether the arguments can be extracted.
    #[doc(hidden)]
    fn check(&self, call: &mut C) -> Result<(), Rejection>;
}

/// What a handler is called for.
pub trait Call: 'static {
    /// What becomes of what it returns.
    type Output;
}

/// What a handler may return for a call of kind `C`.
///
/// | handler | may return |
/// | --- | --- |
/// | `on`, `fallback`, `on_any` | `()`, [`Sent`], [`Ack<T>`](Ack), an `Option` or `Result` of these; errors that are [`Ack`]s answer the client, [`EmitError`], [`AckError`] and boxed errors are logged |
/// | `middleware` | `()`, `Result<(), E>` where `E` becomes a [`ConnectError`] |
/// | `event_middleware` | `()`, `Result<(), E>` where `E` is one of the errors of `on` |
/// | `on_connect`, `on_upgrade`, `on_disconnect` | `()`, any `Result`; an `Err` is logged |
pub trait Outcome<C: Call> {
    /// What it means.
    #[doc(hidden)]
    fn outcome(self) -> C::Output;
}

/// A client was let in, or changed its transport.
pub struct Connection {
    pub(crate) socket: Socket,
}

/// A client asks to be let in.
pub struct Admission {
    pub(crate) socket: Socket,
}

/// A client emitted.
#[derive(Clone)]
pub struct Event {
    pub(crate) socket: Socket,
    pub(crate) name: Box<str>,
    pub(crate) args: InArgs,
    pub(crate) asker: Option<Asker>,
}

/// A client emitted, and a middleware decides whether handlers see it.
pub struct Filter {
    pub(crate) event: Event,
}

/// A stay has ended.
pub struct Disconnection {
    pub(crate) socket: Socket,
    pub(crate) reason: CloseReason,
}

impl Call for Connection {
    type Output = ();
}

impl Call for Admission {
    type Output = Result<(), ConnectError>;
}

impl Call for Event {
    type Output = Answer;
}

impl Call for Filter {
    type Output = Result<(), Answer>;
}

impl Call for Disconnection {
    type Output = ();
}

/// What an event handler's return value says to the client.
#[doc(hidden)]
#[derive(Default)]
pub enum Answer {
    #[default]
    None,
    Ack(OutArgs),
    Failed(String),
}

impl Answer {
    fn encoded<T: Serialize + ?Sized>(data: &T) -> Self {
        match OutArgs::new(data) {
            Ok(args) => Self::Ack(args),
            Err(error) => Self::Failed(format!("the ack could not be written: {error}")),
        }
    }
}

impl<C: Call> Outcome<C> for ()
where
    C::Output: Default,
{
    fn outcome(self) -> C::Output {
        C::Output::default()
    }
}

/// Answers the ack, if the client asked for one: a tuple as several arguments, everything else as one.
impl<T: Serialize> Outcome<Event> for Ack<T> {
    fn outcome(self) -> Answer {
        Answer::encoded(&self.0)
    }
}

impl<T: Outcome<Event>> Outcome<Event> for Option<T> {
    fn outcome(self) -> Answer {
        self.map_or(Answer::None, Outcome::outcome)
    }
}

/// Both sides answer in their own way: `Result<Ack<T>, Ack<E>>` tells the client either, an [`EmitError`] is logged.
impl<T: Outcome<Event>, E: Outcome<Event>> Outcome<Event> for Result<T, E> {
    fn outcome(self) -> Answer {
        match self {
            Ok(value) => value.outcome(),
            Err(error) => error.outcome(),
        }
    }
}

impl Outcome<Event> for Sent {
    fn outcome(self) -> Answer {
        Answer::None
    }
}

macro_rules! logged {
    ($($error:ty),*) => {$(
        impl Outcome<Event> for $error {
            fn outcome(self) -> Answer {
                Answer::Failed(self.to_string())
            }
        }
    )*};
}

logged!(AckError, Box<dyn std::error::Error + Send + Sync>);

impl Outcome<Event> for EmitError {
    fn outcome(self) -> Answer {
        match self {
            // Clients come and go while handlers run, and nobody is at fault.
            Self::Disconnected => Answer::None,
            error => Answer::Failed(error.to_string()),
        }
    }
}

/// `Err` is logged: nobody waits for this answer.
impl<T, E: fmt::Display> Outcome<Connection> for Result<T, E> {
    fn outcome(self) {
        if let Err(error) = self {
            tracing::warn!(%error, "on_connect failed");
        }
    }
}

/// `Err` is logged: nobody waits for this answer.
impl<T, E: fmt::Display> Outcome<Disconnection> for Result<T, E> {
    fn outcome(self) {
        if let Err(error) = self {
            tracing::warn!(%error, "on_disconnect failed");
        }
    }
}

/// `Err` keeps the client out.
impl<E: Into<ConnectError>> Outcome<Admission> for Result<(), E> {
    fn outcome(self) -> Result<(), ConnectError> {
        self.map_err(Into::into)
    }
}

/// `Err` stops the event, and may answer it.
impl<E: Outcome<Event>> Outcome<Filter> for Result<(), E> {
    fn outcome(self) -> Result<(), Answer> {
        self.map_err(Outcome::outcome)
    }
}

#[doc(hidden)]
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Handlers of different argument lists, under one type.
pub(crate) trait ErasedHandler<C: Call>: Send + Sync {
    fn call(&self, call: &mut C) -> Result<BoxFuture<C::Output>, Rejection>;
    fn check(&self, call: &mut C) -> Result<(), Rejection>;
}

pub(crate) type BoxHandler<C> = Box<dyn ErasedHandler<C>>;

struct Erased<H, A>(H, std::marker::PhantomData<fn() -> A>);

impl<C: Call, A: 'static, H: Handler<C, A>> ErasedHandler<C> for Erased<H, A> {
    fn call(&self, call: &mut C) -> Result<BoxFuture<C::Output>, Rejection> {
        self.0.call(call)
    }

    fn check(&self, call: &mut C) -> Result<(), Rejection> {
        self.0.check(call)
    }
}

pub(crate) fn boxed<C: Call, A: 'static>(handler: impl Handler<C, A>) -> BoxHandler<C> {
    Box::new(Erased(handler, std::marker::PhantomData))
}

macro_rules! handlers {
    ($($arg:ident),*) => {
        #[allow(non_snake_case, unused_variables)]
        impl<C, F, Fut, $($arg,)*> Handler<C, ($($arg,)*)> for F
        where
            C: Call,
            F: Fn($($arg),*) -> Fut + Send + Sync + 'static,
            Fut: Future + Send + 'static,
            Fut::Output: Outcome<C>,
            $($arg: Extract<C>,)*
        {
            fn call(&self, call: &mut C) -> Result<BoxFuture<C::Output>, Rejection> {
                $(let $arg = $arg::extract(call)?;)*
                let future = self($($arg),*);
                Ok(Box::pin(async move { future.await.outcome() }))
            }

            fn check(&self, call: &mut C) -> Result<(), Rejection> {
                $(let $arg = $arg::extract(call)?;)*
                Ok(())
            }
        }
    };
}

handlers!();
handlers!(A1);
handlers!(A1, A2);
handlers!(A1, A2, A3);
handlers!(A1, A2, A3, A4);
handlers!(A1, A2, A3, A4, A5);
handlers!(A1, A2, A3, A4, A5, A6);
handlers!(A1, A2, A3, A4, A5, A6, A7);
handlers!(A1, A2, A3, A4, A5, A6, A7, A8);

/// A handler after its first step.
pub(crate) enum Started {
    /// It has finished.
    Done,
    /// It waits for something, and goes on as a task.
    Pending(BoxFuture<()>),
}

/// Runs a handler to its first await. Most end there, and cost no task.
pub(crate) fn start(shared: &Arc<Shared>, future: BoxFuture<()>) -> Started {
    let mut guarded = Guarded { future: Some(future), shared: shared.clone() };
    let _runtime = shared.enter();
    // Nobody is woken by this: a future that has to wait is polled again as a task at once.
    match Pin::new(&mut guarded).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(()) => Started::Done,
        Poll::Pending => Started::Pending(Box::pin(guarded)),
    }
}

/// A handler whose panic ends itself and nothing else.
struct Guarded {
    future: Option<BoxFuture<()>>,
    shared: Arc<Shared>,
}

impl Future for Guarded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(future) = &mut self.future else { return Poll::Ready(()) };
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(()),
            Err(panic) => {
                // Dropped now: it may hold a socket, and it must not be polled again.
                let broken = self.future.take();
                let _ = catch_unwind(AssertUnwindSafe(|| drop(broken)));
                report(&self.shared, &*panic);
                Poll::Ready(())
            }
        }
    }
}

/// Counts and logs a panic of the application's code.
pub(crate) fn report(shared: &Shared, panic: &(dyn Any + Send)) {
    shared.stats.handler_panicked();
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("(no text)"), "a handler panicked; its event is lost");
}
