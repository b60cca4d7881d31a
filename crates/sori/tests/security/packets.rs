//! Socket.IO packets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use sori::{AckError, CloseReason, ConnectionStateRecovery, Data, Namespace, Socket, Value};
use tokio::sync::mpsc;

use crate::{
    wire::{Received, until, within},
    world::{Client, EVERY_KIND, Out, WEBSOCKET, World, handlers},
};

/// Sends each of these to a new client of each kind; the session ends as a broken packet's does and nobody else is disturbed.
async fn each_closes(messages: &[&[Out<'_>]]) {
    for kind in EVERY_KIND {
        let world = World::new().await;
        for (before, messages) in messages.iter().enumerate() {
            let mut client = world.client(kind).await;
            client.send(messages).await;
            let broken = || world.closed(CloseReason::ParseError) + world.closed(CloseReason::ForcedClose);
            until_or(|| broken() == before as u64 + 1, || format!("{kind:?} {messages:?}")).await;
        }
        let (heard, expected) = (world.ends().len(), messages.len());
        assert_eq!(heard, expected, "{kind:?}");
        world.undisturbed().await;
        world.unharmed().await;
    }
}

async fn until_or(condition: impl Fn() -> bool, what: impl Fn() -> String) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(crate::wire::PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{}", what()));
}

/// Attachment counts: absurd, zero, negative, never sent, sent slowly, interleaved with text; at most 10 by default [CVE-2026-33151]
#[tokio::test]
async fn attachment_counts() {
    let counts: Vec<String> = [
        "11",
        "0",
        "-1",
        "1.5",
        "1e9",
        "4294967296",
        "4294967297",
        "18446744073709551617",
        "999999999999999999999999",
        "",
        " 1",
        "0x1",
        "+1",
        "\u{661}",
    ]
    .iter()
    .map(|count| format!("5{count}-[\"x\",{{\"_placeholder\":true,\"num\":0}}]"))
    .collect();
    let counts: Vec<[Out<'_>; 1]> = counts.iter().map(|count| [Out::Text(count)]).collect();
    let mut messages: Vec<&[Out<'_>]> = counts.iter().map(|count| &count[..]).collect();
    let one = Out::Text("51-[\"x\",{\"_placeholder\":true,\"num\":0}]");
    let interleaved = [[one, one], [one, Out::Text("2[\"x\"]")], [one, Out::Text("1")]];
    messages.extend(interleaved.iter().map(|m| &m[..]));
    let too_many = [one, Out::Binary(b"a"), Out::Binary(b"b")];
    let unasked = [Out::Binary(b"a")];
    let nothing = [Out::Text("51-")];
    messages.extend([&too_many[..], &unasked, &nothing, &[Out::Text("61-0[]"), Out::Text("2[\"x\"]")]]);
    each_closes(&messages).await;
}

/// […] never sent, sent slowly, interleaved with text
#[tokio::test]
async fn attachments_that_come_late_or_never() {
    for kind in EVERY_KIND {
        let world = World::new().await;
        let mut client = world.client(kind).await;
        client.send(&[Out::Text("52-1[\"echo\",[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]]")]).await;
        client.send(&[Out::Binary(b"a")]).await;
        // A heartbeat may stand between them.
        client.say(if kind.is_v3() { "2" } else { "3" }).await;
        client.send(&[Out::Binary(b"b")]).await;
        client.hears("62-1[").await;
        // Never sent: the session ends, and what it began goes with it.
        client.send(&[Out::Text("52-1[\"echo\",{\"_placeholder\":true,\"num\":0}]"), Out::Binary(&[7; 900])]).await;
        match client.ws.take().filter(|_| kind.is_websocket()) {
            Some(ws) => drop(ws),
            None => drop(client.say("1").await),
        }
        world.one_closed(CloseReason::TransportClose).await;
        world.unharmed().await;
    }
}

/// `_placeholder.num` out of range, negative, fractional, a string, used twice [CVE-2022-2421]
#[tokio::test]
async fn placeholders() {
    for kind in EVERY_KIND {
        let world = World::new().await;
        let mut ends = 0;
        for num in
            ["1", "-1", "0.5", "1e0", "\"0\"", "null", "[0]", "{}", "true", "99999999999999999999", "-0.0", "{\"__proto__\":0}"]
        {
            let mut client = world.client(kind).await;
            let text = format!("51-1[\"echo\",{{\"_placeholder\":true,\"num\":{num}}}]");
            client.send(&[Out::Text(&text), Out::Binary(b"a")]).await;
            ends += 1;
            until_or(|| world.ends().len() == ends, || format!("{kind:?} {num}")).await;
            let reason = world.ends()[ends - 1];
            assert!(matches!(reason, CloseReason::ParseError | CloseReason::ForcedClose), "{kind:?} {num}: {reason}");
        }
        // As a name, or missing.
        for text in ["51-1[{\"_placeholder\":true,\"num\":0}]", "51-1[\"echo\",{\"_placeholder\":true}]"] {
            let mut client = world.client(kind).await;
            client.send(&[Out::Text(text), Out::Binary(b"a")]).await;
            ends += 1;
            until_or(|| world.ends().len() == ends, || format!("{kind:?} {text}")).await;
        }
        // Used twice is the sender's affair; what only looks like one is data.
        let mut client = world.client(kind).await;
        let twice = "51-1[\"echo\",[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":0}]]";
        client.send(&[Out::Text(twice), Out::Binary(b"a")]).await;
        client.hears("1[").await;
        client.send(&[Out::Text("23[\"echo\",{\"_placeholder\":true,\"num\":7}]")]).await;
        client.hears("33[").await;
        assert_eq!(world.io.stats().handler_panics(), 0);
    }
}

/// An event name that is not a string or a number [CVE-2023-32695]; every reserved name (`connect`, `connect_error`, `disconnect`,
/// `disconnecting`, `newListener`, `removeListener`)
#[tokio::test]
async fn event_names() {
    let names = [
        "[]",
        "{}",
        "\"text\"",
        "null",
        "[null]",
        "[{}]",
        "[[\"echo\"]]",
        "[true]",
        "[{\"toString\":1}]",
        "[\"connect\"]",
        "[\"connect_error\"]",
        "[\"disconnect\",\"x\"]",
        "[\"disconnecting\"]",
        "[\"newListener\"]",
        "[\"removeListener\"]",
        "[\"\\u0063onnect\"]",
        "[\"echo\"",
        "[\"echo\",]",
        "[\"e\u{0}\"]",
        "{\"0\":\"echo\",\"length\":1}",
        "7[\"echo\"]]",
        "-1[\"echo\"]",
        "1.5[\"echo\"]",
    ];
    let texts: Vec<String> = names.iter().map(|name| format!("2{name}")).collect();
    let texts: Vec<[Out<'_>; 1]> = texts.iter().map(|text| [Out::Text(text)]).collect();
    let mut messages: Vec<&[Out<'_>]> = texts.iter().map(|text| &text[..]).collect();
    messages.extend([
        &[Out::Text("")][..],
        &[Out::Text("9")],
        &[Out::Text("x")],
        &[Out::Text("\u{ac00}")],
        &[Out::Text("4{\"message\":\"x\"}")],
        &[Out::Text("2/nowhere,[\"x\"]")],
        &[Out::Text("1/nowhere,")],
        &[Out::Text("3{}")],
        &[Out::Text("0")],
        &[Out::Text("0"), Out::Text("0")],
    ]);
    each_closes(&messages).await;
}

/// an event named `error` is an ordinary event and harms nothing [CVE-2024-38355]
/// and: `\n`, `\r`, `\0` in event names, ids and data
#[tokio::test]
async fn ordinary_names() {
    for kind in EVERY_KIND {
        let world = World::with(|server| {
            server.namespace("/names", Namespace::new().fallback(|name: sori::EventName| async move { sori::Ack(name.0.len()) }))
        })
        .await;
        let mut client = world.client(kind).await;
        client.send(&[Out::Text("0/names,")]).await;
        client.hears("40/names,").await;
        for (name, len) in [
            ("error", 5),
            ("connection", 10),
            ("__proto__", 9),
            ("constructor", 11),
            ("", 0),
            ("a\\nb\\rc\\u0000d", 7),
            ("\\ud83d\\ude00", 4),
        ] {
            client.send(&[Out::Text(&format!("2/names,1[\"{name}\",\"\\n\\r\\u0000\"]"))]).await;
            client.hears(&format!("43/names,1[{len}]")).await;
        }
        client.send(&[Out::Text("2/names,1[7]")]).await;
        client.hears("43/names,1[1]").await;
        match client.ws.take().filter(|_| kind.is_websocket()) {
            Some(ws) => drop(ws),
            None => drop(client.say("1").await),
        }
        world.unharmed().await;
    }
}

/// Large packets of many parts stay linear [CVE-2020-36049]; JSON nested 10,000 deep
#[tokio::test]
async fn large_and_deep_packets() {
    for kind in EVERY_KIND {
        // A form of JSONP takes three bytes for most characters.
        let world = World::with(|server| server.max_http_buffer_size(4_000_000)).await;
        let mut client = world.client(kind).await;
        let begun = Instant::now();
        let parts = vec!["[{\"a\":\"\\u0041\"}]"; 20_000].join(",");
        for text in [
            format!("2[\"nobody\",{parts}]"),
            format!("2[\"nobody\",\"{}\"]", "\\\\".repeat(200_000)),
            format!("2[\"nobody\",{}]", vec!["{\"_placeholder\":true,\"num\":0}"; 10_000].join(",")),
            format!("3{}[{parts}]", "7".repeat(15)),
        ] {
            assert_eq!(client.send(&[Out::Text(&text)]).await, 200, "{kind:?}");
        }
        let used_often = format!("51-[\"nobody\",{}]", vec!["{\"_placeholder\":true,\"num\":0}"; 10_000].join(","));
        client.send(&[Out::Text(&used_often), Out::Binary(b"a")]).await;
        client.send(&[Out::Text("21[\"echo\",1]")]).await;
        client.hears("31[1]").await;
        assert!(begun.elapsed() < Duration::from_secs(8), "{kind:?}: {:?}", begun.elapsed());
        world.undisturbed().await;

        // Deep: the handler does not get it, or the session is closed; the process lives.
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let inner = if open == "[" { "" } else { "1" };
            let deep = format!("{}{inner}{}", open.repeat(10_000), close.repeat(10_000));
            for text in [format!("29[\"echo\",{deep}]"), format!("2[\"nobody\",{deep}]"), format!("39[{deep}]")] {
                let mut client = world.client(kind).await;
                client.send(&[Out::Text(&text)]).await;
                client.send(&[Out::Text("21[\"echo\",1]")]).await;
            }
            let mut client = Client::open(&world, kind).await;
            client.send(&[Out::Text(&format!("0/x,{{\"a\":{deep}}}"))]).await;
        }
        // A binary event too: its placeholders are looked for at any depth.
        let mut client = world.client(kind).await;
        let deep = format!("51-[\"echo\",{}{{\"_placeholder\":true,\"num\":0}}{}]", "[".repeat(10_000), "]".repeat(10_000));
        client.send(&[Out::Text(&deep), Out::Binary(b"a")]).await;
        world.undisturbed().await;
    }
}

/// acks with ids that are negative, huge, unknown, or answered twice
#[tokio::test]
async fn ack_ids() {
    let (sender, mut sockets) = mpsc::unbounded_channel();
    let asked = Namespace::new().on_connect(move |socket: Socket| {
        let sender = sender.clone();
        async move { drop(sender.send(socket)) }
    });
    let world = World::with(|server| server.namespace("/asked", asked)).await;
    for kind in EVERY_KIND {
        let mut client = world.client(kind).await;
        client.send(&[Out::Text("0/asked,")]).await;
        client.hears("40/asked,").await;
        let socket = within(sockets.recv()).await.unwrap();
        let answer = socket.emit_with_ack::<u32>("question", &());
        let question = client.hears("[\"question\"]").await;
        let id: u64 = question.split("/asked,").nth(1).unwrap().split('[').next().unwrap().parse().unwrap();
        // Unknown, huge, without id or data: nobody's.
        for text in
            [format!("3/asked,{}[1]", id + 1), "3/asked,9007199254740993[1]".into(), "3/asked,18446744073709551615[1]".into()]
        {
            client.send(&[Out::Text(&text)]).await;
        }
        client.send(&[Out::Text(&format!("3/asked,{id}[7]"))]).await;
        client.send(&[Out::Text(&format!("3/asked,{id}[8]"))]).await;
        assert_eq!(within(answer).await.unwrap(), 7, "{kind:?}");
        client.send(&[Out::Text("21[\"echo\",1]")]).await;
        client.hears("31[1]").await;

        // A timed-out ack is forgotten: a late answer is nobody's.
        let late = socket.timeout(Duration::from_millis(5)).emit_with_ack::<u32>("question", &());
        assert!(matches!(within(late).await, Err(AckError::Timeout)));
        client.send(&[Out::Text(&format!("3/asked,{}[9]", id + 1))]).await;
        // An answer of the wrong shape is the asker's error.
        let odd = socket.emit_with_ack::<u32>("question", &());
        let question = client.hears(&format!("/asked,{}[", id + 2)).await;
        assert!(question.contains("question"));
        client.send(&[Out::Text(&format!("3/asked,{}[{{\"a\":1}}]", id + 2))]).await;
        assert!(matches!(within(odd).await, Err(AckError::Decode(_))));
    }
    assert_eq!(world.io.stats().handler_panics(), 0);
    let broken: Vec<[Out<'_>; 1]> =
        ["3/x,1[]", "3-1[]", "31.5[]", "3[", "31{}", "31\"a\"", "361-1[]", "3999999999999999999999999999999999[{]"]
            .map(|text| [Out::Text(text)])
            .to_vec();
    each_closes(&broken.iter().map(|m| &m[..]).collect::<Vec<_>>()).await;
}

/// MessagePack length bombs [RUSTSEC-2017-0006, CVE-2026-48109]
#[tokio::test]
async fn messagepack_bombs() {
    let world = World::new().await;
    let connect: &[u8] = b"\x82\xa4type\x00\xa3nsp\xa1/";
    let bombs: [&[u8]; 14] = [
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xc1",
        b"\x82\xa4type\x02\xa3nsp\xdb\xff\xff\xff\xff",
        b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xdd\xff\xff\xff\xff",
        b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\xdd\x00\xff\xff\xff\xa1a",
        b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xc6\xff\xff\xff\xff",
        b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa7connect",
        b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xc0",
        b"\x84\xa4type\x03\xa3nsp\xa1/\xa2id\xd3\xff\xff\xff\xff\xff\xff\xff\xff\xa4data\x90",
        b"\x82\xa4type\x63\xa3nsp\xa1/",
    ];
    let deep = [b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa4echo", &[0x91; 100_000][..], b"\xc0"].concat();
    for (n, bomb) in bombs.iter().enumerate() {
        let mut ws = world.websocket(WEBSOCKET).await;
        ws.binary(connect).await;
        // The open packet, then the reply.
        assert!(matches!(ws.receive().await, Received::Text(_)));
        assert!(matches!(ws.receive().await, Received::Binary(_)));
        ws.binary(bomb).await;
        assert_eq!(ws.closed().await, Some(None), "{bomb:?}");
        assert_eq!(world.ends().len(), n + 1);
    }
    let mut ws = world.websocket(WEBSOCKET).await;
    ws.binary(connect).await;
    ws.binary(&deep).await;
    ws.http.write(b"\x88\x80\0\0\0\0").await;
    ws.closed().await;
    world.unharmed().await;
}

/// Joining after disconnect leaks nothing
#[tokio::test]
async fn joining_after_the_end() {
    let (sender, mut sockets) = mpsc::unbounded_channel();
    let late = Namespace::new()
        .on_connect(move |socket: Socket| {
            let sender = sender.clone();
            async move { drop(sender.send(socket)) }
        })
        .on_disconnect(|socket: Socket| async move { socket.join(["late", "too"]) });
    let world = World::with(|server| server.namespace("/late", late)).await;
    for kind in EVERY_KIND {
        let mut client = world.client(kind).await;
        client.send(&[Out::Text("0/late,")]).await;
        client.hears("40/late,").await;
        let socket = within(sockets.recv()).await.unwrap();
        socket.join("early");
        assert_eq!(world.io.rooms_len(), 1);
        client.send(&[Out::Text("1/late,")]).await;
        until(|| !socket.is_connected()).await;
        until(|| world.io.rooms_len() == 0).await;
        socket.join(["after", "all"]);
        assert_eq!((world.io.rooms_len(), world.io.of("/late").len()), (0, 0));
        assert!(socket.emit("gone", &1).is_err());
        let answer = socket.emit_with_ack::<u32>("gone", &1);
        assert!(within(answer).await.is_err());
    }
}

/// recovery never skips authorisation
#[tokio::test]
async fn recovery_is_authorised_again() {
    let allowed = Arc::new(AtomicU32::new(1));
    let asks = allowed.clone();
    let guarded = handlers().middleware(move || {
        let allowed = asks.load(Ordering::SeqCst) == 1;
        async move { if allowed { Ok(()) } else { Err("banned") } }
    });
    let world =
        World::with(|server| server.namespace("/guarded", guarded).connection_state_recovery(ConnectionStateRecovery::default()))
            .await;
    let mut ws = world.websocket(WEBSOCKET).await;
    ws.text("40/guarded,").await;
    ws.receive_text().await;
    let reply = ws.receive_text().await.unwrap();
    let pid = reply.split("\"pid\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    world.io.of("/guarded").emit("secret", &1).unwrap();
    let event = ws.receive_text().await.unwrap();
    let offset = event.rsplit('"').nth(1).unwrap().to_owned();
    ws.http.reset();
    until(|| world.io.of("/guarded").is_empty()).await;
    world.io.of("/guarded").emit("secret", &2).unwrap();
    // Hostile words instead of a pid or an offset: a fresh socket, or none, never another's.
    for auth in [
        format!("{{\"pid\":\"{pid}\",\"offset\":\"x\"}}"),
        format!("{{\"pid\":\"{pid}\",\"offset\":7}}"),
        format!("{{\"pid\":\"{pid}\",\"offset\":\"{}\"}}", "9".repeat(1_000)),
        "{\"pid\":\"__proto__\",\"offset\":\"\"}".into(),
        "{\"pid\":[],\"offset\":{}}".into(),
    ] {
        let mut ws = world.websocket(WEBSOCKET).await;
        ws.text(&format!("40/guarded,{auth}")).await;
        ws.receive_text().await;
        let reply = ws.receive_text().await.unwrap();
        assert!(reply.starts_with("40/guarded,{\"sid\"") && !reply.contains(&pid), "{auth}: {reply}");
    }
    allowed.store(0, Ordering::SeqCst);
    let mut ws = world.websocket(WEBSOCKET).await;
    ws.text(&format!("40/guarded,{{\"pid\":\"{pid}\",\"offset\":\"{offset}\"}}")).await;
    ws.receive_text().await;
    assert_eq!(ws.receive_text().await.as_deref(), Some("44/guarded,{\"message\":\"banned\"}"));
    assert_eq!(world.io.stats().handler_panics(), 0);
}

/// Namespace floods: connects to thousands of namespaces, dynamic ones included
#[tokio::test]
async fn namespace_floods() {
    for kind in EVERY_KIND {
        let world = World::with(|server| {
            server.namespace("/dynamic-{n}", handlers()).namespace(
                "/slow",
                Namespace::new().middleware(|| async {
                    tokio::task::yield_now().await;
                    Err::<(), _>("no")
                }),
            )
        })
        .await;
        // Unknown ones and refused ones are told, and cost nothing that stays.
        let mut client = world.client(kind).await;
        for round in 0..40 {
            // As many as may be joining at once.
            let flood: Vec<String> = (0..60).map(|n| format!("40/nowhere-{round}-{n},")).collect();
            assert_eq!(client.packets(&flood).await, 200);
            client.hears(&format!("/nowhere-{round}-59,")).await;
            client.say("40/slow,").await;
            client.hears("44/slow,").await;
        }
        assert_eq!(world.io.namespaces().len(), 3 - 1);
        // Joined ones count.
        let flood: Vec<String> = (0..1_000).map(|n| format!("40/dynamic-{n},")).collect();
        client.packets(&flood).await;
        world.one_closed(CloseReason::ForcedClose).await;
        assert!(world.io.namespaces().len() <= 2 + 64, "{}", world.io.namespaces().len());
        world.unharmed().await;
    }
}

/// What handlers get is what was sent: an event of each kind of value, so that the tests above fail for their reason alone.
#[tokio::test]
async fn echo_is_true() {
    for kind in EVERY_KIND {
        let world = World::with(|server| {
            server.namespace("/typed", Namespace::new().on("n", |Data(value): Data<Value>| async move { sori::Ack(value) }))
        })
        .await;
        let mut client = world.client(kind).await;
        client.send(&[Out::Text("0/typed,")]).await;
        client.hears("40/typed,").await;
        for value in ["1", "\"a\"", "[1,[2]]", "{\"a\":null}", "true"] {
            client.send(&[Out::Text(&format!("2/typed,5[\"n\",{value}]"))]).await;
            client.hears(&format!("43/typed,5[{value}]")).await;
        }
    }
}
