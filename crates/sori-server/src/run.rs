//! The program's life: listen, accept, serve, drain.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::service::service_fn;
use sori::{Front, RemoteAddr, Server};
use sori_gallery::Gallery;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::watch,
};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    config::Settings,
    demo::{self, Pages},
    http::Http,
    listen, state,
};

/// Serves until it is told to stop.
pub fn serve(settings: Settings) -> Result<(), String> {
    let files = rlimit::increase_nofile_limit(u64::MAX);
    runtime()?.block_on(async {
        let mut builder = Server::builder().config(settings.library.clone());
        if settings.demo {
            builder = builder.namespace("/chat", demo::chat::namespace());
        }
        let io = builder.build().map_err(|error| error.to_string())?;
        let gallery = settings.demo.then(|| gallery(&settings, &io)).transpose()?;
        let listener =
            listen::alone(settings.listen).map_err(|error| cannot_listen("sori serve --listen", settings.listen, &error))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let mut signals = Signals::new().map_err(|error| format!("cannot listen for signals: {error}"))?;
        let mut asked = state::Asked::new().map_err(|error| format!("cannot listen for signals: {error}"))?;
        print_where_to_look(&settings, &io, address);
        tell_files(files);
        // Every connection holds a receiver for as long as it lives.
        let stop = watch::Sender::new(());
        tokio::select! {
            () = accept(&listener, &settings, &io, gallery.clone(), &stop) => {}
            never = asked.tell(&io, gallery.as_deref()) => match never {},
            name = signals.next() => println!("\n{name}: no new clients from now on."),
        }
        // The port is free for a successor from here on.
        drop(listener);
        tokio::select! {
            () = drain(&io, gallery.as_deref(), &stop, settings.shutdown_timeout) => Ok(()),
            never = asked.tell(&io, gallery.as_deref()) => match never {},
            _ = signals.next() => {
                println!("Stopped at once.");
                std::process::exit(130)
            }
        }
    })
}

/// The worker threads: as many as cores may be used.
pub fn runtime() -> Result<Runtime, String> {
    // No more news of the sockets at once than are worked off before the next: what a worker's queue cannot hold waits apart,
    // and behind those who come later. See "The runtime" in docs/performance.md.
    tokio::runtime::Builder::new_multi_thread()
        .max_io_events_per_tick(128)
        .event_interval(128)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the worker threads: {error}"))
}

/// Says what became of the limit of open files.
pub fn tell_files(files: io::Result<u64>) {
    match files {
        Ok(files) => tracing::info!("up to {files} connections and files may be open at once"),
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised; see `ulimit -n`"),
    }
}

/// The classic applications, with the older clients from where npm has put them: beside the newest.
fn gallery(settings: &Settings, io: &Server) -> Result<Arc<Gallery>, String> {
    let options = sori_gallery::Options {
        data_dir: settings.data_dir.clone(),
        client_dirs: io.config().client_dir.as_deref().and_then(|dist| dist.parent()?.parent()).map(Path::to_owned),
        trusted_proxies: io.config().trusted_proxies.clone(),
    };
    Gallery::new(options).map(Arc::new).map_err(|error| error.to_string())
}

/// Accepts until it is dropped.
async fn accept(
    listener: &TcpListener,
    settings: &Settings,
    io: &Server,
    gallery: Option<Arc<Gallery>>,
    stop: &watch::Sender<()>,
) {
    let pages = Pages::new(settings.demo, io.config(), gallery);
    let service = io.layer().layer(pages);
    let http = Http::new(settings, io);
    loop {
        let (stream, remote) = Front::accept(listener).await;
        give_up_after(&stream, settings.write_timeout);
        let service = service.clone();
        let answer = service_fn(move |mut request| {
            request.extensions_mut().insert(RemoteAddr(remote));
            service.clone().call(request)
        });
        tokio::spawn(http.clone().serve(stream, remote, answer, stop.subscribe()));
    }
}

/// A client that is there and reads nothing holds its connection and what waits in it; the kernel gives it up.
fn give_up_after(stream: &TcpStream, timeout: Duration) {
    #[cfg(target_os = "linux")]
    if !timeout.is_zero()
        && let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(timeout))
    {
        tracing::debug!(%error, "TCP_USER_TIMEOUT not set");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, timeout);
}

