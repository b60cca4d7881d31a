//! Servers that say what a test wants said, byte by byte.

use std::future::Future;

use sori_proto::ws::{frame, handshake};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// One connection.
pub struct Stream(TcpStream);

/// Serves each connection with `answer`, and tells the address.
pub async fn serve<F>(answer: impl Fn(Stream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(Stream(stream)));
        }
    });
    url
}

/// One answer to everything.
pub async fn say(bytes: &'static [u8]) -> String {
    serve(move |mut stream| async move {
        stream.request().await;
        stream.write(bytes).await;
    })
    .await
}

/// A frame of text.
pub fn text(text: &str) -> Vec<u8> {
    frame::frame(frame::OpCode::Text, text.as_bytes()).to_vec()
}

impl Stream {
    /// Reads one request's head, and as much of a body as came with it.
    pub async fn request(&mut self) -> String {
        let mut request = Vec::new();
        while !request.windows(4).any(|window| window == b"\r\n\r\n") {
            let mut buffer = [0; 4_096];
            match self.0.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(len) => request.extend_from_slice(&buffer[..len]),
            }
        }
        String::from_utf8_lossy(&request).into_owned()
    }

    /// Answers the handshake of a WebSocket.
    pub async fn upgrade(&mut self) {
        let request = self.request().await;
        let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
        let accept = handshake::accept_key(key.as_bytes());
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
        self.write(format!("{head}Sec-WebSocket-Accept: {}\r\n\r\n", accept.as_str()).as_bytes()).await;
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.ok();
    }

    /// Whatever the client says is heard, and nothing done about it, until it leaves.
    pub async fn hold(&mut self) {
        let mut buffer = [0; 4_096];
        while self.0.read(&mut buffer).await.is_ok_and(|len| len > 0) {}
    }
}
