//! What the process holds at this moment, in a line, for who sends it SIGUSR1: numbers that must come back to where they were
//! when everybody has gone.

use std::convert::Infallible;

use sori::Server;
use sori_gallery::Gallery;

/// Tells it as often as it is asked to, until it is dropped.
pub struct Asked {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Asked {
    /// From here on the signal does not end the program.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined1())?,
        })
    }

    pub async fn tell(&mut self, io: &Server, gallery: Option<&Gallery>) -> Infallible {
        #[cfg(unix)]
        while self.signal.recv().await.is_some() {
            println!("{}", state(io, gallery));
        }
        // Nobody asks.
        #[cfg(not(unix))]
        let _ = (io, gallery);
        std::future::pending().await
    }
}

fn state(io: &Server, gallery: Option<&Gallery>) -> String {
    let servers: Vec<&Server> = gallery.map(Gallery::servers).unwrap_or_default().iter().chain([io]).collect();
    let total = |of: fn(&Server) -> u64| servers.iter().map(|io| of(io)).sum::<u64>();
    format!(
        "State: sessions {}, opened {}, sockets {}, rooms {}, rejected {}, panics {}, tasks {}.",
        total(|io| io.stats().sessions()),
        total(|io| io.stats().sessions_opened()),
        total(|io| io.namespaces().iter().map(|name| io.of(name).len() as u64).sum()),
        total(|io| io.rooms_len() as u64),
        total(|io| io.stats().rejections()),
        total(|io| io.stats().handler_panics()),
        tokio::runtime::Handle::current().metrics().num_alive_tasks(),
    )
}
