//! Requests and answers on one connection.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{Body, Head};
use crate::{Error, Limits, wire::Wire};

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The error of an answer that is another than was asked for.
    pub(crate) fn wrong(&self, expected: &'static str) -> Error {
        wrong_answer(&self.head, &self.body, expected)
    }
}

/// A connection that carries one request after the other.
pub(crate) struct Exchange {
    pub(crate) wire: Wire,
    /// What came of a head that is not whole yet.
    begun: Vec<u8>,
    answer: Option<Box<Answer>>,
    answered: u32,
}

impl Exchange {
    pub(crate) fn new(wire: Wire) -> Self {
        Self { wire, begun: Vec::new(), answer: None, answered: 0 }
    }

    /// Whether it has carried an answer, so that the server may have hung up on an idle connection.
    pub(crate) fn was_used(&self) -> bool {
        self.answered > 0
    }

    /// Whether the answer has begun to arrive.
    pub(crate) fn has_begun(&self) -> bool {
        !self.begun.is_empty() || self.answer.is_some()
    }

    pub(crate) fn poll_answer(&mut self, cx: &mut Context<'_>, limits: &Limits) -> Poll<Result<Answer, Error>> {
        loop {
            let Self { wire, begun, answer, .. } = self;
            let whole = ready!(wire.poll_read(cx, |_, bytes| take(begun, answer, bytes, limits)))?;
            if let Some(answer) = whole {
                self.answered += 1;
                return Poll::Ready(Ok(answer));
            }
        }
    }
}

/// The answer, once it is whole.
fn take(begun: &mut Vec<u8>, answer: &mut Option<Box<Answer>>, bytes: &[u8], limits: &Limits) -> Result<Option<Answer>, Error> {
    if bytes.is_empty() {
        // RFC 9112, 8: only what lasts until the end is whole then.
        return match answer.take() {
            Some(whole) if whole.head.body == Body::UntilEnd => Ok(Some(*whole)),
            _ => Err(Error::cut("before its answer was whole")),
        };
    }
    let joined;
    let mut input = match begun.is_empty() {
        true => bytes,
        false => {
            begun.extend_from_slice(bytes);
            joined = std::mem::take(begun);
            &joined[..]
        }
    };
    let mut whole = match answer.take() {
        Some(answer) => answer,
        None => {
            let Some((head, len)) = Head::parse(input, limits)? else {
                *begun = input.to_vec();
                return Ok(None);
            };
            input = &input[len..];
            Box::new(Answer { head, body: Vec::new() })
        }
    };
    while let Some(data) = whole.head.body.next(&mut input)? {
        if whole.body.len() + data.len() > limits.message_bytes_max as usize {
            return Err(Error::TooLarge { limit: "message_bytes_max", max: limits.message_bytes_max });
        }
        whole.body.extend_from_slice(data);
    }
    if !whole.head.body.is_done() {
        *answer = Some(whole);
        return Ok(None);
    }
    if !input.is_empty() {
        // Nobody asked for more: this connection is not to be trusted with another request.
        whole.head.keeps_alive = false;
    }
    Ok(Some(*whole))
}

/// Reads the head of an answer whose body, or what follows it, is a transport's own affair, and what came with it.
pub(crate) async fn read_head(wire: &mut Wire, limits: &Limits) -> Result<(Head, Vec<u8>), Error> {
    let mut bytes = Vec::new();
    loop {
        let len = poll_fn(|cx| {
            wire.poll_read(cx, |_, read| {
                bytes.extend_from_slice(read);
                Ok(read.len())
            })
        })
        .await?;
        if len == 0 {
            return Err(Error::cut("without an answer"));
        }
        if let Some((head, len)) = Head::parse(&bytes, limits)? {
            bytes.drain(..len);
            return Ok((head, bytes));
        }
    }
}

