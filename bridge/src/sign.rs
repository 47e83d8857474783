//! From a request to a signed message.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use pki::{Fingerprint, SignedDataDraft, SigningInput};
use protocol::{Cards, Failure, FailureCode, SignRequest, Signed};
use secrecy::ExposeSecret;

use crate::cards::{CardBackend, printable};
use crate::pin::{NoPin, PinPrompt, Question};

/// Lengths of a PIN that a national card accepts; others are refused before the card,
/// where they could cost a try.
const PIN_LENGTHS: std::ops::RangeInclusive<usize> = 6..=8;
/// Largest document.
const MAX_DOCUMENT: usize = 128 << 10;
/// Longest challenge.
const MAX_CHALLENGE: usize = 128;

/// The cards in the readers.
pub(crate) fn list(backend: &dyn CardBackend) -> Result<Cards, Failure> {
    let cards = backend.cards()?;
    Ok(Cards { cards: cards.iter().map(|card| card.describe()).collect() })
}

/// Signs, after the person agreed by typing the PIN.
pub(crate) fn sign(
    backend: &dyn CardBackend,
    prompt: &dyn PinPrompt,
    origin: &str,
    request: SignRequest,
    now: Timestamp,
) -> Result<Signed, Failure> {
    if request.challenge.is_empty() || request.challenge.len() > MAX_CHALLENGE {
        return Err(FailureCode::MalformedRequest.into());
    }
    let input = SigningInput::new(origin, request.purpose, request.challenge, request.document);
    let content = input.canonical().filter(|content| content.len() <= MAX_DOCUMENT);
    let content = content.ok_or(FailureCode::MalformedRequest)?;
    let cards = backend.cards()?;
    let card = cards.into_iter().find(|card| card.id == request.card);
    let card = card.ok_or(FailureCode::NoCard)?;
    if card.tries_left == Some(0) {
        return Err(Failure { code: FailureCode::PinLocked, tries_left: Some(0) });
    }
    let digest = Fingerprint::of(&content).to_string();
    let pin = prompt
        .ask(&Question {
            origin: origin.to_owned(),
            purpose: request.purpose.title(),
            holder: card.describe().holder,
            card_number: printable(&card.number),
            digest: digest[..16].to_owned(),
            tries_left: card.tries_left,
        })
        .map_err(|no_pin| match no_pin {
            NoPin::Cancelled => FailureCode::PinCancelled,
            NoPin::Unavailable => FailureCode::PinPromptUnavailable,
        })?;
    if !PIN_LENGTHS.contains(&pin.expose_secret().chars().count()) {
        return Err(Failure { code: FailureCode::PinWrong, tries_left: card.tries_left });
    }
    let failed = |_| Failure::from(FailureCode::Failed);
    let draft = SignedDataDraft::new(
        content,
        card.certificate.clone(),
        card.chain.clone(),
        Some(&card.number),
        now,
    )
    .map_err(failed)?;
    let signature = backend.sign(&card, &pin, &draft.to_be_signed().map_err(failed)?)?;
    drop(pin);
    let signed_data = BASE64_STANDARD.encode(draft.finish(&signature).map_err(failed)?);
    Ok(Signed { signed_data })
}
