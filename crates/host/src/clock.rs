//! The host's clock: the system's, moved by a fixed amount (`--now`).

use std::time::{Duration, SystemTime};

use wasmtime_wasi::HostWallClock;

/// Adds an offset to the system's time. Every component reads its time from here.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    offset: jiff::SignedDuration,
}

impl Clock {
    /// A clock that shows `now` at this moment and goes on from there.
    pub(crate) fn starting_at(now: jiff::Timestamp) -> Self {
        Self { offset: now.duration_since(jiff::Timestamp::now()) }
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        let system = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let moved =
            jiff::SignedDuration::try_from(system).unwrap_or_default().saturating_add(self.offset);
        Duration::try_from(moved).unwrap_or_default()
    }
}
