//! Cards, behind one trait: demo cards and PKCS#11 tokens.

pub mod demo;
pub mod pkcs11;

use pki::{Certificate, SubjectType};
use protocol::{Card, CardKind, Failure, FailureCode};
use secrecy::SecretString;

/// A card that can sign, as a backend sees it.
#[derive(Clone, Debug)]
pub struct PresentCard {
    /// Names this very card in this very reader.
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
}

/// Why a card did not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// The card is not there, or no longer.
    #[error("the card is gone")]
    Removed,
    /// The PIN was wrong.
    #[error("wrong PIN")]
    WrongPin {
        /// Tries left, when the card tells.
        tries_left: Option<u8>,
    },
    /// The PIN is locked.
    #[error("the PIN is locked")]
    Locked,
    /// The reader, card or module failed; the text never holds card data.
    #[error("{0}")]
    Failed(String),
}

impl From<CardError> for Failure {
    fn from(error: CardError) -> Self {
        match error {
            CardError::Removed => FailureCode::CardRemoved.into(),
            CardError::WrongPin { tries_left } => Self { code: FailureCode::PinWrong, tries_left },
            CardError::Locked => Self { code: FailureCode::PinLocked, tries_left: Some(0) },
            CardError::Failed(_) => FailureCode::Failed.into(),
        }
    }
}

/// A kind of card.
pub trait CardBackend: Send + Sync {
    /// The cards that are there now. Nothing is remembered from earlier calls.
    ///
    /// # Errors
    /// [`CardError::Failed`].
    fn cards(&self) -> Result<Vec<PresentCard>, CardError>;

    /// Signs with RSASSA-PKCS1-v1_5 and SHA-256. One try of the PIN, never repeated.
    ///
    /// # Errors
    /// [`CardError`].
    fn sign(
        &self,
        card: &PresentCard,
        pin: &SecretString,
        message: &[u8],
    ) -> Result<Vec<u8>, CardError>;

    /// Whether every card of this backend is a demo card. Only then may the PIN be
    /// answered by a command-line option.
    fn is_demo(&self) -> bool {
        false
    }
}

impl PresentCard {
    /// The card as pages see it.
    pub fn describe(&self) -> Card {
        use base64::Engine;
        let holder = self.certificate.unverified_holder().ok();
        let kind = match holder.as_ref().and_then(|holder| holder.subject_type) {
            Some(SubjectType::Company | SubjectType::BusinessFirm | SubjectType::Branch) => {
                CardKind::Company
            }
            Some(SubjectType::Citizen) => CardKind::Citizen,
            _ => CardKind::Other,
        };
        Card {
            id: self.id.clone(),
            reader: self.reader.clone(),
            card_number: self.number.clone(),
            kind,
            holder: holder.as_ref().map(|holder| printable(&holder.name)).unwrap_or_default(),
            ubn: holder.and_then(|holder| holder.ubn),
            certificate: base64::prelude::BASE64_STANDARD.encode(self.certificate.der()),
        }
    }
}

/// A name from a card without control and direction characters, shortened for a window.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| {
            !character.is_control()
                && !matches!(character, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}' | '\u{2029}'
                    | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        })
        .take(60)
        .collect()
}
