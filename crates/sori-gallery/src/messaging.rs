//! Cross-document messaging.

use axum::Router;
use sori::BuildError;

use crate::site::{App, Card, Site};

const CARD: Card = Card {
    name: "messaging",
    title: ["문서 간 메시지", "Cross-document messaging"],
    summary: [
        "두 프레임이 postMessage로 말하고 연결 하나를 나눠 쓴다.",
        "Two frames talk by postMessage and share one connection.",
    ],
    tags: &["postMessage", "socket.io 4"],
};

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    site.pages_only(&CARD, Router::new())
}
