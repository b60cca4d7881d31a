//! Clients that do not read, and what a broadcast costs: nobody waits, nothing grows, nothing is written twice.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde::{Serialize, Serializer};
use sori::{CloseReason, Namespace, Server};
use sori_proto::{plain::Format, sio::OutArgs, wire::Prepared};
use tokio::time::{sleep, timeout};

use crate::{
    client::{Client, Way},
    http::{Http, request},
};

const OUTBOX_BYTES_MAX: u32 = 64 << 10;

fn server(ends: Arc<Mutex<Vec<CloseReason>>>) -> Server {
    let namespace = Namespace::new().allow_callbacks().on_disconnect(move |why: CloseReason| {
        ends.lock().unwrap().push(why);
        async {}
    });
    Server::builder().limits(|limits| limits.outbox_bytes_max = OUTBOX_BYTES_MAX).namespace("/", namespace).build().unwrap()
}

/// A client that does not read.
async fn idler(io: &Server, way: Option<Way>) -> Option<Http> {
    let client = Client::open_by_post(io, "/live").await;
    let sid = client.sid.clone().unwrap();
    let query = match way? {
        Way::Sse => "framing=sse",
        Way::Lines => "framing=lines",
        Way::Multipart => "framing=multipart",
        Way::Iframe => "framing=iframe",
        _ => "",
    };
    let mut http = Http::open(io, 4096);
    let upgrade = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: sori.json.v1\r\n";
    let headers = if way == Some(Way::Raw) { upgrade } else { "" };
    http.request("GET", &format!("/live?sid={sid}&{query}"), headers, b"").await;
    http.head().await.unwrap();
    Some(http)
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_costs_its_outbox_and_no_more() {
    let ways = [None, Some(Way::Sse), Some(Way::Lines), Some(Way::Multipart), Some(Way::Iframe), Some(Way::Raw)];
    for way in ways {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let io = server(ends.clone());
        let mut readers = Vec::new();
        for way in [Way::Sse, Way::LongPoll, Way::Raw, Way::SocketIo] {
            readers.push(Client::open(&io, "/live", way).await);
        }
        let unread = idler(&io, way).await;
        sleep(Duration::from_millis(10)).await;
        let data = "~".repeat(1_000);
        let mut emitted = 0;
        while io.of("/").len() > readers.len() {
            let sent = io.emit("n", &(emitted, &data)).unwrap();
            assert!(sent.queued >= readers.len());
            for reader in &mut readers {
                assert_eq!(reader.hears().await.number(), Some(emitted), "{way:?} beside {:?}", reader.way);
            }
            emitted += 1;
            // Its outbox, what a connection takes at once, and what lies between.
            assert!(emitted < 64 + 64 + 20, "{way:?}: {emitted} KB wait");
        }
        assert!(emitted > 50, "{way:?}: closed after {emitted} KB");
        assert_eq!(*ends.lock().unwrap(), [CloseReason::SlowConsumer], "{way:?}");
        assert_eq!(io.stats().sessions_closed(CloseReason::SlowConsumer), 1);
        drop(unread);
    }
}

/// Nor does one that polls and confirms nothing.
#[tokio::test(start_paused = true)]
async fn who_confirms_nothing_costs_its_outbox_and_no_more() {
    let ends = Arc::new(Mutex::new(Vec::new()));
    let io = server(ends.clone());
    let client = Client::open_by_post(&io, "/live").await;
    let target = format!("/live?wait=0&sid={}", client.sid.as_ref().unwrap());
    let data = "~".repeat(1_000);
    for n in 0..100 {
        io.emit("n", &(n, &data)).unwrap();
        let answer = request(&io, "GET", &target, "", "").await;
        if answer.status() == 404 {
            break;
        }
        assert!(answer.body.len() < 2 * OUTBOX_BYTES_MAX as usize);
    }
    assert_eq!(*ends.lock().unwrap(), [CloseReason::SlowConsumer]);
}

/// The connection of a slow consumer is ended, too, once its client reads again.
#[tokio::test(start_paused = true)]
async fn a_slow_consumer_is_told_as_far_as_it_reads() {
    let ends = Arc::new(Mutex::new(Vec::new()));
    let io = server(ends.clone());
    let mut client = Client::open(&io, "/live", Way::Lines).await;
    let data = "~".repeat(1_000);
    while ends.lock().unwrap().is_empty() {
        io.emit("n", &(0, &data)).unwrap();
        sleep(Duration::from_millis(1)).await;
    }
    let mut last = None;
    while let Some(said) = timeout(Duration::from_secs(5), client.next()).await.expect("it ends") {
        last = Some(said);
    }
    let last = last.unwrap();
    assert!(last.is("disconnect") && last.data()["reason"] == "slow consumer", "{last:?}");
    sleep(Duration::from_secs(40)).await;
    assert_eq!(io.stats().sessions(), 0);
}

/// Counts how often it is written.
struct Counted<'a>(&'a AtomicU32);

impl Serialize for Counted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        serializer.serialize_u32(7)
    }
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_is_serialized_once_for_everybody() {
    let io = server(Arc::default());
    let mut clients = Vec::new();
    for way in Way::PLAIN.into_iter().chain([Way::SocketIo, Way::SocketIoPolling]) {
        clients.push(Client::open(&io, "/live", way).await);
        clients.push(Client::open(&io, "/live", way).await);
    }
    let written = AtomicU32::new(0);
    assert_eq!(io.emit("n", &Counted(&written)).unwrap().queued, clients.len());
    for client in &mut clients {
        assert_eq!(client.hears().await.number(), Some(7), "{:?}", client.way);
    }
    assert_eq!(written.load(Ordering::Relaxed), 1);
}

/// All that read one format share its bytes.
#[test]
fn each_format_is_encoded_once() {
    let event = Prepared::new("/".into(), "n", OutArgs::new(&7).unwrap(), None);
    let formats = [
        Format::Sse,
        Format::SseText,
        Format::SseEnvelope,
        Format::Lines,
        Format::Multipart,
        Format::Iframe,
        Format::WebSocket { deflate: false },
        Format::WebSocketBare { deflate: false },
    ];
    let mut addresses: Vec<_> = formats.iter().map(|format| event.plain(*format, "b").as_ptr()).collect();
    for (format, address) in formats.iter().zip(&addresses) {
        assert_eq!(event.plain(*format, "b").as_ptr(), *address, "{format:?}");
    }
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), formats.len());
}
