//! For unit tests: a peer without a transport. What it says is fed to its session, what it is told is taken from its outbox.

use std::sync::Arc;

use sori_proto::{
    eio::{Revision, packet},
    sio::OutArgs,
    wire::Prepared,
    ws::frame,
};

use crate::{
    config::Transport,
    handshake::Handshake,
    peer::{Peer, PollingStyle},
    server::Server,
    socket::Socket,
};

/// A client over WebSocket whose connection takes nothing until it is asked.
pub(crate) struct Client {
    pub(crate) peer: Arc<Peer>,
}

impl Client {
    /// A session of revision 4 that has joined nothing.
    pub(crate) fn open(io: &Server) -> Self {
        Self::of_revision(io, Revision::V4)
    }

    pub(crate) fn of_revision(io: &Server, revision: Revision) -> Self {
        let shared = io.shared().clone();
        shared.start();
        let (parts, ()) = http::Request::new(()).into_parts();
        let handshake = Handshake::new(&parts, None, false);
        let sid = crate::ids::Sid::random();
        let peer = Peer::open(shared.clone(), sid, revision, Transport::Websocket, handshake, PollingStyle::default());
        let place = shared.sessions.reserve(u32::MAX).expect("there is room for tests");
        shared.sessions.insert(peer.clone(), place);
        peer.outbox.start_driver(false);
        peer.outbox.take_all();
        peer.opened();
        Self { peer }
    }

    /// A client that has joined `/`.
    pub(crate) fn joined(io: &Server) -> (Self, Socket) {
        let client = Self::open(io);
        let socket = client.joins("/");
        (client, socket)
    }

    pub(crate) fn joins(&self, namespace: &str) -> Socket {
        self.says(&if namespace == "/" { "40".into() } else { format!("40{namespace},") });
        let told = self.hears();
        let id = told.last().and_then(|reply| reply.split("\"sid\":\"").nth(1)?.split('"').next()).expect("it was let in");
        self.peer.shared.namespaces.find(namespace).and_then(|namespace| namespace.get(id)).expect("it is there")
    }

    /// Feeds one text packet.
    pub(crate) fn says(&self, text: &str) {
        let packet = packet::decode_text(self.peer.revision, text);
        if let Some(event) = self.peer.feed(|session, feed| session.handle_packet(feed.now, packet, feed.limits, feed.out)) {
            self.peer.dispatch(event);
        }
    }

    /// What the outbox holds, emptied; binary is `<binary>`, the end `<close>`.
    pub(crate) fn hears(&self) -> Vec<String> {
        let told = |frame: &bytes::Bytes| match frame::opcode(frame) {
            frame::OpCode::Text => String::from_utf8_lossy(frame::payload(frame)).into_owned(),
            other => format!("<{other:?}>").to_lowercase(),
        };
        self.peer.outbox.take_all().iter().map(told).collect()
    }
}

/// An event in `/`.
pub(crate) fn event(name: &str) -> Prepared {
    Prepared::new("/".into(), name, OutArgs::new(&()).unwrap(), None)
}

/// Lets other tasks run until none has anything to do.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
