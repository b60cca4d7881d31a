//! Rooms: a message goes to everybody in its room, and to nobody else.

use axum::Router;
use serde::{Deserialize, Serialize};
use sori::{BuildError, Data, EmitError, Server, Socket};

use crate::{
    site::{App, Card, Site},
    talk::{self, Text},
};

const CARD: Card = Card {
    name: "rooms",
    title: ["방", "Rooms"],
    summary: [
        "이름과 방을 고르고 말합니다. 같은 방에 있는 사람만 듣습니다.",
        "Choose a name and a room, and talk: only the room hears it.",
    ],
    tags: &["Socket.IO 1.4.5", "/chat"],
};

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    let chat = talk::namespace()
        .on("join", async |io: Server, socket: Socket, Data(room): Data<Room>| enter(&io, &socket, &room))
        .on("chat message", message)
        .on_disconnect(async |io: Server, socket: Socket| leave(&io, &socket));
    site.app(&CARD, Router::new(), talk::server(site, &CARD, "1.4.5").namespace("/chat", chat))
}

type Room = Text<24>;

#[derive(Deserialize, Serialize)]
struct Message {
    name: Text<24>,
    room: Room,
    msg: Text<300>,
}

/// Who talks in a room is in it from then on.
async fn message(io: Server, socket: Socket, Data(message): Data<Message>) -> Result<(), EmitError> {
    enter(&io, &socket, &message.room)?;
    io.of("/chat").to(place(&message.room)).emit("chat message", &message)?;
    Ok(())
}

/// Moves to a room. A socket may be in many; a person looks at one.
fn enter(io: &Server, socket: &Socket, room: &Room) -> Result<(), EmitError> {
    if socket.data().get::<Room>().as_ref() == Some(room) {
        return Ok(());
    }
    leave(io, socket)?;
    socket.data().insert(room.clone());
    socket.join(place(room));
    count(io, room)
}

fn leave(io: &Server, socket: &Socket) -> Result<(), EmitError> {
    let Some(room) = socket.data().remove::<Room>() else { return Ok(()) };
    socket.leave(place(&room));
    count(io, &room)
}

/// Tells a room how many are in it.
fn count(io: &Server, room: &Room) -> Result<(), EmitError> {
    let here = io.of("/chat").to(place(room));
    here.clone().emit("people", &(room, here.fetch_sockets().len()))?;
    Ok(())
}

/// What the server calls a room: never what somebody's own is called, which is the id of their socket.
fn place(room: &Room) -> String {
    format!("room {room}")
}
