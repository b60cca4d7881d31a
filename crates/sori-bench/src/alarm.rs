//! Waking up on time. The runtime's own timers are a millisecond coarse, which would be most of a fast server's latency.

use std::{io, time::Duration};

/// Sleeps to within some 50 µs on Linux, to a millisecond elsewhere.
pub(crate) struct Alarm {
    #[cfg(target_os = "linux")]
    timer: tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>,
}

#[cfg(target_os = "linux")]
impl Alarm {
    /// Within a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        // Tokio wants `unsafe` instead, for types that could close what they lend. `OwnedFd` cannot.
        #[allow(deprecated)]
        let timer = tokio::io::unix::AsyncFd::with_interest(timer, tokio::io::Interest::READABLE)?;
        Ok(Self { timer })
    }

    /// Sleeps. A call that is dropped leaves nothing behind: the next one sets the alarm anew.
    pub(crate) async fn sleep(&self, time: Duration) {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        // All zeroes would mean never.
        let time = time.max(Duration::from_nanos(1));
        let once = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timer = Itimerspec { it_interval: never, it_value: once };
        if timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::empty(), &timer).is_err() {
            return tokio::time::sleep(time).await;
        }
        // An alarm that went off for a call that was dropped is taken for none.
        while let Ok(mut ready) = self.timer.readable().await {
            let mut count = [0; 8];
            match ready.try_io(|timer| rustix::io::read(timer.get_ref(), &mut count).map_err(io::Error::from)) {
                Ok(_) => return,
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// Within a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Sleeps.
    pub(crate) async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn it_is_never_early_and_can_be_set_again() {
        let alarm = Alarm::new().expect("a timer");
        for us in [1, 300, 2_500] {
            let time = Duration::from_micros(us);
            // Dropped before it goes off.
            tokio::select! {
                biased;
                () = alarm.sleep(Duration::from_secs(60)) => panic!("a minute has not passed"),
                () = tokio::task::yield_now() => {}
            }
            let began = Instant::now();
            alarm.sleep(time).await;
            assert!(began.elapsed() >= time, "{us} µs");
        }
    }
}
