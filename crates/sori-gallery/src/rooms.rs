//! Rooms.

use axum::Router;
use sori::BuildError;

use crate::site::{App, Card, Site};

const CARD: Card = Card { name: "rooms", title: ["방", "Rooms"], summary: ["", ""], tags: &[] };

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    site.pages_only(&CARD, Router::new())
}
