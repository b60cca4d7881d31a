//! Which pages may speak to the server, and what their browsers are told.
//!
//! Checked on every method and transport before a session exists: WebSockets, scripts and forms do
//! not ask for permission as `fetch` does.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};

use crate::config::{Config, Cors};

/// The address that a request came from, as an extension of the request. Servers that accept connections
/// themselves insert it; with the feature `axum`, axum's `ConnectInfo<SocketAddr>` serves as well. Without either
/// `handshake().address()` is not known, and no proxy is trusted.
#[derive(Clone, Copy, Debug)]
pub struct RemoteAddr(pub SocketAddr);

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A request of a page that may not speak to us. Its origin, for the log.
pub(crate) struct Foreign(pub(crate) String);

/// Whether the page that made the request may: it has our own origin, a listed one, or there is no page.
pub(crate) fn check(config: &Config, parts: &Parts) -> Result<(), Foreign> {
    let headers = &parts.headers;
    if headers.contains_key(header::ORIGIN) {
        // No browser sends two; one must not hide behind the other.
        return headers.get_all(header::ORIGIN).iter().try_for_each(|origin| allow(config, parts, origin.as_bytes()));
    }
    let site = headers.get(&SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    if matches!(site, Some(b"same-origin" | b"none")) {
        return Ok(());
    }
    // No Origin: a script, form or image, or an old browser. The page's address decides, if there is one.
    match (headers.get(header::REFERER), site) {
        (Some(referer), _) => allow(config, parts, origin_of(referer.as_bytes())),
        (None, None) => Ok(()),
        (None, Some(_)) => allow(config, parts, b"null"),
    }
}

fn allow(config: &Config, parts: &Parts, origin: &[u8]) -> Result<(), Foreign> {
    if is_listed(&config.cors, origin) || is_own(config, parts, origin) {
        return Ok(());
    }
    Err(Foreign(String::from_utf8_lossy(&origin[..origin.len().min(200)]).into_owned()))
}

fn is_listed(cors: &Cors, origin: &[u8]) -> bool {
    cors.origins.iter().any(|listed| listed == "*" || listed.as_bytes() == origin)
}

/// Whether the origin is the one the request was addressed to. The scheme is not compared: behind a proxy that
/// ends TLS only the browser knows it.
fn is_own(config: &Config, parts: &Parts, origin: &[u8]) -> bool {
    let Some(origin) = std::str::from_utf8(origin).ok().filter(|origin| *origin != "null") else { return false };
    // The WebSocket of clients 1.0 in Node sends a bare host. No browser does, save for `null`.
    let (scheme, authority) = origin.split_once("://").unwrap_or(("http", origin));
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |host: &str| host.strip_suffix(default_port).unwrap_or(host).to_ascii_lowercase();
    let host = forwarded(config, parts, "x-forwarded-host")
        .or_else(|| parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()))
        .or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
    host.is_some_and(|host| bare(host) == bare(authority))
}

fn origin_of(url: &[u8]) -> &[u8] {
    let after_scheme = url.windows(3).position(|w| w == b"://").map_or(url.len(), |i| i + 3);
    let end = url[after_scheme..].iter().position(|b| matches!(b, b'/' | b'?' | b'#')).map_or(url.len(), |i| after_scheme + i);
    &url[..end]
}

/// The client's address, and whether it came over TLS: the connection's, or a trusted proxy's word.
pub(crate) fn client(config: &Config, parts: &Parts) -> (Option<SocketAddr>, bool) {
    let direct = remote(parts);
    let address = forwarded(config, parts, "x-forwarded-for")
        // The last one is what the trusted proxy saw; the ones before are what it was told.
        .and_then(|list| {
            list.rsplit(',')
                .map(|a| a.trim().parse::<IpAddr>().ok())
                .find(|a| a.is_none_or(|a| !config.trusted_proxies.contains(&a)))
                .flatten()
        })
        .map(|ip| SocketAddr::new(ip, 0))
        .or(direct);
    let secure = parts.uri.scheme_str() == Some("https") || forwarded(config, parts, "x-forwarded-proto") == Some("https");
    (address, secure)
}

