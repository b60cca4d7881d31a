//! Ajax requests.

use axum::Router;
use sori::BuildError;

use crate::site::{App, Card, Site};

const CARD: Card = Card {
    name: "ajax",
    title: ["Ajax 요청", "Ajax requests"],
    summary: ["XMLHttpRequest의 모든 상태와 사건을 눈앞에서.", "Every state and event of XMLHttpRequest, as it happens."],
    tags: &["XHR"],
};

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    site.pages_only(&CARD, Router::new())
}
