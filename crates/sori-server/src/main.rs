//! `sori`: the server for every Socket.IO client from 1.0 to 4.8.

mod bench_serve;
mod config;
mod demo;
mod http;
mod listen;
mod log;
mod run;
mod state;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::{bench_serve::BenchServe, config::Options};

/// A poll costs a third less with it, and idle connections a tenth; see `docs/decisions.md`, 2026-11-27.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A real-time server for every Socket.IO client from 1.0 to 4.8.
///
/// Without a command it serves, with the same options as `sori serve`.
#[derive(Parser)]
#[command(name = "sori", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Serves Socket.IO, and a chat to try it with; the default.
    #[command(after_help = EXAMPLES)]
    Serve(Box<Serve>),
    /// Prints every option with its default and what it does, in the form of a configuration file.
    Config,
    /// Load tests: of any server of Socket.IO, WebSockets, event streams or long polls.
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Subcommand)]
enum Bench {
    #[command(flatten)]
    Measure(sori_bench::Command),
    /// Serves what load tests ask for: to try the tester, and to compare servers
    #[command(after_help = bench_serve::AFTER_HELP)]
    Serve(BenchServe),
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    options: Options,
}

const EXAMPLES: &str = "\
Examples:
  sori serve                                    the demo, on this machine only
  sori serve --listen 0.0.0.0:3000 --no-demo    for everybody, without the demo
  sori config > sori.toml; sori serve --config sori.toml
  sori serve --origin https://app.example --set ping_interval_ms=10000

Environment:
  SORI_LOG    error, warn, info (default), debug or trace; by module: sori=debug,info

Signals:
  INT, TERM   clients are told, and what waits for them is sent; again: stops at once
  USR1        a line that tells how many sessions, sockets, rooms and tasks there are";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let options = match cli.command {
        Some(Command::Serve(serve)) => serve.options,
        Some(Command::Config) => {
            print!("{}", config::REFERENCE);
            return ExitCode::SUCCESS;
        }
        Some(Command::Bench(Bench::Measure(command))) => return ended(command.run()),
        Some(Command::Bench(Bench::Serve(command))) => return ended(log::start().and_then(|()| command.run())),
        None => cli.serve.options,
    };
    let settings = match options.settings() {
        Ok(settings) => settings,
        Err(error) => return fail(&error),
    };
    if let Err(error) = log::start() {
        return fail(&error);
    }
    ended(run::serve(settings))
}

fn ended(how: Result<(), String>) -> ExitCode {
    match how {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("sori: {error}");
    ExitCode::FAILURE
}
