//! The frames of servers that do as they like.

use sori_client::{Error, Limits, Message, Options, WebSocket};
use sori_proto::ws::frame;

use crate::{by_hand, support::soon};

async fn after(frames: &'static [u8]) -> WebSocket {
    let url = by_hand::serve(move |mut stream| async move {
        stream.upgrade().await;
        stream.write(frames).await;
        stream.hold().await;
    })
    .await;
    let limits = Limits { message_bytes_max: 100, ..Limits::default() };
    WebSocket::open(&url, &Options::new().limits(limits)).await.unwrap()
}

#[tokio::test]
async fn fragments_pings_and_a_close() {
    let mut socket = after(b"\x01\x02He\x89\x01p\x80\x03llo\x82\x01\x07\x88\x05\x03\xe9bye").await;
    assert_eq!(soon(socket.next()).await.unwrap(), Message::Text("Hello".into()));
    assert_eq!(soon(socket.next()).await.unwrap(), Message::Binary(b"\x07"[..].into()));
    let end = soon(socket.next()).await.unwrap_err();
    assert_eq!(end.to_string(), "the server closed the connection with code 1001: bye");
}

#[tokio::test]
async fn what_is_no_frame_is_the_end() {
    let mut socket = after(b"\x81\x01a\x83\x00").await;
    assert_eq!(soon(socket.next()).await.unwrap(), Message::Text("a".into()));
    let end = soon(socket.next()).await.unwrap_err();
    assert_eq!(end.to_string(), "the server breaks the protocol: reserved opcode");
    let mut socket = after(b"\x81\x81\x00\x00\x00\x00a").await;
    assert!(matches!(soon(socket.next()).await, Err(Error::Violation(_))));
    let mut socket = after(b"\x81\x65").await;
    assert!(matches!(soon(socket.next()).await, Err(Error::TooLarge { limit: "message_bytes_max", max: 100 })));
}

#[tokio::test]
async fn a_connection_may_be_cut() {
    let url = by_hand::serve(|mut stream| async move {
        stream.upgrade().await;
        stream.write(&frame::frame(frame::OpCode::Text, b"last")).await;
    })
    .await;
    let mut socket = WebSocket::open(&url, &Options::new()).await.unwrap();
    assert_eq!(soon(socket.next()).await.unwrap(), Message::Text("last".into()));
    assert!(matches!(soon(socket.next()).await, Err(Error::Lost(_))));
}

#[tokio::test]
async fn what_is_not_taken_is_kept_up_to_a_limit() {
    let url = by_hand::serve(|mut stream| async move {
        stream.upgrade().await;
        std::future::pending::<()>().await;
    })
    .await;
    let limits = Limits { unsent_bytes_max: 1_000_000, ..Limits::default() };
    let mut socket = WebSocket::open(&url, &Options::new().limits(limits)).await.unwrap();
    let full = (0..1_000).find_map(|_| socket.send_binary(&[7; 100_000]).err());
    assert!(matches!(full, Some(Error::TooLarge { limit: "unsent_bytes_max", max: 1_000_000 })), "{full:?}");
    assert!(socket.is_unsent());
}
