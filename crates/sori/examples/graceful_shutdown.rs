//! Ctrl-C: nobody new comes in, what was emitted still leaves, everybody is told, and the process ends.

use std::time::Duration;

use sori::{CloseReason, Namespace, Server, Socket};

async fn closing(io: Server) {
    if tokio::signal::ctrl_c().await.is_err() {
        return std::future::pending().await;
    }
    println!("closing; {} connected", io.of("/").len());
    if let Err(error) = io.emit("bye", "the server restarts, your client will be back") {
        eprintln!("bye: {error}");
    }
    let all_sent = io.close(Duration::from_secs(10)).await;
    println!("{}", if all_sent { "everything was sent" } else { "some did not read to the end" });
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let namespace = Namespace::new().on_disconnect(async |socket: Socket, why: CloseReason| {
        println!("{} left: {why}", socket.id());
    });
    let io = Server::builder().namespace("/", namespace).build()?;

    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    // axum goes on serving while Sori closes, then stops accepting.
    io.serve(listener, axum::Router::new()).with_graceful_shutdown(closing(io.clone())).await?;
    Ok(())
}
