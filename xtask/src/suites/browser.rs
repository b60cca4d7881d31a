//! Pages in headless Chromium: a script in `browser/` each, and the program of ours that it starts.

use super::{node::prepared, rust::counted};
use crate::{install, outcome::Outcome, suite::Run};

pub fn chat(run: &Run) -> Outcome {
    drive(run, "run.js", ("SORI", "sori"))
}

pub fn plain(run: &Run) -> Outcome {
    drive(run, "plain/run.js", ("CONFORMANCE", "conformance"))
}

pub fn gallery(run: &Run) -> Outcome {
    drive(run, "gallery/run.js", ("SORI", "sori"))
}

pub fn lab(run: &Run) -> Outcome {
    // What the page counts, without a browser.
    run.step("npm").args(["test"]).folder(run.house.root.join("crates/sori-gallery")).must()?;
    drive(run, "lab/run.js", ("SORI", "sori"))
}

/// The script finds the program under this name in its environment.
fn drive(run: &Run, script: &str, (name, program): (&str, &str)) -> Outcome {
    let folder = prepared(run, "browser")?;
    let chromium = install::chromium(run)?;
    let program = run.binary(program)?;
    counted(run.step("node").args([script]).folder(folder).env("CHROMIUM", chromium).env(name, program))
}
