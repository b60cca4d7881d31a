//! Where an address leads.

use http::Uri;

use crate::Error;

/// An address, taken apart.
///
/// ```
/// use sori_client::Address;
/// let address = Address::parse("wss://[::1]/live")?;
/// assert_eq!((address.secure, &*address.host, address.port), (true, "::1", 443));
/// # Ok::<_, sori_client::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address {
    /// Whether by `https` or `wss`.
    pub secure: bool,
    /// Without the brackets of IPv6.
    pub host: Box<str>,
    /// As it says, or its scheme's.
    pub port: u16,
    /// As `Host` says it.
    pub(crate) authority: Box<str>,
    pub(crate) path: Box<str>,
    pub(crate) query: Box<str>,
}

impl Address {
    /// `http`, `https`, `ws` and `wss` are understood; without the feature `tls`, only `http` and `ws`.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Address { url: url.into(), why: why.into() };
        let uri: Uri = url.trim().parse().map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
        let secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            Some(scheme) => return Err(wrong(&format!("{scheme} is none of http, https, ws and wss"))),
            None => return Err(wrong(&format!("it must be whole, as http://{}", url.trim().trim_start_matches('/')))),
        };
        if secure && !cfg!(feature = "tls") {
            return Err(wrong("this program was built without TLS: turn on the feature `tls` of sori-client"));
        }
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a name and a password belong into a header"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong("it has no host"));
        }
        let port = match authority.port() {
            Some(port) => port.as_str().parse().map_err(|_| wrong("its port is none"))?,
            None if !authority.as_str().ends_with(authority.host()) => return Err(wrong("its port is none")),
            None if secure => 443,
            None => 80,
        };
        Ok(Self {
            secure,
            host: host.into(),
            port,
            authority: authority.as_str().into(),
            path: match uri.path() {
                "" => "/".into(),
                path => path.into(),
            },
            query: uri.query().unwrap_or_default().into(),
        })
    }

    /// Path and query of a request, with what else belongs into its query.
    pub(crate) fn resource(&self, path: &str, more: &[&str]) -> String {
        let mut resource = path.to_owned();
        let mut separator = '?';
        for part in more.iter().copied().chain([&*self.query]).filter(|part| !part.is_empty()) {
            resource.push(std::mem::replace(&mut separator, '&'));
            resource.push_str(part);
        }
        resource
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        #[track_caller]
        fn check(url: &str, host: &str, port: u16, resource: &str) {
            let target = Address::parse(url).unwrap();
            assert_eq!((&*target.host, target.port, &*target.resource(&target.path, &["a=1", ""])), (host, port, resource));
        }
        check("http://127.0.0.1:3000", "127.0.0.1", 3000, "/?a=1");
        check("ws://example.org/live/chat?room=%20x", "example.org", 80, "/live/chat?a=1&room=%20x");
        check("http://[::1]:8080/", "::1", 8080, "/?a=1");
        assert_eq!(&*Address::parse("http://[::1]:8080/").unwrap().authority, "[::1]:8080");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let no_addresses =
            ["", "127.0.0.1:3000", "localhost", "ftp://a/", "http://", "http:///x", "http://a b/", "http://u:p@a/", "/x", "*"];
        for url in no_addresses.into_iter().chain(["http://a:99999/", "http://a:/"]) {
            assert!(matches!(Address::parse(url), Err(Error::Address { .. })), "{url}");
        }
        assert_eq!(Address::parse("https://a/").is_ok(), cfg!(feature = "tls"));
    }
}
