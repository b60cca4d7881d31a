//! Handshake and HTTP.

use sori::CloseReason;

use crate::{
    wire::{Http, UPGRADE, WebSocket, request},
    world::{Client, Kind, POLLING, WEBSOCKET, World},
};

/// Unknown, missing, repeated or hostile query values: `transport`, `EIO`, `sid` (`__proto__`, `constructor`, arrays) [CVE-2023-31125]
#[tokio::test]
async fn hostile_query_values() {
    let world = World::new().await;
    let check = async |query: &str, code: u8| {
        let answer = world.request("GET", &format!("/socket.io/{query}"), "", "").await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        assert!(answer.body.starts_with(&format!("{{\"code\":{code},")), "{query}: {answer:?}");
    };
    for transport in [
        "",
        "?",
        "?EIO=4",
        "?EIO=4&transport=",
        "?EIO=4&transport=__proto__",
        "?EIO=4&transport=constructor",
        "?EIO=4&transport[]=polling",
        "?EIO=4&transport=polling&transport=flash",
        "?EIO=4&transport=POLLING",
        "?EIO=4&transport=polling%00",
        "?&&&=&=%",
        "?%ff%fe=%c0%80&transport=%ff",
        "?EIO=4;transport=polling",
    ] {
        check(transport, 0).await;
    }
    for sid in [
        "__proto__",
        "constructor",
        "toString",
        "hasOwnProperty",
        "%00",
        "%ff%fe",
        "../../etc/passwd",
        "a%0d%0aSet-Cookie:x",
        "%F0%9F%98%80",
        "0",
        "null",
        "undefined",
        &"x".repeat(20_000),
    ] {
        check(&format!("?EIO=4&transport=polling&sid={sid}"), 1).await;
        check(&format!("?EIO=4&transport=websocket&sid={sid}"), 1).await;
    }
    let client = Client::open(&world, Kind::PollingV4).await;
    for query in ["EIO=3", "EIO=", "EIO=__proto__", "EIO=4&EIO=3", "EIO[]=4", "EIO=04", "EIO=4%20", "EIO=99999999999999999999"] {
        check(&format!("?transport=polling&sid={}&{query}", client.sid), 3).await;
    }
    // The last of a repeated name counts, and arrays are names like any other.
    check(&format!("?EIO=4&transport=polling&sid={}&sid=other", client.sid), 1).await;
    assert_eq!(client.post("40").await, 200);
    assert_eq!(client.post("1").await, 200);
    world.one_closed(CloseReason::TransportClose).await;
    world.unharmed().await;
}

/// Non-ASCII or enormous `Sec-WebSocket-Protocol`, `Sec-WebSocket-Extensions`, `Origin`, `Cookie` values; never an `unwrap` on a
/// header [CVE-2026-42544, CVE-2021-32640, GHSA-5v72-xg48-5rpm, RUSTSEC-2023-0065]
#[tokio::test]
async fn hostile_headers() {
    let world = World::with(|server| server.per_message_deflate(sori::PerMessageDeflate::default())).await;
    let values: [&[u8]; 8] =
        [b"\xff\xfe\x80", "\u{d55c}\u{ae00}".as_bytes(), b"", b",,,;;==\"", b"a\tb", b"\"\\", &[b','; 7_000], &[0xe9; 7_000]];
    let names = [
        "sec-websocket-protocol",
        "sec-websocket-extensions",
        "cookie",
        "user-agent",
        "accept-encoding",
        "content-type",
        "x-forwarded-for",
        "sec-websocket-key",
        "sec-websocket-version",
        "referer",
        "origin",
        "sec-fetch-site",
        "host",
    ];
    for name in names {
        for value in values {
            for (target, upgrade) in [(POLLING, ""), (WEBSOCKET, UPGRADE)] {
                let mut bytes = format!("GET {target} HTTP/1.1\r\n").into_bytes();
                // What is tested takes the place of the right one.
                for line in upgrade.split_inclusive("\r\n").chain(["host: test\r\n"]).filter(|line| !line.starts_with(name)) {
                    bytes.extend_from_slice(line.as_bytes());
                }
                bytes.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n\r\n"].concat());
                let mut http = Http::open(world.address).await;
                http.write(bytes).await;
                let answer = http.answer().await.unwrap_or_else(|| panic!("no answer to {name} {value:?}"));
                let expected: &[u16] = match name {
                    "origin" | "referer" => &[403],
                    "sec-fetch-site" => &[403],
                    "sec-websocket-key" | "sec-websocket-version" if !upgrade.is_empty() => &[400],
                    _ if upgrade.is_empty() => &[200],
                    _ => &[101],
                };
                assert!(expected.contains(&answer.status), "{name} {value:?} {target}: {answer:?}");
            }
        }
    }
    // Larger than what is kept of a handshake, and larger than what hyper reads.
    for (bytes, status) in [(40_000, 431), (600_000, 431)] {
        for (target, upgrade) in [(POLLING, ""), (WEBSOCKET, UPGRADE)] {
            let headers = format!("{upgrade}cookie: {}\r\n", "c".repeat(bytes));
            assert_eq!(world.request("GET", target, &headers, "").await.status, status);
        }
    }
    let opened = world.io.stats().sessions_opened();
    assert!(opened > 100, "{opened}");
    assert_eq!(world.io.stats().handler_panics(), 0);
    drop(world);
}

