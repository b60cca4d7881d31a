//! One session, everything a client may do in any order, and a model that knows what must arrive.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use sori::{Ack, CloseReason, Data, Namespace, Server, Socket};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    case, cases,
    client::{Dice, WebSocket, request},
};

#[test]
fn whatever_a_client_does_in_whichever_order_each_message_arrives_once_and_in_order() {
    for seed in 0..cases(400) {
        case(seed, any_order(seed));
    }
}

/// A client that has not decided yet how it goes on.
struct Story {
    io: Server,
    dice: Dice,
    is_eio4: bool,
    sid: String,
    /// The GET that hangs, and the WebSocket that is probed or has taken over.
    get: Option<JoinHandle<(u16, String)>>,
    ws: Option<WebSocket>,
    probed: bool,
    upgraded: bool,
    /// What was sent and received so far: the model is that both count from zero.
    sent: u32,
    acks_asked: Vec<u32>,
    acks: Vec<u32>,
    emitted: u32,
    received: Vec<u32>,
    socket: Socket,
}

async fn any_order(seed: u64) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ends = Arc::new(Mutex::new(Vec::new()));
    let (sender, mut sockets) = mpsc::unbounded_channel();
    let (notes, endings) = (heard.clone(), ends.clone());
    let namespace = Namespace::new()
        .on_connect(move |socket: Socket| {
            let sender = sender.clone();
            async move { drop(sender.send(socket)) }
        })
        .on("n", move |Data(n): Data<u32>| {
            notes.lock().unwrap().push(n);
            async move { Ack(n) }
        })
        .on_disconnect(move |why: CloseReason| {
            endings.lock().unwrap().push(why);
            async {}
        });
    let mut dice = Dice::new(seed);
    let packets_max = [3, 10_000][dice.below(2) as usize];
    let io = Server::builder()
        .ping_interval(Duration::from_millis(300))
        .limits(|limits| limits.payload_packets_max = packets_max)
        .namespace("/", namespace)
        .build()
        .unwrap();

    let is_eio4 = dice.below(3) > 0;
    let (status, open) =
        request(&io, "GET", &format!("/socket.io/?EIO={}&transport=polling&b64=1", 3 + u8::from(is_eio4)), "").await;
    assert_eq!(status, 200);
    let sid = open.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    if is_eio4 {
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        assert_eq!(request(&io, "POST", &target, "40").await, (200, "ok".into()));
    }
    let socket = sockets.recv().await.unwrap();
    let mut story = Story {
        io: io.clone(),
        dice,
        is_eio4,
        sid,
        get: None,
        ws: None,
        probed: false,
        upgraded: false,
        sent: 0,
        acks_asked: Vec::new(),
        acks: Vec::new(),
        emitted: 0,
        received: Vec::new(),
        socket,
    };
    for _ in 0..20 + story.dice.below(60) {
        story.step().await;
    }
    story.catch_up().await;
    assert_eq!(story.received, (0..story.emitted).collect::<Vec<_>>(), "what the client received");
    assert_eq!(story.acks, story.acks_asked, "which answers came");
    assert_eq!(*heard.lock().unwrap(), (0..story.sent).collect::<Vec<_>>(), "what the server received");
    assert_eq!((io.stats().sessions(), io.of("/").len()), (1, 1));
    assert!(ends.lock().unwrap().is_empty());

    let expected = story.end().await;
    sleep(Duration::from_secs(100)).await;
    assert_eq!(*ends.lock().unwrap(), [expected], "the end is told once");
    assert_eq!((io.stats().sessions(), io.of("/").len(), io.rooms_len()), (0, 0, 0));
    assert_eq!(io.stats().handler_panics(), 0);
}

impl Story {
    async fn step(&mut self) {
        match (self.dice.below(8), self.upgraded) {
            (0, _) => sleep(Duration::from_millis(self.dice.below(200))).await,
            (1 | 2, _) => self.emit(),
            (3, false) => self.start_get(),
            (3, true) => self.listen(2).await,
            (4, false) => self.collect(3).await,
            (5, false) => self.probe().await,
            (6, false) => self.upgrade().await,
            (7, false) if self.ws.is_some() && self.dice.below(4) == 0 => self.give_the_probe_up().await,
            _ => self.send().await,
        }
    }

    fn emit(&mut self) {
        for _ in 0..1 + self.dice.below(5) {
            self.socket.emit("n", &self.emitted).unwrap();
            self.emitted += 1;
        }
    }

    /// One message or several, some of which want an answer.
    async fn send(&mut self) {
        let mut packets = Vec::new();
        for _ in 0..1 + self.dice.below(3) {
            let n = self.sent;
            self.sent += 1;
            packets.push(match self.dice.below(3) {
                0 => {
                    self.acks_asked.push(n);
                    format!("42{n}[\"n\",{n}]")
                }
                _ => format!("42[\"n\",{n}]"),
            });
        }
        self.say(&packets).await;
    }

    async fn say(&mut self, packets: &[String]) {
        if self.upgraded {
            let ws = self.ws.as_mut().unwrap();
            for packet in packets {
                // The network cuts where it likes.
                ws.send_in_pieces(packet, &mut self.dice).await;
            }
            return;
        }
        let body = match self.is_eio4 {
            true => packets.join("\u{1e}"),
            false => packets.iter().map(|packet| format!("{}:{packet}", packet.len())).collect(),
        };
        assert_eq!(request(&self.io, "POST", &self.target("polling"), &body).await, (200, "ok".into()));
    }

