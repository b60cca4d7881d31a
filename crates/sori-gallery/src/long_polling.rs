//! Long polling: a request that is answered when there is something to say.

use std::{collections::VecDeque, time::Duration};

use axum::{
    Form, Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{any, post},
};
use serde::{Deserialize, Serialize};
use sori::BuildError;
use tokio::sync::watch;

use crate::{
    limits::{Places, Rates},
    site::{Address, App, Card, Closing, Site, too_many},
    talk::Text,
};

const CARD: Card = Card {
    name: "long-polling",
    title: ["롱 폴링", "Long polling"],
    summary: [
        "할 말이 생길 때까지 서버가 대답을 미룹니다. 대답을 받으면 곧바로 다시 묻습니다.",
        "The server keeps the question until it has something to say. Once answered, the page asks again at once.",
    ],
    tags: &["long polling", "fetch"],
};
/// Proxies give up on a request after a minute or so.
const HELD_MAX: Duration = Duration::from_secs(30);
const EVENTS_MAX: usize = 20;

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    let desk = Desk {
        events: watch::Sender::default(),
        places: Places::new(20, 500),
        posts: Rates::new(20, 200, Duration::from_secs(10)),
        closing: site.closing.clone(),
    };
    let router = Router::new()
        .route("/gallery/long-polling/longpolling", post(hold))
        .route("/gallery/long-polling/events", post(happen))
        .route("/gallery/long-polling/{*other}", any(hello))
        .with_state(desk);
    site.pages_only(&CARD, router)
}

#[derive(Clone)]
struct Desk {
    /// The newest ones, so that nobody misses what happens between an answer and the next question.
    events: watch::Sender<VecDeque<Event>>,
    places: Places,
    posts: Rates,
    closing: Closing,
}

#[derive(Clone, Serialize)]
struct Event {
    number: u64,
    text: Text<200>,
}

#[derive(Deserialize)]
struct Question {
    /// The last event that the page knows; without it, the next one is waited for.
    after: Option<u64>,
}

#[derive(Deserialize)]
struct Happening {
    text: Text<200>,
}

/// `POST longpolling`: the next event as soon as there is one, or `End`.
async fn hold(State(desk): State<Desk>, Address(address): Address, Form(question): Form<Question>) -> Response {
    // Given back when the answer is sent, and when the browser has gone.
    let Some(_place) = desk.places.take(address) else { return too_many() };
    let mut events = desk.events.subscribe();
    let after = question.after.unwrap_or_else(|| events.borrow().back().map_or(0, |last| last.number));
    let is_next = |event: &&Event| event.number > after;
    tokio::select! {
        Ok(events) = events.wait_for(|events| events.iter().any(|event| is_next(&event))) => {
            Json(events.iter().find(is_next)).into_response()
        }
        () = desk.closing.sleep(HELD_MAX) => "End".into_response(),
    }
}

/// `POST events`: something happens.
async fn happen(State(desk): State<Desk>, Address(address): Address, Form(happening): Form<Happening>) -> Response {
    if !desk.posts.allow(address) {
        return too_many();
    }
    desk.events.send_modify(|events| {
        let number = events.back().map_or(1, |last| last.number + 1);
        events.push_back(Event { number, text: happening.text });
        events.drain(..events.len().saturating_sub(EVENTS_MAX));
    });
    StatusCode::NO_CONTENT.into_response()
}

/// Every other path.
async fn hello(State(desk): State<Desk>, Address(address): Address) -> Response {
    let Some(_place) = desk.places.take(address) else { return too_many() };
    desk.closing.sleep(Duration::from_secs(1)).await;
    "Hello World\n".into_response()
}
