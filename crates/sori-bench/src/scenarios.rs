//! The scenarios: what clients do, and what is found out by it.

mod avalanche;
mod broadcast;
mod connect;
mod echo;
mod fanout_mixed;
mod idle;
mod jitter;
mod slow_readers;
mod soak;

use std::time::Duration;

use tokio::runtime;

use crate::{
    Load, Phase, Run,
    options::File,
    orders::Errand,
    stage::{Plan, Stage, Stopped},
};

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    Connect,
    Idle,
    Broadcast,
    Echo,
    FanoutMixed,
    Jitter,
    Avalanche,
    SlowReaders,
    Soak,
}

impl Scenario {
    /// Plays it, and tells what came of it. An error is that it could not begin.
    pub(crate) fn run(self, url: &str, file: File) -> Result<Run, String> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("the system has no place for events: {error}"))?;
        runtime.block_on(async {
            let mut stage = Stage::set(url, file.clone(), self.plan(&file))?;
            let played = self.play(&mut stage).await;
            match played {
                // Nobody was there yet.
                Err(Stopped::Failed(why)) if stage.is_before_the_first() => Err(why),
                played => Ok(stage.finish(played).await),
            }
        })
    }

    fn plan(self, file: &File) -> Plan {
        match self {
            Self::Connect => connect::plan(file),
            Self::Idle => idle::plan(file),
            Self::Broadcast => broadcast::plan(file),
            Self::Echo => echo::plan(file),
            Self::FanoutMixed => fanout_mixed::plan(file),
            Self::Jitter => jitter::plan(file),
            Self::Avalanche => avalanche::plan(file),
            Self::SlowReaders => slow_readers::plan(file),
            Self::Soak => soak::plan(file),
        }
    }

    async fn play(self, stage: &mut Stage) -> Result<(), Stopped> {
        match self {
            Self::Connect => connect::play(stage).await,
            Self::Idle => idle::play(stage).await,
            Self::Broadcast => broadcast::play(stage).await,
            Self::Echo => echo::play(stage).await,
            Self::FanoutMixed => fanout_mixed::play(stage).await,
            Self::Jitter => jitter::play(stage).await,
            Self::Avalanche => avalanche::play(stage).await,
            Self::SlowReaders => slow_readers::play(stage).await,
            Self::Soak => soak::play(stage).await,
        }
    }
}

impl Plan {
    /// A plan as most are.
    fn new(name: &'static str, about: &'static str, file: &File, load: Load) -> Self {
        let connecting = Duration::from_secs_f64(file.load.clients as f64 / file.load.connect_rate);
        Self {
            name,
            about,
            kinds: vec![file.server.client],
            load,
            returns: false,
            connections_each: 1.0,
            slow: 0.0,
            senders: 0,
            planned: Some(connecting + *file.load.warm_up + *file.load.duration),
        }
    }
}

/// Everybody is there and something is sent, before it counts.
async fn begin(stage: &mut Stage, errand: Errand) -> Result<(), Stopped> {
    stage.rehearse(errand).await?;
    stage.connect().await?;
    stage.send(errand).await?;
    stage.hold(Phase::WarmUp, *stage.file.load.warm_up).await
}

/// The same, of one who says something to others, whose connections are to be cut off.
async fn begin_to_others(stage: &mut Stage, rate: f64) -> Result<(), Stopped> {
    if stage.file.load.clients < 2 {
        return Err(Stopped::Failed("it takes two clients: the first one sends, and stays".into()));
    }
    begin(stage, Errand::Say { senders: 1, rate }).await
}

/// Everybody is there and something is sent, before and while it counts.
async fn steady(stage: &mut Stage, errand: Errand) -> Result<(), Stopped> {
    begin(stage, errand).await?;
    stage.hold(Phase::Measure, *stage.file.load.duration).await?;
    stage.hush().await?;
    stage.leave().await
}
