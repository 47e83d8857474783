//! Credential registration: organisations, visits with their cards, registrations, handlers, and
//! what officers are asked.

mod handlers;
mod organisations;
mod registrations;
mod reviews;
mod visits;

pub use handlers::{HandlerEntry, HandlerRow, NewHandler};
pub use organisations::OrganisationEntry;
pub use registrations::{ReceiptRow, RegistrationRow};
pub use reviews::{NewRegistrationCase, RegistrationFormRow};
pub use visits::{CardEvidence, CitizenCard, OrganisationCard, VisitRow};

#[cfg(test)]
pub(crate) const STATEMENTS: &[&[&str]] = &[
    handlers::STATEMENTS,
    organisations::STATEMENTS,
    registrations::STATEMENTS,
    reviews::STATEMENTS,
    visits::STATEMENTS,
];
