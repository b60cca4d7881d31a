//! Listening: deep enough for everybody to come at once.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// For one process, which has the port alone.
pub fn alone(address: SocketAddr) -> io::Result<TcpListener> {
    listen(address, false)
}

/// For processes of the same user, among which the kernel spreads the connections.
pub fn together(address: SocketAddr) -> io::Result<TcpListener> {
    listen(address, true)
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Else the port of a server that has just ended is taken for a minute. Windows means something else by it.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    #[cfg(unix)]
    socket.set_reuseport(shared)?;
    #[cfg(not(unix))]
    if shared {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "on this system a port belongs to one process"));
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Connections that wait to be accepted. Those for which there is no room try again after a second, then after two more. The system
/// may allow fewer (`net.core.somaxconn`, 4,096 by default).
const BACKLOG: u32 = 4_096;
