//! Simple chat.

use axum::Router;
use sori::BuildError;

use crate::site::{App, Card, Site};

const CARD: Card = Card { name: "simple-chat", title: ["간단한 채팅", "Simple chat"], summary: ["", ""], tags: &[] };

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    site.pages_only(&CARD, Router::new())
}
