//! What the applications share: where they are, their options, their limits.

use std::{convert::Infallible, net::IpAddr, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use sori::{BuildError, RemoteAddr, Server, ServerBuilder};
use tokio::sync::watch;

use crate::{Options, limits::Rates};

/// What an application is built with.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) options: Options,
    pub(crate) closing: Closing,
}

/// How an application is shown on the first page: its name in the address, and title, summary and clients in both languages.
pub(crate) struct Card {
    pub(crate) name: &'static str,
    pub(crate) title: [&'static str; 2],
    pub(crate) summary: [&'static str; 2],
    /// Whom it was written for, or how it moves its bytes: one or two words for each.
    pub(crate) tags: &'static [&'static str],
}

/// A built application.
pub(crate) struct App {
    pub(crate) card: &'static Card,
    pub(crate) router: Router,
    pub(crate) server: Option<Server>,
    /// What its page may connect to beside its own origin, as a content security policy says it.
    pub(crate) connects_to: &'static str,
}

impl Site {
    pub(crate) fn new(options: Options, closing: watch::Receiver<bool>) -> Self {
        Self { options, closing: Closing(closing) }
    }

    /// The options that every application's server has: its own path, no other origin, and room for `sessions_max`.
    pub(crate) fn server(&self, card: &Card, sessions_max: u32) -> ServerBuilder {
        let handshakes = Rates::new(60, 1_000, Duration::from_secs(10));
        self.server_at(&format!("/gallery/{}/socket.io", card.name), sessions_max, handshakes)
    }

    /// The same below another path, with so many handshakes.
    pub(crate) fn server_at(&self, path: &str, sessions_max: u32, handshakes: Rates) -> ServerBuilder {
        let proxies = self.options.trusted_proxies.clone();
        Server::builder()
            .path(path)
            .plain_path(None)
            .limits(|limits| limits.sessions_max = sessions_max)
            .serve_client(false)
            .trusted_proxies(self.options.trusted_proxies.clone())
            .allow_request(move |parts| {
                let allowed = handshakes.allow(address(&parts.headers, remote(parts), &proxies));
                async move { if allowed { Ok(()) } else { Err("too many connections; wait a little".into()) } }
            })
    }

    /// Lets clients without a library in, at `live`.
    pub(crate) fn plain(&self, server: ServerBuilder, card: &Card) -> ServerBuilder {
        server.plain_path(&*format!("/gallery/{}/live", card.name))
    }

    /// Lets a page get the client of this version from its server, at `socket.io/socket.io.js`.
    pub(crate) fn client(&self, server: ServerBuilder, version: &str) -> ServerBuilder {
        let is_newest = version == sori::Config::default().client_version;
        let name = if is_newest { "socket.io-client".into() } else { format!("sio-{version}") };
        let dirs = self.options.client_dirs.iter().flat_map(|dirs| [dirs.join(&name).join("dist"), dirs.join(&name)]);
        let found = dirs.into_iter().find(|dir| dir.join("socket.io.js").is_file());
        // What is not there is not looked for elsewhere: that would be another version.
        let dir = found.unwrap_or_else(|| name.into());
        server.serve_client(true).client_version(version).client_dir(dir)
    }

    /// An application without a server of its own.
    pub(crate) fn pages_only(&self, card: &'static Card, router: Router) -> Result<App, BuildError> {
        Ok(App { card, router: self.guarded(router), server: None, connects_to: "" })
    }

    /// An application: its own routes, kept from other sites and limited in rate, and its server below them.
    pub(crate) fn app(&self, card: &'static Card, router: Router, server: ServerBuilder) -> Result<App, BuildError> {
        let io = server.build()?;
        let config = io.config();
        let mut router = self.guarded(router);
        // A path as it is, as a folder, and what is below it.
        for path in [Some(config.path.trim_end_matches('/')), config.plain_path.as_deref()].into_iter().flatten() {
            for route in [path.to_owned(), format!("{path}/"), format!("{path}/{{*rest}}")] {
                router = router.route_service(&route, io.service());
            }
        }
        Ok(App { card, router, server: Some(io), connects_to: "" })
    }

