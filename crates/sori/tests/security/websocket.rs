//! WebSocket.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use sori::{CloseReason, PerMessageDeflate};
use sori_proto::ws::frame::{Header, OpCode};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::{
    wire::{Received, WebSocket, frame, within},
    world::{Kind, Out, POLLING, WEBSOCKET, World},
};

/// Sends these bytes to a session and to a probing WebSocket; the code of the close frame is as expected, or any for a probe.
async fn each_closes(cases: &[(&[u8], u16)]) {
    for kind in [Kind::WebsocketV3, Kind::WebsocketV4, Kind::Upgraded] {
        let world = World::new().await;
        for (closed, (bytes, code)) in cases.iter().enumerate() {
            let mut client = world.client(kind).await;
            let ws = client.ws.as_mut().unwrap();
            ws.http.write(bytes).await;
            assert_eq!(ws.closed().await, Some(Some(*code)), "{kind:?} {bytes:02x?}");
            ws.http.hung_up().await;
            assert_eq!(world.closed(CloseReason::TransportError), closed as u64 + 1, "{kind:?} {bytes:02x?}");
        }
        world.undisturbed().await;
        world.unharmed().await;
    }
    // A probe is closed, and polling goes on.
    let world = World::new().await;
    for (bytes, _) in cases {
        let mut client = world.client(Kind::Probing).await;
        let mut ws = client.ws.take().unwrap();
        ws.http.write(bytes).await;
        assert!(ws.closed().await.is_some(), "{bytes:02x?}");
        client.send(&[Out::Text("21[\"echo\",1]")]).await;
        client.hears("31[1]").await;
        client.say("1").await;
    }
    world.unharmed().await;
}

