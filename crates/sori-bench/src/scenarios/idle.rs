//! Clients are there and do nothing: what a connection holds.

use crate::{
    Better, Load, Phase, Unit,
    options::File,
    orders::Errand,
    stage::{Plan, Stage, Stopped},
};

pub(super) fn plan(file: &File) -> Plan {
    let plan = Plan::new("idle", "delivery", file, Load::None);
    let planned = plan.planned.map(|planned| planned - *file.load.warm_up + *file.idle.settle);
    Plan { planned, ..plan }
}

pub(super) async fn play(stage: &mut Stage) -> Result<(), Stopped> {
    let broadcast = Errand::SayOnce { senders: 1 };
    let is_told = stage.file.idle.broadcast_at_end;
    stage.rehearse(if is_told { broadcast } else { Errand::Nothing }).await?;
    stage.connect().await?;
    stage.hold(Phase::WarmUp, *stage.file.idle.settle).await?;
    stage.hold(Phase::Measure, *stage.file.load.duration).await?;
    if let Some(cores) = stage.server_cores() {
        stage.figure("server CPU while idle", cores, Unit::Cores, Better::Lower);
    }
    if is_told {
        stage.collect();
        stage.send(broadcast).await?;
        stage.hush().await?;
        let latencies = stage.collect();
        stage.figure("one message to all", latencies.max().as_nanos() as f64 / 1e3, Unit::Us, Better::Lower);
    }
    stage.leave().await
}
