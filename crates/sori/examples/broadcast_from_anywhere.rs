//! Events from outside of handlers: a route of axum, and a task that ticks.
//!
//! ```text
//! curl -d 'lunch is ready' http://127.0.0.1:3000/rooms/kitchen     # to the clients in that room
//! curl http://127.0.0.1:3000/rooms/kitchen                         # who is there
//! ```
//! ```js
//! const socket = io("http://127.0.0.1:3000");
//! socket.emit("join", "kitchen");
//! socket.on("notice", text => …);
//! socket.on("time", seconds => …);
//! ```

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use sori::{Data, Namespace, Server, Socket};

async fn notify(State(io): State<Server>, Path(room): Path<String>, text: String) -> Result<String, StatusCode> {
    let sent = io.to(room).emit("notice", &text).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(format!("queued for {} clients\n", sent.queued))
}

async fn members(State(io): State<Server>, Path(room): Path<String>) -> Json<Vec<String>> {
    Json(io.to(room).fetch_sockets().iter().map(|socket| socket.id().to_owned()).collect())
}

async fn tick(io: Server) {
    for seconds in 0u64.. {
        // Whoever is not ready for this one gets the next.
        if let Err(error) = io.of("/").volatile().emit("time", &seconds) {
            eprintln!("tick: {error}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let namespace = Namespace::new().on("join", async |socket: Socket, Data(room): Data<String>| socket.join(room));
    let io = Server::builder().namespace("/", namespace).build()?;
    tokio::spawn(tick(io.clone()));
    let app = Router::new().route("/rooms/{room}", get(members).post(notify)).with_state(io.clone()).layer(io.layer());

    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
