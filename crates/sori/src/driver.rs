//! The task that carries one WebSocket session: it alone reads and writes its connection.
//!
//! One poll reads what there is, then drains the outbox once, so that acks and events of one turn leave
//! together. It has no timer: deadlines are the server's wheel, which pushes or closes through the outbox.

use std::{
    future::Future,
    io::{self, IoSlice},
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use sori_proto::{
    CloseReason, Event, Session, wire,
    ws::{Message, Reader, WsError, frame},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    outbox::Drained,
    peer::{Feed, Peer},
    scratch::Scratch,
};

/// In a box of its own, because the allocator rounds a task in steps of 128 bytes.
pub(crate) struct Driver<S>(Box<Connection<S>>);

struct Connection<S> {
    io: S,
    reader: Reader,
    /// What was read before the connection was ours.
    #[expect(clippy::box_collection, reason = "hardly ever there: a word instead of three")]
    ahead: Option<Box<Vec<u8>>>,
    /// Frames that the socket would not take; none on a connection that keeps up.
    unsent: Vec<Bytes>,
    phase: Phase,
    /// Its turn at the outbox.
    turn: u32,
    /// The client cannot read binary frames (`b64`).
    base64: bool,
    /// The session goes on without this connection: nothing is taken for it any more.
    is_detached: bool,
    /// The peer sends nothing more.
    has_ended: bool,
    /// The last to be dropped: until then something is under way.
    peer: Carried,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Open, and nothing has been written yet.
    New,
    Open,
    /// The peer's bytes do not matter any more; ours still leave.
    Closing,
    /// All has left; the connection is being shut down.
    ShuttingDown,
    /// We have ended; the peer has not yet. What it still sends is read and forgotten, because a connection
    /// closed over unread bytes is reset, and takes our last words with it.
    Lingering,
}

/// A peer while a driver carries it.
struct Carried(Arc<Peer>);

impl Drop for Carried {
    fn drop(&mut self) {
        self.0.shared.busy.leave();
    }
}

impl Deref for Carried {
    type Target = Arc<Peer>;

    fn deref(&self) -> &Arc<Peer> {
        &self.0
    }
}

impl Phase {
    fn is_open(self) -> bool {
        matches!(self, Self::New | Self::Open)
    }
}

/// How a driver begins.
pub(crate) struct Start {
    pub(crate) turn: u32,
    pub(crate) base64: bool,
    /// What is written before anything else.
    pub(crate) first: Vec<Bytes>,
}

impl<S> Driver<S> {
    pub(crate) fn new(io: S, peer: Arc<Peer>, reader: Reader, ahead: Option<Box<[u8]>>, start: Start) -> Self {
        peer.shared.busy.enter();
        Self(Box::new(Connection {
            io,
            reader,
            ahead: ahead.map(|ahead| Box::new(ahead.into())),
            unsent: start.first,
            phase: Phase::New,
            turn: start.turn,
            base64: start.base64,
            is_detached: false,
            has_ended: false,
            peer: Carried(peer),
        }))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self.0;
        let mut scratch = Scratch::take();
        if this.phase.is_open() && this.is_replaced() {
            this.leave();
        }
        if this.phase.is_open() {
            this.read(cx, &mut scratch);
        }
        if this.phase.is_open() || this.phase == Phase::Closing {
            match this.write(cx, &mut scratch) {
                Ok(false) => return Poll::Pending,
                Ok(true) => this.phase = Phase::ShuttingDown,
                Err(_) => {
                    this.lose(CloseReason::TransportError, None);
                    return Poll::Ready(());
                }
            }
        }
        if this.phase == Phase::ShuttingDown {
            match Pin::new(&mut this.io).poll_shutdown(cx) {
                // TLS says goodbye too, maybe to a peer that does not read any more.
                Poll::Pending if !this.is_given_up(cx) => return Poll::Pending,
                Poll::Ready(Ok(())) if !this.has_ended && !this.is_detached => this.phase = Phase::Lingering,
                _ => return Poll::Ready(()),
            }
        }
        this.linger(cx, &mut scratch)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Reads until there is nothing to read.
    fn read(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) {
        if let Some(mut ahead) = self.ahead.take() {
            self.handle(&mut ahead);
        }
        for _ in 0..READS_PER_TURN {
            if !self.phase.is_open() {
                return;
            }
            let mut buffer = ReadBuf::new(&mut scratch.bytes);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return self.ended(CloseReason::TransportClose),
                Poll::Ready(Ok(())) => {
                    if let Some(counters) = &self.peer.traffic {
                        counters.add_in(buffer.filled().len());
                    }
                    let is_full = buffer.remaining() == 0;
                    self.peer.outbox.will_drain(self.turn);
                    self.handle(buffer.filled_mut());
                    // A short read says that the socket is empty, most likely: the next poll will ask again only when it is not.
                    if !is_full && !self.phase.is_open() {
                        return;
                    }
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return self.ended(CloseReason::TransportClose);
                }
                Poll::Ready(Err(_)) => return self.ended(CloseReason::TransportError),
            }
        }
        // Others want a turn too.
        cx.waker().wake_by_ref();
    }

    /// Waits until the peer has ended too, or the wheel gives it up.
    fn linger(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<()> {
        for _ in 0..READS_PER_TURN {
            let mut buffer = ReadBuf::new(&mut scratch.bytes);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending if self.is_given_up(cx) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Hands what was read to the session, message by message.
    fn handle(&mut self, mut input: &mut [u8]) {
        loop {
            let message = match self.reader.next(&mut input) {
                Ok(None) => return,
                Ok(Some(Message::Close { code, .. })) => return self.answer_close(code),
                Ok(Some(message)) => message,
                Err(error) => return self.fail(error),
            };
            let is_mine = || self.peer.plain.is_none() || self.peer.outbox.is_turn(self.turn);
            // Under the session's lock, because another request takes it over under that.
            let fed = self.peer.feed(|session, feed| is_mine().then(|| handle_message(session, feed, &message)));
            let Some(event) = fed else { return self.leave() };
            self.dispatch(event);
            if self.peer.is_closed() {
                self.phase = Phase::Closing;
                return;
            }
        }
    }

    fn dispatch(&self, event: Option<Event>) {
        if let Some(event) = event {
            self.peer.dispatch(event);
        }
    }

    /// RFC 6455, 5.5.1: a close frame is answered with one.
    fn answer_close(&mut self, code: Option<u16>) {
        self.lose(CloseReason::TransportClose, Some(frame::close(code, "")));
    }

    /// RFC 6455, 7.1.7: the close frame says what was wrong.
    fn fail(&mut self, error: WsError) {
        tracing::debug!(%error, "websocket failed");
        self.lose(CloseReason::TransportError, Some(frame::close(Some(error.close_code()), "")));
    }

    /// The connection has ended, or broken.
    fn ended(&mut self, reason: CloseReason) {
        self.has_ended = true;
        self.lose(reason, None);
    }

    /// Whether another request carries the session now.
    fn is_replaced(&self) -> bool {
        self.peer.plain.is_some() && !self.is_detached && !self.peer.outbox.is_turn(self.turn)
    }

    /// Another request has taken over: this connection ends, and whatever it still says is nobody's.
    fn leave(&mut self) {
        self.phase = Phase::Closing;
        self.is_detached = true;
        self.unsent.push(frame::close(Some(1000), "replaced"));
    }

    /// This connection carries nothing any more. Its session ends with it, or goes on.
    fn lose(&mut self, reason: CloseReason, farewell: Option<Bytes>) {
        self.phase = Phase::Closing;
        if self.is_replaced() || self.peer.outlives_its_connection() || !self.peer.close_with(self.turn, reason, farewell.clone())
        {
            self.peer.detach(self.turn, reason);
            self.unsent.extend(farewell);
            self.is_detached = true;
        }
    }

    /// Whether nobody waits for this connection any more.
    fn is_given_up(&self, cx: &mut Context<'_>) -> bool {
        self.is_detached || self.peer.outbox.await_abandonment(cx, self.turn)
    }

    /// Writes until the outbox is empty or the socket full. True when everything has left and nothing more will come.
    fn write(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> io::Result<bool> {
        let Scratch { bytes, frames } = scratch;
        // What a connection begins with has not been tried yet, and leaves with what follows.
        let is_new = self.phase == Phase::New;
        if is_new {
            self.phase = Phase::Open;
        }
        let mut was_blocked = !is_new && !self.unsent.is_empty();
        frames.append(&mut std::mem::take(&mut self.unsent));
        let mut drained = match self.is_detached {
            true => Drained::Last,
            false if was_blocked => Drained::Some,
            false => self.drain(cx, frames),
        };
        loop {
            while !frames.is_empty() {
                match self.write_some(cx, frames, bytes)? {
                    Poll::Ready(n) => {
                        if let Some(counters) = &self.peer.traffic {
                            counters.add_out(n);
                        }
                        advance(frames, n);
                    }
                    // What a session that goes on elsewhere has to say here is not worth waiting for.
                    Poll::Pending if self.is_detached => return Ok(true),
                    Poll::Pending => {
                        self.unsent = std::mem::take(frames);
                        // A peer that is being closed and does not read is given up by the wheel.
                        return Ok(self.peer.outbox.set_blocked(self.turn));
                    }
                }
            }
            if std::mem::take(&mut was_blocked) {
                self.peer.outbox.set_writable(self.turn);
            }
            match drained {
                Drained::Some => drained = self.drain(cx, frames),
                // Whoever pushes from here on wakes us.
                Drained::All => return Ok(false),
                Drained::Last | Drained::Replaced => return Ok(true),
            }
        }
    }

    fn drain(&mut self, cx: &mut Context<'_>, frames: &mut Vec<Bytes>) -> Drained {
        let before = frames.len();
        let drained = self.peer.outbox.drain(cx, self.turn, frames, BYTES_PER_WRITE);
        if drained == Drained::Replaced {
            self.leave();
            frames.append(&mut self.unsent);
        }
        if self.base64 {
            frames[before..].iter_mut().for_each(|frame| *frame = wire::base64_frame(self.peer.revision, frame));
        }
        drained
    }

    /// All frames in one system call, as far as the socket takes them.
    fn write_some(&mut self, cx: &mut Context<'_>, frames: &[Bytes], bytes: &mut [u8]) -> io::Result<Poll<usize>> {
        let io = Pin::new(&mut self.io);
        let written = match frames {
            [one] => io.poll_write(cx, one),
            many => match join(many, &mut bytes[..JOINED_BYTES_MAX]) {
                Some(joined) => io.poll_write(cx, joined),
                None => {
                    let mut slices = [IoSlice::new(&[]); SLICES_PER_WRITE];
                    let count = many.len().min(SLICES_PER_WRITE);
                    for (slice, frame) in slices.iter_mut().zip(many) {
                        *slice = IoSlice::new(frame);
                    }
                    io.poll_write_vectored(cx, &slices[..count])
                }
            },
        };
        match written {
            Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(n)) => Ok(Poll::Ready(n)),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Ok(Poll::Pending),
        }
    }
}

/// What one message means.
fn handle_message(session: &mut Session, feed: Feed<'_>, message: &Message<'_>) -> Option<Event> {
    match message {
        Message::Text(text) => return session.handle_text(feed.now, text, feed.limits, feed.out),
        Message::Binary(data) => return session.handle_binary(feed.now, data, feed.limits, feed.out),
        Message::Ping(data) => {
            feed.out.push(frame::pong(data));
            session.handle_frame(feed.now, feed.limits);
        }
        Message::Pong(_) => session.handle_frame(feed.now, feed.limits),
        Message::Close { .. } => {}
    }
    None
}

fn advance(frames: &mut Vec<Bytes>, mut written: usize) {
    let mut done = 0;
    for frame in frames.iter_mut() {
        if written < frame.len() {
            frame.advance(written);
            break;
        }
        written -= frame.len();
        done += 1;
    }
    frames.drain(..done);
}

/// Small frames, one behind the other: the kernel takes one buffer of 400 bytes in less time than four of 100. None when they are
/// too much to be worth the copy.
fn join<'a>(frames: &[Bytes], bytes: &'a mut [u8]) -> Option<&'a [u8]> {
    if frames.iter().map(Bytes::len).sum::<usize>() > bytes.len() {
        return None;
    }
    let mut len = 0;
    for frame in frames {
        bytes[len..len + frame.len()].copy_from_slice(frame);
        len += frame.len();
    }
    Some(&bytes[..len])
}

/// A connection that always has something to read gives way to others after this many reads.
const READS_PER_TURN: usize = 16;
/// Beyond it a copy costs more than it saves.
const JOINED_BYTES_MAX: usize = 16 * 1024;
/// Linux takes 1,024 at once; a slice costs 16 bytes of stack.
const SLICES_PER_WRITE: usize = 64;
/// More than a socket's buffer usually takes.
const BYTES_PER_WRITE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        Server,
        testing::{Client, settle},
    };

    /// A connection that fails in one way.
    #[derive(Clone, Copy, PartialEq)]
    enum Broken {
        /// It takes nothing, for ever.
        Write,
        /// It takes everything but the goodbye, as TLS to a peer that is gone.
        Shutdown,
        /// It says that it took nothing.
        WriteZero,
        /// Reading fails.
        Read,
    }

    impl AsyncRead for Broken {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if *self == Self::Read { Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) } else { Poll::Pending }
        }
    }

    impl AsyncWrite for Broken {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
            match *self {
                Self::Write => Poll::Pending,
                Self::WriteZero => Poll::Ready(Ok(0)),
                Self::Shutdown | Self::Read => Poll::Ready(Ok(data.len())),
            }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if *self == Self::Shutdown { Poll::Pending } else { Poll::Ready(Ok(())) }
        }
    }

    /// A driver on such a connection, with an event on its way.
    fn drive(io: &Server, stream: Broken) -> (Client, tokio::task::JoinHandle<()>) {
        let (client, socket) = Client::joined(io);
        socket.emit("x", &()).unwrap();
        let start = Start { turn: client.peer.outbox.start_driver(false), base64: false, first: Vec::new() };
        let driver = Driver::new(stream, client.peer.clone(), Reader::server(1_000, None), None, start);
        (client, tokio::spawn(driver))
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_takes_nothing_any_more_is_given_up_half_a_minute_after_its_end() {
        for stream in [Broken::Write, Broken::Shutdown] {
            let io = Server::builder().build().unwrap();
            let (client, driver) = drive(&io, stream);
            settle().await;
            client.peer.close(CloseReason::ForcedServerClose);
            tokio::time::sleep(Duration::from_secs(29)).await;
            assert!(!driver.is_finished());
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert!(driver.is_finished());
            // And so nothing keeps a server from closing that has nothing left to say.
            assert!(io.close(Duration::from_millis(1)).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_fails_ends_its_session() {
        for stream in [Broken::WriteZero, Broken::Read] {
            let io = Server::builder().build().unwrap();
            let (client, driver) = drive(&io, stream);
            driver.await.unwrap();
            assert!(client.peer.is_closed());
            assert_eq!(io.stats().sessions_closed(CloseReason::TransportError), 1);
            assert_eq!((io.stats().sessions(), io.of("/").len()), (0, 0));
        }
    }

    #[test]
    fn a_driver_is_small() {
        // A `TcpStream` is 32, and more in debug builds.
        assert_eq!(size_of::<Connection<()>>(), 96 - 32);
    }

    #[test]
    fn small_frames_are_joined_and_large_ones_are_not() {
        let mut buffer = [b'-'; 8];
        let frames = |frames: &[&'static str]| frames.iter().map(|frame| Bytes::from(*frame)).collect::<Vec<_>>();
        assert_eq!(join(&frames(&["ab", "", "cde"]), &mut buffer), Some(&b"abcde"[..]));
        assert_eq!(join(&frames(&["abcd", "efgh"]), &mut buffer), Some(&b"abcdefgh"[..]));
        assert_eq!(join(&frames(&["abcd", "efghi"]), &mut buffer), None);
    }

    #[test]
    fn what_was_written_is_cut_off_wherever_it_ended() {
        for written in 0..=6 {
            let mut frames = vec![Bytes::from("ab"), Bytes::new(), Bytes::from("c"), Bytes::from("def")];
            advance(&mut frames, written);
            assert_eq!(frames.concat(), &b"abcdef"[written..]);
            assert!(frames.first().is_none_or(|first| !first.is_empty()) || written == 2);
        }
    }
}
