//! Server-sent events: a countdown that ends for good, and the time, every second.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use sori::{BuildError, Server, Socket, State};

use crate::{
    site::{App, Card, Site},
    talk::{self, Clock},
};

const CARD: Card = Card {
    name: "sse",
    title: ["서버가 보내는 이벤트", "Server-sent events"],
    summary: [
        "열에서 영까지 세고 끝나는 스트림과, 매초 시각을 알리는 스트림. 라이브러리는 필요 없습니다.",
        "One stream counts down from ten and ends, the other tells the time every second. No library is needed.",
    ],
    tags: &["EventSource"],
};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    let server = site
        .plain(talk::server(site, &CARD, "4.8.4"), &CARD)
        .state(Clock::new(site))
        .namespace("/countdown", talk::namespace().on_connect(countdown))
        .namespace(
            "/time",
            talk::namespace().on_connect(async |io: Server, State(clock): State<Clock>| clock.start(&io, SECOND, tick)),
        );
    site.app(&CARD, Router::new(), server)
}

/// Each listener has a countdown of their own.
async fn countdown(socket: Socket) {
    for left in (0..=10).rev() {
        // Who has gone counts no further.
        if socket.emit("message", &left).is_err() {
            return;
        }
        if left > 0 {
            tokio::time::sleep(SECOND).await;
        }
    }
    // The stream ends with `id: end`. An EventSource names it when it connects again, is answered 204, and stays away.
    socket.disconnect();
}

/// One time for everybody.
fn tick(io: &Server) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let time = format!("{:02}:{:02}:{:02} UTC", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    if let Err(error) = io.of("/time").emit("message", &time) {
        tracing::warn!(%error, "the time was not told");
    }
}
