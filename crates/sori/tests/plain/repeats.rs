//! Events with an `id`, which a client may send again when it does not know whether they arrived.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sori::{Ack, Data, Namespace, Server};
use tokio::time::sleep;

use crate::{
    client::Client,
    http::{Http, JSON, request},
};

/// A server whose handler takes a second, and how often it ran.
fn server() -> (Server, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    let count = runs.clone();
    let namespace = Namespace::new()
        .on("pay", move |Data(amount): Data<u32>| {
            let n = count.fetch_add(1, Ordering::Relaxed);
            async move {
                sleep(Duration::from_secs(1)).await;
                Ack((n, amount))
            }
        })
        .on("other", async |Data(_): Data<u32>| Ack("other"));
    (Server::builder().namespace("/", namespace).build().unwrap(), runs)
}

async fn pay(io: &Server, query: &str, headers: &str, amount: u32) -> (u16, String) {
    let headers = format!("{JSON}{headers}");
    let answer = request(io, "POST", &format!("/live?event=pay{query}"), &headers, amount.to_string()).await;
    (answer.status(), answer.text().to_owned())
}

fn paid(n: u32, amount: u32) -> (u16, String) {
    (200, format!("[{n},{amount}]"))
}

#[tokio::test(start_paused = true)]
async fn however_often_it_is_sent_it_happens_once() {
    let (io, runs) = server();
    let session = Client::open_by_post(&io, "/live").await;
    let named = format!("&sid={}", session.sid.as_ref().unwrap());
    for (n, whose) in ["", &named].into_iter().enumerate() {
        let query = format!("{whose}&id=a");
        let at_once: Vec<_> = (0..5)
            .map(|_| {
                let (io, query) = (io.clone(), query.clone());
                tokio::spawn(async move { pay(&io, &query, "", 7).await })
            })
            .collect();
        for answer in at_once {
            assert_eq!(answer.await.unwrap(), paid(n as u32, 7));
        }
        // Whatever it carries now.
        assert_eq!(pay(&io, &query, "", 8).await, paid(n as u32, 7));
        assert_eq!(runs.load(Ordering::Relaxed), n as u32 + 1);
    }
    assert_eq!(io.of("/").len(), 1, "the sockets of single requests are gone");
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_when_its_request_is_gone() {
    let (io, runs) = server();
    let session = Client::open_by_post(&io, "/live").await;
    let named = format!("&sid={}", session.sid.as_ref().unwrap());
    for (n, whose) in ["", &named].into_iter().enumerate() {
        let mut http = Http::open(&io, 4096);
        http.request("POST", &format!("/live?event=pay{whose}&id=a"), JSON, b"7").await;
        sleep(Duration::from_millis(500)).await;
        drop(http);
        sleep(Duration::from_millis(100)).await;
        assert_eq!(pay(&io, &format!("{whose}&id=a"), "", 7).await, paid(n as u32, 7));
        assert_eq!(runs.load(Ordering::Relaxed), n as u32 + 1);
    }
    assert_eq!(io.stats().handler_panics(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_somebody_elses_answer() {
    let (io, _) = server();
    let (a, b) = (Client::open_by_post(&io, "/live").await, Client::open_by_post(&io, "/live").await);
    let clients = [
        (String::new(), ""),
        (String::new(), "authorization: Bearer a\r\n"),
        (String::new(), "authorization: Bearer b\r\n"),
        (String::new(), "cookie: s=a\r\n"),
        ("&token=a".into(), ""),
        (format!("&sid={}", a.sid.unwrap()), ""),
        (format!("&sid={}", b.sid.unwrap()), ""),
    ];
    for _ in 0..2 {
        for (n, (query, headers)) in clients.iter().enumerate() {
            assert_eq!(pay(&io, &format!("{query}&id=1"), headers, 5).await, paid(n as u32, 5), "{query} {headers}");
        }
    }
    assert_eq!(pay(&io, "&id=2", "", 5).await, paid(7, 5), "another id");
    let other = request(&io, "POST", "/live?event=other&id=1", JSON, "1").await;
    assert_eq!(other.text(), "\"other\"", "another event");
    for id in ["", &"x".repeat(65)] {
        assert_eq!(pay(&io, &format!("&id={id}"), "", 1).await.0, 400);
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_forgotten_after_a_while() {
    let (io, _) = server();
    assert_eq!(pay(&io, "&id=a", "", 1).await, paid(0, 1));
    sleep(Duration::from_secs(119)).await;
    assert_eq!(pay(&io, "&id=a", "", 1).await, paid(0, 1));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(pay(&io, "&id=a", "", 1).await, paid(1, 1));
}

/// What was refused has not happened.
#[tokio::test(start_paused = true)]
async fn a_refused_event_may_be_sent_again() {
    let runs = Arc::new(AtomicU32::new(0));
    let count = runs.clone();
    let namespace = Namespace::new().middleware(async || Err::<(), _>("closed")).on("pay", move || {
        count.fetch_add(1, Ordering::Relaxed);
        async {}
    });
    let io = Server::builder().namespace("/", namespace).build().unwrap();
    for _ in 0..2 {
        let answers = tokio::join!(pay(&io, "&id=a", "", 1), pay(&io, "&id=a", "", 1));
        assert!([answers.0.0, answers.1.0].iter().all(|status| matches!(status, 403 | 503)), "{answers:?}");
    }
    assert_eq!(runs.load(Ordering::Relaxed), 0);
}
