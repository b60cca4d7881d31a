//! HTTP long-polling: a GET waits for packets, a POST brings them.

use std::{borrow::Cow, future::poll_fn, io::Write, sync::Arc};

use bytes::Bytes;
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use sori_proto::{
    CloseReason, Event, ProtocolError,
    eio::{
        Data, Revision,
        payload::{self, ContentType, Decoder},
    },
    sio::json,
    wire,
    ws::frame::{self, OpCode},
};

use crate::{
    config::Transport,
    engine::Message,
    handshake::Handshake,
    outbox::Taken,
    peer::{Peer, PollingStyle},
    server::Shared,
    service::{Answer, Params, Refusal, add_session_headers, empty, ok},
    sessions::Place,
    transport::body::Coming,
};

/// Opens a session; the answer is its open packet, alone.
pub(crate) fn open(shared: &Arc<Shared>, parts: &Parts, params: &Params<'_>, handshake: Handshake, place: Place) -> Answer {
    let revision = params.revision();
    let style = PollingStyle::new(params, parts, shared.config.limits.payload_packets_max);
    let sid = crate::ids::Sid::random();
    let peer = Peer::open(shared.clone(), sid, revision, Transport::Polling, handshake, style);
    if let Some(counters) = &peer.traffic {
        counters.request(parts);
    }
    shared.sessions.insert(peer.clone(), place);
    let frames = peer.outbox.take_all();
    let mut answer = packets(&peer, parts, &frames, true);
    if let Some(cookie) = shared.config.cookie.as_ref().and_then(|cookie| cookie.header(&peer.sid)) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    add_session_headers(&peer, parts, true, &mut answer);
    peer.count(&answer);
    peer.opened();
    answer
}

/// Waits for packets and answers with all there are.
pub(crate) async fn get(peer: &Arc<Peer>, parts: &Parts, now: u64) -> Result<Answer, Refusal> {
    if let Some(counters) = &peer.traffic {
        counters.request(parts);
    }
    if peer.is_probing() {
        // What the WebSocket has said already comes first: it may have taken over.
        tokio::task::yield_now().await;
    }
    let Some(turn) = peer.feed_at(now, |session, feed| session.get_started(feed.now).then(|| peer.outbox.start_poll())) else {
        return Ok(empty(StatusCode::BAD_REQUEST));
    };
    let waiting = Waiting { peer, turn };
    let frames_max = peer.polling.packets_max as usize;
    let taken = poll_fn(|cx| peer.outbox.poll_take(cx, turn, frames_max)).await;
    waiting.answered();
    let (frames, may_compress) = match taken {
        Taken::Frames(frames, may_compress) => (frames, may_compress),
        // The WebSocket took over. Clients pause polling before; the reference answers such a poll with a close packet.
        Taken::Replaced => return Err(Refusal::BadRequest),
        Taken::Closed => {
            peer.shared.sessions.remove(peer);
            (vec![wire::CLOSE], true)
        }
    };
    let mut answer = packets(peer, parts, &frames, may_compress);
    add_session_headers(peer, parts, false, &mut answer);
    peer.count(&answer);
    Ok(answer)
}

/// A GET that waits; when its connection ends first, the session ends.
struct Waiting<'a> {
    peer: &'a Arc<Peer>,
    turn: u32,
}

impl Waiting<'_> {
    fn answered(self) {
        self.peer.outbox.end(self.turn);
        self.peer.feed(|session, _| session.get_answered());
        std::mem::forget(self);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.peer.outbox.end(self.turn);
        self.peer.feed(|session, feed| session.get_aborted(feed.now));
    }
}

