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
//!             .on_connect(async |socket: Socket| socket.join("lobby"))
//!             .on("msg", async |socket: Socket, Data(text): Data<String>| socket.to("lobby").emit("msg", &text))
//!             .on("add", async |Data((a, b)): Data<(i64, i64)>| Ack(a + b)))
//!         .build()?;
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     // What is not Sori's goes to an application of yours.
//!     io.serve(listener, axum::Router::new()).await?;
//!     Ok(())
//! }
//! ```
//!
//! # Where to look
//!
//! | you want to | see |
//! | --- | --- |
//! | serve it, alone or in somebody else's server | [`Server::serve`], [`Server::layer`], [`Server::service`], [`Front`] |
//! | set options: transports, origins, heartbeats, recovery | [`ServerBuilder`], [`Config`] |
//! | know what a client can push against | [`Limits`] |
//! | handle what clients do | [`Namespace`], and [`Extract`] for what a handler may ask for |
//! | send to one client, to rooms, to all | [`Socket`], [`Broadcast`], [`Server`] |
//! | ask clients and wait for their answers | [`Socket::emit_with_ack`], [`Broadcast::emit_with_ack`] |
//! | answer a client | [`Ack`], [`AckSender`] |
//! | let in or keep out | [`Namespace::middleware`], [`ServerBuilder::allow_request`], [`Cors`] |
//! | know why somebody has gone | [`CloseReason`] |
//! | use Engine.IO without Socket.IO | [`engine`] |
//!
//! # What emitting means
//!
//! An emit serializes its arguments, puts the event into the outbox of each receiver, and returns: it never waits for the
//! network, so it is an ordinary function. Each client receives in the order of its outbox. One that does not read what is sent
//! to it is closed as [`CloseReason::SlowConsumer`] when its outbox holds more than [`Limits::outbox_bytes_max`].
//!
//! A tuple travels as several arguments, `()` as none, everything else as one; bytes anywhere inside ([`Bytes`]) travel as binary.
//!
//! # Features
//!
//! - `http2` (off): [`Server::serve`] speaks HTTP/2 in clear text, too.
//! - `axum` (off): takes the client's address from `axum::extract::ConnectInfo<SocketAddr>`. See [`RemoteAddr`].

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
mod front;
mod gauge;
mod handler;
mod handlers;
mod handshake;
mod history;
mod ids;
mod inbox;
mod log;
mod members;
mod membership;
mod namespace;
mod namespaces;
mod origin;
mod outbox;
mod peer;
mod plain_peer;
mod query;
mod reading;
mod repeats;
mod rooms;
mod scratch;
mod serve;
mod server;
mod service;
mod sessions;
mod socket;
mod stats;
#[cfg(test)]
mod testing;
mod traffic;
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
pub use front::{Front, Rest};
pub use handler::{Admission, Call, Connection, Disconnection, Event, Filter, Handler, Outcome};
pub use handlers::Namespace;
pub use handshake::Handshake;
pub use history::History;
pub use origin::RemoteAddr;
pub use serve::Serve;
pub use server::{Server, ServerBuilder};
pub use service::{Body, Layer, Layered, Service};
pub use socket::{IntoRooms, Socket, ToSocket};
pub use sori_proto::{
    CloseReason, Limits, Number, Value,
    sio::{DecodeError, EncodeError},
};
pub use stats::Stats;
pub use traffic::Traffic;

/// The code of the READMEs, which must go on compiling.
#[cfg(doctest)]
mod readme {
    #[doc = include_str!("../../../README.md")]
    mod english {}
    #[doc = include_str!("../../../README.ko.md")]
    mod korean {}
}
