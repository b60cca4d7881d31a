//! An event stream as a client reads it: the same however it is cut, and within its limit.

use sori_proto::{
    ProtocolError,
    plain::{SseEvent, SseReader},
};

use super::memory;

const EVENT_BYTES_MAX: u32 = 200;
/// What a byte may become: `data`, two line ends, and each time the id before it.
const EVENT_BYTES: usize = 600;

/// The first byte is the size of the pieces.
pub fn plain_sse_reader(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else { return };
    let whole = read(stream, stream.len().max(1));
    assert_eq!(read(stream, usize::from(*size) % 64 + 1), whole);
    let held = memory::peak(|| drop(read(stream, stream.len().max(1))));
    assert!(held <= EVENT_BYTES * stream.len() + 1_024, "{held} bytes for {}", stream.len());
    for event in &whole.0 {
        assert!(!event.event.is_empty() && !event.id.contains('\0') && !event.id.contains(['\n', '\r']));
        // What is no UTF-8 comes as three bytes for one.
        assert!(event.data.len() <= 3 * EVENT_BYTES_MAX as usize);
    }
}

fn read(stream: &[u8], size: usize) -> (Vec<SseEvent>, Option<ProtocolError>) {
    let (mut reader, mut events) = (SseReader::new(EVENT_BYTES_MAX), Vec::new());
    for mut chunk in stream.chunks(size) {
        loop {
            match reader.next(&mut chunk) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
        assert!(chunk.is_empty());
    }
    (events, None)
}
