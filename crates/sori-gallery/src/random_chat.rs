//! Random chat: strangers are paired, one with one. Who is left alone gets another.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::Router;
use sori::{BuildError, Data, EmitError, Server, Socket, State};

use crate::{
    site::{App, Card, Site},
    talk::{self, Clock, Text, tell},
};

const CARD: Card = Card {
    name: "random-chat",
    title: ["랜덤 채팅", "Random chat"],
    summary: [
        "모르는 두 사람이 짝이 되어 이야기합니다. 혼자 남으면 새 짝을 찾습니다.",
        "Two strangers are paired and talk. Who is left alone is paired anew.",
    ],
    tags: &["Socket.IO 3.0.0"],
};

const NOTICE_EVERY: Duration = Duration::from_secs(10);

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    let clock = Clock::new(site);
    let pairs = talk::namespace().on_connect(come).on("message", message).on_disconnect(go);
    let server = talk::server(site, &CARD, "3.0.0").state(clock).state(Bench::default()).namespace("/", pairs);
    site.app(&CARD, Router::new(), server)
}

/// Where one waits. Two would be a pair.
#[derive(Clone, Default)]
struct Bench(Arc<Mutex<Option<Socket>>>);

/// The id of the other one's socket.
#[derive(Clone)]
struct Partner(String);

async fn come(io: Server, socket: Socket, State(bench): State<Bench>, State(clock): State<Clock>) {
    clock.start(&io, NOTICE_EVERY, |io| {
        // A notice has no arguments that could fail, and whoever is away gets the next.
        let _ = io.of("/").volatile().emit("notice", &io.of("/").len());
    });
    pair(&mut bench.lock(), socket);
}

async fn message(io: Server, socket: Socket, Data(text): Data<Text<300>>) -> Result<(), EmitError> {
    if let Some(Partner(id)) = socket.data().get() {
        io.to(id).emit("message", &text)?;
    }
    Ok(())
}

async fn go(io: Server, socket: Socket, State(bench): State<Bench>) {
    // Locked first: whoever is about to be paired with this socket is so now, or will not be.
    let mut bench = bench.lock();
    if bench.as_ref() == Some(&socket) {
        *bench = None;
    }
    let Some(Partner(id)) = socket.data().remove() else { return };
    if let Some(alone) = io.of("/").socket(&id) {
        alone.data().remove::<Partner>();
        tell(&alone, "partner left", &());
        pair(&mut bench, alone);
    }
}

/// Pairs somebody with who waits, or lets them wait.
fn pair(bench: &mut Option<Socket>, socket: Socket) {
    match bench.take().filter(Socket::is_connected) {
        None => {
            tell(&socket, "waiting", &());
            *bench = Some(socket);
        }
        Some(other) => {
            for (one, another) in [(&socket, &other), (&other, &socket)] {
                one.data().insert(Partner(another.id().into()));
                tell(one, "partner came", &());
            }
        }
    }
}

impl Bench {
    fn lock(&self) -> MutexGuard<'_, Option<Socket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
