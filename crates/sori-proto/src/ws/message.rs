//! Messages out of the bytes of one connection (RFC 6455, 5.4 to 8.1).

use std::{borrow::Cow, fmt};

use super::{
    WsError, deflate,
    frame::{Header, OpCode, apply_mask},
    handshake::Negotiated,
};

/// One message or control frame. What lay in the input as a whole is borrowed from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A message of text.
    Text(Cow<'a, str>),
    /// A message of bytes.
    Binary(Cow<'a, [u8]>),
    /// To be answered with a pong that repeats it.
    Ping(Cow<'a, [u8]>),
    /// A ping's answer, or a sign of life that nobody asked for.
    Pong(Cow<'a, [u8]>),
    /// The peer is leaving: echo the code, then hang up.
    Close {
        /// One that may be sent (7.4), or none.
        code: Option<u16>,
        /// Why, in the peer's words.
        reason: Cow<'a, str>,
    },
}

/// Reads messages out of the bytes of one connection.
///
/// Between messages it is two words and owns no heap. A frame or message that is not complete yet
/// lives in one box, which grows with what has arrived and goes with the message.
pub struct Reader {
    partial: Option<Box<Partial>>,
    message_bytes_max: u32,
    role: Role,
    deflate: bool,
    closed: bool,
}

impl Reader {
    /// Reads what a client sends: every frame is masked.
    pub fn server(message_bytes_max: u32, deflate: Option<Negotiated>) -> Self {
        Self { partial: None, message_bytes_max, role: Role::Server, deflate: deflate.is_some(), closed: false }
    }

    /// Reads what a server sends: no frame is masked.
    pub fn client(message_bytes_max: u32, deflate: Option<Negotiated>) -> Self {
        Self { role: Role::Client, ..Self::server(message_bytes_max, deflate) }
    }

    /// Takes the next message off the front of `input`.
    ///
    /// `None` says that `input` is empty now: what it held of an unfinished message has been kept,
    /// and the caller may read into its buffer again. After a close frame or an error the
    /// connection is over, and the rest is ignored.
    ///
    /// ```
    /// use sori_proto::ws::{Message, Reader};
    /// let mut reader = Reader::client(1_000, None);
    /// let mut buffer = *b"\x81\x03one\x01\x02tw";
    /// let mut input = &mut buffer[..];
    /// assert_eq!(reader.next(&mut input)?, Some(Message::Text("one".into())));
    /// assert_eq!(reader.next(&mut input)?, None);
    /// let mut buffer = *b"\x80\x01o";
    /// assert_eq!(reader.next(&mut &mut buffer[..])?, Some(Message::Text("two".into())));
    /// # Ok::<(), sori_proto::ws::WsError>(())
    /// ```
    pub fn next<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Message<'a>>, WsError> {
        if self.closed {
            *input = &mut [];
            return Ok(None);
        }
        let message = self.read(input);
        self.closed = matches!(message, Err(_) | Ok(Some(Message::Close { .. })));
        if self.closed || self.partial.as_ref().is_some_and(|partial| partial.is_idle()) {
            self.partial = None;
        }
        message
    }

    fn read<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Message<'a>>, WsError> {
        loop {
            if let Some(partial) = &mut self.partial
                && partial.frame.is_some()
            {
                let message = partial.read_payload(input, self.message_bytes_max)?;
                if message.is_some() || partial.frame.is_some() {
                    return Ok(message);
                }
            }
            let Some(header) = self.read_header(input)? else { return Ok(None) };
            self.check(&header)?;
            let is_whole_message = header.opcode.is_control() || (header.fin && header.opcode != OpCode::Continuation);
            if is_whole_message && header.len <= input.len() as u64 {
                let payload = take(input, header.len as usize);
                if let Some(mask) = header.mask {
                    apply_mask(payload, mask);
                }
                return message(header.opcode, header.rsv1, Cow::Borrowed(payload), self.message_bytes_max).map(Some);
            }
            self.partial.get_or_insert_default().begin(header);
        }
    }

    /// The next header. When `input` ends before it does, the beginning is kept.
    fn read_header(&mut self, input: &mut &mut [u8]) -> Result<Option<Header>, WsError> {
        if self.partial.as_ref().is_none_or(|partial| partial.header_len == 0)
            && let Some((header, len)) = Header::parse(input)?
        {
            take(input, len);
            return Ok(Some(header));
        }
        while !input.is_empty() {
            let partial = self.partial.get_or_insert_default();
            if let Some(header) = partial.push_header(take(input, 1)[0])? {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Whether this connection may receive such a frame now. Nothing of its payload has been kept yet.
    fn check(&self, header: &Header) -> Result<(), WsError> {
        match (self.role, header.mask) {
            (Role::Server, None) => return Err(WsError::Unmasked),
            (Role::Client, Some(_)) => return Err(WsError::Masked),
            _ => {}
        }
        // RFC 7692, 6: the bit stands on the first frame of a message only.
        if header.rsv1 && !(self.deflate && matches!(header.opcode, OpCode::Text | OpCode::Binary)) {
            return Err(WsError::ReservedBits);
        }
        if header.opcode.is_control() {
            return Ok(());
        }
        let (len, compressed) = match self.partial.as_ref().and_then(|partial| partial.message.as_ref()) {
            None if header.opcode == OpCode::Continuation => return Err(WsError::UnexpectedContinuation),
            None => (0, header.rsv1),
            Some(_) if header.opcode != OpCode::Continuation => return Err(WsError::ExpectedContinuation),
            Some(message) if message.fragments_are_used_up() => return Err(WsError::TooManyFragments),
            Some(message) => (message.data.len() as u64, message.compressed),
        };
        match header.len > wire_bytes_max(self.message_bytes_max, compressed) - len {
            true => Err(WsError::MessageTooLarge),
            false => Ok(()),
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without what the peer sent.
        f.debug_struct("Reader").field("role", &self.role).field("closed", &self.closed).finish_non_exhaustive()
    }
}

/// Whose bytes are read.
#[derive(Clone, Copy, Debug)]
enum Role {
    Server,
    Client,
}

/// What a connection needs only while something is unfinished.
#[derive(Default)]
struct Partial {
    /// The beginning of a header.
    header: [u8; Header::LEN_MAX],
    header_len: u8,
    /// The frame whose payload is arriving. Its length is what is still missing, its mask is
    /// turned to the next byte.
    frame: Option<Header>,
    /// A message, while its frames arrive.
    message: Option<Assembly>,
    /// A control frame, which may arrive in pieces between the fragments of a message.
    control: Option<Assembly>,
}

impl Partial {
    fn is_idle(&self) -> bool {
        self.header_len == 0 && self.frame.is_none() && self.message.is_none()
    }

    fn push_header(&mut self, byte: u8) -> Result<Option<Header>, WsError> {
        self.header[usize::from(self.header_len)] = byte;
        self.header_len += 1;
        let header = Header::parse(&self.header[..usize::from(self.header_len)])?;
        if header.is_some() {
            self.header_len = 0;
        }
        Ok(header.map(|(header, _)| header))
    }

    /// Begins a frame that [`Reader::check`] let pass.
    fn begin(&mut self, header: Header) {
        match header.opcode {
            OpCode::Continuation => {}
            OpCode::Text | OpCode::Binary => self.message = Some(Assembly::new(&header)),
            OpCode::Close | OpCode::Ping | OpCode::Pong => self.control = Some(Assembly::new(&header)),
        }
        if let Some(message) = &mut self.message
            && !header.opcode.is_control()
        {
            message.fragments += 1;
        }
        self.frame = Some(header);
    }

    /// Keeps what has arrived of the frame that began. When it ends its message, here it is.
    fn read_payload(&mut self, input: &mut &mut [u8], message_bytes_max: u32) -> Result<Option<Message<'static>>, WsError> {
        let frame = self.frame.as_mut().expect("called inside of a frame");
        let target = if frame.opcode.is_control() { &mut self.control } else { &mut self.message };
        let assembly = target.as_mut().expect("began with its first frame");

        let chunk_len = frame.len.min(input.len() as u64) as usize;
        let chunk = take(input, chunk_len);
        if let Some(mask) = &mut frame.mask {
            apply_mask(chunk, *mask);
            mask.rotate_left(chunk_len % 4);
        }
        let len_max = match frame.fin {
            true => assembly.data.len() as u64 + frame.len,
            false => wire_bytes_max(message_bytes_max, assembly.compressed),
        };
        assembly.push(chunk, len_max as usize)?;
        frame.len -= chunk_len as u64;
        if frame.len > 0 {
            return Ok(None);
        }

        let fin = frame.fin;
        self.frame = None;
        match target.take_if(|_| fin) {
            Some(done) => message(done.opcode, done.compressed, Cow::Owned(done.data), message_bytes_max).map(Some),
            None => Ok(None),
        }
    }
}

/// The payload of a message or control frame that arrives in pieces.
struct Assembly {
    opcode: OpCode,
    compressed: bool,
    fragments: u32,
    data: Vec<u8>,
    /// How far `data` is known to be UTF-8, if it must be.
    utf8_len: usize,
}

impl Assembly {
    fn new(header: &Header) -> Self {
        Self { opcode: header.opcode, compressed: header.rsv1, fragments: 0, data: Vec::new(), utf8_len: 0 }
    }

    /// Appends what has arrived. Memory follows it, not what a header promised, and never exceeds `len_max`.
    fn push(&mut self, chunk: &[u8], len_max: usize) -> Result<(), WsError> {
        let len = self.data.len() + chunk.len();
        if len > self.data.capacity() {
            let wanted = len.max(len_max.min(2 * self.data.capacity()));
            self.data.reserve_exact(wanted - self.data.len());
        }
        self.data.extend_from_slice(chunk);

        // Section 8.1, and at once: text that is wrong already does not get any better.
        if self.opcode == OpCode::Text && !self.compressed {
            self.utf8_len += match str::from_utf8(&self.data[self.utf8_len..]) {
                Ok(text) => text.len(),
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => return Err(WsError::Utf8),
            };
        }
        Ok(())
    }

    /// Fragments cost no memory here, but time, and one message may not take it for ever. Peers may be clumsy,
    /// so a message may come in many small pieces, but not in endless empty ones.
    fn fragments_are_used_up(&self) -> bool {
        self.fragments as usize >= FRAGMENTS_FREE + self.data.len() / FRAGMENT_BYTES
    }
}

fn message(opcode: OpCode, compressed: bool, payload: Cow<'_, [u8]>, bytes_max: u32) -> Result<Message<'_>, WsError> {
    let payload = match compressed {
        true => Cow::Owned(deflate::decompress(&payload, bytes_max as usize)?),
        false => payload,
    };
    match opcode {
        OpCode::Text => text(payload).map(Message::Text),
        OpCode::Binary => Ok(Message::Binary(payload)),
        OpCode::Ping => Ok(Message::Ping(payload)),
        OpCode::Pong => Ok(Message::Pong(payload)),
        OpCode::Close => close(payload),
        OpCode::Continuation => unreachable!("a continuation ends as the message that it continues"),
    }
}

fn text(payload: Cow<'_, [u8]>) -> Result<Cow<'_, str>, WsError> {
    match payload {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| WsError::Utf8),
        // Seen before piece by piece; only this makes it a string without `unsafe`.
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| WsError::Utf8),
    }
}

fn close(payload: Cow<'_, [u8]>) -> Result<Message<'_>, WsError> {
    let code = match *payload {
        [] => return Ok(Message::Close { code: None, reason: Cow::Borrowed("") }),
        [high, low, ..] => u16::from_be_bytes([high, low]),
        [_] => return Err(WsError::CloseCode),
    };
    // Section 7.4 and IANA's registry. 1004 to 1006 and 1015 are never sent.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(WsError::CloseCode);
    }
    let reason = text(match payload {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[2..]),
        Cow::Owned(bytes) => Cow::Owned(bytes[2..].to_vec()),
    })?;
    Ok(Message::Close { code: Some(code), reason })
}

/// Bytes that a message of the largest size may have on the wire: what does not compress grows a little.
fn wire_bytes_max(message_bytes_max: u32, compressed: bool) -> u64 {
    let max = u64::from(message_bytes_max);
    if compressed { max + max / 256 + 64 } else { max }
}

/// Takes `len` bytes off the front of `input`, for as long as the buffer lives.
fn take<'a>(input: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    input.split_off_mut(..len).expect("the caller looked at what there is")
}

/// Fragments that any message may have; the reference's `ws` stops here.
const FRAGMENTS_FREE: usize = 16_384;
/// Beyond them, fragments must have this many bytes on average.
const FRAGMENT_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::{
        frame,
        handshake::{DeflateConfig, negotiate_deflate},
    };

    const KEY: [u8; 4] = [0x11, 0x9C, 0xE0, 0x47];
    const FIN: u8 = 0x80;
    const RSV1: u8 = 0x40;

    /// A client's frame with the given first byte.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            len @ 0..=125 => bytes.push(0x80 | len as u8),
            len @ 126..=0xFFFF => bytes.extend([&[0xFE][..], &(len as u16).to_be_bytes()].concat()),
            len => bytes.extend([&[0xFF][..], &(len as u64).to_be_bytes()].concat()),
        }
        bytes.extend(KEY);
        bytes.extend(payload.iter().zip(KEY.into_iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }

    fn negotiated() -> Option<Negotiated> {
        negotiate_deflate([&b"permessage-deflate"[..]].into_iter(), &DeflateConfig::default())
    }

    fn owned(message: Message<'_>) -> Message<'static> {
        let bytes = |bytes: Cow<'_, [u8]>| Cow::Owned(bytes.into_owned());
        match message {
            Message::Text(text) => Message::Text(text.into_owned().into()),
            Message::Binary(data) => Message::Binary(bytes(data)),
            Message::Ping(data) => Message::Ping(bytes(data)),
            Message::Pong(data) => Message::Pong(bytes(data)),
            Message::Close { code, reason } => Message::Close { code, reason: reason.into_owned().into() },
        }
    }

    /// Everything a reader says of `bytes` when they arrive in chunks of `size`.
    fn read_in_chunks(reader: &mut Reader, bytes: &[u8], size: usize) -> Result<Vec<Message<'static>>, WsError> {
        let mut messages = Vec::new();
        for chunk in bytes.to_vec().chunks_mut(size) {
            let mut input = chunk;
            while let Some(message) = reader.next(&mut input)? {
                messages.push(owned(message));
            }
            assert!(input.is_empty());
        }
        Ok(messages)
    }

    #[track_caller]
    fn check(frames: &[Vec<u8>], expected: Result<&[Message<'static>], WsError>) {
        let bytes = frames.concat();
        for size in 1..=bytes.len() {
            let mut reader = Reader::server(1_000, negotiated());
            let messages = read_in_chunks(&mut reader, &bytes, size);
            assert_eq!(messages.as_deref().map_err(|error| *error), expected, "in chunks of {size}");
            assert!(reader.partial.is_none(), "something is left in chunks of {size}");
        }
    }

    fn text(text: &'static str) -> Message<'static> {
        Message::Text(text.into())
    }

    #[test]
    fn an_idle_reader_is_two_words() {
        assert_eq!(size_of::<Reader>(), 16);
    }

    #[test]
    fn whole_messages_are_borrowed() {
        let mut bytes = [masked(FIN | 1, "héllo".as_bytes()), masked(FIN | 2, &[7; 300]), masked(FIN | 9, b"p")].concat();
        let range = bytes.as_ptr_range();
        let mut reader = Reader::server(1_000, None);
        let mut input = &mut bytes[..];
        let Some(Message::Text(Cow::Borrowed(text))) = reader.next(&mut input).unwrap() else { panic!("copied") };
        assert!(text == "héllo" && range.contains(&text.as_ptr()));
        let Some(Message::Binary(Cow::Borrowed(data))) = reader.next(&mut input).unwrap() else { panic!("copied") };
        assert!(data == [7; 300] && range.contains(&data.as_ptr()));
        assert_eq!(reader.next(&mut input), Ok(Some(Message::Ping(Cow::Borrowed(b"p")))));
        assert_eq!(reader.next(&mut input), Ok(None));
        assert!(reader.partial.is_none());
    }

    #[test]
    fn messages_and_fragments() {
        check(&[masked(FIN | 1, b"2")], Ok(&[text("2")]));
        check(&[masked(FIN | 1, b""), masked(FIN | 2, b"")], Ok(&[text(""), Message::Binary(Cow::Borrowed(b""))]));
        check(&[masked(1, b"He"), masked(0, b""), masked(0, b"l"), masked(FIN, b"lo")], Ok(&[text("Hello")]));
        check(&[masked(1, b""), masked(FIN, b""), masked(FIN | 1, b"next")], Ok(&[text(""), text("next")]));
        check(&[masked(2, &[1; 200]), masked(FIN, &[1; 300])], Ok(&[Message::Binary(vec![1; 500].into())]));
        check(
            &[masked(1, b"a"), masked(FIN | 9, b"ping"), masked(0, b"b"), masked(FIN | 10, b""), masked(FIN, b"c")],
            Ok(&[Message::Ping(Cow::Borrowed(b"ping")), Message::Pong(Cow::Borrowed(b"")), text("abc")]),
        );
    }

    #[test]
    fn compressed_messages() {
        let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
        check(&[masked(FIN | RSV1 | 1, hello), masked(FIN | 1, b"plain")], Ok(&[text("Hello"), text("plain")]));
        check(
            &[masked(RSV1 | 1, &hello[..3]), masked(FIN | 9, b""), masked(FIN, &hello[3..])],
            Ok(&[Message::Ping(Cow::Borrowed(b"")), text("Hello")]),
        );
        check(&[masked(FIN | RSV1 | 2, b"")], Ok(&[Message::Binary(Cow::Borrowed(b""))]));
        check(&[masked(FIN | RSV1 | 1, b"\x07\xff\xff\xff")], Err(WsError::Deflate));
        check(&[masked(FIN | RSV1 | 1, &deflate::compress(b"\xff\xfe", 15))], Err(WsError::Utf8));
        check(&[masked(FIN | RSV1 | 2, &deflate::compress(&[0; 1_000], 15))], Ok(&[Message::Binary(vec![0; 1_000].into())]));
        check(&[masked(FIN | RSV1 | 2, &deflate::compress(&[0; 1_001], 15))], Err(WsError::MessageTooLarge));
    }

    #[test]
    fn frames_that_may_not_come() {
        check(&[frame::frame(OpCode::Text, b"x").to_vec()], Err(WsError::Unmasked));
        check(&[frame::ping(b"").to_vec()], Err(WsError::Unmasked));
        check(&[masked(FIN | 3, b"")], Err(WsError::ReservedOpCode));
        check(&[masked(FIN | 0x20 | 1, b"")], Err(WsError::ReservedBits));
        check(&[masked(FIN | 0x10 | 1, b"")], Err(WsError::ReservedBits));
        check(&[masked(FIN | RSV1 | 9, b"")], Err(WsError::ReservedBits));
        check(&[masked(RSV1 | 1, b"x"), masked(FIN | RSV1, b"x")], Err(WsError::ReservedBits));
        check(&[masked(9, b"")], Err(WsError::FragmentedControl));
        check(&[masked(FIN | 9, &[0; 126])], Err(WsError::ControlTooLong));
        check(&[masked(FIN, b"x")], Err(WsError::UnexpectedContinuation));
        check(&[masked(0, b"x")], Err(WsError::UnexpectedContinuation));
        check(&[masked(1, b"x"), masked(FIN | 1, b"y")], Err(WsError::ExpectedContinuation));
        check(&[masked(1, b"x"), masked(2, b"y")], Err(WsError::ExpectedContinuation));

        let mut without_deflate = Reader::server(1_000, None);
        assert_eq!(read_in_chunks(&mut without_deflate, &masked(FIN | RSV1 | 1, b"\x00"), 99), Err(WsError::ReservedBits));
        let mut client = Reader::client(1_000, None);
        assert_eq!(read_in_chunks(&mut client, &masked(FIN | 1, b"x"), 99), Err(WsError::Masked));
    }

    #[test]
    fn close_frames() {
        let close = |code: u16, reason: &'static str| Message::Close { code: Some(code), reason: reason.into() };
        check(&[masked(FIN | 8, b"")], Ok(&[Message::Close { code: None, reason: "".into() }]));
        check(&[masked(FIN | 8, b"\x03\xe8bye")], Ok(&[close(1000, "bye")]));
        check(&[masked(FIN | 8, b"\x03")], Err(WsError::CloseCode));
        check(&[masked(FIN | 8, b"\x03\xe8\xff")], Err(WsError::Utf8));
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
            check(&[masked(FIN | 8, &u16::to_be_bytes(code))], Ok(&[close(code, "")]));
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
            check(&[masked(FIN | 8, &u16::to_be_bytes(code))], Err(WsError::CloseCode));
        }
    }

    #[test]
    fn what_follows_the_end_is_ignored() {
        let mut reader = Reader::server(1_000, None);
        let bytes = [masked(FIN | 8, b""), masked(FIN | 1, b"late"), vec![0xff; 100]].concat();
        assert_eq!(read_in_chunks(&mut reader, &bytes, 1_000).unwrap().len(), 1);
        let mut reader = Reader::server(1_000, None);
        assert!(read_in_chunks(&mut reader, b"\xff", 1).is_err());
        assert_eq!(read_in_chunks(&mut reader, &masked(FIN | 1, b"late"), 1), Ok(vec![]));
    }

    #[test]
    fn text_is_refused_at_its_first_wrong_byte() {
        #[track_caller]
        fn check(first: u8, text: &[u8], wrong_at: usize) {
            let mut bytes = masked(first, text);
            let header_len = bytes.len() - text.len();
            let mut reader = Reader::server(1_000, None);
            for (i, chunk) in bytes.chunks_mut(1).enumerate() {
                let mut input = chunk;
                match reader.next(&mut input) {
                    Ok(_) => assert_ne!(i, header_len + wrong_at, "not seen"),
                    Err(error) => {
                        assert_eq!((error, i), (WsError::Utf8, header_len + wrong_at));
                        return;
                    }
                }
            }
        }
        for first in [FIN | 1, 1] {
            check(first, b"abc\xff_______", 3);
            check(first, b"\xce\xba\xed\xa0\x80edited", 3); // a surrogate
            check(first, b"\xf4\x90\x80\x80beyond", 1); // above U+10FFFF
            check(first, b"\xc0\xaf overlong", 0);
            check(first, b"\xe2\x82\x20\xac", 2);
        }
        // The end is wrong only as an end.
        super::tests::check(&[masked(FIN | 1, b"\xe2\x82")], Err(WsError::Utf8));
        super::tests::check(&[masked(1, b"\xe2"), masked(0, b"\x82"), masked(FIN, b"\xac")], Ok(&[text("€")]));
        super::tests::check(&[masked(1, b"\xe2\x82"), masked(FIN, b"x")], Err(WsError::Utf8));
    }

    #[test]
    fn a_declared_length_allocates_nothing() {
        let mut reader = Reader::server(u32::MAX, None);
        let mut header = *b"\x82\xff\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00";
        assert_eq!(reader.next(&mut &mut header[..]), Ok(None));
        assert_eq!(reader.heap_bytes(), size_of::<Partial>());
        for arrived in 1..=3_000 {
            assert_eq!(reader.next(&mut &mut [0][..]), Ok(None));
            assert!(reader.heap_bytes() <= size_of::<Partial>() + 2 * arrived);
        }
    }

    #[test]
    fn the_limit_holds_before_anything_is_kept() {
        let mut reader = Reader::server(1_000, negotiated());
        assert_eq!(read_in_chunks(&mut reader, &masked(FIN | 2, &[0; 1_000]), 7).unwrap().len(), 1);
        let too_long = &masked(FIN | 2, &[0; 1_001])[..8];
        assert_eq!(read_in_chunks(&mut reader, too_long, 8), Err(WsError::MessageTooLarge));

        let mut reader = Reader::server(1_000, negotiated());
        let fragments = [masked(2, &[0; 600]), masked(0, &[0; 400]), masked(0, b"")].concat();
        assert_eq!(read_in_chunks(&mut reader, &fragments, 7), Ok(vec![]));
        assert!(reader.heap_bytes() <= size_of::<Partial>() + 1_000);
        assert_eq!(read_in_chunks(&mut reader, &masked(FIN, b"1")[..6], 7), Err(WsError::MessageTooLarge));
        assert_eq!(reader.heap_bytes(), 0);

        let mut reader = Reader::server(1_000, negotiated());
        assert_eq!(read_in_chunks(&mut reader, &masked(FIN | RSV1 | 2, &[0; 2_000])[..8], 8), Err(WsError::MessageTooLarge));
    }

    #[test]
    fn endless_fragments_come_to_an_end() {
        let mut reader = Reader::server(1_000_000, None);
        assert_eq!(read_in_chunks(&mut reader, &masked(1, b""), 99), Ok(vec![]));
        let mut empty = masked(0, b"").repeat(FRAGMENTS_FREE - 1);
        assert_eq!(reader.next(&mut &mut empty[..]), Ok(None));
        assert_eq!(reader.heap_bytes(), size_of::<Partial>());
        assert_eq!(read_in_chunks(&mut reader, &masked(0, b""), 99), Err(WsError::TooManyFragments));

        // Small ones are fine for as long as they carry something.
        let mut reader = Reader::server(1_000_000, None);
        let mut bytes = [masked(2, b""), masked(0, &[0; 16]).repeat(62_500), masked(FIN, b"")].concat();
        let message = reader.next(&mut &mut bytes[..]).unwrap();
        assert!(matches!(message, Some(Message::Binary(data)) if data.len() == 1_000_000));
    }

    proptest::proptest! {
        #[test]
        fn garbage_stays_within_the_limit(
            frames in proptest::collection::vec((0u8..16, 0u8..8, 0u8..255, proptest::collection::vec(0u8.., 0..90)), 0..20),
            size in 1usize..200,
        ) {
            // Wrong often enough in each place, right often enough to go on.
            let bytes: Vec<u8> = frames
                .into_iter()
                .flat_map(|(opcode, bits, length, payload)| [&[(opcode % 11) | (bits & 1) << 7 | (bits >> 1 & 1) << 6, 0x80 | length][..], &payload].concat())
                .collect();
            let mut reader = Reader::server(300, negotiated());
            for chunk in bytes.clone().chunks_mut(size) {
                let mut input = chunk;
                while let Ok(Some(message)) = reader.next(&mut input) {
                    let len = match message {
                        Message::Text(text) => text.len(),
                        Message::Binary(data) => data.len(),
                        Message::Ping(data) | Message::Pong(data) => data.len() + 175,
                        Message::Close { reason, .. } => reason.len() + 177,
                    };
                    assert!(len <= 300);
                }
                assert!(reader.heap_bytes() <= size_of::<Partial>() + 300 + 65 + 125);
            }
        }
    }

    impl Reader {
        fn heap_bytes(&self) -> usize {
            self.partial.as_ref().map_or(0, |partial| {
                let buffers = [&partial.message, &partial.control];
                size_of::<Partial>() + buffers.into_iter().flatten().map(|assembly| assembly.data.capacity()).sum::<usize>()
            })
        }
    }
}
