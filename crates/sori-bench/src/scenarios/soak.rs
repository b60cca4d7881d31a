//! Clients come, talk and go in every way there is, for long: what is left of them.

use std::time::Duration;

use crate::{
    Better, Load, Phase, Unit,
    options::File,
    orders::{Errand, Visit},
    part::SPARE_PLACES,
    stage::{Plan, Stage, Stopped},
    text::{bytes, counted, percent},
};

pub(super) fn plan(file: &File) -> Plan {
    let load = Load::Open { rate_per_s: file.load.rate.unwrap_or(file.soak.rate), arrivals: file.load.arrivals };
    let planned = Some(*file.load.warm_up + *file.load.duration + *file.soak.rest * 2);
    Plan { planned, connections_each: SPARE_PLACES, ..Plan::new("soak", "echo", file, load) }
}

pub(super) async fn play(stage: &mut Stage) -> Result<(), Stopped> {
    let options = stage.file.soak.clone();
    let clients = stage.file.load.clients as f64;
    let stay = Duration::from_secs_f64(clients / options.churn.max(1e-3));
    let asks_per_s = stage.file.load.rate.unwrap_or(options.rate) / clients;
    let visit = Visit::Talk { per_s: options.churn, stay, asks_per_s };
    stage.rehearse(Errand::Ask { rate: options.rate }).await?;
    stage.visit(visit).await?;
    stage.hold(Phase::WarmUp, *stage.file.load.warm_up).await?;
    let before = rested(stage, stay, *options.rest).await?;
    stage.visit(visit).await?;
    stage.hold(Phase::Measure, *stage.file.load.duration).await?;
    let after = rested(stage, stay, *options.rest).await?;
    let (Some(before), Some(after)) = (before, after) else {
        stage.note("With --pid, the server's memory before and after would have been compared.");
        return Ok(());
    };
    let growth = (after as f64 - before as f64) / before.max(1) as f64;
    stage.figure("server memory at rest, before", before as f64, Unit::Bytes, Better::Lower);
    stage.figure("server memory at rest, after", after as f64, Unit::Bytes, Better::Lower);
    stage.figure("growth", growth, Unit::Share, Better::Lower);
    match growth > options.memory_growth_max {
        true => Err(Stopped::Failed(format!(
            "the server holds {} more at rest than before, {} of {}: more than the {} that memory_growth_max allows",
            bytes(after - before),
            percent(growth),
            bytes(before),
            percent(options.memory_growth_max)
        ))),
        false => Ok(()),
    }
}

/// When nobody is there any more, and the server has had time to notice.
async fn rested(stage: &mut Stage, stay: Duration, rest: Duration) -> Result<Option<u64>, Stopped> {
    stage.visit(Visit::Nobody).await?;
    let patience = stay * 10 + *stage.file.server.answer_timeout;
    if !stage.until(Phase::Drain, patience, |last| last.tick.connected == 0).await? {
        let left = counted(stage.last.tick.connected, "client has", "clients have");
        return Err(Stopped::Failed(format!("{left} not left within {} s", patience.as_secs())));
    }
    if stage.server_bytes().is_none() {
        return Ok(None);
    }
    stage.hold(Phase::Drain, rest).await?;
    Ok(stage.server_bytes())
}
