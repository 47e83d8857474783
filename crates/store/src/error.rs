//! What can go wrong between rules and rows.

use domain::{Code, Coded};

/// A failure of the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The driver's own message: SQL and constraint names, never values.
    #[error("database: {0}")]
    Driver(String),
    /// A uniqueness rule refused: the index or column that did.
    #[error("already there: {0}")]
    Unique(String),
    /// A row is not what the rules allow; somebody changed it by other means.
    #[error("inconsistent {what}")]
    Inconsistent {
        /// Kind of value.
        what: &'static str,
        /// What was found instead; may be personal data, so it is not part of the message.
        found: String,
    },
    /// The row is no longer in the state that the change starts from.
    #[error("changed by somebody else")]
    Conflict,
    /// The challenge was never issued for this purpose, origin and company.
    #[error("unknown challenge")]
    ChallengeUnknown,
    /// The challenge's five minutes are over.
    #[error("expired challenge")]
    ChallengeExpired,
    /// The challenge was used before.
    #[error("used challenge")]
    ChallengeUsed,
    /// No such case for this company.
    #[error("no such case")]
    CaseNotFound,
    /// The letter waits to be sent anyway, or is none.
    #[error("no letter that could be sent again")]
    LetterQueued,
    /// The account is not in the state that the change starts from.
    #[error("the account is in another state")]
    AccountState,
    /// [WARNING-02].
    #[error("a case is under way")]
    OpenCase,
    /// Another company uses this certificate.
    #[error("the certificate belongs to another company's account")]
    CertificateBound,
    /// The server certificate serves another applicant or service.
    #[error("the server certificate is in use")]
    ServerCertificateInUse,
    /// No such visit, or it is over.
    #[error("the visit is over")]
    VisitOver,
    /// Another step of the visit is due.
    #[error("another step is due")]
    VisitStep,
    /// The registration was changed since the cards were shown.
    #[error("the registration was changed")]
    RegistrationChanged,
    /// The organisation, or its number, is registered already.
    #[error("registered already")]
    AlreadyRegistered,
    /// The person or card is a handler of the organisation already.
    #[error("a handler already")]
    HandlerExists,
    /// No such handler.
    #[error("no such handler")]
    HandlerNotFound,
    /// The handler was changed since the list was shown.
    #[error("the handler was changed")]
    HandlerChanged,
    /// No such invitation, or no longer.
    #[error("the invitation is over")]
    InvitationOver,
    /// Officers have been asked already.
    #[error("asked already")]
    ReviewAsked,
    /// The handler has no permission for this.
    #[error("not permitted")]
    NotPermitted,
    /// No apId is left, or randomness failed.
    #[error("no free apId was found")]
    ApIdsExhausted,
}

impl StoreError {
    /// Tells a broken uniqueness rule by SQLite's message.
    pub(crate) fn from_driver(message: String) -> Self {
        match message.split_once("UNIQUE constraint failed: ") {
            Some((_, columns)) => Self::Unique(columns.to_owned()),
            None => Self::Driver(message),
        }
    }
}

impl Coded for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::Driver(_)
            | Self::Unique(_)
            | Self::Inconsistent { .. }
            | Self::ApIdsExhausted => Code::Internal,
            Self::Conflict => Code::CaseNotOpen,
            Self::ChallengeUnknown => Code::ChallengeUnknown,
            Self::ChallengeExpired => Code::ChallengeExpired,
            Self::ChallengeUsed => Code::ChallengeUsed,
            Self::CaseNotFound => Code::CaseNotFound,
            Self::LetterQueued => Code::NotFound,
            Self::AccountState => Code::AccountState,
            Self::OpenCase => Code::OpenCaseExists,
            Self::CertificateBound => Code::UploadBoundElsewhere,
            Self::ServerCertificateInUse => Code::ServerCertificateInUse,
            Self::VisitOver => Code::VisitOver,
            Self::VisitStep => Code::VisitStep,
            Self::RegistrationChanged => Code::RegistrationChanged,
            Self::AlreadyRegistered => Code::AlreadyRegistered,
            Self::HandlerExists => Code::HandlerExists,
            Self::HandlerNotFound => Code::HandlerNotFound,
            Self::HandlerChanged => Code::HandlerChanged,
            Self::InvitationOver => Code::InvitationOver,
            Self::ReviewAsked => Code::RegistrationUnderReview,
            Self::NotPermitted => Code::NotAllowed,
        }
    }
}
