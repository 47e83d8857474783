//! Messages between a page and the reader bridge, version 2: JSON over HTTP on the
//! loopback address. A closed set of commands; no message carries a PIN, a hash to
//! sign, or a path.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /v1/status` | – | [`Status`] |
//! | `POST /v1/pair/begin` | [`PairBegin`] | [`PairOffer`] |
//! | `POST /v1/pair/reveal` | [`PairReveal`] | [`PairRevealed`] |
//! | `POST /v1/pair/confirm` | [`PairConfirm`] | [`Paired`] |
//! | `POST /v1/hello` | [`Hello`] | [`HelloAnswer`] |
//! | `POST /v1/cards` | [`ListCards`] | [`Cards`] |
//! | `POST /v1/changes` | [`Changes`] | [`Changes`] |
//! | `POST /v1/sign` | [`SignRequest`] | [`Signed`] |
//!
//! Anything else, and anything that fails, is a [`Failure`]. Only the status and pairing
//! are open to a site that the person has not allowed.

use serde::{Deserialize, Serialize};

/// The version of these messages.
pub const PROTOCOL_VERSION: u32 = 2;

/// The bridge's port, where nothing else is configured.
pub const DEFAULT_PORT: u16 = 31161;

/// That a bridge is running, and nothing more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Always `chayan-bridge`.
    pub product: String,
    /// The bridge's version.
    pub version: String,
    /// [`PROTOCOL_VERSION`].
    pub protocol: u32,
}

/// Begins a pairing: the person shall see the same code on the page and in the bridge's
/// window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairBegin {}

/// The bridge's offer. It is bound to its nonce before it learns the page's, so that
/// nobody in between can search for a code that fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PairOffer {
    /// Names this pairing.
    pub pairing: String,
    /// The bridge's key for this site: an uncompressed point of P-256, Base64.
    pub key: String,
    /// SHA-256 of the bridge's nonce, hexadecimal.
    pub commitment: String,
}

/// The page's nonce.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PairReveal {
    /// [`PairOffer::pairing`].
    pub pairing: String,
    /// 32 random bytes, hexadecimal.
    pub nonce: String,
}

/// The bridge's nonce: now both sides know the code ([`pairing_code`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairRevealed {
    /// 32 random bytes, hexadecimal.
    pub nonce: String,
}

/// Opens the bridge's window with the code, and waits for the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PairConfirm {
    /// [`PairOffer::pairing`].
    pub pairing: String,
}

/// The site may ask from now on; the page keeps the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paired {}

/// Asks the bridge to show that it is the one that was paired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// 32 random bytes, hexadecimal.
    pub nonce: String,
}

/// The proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloAnswer {
    /// The bridge's version.
    pub version: String,
    /// [`PROTOCOL_VERSION`].
    pub protocol: u32,
    /// ECDSA with P-256 and SHA-256 over [`hello_text`], r and s of 32 bytes each, Base64.
    pub signature: String,
}

/// The six digits that page and window show: of SHA-256 over site, key and both nonces.
pub fn pairing_code(origin: &str, key: &str, page_nonce: &str, bridge_nonce: &str) -> String {
    let text = format!("chayan-bridge pair\n{origin}\n{key}\n{page_nonce}\n{bridge_nonce}");
    let digest = pki::Fingerprint::of(text.as_bytes()).0;
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) % 1_000_000;
    format!("{number:06}")
}

/// What a bridge signs to show who it is.
pub fn hello_text(origin: &str, nonce: &str) -> String {
    format!("chayan-bridge hello\n{origin}\n{nonce}")
}

/// Asks for the cards in the readers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListCards {}

/// Asks to be told when a reader or card comes or goes, and tells it: an opaque word for
/// the state, empty at first. The answer comes at once when the state is another, else
/// when it changes, or after half a minute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// The state that is known.
    pub seen: String,
}

/// The cards in the readers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cards {
    /// In the order of the readers.
    pub cards: Vec<Card>,
    /// Every reader, with a card or without.
    pub readers: Vec<Reader>,
    /// What kept a part of the readers from being looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<FailureCode>,
}

/// A reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reader {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub state: ReaderState,
}

/// What is in a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReaderState {
    /// Nothing.
    Empty,
    /// A card that does not answer: often upside down.
    Mute,
    /// A card that another program holds.
    InUse,
    /// A card, but none that can sign here.
    Unknown,
    /// A certificate card by what it says of itself, which nothing here can read.
    NeedsDriver,
    /// A card that can sign.
    Card,
}

/// A card that can sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// Names the card in a [`SignRequest`]; changes when another card is inserted.
    pub id: String,
    /// The reader it is in.
    pub reader: String,
    /// 卡號.
    pub card_number: String,
    /// What kind of card it looks like. A hint for people: the service judges.
    pub kind: CardKind,
    /// Name in the signing certificate.
    pub holder: String,
    /// 統一編號 in the signing certificate, for companies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ubn: Option<String>,
    /// The signing certificate, DER in Base64.
    pub certificate: String,
    /// PIN tries left, when the card tells: none is a locked card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries_left: Option<u8>,
}

