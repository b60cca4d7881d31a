//! `count-operation` lists the operations; `count-operation NAME` performs one for callgrind, which looks at [`counted_operation`] alone,
//! and says how many times.

use sori_operations::Work;

fn main() {
    let operations = sori_operations::all();
    let Some(name) = std::env::args().nth(1) else {
        return operations.iter().for_each(|operation| println!("{}", operation.name));
    };
    let operation = operations.iter().find(|operation| operation.name == name);
    let Work { mut work, mut restore } = operation.expect("an operation of the list").prepare();
    let mut restore = || restore.iter_mut().for_each(|restore| restore());
    for _ in 0..WARM_UPS {
        work();
        restore();
    }
    for _ in 0..TIMES {
        counted_operation(&mut *work);
        restore();
    }
    println!("times: {TIMES}");
}

/// Callgrind finds it by its name.
#[inline(never)]
fn counted_operation(work: &mut dyn FnMut()) {
    work();
}

/// What is made once, at the first use, is no operation's; tables and buffers have grown after some more.
const WARM_UPS: u32 = 5;
/// So that what happens once a second does not decide.
const TIMES: u32 = 20;
