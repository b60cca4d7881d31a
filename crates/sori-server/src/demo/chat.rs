//! The chat of the first page: rooms, names, who is here, who is typing.
//!
//! A page says who it is and where it wants to be in its `auth`, so that it is back in its room
//! before anything else happens whenever it reconnects.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sori::{Ack, Auth, Data, EmitError, Namespace, Server, Socket};
use tokio::sync::Mutex;

const NAME_MAX: usize = 24;
const ROOM_MAX: usize = 32;
const TEXT_MAX: usize = 1_000;
/// More would be a crowd, and its list of names longer than anybody reads.
const PEOPLE_MAX: usize = 100;
/// A socket's next message is heard after this long: handlers run one by one, and its inbox is bounded.
const SAY_PAUSE: Duration = Duration::from_millis(50);
const TYPING_PAUSE: Duration = Duration::from_millis(500);

/// The namespace that the page connects to.
pub fn namespace() -> Namespace {
    Namespace::new()
        .sequential()
        .on_connect(async |io: Server, socket: Socket, Auth(guest): Auth<Guest>| enter(&io, &socket, guest).await)
        .on("enter", async |io: Server, socket: Socket, Data(guest): Data<Guest>| enter(&io, &socket, guest).await.map(Ack))
        .on("say", say)
        .on("typing", typing)
        .on_disconnect(async |socket: Socket| {
            let _door = DOOR.lock().await;
            leave(&socket)
        })
}

/// Who somebody is, and where.
#[derive(Clone, Deserialize)]
struct Guest {
    name: Text<NAME_MAX>,
    room: Text<ROOM_MAX>,
    /// Only its own page knows it: tells somebody who is back from somebody of the same name.
    key: Text<36>,
}

#[derive(Serialize)]
struct Person {
    id: String,
    name: Text<NAME_MAX>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Said {
    /// Chosen by the page, which repeats itself until it is answered: who has heard it knows it by this.
    id: Text<36>,
    text: Text<TEXT_MAX>,
}

/// When somebody typed last, since they said something.
struct Typed(Instant);

/// Moves a socket to a room, and tells everybody concerned.
async fn enter(io: &Server, socket: &Socket, guest: Guest) -> Result<(), EmitError> {
    let _door = DOOR.lock().await;
    if socket.data().with(|before: &Guest| before.room == guest.room) != Some(true) {
        leave(socket)?;
    }
    let room = guest.place();
    let here = io.of(socket.namespace()).to(&room).fetch_sockets();
    // The same page: this socket under another name, or a connection that was lost and that nobody has missed yet.
    let (before, others): (Vec<_>, Vec<_>) =
        here.into_iter().partition(|other| other.data().with(|other: &Guest| other.key == guest.key) == Some(true));
    if others.len() >= PEOPLE_MAX {
        return socket.emit("full", &guest.room).map(drop);
    }
    socket.data().insert(guest.clone());
    socket.join(&room);
    let was: Vec<_> = before.iter().map(Socket::id).collect();
    socket.to(&room).emit("joined", &(person(socket), was))?;
    let people: Vec<_> = others.iter().chain([socket]).filter_map(person).collect();
    socket.emit("entered", &(&guest.room, people))?;
    for ghost in before.iter().filter(|before| *before != socket) {
        ghost.data().remove::<Guest>();
        ghost.disconnect_all();
    }
    Ok(())
}

fn leave(socket: &Socket) -> Result<(), EmitError> {
    let Some(guest) = socket.data().remove::<Guest>() else { return Ok(()) };
    socket.leave(guest.place());
    socket.to(guest.place()).emit("left", &(socket.id(), guest.name)).map(drop)
}

async fn say(socket: Socket, Data(said): Data<Said>) -> Result<Ack<bool>, EmitError> {
    let Some(guest) = socket.data().get::<Guest>() else { return Ok(Ack(false)) };
    socket.data().remove::<Typed>();
    socket.to(guest.place()).emit("said", &(person(&socket), said))?;
    tokio::time::sleep(SAY_PAUSE).await;
    Ok(Ack(true))
}

async fn typing(socket: Socket) -> Result<(), EmitError> {
    let before = socket.data().insert(Typed(Instant::now()));
    match socket.data().get::<Guest>() {
        Some(guest) if before.is_none_or(|Typed(at)| at.elapsed() >= TYPING_PAUSE) => {
            socket.to(guest.place()).volatile().emit("typing", socket.id()).map(drop)
        }
        _ => Ok(()),
    }
}

fn person(socket: &Socket) -> Option<Person> {
    socket.data().with(|guest: &Guest| Person { id: socket.id().into(), name: guest.name.clone() })
}

impl Guest {
    /// The room's name for the server: never the id of somebody's socket, whatever it is called.
    fn place(&self) -> String {
        format!("room {}", self.room.0)
    }
}

/// Trimmed text of 1 to `MAX` characters that can be shown.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "String")]
struct Text<const MAX: usize>(String);

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let text = text.trim();
        let is_shown = text.chars().all(|c| c == '\n' || !c.is_control());
        match text.chars().count() {
            1.. if is_shown && text.chars().count() <= MAX => Ok(Self(text.to_owned())),
            _ => Err(format!("1 to {MAX} characters are wanted")),
        }
    }
}

/// People come and go one at a time, so that all see the same order. Waited for and not blocked on, because
/// `disconnect_all` begins the ghost's `on_disconnect` at once, within this very call.
static DOOR: Mutex<()> = Mutex::const_new(());
