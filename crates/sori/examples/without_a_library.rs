//! One room for everybody: Socket.IO, EventSource, a raw WebSocket, curl. Run it, then in three terminals:
//!
//! ```sh
//! curl -N 'http://127.0.0.1:3000/live/news?room=tea'                             # listens: one event a line
//! curl -N 'http://127.0.0.1:3000/live/news?room=tea&framing=sse&since=-5'        # the last five first, as EventSource reads
//! curl -d 'the kettle boils' 'http://127.0.0.1:3000/live/news?event=say&room=tea' # says; a form without = is text
//! ```
//!
//! The clients of `docs/plain-clients.md` talk to it.
use std::time::Duration;

use axum::Router;
use serde::Deserialize;
use sori::{Ack, CloseReason, Data, EmitError, History, Namespace, Query, Server, Socket};

#[derive(Deserialize)]
struct Join {
    #[serde(default = "lobby")]
    room: String,
}

fn lobby() -> String {
    "lobby".into()
}

/// Answers with how many heard it: over HTTP that is the body of the 200.
async fn say(io: Server, socket: Socket, Query(join): Query<Join>, Data(text): Data<String>) -> Result<Ack<usize>, EmitError> {
    let everybody = io.of(socket.namespace()).to(join.room).except(&socket);
    Ok(Ack(everybody.emit("said", &text)?.queued))
}

/// Asks everybody else in the room, and answers with what they said within two seconds.
async fn ask(socket: Socket, Query(join): Query<Join>, Data(question): Data<String>) -> Result<Ack<Vec<String>>, EmitError> {
    let all = socket.to(join.room).timeout(Duration::from_secs(2)).emit_with_ack::<String>("question", &question)?.await;
    Ok(Ack(all.answers.into_iter().map(|(_, answer)| answer).collect()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let news = Namespace::new()
        .history(History::new(100, Duration::from_secs(3600)))
        .on_connect(async |socket: Socket, Query(join): Query<Join>| {
            println!("{} came over {} to {}", socket.id(), socket.transport(), join.room);
            socket.join(join.room);
        })
        .on("say", say)
        .on("ask", ask)
        .on("add", async |Data((a, b)): Data<(i64, i64)>| Ack(a + b))
        .on_disconnect(async |socket: Socket, why: CloseReason| println!("{} left: {why}", socket.id()));
    let io = Server::builder().namespace("/news", news).build()?;
    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    io.serve(listener, Router::new()).await?;
    Ok(())
}
