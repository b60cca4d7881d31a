//! Requests as they come: in pieces, several at once, with something behind them. And who is told of them.

use std::sync::{Arc, Mutex};

use axum::http::request::Parts;
use sori::{Ack, Namespace, Server, ServerBuilder, Socket};
use sori_proto::ws::frame::OpCode;

use crate::{
    both::{self, Both, End, POLLING, Side, WEBSOCKET},
    wire::{Http, UPGRADE, WebSocket, frame, request, until},
};

#[tokio::test]
async fn a_head_cut_at_every_byte() {
    let both = Both::new().await;
    let get = format!("GET {POLLING}&sid=nobody HTTP/1.1\r\nhost: t\r\n\r\n");
    let post = format!("POST {POLLING}&sid={{sid}} HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\n\r\n40");
    for request in [get, post] {
        let whole = both.compare("whole", &[request.as_bytes()]).await;
        assert_eq!((whole.answers.len(), &whole.end), (3, &End::Alive));
        // The sid has no name yet that could be cut.
        let sid = request.find("{sid}").map_or(0..0, |at| at + 1..at + 5);
        for cut in (1..request.len()).filter(|cut| !sid.contains(cut)) {
            let (before, after) = request.as_bytes().split_at(cut);
            assert_eq!(both.compare("cut", &[before, after]).await, whole, "at {cut}");
        }
    }
}

#[tokio::test]
async fn a_poll_behind_a_poll() {
    let both = Both::new().await;
    for side in [&both.axum, &both.front] {
        let sid = both::open(side).await;
        let target = format!("{POLLING}&sid={sid}");
        assert_eq!(request(side.address, "POST", &target, "", "40").await.status, 200);
        assert!(request(side.address, "GET", &target, "", "").await.body.starts_with("40"));
        let mut http = Http::open(side.address).await;
        let poll = format!("GET {target} HTTP/1.1\r\nhost: t\r\n\r\n");
        http.write(poll.repeat(2)).await;
        for n in 0..2 {
            side.io.of("/").emit("n", &n).unwrap();
            assert_eq!(http.answer().await.unwrap().body, format!("42[\"n\",{n}]"));
        }
    }
}

/// Frames that came with the opening request are read, by whomever that was read, and however many they are.
#[tokio::test]
async fn frames_behind_an_opening_request() {
    let both = Both::new().await;
    let opening = format!("GET {WEBSOCKET} HTTP/1.1\r\nhost: t\r\n{UPGRADE}\r\n");
    let page = "GET / HTTP/1.1\r\nhost: t\r\n\r\n";
    let say = |text: &str| frame(true, OpCode::Text, text.as_bytes());
    for side in [&both.axum, &both.front] {
        for pages in 0..3 {
            for frames in [1, 10, 1_500] {
                let mut bytes = [&page.repeat(pages), &opening[..]].concat().into_bytes();
                bytes.extend(say("40"));
                (0..frames).for_each(|n| bytes.extend(say(&format!("42{n}[\"echo\",{n}]"))));
                let mut http = Http::open(side.address).await;
                http.write(bytes).await;
                for _ in 0..pages {
                    assert_eq!(http.answer().await.unwrap().body, "index");
                }
                let mut ws = WebSocket::of(http).await;
                assert!(ws.receive_text().await.unwrap().starts_with('0'));
                assert!(ws.receive_text().await.unwrap().starts_with("40"));
                for n in 0..frames {
                    assert_eq!(ws.receive_text().await, Some(format!("43{n}[{n}]")), "{pages} pages, {frames} frames");
                }
            }
        }
    }
}

/// The same behind an opening request beside polling, which is probed first.
#[tokio::test]
async fn a_probe_behind_an_opening_request() {
    let both = Both::new().await;
    for side in [&both.axum, &both.front] {
        let sid = both::open(side).await;
        let mut bytes = format!("GET {WEBSOCKET}&sid={sid} HTTP/1.1\r\nhost: t\r\n{UPGRADE}\r\n").into_bytes();
        for text in ["2probe", "5", "40"] {
            bytes.extend(frame(true, OpCode::Text, text.as_bytes()));
        }
        let mut http = Http::open(side.address).await;
        http.write(bytes).await;
        let mut ws = WebSocket::of(http).await;
        assert_eq!(ws.receive_text().await.as_deref(), Some("3probe"));
        assert!(ws.receive_text().await.unwrap().starts_with("40"));
    }
}

type Seen = Arc<Mutex<Vec<String>>>;

