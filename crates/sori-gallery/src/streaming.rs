//! Streaming.

use axum::Router;
use sori::BuildError;

use crate::site::{App, Card, Site};

const CARD: Card = Card {
    name: "streaming",
    title: ["스트리밍", "Streaming"],
    summary: ["끝나지 않는 응답: 줄, 멀티파트, 숨은 iframe.", "An answer that does not end: lines, multipart, a hidden iframe."],
    tags: &["Comet", "lines", "multipart", "iframe"],
};

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    site.pages_only(&CARD, Router::new())
}
