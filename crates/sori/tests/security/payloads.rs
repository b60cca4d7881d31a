//! Engine.IO payloads.

use std::time::{Duration, Instant};

use sori::CloseReason;

use crate::{
    wire::{Http, until},
    world::{Kind, Out, World, impatient},
};

/// Payloads of nothing but separators, empty packets, `0:`/`1:` length floods, newline floods; a cap on packets per payload and a
/// decode budget [CVE-2020-36048, CVE-2026-32689]
#[tokio::test]
async fn floods_of_nothing() {
    for (kind, flood) in [
        (Kind::PollingV4, "\u{1e}"),
        (Kind::PollingV4, "6\u{1e}"),
        (Kind::PollingV4, "\n"),
        (Kind::PollingV4, "4\u{1e}"),
        (Kind::PollingV3, "0:"),
        (Kind::PollingV3, "1:"),
        (Kind::PollingV3, "1:6"),
        (Kind::PollingV3, "\n"),
        (Kind::PollingV3, "9"),
        (Kind::PollingV3, ":"),
        (Kind::Jsonp, "d=1:6"),
    ] {
        let world = World::new().await;
        let client = world.client(kind).await;
        let begun = Instant::now();
        let mut body = flood.repeat(999_000 / flood.len());
        if kind == Kind::Jsonp {
            body = format!("d={}", body.replace("d=", ""));
        }
        assert_eq!(client.post(&body).await, 400, "{kind:?} {flood:?}");
        // A scan, even without optimization.
        assert!(begun.elapsed() < Duration::from_secs(2), "{kind:?} {flood:?} took {:?}", begun.elapsed());
        // `1:1:` begins with a close packet.
        let reason = if flood == "1:" { CloseReason::TransportClose } else { CloseReason::ParseError };
        world.one_closed(reason).await;
        assert_eq!(client.poll().await.status, 400);
        world.undisturbed().await;
        world.unharmed().await;
    }
}

/// EIO3 lengths count UTF-16 code units; malformed lengths end in an error, never a loop; `b64` only when `1` or `true`; base64 that
/// begins with `4`
#[tokio::test]
async fn lengths_and_base64() {
    let world = World::new().await;
    let mut closed = 0;
    for body in [
        "5:42[]",
        "1:",
        "-1:4",
        "1.5:4",
        "1e1:4",
        "0x1:4",
        ":4",
        "a:4",
        "99999999999999999999:4",
        "4294967297:4",
        "2:4\u{1f600}",
        "2",
        "4:40",
        "1:64:",
        "1:41:41:",
        "18446744073709551617:6",
        " 1:6",
        "+1:6",
        "\u{661}:6",
        "1:b",
        "2:b9",
        "1:\u{1f600}",
    ] {
        let client = world.client(Kind::PollingV3).await;
        assert_eq!(client.post(body).await, 400, "{body:?}");
        closed += 1;
        assert_eq!(world.closed(CloseReason::ParseError), closed, "{body:?}");
    }
    // UTF-16: an emoji is two, and its neighbour is not swallowed.
    let mut client = world.client(Kind::PollingV3).await;
    assert_eq!(client.post("16:421[\"echo\",\"\u{1f600}\"]1:6").await, 200);
    client.hears("431[\"\\ud83d\\ude00\"]").await;

    // Base64 of attachments that begins with 4, as all packets of messages do.
    for kind in [Kind::PollingV3, Kind::PollingV4, Kind::Jsonp] {
        let mut client = world.client(kind).await;
        let event = Out::Text("51-2[\"echo\",{\"_placeholder\":true,\"num\":0}]");
        assert_eq!(client.send(&[event, Out::Binary(&[0xe0; 30])]).await, 200, "{kind:?}");
        client.hears("61-2[").await;
    }
    // What is no base64.
    for (kind, body) in [
        (Kind::PollingV4, "451-[\"x\",{\"_placeholder\":true,\"num\":0}]\u{1e}b===="),
        (Kind::PollingV4, "b\u{1e}"),
        (Kind::PollingV3, "2:b4"),
    ] {
        let client = world.client(kind).await;
        let status = client.post(body).await;
        assert!(status == 200 || status == 400, "{status}");
        if client.poll().await.status == 200 {
            assert_eq!(client.poll().await.status, 400, "{body}");
        }
    }
    assert_eq!(world.io.stats().handler_panics(), 0);
}

