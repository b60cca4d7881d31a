//! Polling chat.

use axum::Router;
use sori::BuildError;

use crate::site::{App, Card, Site};

const CARD: Card = Card {
    name: "polling-chat",
    title: ["폴링 채팅", "Polling chat"],
    summary: ["1초마다 묻고, 늘 전부를 받는 가장 단순한 채팅.", "The simplest chat there is: ask every second, get everything."],
    tags: &["short polling", "XHR"],
};

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    site.pages_only(&CARD, Router::new())
}
