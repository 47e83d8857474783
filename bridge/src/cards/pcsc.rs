//! The readers of the system (PC/SC): which there are, what is in them, and when that
//! changes.

use std::time::{Duration, Instant};

use pcsc::{Context, Error, PNP_NOTIFICATION, ReaderState as Polled, Scope, State};
use protocol::{Reader, ReaderState};

use super::CardError;

/// How long one look at the readers waits before it looks whether anybody still wants to
/// know.
const SLICE: Duration = Duration::from_secs(1);

impl From<Error> for CardError {
    fn from(error: Error) -> Self {
        match error {
            Error::NoService | Error::ServiceStopped => Self::NoService,
            Error::NoSmartcard
            | Error::RemovedCard
            | Error::UnknownReader
            | Error::ReaderUnavailable
            | Error::ResetCard => Self::Removed,
            Error::UnresponsiveCard | Error::UnpoweredCard | Error::ProtoMismatch => Self::Mute,
            Error::SharingViolation => Self::InUse,
            Error::WrongChv => Self::WrongPin { tries_left: None },
            Error::ChvBlocked => Self::Locked,
            Error::CancelledByUser => Self::Cancelled,
            other => Self::Failed(other.to_string()),
        }
    }
}

/// The reader service.
///
/// # Errors
/// [`CardError::NoService`] where it is not running.
pub fn context() -> Result<Context, CardError> {
    Context::establish(Scope::User).map_err(|error| match error {
        // Without a reader Windows does not start the service at all.
        Error::NoReadersAvailable => CardError::NoService,
        other => other.into(),
    })
}

/// Every reader and what is in it, as the service sees it.
fn polled(context: &Context) -> Result<Vec<Polled>, CardError> {
    let names = match context.list_readers_owned() {
        Ok(names) => names,
        Err(Error::NoReadersAvailable) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let mut readers: Vec<_> =
        names.into_iter().map(|name| Polled::new(name, State::UNAWARE)).collect();
    if !readers.is_empty() {
        context.get_status_change(Duration::ZERO, &mut readers)?;
    }
    Ok(readers)
}

/// Every reader, its state before the card was asked anything: [`ReaderState::Unknown`]
/// where a card answers.
///
/// # Errors
/// [`CardError`].
pub fn readers(context: &Context) -> Result<Vec<Reader>, CardError> {
    let found = polled(context)?;
    let state = |reader: &Polled| {
        let state = reader.event_state();
        if !state.contains(State::PRESENT) {
            ReaderState::Empty
        } else if state.contains(State::MUTE) {
            ReaderState::Mute
        } else if state.contains(State::EXCLUSIVE) {
            ReaderState::InUse
        } else {
            ReaderState::Unknown
        }
    };
    let name = |reader: &Polled| reader.name().to_string_lossy().into_owned();
    Ok(found.iter().map(|reader| Reader { name: name(reader), state: state(reader) }).collect())
}

/// A text that is another whenever a reader or card came or went.
fn fingerprint(readers: &[Polled]) -> String {
    let of = |reader: &Polled| {
        let there = reader.event_state() & (State::PRESENT | State::MUTE);
        let count = reader.event_count();
        format!("{:?} {there:?} {count} {:?}\n", reader.name(), reader.atr())
    };
    readers.iter().map(of).collect()
}

/// Waits until the readers are not as `seen` has them, at most until `end`; then says how
/// they are.
pub fn wait_for_change(seen: &dyn Fn(&str) -> bool, end: Instant) -> String {
    loop {
        let looked = context().and_then(|context| Ok((polled(&context)?, context)));
        let now = looked.as_ref().map_or_else(ToString::to_string, |(found, _)| fingerprint(found));
        let rest = end.saturating_duration_since(Instant::now()).min(SLICE);
        if !seen(&now) || rest.is_zero() {
            return now;
        }
        match looked {
            Ok((mut readers, context)) => {
                for reader in &mut readers {
                    reader.sync_current_state();
                }
                readers.push(Polled::new(PNP_NOTIFICATION(), State::UNAWARE));
                let waited = context.get_status_change(rest, &mut readers);
                // A service that ends, or tells a change that is none, must not make us spin.
                if !matches!(waited, Err(Error::Timeout)) {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            Err(_) => std::thread::sleep(rest),
        }
    }
}
