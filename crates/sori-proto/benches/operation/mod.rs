//! An operation is defined once and read twice: criterion times it, and `cargo xtask instructions` counts what it executes.
//!
//! In a bench program, `--names` lists the operations, and `--count NAME` performs one for callgrind, which looks at
//! [`counted_operation`] alone. Anything else is criterion's.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::Criterion;

/// Something that is done again and again, and always costs the same.
pub struct Operation {
    name: String,
    prepare: Box<dyn Fn() -> Work>,
}

/// A prepared operation.
pub struct Work {
    pub work: Box<dyn FnMut()>,
    /// What puts everything back; not measured.
    pub restore: Option<Box<dyn FnMut()>>,
}

impl Operation {
    pub fn new(name: impl Into<String>, prepare: impl Fn() -> Work + 'static) -> Self {
        Self { name: name.into(), prepare: Box::new(prepare) }
    }
}

impl Work {
    /// The result is made, and dropped.
    pub fn new<T>(mut work: impl FnMut() -> T + 'static) -> Self {
        Self { work: Box::new(move || drop(black_box(work()))), restore: None }
    }
}

/// The bench program.
pub fn main(operations: &[Operation]) {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--names", ..] => operations.iter().for_each(|operation| println!("{}", operation.name)),
        ["--count", name, ..] => match operations.iter().find(|operation| operation.name == *name) {
            Some(operation) => count(operation),
            None => panic!("there is no operation `{name}`"),
        },
        _ => time(operations),
    }
}

fn time(operations: &[Operation]) {
    let mut criterion = Criterion::default().configure_from_args();
    for operation in operations {
        criterion.bench_function(&operation.name, |bencher| {
            let Work { mut work, restore } = (operation.prepare)();
            match restore {
                None => bencher.iter(&mut work),
                Some(mut restore) => bencher.iter_custom(|times| {
                    let timed = (0..times).map(|_| {
                        let started = Instant::now();
                        work();
                        let took = started.elapsed();
                        restore();
                        took
                    });
                    timed.sum::<Duration>()
                }),
            }
        });
    }
    criterion.final_summary();
}

fn count(operation: &Operation) {
    let Work { mut work, mut restore } = (operation.prepare)();
    let mut restore = || restore.iter_mut().for_each(|restore| restore());
    // What is made once, at the first use, is no operation's.
    for _ in 0..WARM_UPS {
        work();
        restore();
    }
    for _ in 0..TIMES {
        counted_operation(&mut *work);
        restore();
    }
    println!("{TIMES}");
}

/// Callgrind finds it by its name.
#[inline(never)]
fn counted_operation(work: &mut dyn FnMut()) {
    work();
}

/// One for what is made at the first use, the others for tables and buffers that grow.
const WARM_UPS: u32 = 5;
/// So that what happens once a second, or when a table grows, does not decide.
const TIMES: u32 = 20;