/// Binary bodies of revision 3: lengths of one byte a digit, ended by 255.
#[tokio::test]
async fn binary_bodies() {
    for body in [
        &[][..],
        &[0],
        &[0, 255],
        &[0, 1],
        &[0, 1, 255],
        &[0, 0, 255, 4],
        &[1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 255, 4],
        &[0, 10, 255, 52],
        &[2, 1, 255, 52],
        &[0, 1, 255, 0xff],
        &[255; 1_000],
        &[0; 100_000],
        &[0, 200, 255],
    ] {
        let world = World::new().await;
        let client = world.client(Kind::PollingV3).await;
        let answer = world.request("POST", &client.target, "content-type: application/octet-stream\r\n", body).await;
        assert!(answer.status == 400 || (body.is_empty() || body == [0, 0, 255, 4]), "{body:?}: {answer:?}");
        if answer.status == 400 {
            world.one_closed(CloseReason::ParseError).await;
        }
        world.undisturbed().await;
    }
    // Revision 4 has no such bodies.
    let world = World::new().await;
    let client = world.client(Kind::PollingV4).await;
    assert_eq!(world.request("POST", &client.target, "content-type: application/octet-stream\r\n", [4]).await.status, 400);
    world.one_closed(CloseReason::TransportError).await;
    world.unharmed().await;
}

/// Two GETs or two POSTs at once on one session; a POST after close
#[tokio::test]
async fn two_at_once() {
    for kind in [Kind::PollingV3, Kind::PollingV4, Kind::Jsonp] {
        let world = World::new().await;
        let client = world.client(kind).await;
        let mut first = client.hanging_poll().await;
        // The first may arrive after the second; both orders are the same mistake.
        let second = client.poll().await;
        let first = first.answer().await.expect("an answer");
        let mut both = [first.status, second.status];
        both.sort();
        assert_eq!(both, [200, 400], "{kind:?}");
        world.one_closed(CloseReason::TransportError).await;
        assert_eq!(client.post(client.payload(&["6".into()])).await, 400);
        world.unharmed().await;

        let world = World::new().await;
        let mut client = world.client(kind).await;
        let mut slow = Http::open(world.address).await;
        slow.write(format!("POST {} HTTP/1.1\r\nhost: test\r\ncontent-length: 1000\r\n\r\n1", client.target)).await;
        // Until the slow one is being read.
        while client.say("6").await == 200 {}
        world.one_closed(CloseReason::TransportError).await;
        assert_eq!(client.say("6").await, 400);
        drop(slow);
        world.unharmed().await;

        let world = World::new().await;
        let mut client = world.client(kind).await;
        assert_eq!(client.say("1").await, 200);
        world.one_closed(CloseReason::TransportClose).await;
        assert_eq!(client.say("6").await, 400);
        assert_eq!(client.poll().await.status, 400);
        world.unharmed().await;
    }
}

/// packets merged or a separator lost when a parked poll resumes
#[tokio::test]
async fn a_parked_poll_gets_whole_packets() {
    for kind in [Kind::PollingV3, Kind::PollingV4, Kind::Jsonp] {
        let world = World::new().await;
        let mut client = world.client(kind).await;
        for round in 0..50 {
            let mut parked = client.hanging_poll().await;
            client.send(&[Out::Text("2[\"flood\",3,2]")]).await;
            let mut packets = Vec::new();
            loop {
                let body = parked.answer().await.expect("an answer").body.replace("\\\"", "\"");
                packets.extend(body.match_indices("42[\"water\",\"~~\"]").map(|(at, _)| at));
                if packets.len() == 3 {
                    match kind {
                        Kind::PollingV4 => assert!(body.ends_with("]"), "{body}"),
                        _ => assert!(body.contains("16:42[\"water\""), "{body}"),
                    }
                    break;
                }
                assert!(packets.len() < 3, "round {round}: {body}");
                parked = client.hanging_poll().await;
            }
        }
        client.say("1").await;
        world.unharmed().await;
    }
}

/// Abandoned polling sessions are collected, with everything they held
#[tokio::test]
async fn abandoned_sessions_are_collected() {
    let world = World::with(impatient).await;
    let mut held = Vec::new();
    for kind in
        [Kind::PollingV3, Kind::PollingV4, Kind::Jsonp, Kind::Probing, Kind::Upgraded, Kind::WebsocketV3, Kind::WebsocketV4]
    {
        let mut client = world.client(kind).await;
        client.send(&[Out::Text("2[\"join\",0,100]"), Out::Text("2[\"flood\",10,1000]")]).await;
        held.push(client);
    }
    assert!(world.io.rooms_len() > 0);
    // Connections stay open, and nobody speaks any more.
    until(|| world.closed(CloseReason::PingTimeout) == 7).await;
    until(|| world.io.rooms_len() == 0).await;
    for client in held.iter().filter(|client| !client.kind.is_websocket()) {
        assert_eq!(client.poll().await.status, 400);
    }
    world.unharmed().await;
    drop(held);
}