/// More headers than the limit, so that `Upgrade` goes missing [CVE-2024-37890]; `Upgrade: websocket` on a route that has none
/// [CVE-2020-7693]
#[tokio::test]
async fn too_many_headers_and_upgrades_elsewhere() {
    let world = World::new().await;
    let flood: String = (0..2_000).map(|n| format!("x-{n}: 1\r\n")).collect();
    for headers in [format!("{flood}{UPGRADE}"), format!("{UPGRADE}{flood}")] {
        assert_eq!(world.request("GET", WEBSOCKET, &headers, "").await.status, 431);
    }
    for target in ["/", "/nowhere", "/socket.io", "//socket.io/?EIO=4&transport=websocket"] {
        let status = world.request("GET", target, UPGRADE, "").await.status;
        assert!(status == 200 || status == 404, "{target}: {status}");
    }
    // Ours, but not a WebSocket's.
    assert_eq!(world.request("GET", POLLING, UPGRADE, "").await.status, 400);
    assert_eq!(world.request("GET", WEBSOCKET, "", "").await.status, 400);
    assert_eq!(world.request("GET", WEBSOCKET, "connection: upgrade\r\nupgrade: h2c\r\n", "").await.status, 400);
    assert_eq!(world.request("GET", WEBSOCKET, "connection: close\r\nupgrade: websocket\r\n", "").await.status, 400);
    // RFC 6455, 4.1: an opening handshake is a GET.
    let client = Client::open(&world, Kind::PollingV4).await;
    for method in ["POST", "PUT", "OPTIONS"] {
        for target in [WEBSOCKET.to_owned(), format!("{WEBSOCKET}&sid={}", client.sid)] {
            let answer = world.request(method, &target, UPGRADE, "x=1").await;
            assert_eq!(answer.status, 400, "{method} {target} {answer:?}");
        }
    }
    assert_eq!(client.post("1").await, 200);
    world.one_closed(CloseReason::TransportClose).await;
    world.unharmed().await;
}

/// Garbage, bad RSV bits, or a TCP reset straight after the 101 and at every byte of handshake and upgrade [CVE-2022-21676,
/// CVE-2022-41940]
#[tokio::test]
async fn garbage_and_resets_at_every_byte() {
    let world = World::new().await;
    let client = Client::open(&world, Kind::PollingV4).await;
    let targets = [WEBSOCKET.to_owned(), format!("{WEBSOCKET}&sid={}", client.sid)];
    for target in &targets {
        let hello = format!("GET {target} HTTP/1.1\r\nhost: test\r\n{UPGRADE}\r\n").into_bytes();
        let probe = [&hello[..], &crate::wire::frame(true, sori_proto::ws::frame::OpCode::Text, b"2probe")].concat();
        for cut in 0..=probe.len() {
            let mut http = Http::open(world.address).await;
            http.write(&probe[..cut]).await;
            if cut % 2 == 0 {
                http.reset();
            }
        }
        // Straight after the 101, answered or not.
        for _ in 0..20 {
            WebSocket::open(world.address, target, "").await.unwrap().http.reset();
        }
        for garbage in [
            &b"\xff\xff\xff\xff"[..],
            b"\xc1\x80\0\0\0\0",
            b"\xa1\x80\0\0\0\0",
            b"\x91\x80\0\0\0\0",
            b"GET / HTTP/1.1\r\n\r\n",
            &[0; 100],
        ] {
            let mut ws = WebSocket::open(world.address, target, "").await.unwrap();
            ws.http.write(garbage).await;
            // A probe that is wrong is closed as the reference closes it, a session as RFC 6455 says.
            let expected = if *target == targets[0] { Some(1002) } else { None };
            assert_eq!(ws.closed().await, Some(expected), "{garbage:?}");
        }
    }
    // The session beside which all this was probed lives.
    crate::wire::until(|| world.io.stats().sessions() == 2).await;
    let mut ws = world.websocket(&targets[1]).await;
    ws.text("2probe").await;
    assert_eq!(ws.receive_text().await.as_deref(), Some("3probe"));
    ws.http.reset();
    assert_eq!(client.post("1").await, 200);
    world.unharmed().await;
}

