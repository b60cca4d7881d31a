//! Cross-document messaging: two frames that talk by `postMessage`, and share the connection of the page around them.

use axum::Router;
use serde::{Deserialize, Serialize};
use sori::{BuildError, Data, EmitError, Server, Socket};

use crate::{
    pages,
    site::{App, Card, Site},
    talk::{self, Text},
};

const CARD: Card = Card {
    name: "messaging",
    title: ["문서 간 메시지", "Cross-document messaging"],
    summary: [
        "프레임 둘이 postMessage로 말하고, 바깥 페이지의 연결 하나를 나눠 씁니다. 낯선 문서의 말은 듣지 않습니다.",
        "Two frames talk by postMessage and share one connection. What a strange document says is not heard.",
    ],
    tags: &["postMessage", "Socket.IO 4.8.4"],
};

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    let namespace = talk::namespace().on("say", say);
    let server = talk::server(site, &CARD, "4.8.4").namespace("/", namespace);
    let frames = Router::new()
        .route("/gallery/messaging/frame", pages::framed("messaging-frame.html", &CARD)?)
        .route("/gallery/messaging/stranger", pages::framed("messaging-stranger.html", &CARD)?);
    site.app(&CARD, frames, server)
}

#[derive(Deserialize, Serialize)]
struct Said {
    frame: Text<10>,
    text: Text<200>,
}

/// To the frames of every window, those of the sender's included: who it was is its window's business.
async fn say(io: Server, socket: Socket, Data(said): Data<Said>) -> Result<(), EmitError> {
    io.emit("said", &(socket.id(), said)).map(drop)
}
