//! The demo pages, and what is said where there is no page.

pub mod chat;

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Body,
    header::{self, HeaderName, HeaderValue},
};
use sori_gallery::Gallery;
use tower_service::Service;

/// Answers everything beside Socket.IO.
#[derive(Clone)]
pub struct Pages {
    pages: Arc<[Page]>,
    gallery: Option<Arc<Gallery>>,
    not_found: Bytes,
}

struct Page {
    path: &'static str,
    content_type: &'static str,
    content: Bytes,
}

impl Pages {
    /// The demo's pages, or none.
    pub fn new(demo: bool, config: &sori::Config, gallery: Option<Arc<Gallery>>) -> Self {
        let page = |path, content_type, content| Page { path, content_type, content };
        let pages: Arc<[Page]> = match demo {
            false => Arc::default(),
            true => {
                let html = include_str!("demo/chat.html").replace("{path}", &escape(&config.path));
                Arc::new([
                    page("/", "text/html; charset=utf-8", html.into()),
                    page("/chat.css", "text/css; charset=utf-8", Bytes::from_static(include_bytes!("demo/chat.css"))),
                    page("/chat.js", "text/javascript; charset=utf-8", Bytes::from_static(include_bytes!("demo/chat.js"))),
                    page("/favicon.svg", "image/svg+xml", Bytes::from_static(include_bytes!("demo/favicon.svg"))),
                ])
            }
        };
        let hint = if demo {
            "The demo is at /, the lab at /lab, the gallery at /gallery/"
        } else {
            "The demo is off; --demo serves it"
        };
        Self { pages, gallery, ..Self::none(config, hint) }
    }

    /// No pages, and a hint for those who look for one.
    pub fn none(config: &sori::Config, hint: &str) -> Self {
        let not_found = format!("Nothing here. Socket.IO is at {}. {hint}.\n", config.path).into();
        Self { pages: Arc::default(), gallery: None, not_found }
    }

    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        const TEXT: &str = "text/plain; charset=utf-8";
        let Some(page) = self.pages.iter().find(|page| page.path == request.uri().path()) else {
            return response(StatusCode::NOT_FOUND, TEXT, self.not_found.clone());
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, Bytes::from_static(b"Pages are read with GET.\n"));
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        response(StatusCode::OK, page.content_type, page.content.clone())
    }
}

impl<B> Service<Request<B>> for Pages
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<UnsyncBoxBody<Bytes, BoxError>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let is_below =
            |path: &str, folder| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let is_gallery = |path: &str| is_below(path, "/gallery") || is_below(path, "/lab");
        match &self.gallery {
            Some(gallery) if is_gallery(request.uri().path()) => {
                let answer = gallery.router().call(request);
                Box::pin(async move { Ok(answer.await?.map(|body| body.map_err(Into::into).boxed_unsync())) })
            }
            _ => {
                let answer = self.answer(&request).map(|body| body.map_err(|never| match never {}).boxed_unsync());
                Box::pin(async move { Ok(answer) })
            }
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn response(status: StatusCode, content_type: &'static str, content: Bytes) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(content));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    add_security(headers);
    answer
}

/// What a page may do is written here and not left to what somebody manages to write into it.
fn add_security(headers: &mut HeaderMap) {
    // cdn.socket.io: where the client comes from when it is not installed here.
    const CSP: &str = "default-src 'none'; script-src 'self' https://cdn.socket.io; style-src 'self'; img-src 'self'; \
                       connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// For an attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}
