//! WebSocket echo: a WebSocket without a library, which says what it received.

use axum::Router;
use sori::{Args, BuildError, EmitError, PerMessageDeflate, Socket};

use crate::{
    site::{App, Card, Site},
    talk,
};

const CARD: Card = Card {
    name: "websocket-echo",
    title: ["웹소켓 메아리", "WebSocket echo"],
    summary: [
        "라이브러리 없는 WebSocket. 인사하고, 받은 것을 되돌려 주고, 속을 모두 보여 줍니다.",
        "A WebSocket without a library: it greets, says what it received, and shows all there is to see of it.",
    ],
    tags: &["WebSocket", "sori.json.v1"],
};
/// Longer bytes are counted instead of sent back: nobody looks at them twice.
const ECHOED_BYTES_MAX: usize = 1_000;

pub(crate) fn app(site: &Site) -> Result<App, BuildError> {
    let echo = talk::namespace()
        .on_connect(async |socket: Socket| socket.emit("message", "Hello from the server! 서버가 인사합니다!").map(drop))
        .on("message", message);
    let server = site
        .plain(talk::server(site, &CARD, "4.8.4"), &CARD)
        .max_http_buffer_size(1_000_000)
        .per_message_deflate(PerMessageDeflate::default())
        .namespace("/", echo);
    site.app(&CARD, Router::new(), server)
}

/// One argument: what a frame carried, or what an envelope called `message` did.
async fn message(socket: Socket, Args(args): Args) -> Result<(), EmitError> {
    let received = match args.first().map(|arg| (arg.as_str(), arg.as_binary())) {
        // The closing handshake from the other side: code 1000, and why.
        Some((Some("bye"), _)) => {
            socket.disconnect();
            return Ok(());
        }
        Some((Some(text), _)) => format!("received: {text}"),
        Some((_, Some(bytes))) if bytes.len() <= ECHOED_BYTES_MAX => return socket.emit("message", bytes).map(drop),
        Some((_, Some(bytes))) => format!("received: {} bytes", bytes.len()),
        _ => "received: something else".into(),
    };
    socket.emit("message", &received).map(drop)
}