/// Hooks see the same request, and answers carry what they add.
#[tokio::test]
async fn hooks_are_told_the_same() {
    let mut told = Vec::new();
    for has_front in [false, true] {
        let seen = Seen::default();
        let side = serve(has_front, hooked(&seen)).await;
        let headers = "x-one: 1\r\nx-two:\t2 \r\nx-one: uno\r\nX-Empty:\r\ncookie: a=b\r\n";
        let opened = request(side.address, "GET", &format!("{POLLING}&a=%20b&a=c"), headers, "").await;
        assert_eq!((opened.header("x-initial"), opened.header("x-every")), (Some("yes"), Some("yes")));
        WebSocket::open(side.address, &format!("{WEBSOCKET}&a=%20b"), headers).await.map(drop).unwrap();
        let refused = request(side.address, "GET", &format!("{POLLING}&deny"), headers, "").await;
        assert_eq!((refused.status, &*refused.body), (403, "{\"code\":4,\"message\":\"denied\"}"));
        told.push(std::mem::take(&mut *seen.lock().unwrap()));
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].len(), 3 + 2 + 2, "{told:#?}");
}

fn hooked(seen: &Seen) -> ServerBuilder {
    let note = |what: &'static str, seen: &Seen| {
        let seen = seen.clone();
        move |parts: &Parts| {
            let Parts { method, uri, version, headers, .. } = parts;
            seen.lock().unwrap().push(format!("{what}: {method} {uri} {version:?} {headers:?}"));
        }
    };
    let (allow, initial, every) = (note("allow", seen), note("initial", seen), note("every", seen));
    both::builder()
        .allow_request(move |parts| {
            allow(parts);
            let is_denied = parts.uri.query().is_some_and(|query| query.ends_with("deny"));
            async move { if is_denied { Err("denied".to_owned()) } else { Ok(()) } }
        })
        .initial_headers(move |headers, parts| {
            initial(parts);
            headers.insert("x-initial", "yes".parse().unwrap());
        })
        .headers(move |headers, parts| {
            every(parts);
            headers.insert("x-every", "yes".parse().unwrap());
        })
}

/// The client's address is known, and a trusted proxy's word for it counts.
#[tokio::test]
async fn addresses_are_known() {
    let namespace = Namespace::new().on_connect(|socket: Socket| async move {
        let address = socket.handshake().address().expect("an address");
        socket.emit("address", &address.to_string())
    });
    let server = Server::builder().namespace("/", namespace).trusted_proxies(["127.0.0.1".parse().unwrap()]);
    let side = both::front(server).await;
    for (headers, wanted) in [("", None), ("x-forwarded-for: 1.2.3.4\r\n", Some("1.2.3.4:0"))] {
        // With the page first, the opening request is left to hyper.
        for page in ["", "GET / HTTP/1.1\r\nhost: t\r\n\r\n"] {
            let mut http = Http::open(side.address).await;
            let own = http.local_address().to_string();
            http.write(format!("{page}GET {WEBSOCKET} HTTP/1.1\r\nhost: t\r\n{UPGRADE}{headers}\r\n")).await;
            if !page.is_empty() {
                assert_eq!(http.answer().await.unwrap().body, "index");
            }
            let mut ws = WebSocket::of(http).await;
            ws.text("40").await;
            ws.receive_text().await.unwrap();
            ws.receive_text().await.unwrap();
            let told = ws.receive_text().await.unwrap();
            assert_eq!(told, format!("42[\"address\",\"{}\"]", wanted.unwrap_or(&own)));
        }
    }
    until(|| side.io.stats().sessions() == 0).await;
}

/// Who counts a session's bytes counts as many, whoever writes the heads.
#[tokio::test]
async fn traffic_is_counted_once() {
    let mut counted = Vec::new();
    for has_front in [false, true] {
        let traffic = |socket: Socket| async move { Ack(format!("{:?}", socket.traffic())) };
        let server =
            Server::builder().count_traffic(true).namespace("/", Namespace::new().allow_callbacks().on("traffic", traffic));
        let side = serve(has_front, server).await;
        let mut ws = WebSocket::open(side.address, WEBSOCKET, "").await.unwrap();
        ws.receive_text().await.unwrap();
        ws.text("40").await;
        ws.receive_text().await.unwrap();
        ws.text("420[\"traffic\"]").await;
        let of_socket_io = ws.receive_text().await.unwrap();
        let mut ws = WebSocket::open(side.address, "/live", "sec-websocket-protocol: sori.json.v1\r\n").await.unwrap();
        ws.receive_text().await.unwrap();
        ws.text("{\"event\":\"traffic\",\"ack\":1}").await;
        let of_plain = ws.receive_text().await.unwrap();
        counted.push((of_socket_io, of_plain));
    }
    assert_eq!(counted[0], counted[1]);
    assert!(counted[0].0.contains("bytes_out") && counted[0].1.contains("bytes_out"), "{counted:?}");
}

async fn serve(has_front: bool, server: ServerBuilder) -> Side {
    if has_front { both::front(server).await } else { both::axum(server).await }
}
