//! The gallery's own routes, without a browser and on virtual time.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, Response, StatusCode, header, request::Builder},
};
use sori::RemoteAddr;
use sori_gallery::{Gallery, Options};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

struct World {
    gallery: Gallery,
    router: Router,
}

impl World {
    fn new() -> Self {
        let gallery = Gallery::new(Options::default()).expect("it is built");
        Self { router: gallery.router(), gallery }
    }

    async fn ask(&self, request: Builder, body: &str) -> Response<Body> {
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        self.router.clone().oneshot(request).await.expect("an answer")
    }

    async fn post(&self, path: &str, body: &str) -> (StatusCode, String) {
        text(self.ask(from("127.0.0.1").method("POST").uri(path), body).await).await
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        text(self.ask(from("127.0.0.1").uri(path), "").await).await
    }
}

fn from(address: &str) -> Builder {
    let remote = SocketAddr::new(address.parse().expect("an address"), 50_000);
    Request::builder().extension(RemoteAddr(remote)).header(header::HOST, "gallery.example")
}

async fn text(answer: Response<Body>) -> (StatusCode, String) {
    let status = answer.status();
    let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    (status, String::from_utf8(body.into()).expect("text"))
}

const MESSAGES: &str = "/gallery/polling-chat/messages";
const LONG: &str = "/gallery/long-polling/longpolling";

