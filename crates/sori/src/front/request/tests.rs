//! What the reader makes of any bytes, against what httparse makes of them.

use std::fmt;

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

/// A request in words.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    Partial,
    Foreign,
    Request { method: String, target: String, headers: Vec<(String, Vec<u8>)>, body: Vec<u8>, closes: bool, used: usize },
}

fn read(input: &[u8]) -> Read {
    match parse(input, HEAD_BYTES_MAX, HEADERS_MAX, |path| path.starts_with("/socket.io/")) {
        Parsed::Partial => Read::Partial,
        Parsed::Foreign => Read::Foreign,
        Parsed::Request(Simple { head, body, closes }, used) => {
            assert!(used <= input.len());
            let body = body.to_vec();
            let mut headers: Vec<_> =
                head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
            headers.sort();
            Read::Request { method: head.method.to_string(), target: head.uri.to_string(), headers, body, closes, used }
        }
    }
}

fn check(input: &[u8]) {
    let whole = read(input);
    if let Read::Request { method, target, headers, body, used, .. } = &whole {
        let mut lines = [httparse::EMPTY_HEADER; 256];
        let mut reference = httparse::Request::new(&mut lines);
        let size = reference.parse(input).expect("no worse than the reference").unwrap();
        assert_eq!((reference.method, reference.path, reference.version), (Some(&**method), Some(&**target), Some(1)));
        let mut wanted: Vec<_> =
            reference.headers.iter().map(|line| (line.name.to_ascii_lowercase(), line.value.to_vec())).collect();
        wanted.sort();
        assert_eq!(*headers, wanted);
        assert_eq!((&body[..], size + body.len()), (&input[size..*used], *used));
        let lengths: Vec<_> = wanted.iter().filter(|(name, _)| name == "content-length").collect();
        match &lengths[..] {
            [] => assert!(body.is_empty()),
            [(_, digits)] => assert_eq!(std::str::from_utf8(digits).unwrap().parse(), Ok(body.len())),
            _ => panic!("two lengths"),
        }
        assert!(!wanted.iter().any(|(name, _)| name == "transfer-encoding" || name == "expect"));
        // What is behind it is nobody's yet.
        assert_eq!(read(&input[..*used]), whole);
        let more = [&input[..*used], b"GET / HTTP/1.0\n\n"].concat();
        assert_eq!(read(&more), whole);
    }
    for cut in 0..input.len() {
        match (read(&input[..cut]), &whole) {
            (Read::Partial, _) => {}
            // Its body is still on its way, or it was never ours.
            (Read::Foreign, Read::Foreign) => {}
            (Read::Foreign, Read::Request { body, used, .. }) => assert!(!body.is_empty() && cut >= used - body.len()),
            (Read::Request { .. }, Read::Request { .. }) => assert_eq!(read(&input[..cut]), whole),
            // A body that is cut is not there, and a request without one is whole.
            (early, late) => panic!("{early:?} and with more {late:?}"),
        }
    }
}

#[test]
fn foreign_is_whatever_may_be_read_in_two_ways() {
    for head in [
        "content-length: 2\r\ncontent-length: 2\r\n",
        "content-length: +2\r\n",
        "content-length: 2,2\r\n",
        "content-length:\r\n",
        "content-length: 18446744073709551615\r\n",
        "content-length: 99999999999999999999\r\n",
        "transfer-encoding: chunked\r\n",
        "expect: 100-continue\r\n",
        "host : t\r\n",
        " host: t\r\n",
        "host: t\r\n folded\r\n",
        "connection: close, \u{e9}\r\n",
    ] {
        assert_eq!(read(format!("POST /socket.io/ HTTP/1.1\r\n{head}\r\n40").as_bytes()), Read::Foreign, "{head}");
    }
}

/// Bytes that show themselves as a Rust literal would.
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Mostly good lines, with some bytes wrong.
fn inputs() -> impl Strategy<Value = Input> {
    let first = proptest::sample::select(vec![
        "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n",
        "POST /socket.io/?sid=1 HTTP/1.1\r\n",
        "GET http://t/socket.io/ HTTP/1.1\r\n",
        "\r\nGET /socket.io/#a HTTP/1.0\r\n",
    ]);
    let line = proptest::sample::select(vec![
        "host: t\r\n",
        "content-length: 2\r\n",
        "Content-Length: 0\r\n",
        "content-length: 5\n",
        "connection: close\r\n",
        "connection: keep-alive, Upgrade\r\n",
        "transfer-encoding: chunked\r\n",
        "x-empty:\r\n",
        "x: \t y\t\r\n",
        "cookie: \u{e9}\r\n",
    ]);
    let byte = || prop_oneof![proptest::sample::select(b"\r\n :\t,#?/019aZ\0\x7f\x80\xff".to_vec()), any::<u8>()];
    let body = vec(byte(), 0..8);
    (first, vec(line, 0..6), body, vec((any::<Index>(), byte()), 0..3)).prop_map(|(first, lines, body, wrong)| {
        let mut input = [first.as_bytes(), lines.concat().as_bytes(), b"\r\n", &body].concat();
        for (at, byte) in wrong {
            let at = at.index(input.len());
            input[at] = byte;
        }
        Input(input)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_request(input in inputs()) {
        check(&input.0);
    }

    #[test]
    fn any_bytes(input in vec(any::<u8>(), 0..200).prop_map(Input)) {
        check(&input.0);
    }
}
