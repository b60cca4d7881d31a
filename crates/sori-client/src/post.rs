//! The way to the server for clients that only listen, and for whoever publishes.

use std::future::poll_fn;

use serde::Serialize;
use sori_proto::{plain::envelope, sio::OutArgs};

use crate::{
    Error, Options, Traffic,
    dial::{Dial, within},
    error::Doing,
    http::Line,
};

/// A connection for one POST after the other.
///
/// ```
/// # async fn f() -> Result<(), sori_client::Error> {
/// use sori_client::{Options, Post};
///
/// let mut post = Post::open("http://127.0.0.1:3000/live/news", &Options::new())?;
/// let answer = post.emit("add", &(1, 2), None).await?;
/// assert_eq!((answer.status, &*answer.body), (200, &b"3"[..]));
/// # Ok(())
/// # }
/// ```
pub struct Post {
    dial: Dial,
    line: Line,
}

/// What a POST is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status, 200 to 299.
    pub status: u16,
    /// The body: of Sori the handler's answer as JSON, or nothing.
    pub body: Vec<u8>,
}

impl Post {
    /// Prepares; the connection is opened with the first request.
    pub fn open(url: &str, options: &Options) -> Result<Self, Error> {
        Ok(Self { dial: Dial::new(url, options)?, line: Line::default() })
    }

    /// Emits an event, for the session with this `sid` or for nobody's, and waits for its answer.
    pub async fn emit<T: Serialize + ?Sized>(&mut self, event: &str, data: &T, sid: Option<&str>) -> Result<Answered, Error> {
        self.say(&[("event", event)], data, sid).await
    }

    /// Answers an event that has this `ack`, for the session with this `sid`.
    pub async fn answer<T: Serialize + ?Sized>(&mut self, ack: u64, data: &T, sid: &str) -> Result<(), Error> {
        self.say(&[("ack", &ack.to_string())], data, Some(sid)).await.map(drop)
    }

    /// Posts a body as it is: what other servers want.
    pub async fn body(&mut self, content_type: &str, body: &[u8]) -> Result<Answered, Error> {
        if http::HeaderValue::from_str(content_type).is_err() {
            return Err(Error::Option { name: content_type.into(), why: "no content type".into() });
        }
        self.ask("", content_type, body).await
    }

    /// What it has cost.
    pub fn traffic(&self) -> Traffic {
        self.line.traffic()
    }

    async fn say<T: Serialize + ?Sized>(
        &mut self,
        about: &[(&str, &str)],
        data: &T,
        sid: Option<&str>,
    ) -> Result<Answered, Error> {
        let args = OutArgs::new(data)?;
        let json = envelope::json(&args);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(about);
        if let Some(sid) = sid {
            query.append_pair("sid", sid);
        }
        if args.len() > 1 {
            let query = query.append_pair("args", "1").finish();
            return self.ask(&query, "application/json", format!("[{json}]").as_bytes()).await;
        }
        let query = query.finish();
        self.ask(&query, "application/json", json.as_bytes()).await
    }

    async fn ask(&mut self, query: &str, content_type: &str, body: &[u8]) -> Result<Answered, Error> {
        let Self { dial, line } = self;
        if !line.is_free() {
            // A call was dropped before its answer came, which is nobody's now.
            *line = Line::default();
        }
        let resource = dial.target.resource(&dial.target.path, &[query, &dial.options.settings().query]);
        line.ask(dial, dial.request("POST", &resource, "", Some((content_type, body))), false)?;
        let answering = poll_fn(|cx| line.poll_answer(cx, dial));
        let answer = within(dial.deadline(), dial.options.settings().timeout, Doing::Asking, answering).await??;
        match answer.head.status {
            status @ 200..=299 => Ok(Answered { status, body: answer.body }),
            _ => Err(answer.wrong("that a POST is taken")),
        }
    }
}
