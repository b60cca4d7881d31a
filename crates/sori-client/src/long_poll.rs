//! Long polling as Sori's plain clients do it.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Envelope, Error, Options, Session, Traffic,
    dial::{Dial, within},
    error::Doing,
    http::{Answer, Line},
    inbox::Inbox,
    silence::Silence,
};

/// Requests that wait for events. A lost answer is said again by the server, so that nothing is missed. A request that is not answered
/// within [`Options::wait`] and [`Options::timeout`] is given up.
///
/// ```
/// # async fn f() -> Result<(), sori_client::Error> {
/// use sori_client::{LongPoll, Options};
///
/// let mut news = LongPoll::open("http://127.0.0.1:3000/live/news", &Options::new()).await?;
/// println!("my id is {}", news.session().id);
/// let envelope = news.next().await?;
/// # Ok(())
/// # }
/// ```
pub struct LongPoll {
    dial: Dial,
    line: Line,
    inbox: Inbox<Envelope>,
    session: Session,
    /// The receipt: of the last answer that the caller has taken whole.
    cursor: Box<str>,
    /// Of the answer that is being taken.
    next_cursor: Option<Box<str>>,
    silence: Option<Silence>,
}

impl LongPoll {
    /// Opens a session. Reads of the options: all but what is Socket.IO's or another transport's. A cursor to go on from is `query("since", cursor)`.
    pub async fn open(url: &str, options: &Options) -> Result<Self, Error> {
        let opening = async {
            let (dial, settings) = (Dial::new(url, options)?, options.settings());
            let mut line = Line::default();
            let resource = dial.target.resource(&dial.target.path, &["wait=0", &settings.query]);
            line.ask(&dial, request(&dial, &resource), false)?;
            let answering = poll_fn(|cx| line.poll_answer(cx, &dial));
            let answer = within(dial.deadline(), settings.timeout, Doing::Asking, answering).await??;
            let News { sid, cursor, mut envelopes } = read(&answer)?;
            let first = (!envelopes.is_empty()).then(|| envelopes.remove(0));
            let mut session =
                first.and_then(|first| first.session()).ok_or_else(|| Error::violation("a session begins with `connect`"))?;
            session.sid = Some(sid);
            let mut inbox = Inbox::default();
            envelopes.into_iter().for_each(|envelope| inbox.push(envelope));
            // The server promises an answer within `wait`.
            let silence = Some(Silence::new(settings.silence.unwrap_or(settings.wait + settings.timeout)));
            Ok(Self { dial, line, inbox, session, cursor: cursor.clone(), next_cursor: Some(cursor), silence })
        };
        Box::pin(opening).await
    }

    /// The next envelope, after `connect`, which [`LongPoll::session`] has. Until somebody asks, no request is sent; a call that is dropped loses nothing.
    pub async fn next(&mut self) -> Result<Envelope, Error> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`LongPoll::next`], for futures by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Envelope, Error>> {
        loop {
            if let Some(next) = self.inbox.pop() {
                return Poll::Ready(next);
            }
            if let Err(error) = ready!(self.poll_read(cx)) {
                self.inbox.end(error);
            }
        }
    }

    /// What the server said of this session when it opened.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Where to go on, for `query("since", cursor)`: after all that has been taken.
    pub fn cursor(&self) -> &str {
        &self.cursor
    }

    /// What it has cost.
    pub fn traffic(&self) -> Traffic {
        self.line.traffic()
    }

    /// Ends the session on the server.
    pub async fn close(self) -> Result<(), Error> {
        let Self { dial, session, .. } = self;
        let resource = dial.target.resource(&dial.target.path, &[&of_sid(&session)]);
        let mut line = Line::default();
        line.ask(&dial, dial.request("DELETE", &resource, "", None), false)?;
        let answering = poll_fn(|cx| line.poll_answer(cx, &dial));
        let answer = within(dial.deadline(), dial.options.settings().timeout, Doing::Closing, answering).await??;
        match answer.head.status {
            // It was over already.
            200..=299 | 404 => Ok(()),
            _ => Err(answer.wrong("that the session ends")),
        }
    }

    /// Is gone, as a client whose power failed.
    pub fn reset(self) {
        self.line.reset();
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.line.is_free() {
            if let Some(cursor) = self.next_cursor.take() {
                self.cursor = cursor;
            }
            let settings = self.dial.options.settings();
            let since: String = form_urlencoded::byte_serialize(self.cursor.as_bytes()).collect();
            let about = format!("wait={}&since={since}", settings.wait.as_secs_f64());
            let resource = self.dial.target.resource(&self.dial.target.path, &[&about, &of_sid(&self.session)]);
            // Its receipt makes a poll repeatable.
            self.line.ask(&self.dial, request(&self.dial, &resource), true)?;
        }
        let read = self.line.poll_answer(cx, &self.dial);
        let answer = ready!(Silence::watch(&mut self.silence, cx, read))?;
        let News { sid, cursor, envelopes } = read_living(&answer)?;
        self.session.sid = Some(sid);
        self.next_cursor = Some(cursor);
        envelopes.into_iter().for_each(|envelope| self.inbox.push(envelope));
        Poll::Ready(Ok(()))
    }
}

fn request(dial: &Dial, resource: &str) -> Vec<u8> {
    dial.request("GET", resource, "Accept: application/json\r\n", None)
}

fn of_sid(session: &Session) -> String {
    let sid: String = form_urlencoded::byte_serialize(session.sid.as_deref().unwrap_or_default().as_bytes()).collect();
    format!("sid={sid}")
}

/// What a poll brings.
struct News {
    sid: Box<str>,
    cursor: Box<str>,
    envelopes: Vec<Envelope>,
}

fn read_living(answer: &Answer) -> Result<News, Error> {
    match answer.head.status {
        404 => Err(Error::closed("the session is over")),
        _ => read(answer),
    }
}

fn read(answer: &Answer) -> Result<News, Error> {
    #[derive(Deserialize)]
    struct Body<'a> {
        sid: Box<str>,
        cursor: Box<str>,
        #[serde(borrow)]
        events: Vec<&'a RawValue>,
    }
    if answer.head.status != 200 {
        return Err(answer.wrong("an answer to a poll"));
    }
    let Ok(Body { sid, cursor, events }) = serde_json::from_slice(&answer.body) else {
        return Err(answer.wrong("a poll's answer in JSON, with sid, cursor and events"));
    };
    let envelopes = events.into_iter().map(|envelope| Envelope::read(envelope.get())).collect::<Result<_, _>>()?;
    Ok(News { sid, cursor, envelopes })
}
