//! Engine.IO over HTTP long polling: a request that waits, and requests that speak.

use std::{
    mem,
    task::{Context, Poll},
};

use serde::Deserialize;
use sori_proto::eio::{
    Data, Packet,
    payload::{self, ContentType, Decoder},
};

use crate::{
    Error, Revision, Traffic,
    dial::Dial,
    envelope::limits,
    http::{Answer, Content, Line},
};

/// Two connections at most, the second once there is something to say while the first one waits. An idle client has one: in revision
/// 4 the heartbeat is answered between two polls, in revision 3 it hangs up the second.
pub(crate) struct Polling {
    dial: Dial,
    revision: Revision,
    /// Path and query of its requests.
    resource: Box<str>,
    first: Line,
    first_is: Job,
    second: Line,
    /// The second carries a heartbeat and nothing else.
    second_beats: bool,
    /// What is still to be said, each with its type in front.
    outgoing: Vec<Data<'static>>,
    outgoing_bytes: usize,
    /// What the server takes in one body.
    payload_bytes_max: u32,
    /// Whether to ask for more when an answer has come.
    asks: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Job {
    Nothing,
    Get,
    Post,
}

impl Polling {
    /// Ready to open a session.
    pub(crate) fn new(dial: Dial, revision: Revision, resource: &str) -> Self {
        Self {
            dial,
            revision,
            resource: resource.into(),
            first: Line::default(),
            first_is: Job::Nothing,
            second: Line::default(),
            second_beats: false,
            outgoing: Vec::new(),
            outgoing_bytes: 0,
            payload_bytes_max: u32::MAX,
            asks: true,
        }
    }

    /// The session is open: its requests name it.
    pub(crate) fn opened(&mut self, sid: &str, payload_bytes_max: Option<u32>) {
        let sid: String = form_urlencoded::byte_serialize(sid.as_bytes()).collect();
        self.resource = format!("{}&sid={sid}", self.resource).into();
        self.payload_bytes_max = payload_bytes_max.unwrap_or(u32::MAX);
    }

    /// Whether a GET follows an answer. While an upgrade is under way, none does.
    pub(crate) fn ask(&mut self, asks: bool) {
        self.asks = asks;
    }

    /// Queues a message: text with its type in front, bytes as a WebSocket of this revision would carry them.
    pub(crate) fn send(&mut self, message: Data<'static>) -> Result<(), Error> {
        let max = self.dial.options.settings().limits.unsent_bytes_max;
        self.outgoing_bytes += len(&message);
        if self.outgoing_bytes > max as usize {
            return Err(Error::TooLarge { limit: "unsent_bytes_max", max });
        }
        self.outgoing.push(message);
        Ok(())
    }

    /// Says what is queued, if a connection is free for it.
    pub(crate) fn speak(&mut self) -> Result<(), Error> {
        if self.outgoing.is_empty() || self.first_is == Job::Post || !self.second.is_free() {
            return Ok(());
        }
        let beats = matches!(&self.outgoing[..], [Data::Text(ping)] if ping == "2");
        let (content, body) = self.take_body();
        let request = self.dial.request("POST", &self.resource, "", Some((content.as_str(), &body)));
        if self.first_is == Job::Nothing {
            self.first_is = Job::Post;
            return self.first.ask(&self.dial, request, false);
        }
        self.second_beats = beats && self.second.is_down();
        self.second.ask(&self.dial, request, false)
    }

    /// Whether something that was said has not been taken yet.
    pub(crate) fn is_unsent(&self) -> bool {
        !self.outgoing.is_empty() || self.first_is == Job::Post || !self.second.is_free()
    }

    /// Asks, speaks, and hands on the packets of an answer. Ready when there was one, or when what was said has been taken.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(Packet<'_>) -> Result<(), Error>,
    ) -> Poll<Result<(), Error>> {
        self.speak()?;
        if self.first_is == Job::Nothing && self.asks {
            let request = self.dial.request("GET", &self.resource, "Accept: */*\r\n", None);
            // Not to be repeated: what the server said to a connection that was lost, it does not say again.
            self.first.ask(&self.dial, request, false)?;
            self.first_is = Job::Get;
        }
        if self.first_is != Job::Nothing
            && let Poll::Ready(answer) = self.first.poll_answer(cx, &self.dial)
        {
            let answer = answer?;
            return Poll::Ready(match mem::replace(&mut self.first_is, Job::Nothing) {
                Job::Get => self.read(&answer, &mut take),
                Job::Post | Job::Nothing => taken(&answer),
            });
        }
        if !self.second.is_free()
            && let Poll::Ready(answer) = self.second.poll_answer(cx, &self.dial)
        {
            let answer = answer?;
            if mem::take(&mut self.second_beats) {
                self.second.hang_up();
            }
            return Poll::Ready(taken(&answer));
        }
        Poll::Pending
    }

    pub(crate) fn traffic(&self) -> Traffic {
        let mut traffic = self.first.traffic();
        traffic += self.second.traffic();
        traffic
    }

    pub(crate) fn reset(self) {
        self.first.reset();
        self.second.reset();
    }

    fn read(&self, answer: &Answer, take: &mut impl FnMut(Packet<'_>) -> Result<(), Error>) -> Result<(), Error> {
        if answer.head.status != 200 {
            return Err(refused(answer, "an answer of Engine.IO's polling"));
        }
        let content = if answer.head.content == Content::Binary { ContentType::Binary } else { ContentType::Text };
        for packet in Decoder::new(self.revision.into(), content, &answer.body, limits()) {
            let packet = packet.map_err(|error| match answer.body.is_ascii() {
                // A web page, mostly.
                true => answer.wrong("an answer of Engine.IO's polling"),
                false => error.into(),
            })?;
            take(packet)?;
        }
        Ok(())
    }

    /// As much as one body may have.
    fn take_body(&mut self) -> (ContentType, Vec<u8>) {
        let (mut room, mut count) = (self.payload_bytes_max as usize, 0);
        for message in &self.outgoing {
            // In base64, with a length before it or a separator after it.
            let needs = match message {
                Data::Text(text) => text.len() + 8,
                Data::Binary(data) => data.len().div_ceil(3) * 4 + 10,
            };
            if needs > room && count > 0 {
                break;
            }
            (room, count) = (room.saturating_sub(needs), count + 1);
        }
        let mut body = Vec::new();
        let content = payload::encode(self.revision.into(), true, self.outgoing[..count].iter().cloned(), &mut body);
        match count == self.outgoing.len() {
            true => self.outgoing = Vec::new(),
            false => drop(self.outgoing.drain(..count)),
        }
        self.outgoing_bytes = self.outgoing.iter().map(len).sum();
        (content, body)
    }
}

fn len(message: &Data<'_>) -> usize {
    match message {
        Data::Text(text) => text.len(),
        Data::Binary(data) => data.len(),
    }
}

fn taken(answer: &Answer) -> Result<(), Error> {
    match answer.head.status {
        200..=299 => Ok(()),
        _ => Err(refused(answer, "that Engine.IO takes what was sent")),
    }
}

fn refused(answer: &Answer, expected: &'static str) -> Error {
    #[derive(Deserialize)]
    struct Refusal {
        code: u32,
    }
    match serde_json::from_slice(&answer.body) {
        // Engine.IO's "Session ID unknown": the session ended while we said nothing, or the server is another one now.
        Ok(Refusal { code: 1 }) if answer.head.status == 400 => Error::closed("it does not know this session any more"),
        _ => answer.wrong(expected),
    }
}