/// Unmasked client frames, reserved opcodes, oversized or fragmented control frames, invalid UTF-8 across fragments, close codes out of
/// range
#[tokio::test]
async fn broken_frames() {
    let split = [frame(false, OpCode::Text, b"4\xe2\x82"), frame(true, OpCode::Continuation, b"x")].concat();
    let lone = [frame(false, OpCode::Text, b"4"), frame(true, OpCode::Continuation, b"\xed\xa0\x80")].concat();
    let again = [frame(false, OpCode::Text, b"4"), frame(true, OpCode::Text, b"4")].concat();
    let within_control =
        [frame(false, OpCode::Text, b"4"), frame(true, OpCode::Ping, b"p"), frame(true, OpCode::Close, b"\x03")].concat();
    let cases: Vec<(Vec<u8>, u16)> = vec![
        (b"\x81\x0140".to_vec(), 1002),
        (b"\x81\x00".to_vec(), 1002),
        (b"\x83\x80\0\0\0\0".to_vec(), 1002),
        (b"\x8b\x80\0\0\0\0".to_vec(), 1002),
        (b"\x8f\x80\0\0\0\0".to_vec(), 1002),
        (b"\x91\x80\0\0\0\0".to_vec(), 1002),
        (b"\xa1\x80\0\0\0\0".to_vec(), 1002),
        // Compressed without having been agreed.
        (b"\xc1\x80\0\0\0\0".to_vec(), 1002),
        (b"\x09\x80\0\0\0\0".to_vec(), 1002),
        (b"\x89\xfe\x00\x7e".to_vec(), 1002),
        (b"\x89\xff\x00\x00\x00\x00\x00\x00\x00\x01".to_vec(), 1002),
        (b"\x80\x80\0\0\0\0".to_vec(), 1002),
        (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0".to_vec(), 1002),
        (split, 1007),
        (lone, 1007),
        (again, 1002),
        (within_control, 1002),
        (frame(true, OpCode::Text, b"4\xff"), 1007),
        (frame(true, OpCode::Close, b"\x03"), 1002),
        (frame(true, OpCode::Close, b"\x03\xe8\xff"), 1007),
        (frame(true, OpCode::Close, &999u16.to_be_bytes()), 1002),
        (frame(true, OpCode::Close, &1004u16.to_be_bytes()), 1002),
        (frame(true, OpCode::Close, &1005u16.to_be_bytes()), 1002),
        (frame(true, OpCode::Close, &1006u16.to_be_bytes()), 1002),
        (frame(true, OpCode::Close, &1015u16.to_be_bytes()), 1002),
        (frame(true, OpCode::Close, &2999u16.to_be_bytes()), 1002),
        (frame(true, OpCode::Close, &5000u16.to_be_bytes()), 1002),
        (frame(true, OpCode::Close, &0u16.to_be_bytes()), 1002),
        (frame(true, OpCode::Text, &[b'4'; 1_000_001]), 1009),
    ];
    each_closes(&cases.iter().map(|(bytes, code)| (&bytes[..], *code)).collect::<Vec<_>>()).await;
    // Engine.IO packets that are none.
    for kind in [Kind::WebsocketV3, Kind::WebsocketV4, Kind::Upgraded] {
        for text in ["", "9", "x", "\u{1f600}", "\u{feff}40"] {
            let world = World::new().await;
            let mut client = world.client(kind).await;
            client.ws.as_mut().unwrap().text(text).await;
            assert_eq!(client.ws.as_mut().unwrap().closed().await, Some(None), "{kind:?} {text:?}");
            world.one_closed(CloseReason::ParseError).await;
            world.unharmed().await;
        }
        // The heartbeat in the wrong direction.
        let world = World::new().await;
        let mut client = world.client(kind).await;
        client.ws.as_mut().unwrap().text(if kind.is_v3() { "3" } else { "2" }).await;
        assert_eq!(client.ws.as_mut().unwrap().closed().await, Some(None));
        world.one_closed(CloseReason::TransportError).await;
        world.unharmed().await;
    }
}

/// Declared lengths allocate nothing until bytes arrive [RUSTSEC-2022-0035]
#[tokio::test]
async fn declared_lengths() {
    let world = World::with(|server| server.max_http_buffer_size(1 << 30)).await;
    let mut held = Vec::new();
    let before = memory_kib("VmSize:");
    for n in 0..200 {
        let mut client = world.client(if n % 2 == 0 { Kind::WebsocketV4 } else { Kind::Probing }).await;
        let header = Header { fin: n % 3 == 0, rsv1: false, opcode: OpCode::Binary, mask: Some([1; 4]), len: 1 << 29 };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        bytes.extend_from_slice(&[7; 100]);
        client.ws.as_mut().unwrap().http.write(bytes).await;
        held.push(client);
    }
    // The last of them has been read when the first answers another of its kind.
    let mut last = world.client(Kind::WebsocketV4).await;
    last.send(&[Out::Text("21[\"echo\",1]")]).await;
    last.hears("31[1]").await;
    let grown = memory_kib("VmSize:").saturating_sub(before);
    // Address space, because what is reserved and not touched counts too. Tests run beside each other; announced are 100 GiB.
    assert!(grown < 8 << 20, "{grown} KiB");
    assert_eq!(world.io.stats().sessions(), 202);
    drop((held, last));
    world.undisturbed().await;
}

/// A line of this process's status: `VmSize:`, its address space, or `VmRSS:`, what of it is in memory.
pub fn memory_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)).map_or(0, |kib| kib.parse().unwrap())
}

