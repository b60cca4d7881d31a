//! Clients ask, and the server answers each.

use super::steady;
use crate::{
    options::File,
    orders::Errand,
    stage::{Plan, Stage, Stopped},
};

pub(super) fn plan(file: &File) -> Plan {
    Plan::new("echo", "echo", file, file.load.load(file.echo.rate))
}

pub(super) async fn play(stage: &mut Stage) -> Result<(), Stopped> {
    let errand = Errand::Ask { rate: stage.file.echo.rate };
    steady(stage, errand).await
}
