//! Handshake and HTTP of clients without a library.

use sori::{CloseReason, Cors, Data, Namespace, Socket};
use sori_proto::ws::frame::{Header, OpCode};

use crate::{
    plain::{ENVELOPES, EVERY_WAY, Plain, Way},
    wire::{Answer, Http, Received, UPGRADE, WebSocket, frame, request, until},
    world::{World, handlers, impatient},
};

/// Unknown, missing, repeated or hostile query values [CVE-2023-31125]
#[tokio::test]
async fn hostile_query_values() {
    let world = World::new().await;
    let status = async |method: &str, target: &str| {
        let answer = world.request(method, target, "", "").await;
        assert!(answer.status < 400 || answer.body.starts_with("{\"title\":"), "{target}: {answer:?}");
        answer.status
    };
    for value in ["", "__proto__", "constructor", "SSE", "%00", "%ff", "sse%0d%0aset-cookie:x", "lines,sse", &"x".repeat(20_000)]
    {
        assert_eq!(status("GET", &format!("/live?framing={value}")).await, 400, "{value:.30}");
        assert_eq!(status("GET", &format!("/live?framing=sse&format={value}")).await, 400, "{value:.30}");
    }
    for sid in ["__proto__", "constructor", "%00", "%ff%fe", "../../etc/passwd", "a%0d%0aSet-Cookie:x", "0", &"x".repeat(20_000)]
    {
        for (method, query) in [
            ("GET", ""),
            ("GET", "&wait=0"),
            ("GET", "&callback=f"),
            ("GET", "&framing=sse"),
            ("POST", ""),
            ("POST", "&event=echo"),
            ("POST", "&ack=1"),
            ("POST", "&event=disconnect"),
            ("DELETE", ""),
        ] {
            assert_eq!(status(method, &format!("/live?sid={sid}{query}")).await, 404, "{method} {sid:.30} {query}");
        }
        let refused = WebSocket::open(world.address, &format!("/live?sid={sid}"), "").await.err().expect("no 101");
        assert_eq!(refused.status, 404);
    }
    let client = Plain::open(&world, Way::Post).await;
    let repeated = [
        (format!("/live?sid={}&sid=other&event=echo", client.sid), 404),
        (format!("/live?sid[]={}&event=disconnect", client.sid), 400),
        (format!("/live?sid={}&event=echo&ack=1", client.sid), 400),
        (format!("/live?sid={}&event=echo&event=connect", client.sid), 400),
        (format!("/live?sid={}", client.sid), 400),
        ("/live?ack=1".into(), 400),
        ("/live?event=disconnect".into(), 400),
        ("/live?event=connect".into(), 400),
        ("/live?event=__proto__".into(), 204),
        ("/live?event=".into(), 204),
        ("/live?event=error".into(), 204),
        ("/live?event=%ff%00".into(), 204),
        ("/live?event=echo&args=1".into(), 400),
    ];
    for (target, expected) in repeated {
        let answer = world.request("POST", &target, "content-type: application/json\r\n", "{}").await;
        assert_eq!(answer.status, expected, "{target}: {answer:?}");
    }
    for event in ["connect", "connect_error", "disconnecting", "newListener", "removeListener"] {
        assert_eq!(client.post(event, "[]").await.status, 400, "{event}");
    }
    for (target, expected) in [
        ("/livestock", 404),
        ("/live/%ff", 400),
        ("/live/..%2f..", 404),
        ("/live//", 404),
        ("/live%2f", 404),
        ("/LIVE", 404),
        ("/live/%2e%2e/socket.io/", 404),
        ("/live/\u{7f}", 400),
    ] {
        let answer = world.request("GET", target, "", "").await;
        assert_eq!(answer.status, expected, "{target}: {answer:?}");
    }
    for method in ["PUT", "PATCH", "HEAD", "TRACE", "OPTIONS", "BREW"] {
        let mut http = Http::open(world.address).await;
        http.request(method, &client.target(""), "", "").await;
        let answer = http.head().await.expect("an answer");
        assert_eq!((answer.status, answer.header("allow")), (405, Some("get, post, delete")), "{method}");
    }
    client.leaves().await;
    world.unharmed().await;
}

