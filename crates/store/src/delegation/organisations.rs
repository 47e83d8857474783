//! The register of organisations as it was imported.

use domain::{Applicant, OrganisationCode};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::{Cases, Database, Row, StoreError};

/// What the register says of a 機關代號.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganisationEntry {
    /// 機關名稱.
    pub name: String,
    /// Organisation OID, or 統一編號.
    pub key: Applicant,
    /// 縣市.
    pub region: String,
}

const FORGET: &str = "DELETE FROM organisations";
const PUT: &str = "INSERT INTO organisations (code, name, number, region) VALUES (?1, ?2, ?3, ?4)";
const SNAPSHOT: &str = "INSERT INTO organisation_snapshot (id, as_of, imported_at)
    VALUES (1, ?1, ?2)
    ON CONFLICT (id) DO UPDATE SET as_of = excluded.as_of, imported_at = excluded.imported_at";
const AS_OF: &str = "SELECT as_of FROM organisation_snapshot";
const FIND: &str = "SELECT name, number, region FROM organisations WHERE code = ?1";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[FORGET, PUT, SNAPSHOT, AS_OF, FIND];

impl<D: Database> Cases<D> {
    /// Begins the import of a new snapshot: the former one goes. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin_organisations(&self, as_of: Date, now: Timestamp) -> Result<(), StoreError> {
        self.0.execute(FORGET, &[])?;
        self.0.execute(SNAPSHOT, &[as_of.to_string().into(), now.into()]).map(drop)
    }

    /// Puts an organisation into the snapshot. Inside the import's transaction.
    ///
    /// # Errors
    /// [`StoreError::Unique`] for a code that stands there already.
    pub fn put_organisation(
        &self,
        code: &OrganisationCode,
        entry: &OrganisationEntry,
    ) -> Result<(), StoreError> {
        let parameters = [
            code.as_str().into(),
            entry.name.as_str().into(),
            entry.key.to_string().into(),
            entry.region.as_str().into(),
        ];
        self.0.execute(PUT, &parameters).map(drop)
    }

    /// The day of the snapshot, if one was ever imported.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn organisations_as_of(&self) -> Result<Option<Date>, StoreError> {
        let rows = self.0.execute(AS_OF, &[])?;
        let day = |row: &Row| row.parsed(0, "day", |text| text.parse().ok());
        rows.first().map(day).transpose()
    }

    /// What the register says of a code.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn organisation(
        &self,
        code: &OrganisationCode,
    ) -> Result<Option<OrganisationEntry>, StoreError> {
        self.0.execute(FIND, &[code.as_str().into()])?.first().map(entry).transpose()
    }
}

fn entry(row: &Row) -> Result<OrganisationEntry, StoreError> {
    Ok(OrganisationEntry {
        name: row.text(0)?.to_owned(),
        key: row.parsed(1, "organisation's number", |text| text.parse().ok())?,
        region: row.text(2)?.to_owned(),
    })
}
