//! The servers that conformance suites run against, one application each. README.md tells how to run the suites.

mod autobahn;
mod differential;
mod engineio;
mod engineio_client;
mod interop;
mod plain;
mod socketio;
mod socketio_client;

use std::{error::Error, net::SocketAddr, process::ExitCode};

use axum::{Router, serve::ListenerExt};
use sori::Server;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if args.contains(&"--help") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &[&str]) -> Result<(), Box<dyn Error>> {
    let [app, port, more @ ..] = args else { return Err(HELP.into()) };
    let port = port.parse().map_err(|_| format!("{port:?} is not a port"))?;
    let (io, router) = match (*app, more) {
        ("engineio", []) => alone(engineio::server(false)?),
        ("engineio3", []) => alone(engineio::server(true)?),
        ("engineio-client", []) => alone(engineio_client::server()?),
        ("socketio", []) => alone(socketio::server()?),
        ("socketio-client", []) => alone(socketio_client::server()?),
        ("interop", []) => alone(interop::server(false)?),
        ("interop", ["recovery"]) => alone(interop::server(true)?),
        ("plain", []) => plain::server(false)?,
        ("plain", ["recovery"]) => plain::server(true)?,
        ("plain", ["watched"]) => return serve_by_axum(port, plain::watched(false)?).await,
        ("plain", ["watched", "recovery"]) => return serve_by_axum(port, plain::watched(true)?).await,
        ("differential", []) => return differential::serve(port).await,
        ("autobahn", []) => return autobahn::serve(port).await,
        _ => return Err(HELP.into()),
    };
    let listener = listen(port).await?;
    println!("listening on 127.0.0.1:{port}");
    Ok(io.serve(listener, router).await?)
}

/// A server without an application beside it.
fn alone(io: Server) -> (Server, Router) {
    (io, Router::new())
}

async fn listen(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await
}

/// Without the library's front, so that all requests meet the router's layers.
async fn serve_by_axum(port: u16, router: Router) -> Result<(), Box<dyn Error>> {
    let listener = listen(port).await?;
    println!("listening on 127.0.0.1:{port}");
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await?)
}

const HELP: &str = "\
usage: conformance APP PORT

  engineio         engine.io-protocol, EIO4 (branch main, and v4-test-suite of the socket.io repository)
  engineio3        engine.io-protocol, EIO3 (branch v3)
  engineio-client  engine.io-client's own test/index.js
  socketio         socket.io-protocol (branch main or fix/waitfor, and v5-test-suite of the socket.io repository)
  socketio-client  socket.io-client's own test/index.ts
  autobahn         the Autobahn test suite's fuzzingclient
  interop          interop/ of this repository; with `recovery` after the port, its recovery listener
  plain            interop/plain/ and browser/plain/ of this repository; with `recovery` after the port, the same;
                   with `watched`, requests are told at /witness
  differential     differential/ of this repository; listens on PORT to PORT+3
";
