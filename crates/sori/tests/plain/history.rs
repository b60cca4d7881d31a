//! What a namespace keeps, and from where somebody goes on: each promise by itself.

use std::time::Duration;

use serde_json::json;
use sori::{ConnectionStateRecovery, History, Namespace, Server, Socket};
use tokio::time::{advance, sleep, timeout};

use crate::{
    client::{Client, Way},
    http::request,
};

fn keeping(history: History) -> Server {
    let namespace = Namespace::new().allow_callbacks().history(history).on_connect(async |socket: Socket| socket.join("a"));
    Server::builder().namespace("/", namespace).build().unwrap()
}

fn keeping_much() -> Server {
    keeping(History::new(1_000, Duration::from_secs(3_600)))
}

fn emit(io: &Server, numbers: std::ops::Range<u32>) {
    for n in numbers {
        io.emit("n", &n).unwrap();
    }
}

/// The numbers that come, until nothing more does.
async fn numbers(client: &mut Client) -> Vec<u32> {
    let mut heard = Vec::new();
    while let Ok(Some(said)) = timeout(Duration::from_secs(1), client.next()).await {
        heard.extend(said.number());
    }
    heard
}

/// A client that comes with `since`: what it was told of that, and what it hears.
async fn since(io: &Server, way: Way, cursor: &str) -> (bool, Vec<u32>) {
    let mut client = Client::new(io, "/live");
    client.since = Some(cursor.into());
    client.listen(way).await;
    client.connected().await;
    let heard = numbers(&mut client).await;
    (client.connect["recovered"] == true, heard)
}

fn range(numbers: std::ops::Range<u32>) -> Vec<u32> {
    numbers.collect()
}

