//! 憑證上傳 (figures 9 to 12): the certificate of the calling system, effective at once.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pki::revocation::RevocationSource;
use pki::{SigningInput, TrustStore, UploadError, UploadedCertificate, VerifiedSignature};
use serde::{Deserialize, Serialize};

use crate::application::{agreement, reason};
use crate::field::FieldError;
use crate::{
    Agreement, ApplyError, Case, CaseKind, CaseState, Code, Coded, SubmissionContext, Ubn,
};

/// The signed document of an upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateUploadDraft {
    /// Always `certificate-upload`.
    pub kind: CaseKind,
    /// 營利事業統一編號.
    pub ubn: Ubn,
    /// 使用目的/原因.
    pub reason: String,
    /// The file as chosen, in Base64.
    pub certificate_file: String,
    /// What was agreed to.
    pub agreed: Option<Agreement>,
    /// Proof that the system holds the key, when the applicant gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub possession: Option<PossessionProof>,
}

/// A signature by the certificate's key over [`possession_text`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PossessionProof {
    /// The challenge, as it was issued.
    pub challenge: String,
    /// RSASSA-PKCS1-v1_5 with SHA-256, Base64.
    pub signature: String,
}

/// How long a possession challenge may be used, in seconds: the key may be with other
/// people than the card.
pub const POSSESSION_LIFETIME: i64 = 7 * 24 * 3600;

/// What a system's key signs to show that it is there: one line, so that a shell can
/// hand it to OpenSSL.
pub fn possession_text(origin: &str, ubn: Ubn, challenge: &str) -> String {
    format!("chayan-possession/1 {origin} {ubn} {challenge}")
}

/// An accepted upload, ready to be kept.
#[derive(Clone, Debug)]
pub struct CertificateUpload {
    /// The new case, 上傳成功.
    pub case: Case,
    /// 使用目的/原因.
    pub reason: String,
    /// The texts agreed to.
    pub agreed: Agreement,
    /// The certificate.
    pub certificate: UploadedCertificate,
    /// The proof of possession, verified; its challenge is yet to be used up.
    pub possession: Option<PossessionProof>,
    /// The name in the certificate that signed.
    pub signer_name: String,
}

/// Why an upload was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadRefused {
    /// For a reason that any application could have.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Because of the file.
    #[error(transparent)]
    File(#[from] UploadError),
    /// The certificate is another company's.
    #[error("the certificate is another company's")]
    ForeignUbn,
    /// The proof of possession was not made with the certificate's key.
    #[error("the proof of possession does not verify")]
    Possession,
}

impl Coded for UploadRefused {
    fn code(&self) -> Code {
        match self {
            Self::Apply(source) => source.code(),
            Self::File(source) => source.code(),
            Self::ForeignUbn => Code::UploadForeignUbn,
            Self::Possession => Code::PossessionInvalid,
        }
    }

    fn fields(&self) -> &[FieldError] {
        match self {
            Self::Apply(source) => source.fields(),
            _ => &[],
        }
    }
}

/// Accepts an upload: the form, the card, the standing, and the certificate itself.
///
/// # Errors
/// [`UploadRefused`].
pub fn accept_upload(
    proof: &VerifiedSignature,
    input: &SigningInput,
    context: &SubmissionContext,
    trust: &TrustStore,
    revocation: &impl RevocationSource,
) -> Result<CertificateUpload, UploadRefused> {
    let draft = CertificateUploadDraft::deserialize(&input.document)
        .ok()
        .filter(|draft| draft.kind == CaseKind::CertificateUpload)
        .ok_or(ApplyError::Document)?;
    let mut errors = Vec::new();
    let reason =
        reason(&draft.reason).map_err(|problem| errors.push(FieldError::at("reason", problem)));
    let agreed = agreement(draft.agreed.as_ref())
        .map_err(|problem| errors.push(FieldError::at("agreed", problem)));
    let (Ok(reason), Ok(agreed)) = (reason, agreed) else {
        return Err(ApplyError::Fields(errors).into());
    };
    // What is kept and shown must be what was signed, to the letter.
    let again = CertificateUploadDraft { reason: reason.clone(), ..draft.clone() };
    if serde_json::to_value(&again).ok().as_ref() != Some(&input.document) {
        return Err(ApplyError::ContentDiffers.into());
    }
    context.admit(proof, draft.ubn, CaseKind::CertificateUpload)?;
    let file = BASE64_STANDARD
        .decode(&draft.certificate_file)
        .map_err(|_| UploadError::NotACertificate)?;
    let certificate =
        trust.verify_uploaded(pki::read_certificate_file(&file)?, revocation, context.now)?;
    if certificate.credential().ubn.as_deref() != Some(draft.ubn.as_str()) {
        return Err(UploadRefused::ForeignUbn);
    }
    if let Some(proof) = &draft.possession {
        let text = possession_text(&input.origin, draft.ubn, &proof.challenge);
        // OpenSSL breaks lines where it was not told otherwise.
        let base64: String = proof.signature.split_ascii_whitespace().collect();
        let signature = BASE64_STANDARD.decode(base64).map_err(|_| UploadRefused::Possession)?;
        certificate
            .key()
            .verify_sha256(text.as_bytes(), &signature)
            .map_err(|_| UploadRefused::Possession)?;
    }
    let case = context.case(draft.ubn, CaseKind::CertificateUpload, CaseState::Uploaded);
    let signer_name = proof.credential().name.clone();
    let possession = draft.possession;
    Ok(CertificateUpload { case, reason, agreed, certificate, possession, signer_name })
}
