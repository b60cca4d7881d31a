//! Without axum: hyper alone, and how to tell Sori the address of a client.

use std::net::SocketAddr;

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use sori::{Namespace, RemoteAddr, Server, Service, Socket};
use tokio::net::{TcpListener, TcpStream};
use tower::Service as _;

/// Serves one connection, with upgrades: that is how WebSockets begin.
async fn serve(stream: TcpStream, address: SocketAddr, io: Service) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(RemoteAddr(address));
        io.clone().call(request)
    });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await {
        eprintln!("{address}: {error}");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let namespace = Namespace::new().on_connect(async |socket: Socket| {
        let address = socket.handshake().address().map(|address| address.to_string());
        socket.emit("you are", &(socket.id(), address))
    });
    let io = Server::builder().namespace("/", namespace).build()?;

    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".into());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, address) = listener.accept().await?;
        tokio::spawn(serve(stream, address, io.service()));
    }
}
