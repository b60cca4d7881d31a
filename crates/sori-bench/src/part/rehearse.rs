//! One client of each kind tries first: what cannot work is told in a sentence, before there is any load.

use std::{future::poll_fn, time::Duration};

use tokio::time::timeout;

use super::{Part, rehearsal};
use crate::{
    Stamp,
    link::{Heard, Link},
    options::Client,
    orders::Errand,
    way::Traveller,
};

impl Part {
    pub(super) async fn rehearse(&self, errand: Errand) -> Result<(), String> {
        let mut kinds = self.brief.kinds.clone();
        kinds.dedup();
        for kind in kinds {
            let opened = self.way.open(kind, &Traveller::default()).await;
            let mut link = opened.map_err(|error| format!("{}: {error}", kind.name()))?;
            match errand {
                Errand::Nothing => {}
                Errand::Ask { .. } if !kind.speaks() => {
                    return Err(format!("a client of kind {} only listens, and cannot be echoed", kind.name()));
                }
                Errand::Ask { .. } => {
                    self.tries(&mut link, kind, true).await?;
                }
                Errand::Say { .. } | Errand::SayOnce { .. } => self.tries(&mut link, kind, false).await?,
            }
            // It was only a try; what follows does not depend on a goodbye.
            let _ = timeout(GOODBYE, link.close()).await;
        }
        Ok(())
    }

    async fn tries(&self, link: &mut Link, kind: Client, asks: bool) -> Result<(), String> {
        let server = &self.way.server;
        let text =
            Stamp { run: rehearsal(self.brief.run), sender: 0, seq: 0, sent_ns: 0 }.text(self.brief.file.load.payload_bytes);
        let failed = |error: sori_client::Error| format!("{}: {error}", kind.name());
        // A poll without a session has to be there before the message is.
        if kind == Client::Nchan
            && let Ok(heard) = timeout(LISTENING, self.hears(link)).await
        {
            return heard.map_err(failed);
        }
        let posts = !asks && (!kind.speaks() || self.way.posts_all());
        match posts {
            true => {
                let mut posts = self.way.posts().map_err(failed)?;
                self.way.publish(&mut posts, &text).await.map_err(|error| format!("what is posted is not taken: {error}"))?;
            }
            false if asks => link.ask(&server.echo_event, &text).map_err(failed)?,
            false => link.say(&server.broadcast_event, &text).map_err(failed)?,
        }
        match timeout(*server.answer_timeout, self.hears(link)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(self.unheard(kind, asks, posts)),
        }
    }

    async fn hears(&self, link: &mut Link) -> Result<(), sori_client::Error> {
        loop {
            let heard = poll_fn(|cx| link.poll(cx, &self.way.server.message_event)).await?;
            if matches!(heard, Heard::Message(stamp) if stamp.run == rehearsal(self.brief.run)) {
                return Ok(());
            }
        }
    }

    fn unheard(&self, kind: Client, asks: bool, posts: bool) -> String {
        let server = &self.way.server;
        let after = server.answer_timeout.as_secs_f64();
        let (echo, broadcast, message) = (&server.echo_event, &server.broadcast_event, &server.message_event);
        let name = kind.name();
        if asks && kind == Client::RawWebsocket {
            return format!("{name}: connected, but the server did not send a text back within {after} s, as an echo does");
        }
        if asks {
            return format!(
                "{name}: connected, but `{echo}` was not answered with its argument within {after} s. The server must have \
                 `socket.on(\"{echo}\", (payload, ack) => ack(payload))`; --echo-event names another event"
            );
        }
        let said = match posts {
            true => format!("what was posted to {}", server.post_urls.first().map_or("the server", |url| url)),
            false => format!("`{broadcast}`"),
        };
        format!(
            "{name}: connected, but {said} did not come back as `{message}` within {after} s. The server must have \
             `socket.on(\"{broadcast}\", (payload) => io.emit(\"{message}\", payload))`; --broadcast-event and --message-event name \
             other events, --post-url another place to publish"
        )
    }
}

const GOODBYE: Duration = Duration::from_secs(2);
/// Until the request of a poll has arrived.
const LISTENING: Duration = Duration::from_millis(200);
