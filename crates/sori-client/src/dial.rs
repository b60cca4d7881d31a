//! From an address to an open connection, and the heads of requests.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    time::{Instant, timeout_at},
};

use crate::{
    Address, Error, Options,
    error::Doing,
    wire::{Io, Wire},
};

/// Whom to call, and how. Cloning it costs two counts.
#[derive(Clone)]
pub(crate) struct Dial {
    pub(crate) target: Arc<Address>,
    pub(crate) options: Options,
}

impl Dial {
    pub(crate) fn new(url: &str, options: &Options) -> Result<Self, Error> {
        Ok(Self { target: Arc::new(Address::parse(url)?), options: options.clone() })
    }

    /// By when an opening that begins now has to be done.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.options.settings().timeout
    }

    pub(crate) async fn connect(&self, deadline: Instant) -> Result<Wire, Error> {
        let patience = self.options.settings().timeout;
        let stream = within(deadline, patience, Doing::Connecting, self.tcp()).await??;
        let io = match self.target.secure {
            false => Io::Tcp(stream),
            #[cfg(feature = "tls")]
            true => {
                let tls = crate::tls::connect(&self.options.settings().tls, &self.target.host, stream);
                Io::Tls(Box::new(within(deadline, patience, Doing::Securing, tls).await??))
            }
            #[cfg(not(feature = "tls"))]
            true => unreachable!("such an address is refused without TLS"),
        };
        Ok(Wire::new(io, self.options.settings().limits.unsent_bytes_max))
    }

    /// The head of a request, and its body.
    pub(crate) fn request(&self, method: &str, resource: &str, more: &str, body: Option<(&str, &[u8])>) -> Vec<u8> {
        let (authority, headers) = (&self.target.authority, &self.options.settings().headers);
        let mut request = format!("{method} {resource} HTTP/1.1\r\nHost: {authority}\r\n{USER_AGENT}{headers}{more}");
        if let Some((content_type, body)) = body {
            request.push_str(&format!("Content-Type: {content_type}\r\nContent-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut request = request.into_bytes();
        request.extend_from_slice(body.map_or(&b""[..], |(_, body)| body));
        request
    }

    async fn tcp(&self) -> Result<TcpStream, Error> {
        let Address { host, port, .. } = &*self.target;
        let unreachable = |error| Error::Unreachable { address: format!("{host}:{port}").into(), error };
        if let Some(remote) = self.options.settings().remote {
            let unreachable = |error| Error::Unreachable { address: remote.to_string().into(), error };
            return self.tcp_to(remote).await.map_err(unreachable);
        }
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in lookup_host((&**host, *port)).await.map_err(unreachable)? {
            match self.tcp_to(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            }
        }
        Err(unreachable(failed))
    }

    async fn tcp_to(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(bytes) = self.options.settings().receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(local) = self.options.settings().local {
            socket.bind(SocketAddr::new(local, 0))?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// What does not come by its deadline is an error that says what was waited for.
pub(crate) async fn within<F: Future>(deadline: Instant, after: Duration, doing: Doing, future: F) -> Result<F::Output, Error> {
    timeout_at(deadline, future).await.map_err(|_| Error::TimedOut { doing, after })
}

const USER_AGENT: &str = concat!("User-Agent: sori-client/", env!("CARGO_PKG_VERSION"), "\r\n");
