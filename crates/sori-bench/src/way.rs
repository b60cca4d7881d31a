//! The way to the server: addresses, and what every connection is told.

use std::net::IpAddr;

use sori_client::{Error, Options, Post, Revision, Transport};

use crate::{
    Target,
    link::{Link, Place},
    options::{Client, Server},
};

/// The same for all clients of a run.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) server: Server,
    target: Target,
    options: Options,
    /// Where messages for everybody are posted instead, and what is told there.
    posts: Vec<Target>,
    posting: Options,
    /// Where plain clients of Sori listen.
    plain_url: String,
}

/// What differs from connection to connection.
#[derive(Debug, Default)]
pub(crate) struct Traveller<'a> {
    pub(crate) from: Option<IpAddr>,
    /// Where it goes on.
    pub(crate) place: Option<&'a Place>,
    /// Bytes that the kernel may hold for one who reads slowly.
    pub(crate) receive_buffer: Option<u32>,
}

impl Way {
    /// Says what is wrong with the options, if something is.
    pub(crate) fn new(server: Server, target: Target, posts: Vec<Target>) -> Result<Self, String> {
        let options = options(&server, &target).map_err(|error| error.to_string())?;
        let posting = posting(&server).map_err(|error| error.to_string())?;
        let plain_url = plain_url(&target.url, &server.namespace);
        Ok(Self { server, target, options, posts, posting, plain_url })
    }

    /// Opens a connection.
    pub(crate) async fn open(&self, client: Client, traveller: &Traveller<'_>) -> Result<Link, Error> {
        let mut options = self.options.clone();
        if let Some(from) = traveller.from {
            options = options.local_address(from);
        }
        if let Some(bytes) = traveller.receive_buffer {
            options = options.receive_buffer(bytes);
        }
        let transport = match client {
            Client::SocketIoWebSocket => Some(Transport::WebSocket),
            Client::SocketIoPolling => Some(Transport::Polling),
            Client::SocketIoUpgrade => Some(Transport::Upgrade),
            _ => None,
        };
        if let Some(transport) = transport {
            options = options.transport(transport);
        }
        if let Some(place) = traveller.place {
            options = place.in_options(options);
        }
        Link::open(client, self.url(client), &options).await
    }

    /// For those who only listen: the ways to the server.
    pub(crate) fn posts(&self) -> Result<Vec<Post>, Error> {
        match &self.posts[..] {
            [] => Ok(vec![Post::open(&self.plain_url, &self.options)?]),
            // Where they were found, and nowhere else.
            posts => posts.iter().map(|at| Post::open(&at.url, &self.posting.clone().remote_address(at.addresses[0]))).collect(),
        }
    }

    /// Whether everything is posted, whoever could emit it.
    pub(crate) fn posts_all(&self) -> bool {
        !self.posts.is_empty()
    }

    /// Posts a message for everybody: as an event of Sori's, or as it is where it is posted elsewhere.
    pub(crate) async fn publish(&self, posts: &mut [Post], text: &str) -> Result<(), Error> {
        let mut all = Ok(());
        for post in posts {
            let posted = match self.posts_all() {
                true => post.body("text/plain", text.as_bytes()).await,
                false => post.emit(&self.server.broadcast_event, text, None).await,
            };
            // The others are to have it nevertheless.
            all = all.and(posted.map(drop));
        }
        all
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    fn url(&self, client: Client) -> &str {
        match client {
            Client::Sse | Client::Lines | Client::LongPoll => &self.plain_url,
            _ => &self.target.url,
        }
    }
}

fn options(server: &Server, target: &Target) -> Result<Options, Error> {
    let mut options = Options::new()
        .timeout(*server.connect_timeout)
        .path(&server.path)
        .revision(if server.revision == 3 { Revision::V3 } else { Revision::V4 })
        .remote_address(target.addresses[0]);
    if server.namespace != "/" {
        options = options.namespace(&server.namespace);
    }
    if let Some(auth) = &server.auth {
        options = options.auth(auth)?;
    }
    for header in &server.headers {
        let (name, value) = header.split_once(':').unwrap_or((header, ""));
        options = options.header(name.trim(), value.trim())?;
    }
    trusting(options, server)
}

/// What is posted elsewhere has nothing of what clients say of themselves.
fn posting(server: &Server) -> Result<Options, Error> {
    trusting(Options::new().timeout(*server.connect_timeout), server)
}

fn trusting(mut options: Options, server: &Server) -> Result<Options, Error> {
    if let Some(file) = &server.ca {
        let why = |why: std::io::Error| Error::Option {
            name: "ca".into(),
            why: format!("cannot read {}: {why}", file.display()).into(),
        };
        options = options.trust_pem(&std::fs::read(file).map_err(why)?)?;
    }
    Ok(options)
}

/// An address without a path of its own means Sori's: `/live/`, and the namespace.
fn plain_url(url: &str, namespace: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, ""), |(base, query)| (base, query));
    let host = base.find("://").map_or(0, |at| at + 3);
    match base[host..].find('/') {
        Some(at) if base[host + at..] != *"/" => url.to_owned(),
        slash => {
            let end = slash.map_or(base.len(), |at| host + at);
            let separator = if query.is_empty() { "" } else { "?" };
            format!("{}/live{namespace}{separator}{query}", &base[..end])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_clients_have_a_path_of_their_own() {
        assert_eq!(plain_url("http://a:1", "/"), "http://a:1/live/");
        assert_eq!(plain_url("http://a:1/", "/chat"), "http://a:1/live/chat");
        assert_eq!(plain_url("http://a/?x=1", "/"), "http://a/live/?x=1");
        assert_eq!(plain_url("http://a/sub?id=1", "/"), "http://a/sub?id=1");
    }

    #[test]
    fn what_cannot_be_said_to_a_server_is_told() {
        let target = Target::find("http://127.0.0.1:1", &[]).expect("an address");
        let way = |server: Server| Way::new(server, target.clone(), Vec::new()).map(drop).expect_err("it cannot be");
        assert!(way(Server { headers: vec!["a b: c".into()], ..Server::default() }).contains("header"));
        assert!(way(Server { auth: Some(3.into()), ..Server::default() }).contains("object"));
        assert!(way(Server { ca: Some("nowhere.pem".into()), ..Server::default() }).contains("nowhere.pem"));
    }
}
