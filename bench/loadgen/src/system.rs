//! The system calls that std does not have. All `unsafe` of the generator is here and in `bystander`'s fork.

use std::{
    io,
    net::{Ipv4Addr, TcpStream},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

pub const READABLE: u32 = libc::EPOLLIN as u32;
pub const WRITABLE: u32 = libc::EPOLLOUT as u32;
pub const BROKEN: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;

pub type Ready = libc::epoll_event;

pub struct Poller(OwnedFd);

impl Poller {
    pub fn new() -> io::Result<Self> {
        let fd = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub fn add(&self, fd: RawFd, token: usize, events: u32) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, events)
    }

    pub fn change(&self, fd: RawFd, token: usize, events: u32) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, events)
    }

    /// Fills `ready` and tells how many there are.
    pub fn wait(&self, ready: &mut [Ready], wait_ms: i32) -> usize {
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), ready.as_mut_ptr(), ready.len() as i32, wait_ms) };
        count.max(0) as usize
    }

    fn control(&self, what: i32, fd: RawFd, token: usize, events: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token as u64 };
        checked(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), what, fd, &mut event) }).map(drop)
    }
}

/// Begins to connect to a port of the loopback, and to nothing else.
pub fn dial(port: u16, from: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let fd = checked(unsafe { libc::socket(libc::AF_INET, kind, 0) })?;
    let stream = unsafe { TcpStream::from_raw_fd(fd) };
    stream.set_nodelay(true)?;
    // Closed by a reset: no TIME_WAIT stays between runs.
    set(fd, libc::SOL_SOCKET, libc::SO_LINGER, &libc::linger { l_onoff: 1, l_linger: 0 })?;
    if let Some(from) = from {
        set(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, &1i32)?;
        let (address, length) = address(from, 0);
        checked(unsafe { libc::bind(fd, (&raw const address).cast(), length) })?;
    }
    let (address, length) = address(Ipv4Addr::LOCALHOST, port);
    match checked(unsafe { libc::connect(fd, (&raw const address).cast(), length) }) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(stream),
    }
}

/// Raises the soft limit of descriptors to the hard one and tells it.
pub fn descriptors_max() -> usize {
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur as usize
    }
}

pub fn now_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC).unwrap_or(0)
}

/// The CPU time of a whole process, dead threads too.
pub fn process_cpu_ns(pid: i32) -> Option<u64> {
    // How the kernel names a process's scheduler clock: CPUCLOCK_SCHED.
    clock_ns(((!pid) << 3) | 2)
}

pub fn own_pid() -> i32 {
    std::process::id() as i32
}

/// From now on this process runs only when nobody else on its core wants to.
pub fn yield_to_others() {
    unsafe {
        let none: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &none);
    }
}

fn clock_ns(clock: libc::clockid_t) -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    (result == 0).then_some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

fn set<T>(fd: RawFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    checked(unsafe { libc::setsockopt(fd, level, name, (&raw const *value).cast(), length) }).map(drop)
}

fn address(ip: Ipv4Addr, port: u16) -> (libc::sockaddr_in, libc::socklen_t) {
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as u16;
    address.sin_port = port.to_be();
    address.sin_addr.s_addr = u32::from_ne_bytes(ip.octets());
    (address, size_of::<libc::sockaddr_in>() as libc::socklen_t)
}

fn checked(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
