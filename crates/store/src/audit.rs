//! The audit log: entries are appended in the transaction of their act, and chained.

use domain::{Act, Actor, Applicant, CaseId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::database::one;
use crate::{Cases, Database, Row, StoreError};

/// Something that was done, before it is in the log.
#[derive(Clone, Debug)]
pub struct Deed {
    /// Who.
    pub actor: Actor,
    /// What.
    pub act: Act,
    /// When.
    pub at: Timestamp,
    /// To which case.
    pub case: Option<CaseId>,
    /// To which company or organisation.
    pub company: Option<Applicant>,
    /// What else has to be known later; nobody's personal data.
    pub details: serde_json::Value,
}

impl Deed {
    /// A deed without more to it.
    pub fn new(actor: Actor, act: Act, at: Timestamp) -> Self {
        Self { actor, act, at, case: None, company: None, details: serde_json::Value::Null }
    }

    /// Done to this case of this applicant.
    #[must_use]
    pub fn on_case(self, case: CaseId, applicant: Applicant) -> Self {
        Self { case: Some(case), company: Some(applicant), ..self }
    }

    /// Done to this company or organisation.
    #[must_use]
    pub fn on_company(self, company: impl Into<Applicant>) -> Self {
        Self { company: Some(company.into()), ..self }
    }

    /// With what else has to be known later.
    #[must_use]
    pub fn with(self, details: serde_json::Value) -> Self {
        Self { details, ..self }
    }
}

/// An entry as it is hashed: exactly this text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    previous: Option<String>,
    /// Seconds since 1970-01-01 UTC.
    at: i64,
    actor: String,
    act: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    case: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    company: Option<String>,
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    details: serde_json::Value,
}

/// An entry of the log.
#[derive(Clone, Debug)]
pub struct LogRow {
    /// From 0.
    pub place: i64,
    /// The entry's own text, as it was hashed.
    pub entry: String,
    /// Leaf hash (RFC 6962, section 2.1).
    pub leaf: [u8; 32],
}

impl LogRow {
    /// What the entry says.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`].
    pub fn deed(&self) -> Result<Deed, StoreError> {
        let wrong = || StoreError::Inconsistent { what: "audit entry", found: self.entry.clone() };
        let entry: Entry = serde_json::from_str(&self.entry).map_err(|_| wrong())?;
        let company: Option<Option<Applicant>> = entry.company.map(|text| text.parse().ok());
        let case = entry.case.map(|id| CaseId::parse(&id));
        Ok(Deed {
            actor: Actor::parse(&entry.actor).ok_or_else(wrong)?,
            act: Act::from_name(&entry.act).ok_or_else(wrong)?,
            at: Timestamp::from_second(entry.at).map_err(|_| wrong())?,
            case: case.map(|id| id.ok_or_else(wrong)).transpose()?,
            company: company.map(|who| who.ok_or_else(wrong)).transpose()?,
            details: entry.details,
        })
    }

    /// The leaf that this entry names as the one before it, in hexadecimal.
    pub fn previous(&self) -> Option<String> {
        serde_json::from_str::<Entry>(&self.entry).ok()?.previous
    }
}

