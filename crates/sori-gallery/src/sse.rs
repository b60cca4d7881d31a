//! Server-sent events.

use axum::Router;
use sori::BuildError;

use crate::site::{App, Card, Site};

const CARD: Card =
    Card { name: "sse", title: ["서버가 보내는 이벤트", "Server-sent events"], summary: ["", ""], tags: &[] };

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    site.pages_only(&CARD, Router::new())
}
