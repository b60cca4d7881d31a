//! A WebSocket without Engine.IO: envelopes as `sori.json.v1`, or bare data.

use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode, header};
use sori_proto::{
    CloseReason,
    plain::{Format, Way},
    ws::{Reader, handshake},
};

use super::{Problem, Request, open::add_hooks};
use crate::{
    config::Transport,
    driver::Start,
    outbox::Carries,
    peer::Peer,
    service::Own,
    transport::websocket::{self, Carry, Switching},
};

/// The one subprotocol there is.
const ENVELOPES: &str = "sori.json.v1";

impl Request<'_> {
    pub(super) async fn websocket(&self) -> Result<Response<Own>, Problem> {
        let is_bare = self.is_bare()?;
        let Switching { mut answer, deflate } = match websocket::switching(self.shared, self.parts) {
            Ok(switching) => switching,
            Err(refused) => {
                let status = StatusCode::from_u16(refused.status()).unwrap_or(StatusCode::BAD_REQUEST);
                let mut answer = Problem::new(status, refused.to_string()).answer();
                if refused == handshake::HandshakeError::Version {
                    answer.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
                }
                return Ok(answer.map(Own::Whole));
            }
        };
        if !is_bare {
            answer.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(ENVELOPES));
        }
        let shares = websocket::shares_deflate(deflate, false);
        let (way, format) = match is_bare {
            true => (Way::WebSocketBare, Format::WebSocketBare { deflate: shares }),
            false => (Way::WebSocket, Format::WebSocket { deflate: shares }),
        };
        let transport = Transport::RawWebsocket;
        let (peer, place, turn) = self.carry(transport, way, Carries::Driver, format).await?;
        add_hooks(self, true, answer.headers_mut());
        if let Some(counters) = &peer.traffic {
            counters.answer(StatusCode::SWITCHING_PROTOCOLS, answer.headers());
        }
        let first = self.first(&peer, transport, format, &place);
        let reader = Reader::server(self.shared.config.limits.max_http_buffer_size, deflate);
        let awaited = Awaited { peer: Some(peer), turn };
        let carry: Carry = Box::new(move |connection| {
            let first = Vec::from_iter((!first.is_empty()).then_some(first));
            if let Some(peer) = awaited.came() {
                websocket::drive(connection, peer, reader, Start { turn, base64: false, first });
            }
        });
        Ok(answer.map(|_| Own::Switch(carry)))
    }

    /// Whether frames are data alone.
    fn is_bare(&self) -> Result<bool, Problem> {
        let wants_text = match self.params.format.as_deref() {
            None | Some("json") => false,
            Some("text") => true,
            Some(_) => return Err(Problem::bad("format of a WebSocket is text, or json with the subprotocol sori.json.v1")),
        };
        let offers = self.parts.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
        let mut offered = offers.iter().flat_map(|offers| handshake::tokens(offers.as_bytes())).peekable();
        if offered.peek().is_none() {
            return Ok(true);
        }
        match (offered.any(|name| name == ENVELOPES.as_bytes()), wants_text) {
            (true, false) => Ok(false),
            (true, true) => Err(Problem::bad("format=text is bare frames, and sori.json.v1 is envelopes; ask for one of them")),
            (false, _) => Err(Problem::bad("unknown subprotocol; known is sori.json.v1, and none at all means bare frames")),
        }
    }
}

/// A session whose WebSocket is on its way; it may break before it is ours.
struct Awaited {
    peer: Option<Arc<Peer>>,
    turn: u32,
}

impl Awaited {
    fn came(mut self) -> Option<Arc<Peer>> {
        self.peer.take()
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if let Some(peer) = &self.peer {
            peer.detach(self.turn, CloseReason::TransportError);
        }
    }
}
