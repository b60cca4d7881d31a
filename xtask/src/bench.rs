//! `cargo xtask bench`: Sori and its peers under the same loads, and the page that tells what came of it.
//!
//! What is measured is data: `workloads` has the loads, `servers` who bears them, `goals` what Sori is held to.

mod goals;
pub mod machine;
mod page;
mod plot;
mod plots;
mod records;
mod runs;
mod servers;
mod started;
mod statistics;
pub mod trials;
mod trials_page;
mod workloads;

use std::{fs, path::PathBuf};

use crate::{house::House, suite::Run};
use records::Records;
pub use servers::nchan;
use servers::{SERVERS, Server};
pub use servers::{descriptors_max, generator};
use workloads::{WORKLOADS, Workload};

pub const HELP: &str = "\
cargo xtask bench [--rounds N] [--workloads NAME,…] [--servers NAME,…] [--quick] [--into NAME] [--fresh] [--prepare] [--render-only] [--list]
    Measures Sori beside its peers and renders docs/benchmarks.md. Lines are added to docs/benchmarks/runs.jsonl, so that
    a long measurement may be run in pieces.
    --rounds N     so many runs of each (5), the rounds outermost
    --workloads …  these alone;  --servers …  these alone;  --list  what there is
    --quick        one round of a second each, into target/bench/quick: does everything work?
    --into NAME    everything goes to target/bench/NAME, and docs stay as they are
    --fresh        forgets the lines that are there
    --prepare      builds and installs what is needed, and measures nothing
    --render-only  the page again, from the lines that are there
    --sori PATH    this program `sori` instead of the release that the checkout builds";

struct Options {
    rounds: u32,
    workloads: Vec<&'static Workload>,
    servers: Vec<&'static Server>,
    quick: bool,
    into: Option<String>,
    fresh: bool,
    prepare: bool,
    render_only: bool,
    list: bool,
    sori: Option<PathBuf>,
}

/// Where the page, its plots and the lines they are made of lie.
pub struct Output {
    pub page: PathBuf,
    pub folder: PathBuf,
}

/// Measures, renders, and tells whether every run ended well.
pub fn bench(options: &[&str]) -> Result<bool, String> {
    let options = Options::parse(options)?;
    if options.list {
        print_list();
        return Ok(true);
    }
    let house = House::find()?;
    let output = Output::new(&house, &options);
    let run = Run::named(house, "bench");
    if options.prepare {
        return runs::prepare_only(&run, &options);
    }
    fs::create_dir_all(&output.folder).map_err(|error| format!("{}: {error}", output.folder.display()))?;
    if options.fresh {
        let _ = fs::remove_file(output.lines());
    }
    let all_well = options.render_only || runs::measure(&run, &options, &output)?;
    rendered(&run, &output)?;
    Ok(all_well)
}

/// `docs/benchmarks.md`, from all that has been measured.
pub fn render(run: &Run) -> Result<(), String> {
    let docs = run.house.root.join("docs");
    rendered(run, &Output { page: docs.join("benchmarks.md"), folder: docs.join("benchmarks") })
}

fn rendered(run: &Run, output: &Output) -> Result<(), String> {
    let records = Records::read(&output.lines())?;
    plots::write(&records, &output.folder)?;
    let notes = fs::read_to_string(output.folder.join("notes.md")).unwrap_or_default();
    let text = page::render(&records, &notes, &trials_page::render(&output.folder));
    fs::write(&output.page, text).map_err(|error| format!("{}: {error}", output.page.display()))?;
    run.say(&format!("rendered {}", output.page.display()));
    Ok(())
}

impl Options {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self {
            rounds: 5,
            workloads: WORKLOADS.iter().collect(),
            servers: SERVERS.iter().collect(),
            quick: false,
            into: None,
            fresh: false,
            prepare: false,
            render_only: false,
            list: false,
            sori: None,
        };
        let mut rounds = None;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().copied().ok_or_else(|| format!("{word} wants a value"));
            match *word {
                "--rounds" => rounds = Some(value()?.parse().map_err(|_| "--rounds wants a number")?),
                "--workloads" => options.workloads = named(value()?, WORKLOADS, |workload| workload.name)?,
                "--servers" => options.servers = named(value()?, SERVERS, |server| server.name)?,
                "--quick" => options.quick = true,
                "--into" => options.into = Some(value()?.to_owned()),
                "--fresh" => options.fresh = true,
                "--prepare" => options.prepare = true,
                "--render-only" => options.render_only = true,
                "--list" => options.list = true,
                "--sori" => options.sori = Some(PathBuf::from(value()?)),
                other => return Err(format!("`{other}` is not an option of `cargo xtask bench`\n\n{HELP}")),
            }
        }
        options.rounds = rounds.unwrap_or(if options.quick { 1 } else { options.rounds });
        Ok(options)
    }
}

impl Output {
    fn new(house: &House, options: &Options) -> Self {
        let name = options.into.as_deref().or(options.quick.then_some("quick"));
        let docs = name.map_or_else(|| house.root.join("docs"), |name| house.target.join("bench").join(name));
        Self { page: docs.join("benchmarks.md"), folder: docs.join("benchmarks") }
    }

    pub fn lines(&self) -> PathBuf {
        self.folder.join("runs.jsonl")
    }
}

/// Those of `all` that `names` lists, with commas.
fn named<T>(names: &str, all: &'static [T], name_of: fn(&T) -> &'static str) -> Result<Vec<&'static T>, String> {
    let known = || all.iter().map(name_of).collect::<Vec<_>>().join(", ");
    let find =
        |name: &str| all.iter().find(|one| name_of(one) == name).ok_or_else(|| format!("no `{name}`; there are {}", known()));
    names.split(',').map(find).collect()
}

fn print_list() {
    for server in SERVERS {
        println!("{:<18}{}", server.name, server.about);
    }
    println!();
    for workload in WORKLOADS {
        println!("{:<18}{}", workload.name, workload.about);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_or_an_error() {
        let options = Options::parse(&["--servers", "sori,floor", "--quick"]).expect("right");
        assert_eq!(options.servers.iter().map(|server| server.name).collect::<Vec<_>>(), ["sori", "floor"]);
        assert_eq!(options.rounds, 1);
        assert!(Options::parse(&["--workloads", "tea"]).is_err_and(|why| why.contains("echo-100")));
    }

    #[test]
    fn every_workload_can_be_borne_by_those_it_names() {
        for workload in WORKLOADS {
            for name in workload.servers {
                let server = SERVERS.iter().find(|server| server.name == *name);
                let server = server.unwrap_or_else(|| panic!("{} names {name}", workload.name));
                assert!(server.clients(workload).is_some(), "{name} does not speak {:?}", workload.speaks);
            }
        }
    }
}
