//! Simple chat: everybody hears who said what, also on pages of other origins.

use axum::Router;
use sori::{BuildError, Cors, Data, Server, Socket};

use crate::{
    site::{App, Card, Site},
    talk::{self, Text},
};

const CARD: Card = Card {
    name: "simple-chat",
    title: ["간단한 채팅", "Simple chat"],
    summary: [
        "가장 작은 채팅. 다른 출처에서 연 페이지도 이 서버에 연결합니다(CORS).",
        "The smallest chat. Pages of another origin may connect to its server, too (CORS).",
    ],
    tags: &["Socket.IO 4.8.4", "CORS"],
};

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    let said = talk::namespace().on("message", async |io: Server, socket: Socket, Data(text): Data<Text<300>>| {
        let who: String = socket.id().chars().take(2).collect();
        io.emit("message", &format!("{who} said {text}"))
    });
    // Every origin, and so without cookies. It is this server's own: no other of the gallery has it.
    let anywhere = Cors { origins: vec!["*".into()], ..Cors::default() };
    let server = talk::server(site, &CARD, "4.8.4").cors(anywhere).namespace("/", said);
    Ok(App { connects_to: "http://127.0.0.1:* http://localhost:*", ..site.app(&CARD, Router::new(), server)? })
}
