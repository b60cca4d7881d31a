//! For engine.io-protocol's suites: every message comes back unchanged.

use std::time::Duration;

use sori::{BuildError, Server, engine::Engine};

pub fn server(allow_eio3: bool) -> Result<Server, BuildError> {
    Server::builder()
        .path("/engine.io")
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .max_http_buffer_size(1_000_000)
        .allow_eio3(allow_eio3)
        .engine(Engine::new().on_message(|conn, incoming| conn.send(incoming.message)))
        .build()
}
