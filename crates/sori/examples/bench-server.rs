//! The server that the load generator measures: `bench-server PORT`.
//!
//! `echo` answers its ack with its payload; `broadcast` sends its payload as `msg` to everybody.

use sori::{Ack, Data, Namespace, Server};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(4020);
    // As many workers as cores may be used: one when the process is pinned. As in the program, news of the sockets comes in portions
    // that a worker's queue holds.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.max_io_events_per_tick(128).event_interval(128);
    runtime.enable_all().build().expect("a runtime").block_on(serve(port));
}

async fn serve(port: u16) {
    let io = Server::builder()
        .limits(|limits| limits.outbox_bytes_max = 16 << 20)
        .namespace(
            "/",
            Namespace::new()
                .on("echo", |Data(payload): Data<String>| async move { Ack(payload) })
                .on("broadcast", |io: Server, Data(payload): Data<String>| async move { io.emit("msg", &payload) }),
        )
        .build()
        .expect("the options are right");
    let listener = tokio::net::TcpListener::bind(("0.0.0.0", port)).await.expect("the port is free");
    io.serve(listener, axum::Router::new()).await.expect("the listener works");
}
