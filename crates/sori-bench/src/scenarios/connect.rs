//! Clients come, one after the other at a rate, and go again: what a connection costs.

use crate::{
    Load, Phase,
    options::File,
    orders::{Errand, Visit},
    stage::{Plan, Stage, Stopped},
};

pub(super) fn plan(file: &File) -> Plan {
    let load = Load::Open { rate_per_s: file.load.connect_rate, arrivals: file.load.arrivals };
    let planned = Some(*file.load.warm_up + *file.load.duration);
    Plan { planned, ..Plan::new("connect", "connect", file, load) }
}

pub(super) async fn play(stage: &mut Stage) -> Result<(), Stopped> {
    stage.rehearse(Errand::Nothing).await?;
    let (per_s, stay) = (stage.file.load.connect_rate, *stage.file.connect.stay);
    stage.visit(Visit::Look { per_s, stay }).await?;
    stage.hold(Phase::WarmUp, *stage.file.load.warm_up).await?;
    stage.hold(Phase::Measure, *stage.file.load.duration).await?;
    stage.visit(Visit::Nobody).await?;
    let gone = stay + *stage.file.load.drain;
    stage.until(Phase::Drain, gone, |last| last.tick.connected == 0).await.map(drop)
}
