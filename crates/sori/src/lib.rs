//! Sori: one kind of socket, whatever the browser can speak.
//!
//! A real-time server library for every Socket.IO client from 1.0 to 4.8, at home in tower and axum.
//!
//! ```no_run
//! use sori::{Ack, Data, Namespace, Server, Socket};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let io = Server::builder()
//!         .namespace("/", Namespace::new()
//!             .on_connect(|socket: Socket| async move { socket.join("lobby") })
//!             .on("msg", |socket: Socket, Data(text): Data<String>| async move { socket.to("lobby").emit("msg", &text) })
//!             .on("add", |Data((a, b)): Data<(i64, i64)>| async move { Ack(a + b) }))
//!         .build()?;
//!     let app = axum::Router::new().layer(io.layer());
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     axum::serve(listener, app).await?;
//!     Ok(())
//! }
//! ```

mod ack;
mod admission;
mod bundle;
mod config;
mod data;
mod deadlines;
mod driver;
mod emit;
pub mod engine;
mod error;
mod extract;
mod gauge;
mod handler;
mod handlers;
mod handshake;
mod ids;
mod inbox;
mod log;
mod namespace;
mod namespaces;
mod origin;
mod outbox;
mod peer;
mod rooms;
mod server;
mod service;
mod sessions;
mod socket;
mod stats;
mod transport;

pub use ack::{AckFuture, RoomAnswers, RoomFuture};
pub use bytes::Bytes;
pub use config::{
    Config, ConnectionStateRecovery, Cookie, Cors, Eio3Parser, HttpCompression, PerMessageDeflate, SameSite, Transport,
};
pub use data::SocketData;
pub use emit::{Broadcast, Outgoing, Sent};
pub use error::{AckError, BuildError, ConnectError, EmitError};
pub use extract::{
    AboutEvent, AboutSocket, Ack, AckSender, Args, Auth, Binary, Data, EventName, Extract, Query, Rejection, State,
};
pub use handler::{Admission, Call, Connection, Disconnection, Event, Filter, Handler, Outcome};
pub use handshake::Handshake;
pub use handlers::Namespace;
pub use origin::RemoteAddr;
pub use server::{Server, ServerBuilder};
pub use service::{Body, Layer, Layered, Service};
pub use socket::{IntoRooms, Socket, ToSocket};
pub use sori_proto::{
    CloseReason, Limits, Number, Value,
    sio::{DecodeError, EncodeError},
};
pub use stats::Stats;
