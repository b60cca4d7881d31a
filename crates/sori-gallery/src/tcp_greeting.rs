//! TCP greeting: the example of the same name, played by the server for those who have only a browser.

use std::{io, time::Instant};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Serialize;
use sori::BuildError;
use tokio::net::TcpListener;

use crate::{
    limits::Places,
    site::{Address, App, Card, Site, too_many},
};

#[allow(dead_code, reason = "its main is for the command line")]
#[path = "../examples/tcp_greeting.rs"]
mod example;

const CARD: Card = Card {
    name: "tcp-greeting",
    title: ["TCP 인사", "TCP greeting"],
    summary: [
        "모든 것의 아래. 인사하고 끊는 TCP 서버와 그 손님입니다.",
        "What is beneath all of it: a TCP server that greets and hangs up, and its guest.",
    ],
    tags: &["TCP"],
};

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    let router = Router::new().route("/gallery/tcp-greeting/play", post(play)).with_state(Places::new(2, 20));
    site.pages_only(&CARD, router)
}

#[derive(Serialize)]
struct Played {
    server: String,
    greeting: String,
    micros: u64,
}

/// Both sides, on the loopback.
async fn play(State(places): State<Places>, Address(address): Address) -> Response {
    let Some(_place) = places.take(address) else { return too_many() };
    match both().await {
        Ok(played) => Json(played).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn both() -> io::Result<Played> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    let start = Instant::now();
    let greeting = tokio::select! {
        Err(error) = example::serve(listener) => return Err(error),
        greeting = example::call(server) => greeting?,
    };
    Ok(Played { server: server.to_string(), greeting, micros: start.elapsed().as_micros() as u64 })
}
