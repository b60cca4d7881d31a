//! msg: an answer for the one who asked, and one for everybody, a second later.

use std::time::Duration;

use axum::Router;
use sori::{BuildError, Data, EmitError, Server, Socket};

use crate::{
    site::{App, Card, Site},
    talk::{self, Text, tell},
};

const CARD: Card = Card {
    name: "msg",
    title: ["msg", "msg"],
    summary: [
        "한 번 보내면 1초 뒤에 나에게 한 번, 모두에게 한 번 답이 옵니다.",
        "Send once; a second later one answer comes to you, and one to everybody.",
    ],
    tags: &["Socket.IO 1.4.5", "/chat"],
};

const DELAY: Duration = Duration::from_secs(1);

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    let chat = talk::namespace().on("msg", msg);
    site.app(&CARD, Router::new(), talk::server(site, &CARD, "1.4.5").namespace("/chat", chat))
}

async fn msg(io: Server, socket: Socket, Data(text): Data<Text<300>>) -> Result<(), EmitError> {
    tokio::time::sleep(DELAY).await;
    tell(&socket, "msg", &format!("Send from Server1: {text}"));
    io.of(socket.namespace()).emit("msg", &format!("Send from Server2: {text}"))?;
    Ok(())
}
