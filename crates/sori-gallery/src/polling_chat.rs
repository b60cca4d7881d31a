//! Polling chat: a form stores, and every second everybody asks for everything.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{
    Form, Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use sori::BuildError;

use crate::{
    limits::Rates,
    site::{Address, App, Card, Site, too_many},
    store::Store,
    talk::Text,
};

const CARD: Card = Card {
    name: "polling-chat",
    title: ["폴링 채팅", "Polling chat"],
    summary: [
        "가장 단순한 채팅. 모두가 1초마다 묻고, 그때마다 전부를 받습니다.",
        "The simplest chat there is: everybody asks every second, and gets everything.",
    ],
    tags: &["short polling", "XMLHttpRequest"],
};

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    let chat = Chat {
        // Everything is sent to everybody every second: a hundred messages are as much as a modem would have borne.
        messages: Store::open(site.options.data_dir.as_deref(), CARD.name, 60, 100),
        posts: Rates::new(10, 100, Duration::from_secs(10)),
    };
    site.pages_only(&CARD, Router::new().route("/gallery/polling-chat/messages", get(all).post(say)).with_state(chat))
}

#[derive(Clone)]
struct Chat {
    messages: Store<Message>,
    posts: Rates,
}

#[derive(Clone, Deserialize, Serialize)]
struct Message {
    nickname: Text<24>,
    message: Text<500>,
    /// In milliseconds since 1970, as JavaScript counts.
    #[serde(default = "now")]
    time: u64,
}

/// `GET messages?dummy=<time>`: the query is there only so that no cache has seen the address before.
async fn all(State(chat): State<Chat>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], Json(chat.messages.all()))
}

/// `POST messages`, with a body like `nickname=Ada&message=Hello`.
async fn say(State(chat): State<Chat>, Address(address): Address, Form(said): Form<Message>) -> Response {
    if !chat.posts.allow(address) {
        return too_many();
    }
    match chat.messages.push(address, Message { time: now(), ..said }).await {
        true => StatusCode::NO_CONTENT.into_response(),
        false => (StatusCode::INTERNAL_SERVER_ERROR, "it could not be stored\n").into_response(),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}