/// Non-ASCII or enormous values; never an `unwrap` on a header [CVE-2026-42544, CVE-2021-32640, GHSA-5v72-xg48-5rpm,
/// RUSTSEC-2023-0065]
#[tokio::test]
async fn hostile_headers() {
    let world = World::with(|server| server.per_message_deflate(sori::PerMessageDeflate::default())).await;
    let values: [&[u8]; 8] =
        [b"\xff\xfe\x80", "\u{d55c}\u{ae00}".as_bytes(), b"", b",,,;;==\"", b"a\tb", b"\"\\", &[b','; 7_000], &[0xe9; 7_000]];
    let names = [
        "sec-websocket-extensions",
        "cookie",
        "user-agent",
        "accept",
        "accept-encoding",
        "authorization",
        "content-type",
        "last-event-id",
        "x-forwarded-for",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-protocol",
        "referer",
        "origin",
        "sec-fetch-site",
        "host",
    ];
    for name in names {
        for value in values {
            for (way, method, upgrade) in [
                ("wait=0", "GET", ""),
                ("framing=sse", "GET", ""),
                ("event=echo", "POST", ""),
                ("", "POST", ""),
                ("", "GET", UPGRADE),
            ] {
                let mut bytes = format!("{method} /live?{way} HTTP/1.1\r\n").into_bytes();
                // What is tested takes the place of the right one.
                let body = if method == "POST" { "content-length: 2\r\n" } else { "" };
                for line in upgrade.split_inclusive("\r\n").chain(["host: test\r\n", body]).filter(|line| !line.starts_with(name))
                {
                    bytes.extend_from_slice(line.as_bytes());
                }
                bytes.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n\r\n"].concat());
                bytes.extend_from_slice(if method == "POST" { b"{}" } else { b"" });
                let mut http = Http::open(world.address).await;
                http.write(bytes).await;
                let answer = http.head().await.unwrap_or_else(|| panic!("no answer to {name} {value:?}"));
                let expected: &[u16] = match name {
                    "origin" | "referer" | "sec-fetch-site" => &[403],
                    "sec-websocket-key" if !upgrade.is_empty() => &[400],
                    "sec-websocket-version" if !upgrade.is_empty() => &[426],
                    "sec-websocket-protocol" if !upgrade.is_empty() => &[101, 400],
                    _ if !upgrade.is_empty() => &[101],
                    _ if method == "POST" && way.is_empty() => &[201],
                    _ => &[200],
                };
                assert!(expected.contains(&answer.status), "{name} {value:?} {method} {way}: {answer:?}");
                http.reset();
            }
        }
    }
    for (bytes, status) in [(40_000, 431), (600_000, 431)] {
        for way in EVERY_WAY {
            let headers = format!("{}cookie: {}\r\n", way.headers(), "c".repeat(bytes));
            assert_eq!(world.request(way.method(), &way.opening("/live"), &headers, "").await.status, status, "{way:?}");
        }
    }
    world.undisturbed().await;
}

/// More headers than the limit, so that `Upgrade` goes missing [CVE-2024-37890]; upgrades that are none [CVE-2020-7693]
#[tokio::test]
async fn too_many_headers_and_other_upgrades() {
    let world = World::new().await;
    let flood: String = (0..2_000).map(|n| format!("x-{n}: 1\r\n")).collect();
    for headers in [format!("{flood}{UPGRADE}"), format!("{UPGRADE}{flood}")] {
        assert_eq!(world.request("GET", "/live", &headers, "").await.status, 431);
    }
    // No WebSocket is asked for: a poll as ever.
    for headers in ["connection: upgrade\r\nupgrade: h2c\r\n", "connection: close\r\nupgrade: websocket\r\n"] {
        let answer = world.request("GET", "/live?wait=0", headers, "").await;
        assert_eq!((answer.status, answer.body.contains("short-polling")), (200, true), "{answer:?}");
    }
    // RFC 6455, 4.1: an opening handshake is a GET.
    for method in ["POST", "DELETE", "PUT"] {
        let answer = world.request(method, "/live?event=echo", UPGRADE, "x").await;
        assert!(answer.status != 101, "{method}: {answer:?}");
    }
    world.undisturbed().await;
}

