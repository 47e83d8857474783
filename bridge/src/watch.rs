//! Waiting until a reader or card comes or goes.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::cards::{CardSource, pcsc};

/// How often a folder of demo cards is looked at.
const FOLDER_PERIOD: Duration = Duration::from_millis(200);

/// Waits until the state is not the one that was `seen`, at most until `end`; then says
/// which it is.
pub fn wait(sources: &[CardSource], seen: &dyn Fn(&str) -> bool, end: Instant) -> String {
    let folder = sources.iter().find_map(|source| match source {
        CardSource::Demo(folder) => Some(folder),
        _ => None,
    });
    match folder {
        None => pcsc::wait_for_change(seen, end),
        Some(folder) => loop {
            let state = folder_state(folder);
            let rest = end.saturating_duration_since(Instant::now());
            if !seen(&state) || rest.is_zero() {
                return state;
            }
            std::thread::sleep(FOLDER_PERIOD.min(rest));
        },
    }
}

/// Which demo cards are in their readers.
fn folder_state(folder: &Path) -> String {
    let cards = crate::cards::demo::DemoCards::new(folder);
    let names = cards.names().unwrap_or_default();
    let inserted = |name: &String| cards.read(name).is_ok_and(|card| card.inserted);
    names.into_iter().filter(inserted).collect::<Vec<_>>().join("\n")
}
