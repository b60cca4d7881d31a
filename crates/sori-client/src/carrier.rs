//! What carries an Engine.IO session now.

use std::task::{Context, Poll};

use bytes::Bytes;
use sori_proto::{
    eio::{Data, Packet, packet},
    ws::{Message, frame::OpCode},
};

use crate::{Error, Revision, Traffic, frames::Frames, polling::Polling};

pub(crate) enum Carrier {
    WebSocket(Frames),
    Polling(Box<Polling>),
}

impl Carrier {
    /// Sends a packet of text, its type in front.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Error> {
        match self {
            Self::WebSocket(frames) => frames.send(OpCode::Text, text.as_bytes()),
            Self::Polling(polling) => polling.send(Data::Text(text.to_owned().into())),
        }
    }

    /// Sends a message of bytes.
    pub(crate) fn binary(&mut self, revision: Revision, data: &Bytes) -> Result<(), Error> {
        // Revision 3 begins a binary packet with its type.
        let kind: &[u8] = if revision == Revision::V3 { b"\x04" } else { b"" };
        match self {
            Self::WebSocket(frames) => frames.send_parts(OpCode::Binary, &[kind, data]),
            Self::Polling(polling) => polling.send(Data::Binary([kind, data].concat().into())),
        }
    }

    /// What was sent since leaves now, as far as it can.
    pub(crate) fn speak(&mut self) -> Result<(), Error> {
        match self {
            Self::WebSocket(_) => Ok(()),
            Self::Polling(polling) => polling.speak(),
        }
    }

    pub(crate) fn is_unsent(&self) -> bool {
        match self {
            Self::WebSocket(frames) => frames.is_unsent(),
            Self::Polling(polling) => polling.is_unsent(),
        }
    }

    /// Reads once, and hands on the packets.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        revision: Revision,
        mut take: impl FnMut(Packet<'_>) -> Result<(), Error>,
    ) -> Poll<Result<(), Error>> {
        match self {
            Self::Polling(polling) => polling.poll(cx, take),
            Self::WebSocket(frames) => frames.poll(cx, |message| match message {
                Message::Text(text) => take(packet::decode_text(revision.into(), &text)?),
                Message::Binary(data) => take(packet::decode_binary(revision.into(), &data)?),
                _ => Ok(()),
            }),
        }
    }

    pub(crate) fn traffic(&self) -> Traffic {
        match self {
            Self::WebSocket(frames) => frames.traffic(),
            Self::Polling(polling) => polling.traffic(),
        }
    }

    pub(crate) fn reset(self) {
        match self {
            Self::WebSocket(frames) => frames.reset(),
            Self::Polling(polling) => polling.reset(),
        }
    }
}
