//! `cargo xtask`: every test suite of the house by one command, its small checks, its benchmarks, and its long soak.

mod bench;
mod house;
mod install;
mod million;
mod outcome;
mod report;
mod server;
mod soak;
mod step;
mod suite;
mod suites;
mod tidy;

use std::process::ExitCode;

use house::House;
use suite::{Choice, Run};

const HELP: &str = "\
cargo xtask test [--long] [--only SUITE]... [--list]
    Runs every suite, installs what they need where it may, and says what is missing where it may not.
    --only SUITE   this suite; again, or with commas, for more
    --long         every Autobahn case, longer fuzzing, more random cases
    --list         the suites, a line each

cargo xtask instructions [--write]
    Counts the instructions of every operation in bench/operations, as the suite of that name does.
    --write        makes them what is expected: bench/operations/instructions.txt

cargo xtask tidy
    The small checks of the house: who may name whom, how long a file gets, what never enters it.
    Its rules are data, at the top of xtask/src/tidy/rules.rs.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}\n\n{}\n\n{}\n\n{}\n\n{}", bench::HELP, bench::trials::HELP, million::HELP, soak::HELP);
            Ok(true)
        }
        ["test", options @ ..] => test(options),
        ["bench", options @ ..] => bench::bench(options),
        ["trials", options @ ..] => bench::trials::trials(options),
        ["million", options @ ..] => million::million(options),
        ["soak", options @ ..] => soak::soak(options),
        ["instructions"] => test(&["--only", "instructions"]),
        ["instructions", "--write"] => {
            House::find().map(|house| suite::run_all(&Run::new(house, false), &[&suites::instructions::WRITE]))
        }
        ["tidy"] => House::find().map(|house| tidy::print(&tidy::findings(&house))),
        [other, ..] => Err(format!("`{other}` is not a task\n\n{HELP}")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn test(options: &[&str]) -> Result<bool, String> {
    let choice = Choice::parse(options)?;
    if choice.list {
        for suite in suites::ALL {
            println!("{:<14}{}", suite.name, suite.about);
        }
        return Ok(true);
    }
    let house = House::find()?;
    Ok(suite::run_all(&Run::new(house, choice.long), &choice.suites))
}
