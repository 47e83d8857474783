//! Cards behind a PKCS#11 module (the vendor's, OpenSC's, or one that is configured).
//!
//! The module is loaded for each command and given up afterwards, so that readers
//! plugged in meanwhile are seen. Certificates are chosen by key usage, keys by CKA_ID,
//! never by position or label.

use std::path::PathBuf;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use pki::Certificate;
use ring::digest;
use secrecy::SecretString;

use super::{CardBackend, CardError, PresentCard};

/// DER of DigestInfo for SHA-256 up to the digest (RFC 8017, section 9.2, note 1).
const SHA_256_DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// Tokens of one module.
pub struct Pkcs11Cards {
    module: PathBuf,
}

impl Pkcs11Cards {
    /// A module by its absolute path; a relative one could be planted.
    ///
    /// # Errors
    /// A sentence for the person who configured it.
    pub fn new(module: PathBuf) -> Result<Self, String> {
        if module.is_absolute() && module.is_file() {
            Ok(Self { module })
        } else {
            Err(format!("{} is not an absolute path to a module", module.display()))
        }
    }

    fn with_module<T>(
        &self,
        act: impl FnOnce(&Pkcs11) -> Result<T, CardError>,
    ) -> Result<T, CardError> {
        let module = Pkcs11::new(&self.module).map_err(card_error)?;
        module
            .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
            .map_err(card_error)?;
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
    fn cards(&self) -> Result<Vec<PresentCard>, CardError> {
        self.with_module(|module| {
            let slots = module.get_slots_with_initialized_token().map_err(card_error)?;
            // A faulty token in one reader does not hide the card in another.
            let found: Vec<_> = slots.into_iter().map(|slot| present_card(module, slot)).collect();
            if found.iter().all(Result::is_err)
                && let Some(Err(error)) = found.first()
            {
                return Err(error.clone());
            }
            Ok(found.into_iter().filter_map(Result::ok).flatten().collect())
        })
    }

    fn sign(
        &self,
        card: &PresentCard,
        pin: &SecretString,
        message: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        let digest = digest::digest(&digest::SHA256, message);
        let block = [&SHA_256_DIGEST_INFO[..], digest.as_ref()].concat();
        self.with_module(|module| {
            for slot in module.get_slots_with_initialized_token().map_err(card_error)? {
                // The card must still be the one that was listed.
                let Ok(Some(found)) = present_card(module, slot) else { continue };
                if found.id != card.id || found.certificate != card.certificate {
                    continue;
                }
                let session = module.open_ro_session(slot).map_err(card_error)?;
                return sign_in_session(&session, card, pin, &block);
            }
            Err(CardError::Removed)
        })
    }
}

fn present_card(module: &Pkcs11, slot: Slot) -> Result<Option<PresentCard>, CardError> {
    let token = module.get_token_info(slot).map_err(card_error)?;
    let reader = module.get_slot_info(slot).map_err(card_error)?.slot_description().to_owned();
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
        id: format!("pkcs11:{number}:{}", hex::encode(&signing.id)),
        reader,
        number,
        certificate: signing.certificate,
        chain: others.into_iter().map(|found| found.certificate).collect(),
        tries_left,
    }))
}

fn certificates(session: &Session) -> Result<Vec<Found>, CardError> {
    let template = [Attribute::Class(ObjectClass::CERTIFICATE)];
    let mut found = Vec::new();
    for object in session.find_objects(&template).map_err(card_error)? {
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
    pin: &SecretString,
    block: &[u8],
) -> Result<Vec<u8>, CardError> {
    let id = card.id.rsplit(':').next().and_then(|id| hex::decode(id).ok()).unwrap_or_default();
    session.login(UserType::User, Some(pin)).map_err(card_error)?;
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
        session.login(UserType::ContextSpecific, Some(pin)).map_err(card_error)?;
        session.sign_update(block).and_then(|()| session.sign_final())
    } else {
        session.sign(&Mechanism::RsaPkcs, key, block)
    };
    let _ = session.logout();
    signature.map_err(card_error)
}

fn card_error(error: Error) -> CardError {
    match error {
        Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange, _) => {
            CardError::WrongPin { tries_left: None }
        }
        Error::Pkcs11(RvError::PinLocked, _) => CardError::Locked,
        Error::Pkcs11(
            RvError::TokenNotPresent | RvError::DeviceRemoved | RvError::SlotIdInvalid,
            _,
        ) => CardError::Removed,
        other => CardError::Failed(other.to_string()),
    }
}
