//! Everybody is cut off at once, and comes back.

use std::time::Duration;

use super::begin_to_others;
use crate::{
    Better, Phase, Unit,
    options::File,
    orders::Event,
    stage::{Plan, Stage, Stopped},
    text::counted,
};

pub(super) fn plan(file: &File) -> Plan {
    let load = file.load.load(file.avalanche.rate);
    Plan { returns: true, senders: 1, ..Plan::new("avalanche", "delivery", file, load) }
}

pub(super) async fn play(stage: &mut Stage) -> Result<(), Stopped> {
    let options = stage.file.avalanche.clone();
    begin_to_others(stage, options.rate).await?;
    for time in 1..=options.times.max(1) {
        let cut_ns = stage.now_ns();
        stage.befall(Event::Avalanche { away: *options.away, within: *options.within }).await?;
        let are_back = stage
            .until(Phase::Measure, *options.away + *options.within + *options.patience, |last| {
                last.waiting == 0 && last.back_ns > cut_ns
            })
            .await?;
        if !are_back {
            let missing = counted(stage.last.waiting, "client was", "clients were");
            let why = format!("{missing} not back within {} s", options.patience.as_secs());
            return Err(Stopped::Failed(why));
        }
        let took = Duration::from_nanos(stage.last.back_ns.saturating_sub(cut_ns)).saturating_sub(*options.away);
        let name = match options.times {
            0 | 1 => "until all were back".to_owned(),
            times => format!("until all were back, {time} of {times}"),
        };
        stage.figure(&name, took.as_nanos() as f64 / 1e3, Unit::Us, Better::Lower);
        stage.hold(Phase::Measure, *stage.file.load.duration / options.times.max(1)).await?;
    }
    stage.hush().await?;
    stage.leave().await
}