#[tokio::test]
async fn a_message_is_stored_and_asked_for() {
    let world = World::new();
    assert_eq!(world.get(MESSAGES).await, (StatusCode::OK, "[]".into()));
    let said = "nickname=%EC%86%8C%EB%A6%AC&message=%3Cb%3E+%26";
    assert_eq!(world.post(MESSAGES, said).await.0, StatusCode::NO_CONTENT);
    let (_, all) = world.get(&format!("{MESSAGES}?dummy=17")).await;
    assert!(all.starts_with(r#"[{"nickname":"소리","message":"<b> &","time":1"#), "{all}");
    for wrong in
        ["nickname=&message=x", "nickname=x", "nickname=x&message=%00", &format!("nickname=x&message={}", "x".repeat(501))]
    {
        let (status, why) = world.post(MESSAGES, wrong).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}: {why}");
    }
    let flood = format!("nickname=x&message={}", "x".repeat(70_000));
    assert_eq!(world.post(MESSAGES, &flood).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn one_address_is_slowed_down_and_others_are_not() {
    let world = World::new();
    let post = async |address| {
        let request = from(address).method("POST").uri(MESSAGES);
        world.ask(request, "nickname=Ada&message=hi").await.status()
    };
    for _ in 0..10 {
        assert_eq!(post("192.0.2.1").await, StatusCode::NO_CONTENT);
    }
    assert_eq!(post("192.0.2.1").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(post("192.0.2.2").await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn pages_of_other_sites_are_kept_out() {
    let world = World::new();
    for (origin, status) in [("http://gallery.example", StatusCode::NO_CONTENT), ("http://other.example", StatusCode::FORBIDDEN)]
    {
        let request = from("127.0.0.1").method("POST").uri(MESSAGES).header(header::ORIGIN, origin);
        assert_eq!(world.ask(request, "nickname=Ada&message=hi").await.status(), status, "{origin}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_request_ends_with_an_event_or_after_thirty_seconds() {
    let world = World::new();
    let start = Instant::now();
    let happen = async {
        sleep(Duration::from_secs(7)).await;
        assert_eq!(world.post("/gallery/long-polling/events", "text=rain").await.0, StatusCode::NO_CONTENT);
    };
    let (held, ()) = tokio::join!(world.post(LONG, ""), happen);
    assert_eq!(held, (StatusCode::OK, r#"{"number":1,"text":"rain"}"#.into()));
    assert_eq!(start.elapsed().as_secs(), 7);

    let start = Instant::now();
    assert_eq!(world.post(LONG, "after=0").await.1, r#"{"number":1,"text":"rain"}"#, "what was missed comes at once");
    assert_eq!(start.elapsed().as_secs(), 0);
    assert_eq!(world.post(LONG, "after=1").await, (StatusCode::OK, "End".into()));
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn other_paths_say_hello_after_a_second() {
    let world = World::new();
    let start = Instant::now();
    assert_eq!(world.get("/gallery/long-polling/any/where").await.1, "Hello World\n");
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_address_holds_so_many_requests_at_once() {
    let world = World::new();
    let hold = async |address: &'static str| {
        let request = from(address).method("POST").uri(LONG);
        world.ask(request, "").await.status()
    };
    let mut held: Vec<_> = (0..20).map(|_| Box::pin(hold("192.0.2.1"))).collect();
    for one in &mut held {
        assert!(at_once(one).await.is_none(), "it waits");
    }
    assert_eq!(hold("192.0.2.1").await, StatusCode::TOO_MANY_REQUESTS);
    assert!(at_once(&mut Box::pin(hold("192.0.2.2"))).await.is_none(), "others have their own places");
    // The browser goes away.
    held.pop();
    assert!(at_once(&mut Box::pin(hold("192.0.2.1"))).await.is_none());
}

/// What is ready without waiting.
async fn at_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_held_ends_when_the_program_does() {
    let world = World::new();
    let start = Instant::now();
    let close = async {
        sleep(Duration::from_secs(2)).await;
        world.gallery.close(Duration::from_secs(5)).await
    };
    let (long, slow, closed) = tokio::join!(world.post(LONG, ""), world.get("/gallery/ajax/slow"), close);
    assert_eq!((long.1.as_str(), slow.1.as_str(), closed), ("End", "5!\n", true));
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[tokio::test]
async fn every_method_means_something() {
    let world = World::new();
    for (method, body, status, expected) in [
        ("GET", "", StatusCode::OK, r#"{"name":"fern","spores":[1,2,3]}"#),
        ("POST", "[1]", StatusCode::CREATED, r#"{"created":[1]}"#),
        ("PUT", "[2]", StatusCode::OK, r#"{"replaced":[2]}"#),
        ("DELETE", "", StatusCode::NO_CONTENT, ""),
        ("PATCH", "", StatusCode::METHOD_NOT_ALLOWED, ""),
    ] {
        let request = from("127.0.0.1").method(method).uri("/gallery/ajax/data");
        assert_eq!(text(world.ask(request, body).await).await, (status, expected.to_owned()), "{method}");
    }
    let request = Request::post("/gallery/ajax/echo").header(header::CONTENT_TYPE, "application/json");
    let answer = world.router.clone().oneshot(request.body(Body::from(r#"{"a": [1.50, null]}"#)).expect("a request")).await;
    assert_eq!(text(answer.expect("an answer")).await, (StatusCode::OK, r#"{"a":[1.5,null]}"#.into()));
}

#[tokio::test(start_paused = true)]
async fn what_goes_up_is_counted_up_to_a_limit() {
    let world = World::new();
    let (status, counted) = world.post("/gallery/ajax/upload", &"x".repeat(4 << 20)).await;
    assert_eq!((status, counted.as_str()), (StatusCode::OK, r#"{"bytes":4194304}"#));
    assert_eq!(world.post("/gallery/ajax/upload", &"x".repeat((4 << 20) + 1)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn tcp_greets() {
    let (status, played) = World::new().post("/gallery/tcp-greeting/play", "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(played.contains(r#""greeting":"Hello, 127.0.0.1:"#), "{played}");
}

#[tokio::test]
async fn pages_are_there_in_both_languages_and_known_when_they_come_again() {
    let world = World::new();
    let (_, index) = world.get("/gallery/").await;
    let links: Vec<_> = index.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(links.len(), 14, "thirteen cards, and the way out: {links:?}");
    for link in links.iter().filter(|link| link.starts_with("/gallery/")) {
        let (status, page) = world.get(&format!("{link}?lang=ko")).await;
        assert_eq!(status, StatusCode::OK, "{link}");
        assert!(page.contains("<html lang=\"ko\"") && page.contains("어떻게 움직이나"), "{link}");
        assert_eq!(world.get(link.trim_end_matches('/')).await.0, StatusCode::PERMANENT_REDIRECT, "{link}");
    }
    let answer = world.ask(from("127.0.0.1").uri("/gallery/?lang=ko"), "").await;
    assert!(answer.headers()[header::SET_COOKIE].to_str().expect("text").starts_with("gallery-lang=ko;"));
    let etag = answer.headers()[header::ETAG].clone();
    let again = from("127.0.0.1").uri("/gallery/?lang=ko").header(header::IF_NONE_MATCH, etag);
    assert_eq!(world.ask(again, "").await.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(world.get("/gallery/files/base.html").await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.get("/gallery/files/..%2Fsrc%2Flib.rs").await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.get("/gallery/elsewhere/").await.0, StatusCode::NOT_FOUND);
}
