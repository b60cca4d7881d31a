//! Small asynchronous clients for real-time servers: one for each transport, on tokio.
//!
//! They speak to any server of their protocol, not only to Sori: for tests, load generators, bots and services. A connection is a
//! value that its owner polls: no task is spawned, no channel stands between, and while nobody asks for the next event nothing is
//! read from the network. An idle Socket.IO connection over WebSocket costs 1.2 kB in 6 allocations, its owner's task and tokio's
//! registration included; an event stream 0.9 kB in 2.
//!
//! ```
//! use sori::{Ack, Data, Namespace, Server, Socket};
//! use sori_client::{Options, SocketIo};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A server, which could be anybody's.
//! let io = Server::builder()
//!     .namespace("/chat", Namespace::new()
//!         .on("add", async |Data((a, b)): Data<(i64, i64)>| Ack(a + b))
//!         .on("msg", async |socket: Socket, Data(text): Data<String>| socket.emit("said", &text).map(drop)))
//!     .build()?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let url = format!("http://{}/chat", listener.local_addr()?);
//! tokio::spawn(async move { io.serve(listener, axum::Router::new()).await });
//!
//! let mut chat = SocketIo::open(&url, &Options::new()).await?;
//! let sum: i64 = chat.ask("add", &(1, 2)).await?;
//! assert_eq!(sum, 3);
//! chat.emit("msg", "hello")?;
//! if let sori_client::Event::Event { name, args, .. } = chat.next().await? {
//!     assert_eq!((&*name, args.deserialize::<String>()?), ("said", "hello".to_owned()));
//! }
//! chat.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Which one
//!
//! | to speak to | take |
//! | --- | --- |
//! | Socket.IO, revisions 3 (2.x) and 4 (3.x, 4.x), over WebSocket, polling, or upgrading | [`SocketIo`] |
//! | any WebSocket, and Sori's raw one | [`WebSocket`] |
//! | any server-sent events | [`Sse`] |
//! | streams of lines: Sori's envelopes, anybody's NDJSON | [`Lines`] |
//! | Sori's long polling | [`LongPoll`] |
//! | Nchan's long polling, by `ETag` and `Last-Modified` | [`Nchan`] |
//! | the way to the server beside those that only listen | [`Post`] |
//!
//! All of them are told what to do by [`Options`], fail with [`Error`], whose text says what happened and what to do, count their
//! [`Traffic`], are bounded by [`Limits`], and can be [`reset`](SocketIo::reset) as if their power had failed.
//!
//! # Going on after a lost connection
//!
//! Nothing reconnects by itself: when to come back is the caller's affair. Where to go on is told by [`SocketIo::recovery`],
//! [`Sse::last_event_id`], [`Lines::cursor`] and [`LongPoll::cursor`], and counts what the caller has taken, not what has arrived.
//!
//! # Features
//!
//! - `tls` (off): `https` and `wss`, by rustls.

mod address;
mod carrier;
mod dial;
mod entropy;
mod envelope;
mod error;
mod frames;
mod heartbeat;
mod http;
mod inbox;
mod limits;
mod lines;
mod long_poll;
mod nchan;
mod options;
mod polling;
mod post;
mod silence;
mod socketio;
mod sse;
mod stream;
mod timer;
#[cfg(feature = "tls")]
mod tls;
mod traffic;
mod websocket;
mod wire;

pub use address::Address;
pub use envelope::{Envelope, Session};
pub use error::{Doing, Error};
pub use limits::Limits;
pub use lines::Lines;
pub use long_poll::LongPoll;
pub use nchan::Nchan;
pub use options::{Options, Recovery, Revision, Transport};
pub use post::{Answered, Post};
pub use socketio::{Event, SocketIo};
pub use sori_proto::{
    Value,
    plain::SseEvent,
    sio::{DecodeError, EncodeError, InArgs, OutArgs},
};
pub use sse::Sse;
pub use traffic::Traffic;
pub use websocket::{Message, WebSocket};

/// The code of the README, which must go on compiling.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
