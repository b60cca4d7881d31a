//! What an application gives a namespace: its handlers, and how work reaches them.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{
    ack::{Answered, Asker},
    emit::Outgoing,
    extract::Rejection,
    handler::{
        Admission, Answer, BoxFuture, BoxHandler, Connection, Disconnection, Event, Filter, Handler, Started, boxed, report,
        start,
    },
    history::History,
    inbox::Work,
    server::Shared,
    socket::Socket,
};

/// What an application does in a namespace. It is built once; a connection adds nothing to it.
///
/// ```
/// use sori::{Ack, CloseReason, Data, Namespace, Socket};
///
/// let chat = Namespace::new()
///     .on_connect(async |socket: Socket| socket.join("lobby"))
///     .on("msg", async |socket: Socket, Data(text): Data<String>| socket.to("lobby").emit("msg", &text))
///     .on("add", async |Data((a, b)): Data<(i64, i64)>| Ack(a + b))
///     .on_disconnect(async |socket: Socket, why: CloseReason| println!("{} left: {why}", socket.id()));
/// ```
///
/// Handlers are asynchronous functions of up to eight extractors ([`Extract`](crate::Extract)); what they may return is told at
/// [`Outcome`](crate::Outcome). Events of one socket start in the order in which they came; each handler runs to its first await before the
/// next one starts. At most [`Limits::handlers_max`](crate::Limits) run at once for one socket, the rest wait in its
/// inbox. A panic is logged and counted, and costs its event only.
#[derive(Default)]
#[must_use = "give it to Server::builder().namespace(…)"]
pub struct Namespace {
    handlers: Handlers,
}

/// The handlers of a namespace, shared by everybody in it.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) sequential: bool,
    pub(crate) upgrade: Option<BoxHandler<Connection>>,
    pub(crate) middlewares: Vec<BoxHandler<Admission>>,
    pub(crate) connect: Option<BoxHandler<Connection>>,
    filters: Vec<BoxHandler<Filter>>,
    any: Vec<BoxHandler<Event>>,
    /// Few, mostly: comparing names takes less than hashing one.
    events: BTreeMap<Box<str>, BoxHandler<Event>>,
    fallback: Option<BoxHandler<Event>>,
    disconnect: Option<BoxHandler<Disconnection>>,
    pub(crate) history: Option<History>,
    pub(crate) allows_callbacks: bool,
    pub(crate) outgoing: Vec<OutgoingListener>,
}

type OutgoingListener = Box<dyn Fn(&Outgoing<'_>) + Send + Sync>;

impl Namespace {
    /// A namespace that lets everybody in and ignores what they say.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decides whether a client is let in; several run in order, the first `Err` refuses.
    /// The client gets it as `connect_error`. The socket is not in the namespace yet: nothing can be emitted to it.
    ///
    /// ```
    /// # use sori::{Auth, ConnectError, Namespace};
    /// #[derive(serde::Deserialize)]
    /// struct Login { token: String }
    ///
    /// Namespace::new().middleware(async |Auth(login): Auth<Login>| {
    ///     if login.token == "secret" { Ok(()) } else { Err("not authorized") }
    /// });
    /// ```
    pub fn middleware<A: 'static>(mut self, handler: impl Handler<Admission, A>) -> Self {
        self.handlers.middlewares.push(boxed(handler));
        self
    }

    /// Runs when a client was let in, after its connect reply. No event of this client starts before it has returned. When its arguments
    /// cannot be had, the client is refused with the reason instead of being let in.
    pub fn on_connect<A: 'static>(mut self, handler: impl Handler<Connection, A>) -> Self {
        self.handlers.connect = Some(boxed(handler));
        self
    }

    /// Runs when a client emits `event`; what it returns answers the ack. The last handler of a name counts.
    pub fn on<A: 'static>(mut self, event: &str, handler: impl Handler<Event, A>) -> Self {
        self.handlers.events.insert(event.into(), boxed(handler));
        self
    }

    /// Runs for every event that arrives, as Socket.IO's `onAny` before the event middlewares and its own handler, which wait for it.
    pub fn on_any<A: 'static>(mut self, handler: impl Handler<Event, A>) -> Self {
        self.handlers.any.push(boxed(handler));
        self
    }

    /// Runs for events that have no handler.
    pub fn fallback<A: 'static>(mut self, handler: impl Handler<Event, A>) -> Self {
        self.handlers.fallback = Some(boxed(handler));
        self
    }

    /// Decides whether handlers see an event (`socket.use` of Socket.IO); several run in order.
    /// An `Err` stops the event, and answers its ack if it is an [`Ack`](crate::Ack).
    pub fn event_middleware<A: 'static>(mut self, handler: impl Handler<Filter, A>) -> Self {
        self.handlers.filters.push(boxed(handler));
        self
    }

    /// Is told of everything that is emitted in this namespace, once each, before it is sent.
    pub fn on_any_outgoing(mut self, listener: impl Fn(&Outgoing<'_>) + Send + Sync + 'static) -> Self {
        self.handlers.outgoing.push(Box::new(listener));
        self
    }

    /// Runs when a client's session has moved from polling to WebSocket.
    pub fn on_upgrade<A: 'static>(mut self, handler: impl Handler<Connection, A>) -> Self {
        self.handlers.upgrade = Some(boxed(handler));
        self
    }

    /// Runs when a stay has ended, after all of its events have started. The socket has left its rooms.
    pub fn on_disconnect<A: 'static>(mut self, handler: impl Handler<Disconnection, A>) -> Self {
        self.handlers.disconnect = Some(boxed(handler));
        self
    }

    /// Keeps what is broadcast, for those who come later: see [`History`].
    pub fn history(mut self, history: History) -> Self {
        self.handlers.history = Some(history);
        self
    }

    /// Lets plain clients in that read answers by calling a function: JSONP (`callback=`) and streaming into a frame
    /// (`framing=iframe`). Off by default: a script is read by pages of any origin that the origin check lets through, and runs there.
    pub fn allow_callbacks(mut self) -> Self {
        self.handlers.allows_callbacks = true;
        self
    }

    /// Runs the handlers of each socket one after the other, instead of letting them interleave at their awaits.
    pub fn sequential(mut self) -> Self {
        self.handlers.sequential = true;
        self
    }

    pub(crate) fn into_handlers(self) -> Arc<Handlers> {
        Arc::new(self.handlers)
    }
}

