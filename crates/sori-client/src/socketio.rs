//! One client of one namespace.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use sori_proto::sio::{InArgs, OutArgs, is_reserved, json};

use crate::{
    Error, Options, Recovery, Revision, Traffic, Transport,
    carrier::Carrier,
    dial::within,
    error::Doing,
    heartbeat::{Beat, Heartbeat},
};

mod open;
mod stay;

use stay::Stay;

/// A Socket.IO client in one namespace, on a server of any make.
///
/// It is polled by its owner and by nobody else: until somebody asks for the [`next`](SocketIo::next) event nothing is read from the
/// network, and no heartbeat is answered. Whoever does not read for as long as the server's ping timeout is closed by it.
///
/// ```
/// # async fn f() -> Result<(), sori_client::Error> {
/// use sori_client::{Event, Options, SocketIo};
///
/// let mut chat = SocketIo::open("http://127.0.0.1:3000/chat", &Options::new()).await?;
/// chat.emit("msg", "hello")?;
/// let sum: i64 = chat.ask("add", &(1, 2)).await?;
/// loop {
///     match chat.next().await? {
///         Event::Event { name, args, ack } => println!("{name} {:?} {ack:?}", args.deserialize::<String>()),
///         Event::Ack { id, .. } => println!("question {id} is answered"),
///     }
/// }
/// # }
/// ```
pub struct SocketIo {
    carrier: Carrier,
    heartbeat: Heartbeat,
    stay: Stay,
    timeout: Duration,
}

/// What a server says.
#[derive(Clone, Debug)]
pub enum Event {
    /// It emits.
    Event {
        /// The event's name.
        name: Box<str>,
        /// Its arguments. With connection state recovery the last one is a string more, which the server adds: the offset.
        args: InArgs,
        /// An answer is wanted: see [`SocketIo::answer`].
        ack: Option<u64>,
    },
    /// It answers what [`SocketIo::emit_with_ack`] asked.
    Ack {
        /// The number that was asked with.
        id: u64,
        /// The answer.
        args: InArgs,
    },
}

impl SocketIo {
    /// Connects to `http://host:port/namespace`, and waits until the server has let this client in.
    ///
    /// Reads of the options: all but what is another transport's.
    pub async fn open(url: &str, options: &Options) -> Result<Self, Error> {
        // In a box of its own, so that the caller's future stays small when the connection is open.
        Box::pin(open::open(url, options)).await
    }

    /// Emits an event. A tuple is several arguments, `()` none; bytes anywhere inside travel as binary.
    ///
    /// What the network does not take at once leaves while somebody reads, or flushes.
    pub fn emit<T: Serialize + ?Sized>(&mut self, event: &str, data: &T) -> Result<(), Error> {
        self.emit_args(event, &OutArgs::new(data)?, None)
    }

    /// Emits an event that wants an answer, which comes as an [`Event::Ack`] with the number that this returns.
    pub fn emit_with_ack<T: Serialize + ?Sized>(&mut self, event: &str, data: &T) -> Result<u64, Error> {
        let id = self.stay.next_ack();
        self.emit_args(event, &OutArgs::new(data)?, Some(id))?;
        Ok(id)
    }

    /// Emits an event whose arguments were serialized before, for many clients perhaps.
    pub fn emit_args(&mut self, event: &str, args: &OutArgs, ack: Option<u64>) -> Result<(), Error> {
        if is_reserved(event) {
            return Err(Error::Option { name: event.into(), why: "Socket.IO keeps this event's name for itself".into() });
        }
        let mut packet = b"4".to_vec();
        json::event(&mut packet, &self.stay.namespace, ack, event, args, None);
        self.send(packet, args)
    }

    /// Answers an event of the server's that has this `ack`.
    pub fn answer<T: Serialize + ?Sized>(&mut self, ack: u64, data: &T) -> Result<(), Error> {
        let (mut packet, args) = (b"4".to_vec(), OutArgs::new(data)?);
        json::ack(&mut packet, &self.stay.namespace, ack, &args);
        self.send(packet, &args)
    }

    /// Emits an event and waits for its answer. Events that come meanwhile are kept for [`SocketIo::next`].
    ///
    /// It waits for as long as the connection lives: put it into a `tokio::time::timeout` where servers may leave an answer out.
    pub async fn ask<T: DeserializeOwned>(&mut self, event: &str, data: &(impl Serialize + ?Sized)) -> Result<T, Error> {
        let asked = self.emit_with_ack(event, data)?;
        loop {
            if let Some(args) = self.stay.take_answer(asked) {
                return Ok(args.deserialize()?);
            }
            self.stay.check_backlog()?;
            poll_fn(|cx| self.poll_read(cx)).await?;
        }
    }

