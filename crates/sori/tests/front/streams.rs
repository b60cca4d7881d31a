//! Answers that take a while.

use crate::{
    both::{self, Both, POLLING},
    wire::{Http, request},
};

/// More than a socket takes at once arrives whole, and what follows it, too.
#[tokio::test]
async fn a_large_answer_to_a_slow_reader() {
    let both = Both::new().await;
    let water: String = (0..600_000).map(|n| format!("{n:06} ")).collect();
    for side in [&both.axum, &both.front] {
        let sid = both::open(side).await;
        let target = format!("{POLLING}&sid={sid}");
        assert_eq!(request(side.address, "POST", &target, "", "40").await.status, 200);
        assert!(request(side.address, "GET", &target, "", "").await.body.starts_with("40"));
        side.io.of("/").emit("water", &water).unwrap();
        let mut http = Http::open(side.address).await;
        let poll = format!("GET {target} HTTP/1.1\r\nhost: t\r\n\r\n");
        http.write(format!("{poll}GET {POLLING}&sid=nobody HTTP/1.1\r\nhost: t\r\n\r\n")).await;
        assert_eq!(http.head().await.unwrap().status, 200);
        let body = http.exactly(water.len() + "42[\"water\",\"\"]".len()).await.expect("all of it");
        assert!(body == format!("42[\"water\",\"{water}\"]").as_bytes());
        assert_eq!(http.answer().await.unwrap().status, 400);
    }
}

/// RFC 9112, 7.1: chunks, the last of them, and then the connection is as good as before.
#[tokio::test]
async fn a_stream_ends_and_the_connection_does_not() {
    let both = Both::new().await;
    for side in [&both.axum, &both.front] {
        for closes in [false, true] {
            let mut http = Http::open(side.address).await;
            http.request("GET", "/live?framing=sse", if closes { "connection: close\r\n" } else { "" }, "").await;
            let head = http.head().await.unwrap();
            assert_eq!(
                (head.status, head.header("transfer-encoding"), head.header("content-length")),
                (200, Some("chunked"), None)
            );
            assert_eq!(head.header("connection"), closes.then_some("close"));
            let mut told = String::from_utf8(http.chunk().await.unwrap()).unwrap();
            assert!(told.contains("\"sid\""), "{told}");
            for n in 0..3 {
                side.io.of("/").emit("n", &n).unwrap();
                while !told.contains(&format!("data: {n}\n")) {
                    told += &String::from_utf8(http.chunk().await.expect("an event")).unwrap();
                }
            }
            side.io.of("/").disconnect_sockets(true);
            while http.chunk().await.is_some() {}
            if closes {
                http.hung_up().await;
                continue;
            }
            http.request("GET", &format!("{POLLING}&sid=nobody"), "", "").await;
            assert_eq!(http.answer().await.unwrap().status, 400);
            http.request("GET", "/", "", "").await;
            assert_eq!(http.answer().await.unwrap().body, "index");
        }
    }
}
