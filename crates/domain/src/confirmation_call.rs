//! A confirmation request (C4): what an approved system signs, and what it is answered.

use jiff::{SignedDuration, Timestamp};
use pki::revocation::RevocationSource;
use pki::{
    Certificate, Credential, IssuerRole, TrustStore, UploadError, UploadedCertificate,
    VerifiedSignature,
};
use serde::{Deserialize, Serialize};

use crate::sign_in::{SignInError, company_number, organisation_number};
use crate::{
    Applicant, Case, CaseId, CaseKind, CaseState, Code, Coded, ConfirmationDraft, ConfirmationForm,
    FieldError, FieldProblem, NationalId, ServiceState, TAIPEI,
};

/// The first member of every request.
pub const CONFIRMATION_FORMAT: &str = "chayan-confirmation/1";
/// Most pairs of one request.
pub const MAX_PAIRS: usize = 1000;
/// How far the request's time may be from the service's.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);
/// Longest purpose, in characters.
const MAX_PURPOSE: usize = 200;

/// What a system signs, as RFC 8785 JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfirmationRequest {
    format: String,
    /// The service's origin.
    pub origin: String,
    /// When it was signed, RFC 3339.
    pub at: Timestamp,
    /// 16 to 64 characters of A-Z, a-z, 0-9, `-` and `_`; used once.
    pub nonce: String,
    /// What for: the citizen reads it.
    pub purpose: String,
    /// Each answers for itself.
    pub pairs: Vec<PairAsked>,
}

/// A pair, or whatever stands in the place of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, from = "serde_json::Value")]
pub enum PairAsked {
    /// A certificate and a national ID, as typed.
    Pair(Pair),
    /// Something else.
    Other(serde_json::Value),
}

/// A certificate and a national ID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pair {
    /// The serial number in the subject of the citizen certificate, 16 digits.
    pub subject_serial: String,
    /// 國民身分證統一編號.
    pub national_id: String,
}

/// What a pair is answered (protocols of the citizens' CA, CheckSNPID).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairAnswer {
    /// 0: they belong together, and the certificate is opened.
    Match,
    /// 1: they do not; a pair in another form never does.
    NoMatch,
    /// 2: they belong together, but no such certificate was opened yet.
    NotOpened,
    /// 999: the register did not answer; to be asked again.
    Fault,
}

impl PairAnswer {
    /// The number on the wire.
    pub fn code(self) -> u16 {
        match self {
            Self::Match => 0,
            Self::NoMatch => 1,
            Self::NotOpened => 2,
            Self::Fault => 999,
        }
    }

    /// The answer of this number.
    pub fn from_code(code: u16) -> Option<Self> {
        [Self::Match, Self::NoMatch, Self::NotOpened, Self::Fault]
            .into_iter()
            .find(|answer| answer.code() == code)
    }

    /// In plain words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Match => "相符",
            Self::NoMatch => "不符",
            Self::NotOpened => "相符，憑證尚未開卡",
            Self::Fault => "系統忙碌，未能確認",
        }
    }
}

/// What the register knows of a pair: whether a certificate of it is opened.
impl From<Option<bool>> for PairAnswer {
    fn from(opened: Option<bool>) -> Self {
        match opened {
            Some(true) => Self::Match,
            Some(false) => Self::NotOpened,
            None => Self::NoMatch,
        }
    }
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmationRefused {
    /// Not a request in its one spelling.
    #[error("not a confirmation request")]
    Malformed,
    /// For another service.
    #[error("signed for another site")]
    Origin,
    /// Too old, or from the future.
    #[error("signed at another time")]
    Time,
    /// No approved service has this certificate.
    #[error("no approved service has this certificate")]
    Unknown,
    /// The service is not open.
    #[error("the service is {state:?}")]
    NotOpen {
        /// Where it stands.
        state: ServiceState,
    },
}

impl Coded for ConfirmationRefused {
    fn code(&self) -> Code {
        match self {
            Self::Malformed => Code::ConfirmationMalformed,
            Self::Origin => Code::SignedForOther,
            Self::Time => Code::ConfirmationTime,
            Self::Unknown => Code::ConfirmationUnknown,
            Self::NotOpen { .. } => Code::ConfirmationNotOpen,
        }
    }
}

impl ConfirmationRequest {
    /// A request to be signed.
    pub fn new(
        origin: impl Into<String>,
        at: Timestamp,
        nonce: impl Into<String>,
        purpose: impl Into<String>,
        pairs: Vec<Pair>,
    ) -> Self {
        Self {
            format: CONFIRMATION_FORMAT.to_owned(),
            origin: origin.into(),
            at,
            nonce: nonce.into(),
            purpose: purpose.into(),
            pairs: pairs.into_iter().map(PairAsked::Pair).collect(),
        }
    }

