//! The registry of problem codes: what goes wrong has one name and one HTTP status.
//! Append-only; the words are in `static/text/zh-TW.json`.

/// Anything that may surface as a problem.
pub trait Coded {
    /// Its code.
    fn code(&self) -> Code;

    /// Fields that are wrong, where the problem is one of a form.
    fn fields(&self) -> &[crate::FieldError] {
        &[]
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal;)*) => {
        /// A problem code: kebab-case name and HTTP status, stable once published.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }
    };
}

codes! {
    /// Not JSON, or not the members that were expected.
    MalformedRequest = "malformed-request", 400;
    /// The address of the client was claimed more than once.
    SourceAddressForged = "source-address-forged", 400;
    /// Signed in nobody, or the session has ended.
    NotSignedIn = "not-signed-in", 401;
    /// Signed in, but not as one who may do this.
    NotAllowed = "not-allowed", 403;
    /// The request was sent by a page of another site.
    CrossSiteRequest = "cross-site-request", 403;
    /// Nothing here.
    NotFound = "not-found", 404;
    /// Another method is needed.
    MethodNotAllowed = "method-not-allowed", 405;
    /// Larger than allowed.
    BodyTooLarge = "body-too-large", 413;
    /// Must be application/json.
    UnsupportedMediaType = "unsupported-media-type", 415;
    /// Fields that cannot be accepted; each is named.
    InvalidFields = "invalid-fields", 422;
    /// A fault of the service.
    Internal = "internal", 500;
    /// The service is not configured.
    NotReady = "not-ready", 503;

    /// The challenge was never issued for this.
    ChallengeUnknown = "challenge-unknown", 409;
    /// The challenge is older than five minutes.
    ChallengeExpired = "challenge-expired", 409;
    /// The challenge was used before.
    ChallengeUsed = "challenge-used", 409;
    /// Not a CMS message that could be judged.
    SignatureMalformed = "signature-malformed", 400;
    /// The signature does not fit content or key.
    SignatureInvalid = "signature-invalid", 403;
    /// Signed for another site, purpose or in another form.
    SignedForOther = "signed-for-other", 403;
    /// What was signed is not what was to be signed.
    SignedContentDiffers = "signed-content-differs", 409;
    /// No trusted CA issued the certificate.
    SignerNotTrusted = "signer-not-trusted", 403;
    /// The card's certificate has expired.
    CertificateExpired = "certificate-expired", 403;
    /// The card's certificate is not valid yet.
    CertificateNotYetValid = "certificate-not-yet-valid", 403;
    /// The certificate must not sign, or not here.
    CertificateNotForSigning = "certificate-not-for-signing", 403;
    /// The certificate is suspended (停用); it may be resumed.
    CertificateOnHold = "certificate-on-hold", 403;
    /// The card is one of our own CAs' and suspended (停用): it is resumed here, at once.
    CardOnHold = "card-on-hold", 403;
    /// The certificate is revoked (廢止).
    CertificateRevoked = "certificate-revoked", 403;
    /// No current list tells whether the certificate is revoked.
    RevocationUnknown = "revocation-unknown", 503;
    /// The wrong kind of card.
    WrongCard = "wrong-card", 403;
    /// A secondary card (附卡) where the primary is needed.
    SecondaryCard = "secondary-card", 403;
    /// The 統一編號 is not the card's.
    UbnMismatch = "ubn-mismatch", 403;
    /// No officer has this card.
    OfficerUnknown = "officer-unknown", 403;

    /// Nobody decides a case of their own company.
    OwnCase = "own-case", 403;

    /// Another officer has the case.
    CaseClaimed = "case-claimed", 409;
    /// The applicant was asked and has not answered yet.
    CaseWaiting = "case-waiting", 409;
    /// Something was done to the case since the officer saw it.
    CaseChanged = "case-changed", 409;
    /// Only a refusal can be set aside.
    CaseNotRejected = "case-not-rejected", 409;
    /// Needs a proposal that another officer endorses.
    TwoOfficersNeeded = "two-officers-needed", 409;
    /// Nobody endorses an own proposal.
    OwnProposal = "own-proposal", 403;
    /// No such proposal, or decided already.
    ProposalNotOpen = "proposal-not-open", 409;
    /// The account is not in a state in which this can be done.
    AccountState = "account-state", 409;
    /// Not a value that a policy can have, or not from a day to come.
    PolicyValue = "policy-value", 422;
    /// The account was used: there is no reason any more.
    AccountUsed = "account-used", 409;
    /// The days that a warning gives are not over.
    WarningNotOver = "warning-not-over", 409;
    /// No question of the case is open.
    NothingAsked = "nothing-asked", 409;

    /// [WARNING-02]: a case is 受理中 already.
    OpenCaseExists = "open-case-exists", 409;
    /// The applicant of the form is not that of card and session.
    ApplicantMismatch = "applicant-mismatch", 403;
    /// Neither an agency nor on the list of supervised institutions.
    NotSupervised = "not-supervised", 403;
    /// The server certificate is another organisation's.
    ForeignServerCertificate = "foreign-server-certificate", 403;
    /// The server certificate is of none of the CAs that the applicant may have it of.
    ServerIssuer = "server-issuer", 422;
    /// The server certificate serves another applicant, or a service whose end is not known.
    ServerCertificateInUse = "server-certificate-in-use", 409;
    /// Not a confirmation request in its one form.
    ConfirmationMalformed = "confirmation-malformed", 400;
    /// A confirmation request of another time.
    ConfirmationTime = "confirmation-time", 403;
    /// No approved confirmation service has this certificate.
    ConfirmationUnknown = "confirmation-unknown", 403;
    /// The confirmation service is not open.
    ConfirmationNotOpen = "confirmation-not-open", 403;
    /// The nonce was used by another request.
    ConfirmationReplayed = "confirmation-replayed", 409;
    /// The register of citizens has no such certificate, or none that is opened.
    CitizenUnknown = "citizen-unknown", 403;
    /// Card and national ID do not belong together.
    NationalIdMismatch = "national-id-mismatch", 403;
    /// Too many wrong national IDs today.
    NationalIdLocked = "national-id-locked", 403;
    /// A demand has to have gone unmet before.
    DemandFirst = "demand-first", 409;
    /// This 申請事項 is not open to the company now.
    CaseKindNotOffered = "case-kind-not-offered", 409;
    /// No such case.
    CaseNotFound = "case-not-found", 404;
    /// The case is no longer 受理中.
    CaseNotOpen = "case-not-open", 409;
    /// More than 24 hours have passed.
    CancellationTooLate = "cancellation-too-late", 409;

    /// The file holds a private key.
    PrivateKeyUploaded = "private-key-uploaded", 422;
    /// The file is a PFX.
    PfxUploaded = "pfx-uploaded", 422;
    /// The file is no certificate.
    NotACertificate = "not-a-certificate", 422;
    /// The file holds several certificates.
    SeveralCertificates = "several-certificates", 422;
    /// The certificate is an IC card's.
    CardCertificate = "card-certificate", 422;
    /// The certificate is another company's.
    UploadForeignUbn = "upload-foreign-ubn", 422;
    /// The certificate cannot be trusted.
    UploadNotTrusted = "upload-not-trusted", 422;
    /// The certificate is not valid now.
    UploadNotValid = "upload-not-valid", 422;
    /// The key is not RSA of 2048 to 4096 bits.
    UploadWeakKey = "upload-weak-key", 422;
    /// The proof of possession was not made with the certificate's key.
    PossessionInvalid = "possession-invalid", 422;
    /// The key can be computed from public data.
    UploadKnownWeakKey = "upload-known-weak-key", 422;
    /// The certificate ends within thirty days.
    UploadShortLived = "upload-short-lived", 422;
    /// The system's certificate is suspended.
    UploadOnHold = "upload-on-hold", 422;
    /// The system's certificate belongs to a card of our own CAs that is suspended.
    UploadCardOnHold = "upload-card-on-hold", 422;
    /// The system's certificate is revoked.
    UploadRevoked = "upload-revoked", 422;
    /// Another company uses the certificate.
    UploadBoundElsewhere = "upload-bound-elsewhere", 409;

    /// The 卡號 is not known, or the 用戶代碼 is not the card's; which of them is not told.
    CardCodeWrong = "card-code-wrong", 403;
    /// Three wrong 用戶代碼 were given for this 卡號.
    CardCodeLocked = "card-code-locked", 403;
    /// The card is one of another CA's.
    CardOfAnotherCa = "card-of-another-ca", 409;
    /// Only a suspended card (停用) is resumed.
    CardNotHeld = "card-not-held", 409;
    /// The card is suspended (停用) already.
    CardHeldAlready = "card-held-already", 409;
    /// The card is revoked (廢止) for good.
    CardRevoked = "card-revoked", 409;
    /// The card in the reader is not the one of this 卡號.
    NotThisCard = "not-this-card", 403;
    /// Too many requests from one address, or in all.
    TooManyRequests = "too-many-requests", 429;

    /// The first card of a visit must be an organisation's.
    OrganisationCardNeeded = "organisation-card-needed", 403;
    /// The organisation's card does not say which organisation it is.
    OrganisationUnnamed = "organisation-unnamed", 403;
    /// The second card of a visit must be a citizen's.
    CitizenCardNeeded = "citizen-card-needed", 403;
    /// The card of the first step came again in the second.
    OneCardForBoth = "one-card-for-both", 403;
    /// No such visit, or its half hour is over, or it has done what it was for.
    VisitOver = "visit-over", 401;
    /// Another step of the visit is due.
    VisitStep = "visit-step", 409;
    /// 用戶約定條款 was not agreed to in its current version.
    TermsNotAgreed = "terms-not-agreed", 409;
    /// 機關代號 and card do not fit the register: name and phone, for a review.
    RegistrationMismatch = "registration-mismatch", 409;
    /// The same, and officers have not decided yet.
    RegistrationUnderReview = "registration-under-review", 409;
    /// The organisation is registered already.
    AlreadyRegistered = "already-registered", 409;
    /// The organisation is not registered.
    NotRegistered = "not-registered", 404;
    /// The organisation's card is another than the registered one.
    OrganisationCertificateChanged = "organisation-certificate-changed", 403;
    /// The card to be put in the place of the registered one is that one.
    CertificateUnchanged = "certificate-unchanged", 409;
    /// The manager's card was renewed.
    ManagerCertificateChanged = "manager-certificate-changed", 403;
    /// Not the manager, nor a handler with the permission.
    NotTheManager = "not-the-manager", 403;
    /// Another person is to be the manager: officers are asked first.
    OtherManager = "other-manager", 409;
    /// The registration was changed since the cards were shown.
    RegistrationChanged = "registration-changed", 409;
    /// No organisation has named a handler with this card.
    HandlerUnknown = "handler-unknown", 403;
    /// The organisation has this handler already.
    HandlerExists = "handler-exists", 409;
    /// No such handler.
    HandlerNotFound = "handler-not-found", 404;
    /// The handler was changed since the list was shown.
    HandlerChanged = "handler-changed", 409;
    /// More permissions than one's own, or one's own entry.
    BeyondOwnPermissions = "beyond-own-permissions", 403;
    /// No such invitation, or no longer.
    InvitationOver = "invitation-over", 404;
    /// The card is not that of who was invited.
    InvitationForOther = "invitation-for-other", 403;
    /// The handler works for several organisations and has not chosen one.
    OrganisationNotChosen = "organisation-not-chosen", 409;
}

