//! Who lives is heard; who has died is noticed.

use std::time::{Duration, Instant};

use serde_json::Value;
use sori::{Ack, Data, Namespace};
use sori_client::{Error, Options, SocketIo, Sse};

use crate::{
    by_hand,
    support::{WAYS, by, serve, soon},
};

#[tokio::test]
async fn an_idle_client_stays() {
    let server = serve(|builder| {
        builder
            .ping_interval(Duration::from_millis(100))
            .ping_timeout(Duration::from_millis(150))
            .namespace("/", Namespace::new().on("echo", async |Data(data): Data<Value>| Ack(data)))
    })
    .await;
    let idle = WAYS.map(|way| {
        let url = server.url.clone();
        tokio::spawn(async move {
            let mut client = SocketIo::open(&url, &by(way)).await.unwrap();
            // Four times as long as a client that does not take part would live.
            let news = tokio::time::timeout(Duration::from_secs(1), client.next()).await;
            assert!(news.is_err(), "{news:?} by {way:?}");
            assert_eq!(soon(client.ask::<i64>("echo", &1)).await.unwrap(), 1, "{way:?}");
        })
    });
    for client in idle {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    for revision in ["V3", "V4"] {
        let url = by_hand::serve(move |mut stream| async move {
            stream.upgrade().await;
            stream.write(&by_hand::text(r#"0{"sid":"s","upgrades":[],"pingInterval":60,"pingTimeout":60}"#)).await;
            stream.write(&by_hand::text(if revision == "V3" { "40" } else { r#"40{"sid":"i"}"# })).await;
            stream.hold().await;
        })
        .await;
        let way = if revision == "V3" { WAYS[3] } else { WAYS[0] };
        let mut client = SocketIo::open(&url, &by(way)).await.unwrap();
        let since = Instant::now();
        let error = soon(client.next()).await.unwrap_err();
        assert!(matches!(error, Error::Silent { .. }), "{error:?}");
        assert!(since.elapsed() >= Duration::from_millis(100));
        assert!(error.to_string().starts_with("nothing was heard from the server for 1"), "{error}");
    }
}

#[tokio::test]
async fn a_silent_stream_is_given_up_where_that_is_asked_for() {
    let url = by_hand::serve(|mut stream| async move {
        stream.request().await;
        stream.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n").await;
        stream.hold().await;
    })
    .await;
    let mut stream = Sse::open(&url, &Options::new().silence(Duration::from_millis(60))).await.unwrap();
    assert_eq!(soon(stream.next()).await.unwrap().data, "1");
    assert!(matches!(soon(stream.next()).await, Err(Error::Silent { .. })));
}
