//! A server that a suite starts and ends: by its own process and nothing else.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

const START_MAX: Duration = Duration::from_secs(20);
const ANSWER_MAX: Duration = Duration::from_secs(10);
const END_MAX: Duration = Duration::from_secs(5);

pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    /// Starts `program arg…` and waits until it listens: at the port that it is given as `{port}` and in the environment, or at one it names.
    pub fn start(program: &Path, args: &[&str]) -> Result<Self, String> {
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        Self::start_at(port, program, args)
    }

    /// The same at this port.
    pub fn start_at(port: u16, program: &Path, args: &[&str]) -> Result<Self, String> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut child = Command::new(program)
            .args(args.iter().map(|arg| arg.replace("{port}", &port.to_string())))
            .env("PORT", port.to_string())
            .env("SORI_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        let said = named_ports(child.stdout.take());
        let mut server = Self { child, port };
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            if let Ok(port) = said.try_recv() {
                server.port = port;
            }
            if TcpStream::connect(address(server.port)).is_ok() {
                return Ok(server);
            }
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(format!("{name} ended with {status} instead of listening"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(format!("{name} listens neither at the port it was given nor at one it names"))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, as people do, and waits until it has. One that has processes of its own ends them then.
    pub fn end(&mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        let since = Instant::now();
        while asked.is_ok() && since.elapsed() < END_MAX && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The answer to `GET path`, head and body.
    pub fn get(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(address(self.port))?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", self.port)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

pub fn free_port() -> io::Result<u16> {
    TcpListener::bind(address(0))?.local_addr().map(|address| address.port())
}

/// The ports in lines like `listening on http://127.0.0.1:3000`; reads on, so that the server never blocks on its output.
fn named_ports(output: Option<impl Read + Send + 'static>) -> Receiver<u16> {
    let (ports, said) = mpsc::channel();
    thread::spawn(move || {
        for line in output.into_iter().flat_map(|output| BufReader::new(output).lines()).map_while(Result::ok) {
            if let Some(port) = port_in(&line) {
                let _ = ports.send(port);
            }
        }
    });
    said
}

fn port_in(line: &str) -> Option<u16> {
    let (_, after) = ["127.0.0.1:", "localhost:", "0.0.0.0:"].iter().find_map(|host| line.split_once(host))?;
    let digits = after.find(|c: char| !c.is_ascii_digit()).map_or(after, |end| &after[..end]);
    digits.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::port_in;

    #[test]
    fn a_listen_line_names_its_port() {
        assert_eq!(port_in("listening on 127.0.0.1:4020"), Some(4020));
        assert_eq!(port_in("open http://localhost:3000/chat"), Some(3000));
        assert_eq!(port_in("listening"), None);
    }
}
