//! What `sori bench` measures with.
//!
//! A scenario tells parts of the load what to do (`scenarios`, `stage`, `orders`); each part is a thread or a process with its clients (`part`, `link`). Everything else needs no network to be tested:
//!
//! | part | answers |
//! | --- | --- |
//! | [`Target`] | may this server be loaded, and where is it? |
//! | [`Descriptors`], [`Sources`] | are there descriptors and ports for so many connections? |
//! | [`Pace`] | when is the next message due, and from when does its latency count? |
//! | [`Stamp`], [`Checker`], [`Completeness`] | did everything arrive, once and in order? |
//! | [`Latencies`], [`Tick`], [`Recorder`] | how long did it take, and what happened when? |
//! | [`Watch`] | what do the server, the machine and the generator use? |
//! | [`Judgement`] | was it the server that was measured? |
//! | [`Progress`], [`summary`], [`page`](page()) | what does a person see of it? |
//! | [`Run`], [`compare`](compare()) | what is kept, and does it differ from another? |
//!
//! Time is an argument wherever something is counted. What is `sent` counts from 0 for each sender, and a [`Stamp`] says it in the message.

#[cfg(test)]
mod example;

mod alarm;
mod checker;
mod command;
mod compare;
mod completeness;
mod fault;
mod guard;
mod hand;
mod judge;
mod latencies;
mod limits;
mod link;
mod machine;
mod orders;
mod pace;
mod page;
mod part;
mod progress;
mod random;
mod recorder;
mod run;
mod scenarios;
mod series;
mod stage;
mod stamp;
mod summary;
mod text;
mod way;
mod window;

pub mod options;

pub use checker::{Checker, Seen, Tally};
pub use command::Command;
pub use compare::{Comparison, Row, Word, compare, comparison_page, comparison_text};
pub use completeness::{Completeness, WORST_MAX, Worst};
pub use guard::Target;
pub use judge::{Finding, Generator, Judgement, Whose};
pub use latencies::{Bar, Latencies, Packed};
pub use limits::{Descriptors, Exhausted, Ports, Sources, addresses};
pub use machine::{Machine, Sample, ServerSample, Watch};
pub use pace::{Arrivals, Pace, Schedule, Window};
pub use page::page;
pub use progress::{Heading, Progress, Snapshot};
pub use random::Random;
pub use recorder::{Limits, Recorder};
pub use run::{Better, Ended, FORMAT, Figure, Load, Named, Of, Run, Unit};
pub use series::{Counts, INTERVALS_MAX, Interval, Phase, Series, Tick};
pub use stamp::Stamp;
pub use summary::summary;