/// Reads a body of packets and feeds them to the session.
pub(crate) async fn post(peer: &Arc<Peer>, parts: &Parts, body: impl Coming, now: u64) -> Answer {
    if !peer.feed_at(now, |session, feed| session.post_started(feed.now)) {
        return empty(StatusCode::BAD_REQUEST);
    }
    let reading = Reading { peer };
    let content_type = parts.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let content = if content_type == b"application/octet-stream" { ContentType::Binary } else { ContentType::Text };
    if content == ContentType::Binary && peer.revision == Revision::V4 {
        return empty(StatusCode::BAD_REQUEST);
    }
    let body = body.await;
    let now = peer.shared.deadlines.now();
    let body = match body {
        Ok(body) => body,
        Err(StatusCode::PAYLOAD_TOO_LARGE) => {
            // The session lives on: the client may send less next time.
            reading.ended(now);
            return empty(StatusCode::PAYLOAD_TOO_LARGE);
        }
        Err(status) => return empty(status),
    };
    if let Some(counters) = &peer.traffic {
        counters.request(parts);
        counters.add_in(body.len());
    }
    let body = match &peer.polling.jsonp {
        None => body,
        // A form without a payload says nothing, and is answered as if it had.
        Some(_) => payload::jsonp_body(&body).map_or_else(|_| Bytes::new(), Bytes::from),
    };
    let is_nothing = body.is_empty() && peer.polling.jsonp.is_some();
    let (events, is_broken) = if is_nothing { (Vec::new(), false) } else { feed(peer, now, content, &body) };
    for event in events {
        match event {
            Event::Text(text) => peer.shared.engine_message(peer, Message::Text(text), Some(&parts.headers)),
            Event::Binary(data) => peer.shared.engine_message(peer, Message::Binary(data), Some(&parts.headers)),
            event => peer.dispatch(event),
        }
    }
    // Not before its events have started: a second body may not overtake this one.
    reading.ended(now);
    if is_broken {
        // The session is over at once: who writes such packets does not come back for the last ones.
        peer.shared.sessions.remove(peer);
        return empty(StatusCode::BAD_REQUEST);
    }
    // text/html, because some browsers offer text/plain answers of forms as downloads.
    let mut answer = ok(HTML, "ok");
    finish(parts, &mut answer);
    add_session_headers(peer, parts, false, &mut answer);
    peer.count(&answer);
    answer
}

/// A POST that is being read; when it does not arrive whole, the session ends.
struct Reading<'a> {
    peer: &'a Arc<Peer>,
}

impl Reading<'_> {
    fn ended(self, now: u64) {
        self.peer.feed_at(now, |session, _| session.post_ended());
        std::mem::forget(self);
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.peer.feed(|session, feed| {
            session.post_ended();
            session.close(feed.now, CloseReason::TransportError);
        });
    }
}

/// Feeds one body under one lock, so that nothing comes between its packets. True when one of them is none.
fn feed(peer: &Arc<Peer>, now: u64, content: ContentType, body: &[u8]) -> (Vec<Event>, bool) {
    let limits = &peer.shared.config.limits;
    let packets = Decoder::new(peer.revision, content, body, limits).utf8_twice(peer.polling.base64);
    peer.feed_at(now, |session, feed| {
        let mut events = Vec::new();
        let mut is_broken = true;
        for packet in packets {
            is_broken = packet.is_err();
            events.extend(session.handle_packet(feed.now, packet, feed.limits, feed.out));
            if is_broken {
                return (events, true);
            }
        }
        if is_broken {
            // Not even one.
            session.handle_packet(feed.now, Err(ProtocolError::MalformedPacket), feed.limits, feed.out);
        }
        (events, is_broken)
    })
}

/// The answer to a GET.
fn packets(peer: &Peer, parts: &Parts, frames: &[Bytes], may_compress: bool) -> Answer {
    let escapes = peer.revision == Revision::V3 && peer.shared.parser(peer.revision).is_some();
    let messages = frames.iter().map(|frame| {
        let payload = frame::payload(frame);
        if frame::opcode(frame) == OpCode::Binary {
            return Data::Binary(payload.into());
        }
        // Never lossy: what is queued as text is text. This check is by words, and lossy reading by bytes.
        let text = std::str::from_utf8(payload).map_or_else(|_| String::from_utf8_lossy(payload), Cow::Borrowed);
        // Clients 1.x and 2.x read anything beyond ASCII differently; JSON can do without.
        match escapes && !text.is_ascii() {
            true => Data::Text(Cow::Owned(json::ascii(&text).into_owned())),
            false => Data::Text(text),
        }
    });
    let mut body = Vec::new();
    let as_base64 = peer.polling.base64 || peer.polling.jsonp.is_some();
    let mut content = payload::encode(peer.revision, !as_base64, messages, &mut body);
    if let Some(j) = &peer.polling.jsonp {
        let mut script = Vec::with_capacity(body.len() + 32);
        payload::jsonp(j, &String::from_utf8_lossy(&body), &mut script);
        (body, content) = (script, ContentType::Text);
    }
    let mut answer = match may_compress {
        true => compressed(peer, parts, content, body),
        false => ok(header_of(content), body),
    };
    if peer.polling.jsonp.is_some() {
        answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=UTF-8"));
    }
    finish(parts, &mut answer);
    answer
}

