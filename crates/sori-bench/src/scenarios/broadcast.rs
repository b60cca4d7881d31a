//! What some say goes to everybody.

use super::steady;
use crate::{
    options::File,
    orders::Errand,
    stage::{Plan, Stage, Stopped},
};

pub(super) fn plan(file: &File) -> Plan {
    Plan { senders: senders(file), ..Plan::new("broadcast", "delivery", file, file.load.load(file.broadcast.rate)) }
}

pub(super) async fn play(stage: &mut Stage) -> Result<(), Stopped> {
    let errand = Errand::Say { senders: senders(&stage.file), rate: stage.file.broadcast.rate };
    steady(stage, errand).await
}

fn senders(file: &File) -> u32 {
    let clients = u32::try_from(file.load.clients).unwrap_or(u32::MAX);
    file.broadcast.senders.clamp(1, clients)
}
