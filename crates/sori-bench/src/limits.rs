//! What a generator runs out of before it runs out of time: descriptors, and ports to connect from.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
};

use serde::{Deserialize, Serialize};

use crate::text::grouped;

/// How many files and connections this process may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Descriptors {
    /// What holds.
    pub soft: u64,
    /// How far a process without privileges may raise it.
    pub hard: u64,
}

impl Descriptors {
    /// Raises the limit as far as this process may.
    pub fn raise() -> Self {
        // Where it cannot be raised or read, what holds is all there is.
        let raised = rlimit::increase_nofile_limit(u64::MAX);
        #[cfg(unix)]
        if let Ok((soft, hard)) = rlimit::getrlimit(rlimit::Resource::NOFILE) {
            return Self { soft, hard };
        }
        let soft = raised.unwrap_or(u64::MAX);
        Self { soft, hard: soft }
    }

    /// How many connections one process may have.
    pub fn connections_max(&self) -> u64 {
        self.soft.saturating_sub(SPARE)
    }

    /// Whether so many connections fit, or what to do.
    pub fn room_for(&self, connections: u64) -> Result<(), String> {
        let needed = connections + SPARE;
        match needed <= self.soft {
            true => Ok(()),
            false => Err(format!(
                "{} connections need {} descriptors, and this process may have {}, which is the hard limit. Raise it with \
                 `sudo prlimit --pid $$ --nofile={needed}:{needed}` in this shell, or `LimitNOFILE={needed}` in a service; or take \
                 fewer --clients, or share them among several processes",
                grouped(connections),
                grouped(needed),
                grouped(self.soft)
            )),
        }
    }
}

/// The ports that the system gives to connections that ask for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl Ports {
    /// Those of this machine.
    pub fn here() -> Self {
        let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
        Self::parse(&range).unwrap_or(Self { first: 32_768, last: 60_999 })
    }

    fn parse(range: &str) -> Option<Self> {
        let mut ports = range.split_whitespace().map(str::parse);
        let (first, last) = (ports.next()?.ok()?, ports.next()?.ok()?);
        (first <= last).then_some(Self { first, last })
    }

    /// How many connections from one address to one address and port can be relied on: others take ports, too, and the kernel
    /// searches long for the last ones.
    pub fn usable(&self) -> u64 {
        (u64::from(self.last - self.first) + 1) * 9 / 10
    }

    /// How many of them the kernel finds without a search: it tries the even ones, then the odd ones, and once the first half is
    /// taken, every connection costs a look at all of that half.
    pub fn quick(&self) -> u64 {
        self.usable() / 2
    }
}

/// Source addresses, each for as many connections as it has ports.
///
/// ```
/// use sori_bench::{Ports, Sources};
///
/// let ports = Ports { first: 32_768, last: 60_999 };
/// let mut sources = Sources::plan("127.0.0.1".parse().unwrap(), 1, 60_000, &[], ports).unwrap();
/// assert_eq!(sources.take().unwrap().unwrap().to_string(), "127.0.0.2");
/// assert_eq!(sources.take().unwrap().unwrap().to_string(), "127.0.0.3");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Empty when the system's choice will do.
    addresses: Vec<(IpAddr, u64)>,
    each: u64,
    next: usize,
}

/// There is no source address left with a port to spare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

impl Sources {
    /// For so many connections at a time to an address, in so many [parts](Self::part). `own` are addresses of this machine to
    /// connect from; loopback has enough of its own.
    pub fn plan(to: IpAddr, parts: u64, connections: u64, own: &[IpAddr], ports: Ports) -> Result<Self, String> {
        // Loopback has addresses without number.
        let each = match to {
            IpAddr::V4(to) if to.is_loopback() && own.is_empty() => ports.quick(),
            _ => ports.usable(),
        };
        let of_kind: Vec<IpAddr> = own.iter().copied().filter(|from| from.is_ipv4() == to.is_ipv4()).collect();
        if of_kind.is_empty() && connections <= each {
            return Ok(Self { addresses: Vec::new(), each, next: 0 });
        }
        let needed = connections.div_ceil(each).max(1);
        let addresses: Vec<IpAddr> = match to {
            _ if !of_kind.is_empty() => of_kind,
            IpAddr::V4(to) if to.is_loopback() && needed.max(parts) <= LOOPBACK_MAX => {
                loopback(to).take(needed.next_multiple_of(parts.max(1)) as usize).collect()
            }
            _ => Vec::new(),
        };
        match addresses.len() as u64 >= needed {
            true => Ok(Self { addresses: addresses.into_iter().map(|address| (address, 0)).collect(), each, next: 0 }),
            false => Err(too_few(to, connections, addresses.len() as u64, needed, each, ports)),
        }
    }