/// The leaf hash of an entry (RFC 6962, section 2.1).
pub fn leaf_hash(entry: &str) -> [u8; 32] {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

const LAST: &str = "SELECT place, leaf FROM audit_log ORDER BY place DESC LIMIT 1";
const APPEND: &str = "INSERT INTO audit_log (place, entry, leaf) VALUES (?1, ?2, ?3)";
const OF_CASE: &str = "SELECT place, entry, leaf FROM audit_log WHERE case_id = ?1 ORDER BY place";
const OF_COMPANY: &str =
    "SELECT place, entry, leaf FROM audit_log WHERE company = ?1 ORDER BY place DESC LIMIT 500";
/// Looks change nothing.
const REVISION: &str = "SELECT coalesce(max(place), -1) FROM audit_log
    WHERE case_id = ?1 AND act NOT IN ('case-read', 'noted')";
const FROM: &str =
    "SELECT place, entry, leaf FROM audit_log WHERE place >= ?1 ORDER BY place LIMIT 1000";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[LAST, APPEND, OF_CASE, OF_COMPANY, REVISION, FROM];

impl<D: Database> Cases<D> {
    /// Appends to the log. Inside the transaction of the act itself.
    ///
    /// # Errors
    /// [`StoreError`]; the act must not happen then.
    pub fn log(&self, deed: &Deed) -> Result<(), StoreError> {
        let last = self.0.execute(LAST, &[])?;
        let (place, previous) = match last.first() {
            Some(row) => (row.integer(0)? + 1, Some(hex::encode(row.blob(1)?))),
            None => (0, None),
        };
        let entry = crate::cases::json(&Entry {
            previous,
            at: deed.at.as_second(),
            actor: deed.actor.to_string(),
            act: deed.act.name().to_owned(),
            case: deed.case.map(|id| id.to_string()),
            company: deed.company.map(|ubn| ubn.to_string()),
            details: deed.details.clone(),
        })?;
        let leaf = leaf_hash(&entry);
        self.0.execute(APPEND, &[place.into(), entry.into(), leaf[..].into()]).map(drop)
    }

    /// What was done to a case, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn log_of_case(&self, id: CaseId) -> Result<Vec<LogRow>, StoreError> {
        self.0.execute(OF_CASE, &[id.to_string().into()])?.iter().map(log_row).collect()
    }

    /// The place of the last act that changed a case: whoever decides must have seen it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn revision(&self, id: CaseId) -> Result<i64, StoreError> {
        one(self.0.execute(REVISION, &[id.to_string().into()])?)?.integer(0)
    }

    /// What was done to a company, newest first; the last five hundred.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn log_of_company(&self, company: impl Into<Applicant>) -> Result<Vec<LogRow>, StoreError> {
        self.0
            .execute(OF_COMPANY, &[company.into().to_string().into()])?
            .iter()
            .map(log_row)
            .collect()
    }

    /// A thousand entries from this place on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn log_from(&self, place: i64) -> Result<Vec<LogRow>, StoreError> {
        self.0.execute(FROM, &[place.into()])?.iter().map(log_row).collect()
    }
}

pub(crate) fn log_row(row: &Row) -> Result<LogRow, StoreError> {
    Ok(LogRow {
        place: row.integer(0)?,
        entry: row.text(1)?.to_owned(),
        leaf: row.blob(2)?.try_into().map_err(|_| StoreError::Inconsistent {
            what: "leaf hash",
            found: row.integer(0).unwrap_or_default().to_string(),
        })?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Label;

    #[test]
    fn entries_are_chained_and_stay_as_they_are() {
        let database = crate::native::memory(Label::Cases);
        let cases = Cases(&database);
        let at = "2026-11-21T15:00:00+08:00".parse().unwrap();
        let deed = Deed::new(Actor::Operator, Act::DaySet, at).with(serde_json::json!({"day": 1}));
        for _ in 0..3 {
            cases.log(&deed).unwrap();
        }
        let rows = cases.log_from(0).unwrap();
        assert_eq!(rows.iter().map(|row| row.place).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(rows[0].previous(), None);
        for pair in rows.windows(2) {
            assert_eq!(pair[1].previous(), Some(hex::encode(pair[0].leaf)));
        }
        assert_eq!(rows[2].deed().unwrap().details, deed.details);
        // Neither another place nor another chain, and nothing is taken back.
        for sql in [
            "INSERT INTO audit_log VALUES (4, '{\"previous\":null}', zeroblob(32))",
            "INSERT INTO audit_log VALUES (3, '{\"previous\":null}', zeroblob(32))",
            "UPDATE audit_log SET entry = '{}'",
            "DELETE FROM audit_log",
        ] {
            assert!(database.connection.execute(sql, []).is_err(), "{sql}");
        }
    }
}
