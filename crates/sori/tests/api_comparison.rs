//! The code of docs/api-comparison.md: what it shows of Sori is compiled here, and what it counts is counted.

#![allow(dead_code, reason = "it is the code of a document: compiled, not run")]

use std::{fs, path::Path as FilePath, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    routing::post,
};
use serde::Deserialize;
use sori::{AckError, Args, Auth, CloseReason, Data, EventName, ServerBuilder};

mod hello {
    // 1
    use sori::{Namespace, Server, Socket};

    #[tokio::main]
    async fn main() -> Result<(), Box<dyn std::error::Error>> {
        let hello = Namespace::new().on_connect(async |socket: Socket| socket.emit("hello", "welcome"));
        let io = Server::builder().namespace("/", hello).build()?;
        let app = axum::Router::new().layer(io.layer());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
        axum::serve(listener, app).await?;
        Ok(())
    }
    // end
}

use sori::{Ack, Namespace, Server, Socket};

fn rooms() -> Namespace {
    // 2
    Namespace::new()
        .on("join", async |socket: Socket, Data(room): Data<String>| socket.join(room))
        .on("msg", async |socket: Socket, Data((room, text)): Data<(String, String)>| socket.to(room).emit("msg", &text))
    // end
}

fn answer() -> Namespace {
    // 3
    Namespace::new().on("add", async |Data((a, b)): Data<(i64, i64)>| Ack(a + b))
    // end
}

async fn ask(socket: Socket) -> Result<String, AckError> {
    // 4
    let name: String = socket.timeout(Duration::from_secs(5)).emit_with_ack("your name?", &()).await?;
    // end
    Ok(name)
}

fn authenticate() -> Namespace {
    // 5
    #[derive(Deserialize)]
    struct Login {
        token: String,
    }

    Namespace::new()
        .middleware(async |Auth(login): Auth<Login>| if login.token == "secret" { Ok(()) } else { Err("not authorized") })
        .on_connect(async |socket: Socket| socket.emit("welcome", &()))
    // end
}

fn names() -> Namespace {
    // 6
    #[derive(Clone)]
    struct Name(String);

    Namespace::new()
        .on("name", async |socket: Socket, Data(name): Data<String>| {
            socket.data().insert(Name(name));
        })
        .on("msg", async |socket: Socket, Data(text): Data<String>| {
            let name = socket.data().get().map(|Name(name)| name);
            socket.broadcast().emit("msg", &(name, text))
        })
    // end
}

fn from_http(io: Server) -> Router {
    // 7
    async fn notify(State(io): State<Server>, Path(room): Path<String>, text: String) {
        io.to(room).emit("notice", &text).ok();
    }

    let app: Router = Router::new().route("/rooms/{room}", post(notify)).with_state(io.clone()).layer(io.layer());
    // end
    app
}

fn tenants() -> ServerBuilder {
    // 8
    let tenant =
        Namespace::new().on("post", async |socket: Socket, Data(text): Data<String>| socket.broadcast().emit("post", &text));
    Server::builder().namespace("/tenant-{id}", tenant)
    // end
}

fn log() -> Namespace {
    // 9
    Namespace::new()
        .on_any(async |socket: Socket, EventName(event): EventName, Args(args): Args| {
            println!("{} {event} {args:?}", socket.id());
        })
        .on_disconnect(async |socket: Socket, why: CloseReason| println!("{} {why}", socket.id()))
    // end
}

async fn shut_down(io: Server, app: Router, listener: tokio::net::TcpListener) -> std::io::Result<()> {
    // 10
    let closing = async move {
        tokio::signal::ctrl_c().await.ok();
        io.close(Duration::from_secs(10)).await;
    };
    axum::serve(listener, app).with_graceful_shutdown(closing).await?;
    // end
    Ok(())
}

#[test]
fn the_document_shows_the_code_that_compiles() {
    for (task, [_, _, shown]) in (1..).zip(tasks()) {
        assert_eq!(shown, compiled(task), "task {task}");
    }
}

#[test]
fn the_document_counts_right() {
    let document = read("../../docs/api-comparison.md");
    let rows: Vec<String> = (1..).zip(tasks()).map(|(task, snippets)| format!("| {task} {}", counts(&snippets))).collect();
    let total = tasks().into_iter().reduce(|sum, next| std::array::from_fn(|i| format!("{}\n{}", sum[i], next[i])));
    let total = format!("| all ten {}", counts(&total.expect("there are tasks")));
    for row in rows.iter().chain([&total]) {
        let (task, counted) = row.split_once(" | ").expect("it has columns");
        let said = document.lines().any(|line| line.starts_with(&format!("{task} ")) && line.ends_with(counted));
        assert!(said, "the table should say:\n{}\n{total}", rows.join("\n"));
    }
}

fn counts(snippets: &[String; 3]) -> String {
    let columns = snippets.each_ref().map(|code| format!("{} / {}", lines(code), tokens(code)));
    format!("| {} |", columns.join(" | "))
}

fn lines(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// Words, numbers, strings and regular expressions count one each; so does every other mark, of two or three characters
/// where the language reads them as one.
fn tokens(code: &str) -> usize {
    const MARKS: [&str; 7] = ["===", "::", "=>", "->", "==", "&&", "||"];
    let mut rest = code.trim_start();
    let mut count = 0;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            quote @ ('"' | '`') => rest[1..].find(quote).map_or(rest.len(), |end| end + 2),
            '/' if rest.starts_with("/^") => rest.find("$/").map_or(rest.len(), |end| end + 2),
            _ => MARKS.iter().find(|mark| rest.starts_with(**mark)).map_or(1, |mark| mark.len()),
        };
        rest = rest[len..].trim_start();
        count += 1;
    }
    count
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The code blocks of the document, three for each task.
fn tasks() -> Vec<[String; 3]> {
    let document = read("../../docs/api-comparison.md");
    let blocks: Vec<String> = document.split("\n```").skip(1).step_by(2).map(block).collect();
    blocks.chunks(3).map(|three| three.to_vec().try_into().expect("Node, socketioxide, Sori")).collect()
}

fn block(block: &str) -> String {
    block.split_once('\n').expect("a language, then code").1.to_owned()
}

/// This file between `// task` and `// end`, moved to the left.
fn compiled(task: usize) -> String {
    let source = read("tests/api_comparison.rs");
    let (_, code) = source.split_once(&format!("    // {task}\n")).expect("the task is here");
    let (code, _) = code.split_once("    // end").expect("it ends");
    let lines: Vec<&str> = code.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    lines.join("\n")
}

fn read(path: &str) -> String {
    let path = FilePath::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
