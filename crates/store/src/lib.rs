//! All SQL of the service. A statement stands beside the function that runs it; nothing
//! assembles SQL from input, since [`Database::execute`] takes `&'static str`.
//!
//! A state change names the state that it leaves and expects exactly one row; otherwise
//! it is a [`StoreError::Conflict`]. Several statements of one change run in one
//! [`Transaction`], which begins IMMEDIATE and rolls back unless it is committed.
//!
//! To add a table: a new step under `schema/<database>/`, the same in its `current.sql`,
//! its statements here.

mod accounts;
mod attempts;
mod audit;
mod calendar;
mod calls;
mod card_requests;
mod cards;
mod cases;
mod challenges;
mod citizens;
mod companies;
mod confirmations;
mod database;
mod delegation;
mod demands;
mod error;
mod findings;
mod handovers;
mod idle;
mod institutions;
mod letters;
mod lifecycle;
#[cfg(feature = "native")]
pub mod native;
mod officers;
mod published;
mod register;
mod review;
mod revocation;
pub mod schema;
mod services;
#[cfg(feature = "spin")]
pub mod spin;
mod standings;
mod usage;
#[cfg(feature = "native")]
mod whole_register;

pub use accounts::{AccountRow, CertificateInUse, CertificateRow, NewIssKey, Replacement};
pub use attempts::DayStanding;
pub use audit::{Deed, LogRow, leaf_hash};
pub use calls::{Before, EarlierCall, Finished, JTI_KEPT, KeptCall, NewCall, Reserved};
pub use card_requests::CardRequest;
pub use cards::{CardCertificate, CardChange, CardRow, ListedCertificate};
pub use cases::{CaseRow, Evidence, EvidenceRow, Filing};
pub use challenges::IssuedChallenge;
pub use companies::SweepRow;
pub use confirmations::{AskedRow, CallAbout, EarlierConfirmation, NewConfirmation, SHOWN};
pub use database::{Database, Row, Transaction, Value};
pub use delegation::{
    CardEvidence, CitizenCard, HandlerEntry, HandlerRow, NewHandler, NewRegistrationCase,
    OrganisationCard, OrganisationEntry, ReceiptRow, RegistrationFormRow, RegistrationRow,
    VisitRow,
};
pub use demands::{DemandRow, OpenDemandRow, StopRow};
pub use error::StoreError;
pub use findings::{FindingRow, WatchedAccount};
pub use handovers::{HandoverPlan, HandoverRow};
pub use idle::{IdleAccount, IdleEnd, IdleRow};
pub use institutions::InstitutionRow;
pub use letters::{Content, LetterRow, MAX_ATTEMPTS, NewLetter, letter_digest};
pub use lifecycle::{ProposalRow, ProposedAct};
pub use officers::NewOfficer;
pub use published::{PublishedList, Publishing};
pub use register::{CardFile, IdCardRow};
pub use review::{CoincidenceRow, DecisionRecord, NoteRow, QuestionRow};
pub use revocation::{FetchState, StandingChange, TakeError, Taken, check_certificates, take_list};
pub use services::{ConfirmationFormRow, ServiceRow};
pub use standings::Standings;
pub use usage::{CallRow, CallSettings, CallTotal, DayCount, Outage, Tended};
#[cfg(feature = "native")]
pub use whole_register::WholeRegister;

/// Cases, accounts, officers and challenges.
pub struct Cases<D>(pub D);

/// Identity cards.
pub struct Register<D>(pub D);

/// Wrong answers.
pub struct Attempts<D>(pub D);

/// The record of verification calls.
pub struct Calls<D>(pub D);

/// Citizens' certificates and national IDs.
pub struct Citizens<D>(pub D);

/// The record of confirmation requests.
pub struct Confirmations<D>(pub D);

/// Revocation lists.
pub struct Revocation<D>(pub D);

/// Every statement, for the test that prepares each against the schema.
#[cfg(test)]
pub(crate) fn statements() -> Vec<(schema::Label, &'static str)> {
    let mut cases = vec![
        accounts::STATEMENTS,
        audit::STATEMENTS,
        calendar::STATEMENTS,
        cards::STATEMENTS,
        cases::STATEMENTS,
        findings::CASES,
        handovers::STATEMENTS,
        idle::CASES,
        challenges::STATEMENTS,
        companies::STATEMENTS,
        letters::STATEMENTS,
        lifecycle::STATEMENTS,
        officers::STATEMENTS,
        published::STATEMENTS,
        review::STATEMENTS,
        services::STATEMENTS,
        demands::STATEMENTS,
        institutions::STATEMENTS,
        usage::CASES,
    ];
    cases.extend(delegation::STATEMENTS);
    let mut all: Vec<_> =
        cases.into_iter().flatten().map(|statement| (schema::Label::Cases, *statement)).collect();
    all.extend(register::STATEMENTS.iter().map(|statement| (schema::Label::Register, *statement)));
    all.extend(attempts::STATEMENTS.iter().map(|statement| (schema::Label::Attempts, *statement)));
    all.extend(
        calls::STATEMENTS
            .iter()
            .chain(usage::CALLS)
            .chain(findings::CALLS)
            .chain(idle::CALLS)
            .chain(confirmations::CALLS)
            .map(|statement| (schema::Label::Calls, *statement)),
    );
    all.extend(
        revocation::STATEMENTS
            .iter()
            .chain(card_requests::STATEMENTS)
            .map(|sql| (schema::Label::Revocation, *sql)),
    );
    all.extend(citizens::STATEMENTS.iter().map(|sql| (schema::Label::Citizens, *sql)));
    all.extend(confirmations::STATEMENTS.iter().map(|sql| (schema::Label::Confirmations, *sql)));
    all
}
