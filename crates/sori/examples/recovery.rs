//! Nothing missed: clients 4.6 and newer that lose their connection come back to their id, rooms, data and events.
//!
//! ```js
//! const socket = io("http://127.0.0.1:3000");
//! socket.on("connect", () => console.log(socket.id, socket.recovered));
//! socket.on("tick", n => console.log(n));
//! socket.io.engine.close();     // as if the network were gone; no number is missing afterwards
//! ```

use std::time::Duration;

use sori::{ConnectionStateRecovery, Namespace, Server, Socket};

struct Visits(u32);

async fn connected(socket: Socket) {
    if socket.recovered() {
        // Rooms and data are back, and what was missed is on its way.
        socket.data().update(|visits: &mut Visits| visits.0 += 1);
    } else {
        socket.join("ticker");
        socket.data().insert(Visits(1));
    }
    let visits = socket.data().with(|visits: &Visits| visits.0);
    println!("{} connected, for the {}. time", socket.id(), visits.unwrap_or_default());
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let io = Server::builder()
        .connection_state_recovery(ConnectionStateRecovery {
            max_disconnection_duration: Duration::from_secs(60),
            ..ConnectionStateRecovery::default()
        })
        .namespace("/", Namespace::new().on_connect(connected))
        .build()?;

    let ticker = io.clone();
    tokio::spawn(async move {
        for n in 0u64.. {
            if let Err(error) = ticker.to("ticker").emit("tick", &n) {
                eprintln!("tick: {error}");
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });

    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".into());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    io.serve(listener, axum::Router::new()).await?;
    Ok(())
}