/// Slow handshakes, slow bodies, half-open connections; a POST whose `Content-Length` lies; a body in a GET; duplicate
/// `Transfer-Encoding` [RUSTSEC-2021-0078 and family]
#[tokio::test]
async fn bodies_that_lie_or_never_come() {
    let world = World::with(crate::world::impatient).await;
    // A head that never ends, a body that never comes, a connection that says nothing.
    let mut idle = Vec::new();
    for start in ["", "G", "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: t"] {
        let mut http = Http::open(world.address).await;
        http.write(start).await;
        idle.push(http);
    }
    // The body comes too slowly, in good chunks: 408, and the session is over.
    for framing in ["content-length: 1000\r\n", "transfer-encoding: chunked\r\n"] {
        let slow = Client::open(&world, Kind::PollingV3).await;
        let mut http = Http::open(world.address).await;
        http.write(format!("POST {} HTTP/1.1\r\nhost: test\r\n{framing}\r\n2", slow.target)).await;
        let status = http.answer().await.expect("an answer").status;
        assert!(status == 408 || status == 400, "{status}");
        assert_eq!(slow.poll().await.status, 400);
    }
    // More than was said is another request, and no good one; less, and the connection ends.
    let client = Client::open(&world, Kind::PollingV4).await;
    let mut http = Http::open(world.address).await;
    http.write(format!("POST {} HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\n\r\n40garbage\r\n\r\n", client.target)).await;
    assert_eq!(http.answer().await.expect("an answer").status, 200);
    assert_eq!(http.answer().await.expect("an answer").status, 400);
    http.hung_up().await;
    let mut http = Http::open(world.address).await;
    http.write(format!("POST {} HTTP/1.1\r\nhost: test\r\ncontent-length: 20\r\n\r\n42[\"echo\"]", client.target)).await;
    http.half_close().await;
    http.hung_up().await;
    crate::wire::until(|| world.closed(CloseReason::TransportError) == 1 || world.closed(CloseReason::PingTimeout) == 3).await;

    // Heads that two readers understand in two ways.
    for head in [
        "content-length: 2\r\ncontent-length: 4\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "content-length: -1\r\n",
        "content-length: 99999999999999999999999\r\n",
        "content-length: 0x10\r\n",
    ] {
        let client = Client::open(&world, Kind::PollingV4).await;
        let mut http = Http::open(world.address).await;
        http.write(format!("POST {} HTTP/1.1\r\nhost: test\r\n{head}\r\n40", client.target)).await;
        assert_eq!(http.answer().await.map(|answer| answer.status), Some(400), "{head}");
        http.hung_up().await;
    }
    // A body in a GET is nobody's.
    let mut http = Http::open(world.address).await;
    http.write(format!(
        "GET {POLLING} HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nGET /GET / HTTP/1.1\r\nhost: test\r\n\r\n"
    ))
    .await;
    assert_eq!(http.answer().await.unwrap().status, 200);
    assert_eq!(http.answer().await.unwrap().body, "index");
    drop(idle);
    world.unharmed().await;
}

/// Cross-site WebSocket hijacking: `Origin` is checked by the same policy as CORS; no origin is allowed with credentials by default
/// [CVE-2020-28481]
/// and: Cross-site form, script, image and frame requests with cookies, on every method and transport; `Origin: null`
#[tokio::test]
async fn foreign_pages() {
    use sori::Cors;
    let cors = Cors { origins: vec!["https://app.example".into()], credentials: true, ..Cors::default() };
    for (cors, listed) in [(Cors::default(), false), (cors, true)] {
        let world = World::with(|server| server.cors(cors)).await;
        let client = Client::open(&world, Kind::PollingV4).await;
        let jsonp = Client::open(&world, Kind::Jsonp).await;
        let foreign = [
            "origin: https://evil.example\r\n",
            "origin: null\r\n",
            "origin: https://test.evil.example\r\n",
            "origin: https://evil.example/test\r\n",
            "origin: https://test@evil.example\r\n",
            "origin: file://\r\n",
            "origin: \r\n",
            "origin: https://app.example.evil.example\r\n",
            "origin: https://test\r\norigin: https://evil.example\r\n",
            "origin: https://evil.example\r\nx-forwarded-host: evil.example\r\n",
            "sec-fetch-site: cross-site\r\n",
            "sec-fetch-site: same-site\r\n",
            "sec-fetch-site: cross-site\r\nreferer: https://evil.example/test\r\n",
            "referer: https://evil.example/\r\n",
        ];
        for headers in foreign {
            let cookie = "cookie: io=1\r\n";
            let upgrade = format!("{headers}{cookie}{UPGRADE}");
            let plain = format!("{headers}{cookie}");
            let sid = format!("{WEBSOCKET}&sid={}", client.sid);
            for (method, target, headers) in [
                ("GET", POLLING, &plain),
                ("GET", WEBSOCKET, &upgrade),
                ("GET", &sid, &upgrade),
                ("GET", Kind::Jsonp.target(), &plain),
                ("GET", &client.target, &plain),
                ("POST", &client.target, &plain),
                ("POST", &jsonp.target, &plain),
                ("OPTIONS", POLLING, &plain),
            ] {
                let answer = request(world.address, method, target, headers, "40").await;
                let twice = headers.matches("origin: ").count() > 1;
                assert!(answer.status == 403 || (twice && answer.status == 400), "{method} {target} {headers}: {answer:?}");
                let reflected =
                    answer.header("access-control-allow-origin").is_some_and(|origin| origin != "https://app.example");
                assert!(!reflected, "{answer:?}");
                assert_eq!(answer.header("access-control-allow-credentials").is_some(), listed, "{answer:?}");
            }
        }
        // Nothing of it reached a session; our own pages and listed ones do.
        assert_eq!(world.io.stats().sessions_opened(), 3);
        assert_eq!(client.post("40").await, 200);
        for headers in [
            "origin: http://test\r\n",
            "sec-fetch-site: same-origin\r\n",
            "sec-fetch-site: none\r\n",
            "referer: https://test/page\r\n",
        ] {
            assert_eq!(world.request("GET", POLLING, headers, "").await.status, 200, "{headers}");
        }
        let status = world.request("GET", POLLING, "origin: https://app.example\r\n", "").await.status;
        assert_eq!(status, if listed { 200 } else { 403 });
    }
    let everybody = Cors { origins: vec!["*".into()], credentials: true, ..Cors::default() };
    assert!(sori::Server::builder().cors(everybody).build().is_err());
}