/// `Sec-WebSocket-Protocol` oddities: only the one that is known is ever confirmed.
#[tokio::test]
async fn subprotocols() {
    let world = World::new().await;
    let open = async |target: &str, headers: &str| match WebSocket::open(world.address, target, headers).await {
        Ok(ws) => (101, ws.head.contains("sec-websocket-protocol: sori.json.v1")),
        Err(answer) => (answer.status, false),
    };
    let protocol = |value: &str| format!("sec-websocket-protocol: {value}\r\n");
    for (value, expected) in [
        ("sori.json.v1", (101, true)),
        (" sori.json.v1 , chat", (101, true)),
        ("chat,sori.json.v1", (101, true)),
        ("chat\r\nsec-websocket-protocol: sori.json.v1", (101, true)),
        ("sori.json.v1, sori.json.v1", (101, true)),
        ("Sori.json.v1", (400, false)),
        ("sori.json.v2", (400, false)),
        ("sori.json.v1;q=1", (400, false)),
        ("\"sori.json.v1\"", (400, false)),
        ("sori.json.v1\u{e9}", (400, false)),
    ] {
        assert_eq!(open("/live", &protocol(value)).await, expected, "{value:?}");
    }
    assert_eq!(open("/live?format=text", "").await, (101, false));
    assert_eq!(open("/live?format=text", &protocol("sori.json.v1")).await, (400, false));
    assert_eq!(open("/live?format=envelope", "").await, (400, false));
    world.unharmed().await;
}

/// Garbage, bad RSV bits, or a TCP reset straight after the 101 and at every byte of handshake and stream [CVE-2022-21676,
/// CVE-2022-41940]
#[tokio::test]
async fn garbage_and_resets_at_every_byte() {
    let world = World::new().await;
    for way in EVERY_WAY {
        let head = format!("{} {} HTTP/1.1\r\nhost: test\r\n{}\r\n", way.method(), way.opening("/live"), way.headers());
        for cut in (0..=head.len()).step_by(3) {
            let mut http = Http::open(world.address).await;
            http.write(&head.as_bytes()[..cut]).await;
            if cut % 2 == 0 {
                http.reset();
            }
        }
    }
    for _ in 0..20 {
        WebSocket::open(world.address, "/live", ENVELOPES).await.unwrap().http.reset();
        let client = Plain::open(&world, Way::Bare).await;
        client.ws.as_ref().unwrap();
        client.leaves().await;
    }
    // Polls and POSTs leave sessions that nobody knows of, which idle out; streams and WebSockets leave none.
    until(|| {
        let sockets = world.io.of("/").fetch_sockets();
        sockets.iter().all(|socket| !matches!(socket.transport().as_str(), "sse" | "lines" | "multipart" | "iframe"))
    })
    .await;
    world.undisturbed().await;
}

