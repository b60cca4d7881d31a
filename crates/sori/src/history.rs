//! What a namespace keeps for those who come later.

use std::{fmt, sync::Arc, time::Duration};

use crate::rooms::Target;

/// The newest events of a namespace, kept for those who were not there: what was emitted to everybody and to rooms, never what went to one socket alone,
/// what was volatile, or what asked for an answer. Kept in memory, for the whole namespace together, and bounded by
/// [`Limits::log_events_max`](crate::Limits) and [`Limits::log_bytes_max`](crate::Limits) as well.
///
/// Plain clients read it: one that comes with a cursor (`Last-Event-ID`, `since=`) gets what its rooms received since, and `since=-20` the
/// last 20. Handlers read it with [`Socket::replay`](crate::Socket::replay), for clients of every kind.
///
/// ```
/// # use std::time::Duration;
/// use sori::{History, Namespace, Socket};
///
/// Namespace::new()
///     .history(History::new(100, Duration::from_secs(3600)).rooms(|room| room != "staff"))
///     .on_connect(async |socket: Socket| {
///         socket.join("lobby");
///         socket.replay("lobby", 10); // a Socket.IO client gets the last ten, too
///     });
/// ```
#[derive(Clone)]
pub struct History {
    pub(crate) count: u32,
    pub(crate) age: Duration,
    rooms: Option<Keeps>,
}

type Keeps = Arc<dyn Fn(&str) -> bool + Send + Sync>;

impl History {
    /// At most this many events, none of them older than `age`.
    pub fn new(count: u32, age: Duration) -> Self {
        Self { count, age, rooms: None }
    }

    /// Only these rooms keep it; all do otherwise. What went to everybody is kept in any case.
    pub fn rooms(mut self, keeps: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.rooms = Some(Arc::new(keeps));
        self
    }

    /// Whether members of the rooms that `is_in` names read what went to this target.
    pub(crate) fn tells(&self, target: &Target, is_in: impl Fn(&str) -> bool) -> bool {
        let Target { rooms, except, own } = target;
        let keeps = |room: &Arc<str>| self.keeps(room) && is_in(room);
        !own && (rooms.is_empty() || rooms.iter().any(keeps)) && !except.iter().any(|room| is_in(room))
    }

    pub(crate) fn keeps(&self, room: &str) -> bool {
        self.rooms.as_ref().is_none_or(|keeps| keeps(room))
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("count", &self.count).field("age", &self.age).finish_non_exhaustive()
    }
}
