//! What one operation is, for whoever times or counts it.

use std::hint::black_box;

/// Something that is done again and again, and always costs the same.
pub struct Operation {
    /// As it stands in `instructions.txt`.
    pub name: String,
    prepare: Box<dyn Fn() -> Work>,
}

/// A prepared operation.
pub struct Work {
    /// What is measured.
    pub work: Box<dyn FnMut()>,
    /// What puts everything back; not measured.
    pub restore: Option<Box<dyn FnMut()>>,
}

impl Operation {
    /// An operation, and what it takes before it can begin.
    pub fn new(name: impl Into<String>, prepare: impl Fn() -> Work + 'static) -> Self {
        Self { name: name.into(), prepare: Box::new(prepare) }
    }

    /// Makes everything ready.
    pub fn prepare(&self) -> Work {
        (self.prepare)()
    }
}

impl Work {
    /// The result is made, and dropped.
    pub fn new<T>(mut work: impl FnMut() -> T + 'static) -> Self {
        Self { work: Box::new(move || drop(black_box(work()))), restore: None }
    }
}
