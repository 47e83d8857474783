//! Cards, behind one trait: demo cards, PKCS#11 tokens and PIV cards.

pub mod demo;
pub mod modules;
pub mod pcsc;
pub mod piv;
pub mod pkcs11;

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pki::{CardRank, Certificate, SubjectType};
use protocol::{Card, CardKind, Failure, FailureCode, Reader};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// Where cards are looked for. Each is looked at in a process of its own (`crate::worker`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardSource {
    /// A folder of demo cards.
    Demo(PathBuf),
    /// A PKCS#11 module, by absolute path.
    Module(PathBuf),
    /// PIV cards in the readers of the system.
    Piv,
}

impl CardSource {
    /// The source, ready to be asked.
    ///
    /// # Errors
    /// [`CardError::Module`] for a module that must not be loaded.
    pub fn open(&self) -> Result<Box<dyn CardBackend>, CardError> {
        Ok(match self {
            Self::Demo(folder) => Box::new(demo::DemoCards::new(folder)),
            Self::Module(path) => {
                modules::check(path).map_err(CardError::Module)?;
                Box::new(pkcs11::Pkcs11Cards::new(path))
            }
            Self::Piv => Box::new(piv::PivCards),
        })
    }

    /// Whether every card of this source is a demo card. Only then may the PIN be answered
    /// by a command-line option.
    pub fn is_demo(&self) -> bool {
        matches!(self, Self::Demo(_))
    }
}

/// A card that can sign, as a backend sees it.
#[derive(Clone, Debug)]
pub struct PresentCard {
    /// Names this very card among those of its source.
    pub id: String,
    /// The reader.
    pub reader: String,
    /// 卡號.
    pub number: String,
    /// The certificate whose key signs, chosen by key usage.
    pub certificate: Certificate,
    /// Further certificates on the card: a hint for the path.
    pub chain: Vec<Certificate>,
    /// Tries left before the PIN is locked, when the card tells.
    pub tries_left: Option<u8>,
    /// Whether the PIN is typed on the reader's own keys.
    pub pin_pad: bool,
}

/// What a source has in its readers.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Cards that can sign.
    pub cards: Vec<PresentCard>,
    /// Every reader, as far as the source knows them.
    pub readers: Vec<Reader>,
}

/// Why a card did not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// The reader service of the system is not running.
    #[error("the reader service is not running")]
    NoService,
    /// The system does not let this person use the readers.
    #[error("the readers are not this person's to use")]
    Denied,
    /// The reader is not there, or no longer.
    #[error("the reader is gone")]
    NoReader,
    /// The card is not there, or no longer.
    #[error("the card is gone")]
    Removed,
    /// The card does not answer.
    #[error("the card does not answer")]
    Mute,
    /// Another program holds the card.
    #[error("another program holds the card")]
    InUse,
    /// The PIN was wrong.
    #[error("wrong PIN")]
    WrongPin {
        /// Tries left, when the card tells.
        tries_left: Option<u8>,
    },
    /// The card takes no PIN of this length.
    #[error("no PIN of this length")]
    PinLength,
    /// The PIN is locked.
    #[error("the PIN is locked")]
    Locked,
    /// The person cancelled on the reader's keys.
    #[error("cancelled")]
    Cancelled,
    /// The module cannot be used at all.
    #[error("the module: {0}")]
    Module(String),
    /// The reader, card or module failed; the text never holds card data.
    #[error("{0}")]
    Failed(String),
}

impl From<CardError> for Failure {
    fn from(error: CardError) -> Self {
        match error {
            CardError::NoService => FailureCode::NoReaderService.into(),
            CardError::Denied => FailureCode::ReaderDenied.into(),
            CardError::NoReader => FailureCode::NoReader.into(),
            CardError::Removed => FailureCode::CardRemoved.into(),
            CardError::Mute => FailureCode::CardMute.into(),
            CardError::InUse => FailureCode::CardInUse.into(),
            CardError::WrongPin { tries_left } => Self { code: FailureCode::PinWrong, tries_left },
            CardError::PinLength => FailureCode::PinLength.into(),
            CardError::Locked => Self { code: FailureCode::PinLocked, tries_left: Some(0) },
            CardError::Cancelled => FailureCode::PinCancelled.into(),
            CardError::Module(_) => FailureCode::ModuleFailed.into(),
            CardError::Failed(_) => FailureCode::Failed.into(),
        }
    }
}

/// A kind of card.
pub trait CardBackend {
    /// What is in the readers now. Nothing is remembered from earlier calls.
    ///
    /// # Errors
    /// [`CardError`].
    fn look(&self) -> Result<Inventory, CardError>;

    /// Signs a DigestInfo (RFC 8017, section 9.2) with RSASSA-PKCS1-v1_5. One try of the
    /// PIN, never repeated; none for a card whose PIN is typed on the reader.
    ///
    /// # Errors
    /// [`CardError`].
    fn sign_info(
        &self,
        card: &PresentCard,
        pin: Option<&SecretString>,
        info: &[u8],
    ) -> Result<Vec<u8>, CardError>;

    /// The same over the SHA-256 of a message.
    ///
    /// # Errors
    /// [`CardError`].
    fn sign(
        &self,
        card: &PresentCard,
        pin: Option<&SecretString>,
        message: &[u8],
    ) -> Result<Vec<u8>, CardError> {
        self.sign_info(card, pin, &digest_info(message))
    }
}

impl PresentCard {
    /// The card as pages see it.
    pub fn describe(&self) -> Card {
        let holder = self.certificate.unverified_holder().ok();
        let kind = match holder.as_ref().and_then(|holder| holder.subject_type) {
            Some(SubjectType::Company | SubjectType::BusinessFirm | SubjectType::Branch) => {
                match holder.as_ref().and_then(|holder| holder.rank) {
                    Some(CardRank::Secondary) => CardKind::SecondaryCompany,
                    _ => CardKind::Company,
                }
            }
            Some(SubjectType::Citizen) => CardKind::Citizen,
            Some(SubjectType::Server) => CardKind::Other,
            _ if holder.as_ref().is_some_and(|holder| holder.organisation.is_some()) => {
                CardKind::Organisation
            }
            _ => CardKind::Other,
        };
        Card {
            id: self.id.clone(),
            reader: printable(&self.reader),
            card_number: printable(&self.number),
            kind,
            holder: holder.as_ref().map(|holder| printable(&holder.name)).unwrap_or_default(),
            ubn: holder.and_then(|holder| holder.ubn),
            certificate: BASE64_STANDARD.encode(self.certificate.der()),
            tries_left: self.tries_left,
        }
    }
}

/// Longest text of a card that is shown.
const MAX_SHOWN: usize = 60;

/// A name from a card without control and direction characters, shortened for a window.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| {
            !character.is_control()
                && !matches!(character, '\u{200b}'..='\u{200f}' | '\u{061c}' | '\u{2028}' | '\u{2029}'
                    | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        })
        .take(MAX_SHOWN)
        .collect()
}

/// DER of DigestInfo for SHA-256 up to the digest (RFC 8017, section 9.2, note 1).
const SHA_256_DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// What a card that does the padding itself is given to sign.
fn digest_info(message: &[u8]) -> Vec<u8> {
    let digest = ring::digest::digest(&ring::digest::SHA256, message);
    [&SHA_256_DIGEST_INFO[..], digest.as_ref()].concat()
}
