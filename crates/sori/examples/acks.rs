//! Questions and answers in both directions.
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000");
//! await socket.emitWithAck("add", 1, 2);              // 3
//! await socket.emitWithAck("divide", 1, 0);           // { error: "division by zero" }
//! await socket.emitWithAck("later", 500);             // "done", half a second later
//! socket.on("your name?", answer => answer("Ada"));   // the server asks after "ask me"
//! socket.on("ready?", answer => answer(true));        // and asks everybody after "ask all"
//! ```

use std::time::Duration;

use serde::Serialize;
use sori::{Ack, AckError, AckSender, Data, EmitError, Namespace, Server, Socket};

#[derive(Serialize)]
struct Failed {
    error: &'static str,
}

/// Both sides of a `Result` may answer.
async fn divide(Data((a, b)): Data<(f64, f64)>) -> Result<Ack<f64>, Ack<Failed>> {
    if b == 0.0 { Err(Ack(Failed { error: "division by zero" })) } else { Ok(Ack(a / b)) }
}

/// An [`AckSender`] answers when and where it likes.
async fn later(answer: AckSender, Data(ms): Data<u64>) {
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(ms.min(10_000))).await;
        answer.send("done")
    });
}

/// Asks this client. An error is logged, and the handler is over.
async fn ask_me(socket: Socket) -> Result<(), AckError> {
    let name: String = socket.timeout(Duration::from_secs(5)).emit_with_ack("your name?", &()).await?;
    socket.emit("welcome", &name)?;
    Ok(())
}

/// Asks everybody at once. Who does not answer in time is named too.
async fn ask_all(io: Server) -> Result<(), EmitError> {
    let all = io.of("/").timeout(Duration::from_secs(2)).emit_with_ack::<bool>("ready?", &())?.await;
    let ready = all.answers.iter().filter(|(_, ready)| *ready).count();
    io.emit("ready", &(ready, all.missing.len()))?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let namespace = Namespace::new()
        .on("add", async |Data((a, b)): Data<(i64, i64)>| Ack(a + b))
        .on("divide", divide)
        .on("later", later)
        .on("ask me", ask_me)
        .on("ask all", ask_all);
    let io = Server::builder().namespace("/", namespace).build()?;

    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    io.serve(listener, axum::Router::new()).await?;
    Ok(())
}
