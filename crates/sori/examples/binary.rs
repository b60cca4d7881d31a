//! Bytes both ways: alone, nested in structures, and in answers.
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000");
//! await socket.emitWithAck("size", new Uint8Array(1000));                        // 1000
//! await socket.emitWithAck("reverse", new Uint8Array([1, 2, 3]));                // bytes 3 2 1
//! socket.emit("picture", { name: "cat.png", thumbnail: bytes, pixels: bytes });  // to everybody else
//! await socket.emitWithAck("count", { a: bytes, b: [bytes, { c: bytes }] });     // 3, however they are nested
//! ```

use serde::{Deserialize, Serialize};
use sori::{Ack, Binary, Bytes, Data, Namespace, Server, Socket};

/// A field of type [`Bytes`] is an attachment on the wire. (A `Vec<u8>` is an array of numbers, to serde and so to Sori.)
#[derive(Serialize, Deserialize)]
struct Picture {
    name: String,
    thumbnail: Bytes,
    pixels: Bytes,
}

async fn reverse(data: Bytes) -> Ack<Bytes> {
    let mut reversed = Vec::from(data);
    reversed.reverse();
    Ack(reversed.into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let namespace = Namespace::new()
        .on("size", async |data: Bytes| Ack(data.len()))
        .on("reverse", reverse)
        .on("picture", async |socket: Socket, Data(picture): Data<Picture>| {
            // The bytes are shared by all who receive them.
            socket.broadcast().emit("picture", &picture)
        })
        .on("count", async |Binary(attachments): Binary| Ack(attachments.len()));
    let io = Server::builder().max_http_buffer_size(10_000_000).namespace("/", namespace).build()?;

    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    io.serve(listener, axum::Router::new()).await?;
    Ok(())
}
