//! Clients whose network comes and goes while there are messages for them.

use super::begin_to_others;
use crate::{
    Phase,
    options::File,
    orders::Event,
    stage::{Plan, Stage, Stopped},
    text::counted,
};

pub(super) fn plan(file: &File) -> Plan {
    let load = file.load.load(file.jitter.rate);
    // Who comes back, and whose server does not know that it was away, has two for a moment.
    Plan { returns: true, connections_each: 1.25, senders: 1, ..Plan::new("jitter", "delivery", file, load) }
}

pub(super) async fn play(stage: &mut Stage) -> Result<(), Stopped> {
    let options = stage.file.jitter.clone();
    begin_to_others(stage, options.rate).await?;
    stage.befall(Event::Jitter { up: *options.up, away: *options.away, silent: options.silent }).await?;
    stage.hold(Phase::Measure, *stage.file.load.duration).await?;
    stage.befall(Event::Calm).await?;
    // Who is away then is still to have what it missed.
    let patience = *options.away * 20 + *stage.file.server.connect_timeout * 2;
    if !stage.until(Phase::Drain, patience, |last| last.waiting == 0).await? {
        let missing = counted(stage.last.waiting, "client did", "clients did");
        return Err(Stopped::Failed(format!("{missing} not come back within {} s", patience.as_secs())));
    }
    stage.hush().await?;
    stage.leave().await
}
