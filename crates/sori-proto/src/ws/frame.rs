//! Frames: their header, the ones a server sends, and the mask of those that a client does (RFC 6455, 5.2).

use bytes::{BufMut, Bytes};

use super::WsError;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OpCode {
    /// The next fragment of a message.
    Continuation = 0x0,
    /// A message of UTF-8, or its first fragment.
    Text = 0x1,
    /// A message of bytes, or its first fragment.
    Binary = 0x2,
    /// The peer is leaving.
    Close = 0x8,
    /// To be answered with a pong.
    Ping = 0x9,
    /// A ping's answer.
    Pong = 0xA,
}

impl OpCode {
    /// Whether this is a close, ping or pong, which may stand between the fragments of a message.
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }

    const fn parse(nibble: u8) -> Option<Self> {
        Some(match nibble {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }
}

/// A complete unmasked frame.
///
/// ```
/// use sori_proto::ws::frame::{OpCode, frame};
/// assert_eq!(&frame(OpCode::Text, b"2")[..], b"\x81\x012");
/// ```
pub fn frame(opcode: OpCode, payload: &[u8]) -> Bytes {
    Header { fin: true, rsv1: false, opcode, mask: None, len: payload.len() as u64 }.frame(payload)
}

/// A ping; its payload has at most 125 bytes.
pub fn ping(payload: &[u8]) -> Bytes {
    control(OpCode::Ping, payload)
}

/// A pong, which repeats the payload of the ping that it answers.
pub fn pong(payload: &[u8]) -> Bytes {
    control(OpCode::Pong, payload)
}

/// A close frame. Without a code it has no reason either; a longer reason than fits is cut.
///
/// ```
/// use sori_proto::ws::frame::close;
/// assert_eq!(&close(None, "")[..], b"\x88\x00");
/// assert_eq!(&close(Some(1009), "big")[..], b"\x88\x05\x03\xf1big");
/// ```
pub fn close(code: Option<u16>, reason: &str) -> Bytes {
    let Some(code) = code else { return Bytes::from_static(b"\x88\x00") };
    let reason = &reason[..reason.floor_char_boundary(CONTROL_BYTES_MAX - 2)];
    let mut payload = [0; CONTROL_BYTES_MAX];
    let len = 2 + reason.len();
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..len].copy_from_slice(reason.as_bytes());
    control(OpCode::Close, &payload[..len])
}

