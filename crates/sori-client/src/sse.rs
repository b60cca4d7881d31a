//! Server-sent events, of any server.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
    time::Duration,
};

use sori_proto::plain::{SseEvent, SseReader};

use crate::{Error, Options, Traffic, dial::Dial, http::Content, inbox::Inbox, stream::Stream};

/// A stream of server-sent events.
///
/// ```
/// # async fn f() -> Result<(), sori_client::Error> {
/// use sori_client::{Options, Sse};
///
/// let options = Options::new();
/// let mut news = Sse::open("http://127.0.0.1:3000/live/news", &options).await?;
/// while let Ok(event) = news.next().await {
///     println!("{}: {}", event.event, event.data);
/// }
/// // The connection was lost; what was missed comes first.
/// let news = Sse::open("http://127.0.0.1:3000/live/news", &options.last_event_id(news.last_event_id())).await?;
/// # Ok(())
/// # }
/// ```
pub struct Sse {
    stream: Stream,
    reader: SseReader,
    inbox: Inbox<SseEvent>,
    /// Of the last event that the caller took, or of the options.
    last_id: String,
    event_bytes_max: u32,
}

impl Sse {
    /// Opens a stream. Reads of the options: all but what is Socket.IO's or another transport's.
    pub async fn open(url: &str, options: &Options) -> Result<Self, Error> {
        let opening = async {
            let dial = Dial::new(url, options)?;
            let settings = options.settings();
            let mut headers = "Accept: text/event-stream\r\nCache-Control: no-store\r\n".to_owned();
            if !settings.last_event_id.is_empty() {
                headers.push_str(&format!("Last-Event-ID: {}\r\n", settings.last_event_id));
            }
            let is_it = |head: &crate::http::Head| head.content == Content::EventStream;
            let stream = Stream::open(&dial, &headers, "an event stream (text/event-stream)", is_it).await?;
            let event_bytes_max = settings.limits.message_bytes_max;
            let (reader, last_id) = (SseReader::new(event_bytes_max), settings.last_event_id.to_string());
            Ok(Self { stream, reader, inbox: Inbox::default(), last_id, event_bytes_max })
        };
        Box::pin(opening).await
    }

    /// The next event. Until somebody asks, nothing is read; a call that is dropped loses nothing.
    pub async fn next(&mut self) -> Result<SseEvent, Error> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`Sse::next`], for futures by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<SseEvent, Error>> {
        loop {
            if let Some(next) = self.inbox.pop() {
                if let Ok(event) = &next
                    && *self.last_id != *event.id
                {
                    self.last_id.clear();
                    self.last_id.push_str(&event.id);
                }
                return Poll::Ready(next);
            }
            let Self { stream, reader, inbox, event_bytes_max: max, .. } = self;
            // The only thing that can be wrong with an event is its size.
            let too_large = |_| Error::TooLarge { limit: "message_bytes_max", max: *max };
            let read = stream.poll(cx, |mut data| {
                while let Some(event) = reader.next(&mut data).map_err(too_large)? {
                    inbox.push(event);
                }
                Ok(())
            });
            if let Err(error) = ready!(read) {
                self.inbox.end(error);
            }
        }
    }

    /// Where to go on after a lost connection, for [`Options::last_event_id`]: the id of the last event that [`Sse::next`] returned.
    pub fn last_event_id(&self) -> &str {
        &self.last_id
    }

    /// How long the server wants clients to wait before they come back.
    pub fn retry(&self) -> Option<Duration> {
        self.reader.retry_ms().map(|ms| Duration::from_millis(ms.into()))
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
