//! `echo`: every client has one request under way, and sends the next when it is answered.

use crate::{
    broadcast::Tally,
    generator::{Generator, Next, Work},
    link::Link,
    options::Options,
    record::Record,
};

pub struct Echo {
    pub running: bool,
    pub payload: Vec<u8>,
    pub tally: Tally,
}

pub fn run(options: &Options) -> Result<Record, String> {
    let mut generator = Generator::new(options, Work::Echo(Echo::new(options.size, true)))?;
    generator.connect_all()?;
    generator.run_for(0.5);
    for client in 0..options.n {
        generator.send_echo(generator.clients[client]);
    }
    generator.run_for(options.warmup);

    let (spent, memory) = generator.measured();

    let (count, latency) = generator.counted().ok_or("nothing was counted")?;
    if count == 0 {
        return Err("nothing was answered".into());
    }
    Ok(Record::of(options)
        .spent(&spent, count)
        .latency("", latency)
        .number("resident_kb", memory.resident as f64)
        .number("errors", (generator.errors + generator.closed as u64) as f64))
}

impl Echo {
    /// `closed`: an answer sends the next request.
    pub fn new(size: usize, closed: bool) -> Self {
        Self { running: closed, payload: vec![b'x'; size], tally: Tally::new() }
    }

    pub fn heard(&mut self, link: &mut Link, message: &[u8], now: u64) -> Next {
        if message.starts_with(b"42") {
            // A broadcast that is meant for others too.
            return Next::Nothing;
        }
        let Some(sent_at) = self.answered(message).and_then(|number| link.answered(number)) else { return Next::Odd };
        self.tally.add(now.saturating_sub(sent_at));
        if self.running { Next::Echo } else { Next::Nothing }
    }

    /// The number of `43NUMBER["payload"]`.
    fn answered(&self, message: &[u8]) -> Option<u32> {
        let text = std::str::from_utf8(message).ok()?.strip_prefix("43")?;
        let (number, payload) = text.split_once("[\"")?;
        (payload.strip_suffix("\"]")?.as_bytes() == self.payload).then_some(())?;
        number.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Protocol, Role};

    #[test]
    fn an_answer_counts_once_and_whole() {
        let mut echo = Echo::new(9, true);
        let mut link = Link::new(Protocol::SocketIo, Role::Main, 0);
        link.asked.push_back((7, 0));
        assert!(matches!(echo.heard(&mut link, b"437[\"xxxxxxxx\"]", 1), Next::Odd));
        assert!(matches!(echo.heard(&mut link, b"437[\"xxxxxxxxx\"]", 1), Next::Echo));
        assert!(matches!(echo.heard(&mut link, b"437[\"xxxxxxxxx\"]", 1), Next::Odd));
    }
}
