//! Which servers may be loaded: one's own.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sori_client::Address;

use crate::text::counted;

/// A server that may be loaded.
///
/// Its addresses were resolved once, and connections go to these and no others: a name that is answered differently a moment
/// later does not lead elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// As it was given.
    pub url: String,
    /// Whether by `https` or `wss`.
    pub secure: bool,
    /// Without the brackets of IPv6.
    pub host: String,
    /// Of the address, or its scheme's.
    pub port: u16,
    /// Where it is; at least one.
    pub addresses: Vec<SocketAddr>,
}

impl Target {
    /// Finds the server, and refuses one that is neither on this machine nor on a private network, unless `i_own` names its host.
    /// The error says what to do.
    pub fn find(url: &str, i_own: &[String]) -> Result<Self, String> {
        let mut target = Self::parse(url)?;
        let found = (target.host.as_str(), target.port).to_socket_addrs();
        target.addresses = found
            .map_err(|error| {
                format!("{} cannot be found: {error}. Is the name spelled right, and the network there?", target.host)
            })?
            .collect();
        target.admitted(i_own)
    }

    /// With the address that answers at the front: a name may have one of IPv6, where nobody listens.
    #[must_use]
    pub fn answering_first(mut self) -> Self {
        if self.addresses.len() > 1 {
            let answers = |address: &SocketAddr| TcpStream::connect_timeout(address, Duration::from_secs(1)).is_ok();
            let at = self.addresses.iter().position(answers).unwrap_or(0);
            self.addresses.swap(0, at);
        }
        self
    }

    /// Whether all of it is on this machine, so that the server and the generator share its cores.
    pub fn is_here(&self) -> bool {
        self.addresses.iter().all(|address| is_here(address.ip()))
    }

    fn parse(url: &str) -> Result<Self, String> {
        let Address { secure, host, port, .. } = Address::parse(url).map_err(|error| error.to_string())?;
        Ok(Self { url: url.trim().to_owned(), secure, host: host.into(), port, addresses: Vec::new() })
    }

    fn admitted(self, i_own: &[String]) -> Result<Self, String> {
        let foreign: Vec<IpAddr> =
            self.addresses.iter().map(SocketAddr::ip).filter(|ip| !is_here(*ip) && !is_private(*ip)).collect();
        let owned = i_own.iter().any(|owned| owned.eq_ignore_ascii_case(&self.host));
        match foreign.first() {
            _ if self.addresses.is_empty() => Err(format!("{} has no address", self.host)),
            Some(first) if !owned => Err(self.refusal(*first, foreign.len() as u64, i_own)),
            _ => Ok(self),
        }
    }

    fn refusal(&self, first: IpAddr, count: u64, i_own: &[String]) -> String {
        let Self { host, .. } = self;
        let is = match first.to_string() {
            first if first == *host => format!("{host} is"),
            first => format!("{host} is {first}{}, which is", more(count - 1)),
        };
        let otherwise = match i_own.is_empty() {
            true => String::new(),
            false => format!(" (--i-own names {})", i_own.join(", ")),
        };
        format!(
            "{is} neither this machine nor a private network, and a load test of somebody else's server is an attack on it. \
             If it is yours, or its owner has agreed, say so: --i-own {host}{otherwise}"
        )
    }
}

/// Loopback. What is bound to every address is reached here as well, and `sori` prints it so.
fn is_here(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || ip.is_unspecified()
}

/// RFC 1918, RFC 3927 (link-local), RFC 4193 (unique local), RFC 4291 (link-local).
fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => is_private_v6(ip),
    }
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    ip.is_unique_local() || ip.is_unicast_link_local()
}

fn more(count: u64) -> String {
    if count == 0 { String::new() } else { format!(" and {}", counted(count, "other", "others")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if the host had been resolved to these.
    fn admitted(url: &str, addresses: &[&str], i_own: &[&str]) -> Result<Target, String> {
        let mut target = Target::parse(url)?;
        target.addresses = addresses.iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), target.port)).collect();
        target.admitted(&i_own.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>())
    }

    fn refused(url: &str, addresses: &[&str], i_own: &[&str]) -> String {
        admitted(url, addresses, i_own).expect_err("it must be refused")
    }

    #[test]
    fn ones_own_machine_and_network_are_loaded() {
        for ip in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "0.0.0.0",
            "::",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.7.7",
            "fd00::1",
            "fc12::1",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
        ] {
            assert!(admitted("http://server", &[ip], &[]).is_ok(), "{ip}");
        }
    }

    #[test]
    fn other_peoples_servers_are_not() {
        for ip in [
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "11.0.0.1",
            "100.64.0.1",
            "203.0.113.7",
            "255.255.255.255",
            "224.0.0.1",
            "2001:db8::1",
            "::ffff:1.1.1.1",
            "::ffff:203.0.113.7",
            "64:ff9b::a00:1",
            "ff02::1",
        ] {
            let why = refused("https://app.example/x", &[ip], &[]);
            assert!(why.contains("--i-own app.example") && why.contains("attack"), "{ip}: {why}");
        }
    }

    #[test]
    fn one_foreign_address_among_own_ones_is_enough() {
        assert!(refused("http://mixed", &["127.0.0.1", "1.1.1.1", "1.0.0.1"], &[]).contains("1.1.1.1 and 1 other"));
    }

    #[test]
    fn ownership_is_said_of_one_host() {
        assert!(admitted("https://App.example", &["203.0.113.7"], &["app.EXAMPLE"]).is_ok());
        let why = refused("https://app.example", &["203.0.113.7"], &["other.example"]);
        assert!(why.contains("--i-own app.example (--i-own names other.example)"), "{why}");
        assert!(refused("http://203.0.113.7:8080", &["203.0.113.7"], &[]).starts_with("203.0.113.7 is neither"));
        assert!(admitted("http://203.0.113.7:8080", &["203.0.113.7"], &["203.0.113.7"]).is_ok());
    }

    #[test]
    fn what_is_no_address_is_told_what_would_be() {
        let check = |url: &str, why: &str| {
            let error = Target::parse(url).expect_err(url);
            assert!(error.contains(why), "{url}: {error}");
        };
        check("localhost:3000", "as http://localhost:3000");
        check("app.example", "as http://app.example");
        check("ftp://a/", "ftp is none of http, https, ws and wss");
        check("http://u:p@a/", "password");
        check("http://a:99999/", "its port is none");
        check("", "");
        check("http://", "");
    }

    #[test]
    fn loopback_is_found_by_its_name() {
        let target = Target::find("http://localhost:3000", &[]).expect("every machine has it");
        assert!(target.is_here() && !target.addresses.is_empty());
        // A label has at most 63 bytes, so that nobody is asked for this one.
        let nobody = "n".repeat(64);
        let error = Target::find(&format!("http://{nobody}"), &[]).expect_err("there is no such name");
        assert!(error.contains("cannot be found"), "{error}");
    }
}
