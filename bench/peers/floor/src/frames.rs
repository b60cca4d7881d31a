//! As much of WebSocket as the floor needs.

/// Appends a text frame of `parts`.
pub fn frame(out: &mut Vec<u8>, parts: &[&[u8]]) {
    out.push(0x81);
    match parts.iter().map(|part| part.len()).sum::<usize>() {
        length @ ..126 => out.push(length as u8),
        length @ ..65_536 => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// The message of the whole frame that `bytes` begins with, unmasked in place, and what follows it.
pub fn unmasked(bytes: &mut [u8]) -> Option<(&[u8], &mut [u8])> {
    let (start, length) = match bytes.get(1)? & 127 {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?) as usize),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        length => (2, length as usize),
    };
    let mask: [u8; 4] = bytes.get(start..start + 4)?.try_into().ok()?;
    let (frame, rest) = bytes.split_at_mut_checked(start + 4 + length)?;
    let message = &mut frame[start + 4..];
    message.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= mask[at & 3]);
    Some((message, rest))
}

pub fn accept_key(key: &[u8]) -> String {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64(&hash.digest().bytes())
}

pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at| u32::from(*three.get(at).unwrap_or(&0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize] as char;
            text.push(if at <= three.len() { letter } else { '=' });
        }
    }
    text
}
