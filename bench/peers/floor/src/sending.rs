//! How bytes leave: a `send` each, or io_uring.

use std::{io, os::fd::RawFd};

use io_uring::{IoUring, opcode, types};

pub enum Sender {
    Write,
    Uring(Box<IoUring>),
}

const ENTRIES: u32 = 1024;

impl Sender {
    pub fn uring() -> io::Result<Self> {
        let ring = IoUring::builder().setup_single_issuer().setup_coop_taskrun().setup_cqsize(8 * ENTRIES).build(ENTRIES)?;
        Ok(Self::Uring(Box::new(ring)))
    }

    pub fn to_all(&mut self, fds: &[RawFd], bytes: &[u8]) {
        match self {
            Self::Write => fds.iter().for_each(|fd| send_all(*fd, bytes)),
            Self::Uring(ring) => submit_all(ring, fds, bytes),
        }
    }
}

/// Sends everything; waits where the socket is full.
pub fn send_all(fd: RawFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let sent = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
        if sent > 0 {
            bytes = &bytes[sent as usize..];
        } else if io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock {
            let mut wanted = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
            unsafe { libc::poll(&mut wanted, 1, 1000) };
        } else {
            return;
        }
    }
}

fn submit_all(ring: &mut IoUring, fds: &[RawFd], bytes: &[u8]) {
    let (mut submitted, mut completed) = (0, 0);
    let mut short: Vec<(RawFd, usize)> = Vec::new();
    while completed < fds.len() {
        {
            let mut queue = ring.submission();
            while submitted < fds.len() && !queue.is_full() {
                let fd = fds[submitted];
                let send = opcode::Send::new(types::Fd(fd), bytes.as_ptr(), bytes.len() as u32);
                let entry = send.flags(libc::MSG_NOSIGNAL).build().user_data(fd as u64);
                // SAFETY: `bytes` outlives the entry: this function waits for its completion.
                if unsafe { queue.push(&entry) }.is_err() {
                    break;
                }
                submitted += 1;
            }
        }
        let _ = ring.submit_and_wait(1);
        for done in ring.completion() {
            completed += 1;
            if (0..bytes.len() as i32).contains(&done.result()) {
                short.push((done.user_data() as RawFd, done.result() as usize));
            }
        }
    }
    short.into_iter().for_each(|(fd, sent)| send_all(fd, &bytes[sent..]));
}
