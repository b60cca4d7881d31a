//! `permessage-deflate` without context takeover (RFC 7692).
//!
//! No connection owns a compressor: a message begins with a window of its own, so that one of
//! each kind per thread serves them all (about 40 KiB to decompress, 300 KiB to compress).

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::WsError;

/// The payload of a frame with RSV1. `window_bits` is what was negotiated, 9 to 15.
///
/// ```
/// use sori_proto::ws::deflate::{compress, decompress};
/// let small = compress(&[b'a'; 1_000], 15);
/// assert!(small.len() < 20);
/// assert_eq!(decompress(&small, 1_000)?, [b'a'; 1_000]);
/// # Ok::<(), sori_proto::ws::WsError>(())
/// ```
pub fn compress(payload: &[u8], window_bits: u8) -> Vec<u8> {
    debug_assert!((9..=15).contains(&window_bits));
    let window_bits = window_bits.clamp(9, 15);
    if payload.is_empty() {
        return vec![0]; // 7.2.3.6
    }
    COMPRESS.with_borrow_mut(|contexts| {
        let deflate = contexts[usize::from(window_bits - 9)]
            .get_or_insert_with(|| Compress::new_with_window_bits(Compression::default(), false, window_bits));
        deflate.reset();
        let mut out = Vec::with_capacity(payload.len() / 2 + 64);
        loop {
            let rest = &payload[deflate.total_in() as usize..];
            deflate.compress_vec(rest, &mut out, FlushCompress::Sync).expect("a deflate stream takes any bytes");
            if out.len() < out.capacity() {
                break;
            }
            out.reserve(out.len());
        }
        debug_assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
        out
    })
}

/// The message in a payload with RSV1, which may have at most `limit` bytes.
///
/// Memory grows with what comes out, so that a bomb stays as small as the limit.
pub fn decompress(payload: &[u8], limit: usize) -> Result<Vec<u8>, WsError> {
    DECOMPRESS.with_borrow_mut(|inflate| {
        inflate.reset(false);
        let room = payload.len().saturating_mul(4).min(limit).saturating_add(1);
        let mut out = Output { data: vec![0; room], len: 0, limit, streams: 0 };
        out.inflate(inflate, payload)?;
        out.inflate(inflate, &TAIL)?;
        out.data.truncate(out.len);
        Ok(out.data)
    })
}

struct Output {
    /// Zeroed room, of which the first `len` bytes are written.
    data: Vec<u8>,
    len: usize,
    limit: usize,
    streams: u32,
}

impl Output {
    fn inflate(&mut self, inflate: &mut Decompress, mut input: &[u8]) -> Result<(), WsError> {
        loop {
            if self.len == self.data.len() {
                // One byte beyond the limit tells a message that fits from one that does not.
                let more = self.len.min(self.limit.saturating_add(1) - self.len);
                self.data.reserve_exact(more);
                self.data.resize(self.len + more, 0);
            }
            let (read_before, written_before) = (inflate.total_in(), inflate.total_out());
            let status =
                inflate.decompress(input, &mut self.data[self.len..], FlushDecompress::Sync).map_err(|_| WsError::Deflate)?;
            let read = (inflate.total_in() - read_before) as usize;
            let written = (inflate.total_out() - written_before) as usize;
            input = &input[read..];
            self.len += written;
            if self.len > self.limit {
                return Err(WsError::MessageTooLarge);
            }
            if status == Status::StreamEnd {
                // 7.2.3.4: a sender may end its stream inside of a message; what follows is another one.
                self.streams += 1;
                if self.streams > STREAMS_MAX {
                    return Err(WsError::Deflate);
                }
                inflate.reset(false);
            } else if self.len == self.data.len() {
                continue;
            }
            if input.is_empty() {
                return Ok(());
            }
            if read == 0 && written == 0 {
                return Err(WsError::Deflate);
            }
        }
    }
}

