//! What the server does for its clients, operation by operation: on one thread, clients included.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use crate::{
    Operation, Work,
    world::{self, Client, Members, World},
};

pub fn operations() -> impl Iterator<Item = Operation> {
    [selecting(), emitting(), sessions(), polling()].into_iter().flatten()
}

/// Who is meant: no event is sent.
fn selecting() -> Vec<Operation> {
    let select = |name, rooms: &'static [&'static str], found: usize| {
        Operation::new(name, move || {
            let members = Members::in_two_rooms(1_000);
            Work::new(move || assert_eq!(members.io().to(rooms).fetch_sockets().len(), found))
        })
    };
    vec![
        select("select-everybody-of-1000", &[], 1_000),
        select("select-room-of-667", &["left"], 667),
        select("select-two-rooms-of-1000", &["left", "right"], 1_000),
    ]
}

/// One event for many: serialized, encoded, and put into every outbox.
fn emitting() -> Vec<Operation> {
    let emit = |name, rooms: &'static [&'static str], receivers: usize| {
        Operation::new(name, move || {
            let (members, text) = (Rc::new(Members::in_two_rooms(1_000)), words());
            let emitting = members.clone();
            let work = move || {
                let emit = async { emitting.io().to(rooms).emit("msg", &text) };
                assert_eq!(emitting.block_on(emit).expect("an event").queued, receivers);
            };
            // The drivers write only now.
            restored(work, move || members.listen(receivers))
        })
    };
    vec![
        emit("emit-to-1000", &[], 1_000),
        emit("emit-to-room-of-667", &["left"], 667),
        emit("emit-to-two-rooms-of-1000", &["left", "right"], 1_000),
        Operation::new("deliver-to-100-websockets", || deliver(|world| world.websocket())),
        Operation::new("deliver-to-100-streams", || deliver(|world| world.stream())),
    ]
}

/// One event for a hundred, until it is in their sockets.
fn deliver(open: impl Fn(&World) -> Client) -> Work {
    let (world, text) = (World::new(), words());
    let mut clients: Vec<_> = (0..100).map(|_| open(&world)).collect();
    let delivering = world.clone();
    let work = move || {
        delivering.block_on(async {
            delivering.io().emit("msg", &text).expect("an event");
            world::settle().await;
        });
    };
    restored(work, move || clients.iter_mut().for_each(|client| client.hear(&world)))
}

/// One client over WebSocket.
fn sessions() -> Vec<Operation> {
    vec![
        Operation::new("open-websocket-session", || {
            let (world, opened) = (World::new(), Rc::new(Cell::new(None)));
            let (opening, keep) = (world.clone(), opened.clone());
            let close = move || {
                drop(opened.take());
                world.until_alone();
            };
            restored(move || keep.set(Some(opening.websocket())), close)
        }),
        Operation::new("echo-over-websocket", || {
            let world = World::new();
            let mut client = world.websocket();
            let question = world::masked(&format!(r#"4217["echo","{}"]"#, words()));
            Work::new(move || client.ask(&world, &question, b"\"]"))
        }),
    ]
}

/// One client over long polling, on a connection that is kept.
fn polling() -> Vec<Operation> {
    let event = format!(r#"42["note","{}"]"#, words());
    vec![
        Operation::new("open-polling-session", || {
            let (world, opened) = (World::new(), Rc::new(Cell::new(None::<Client>)));
            let (opening, keep) = (world.clone(), opened.clone());
            let close = move || {
                opened.take().expect("it was opened").post(&world, "1");
                world.until_alone();
            };
            restored(move || keep.set(Some(opening.polling())), close)
        }),
        Operation::new("poll-post", move || {
            let world = World::new();
            let mut client = world.polling();
            let event = event.clone();
            Work::new(move || client.post(&world, &event))
        }),
        Operation::new("poll-get-what-waits", || {
            let (world, text) = (World::new(), words());
            let (mut client, io) = (world.polling(), world.io().clone());
            let emit = move || assert_eq!(io.emit("msg", &text).expect("an event").queued, 1);
            emit();
            restored(move || client.get(&world, || ()), emit)
        }),
        Operation::new("poll-get-what-comes", || {
            let (world, text) = (World::new(), words());
            let (mut client, io) = (world.polling(), world.io().clone());
            let emit = move || assert_eq!(io.emit("msg", &text).expect("an event").queued, 1);
            Work::new(move || client.get(&world, &emit))
        }),
        Operation::new("long-poll-what-comes", || {
            let (world, text) = (World::new(), words());
            let (client, io) = (Rc::new(RefCell::new(world.long_polling())), world.io().clone());
            let emit = move || assert_eq!(io.emit("msg", &text).expect("an event").queued, 1);
            let confirming = client.clone();
            restored(move || client.borrow_mut().long_poll(&world, &emit), move || confirming.borrow_mut().confirm())
        }),
    ]
}

fn restored(work: impl FnMut() + 'static, restore: impl FnMut() + 'static) -> Work {
    Work { restore: Some(Box::new(restore)), ..Work::new(work) }
}

/// As the load generator sends.
fn words() -> String {
    "the quick brown fox jumps over the lazy dog ".chars().cycle().take(100).collect()
}
