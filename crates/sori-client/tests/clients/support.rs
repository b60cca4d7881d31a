//! A Sori on a port of its own.

use std::{future::Future, time::Duration};

use sori::{Server, ServerBuilder};
use sori_client::{Event, InArgs, Options, Revision, SocketIo, Transport};

/// A server that runs until the test ends.
pub struct Running {
    pub io: Server,
    pub url: String,
}

impl Running {
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

pub async fn serve(build: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Running {
    let io = build(Server::builder()).build().expect("a server");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let serving = io.clone();
    tokio::spawn(async move { serving.serve(listener, axum::Router::new()).await });
    Running { io, url }
}

/// Every way to speak Socket.IO.
pub const WAYS: [(Revision, Transport); 6] = [
    (Revision::V4, Transport::WebSocket),
    (Revision::V4, Transport::Polling),
    (Revision::V4, Transport::Upgrade),
    (Revision::V3, Transport::WebSocket),
    (Revision::V3, Transport::Polling),
    (Revision::V3, Transport::Upgrade),
];

pub fn by((revision, transport): (Revision, Transport)) -> Options {
    Options::new().revision(revision).transport(transport).timeout(PATIENCE)
}

/// The next event, which must have this name.
#[track_caller]
pub fn event(client: &mut SocketIo, expected: &str) -> impl Future<Output = (InArgs, Option<u64>)> {
    let place = std::panic::Location::caller();
    async move {
        match soon(client.next()).await {
            Ok(Event::Event { name, args, ack }) if *name == *expected => (args, ack),
            other => panic!("{other:?} instead of {expected} at {place}"),
        }
    }
}

/// Nothing here takes long. What does has gone wrong.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

pub const PATIENCE: Duration = Duration::from_secs(20);
