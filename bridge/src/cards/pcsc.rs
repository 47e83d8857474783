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
            // Where a policy guards the service (polkit): not for a session from elsewhere.
            Error::SecurityViolation | Error::NoAccess => Self::Denied,
            Error::UnknownReader | Error::ReaderUnavailable | Error::NoReadersAvailable => {
                Self::NoReader
            }
            Error::NoSmartcard | Error::RemovedCard => Self::Removed,
            Error::UnresponsiveCard
            | Error::UnpoweredCard
            | Error::UnsupportedCard
            | Error::ProtoMismatch => Self::Mute,
            // Another program holds the card, or has just reset it.
            Error::SharingViolation | Error::ResetCard => Self::InUse,
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

/// What certificate cards of the national PKI say of themselves in the answer to reset, by
/// whatever authority they were issued: historical bytes, and the whole answer through a
/// reader without contacts.
const CERTIFICATE_CARDS: [&[u8]; 3] = [
    b"CHTMOICA",
    b"CHTGPKI",
    &[
        0x3b, 0x8b, 0x80, 0x01, 0x00, 0x31, 0xc1, 0x64, 0x08, 0x40, 0x21, 0x30, 0x00, 0x90, 0x00,
        0x57,
    ],
];

/// Whether this is the answer to reset of a certificate card. A no says nothing: there may
/// be others.
fn is_certificate_card(answer_to_reset: &[u8]) -> bool {
    let holds = |part: &[u8]| answer_to_reset.windows(part.len()).any(|window| window == part);
    CERTIFICATE_CARDS.into_iter().any(holds)
}

/// Every reader, its state before the card was asked anything: [`ReaderState::Unknown`]
/// or [`ReaderState::NeedsDriver`] where a card answers.
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
        } else if is_certificate_card(reader.atr()) {
            ReaderState::NeedsDriver
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

#[cfg(test)]
mod tests {
    use protocol::FailureCode::{
        CardInUse, CardMute, CardRemoved, Failed, NoReader, NoReaderService, PinCancelled,
        PinLocked, PinWrong, ReaderDenied,
    };

    use super::*;

    /// The codes that applicants meet, each with the word for its cause.
    #[test]
    fn every_code_of_the_service_has_its_cause() {
        for (error, expected) in [
            (Error::UnknownReader, NoReader),
            (Error::SharingViolation, CardInUse),
            (Error::NoSmartcard, CardRemoved),
            (Error::ProtoMismatch, CardMute),
            (Error::ReaderUnavailable, NoReader),
            (Error::NoService, NoReaderService),
            (Error::NoAccess, ReaderDenied),
            (Error::NoReadersAvailable, NoReader),
            (Error::UnresponsiveCard, CardMute),
            (Error::UnpoweredCard, CardMute),
            (Error::ResetCard, CardInUse),
            (Error::RemovedCard, CardRemoved),
            (Error::SecurityViolation, ReaderDenied),
            (Error::WrongChv, PinWrong),
            (Error::ChvBlocked, PinLocked),
            (Error::CancelledByUser, PinCancelled),
            (Error::InternalError, Failed),
        ] {
            let failure = protocol::Failure::from(CardError::from(error));
            assert_eq!(failure.code, expected, "{error:?}");
        }
    }

    #[test]
    fn certificate_cards_say_what_they_are() {
        let first = b"\x3b\xb8\x13\x00\x81\x31\xfa\x52CHTMOICA\xa5";
        let newer = b"\x3b\xd8\x96\x00\x81\xb1\xfe\x45\x1f\x07CHTGPKI\x4a\xdd";
        assert!(is_certificate_card(first) && is_certificate_card(newer));
        assert!(is_certificate_card(CERTIFICATE_CARDS[2]));
        let plain = [0x3b, 0x95, 0x13, 0x81, 0x01, 0x80, 0x73, 0xff, 0x01, 0x00, 0x0b];
        assert!(!is_certificate_card(&plain) && !is_certificate_card(b""));
    }
}
