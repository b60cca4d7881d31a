//! The body of an answer, out of its framing (RFC 9112, 6 and 7).

use crate::Error;

/// Where in its body an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Chunk),
    /// To the end of the connection.
    UntilEnd,
    Done,
}

/// Where in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// In the line with its size: the size so far, and how many digits it has.
    Size(u64, u8),
    /// In the rest of that line.
    Extension(u64),
    Data(u64),
    /// In the line end after the data.
    DataEnd,
    /// In the trailer: how long its line is so far, line ends aside.
    Trailer(u16),
}

impl Body {
    pub(crate) fn of_length(length: u64) -> Self {
        if length == 0 { Self::Done } else { Self::Length(length) }
    }

    pub(crate) fn chunked() -> Self {
        Self::Chunked(Chunk::Size(0, 0))
    }

    pub(crate) fn is_done(self) -> bool {
        self == Self::Done
    }

    /// Takes the next piece of data off the front of `input`. `None` says that `input` is empty now, or the body is done and what
    /// is left belongs to whatever comes next.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Error> {
        while !input.is_empty() {
            match self {
                Self::Done => return Ok(None),
                Self::UntilEnd => return Ok(Some(std::mem::take(input))),
                Self::Length(left) => {
                    let data = take(input, *left);
                    *self = Self::of_length(*left - data.len() as u64);
                    return Ok(Some(data));
                }
                Self::Chunked(Chunk::Data(left)) => {
                    let data = take(input, *left);
                    *left -= data.len() as u64;
                    if *left == 0 {
                        *self = Self::Chunked(Chunk::DataEnd);
                    }
                    return Ok(Some(data));
                }
                Self::Chunked(chunk) => {
                    let byte = input[0];
                    *input = &input[1..];
                    *self = chunk.step(byte).ok_or_else(|| Error::violation("a chunk of its HTTP answer is malformed"))?;
                }
            }
        }
        Ok(None)
    }
}

impl Chunk {
    /// Past one byte that is no data.
    fn step(self, byte: u8) -> Option<Body> {
        Some(Body::Chunked(match (self, byte) {
            (Self::Size(size, digits), byte) if byte.is_ascii_hexdigit() && digits < DIGITS_MAX => {
                let digit = char::from(byte).to_digit(16).expect("a digit of sixteen");
                Self::Size(size << 4 | u64::from(digit), digits + 1)
            }
            (Self::Size(_, 0), _) => return None,
            (Self::Size(size, _), b'\r' | b'\n' | b';' | b' ' | b'\t') if byte != b'\n' => Self::Extension(size),
            // A bare line feed ends a line, too (RFC 9112, 2.2).
            (Self::Size(0, _) | Self::Extension(0), b'\n') => Self::Trailer(0),
            (Self::Size(size, _) | Self::Extension(size), b'\n') => Self::Data(size),
            (Self::Size(..), _) => return None,
            (Self::Extension(size), _) => Self::Extension(size),
            (Self::DataEnd, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::Size(0, 0),
            (Self::DataEnd, _) => return None,
            (Self::Trailer(0), b'\n') => return Some(Body::Done),
            (Self::Trailer(_), b'\n') => Self::Trailer(0),
            (Self::Trailer(len), b'\r') => Self::Trailer(len),
            (Self::Trailer(len), _) => Self::Trailer(len.checked_add(1)?),
            (Self::Data(_), _) => unreachable!("data is taken as a whole"),
        }))
    }
}

fn take<'a>(input: &mut &'a [u8], len: u64) -> &'a [u8] {
    let (data, rest) = input.split_at(len.min(input.len() as u64) as usize);
    *input = rest;
    data
}

/// More than any size of a chunk has, and as many as fit.
const DIGITS_MAX: u8 = 15;

#[cfg(test)]
mod tests {
    use super::*;

    /// The data, whether the body is done, and what is left, however the bytes are cut.
    #[track_caller]
    fn check(body: Body, bytes: &str, data: &str, done: bool, rest: &str) {
        for size in 1..=bytes.len() {
            let (mut body, mut read, mut left) = (body, String::new(), String::new());
            for mut chunk in bytes.as_bytes().chunks(size) {
                while let Some(data) = body.next(&mut chunk).unwrap() {
                    read.push_str(str::from_utf8(data).unwrap());
                }
                left.push_str(str::from_utf8(chunk).unwrap());
            }
            assert_eq!((&*read, body.is_done(), &*left), (data, done, rest), "in chunks of {size}");
        }
    }

    #[test]
    fn every_framing() {
        check(Body::of_length(5), "hello", "hello", true, "");
        check(Body::of_length(5), "hello, you", "hello", true, ", you");
        check(Body::of_length(0), "x", "", true, "x");
        check(Body::UntilEnd, "hello", "hello", false, "");
        check(Body::chunked(), "5\r\nhello\r\n0\r\n\r\nnext", "hello", true, "next");
        check(Body::chunked(), "3;a=b\r\nhel\r\n002 \r\nlo\r\n0;x\r\nX: y\r\n\r\n", "hello", true, "");
        check(Body::chunked(), "A\n0123456789\n0\n\n", "0123456789", true, "");
        check(Body::chunked(), "5\r\nhel", "hel", false, "");
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for bytes in ["\r\n", "x\r\n", "-1\r\n", "5x\r\n", "1\r\nab", "1\r\na\rb", "fffffffffffffffff\r\n", ";\r\n"] {
            let (mut body, mut input) = (Body::chunked(), bytes.as_bytes());
            let error = loop {
                match body.next(&mut input) {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{bytes:?} was taken"),
                    Err(error) => break error,
                }
            };
            assert!(matches!(error, Error::Violation(_)));
        }
    }
}
