//! TCP greeting.

use axum::Router;
use sori::BuildError;

use crate::site::{App, Card, Site};

const CARD: Card = Card {
    name: "tcp-greeting",
    title: ["TCP 인사", "TCP greeting"],
    summary: [
        "브라우저 이전: 인사하고 끊는 서버와 그 손님.",
        "Before the browser: a server that greets and hangs up, and its guest.",
    ],
    tags: &["TCP"],
};

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    site.pages_only(&CARD, Router::new())
}
