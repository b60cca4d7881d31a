//! What the design promises about sessions, order and handlers; over in-memory streams on virtual time.

#[path = "../delivery/client.rs"]
#[allow(dead_code, reason = "the delivery tests use the rest")]
mod client;

mod acks;
mod order;
mod sessions;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use client::WebSocket;
use sori::{Namespace, Server, ServerBuilder};

const EIO4: &str = "/socket.io/?EIO=4&transport=websocket";
const EIO3: &str = "/socket.io/?EIO=3&transport=websocket";

/// What happened, in order.
#[derive(Clone, Default)]
struct Story(Arc<Mutex<Vec<String>>>);

impl Story {
    fn tell(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn so_far(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until this much has happened; virtual time makes that an instant.
    async fn until(&self, count: usize) -> Vec<String> {
        while self.0.lock().unwrap().len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.so_far()
    }
}

fn serve(namespace: Namespace) -> Server {
    with(Server::builder(), namespace)
}

fn with(builder: ServerBuilder, namespace: Namespace) -> Server {
    builder.namespace("/", namespace).build().unwrap()
}

/// A client of the newest kind, let into `/`.
async fn join(io: &Server) -> WebSocket {
    let mut ws = WebSocket::open(io, EIO4, 4096).await;
    assert!(ws.receive().await.unwrap().starts_with("0{"));
    ws.send("40").await;
    assert!(ws.receive().await.unwrap().starts_with("40{"), "the connect reply comes first");
    ws
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
