//! What each operation of `bench/operations` executes, against the counts that are committed. Callgrind counts, so neither the
//! machine's speed nor its load matters, and no clock decides.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    install,
    outcome::{Missing, Outcome, Stop, Tally},
    suite::{Run, Suite},
};

const FILE: &str = "bench/operations/instructions.txt";
const UPDATE: &str = "cargo xtask instructions --write";
/// Runs differ by less than 1 %: by the seeds of hash tables, and by random ids.
const TOLERANCE: f64 = 0.03;

/// `cargo xtask instructions --write`.
pub const WRITE: Suite = Suite { name: "instructions", about: "what is counted becomes what is expected", run: write };

/// Instructions for each operation, and the tools that they depend on.
struct Counts {
    tools: String,
    by_name: Vec<(String, u64)>,
}

/// What became of the operations since they were written down.
#[derive(Debug, Default, PartialEq)]
struct Changes {
    same: u32,
    grown: Vec<String>,
    shrunk: Vec<String>,
    /// On one side only.
    unknown: Vec<String>,
}

pub fn run(run: &Run) -> Outcome {
    let written = fs::read_to_string(run.house.root.join(FILE)).map_err(|error| format!("{FILE}: {error}"))?;
    let written = Counts::read(&written)?;
    let (valgrind, tools) = tools(run)?;
    if compiler(&written.tools) != compiler(&tools) {
        // Another compiler makes another program of the same code.
        let what = format!("{FILE} is of {}, and this is {}", compiler(&written.tools), compiler(&tools));
        return Err(Missing { what, mend: format!("{UPDATE} (on a commit that changes nothing else)") }.into());
    }
    let counted = count(run, &valgrind, tools)?;
    let changes = Changes::between(&written, &counted);
    changes.lines().for_each(|line| run.say(line));
    if !changes.shrunk.is_empty() {
        run.say(&format!("What was gained may be lost again unseen, until {FILE} says so: {UPDATE}"));
    }
    match changes.complaint() {
        None => Ok(Tally { passed: changes.same + changes.shrunk.len() as u32, ..Tally::default() }),
        Some(complaint) if written.tools == counted.tools => Err(Stop::Failed(complaint)),
        Some(complaint) => {
            Err(Stop::Failed(format!("{complaint} Counted then with {}, now with {}.", written.tools, counted.tools)))
        }
    }
}

fn write(run: &Run) -> Outcome {
    let (valgrind, tools) = tools(run)?;
    let counted = count(run, &valgrind, tools)?;
    let path = run.house.root.join(FILE);
    if let Some(written) = fs::read_to_string(&path).ok().and_then(|text| Counts::read(&text).ok()) {
        Changes::between(&written, &counted).lines().for_each(|line| run.say(line));
    }
    fs::write(&path, counted.text()).map_err(|error| format!("{FILE}: {error}"))?;
    Ok(Tally { passed: counted.by_name.len() as u32, ..Tally::default() })
}

/// Valgrind's program, and the versions of what the counts depend on.
fn tools(run: &Run) -> Result<(PathBuf, String), Stop> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        let what = format!("{FILE} is of x86-64 and Linux, and this is neither or one");
        return Err(Missing { what, mend: "run it there".into() }.into());
    }
    let valgrind = install::valgrind(run)?;
    let ask = |program: &Path, arg: &str| run.step(program).args([arg]).ask().unwrap_or_default();
    let rustc = ask("rustc".as_ref(), "--version");
    let rustc = rustc.split(" (").next().unwrap_or_default();
    let (counter, libc) = (ask(&valgrind, "--version"), ask("getconf".as_ref(), "GNU_LIBC_VERSION"));
    Ok((valgrind, format!("{rustc}, {counter}, {libc}")))
}

fn compiler(tools: &str) -> &str {
    tools.split(',').next().unwrap_or_default()
}

fn count(run: &Run, valgrind: &Path, tools: String) -> Result<Counts, Stop> {
    run.cargo(["build", "--profile", "bench", "--package", "sori-operations", "--bin", "count-operation"]).must()?;
    let program = run.house.target.join("release/count-operation");
    let folder = run.house.target.join("instructions");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let names = run.step(&program).ask().ok_or("count-operation does not start")?;
    let mut by_name = Vec::new();
    for name in names.lines() {
        // Kept, for callgrind_annotate.
        let profile = folder.join(format!("{name}.out"));
        let step = run.step(valgrind).args(["-q", "--tool=callgrind", "--toggle-collect=*counted_operation*"]);
        let step = step.args([format!("--callgrind-out-file={}", profile.display())]).args([&program]).args([name]);
        let output = step.env("GLIBC_TUNABLES", PINNED).limit(OPERATION_LIMIT).must()?;
        let profile = fs::read_to_string(&profile).map_err(|error| format!("{}: {error}", profile.display()))?;
        match (number(&profile, "totals:"), number(&output, "times:")) {
            (Some(total @ 1..), Some(times @ 1..)) => by_name.push((name.to_owned(), total / times)),
            _ => return Err(format!("callgrind counted nothing for {name}").into()),
        }
    }
    Ok(Counts { tools, by_name })
}

