//! Cards behind a PKCS#11 module (the vendor's, OpenSC's, or one that is configured).
//!
//! The module is loaded for each command and given up afterwards, so that readers
//! plugged in meanwhile are seen. Certificates are chosen by key usage, keys by CKA_ID,
//! never by position or label. All of it happens in a process of its own.

use std::path::PathBuf;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use pki::Certificate;
use protocol::{Reader, ReaderState};
use secrecy::SecretString;

use super::{CardBackend, CardError, Inventory, PresentCard};

/// Return values of the vendor's module beyond the standard: wrong PIN, this many tries
/// left.
const ONE_TRY_LEFT: u64 = 0x8000_0001;
const TWO_TRIES_LEFT: u64 = 0x8000_0002;
/// Objects on a token that are looked at.
const MAX_CERTIFICATES: usize = 16;

/// Tokens of one module.
pub struct Pkcs11Cards {
    module: PathBuf,
}

impl Pkcs11Cards {
    /// A module by its absolute path, checked before ([`super::modules::check`]).
    pub fn new(module: impl Into<PathBuf>) -> Self {
        Self { module: module.into() }
    }

    fn with_module<T>(
        &self,
        act: impl FnOnce(&Pkcs11) -> Result<T, CardError>,
    ) -> Result<T, CardError> {
        // Of the wrong architecture, or without a library that it needs: no card's fault.
        let unusable = |error: Error| CardError::Module(error.to_string());
        let module = Pkcs11::new(&self.module).map_err(unusable)?;
        module
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
            .map_err(unusable)?;
        let result = act(&module);
        let _ = module.finalize();
        result
    }
}

/// A certificate on a token and the CKA_ID that it shares with its key.
struct Found {
    id: Vec<u8>,
    certificate: Certificate,
}

impl CardBackend for Pkcs11Cards {
    fn look(&self) -> Result<Inventory, CardError> {
        self.with_module(|module| {
            let mut found = Inventory::default();
            let mut failed = None;
            for slot in module.get_all_slots().map_err(card_error)? {
                let info = module.get_slot_info(slot).map_err(card_error)?;
                let name = info.slot_description().to_owned();
                // A faulty token in one reader does not hide the card in another.
                let state = match (info.token_present(), present_card(module, slot, &name)) {
                    (false, _) => ReaderState::Empty,
                    (true, Ok(Some(card))) => {
                        found.cards.push(card);
                        ReaderState::Card
                    }
                    (true, Ok(None)) => ReaderState::Unknown,
                    (true, Err(CardError::InUse)) => ReaderState::InUse,
                    (true, Err(CardError::Mute | CardError::Removed)) => ReaderState::Unknown,
                    (true, Err(error)) => {
                        failed = Some(error);
                        ReaderState::Unknown
                    }
                };
                found.readers.push(Reader { name, state });
            }
            match failed {
                Some(error) if found.cards.is_empty() => Err(error),
                _ => Ok(found),
            }
        })
    }

    fn sign_info(
        &self,
        card: &PresentCard,
        pin: Option<&SecretString>,
        info: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        self.with_module(|module| {
            for slot in module.get_slots_with_token().map_err(card_error)? {
                // The card must still be the one that was listed.
                let Ok(Some(found)) = present_card(module, slot, &card.reader) else { continue };
                if found.id != card.id || found.certificate != card.certificate {
                    continue;
                }
                let session = module.open_ro_session(slot).map_err(card_error)?;
                return sign_in_session(&session, card, pin, info);
            }
            Err(CardError::Removed)
        })
    }
}

