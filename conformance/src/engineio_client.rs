//! For engine.io-client's own suite.

use std::{collections::BTreeMap, time::Duration};

use axum::http::{HeaderMap, HeaderValue, header::SET_COOKIE};
use bytes::Bytes;
use sori::{
    BuildError, Server,
    engine::{Conn, Engine, Incoming, Message},
};

pub fn server() -> Result<Server, BuildError> {
    Server::builder()
        .path("/engine.io")
        .ping_interval(Duration::from_millis(500))
        .max_http_buffer_size(100)
        .allow_request(|request| {
            let is_denied = request.uri.query().is_some_and(|query| query.contains("deny"));
            async move { if is_denied { Err("denied".to_owned()) } else { Ok(()) } }
        })
        .initial_headers(|headers, _| {
            for cookie in COOKIES {
                headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
            }
        })
        .engine(Engine::new().on_open(|conn| conn.send("hi")).on_message(on_message))
        .build()
}

fn on_message(conn: &Conn, incoming: Incoming<'_>) {
    match &incoming.message {
        Message::Text(text) if **text == *"give binary" => conn.send(Bytes::from_static(&[0, 1, 2, 3, 4])),
        Message::Text(text) if **text == *"give utf8" => conn.send("пойду спать всем спокойной ночи"),
        Message::Text(text) if **text == *"sendHeaders" => conn.send(&*as_json(incoming.headers)),
        _ => conn.send(incoming.message),
    }
}

/// The headers of the POST that carried the message.
fn as_json(headers: Option<&HeaderMap>) -> String {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: BTreeMap<_, _> = headers.into_iter().flatten().map(|(name, value)| (name.as_str(), text(value))).collect();
    serde_json::json!(headers).to_string()
}

/// The client has to come back with the first two; the others have expired.
const COOKIES: [&str; 4] = [
    "1=1; Max-Age=86400",
    "2=2; Path=/; HttpOnly; Secure; SameSite=Strict",
    "3=3; Max-Age=0",
    "4=4; Expires=Thu, 01 Jan 2015 00:00:00 GMT",
];
