//! Clients whose network comes and goes while there are messages for them.

use crate::{
    Phase,
    options::File,
    orders::{Errand, Event},
    stage::{Plan, Stage, Stopped},
};

pub(super) fn plan(file: &File) -> Plan {
    let load = file.load.load(file.jitter.rate);
    Plan { returns: true, senders: 1, ..Plan::new("jitter", "delivery", file, load) }
}

pub(super) async fn play(stage: &mut Stage) -> Result<(), Stopped> {
    let options = stage.file.jitter.clone();
    let errand = Errand::Say { senders: 1, rate: options.rate };
    stage.rehearse(errand).await?;
    stage.connect().await?;
    stage.send(errand).await?;
    stage.hold(Phase::WarmUp, *stage.file.load.warm_up).await?;
    stage.befall(Event::Jitter { up: *options.up, away: *options.away, silent: options.silent }).await?;
    stage.hold(Phase::Measure, *stage.file.load.duration).await?;
    stage.befall(Event::Calm).await?;
    // Who is away then is still to have what it missed.
    let patience = *options.away * 20 + *stage.file.server.connect_timeout * 2;
    if !stage.until(Phase::Drain, patience, |last| last.waiting == 0).await? {
        stage.note("Some clients did not come back.");
    }
    stage.hush().await?;
    stage.leave().await
}
