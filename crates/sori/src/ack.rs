//! Answers that the server waits for.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use sori_proto::sio::{InArgs, OutArgs};
use tokio::{
    sync::{mpsc, oneshot},
    time::Sleep,
};

use crate::{error::AckError, socket::Socket};

/// Who waits for the answer to an event.
#[derive(Clone)]
pub(crate) enum Asker {
    /// The client, under its id.
    Wire(u64),
    /// A request that is answered with it.
    Request(Arc<Asking>),
}

/// A request that waits for an answer. When everybody who could give one is gone, there is none.
pub(crate) struct Asking(Mutex<Option<oneshot::Sender<Answered>>>);

/// What became of an event that a request brought.
#[derive(Debug)]
pub(crate) enum Answered {
    Ack(OutArgs),
    /// Its handler could not be called with these arguments.
    Rejected(String),
    /// Its handler failed, and the log says why.
    Failed,
}

impl Asker {
    /// A request, and where its answer comes.
    pub(crate) fn request() -> (Self, oneshot::Receiver<Answered>) {
        let (sender, answer) = oneshot::channel();
        (Self::Request(Arc::new(Asking(Mutex::new(Some(sender))))), answer)
    }
}

impl Asking {
    /// The first answer counts.
    pub(crate) fn answer(&self, answered: Answered) {
        if let Some(sender) = self.0.lock().take() {
            let _ = sender.send(answered);
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.answer(Answered::Failed);
        }
    }
}

/// The answers that one socket owes. Empty, it owns nothing.
#[derive(Default)]
pub(crate) struct Acks {
    #[expect(clippy::box_collection, reason = "most sockets are never asked anything: a word instead of six")]
    pending: Mutex<Option<Box<HashMap<u64, Pending>>>>,
}

/// Who waits.
pub(crate) enum Pending {
    One(oneshot::Sender<InArgs>),
    Room(mpsc::UnboundedSender<(Socket, InArgs)>),
}

impl Acks {
    /// Awaits an answer; false when this socket owes too many.
    pub(crate) fn expect(&self, id: u64, pending: Pending, max: u32) -> bool {
        let mut slot = self.pending.lock();
        let map = slot.get_or_insert_default();
        if map.len() >= max as usize {
            return false;
        }
        map.insert(id, pending);
        true
    }

    /// An answer came. Unknown, late and repeated ones are nobody's: false.
    pub(crate) fn answer(&self, id: u64, socket: &Socket, args: InArgs) -> bool {
        match self.take(id) {
            Some(Pending::One(sender)) => sender.send(args).is_ok(),
            Some(Pending::Room(sender)) => sender.send((socket.clone(), args)).is_ok(),
            None => false,
        }
    }

    /// Nobody waits any more.
    pub(crate) fn forget(&self, id: u64) {
        self.take(id);
    }

    /// The socket is gone: who waits is told by the dropped sender.
    pub(crate) fn forget_all(&self) {
        *self.pending.lock() = None;
    }

    fn take(&self, id: u64) -> Option<Pending> {
        let mut slot = self.pending.lock();
        let map = slot.as_mut()?;
        let taken = map.remove(&id);
        if map.is_empty() {
            *slot = None;
        }
        taken
    }
}

/// An answer to come; see [`Socket::emit_with_ack`]. Dropped, it waits no more.
pub struct AckFuture<T> {
    state: State,
    read: PhantomData<fn() -> T>,
}

enum State {
    Failed(Option<AckError>),
    Waiting { answer: oneshot::Receiver<InArgs>, timeout: Pin<Box<Sleep>>, _forget: Forget },
}

/// Forgets the ack when the wait is over, however it ends.
struct Forget {
    socket: Socket,
    id: u64,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.socket.0.acks.forget(self.id);
    }
}

impl<T> AckFuture<T> {
    pub(crate) fn failed(error: AckError) -> Self {
        Self { state: State::Failed(Some(error)), read: PhantomData }
    }

    pub(crate) fn waiting(socket: Socket, id: u64, answer: oneshot::Receiver<InArgs>, timeout: Duration) -> Self {
        let timeout = Box::pin(tokio::time::sleep(timeout));
        Self { state: State::Waiting { answer, timeout, _forget: Forget { socket, id } }, read: PhantomData }
    }
}

impl<T: DeserializeOwned> Future for AckFuture<T> {
    type Output = Result<T, AckError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Failed(error) => Poll::Ready(Err(error.take().unwrap_or(AckError::Disconnected))),
            State::Waiting { answer, timeout, .. } => match Pin::new(answer).poll(cx) {
                Poll::Ready(Ok(args)) => Poll::Ready(args.deserialize().map_err(AckError::Decode)),
                Poll::Ready(Err(_)) => Poll::Ready(Err(AckError::Disconnected)),
                Poll::Pending => timeout.as_mut().poll(cx).map(|()| Err(AckError::Timeout)),
            },
        }
    }
}

/// The answers of a room.
#[derive(Debug)]
pub struct RoomAnswers<T> {
    /// Who answered what, in the order in which the answers came.
    pub answers: Vec<(Socket, T)>,
    /// Who was asked and did not answer in time, left before answering, or answered something else.
    pub missing: Vec<Socket>,
}

impl<T> RoomAnswers<T> {
    /// Whether everybody who was asked has answered.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

/// The answers of a room to come; see [`Broadcast::emit_with_ack`](crate::Broadcast::emit_with_ack).
pub type RoomFuture<T> = Pin<Box<dyn Future<Output = RoomAnswers<T>> + Send>>;

/// Collects the answers of everybody who was asked, until all are there or time is up.
pub(crate) async fn collect<T: DeserializeOwned>(
    id: u64,
    asked: Vec<Socket>,
    mut answers: mpsc::UnboundedReceiver<(Socket, InArgs)>,
    timeout: Duration,
) -> RoomAnswers<T> {
    let mut result = RoomAnswers { answers: Vec::with_capacity(asked.len()), missing: Vec::new() };
    let mut owing = ForgetAll { id, sockets: asked.into_iter().collect() };
    let deadline = tokio::time::sleep(timeout);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            // All senders are gone when everybody has answered or disconnected.
            answer = answers.recv() => match answer {
                Some((socket, args)) => {
                    if let Ok(value) = args.deserialize() {
                        owing.sockets.remove(&socket);
                        result.answers.push((socket, value));
                    }
                }
                None => break,
            },
            () = &mut deadline => break,
        }
    }
    result.missing = owing.sockets.iter().cloned().collect();
    result
}

struct ForgetAll {
    id: u64,
    sockets: HashSet<Socket>,
}

impl Drop for ForgetAll {
    fn drop(&mut self) {
        for socket in &self.sockets {
            socket.0.acks.forget(self.id);
        }
    }
}
