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
mod asker;
mod audit;
#[cfg(feature = "server")]
mod calendar;
#[cfg(feature = "server")]
mod call;
#[cfg(feature = "server")]
mod card;
#[cfg(feature = "server")]
mod card_code;
#[cfg(feature = "server")]
mod card_letter;
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
mod members;
#[cfg(feature = "server")]
mod nightly;
#[cfg(feature = "server")]
mod notice;
#[cfg(feature = "server")]
mod officer;
#[cfg(feature = "server")]
mod organisation;
#[cfg(feature = "server")]
mod policy;
#[cfg(feature = "server")]
mod queue;
#[cfg(feature = "server")]
mod register_entry;
mod registration;
mod roc;
#[cfg(feature = "server")]
mod sandbox;
mod serial;
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
#[cfg(feature = "server")]
mod visit;

pub use account::{Account, AccountState, AccountStatus, Standing};
pub use applicant::{Applicant, NoApplicant, Organisation};
pub use application::{Application, ApplicationDraft, check_field, reason_left};
#[cfg(feature = "server")]
pub use apply::{ApplyError, Receipt, Submission, SubmissionContext, signed_input, submit};
pub use asker::{Asker, HandlerCard};
pub use audit::{Act, Actor};
#[cfg(feature = "server")]
pub use calendar::{OfficeCalendar, ReviewClock, working_days_left};
#[cfg(feature = "server")]
pub use call::{
    CALL_DURATIONS, CallOutcome, LimitError, MOST_CALLS, RateLimit, RateState, TokenDigest,
};
#[cfg(feature = "server")]
pub use card::{
    CardAct, CardCondition, CardNumber, CardQuery, CardState, CardStateError, MAX_WRONG_CODES,
    UserCode, card_holder_name, listed_after, listed_after_words,
};
#[cfg(feature = "server")]
pub use card_code::{CodeHash, CodeHashError};
#[cfg(feature = "server")]
pub use card_letter::card_letter;
pub use case::{
    CancelError, Case, CaseId, CaseKind, CaseState, Decision, ReviewError, Service, UnderReview,
};
pub use code::{Code, Coded};
#[cfg(feature = "server")]
pub use conduct::{CONDUCT_NOTICE, Conduct, ConductSign, conduct_score};
pub use confirmation::{
    CONFIRMATION_FIELDS, ConfirmationDraft, ConfirmationForm, DemandKind, Person, ServiceState,
    ServiceTimes, StopGround, check_confirmation_field, confirmation_terms, earliest_day,
    plain_day, server_serial,
};
#[cfg(feature = "server")]
pub use confirmation_call::{
    AskedCase, CONFIRMATION_FORMAT, ConfirmationApplyError, ConfirmationContext,
    ConfirmationRefused, ConfirmationRequest, ConfirmationSubmission, MAX_PAIRS, Pair, PairAnswer,
    PairAsked, applicant_of, judge_server_certificate, submit_confirmation,
};
pub use contact::{AddressPolicy, Email, HostAddress, Landline, Mobile, Phone};
#[cfg(feature = "server")]
pub use credentials::{ApId, ISS_KEY_OVERLAP_DAYS, IssKey, SealError, Sealed, SealingKey};
pub use field::{FieldError, FieldProblem, fold_width};
pub use form::{FormCheck, FormError, result_text};
pub use ground::{Ground, GroundWords};
#[cfg(feature = "server")]
pub use handover::HandoverStep;
pub use id_card::{ApplyCode, ConditionError, IdCard, IssueSite, NationalId};
#[cfg(feature = "server")]
pub use id_card::{CardDigest, DigestKey, PersonDigest};
#[cfg(feature = "server")]
pub use idle::{IdleStep, IdleWarning, idle_step, used_within_a_year_until};
pub use members::Members;
#[cfg(feature = "server")]
pub use nightly::{ListAttempt, ListTrouble};
#[cfg(feature = "server")]
pub use notice::Notice;
#[cfg(feature = "server")]
pub use officer::{NotPermitted, Officer, Permission, Role, officer_subject};
#[cfg(feature = "server")]
pub use organisation::{
    CardRefused, Citizen, citizen_of, organisation_number, organisation_of, shown_number,
};
#[cfg(feature = "server")]
pub use policy::{Policy, PolicyError, PolicyValue};
#[cfg(feature = "server")]
pub use queue::{Queue, QueueFacts, case_acts};
#[cfg(feature = "server")]
pub use register_entry::{RegisterEntry, RegisterFinding, compare_with_register};
pub use registration::{
    AskerDraft, ContactDraft, FieldsRefused, HandlerData, HandlerDraft, HandlerForm,
    HandlerPermission, ManagerContact, OrganisationCode, REGISTRATION_REVIEW_DAYS, ReviewAsker,
    check_registration_field,
};
pub use roc::{RocDate, RocDateTime, RocDay, TAIPEI, TaipeiDay};
#[cfg(feature = "server")]
pub use sandbox::{SANDBOX_CONDITIONS, SandboxAnswer, SandboxCase, sandbox, sandbox_cases};
pub use serial::SerialNumber;
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
#[cfg(feature = "server")]
pub use visit::{
    Registered, SecondCard, VISIT_LIFETIME, VisitDocument, VisitKind, VisitRefused, admit_citizen,
    admit_organisation, registration_terms, within_own,
};

/// Longest life of a challenge, in seconds.
pub const CHALLENGE_LIFETIME: i64 = 5 * 60;
