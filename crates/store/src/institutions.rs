//! The list of institutions under supervision, and the company behind an apId.

use domain::{Act, Actor, Applicant};
use jiff::Timestamp;
use serde_json::json;

use crate::audit::Deed;
use crate::database::one;
use crate::{Cases, Database, Row, StoreError};

/// A supervised institution.
#[derive(Clone, Debug)]
pub struct InstitutionRow {
    /// 統一編號, or organisation OID.
    pub applicant: Applicant,
    /// Its name.
    pub name: String,
}

const PUT_INSTITUTION: &str = "INSERT INTO institutions (applicant, name, added_at)
    VALUES (?1, ?2, ?3) ON CONFLICT (applicant) DO UPDATE SET name = excluded.name";
const DROP_INSTITUTION: &str = "DELETE FROM institutions WHERE applicant = ?1 RETURNING applicant";
const INSTITUTIONS: &str = "SELECT applicant, name FROM institutions ORDER BY name, applicant";
/// The company behind an apId, and what it said the calls are for.
const OF_AP_ID: &str = "SELECT
    coalesce((SELECT company_name FROM accounts WHERE accounts.ubn = ap_ids.ubn), ''),
    coalesce((SELECT reason FROM cases JOIN applications
        ON case_id = cases.id AND applications.version = cases.version
        WHERE applicant = ap_ids.ubn AND kind = 'api-application' AND state = 'approved'
        ORDER BY decided_at DESC LIMIT 1), '')
    FROM ap_ids WHERE ap_id = ?1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[PUT_INSTITUTION, DROP_INSTITUTION, INSTITUTIONS, OF_AP_ID];

impl<D: Database> Cases<D> {
    /// The list of supervised institutions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn institutions(&self) -> Result<Vec<InstitutionRow>, StoreError> {
        let institution = |row: &Row| {
            Ok(InstitutionRow {
                applicant: row.parsed(0, "applicant", |text| text.parse().ok())?,
                name: row.text(1)?.to_owned(),
            })
        };
        self.0.execute(INSTITUTIONS, &[])?.iter().map(institution).collect()
    }

    /// Puts an institution on the list, or gives it another name; without a name takes it off.
    /// Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is to be taken off and is not there.
    pub fn set_institution(
        &self,
        applicant: Applicant,
        name: Option<&str>,
        by: Actor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let text = applicant.to_string();
        match name {
            Some(name) => {
                self.0.execute(PUT_INSTITUTION, &[text.into(), name.into(), now.into()])?;
            }
            None => {
                one(self.0.execute(DROP_INSTITUTION, &[text.into()])?)?;
            }
        }
        let deed = Deed::new(by, Act::InstitutionSet, now).on_company(applicant);
        self.log(&deed.with(json!({ "listed": name.is_some() })))
    }

    /// The company behind an apId, and the purpose that it applied with.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn company_of_ap_id(&self, ap_id: &str) -> Result<Option<(String, String)>, StoreError> {
        let rows = self.0.execute(OF_AP_ID, &[ap_id.into()])?;
        rows.first().map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).transpose()
    }
}
