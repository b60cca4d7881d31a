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

pub fn plain(run: &Run) -> Outcome {
    let folder = prepared(run, "interop")?;
    // Some of its clients begin with HTTP/2, which `Server::serve` does not speak.
    let server = format!("{} plain {{port}} watched", run.binary("conformance")?.display());
    counted(run.step("node").args(["plain/run.js", "--patience", "3", "--server", &server]).folder(folder))
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

pub fn documents(run: &Run) -> Outcome {
    let folder = prepared(run, "docs/check")?;
    let server = format!("{} {{port}}", run.example("without_a_library")?.display());
    counted(run.step("node").args(["run.js", "--server", &server]).folder(folder))
}

pub(super) fn prepared(run: &Run, folder: &str) -> Result<PathBuf, Stop> {
    let path = run.house.root.join(folder);
    if !path.join("run.js").exists() {
        return Err(format!("{folder}/run.js is not in this checkout").into());
    }
    install::npm_packages(run, &path)?;
    Ok(path)
}
