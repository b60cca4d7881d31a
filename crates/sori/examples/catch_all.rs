//! Seeing everything: what comes, what goes, what nobody handles, and what is stopped on its way.
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000");
//! await socket.emitWithAck("echo", 1, "two");          // [1, "two"]
//! await socket.emitWithAck("admin:reset");             // { error: "not for you" }
//! await socket.emitWithAck("nonsense");                // { error: "no such event: nonsense" }
//! ```

use serde_json::json;
use sori::{Ack, Args, EventName, Namespace, Outgoing, Server, Socket};

/// Sees every event before its handler, and does not answer.
async fn log(socket: Socket, EventName(event): EventName, Args(args): Args) {
    println!("{} -> {event} {args:?}", socket.id());
}

/// Sees everything that is emitted, once, however many receive it.
fn log_outgoing(outgoing: &Outgoing<'_>) {
    let to: Vec<&str> = outgoing.rooms().collect();
    println!("{to:?} <- {} [{}]", outgoing.event(), outgoing.json());
}

/// Decides before all handlers. `Err(Ack(…))` answers the client; other errors are logged.
async fn guard(EventName(event): EventName) -> Result<(), Ack<serde_json::Value>> {
    if event.starts_with("admin:") { Err(Ack(json!({ "error": "not for you" }))) } else { Ok(()) }
}

/// Takes what has no handler of its own.
async fn unknown(EventName(event): EventName) -> Ack<serde_json::Value> {
    Ack(json!({ "error": format!("no such event: {event}") }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let namespace = Namespace::new()
        .on_any_outgoing(log_outgoing)
        .on_any(log)
        .event_middleware(guard)
        .on_connect(async |socket: Socket| socket.emit("welcome", &()))
        .on("echo", async |Args(args): Args| Ack(args))
        .on("admin:reset", async || Ack("never reached"))
        .fallback(unknown);
    let io = Server::builder().namespace("/", namespace).build()?;

    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    io.serve(listener, axum::Router::new()).await?;
    Ok(())
}