impl Handlers {
    /// Starts one piece of work and runs it to its first await.
    pub(crate) fn start(self: &Arc<Self>, socket: &Socket, work: Work) -> Started {
        let shared = &socket.0.peer.shared;
        // Everything before the future's first poll is the application's code too: extractors, closures.
        let made = catch_unwind(AssertUnwindSafe(|| self.future(socket, work)));
        match made {
            Ok(Some(future)) => start(shared, future),
            Ok(None) => Started::Done,
            Err(panic) => {
                report(shared, &*panic);
                Started::Done
            }
        }
    }

    fn future(self: &Arc<Self>, socket: &Socket, work: Work) -> Option<BoxFuture<()>> {
        match work {
            Work::Connect => {
                let made = self.connect.as_ref()?.call(&mut Connection { socket: socket.clone() });
                accepted(socket, "on_connect", made)
            }
            Work::Upgrade => {
                let made = self.upgrade.as_ref()?.call(&mut Connection { socket: socket.clone() });
                accepted(socket, "on_upgrade", made)
            }
            Work::Disconnect(reason) => {
                let made = self.disconnect.as_ref()?.call(&mut Disconnection { socket: socket.clone(), reason });
                accepted(socket, "on_disconnect", made)
            }
            Work::Tell(sender) => {
                let _ = sender.send(());
                None
            }
            Work::Event { name, args, asker } => {
                let event = Event { socket: socket.clone(), name, args, asker };
                match self.any.is_empty() && self.filters.is_empty() {
                    true => self.handle(event),
                    false => Some(Box::pin(self.clone().filter_and_handle(event))),
                }
            }
        }
    }

    /// The usual case: one handler, no middleware.
    fn handle(&self, mut event: Event) -> Option<BoxFuture<()>> {
        let handler = self.events.get(&event.name).or(self.fallback.as_ref())?;
        // Here for when the handler returns an answer; a handler that takes the asker itself leaves none.
        let made = handler.call(&mut event);
        let Event { socket, name, asker, .. } = event;
        if let Err(rejection) = &made {
            reject(asker.as_ref(), rejection);
        }
        let future = accepted(&socket, &name, made)?;
        Some(Box::pin(async move { answer(&socket, asker, future.await) }))
    }

    async fn filter_and_handle(self: Arc<Self>, event: Event) {
        for listener in &self.any {
            // A catch-all listens; answering is its affair only through an AckSender.
            if let Some(future) = accepted(&event.socket, "on_any", listener.call(&mut event.clone())) {
                future.await;
            }
        }
        for filter in &self.filters {
            let made = filter.call(&mut Filter { event: event.clone() });
            if let Err(rejection) = &made {
                reject(event.asker.as_ref(), rejection);
            }
            let Some(future) = accepted(&event.socket, "event_middleware", made) else { return };
            if let Err(reply) = future.await {
                return answer(&event.socket, event.asker, reply);
            }
        }
        if let Some(future) = self.handle(event) {
            future.await;
        }
    }

    /// Tells the outgoing listeners; a panic of theirs must not reach the emitter.
    pub(crate) fn tell_outgoing(&self, shared: &Shared, outgoing: &Outgoing<'_>) {
        for listener in &self.outgoing {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| listener(outgoing))) {
                report(shared, &*panic);
            }
        }
    }
}

fn accepted<T>(socket: &Socket, what: &str, made: Result<BoxFuture<T>, Rejection>) -> Option<BoxFuture<T>> {
    made.map_err(|rejection| {
        socket.0.peer.shared.stats.rejected();
        tracing::debug!(id = socket.id(), event = what, %rejection, "handler not called");
    })
    .ok()
}

/// Tells a request that its event was not what the handler takes. Over other transports the client's timeout tells.
fn reject(asker: Option<&Asker>, rejection: &Rejection) {
    if let Some(Asker::Request(asking)) = asker {
        asking.answer(Answered::Rejected(rejection.to_string()));
    }
}

fn answer(socket: &Socket, asker: Option<Asker>, answer: Answer) {
    match answer {
        Answer::None => {}
        Answer::Ack(args) => {
            // A later stay of the client may count its acks anew.
            let Some(asker) = asker.filter(|_| socket.is_connected()) else { return };
            match socket.0.namespace.check_attachments(&args) {
                Ok(()) => socket.answer(&asker, args),
                Err(error) => tracing::warn!(id = socket.id(), %error, "ack not sent"),
            }
        }
        Answer::Failed(error) => {
            tracing::warn!(id = socket.id(), error, "handler failed");
            if let Some(Asker::Request(asking)) = asker {
                asking.answer(Answered::Failed);
            }
        }
    }
}
