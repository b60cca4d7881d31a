//! Listens, accepts, and serves an application with a server at its head.

use std::{
    convert::Infallible,
    future::{Future, IntoFuture},
    io,
    pin::{Pin, pin},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Front, RemoteAddr, Server};

/// A server that serves; see [`Server::serve`]. Awaiting it runs it.
#[must_use = "await it"]
pub struct Serve<S> {
    server: Server,
    listener: TcpListener,
    app: S,
    signal: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Server {
    /// Serves HTTP/1.1 on a listener, with the feature `http2` HTTP/2 in clear text too: requests below this server's paths are answered by it, all others by `app`, for example an axum router.
    ///
    /// ```no_run
    /// # async fn f(io: sori::Server) -> std::io::Result<()> {
    /// let app = axum::Router::new().route("/", axum::routing::get(async || "hello"));
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    /// io.serve(listener, app).await
    /// # }
    /// ```
    ///
    /// The same as `axum::serve(listener, app.layer(io.layer()))`, but the server's own requests do not pass hyper and axum, which is a third
    /// of what polling costs there; see [`Front`]. Layers of `app` do not see them. Clients have 30 s to send
    /// a request. Their addresses are known, and `app` finds them as [`RemoteAddr`] in a request's extensions.
    ///
    /// With a thousand busy clients on few cores build the runtime with `max_io_events_per_tick(128)` and `event_interval(128)`: tokio's
    /// defaults let some wait for a tenth of a second (`docs/performance.md`).
    pub fn serve<S>(&self, listener: TcpListener, app: S) -> Serve<S> {
        Serve { server: self.clone(), listener, app, signal: None }
    }
}

impl<S> Serve<S> {
    /// Accepts no more once `signal` is done, and waits until the connections have ended. Close the server in it or before, or those
    /// of its clients do not end.
    ///
    /// ```
    /// # async fn f(io: sori::Server, app: axum::Router, listener: tokio::net::TcpListener) -> std::io::Result<()> {
    /// let closing = io.clone();
    /// io.serve(listener, app)
    ///     .with_graceful_shutdown(async move {
    ///         tokio::signal::ctrl_c().await.ok();
    ///         closing.close(std::time::Duration::from_secs(10)).await;
    ///     })
    ///     .await
    /// # }
    /// ```
    pub fn with_graceful_shutdown(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.signal = Some(Box::pin(signal));
        self
    }
}

impl<S, R> IntoFuture for Serve<S>
where
    S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Output = io::Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            // Every connection holds a receiver for as long as it lives.
            let stop = watch::Sender::new(());
            let front = Front::new(&self.server);
            let service = self.server.layer().layer(self.app);
            let mut signal = self.signal.unwrap_or_else(|| Box::pin(std::future::pending()));
            loop {
                let (stream, remote) = tokio::select! {
                    accepted = Front::accept(&self.listener) => accepted,
                    () = &mut signal => break,
                };
                let (front, service, stopped) = (front.clone(), service.clone(), stop.subscribe());
                tokio::spawn(connection(front, stream, RemoteAddr(remote), service, stopped));
            }
            drop(self.listener);
            stop.send_replace(());
            stop.closed().await;
            Ok(())
        })
    }
}

async fn connection<S, R>(front: Front, stream: TcpStream, remote: RemoteAddr, service: S, mut stopped: watch::Receiver<()>)
where
    S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Some(rest) = front.answer(stream, remote.0, stopped.clone()).await else { return };
    // A task of its own: this one's is small, as most connections never come here.
    tokio::spawn(async move {
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(remote);
            service.clone().call(request)
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(front.patience());
        let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(rest), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            _ = stopped.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        }
    });
}
