//! The gallery: the classic applications of the real-time web, each one screen of Rust and one of HTML, on Sori's own API.
//!
//! Every application is a module here and a page of the same name in `pages/`. It has its own [`sori::Server`], below its own
//! path, so that what one allows, the others do not. The lab, which compares the transports themselves, is here too: at `/lab`.
//!
//! ```
//! use sori_gallery::{Gallery, Options};
//!
//! let gallery = Gallery::new(Options::default())?;
//! let app: axum::Router = gallery.router(); // answers at /gallery/
//! # Ok::<(), sori::BuildError>(())
//! ```

mod lab;
mod limits;
mod pages;
mod site;
mod store;
mod talk;

mod ajax;
mod chat;
mod long_polling;
mod messaging;
mod msg;
mod polling_chat;
mod random_chat;
mod rooms;
mod simple_chat;
mod sse;
mod streaming;
mod tcp_greeting;
mod websocket_echo;

use std::{net::IpAddr, path::PathBuf, time::Duration};

use axum::Router;
use sori::{BuildError, Server};
use tokio::sync::watch;

use crate::site::Site;

/// What the gallery needs to know.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where messages are kept, so that they survive a restart. Without it they live as long as the program.
    pub data_dir: Option<PathBuf>,
    /// A folder with older versions of the client, as npm installs them under the names `sio-1.4.5` and so on. A page whose
    /// client is not there gets it from the public CDN.
    pub client_dirs: Option<PathBuf>,
    /// Proxies whose `X-Forwarded-For` is believed, for the limits per address.
    pub trusted_proxies: Vec<IpAddr>,
}

/// All applications, ready to be served.
pub struct Gallery {
    router: Router,
    servers: Vec<Server>,
    closing: watch::Sender<bool>,
}

impl Gallery {
    /// Builds every application.
    pub fn new(options: Options) -> Result<Self, BuildError> {
        let closing = watch::Sender::new(false);
        let site = Site::new(options, closing.subscribe());
        let apps = [
            polling_chat::app(&site)?,
            long_polling::app(&site)?,
            streaming::app(&site)?,
            ajax::app(&site)?,
            messaging::app(&site)?,
            tcp_greeting::app(&site)?,
            websocket_echo::app(&site)?,
            chat::app(&site)?,
            rooms::app(&site)?,
            random_chat::app(&site)?,
            simple_chat::app(&site)?,
            sse::app(&site)?,
            msg::app(&site)?,
        ];
        let mut router = pages::router(&apps)?;
        let mut servers = Vec::new();
        for app in apps {
            servers.extend(app.server);
            router = router.merge(app.router);
        }
        let (lab, io) = lab::app(&site)?;
        servers.push(io);
        let router = router.merge(lab);
        Ok(Self { router, servers, closing })
    }

    /// What answers below `/gallery/` and `/lab`.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// The server of each application that has one.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Ends what is held open and closes every server, as [`Server::close`] does; true when all was sent in time.
    pub async fn close(&self, deadline: Duration) -> bool {
        self.closing.send_replace(true);
        let closing: Vec<_> =
            self.servers.iter().cloned().map(|io| tokio::spawn(async move { io.close(deadline).await })).collect();
        let mut all = true;
        for closed in closing {
            all &= closed.await.unwrap_or(false);
        }
        all
    }
}