/// WebSocket: unmasked frames, reserved opcodes, oversized or fragmented control frames, invalid UTF-8 across fragments, close codes out of
/// range; of a session that goes on, only the connection ends.
#[tokio::test]
async fn frames_that_are_none() {
    let abuses: [(&[u8], u16); 10] = [
        (b"\xff\xff\xff\xff", 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x81\x02hi", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\x89\xfe\x00\x7e\0\0\0\0", 1002),
        (b"\x09\x80\0\0\0\0", 1002),
        (b"\x80\x80\0\0\0\0", 1002),
        (b"\x01\x81\0\0\0\0\xc3\x80\x81\0\0\0\0\x28", 1007),
        (b"\x88\x82\0\0\0\0\x03\xee", 1002),
        (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1002),
    ];
    for (bytes, code) in abuses {
        for way in [Way::Websocket, Way::Bare] {
            let world = World::new().await;
            let mut client = Plain::open(&world, way).await;
            let ws = client.ws.as_mut().unwrap();
            ws.http.write(bytes).await;
            assert_eq!(ws.closed().await, Some(Some(code)), "{way:?} {}", bytes.escape_ascii());
            if way == Way::Websocket {
                world.one_closed(CloseReason::TransportError).await;
            } else {
                client.works().await;
                client.leaves().await;
            }
            world.unharmed().await;
        }
    }
    // A declared length allocates nothing; endless and empty fragments are cut off.
    let world = World::new().await;
    let mut client = Plain::open(&world, Way::Bare).await;
    let ws = client.ws.as_mut().unwrap();
    let header = Header { fin: false, rsv1: false, opcode: OpCode::Text, mask: Some([0; 4]), len: 0 };
    ws.http.write(header.frame(b"")).await;
    let empty = frame(false, OpCode::Continuation, b"").repeat(20_000);
    crate::wire::within(async {
        while !ws.http.is_hung_up() {
            ws.http.write(&empty).await;
        }
    })
    .await;
    client.works().await;
    client.leaves().await;
    world.unharmed().await;
}

/// Slow bodies, half-open connections; a POST whose `Content-Length` lies; a body in a GET; duplicate `Transfer-Encoding`
/// [RUSTSEC-2021-0078 and family]
#[tokio::test]
async fn bodies_that_lie_or_never_come() {
    let second = std::time::Duration::from_secs(1);
    let world = World::with(|server| impatient(server).ping_interval(second / 2).ping_timeout(second)).await;
    for query in ["", "event=echo", "event=echo&id=1", "sid", "sid&ack=1"] {
        for framing in ["content-length: 1000\r\n", "transfer-encoding: chunked\r\n"] {
            let client = Plain::open(&world, Way::Post).await;
            let target = match query.strip_prefix("sid") {
                Some(rest) => client.target(if rest.is_empty() { "event=echo" } else { &rest[1..] }),
                None => format!("/live?{query}"),
            };
            let mut http = Http::open(world.address).await;
            http.write(format!("POST {target} HTTP/1.1\r\nhost: test\r\n{framing}\r\n2")).await;
            let status = http.answer().await.expect("an answer").status;
            assert!(status == 408 || status == 400, "{target}: {status}");
            client.leaves().await;
        }
    }
    for head in [
        "content-length: 2\r\ncontent-length: 4\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding: gzip\r\n",
        "content-length: -1\r\n",
        "content-length: 0x10\r\n",
    ] {
        let mut http = Http::open(world.address).await;
        http.write(format!("POST /live?event=echo HTTP/1.1\r\nhost: test\r\n{head}\r\n40")).await;
        assert_eq!(http.answer().await.map(|answer| answer.status), Some(400), "{head}");
        http.hung_up().await;
    }
    // Less than was said, and half of the connection.
    let mut http = Http::open(world.address).await;
    http.write("POST /live?event=echo HTTP/1.1\r\nhost: test\r\ncontent-length: 20\r\n\r\nshort").await;
    http.half_close().await;
    http.hung_up().await;
    // A body in a GET or a DELETE is nobody's.
    let mut http = Http::open(world.address).await;
    http.write("GET /live?wait=0 HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nGET /GET / HTTP/1.1\r\nhost: test\r\n\r\n")
        .await;
    assert_eq!(http.answer().await.unwrap().status, 200);
    assert_eq!(http.answer().await.unwrap().body, "index");
    world.undisturbed().await;
}

