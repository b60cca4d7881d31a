//! What clients say.

use std::mem;

use crate::{
    generator::{Generator, Work},
    link::{Protocol, Stage},
    system::now_ns,
    websocket,
};

/// What Chromium sends beside what every WebSocket needs; the page is the server's own.
const BROWSER: &str = "\
Pragma: no-cache\r
Cache-Control: no-cache\r
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r
Accept-Encoding: gzip, deflate, br, zstd\r
Accept-Language: en-US,en;q=0.9,ko;q=0.8\r
Cookie: session=3f1c9a52b7d84e06a1f5c2d39e7b8a40; theme=dark; locale=ko\r
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r
Sec-Fetch-Dest: websocket\r
Sec-Fetch-Mode: websocket\r
Sec-Fetch-Site: same-origin\r
";
pub const UPGRADE: &str = "\
Connection: Upgrade\r
Upgrade: websocket\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
";
pub const PLAIN: &str = "Host: localhost\r\nConnection: keep-alive\r\n";

impl Generator<'_> {
    /// The request that opens a link's stream, or its next poll.
    pub(crate) fn request(&mut self, at: usize) {
        let link = &self.links[at];
        let path = &self.options.clients[link.path].1;
        let note = String::from_utf8_lossy(&link.note);
        let request = match link.protocol {
            Protocol::SocketIo => format!("GET {path}?EIO=4&transport=websocket HTTP/1.1\r\n{}\r\n", self.upgrade()),
            Protocol::WebSocket => format!("GET {path} HTTP/1.1\r\n{}\r\n", self.upgrade()),
            Protocol::EventSource => {
                format!("GET {path} HTTP/1.1\r\n{PLAIN}Accept: text/event-stream\r\nCache-Control: no-cache\r\n\r\n")
            }
            // Sori's place is in the query, Nchan's in the headers.
            Protocol::LongPoll if note.starts_with(['?', '&']) => format!("GET {path}{note} HTTP/1.1\r\n{PLAIN}\r\n"),
            Protocol::LongPoll => format!("GET {path} HTTP/1.1\r\n{PLAIN}{note}\r\n"),
            Protocol::SocketIoPolling => {
                let sid = if note.is_empty() { String::new() } else { format!("&sid={note}") };
                format!("GET {path}?EIO=4&transport=polling{sid} HTTP/1.1\r\n{PLAIN}\r\n")
            }
        };
        let link = &mut self.links[at];
        link.busy = true;
        link.outbox.extend_from_slice(request.as_bytes());
        self.flush(at);
    }

    /// One packet or text from the client whose main link this is.
    pub(crate) fn say(&mut self, at: usize, text: &[u8]) {
        if self.links[at].protocol == Protocol::SocketIoPolling {
            self.links[at + 1].posts.push_back(text.to_vec());
            self.post_next(at);
        } else {
            websocket::frame(&mut self.links[at].outbox, websocket::TEXT, text);
            self.flush(at);
        }
    }

    /// Polling: posts what waits, unless a post is under way.
    pub(crate) fn post_next(&mut self, main: usize) {
        let post = main + 1;
        if self.links[post].busy || self.links[post].stage != Stage::Ready {
            return;
        }
        let Some(body) = self.links[post].posts.pop_front() else { return };
        let path = &self.options.clients[self.links[main].path].1;
        let sid = String::from_utf8_lossy(&self.links[main].note);
        let path = format!("{path}?EIO=4&transport=polling&sid={sid}");
        let head = post_head(&path, "text/plain;charset=UTF-8", body.len());
        self.links[post].busy = true;
        self.links[post].outbox.extend_from_slice(head.as_bytes());
        self.links[post].outbox.extend_from_slice(&body);
        self.flush(post);
    }

    pub(crate) fn send_broadcast(&mut self) {
        let receivers = self.ready as u32;
        let Work::Broadcast(broadcast) = &mut self.work else { return };
        let payload = mem::take(broadcast.next(receivers, now_ns()));
        match (&self.options.publish, self.publisher) {
            (Some(path), Some(publisher)) => {
                let head = post_head(path, "text/plain", payload.len());
                self.links[publisher].outbox.extend_from_slice(head.as_bytes());
                self.links[publisher].outbox.extend_from_slice(&payload);
                self.flush(publisher);
            }
            _ => {
                let packet = [b"42[\"broadcast\",\"", &payload[..], b"\"]"].concat();
                // The first client is a Socket.IO one: `--client` named it first.
                self.say(self.clients[0], &packet);
            }
        }
        if let Work::Broadcast(broadcast) = &mut self.work {
            broadcast.give_back(payload);
        }
    }

    pub(crate) fn send_echo(&mut self, at: usize) {
        let Work::Echo(echo) = &self.work else { return };
        let link = &mut self.links[at];
        link.asked_last = (link.asked_last + 1) % 1_000_000;
        link.asked.push_back((link.asked_last, now_ns()));
        let packet = [format!("42{}[\"echo\",\"", link.asked_last).as_bytes(), &echo.payload, b"\"]"].concat();
        self.say(at, &packet);
    }

    fn upgrade(&self) -> String {
        if self.options.browser {
            let host = format!("127.0.0.1:{}", self.options.port);
            format!("Host: {host}\r\nOrigin: http://{host}\r\n{BROWSER}{UPGRADE}")
        } else {
            format!("Host: localhost\r\n{UPGRADE}")
        }
    }
}

fn post_head(path: &str, kind: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\n{PLAIN}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n")
}
