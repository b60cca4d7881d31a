//! What is beneath all of it: a TCP server that greets and hangs up, and its client.
//!
//! `cargo run -p sori-gallery --example tcp_greeting` runs both. With `serve` it serves, to `nc 127.0.0.1 7000` or to
//! itself with `call`.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    const ADDRESS: &str = "127.0.0.1:7000";
    match std::env::args().nth(1).as_deref() {
        Some("serve") => serve(TcpListener::bind(ADDRESS).await?).await,
        Some("call") => call(ADDRESS.parse().expect("an address")).await.map(|greeting| print!("{greeting}")),
        _ => {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            tokio::select! {
                served = serve(listener) => served,
                greeting = call(address) => greeting.map(|greeting| print!("{greeting}")),
            }
        }
    }
}

/// Greets everybody who comes, one after the other.
pub async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (guest, address) = listener.accept().await?;
        // Who leaves during the greeting is not the next one's concern.
        if let Err(error) = greet(guest, address).await {
            eprintln!("{address}: {error}");
        }
    }
}

async fn greet(mut guest: TcpStream, address: SocketAddr) -> io::Result<()> {
    guest.write_all(format!("Hello, {address}! 안녕하세요!\n").as_bytes()).await?;
    // FIN: nothing more will come. What has been written still arrives before it.
    guest.shutdown().await
}

/// Comes, listens until the server hangs up, and tells what it heard.
pub async fn call(server: SocketAddr) -> io::Result<String> {
    let listen = async {
        let mut greeting = String::new();
        // TCP is a stream: only its end says that the greeting is whole. Nobody greets for longer than a page.
        TcpStream::connect(server).await?.take(4_096).read_to_string(&mut greeting).await?;
        Ok(greeting)
    };
    timeout(Duration::from_secs(5), listen).await?
}
