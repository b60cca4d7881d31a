//! What the chats share: the options of their servers, text that can be shown, and how fast one may talk.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Once},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sori::{Namespace, Server, ServerBuilder, Socket, State};

use crate::{
    limits::{Places, Rates},
    site::{Card, Closing, Site},
};

const SOCKETS_MAX: u32 = 100;
const SOCKETS_PER_ADDRESS_MAX: u32 = 30;

/// A server for chats, whose page uses this version of the client. Who goes without a word is missed after some 15 seconds.
pub(crate) fn server(site: &Site, card: &Card, client_version: &str) -> ServerBuilder {
    site.client(site.server(card, SOCKETS_MAX), client_version)
        .ping_interval(Duration::from_secs(10))
        .ping_timeout(Duration::from_secs(5))
        .max_http_buffer_size(16 << 10)
        .state(Places::new(SOCKETS_PER_ADDRESS_MAX, SOCKETS_MAX))
        .state(Rates::new(30, 300, Duration::from_secs(10)))
}

/// A namespace with a seat for everybody, but not all of them for one address, where nobody talks too fast.
pub(crate) fn namespace() -> Namespace {
    Namespace::new().middleware(seat).event_middleware(pace)
}

async fn seat(socket: Socket, State(places): State<Places>) -> Result<(), &'static str> {
    let place = places.take(address(&socket)).ok_or("no seat is free for your address")?;
    socket.data().insert(place);
    Ok(())
}

/// Who is too fast is told so, and not heard.
async fn pace(socket: Socket, State(rates): State<Rates>) -> Result<(), ()> {
    if rates.allow(address(&socket)) {
        return Ok(());
    }
    tell(&socket, "slow down", &());
    Err(())
}

/// Sends to one who may have gone meanwhile, and then needs no news.
pub(crate) fn tell<T: Serialize + ?Sized>(socket: &Socket, event: &str, data: &T) {
    if let Err(error) = socket.emit(event, data) {
        tracing::debug!(id = socket.id(), event, %error, "not told");
    }
}

fn address(socket: &Socket) -> Option<IpAddr> {
    socket.handshake().address().map(|address| address.ip())
}

/// Trimmed text of 1 to `MAX` characters on one line.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct Text<const MAX: usize>(String);

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let text = text.trim();
        match text.chars().count() {
            1.. if text.chars().count() <= MAX && !text.chars().any(char::is_control) => Ok(Self(text.to_owned())),
            _ => Err(format!("1 to {MAX} characters on one line are wanted")),
        }
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Does something again and again, from the first call of `start` until the program ends.
#[derive(Clone)]
pub(crate) struct Clock {
    started: Arc<Once>,
    closing: Closing,
}

impl Clock {
    pub(crate) fn new(site: &Site) -> Self {
        Self { started: Arc::new(Once::new()), closing: site.closing.clone() }
    }

    /// Starts, if it has not yet.
    pub(crate) fn start(&self, io: &Server, every: Duration, tick: impl Fn(&Server) + Send + 'static) {
        let (io, closing) = (io.clone(), self.closing.clone());
        self.started.call_once(|| {
            tokio::spawn(async move {
                let mut ticks = tokio::time::interval(every);
                // The first tick is at once, and nobody has missed it yet.
                ticks.tick().await;
                loop {
                    tokio::select! {
                        _ = ticks.tick() => tick(&io),
                        () = closing.closed() => return,
                    }
                }
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_trimmed_and_neither_empty_long_nor_invisible() {
        let text = |from: &str| Text::<3>::try_from(from.to_owned()).ok().map(|text| text.to_string());
        assert_eq!(text(" 소리 ").as_deref(), Some("소리"));
        assert_eq!(text("abc").as_deref(), Some("abc"));
        for wrong in ["", "  \n ", "abcd", "a\nb", "a\0b"] {
            assert_eq!(text(wrong), None, "{wrong:?}");
        }
    }
}
