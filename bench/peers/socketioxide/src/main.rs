//! `bench-peer-socketioxide PORT`: socketioxide on axum.

use axum::serve::ListenerExt;
use socketioxide::{
    SocketIo,
    extract::{AckSender, Data, SocketRef},
};

fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(4004);
    // As many workers as cores may be used: one when the process is pinned.
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime").block_on(serve(port));
}

async fn serve(port: u16) {
    // Its default of 128 packets drops some at the windows used.
    let (layer, io) = SocketIo::builder().max_buffer_size(1024).build_layer();
    io.ns("/", on_connect);
    let listener = tokio::net::TcpListener::bind(("0.0.0.0", port)).await.expect("the port is free");
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, axum::Router::new().layer(layer)).await.expect("the listener works");
}

async fn on_connect(socket: SocketRef) {
    socket.on("echo", async |Data(payload): Data<String>, ack: AckSender| drop(ack.send(&payload)));
    socket.on("broadcast", async |io: SocketIo, Data(payload): Data<String>| drop(io.emit("msg", &payload).await));
}
