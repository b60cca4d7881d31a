//! The pages: templates and files from `pages/`, built into the program, in Korean and English.

use std::{
    hash::{DefaultHasher, Hasher},
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{MethodRouter, get},
};
use minijinja::{Environment, Value, context};
use rust_embed::Embed;
use serde::Deserialize;
use sori::BuildError;

use crate::site::{App, Card};

/// Read from the disk in debug builds, so that a page is changed without building.
#[derive(Embed)]
#[folder = "pages"]
struct Files;

/// What the pages show of their own handlers.
#[derive(Embed)]
#[folder = "src"]
struct Sources;

#[derive(Embed)]
#[folder = "examples"]
struct Examples;

/// The languages, as `t(ko, en)` of the templates has them.
const LANGUAGES: [&str; 2] = ["ko", "en"];
const COOKIE: &str = "gallery-lang";

/// The first page, the files that pages share, and each application's page.
pub(crate) fn router(apps: &[App]) -> Result<Router, BuildError> {
    let cards: Vec<_> = apps.iter().map(|app| app.card).collect();
    let mut router = Router::new()
        .route("/gallery", get(|| async { Redirect::permanent("/gallery/") }))
        .route("/gallery/", page("index.html", None, &cards, OWN)?)
        .route("/gallery/files/{name}", get(file));
    for (at, App { card, connects_to, .. }) in apps.iter().enumerate() {
        let path = format!("/gallery/{}", card.name);
        let to = format!("{path}/");
        router = router
            .route(&path, get(|| async move { Redirect::permanent(&to) }))
            .route(&format!("{path}/"), page(&format!("{}.html", card.name), Some(at), &cards, Policy { connects_to, ..OWN })?);
    }
    Ok(router)
}

/// The lab's page, and its files.
pub(crate) fn lab() -> Result<Router, BuildError> {
    let files = |Path(name): Path<String>, headers: HeaderMap| async move { file(Path(format!("lab/{name}")), headers).await };
    Ok(Router::new().route("/lab", page("lab/index.html", None, &[], OWN)?).route("/lab/files/{*name}", get(files)))
}

/// A page that others of the same application show in a frame.
pub(crate) fn framed(template: &str, card: &Card) -> Result<MethodRouter, BuildError> {
    page(template, Some(0), &[card], Policy { framed_by: "'self'", ..OWN })
}

/// What differs from page to page in what it may do.
struct Policy<'a> {
    connects_to: &'a str,
    framed_by: &'a str,
}

const OWN: Policy<'static> = Policy { connects_to: "", framed_by: "'none'" };

/// The page of one of `cards`, or of all. Rendered once in each language: nothing in it depends on who asks.
fn page(template: &str, at: Option<usize>, cards: &[&Card], policy: Policy<'_>) -> Result<MethodRouter, BuildError> {
    let wrong = |error: &minijinja::Error| BuildError::Option(format!("the gallery's page {template}: {error:#}"));
    let templates = TEMPLATES.as_ref().map_err(wrong)?;
    let page = templates.get_template(template).map_err(|error| wrong(&error))?;
    let mut rendered = Vec::new();
    for (language, name) in LANGUAGES.iter().enumerate() {
        let of = |card: &&Card| {
            let tags = card.tags.to_vec();
            context! { name => card.name, title => card.title[language], summary => card.summary[language], tags => tags }
        };
        let beside = |step: isize| at.and_then(|at| cards.get(at.checked_add_signed(step)?)).map(of);
        let context = context! {
            lang => *name,
            other => LANGUAGES[1 - language],
            card => beside(0),
            before => beside(-1),
            after => beside(1),
            cards => cards.iter().map(of).collect::<Vec<_>>(),
            sources => at.map(|at| sources(cards[at])).unwrap_or_default(),
        };
        rendered.push(File::new("text/html; charset=utf-8", page.render(context).map_err(|error| wrong(&error))?));
    }
    let Policy { connects_to, framed_by } = policy;
    // cdn.socket.io: where the client comes from when it is not installed here.
    let csp = format!(
        "default-src 'none'; script-src 'self' https://cdn.socket.io; style-src 'self'; img-src 'self' data:; \
         connect-src 'self' ws: wss: {connects_to}; frame-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors {framed_by}"
    );
    let csp = HeaderValue::try_from(csp).map_err(|error| BuildError::Option(error.to_string()))?;
    let page = Arc::new(Page { rendered, csp });
    Ok(get(|Query(wish): Query<Wish>, headers: HeaderMap| async move { page.answer(wish, &headers) }))
}

struct Page {
    /// One for each language.
    rendered: Vec<File>,
    csp: HeaderValue,
}

