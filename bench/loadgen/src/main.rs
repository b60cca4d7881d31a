//! The load generator: `loadgen MODE [options]` loads one server and prints one JSON line.
//!
//! One thread and one epoll loop; every answer is checked. `cargo xtask bench` starts it; `bench/README.md` has the contract
//! that servers keep.

mod broadcast;
mod bystander;
mod churn;
mod echo;
mod generator;
mod histogram;
mod http;
mod idle;
mod link;
mod measure;
mod options;
mod receive;
mod record;
mod send;
mod system;
mod websocket;

use std::process::ExitCode;

use options::{Mode, Options, USAGE};
use record::Record;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("loadgen: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let measured = match options.mode {
        Mode::Idle => idle::run(&options),
        Mode::Broadcast => broadcast::run(&options),
        Mode::Echo => echo::run(&options),
        Mode::Bystander => bystander::run(&options),
        Mode::Churn => churn::run(&options),
    };
    match measured {
        Ok(record) => {
            println!("{record}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("{}", Record::of(&options).text("error", &why));
            ExitCode::FAILURE
        }
    }
}
