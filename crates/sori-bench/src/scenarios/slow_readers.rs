//! Some clients read slowly or not at all: what the others notice of it.

use super::begin;
use crate::{
    Better, Of, Phase, Unit,
    options::File,
    orders::{Errand, Event},
    stage::{Plan, Stage, Stopped},
};

pub(super) fn plan(file: &File) -> Plan {
    let plan = Plan::new("slow-readers", "delivery to the others", file, file.load.load(file.slow_readers.rate));
    let planned = plan.planned.map(|planned| planned + *file.load.warm_up + *file.load.duration);
    Plan { senders: 1, slow: file.slow_readers.slow, planned, ..plan }
}

pub(super) async fn play(stage: &mut Stage) -> Result<(), Stopped> {
    let options = stage.file.slow_readers.clone();
    let (warm_up, duration) = (*stage.file.load.warm_up, *stage.file.load.duration);
    begin(stage, Errand::Say { senders: 1, rate: options.rate }).await?;
    // The same load with nobody slow, to compare with.
    stage.collect();
    stage.hold(Phase::WarmUp, duration).await?;
    let before = stage.collect();
    stage.befall(Event::Slow { bytes_per_s: options.read }).await?;
    stage.hold(Phase::WarmUp, warm_up).await?;
    stage.collect();
    stage.hold(Phase::Measure, duration).await?;
    let during = stage.collect();
    for (name, quantile) in
        [("p50 of the others, by what it was before", 0.5), ("p99 of the others, by what it was before", 0.99)]
    {
        let ratio = during.at(quantile).as_secs_f64() / before.at(quantile).as_secs_f64().max(1e-9);
        if !before.is_empty() && !during.is_empty() {
            stage.figure(name, ratio, Unit::Times, Better::Lower);
        }
    }
    stage.run().add_latencies("delivery before that", Of::Messages, &before);
    stage.hush().await?;
    // What waits for the slow ones comes now, or they find out that they were closed.
    stage.befall(Event::Calm).await?;
    stage.hold(Phase::Drain, *stage.file.load.drain).await?;
    stage.leave().await
}
