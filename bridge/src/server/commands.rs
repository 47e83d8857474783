//! What an allowed site can ask for: cards, their changes, a signature.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use protocol::{Cards, Changes, Failure, FailureCode, ReaderState, SignRequest, Signed};
use tokio::time::timeout;

use super::patience::Attempt;
use super::{Bridge, REQUEST_TIME};
use crate::cards::CardSource;
use crate::worker::{self, Job, SignJob, Word};

/// How long a page waits for a change before it asks again.
const CHANGE_TIME: Duration = Duration::from_secs(25);
/// Failures before a PIN came to the card.
const UNTRIED: [FailureCode; 5] = [
    FailureCode::PinCancelled,
    FailureCode::PinPromptUnavailable,
    FailureCode::PinLength,
    FailureCode::NoCard,
    FailureCode::PinLocked,
];

impl Bridge {
    /// What is in the readers, by every source: a source that fails does not hide another.
    pub(super) async fn cards(&self) -> Result<Cards, Failure> {
        let _look = self.looks.acquire().await.map_err(|_| FailureCode::Busy)?;
        let looks = self.sources.iter().enumerate().map(async |(number, source)| {
            let job = Job::Look { source: source.clone() };
            (number, self.workers.run(&job, None, &AtomicBool::new(false)).await)
        });
        let mut all = Cards::default();
        let mut failure = None;
        for (number, found) in futures_util::future::join_all(looks).await {
            match found {
                Ok(Word::Found(found)) => merge(&mut all, number, found),
                Ok(_) => failure = Some(FailureCode::ModuleFailed.into()),
                Err(error) => {
                    all.troubles.push(error.code);
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(failure) if all.troubles.len() == self.sources.len() => Err(failure),
            _ => Ok(all),
        }
    }

    pub(super) async fn changes(&self, known: Changes) -> Changes {
        let salt = self.salt;
        let seal = move |state: &str| {
            let text = [&salt[..], state.as_bytes()].concat();
            pki::Fingerprint::of(&text).to_string()[..32].to_owned()
        };
        let sources = self.sources.clone();
        let Ok(place) = self.waits.clone().try_acquire_owned() else {
            // Asked again, but not at once.
            tokio::time::sleep(Duration::from_secs(1)).await;
            return known;
        };
        let end = Instant::now() + CHANGE_TIME;
        let waited = tokio::task::spawn_blocking(move || {
            let _place = place;
            let seen = |state: &str| seal(state) == known.seen;
            let state = crate::watch::wait(&sources, &seen, end);
            Changes { seen: seal(&state) }
        });
        let waited = timeout(CHANGE_TIME + REQUEST_TIME, waited).await;
        waited.ok().and_then(Result::ok).unwrap_or_default()
    }

    pub(super) async fn sign(
        &self,
        origin: &str,
        window: Option<&str>,
        mut request: SignRequest,
    ) -> Result<Signed, Failure> {
        worker::check(origin, &request)?;
        if window.is_some() {
            // The PIN may come through this process.
            worker::no_traces();
        }
        let card = request.card.clone();
        let (source, rest) = self.source_of(&card).ok_or(FailureCode::NoCard)?;
        request.card = rest;
        let job = |caution| {
            Job::Sign(Box::new(SignJob {
                source,
                windows: self.windows.clone(),
                origin: origin.to_owned(),
                request,
                caution,
                page: window.is_some(),
            }))
        };
        match self.try_pin(origin, window, &card, job).await? {
            Word::Signed(signed) => Ok(signed),
            _ => Err(FailureCode::ModuleFailed.into()),
        }
    }

    /// The source of a card, and the card's name within it.
    pub(super) fn source_of(&self, card: &str) -> Option<(CardSource, String)> {
        let (number, rest) = card.split_once(':')?;
        let source = self.sources.get(number.parse::<usize>().ok()?)?;
        Some((source.clone(), rest.to_owned()))
    }

    /// Runs a job that tries a PIN of this card, and keeps count. The job learns whether
    /// the person must confirm the try when its turn has come.
    pub(super) async fn try_pin(
        &self,
        origin: &str,
        window: Option<&str>,
        card: &str,
        job: impl FnOnce(bool) -> Job,
    ) -> Result<Word, Failure> {
        // Counted as wrong until it is known better: another one may have its turn before
        // this one's answer is read.
        let attempt = Attempt::new(&self.patience, card);
        let counted = || job(attempt.begin());
        let result = self.ask(origin, window, &attempt.working, counted).await;
        match &result {
            Ok(_) => self.patience.right_pin(card),
            Err(failure) if attempt.came_to_the_card() && UNTRIED.contains(&failure.code) => {
                self.patience.not_tried(card);
            }
            Err(_) => (),
        }
        result
    }
}

/// Adds what one source found: a card that another source has as well is one card.
fn merge(all: &mut Cards, number: usize, found: Cards) {
    for mut card in found.cards {
        if all.cards.iter().any(|other| other.certificate == card.certificate) {
            continue;
        }
        card.id = format!("{number}:{}", card.id);
        all.cards.push(card);
    }
    for reader in found.readers {
        match all.readers.iter_mut().find(|other| other.name == reader.name) {
            Some(other) => other.state = other.state.max(reader.state),
            // What a module calls a slot without a card is no reader that others do not see.
            None if reader.state == ReaderState::Empty && number > 0 => (),
            None => all.readers.push(reader),
        }
    }
}
