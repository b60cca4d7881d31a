//! What a client said when it came, in one allocation.

use std::{
    borrow::Cow,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};

/// The handshake of a session: headers, query, address, time.
///
/// It is kept as the bytes that came and read when somebody asks, because most never do.
pub struct Handshake {
    /// `url_len:u32 url` then per header `name_len:u16 value_len:u32 name value`.
    blob: Box<[u8]>,
    address: Option<SocketAddr>,
    issued_ms: u64,
    secure: bool,
}

impl Handshake {
    pub(crate) fn new(parts: &Parts, address: Option<SocketAddr>, secure: bool) -> Self {
        Self::at(parts.uri.path_and_query().map_or("/", |p| p.as_str()), parts, address, secure)
    }

    /// Without the query parameters that are not the application's, secrets among them.
    pub(crate) fn without(parts: &Parts, names: &[&str], address: Option<SocketAddr>, secure: bool) -> Self {
        let name_of = |pair: &str| form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name.into_owned());
        let is_theirs = |pair: &&str| name_of(pair).is_some_and(|name| !names.contains(&&*name));
        let query: Vec<&str> = parts.uri.query().unwrap_or_default().split('&').filter(is_theirs).collect();
        match query.is_empty() {
            true => Self::at(parts.uri.path(), parts, address, secure),
            false => Self::at(&format!("{}?{}", parts.uri.path(), query.join("&")), parts, address, secure),
        }
    }

    fn at(url: &str, parts: &Parts, address: Option<SocketAddr>, secure: bool) -> Self {
        let size = 4 + url.len() + parts.headers.iter().map(|(n, v)| 6 + n.as_str().len() + v.len()).sum::<usize>();
        let mut blob = Vec::with_capacity(size);
        blob.extend_from_slice(&(url.len() as u32).to_le_bytes());
        blob.extend_from_slice(url.as_bytes());
        for (name, value) in &parts.headers {
            let name = name.as_str();
            blob.extend_from_slice(&(name.len() as u16).to_le_bytes());
            blob.extend_from_slice(&(value.len() as u32).to_le_bytes());
            blob.extend_from_slice(name.as_bytes());
            blob.extend_from_slice(value.as_bytes());
        }
        let issued_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
        Self { blob: blob.into_boxed_slice(), address, issued_ms, secure }
    }

    /// What it weighs, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.blob.len()
    }

    /// Path and query of the first request.
    pub fn url(&self) -> &str {
        let (url, _) = self.split();
        std::str::from_utf8(url).unwrap_or("/")
    }

    /// A query parameter of the first request, decoded; of a repeated one the last, as the reference does.
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        self.queries().filter(|(key, _)| key == name).last().map(|(_, value)| value)
    }

    /// All query parameters of the first request, decoded, in order.
    pub fn queries(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(self.raw_query().as_bytes())
    }

    pub(crate) fn raw_query(&self) -> &str {
        self.url().split_once('?').map_or("", |(_, query)| query)
    }

    /// A header of the first request, by its lower-case name, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.raw_headers().find(|(n, _)| *n == name.as_bytes()).and_then(|(_, v)| std::str::from_utf8(v).ok())
    }

    /// All headers of the first request.
    pub fn headers(&self) -> HeaderMap {
        self.raw_headers()
            .filter_map(|(n, v)| Some((HeaderName::from_bytes(n).ok()?, HeaderValue::from_bytes(v).ok()?)))
            .collect()
    }

    /// The client's address: the connection's, or behind a trusted proxy the one it forwarded.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// When it came.
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.issued_ms)
    }

    /// When it came, in milliseconds since 1970.
    pub fn issued(&self) -> u64 {
        self.issued_ms
    }

    /// Whether it came over TLS, as far as the server or a trusted proxy knows.
    pub fn secure(&self) -> bool {
        self.secure
    }

    /// Whether it came from a page of another origin, or at least one that says its origin.
    pub fn xdomain(&self) -> bool {
        self.raw_headers().any(|(n, _)| n == b"origin")
    }

    fn split(&self) -> (&[u8], &[u8]) {
        let (len, rest) = self.blob.split_at(4);
        let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
        rest.split_at(len)
    }

    fn raw_headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (_, mut rest) = self.split();
        std::iter::from_fn(move || {
            let (sizes, after) = rest.split_at_checked(6)?;
            let name_len = usize::from(u16::from_le_bytes([sizes[0], sizes[1]]));
            let value_len = u32::from_le_bytes([sizes[2], sizes[3], sizes[4], sizes[5]]) as usize;
            let (name, after) = after.split_at(name_len);
            let (value, after) = after.split_at(value_len);
            rest = after;
            Some((name, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(target: &str, headers: &[(&str, &[u8])]) -> Handshake {
        let mut request = http::Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Handshake::new(&parts, None, false)
    }

    #[test]
    fn what_came_is_given_back() {
        let shake = handshake("/socket.io/?EIO=4&a=1&a=2&b=%C3%A9+x&c", &[("host", b"test"), ("x-two", b"a"), ("x-two", b"b")]);
        assert_eq!(shake.url(), "/socket.io/?EIO=4&a=1&a=2&b=%C3%A9+x&c");
        assert_eq!(shake.query("a").as_deref(), Some("2"), "the last one, as the reference");
        assert_eq!(shake.query("b").as_deref(), Some("é x"));
        assert_eq!(shake.query("c").as_deref(), Some(""));
        assert_eq!(shake.query("d"), None);
        assert_eq!(shake.header("host"), Some("test"));
        assert_eq!(shake.header("x-two"), Some("a"));
        assert_eq!(shake.headers().get_all("x-two").iter().count(), 2);
        assert_eq!(shake.header("missing"), None);
        assert!(!shake.xdomain());
    }

    #[test]
    fn hostile_bytes_are_no_text_and_no_panic() {
        let shake = handshake("/?%ff=%00&=&&", &[("x-bad", b"\xff\xfe"), ("origin", b"\xe2\x28"), ("cookie", &[b'a'; 60_000])]);
        assert_eq!(shake.header("x-bad"), None);
        assert_eq!(shake.headers()["x-bad"].as_bytes(), b"\xff\xfe");
        assert_eq!(shake.header("cookie").map(str::len), Some(60_000));
        assert!(shake.xdomain());
        assert_eq!(shake.queries().count(), 2);
    }

    #[test]
    fn a_bare_request_has_nothing() {
        let shake = handshake("/", &[]);
        assert_eq!((shake.url(), shake.raw_query(), shake.size()), ("/", "", 5));
        assert!(shake.headers().is_empty());
    }
}