/// Session ids carry at least 128 bits from the system's generator [CVE-2017-16031]
/// and: a stranger's public `id` used as a `sid`
#[tokio::test]
async fn session_ids_are_secret() {
    let world = World::new().await;
    let mut sids = std::collections::HashSet::new();
    for _ in 0..100 {
        let client = Client::open(&world, Kind::PollingV4).await;
        // 22 characters of 6 bits.
        assert!(
            client.sid.len() >= 22 && client.sid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
            "{}",
            client.sid
        );
        assert!(sids.insert(client.sid.clone()));
        client.post("1").await;
    }
    let mut characters = [0; 128];
    sids.iter().flat_map(|sid| sid.bytes()).for_each(|b| characters[usize::from(b)] += 1);
    assert!(characters.iter().filter(|n| **n > 0).count() > 60, "all characters of the alphabet occur");
    let mut client = world.client(Kind::WebsocketV4).await;
    client.send(&[crate::world::Out::Text("[\"\"]")]).await;
    let mut polling = Client::open(&world, Kind::PollingV4).await;
    polling.say("40").await;
    let reply = polling.hears("40{").await;
    let id = reply.split('"').nth(3).unwrap();
    assert_ne!(id, polling.sid);
    for target in [format!("{POLLING}&sid={id}"), format!("{WEBSOCKET}&sid={id}")] {
        assert_eq!(world.request("GET", &target, "", "").await.status, 400);
        assert_eq!(world.request("POST", &target, "", "1").await.status, 400);
    }
    assert_eq!(polling.say("1").await, 200);
    drop(client);
    world.unharmed().await;
}

/// JSONP […] callbacks: only a safe function name; the answer carries `nosniff` and a comment prefix [CVE-2020-8823]
/// (`___eio[` is as fixed a beginning as a comment, and the reference's)
/// and: JSONP […] data escape `<`, U+2028, U+2029
#[tokio::test]
async fn jsonp_is_only_data() {
    let world = World::new().await;
    for (j, callback) in
        [("7", "7"), ("alert(1)", "1"), ("%22%5D;x", ""), ("1%0a2", "12"), ("__proto__", ""), ("%F0%9D%9F%8E", "")]
    {
        let answer = world.request("GET", &format!("/socket.io/?EIO=3&transport=polling&j={j}"), "", "").await;
        assert_eq!((answer.status, answer.header("x-content-type-options")), (200, Some("nosniff")), "{answer:?}");
        assert!(answer.header("content-type").unwrap().starts_with("text/javascript"));
        assert!(answer.body.starts_with(&format!("___eio[{callback}](\"")) && answer.body.ends_with("\");"), "{answer:?}");
    }
    let mut client = world.client(Kind::Jsonp).await;
    client.send(&[crate::world::Out::Text("21[\"echo\",\"</script><!--\u{2028}\u{2029}\"]")]).await;
    let answer = client.poll().await;
    assert!(!answer.body.contains(['<', '\u{2028}', '\u{2029}']), "{answer:?}");
    assert!(answer.body.contains("31[") && answer.body.contains("u003c/script"), "{answer:?}");
}
