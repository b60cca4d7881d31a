//! Random chat.

use axum::Router;
use sori::BuildError;

use crate::site::{App, Card, Site};

const CARD: Card = Card { name: "random-chat", title: ["랜덤 채팅", "Random chat"], summary: ["", ""], tags: &[] };

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    site.pages_only(&CARD, Router::new())
}
