//! A chat for clients that have no library; Socket.IO clients meet them in the same room.
//!
//! ```sh
//! curl -N http://127.0.0.1:3000/live/chat                              # listens
//! curl -d hello 'http://127.0.0.1:3000/live/chat?event=msg'            # tells everybody
//! curl --json '[1,2]' 'http://127.0.0.1:3000/live/chat?event=add&args=1'
//! ```
//!
//! `docs/plain-clients.md` has clients for browsers, Python and Go that talk to it.

use std::time::Duration;

use axum::Router;
use serde_json::Value;
use sori::{Ack, Data, EmitError, Namespace, Server, Socket};

/// Passed on to everybody, the sender included.
async fn msg(io: Server, Data(msg): Data<Value>) -> Result<(), EmitError> {
    io.of("/chat").to("lobby").emit("msg", &msg)?;
    Ok(())
}

/// Asks everybody else, and answers with what they said within two seconds.
async fn ask(socket: Socket, Data(question): Data<String>) -> Result<Ack<Vec<String>>, EmitError> {
    let all = socket.to("lobby").timeout(Duration::from_secs(2)).emit_with_ack::<String>("question", &question)?.await;
    Ok(Ack(all.answers.into_iter().map(|(_, answer)| answer).collect()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chat = Namespace::new()
        .on_connect(async |socket: Socket| socket.join("lobby"))
        .on("msg", msg)
        .on("add", async |Data((a, b)): Data<(i64, i64)>| Ack(a + b))
        .on("ask", ask);
    let io = Server::builder().namespace("/chat", chat).build()?;
    let app = Router::new().layer(io.layer());

    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}/live/chat", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