/// Whoever asks and is gone before the answer leaves nothing: a poll, a stream, a POST that waits for its handler.
#[tokio::test]
async fn half_open_connections() {
    let world = World::with(|server| server.limits(|limits| limits.plain_idle_ms = 300)).await;
    for is_reset in [true, false] {
        let mut gone = Vec::new();
        for way in EVERY_WAY.into_iter().filter(|way| !way.is_websocket()) {
            let client = Plain::open(&world, Way::Post).await;
            let mut http = client.attach(way).await;
            if way.is_stream() {
                http.head().await.unwrap();
            }
            gone.push(http);
        }
        let mut http = Http::open(world.address).await;
        http.request("POST", "/live?event=hang", "", "x").await;
        gone.push(http);
        until(|| world.io.of("/").len() >= 10).await;
        gone.into_iter().for_each(|http| if is_reset { http.reset() } else { drop(http) });
        until(|| world.io.of("/").len() == 1).await;
    }
    world.unharmed().await;
}

/// Cross-site WebSocket hijacking, and cross-site form, script, image and frame requests with cookies, on every method and transport;
/// `Origin: null` [CVE-2020-28481]
#[tokio::test]
async fn foreign_pages() {
    let cors = Cors { origins: vec!["https://app.example".into()], credentials: true, ..Cors::default() };
    for (cors, listed) in [(Cors::default(), false), (cors, true)] {
        let world = World::with(|server| server.cors(cors)).await;
        let client = Plain::open(&world, Way::Post).await;
        let opened = world.io.stats().sessions_opened();
        let foreign = [
            "origin: https://evil.example\r\n",
            "origin: null\r\n",
            "origin: https://test.evil.example\r\n",
            "origin: file://\r\n",
            "origin: \r\n",
            "origin: https://app.example.evil.example\r\n",
            "origin: https://test\r\norigin: https://evil.example\r\n",
            "origin: https://evil.example\r\nx-forwarded-host: evil.example\r\n",
            "sec-fetch-site: cross-site\r\n",
            "sec-fetch-site: same-site\r\n",
            "sec-fetch-site: cross-site\r\nreferer: https://evil.example/test\r\n",
            "referer: https://evil.example/\r\n",
            "referer: https://evil.example/\r\nlast-event-id: 1\r\n",
        ];
        for headers in foreign {
            let mut targets: Vec<(String, &str, String)> =
                EVERY_WAY.iter().map(|way| (way.opening("/live"), way.method(), way.headers())).collect();
            for (method, query) in [
                ("GET", "framing=sse"),
                ("GET", "framing=iframe&callback=f"),
                ("GET", "wait=0"),
                ("GET", "callback=f"),
                ("POST", "event=echo"),
                ("POST", "event=disconnect"),
                ("POST", "ack=1"),
                ("DELETE", ""),
                ("PUT", ""),
                ("OPTIONS", ""),
            ] {
                targets.push((client.target(query), method, String::new()));
            }
            targets.push((client.target(""), "GET", UPGRADE.into()));
            targets.push(("/live?event=echo".into(), "POST", String::new()));
            targets.push(("/live?event=echo&id=1".into(), "POST", String::new()));
            for (target, method, more) in targets {
                let answer = request(world.address, method, &target, &format!("{headers}cookie: io=1\r\n{more}"), "{}").await;
                assert_eq!(answer.status, 403, "{method} {target} {headers}: {answer:?}");
                assert!(answer.body.starts_with("{\"title\":\"Forbidden\""), "{answer:?}");
                let reflected = answer.header("access-control-allow-origin").is_some_and(|o| o != "https://app.example");
                assert!(!reflected, "{answer:?}");
                assert_eq!(answer.header("access-control-allow-credentials").is_some(), listed, "{answer:?}");
            }
        }
        // Nothing of it reached a session; our own pages and listed ones do.
        assert_eq!(world.io.stats().sessions_opened(), opened);
        for headers in ["origin: https://test\r\n", "sec-fetch-site: same-origin\r\n", "referer: https://test/page\r\n"] {
            for way in EVERY_WAY {
                Plain::try_open(&world, way, "/live", headers).await.expect("it is ours").leaves().await;
            }
        }
        let theirs = Plain::try_open(&world, Way::Sse, "/live", "origin: https://app.example\r\n").await;
        assert_eq!(theirs.is_ok(), listed);
        drop(theirs);
        client.leaves().await;
        world.unharmed().await;
    }
}

