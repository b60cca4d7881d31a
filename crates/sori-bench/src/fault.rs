//! Errors by their kind, so that a thousand of them are one line.

use std::{collections::BTreeMap, io::ErrorKind};

use serde::{Deserialize, Serialize};
use sori_client::Error;

use crate::recorder::KINDS_MAX;

/// How often each kind happened, and one of each as an example.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Faults {
    kinds: BTreeMap<String, (u64, String)>,
    /// Connections that failed for want of a descriptor.
    pub(crate) descriptors: u64,
    /// Connections that failed for want of a port.
    pub(crate) ports: u64,
}

impl Faults {
    /// One of them.
    pub(crate) fn add(&mut self, error: &Error) {
        if let Error::Unreachable { error, .. } = error {
            self.descriptors += u64::from(matches!(error.raw_os_error(), Some(23 | 24)));
            self.ports += u64::from(error.kind() == ErrorKind::AddrNotAvailable);
        }
        self.add_kind(&kind(error), 1, || error.to_string());
    }

    /// So many of a kind that no client knows.
    pub(crate) fn add_kind(&mut self, kind: &str, count: u64, example: impl FnOnce() -> String) {
        // A server may have many words for the same.
        let kind = if self.kinds.len() < KINDS_MAX || self.kinds.contains_key(kind) { kind } else { "others" };
        match self.kinds.get_mut(kind) {
            Some((already, _)) => *already += count,
            None => _ = self.kinds.insert(kind.to_owned(), (count, example())),
        }
    }

    /// Adds those of others.
    pub(crate) fn merge(&mut self, others: Self) {
        for (kind, (count, example)) in others.kinds {
            self.add_kind(&kind, count, || example);
        }
        self.descriptors += others.descriptors;
        self.ports += others.ports;
    }

    /// Each kind with its number.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.kinds.iter().map(|(kind, (count, _))| (kind.as_str(), *count))
    }

    /// What a connection died of most often, or else what happened most often, in a whole sentence.
    pub(crate) fn worst(&self) -> Option<&str> {
        let is_cause = |kind: &str| ![UNANSWERED, UNSENT].contains(&kind);
        let worst = self.kinds.iter().max_by_key(|(kind, (count, _))| (is_cause(kind), *count));
        worst.map(|(_, (_, example))| example.as_str())
    }
}

/// What comes of other faults, and explains none.
pub(crate) const UNANSWERED: &str = "not answered in time";
pub(crate) const UNSENT: &str = "not sent: nobody was connected";

/// A few words for it, the same for all of its kind.
fn kind(error: &Error) -> String {
    match error {
        Error::Unreachable { error, .. } => match error.kind() {
            ErrorKind::ConnectionRefused => "connection refused".into(),
            ErrorKind::AddrNotAvailable => "no local port left".into(),
            _ if matches!(error.raw_os_error(), Some(23 | 24)) => "no descriptor left".into(),
            kind => format!("unreachable: {kind}"),
        },
        Error::TimedOut { doing, .. } => format!("timed out while {doing}"),
        Error::Tls { .. } => "TLS failed".into(),
        Error::WrongAnswer { status, .. } => format!("answered HTTP {status}"),
        Error::NotHttp { .. } => "no HTTP".into(),
        Error::Refused { message, .. } => format!("refused: {message}"),
        Error::Closed { code: Some(code), .. } => format!("closed by the server, code {code}"),
        Error::Closed { .. } => "closed by the server".into(),
        Error::Silent { .. } => "the server fell silent".into(),
        Error::Lost(error) => format!("connection lost: {}", error.kind()),
        Error::Violation(_) => "against the protocol".into(),
        Error::TooLarge { limit, .. } => format!("too large: {limit}"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_same_kind_is_counted_and_told_once() {
        let refused = |port| Error::Unreachable {
            address: format!("127.0.0.1:{port}").into(),
            error: io::Error::from(ErrorKind::ConnectionRefused),
        };
        let mut faults = Faults::default();
        (1..4).for_each(|port| faults.add(&refused(port)));
        faults.add(&Error::Unreachable { address: "a:1".into(), error: io::Error::from_raw_os_error(24) });
        let mut others = Faults::default();
        others.add(&refused(9));
        faults.merge(others);
        assert_eq!(faults.counts().collect::<Vec<_>>(), [("connection refused", 4), ("no descriptor left", 1)]);
        assert_eq!((faults.descriptors, faults.ports), (1, 0));
        faults.add_kind(UNSENT, 1_000, || "nobody".into());
        assert!(faults.worst().is_some_and(|worst| worst.contains("127.0.0.1:1") && worst.contains("is the server running")));
    }
}
