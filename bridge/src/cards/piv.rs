//! PIV cards (NIST SP 800-73-4), by APDUs of our own: the digital signature key (9C) and
//! its certificate.

pub mod applet;

use std::ffi::CString;
use std::time::Duration;

use pcsc::{Card, Disposition, Protocols, ShareMode};
use pki::Fingerprint;
use protocol::ReaderState;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use self::applet::{Applet, HOLDER_IDENTIFIER, PIN_SIZE};
use super::{CardBackend, CardError, Inventory, PresentCard};

/// How often, and with which pauses, a card is looked at that another program uses.
const TRIES: usize = 8;
const PAUSE: Duration = Duration::from_millis(60);

/// PIV cards in the readers of the system.
pub struct PivCards;

impl CardBackend for PivCards {
    fn look(&self) -> Result<Inventory, CardError> {
        let context = super::pcsc::context()?;
        let mut found = Inventory { cards: Vec::new(), readers: super::pcsc::readers(&context)? };
        for reader in &mut found.readers {
            if !matches!(reader.state, ReaderState::Unknown | ReaderState::NeedsDriver) {
                continue;
            }
            // A faulty card in one reader does not hide the card in another.
            match patiently(|| present(&mut connect(&context, &reader.name)?, &reader.name)) {
                Ok(Some(card)) => {
                    found.cards.push(card);
                    reader.state = ReaderState::Card;
                }
                Err(CardError::InUse) => reader.state = ReaderState::InUse,
                Err(CardError::Mute) => reader.state = ReaderState::Mute,
                Err(CardError::Removed | CardError::NoReader) => reader.state = ReaderState::Empty,
                Ok(None) | Err(_) => (),
            }
        }
        Ok(found)
    }

    fn sign_info(
        &self,
        card: &PresentCard,
        pin: Option<&SecretString>,
        info: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        let pin = padded(pin.ok_or(CardError::PinLength)?)?;
        let context = super::pcsc::context()?;
        let mut connection = connect(&context, &card.reader)?;
        // One transaction for all: no other program comes between PIN and signature.
        let transaction = connection.transaction()?;
        let applet = Applet(&transaction);
        let same = applet.select()? && applet.certificate()?.as_ref() == Some(&card.certificate);
        if !same {
            return Err(CardError::Removed);
        }
        let result = applet.verify(&pin).and_then(|()| applet.sign(info));
        // The card forgets the PIN.
        let _ = transaction.end(Disposition::ResetCard);
        result
    }
}

/// Tries again for a while what another program kept from being done: it held the card, or
/// reset it.
fn patiently<T>(act: impl Fn() -> Result<T, CardError>) -> Result<T, CardError> {
    let mut last = act();
    for _ in 0..TRIES {
        if !matches!(last, Err(CardError::InUse | CardError::Removed)) {
            break;
        }
        std::thread::sleep(PAUSE);
        last = act();
    }
    last
}

fn connect(context: &pcsc::Context, reader: &str) -> Result<Card, CardError> {
    let name = CString::new(reader).map_err(|_| CardError::Removed)?;
    Ok(context.connect(&name, ShareMode::Shared, Protocols::ANY)?)
}

fn present(card: &mut Card, reader: &str) -> Result<Option<PresentCard>, CardError> {
    let transaction = card.transaction()?;
    let applet = Applet(&transaction);
    if !applet.select()? {
        return Ok(None);
    }
    let certificate = applet.certificate()?.filter(|found| found.check_may_sign().is_ok());
    let Some(certificate) = certificate else { return Ok(None) };
    let tries_left = applet.tries_left()?;
    let holder = applet.object(HOLDER_IDENTIFIER)?.unwrap_or_default();
    let number = Fingerprint::of(&holder).to_string()[..16].to_uppercase();
    Ok(Some(PresentCard {
        id: certificate.fingerprint().to_string(),
        reader: reader.to_owned(),
        number,
        certificate,
        chain: Vec::new(),
        tries_left,
        pin_pad: false,
    }))
}

/// The PIN filled up with FF (SP 800-73-4, part 2, section 2.4.3).
fn padded(pin: &SecretString) -> Result<Zeroizing<[u8; PIN_SIZE]>, CardError> {
    let digits = pin.expose_secret().as_bytes();
    let fits = (6..=PIN_SIZE).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    if !fits {
        return Err(CardError::PinLength);
    }
    let mut padded = Zeroizing::new([0xff; PIN_SIZE]);
    padded[..digits.len()].copy_from_slice(digits);
    Ok(padded)
}
