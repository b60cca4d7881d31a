//! The smallest server: it greets whoever comes and repeats what it hears. Open it in a browser.

use axum::{Router, response::Html, routing::get};
use sori::{Data, Namespace, Server, Socket};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hello = Namespace::new()
        .on_connect(async |socket: Socket| socket.emit("hello", socket.id()))
        .on("say", async |socket: Socket, Data(text): Data<String>| socket.emit("heard", &text));
    let io = Server::builder().namespace("/", hello).build()?;
    let app = Router::new().route("/", get(Html(PAGE)));

    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    io.serve(listener, app).await?;
    Ok(())
}

const PAGE: &str = r#"<!doctype html>
<title>hello</title>
<pre id="log">connecting
</pre>
<script>
  const NO_CLIENT = "The client could not be loaded. `npm install socket.io-client` where the server runs puts it there.";
</script>
<script src="/socket.io/socket.io.js" onerror="log.textContent = NO_CLIENT"></script>
<script>
  const socket = io();
  socket.on("hello", id => { log.textContent += `connected as ${id}\n`; socket.emit("say", "anybody there?"); });
  socket.on("heard", text => log.textContent += `heard: ${text}\n`);
</script>"#;