/// Where the connection came from, if whoever accepted it says so.
fn remote(parts: &Parts) -> Option<SocketAddr> {
    let ours = parts.extensions.get::<RemoteAddr>().map(|remote| remote.0);
    #[cfg(feature = "axum")]
    let ours = ours.or_else(|| parts.extensions.get::<axum::extract::ConnectInfo<SocketAddr>>().map(|info| info.0));
    ours
}

/// A forwarded header, from a trusted proxy only.
fn forwarded<'a>(config: &Config, parts: &'a Parts, name: &str) -> Option<&'a str> {
    let proxy = remote(parts)?.ip();
    config.trusted_proxies.contains(&proxy).then(|| parts.headers.get(name)?.to_str().ok()).flatten()
}

/// The CORS headers of an answer, errors included.
pub(crate) fn add_headers(cors: &Cors, parts: &Parts, out: &mut HeaderMap) {
    if cors.origins.is_empty() {
        return;
    }
    if cors.origins.iter().any(|origin| origin == "*") {
        out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        out.append(header::VARY, HeaderValue::from_static("Origin"));
        // As the reference: the only one is said to everybody, one of several to whom it concerns.
        let allowed = match &cors.origins[..] {
            [only] => HeaderValue::from_str(only).ok(),
            _ => parts.headers.get(header::ORIGIN).filter(|origin| is_listed(cors, origin.as_bytes())).cloned(),
        };
        if let Some(allowed) = allowed {
            out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        }
    }
    if cors.credentials {
        out.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    insert_list(out, header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.exposed_headers);
}

/// Whether a request is a preflight that `cors` answers.
pub(crate) fn is_preflight(cors: &Cors, parts: &Parts) -> bool {
    parts.method == Method::OPTIONS && !cors.origins.is_empty()
}

/// What a preflight's answer says besides [`add_headers`].
pub(crate) fn add_preflight_headers(cors: &Cors, parts: &Parts, out: &mut HeaderMap) {
    if cors.methods.is_empty() {
        out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,HEAD,PUT,PATCH,POST,DELETE"));
    } else {
        insert_list(out, header::ACCESS_CONTROL_ALLOW_METHODS, &cors.methods);
    }
    if cors.allowed_headers.is_empty() {
        out.append(header::VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
        if let Some(asked) = parts.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
    } else {
        insert_list(out, header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.allowed_headers);
    }
    if let Some(age) = cors.max_age {
        out.insert(header::ACCESS_CONTROL_MAX_AGE, age.as_secs().into());
    }
    out.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
}

fn insert_list(out: &mut HeaderMap, name: HeaderName, values: &[String]) {
    if let (false, Ok(value)) = (values.is_empty(), HeaderValue::try_from(values.join(","))) {
        out.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri("/socket.io/").header("host", "chat.example:3000");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn config(origins: &[&str]) -> Config {
        let origins = origins.iter().map(|origin| origin.to_string()).collect();
        Config { cors: Cors { origins, ..Cors::default() }, ..Config::default() }
    }

    #[test]
    fn an_origin_without_a_scheme_is_a_host() {
        let config = config(&[]);
        let allows = |origin| check(&config, &parts(&[("origin", origin)])).is_ok();
        assert!(allows("http://chat.example:3000"));
        assert!(allows("chat.example:3000"), "as ws 0.4 says it, which clients 1.0 have in Node");
        assert!(!allows("other.example:3000"));
        assert!(!allows("null"));
        let host_null = http::Request::builder().header("host", "null").header("origin", "null").body(()).unwrap();
        assert!(check(&config, &host_null.into_parts().0).is_err(), "a page without an origin is nobody's own");
    }

    #[test]
    fn the_only_origin_is_said_to_everybody() {
        let said = |origins: &[&str], headers: &[(&str, &str)]| {
            let mut out = HeaderMap::new();
            add_headers(&config(origins).cors, &parts(headers), &mut out);
            out.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap().to_owned())
        };
        let (one, two) = ("http://one.example", "http://two.example");
        assert_eq!(said(&[one], &[]).as_deref(), Some(one));
        assert_eq!(said(&[one], &[("origin", two)]).as_deref(), Some(one));
        assert_eq!(said(&[one, two], &[]), None);
        assert_eq!(said(&[one, two], &[("origin", two)]).as_deref(), Some(two));
        assert_eq!(said(&["*"], &[]).as_deref(), Some("*"));
    }
}
