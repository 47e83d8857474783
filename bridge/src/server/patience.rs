//! How many may wait for a window, how often a site may ask in vain, and how often a PIN
//! may be wrong before the person must say that it shall be tried again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use protocol::{Failure, FailureCode};

/// Signatures and windows that wait for their turn, the one at work included.
const MAX_QUEUE: usize = 4;
/// Those of one site among them: it cannot keep the others out.
const MAX_OF_SITE: usize = 2;
/// Windows that one site may open in vain within [`WINDOW`].
const MAX_VAIN: usize = 5;
const WINDOW: Duration = Duration::from_secs(300);
/// Wrong PINs of one card after which the person confirms the next try.
const MAX_WRONG: u8 = 2;
/// Sites and cards that are remembered.
const MAX_REMEMBERED: usize = 1000;

#[derive(Default)]
struct Counts {
    vain: HashMap<String, Vec<Instant>>,
    wrong: HashMap<String, u8>,
}

/// The counts since the bridge was started.
#[derive(Default)]
pub(super) struct Patience(Mutex<Counts>);

impl Patience {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a site may open another window.
    ///
    /// # Errors
    /// [`FailureCode::TooManyRequests`].
    pub(super) fn check(&self, origin: &str, now: Instant) -> Result<(), Failure> {
        let mut counts = self.counts();
        let Some(times) = counts.vain.get_mut(origin) else { return Ok(()) };
        times.retain(|time| now.duration_since(*time) < WINDOW);
        if times.len() < MAX_VAIN { Ok(()) } else { Err(FailureCode::TooManyRequests.into()) }
    }

    /// A window is opened: in vain until [`Patience::forgive`] says otherwise, so that
    /// whoever goes away meanwhile has opened it in vain.
    pub(super) fn vain(&self, origin: &str, now: Instant) {
        let mut counts = self.counts();
        if counts.vain.len() >= MAX_REMEMBERED {
            counts.vain.clear();
        }
        counts.vain.entry(origin.to_owned()).or_default().push(now);
    }

    /// The last window was not in vain.
    pub(super) fn forgive(&self, origin: &str) {
        if let Some(times) = self.counts().vain.get_mut(origin) {
            times.pop();
        }
    }

    pub(super) fn wrong_pin(&self, card: &str) {
        let mut counts = self.counts();
        if counts.wrong.len() >= MAX_REMEMBERED {
            counts.wrong.clear();
        }
        let count = counts.wrong.entry(card.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn right_pin(&self, card: &str) {
        self.counts().wrong.remove(card);
    }

    /// The last try was none.
    pub(super) fn not_tried(&self, card: &str) {
        if let Some(count) = self.counts().wrong.get_mut(card) {
            *count = count.saturating_sub(1);
        }
    }

    /// Whether the person must confirm another try.
    pub(super) fn needs_caution(&self, card: &str) -> bool {
        self.counts().wrong.get(card).is_some_and(|count| *count >= MAX_WRONG)
    }
}

/// One try of a PIN: counted as wrong from its turn on, until the card is known to have
/// taken it, or not to have been asked.
pub(super) struct Attempt<'a> {
    patience: &'a Patience,
    card: &'a str,
    begun: AtomicBool,
    /// The worker said that the card came to work.
    pub(super) working: AtomicBool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(patience: &'a Patience, card: &'a str) -> Self {
        let (begun, working) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { patience, card, begun, working }
    }

    /// Its turn has come. Whether the person must confirm it.
    pub(super) fn begin(&self) -> bool {
        let caution = self.patience.needs_caution(self.card);
        self.patience.wrong_pin(self.card);
        self.begun.store(true, Ordering::Relaxed);
        caution
    }

    pub(super) fn came_to_the_card(&self) -> bool {
        self.working.load(Ordering::Relaxed)
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.begun.load(Ordering::Relaxed) && !self.came_to_the_card() {
            self.patience.not_tried(self.card);
        }
    }
}

/// Who waits for a window, by origin.
#[derive(Default)]
pub(super) struct Queue(Mutex<Vec<String>>);

/// A place among those who wait, until it is dropped.
pub(super) struct Place<'a>(&'a Queue, String);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        if let Some(place) = waiting.iter().position(|origin| *origin == self.1) {
            waiting.swap_remove(place);
        }
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for this site. None where all are taken, or all that it may have.
    pub(super) fn enter(&self, origin: &str) -> Option<Place<'_>> {
        let mut waiting = self.waiting();
        let own = waiting.iter().filter(|other| *other == origin).count();
        if waiting.len() >= MAX_QUEUE || own >= MAX_OF_SITE {
            return None;
        }
        waiting.push(origin.to_owned());
        Some(Place(self, origin.to_owned()))
    }
}
