//! For socket.io-protocol's suites: two namespaces that echo.

use std::time::Duration;

use sori::{Ack, Args, Auth, BuildError, Namespace, Server, Socket, Value};

pub fn server() -> Result<Server, BuildError> {
    Server::builder()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(Duration::from_millis(200))
        .connect_timeout(Duration::from_secs(1))
        .max_http_buffer_size(1_000_000)
        .allow_eio3(false)
        .namespace("/", echo())
        .namespace("/custom", echo())
        .build()
}

fn echo() -> Namespace {
    Namespace::new()
        .on_connect(|socket: Socket, Auth(auth): Auth<Value>| async move { socket.emit("auth", &auth) })
        .on("message", |socket: Socket, args: Args| async move { socket.emit("message-back", &args) })
        .on("message-with-ack", |args: Args| async move { Ack(args) })
}