/// Compresses an answer that is worth it, for a client that reads it.
fn compressed(peer: &Peer, parts: &Parts, content: ContentType, body: Vec<u8>) -> Answer {
    let worth_it = peer.shared.config.http_compression.is_some_and(|compression| body.len() >= compression.threshold as usize);
    let Some(encoding) = worth_it.then(|| accepted_encoding(parts)).flatten() else {
        return ok(header_of(content), body);
    };
    let (name, small) = match encoding {
        Encoding::Gzip => ("gzip", deflated(GzEncoder::new(Vec::new(), Compression::fast()), &body, GzEncoder::finish)),
        Encoding::Deflate => ("deflate", deflated(ZlibEncoder::new(Vec::new(), Compression::fast()), &body, ZlibEncoder::finish)),
    };
    let mut answer = ok(header_of(content), small);
    answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    answer
}

fn deflated<W: Write>(mut encoder: W, body: &[u8], finish: impl FnOnce(W) -> std::io::Result<Vec<u8>>) -> Vec<u8> {
    encoder.write_all(body).and_then(|()| finish(encoder)).expect("a Vec takes everything")
}

fn header_of(content: ContentType) -> HeaderValue {
    match content {
        ContentType::Text => const { HeaderValue::from_static(ContentType::Text.as_str()) },
        ContentType::Binary => const { HeaderValue::from_static(ContentType::Binary.as_str()) },
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Encoding {
    Gzip,
    Deflate,
}

/// The better of what `Accept-Encoding` allows.
pub(crate) fn accepted_encoding(parts: &Parts) -> Option<Encoding> {
    let header = parts.headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    // RFC 9110, 12.5.3: the weight decides, then what the client named first; `*` is what it did not name.
    let wish = |wanted: &str| {
        let offers = header.split(',').enumerate().filter_map(|(place, offer)| {
            let (name, weight) = offer.split_once(';').unwrap_or((offer, ""));
            let is_exact = name.trim().eq_ignore_ascii_case(wanted);
            let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse::<f32>().ok())?;
            (is_exact || name.trim() == "*").then_some((is_exact, weight, place))
        });
        let (_, weight, place) = offers.max_by_key(|(is_exact, ..)| *is_exact)?;
        (weight > 0.0).then_some((weight, place))
    };
    match (wish("gzip"), wish("deflate")) {
        (None, None) => None,
        (Some(_), None) => Some(Encoding::Gzip),
        (Some((gzip, first)), Some((deflate, second))) if gzip > deflate || (gzip == deflate && first <= second) => {
            Some(Encoding::Gzip)
        }
        (_, Some(_)) => Some(Encoding::Deflate),
    }
}

fn finish(parts: &Parts, answer: &mut Answer) {
    answer.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    // Old Internet Explorers take JSON with markup in it for an attack.
    let agent = parts.headers.get(header::USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
    let is_ie = [&b";MSIE"[..], b"Trident/"].iter().any(|mark| agent.windows(mark.len()).any(|w| w == *mark));
    if is_ie {
        answer.headers_mut().insert(header::X_XSS_PROTECTION, HeaderValue::from_static("0"));
    }
}

const HTML: HeaderValue = HeaderValue::from_static("text/html");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_chooses_its_encoding() {
        let chosen = |header: &str| {
            let request = http::Request::builder().header("accept-encoding", header).body(()).unwrap();
            accepted_encoding(&request.into_parts().0).map(|encoding| match encoding {
                Encoding::Gzip => "gzip",
                Encoding::Deflate => "deflate",
            })
        };
        for header in ["gzip", "gzip, deflate, br", "*", "GZIP", "deflate;q=0.5, gzip", "deflate;q=0, *"] {
            assert_eq!(chosen(header), Some("gzip"), "{header}");
        }
        for header in ["deflate", "deflate, gzip", "gzip;q=0.5, deflate", "gzip;q=0, *"] {
            assert_eq!(chosen(header), Some("deflate"), "{header}");
        }
        for header in ["", "br", "gzip;q=0", "*;q=0", "identity", "gzip;q=x"] {
            assert_eq!(chosen(header), None, "{header}");
        }
    }
}
