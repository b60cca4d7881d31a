//! Chat: come in with a name and an id; talk to all, to all but yourself, or to one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::Router;
use serde::{Deserialize, Serialize};
use sori::{Ack, BuildError, Data, EmitError, Server, Socket, State};

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

/// Who has logged in, by number. The id of a socket would do as well, but for clients 1.x and 2.x it is their session's secret.
#[derive(Clone, Default)]
struct Users(Arc<Mutex<BTreeMap<u64, User>>>);

#[derive(Clone, Deserialize, Serialize)]
struct User {
    name: Text<24>,
    userid: Text<40>,
}

#[derive(Clone, Copy)]
struct Number(u64);

/// `"all"`, `"others"` or `{"one": 7}`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum To {
    All,
    Others,
    One(u64),
}

#[derive(Deserialize, Serialize)]
struct Said {
    to: To,
    msg: Text<300>,
}

#[derive(Serialize)]
struct Message<'a> {
    number: u64,
    from: &'a User,
    #[serde(flatten)]
    said: &'a Said,
}

/// The answer is somebody's number.
async fn login(io: Server, socket: Socket, State(users): State<Users>, Data(user): Data<User>) -> Result<Ack<u64>, EmitError> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut users = users.lock();
    if let Some(Number(number)) = socket.data().get() {
        return Ok(Ack(number));
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    socket.data().insert(Number(number));
    socket.join(room(number));
    io.emit("login", &user.name)?;
    users.insert(number, user);
    io.emit("users", &*users)?;
    Ok(Ack(number))
}

async fn chat(io: Server, socket: Socket, State(users): State<Users>, Data(said): Data<Said>) -> Result<(), EmitError> {
    let users = users.lock();
    let Some(Number(number)) = socket.data().get() else { return Ok(()) };
    let Some(from) = users.get(&number) else { return Ok(()) };
    let message = Message { number, from, said: &said };
    match said.to {
        To::All => io.emit("chat", &message)?,
        To::Others => socket.broadcast().emit("chat", &message)?,
        To::One(number) => io.to(room(number)).emit("chat", &message)?,
    };
    Ok(())
}

async fn logout(io: Server, socket: Socket, State(users): State<Users>) -> Result<(), EmitError> {
    let mut users = users.lock();
    let Some(Number(number)) = socket.data().remove() else { return Ok(()) };
    if let Some(user) = users.remove(&number) {
        io.emit("logout", &user.name)?;
        io.emit("users", &*users)?;
    }
    Ok(())
}

/// Where everybody is alone.
fn room(number: u64) -> String {
    format!("user {number}")
}

impl Users {
    /// Held while the others are told, so that everybody sees the same order.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, User>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
