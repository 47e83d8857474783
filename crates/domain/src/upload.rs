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
}

impl Coded for UploadRefused {
    fn code(&self) -> Code {
        match self {
            Self::Apply(source) => source.code(),
            Self::File(source) => source.code(),
            Self::ForeignUbn => Code::UploadForeignUbn,
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
    let case = context.case(draft.ubn, CaseKind::CertificateUpload, CaseState::Uploaded);
    let signer_name = proof.credential().name.clone();
    Ok(CertificateUpload { case, reason, agreed, certificate, signer_name })
}
