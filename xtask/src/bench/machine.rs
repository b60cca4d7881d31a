//! What the figures were measured on and with.

use std::fs;

use serde_json::{Value, json};

use super::servers;
use crate::suite::Run;

/// `built_here`: whether it is this checkout's Sori.
pub fn describe(run: &Run, built_here: bool, left_out: &[(&str, String)]) -> Value {
    let ask = |program: &str, args: &[&str]| run.step(program).args(args).ask().unwrap_or_default();
    let left_out: Vec<Value> = left_out.iter().map(|(server, why)| json!({ "server": server, "why": why })).collect();
    json!({
        "date": ask("date", &["-u", "+%Y-%m-%d"]),
        "commit": if built_here { ask("git", &["describe", "--always", "--dirty"]) } else { "another build".to_owned() },
        "cpu": cpu_model(),
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "memory_gib": memory_gib(),
        "kernel": ask("uname", &["-sr"]),
        "descriptors": servers::descriptors_max(),
        "versions": versions(run),
        "left_out": left_out,
    })
}

/// By name, in the order of the page.
fn versions(run: &Run) -> Vec<Value> {
    let ask = |program: &str, args: &[&str]| run.step(program).args(args).ask().unwrap_or_default();
    let read = |path: &str| fs::read_to_string(run.house.root.join(path)).unwrap_or_default();
    let bun = servers::bun(&run.house.root.join("bench/peers/bun-socketio"));
    let bun = bun.ok().and_then(|bun| run.step(bun).args(["--version"]).ask()).unwrap_or_default();
    let mut versions = vec![
        ("rustc".to_owned(), ask("rustc", &["--version"]).replace("rustc ", "")),
        ("Node.js".to_owned(), ask("node", &["--version"])),
        ("Bun".to_owned(), bun),
        // What a Debian package calls itself: the module has no other way to say it.
        ("nginx".to_owned(), ask("dpkg-query", &["-W", "-f", "${Version}", "nginx"])),
        ("Nchan".to_owned(), ask("dpkg-query", &["-W", "-f", "${Version}", "libnginx-mod-nchan"])),
    ];
    let node = read("bench/peers/node-socketio/package-lock.json");
    versions.extend(["socket.io", "engine.io", "ws"].map(|name| (format!("{name} (npm)"), locked_npm(&node, name))));
    let bun = read("bench/peers/bun-socketio/package-lock.json");
    versions.push(("@socket.io/bun-engine".to_owned(), locked_npm(&bun, "@socket.io/bun-engine")));
    for (of, lock, names) in [
        ("Sori", "Cargo.lock", &["tokio", "hyper", "axum", "mimalloc"][..]),
        ("socketioxide", "bench/peers/socketioxide/Cargo.lock", &["socketioxide", "engineioxide", "tokio", "hyper", "axum"]),
        ("floor", "bench/peers/floor/Cargo.lock", &["io-uring"]),
    ] {
        let lock = read(lock);
        versions.extend(names.iter().map(|name| (format!("{name} (of {of})"), locked_cargo(&lock, name))));
    }
    versions.retain(|(_, version)| !version.is_empty());
    versions.into_iter().map(|(name, version)| json!([name, version])).collect()
}

fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    format!("{} (family {}, model {}, stepping {})", field("model name"), field("cpu family"), field("model"), field("stepping"))
}

fn memory_gib() -> u64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kb: u64 = info.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or(0);
    kb.div_ceil(1 << 20)
}

/// The version of a crate in a Cargo.lock; the newest where there are several.
fn locked_cargo(lock: &str, name: &str) -> String {
    let wanted = format!("name = \"{name}\"");
    let after = lock.split("[[package]]").filter(|package| package.lines().any(|line| line == wanted)).last();
    let line = after.and_then(|package| package.lines().find_map(|line| line.strip_prefix("version = ")));
    line.unwrap_or_default().trim_matches('"').to_owned()
}

fn locked_npm(lock: &str, name: &str) -> String {
    let lock: Value = serde_json::from_str(lock).unwrap_or_default();
    lock["packages"][format!("node_modules/{name}")]["version"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_versions_are_read() {
        let lock =
            "[[package]]\nname = \"tokio-util\"\nversion = \"9.9.9\"\n\n[[package]]\nname = \"tokio\"\nversion = \"1.2.3\"\n";
        assert_eq!(locked_cargo(lock, "tokio"), "1.2.3");
        assert_eq!(locked_cargo(lock, "hyper"), "");
        assert_eq!(locked_npm("{\"packages\":{\"node_modules/ws\":{\"version\":\"8.0.0\"}}}", "ws"), "8.0.0");
    }
}