impl Code {
    /// The code that the ministry's pages print with a message.
    pub const fn legacy(self) -> Option<&'static str> {
        match self {
            Self::OpenCaseExists => Some("WARNING-02"),
            _ => None,
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl std::error::Error for Code {}

impl Coded for Code {
    fn code(&self) -> Code {
        *self
    }
}

#[cfg(feature = "server")]
impl Coded for pki::PkiError {
    fn code(&self) -> Code {
        use pki::PathError;
        match self {
            Self::BadSignature | Self::DigestMismatch => Code::SignatureInvalid,
            Self::KeyUsage
            | Self::Path(PathError::Policy)
            | Self::WeakKey { .. }
            | Self::Subject(_) => Code::CertificateNotForSigning,
            Self::UnknownIssuer | Self::Path(_) => Code::SignerNotTrusted,
            Self::OnHold { .. } => Code::CertificateOnHold,
            Self::Suspended { .. } => Code::CardOnHold,
            Self::Revoked { .. } => Code::CertificateRevoked,
            Self::RevocationUnknown { .. } => Code::RevocationUnknown,
            Self::NotYetValid { .. } => Code::CertificateNotYetValid,
            Self::Expired { .. } => Code::CertificateExpired,
            _ => Code::SignatureMalformed,
        }
    }
}

#[cfg(feature = "server")]
impl Coded for pki::UploadError {
    fn code(&self) -> Code {
        use pki::PkiError;
        match self {
            Self::PrivateKey => Code::PrivateKeyUploaded,
            Self::Pfx => Code::PfxUploaded,
            Self::SeveralCertificates => Code::SeveralCertificates,
            Self::CardCertificate => Code::CardCertificate,
            Self::KnownWeakKey(_) => Code::UploadKnownWeakKey,
            Self::ShortLived { .. } => Code::UploadShortLived,
            Self::Pki(PkiError::NotYetValid { .. } | PkiError::Expired { .. }) => {
                Code::UploadNotValid
            }
            Self::Pki(PkiError::WeakKey { .. } | PkiError::Algorithm(_)) => Code::UploadWeakKey,
            Self::Pki(PkiError::Malformed { .. } | PkiError::TooLarge { .. }) => {
                Code::NotACertificate
            }
            Self::Pki(PkiError::OnHold { .. }) => Code::UploadOnHold,
            Self::Pki(PkiError::Suspended { .. }) => Code::UploadCardOnHold,
            Self::Pki(PkiError::Revoked { .. }) => Code::UploadRevoked,
            Self::Pki(PkiError::RevocationUnknown { .. }) => Code::RevocationUnknown,
            Self::Pki(_) => Code::UploadNotTrusted,
            _ => Code::NotACertificate,
        }
    }
}

impl Coded for crate::CancelError {
    fn code(&self) -> Code {
        match self {
            Self::NotOpen { .. } => Code::CaseNotOpen,
            Self::TooLate { .. } => Code::CancellationTooLate,
        }
    }
}

impl Coded for crate::ReviewError {
    fn code(&self) -> Code {
        match self {
            Self::NotOpen { .. } => Code::CaseNotOpen,
            Self::Claimed => Code::CaseClaimed,
            Self::Waiting => Code::CaseWaiting,
            Self::NothingToComplete => Code::CaseKindNotOffered,
            Self::NotRejected => Code::CaseNotRejected,
            Self::TwoNeeded => Code::TwoOfficersNeeded,
            Self::Changed => Code::CaseChanged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_kebab_case() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
