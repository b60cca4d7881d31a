//! What the chats share: their servers' options, text that can be shown, and how fast one may talk.

use std::{
    net::IpAddr,
    sync::{Arc, Once},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sori::{EmitError, Namespace, Server, ServerBuilder, Socket, State};

use crate::{
    limits::{Places, Rates},
    site::{Card, Closing, Site},
};

/// A server whose page uses this version of the client. Whoever is gone without a word is missed after some 15 seconds.
pub(crate) fn server(site: &Site, card: &Card, client_version: &str) -> ServerBuilder {
    site.client(site.server(card, SOCKETS_MAX), client_version)
        .ping_interval(Duration::from_secs(10))
        .ping_timeout(Duration::from_secs(5))
        .max_http_buffer_size(16 << 10)
        .state(Places::new(SOCKETS_PER_ADDRESS_MAX, SOCKETS_MAX))
        .state(Rates::new(30, 600, Duration::from_secs(10)))
}

/// A namespace with a seat for everybody, but not all of them for one address, where nobody talks too fast.
pub(crate) fn namespace() -> Namespace {
    Namespace::new().middleware(seat).event_middleware(pace)
}

async fn seat(socket: Socket, State(places): State<Places>) -> Result<(), &'static str> {
    let place = places.take(address(&socket)).ok_or("too many are here from your address")?;
    socket.data().insert(place);
    Ok(())
}

/// Who is too fast is told so, and not heard.
async fn pace(socket: Socket, State(rates): State<Rates>) -> Result<(), TooFast> {
    if rates.allow(address(&socket)) { Ok(()) } else { Err(TooFast(socket.volatile().emit("slow down", &()))) }
}

fn address(socket: &Socket) -> Option<IpAddr> {
    socket.handshake().address().map(|address| address.ip())
}

/// Trimmed text of 1 to `MAX` characters that can be shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct Text<const MAX: usize>(pub(crate) String);
