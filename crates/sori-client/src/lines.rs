//! One message a line, over an answer that does not end.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use crate::{Envelope, Error, Limits, Options, Traffic, dial::Dial, inbox::Inbox, stream::Stream};

/// A stream of lines: Sori's envelopes, or anybody's NDJSON.
///
/// ```
/// # async fn f() -> Result<(), sori_client::Error> {
/// use sori_client::{Lines, Options};
///
/// let mut news = Lines::open("http://127.0.0.1:3000/live/news", &Options::new()).await?;
/// let connect = news.next().await?;
/// println!("my id is {}", connect.session().expect("the first envelope").id);
/// # Ok(())
/// # }
/// ```
pub struct Lines {
    stream: Stream,
    reader: Reader,
    inbox: Inbox<String>,
    cursor: Option<Box<str>>,
}

impl Lines {
    /// Opens a stream. Reads of the options: all but what is Socket.IO's or another transport's. A cursor to go on from is `query("since", cursor)`.
    pub async fn open(url: &str, options: &Options) -> Result<Self, Error> {
        let opening = async {
            let dial = Dial::new(url, options)?;
            let stream =
                Stream::open(&dial, "Accept: application/x-ndjson, */*;q=0.5\r\n", "a stream of lines", |_| true).await?;
            let reader = Reader { line: Vec::new(), limits: options.settings().limits.clone() };
            Ok(Self { stream, reader, inbox: Inbox::default(), cursor: None })
        };
        Box::pin(opening).await
    }

    /// The next envelope, of a server that sends them.
    pub async fn next(&mut self) -> Result<Envelope, Error> {
        let line = self.next_line().await?;
        let envelope = Envelope::read(&line)?;
        if let Some(id) = &envelope.id {
            self.cursor = Some(id.clone());
        }
        Ok(envelope)
    }

    /// The next line that is not empty, whatever it says. Until somebody asks, nothing is read; a call that is dropped loses nothing.
    pub async fn next_line(&mut self) -> Result<String, Error> {
        poll_fn(|cx| self.poll_next_line(cx)).await
    }

    /// As [`Lines::next_line`], for futures by hand.
    pub fn poll_next_line(&mut self, cx: &mut Context<'_>) -> Poll<Result<String, Error>> {
        loop {
            if let Some(next) = self.inbox.pop() {
                return Poll::Ready(next);
            }
            let Self { stream, reader, inbox, .. } = self;
            if let Err(error) = ready!(stream.poll(cx, |data| reader.read(data, inbox))) {
                self.inbox.end(error);
            }
        }
    }

    /// Where to go on after a lost connection: the place of the last envelope that [`Lines::next`] returned, in servers that keep a log.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// What it has cost.
    pub fn traffic(&self) -> Traffic {
        self.stream.traffic()
    }

    /// Is gone, as a client whose power failed: the server sees the connection reset. To close it orderly, drop it.
    pub fn reset(self) {
        self.stream.reset();
    }
}

/// Cuts a stream at its line ends.
struct Reader {
    /// The beginning of a line.
    line: Vec<u8>,
    limits: Limits,
}

impl Reader {
    fn read(&mut self, mut data: &[u8], inbox: &mut Inbox<String>) -> Result<(), Error> {
        while !data.is_empty() {
            let end = data.iter().position(|byte| *byte == b'\n');
            let (part, after) = data.split_at(end.map_or(data.len(), |end| end + 1));
            data = after;
            if self.line.len() + part.len() > self.limits.message_bytes_max as usize {
                return Err(Error::TooLarge { limit: "message_bytes_max", max: self.limits.message_bytes_max });
            }
            self.line.extend_from_slice(part);
            if end.is_some() {
                let line =
                    String::from_utf8(std::mem::take(&mut self.line)).map_err(|_| Error::violation("a line is not UTF-8"))?;
                let line = line.trim_ascii();
                // An empty one is the heartbeat.
                if !line.is_empty() {
                    inbox.push(line.to_owned());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_however_they_are_cut() {
        let stream = "{}\n\n  \r\n{\"a\":1}\r\né\nhalf";
        for size in 1..=stream.len() {
            let mut reader = Reader { line: Vec::new(), limits: Limits::default() };
            let mut inbox = Inbox::default();
            stream.as_bytes().chunks(size).for_each(|chunk| reader.read(chunk, &mut inbox).unwrap());
            let lines: Vec<String> = std::iter::from_fn(|| inbox.pop().map(Result::unwrap)).collect();
            assert_eq!(lines, ["{}", "{\"a\":1}", "é"], "in chunks of {size}");
        }
    }

    #[test]
    fn a_line_has_a_limit() {
        let limits = Limits { message_bytes_max: 100, ..Limits::default() };
        let mut reader = Reader { line: Vec::new(), limits };
        let error = (0..100).find_map(|_| reader.read(b"endless", &mut Inbox::default()).err());
        assert!(matches!(error, Some(Error::TooLarge { limit: "message_bytes_max", max: 100 })));
    }
}
