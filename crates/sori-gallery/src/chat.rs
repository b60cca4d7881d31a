//! Chat: come in with a name and an id; talk to all, to all but yourself, or to one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::Router;
use serde::{Deserialize, Serialize};
use sori::{BuildError, Data, EmitError, Server, Socket, State};

use crate::{
    site::{App, Card, Site},
    talk::{self, Text},
};

const CARD: Card = Card {
    name: "chat",
    title: ["채팅", "Chat"],
    summary: [
        "이름과 아이디로 들어와 모두에게, 나만 빼고 모두에게, 또는 한 사람에게 말합니다.",
        "Come in with a name and an id; talk to everybody, to everybody but yourself, or to one.",
    ],
    tags: &["Socket.IO 2.0.4"],
};

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    let chat = talk::namespace()
        .on("login", login)
        .on("chat", chat)
        .on("forceDisconnect", async |socket: Socket| socket.disconnect())
        .on_disconnect(logout);
    site.app(&CARD, Router::new(), talk::server(site, &CARD, "2.0.4").state(Users::default()).namespace("/", chat))
}

/// Who has logged in, by the id of their socket.
#[derive(Clone, Default)]
struct Users(Arc<Mutex<BTreeMap<String, User>>>);

#[derive(Clone, Deserialize, Serialize)]
struct User {
    name: Text<24>,
    userid: Text<40>,
}

#[derive(Deserialize)]
struct Said {
    /// `all`, `others`, or the id of somebody's socket.
    to: String,
    msg: Text<300>,
}

#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    from: User,
    to: &'a str,
    msg: Text<300>,
}

async fn login(io: Server, socket: Socket, State(users): State<Users>, Data(user): Data<User>) -> Result<(), EmitError> {
    let mut users = users.lock();
    if !users.contains_key(socket.id()) {
        io.emit("login", &user.name)?;
        users.insert(socket.id().into(), user);
        io.emit("users", &*users)?;
    }
    Ok(())
}

async fn chat(io: Server, socket: Socket, State(users): State<Users>, Data(said): Data<Said>) -> Result<(), EmitError> {
    let users = users.lock();
    let Some(from) = users.get(socket.id()).cloned() else { return Ok(()) };
    let message = Message { id: socket.id(), from, to: &said.to, msg: said.msg };
    match &*said.to {
        "all" => io.emit("chat", &message)?,
        "others" => socket.broadcast().emit("chat", &message)?,
        // Everybody is alone in the room of their own id.
        one if users.contains_key(one) => io.to(one).emit("chat", &message)?,
        _ => return Ok(()),
    };
    Ok(())
}

async fn logout(io: Server, socket: Socket, State(users): State<Users>) -> Result<(), EmitError> {
    let mut users = users.lock();
    if let Some(user) = users.remove(socket.id()) {
        io.emit("logout", &user.name)?;
        io.emit("users", &*users)?;
    }
    Ok(())
}

impl Users {
    /// Held while the others are told, so that everybody sees the same order.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, User>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
