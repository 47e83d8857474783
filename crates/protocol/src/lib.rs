//! Messages between a page and the reader bridge, version 1: JSON over HTTP on the
//! loopback address. A closed set of commands; no message carries a PIN, a hash to
//! sign, or a path.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /v1/status` | – | [`Status`] |
//! | `POST /v1/cards` | [`ListCards`] | [`Cards`] |
//! | `POST /v1/sign` | [`SignRequest`] | [`Signed`] |
//!
//! Anything else, and anything that fails, is a [`Failure`].

use serde::{Deserialize, Serialize};

/// The version of these messages.
pub const PROTOCOL_VERSION: u32 = 1;

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

/// Asks for the cards in the readers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListCards {}

/// The cards in the readers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cards {
    /// In no particular order.
    pub cards: Vec<Card>,
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
}

/// Kinds of cards, as far as a bridge can tell them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardKind {
    /// 工商憑證.
    Company,
    /// 自然人憑證.
    Citizen,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCode {
    /// The page's origin is not allowed, or the request did not come to this computer's
    /// loopback address by name.
    OriginRefused,
    /// Not a command of this protocol.
    MalformedRequest,
    /// Another command is being carried out.
    Busy,
    /// The card named is not there.
    NoCard,
    /// The card was removed or changed meanwhile.
    CardRemoved,
    /// The person cancelled.
    PinCancelled,
    /// The PIN was wrong.
    PinWrong,
    /// The card is locked.
    PinLocked,
    /// No window to ask for the PIN could be opened.
    PinPromptUnavailable,
    /// The reader, the card or its module failed.
    Failed,
}

impl FailureCode {
    /// The HTTP status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::OriginRefused => 403,
            Self::MalformedRequest => 400,
            Self::Busy => 409,
            Self::NoCard | Self::CardRemoved => 404,
            Self::PinCancelled | Self::PinWrong | Self::PinLocked => 422,
            Self::PinPromptUnavailable | Self::Failed => 500,
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
