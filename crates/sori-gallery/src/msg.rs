//! Msg.

use axum::Router;
use sori::BuildError;

use crate::site::{App, Card, Site};

const CARD: Card = Card { name: "msg", title: ["메시지", "Msg"], summary: ["", ""], tags: &[] };

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    site.pages_only(&CARD, Router::new())
}
