//! The rules of the service, and nothing else: no SQL, no HTTP, no clock, no random
//! source. Time, identifiers and randomness are arguments; facts come in, decisions
//! and typed errors come out.
//!
//! The same code checks a form in the browser (without the `server` feature) and on the
//! server.

mod account;
mod applicant;
mod application;
#[cfg(feature = "server")]
mod apply;
mod audit;
#[cfg(feature = "server")]
mod calendar;
#[cfg(feature = "server")]
mod call;
mod case;
mod code;
#[cfg(feature = "server")]
mod conduct;
mod confirmation;
#[cfg(feature = "server")]
mod confirmation_call;
mod contact;
#[cfg(feature = "server")]
mod credentials;
mod field;
mod form;
mod ground;
#[cfg(feature = "server")]
mod handover;
mod id_card;
#[cfg(feature = "server")]
mod idle;
#[cfg(feature = "server")]
pub mod letter;
#[cfg(feature = "server")]
mod officer;
#[cfg(feature = "server")]
mod policy;
#[cfg(feature = "server")]
mod queue;
#[cfg(feature = "server")]
mod register_entry;
mod roc;
#[cfg(feature = "server")]
mod sandbox;
#[cfg(feature = "server")]
mod sign_in;
mod terms;
#[cfg(feature = "server")]
mod token_check;
mod ubn;
#[cfg(feature = "server")]
mod upload;
#[cfg(feature = "server")]
mod verification;

pub use account::{Account, AccountState, AccountStatus, Standing};
pub use applicant::{Applicant, NoApplicant, Organisation};
pub use application::{Application, ApplicationDraft, check_field, reason_left};
#[cfg(feature = "server")]
pub use apply::{ApplyError, Receipt, Submission, SubmissionContext, signed_input, submit};
pub use audit::{Act, Actor};
#[cfg(feature = "server")]
pub use calendar::{OfficeCalendar, ReviewClock, working_days_left};
#[cfg(feature = "server")]
pub use call::{CallOutcome, RateLimit, RateState, TokenDigest};
pub use case::{
    CancelError, Case, CaseId, CaseKind, CaseState, Decision, ReviewError, Service, UnderReview,
};
pub use code::{Code, Coded};
#[cfg(feature = "server")]
pub use conduct::{CONDUCT_NOTICE, Conduct, ConductSign, conduct_score};
pub use confirmation::{
    CONFIRMATION_FIELDS, ConfirmationDraft, ConfirmationForm, DemandKind, Person, ServiceState,
    ServiceTimes, StopGround, check_confirmation_field, confirmation_terms, earliest_day,
    server_serial,
};
#[cfg(feature = "server")]
pub use confirmation_call::{
    CONFIRMATION_FORMAT, ConfirmationApplyError, ConfirmationContext, ConfirmationRefused,
    ConfirmationRequest, ConfirmationSubmission, MAX_PAIRS, Pair, PairAnswer, applicant_of,
    submit_confirmation,
};
pub use contact::{AddressPolicy, Email, HostAddress, Landline, Mobile};
#[cfg(feature = "server")]
pub use credentials::{ApId, ISS_KEY_OVERLAP_DAYS, IssKey, SealError, Sealed, SealingKey};
pub use field::{FieldError, FieldProblem, fold_width};
pub use form::{FormCheck, FormError, result_text};
pub use ground::Ground;
#[cfg(feature = "server")]
pub use handover::HandoverStep;
pub use id_card::{ApplyCode, ConditionError, IdCard, IssueSite, NationalId};
#[cfg(feature = "server")]
pub use id_card::{CardDigest, DigestKey, PersonDigest};
#[cfg(feature = "server")]
pub use idle::{IdleStep, IdleWarning, idle_step, used_within_a_year_until};
#[cfg(feature = "server")]
pub use officer::{NotPermitted, Officer, Permission, Role, officer_subject};
#[cfg(feature = "server")]
pub use policy::{Policy, PolicyError, PolicyValue};
#[cfg(feature = "server")]
pub use queue::{Queue, QueueFacts, case_acts};
#[cfg(feature = "server")]
pub use register_entry::{RegisterEntry, RegisterFinding, compare_with_register};
pub use roc::{RocDate, RocDateTime, RocDay, TAIPEI, TaipeiDay};
#[cfg(feature = "server")]
pub use sandbox::{SANDBOX_CONDITIONS, SandboxAnswer, SandboxCase, sandbox, sandbox_cases};
#[cfg(feature = "server")]
pub use sign_in::{SignInError, SignedIn, sign_in};
pub use terms::{Agreement, Document, Edition, TermsReference};
#[cfg(feature = "server")]
pub use token_check::{TokenCheck, TokenChecks};
pub use ubn::Ubn;
#[cfg(feature = "server")]
pub use upload::{
    CertificateUpload, CertificateUploadDraft, MAX_OVERLAP_DAYS, POSSESSION_LIFETIME,
    PossessionProof, UploadRefused, accept_upload, expiry_warning, judge_upload, possession_text,
};
#[cfg(feature = "server")]
pub use verification::{
    Admission, Answer, Caller, CallerCertificate, Claims, MAX_WRONG_ANSWERS, RecordFinding,
    TokenRefused, admit, is_registered_address, judge,
};

/// Longest life of a challenge, in seconds.
pub const CHALLENGE_LIFETIME: i64 = 5 * 60;
