//! The texts of `/proc`.

use std::fs;

/// CPU time of a whole machine since it started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MachineTimes {
    pub busy_s: f64,
    pub stolen_s: f64,
}

pub fn exists(pid: u32) -> bool {
    fs::metadata(format!("/proc/{pid}/stat")).is_ok()
}

/// (user, system) of a process, its dead threads included.
pub fn process_times(pid: u32) -> Option<(f64, f64)> {
    times(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// What each thread has run.
pub fn thread_times(pid: u32) -> Vec<((u32, u32), f64)> {
    let folders = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let time = |folder: fs::DirEntry| {
        let id = folder.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(folder.path().join("schedstat")).ok()?;
        Some(((pid, id), stat.split(' ').next()?.parse::<u64>().ok()? as f64 / 1e9))
    };
    folders.filter_map(time).collect()
}

pub fn memory_bytes(pid: u32) -> u64 {
    kib(&fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default(), "VmRSS:") * 1024
}

pub fn descriptors(pid: u32) -> u64 {
    let folder = format!("/proc/{pid}/fd");
    // Linux 6.2 and newer tell the number as the folder's size. Counting 19,000 entries takes 10 ms, each second.
    match fs::metadata(&folder) {
        Ok(metadata) if metadata.len() > 0 => metadata.len(),
        _ => fs::read_dir(&folder).map_or(0, |entries| entries.count() as u64),
    }
}

/// How many cores it may run on.
pub fn cores_allowed(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    list_length(status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim())
}

/// Of a list as `0-3,8`.
fn list_length(list: &str) -> Option<u64> {
    list.split(',').try_fold(0, |sum, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        Some(sum + last.checked_sub(first)? + 1)
    })
}

/// (user, system) of a `stat`. The second field, a name in parentheses, may hold spaces and parentheses.
fn times(stat: &str) -> Option<(f64, f64)> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut time = || Some(fields.next()?.parse::<u64>().ok()? as f64 * TICK_S);
    Some((time()?, time()?))
}

pub fn machine_times(stat: &str) -> Option<MachineTimes> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().filter_map(|ticks| ticks.parse().ok()).collect();
    match ticks[..] {
        [user, nice, system, _idle, _wait, irq, softirq, stolen, ..] => Some(MachineTimes {
            busy_s: (user + nice + system + irq + softirq) as f64 * TICK_S,
            stolen_s: stolen as f64 * TICK_S,
        }),
        _ => None,
    }
}

pub fn cores(stat: &str) -> Option<u64> {
    let lines = stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    (lines > 0).then_some(lines as u64)
}

pub fn cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// A figure of `status` or `meminfo`; 0 where it is not named.
pub fn kib(text: &str, name: &str) -> u64 {
    let value = |line: &str| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

/// Pages for TCP's data, of `/proc/net/sockstat`.
pub fn tcp_pages(sockstat: &str) -> u64 {
    let mut words = sockstat.lines().find_map(|line| line.strip_prefix("TCP:")).unwrap_or_default().split_whitespace();
    let _ = words.by_ref().find(|word| *word == "mem");
    words.next().and_then(|pages| pages.parse().ok()).unwrap_or(0)
}

/// The kernel tells programs CPU times in these steps, whatever it counts in.
const TICK_S: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_have_any_name() {
        let stat = "7 (a) b) (c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 6 7 20 0 1 0 9 10";
        assert_eq!(times(stat), Some((1.5, 0.5)));
        assert_eq!(times("nonsense"), None);
    }

    #[test]
    fn a_machines_line_is_read() {
        let stat =
            "cpu  100 0 50 900 5 10 40 300 0 0\ncpu0 50 0 25 450 2 5 20 150 0 0\ncpu1 50 0 25 450 3 5 20 150 0 0\nintr 1\n";
        assert_eq!(machine_times(stat), Some(MachineTimes { busy_s: 2.0, stolen_s: 3.0 }));
        assert_eq!(cores(stat), Some(2));
        assert_eq!(machine_times(""), None);
    }

    #[test]
    fn lists_of_cores_are_counted() {
        assert_eq!([list_length("0"), list_length("0-3,8"), list_length(""), list_length("3-1")], [Some(1), Some(5), None, None]);
    }

    #[test]
    fn figures_are_found_by_name() {
        assert_eq!(kib("VmPeak:\t  9 kB\nVmRSS:\t    1234 kB\n", "VmRSS:"), 1_234);
        assert_eq!(kib("", "VmRSS:"), 0);
        assert_eq!(tcp_pages("sockets: used 9\nTCP: inuse 5 orphan 0 tw 3 alloc 8 mem 77\nUDP: inuse 1 mem 2\n"), 77);
        assert_eq!(tcp_pages(""), 0);
        assert_eq!(cpu_model("processor : 0\nmodel name\t: A CPU @ 2 GHz\n").as_deref(), Some("A CPU @ 2 GHz"));
    }
}
