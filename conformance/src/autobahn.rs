//! For the Autobahn test suite: an echo on the WebSocket layer alone, without Engine.IO.

use std::{error::Error, io};

use sori_proto::ws::{
    Message, Reader, deflate,
    frame::{self, Header, OpCode},
    handshake::{self, DeflateConfig, Negotiated},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub async fn serve(port: u16) -> Result<(), Box<dyn Error>> {
    let listener = crate::listen(port).await?;
    println!("listening on 127.0.0.1:{port}");
    loop {
        let (stream, _) = listener.accept().await?;
        // How a connection ends is the suite's to judge.
        tokio::spawn(async move { drop(echo(stream).await) });
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    let Some(deflate) = shake_hands(&mut stream, &mut buffer).await? else { return Ok(()) };
    let mut reader = Reader::server(MESSAGE_BYTES_MAX, deflate);
    let data = |opcode, payload: &[u8]| match deflate {
        Some(deflate) => {
            let compressed = deflate::compress(payload, deflate.server_window_bits());
            Header { fin: true, rsv1: true, opcode, mask: None, len: compressed.len() as u64 }.frame(&compressed)
        }
        None => frame::frame(opcode, payload),
    };
    loop {
        let mut input = &mut buffer[..];
        loop {
            let answer = match reader.next(&mut input) {
                Ok(None) => break,
                Ok(Some(Message::Text(text))) => data(OpCode::Text, text.as_bytes()),
                Ok(Some(Message::Binary(bytes))) => data(OpCode::Binary, &bytes),
                Ok(Some(Message::Ping(payload))) => frame::pong(&payload),
                Ok(Some(Message::Pong(_))) => continue,
                Ok(Some(Message::Close { code, .. })) => return end(stream, code).await,
                Err(error) => return end(stream, Some(error.close_code())).await,
            };
            stream.write_all(&answer).await?;
        }
        buffer.clear();
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// The opening handshake; what came behind it stays in `buffer`. None when the request is not for a WebSocket.
async fn shake_hands(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Option<Negotiated>>> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if buffer.len() >= BUFFER_BYTES || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head: Vec<u8> = buffer.drain(..end).collect();
    let headers: Vec<(&[u8], &[u8])> = head
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.iter().position(|byte| *byte == b':').map(|at| (&line[..at], line[at + 1..].trim_ascii())))
        .collect();
    let all = |name: &'static [u8]| headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
    let one = |name| all(name).next();
    let accept = match handshake::check(one(b"sec-websocket-key"), one(b"sec-websocket-version")) {
        Ok(accept) if handshake::is_upgrade(one(b"connection"), one(b"upgrade")) => accept,
        _ => {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await?;
            return Ok(None);
        }
    };
    let config = DeflateConfig { server_window_bits_min: 9, ..DeflateConfig::default() };
    let deflate = handshake::negotiate_deflate(all(b"sec-websocket-extensions"), &config);
    let extensions = deflate.map_or(String::new(), |deflate| format!("Sec-WebSocket-Extensions: {}\r\n", deflate.header_value()));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n{extensions}\r\n",
        accept.as_str()
    );
    stream.write_all(answer.as_bytes()).await?;
    Ok(Some(deflate))
}

/// RFC 6455, 7.1.1: the server closes first, then reads until the client has closed too.
async fn end(mut stream: TcpStream, code: Option<u16>) -> io::Result<()> {
    stream.write_all(&frame::close(code, "")).await?;
    stream.shutdown().await?;
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// The largest message of the suite has 16 MiB.
const MESSAGE_BYTES_MAX: u32 = 64 << 20;
const BUFFER_BYTES: usize = 64 * 1024;
