//! What the program holds at one moment, by its own word and by the kernel's.

use std::fs;

#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub struct Held {
    pub sessions: u64,
    pub sockets: u64,
    pub rooms: u64,
    pub tasks: u64,
    pub panics: u64,
    pub descriptors: u64,
    pub resident_kib: u64,
}

impl Held {
    /// Of the line that the program answers SIGUSR1 with, and of `/proc/PID`.
    pub fn read(state: &str, pid: u32) -> Result<Self, String> {
        let number = |name: &str| {
            let value = state.split([' ', ',', ':', '.']).skip_while(|word| *word != name).nth(1);
            value.and_then(|value| value.parse().ok()).ok_or_else(|| format!("no {name} in `{state}`"))
        };
        let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(|error| format!("/proc/{pid}/status: {error}"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map_err(|error| format!("/proc/{pid}/fd: {error}"))?;
        Ok(Self {
            sessions: number("sessions")?,
            sockets: number("sockets")?,
            rooms: number("rooms")?,
            tasks: number("tasks")?,
            panics: number("panics")?,
            descriptors: descriptors.count() as u64,
            resident_kib: resident.ok_or("no VmRSS")?,
        })
    }

    /// What must be exactly as it was.
    pub fn counts(&self) -> [(&'static str, u64); 5] {
        [
            ("sessions", self.sessions),
            ("sockets", self.sockets),
            ("rooms", self.rooms),
            ("tasks", self.tasks),
            ("descriptors", self.descriptors),
        ]
    }

    /// What may be resident later. A page stays while anything in it is used, and where things come to lie is chance: a tenth,
    /// and 1 MiB for programs that are small. A session leaked by one client in a hundred would be 4,800 of them after ten minutes,
    /// and 6 MB or more.
    pub fn resident_kib_max(&self) -> u64 {
        self.resident_kib + self.resident_kib / 10 + 1_024
    }

    pub fn rows(&self) -> Vec<(&'static str, u64)> {
        [&self.counts()[..], &[("resident_kib", self.resident_kib)]].concat()
    }

    /// The larger of each.
    pub fn max(self, other: Self) -> Self {
        Self {
            sessions: self.sessions.max(other.sessions),
            sockets: self.sockets.max(other.sockets),
            rooms: self.rooms.max(other.rooms),
            tasks: self.tasks.max(other.tasks),
            panics: self.panics.max(other.panics),
            descriptors: self.descriptors.max(other.descriptors),
            resident_kib: self.resident_kib.max(other.resident_kib),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_word_is_read() {
        let state = "State: sessions 3, opened 40, sockets 4, rooms 2, rejected 0, panics 1, tasks 12.";
        let held = Held::read(state, std::process::id()).expect("all of it");
        assert_eq!((held.sessions, held.sockets, held.rooms, held.panics, held.tasks), (3, 4, 2, 1, 12));
        assert!(held.descriptors > 2 && held.resident_kib > 0);
        assert!(Held::read("State: sessions 3.", std::process::id()).is_err());
    }
}
