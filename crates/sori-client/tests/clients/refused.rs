//! Everything that goes wrong before a connection is open, in a sentence that helps.

use std::time::Duration;

use sori_client::{Doing, Error, Lines, LongPoll, Nchan, Options, Post, SocketIo, Sse, WebSocket};

use crate::{
    by_hand,
    support::{PATIENCE, WAYS, by, soon},
};

/// What every transport says of one address.
async fn errors(url: &str, timeout: Duration) -> Vec<Error> {
    let options = Options::new().timeout(timeout);
    let mut errors = Vec::new();
    for way in WAYS {
        errors.extend(SocketIo::open(url, &by(way).timeout(timeout)).await.err());
    }
    errors.extend(WebSocket::open(url, &options).await.err());
    errors.extend(Sse::open(url, &options).await.err());
    errors.extend(Lines::open(url, &options).await.err());
    errors.extend(LongPoll::open(url, &options).await.err());
    errors.extend(Post::open(url, &options).unwrap().emit("x", &1, None).await.err());
    errors
}

#[tokio::test]
async fn nobody_listens() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let errors = errors(&format!("http://{address}/"), PATIENCE).await;
    assert_eq!(errors.len(), WAYS.len() + 5);
    for error in errors {
        assert!(matches!(error, Error::Unreachable { .. }) && !error.is_end(), "{error:?}");
        let expected = format!(
            "cannot connect to {address}: Connection refused (os error 111); is the server running, and is this its port?"
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn an_http_server_that_knows_nothing_of_it() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(async || (axum::http::StatusCode::NOT_FOUND, "no such page"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let errors = errors(&url, PATIENCE).await;
    assert_eq!(errors.len(), WAYS.len() + 5);
    for error in errors {
        assert!(matches!(&error, Error::WrongAnswer { status: 404, body, .. } if &**body == "no such page"), "{error:?}");
        let text = error.to_string();
        assert!(
            text.ends_with("was answered HTTP 404 (no such page); check the path, and that this transport is switched on there"),
            "{text}"
        );
    }
    let mut channel = Nchan::open(&url, &Options::new()).unwrap();
    assert!(matches!(soon(channel.next()).await, Err(Error::WrongAnswer { status: 404, .. })));
}

#[tokio::test]
async fn a_page_where_something_else_was_expected() {
    let url = by_hand::say(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<h1>Welcome\n!\n\n").await;
    for way in WAYS {
        let error = SocketIo::open(&url, &by(way)).await.err().unwrap();
        assert!(matches!(&error, Error::WrongAnswer { status: 200, body, .. } if &**body == "<h1>Welcome !"), "{error:?}");
    }
    let error = Sse::open(&url, &Options::new()).await.err().unwrap();
    assert!(
        error.to_string().starts_with("expected an event stream (text/event-stream), and was answered HTTP 200 (<h1>Welcome !)"),
        "{error}"
    );
    let error = LongPoll::open(&url, &Options::new()).await.err().unwrap();
    assert!(matches!(error, Error::WrongAnswer { status: 200, .. }));
}

#[tokio::test]
async fn a_stream_of_another_kind() {
    let url = by_hand::serve(|mut stream| async move {
        stream.request().await;
        stream.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n{}\n").await;
        stream.hold().await;
    })
    .await;
    let error = Sse::open(&url, &Options::new()).await.err().unwrap();
    assert!(matches!(&error, Error::WrongAnswer { status: 200, body, .. } if &**body == "{}"), "{error:?}");
}

#[tokio::test]
async fn a_redirection_tells_where() {
    let url =
        by_hand::say(b"HTTP/1.1 308 Permanent Redirect\r\nLocation: https://example.org/\r\nContent-Length: 0\r\n\r\n").await;
    for error in errors(&url, PATIENCE).await {
        let text = error.to_string();
        assert!(text.ends_with("HTTP 308 (https://example.org/); use the address that it redirects to"), "{text}");
    }
}

#[tokio::test]
async fn no_http_at_all() {
    let url = by_hand::serve(|mut stream| async move {
        stream.write(b"SSH-2.0-OpenSSH_9.6\r\n").await;
        stream.hold().await;
    })
    .await;
    for error in errors(&url, PATIENCE).await {
        assert!(matches!(&error, Error::NotHttp { begins } if &**begins == "SSH-2.0-OpenSSH_9.6"), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing() {
    let url = by_hand::serve(|mut stream| async move { stream.hold().await }).await;
    for error in errors(&url, Duration::from_millis(50)).await {
        assert!(matches!(error, Error::TimedOut { doing: Doing::Asking, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up() {
    let url = by_hand::serve(|mut stream| async move { drop(stream.request().await) }).await;
    for error in errors(&url, PATIENCE).await {
        assert!(matches!(error, Error::Lost(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_websocket_that_is_none() {
    let url =
        by_hand::say(b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n").await;
    assert!(matches!(WebSocket::open(&url, &Options::new()).await.err(), Some(Error::Violation(_))));
    let url = by_hand::serve(|mut stream| async move {
        stream.upgrade().await;
        stream.write(&by_hand::text("hello")).await;
        stream.hold().await;
    })
    .await;
    let error = SocketIo::open(&url, &by(WAYS[0])).await.err().unwrap();
    assert_eq!(error.to_string(), "the server breaks the protocol: no open packet came first");
}

#[tokio::test]
async fn a_head_that_does_not_end() {
    let url = by_hand::serve(|mut stream| async move {
        stream.write(b"HTTP/1.1 200 OK\r\n").await;
        for _ in 0..10_000 {
            stream.write(b"X: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n").await;
        }
        stream.hold().await;
    })
    .await;
    for error in errors(&url, PATIENCE).await {
        assert!(matches!(error, Error::TooLarge { limit: "head_bytes_max" | "headers_max", .. }), "{error:?}");
    }
}

#[tokio::test]
async fn addresses_and_options_that_are_none() {
    for url in ["", "localhost:3000", "ftp://localhost/", "http://"] {
        for error in errors_of_address(url).await {
            assert!(matches!(error, Error::Address { .. }), "{error:?}");
        }
    }
    let options = Options::new;
    assert!(matches!(options().header("a b", "c"), Err(Error::Option { .. })));
    assert!(matches!(options().header("a", "b\r\nc: d"), Err(Error::Option { .. })));
    assert!(matches!(options().auth(&1), Err(Error::Option { .. })));
    assert!(matches!(options().subprotocols("a\r\n"), Err(Error::Option { .. })));
    for path in ["engine", "/a b", "/a\r\nb"] {
        let error = SocketIo::open("http://127.0.0.1:1/", &options().path(path)).await.err();
        assert!(matches!(error, Some(Error::Option { .. })), "{error:?}");
    }
    for namespace in ["chat", "/a,b"] {
        let error = SocketIo::open("http://127.0.0.1:1/", &options().namespace(namespace)).await.err();
        assert!(matches!(error, Some(Error::Option { .. })), "{error:?}");
    }
}

async fn errors_of_address(url: &str) -> Vec<Error> {
    let options = Options::new();
    let errors = [
        SocketIo::open(url, &options).await.err(),
        WebSocket::open(url, &options).await.err(),
        Sse::open(url, &options).await.err(),
        Post::open(url, &options).err(),
        Nchan::open(url, &options).err(),
    ];
    errors.into_iter().map(|error| error.expect("no address")).collect()
}
