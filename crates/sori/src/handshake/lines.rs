//! Headers in few bytes: what most handshakes say is kept as its number in a table.

/// Appends a header.
pub(super) fn put(blob: &mut Vec<u8>, name: &str, value: &[u8]) {
    let of_length = STARTS.get(name.len()).zip(STARTS.get(name.len() + 1)).map_or(0..0, |(from, to)| *from..*to);
    let is_it = |(known, said): &(&str, Option<&str>)| *known == name && said.is_none_or(|said| said.as_bytes() == value);
    let line = LINES[of_length.clone()].iter().position(is_it).map(|i| of_length.start + i);
    blob.push(line.map_or(OTHER, |line| line as u8));
    if line.is_none() {
        super::put(blob, name.as_bytes());
    }
    if line.is_none_or(|line| LINES[line].1.is_none()) {
        super::put(blob, value);
    }
}

/// Takes a header off the front.
pub(super) fn take<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let line = *rest.split_off_first()?;
    let (name, value) = match LINES.get(usize::from(line)) {
        Some((name, value)) => (name.as_bytes(), *value),
        None => (super::take(rest)?, None),
    };
    let value = match value {
        Some(value) => value.as_bytes(),
        None => super::take(rest)?,
    };
    Some((name, value))
}

/// Where in the table the names of each length begin.
const STARTS: [usize; 32] = {
    let (mut starts, mut len, mut line) = ([0; 32], 0, 0);
    while len < starts.len() {
        starts[len] = line;
        while line < LINES.len() && LINES[line].0.len() == len {
            line += 1;
        }
        len += 1;
    }
    starts
};

/// A header that is not in the table: its name follows.
const OTHER: u8 = u8::MAX;

/// Names with a value, and names whose value follows; by length, and of one name those with a value first.
const LINES: &[(&str, Option<&str>)] = &[
    ("te", None),
    ("dnt", Some("1")),
    ("dnt", None),
    ("via", None),
    ("from", None),
    ("host", None),
    ("range", None),
    ("accept", Some("*/*")),
    ("accept", None),
    ("cf-ray", None),
    ("cookie", None),
    ("expect", None),
    ("origin", None),
    ("pragma", Some("no-cache")),
    ("pragma", None),
    ("referer", None),
    ("sec-gpc", Some("1")),
    ("sec-gpc", None),
    ("upgrade", Some("websocket")),
    ("upgrade", None),
    ("cdn-loop", None),
    ("priority", None),
    ("forwarded", None),
    ("sec-ch-ua", None),
    ("x-real-ip", None),
    ("cf-visitor", None),
    ("connection", Some("Upgrade")),
    ("connection", Some("upgrade")),
    ("connection", Some("keep-alive")),
    ("connection", Some("keep-alive, Upgrade")),
    ("connection", None),
    ("tracestate", None),
    ("user-agent", None),
    ("traceparent", None),
    ("cf-ipcountry", None),
    ("content-type", None),
    ("x-csrf-token", None),
    ("x-request-id", None),
    ("authorization", None),
    ("cache-control", Some("no-cache")),
    ("cache-control", None),
    ("if-none-match", None),
    ("last-event-id", None),
    ("accept-charset", None),
    ("content-length", None),
    ("sec-fetch-dest", Some("empty")),
    ("sec-fetch-dest", Some("websocket")),
    ("sec-fetch-dest", None),
    ("sec-fetch-mode", Some("cors")),
    ("sec-fetch-mode", Some("websocket")),
    ("sec-fetch-mode", None),
    ("sec-fetch-site", Some("same-origin")),
    ("sec-fetch-site", Some("same-site")),
    ("sec-fetch-site", Some("cross-site")),
    ("sec-fetch-site", None),
    ("sec-fetch-user", None),
    ("accept-encoding", Some("gzip, deflate, br, zstd")),
    ("accept-encoding", Some("gzip, deflate, br")),
    ("accept-encoding", Some("gzip, deflate")),
    ("accept-encoding", None),
    ("accept-language", Some("en-US,en;q=0.9")),
    ("accept-language", None),
    ("x-amzn-trace-id", None),
    ("x-forwarded-for", None),
    ("cf-connecting-ip", None),
    ("proxy-connection", None),
    ("sec-ch-ua-mobile", Some("?0")),
    ("sec-ch-ua-mobile", Some("?1")),
    ("sec-ch-ua-mobile", None),
    ("x-forwarded-host", None),
    ("x-forwarded-port", Some("443")),
    ("x-forwarded-port", None),
    ("x-requested-with", None),
    ("if-modified-since", None),
    ("sec-websocket-key", None),
    ("x-forwarded-proto", Some("https")),
    ("x-forwarded-proto", Some("http")),
    ("x-forwarded-proto", None),
    ("sec-ch-ua-platform", Some("\"Windows\"")),
    ("sec-ch-ua-platform", Some("\"macOS\"")),
    ("sec-ch-ua-platform", Some("\"Android\"")),
    ("sec-ch-ua-platform", Some("\"Linux\"")),
    ("sec-ch-ua-platform", None),
    ("sec-websocket-version", Some("13")),
    ("sec-websocket-version", None),
    ("sec-websocket-protocol", None),
    ("sec-fetch-storage-access", None),
    ("sec-websocket-extensions", Some("permessage-deflate; client_max_window_bits")),
    ("sec-websocket-extensions", Some("permessage-deflate")),
    ("sec-websocket-extensions", None),
    ("upgrade-insecure-requests", None),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_one_byte_and_comes_back() {
        assert!(LINES.len() < usize::from(OTHER));
        for (line, (name, value)) in LINES.iter().enumerate() {
            let mut blob = Vec::new();
            put(&mut blob, name, value.unwrap_or("else").as_bytes());
            let expected = if value.is_some() { vec![line as u8] } else { [&[line as u8, 4][..], b"else"].concat() };
            assert_eq!(blob, expected, "{name}");
            let taken = take(&mut &blob[..]).unwrap();
            assert_eq!(taken, (name.as_bytes(), value.unwrap_or("else").as_bytes()));
        }
    }
}
