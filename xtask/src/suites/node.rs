//! The suites that npm packages drive: they start our programs by themselves and close on a line of counts.

use std::path::PathBuf;

use super::rust::counted;
use crate::{
    install,
    outcome::{Outcome, Stop},
    suite::Run,
};

pub fn interop(run: &Run) -> Outcome {
    let folder = prepared(run, "interop")?;
    let server = format!("{} interop {{port}}", run.binary("conformance")?.display());
    counted(run.step("node").args(["run.js", "--patience", "3", "--server", &server]).folder(folder))
}

pub fn differential(run: &Run) -> Outcome {
    let folder = prepared(run, "differential")?;
    let server = format!("\"{}\" differential {{port}}", run.binary("conformance")?.display());
    if run.long {
        // The test of the test: alterations of the reference must be found.
        run.step("npm").args(["test"]).folder(&folder).must()?;
    }
    counted(run.step("node").args(["run.js", "--b", &server]).folder(folder))
}

pub fn browser(run: &Run) -> Outcome {
    in_chromium(run, "run.js")
}

pub fn gallery(run: &Run) -> Outcome {
    in_chromium(run, "gallery/run.js")
}

pub fn lab(run: &Run) -> Outcome {
    // What the page counts, without a browser.
    run.step("npm").args(["test"]).folder(run.house.root.join("crates/sori-gallery")).must()?;
    in_chromium(run, "lab/run.js")
}

fn in_chromium(run: &Run, script: &str) -> Outcome {
    let folder = prepared(run, "browser")?;
    let chromium = install::chromium(run)?;
    let sori = run.binary("sori")?;
    counted(run.step("node").args([script]).folder(folder).env("CHROMIUM", chromium).env("SORI", sori))
}

fn prepared(run: &Run, folder: &str) -> Result<PathBuf, Stop> {
    let path = run.house.root.join(folder);
    if !path.join("run.js").exists() {
        return Err(format!("{folder}/run.js is not in this checkout").into());
    }
    install::npm_packages(run, &path)?;
    Ok(path)
}
