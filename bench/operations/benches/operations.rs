//! `cargo bench -p sori-operations [FILTER]`: every operation, timed.

use std::time::{Duration, Instant};

use criterion::Criterion;
use sori_operations::Work;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for operation in sori_operations::all() {
        criterion.bench_function(&operation.name, |bencher| {
            let Work { mut work, restore } = operation.prepare();
            let Some(mut restore) = restore else { return bencher.iter(&mut work) };
            bencher.iter_custom(|times| {
                let mut took = Duration::ZERO;
                for _ in 0..times {
                    let started = Instant::now();
                    work();
                    took += started.elapsed();
                    restore();
                }
                took
            });
        });
    }
    criterion.final_summary();
}
