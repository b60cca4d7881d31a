//! Long polling by the validators of HTTP, as nginx with Nchan does it.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use crate::{Error, Options, Traffic, dial::Dial, http::Line, inbox::Inbox, silence::Silence};

/// Requests that wait for one message each. `Last-Modified` and `ETag` of the last one say where to go on.
///
/// ```
/// # async fn f() -> Result<(), sori_client::Error> {
/// use sori_client::{Nchan, Options};
///
/// let mut channel = Nchan::open("http://127.0.0.1:8080/sub?id=news", &Options::new())?;
/// let message = channel.next().await?;
/// println!("{}", String::from_utf8_lossy(&message));
/// # Ok(())
/// # }
/// ```
pub struct Nchan {
    dial: Dial,
    line: Line,
    inbox: Inbox<Vec<u8>>,
    etag: Option<Box<str>>,
    last_modified: Option<Box<str>>,
    silence: Option<Silence>,
}

impl Nchan {
    /// Prepares; the first request goes out with [`Nchan::next`], because it waits for a message, too.
    pub fn open(url: &str, options: &Options) -> Result<Self, Error> {
        let silence = options.settings().silence.map(Silence::new);
        let dial = Dial::new(url, options)?;
        Ok(Self { dial, line: Line::default(), inbox: Inbox::default(), etag: None, last_modified: None, silence })
    }

    /// The next message. Until somebody asks, no request is sent; a call that is dropped loses nothing.
    pub async fn next(&mut self) -> Result<Vec<u8>, Error> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`Nchan::next`], for futures by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, Error>> {
        loop {
            if let Some(next) = self.inbox.pop() {
                return Poll::Ready(next);
            }
            if let Err(error) = ready!(self.poll_read(cx)) {
                self.inbox.end(error);
            }
        }
    }

    /// What it has cost.
    pub fn traffic(&self) -> Traffic {
        self.line.traffic()
    }

    /// Is gone, as a client whose power failed. To close it orderly, drop it.
    pub fn reset(self) {
        self.line.reset();
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.line.is_free() {
            let resource = self.dial.target.resource(&self.dial.target.path, &[&self.dial.options.settings().query]);
            let mut headers = "Accept: */*\r\n".to_owned();
            if let Some(etag) = &self.etag {
                headers.push_str(&format!("If-None-Match: {etag}\r\n"));
            }
            if let Some(last_modified) = &self.last_modified {
                headers.push_str(&format!("If-Modified-Since: {last_modified}\r\n"));
            }
            // The validators name the place: asked again, the server says the same.
            self.line.ask(&self.dial, self.dial.request("GET", &resource, &headers, None), true)?;
        }
        let read = self.line.poll_answer(cx, &self.dial);
        let answer = ready!(Silence::watch(&mut self.silence, cx, read))?;
        match answer.head.status {
            200 => {
                if answer.head.etag.is_none() && answer.head.last_modified.is_none() {
                    return Poll::Ready(Err(Error::violation(
                        "an answer has neither ETag nor Last-Modified: it is no channel of Nchan's",
                    )));
                }
                (self.etag, self.last_modified) = (answer.head.etag, answer.head.last_modified);
                self.inbox.push(answer.body);
                Poll::Ready(Ok(()))
            }
            // Nothing came while the server waited.
            304 | 408 => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err(answer.wrong("a message of a channel"))),
        }
    }
}