    /// Those of one of `parts`, which are served side by side; `index` counts from 0.
    #[must_use]
    pub fn part(&self, index: u32, parts: u32) -> Self {
        let (parts, count) = (u64::from(parts.max(1)), self.addresses.len() as u64);
        let index = u64::from(index);
        let own = |of: u64| self.addresses.iter().enumerate().filter(move |(at, _)| *at as u64 % of == index % of);
        let (addresses, sharing): (Vec<_>, u64) = match count {
            0 => (Vec::new(), parts),
            _ if count.is_multiple_of(parts) => (own(parts).map(|(_, address)| *address).collect(), 1),
            _ if parts.is_multiple_of(count) => (own(count).map(|(_, address)| *address).collect(), parts / count),
            // All have something of all, each beginning elsewhere.
            _ => (self.addresses.clone(), parts),
        };
        let next = if addresses.is_empty() { 0 } else { index as usize % addresses.len() };
        Self { addresses, each: self.each.div_ceil(sharing), next }
    }

    /// Where the next connection comes from, in turn; `Ok(None)` leaves it to the system.
    pub fn take(&mut self) -> Result<Option<IpAddr>, Exhausted> {
        if self.addresses.is_empty() {
            return Ok(None);
        }
        let count = self.addresses.len();
        let free = (0..count).map(|step| (self.next + step) % count).find(|at| self.addresses[*at].1 < self.each);
        let at = free.ok_or(Exhausted)?;
        self.addresses[at].1 += 1;
        self.next = (at + 1) % count;
        Ok(Some(self.addresses[at].0))
    }

    /// A connection from there has ended.
    pub fn give_back(&mut self, address: Option<IpAddr>) {
        if let Some((_, used)) = self.addresses.iter_mut().find(|(own, _)| Some(*own) == address) {
            *used = used.saturating_sub(1);
        }
    }

    /// How many addresses there are to choose from; 0 when the system chooses.
    pub fn count(&self) -> usize {
        self.addresses.len()
    }
}

/// One address, or all from the first to the last: `127.0.0.2-127.0.0.40`.
pub fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    let wrong = || format!("{text} is neither an address nor a range as 127.0.0.2-127.0.0.40");
    let Some((first, last)) = text.split_once('-') else { return text.parse().map(|address| vec![address]).map_err(|_| wrong()) };
    let number = |text: &str| text.trim().parse::<Ipv4Addr>().map(u32::from).map_err(|_| wrong());
    let (first, last) = (number(first)?, number(last)?);
    match last.checked_sub(first) {
        Some(more) if u64::from(more) < LOOPBACK_MAX => Ok((first..=last).map(|number| Ipv4Addr::from(number).into()).collect()),
        _ => Err(wrong()),
    }
}

/// All of 127.0.0.0/8 is this machine. The address that the server listens on stays free, for those who come from elsewhere.
fn loopback(to: Ipv4Addr) -> impl Iterator<Item = IpAddr> {
    let first = u32::from(Ipv4Addr::LOCALHOST) + 1;
    (first..).map(Ipv4Addr::from).filter(move |from| *from != to && !matches!(from.octets()[3], 0 | 255)).map(IpAddr::V4)
}

fn too_few(to: IpAddr, connections: u64, have: u64, needed: u64, each: u64, ports: Ports) -> String {
    let Ports { first, last } = ports;
    let way = match to {
        IpAddr::V6(to) if to.is_loopback() => "::1 is the only one of its kind, and 127.0.0.1 has enough of them".to_owned(),
        _ => format!(
            "give {needed} addresses of this machine with --source, have the server listen on more ports, or widen the range"
        ),
    };
    format!(
        "{} connections to {to} need {needed} source addresses, and there {} {have}: each has ports for some {} of them \
         (net.ipv4.ip_local_port_range is {first} {last}). What helps: {way}",
        grouped(connections),
        if have == 1 { "is" } else { "are" },
        grouped(each)
    )
}

