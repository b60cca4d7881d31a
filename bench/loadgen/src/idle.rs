//! `idle`: opens connections and lets them be; what they cost the server.

use crate::{
    generator::{Generator, Work},
    measure::{Cpu, Memory},
    options::Options,
    record::Record,
};

pub fn run(options: &Options) -> Result<Record, String> {
    let mut generator = Generator::new(options, Work::Idle)?;
    let memory_before = Memory::now(&options.pids);
    let before = Cpu::now(&options.pids, options.core);
    generator.connect()?;
    let connected = Cpu::now(&options.pids, options.core);
    let spent = connected.since(&before, options.core);
    generator.run_for(options.settle);
    let memory = Memory::now(&options.pids);
    let resting = Cpu::now(&options.pids, options.core).since(&connected, options.core);
    if generator.ready == 0 {
        return Err("no client is ready".into());
    }
    let each = generator.ready as f64;
    let grown = |of: fn(&Memory) -> i64| (of(&memory) - of(&memory_before)) as f64 * 1024.0 / each;
    Ok(Record::of(options)
        .number("ready", each)
        .number("resident_bytes", grown(|memory| memory.resident))
        .number("proportional_bytes", grown(|memory| memory.proportional))
        .number("private_bytes", grown(|memory| memory.private))
        .number("anonymous_bytes", grown(|memory| memory.anonymous))
        .number("resident_kb", memory.resident as f64)
        .number("us_per_connect", spent.total_us / each)
        .number("connects_per_s", each / spent.wall_s)
        .number("server_util", spent.server_util)
        .number("idle_util_pct", resting.server_util * 100.0)
        .number("steal_pct", spent.stolen * 100.0)
        .number("errors", (generator.errors + generator.closed as u64) as f64))
}