    /// What all routes of applications have: no request of another site, and no more of one address than a person makes.
    fn guarded(&self, router: Router) -> Router {
        let rates = Rates::new(300, 3_000, Duration::from_secs(10));
        let proxies = self.options.trusted_proxies.clone();
        router.layer(DefaultBodyLimit::max(64 << 10)).layer(middleware::from_fn(move |mut request: Request, next: Next| {
            let remote = request.extensions().get::<RemoteAddr>().map(|remote| remote.0.ip());
            let address = address(request.headers(), remote, &proxies);
            let allowed = rates.allow(address);
            request.extensions_mut().insert(Address(address));
            async move {
                match allowed {
                    _ if is_foreign(request.headers()) => (StatusCode::FORBIDDEN, "only pages of this site\n").into_response(),
                    // Longer than anything here is held; who sends a body so slowly has had its time.
                    true => match tokio::time::timeout(Duration::from_secs(60), next.run(request)).await {
                        Ok(answer) => answer,
                        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
                    },
                    false => too_many(),
                }
            }
        }))
    }
}

/// Where a request of the application's own routes came from; none where whoever accepted it does not say.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Address(pub(crate) Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(None)))
    }
}

/// Tells those who wait that the program ends.
#[derive(Clone)]
pub(crate) struct Closing(watch::Receiver<bool>);

impl Closing {
    /// Returns when the program ends.
    pub(crate) async fn closed(&self) {
        // Without its sender there is nobody left who could say so, and nothing left to wait for.
        let _ = self.0.clone().wait_for(|closing| *closing).await;
    }

    /// Sleeps so long, or until the program ends.
    pub(crate) async fn sleep(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.closed() => {}
        }
    }
}

/// The answer to those who ask too often.
pub(crate) fn too_many() -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "10")], "too many requests; wait a little\n").into_response()
}

fn remote(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<RemoteAddr>().map(|remote| remote.0.ip())
}

/// The connection's address, or what a trusted proxy saw: the last one that is not a trusted proxy itself.
fn address(headers: &HeaderMap, remote: Option<IpAddr>, proxies: &[IpAddr]) -> Option<IpAddr> {
    let trusted = remote.filter(|remote| proxies.contains(remote));
    let forwarded = trusted.and_then(|_| headers.get("x-forwarded-for")?.to_str().ok());
    forwarded
        .and_then(|list| list.rsplit(',').map(|a| a.trim().parse().ok()).find(|a| a.is_none_or(|a| !proxies.contains(&a)))?)
        .or(remote)
}

/// Whether a page of another site made the request. Going there by a link is no request of a page.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin"), text("host")) {
        (Some("same-origin" | "none"), ..) => false,
        (Some(_), ..) => text("sec-fetch-mode") != Some("navigate") || text("origin").is_some(),
        (None, Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, authority)| authority != host),
        (None, Some(_), None) => true,
        (None, None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn requests_of_other_sites_are_told_from_those_of_people() {
        let foreign = |list: &[(&'static str, &str)]| is_foreign(&headers(list));
        assert!(!foreign(&[]), "curl");
        assert!(!foreign(&[("sec-fetch-site", "same-origin"), ("origin", "https://behind.a.proxy"), ("host", "inner")]));
        assert!(!foreign(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]), "a link");
        assert!(foreign(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("origin", "null")]), "a form");
        assert!(foreign(&[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "no-cors")]));
        assert!(foreign(&[("origin", "http://other"), ("host", "here")]));
        assert!(foreign(&[("origin", "null"), ("host", "here")]));
        assert!(!foreign(&[("origin", "http://here:3000"), ("host", "here:3000")]));
    }

    #[test]
    fn only_trusted_proxies_say_for_whom_they_speak() {
        let ip = |text: &str| text.parse::<IpAddr>().ok();
        let list = headers(&[("x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.0.0.2")]);
        let proxies = [ip("10.0.0.1").expect("an address"), ip("10.0.0.2").expect("an address")];
        assert_eq!(address(&list, ip("9.9.9.9"), &proxies), ip("9.9.9.9"));
        assert_eq!(address(&list, ip("10.0.0.1"), &proxies), ip("2.2.2.2"));
        assert_eq!(address(&headers(&[("x-forwarded-for", "nonsense")]), ip("10.0.0.1"), &proxies), ip("10.0.0.1"));
        assert_eq!(address(&list, None, &proxies), None);
    }
}