/// Listening, logging, the runtime, files that are written at the end.
const SPARE: u64 = 64;
/// Far more than there is kernel memory for.
const LOOPBACK_MAX: u64 = 4_096;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const PORTS: Ports = Ports { first: 32_768, last: 60_999 };

    fn plan(to: &str, connections: u64, own: &[&str]) -> Result<Sources, String> {
        let own: Vec<IpAddr> = own.iter().map(|own| own.parse().expect("an address")).collect();
        Sources::plan(to.parse().expect("an address"), 1, connections, &own, PORTS)
    }

    #[test]
    fn few_connections_need_no_addresses() {
        let mut sources = plan("127.0.0.1", 12_000, &[]).expect("they fit");
        assert_eq!((sources.count(), sources.take()), (0, Ok(None)));
    }

    #[test]
    fn many_connections_are_spread_over_loopback() {
        let mut sources = plan("127.0.0.2", 100_000, &[]).expect("they fit");
        let taken: Vec<String> = (0..5).map(|_| sources.take().expect("free").expect("chosen").to_string()).collect();
        assert_eq!(taken, ["127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.7"]);
        assert_eq!(sources.count(), 8);
    }

    #[test]
    fn addresses_run_out_and_come_back() {
        let mut sources = plan("10.0.0.1", 25_408, &["10.0.0.2"]).expect("they fit");
        let all: Vec<_> = std::iter::from_fn(|| sources.take().ok()).collect();
        assert_eq!((all.len() as u64, sources.take()), (PORTS.usable(), Err(Exhausted)));
        sources.give_back(all[0]);
        assert_eq!(sources.take(), Ok(all[0]));
    }

    #[test]
    fn a_million_have_addresses_that_end_well() {
        let mut sources = plan("127.0.0.1", 7_000_000, &[]).expect("they fit");
        assert_eq!(sources.count(), 552);
        let all: Vec<_> = (0..sources.count()).map(|_| sources.take().expect("free").expect("chosen").to_string()).collect();
        assert!(all.iter().all(|address| !address.ends_with(".0") && !address.ends_with(".255")));
        assert_eq!(all.last().map(String::as_str), Some("127.0.2.45"));
    }

    #[test]
    fn too_few_addresses_are_told_with_what_helps() {
        let error = |to, own: &[&str]| plan(to, 60_000, own).expect_err("there are too few");
        assert!(error("10.0.0.1", &[]).contains("need 3 source addresses, and there are 0"), "{}", error("10.0.0.1", &[]));
        assert!(error("10.0.0.1", &["10.0.0.2"]).contains("there is 1"));
        assert!(error("10.0.0.1", &[]).contains("--source"));
        assert!(error("::1", &[]).contains("127.0.0.1"));
    }

    proptest! {
        /// No two parts of many use an address for more connections than it has ports, and all of them have places enough.
        #[test]
        fn parts_have_ports_of_their_own(clients in 1u64..400_000, parts in 1u32..40, own in 0usize..30) {
            let own: Vec<IpAddr> = (0..own).map(|at| IpAddr::from([127, 0, 9, at as u8 + 1])).collect();
            let to = IpAddr::from([127, 0, 0, 1]);
            let Ok(sources) = Sources::plan(to, parts.into(), clients, &own, PORTS) else { return Ok(()) };
            let mut used = HashMap::<IpAddr, u64>::new();
            for index in 0..parts {
                let part = sources.part(index, parts);
                let count = (u64::from(index)..clients).step_by(parts as usize).count() as u64;
                let places: u64 = part.addresses.iter().map(|_| part.each).sum();
                prop_assert!(sources.count() == 0 || places >= count, "part {} has {} places for {}", index, places, count);
                part.addresses.iter().for_each(|(address, _)| *used.entry(*address).or_default() += part.each);
            }
            // Rounded up for each of those who share it.
            prop_assert!(used.values().all(|ports| *ports <= PORTS.usable() + u64::from(parts)), "{:?}", used);
        }
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(addresses("127.0.0.254-127.0.1.1").expect("a range").len(), 4);
        assert_eq!(addresses("::1").expect("an address").len(), 1);
        for wrong in ["", "x", "127.0.0.3-127.0.0.2", "0.0.0.0-255.255.255.255", "::1-::2"] {
            assert!(addresses(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Ports::parse("1024\t65000\n"), Some(Ports { first: 1_024, last: 65_000 }));
        assert_eq!(Ports::parse("9 3"), None);
    }

    #[test]
    fn descriptors_are_counted_before_they_run_out() {
        let descriptors = Descriptors { soft: 1_024, hard: 1_024 };
        assert_eq!(descriptors.room_for(900), Ok(()));
        let error = descriptors.room_for(19_000).expect_err("too many");
        assert!(error.contains("19,064") && error.contains("1,024") && error.contains("LimitNOFILE"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn the_soft_limit_is_raised() {
        let Descriptors { soft, hard } = Descriptors::raise();
        assert_eq!(soft, hard);
    }
}
