//! Log lines for people: `07:05:13Z  INFO listening`, on standard error.

use std::{
    fmt,
    io::IsTerminal,
    time::{SystemTime, UNIX_EPOCH},
};

use tracing_subscriber::{
    Layer, filter::LevelFilter, filter::Targets, fmt::format::Writer, fmt::time::FormatTime, layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Starts logging, as `SORI_LOG` asks.
pub fn start() -> Result<(), String> {
    let asked = std::env::var("SORI_LOG").unwrap_or_default();
    let filter = match asked.trim() {
        "" => Targets::new().with_default(LevelFilter::INFO),
        asked => asked.parse().map_err(|error| {
            format!("SORI_LOG={asked:?}: {error}; write error, warn, info, debug, trace, or by module as in sori=debug,info")
        })?,
    };
    let lines = tracing_subscriber::fmt::layer()
        .compact()
        .with_target(false)
        .with_timer(Clock)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    Ok(())
}

/// The time of day, in UTC.
struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        write!(out, "{:02}:{:02}:{:02}Z", now / 3600 % 24, now / 60 % 60, now % 60)
    }
}