/// What a sender strips from the end of each message (7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Streams that end inside of one message. The odd sender ends one; a million empty ones are an attack on time.
const STREAMS_MAX: u32 = 64;

thread_local! {
    // Scratch space, not state: every message begins with a reset.
    static COMPRESS: RefCell<[Option<Compress>; 7]> = const { RefCell::new([const { None }; 7]) };
    static DECOMPRESS: RefCell<Decompress> = RefCell::new(Decompress::new_with_window_bits(false, 15));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_the_rfc() {
        #[track_caller]
        fn check(payload: &[u8]) {
            assert_eq!(decompress(payload, 100).as_deref(), Ok(&b"Hello"[..]));
        }
        // 7.2.3.1, 7.2.3.3, 7.2.3.4, 7.2.3.5.
        check(b"\xf2\x48\xcd\xc9\xc9\x07\x00");
        check(b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00");
        check(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00");
        check(b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00");
        assert_eq!(compress(b"Hello", 15), b"\xf2\x48\xcd\xc9\xc9\x07\x00");
        assert_eq!(compress(b"", 15), b"\x00");
        assert_eq!(decompress(b"\x00", 100).as_deref(), Ok(&b""[..]));
        assert_eq!(decompress(b"", 100).as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn messages_share_no_window() {
        let once = compress(b"the same text, the same bytes", 15);
        assert_eq!(compress(b"the same text, the same bytes", 15), once);
        assert!(decompress(b"\x07\xff\xff", 100).is_err());
        assert!(decompress(&once, 100).is_ok(), "an error leaves nothing behind");
    }

    #[test]
    fn every_window_is_kept_to() {
        for bits in 9..=15 {
            // Noise is only small if its repetition is seen, and that is further back than the window.
            let far = noise((1 << bits) + 1).repeat(3);
            let small = compress(&far, bits);
            assert!(small.len() >= far.len(), "{bits} bits");
            assert_eq!(decompress(&small, far.len()), Ok(far));
            // The last 262 bytes of a window are zlib's own.
            let near = noise((1 << bits) - 262).repeat(3);
            let small = compress(&near, bits);
            assert!(bits == 9 || small.len() < near.len() / 2, "{bits} bits");
            assert_eq!(decompress(&small, near.len()), Ok(near));
        }
    }

    #[test]
    fn sizes_around_the_growth_of_the_buffer() {
        let noise = noise(5_000);
        for len in (0..400).chain(4_000..4_200) {
            let small = compress(&noise[..len], 15);
            assert_eq!(decompress(&small, len).as_deref(), Ok(&noise[..len]));
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = compress(&vec![0; 10_000_000], 15);
        assert!(bomb.len() < 20_000);
        assert_eq!(decompress(&bomb, 1_000_000), Err(WsError::MessageTooLarge));
        assert_eq!(decompress(&bomb, 9_999_999), Err(WsError::MessageTooLarge));
        let message = decompress(&bomb, 10_000_000).unwrap();
        assert!(message.len() == 10_000_000 && message.capacity() <= 10_000_001);
        assert_eq!(decompress(&bomb, 0), Err(WsError::MessageTooLarge));
    }

    #[test]
    fn a_message_may_end_its_stream_but_not_for_ever() {
        let mut hello = b"\xf3\x48\xcd\xc9\xc9\x07\x00".repeat(64);
        assert_eq!(decompress(&hello, 1_000), Ok(b"Hello".repeat(64)));
        hello.extend_from_slice(b"\x03\x00");
        assert_eq!(decompress(&hello, 1_000), Err(WsError::Deflate));
    }

    #[test]
    fn garbage_is_an_error_or_bounded() {
        for seed in 0..2_000 {
            let noise = noise(200 + seed);
            if let Ok(message) = decompress(&noise[seed..], 1_000) {
                assert!(message.len() <= 1_000);
            }
        }
    }

    /// Bytes that do not compress.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .take(len)
        .collect()
    }
}