    fn target(&self, transport: &str) -> String {
        format!("/socket.io/?EIO={}&transport={transport}&sid={}", 3 + u8::from(self.is_eio4), self.sid)
    }

    fn start_get(&mut self) {
        if self.get.is_none() {
            let (io, target) = (self.io.clone(), self.target("polling"));
            self.get = Some(tokio::spawn(async move { request(&io, "GET", &target, "").await }));
        }
    }

    /// Takes the hanging GET's answer if it comes in time.
    async fn collect(&mut self, ms: u64) {
        let Some(mut get) = self.get.take() else { return };
        match timeout(Duration::from_millis(ms), &mut get).await {
            Ok(answer) => self.take_payload(answer.unwrap()).await,
            Err(_) => self.get = Some(get),
        }
    }

    async fn take_payload(&mut self, (status, body): (u16, String)) {
        assert_eq!(status, 200, "{body}");
        let mut rest = &body[..];
        while !rest.is_empty() {
            let packet;
            (packet, rest) = match self.is_eio4 {
                true => rest.split_once('\u{1e}').unwrap_or((rest, "")),
                false => {
                    let (length, after) = rest.split_once(':').unwrap();
                    after.split_at(length.parse().unwrap())
                }
            };
            self.take_packet(packet).await;
        }
    }

    async fn take_packet(&mut self, packet: &str) {
        if packet == "2" {
            return Box::pin(self.say(&["3".into()])).await;
        }
        if let Some(answer) = packet.strip_prefix("43") {
            let (id, n) = answer.trim_end_matches(']').split_once('[').unwrap();
            assert_eq!(id, n);
            self.acks.push(n.parse().unwrap());
        } else if let Some(n) = crate::number(packet) {
            self.received.push(n);
        } else {
            // The connect reply, and what ends a poll while an upgrade is under way.
            assert!(packet.starts_with("40") || packet == "6", "unexpected: {packet}");
        }
    }

    async fn probe(&mut self) {
        if self.ws.is_none() {
            let buffer = 64 + self.dice.below(2_000) as usize;
            self.ws = Some(WebSocket::open(&self.io, &self.target("websocket"), buffer).await);
            self.probed = false;
        }
        if !self.probed && self.dice.below(2) == 0 {
            let ws = self.ws.as_mut().unwrap();
            ws.send_in_pieces("2probe", &mut self.dice).await;
            assert_eq!(ws.receive().await.as_deref(), Some("3probe"));
            self.probed = true;
        }
    }

    /// A client that thinks better of it: by a word, by a close, or by hanging up.
    async fn give_the_probe_up(&mut self) {
        let mut ws = self.ws.take().unwrap();
        if self.dice.below(2) == 0 {
            ws.send("4never mind").await;
            assert_eq!(ws.receive().await, None);
        }
        drop(ws);
        // Another try is welcome once the server has noticed.
        sleep(Duration::from_millis(1)).await;
    }

    async fn upgrade(&mut self) {
        if !self.probed || self.ws.is_none() {
            return;
        }
        // A client pauses polling first. The server ends the poll for it, at once or a little later.
        if let Some(get) = self.get.take() {
            let answer = timeout(Duration::from_millis(150), get).await.expect("a probed poll is ended").unwrap();
            self.take_payload(answer).await;
        }
        self.ws.as_mut().unwrap().send_in_pieces("5", &mut self.dice).await;
        self.upgraded = true;
    }

    async fn listen(&mut self, ms: u64) {
        while let Ok(packet) = timeout(Duration::from_millis(ms), self.ws.as_mut().unwrap().receive()).await {
            self.take_packet(&packet.expect("the WebSocket stays open")).await;
        }
    }

    /// Fetches what is still under way.
    async fn catch_up(&mut self) {
        for _ in 0..200 {
            match self.upgraded {
                true => self.listen(5).await,
                false => {
                    self.start_get();
                    self.collect(5).await;
                }
            }
            if self.received.len() >= self.emitted as usize && self.acks.len() >= self.acks_asked.len() {
                break;
            }
        }
        // Nothing may come on top of it.
        match self.upgraded {
            true => self.listen(50).await,
            false => self.collect(50).await,
        }
    }

    /// Ends it in one of the ways there are; the reason that the application must hear.
    async fn end(&mut self) -> CloseReason {
        match self.dice.below(4) {
            0 => {
                self.say(&["41".into()]).await;
                CloseReason::ClientNamespaceDisconnect
            }
            1 => {
                self.socket.disconnect();
                CloseReason::ServerNamespaceDisconnect
            }
            2 => {
                self.socket.disconnect_all();
                CloseReason::ServerNamespaceDisconnect
            }
            _ if self.upgraded => {
                self.ws = None;
                CloseReason::TransportClose
            }
            // The GET that hangs breaks off; without one nobody is heard of again.
            _ => match self.get.take() {
                Some(get) => {
                    get.abort();
                    CloseReason::TransportError
                }
                None => CloseReason::PingTimeout,
            },
        }
    }
}
