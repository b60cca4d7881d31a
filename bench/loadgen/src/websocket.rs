//! WebSocket frames, a client's side.

pub const TEXT: u8 = 0x81;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Appends a masked frame.
pub fn frame(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    out.push(first);
    match payload.len() {
        length @ ..126 => out.push(0x80 | length as u8),
        length @ ..65_536 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ MASK[at & 3]));
}

/// The whole frame that `bytes` begins with: its first byte, its payload, and the bytes it took.
pub fn parse(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (start, length) = match bytes.get(1)? & 127 {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?) as usize),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        length => (2, length as usize),
    };
    let payload = bytes.get(start..start + length)?;
    Some((bytes[0], payload, start + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_frame_is_whole_or_not_there() {
        assert_eq!(parse(b"\x81\x02hi\x81"), Some((TEXT, &b"hi"[..], 4)));
        assert_eq!(parse(b"\x81\x02h"), None);
        assert_eq!(parse(b"\x81\x7e\x00"), None);
    }

    #[test]
    fn ours_are_masked() {
        let mut out = Vec::new();
        frame(&mut out, TEXT, &[0; 126]);
        assert_eq!(&out[..8], b"\x81\xfe\x00\x7e\x37\xfa\x21\x3d");
        assert_eq!(&out[8..12], MASK);
    }
}