/// endless continuation frames, millions of tiny or empty fragments [CVE-2026-42786, CVE-2026-48779]
#[tokio::test]
async fn endless_fragments() {
    for kind in [Kind::WebsocketV3, Kind::WebsocketV4, Kind::Upgraded, Kind::Probing] {
        for (payload, pings) in [(&b""[..], false), (b"x", false), (&[b'x'; 60_000], false), (b"", true)] {
            let world = World::new().await;
            let mut client = world.client(kind).await;
            let ws = client.ws.as_mut().unwrap();
            let begun = Instant::now();
            ws.http.write(frame(false, OpCode::Text, b"4")).await;
            let mut more = frame(false, OpCode::Continuation, payload);
            if pings {
                more.extend(frame(true, OpCode::Ping, b""));
            }
            let bunch = more.repeat(1 + 50_000 / more.len());
            for _ in 0..200 {
                ws.http.write(&bunch).await;
            }
            // Closed long before, so that the rest met a closed connection.
            let code = ws.closed().await.flatten();
            assert!(code.is_none() || code == Some(1009) || code == Some(1008), "{kind:?} {} {code:?}", payload.len());
            assert!(begun.elapsed() < Duration::from_secs(8), "{kind:?} {:?}", begun.elapsed());
            match kind {
                Kind::Probing => assert_eq!(client.say("1").await, 200),
                _ => world.one_closed(CloseReason::TransportError).await,
            }
            world.undisturbed().await;
            world.unharmed().await;
        }
    }
}

