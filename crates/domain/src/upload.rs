//! 憑證上傳 (figures 9 to 12): the certificate of the calling system, effective at once.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jiff::civil::Date;
use pki::revocation::RevocationSource;
use pki::{
    Certificate, SigningInput, TrustStore, UploadError, UploadedCertificate, VerifiedSignature,
};
use serde::{Deserialize, Serialize};

use crate::application::{agreement, reason};
use crate::field::{FieldError, FieldProblem};
use crate::{
    Agreement, ApplyError, Case, CaseKind, CaseState, Code, Coded, SubmissionContext, TAIPEI,
    TaipeiDay, Ubn,
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
    /// The last day (Taipei) on which the former certificate is accepted beside this one;
    /// without it, the former one ends at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_until: Option<Date>,
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

/// How many days after an upload the former certificate may still be used.
pub const MAX_OVERLAP_DAYS: i64 = 90;

/// Days before its end at which the owner of a certificate is told (60 to 1).
const WARNINGS: [i64; 6] = [1, 3, 7, 14, 30, 60];

/// The warning that is due for a certificate that ends then: days before its end, the last
/// one that has been reached; 0 when it has ended.
pub fn expiry_warning(not_after: Timestamp, now: Timestamp) -> Option<i64> {
    if not_after < now {
        return Some(0);
    }
    let days = TaipeiDay::of(not_after).number() - TaipeiDay::of(now).number();
    WARNINGS.into_iter().find(|warning| days <= *warning)
}

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
    /// From when the former certificate is refused.
    pub former_ends_at: Timestamp,
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

/// The instant after the last day of the former certificate.
fn former_ends_at(last: Option<Date>, now: Timestamp) -> Result<Timestamp, FieldProblem> {
    let Some(last) = last else { return Ok(now) };
    let end = last.tomorrow().ok().and_then(|next| TAIPEI.to_timestamp(next.into()).ok());
    let end = end.filter(|end| *end > now).ok_or(FieldProblem::SwitchDate)?;
    if TaipeiDay::of(end).number() - TaipeiDay::of(now).number() > MAX_OVERLAP_DAYS + 1 {
        return Err(FieldProblem::SwitchDate);
    }
    Ok(end)
}

/// Judges a certificate that a company wants its systems' tokens verified with.
///
/// # Errors
/// [`UploadRefused::File`] and [`UploadRefused::ForeignUbn`].
pub fn judge_upload(
    certificate: Certificate,
    ubn: Ubn,
    trust: &TrustStore,
    revocation: &impl RevocationSource,
    now: Timestamp,
) -> Result<UploadedCertificate, UploadRefused> {
    let certificate = trust.verify_uploaded(certificate, revocation, now)?;
    if certificate.credential().ubn.as_deref() == Some(ubn.as_str()) {
        Ok(certificate)
    } else {
        Err(UploadRefused::ForeignUbn)
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
    let agreed = agreement(context.edition, draft.agreed.as_ref())
        .map_err(|problem| errors.push(FieldError::at("agreed", problem)));
    let former_ends_at = former_ends_at(draft.former_until, context.now)
        .map_err(|problem| errors.push(FieldError::at("formerUntil", problem)));
    let (Ok(reason), Ok(agreed), Ok(former_ends_at)) = (reason, agreed, former_ends_at) else {
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
    let certificate = pki::read_certificate_file(&file)?;
    let certificate = judge_upload(certificate, draft.ubn, trust, revocation, context.now)?;
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
    Ok(CertificateUpload {
        case,
        reason,
        former_ends_at,
        agreed,
        certificate,
        possession,
        signer_name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_due_at_60_30_14_7_3_and_1_days() {
        let end: Timestamp = "2026-11-30T23:59:59+08:00".parse().unwrap();
        for (day, due) in [
            ("2026-09-30", None),
            ("2026-10-01", Some(60)),
            ("2026-10-30", Some(60)),
            ("2026-10-31", Some(30)),
            ("2026-11-16", Some(14)),
            ("2026-11-23", Some(7)),
            ("2026-11-26", Some(7)),
            ("2026-11-27", Some(3)),
            ("2026-11-29", Some(1)),
            ("2026-11-30", Some(1)),
            ("2026-12-01", Some(0)),
        ] {
            let now = format!("{day}T00:00:00+08:00").parse().unwrap();
            assert_eq!(expiry_warning(end, now), due, "{day}");
        }
    }

    #[test]
    fn the_former_certificate_ends_with_its_last_day_in_taipei() {
        let now: Timestamp = "2026-11-21T15:00:00+08:00".parse().unwrap();
        let ends = |day: &str| former_ends_at(Some(day.parse().unwrap()), now);
        assert_eq!(former_ends_at(None, now), Ok(now));
        assert_eq!(ends("2026-11-21"), Ok("2026-11-22T00:00:00+08:00".parse().unwrap()));
        assert_eq!(ends("2026-11-20"), Err(FieldProblem::SwitchDate));
        assert!(ends("2027-02-19").is_ok());
        assert_eq!(ends("2027-02-20"), Err(FieldProblem::SwitchDate));
    }
}