/// JSONP, iframe and multipart callbacks: only a safe function name; the answer carries `nosniff` and a comment prefix
/// [CVE-2020-8823]; and only where a namespace allows it, whoever opened the session.
#[tokio::test]
async fn callbacks() {
    let closed = Namespace::new().on("echo", async |Data(text): Data<String>| sori::Ack(text));
    let world = World::with(|server| server.namespace("/closed", closed)).await;
    let long = "a".repeat(101);
    for name in [
        "",
        "alert(1)//",
        "a b",
        "a..b",
        ".a",
        "a.",
        "1a",
        "a%0ab",
        "%3Cscript%3E",
        "a%00",
        "a%E2%80%A8",
        "%C3%A9",
        "a%5B0%5D",
        "a;b",
        "a-b",
        "a(",
        &long,
    ] {
        for query in ["wait=0", "framing=iframe", "framing=poll", "framing=sse"] {
            let answer = world.request("GET", &format!("/live?{query}&callback={name}"), "", "").await;
            assert_eq!(answer.status, 400, "{name:?} {query}: {answer:?}");
        }
    }
    let answer = world.request("GET", "/live?wait=0&callback=a.$_1", "", "").await;
    assert!(answer.body.starts_with("/**/a.$_1({\"sid\":"), "{answer:?}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"));

    // As one that the namespace has let in otherwise, too.
    let client = Plain::of(&world, Way::Post, "/live/closed").await;
    for query in ["callback=f", "callback=f&wait=0", "framing=iframe", "framing=poll&callback=f"] {
        let opened = world.request("GET", &format!("/live/closed?{query}"), "", "").await;
        assert_eq!(opened.status, 403, "{query}: {opened:?}");
        let mut http = Http::open(world.address).await;
        http.request("GET", &client.target(query), "", "").await;
        assert_eq!(http.head().await.expect("an answer").status, 403, "{query}");
    }
    client.leaves().await;
    world.undisturbed().await;
}

/// Every answer says that it is what it says.
#[tokio::test]
async fn no_answer_is_sniffed() {
    let world = World::new().await;
    let client = Plain::open(&world, Way::Post).await;
    let json = "content-type: application/json\r\n";
    let check = |what: &str, answer: &Answer| {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}: {answer:?}");
        assert!(answer.header("cache-control").is_some_and(|value| value.contains("no-store")), "{what}: {answer:?}");
    };
    for (method, target) in [
        ("POST", "/live"),
        ("POST", "/live?event=echo"),
        ("POST", "/live?event=nobody"),
        ("POST", "/live?sid=x"),
        ("PUT", "/live"),
        ("GET", "/live/nowhere?wait=0"),
        ("GET", "/live?framing=x"),
        ("GET", "/live?wait=0"),
        ("GET", "/live?callback=f&wait=0"),
        ("POST", &client.target("event=echo")),
        ("POST", &client.target("ack=1")),
    ] {
        let answer = world.request(method, target, json, "{}").await;
        if answer.status != 204 {
            check(target, &answer);
        }
    }
    check("foreign", &world.request("GET", "/live", "origin: https://evil.example\r\n", "").await);
    for way in EVERY_WAY.into_iter().filter(|way| way.is_stream()) {
        let mut http = client.attach(way).await;
        check("a stream", &http.head().await.unwrap());
    }
    client.leaves().await;
    world.undisturbed().await;
}

