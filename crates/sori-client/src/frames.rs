//! One WebSocket connection: opening it, frames both ways.

use std::{
    cell::RefCell,
    future::poll_fn,
    task::{Context, Poll},
};

use sori_proto::ws::{
    Message, Reader, WsError,
    frame::{Header, OpCode},
    handshake,
};
use tokio::time::Instant;

use crate::{
    Error, Limits, Traffic,
    dial::{Dial, within},
    entropy,
    error::Doing,
    http::{Head, read_head, refused},
    wire::Wire,
};

/// Pings are answered and a close is echoed here, and nowhere else.
pub(crate) struct Frames {
    wire: Wire,
    reader: Reader,
    /// What came together with the answer to the handshake.
    begun: Vec<u8>,
    closing: bool,
    message_bytes_max: u32,
}

impl Frames {
    /// Opens a WebSocket, and tells the subprotocol that the server chose.
    pub(crate) async fn open(dial: &Dial, resource: &str, deadline: Instant) -> Result<(Self, Option<Box<str>>), Error> {
        let settings = dial.options.settings();
        let mut wire = dial.connect(deadline).await?;
        let key = handshake::key(entropy::nonce());
        let mut headers =
            format!("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n");
        if !settings.subprotocols.is_empty() {
            headers.push_str(&format!("Sec-WebSocket-Protocol: {}\r\n", settings.subprotocols));
        }
        wire.send(&dial.request("GET", resource, &headers, None))?;
        let answer = async {
            let (head, begun) = read_head(&mut wire, &settings.limits).await?;
            match head.status {
                101 => Ok((head, begun)),
                _ => Err(refused(&mut wire, head, begun, "a WebSocket").await),
            }
        };
        let (head, begun) = within(deadline, settings.timeout, Doing::Asking, answer).await??;
        if head.accept.as_deref() != Some(handshake::accept_key(key.as_bytes()).as_str()) {
            return Err(Error::violation("Sec-WebSocket-Accept is missing or wrong: no WebSocket server answered"));
        }
        let message_bytes_max = settings.limits.message_bytes_max;
        let reader = Reader::client(message_bytes_max, None);
        Ok((Self { wire, reader, begun, closing: false, message_bytes_max }, head.subprotocol))
    }

    /// Sends a frame, masked as a client must.
    pub(crate) fn send(&mut self, opcode: OpCode, payload: &[u8]) -> Result<(), Error> {
        send(&mut self.wire, opcode, &[payload])
    }

    /// Sends a frame whose payload comes in parts.
    pub(crate) fn send_parts(&mut self, opcode: OpCode, parts: &[&[u8]]) -> Result<(), Error> {
        send(&mut self.wire, opcode, parts)
    }

    /// Reads once, and hands on each message. The end comes as an error, after what came before it.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Message<'_>) -> Result<(), Error>,
    ) -> Poll<Result<(), Error>> {
        if !self.begun.is_empty() {
            let mut begun = std::mem::take(&mut self.begun);
            return Poll::Ready(read(
                &mut self.wire,
                &mut self.reader,
                &mut self.closing,
                &mut begun,
                self.message_bytes_max,
                &mut take,
            ));
        }
        let Self { wire, reader, closing, message_bytes_max, .. } = self;
        wire.poll_read(cx, |wire, bytes| match bytes.is_empty() {
            true => Err(Error::cut("without a close frame")),
            false => read(wire, reader, closing, bytes, *message_bytes_max, &mut take),
        })
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.wire.poll_flush(cx)
    }

    pub(crate) fn is_unsent(&self) -> bool {
        self.wire.is_unsent()
    }

    /// Says goodbye and waits until the server has done so, too. What comes meanwhile is dropped.
    pub(crate) async fn close(&mut self, code: u16, reason: &str) -> Result<(), Error> {
        if !std::mem::replace(&mut self.closing, true) {
            let frame = sori_proto::ws::frame::close(Some(code), reason);
            self.send(OpCode::Close, sori_proto::ws::frame::payload(&frame))?;
        }
        loop {
            match poll_fn(|cx| self.poll(cx, |_| Ok(()))).await {
                Ok(()) => {}
                Err(Error::Closed { .. } | Error::Lost(_)) => break,
                Err(error) => return Err(error),
            }
        }
        // The server has gone: that it cannot be told so is no news.
        self.wire.shutdown().await.ok();
        Ok(())
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.wire.traffic()
    }

    pub(crate) fn reset(self) {
        self.wire.reset();
    }
}

fn read(
    wire: &mut Wire,
    reader: &mut Reader,
    closing: &mut bool,
    mut input: &mut [u8],
    message_bytes_max: u32,
    take: &mut impl FnMut(Message<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    // Node's Engine.IO answers 101 first, and then, to a client that it does not want, in plain HTTP on the same connection.
    let http = input.starts_with(b"HTTP/1.").then(|| input.to_vec());
    loop {
        match reader.next(&mut input) {
            Ok(None) => return Ok(()),
            Ok(Some(Message::Ping(data))) => send(wire, OpCode::Pong, &[&data])?,
            Ok(Some(Message::Close { code, reason })) => {
                if !std::mem::replace(closing, true) {
                    // Section 5.5.1: the code is echoed. Whether it still arrives is no news.
                    let code = code.map(u16::to_be_bytes);
                    send(wire, OpCode::Close, &[code.as_ref().map_or(&[][..], |code| code)]).ok();
                }
                wire.hang_up();
                return Err(Error::Closed { code, reason: reason.into() });
            }
            Ok(Some(message)) => take(message)?,
            Err(error) => {
                if !std::mem::replace(closing, true) {
                    send(wire, OpCode::Close, &[&error.close_code().to_be_bytes()]).ok();
                }
                if let Some(http) = http
                    && let Ok(Some((head, len))) = Head::parse(&http, &Limits::default())
                {
                    return Err(Error::wrong_answer("a WebSocket", head.status, &http[len..]));
                }
                return Err(match error {
                    WsError::MessageTooLarge => Error::TooLarge { limit: "message_bytes_max", max: message_bytes_max },
                    error => error.into(),
                });
            }
        }
    }
}

fn send(wire: &mut Wire, opcode: OpCode, parts: &[&[u8]]) -> Result<(), Error> {
    let mask = entropy::mask();
    let len = parts.iter().map(|part| part.len() as u64).sum();
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        Header { fin: true, rsv1: false, opcode, mask: Some(mask), len }.write(scratch);
        let start = scratch.len();
        parts.iter().for_each(|part| scratch.extend_from_slice(part));
        sori_proto::ws::frame::apply_mask(&mut scratch[start..], mask);
        let sent = wire.send(scratch);
        // One large message must not stay for the thread's life.
        if scratch.capacity() > SCRATCH_BYTES_MAX {
            *scratch = Vec::new();
        }
        sent
    })
}

/// What a thread keeps for frames on their way out.
const SCRATCH_BYTES_MAX: usize = 64 << 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}
