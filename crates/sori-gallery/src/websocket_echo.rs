//! WebSocket echo.

use axum::Router;
use sori::BuildError;

use crate::site::{App, Card, Site};

const CARD: Card = Card {
    name: "websocket-echo",
    title: ["웹소켓 메아리", "WebSocket echo"],
    summary: [
        "라이브러리 없는 WebSocket의 속을 모두 보여 준다.",
        "A WebSocket without a library, and everything it tells about itself.",
    ],
    tags: &["WebSocket"],
};

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    site.pages_only(&CARD, Router::new())
}