impl Page {
    fn answer(&self, wish: Wish, headers: &HeaderMap) -> Response {
        let language = language(wish.lang.as_deref(), headers);
        let mut answer = self.rendered[language].answer(headers);
        let out = answer.headers_mut();
        out.insert(header::CONTENT_SECURITY_POLICY, self.csp.clone());
        out.insert(header::VARY, HeaderValue::from_static("Accept-Language, Cookie"));
        out.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
        let cookie = format!("{COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Lax", LANGUAGES[language]);
        if let (Some(_), Ok(cookie)) = (wish.lang, HeaderValue::try_from(cookie)) {
            out.insert(header::SET_COOKIE, cookie);
        }
        answer
    }
}

/// Read once: in debug builds that takes a while.
static TEMPLATES: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(templates);

fn templates() -> Result<Environment<'static>, minijinja::Error> {
    let mut templates = Environment::new();
    // Korean, then English. Both are ours, and may be HTML.
    templates.add_function("t", |state: &minijinja::State, ko: String, en: String| {
        let is_korean = state.lookup("lang").is_some_and(|lang| lang.as_str() == Some("ko"));
        Value::from_safe_string(if is_korean { ko } else { en })
    });
    for name in Files::iter().filter(|name| name.ends_with(".html") || name.ends_with(".svg")) {
        templates.add_template_owned(name.to_string(), text_of::<Files>(&name))?;
    }
    Ok(templates)
}

/// The application's own code, for its page to show; of a chat also what the chats share.
fn sources(card: &Card) -> Vec<Value> {
    let rust = format!("{}.rs", card.name.replace('-', "_"));
    let is_own = |name: &str| name.strip_prefix(card.name).is_some_and(|rest| rest.starts_with(['.', '-']));
    let pages = Files::iter().filter(|name| is_own(name) && !name.ends_with(".svg"));
    let mut texts = vec![(rust.clone(), text_of::<Sources>(&rust)), (format!("examples/{rust}"), text_of::<Examples>(&rust))];
    texts.extend(pages.map(|name| (name.to_string(), text_of::<Files>(&name))));
    if texts.iter().any(|(_, text)| text.starts_with("{% extends \"talk.html\"")) {
        texts.push(("talk.rs".into(), text_of::<Sources>("talk.rs")));
        texts.extend(["talk.js", "talk.css"].map(|name| (name.into(), text_of::<Files>(name))));
    }
    let shown = |(name, text): (String, String)| context! { lines => text.lines().count(), name => name, text => text };
    texts.into_iter().filter(|(_, text)| !text.is_empty()).map(shown).collect()
}

fn text_of<E: Embed>(name: &str) -> String {
    E::get(name).map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default()
}

#[derive(Deserialize)]
struct Wish {
    lang: Option<String>,
}

/// What is asked for, else what was asked for last, else what the browser prefers.
fn language(asked: Option<&str>, headers: &HeaderMap) -> usize {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known = |name: &str| LANGUAGES.iter().position(|language| *language == name);
    let remembered =
        || text(header::COOKIE).split(';').find_map(|pair| known(pair.trim().strip_prefix(COOKIE)?.strip_prefix('=')?));
    let preferred = || text(header::ACCEPT_LANGUAGE).split(',').find_map(|one| known(one.trim().get(..2)?));
    asked.and_then(known).or_else(remembered).or_else(preferred).unwrap_or(1)
}

/// Styles, scripts and pictures.
async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let content_type = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    match Files::get(&name) {
        Some(file) => File::new(content_type, file.data.into_owned()).answer(&headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Something to send, asked about again each time and sent again only when it has changed.
struct File {
    content_type: &'static str,
    content: Bytes,
    etag: String,
}

impl File {
    fn new(content_type: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let mut hasher = DefaultHasher::new();
        hasher.write(&content);
        Self { content_type, etag: format!("\"{:016x}\"", hasher.finish()), content }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok()).unwrap_or_default();
        let common = [
            (header::ETAG, self.etag.as_str()),
            (header::CACHE_CONTROL, "no-cache"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "same-origin"),
        ];
        if known.split(',').any(|one| one.trim().trim_start_matches("W/") == self.etag) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        (common, [(header::CONTENT_TYPE, self.content_type)], self.content.clone()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_asked_for_remembered_or_preferred() {
        let chosen = |asked, list: &[(HeaderName, &'static str)]| {
            let headers = list.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            LANGUAGES[language(asked, &headers)]
        };
        let (prefers, remembers) =
            ((header::ACCEPT_LANGUAGE, "fr;q=0.9, ko-KR;q=0.8, en"), (header::COOKIE, "a=b; gallery-lang=en"));
        assert_eq!(chosen(None, &[]), "en");
        assert_eq!(chosen(None, std::slice::from_ref(&prefers)), "ko");
        assert_eq!(chosen(None, &[prefers.clone(), remembers.clone()]), "en");
        assert_eq!(chosen(Some("ko"), &[remembers]), "ko");
        assert_eq!(chosen(Some("xx"), &[(header::ACCEPT_LANGUAGE, "x"), (header::COOKIE, "gallery-lang")]), "en");
    }
}
