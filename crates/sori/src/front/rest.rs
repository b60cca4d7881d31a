//! What a front leaves to a web server.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A connection whose next request is not the server's: it reads that from its first byte on.
///
/// Given to hyper as `TokioIo<Rest>` it is taken back as a bare TCP connection when it becomes a WebSocket after all.
#[derive(Debug)]
pub struct Rest {
    io: TcpStream,
    ahead: Bytes,
}

impl Rest {
    pub(crate) fn new(io: TcpStream, ahead: Bytes) -> Self {
        Self { io, ahead }
    }

    /// What was read and waits to be read again: at least the beginning of a request.
    pub fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// The connection, and what was read from it before.
    pub fn into_parts(self) -> (TcpStream, Bytes) {
        (self.io, self.ahead)
    }
}

impl AsyncRead for Rest {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buffer);
        }
        let n = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead[..n]);
        self.ahead.advance(n);
        if self.ahead.is_empty() {
            self.ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rest {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, data)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