/// Kinds of cards, as far as a bridge can tell them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardKind {
    /// 工商憑證, 正卡.
    Company,
    /// 工商憑證, 附卡: the service does not take it for the company.
    SecondaryCompany,
    /// 自然人憑證.
    Citizen,
    /// 機關憑證 (GCA), 團體憑證 (XCA).
    Organisation,
    /// Anything else.
    Other,
}

/// Asks for a signature. The bridge adds the origin that it verified, shows the person
/// what is asked, and builds the signed message itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignRequest {
    /// [`Card::id`].
    pub card: String,
    /// What the signature is for.
    pub purpose: pki::Purpose,
    /// The service's challenge.
    pub challenge: String,
    /// What is agreed to.
    pub document: serde_json::Value,
}

/// A finished signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signed {
    /// CMS SignedData in Base64, to be sent to the service as it is.
    pub signed_data: String,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Stable; the words are in `static/text/zh-TW.json`.
    pub code: FailureCode,
    /// PIN tries left on the card, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries_left: Option<u8>,
}

/// Codes of [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCode {
    /// The page's origin is none that may ask, or the request did not come to this
    /// computer's loopback address by name.
    OriginRefused,
    /// The bridge is another person's, who uses this computer as well.
    OtherPerson,
    /// The person has not allowed this site yet.
    NotPaired,
    /// The person did not allow this site.
    PairingRefused,
    /// Not a command of this protocol.
    MalformedRequest,
    /// Another command is being carried out, and enough are waiting.
    Busy,
    /// Too many windows were opened in vain for this site.
    TooManyRequests,
    /// The reader service of the system is not running.
    NoReaderService,
    /// The system does not let this person use the readers.
    ReaderDenied,
    /// No reader is plugged in.
    NoReader,
    /// The card named is not there.
    NoCard,
    /// The card does not answer.
    CardMute,
    /// Another program holds the card.
    CardInUse,
    /// The card was removed or changed meanwhile.
    CardRemoved,
    /// The person cancelled.
    PinCancelled,
    /// The PIN was wrong.
    PinWrong,
    /// The PIN is shorter or longer than any PIN, or has characters that no card takes; the
    /// card was not asked.
    PinLength,
    /// The card is locked.
    PinLocked,
    /// No window to ask for the PIN could be opened.
    PinPromptUnavailable,
    /// The card's module cannot be loaded, crashed, or answered nonsense.
    ModuleFailed,
    /// Card or module did not answer in time.
    TimedOut,
    /// The reader, the card or its module failed.
    Failed,
}

impl FailureCode {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::OriginRefused,
        Self::OtherPerson,
        Self::NotPaired,
        Self::PairingRefused,
        Self::MalformedRequest,
        Self::Busy,
        Self::TooManyRequests,
        Self::NoReaderService,
        Self::ReaderDenied,
        Self::NoReader,
        Self::NoCard,
        Self::CardMute,
        Self::CardInUse,
        Self::CardRemoved,
        Self::PinCancelled,
        Self::PinWrong,
        Self::PinLength,
        Self::PinLocked,
        Self::PinPromptUnavailable,
        Self::ModuleFailed,
        Self::TimedOut,
        Self::Failed,
    ];

    /// The HTTP status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::OriginRefused
            | Self::OtherPerson
            | Self::NotPaired
            | Self::PairingRefused
            | Self::ReaderDenied => 403,
            Self::MalformedRequest => 400,
            Self::Busy | Self::CardInUse => 409,
            Self::TooManyRequests => 429,
            Self::NoReaderService | Self::NoReader | Self::NoCard | Self::CardRemoved => 404,
            Self::CardMute
            | Self::PinCancelled
            | Self::PinWrong
            | Self::PinLength
            | Self::PinLocked => 422,
            Self::PinPromptUnavailable | Self::ModuleFailed | Self::Failed => 500,
            Self::TimedOut => 504,
        }
    }
}

impl From<FailureCode> for Failure {
    fn from(code: FailureCode) -> Self {
        Self { code, tries_left: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_with_a_pin_is_not_a_request() {
        let good = serde_json::json!({
            "card": "c", "purpose": "apply", "challenge": "x", "document": {}
        });
        assert!(serde_json::from_value::<SignRequest>(good.clone()).is_ok());
        for extra in ["pin", "hash", "tbs", "module"] {
            let mut bad = good.clone();
            bad[extra] = "1".into();
            assert!(serde_json::from_value::<SignRequest>(bad).is_err(), "{extra}");
        }
    }
}
