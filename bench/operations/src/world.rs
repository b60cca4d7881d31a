//! A server and its clients on one thread, so that the same is done each time, in the same order.

use std::{future::Future, net::SocketAddr, rc::Rc};

use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use sori::{Ack, Bytes, Data, Namespace, Server};
use sori_proto::ws::frame::{Header, OpCode};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};

#[derive(Clone)]
pub struct World {
    runtime: Rc<Runtime>,
    io: Server,
    address: SocketAddr,
}

/// One connection of a client.
pub struct Client {
    stream: Box<dyn Stream>,
    heard: Vec<u8>,
    /// Of a polling session.
    target: String,
}

pub trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

impl World {
    pub fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let namespace = Namespace::new()
            .on("echo", async |Data(payload): Data<String>| Ack(payload))
            .on("note", async |Data(_): Data<String>| ());
        let io = Server::builder()
            // No heartbeat comes in between.
            .limits(|limits| (limits.ping_interval_ms, limits.plain_idle_ms) = (A_DAY_MS, A_DAY_MS))
            .namespace("/", namespace)
            .build()
            .expect("the options are right");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let served = io.serve(listener, io.service());
        runtime.spawn(async move { served.await });
        Self { runtime: runtime.into(), io, address }
    }

    pub fn io(&self) -> &Server {
        &self.io
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// A client in `/`, over WebSocket and TCP.
    pub fn websocket(&self) -> Client {
        self.block_on(async { self.connect().await.into_websocket().await })
    }

    /// The same over memory: it takes no descriptor, of which there may be a thousand.
    pub fn websocket_in_memory(&self) -> Client {
        self.block_on(async {
            let (near, far) = tokio::io::duplex(4_096);
            tokio::spawn(answer(far, self.io.clone()));
            Client::new(near).into_websocket().await
        })
    }

    /// An `EventSource`.
    pub fn stream(&self) -> Client {
        self.block_on(async {
            let mut client = self.connect().await;
            client.say(&request("GET", "/live/?framing=sse", "accept: text/event-stream\r\n", "")).await;
            client.hear_until(b"\n\n\r\n").await; // its chunk ends, too
            client
        })
    }

    /// A client in `/`, over long polling.
    pub fn polling(&self) -> Client {
        let mut client = self.block_on(async {
            let mut client = self.connect().await;
            client.say(&request("GET", POLLING, "", "")).await;
            client.hear_until(b"}").await;
            client
        });
        let heard = String::from_utf8_lossy(&client.heard);
        let sid = heard.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an open packet");
        client.target = format!("{POLLING}&sid={sid}");
        client.post(self, "40");
        client.get_until(self, || (), b"}");
        client
    }

    /// A client without a library in `/`, over long polling.
    pub fn long_polling(&self) -> Client {
        let mut client = self.block_on(self.connect());
        client.target = LONG_POLLING.to_owned();
        client.get_until(self, || (), b"]}");
        client.confirm();
        client
    }

    /// Waits until the server has nobody left.
    pub fn until_alone(&self) {
        self.block_on(async {
            while self.io.stats().sessions() > 0 {
                tokio::task::yield_now().await;
            }
        });
    }

    async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket");
        Client::new(stream)
    }
}