    /// The next event. A call that is dropped loses nothing. After an error the connection is over.
    pub async fn next(&mut self) -> Result<Event, Error> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`SocketIo::next`], for futures by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Error>> {
        loop {
            if let Some(next) = self.stay.pop() {
                return Poll::Ready(next);
            }
            if let Err(error) = ready!(self.poll_read(cx)) {
                return Poll::Ready(Err(error));
            }
        }
    }

    /// Waits until the network has taken everything; over polling, the server. What comes meanwhile is kept for [`SocketIo::next`].
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| {
            if let Carrier::WebSocket(frames) = &mut self.carrier {
                return frames.poll_flush(cx);
            }
            while self.carrier.is_unsent() {
                self.stay.check_backlog()?;
                ready!(self.poll_read(cx))?;
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Whether something waits for the network to take it; over polling, for the server.
    pub fn is_unsent(&self) -> bool {
        self.carrier.is_unsent()
    }

    /// The public id of this client.
    pub fn id(&self) -> &str {
        &self.stay.id
    }

    /// The session of Engine.IO: a secret of this client.
    pub fn sid(&self) -> &str {
        &self.stay.sid
    }

    /// Whether the server has given back what [`Options::recover`] named: id, rooms, and what was missed.
    pub fn recovered(&self) -> bool {
        self.stay.recovered
    }

    /// Where to go on after a lost connection, for [`Options::recover`]: after the last event that [`SocketIo::next`] returned.
    /// `None` on servers without connection state recovery, and before a first event.
    pub fn recovery(&self) -> Option<Recovery> {
        self.stay.recovery()
    }

    /// What carries it: never [`Transport::Upgrade`].
    pub fn transport(&self) -> Transport {
        match self.carrier {
            Carrier::WebSocket(_) => Transport::WebSocket,
            Carrier::Polling(_) => Transport::Polling,
        }
    }

    /// What it has cost.
    pub fn traffic(&self) -> Traffic {
        self.carrier.traffic() + self.stay.traffic_before
    }

    /// Leaves the namespace and closes the connection, and waits until the server has done so, too.
    pub async fn close(mut self) -> Result<(), Error> {
        let (deadline, timeout) = (tokio::time::Instant::now() + self.timeout, self.timeout);
        within(deadline, timeout, Doing::Closing, self.leave()).await?
    }

    /// Is gone, as a client whose power failed: the server sees the connection reset.
    pub fn reset(self) {
        self.carrier.reset();
    }

    async fn leave(&mut self) -> Result<(), Error> {
        if self.stay.has_ended() {
            return Ok(());
        }
        let mut packet = b"4".to_vec();
        json::disconnect(&mut packet, &self.stay.namespace);
        self.carrier.text(str::from_utf8(&packet).expect("a packet's header is text"))?;
        match &mut self.carrier {
            Carrier::WebSocket(frames) => frames.close(1000, "").await,
            Carrier::Polling(polling) => {
                polling.ask(false);
                self.carrier.text("1")?;
                match self.flush().await {
                    // The poll that waited may be answered first, with the same news.
                    Err(error) if error.is_end() => Ok(()),
                    flushed => flushed,
                }
            }
        }
    }

    fn send(&mut self, packet: Vec<u8>, args: &OutArgs) -> Result<(), Error> {
        if self.stay.has_ended() {
            return Err(Error::closed("it is over already"));
        }
        self.carrier.text(str::from_utf8(&packet).expect("JSON is text"))?;
        for attachment in args.attachments() {
            self.carrier.binary(self.stay.revision, attachment)?;
        }
        self.carrier.speak()
    }

    /// Reads once, or beats. An error is the end, and comes when what was read before has been taken.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(end) = self.stay.take_end() {
            return Poll::Ready(Err(end));
        }
        let Self { carrier, heartbeat, stay, .. } = self;
        let revision = stay.revision;
        let read = match carrier.poll(cx, revision, |packet| stay.take(packet)) {
            Poll::Ready(read) => {
                heartbeat.heard();
                read.and_then(|()| after_reading(carrier, heartbeat, stay))
            }
            Poll::Pending => match ready!(heartbeat.poll(cx)) {
                Beat::Ping => carrier.text("2").and_then(|()| carrier.speak()),
                Beat::Silent(error) => Err(error),
            },
        };
        if let Err(error) = read {
            stay.end(error);
        }
        Poll::Ready(Ok(()))
    }
}

/// What the packets demand.
fn after_reading(carrier: &mut Carrier, heartbeat: &mut Heartbeat, stay: &mut Stay) -> Result<(), Error> {
    if let Some(data) = stay.pinged.take() {
        debug_assert!(stay.revision == Revision::V4, "only there the server asks");
        carrier.text(&format!("3{data}"))?;
        carrier.speak()?;
    }
    if std::mem::take(&mut stay.ponged) {
        heartbeat.ponged();
    }
    Ok(())
}