fn number(text: &str, label: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(label)?.trim().parse().ok())
}

/// The same string functions on every x86-64: glibc chooses them by what the processor offers. And without `rep stosb` (ERMS), of
/// which callgrind counts every byte.
const PINNED: &str = "glibc.cpu.hwcaps=-AVX2,-ERMS";
const OPERATION_LIMIT: Duration = Duration::from_secs(120);

impl Counts {
    fn read(text: &str) -> Result<Self, String> {
        let mut counts = Self { tools: String::new(), by_name: Vec::new() };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match (line.strip_prefix(TOOLS), words.next(), words.next().map(str::parse)) {
                (Some(tools), ..) => counts.tools = tools.to_owned(),
                (None, Some(name), Some(Ok(count))) if !line.starts_with('#') => counts.by_name.push((name.to_owned(), count)),
                _ if line.starts_with('#') || line.is_empty() => {}
                _ => return Err(format!("{FILE}: no name and number in `{line}`")),
            }
        }
        Ok(counts)
    }

    fn text(&self) -> String {
        let head = format!(
            "# Instructions for each operation, as callgrind counts them. Written by `{UPDATE}`.\n{TOOLS}{}\n",
            self.tools
        );
        let lines = self.by_name.iter().map(|(name, count)| format!("{name:<32}{count:>9}\n"));
        std::iter::once(head).chain(lines).collect()
    }

    fn get(&self, name: &str) -> Option<u64> {
        self.by_name.iter().find(|(known, _)| known == name).map(|(_, count)| *count)
    }
}

const TOOLS: &str = "# Counted with ";

impl Changes {
    fn between(written: &Counts, counted: &Counts) -> Self {
        let mut changes = Self::default();
        for (name, now) in &counted.by_name {
            let Some(then) = written.get(name) else {
                changes.unknown.push(format!("{name}: not written down"));
                continue;
            };
            let growth = *now as f64 / then as f64 - 1.0;
            let line = format!("{name}: {:+.1} % ({then} to {now})", growth * 100.0);
            match growth {
                TOLERANCE.. => changes.grown.push(line),
                _ if growth < -TOLERANCE => changes.shrunk.push(line),
                _ => changes.same += 1,
            }
        }
        let gone = written.by_name.iter().filter(|(name, _)| counted.get(name).is_none());
        changes.unknown.extend(gone.map(|(name, _)| format!("{name}: there is no such operation")));
        changes
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        self.grown.iter().chain(&self.shrunk).chain(&self.unknown).map(String::as_str)
    }

    /// The sentence for whoever caused it.
    fn complaint(&self) -> Option<String> {
        let list = |lines: &[String]| lines.join(", ");
        let mut complaint = String::new();
        if !self.grown.is_empty() {
            complaint = format!(
                "more than {} % above {FILE}: {}. See where: callgrind_annotate target/instructions/NAME.out. Mend it, or, if it is \
                 worth it, {UPDATE} and say in the commit why.",
                TOLERANCE * 100.0,
                list(&self.grown)
            );
        }
        if !self.unknown.is_empty() {
            complaint += &format!("{FILE} knows other operations than there are: {}. {UPDATE}.", list(&self.unknown));
        }
        (!complaint.is_empty()).then_some(complaint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(by_name: &[(&str, u64)]) -> Counts {
        let by_name = by_name.iter().map(|(name, count)| (name.to_string(), *count)).collect();
        Counts { tools: "rustc 1.95.0, valgrind-3.19.0, glibc 2.36".into(), by_name }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = counts(&[("read-event", 3_653), ("emit-to-1000", 578_737)]).text();
        let read = Counts::read(&text).unwrap();
        assert_eq!((read.get("read-event"), read.get("emit-to-1000"), read.text()), (Some(3_653), Some(578_737), text));
        assert_eq!(compiler(&read.tools), "rustc 1.95.0");
        assert!(Counts::read("read-event many").is_err());
    }

    #[test]
    fn three_percent_pass_and_more_is_told() {
        let written = counts(&[("a", 1_000), ("b", 1_000), ("c", 1_000), ("d", 1_000), ("gone", 1)]);
        let changes = Changes::between(&written, &counts(&[("a", 1_029), ("b", 1_050), ("c", 900), ("d", 971), ("new", 1)]));
        assert_eq!((changes.same, &changes.grown[..]), (2, &["b: +5.0 % (1000 to 1050)".to_owned()][..]));
        assert_eq!(changes.shrunk, ["c: -10.0 % (1000 to 900)"]);
        assert_eq!(changes.unknown, ["new: not written down", "gone: there is no such operation"]);
        assert!(changes.complaint().unwrap().starts_with("more than 3 % above bench/operations/instructions.txt: b: +5.0 %"));
    }

    #[test]
    fn what_is_gained_is_no_failure() {
        assert_eq!(Changes::between(&counts(&[("a", 1_000)]), &counts(&[("a", 900)])).complaint(), None);
    }
}
