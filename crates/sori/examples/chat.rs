//! A chat: rooms, names, who is here, who is typing. Open it in two windows.

use axum::{Router, response::Html, routing::get};
use serde::{Deserialize, Serialize};
use sori::{Ack, Data, EmitError, Namespace, Server, Socket};

#[derive(Clone, Serialize, Deserialize)]
struct User {
    name: String,
    room: String,
}

/// The client asks to enter a room; the answer is who is there.
async fn enter(io: Server, socket: Socket, Data(user): Data<User>) -> Result<Ack<Vec<String>>, EmitError> {
    leave(&socket)?;
    let room = user.room.clone();
    socket.join(&room);
    socket.to(&room).emit("joined", &user.name)?;
    socket.data().insert(user);
    Ok(Ack(io.to(&room).fetch_sockets().iter().filter_map(|member| member.data().get::<User>()).map(|user| user.name).collect()))
}

/// Tells the room that somebody has gone. When a client disconnects it has left its rooms already; its data is still there.
fn leave(socket: &Socket) -> Result<(), EmitError> {
    if let Some(user) = socket.data().remove::<User>() {
        socket.leave(&user.room);
        socket.to(&user.room).emit("left", &user.name)?;
    }
    Ok(())
}

async fn say(socket: Socket, Data(text): Data<String>) -> Result<(), EmitError> {
    let Some(user) = socket.data().get::<User>() else { return Ok(()) };
    socket.to(&user.room).emit("said", &(&user.name, text))?;
    Ok(())
}

async fn typing(socket: Socket) -> Result<(), EmitError> {
    let Some(user) = socket.data().get::<User>() else { return Ok(()) };
    // Nobody misses it: who cannot take it at once does not get it.
    socket.to(&user.room).volatile().emit("typing", &user.name)?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let chat = Namespace::new()
        .on("enter", enter)
        .on("say", say)
        .on("typing", typing)
        .on_disconnect(async |socket: Socket| leave(&socket));
    let io = Server::builder().namespace("/", chat).build()?;
    let app = Router::new().route("/", get(Html(PAGE)));

    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    io.serve(listener, app).await?;
    Ok(())
}

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>chat</title>
<form id="form"><input id="text" placeholder="say something" autofocus autocomplete="off"> <i id="hint"></i></form><pre id="log"></pre>
<script src="/socket.io/socket.io.js" onerror="log.textContent = 'No client: npm install socket.io-client.'"></script>
<script>
  const user = { name: prompt("Your name?") || "somebody", room: location.hash.slice(1) || "lobby" };
  const socket = io(), say = line => log.textContent = line + "\n" + log.textContent;
  socket.on("connect", async () => say("here: " + (await socket.emitWithAck("enter", user)).join(", ")));
  socket.on("said", (name, text) => { hint.textContent = ""; say(name + ": " + text); });
  socket.on("joined", name => say(name + " joined")).on("left", name => say(name + " left"));
  socket.on("typing", name => hint.textContent = name + " is typing");
  text.oninput = () => socket.emit("typing");
  form.onsubmit = event => { event.preventDefault(); socket.emit("say", text.value); say("you: " + text.value); text.value = ""; };
</script>"#;
