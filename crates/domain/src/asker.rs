//! On whose behalf a request is made.

use serde::{Deserialize, Serialize};

use crate::Applicant;

/// A citizen's card as a handler works with it: an entry is this holder's only if it names this
/// serial number and the person of the card, whoever typed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HandlerCard {
    /// 憑證序號.
    pub serial_number: String,
    /// The CA's number of the person.
    pub subject_serial: String,
    /// Last four of the national ID, from the certificate.
    pub tail: String,
}

/// Who asks for something of an applicant: itself by its card, or one of its handlers.
/// What a handler may is looked up with every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asker {
    /// By the session's card.
    Applicant(Applicant),
    /// A handler.
    Handler {
        /// The entry that was chosen.
        id: i64,
        /// The session's card: once the entry names another, or another person, the session is
        /// worth nothing.
        card: HandlerCard,
    },
}
