//! Ajax requests: something to ask for every state and event that `XMLHttpRequest` has.

use std::{convert::Infallible, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use http_body_util::{BodyExt, channel::Channel};
use serde_json::{Value, json};
use sori::BuildError;

use crate::{
    limits::Places,
    site::{Address, App, Card, Closing, Site, too_many},
};

const CARD: Card = Card {
    name: "ajax",
    title: ["Ajax 요청", "Ajax requests"],
    summary: [
        "페이지를 떠나지 않고 묻기. XMLHttpRequest의 상태와 이벤트를 모두 눈앞에서 봅니다.",
        "Asking without leaving the page. Every state and event of XMLHttpRequest, as it happens.",
    ],
    tags: &["XMLHttpRequest", "JSON"],
};
const UPLOAD_MAX: usize = 4 << 20;
const PIECE: &[u8] = &[b'.'; 16 << 10];
const PIECES: usize = 40;

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    let desk = Desk { slow: Places::new(8, 100), closing: site.closing.clone() };
    let router = Router::new()
        .route("/gallery/ajax/text", get(text))
        .route("/gallery/ajax/data", any(data))
        .route("/gallery/ajax/echo", post(async |Json(sent): Json<Value>| Json(sent)))
        .route("/gallery/ajax/slow", get(slow))
        .route("/gallery/ajax/long", get(long))
        .route("/gallery/ajax/upload", post(upload).layer(DefaultBodyLimit::max(UPLOAD_MAX)))
        .with_state(desk);
    site.pages_only(&CARD, router)
}

#[derive(Clone)]
struct Desk {
    /// Requests that take their time.
    slow: Places,
    closing: Closing,
}

async fn text() -> impl IntoResponse {
    ([(HeaderName::from_static("x-greeting"), "hello")], "Hello! 안녕하세요!\n")
}

/// What GET, POST, PUT and DELETE mean to a thing with an address.
async fn data(method: Method, body: String) -> Response {
    let sent: Option<Value> = serde_json::from_str(&body).ok();
    match method {
        Method::GET => Json(json!({ "name": "fern", "spores": [1, 2, 3] })).into_response(),
        Method::POST => (StatusCode::CREATED, Json(json!({ "created": sent }))).into_response(),
        Method::PUT => Json(json!({ "replaced": sent })).into_response(),
        Method::DELETE => StatusCode::NO_CONTENT.into_response(),
        _ => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, POST, PUT, DELETE")]).into_response(),
    }
}

/// Five seconds.
async fn slow(State(desk): State<Desk>, Address(address): Address) -> Response {
    let Some(_place) = desk.slow.take(address) else { return too_many() };
    desk.closing.sleep(Duration::from_secs(5)).await;
    "5!\n".into_response()
}

/// Two seconds of text, with its length said before.
async fn long(State(desk): State<Desk>, Address(address): Address) -> Response {
    let Some(place) = desk.slow.take(address) else { return too_many() };
    let (mut pieces, body) = Channel::<_, Infallible>::new(1);
    let send = async move {
        let _place = place;
        for _ in 0..PIECES {
            // Fails when the browser has gone: `abort`.
            if pieces.send_data(PIECE.into()).await.is_err() {
                return;
            }
            desk.closing.sleep(Duration::from_millis(50)).await;
        }
    };
    // Who does not read gives the place back, too.
    tokio::spawn(tokio::time::timeout(Duration::from_secs(30), send));
    let length = (PIECES * PIECE.len()).to_string();
    ([(header::CONTENT_LENGTH, length), (header::CONTENT_TYPE, "text/plain".into())], Body::new(body)).into_response()
}

/// Counts what comes, and is in no hurry, so that there is something to see.
async fn upload(State(desk): State<Desk>, Address(address): Address, body: Body) -> Response {
    let Some(_place) = desk.slow.take(address) else { return too_many() };
    let mut body = http_body_util::Limited::new(body, UPLOAD_MAX);
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
        bytes += frame.data_ref().map_or(0, |data| data.len());
        desk.closing.sleep(Duration::from_millis(4)).await;
    }
    Json(json!({ "bytes": bytes })).into_response()
}
