//! Namespaces that come into being when somebody asks for them: by a pattern, and by a predicate.
//!
//! ```js
//! io("http://127.0.0.1:3000/tenant-7").emit("post", "hi");             // reaches /tenant-7 only
//! io("http://127.0.0.1:3000/game/chess/42").emit("move", "e2", "e4");  // to whoever else is at this board
//! io("http://127.0.0.1:3000/game/poker/42");                           // connect_error: Invalid namespace
//! ```

use sori::{CloseReason, Data, Namespace, Server, Socket};

async fn post(socket: Socket, Data(text): Data<String>) -> Result<(), sori::EmitError> {
    let tenant = socket.namespace().trim_start_matches("/tenant-");
    println!("tenant {tenant}: {text}");
    socket.broadcast().emit("post", &text)?;
    Ok(())
}

/// Each name has its own sockets and rooms; the handlers are shared.
fn games() -> Namespace {
    Namespace::new()
        .on_connect(async |socket: Socket| println!("{} plays {}", socket.id(), socket.namespace()))
        .on("move", async |socket: Socket, Data((from, to)): Data<(String, String)>| socket.broadcast().emit("move", &(from, to)))
        .on_disconnect(async |socket: Socket, why: CloseReason| println!("{} left {}: {why}", socket.id(), socket.namespace()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder()
        .namespace("/tenant-{id}", Namespace::new().on("post", post))
        // Asked when a namespace is to be made, not for everybody who joins it: that is a middleware's work.
        .namespace_if(|name, _auth| ["/game/chess/", "/game/go/"].iter().any(|game| name.starts_with(game)), games())
        .build()?;

    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    io.serve(listener, axum::Router::new()).await?;
    Ok(())
}
