//! In which order handlers start, and what a broken one costs.

use sori::{Ack, CloseReason, Data, EventName, Namespace, Outgoing, Server, Socket};
use tokio::time::sleep;

use crate::{Story, join, ms, serve, with};

/// `42["step",NAME]` tells NAME at once, and `NAME done` a while later.
fn steps(story: &Story) -> Namespace {
    let story = story.clone();
    Namespace::new().on("step", move |Data((name, wait)): Data<(String, u64)>| {
        let story = story.clone();
        async move {
            story.tell(name.clone());
            sleep(ms(wait)).await;
            story.tell(format!("{name} done"));
        }
    })
}

#[tokio::test(start_paused = true)]
async fn events_start_in_order_and_interleave_at_their_awaits() {
    let story = Story::default();
    let io = serve(steps(&story));
    let mut ws = join(&io).await;
    ws.send(r#"42["step","slow",50]"#).await;
    ws.send(r#"42["step","fast",10]"#).await;
    assert_eq!(story.until(4).await, ["slow", "fast", "fast done", "slow done"]);
}

#[tokio::test(start_paused = true)]
async fn a_sequential_namespace_runs_them_one_by_one() {
    let story = Story::default();
    let io = serve(steps(&story).sequential());
    let mut ws = join(&io).await;
    ws.send(r#"42["step","slow",50]"#).await;
    ws.send(r#"42["step","fast",10]"#).await;
    assert_eq!(story.until(4).await, ["slow", "slow done", "fast", "fast done"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_before_on_connect_has_returned_and_on_disconnect_is_last() {
    let story = Story::default();
    let (at_connect, at_end) = (story.clone(), story.clone());
    let io = serve(
        steps(&story)
            .on_connect(move |_: Socket| {
                let story = at_connect.clone();
                async move {
                    story.tell("connect");
                    sleep(ms(100)).await;
                    story.tell("connected");
                }
            })
            .on_disconnect(move |why: CloseReason| {
                let story = at_end.clone();
                async move { story.tell(why.as_str()) }
            }),
    );
    let mut ws = join(&io).await;
    ws.send(r#"42["step","early",0]"#).await;
    ws.send("41").await;
    let told = story.until(5).await;
    assert_eq!(told[..3], ["connect", "connected", "early"]);
    assert!(told[3..].contains(&"client namespace disconnect".to_owned()), "{told:?}");
}

fn broken() {
    panic!("on purpose");
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_its_event_and_is_counted() {
    let story = Story::default();
    let io = serve(
        steps(&story)
            .on("at once", |_: Socket| async { broken() })
            .on("later", |_: Socket| async {
                sleep(ms(5)).await;
                broken();
            })
            .on("in the closure", |_: Socket| {
                broken();
                async {}
            }),
    );
    let mut ws = join(&io).await;
    for event in ["at once", "later", "in the closure"] {
        ws.send(&format!(r#"42["{event}"]"#)).await;
    }
    ws.send(r#"42["step","after",10]"#).await;
    assert_eq!(story.until(2).await, ["after", "after done"]);
    assert_eq!((io.stats().handler_panics(), io.of("/").len()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn beyond_handlers_max_events_wait_while_acks_are_still_read() {
    let story = Story::default();
    let io = with(Server::builder().limits(|limits| limits.handlers_max = 2), steps(&story));
    let mut ws = join(&io).await;
    for name in ["a", "b", "c"] {
        ws.send(&format!(r#"42["step","{name}",100]"#)).await;
    }
    assert_eq!(story.until(2).await, ["a", "b"]);
    let socket = io.of("/").fetch_sockets().remove(0);
    let answer = socket.emit_with_ack::<u32>("still there?", &());
    assert_eq!(ws.receive().await.unwrap(), r#"420["still there?"]"#);
    ws.send("430[7]").await;
    assert_eq!(answer.await.unwrap(), 7);
    assert_eq!(story.so_far(), ["a", "b"], "the third still waits");
    assert_eq!(story.until(6).await[2..], ["a done", "c", "b done", "c done"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_inbox_closes_its_peer() {
    let story = Story::default();
    let limits = |limits: &mut sori::Limits| {
        limits.handlers_max = 1;
        limits.inbox_events_max = 3;
    };
    let io = with(Server::builder().limits(limits), steps(&story));
    let mut ws = join(&io).await;
    let mut bystander = join(&io).await;
    for n in 0..5 {
        ws.send(&format!(r#"42["step","{n}",1000]"#)).await;
    }
    assert_eq!(ws.receive().await, None);
    assert_eq!(io.stats().sessions_closed(CloseReason::InboxFull), 1);
    io.emit("hi", &()).unwrap();
    assert_eq!(bystander.receive().await.unwrap(), r#"42["hi"]"#);
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_end_its_own_socket() {
    let story = Story::default();
    let at_end = story.clone();
    let io = serve(steps(&story).on("leave", |socket: Socket| async move { socket.disconnect() }).on_disconnect(
        move |why: CloseReason| {
            let story = at_end.clone();
            async move { story.tell(why.as_str()) }
        },
    ));
    let mut ws = join(&io).await;
    ws.send(r#"42["leave"]"#).await;
    assert_eq!(ws.receive().await.unwrap(), "41");
    // What the client sent before it knew is ignored, and its connection lives.
    ws.send(r#"42["step","too late",0]"#).await;
    ws.send("40").await;
    assert!(ws.receive().await.unwrap().starts_with("40{"));
    assert_eq!(story.until(1).await, ["server namespace disconnect"]);
}

#[tokio::test(start_paused = true)]
async fn a_catch_all_sees_what_a_middleware_stops() {
    let story = Story::default();
    let (any, out) = (story.clone(), story.clone());
    let io = serve(
        steps(&story)
            .on_any(move |EventName(name): EventName| {
                any.tell(format!("any {name}"));
                async {}
            })
            .event_middleware(|Data((name, _)): Data<(String, u64)>| async move {
                if name == "bad" { Err(Ack("stopped")) } else { Ok(()) }
            })
            .on_any_outgoing(move |event: &Outgoing<'_>| out.tell(format!("out {} {}", event.event(), event.json()))),
    );
    let mut ws = join(&io).await;
    ws.send(r#"421["step","bad",0]"#).await;
    assert_eq!(ws.receive().await.unwrap(), r#"431["stopped"]"#);
    ws.send(r#"42["step","good",0]"#).await;
    story.until(4).await;
    io.emit("x", &(1, "y")).unwrap();
    assert_eq!(story.so_far(), ["any step", "any step", "good", "good done", "out x 1,\"y\""]);
}