/// Deflate bombs; compression off by default, bounded when on [CVE-2026-39804]
#[tokio::test]
async fn deflate_bombs() {
    use std::io::Write;
    let offer = "sec-websocket-extensions: permessage-deflate\r\n";
    let world = World::new().await;
    let ws = WebSocket::open(world.address, WEBSOCKET, offer).await.unwrap();
    assert!(!ws.head.contains("permessage-deflate"));
    drop(ws);

    let world = World::with(|server| server.per_message_deflate(PerMessageDeflate::default())).await;
    let mut bomb = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(b"4").unwrap();
    for _ in 0..32 {
        bomb.write_all(&[b'x'; 1 << 20]).unwrap();
    }
    bomb.flush().unwrap();
    let bomb = bomb.get_ref().clone();
    let compressed = |payload: &[u8]| {
        Header { fin: true, rsv1: true, opcode: OpCode::Text, mask: Some([1; 4]), len: payload.len() as u64 }.frame(payload)
    };
    let polling = crate::world::Client::open(&world, Kind::PollingV4).await;
    for target in [WEBSOCKET.to_owned(), format!("{WEBSOCKET}&sid={}", polling.sid)] {
        for garbage in [&bomb[..], &[0xff; 1_000], b"\x07", &[0; 1_000], b""] {
            let begun = Instant::now();
            let mut ws = WebSocket::open(world.address, &target, offer).await.unwrap();
            assert!(ws.head.contains("permessage-deflate"));
            ws.http.write(compressed(garbage)).await;
            assert!(ws.closed().await.is_some(), "{target} {}", garbage.len());
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
    }
    assert_eq!(polling.post("1").await, 200);
    world.unharmed().await;
}

/// A frame right behind the request, before the 101: kept, in one piece or many.
#[tokio::test]
async fn frames_ahead_of_the_answer() {
    let world = World::new().await;
    for bytes in [1, 2, 7, 1_000] {
        let mut http = crate::wire::Http::open(world.address).await;
        let early = [frame(true, OpCode::Text, b"40"), frame(true, OpCode::Text, b"421[\"echo\",1]")].concat();
        let head = format!("GET {WEBSOCKET} HTTP/1.1\r\nhost: test\r\n{}\r\n", crate::wire::UPGRADE);
        http.write([head.as_bytes(), &early[..early.len().min(bytes)]].concat()).await;
        http.write(&early[early.len().min(bytes)..]).await;
        let mut ws = WebSocket::of(http).await;
        assert!(ws.receive_text().await.unwrap().starts_with('0'));
        assert!(ws.receive_text().await.unwrap().starts_with("40"));
        assert_eq!(ws.receive_text().await.as_deref(), Some("431[1]"));
    }
    world.unharmed().await;
}

/// A second probe, a probe of a session that is a WebSocket already, a probe of one that has ended
#[tokio::test]
async fn probes_out_of_place() {
    let world = World::new().await;
    let mut client = world.client(Kind::Probing).await;
    let target = format!("{WEBSOCKET}&sid={}", client.sid);
    let mut second = world.websocket(&target).await;
    assert_eq!(second.closed().await, Some(None));
    let ws = client.ws.as_mut().unwrap();
    ws.text("2probe").await;
    assert_eq!(ws.receive_text().await.as_deref(), Some("3probe"));
    ws.text("5").await;
    // Until then a poll is still answered.
    while client.poll().await.status == 200 {}
    assert_eq!(world.websocket(&target).await.closed().await, Some(None));
    client.kind = Kind::Upgraded;
    client.send(&[Out::Text("21[\"echo\",1]")]).await;
    client.hears("31[1]").await;
    assert_eq!(world.request("GET", &format!("{POLLING}&sid={}", client.sid), "", "").await.status, 400);
    drop(client.ws.take());
    world.one_closed(CloseReason::TransportClose).await;
    assert_eq!(WebSocket::open(world.address, &target, "").await.err().expect("no 101").status, 400);

    for text in ["2", "3probe", "40", "1", "6", "", "2probe2", "\u{1f600}"] {
        let mut client = world.client(Kind::PollingV4).await;
        let mut ws = world.websocket(&format!("{WEBSOCKET}&sid={}", client.sid)).await;
        ws.text(text).await;
        assert_eq!(ws.closed().await, Some(None), "{text}");
        client.send(&[Out::Text("21[\"echo\",1]")]).await;
        client.hears("31[1]").await;
        client.say("1").await;
    }
    // A session that ends while it is probed takes the probe with it.
    let mut client = world.client(Kind::Probing).await;
    assert_eq!(client.say("1").await, 200);
    let mut ws = client.ws.take().unwrap();
    ws.text("5").await;
    assert_eq!(within(ws.closed()).await, Some(None));
    assert_eq!(ws.receive().await, Received::End);
    world.unharmed().await;
}

/// A connection that takes nothing any more, or cannot even be shut down (TLS has something to say then): given up
/// 30 s after its session, with all it holds.
#[tokio::test(start_paused = true)]
async fn connections_that_never_end() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for reason in [CloseReason::TransportClose, CloseReason::SlowConsumer] {
        let io = sori::Server::builder()
            .namespace("/", crate::world::handlers())
            .limits(|limits| limits.outbox_bytes_max = 50_000)
            .build()
            .unwrap();
        let before = tasks();
        let (mut near, far) = tokio::io::duplex(4096);
        let service = hyper_util::service::TowerToHyperService::new(io.service());
        tokio::spawn(async move {
            let io = hyper_util::rt::TokioIo::new(Stuck(far));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await;
        });
        let head = format!("GET {WEBSOCKET} HTTP/1.1\r\nhost: test\r\n{}\r\n", crate::wire::UPGRADE);
        near.write_all(head.as_bytes()).await.unwrap();
        near.write_all(&frame(true, OpCode::Text, b"40")).await.unwrap();
        match reason {
            CloseReason::TransportClose => near.write_all(&frame(true, OpCode::Close, b"")).await.unwrap(),
            _ => near.write_all(&frame(true, OpCode::Text, b"42[\"flood\",100,1000]")).await.unwrap(),
        }
        // Time passes when there is nothing else to do.
        tokio::time::timeout(Duration::from_secs(20), async {
            while io.stats().sessions_closed(reason) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap();
        assert!(tasks() > before + 1, "what is left may still leave");
        tokio::time::sleep(Duration::from_secs(31)).await;
        // The server's own one.
        assert_eq!(tasks(), before + 1, "{reason}");
        drop((near, io));
        // It looks every 10 s whether its server still exists.
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!(tasks(), before);
    }
}

/// A stream that is never done shutting down.
struct Stuck(tokio::io::DuplexStream);

impl AsyncRead for Stuck {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stuck {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }
}