/// The error of an answer that is another than was asked for, with the beginning of its body.
pub(crate) async fn refused(wire: &mut Wire, mut head: Head, begun: Vec<u8>, expected: &'static str) -> Error {
    let mut body = Vec::new();
    let mut collect = |mut input: &[u8], head: &mut Head| {
        while let Ok(Some(data)) = head.body.next(&mut input) {
            body.extend_from_slice(data);
        }
        head.body.is_done() || body.len() > BODY_BYTES
    };
    let mut enough = collect(&begun, &mut head);
    let reading = async {
        while !enough {
            let read = poll_fn(|cx| wire.poll_read(cx, |_, bytes| Ok(bytes.is_empty() || collect(bytes, &mut head))));
            enough = read.await.unwrap_or(true);
        }
    };
    // A stream of another kind does not end, and what is wrong is known already.
    tokio::time::timeout(BODY_PATIENCE, reading).await.ok();
    wrong_answer(&head, &body, expected)
}

fn wrong_answer(head: &Head, body: &[u8], expected: &'static str) -> Error {
    let said = head.location.as_deref().map_or(body, str::as_bytes);
    Error::wrong_answer(expected, head.status, said)
}

/// Of an error's body, more than is shown.
const BODY_BYTES: usize = 1_000;
/// How long it is waited for.
const BODY_PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &str, status: u16, body: &str, keeps_alive: bool) {
        for size in 1..=bytes.len() {
            let (mut begun, mut partial, mut whole) = (Vec::new(), None, None);
            for chunk in bytes.as_bytes().chunks(size) {
                assert!(whole.is_none(), "whole too early in chunks of {size}");
                whole = take(&mut begun, &mut partial, chunk, &Limits::default()).unwrap();
            }
            let whole = match whole {
                Some(whole) => whole,
                None => take(&mut begun, &mut partial, b"", &Limits::default()).unwrap().unwrap(),
            };
            assert_eq!((whole.head.status, &*whole.body, whole.head.keeps_alive), (status, body.as_bytes(), keeps_alive));
            assert!(begun.is_empty() && partial.is_none());
        }
    }

    #[test]
    fn answers_however_they_are_cut() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", true);
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, "ok", true);
        check("HTTP/1.1 400 Bad Request\r\n\r\nno", 400, "no", false);
        check("HTTP/1.1 204 No Content\r\n\r\n", 204, "", true);
    }

    #[test]
    fn answers_have_a_limit_and_an_end() {
        let limits = Limits { message_bytes_max: 3, ..Limits::default() };
        let long = b"HTTP/1.1 200 OK\r\n\r\nlong";
        let error = take(&mut Vec::new(), &mut None, long, &limits).unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit: "message_bytes_max", max: 3 }));
        let (mut begun, mut partial) = (Vec::new(), None);
        assert!(take(&mut begun, &mut partial, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", &limits).unwrap().is_none());
        assert!(matches!(take(&mut begun, &mut partial, b"", &limits), Err(Error::Lost(_))));
    }

    proptest::proptest! {
        /// Bytes that are nearly answers are read, refused, or kept within the limits.
        #[test]
        fn garbage_stays_within_the_limits(
            pieces in proptest::collection::vec((0usize..12, proptest::collection::vec(0u8.., 0..20)), 0..20),
            size in 1usize..100,
        ) {
            const PIECES: [&[u8]; 12] = [
                b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n",
                b"\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"ffffffffffffff\r\n", b"Content-Length: 18446744073709551615\r\n",
                b"Connection: close\r\n", b"X: y\r\n", b"",
            ];
            let limits = Limits { message_bytes_max: 50, head_bytes_max: 200, ..Limits::default() };
            let bytes: Vec<u8> = pieces.into_iter().flat_map(|(i, garbage)| [PIECES[i], if i == 11 { &garbage } else { &[] }].concat()).collect();
            let (mut begun, mut partial) = (Vec::new(), None);
            for chunk in bytes.chunks(size) {
                match take(&mut begun, &mut partial, chunk, &limits) {
                    Ok(Some(answer)) => assert!(answer.body.len() <= 50),
                    Ok(None) => assert!(begun.len() <= 200 && partial.as_ref().is_none_or(|answer| answer.body.len() <= 50)),
                    Err(_) => break,
                }
            }
        }
    }
}
