//! A broadcast to clients of several kinds at once.

use super::steady;
use crate::{
    options::File,
    orders::Errand,
    stage::{Plan, Stage, Stopped},
};

pub(super) fn plan(file: &File) -> Plan {
    let kinds = file.fanout_mixed.clients.clone();
    Plan { kinds, senders: 1, ..Plan::new("fanout-mixed", "delivery", file, file.load.load(file.fanout_mixed.rate)) }
}

pub(super) async fn play(stage: &mut Stage) -> Result<(), Stopped> {
    let errand = Errand::Say { senders: 1, rate: stage.file.fanout_mixed.rate };
    steady(stage, errand).await
}
