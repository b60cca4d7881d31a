//! Streaming: one answer that does not end, in the three forms that were called Comet.

use std::time::Duration;

use axum::Router;
use sori::{BuildError, Data, EmitError, Server, Socket, State};

use crate::{
    site::{App, Card, Site},
    talk::{self, Clock, Text},
};

const CARD: Card = Card {
    name: "streaming",
    title: ["스트리밍", "Streaming"],
    summary: [
        "끝나지 않는 응답 하나. 한때 Comet이라 불린 세 가지 꼴을 나란히 놓았습니다.",
        "One answer that does not end: the three forms that were once called Comet, side by side.",
    ],
    tags: &["lines", "multipart", "iframe"],
};

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    let streams = talk::namespace()
        // The iframe form is a page of scripts, which a namespace has to allow.
        // The iframe form is a page of scripts, which a namespace has to allow.
        .allow_callbacks()
        .on_connect(hello)
        .on("say", say);
    let server = site.plain(talk::server(site, &CARD, "4.8.4"), &CARD).state(Clock::new(site)).namespace("/", streams);
    site.app(&CARD, Router::new(), server)
}

async fn hello(io: Server, socket: Socket, State(clock): State<Clock>) -> Result<(), EmitError> {
    clock.start(&io, Duration::from_secs(2), tick);
    socket.emit("hello", socket.transport().as_str()).map(drop)
}

/// So that there is something to hear when nobody speaks.
fn tick(io: &Server) {
    if let Err(error) = io.emit("tick", &io.stats().sessions()) {
        tracing::debug!(%error, "no tick");
    }
}

/// `POST live?event=say` with a form: to everybody, whatever form they listen in.
async fn say(io: Server, Data(text): Data<Text<200>>) -> Result<(), EmitError> {
    io.emit("said", &text).map(drop)
}
