//! What suites need beyond Cargo: installed where we may, named plainly where we may not.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    outcome::{Missing, Stop},
    suite::Run,
};

/// The packages that `package-lock.json` lists, unless they are there already.
pub fn npm_packages(run: &Run, folder: &Path) -> Result<(), Stop> {
    if run.step("npm").args(["--version"]).ask().is_none() {
        return Err(missing("Node.js and npm are not installed", "apt-get install nodejs npm").into());
    }
    let changed = |file: &str| fs::metadata(folder.join(file)).and_then(|data| data.modified()).ok();
    // npm writes the second one when it has installed what the first one lists.
    if changed("node_modules/.package-lock.json") >= changed("package-lock.json") {
        return Ok(());
    }
    let installed = run.step("npm").args(["ci", "--no-audit", "--no-fund"]).folder(folder).run();
    installed_or_missing(installed.ok, &format!("the npm packages of {}", name(folder)), &format!("npm ci, in {}", name(folder)))
}

/// Debian's Chromium.
pub fn chromium(run: &Run) -> Result<PathBuf, Stop> {
    of_debian(run, "Chromium", "chromium", || on_path_any(&["chromium", "chromium-browser", "google-chrome"]))
}

/// Debian's Valgrind.
pub fn valgrind(run: &Run) -> Result<PathBuf, Stop> {
    of_debian(run, "Valgrind", "valgrind", || on_path("valgrind"))
}

/// Debian's nginx, and the module of Nchan, whose path this is.
pub fn nchan(run: &Run) -> Result<PathBuf, Stop> {
    let folders = ["/usr/lib/nginx/modules", "/usr/share/nginx/modules", "/usr/lib64/nginx/modules"];
    let module = || folders.iter().map(|folder| Path::new(folder).join("ngx_nchan_module.so")).find(|module| module.exists());
    of_debian(run, "nginx with Nchan", "nginx libnginx-mod-nchan", || on_path("nginx").and_then(|_| module()))
}

/// What is found, from the packages where it is not there yet.
fn of_debian(run: &Run, what: &str, packages: &str, found: impl Fn() -> Option<PathBuf>) -> Result<PathBuf, Stop> {
    if let Some(program) = found() {
        return Ok(program);
    }
    let mend = format!("apt-get install -y --no-install-recommends {packages}");
    if run.step("id").args(["-u"]).ask().as_deref() != Some("0") || on_path("apt-get").is_none() {
        return Err(missing(&format!("{what} is not installed, and this is not root on Debian"), &format!("sudo {mend}")).into());
    }
    let apt = |args: &[&str]| run.step("apt-get").args(args).env("DEBIAN_FRONTEND", "noninteractive").run().ok;
    let _ = apt(&["update", "-q"]);
    apt(&[&["install", "-y", "-q", "--no-install-recommends"], &packages.split(' ').collect::<Vec<_>>()[..]].concat());
    found().ok_or_else(|| missing(&format!("{what} could not be installed"), &mend).into())
}

/// A subcommand of Cargo: the one on the path, else ours.
pub fn cargo_tool(run: &Run, tool: &str, version: &str) -> Result<PathBuf, Stop> {
    if let Some(program) = on_path(tool) {
        return Ok(program);
    }
    let tools = run.house.tools();
    let program = tools.join("bin").join(tool);
    if program.exists() {
        return Ok(program);
    }
    let package = format!("{tool}@{version}");
    // Without optimization: it works for seconds, and building it is what takes the minute.
    let install = run.cargo(["install", "--locked", "--debug", &package, "--root"]).args([&tools]);
    let installed = install.env("CARGO_PROFILE_DEV_DEBUG", "0").env("CARGO_TARGET_DIR", tools.join("build")).run();
    let _ = fs::remove_dir_all(tools.join("build"));
    installed_or_missing(installed.ok, tool, &format!("cargo install --locked {package}"))?;
    Ok(program)
}

/// Autobahn's `wstest`, which runs on Python 2.7 only.
pub fn wstest(run: &Run) -> Result<PathBuf, Stop> {
    let tools = run.house.tools();
    let environment = tools.join("autobahn");
    let wstest = environment.join("bin/wstest");
    if wstest.exists() {
        return Ok(wstest);
    }
    let python = python2(run).ok_or_else(|| missing("Autobahn needs Python 2.7", "pyenv install 2.7.18"))?;
    let boot = tools.join("virtualenv");
    let pip = |python: &Path| run.step(python).args(["-m", "pip", "install", "-q"]).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    let made = pip(&python).args(["--target"]).args([&boot]).args(["virtualenv==20.15.1", "distlib==0.4.4"]).run().ok
        && run.step(&python).args(["-m", "virtualenv", "-q"]).args([&environment]).env("PYTHONPATH", &boot).run().ok
        && pip(&environment.join("bin/python")).args(["autobahntestsuite==25.10.1"]).run().ok;
    if !made {
        // Half an environment would look like a whole one the next time.
        let _ = fs::remove_dir_all(&environment);
    }
    installed_or_missing(made && wstest.exists(), "autobahntestsuite", "pip install autobahntestsuite, with Python 2.7")?;
    Ok(wstest)
}

fn python2(run: &Run) -> Option<PathBuf> {
    let versions = run.step("pyenv").args(["versions", "--bare"]).ask().unwrap_or_default();
    let prefixes = versions.lines().map(str::trim).filter(|version| version.starts_with("2.7"));
    let of_pyenv = prefixes.filter_map(|version| run.step("pyenv").args(["prefix", version]).ask());
    let candidates = of_pyenv.map(|prefix| Path::new(&prefix).join("bin/python2.7")).chain(on_path("python2.7"));
    // A shim of pyenv is on the path even where no version stands behind it.
    candidates.into_iter().find(|python| run.step(python).args(["-m", "pip", "--version"]).ask().is_some())
}

fn on_path_any(programs: &[&str]) -> Option<PathBuf> {
    programs.iter().find_map(|program| on_path(program))
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|program| program.is_file())
}

fn installed_or_missing(installed: bool, what: &str, mend: &str) -> Result<(), Stop> {
    if installed { Ok(()) } else { Err(missing(&format!("{what} could not be installed"), mend).into()) }
}

fn missing(what: &str, mend: &str) -> Missing {
    Missing { what: what.to_owned(), mend: mend.to_owned() }
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
