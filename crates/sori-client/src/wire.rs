//! One connection's bytes.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::{Error, Traffic};

/// A TCP connection, perhaps with TLS, and what it has not taken yet. Idle, it owns nothing on the heap.
pub(crate) struct Wire {
    io: Io,
    unsent: BytesMut,
    unsent_bytes_max: u32,
    traffic: Traffic,
}

pub(crate) enum Io {
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl Wire {
    pub(crate) fn new(io: Io, unsent_bytes_max: u32) -> Self {
        Self { io, unsent: BytesMut::new(), unsent_bytes_max, traffic: Traffic::default() }
    }

    /// Writes as much as the connection takes now. The rest is kept and leaves with [`Wire::poll_flush`].
    pub(crate) fn send(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        // Nobody is woken for this: whoever sends polls afterwards.
        let cx = &mut Context::from_waker(Waker::noop());
        if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
            return Err(error);
        }
        while self.unsent.is_empty() && !bytes.is_empty() {
            match self.io.poll_write(cx, bytes) {
                Poll::Ready(written) => {
                    let written = nonzero(written)?;
                    self.traffic.written += written as u64;
                    bytes = &bytes[written..];
                }
                Poll::Pending => break,
            }
        }
        if bytes.len() + self.unsent.len() > self.unsent_bytes_max as usize {
            return Err(Error::TooLarge { limit: "unsent_bytes_max", max: self.unsent_bytes_max });
        }
        self.unsent.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what is kept.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.unsent.is_empty() {
            let written = nonzero(ready!(self.io.poll_write(cx, &self.unsent)))?;
            self.traffic.written += written as u64;
            self.unsent.advance(written);
            if self.unsent.is_empty() {
                self.unsent = BytesMut::new();
            }
        }
        self.io.poll_flush(cx).map_err(Error::Lost)
    }

    /// Whether something is kept that the connection has not taken.
    pub(crate) fn is_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Reads once into this thread's buffer and hands on what came; nothing is the end. What was to be sent leaves meanwhile.
    pub(crate) fn poll_read<T>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&mut Self, &mut [u8]) -> Result<T, Error>,
    ) -> Poll<Result<T, Error>> {
        if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
            // What the server said before it hung up is worth more than that writing failed.
            if !self.is_readable(cx) {
                return Poll::Ready(Err(error));
            }
            self.unsent = BytesMut::new();
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(self.io.poll_read(cx, &mut buffer)).map_err(Error::Lost)?;
            let len = buffer.filled().len();
            self.traffic.read += len as u64;
            Poll::Ready(take(self, &mut scratch[..len]))
        })
    }

    /// Whether an idle connection has ended, or said something that nobody asked for, so that no request should go there.
    pub(crate) fn is_stale(&mut self) -> bool {
        let cx = &mut Context::from_waker(Waker::noop());
        let mut byte = [0];
        self.io.poll_read(cx, &mut ReadBuf::new(&mut byte)).is_ready()
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn shutdown(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_flush(cx)).await?;
        poll_fn(|cx| self.io.poll_shutdown(cx)).await.map_err(Error::Lost)
    }

    /// Says so now, where nothing waits to be sent; the connection itself goes with its owner.
    pub(crate) fn hang_up(&mut self) {
        if self.unsent.is_empty() {
            // Ready or not, and whether it works: the server has said its last word.
            let _ = self.io.poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Ends the connection without a goodbye: the server sees it reset, and what was on its way is lost.
    pub(crate) fn reset(self) {
        // If the system does not know how, the connection is closed as any other.
        self.io.tcp().set_zero_linger().ok();
    }

    fn is_readable(&self, cx: &mut Context<'_>) -> bool {
        self.io.tcp().poll_read_ready(cx).is_ready()
    }
}

impl Io {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(stream) => stream,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => {
                // What TLS keeps leaves with the next flush.
                let written = ready!(Pin::new(&mut **stream).poll_write(cx, bytes))?;
                let _ = Pin::new(stream).poll_flush(cx)?;
                Poll::Ready(Ok(written))
            }
        }
    }

    #[cfg_attr(not(feature = "tls"), expect(unused_variables))]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) => Poll::Ready(Ok(())),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

fn nonzero(written: io::Result<usize>) -> Result<usize, Error> {
    match written {
        Ok(0) => Err(Error::Lost(io::ErrorKind::WriteZero.into())),
        written => written.map_err(Error::Lost),
    }
}

/// What one system call may bring.
const SCRATCH_BYTES: usize = 64 << 10;

thread_local! {
    // One for all connections of a thread: none needs it between two polls.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}