/// Injection: whatever an event is called and brings, no way of saying it makes more than one of it.
#[tokio::test]
async fn injection() {
    let says =
        Namespace::new().allow_callbacks().on("say", async |socket: Socket, Data((name, text)): Data<(String, String)>| {
            let _ = socket.emit(&name, &text);
        });
    let says = says.on("end", async |socket: Socket| drop(socket.emit("end", "end")));
    let world = World::with(|server| server.namespace("/says", says)).await;
    for way in EVERY_WAY {
        let mut client = Plain::of(&world, way, "/live/says").await;
        client.says("end", "[]").await;
        let first = client.hears("end").await;
        let boundary = match first.rsplit_once("\r\n--") {
            Some((_, boundary)) => boundary.to_owned(),
            None => "sori-".into(),
        };
        let hostile = [
            "x\\ndata: evil\\n\\nevent: evil\\ndata: evil".to_owned(),
            "x\\r\\rid: evil\\r\\nretry: 0\\u0000".into(),
            "</script><script>evil()</script><!--".into(),
            "\\u2028evil()\\u2029".into(),
            format!("\\r\\n--{boundary}\\r\\nContent-Type: text/html\\r\\n\\r\\nevil\\r\\n--{boundary}--\\r\\n"),
            "]}{\\\"event\\\":\\\"evil\\\"}\\n{\\\"event\\\":\\\"evil\\\"}".into(),
            "'\\\"`);evil();//".into(),
        ];
        for text in &hostile {
            client.says("say", &format!("[\"{text}\",\"{text}\"]")).await;
        }
        client.says("end", "[]").await;
        let heard = client.hears("end").await;
        for line in heard.split(['\n', '\r']) {
            if way == Way::Bare {
                // Bare frames are the text, whatever it is.
                continue;
            }
            assert!(
                !line.starts_with("event: evil") && !line.starts_with("id: evil") && !line.starts_with("retry: 0"),
                "{heard}"
            );
            assert!(!line.starts_with("evil"), "{way:?} {heard}");
            if way == Way::Lines {
                assert!(line.is_empty() || serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
            }
        }
        if matches!(way, Way::Iframe | Way::Jsonp) {
            assert!(!heard.contains("<script>evil") && !heard.contains("<!--") && !heard.contains(['\u{2028}', '\u{2029}']));
        }
        if way == Way::Multipart {
            // Between delimiters, nothing but JSON.
            let bodies = heard.matches("\r\n\r\n").count();
            assert_eq!(heard.matches(&boundary).count(), bodies, "{heard}");
        }
        client.leaves().await;
    }
    world.unharmed().await;
}

/// JSON nested 10,000 deep, form bombs, `$binary` bombs: the clear error, or the event as it is.
#[tokio::test]
async fn bombs() {
    let world = World::new().await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let marked = format!("{}{{\"$binary\":\"\"}}{}", "[".repeat(10_000), "]".repeat(10_000));
    let form: String = (0..100_000).map(|n| format!("a{n}=&")).collect();
    let same = "a=&".repeat(300_000);
    let percent = "%41".repeat(300_000);
    let dollars = format!("{{\"{}binary\":1}}", "$".repeat(900_000));
    let many = format!("[{}{{\"$binary\":\"\"}}]", "{\"$$binary\":{}},".repeat(50_000));
    let json = "application/json";
    let urlencoded = "application/x-www-form-urlencoded";
    for (kind, body, expected) in [
        (json, &deep, 422),
        (json, &marked, 400),
        (json, &dollars, 200),
        (json, &many, 200),
        (urlencoded, &form, 200),
        (urlencoded, &same, 200),
        (urlencoded, &percent, 200),
        ("multipart/form-data; boundary=x", &form, 415),
        ("application/json; charset=utf-16", &deep, 400),
    ] {
        let begun = std::time::Instant::now();
        let answer = world.request("POST", "/live?event=echo", &format!("content-type: {kind}\r\n"), body).await;
        assert_eq!(answer.status, expected, "{kind} {body:.20}: {answer:.300?}");
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{kind} {body:.20}: {:?}", begun.elapsed());
    }
    // As `auth`, and on a WebSocket.
    let auth = world.request("POST", "/live", "content-type: application/json\r\n", format!("{{\"a\":{deep}}}")).await;
    assert!(matches!(auth.status, 201 | 400), "{auth:.300?}");
    for (text, reason) in [
        (format!("{{\"event\":\"echo\",\"data\":{deep},\"ack\":1}}"), None),
        (format!("{{\"event\":\"echo\",\"data\":{marked}}}"), Some(())),
        (deep.clone(), Some(())),
    ] {
        let mut client = Plain::open(&world, Way::Websocket).await;
        client.ws.as_mut().unwrap().text(&text).await;
        match reason {
            None => client.works().await,
            Some(()) => assert_ne!(client.ws.as_mut().unwrap().closed().await, None),
        }
        drop(client);
    }
    world.undisturbed().await;
}

/// A WebSocket whose session another request has taken over says nothing for it any more, and harms it not.
#[tokio::test]
async fn a_websocket_that_was_replaced() {
    let world = World::new().await;
    for way in [Way::Websocket, Way::Bare] {
        for last in [&frame(true, OpCode::Text, b"no envelope")[..], b"\xff\xff\xff\xff", b"\x88\x82\0\0\0\0\x03\xe8", b""] {
            let mut client = Plain::open(&world, way).await;
            let mut ws = client.ws.take().unwrap();
            let mut http = Http::open(world.address).await;
            // Both on their way at once.
            let (target, idle) = (client.target("framing=lines"), frame(true, OpCode::Pong, b""));
            http.request("GET", &target, "", "").await;
            ws.http.write([&idle[..], last].concat()).await;
            assert_eq!(http.head().await.unwrap().status, 200);
            assert!(String::from_utf8(http.chunk().await.unwrap()).unwrap().contains("connect"));
            if way == Way::Bare || last.is_empty() {
                // Whichever came first, the session is the stream's now.
                assert_ne!(ws.closed().await, None, "{way:?} {}", last.escape_ascii());
                assert_eq!(client.post("echo", "[1]").await.body, "1");
                client.leaves().await;
            }
        }
    }
    world.undisturbed().await;
}

/// A WebSocket that reads nothing is let go when another request takes its session over.
#[tokio::test]
async fn a_websocket_that_was_replaced_and_reads_nothing() {
    let world = World::new().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let client = Plain::open(&world, Way::Post).await;
    let sockets = world.io.of("/").fetch_sockets();
    let socket = sockets.iter().find(|socket| socket.id() == client.id).expect("it is there");
    let (mut kept, before) = (Vec::new(), tasks());
    for _ in 0..5 {
        let ws = client.attach_websocket().await;
        // Until it takes no more.
        let mut is_full = false;
        while !is_full {
            for _ in 0..20 {
                client.post("flood", "[1,50000]").await;
            }
            is_full = socket.volatile().emit("x", &()).unwrap().dropped == 1;
        }
        kept.push(ws);
    }
    let mut reader = client.attach_websocket().await;
    until(|| tasks() <= before + 2).await;
    // Volatile events find their way again.
    while socket.volatile().emit("alive", &"alive").unwrap().dropped > 0 {
        let _ = reader.receive().await;
    }
    while !matches!(reader.receive().await, Received::Text(text) if text == "alive") {}
    drop(kept);
    client.leaves().await;
    world.unharmed().await;
}

/// Pages that one client of a namespace may embed are those of another, too: nothing that one says runs in the other.
#[tokio::test]
async fn what_one_says_is_data_to_another() {
    let say = handlers().on("say", async |socket: Socket, Data(value): Data<Box<serde_json::value::RawValue>>| {
        let _ = socket.broadcast().emit("said", &value);
    });
    let world = World::with(|server| server.namespace("/say", say)).await;
    for way in [Way::Jsonp, Way::Iframe] {
        let mut hears = Plain::of(&world, way, "/live/say").await;
        let says = Plain::of(&world, Way::Post, "/live/say").await;
        // In a script, a member of that name would be the object's prototype; twice, the script would be none.
        for json in [r#"{"__proto__":1,"__proto__":2}"#, r#"{"\u005f_proto__":{"admin":true}}"#] {
            assert_eq!(says.post("say", &format!("[{json}]")).await.status, 204);
            let heard = hears.hears("said").await;
            let script = heard.split("(JSON.parse(\"").nth(1).unwrap_or_else(|| panic!("{way:?}: {heard}"));
            assert!(script.contains("proto"), "{heard}");
        }
        hears.leaves().await;
        says.leaves().await;
    }
    world.unharmed().await;
}
