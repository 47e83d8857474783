//! What a card signs: a document together with who asked for it, what for, and the
//! service's single-use challenge.
//!
//! The canonical bytes are RFC 8785 JSON. The bridge builds them with the origin that
//! it verified itself; the service builds the bytes that it expects and compares. A
//! signature made for one origin, purpose or challenge is worth nothing for another.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The first member of every signing input: separates these signatures from every
/// other use of the card.
pub const SIGNING_INPUT_FORMAT: &str = "chayan-signing-input/1";

/// What a signature is for. Each purpose has its own words in the PIN window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Sign in to the service.
    SignIn,
    /// Send an application (API申請, 登錄資料修改, API停用).
    Apply,
    /// Upload a certificate (憑證上傳).
    UploadCertificate,
    /// Unlock the suspension of a card by 用戶代碼 after three wrong ones.
    UnlockCard,
    /// The first of two cards of a visit: the organisation's.
    ConfirmOrganisation,
    /// The second of two cards of a visit: the manager's.
    ConfirmManager,
    /// 查詢機關憑證OID.
    FindOrganisation,
    /// 查詢自然人憑證序號.
    FindSerial,
    /// A handler proves an invitation with the own card.
    AcceptInvitation,
    /// A handler puts the renewed card in the former one's place.
    RenewHandler,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 10] = [
        Self::SignIn,
        Self::Apply,
        Self::UploadCertificate,
        Self::UnlockCard,
        Self::ConfirmOrganisation,
        Self::ConfirmManager,
        Self::FindOrganisation,
        Self::FindSerial,
        Self::AcceptInvitation,
        Self::RenewHandler,
    ];

    /// The name on the wire and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Apply => "apply",
            Self::UploadCertificate => "upload-certificate",
            Self::UnlockCard => "unlock-card",
            Self::ConfirmOrganisation => "confirm-organisation",
            Self::ConfirmManager => "confirm-manager",
            Self::FindOrganisation => "find-organisation",
            Self::FindSerial => "find-serial",
            Self::AcceptInvitation => "accept-invitation",
            Self::RenewHandler => "renew-handler",
        }
    }

    /// The words shown to the person before the PIN is typed.
    pub fn title(self) -> &'static str {
        match self {
            Self::SignIn => "登入",
            Self::Apply => "簽署並送出申請案件",
            Self::UploadCertificate => "簽署並上傳憑證",
            Self::UnlockCard => "解除用戶代碼鎖定",
            Self::ConfirmOrganisation => "第1步，共2步：確認機關憑證",
            Self::ConfirmManager => "第2步，共2步：確認授權管理者自然人憑證",
            Self::FindOrganisation => "查詢機關憑證OID",
            Self::FindSerial => "查詢自然人憑證序號",
            Self::AcceptInvitation => "接受授權經辦人的指派",
            Self::RenewHandler => "更新授權經辦人的自然人憑證",
        }
    }
}

/// The content of a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SigningInput {
    format: String,
    /// Origin of the page that asked: scheme, host and port.
    pub origin: String,
    /// What the signature is for.
    pub purpose: Purpose,
    /// The service's challenge, as it was issued.
    pub challenge: String,
    /// What is agreed to. For a sign-in, the number typed.
    pub document: Value,
}

impl SigningInput {
    /// A signing input of the current format.
    pub fn new(
        origin: impl Into<String>,
        purpose: Purpose,
        challenge: impl Into<String>,
        document: Value,
    ) -> Self {
        Self {
            format: SIGNING_INPUT_FORMAT.to_owned(),
            origin: origin.into(),
            purpose,
            challenge: challenge.into(),
            document,
        }
    }

    /// Reads signed content; `None` when it is not the canonical form of a signing input.
    pub fn from_canonical(bytes: &[u8]) -> Option<Self> {
        let input: Self = serde_json::from_slice(bytes).ok()?;
        (input.format == SIGNING_INPUT_FORMAT && input.canonical()? == bytes).then_some(input)
    }

    /// The bytes to sign (RFC 8785). `None` only for numbers that JSON cannot express.
    pub fn canonical(&self) -> Option<Vec<u8>> {
        serde_json_canonicalizer::to_vec(self).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input() -> SigningInput {
        let document = serde_json::json!({"統編": "12345675", "a": [1, "é"]});
        SigningInput::new("http://127.0.0.1:3000", Purpose::Apply, "c", document)
    }

    #[test]
    fn canonical_bytes_come_back() {
        let bytes = input().canonical().unwrap();
        assert!(bytes.starts_with(b"{\"challenge\":\"c\""));
        assert_eq!(SigningInput::from_canonical(&bytes).unwrap(), input());
    }

    #[test]
    fn any_other_spelling_is_refused() {
        let text = String::from_utf8(input().canonical().unwrap()).unwrap();
        for other in [
            text.replacen('{', "{ ", 1),
            text.replace("/1\"", "/2\""),
            text.replacen('{', "{\"extra\":1,", 1),
            text.replace('é', "\\u00e9"),
            text.replace("\"apply\"", "\"sign-in\",\"purpose\":\"apply\""),
            String::new(),
        ] {
            assert!(SigningInput::from_canonical(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[test]
    fn purposes_are_named_as_they_are_written() {
        for purpose in Purpose::ALL {
            assert_eq!(serde_json::json!(purpose), purpose.name());
        }
        let titles = Purpose::ALL.map(Purpose::title);
        assert_eq!(titles[..3], ["登入", "簽署並送出申請案件", "簽署並上傳憑證"]);
        // Each has words of its own: the window says which step it is.
        let different: std::collections::HashSet<_> = titles.into_iter().collect();
        assert_eq!(different.len(), Purpose::ALL.len());
    }
}
