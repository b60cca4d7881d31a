//! As much of HTTP/1.1 as answers need.

pub struct Answer<'a> {
    pub status: u16,
    pub head: &'a [u8],
    pub body: Vec<u8>,
    /// The bytes it took.
    pub length: usize,
}

/// The whole answer that `bytes` begins with.
pub fn answer(bytes: &[u8]) -> Option<Answer<'_>> {
    let start = find(bytes, b"\r\n\r\n")? + 4;
    let head = &bytes[..start];
    let status = std::str::from_utf8(bytes.get(9..12)?).ok()?.parse().ok()?;
    if matches!(status, 204 | 304) {
        return Some(Answer { status, head, body: Vec::new(), length: start });
    }
    if header(head, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        let mut body = Vec::new();
        let mut at = start;
        loop {
            let (data, length) = chunk(&bytes[at..])?;
            body.extend_from_slice(data);
            at += length;
            if data.is_empty() {
                return Some(Answer { status, head, body, length: at });
            }
        }
    }
    let length = header(head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let body = bytes.get(start..start + length)?.to_vec();
    Some(Answer { status, head, body, length: start + length })
}

/// The data of the whole chunk that `bytes` begins with, and the bytes it took.
pub fn chunk(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let line = find(bytes, b"\r\n")?;
    let size = std::str::from_utf8(&bytes[..line]).ok()?.split(';').next()?;
    let size = usize::from_str_radix(size.trim(), 16).ok()?;
    let start = line + 2;
    (bytes.len() >= start + size + 2).then(|| (&bytes[start..start + size], start + size + 2))
}

/// A header's value.
pub fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_not_there() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP";
        let read = answer(plain).expect("whole");
        assert_eq!((read.status, &read.body[..], read.length), (200, &b"hello"[..], plain.len() - 4));
        assert!(answer(&plain[..plain.len() - 5]).is_none());
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        assert_eq!(answer(chunked).expect("whole").body, b"abc");
        assert!(answer(&chunked[..chunked.len() - 2]).is_none());
    }
}
