//! On whose behalf a request is made.

use crate::Applicant;

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
        /// 憑證序號 of the session's card: once the entry names another, the session is worth
        /// nothing.
        serial_number: String,
    },
}
