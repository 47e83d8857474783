//! From a judged signature to a case (requirements A4 to A10).

use jiff::Timestamp;
use pki::{Purpose, SigningInput, VerifiedSignature};
use serde::{Deserialize, Serialize};

use crate::sign_in::{SignInError, company_number};
use crate::{
    AddressPolicy, Application, ApplicationDraft, Case, CaseId, CaseKind, CaseState, Code, Coded,
    Edition, FieldError, FieldProblem, Organisation, Standing, Ubn,
};

/// Why an application was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Signed for another origin or purpose, or not a signing input at all.
    #[error("signed for another site or purpose")]
    SignedForOther,
    /// The document is not an application.
    #[error("the signed document is not an application")]
    Document,
    /// Fields that cannot be accepted.
    #[error("{} fields cannot be accepted", .0.len())]
    Fields(Vec<FieldError>),
    /// The document means something other than it says (for example full-width digits
    /// that were not folded before signing).
    #[error("the signed document is not in its final form")]
    ContentDiffers,
    /// The card does not speak for the company.
    #[error(transparent)]
    Card(#[from] SignInError),
    /// The number in the form is not that of the card or of the session.
    #[error("the 統一編號 is not the card's")]
    UbnMismatch,
    /// [WARNING-02].
    #[error("a case is under way")]
    OpenCase,
    /// No question of this case is open.
    #[error("nothing was asked")]
    NothingAsked,
    /// This 申請事項 is not open to the company.
    #[error("{} is not offered", kind.name())]
    NotOffered {
        /// What was applied for.
        kind: CaseKind,
    },
}

impl Coded for ApplyError {
    fn code(&self) -> Code {
        match self {
            Self::SignedForOther => Code::SignedForOther,
            Self::Document => Code::MalformedRequest,
            Self::Fields(_) => Code::InvalidFields,
            Self::ContentDiffers => Code::SignedContentDiffers,
            Self::Card(source) => source.code(),
            Self::UbnMismatch => Code::UbnMismatch,
            Self::OpenCase => Code::OpenCaseExists,
            Self::NothingAsked => Code::NothingAsked,
            Self::NotOffered { .. } => Code::CaseKindNotOffered,
        }
    }

    fn fields(&self) -> &[FieldError] {
        match self {
            Self::Fields(errors) => errors,
            _ => &[],
        }
    }
}

/// Reads what was signed, for this origin and one of these purposes.
///
/// # Errors
/// [`ApplyError::SignedForOther`].
pub fn signed_input(
    proof: &VerifiedSignature,
    origin: &str,
    purpose: Purpose,
) -> Result<SigningInput, ApplyError> {
    SigningInput::from_canonical(proof.content())
        .filter(|input| input.origin == origin && input.purpose == purpose)
        .ok_or(ApplyError::SignedForOther)
}

/// Facts that a submission is judged by.
#[derive(Clone, Copy, Debug)]
pub struct SubmissionContext {
    /// Whose session it is.
    pub session: Ubn,
    /// What the store knows of the company.
    pub standing: Standing,
    /// The manual that the installation follows.
    pub edition: Edition,
    /// Addresses that may be registered.
    pub addresses: AddressPolicy,
    /// S/N of the new case.
    pub case_id: CaseId,
    /// Instant of receipt.
    pub now: Timestamp,
}

impl SubmissionContext {
    /// Whether the company of the card is that of form and session and may apply for `kind`.
    pub(crate) fn admit(
        &self,
        proof: &VerifiedSignature,
        ubn: Ubn,
        kind: CaseKind,
    ) -> Result<(), ApplyError> {
        self.identify(proof, ubn)?;
        if self.standing.open_case {
            return Err(ApplyError::OpenCase);
        }
        if !self.standing.offered(self.edition).contains(&kind) {
            return Err(ApplyError::NotOffered { kind });
        }
        Ok(())
    }

    /// Whether the company of the card is that of form and session.
    fn identify(&self, proof: &VerifiedSignature, ubn: Ubn) -> Result<(), ApplyError> {
        let card = company_number(proof.credential())?;
        if ubn != card || self.session != card { Err(ApplyError::UbnMismatch) } else { Ok(()) }
    }

    pub(crate) fn case(&self, ubn: Ubn, kind: CaseKind, state: CaseState) -> Case {
        Case { id: self.case_id, applicant: ubn.into(), kind, state, submitted_at: self.now }
    }
}

/// An accepted application, ready to be kept.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The new case, 受理中.
    pub case: Case,
    /// What was applied for.
    pub application: Application,
    /// The name in the certificate that signed.
    pub signer_name: String,
}

/// Accepts an application: every field, the card, and the company's standing. An answer to a
/// question (補件) is the application once more, as it should be; its case is the one that asked.
///
/// # Errors
/// [`ApplyError`].
pub fn submit(
    proof: &VerifiedSignature,
    input: &SigningInput,
    context: &SubmissionContext,
) -> Result<Submission, ApplyError> {
    let draft = ApplicationDraft::deserialize(&input.document).map_err(|_| ApplyError::Document)?;
    let application =
        draft.parse(context.edition, context.addresses).map_err(ApplyError::Fields)?;
    // What is kept and shown must be what was signed, to the letter.
    if serde_json::to_value(&application).ok().as_ref() != Some(&input.document) {
        return Err(ApplyError::ContentDiffers);
    }
    // Nobody takes over an account whose company has not said so under its own card.
    let takes_over = application.other_ubn.filter(|_| application.kind == CaseKind::ApiApplication);
    if takes_over.is_some() && takes_over != context.standing.takes_over {
        let error = FieldError::at("otherUbn", FieldProblem::NothingToTakeOver);
        return Err(ApplyError::Fields(vec![error]));
    }
    let mut case = context.case(application.ubn, application.kind, CaseState::Accepted);
    match &application.answers {
        None => context.admit(proof, application.ubn, application.kind)?,
        Some(answered) => {
            context.identify(proof, application.ubn)?;
            let answered = CaseId::parse(answered).ok_or(ApplyError::NothingAsked)?;
            if context.standing.asked != Some((answered, application.kind)) {
                return Err(ApplyError::NothingAsked);
            }
            case.id = answered;
        }
    }
    let signer_name = proof.credential().name.clone();
    Ok(Submission { case, application, signer_name })
}

/// The receipt (figures 7, 12, 15, 18).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// S/N.
    pub serial_number: CaseId,
    /// 申請事由: name and word.
    pub kind: CaseKind,
    /// The ministry's word for it.
    pub kind_word: &'static str,
    /// 申請日期, as an instant.
    pub submitted_at: String,
    /// 申請日期 as printed, ROC calendar.
    pub submitted_at_roc: String,
    /// 申請結果: name.
    pub state: CaseState,
    /// 申請結果: the ministry's word.
    pub state_word: &'static str,
    /// 公司名稱.
    pub company_name: String,
    /// 營利事業統一編號 of a company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ubn: Option<Ubn>,
    /// Organisation OID of an agency or another organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<Organisation>,
    /// 市話.
    pub landline: Option<String>,
    /// 手機.
    pub mobile: Option<String>,
    /// 電子信箱.
    pub email: String,
    /// 連線主機網路位址, where the form has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_address: Option<String>,
    /// 申請目的/原因.
    pub reason: String,
    /// 統編變更: the 統一編號 after (API停用) or before (API申請).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_ubn: Option<Ubn>,
    /// isskey: on the receipts of certificate uploads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss_key: Option<String>,
}
