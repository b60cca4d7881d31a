//! What a client said when it came, in one allocation.

use std::{
    borrow::Cow,
    net::{SocketAddr, SocketAddrV4, SocketAddrV6},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};

mod lines;

/// The handshake of a session: headers, query, address, time.
///
/// It is kept much as it came and read when somebody asks, because most never do. Lengths are varints.
pub struct Handshake {
    /// The address behind its kind, the URL, then each header: as a line of [`lines`], or 0 and its name; and its value.
    blob: Box<[u8]>,
    issued_ms: u64,
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
        let mut blob = Vec::with_capacity(1024);
        let is_secure = if secure { IS_SECURE } else { 0 };
        match address {
            None => blob.push(is_secure),
            Some(SocketAddr::V4(address)) => {
                blob.push(is_secure | IS_V4);
                blob.extend_from_slice(&address.ip().octets());
                blob.extend_from_slice(&address.port().to_le_bytes());
            }
            Some(SocketAddr::V6(address)) => {
                blob.push(is_secure | IS_V6);
                blob.extend_from_slice(&address.ip().octets());
                blob.extend_from_slice(&address.port().to_le_bytes());
                blob.extend_from_slice(&address.flowinfo().to_le_bytes());
                blob.extend_from_slice(&address.scope_id().to_le_bytes());
            }
        }
        put(&mut blob, url.as_bytes());
        for (name, value) in &parts.headers {
            lines::put(&mut blob, name.as_str(), value.as_bytes());
        }
        let issued_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
        // Copied, because an allocator may not shrink what is there.
        Self { blob: blob[..].into(), issued_ms }
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
        let mut rest = &self.blob[1..];
        match self.blob[0] & !IS_SECURE {
            IS_V4 => Some(SocketAddrV4::new(array::<4>(&mut rest)?.into(), u16::from_le_bytes(array(&mut rest)?)).into()),
            IS_V6 => {
                let (ip, port) = (array::<16>(&mut rest)?, u16::from_le_bytes(array(&mut rest)?));
                let (flow, scope) = (u32::from_le_bytes(array(&mut rest)?), u32::from_le_bytes(array(&mut rest)?));
                Some(SocketAddrV6::new(ip.into(), port, flow, scope).into())
            }
            _ => None,
        }
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
        self.blob[0] & IS_SECURE != 0
    }

    /// Whether it came from a page of another origin, or at least one that says its origin.
    pub fn xdomain(&self) -> bool {
        self.raw_headers().any(|(n, _)| n == b"origin")
    }

    /// The URL, and the headers behind it.
    fn split(&self) -> (&[u8], &[u8]) {
        let address_len = match self.blob[0] & !IS_SECURE {
            IS_V4 => 4 + 2,
            IS_V6 => 16 + 2 + 4 + 4,
            _ => 0,
        };
        let mut rest = &self.blob[1 + address_len..];
        (take(&mut rest).unwrap_or_default(), rest)
    }

    fn raw_headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (_, mut rest) = self.split();
        std::iter::from_fn(move || lines::take(&mut rest))
    }
}

/// Writes bytes behind their length.
fn put(blob: &mut Vec<u8>, bytes: &[u8]) {
    let mut len = bytes.len();
    while len > 0x7f {
        blob.push(len as u8 | 0x80);
        len >>= 7;
    }
    blob.push(len as u8);
    blob.extend_from_slice(bytes);
}

/// Takes what [`put`] wrote.
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut len = 0;
    for shift in (0..).step_by(7) {
        let byte = *rest.split_off_first()?;
        len |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    rest.split_off(..len)
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (array, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*array)
}

const IS_SECURE: u8 = 1;
const IS_V4: u8 = 2;
const IS_V6: u8 = 4;

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
    fn an_address_is_given_back() {
        let (parts, ()) = http::Request::new(()).into_parts();
        for (address, secure) in [("192.0.2.1:65535", false), ("[2001:db8::1]:80", true), ("[fe80::1%7]:9", false)] {
            let address: SocketAddr = address.parse().unwrap();
            let shake = Handshake::new(&parts, Some(address), secure);
            assert_eq!((shake.address(), shake.secure(), shake.url()), (Some(address), secure, "/"));
        }
        let shake = Handshake::new(&parts, None, true);
        assert_eq!((shake.address(), shake.secure()), (None, true));
    }

    #[test]
    fn it_is_kept_in_little_space() {
        assert_eq!(size_of::<Handshake>(), 24);
        let load_generator = [
            ("host", &b"localhost"[..]),
            ("connection", b"Upgrade"),
            ("upgrade", b"websocket"),
            ("sec-websocket-version", b"13"),
            ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        assert_eq!(handshake("/socket.io/?EIO=4&transport=websocket", &load_generator).size(), 79);
    }

    #[test]
    fn a_bare_request_has_nothing() {
        let shake = handshake("/", &[]);
        assert_eq!((shake.url(), shake.raw_query(), shake.size()), ("/", "", 3));
        assert!(shake.headers().is_empty());
    }
}