    /// Reads signed content, for this origin at this time.
    ///
    /// # Errors
    /// [`ConfirmationRefused`].
    pub fn read(content: &[u8], origin: &str, now: Timestamp) -> Result<Self, ConfirmationRefused> {
        let request: Self =
            serde_json::from_slice(content).map_err(|_| ConfirmationRefused::Malformed)?;
        let nonce = request.nonce.as_bytes();
        let spelled = (16..=64).contains(&nonce.len())
            && nonce.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
        let purpose = crate::field::line(&request.purpose, MAX_PURPOSE);
        let well_formed = request.format == CONFIRMATION_FORMAT
            && spelled
            && purpose.is_ok_and(|purpose| purpose == request.purpose)
            && (1..=MAX_PAIRS).contains(&request.pairs.len());
        if !well_formed {
            return Err(ConfirmationRefused::Malformed);
        }
        if request.origin != origin {
            return Err(ConfirmationRefused::Origin);
        }
        let apart = request.at.duration_since(now);
        if apart > LEEWAY || -apart > LEEWAY {
            return Err(ConfirmationRefused::Time);
        }
        Ok(request)
    }
}

impl From<serde_json::Value> for PairAsked {
    fn from(value: serde_json::Value) -> Self {
        // Also a list could be read as a pair.
        match value.is_object().then(|| Pair::deserialize(&value)) {
            Some(Ok(pair)) => Self::Pair(pair),
            _ => Self::Other(value),
        }
    }
}

impl PairAsked {
    /// The pair as the register keeps it; none when it has another form: such a pair is
    /// answered 1 and disturbs no other.
    pub fn read(&self) -> Option<(&str, NationalId)> {
        let Self::Pair(pair) = self else { return None };
        let serial = pair.subject_serial.as_str();
        let formed = serial.len() == 16 && serial.bytes().all(|byte| byte.is_ascii_digit());
        let person = NationalId::parse(&pair.national_id)?;
        formed.then_some((serial, person))
    }
}

/// Why an application for the confirmation service is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmationApplyError {
    /// The document is none.
    #[error("the signed document is not an application")]
    Document,
    /// Fields that cannot be accepted.
    #[error("{} fields cannot be accepted", .0.len())]
    Fields(Vec<FieldError>),
    /// The document means something other than it says.
    #[error("the signed document is not in its final form")]
    ContentDiffers,
    /// The card speaks for nobody who may apply.
    #[error(transparent)]
    Card(#[from] SignInError),
    /// The applicant of form, session and card are not one.
    #[error("the applicant is not the card's")]
    ApplicantDiffers,
    /// Not an agency, and not on the list of supervised institutions.
    #[error("not a supervised institution")]
    NotSupervised,
    /// A case is under way.
    #[error("a case is under way")]
    OpenCase,
    /// Nothing was asked in this case.
    #[error("nothing was asked")]
    NothingAsked,
    /// No service with this certificate can be stopped.
    #[error("no service in use has this certificate")]
    NoService,
    /// The server certificate.
    #[error(transparent)]
    Certificate(#[from] UploadError),
    /// The server certificate is another organisation's.
    #[error("the certificate is another organisation's")]
    ForeignCertificate,
}

impl Coded for ConfirmationApplyError {
    fn code(&self) -> Code {
        match self {
            Self::Document => Code::MalformedRequest,
            Self::Fields(_) => Code::InvalidFields,
            Self::ContentDiffers => Code::SignedContentDiffers,
            Self::Card(source) => source.code(),
            Self::ApplicantDiffers => Code::ApplicantMismatch,
            Self::NotSupervised => Code::NotSupervised,
            Self::OpenCase => Code::OpenCaseExists,
            Self::NothingAsked => Code::NothingAsked,
            Self::NoService => Code::ConfirmationUnknown,
            Self::Certificate(source) => match source.code() {
                // Not the CA that uploads of companies come from.
                Code::UploadNotTrusted => Code::ServerIssuer,
                code => code,
            },
            Self::ForeignCertificate => Code::ForeignServerCertificate,
        }
    }

    fn fields(&self) -> &[FieldError] {
        match self {
            Self::Fields(errors) => errors,
            _ => &[],
        }
    }
}

/// Whom a card speaks for: an agency or another organisation by its OID, a company by its number.
///
/// # Errors
/// [`SignInError`].
pub fn applicant_of(credential: &Credential) -> Result<Applicant, SignInError> {
    match credential.issuer {
        IssuerRole::Gca | IssuerRole::Xca => organisation_number(credential).map(Into::into),
        _ => company_number(credential).map(Into::into),
    }
}

/// A case that waits for the applicant's answer (補件).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedCase {
    /// S/N.
    pub id: CaseId,
    /// 啟用 or 停用.
    pub kind: CaseKind,
    /// When it was applied for: whoever was in time then, is with the answer.
    pub submitted_at: Timestamp,
}

/// Facts that an application is judged by.
#[derive(Clone, Copy, Debug)]
pub struct ConfirmationContext {
    /// Whose session it is.
    pub session: Applicant,
    /// Whether the list of supervised institutions has the applicant.
    pub supervised: bool,
    /// Whether a case of this service is under way.
    pub open_case: bool,
    /// The case that waits for an answer.
    pub asked: Option<AskedCase>,
    /// S/N of the new case.
    pub case_id: CaseId,
    /// Instant of receipt.
    pub now: Timestamp,
}

/// An accepted application, ready to be kept.
#[derive(Clone, Debug)]
pub struct ConfirmationSubmission {
    /// The case, 受理中.
    pub case: Case,
    /// The form.
    pub form: ConfirmationForm,
    /// The server certificate; for 啟用.
    pub certificate: Option<UploadedCertificate>,
    /// The name in the certificate that signed.
    pub signer_name: String,
}

/// Accepts an application for the confirmation service (C1): form, card, eligibility, server
/// certificate. Whether there is a service to be stopped, the store tells.
///
/// # Errors
/// [`ConfirmationApplyError`].
pub fn submit_confirmation(
    proof: &VerifiedSignature,
    document: &serde_json::Value,
    context: &ConfirmationContext,
    trust: &TrustStore,
    lists: &impl RevocationSource,
) -> Result<ConfirmationSubmission, ConfirmationApplyError> {
    use ConfirmationApplyError as Refused;
    let draft = ConfirmationDraft::deserialize(document).map_err(|_| Refused::Document)?;
    let fits = |asked: &AskedCase| {
        draft.answers == Some(asked.id.to_string()) && draft.kind == asked.kind.name()
    };
    let asked = context.asked.filter(fits);
    if asked.is_none() && draft.answers.is_some() {
        return Err(Refused::NothingAsked);
    }
    let filed = asked.map_or(context.now, |asked| asked.submitted_at);
    let today = TAIPEI.to_datetime(filed).date();
    let form = draft.parse(today).map_err(Refused::Fields)?;
    if serde_json::to_value(&form.draft).ok().as_ref() != Some(document) {
        return Err(Refused::ContentDiffers);
    }
    let card = applicant_of(proof.credential())?;
    if form.applicant != card || context.session != card {
        return Err(Refused::ApplicantDiffers);
    }
    // Who is no longer on the list may still end what was approved.
    let begins = form.kind == CaseKind::ConfirmationStart;
    if begins && proof.credential().issuer != IssuerRole::Gca && !context.supervised {
        return Err(Refused::NotSupervised);
    }
    if asked.is_none() && context.open_case {
        return Err(Refused::OpenCase);
    }
    let certificate = match form.kind {
        CaseKind::ConfirmationStart => {
            let issuer = proof.credential().issuer;
            Some(judge_server(&form, card, issuer, trust, lists, context.now)?)
        }
        _ => None,
    };
    let case = Case {
        id: asked.map_or(context.case_id, |asked| asked.id),
        applicant: card,
        kind: form.kind,
        state: CaseState::Accepted,
        submitted_at: context.now,
    };
    let signer_name = proof.credential().name.clone();
    Ok(ConfirmationSubmission { case, form, certificate, signer_name })
}

/// The server certificate: of GCA for agencies, of MOEACA or XCA for institutions, of the same
/// applicant, and the one whose serial number stands in the form.
fn judge_server(
    form: &ConfirmationForm,
    applicant: Applicant,
    card: IssuerRole,
    trust: &TrustStore,
    lists: &impl RevocationSource,
    now: Timestamp,
) -> Result<UploadedCertificate, ConfirmationApplyError> {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    let wrong = |field, code| ConfirmationApplyError::Fields(vec![FieldError::at(field, code)]);
    let file = BASE64_STANDARD
        .decode(&form.draft.certificate_file)
        .map_err(|_| UploadError::NotACertificate)?;
    let certificate = pki::read_certificate_file(&file)?;
    let roles: &[IssuerRole] = match card {
        IssuerRole::Gca => &[IssuerRole::Gca],
        _ => &[IssuerRole::Moeaca, IssuerRole::Xca],
    };
    let server = trust.verify_server(certificate, roles, lists, now)?;
    if server.certificate().serial_number() != form.draft.server_serial {
        return Err(wrong("serverSerial", FieldProblem::SerialDiffers));
    }
    if TAIPEI.to_datetime(server.certificate().not_after()).date() < form.day {
        return Err(wrong("day", FieldProblem::DayAfterCertificate));
    }
    belongs_to(server, applicant)
}

/// Judges a server certificate before anything is signed, whatever stands in the form: of one of
/// the CAs that the applicant may have it of, valid now, and the applicant's own.
///
/// # Errors
/// [`ConfirmationApplyError::Certificate`], [`ConfirmationApplyError::ForeignCertificate`].
pub fn judge_server_certificate(
    certificate: Certificate,
    applicant: Applicant,
    trust: &TrustStore,
    lists: &impl RevocationSource,
    now: Timestamp,
) -> Result<UploadedCertificate, ConfirmationApplyError> {
    let roles: &[IssuerRole] = match applicant {
        Applicant::Company(_) => &[IssuerRole::Moeaca, IssuerRole::Xca],
        // Whether GCA's or XCA's, only the card tells.
        Applicant::Organisation(_) => &[IssuerRole::Gca, IssuerRole::Moeaca, IssuerRole::Xca],
    };
    belongs_to(trust.verify_server(certificate, roles, lists, now)?, applicant)
}

fn belongs_to(
    server: UploadedCertificate,
    applicant: Applicant,
) -> Result<UploadedCertificate, ConfirmationApplyError> {
    let credential = server.credential();
    let same = match applicant {
        Applicant::Company(ubn) => credential.ubn.as_deref() == Some(ubn.as_str()),
        Applicant::Organisation(organisation) => {
            credential.organisation.map(crate::Organisation::from) == Some(organisation)
        }
    };
    if same { Ok(server) } else { Err(ConfirmationApplyError::ForeignCertificate) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ORIGIN: &str = "https://chayan.example";

    fn request(change: impl Fn(&mut ConfirmationRequest)) -> Vec<u8> {
        let pair =
            Pair { subject_serial: "0000000112345678".into(), national_id: "A123456789".into() };
        let at = "2026-03-01T00:00:00Z".parse().unwrap();
        let mut request =
            ConfirmationRequest::new(ORIGIN, at, "0123456789abcdef", "線上申辦", vec![pair]);
        change(&mut request);
        serde_json::to_vec(&request).unwrap()
    }

    #[test]
    fn a_request_is_for_one_service_at_one_time() {
        let now: Timestamp = "2026-03-01T00:05:00Z".parse().unwrap();
        let read = |bytes: &[u8], now| ConfirmationRequest::read(bytes, ORIGIN, now);
        let good = request(|_| ());
        assert!(read(&good, now).is_ok());
        let late = now + SignedDuration::from_secs(1);
        assert_eq!(read(&good, late), Err(ConfirmationRefused::Time));
        let other = ConfirmationRequest::read(&good, "https://other.example", now);
        assert_eq!(other, Err(ConfirmationRefused::Origin));
        for bad in [
            request(|request| request.nonce = "short".into()),
            request(|request| request.nonce = "0123456789abcde*".into()),
            request(|request| request.purpose = String::new()),
            request(|request| request.purpose = " 線上".into()),
            request(|request| request.pairs.clear()),
            request(|request| request.pairs = vec![request.pairs[0].clone(); MAX_PAIRS + 1]),
            request(|request| request.format = "chayan-confirmation/2".into()),
            b"[]".to_vec(),
        ] {
            assert_eq!(read(&bad, now), Err(ConfirmationRefused::Malformed));
        }
    }

    #[test]
    fn a_pair_in_another_form_is_none() {
        let pair = |serial: &str, id: &str| {
            let pair = Pair { subject_serial: serial.into(), national_id: id.into() };
            PairAsked::Pair(pair).read().is_some()
        };
        assert!(pair("0000000112345678", "A123456789"));
        assert!(!pair("112345678", "A123456789"));
        assert!(!pair("0000000112345678", "A12345678"));
        assert!(!pair("000000011234567x", "A123456789"));
        for other in [json!(null), json!("A123456789"), json!({ "nationalId": "A123456789" })] {
            let content = request(|request| request.pairs.push(PairAsked::Other(other.clone())));
            let now = "2026-03-01T00:00:00Z".parse().unwrap();
            let read = ConfirmationRequest::read(&content, ORIGIN, now).unwrap();
            assert!(read.pairs[0].read().is_some() && read.pairs[1].read().is_none());
        }
        for answer in [0, 1, 2, 999] {
            assert_eq!(PairAnswer::from_code(answer).unwrap().code(), answer);
        }
    }
}