#[tokio::test(start_paused = true)]
async fn since_reads_history_by_place_and_by_number() {
    let io = keeping_much();
    emit(&io, 0..3);
    let mut first = Client::open(&io, "/live", Way::Lines).await;
    let start = first.connect["cursor"].as_str().unwrap().to_owned();
    emit(&io, 3..10);
    assert_eq!(numbers(&mut first).await, range(3..10));
    for way in Way::PLAIN {
        assert_eq!(since(&io, way, &start).await, (true, range(3..10)), "{way:?}");
        assert_eq!(since(&io, way, "-2").await, (false, range(8..10)), "{way:?}");
        assert_eq!(since(&io, way, "-0").await, (false, vec![]), "{way:?}");
        assert_eq!(since(&io, way, "-99").await, (false, range(0..10)), "{way:?}");
        assert_eq!(since(&io, way, first.since.as_deref().unwrap()).await, (true, vec![]), "{way:?}");
        // Not a place of this log: nobody knows what such a client has.
        for foreign in ["0", "x-3", "-", "--1", "-1x", &format!("{start}9999")] {
            assert_eq!(since(&io, way, foreign).await, (false, vec![]), "{way:?} {foreign}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn history_ends_where_count_and_age_end_it_and_that_is_told() {
    let io = keeping(History::new(5, Duration::from_secs(100)));
    let first = Client::open(&io, "/live", Way::Sse).await;
    let start = first.since.clone().unwrap();
    emit(&io, 0..5);
    for way in Way::PLAIN {
        assert_eq!(since(&io, way, &start).await, (true, range(0..5)), "{way:?}");
    }
    emit(&io, 5..6);
    for way in Way::PLAIN {
        assert!(!since(&io, way, &start).await.0, "{way:?}");
        assert_eq!(since(&io, way, "-10").await.1, range(1..6), "{way:?}");
    }
    advance(Duration::from_secs(60)).await;
    emit(&io, 6..8);
    advance(Duration::from_secs(60)).await;
    assert_eq!(since(&io, Way::Lines, "-10").await.1, range(6..8));
    advance(Duration::from_secs(60)).await;
    assert_eq!(since(&io, Way::LongPoll, "-10").await.1, Vec::<u32>::new());
}

#[tokio::test(start_paused = true)]
async fn only_rooms_that_keep_it_have_history() {
    let io = keeping(History::new(50, Duration::from_secs(100)).rooms(|room| room != "secret"));
    let first = Client::open(&io, "/live", Way::Sse).await;
    let start = first.since.clone().unwrap();
    for (n, room) in ["a", "secret", "other"].into_iter().enumerate() {
        io.to(room).emit("n", &n).unwrap();
    }
    io.of("/").except("a").emit("n", &3).unwrap();
    io.of("/").volatile().emit("n", &4).unwrap();
    io.of("/").socket(&first.id()).unwrap().emit("n", &5).unwrap();
    io.emit("n", &6).unwrap();
    for way in Way::PLAIN {
        assert_eq!(since(&io, way, &start).await, (true, vec![0, 6]), "{way:?}");
    }
}

/// Without a cursor of its own a client must get one that is before all that it has not got yet.
#[tokio::test(start_paused = true)]
async fn who_names_no_cursor_is_told_one_before_what_waits() {
    for way in Way::PLAIN {
        let io = keeping_much();
        let mut client = Client::open_by_post(&io, "/live").await;
        emit(&io, 0..5);
        client.since = None;
        client.listen(way).await;
        if !way.is_poll() {
            client.connected().await;
        }
        // The network breaks here, and takes what followed with it.
        client.inbox.clear();
        client.since = if way.is_poll() { None } else { client.connect["cursor"].as_str().map(str::to_owned) };
        client.listen(way).await;
        assert_eq!(numbers(&mut client).await, range(0..5), "{way:?}");
    }
}

/// What history gave is given again when the connection took it with it, as long as the session lives.
#[tokio::test(start_paused = true)]
async fn history_may_break_off_too() {
    for way in Way::PLAIN {
        for again in Way::PLAIN {
            let io = keeping_much();
            let mut first = Client::open(&io, "/live", Way::Lines).await;
            let start = first.connect["cursor"].as_str().unwrap().to_owned();
            emit(&io, 0..10);
            io.to("others").emit("n", &99).unwrap();
            let cursors: Vec<String> = {
                let mut cursors = Vec::new();
                for _ in 0..10 {
                    cursors.push(first.hears().await.id.unwrap());
                }
                cursors
            };
            let mut client = Client::open_by_post(&io, &format!("/live?since={start}")).await;
            assert_eq!(client.connect["recovered"], true);
            client.target = "/live?".into();
            emit(&io, 10..12);
            client.listen(way).await;
            assert_eq!(numbers(&mut client).await, range(0..12), "{way:?}");
            // It has got five of them.
            client.since = Some(cursors[4].clone());
            client.listen(again).await;
            assert_eq!(numbers(&mut client).await, range(5..12), "{way:?}, then {again:?}");
        }
    }
}

/// The same for what a client gets that comes back as who it was.
#[tokio::test(start_paused = true)]
async fn coming_back_may_break_off_too() {
    let ways = [Way::Sse, Way::Lines, Way::Raw, Way::LongPoll];
    for (back, again) in ways.into_iter().flat_map(|back| ways.map(|again| (back, again))) {
        let io = Server::builder().connection_state_recovery(ConnectionStateRecovery::default()).build().unwrap();
        let mut client = Client::open(&io, "/live", Way::Lines).await;
        io.of("/").socket(&client.id()).unwrap().join("b");
        emit(&io, 0..2);
        assert_eq!(numbers(&mut client).await, [0, 1]);
        let place = client.since.clone();
        client.hang_up();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(io.of("/").len(), 0);
        io.to("b").emit("n", &2).unwrap();
        emit(&io, 3..6);
        client.listen(back).await;
        client.connected().await;
        // Lost, with all that followed.
        client.inbox.clear();
        client.since = place;
        client.listen(again).await;
        assert_eq!(numbers(&mut client).await, range(2..6), "{back:?}, then {again:?}");
        if !again.is_poll() {
            assert_eq!(client.connect["recovered"], true, "{back:?}, then {again:?}");
        }
    }
}

/// What is replayed is old: nobody may go on from there.
#[tokio::test(start_paused = true)]
async fn a_replay_moves_nobodys_cursor() {
    for way in Way::PLAIN {
        let io = keeping_much();
        io.to("x").emit("n", &100).unwrap();
        let mut client = Client::open_by_post(&io, "/live").await;
        let socket = io.of("/").socket(&client.id()).unwrap();
        client.listen(way).await;
        emit(&io, 0..5);
        assert_eq!(numbers(&mut client).await, range(0..5), "{way:?}");
        assert_eq!((socket.replay("x", 3), socket.replay("y", 3)), (1, 0));
        assert_eq!(numbers(&mut client).await, [100], "{way:?}");
        emit(&io, 5..6);
        let place = client.since.clone();
        for again in Way::PLAIN {
            client.since = place.clone();
            client.listen(again).await;
            assert_eq!(numbers(&mut client).await, [5], "{way:?}, then {again:?}");
        }
    }
}

/// A newcomer goes on from what a handler chose to show it; what history tells beside it comes once.
#[tokio::test(start_paused = true)]
async fn a_replay_for_newcomers_and_history_are_one() {
    for way in Way::PLAIN {
        let namespace = Namespace::new().allow_callbacks().history(History::new(100, Duration::from_secs(60))).on_connect(
            async |socket: Socket| {
                socket.join(["a", "b"]);
                socket.replay("a", 3);
                socket.replay("b", 2);
            },
        );
        let io = Server::builder().namespace("/", namespace).build().unwrap();
        for n in 0..10 {
            io.to(["a", "b"][n % 2]).emit("n", &n).unwrap();
        }
        let mut client = Client::open(&io, "/live", way).await;
        // One room after the other, and then what is new.
        io.emit("n", &10).unwrap();
        assert_eq!(numbers(&mut client).await, [4, 6, 8, 7, 9, 10], "{way:?}");
        // Its cursor is that of the newest event, whatever came last.
        let place = client.since.clone().unwrap();
        emit(&io, 11..13);
        assert_eq!(since(&io, way, &place).await, (true, vec![11, 12]), "{way:?}");
        // And before all that when it got nothing.
        let start = client.connect["cursor"].as_str().unwrap().to_owned();
        let (_, heard) = since(&io, way, &start).await;
        assert!(heard.is_sorted_by(|a, b| a < b) && heard.ends_with(&[8, 9, 10, 11, 12]), "{way:?}: {heard:?}");
    }
}

/// A replay does not hide what a stream lost before it.
#[tokio::test(start_paused = true)]
async fn a_replay_hides_nothing() {
    let io = keeping_much();
    io.to("x").emit("n", &100).unwrap();
    let mut client = Client::open_by_post(&io, "/live").await;
    let place = client.since.clone();
    let socket = io.of("/").socket(&client.id()).unwrap();
    client.listen(Way::Sse).await;
    emit(&io, 0..3);
    socket.replay("x", 1);
    assert_eq!(numbers(&mut client).await, [0, 1, 2, 100]);
    client.since = place;
    client.listen(Way::Lines).await;
    assert_eq!(numbers(&mut client).await, [0, 1, 2]);
}

/// Socket.IO clients remember the last cursor, too.
#[tokio::test(start_paused = true)]
async fn a_replay_is_no_place_for_socket_io_either() {
    let namespace = Namespace::new().history(History::new(10, Duration::from_secs(60)));
    let io = Server::builder()
        .connection_state_recovery(ConnectionStateRecovery::default())
        .namespace("/", namespace)
        .build()
        .unwrap();
    io.to("x").emit("n", &1).unwrap();
    let mut client = Client::open(&io, "/", Way::SocketIo).await;
    let socket = io.of("/").socket(&client.id()).unwrap();
    io.emit("n", &2).unwrap();
    socket.replay("x", 1);
    let (live, again) = (client.hears().await, client.hears().await);
    assert_eq!((live.args.len(), live.number()), (2, Some(2)), "an event with its cursor");
    assert_eq!(again.args, [json!(1)], "old news without one");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_nobody_is_told_that_nothing_was_missed() {
    for way in Way::PLAIN {
        let make = || {
            let namespace = Namespace::new().allow_callbacks().history(History::new(10, Duration::from_secs(60)));
            let recovery = ConnectionStateRecovery::default();
            Server::builder().connection_state_recovery(recovery).namespace("/", namespace).build().unwrap()
        };
        let (before, after) = (make(), make());
        let mut client = Client::open(&before, "/live", way).await;
        let sid = client.sid.clone();
        emit(&before, 0..2);
        assert_eq!(numbers(&mut client).await, [0, 1]);
        emit(&after, 5..9);
        client.io = after.clone();
        client.listen(way).await;
        client.connected().await;
        emit(&after, 9..10);
        assert_eq!(numbers(&mut client).await, [9], "{way:?}");
        assert!(client.connect["recovered"] == false && client.sid != sid, "{way:?}: {}", client.connect);
    }
}

/// Its sid is unknown and it says nothing of where it was.
#[tokio::test(start_paused = true)]
async fn a_session_that_is_gone_is_not_found() {
    for way in Way::PLAIN {
        let io = keeping_much();
        let mut client = Client::new(&io, "/live");
        client.sid = Some("nobody".into());
        client.listen(way).await;
        assert!(client.next().await.is_none());
        let refused = client.refused.unwrap();
        assert_eq!((refused.status(), refused.head.get("content-type")), (404, Some("application/problem+json")));
        assert_eq!(refused.json()["status"], 404);
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_sent_away_for_good_is_kept_away() {
    let io = keeping_much();
    for query in ["framing=sse", "framing=sse&since=-5"] {
        let answer = request(&io, "GET", &format!("/live?{query}"), "last-event-id: end\r\n", "").await;
        assert_eq!((answer.status(), answer.body.len()), (204, 0));
    }
    assert_eq!(io.of("/").len(), 0);
}

/// Events that go out while `on_connect` still runs are heard once, by those whose rooms get them.
#[tokio::test(start_paused = true)]
async fn events_while_on_connect_runs_come_once() {
    for way in Way::PLAIN {
        let namespace = Namespace::new().allow_callbacks().history(History::new(100, Duration::from_secs(60))).on_connect(
            async |socket: Socket| {
                socket.join("early");
                sleep(Duration::from_millis(100)).await;
                socket.join("late");
            },
        );
        let io = Server::builder().namespace("/", namespace).build().unwrap();
        let mut first = Client::open(&io, "/live", Way::Sse).await;
        io.emit("n", &0).unwrap();
        let place = first.hears().await.id.unwrap();
        io.to("early").emit("n", &1).unwrap();
        io.to("late").emit("n", &2).unwrap();
        let mut client = Client::new(&io, "/live");
        client.since = Some(place);
        let meanwhile = async {
            sleep(Duration::from_millis(50)).await;
            io.to("early").emit("n", &3).unwrap();
            io.to("late").emit("n", &4).unwrap();
            io.emit("n", &5).unwrap();
            io.to("nobody").emit("n", &6).unwrap();
        };
        tokio::join!(
            async {
                client.listen(way).await;
                client.connected().await;
            },
            meanwhile
        );
        io.to("late").emit("n", &7).unwrap();
        assert_eq!(numbers(&mut client).await, [1, 2, 3, 4, 5, 7], "{way:?}");
        assert_eq!(client.connect["recovered"], true, "{way:?}");
    }
}

/// The session goes on with the newest request; the older one ends, and does not come back for it.
#[tokio::test(start_paused = true)]
async fn a_newer_request_takes_over_and_the_older_one_is_told() {
    for old in Way::PLAIN {
        for new in Way::PLAIN {
            let io = keeping_much();
            let mut first = Client::open_by_post(&io, "/live").await;
            let mut second = Client::new(&io, "/live");
            (second.sid, second.since) = (first.sid.clone(), first.since.clone());
            first.listen(old).await;
            let waits = tokio::spawn(async move {
                // A poll that is answered with nothing would ask again, and so take over in turn.
                let said = if old.is_poll() { first.more().await.and(first.inbox.pop_front()) } else { first.next().await };
                (first, said)
            });
            sleep(Duration::from_millis(20)).await;
            second.listen(new).await;
            if !new.is_poll() {
                second.connected().await;
            }
            let polls = tokio::spawn(async move { (numbers(&mut second).await, second) });
            sleep(Duration::from_millis(200)).await;
            emit(&io, 0..3);
            let (heard, second) = polls.await.unwrap();
            assert_eq!(heard, range(0..3), "{new:?} took over from {old:?}");
            match old {
                old if old.is_poll() => assert!(waits.await.unwrap().1.is_none()),
                Way::Raw => {
                    let said = waits.await.unwrap().1.unwrap();
                    assert_eq!(said.args, [json!(1000), json!("replaced")]);
                }
                _ => {
                    let (mut first, said) = waits.await.unwrap();
                    let said = said.unwrap();
                    assert_eq!((said.event.as_deref(), said.data()), (Some("disconnect"), &json!({ "reason": "replaced" })));
                    let is_sse = matches!(old, Way::Sse | Way::SseEnvelopes);
                    assert_eq!(first.since.as_deref() == Some("end"), is_sse, "{old:?}");
                    assert!(first.next().await.is_none(), "{old:?}");
                }
            }
            assert_eq!((io.of("/").len(), io.stats().sessions()), (1, 1));
            drop(second);
        }
    }
}

/// The answer that a replaced poll gets confirms nothing that the newer one was answered.
#[tokio::test(start_paused = true)]
async fn a_replaced_poll_is_answered_with_nothing() {
    let io = Server::builder().build().unwrap();
    let client = Client::open_by_post(&io, "/live").await;
    let target = format!("/live?wait=30&sid={}", client.sid.as_ref().unwrap());
    let poll = || {
        let (io, target) = (io.clone(), target.clone());
        tokio::spawn(async move { request(&io, "GET", &target, "", "").await.json() })
    };
    let older = poll();
    sleep(Duration::from_millis(1)).await;
    let newer = poll();
    let older = older.await.unwrap();
    assert_eq!(older["events"], json!([]));
    emit(&io, 0..1);
    assert_eq!(newer.await.unwrap()["events"][0]["data"], 0);
    // That answer may be lost; the older one's cursor does not confirm it.
    let again = request(&io, "GET", &format!("{target}&since={}", older["cursor"].as_str().unwrap()), "", "").await;
    assert_eq!(again.json()["events"][0]["data"], 0);
}
