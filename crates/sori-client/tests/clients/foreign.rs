//! Servers that are not Sori.

use std::sync::{Arc, Mutex};

use sori_client::{Error, Lines, Nchan, Options, Post, SocketIo, Sse};

use crate::{
    by_hand,
    support::{WAYS, by, soon},
};

#[tokio::test]
async fn sse_of_any_server() {
    let url = by_hand::say(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n\
          9\r\nid: 1\r\nda\r\n8\r\nta: a\r\n\r\n1\r\n\n\r\n0\r\n\r\n",
    )
    .await;
    let mut stream = Sse::open(&url, &Options::new()).await.unwrap();
    let event = soon(stream.next()).await.unwrap();
    assert_eq!((&*event.id, &*event.event, &*event.data), ("1", "message", "a"));
    assert!(matches!(soon(stream.next()).await, Err(Error::Closed { .. })));
}

#[tokio::test]
async fn lines_to_the_end_of_the_connection() {
    let url = by_hand::say(b"HTTP/1.0 200 OK\r\n\r\n{\"a\":1}\n\nnot json\n").await;
    let mut stream = Lines::open(&url, &Options::new()).await.unwrap();
    assert_eq!(soon(stream.next_line()).await.unwrap(), "{\"a\":1}");
    assert!(matches!(soon(stream.next()).await, Err(Error::Violation(_))));
    assert!(matches!(soon(stream.next()).await, Err(Error::Closed { .. })));
}

/// Answers as Nchan does, and hangs up on idle connections now and then.
#[tokio::test]
async fn long_polling_by_validators() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = asked.clone();
    let url = by_hand::serve(move |mut stream| {
        let asked = asked.clone();
        async move {
            loop {
                let request = stream.request().await;
                if request.is_empty() {
                    return;
                }
                let validators: Vec<&str> = request.lines().filter(|line| line.starts_with("If-")).collect();
                asked.lock().unwrap().push(validators.join(" "));
                let len = asked.lock().unwrap().len();
                let head = match len {
                    2 => "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(),
                    5 => "HTTP/1.1 410 Gone\r\nContent-Length: 4\r\n\r\ngone".to_owned(),
                    n => format!("HTTP/1.1 200 OK\r\nLast-Modified: D{n}\r\nETag: {n}\r\nContent-Length: 1\r\n\r\n{n}"),
                };
                stream.write(head.as_bytes()).await;
                if len == 3 {
                    return;
                }
            }
        }
    })
    .await;
    let mut channel = Nchan::open(&url, &Options::new()).unwrap();
    for expected in ["1", "3", "4"] {
        assert_eq!(soon(channel.next()).await.unwrap(), expected.as_bytes());
    }
    let gone = soon(channel.next()).await.unwrap_err();
    assert!(matches!(gone, Error::WrongAnswer { status: 410, .. }));
    let sent = |n: u32| format!("If-None-Match: {n} If-Modified-Since: D{n}");
    assert_eq!(*heard.lock().unwrap(), [String::new(), sent(1), sent(1), sent(3), sent(4)]);
}

#[tokio::test]
async fn any_body_may_be_posted() {
    let url = by_hand::say(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok").await;
    let mut post = Post::open(&url, &Options::new()).unwrap();
    let answered = soon(post.body("text/plain", b"hello")).await.unwrap();
    assert_eq!((answered.status, &*answered.body), (202, &b"ok"[..]));
}

/// A server that was started again knows nobody.
#[tokio::test]
async fn a_session_may_be_unknown() {
    let url = by_hand::serve(|mut stream| async move {
        let open = r#"0{"sid":"s","upgrades":[],"pingInterval":9000,"pingTimeout":9000}"#;
        for body in [open, "ok", r#"40{"sid":"i"}"#] {
            stream.request().await;
            stream.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
        }
        stream.request().await;
        stream
            .write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 41\r\n\r\n{\"code\":1,\"message\":\"Session ID unknown\"}")
            .await;
    })
    .await;
    let mut client = SocketIo::open(&url, &by(WAYS[1])).await.unwrap();
    let error = soon(client.next()).await.unwrap_err();
    assert!(error.is_end() && error.to_string().ends_with("it does not know this session any more"), "{error:?}");
    client.close().await.unwrap();
}

/// A server that dies while a poll waits.
#[tokio::test]
async fn polling_may_be_cut() {
    let url = by_hand::serve(|mut stream| async move {
        let open = r#"0{"sid":"s","upgrades":["websocket"],"pingInterval":9000,"pingTimeout":9000}"#;
        for body in [open, "ok", r#"40{"sid":"i"}"#] {
            stream.request().await;
            stream.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
        }
        let request = stream.request().await;
        assert!(request.starts_with("GET /socket.io/?EIO=4&transport=polling&sid=s HTTP/1.1\r\n"), "{request}");
    })
    .await;
    let mut client = SocketIo::open(&url, &by(WAYS[1])).await.unwrap();
    assert_eq!((client.id(), client.sid()), ("i", "s"));
    assert!(matches!(soon(client.next()).await, Err(Error::Lost(_))));
}

/// What socket.io 4.x says to a client of revision 3 over WebSocket, when it does not allow any.
#[tokio::test]
async fn http_after_the_handshake_is_understood() {
    let url = by_hand::serve(|mut stream| async move {
        stream.upgrade().await;
        stream
            .write(
                b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: 28\r\n\r\nUnsupported protocol version",
            )
            .await;
    })
    .await;
    let error = SocketIo::open(&url, &by(WAYS[3])).await.err().unwrap();
    assert!(
        matches!(&error, Error::WrongAnswer { status: 400, body, .. } if &**body == "Unsupported protocol version"),
        "{error:?}"
    );
}

/// What socket.io 2.x says to a client that speaks revision 4, and 4.x to one that speaks 3.
#[tokio::test]
async fn the_wrong_revision_is_told() {
    let url = by_hand::say(b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n{\"code\":5,\"message\":\"Unsupported protocol version\"}").await;
    for way in WAYS {
        let error = SocketIo::open(&url, &by(way)).await.err().unwrap();
        assert!(
            matches!(&error, Error::WrongAnswer { status: 400, body, .. } if body.contains("Unsupported protocol version")),
            "{error:?}"
        );
    }
}