/// Bytes of the header of an unmasked frame: 2, 4 or 10.
pub const fn header_len(payload_len: usize) -> usize {
    match payload_len {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

/// Writes the header of an unmasked frame; `rsv1` marks a compressed message.
pub fn write_header(out: &mut impl BufMut, opcode: OpCode, fin: bool, rsv1: bool, payload_len: usize) {
    Header { fin, rsv1, opcode, mask: None, len: payload_len as u64 }.write(out);
}

/// The payload of one complete unmasked frame that this module wrote.
///
/// ```
/// use sori_proto::ws::frame::{OpCode, frame, payload};
/// assert_eq!(payload(&frame(OpCode::Binary, &[7; 300])), vec![7; 300]);
/// ```
pub fn payload(frame: &[u8]) -> &[u8] {
    let header_len = match frame[1] {
        127 => 10,
        126 => 4,
        _ => 2,
    };
    &frame[header_len..]
}

/// The opcode of a frame that this module wrote.
pub fn opcode(frame: &[u8]) -> OpCode {
    OpCode::parse(frame[0] & 0x0F).expect("a frame written here has an opcode")
}

/// The first 2 to 14 bytes of a frame.
///
/// ```
/// use sori_proto::ws::frame::{Header, OpCode};
/// let masked = Header { fin: true, rsv1: false, opcode: OpCode::Text, mask: Some([1, 2, 3, 4]), len: 2 };
/// assert_eq!(&masked.frame(b"hi")[..], b"\x81\x82\x01\x02\x03\x04ik");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The last fragment of its message.
    pub fin: bool,
    /// The message is compressed (RFC 7692, 6).
    pub rsv1: bool,
    /// What the frame is.
    pub opcode: OpCode,
    /// The masking key, from clients only.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub len: u64,
}

impl Header {
    /// The longest header: two bytes, a 64-bit length and a masking key.
    pub const LEN_MAX: usize = 14;

    /// Reads a header, and how many bytes it has; `None` when `bytes` ends before it does.
    ///
    /// What is wrong in the first byte is told before the second arrives.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, WsError> {
        let Some((&first, bytes)) = bytes.split_first() else { return Ok(None) };
        let opcode = OpCode::parse(first & 0x0F).ok_or(WsError::ReservedOpCode)?;
        let (fin, rsv1) = (first & FIN != 0, first & RSV1 != 0);
        if first & (RSV2 | RSV3) != 0 {
            return Err(WsError::ReservedBits);
        }
        if opcode.is_control() && !fin {
            return Err(WsError::FragmentedControl);
        }

        let Some((&second, bytes)) = bytes.split_first() else { return Ok(None) };
        let short = second & !MASKED;
        if opcode.is_control() && usize::from(short) > CONTROL_BYTES_MAX {
            return Err(WsError::ControlTooLong);
        }
        // Section 5.2 wants the shortest form from the sender. Longer ones are understood, as the
        // reference and most servers do: nothing is gained by turning a clumsy client away.
        let (len, bytes) = match short {
            126 => match bytes.split_first_chunk() {
                Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest),
                None => return Ok(None),
            },
            127 => match bytes.split_first_chunk() {
                Some((len, rest)) => (u64::from_be_bytes(*len), rest),
                None => return Ok(None),
            },
            len => (u64::from(len), bytes),
        };
        if len > i64::MAX as u64 {
            return Err(WsError::Length);
        }
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if second & MASKED == 0 {
            return Ok(Some((Self { fin, rsv1, opcode, mask: None, len }, 2 + extended)));
        }
        let Some((&mask, _)) = bytes.split_first_chunk() else { return Ok(None) };
        Ok(Some((Self { fin, rsv1, opcode, mask: Some(mask), len }, 6 + extended)))
    }

    /// Writes the header, with its length in the shortest form.
    pub fn write(&self, out: &mut impl BufMut) {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        out.put_u8(bit(self.fin, FIN) | bit(self.rsv1, RSV1) | self.opcode as u8);
        let masked = bit(self.mask.is_some(), MASKED);
        match self.len {
            0..=125 => out.put_u8(masked | self.len as u8),
            126..=0xFFFF => {
                out.put_u8(masked | 126);
                out.put_u16(self.len as u16);
            }
            _ => {
                out.put_u8(masked | 127);
                out.put_u64(self.len);
            }
        }
        if let Some(mask) = self.mask {
            out.put_slice(&mask);
        }
    }

    /// This header and its payload, masked if the header says so.
    pub fn frame(&self, payload: &[u8]) -> Bytes {
        debug_assert_eq!(self.len, payload.len() as u64);
        let header_len = header_len(payload.len()) + self.mask.map_or(0, |mask| mask.len());
        let mut out = Vec::with_capacity(header_len + payload.len());
        self.write(&mut out);
        out.extend_from_slice(payload);
        if let Some(mask) = self.mask {
            apply_mask(&mut out[header_len..], mask);
        }
        Bytes::from(out)
    }
}