impl Client {
    fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), heard: Vec::with_capacity(4_096), target: String::new() }
    }

    /// Says something, and waits for an answer that ends like `end`.
    pub fn ask(&mut self, world: &World, question: &[u8], end: &[u8]) {
        world.block_on(async {
            self.say(question).await;
            self.hear_until(end).await;
        });
    }

    /// Reads what has come; something has.
    pub fn hear(&mut self, world: &World) {
        world.block_on(self.hear_until(b""));
    }

    /// Posts a packet of a polling session.
    pub fn post(&mut self, world: &World, packet: &str) {
        let request = request("POST", &self.target, "content-type: text/plain;charset=UTF-8\r\n", packet);
        self.ask(world, &request, b"ok");
    }

    /// Polls for one event; when the server holds the request, `meanwhile` happens.
    pub fn get(&mut self, world: &World, meanwhile: impl FnOnce()) {
        self.get_until(world, meanwhile, b"\"]");
    }

    /// The same without a library; [`Client::confirm`] it.
    pub fn long_poll(&mut self, world: &World, meanwhile: impl FnOnce()) {
        self.get_until(world, meanwhile, b"]}");
    }

    /// The next poll names the answer to the last one.
    pub fn confirm(&mut self) {
        let heard = String::from_utf8_lossy(&self.heard);
        let field = |name| heard.split(name).nth(1).and_then(|rest| rest.split('"').next()).expect("a poll's answer");
        self.target = format!("{LONG_POLLING}&sid={}&since={}", field("{\"sid\":\""), field(",\"cursor\":\""));
    }

    fn get_until(&mut self, world: &World, meanwhile: impl FnOnce(), end: &[u8]) {
        let request = request("GET", &self.target, "", "");
        world.block_on(async {
            self.say(&request).await;
            settle().await;
            meanwhile();
            self.hear_until(end).await;
        });
    }

    async fn into_websocket(mut self) -> Self {
        self.say(&request("GET", WEBSOCKET, UPGRADE, "")).await;
        self.hear_until(b"}").await;
        self.say(&masked("40")).await;
        self.hear_until(b"\"}").await;
        self
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the server reads");
    }

    async fn hear_until(&mut self, end: &[u8]) {
        self.heard.clear();
        while self.heard.is_empty() || !self.heard.ends_with(end) {
            let n = self.stream.read_buf(&mut self.heard).await.expect("the server answers");
            assert_ne!(n, 0, "the server has closed after {:?}", String::from_utf8_lossy(&self.heard));
        }
    }
}

/// Sockets in memory: two thirds of them in `left`, two thirds in `right`.
pub struct Members {
    world: World,
    clients: std::cell::RefCell<Vec<Client>>,
}

impl Members {
    pub fn in_two_rooms(count: usize) -> Self {
        let world = World::new();
        let clients = (0..count).map(|_| world.websocket_in_memory()).collect::<Vec<_>>();
        let sockets = world.io.of("/").fetch_sockets();
        assert_eq!(sockets.len(), count);
        let two_thirds = (count * 2).div_ceil(3);
        sockets[..two_thirds].iter().for_each(|socket| socket.join("left"));
        sockets[count - two_thirds..].iter().for_each(|socket| socket.join("right"));
        Self { world, clients: clients.into() }
    }

    pub fn io(&self) -> &Server {
        &self.world.io
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.world.block_on(future)
    }

    /// The first so many read what was sent to them.
    pub fn listen(&self, count: usize) {
        self.clients.borrow_mut()[..count].iter_mut().for_each(|client| client.hear(&self.world));
    }
}

/// Lets everything run that can: a task that is spawned now comes after those that are ready. More than once, because
/// work wakes work.
pub async fn settle() {
    for _ in 0..3 {
        tokio::spawn(async {}).await.expect("it cannot fail");
        tokio::task::yield_now().await;
    }
}

/// A client's text frame.
pub fn masked(text: &str) -> Bytes {
    let header = Header { fin: true, rsv1: false, opcode: OpCode::Text, mask: Some([7, 3, 1, 9]), len: text.len() as u64 };
    header.frame(text.as_bytes())
}

fn request(method: &str, target: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = if method == "POST" { format!("content-length: {}\r\n", body.len()) } else { String::new() };
    format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n{headers}{length}\r\n{body}").into()
}

/// By hyper: what stands before it knows TCP alone.
async fn answer(stream: DuplexStream, io: Server) {
    let service = TowerToHyperService::new(io.service());
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // That a client has left is no error of ours.
    let _: Result<_, hyper::Error> = connection.with_upgrades().await;
}

const A_DAY_MS: u32 = 24 * 60 * 60 * 1_000;
const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const LONG_POLLING: &str = "/live/?wait=25";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";
const UPGRADE: &str =
    "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
