//! An answer that does not end: what server-sent events and lines have in common.

use std::task::{Context, Poll, ready};

use crate::{
    Error, Traffic,
    dial::{Dial, within},
    error::Doing,
    http::{Body, Head, read_head, refused},
    silence::Silence,
    wire::Wire,
};

pub(crate) struct Stream {
    wire: Wire,
    body: Body,
    /// What came together with the head.
    begun: Vec<u8>,
    silence: Option<Silence>,
}

impl Stream {
    /// Asks for a stream, which `is_it` tells by its head.
    pub(crate) async fn open(
        dial: &Dial,
        headers: &str,
        expected: &'static str,
        is_it: impl FnOnce(&Head) -> bool,
    ) -> Result<Self, Error> {
        let settings = dial.options.settings();
        let deadline = dial.deadline();
        let mut wire = dial.connect(deadline).await?;
        let resource = dial.target.resource(&dial.target.path, &[&settings.query]);
        wire.send(&dial.request("GET", &resource, headers, None))?;
        let answer = async {
            let (head, begun) = read_head(&mut wire, &settings.limits).await?;
            match head.status {
                200 if is_it(&head) => Ok((head, begun)),
                // HTML Living Standard, 9.2.3: the server's way to say so.
                204 => Err(Error::closed("it has nothing more for this client, which should not come back")),
                _ => Err(refused(&mut wire, head, begun, expected).await),
            }
        };
        let (head, begun) = within(deadline, settings.timeout, Doing::Asking, answer).await??;
        Ok(Self { wire, body: head.body, begun, silence: settings.silence.map(Silence::new) })
    }

    /// Reads once, and hands on the data. The end comes as an error.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Poll<Result<(), Error>> {
        let Self { wire, body, begun, silence } = self;
        if body.is_done() {
            return Poll::Ready(Err(Error::closed("the stream has ended")));
        }
        let mut read = |mut input: &[u8]| {
            while let Some(data) = body.next(&mut input)? {
                take(data)?;
            }
            Ok(())
        };
        if !begun.is_empty() {
            return Poll::Ready(read(&std::mem::take(begun)));
        }
        let ended = wire.poll_read(cx, |_, bytes| match bytes.is_empty() {
            true => Ok(true),
            false => read(bytes).map(|()| false),
        });
        let ended = ready!(Silence::watch(silence, cx, ended))?;
        Poll::Ready(match (ended, *body) {
            (false, _) => Ok(()),
            (true, Body::UntilEnd) => Err(Error::closed("the stream has ended")),
            (true, _) => Err(Error::cut("within a stream")),
        })
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.wire.traffic()
    }

    pub(crate) fn reset(self) {
        self.wire.reset();
    }
}