fn present_card(
    module: &Pkcs11,
    slot: Slot,
    reader: &str,
) -> Result<Option<PresentCard>, CardError> {
    let token = module.get_token_info(slot).map_err(card_error)?;
    if !token.token_initialized() {
        return Ok(None);
    }
    let session = module.open_ro_session(slot).map_err(card_error)?;
    let (signing, others): (Vec<_>, Vec<_>) = certificates(&session)?
        .into_iter()
        .partition(|found| found.certificate.check_may_sign().is_ok());
    let Some(signing) = signing.into_iter().next() else { return Ok(None) };
    let tries_left = if token.user_pin_locked() {
        Some(0)
    } else if token.user_pin_final_try() {
        Some(1)
    } else {
        None
    };
    let number = token.serial_number().to_owned();
    Ok(Some(PresentCard {
        id: format!("{number}:{}", hex::encode(&signing.id)),
        reader: reader.to_owned(),
        number,
        certificate: signing.certificate,
        chain: others.into_iter().map(|found| found.certificate).collect(),
        tries_left,
        pin_pad: token.protected_authentication_path(),
    }))
}

fn certificates(session: &Session) -> Result<Vec<Found>, CardError> {
    let template = [Attribute::Class(ObjectClass::CERTIFICATE)];
    let mut found = Vec::new();
    for object in
        session.find_objects(&template).map_err(card_error)?.into_iter().take(MAX_CERTIFICATES)
    {
        let attributes = session
            .get_attributes(object, &[AttributeType::Id, AttributeType::Value])
            .map_err(card_error)?;
        let (mut id, mut value) = (Vec::new(), Vec::new());
        for attribute in attributes {
            match attribute {
                Attribute::Id(bytes) => id = bytes,
                Attribute::Value(bytes) => value = bytes,
                _ => (),
            }
        }
        // What is on a card is hostile input: a certificate that cannot be read is none.
        if let Ok(certificate) = Certificate::from_der(&value) {
            found.push(Found { id, certificate });
        }
    }
    Ok(found)
}

fn sign_in_session(
    session: &Session,
    card: &PresentCard,
    pin: Option<&SecretString>,
    block: &[u8],
) -> Result<Vec<u8>, CardError> {
    let id = card.id.rsplit(':').next().and_then(|id| hex::decode(id).ok()).unwrap_or_default();
    session.login(UserType::User, pin).map_err(card_error)?;
    let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(id)];
    let keys = session.find_objects(&template).map_err(card_error)?;
    let [key] = keys[..] else {
        return Err(CardError::Failed(format!("{} keys for the certificate", keys.len())));
    };
    let always = session
        .get_attributes(key, &[AttributeType::AlwaysAuthenticate])
        .is_ok_and(|found| matches!(found[..], [Attribute::AlwaysAuthenticate(true)]));
    let signature = if always {
        session.sign_init(&Mechanism::RsaPkcs, key).map_err(card_error)?;
        session.login(UserType::ContextSpecific, pin).map_err(card_error)?;
        session.sign_update(block).and_then(|()| session.sign_final())
    } else {
        session.sign(&Mechanism::RsaPkcs, key, block)
    };
    let _ = session.logout();
    signature.map_err(card_error)
}

fn card_error(error: Error) -> CardError {
    let Error::Pkcs11(value, _) = error else { return CardError::Failed(error.to_string()) };
    match value {
        RvError::PinIncorrect => CardError::WrongPin { tries_left: None },
        RvError::PinLenRange => CardError::PinLength,
        RvError::PinLocked => CardError::Locked,
        RvError::FunctionCanceled => CardError::Cancelled,
        RvError::TokenNotPresent | RvError::DeviceRemoved | RvError::SlotIdInvalid => {
            CardError::Removed
        }
        RvError::TokenNotRecognized => CardError::Mute,
        #[allow(clippy::useless_conversion, reason = "of 32 bits elsewhere, or extended by sign")]
        RvError::VendorDefined(value) => match u64::from(value) & 0xffff_ffff {
            ONE_TRY_LEFT => CardError::WrongPin { tries_left: Some(1) },
            TWO_TRIES_LEFT => CardError::WrongPin { tries_left: Some(2) },
            other => CardError::Failed(format!("the module's code {other:#x}")),
        },
        other => CardError::Failed(other.to_string()),
    }
}
