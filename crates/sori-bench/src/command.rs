//! `sori bench …`: scenarios, and what can be asked of their results.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use terminal_size::{Height, Width, terminal_size_of};

use crate::{
    Ended, Run, compare, comparison_page, comparison_text, hand,
    options::{
        AvalancheFlags, BroadcastFlags, ConnectFlags, EchoFlags, FanoutMixedFlags, File, IdleFlags, JitterFlags,
        SlowReadersFlags, SoakFlags,
    },
    page,
    scenarios::Scenario,
    summary,
    summary::verdict,
    text::wrapped,
};

/// The commands of `sori bench`.
#[derive(Subcommand)]
pub enum Command {
    /// Opens and closes connections at a rate: what one costs
    Connect(Box<ConnectFlags>),
    /// Opens connections and leaves them alone: what one holds
    Idle(Box<IdleFlags>),
    /// Sends messages to everybody
    Broadcast(Box<BroadcastFlags>),
    /// Asks, and waits for answers
    Echo(Box<EchoFlags>),
    /// Sends messages to clients of several kinds at once
    FanoutMixed(Box<FanoutMixedFlags>),
    /// Lets networks come and go while messages are sent: is anything missed?
    Jitter(Box<JitterFlags>),
    /// Cuts everybody off at once: how long until all are back, and is anything missed?
    Avalanche(Box<AvalancheFlags>),
    /// Lets some read slowly or not at all: do the others notice?
    SlowReaders(Box<SlowReadersFlags>),
    /// Lets clients come, talk and go in all ways for long: is anything left of them?
    Soak(Box<SoakFlags>),
    /// Shows a result again: as text, or as a page
    Report(Report),
    /// Compares two results: what differs, by how much, and what is only noise
    Compare(Compare),
    /// Takes orders from a load test that needs several processes
    #[command(hide = true)]
    Worker,
}

/// Shows a result again.
#[derive(Args)]
pub struct Report {
    /// A result in JSON, as a scenario wrote it
    #[arg(value_name = "RESULT")]
    result: PathBuf,
    /// Write it as a page, for a browser; `-` is the standard output
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Compares two results.
#[derive(Args)]
pub struct Compare {
    /// The first result; several runs of the same, separated by commas, tell more
    #[arg(value_name = "A[,A…]", value_parser = files)]
    a: Files,
    /// The second result, which is told as a multiple of the first
    #[arg(value_name = "B[,B…]", value_parser = files)]
    b: Files,
    /// Write it as a page, for a browser; `-` is the standard output
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write it as JSON; `-` is the standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Command {
    /// Does what is asked, or says what is in the way.
    pub fn run(self) -> Result<(), String> {
        match self {
            Self::Connect(flags) => load(Scenario::Connect, flags.settled()?),
            Self::Idle(flags) => load(Scenario::Idle, flags.settled()?),
            Self::Broadcast(flags) => load(Scenario::Broadcast, flags.settled()?),
            Self::Echo(flags) => load(Scenario::Echo, flags.settled()?),
            Self::FanoutMixed(flags) => load(Scenario::FanoutMixed, flags.settled()?),
            Self::Jitter(flags) => load(Scenario::Jitter, flags.settled()?),
            Self::Avalanche(flags) => load(Scenario::Avalanche, flags.settled()?),
            Self::SlowReaders(flags) => load(Scenario::SlowReaders, flags.settled()?),
            Self::Soak(flags) => load(Scenario::Soak, flags.settled()?),
            Self::Worker => hand::work(),
            Self::Report(report) => report.run(),
            Self::Compare(compare) => compare.run(),
        }
    }
}

/// Plays a scenario, shows and keeps what came of it, and says so if not all of it is as it should be.
fn load(scenario: Scenario, (url, file): (String, File)) -> Result<(), String> {
    let (json, html) = (file.output.json.clone(), file.output.html.clone());
    let run = scenario.run(&url, file)?;
    let outputs = Outputs(vec![json.map(|file| (file, run.json())), html.map(|file| (file, page(&run)))]);
    outputs.written(&summary(&run))?;
    match &run.ended {
        Ended::Failed { why } => Err(why.clone()),
        Ended::Interrupted => Err("stopped before its end".into()),
        Ended::Whole if !run.is_well() => Err(what_is_wrong(&run)),
        Ended::Whole => Ok(()),
    }
}

/// With what went wrong most often.
fn what_is_wrong(run: &Run) -> String {
    let verdict = verdict(run);
    match run.errors.iter().max_by_key(|(_, count)| **count) {
        Some((kind, _)) => format!("{verdict} Most often: {kind}"),
        None => verdict,
    }
}

impl Report {
    fn run(self) -> Result<(), String> {
        let run = Run::read(&self.result)?;
        let outputs = Outputs(vec![self.html.map(|file| (file, page(&run)))]);
        outputs.written(&summary(&run))
    }
}

impl Compare {
    fn run(self) -> Result<(), String> {
        let read = |Files(files): Files| files.iter().map(|file| Run::read(file)).collect::<Result<Vec<Run>, String>>();
        let (a, b) = (read(self.a)?, read(self.b)?);
        let comparison = compare(&a, &b);
        let json = || serde_json::to_string_pretty(&comparison).expect("a comparison has nothing that JSON has not") + "\n";
        let outputs = Outputs(vec![
            self.html.map(|file| (file, comparison_page(&comparison, &a, &b))),
            self.json.map(|file| (file, json())),
        ]);
        outputs.written(&comparison_text(&comparison))
    }
}

/// One group of results.
#[derive(Clone, Debug)]
struct Files(Vec<PathBuf>);

fn files(text: &str) -> Result<Files, String> {
    match text.split(',').map(PathBuf::from).collect::<Vec<_>>() {
        files if files.iter().any(|file| file.as_os_str().is_empty()) => Err("files are separated by single commas".into()),
        files => Ok(Files(files)),
    }
}

/// Files to write, and what goes into them.
pub(crate) struct Outputs(pub(crate) Vec<Option<(PathBuf, String)>>);

impl Outputs {
    /// Writes them. The text for people goes to the standard output, unless something else does.
    pub(crate) fn written(self, text: &str) -> Result<(), String> {
        let outputs: Vec<(PathBuf, String)> = self.0.into_iter().flatten().collect();
        match outputs.iter().any(|(file, _)| is_standard_output(file)) {
            true => eprint!("{}", fitted(text, terminal_size_of(io::stderr()))),
            false => print!("{}", fitted(text, terminal_size_of(io::stdout()))),
        }
        outputs.iter().try_for_each(|(file, content)| write(file, content))
    }
}

/// In a terminal, no line is broken within a word.
fn fitted(text: &str, size: Option<(Width, Height)>) -> String {
    size.map_or_else(|| text.to_owned(), |(Width(width), _)| wrapped(text, width.into()))
}

fn write(file: &Path, content: &str) -> Result<(), String> {
    if is_standard_output(file) {
        print!("{content}");
        return Ok(());
    }
    fs::write(file, content).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    eprintln!("Written: {}", file.display());
    Ok(())
}

fn is_standard_output(file: &Path) -> bool {
    file.as_os_str() == "-"
}
