//! Long polling.

use axum::Router;
use sori::BuildError;

use crate::site::{App, Card, Site};

const CARD: Card = Card {
    name: "long-polling",
    title: ["롱 폴링", "Long polling"],
    summary: ["할 말이 생길 때까지 대답을 미루는 요청.", "A request that is not answered until there is something to say."],
    tags: &["long polling", "fetch"],
};

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    site.pages_only(&CARD, Router::new())
}
