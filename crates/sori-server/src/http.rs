//! One connection: the library's front first, then HTTP/1.1, or HTTP/2 in clear text from a client that begins with it
//! (RFC 9113, 3.3).

use std::{convert::Infallible, net::SocketAddr, pin::pin, time::Duration};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::{http1, http2},
    service::Service,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use sori::{Front, Server};
use tokio::{net::TcpStream, sync::watch};

use crate::config::Settings;

/// How connections are served.
#[derive(Clone)]
pub struct Http {
    front: Front,
    one: http1::Builder,
    two: http2::Builder<TokioExecutor>,
}

impl Http {
    pub fn new(settings: &Settings, io: &Server) -> Self {
        let front = Front::new(io)
            .header_read_timeout(settings.header_read_timeout)
            .head_bytes_max(settings.request_head_bytes_max)
            .headers_max(settings.headers_max);
        let mut one = http1::Builder::new();
        one.timer(TokioTimer::new())
            .header_read_timeout(settings.header_read_timeout)
            .max_headers(settings.headers_max)
            .max_buf_size(settings.request_head_bytes_max);
        let heartbeat = Duration::from_millis(settings.library.limits.ping_interval_ms.into());
        let mut two = http2::Builder::new(TokioExecutor::new());
        two.timer(TokioTimer::new())
            .max_header_list_size(settings.request_head_bytes_max as u32)
            .max_concurrent_streams(STREAMS_MAX)
            // Of streams that the client opens and resets at once (CVE-2023-44487).
            .max_pending_accept_reset_streams(RESETS_MAX)
            .max_send_buf_size(settings.request_head_bytes_max)
            .keep_alive_interval(heartbeat)
            .keep_alive_timeout(heartbeat);
        Self { front, one, two }
    }

    /// Serves a connection until it ends, or orderly when it is told to stop.
    pub async fn serve<S, B>(self, stream: TcpStream, remote: SocketAddr, service: S, stopped: watch::Receiver<()>)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(rest) = self.front.answer(stream, remote, stopped.clone()).await else { return };
        // A task of its own, because this one is small and most connections stay in it.
        tokio::spawn(async move {
            // No method begins as the preface does.
            let is_http2 = rest.ahead().starts_with(b"PRI ");
            let io = TokioIo::new(rest);
            let ended = match is_http2 {
                false => {
                    let connection = self.one.serve_connection(io, service).with_upgrades();
                    serve_until(connection, stopped, |connection| connection.graceful_shutdown()).await
                }
                true => {
                    let connection = self.two.serve_connection(io, service);
                    serve_until(connection, stopped, |connection| connection.graceful_shutdown()).await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%remote, %error, "connection ended");
            }
        });
    }
}

async fn serve_until<C: Future<Output = hyper::Result<()>>>(
    connection: C,
    mut stopped: watch::Receiver<()>,
    shut_down: impl FnOnce(std::pin::Pin<&mut C>),
) -> hyper::Result<()> {
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            shut_down(connection.as_mut());
            connection.await
        }
    }
}

/// Requests of one HTTP/2 connection at a time; a browser's page has a dozen.
const STREAMS_MAX: u32 = 250;
/// Streams that were reset before they were looked at; beyond it the connection ends.
const RESETS_MAX: usize = 20;