/// Masks or unmasks `data`, whose first byte meets the key's first byte (5.3).
///
/// ```
/// let mut data = *b"hi";
/// sori_proto::ws::frame::apply_mask(&mut data, [1, 2, 3, 4]);
/// assert_eq!(&data, b"ik");
/// ```
pub fn apply_mask(data: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    // Words, which the compiler widens to vectors.
    let (words, rest) = data.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

fn control(opcode: OpCode, payload: &[u8]) -> Bytes {
    debug_assert!(payload.len() <= CONTROL_BYTES_MAX, "a control frame has at most 125 bytes");
    frame(opcode, payload)
}

/// Bytes of a control frame's payload (5.5).
pub(super) const CONTROL_BYTES_MAX: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2: u8 = 0x20;
const RSV3: u8 = 0x10;
const MASKED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_shortest_form() {
        #[track_caller]
        fn check(len: usize, header: &[u8]) {
            let frame = frame(OpCode::Binary, &vec![b'x'; len]);
            assert_eq!(&frame[..header.len()], header);
            assert_eq!(frame.len(), header.len() + len);
            assert_eq!(header_len(len), header.len());
            assert_eq!(payload(&frame), vec![b'x'; len]);
            assert_eq!(opcode(&frame), OpCode::Binary);
        }
        check(0, b"\x82\x00");
        check(125, b"\x82\x7d");
        check(126, b"\x82\x7e\x00\x7e");
        check(65_535, b"\x82\x7e\xff\xff");
        check(65_536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00");
    }

    #[test]
    fn header_is_written_before_a_payload_that_is_there_already() {
        let mut buffer = *b"??????????payload";
        write_header(&mut &mut buffer[8..10], OpCode::Text, true, true, 7);
        assert_eq!(&buffer[8..], b"\xc1\x07payload");
    }

    #[test]
    fn control_frames() {
        assert_eq!(&ping(b"")[..], b"\x89\x00");
        assert_eq!(&pong(b"abc")[..], b"\x8a\x03abc");
        assert_eq!(&close(Some(1000), "")[..], b"\x88\x02\x03\xe8");
        let cut = close(Some(1000), &"é".repeat(100));
        assert_eq!(cut.len(), 2 + 2 + 122);
        assert!(str::from_utf8(&cut[4..]).is_ok());
    }

    #[test]
    fn headers_of_the_rfc_examples() {
        #[track_caller]
        fn check(bytes: &[u8], header: Header) {
            assert_eq!(Header::parse(bytes), Ok(Some((header, bytes.len()))));
            for end in 0..bytes.len() {
                assert_eq!(Header::parse(&bytes[..end]), Ok(None));
            }
        }
        let text = Header { fin: true, rsv1: false, opcode: OpCode::Text, mask: None, len: 5 };
        check(b"\x81\x05", text);
        check(b"\x81\x85\x37\xfa\x21\x3d", Header { mask: Some([0x37, 0xFA, 0x21, 0x3D]), ..text });
        check(b"\x01\x03", Header { fin: false, len: 3, ..text });
        check(b"\xc1\x07", Header { rsv1: true, len: 7, ..text });
        check(b"\x82\x7e\x01\x00", Header { opcode: OpCode::Binary, len: 256, ..text });
        check(b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", Header { opcode: OpCode::Binary, len: 65_536, ..text });
        // Longer than needed.
        check(b"\x81\x7e\x00\x05", text);
        check(b"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05", text);
    }

    #[test]
    fn headers_that_are_wrong_fail_as_early_as_they_can() {
        #[track_caller]
        fn check(bytes: &[u8], error: WsError) {
            assert_eq!(Header::parse(bytes), Err(error));
            assert_eq!(Header::parse(&bytes[..bytes.len() - 1]), Ok(None));
        }
        for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF] {
            check(&[0x80 | opcode], WsError::ReservedOpCode);
        }
        check(b"\xa1", WsError::ReservedBits);
        check(b"\x91", WsError::ReservedBits);
        for opcode in [0x8, 0x9, 0xA] {
            check(&[opcode], WsError::FragmentedControl);
            check(&[0x80 | opcode, 0x80 | 126], WsError::ControlTooLong);
            check(&[0x80 | opcode, 0x80 | 127], WsError::ControlTooLong);
        }
        check(b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", WsError::Length);
    }

    #[test]
    fn masking_twice_changes_nothing() {
        for len in 0..40 {
            let plain: Vec<u8> = (0..len).collect();
            let mut data = plain.clone();
            apply_mask(&mut data, [1, 2, 3, 4]);
            let bytewise: Vec<u8> = plain.iter().zip([1, 2, 3, 4].into_iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            assert_eq!(data, bytewise);
            apply_mask(&mut data, [1, 2, 3, 4]);
            assert_eq!(data, plain);
        }
    }
}