/// Tells everybody, then waits for what is still being written.
async fn drain(io: &Server, gallery: Option<&Gallery>, stop: &watch::Sender<()>, deadline: Duration) {
    let start = Instant::now();
    let servers = gallery.map(Gallery::servers).unwrap_or_default();
    let clients = match servers.iter().chain([io]).map(|io| io.stats().sessions()).sum() {
        1 => "1 client".to_owned(),
        clients => format!("{clients} clients"),
    };
    println!("Telling {clients} to go …");
    let (told, gallery_told) = tokio::join!(io.close(deadline), async {
        match gallery {
            Some(gallery) => gallery.close(deadline).await,
            None => true,
        }
    });
    stop.send_replace(());
    let written = tokio::time::timeout(deadline.saturating_sub(start.elapsed()), stop.closed()).await.is_ok();
    match told && gallery_told && written {
        true => println!("Done: {clients} told, in {} ms.", start.elapsed().as_millis()),
        false => println!("Done: {clients} told, but not all had taken it after {} ms.", deadline.as_millis()),
    }
}

/// Ctrl-C, and what service managers send.
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// From here on no signal is lost, and none ends the program by itself.
    pub fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    pub fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    pub async fn next(&mut self) -> &'static str {
        // Where it fails there is nothing to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}

/// What is in the way, and what to do. `option` is the command with the option that named the address.
pub fn cannot_listen(option: &str, address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {port} of {} is in use, perhaps by another sori. Stop that one, or take another port: {option} {}",
            address.ip(),
            SocketAddr::new(address.ip(), port.checked_add(1).unwrap_or(3000)),
        ),
        io::ErrorKind::PermissionDenied => {
            format!(
                "not allowed to listen on {address}: ports below 1024 are for administrators; try {option} {}:3000",
                address.ip()
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{} is not an address of this machine; 0.0.0.0:{port} listens on all it has", address.ip())
        }
        _ => format!("cannot listen on {address}: {error}"),
    }
}

fn print_where_to_look(settings: &Settings, io: &Server, address: SocketAddr) {
    let config = io.config();
    let host = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) | IpAddr::V6(Ipv6Addr::UNSPECIFIED) => format!("localhost:{}", address.port()),
        _ => address.to_string(),
    };
    let transports: Vec<_> = config.transports.iter().map(|transport| transport.as_str()).collect();
    let demo = match settings.demo {
        true => format!(
            "http://{host}/  a chat; open it twice\n  lab        http://{host}/lab  every transport, side by side\n  gallery    http://{host}/gallery/  the classic applications"
        ),
        false => "off; --demo serves it".into(),
    };
    let source = match &settings.source {
        Some(path) => path.display().to_string(),
        None => "defaults; `sori config` prints them".into(),
    };
    let text = format!(
        "Sori {}, listening on {address}. Ctrl-C stops it.\n\n  demo       {demo}\n  socket.io  http://{host}{}  over {}\n  \
         plain      {}\n  client     {}\n  config     {source}\n\n",
        env!("CARGO_PKG_VERSION"),
        config.path,
        transports.join(" and "),
        match &config.plain_path {
            Some(path) => format!("http://{host}{path}  for EventSource, curl and everybody else"),
            None => "off; plain_path = \"/live\" serves clients without a library".into(),
        },
        where_the_client_is(config),
    );
    // In one piece, for those who wait for it.
    print!("{text}");
}

/// Where pages get the client from, and how to change that.
fn where_the_client_is(config: &sori::Config) -> String {
    let cdn = format!("pages get it from the CDN. To have it here: npm install socket.io-client@{}", config.client_version);
    let is_there = |dir: &&Path| dir.join("socket.io.js").is_file();
    match config.client_dir.as_deref() {
        _ if !config.serve_client => "not served; serve_client = true serves it".into(),
        Some(dir) if is_there(&dir) => format!("{}, at {}socket.io.js", dir.display(), config.path),
        Some(dir) => format!("no socket.io.js in {}; {cdn}", dir.display()),
        None => format!("not found in node_modules here or above; {cdn}"),
    }
}
