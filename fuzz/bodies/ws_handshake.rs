//! Header values of an opening handshake, one a line: key, version, `Connection`, `Upgrade`, then extensions.

use base64::{Engine, engine::general_purpose::STANDARD};
use sori_proto::ws::handshake::{self, DeflateConfig, HandshakeError, Negotiated, negotiate_deflate};

pub fn ws_handshake(lines: &[u8]) {
    let mut lines = lines.split(|byte| *byte == b'\n');
    let (key, version) = (lines.next(), lines.next());
    let (connection, upgrade) = (lines.next(), lines.next());
    let offers: Vec<&[u8]> = lines.collect();

    check(key, version);
    is_upgrade(connection, upgrade);
    for header in [key, version, connection, upgrade].into_iter().flatten().chain(offers.iter().copied()) {
        tokens(header);
    }
    for max in 9..=15 {
        for min in 9..=max {
            let config = DeflateConfig { server_window_bits_max: max, server_window_bits_min: min, ..DeflateConfig::default() };
            deflate(&offers, &config);
        }
    }
}

fn check(key: Option<&[u8]>, version: Option<&[u8]>) {
    match handshake::check(key, version) {
        Ok(accept) => {
            let key = key.expect("not without a key");
            assert!(version == Some(b"13") && key.len() == 24 && key.is_ascii());
            assert_eq!(accept, handshake::accept_key(key));
            assert_eq!(STANDARD.decode(accept.as_str()).map(|digest| digest.len()), Ok(20));
        }
        Err(error) => assert_eq!(error == HandshakeError::Version, version != Some(b"13")),
    }
}

fn is_upgrade(connection: Option<&[u8]>, upgrade: Option<&[u8]>) {
    let asked = handshake::is_upgrade(connection, upgrade);
    let (Some(connection), Some(upgrade)) = (connection, upgrade) else { return assert!(!asked) };
    let upper = |header: &[u8]| header.to_ascii_uppercase();
    assert_eq!(handshake::is_upgrade(Some(&upper(connection)), Some(&upper(upgrade))), asked);
    let among = |header: &[u8]| [b"other , ", header].concat();
    assert_eq!(handshake::is_upgrade(Some(&among(connection)), Some(&among(upgrade))), asked);
}

fn tokens(header: &[u8]) {
    let mut end = 0;
    for token in handshake::tokens(header) {
        assert!(!token.is_empty() && token.trim_ascii() == token);
        let start = token.as_ptr() as usize - header.as_ptr() as usize;
        assert!(start >= end, "in order, and none within another");
        end = start + token.len();
    }
    assert!(end <= header.len());
}

fn deflate(offers: &[&[u8]], config: &DeflateConfig) {
    let agreed = negotiate_deflate(offers.iter().copied(), config);
    // RFC 9110, 5.3: several lines are one list.
    if !offers.iter().any(|offer| offer.contains(&b'"')) {
        let line = offers.join(&b", "[..]);
        assert_eq!(negotiate_deflate([&line[..]].into_iter(), config), agreed);
    }
    let Some(agreed) = agreed else { return };
    let bits = agreed.server_window_bits();
    assert!((config.server_window_bits_min..=config.server_window_bits_max).contains(&bits));
    // Our answer, as an offer, asks for just that.
    let again: Option<Negotiated> = negotiate_deflate([agreed.header_value().as_bytes()].into_iter(), config);
    assert_eq!(again, Some(agreed));
    // Nothing repeated, nothing unknown (RFC 7692, 7.1).
    for more in ["; client_no_context_takeover", "; unknown", "; client_max_window_bits=16"] {
        let offer = [agreed.header_value(), more].concat();
        assert_eq!(negotiate_deflate([offer.as_bytes()].into_iter(), config), None);
    }
}
