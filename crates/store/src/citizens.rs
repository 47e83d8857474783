//! Which citizen certificate belongs to which national ID, as keyed digests.

use domain::PersonDigest;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::{Citizens, Database, StoreError};

const FIND: &str = "SELECT opened FROM citizens WHERE subject_serial = ?1 AND person = ?2";
const KNOWN: &str = "SELECT 1 FROM citizens WHERE subject_serial = ?1 LIMIT 1";
const ANY: &str = "SELECT 1 FROM citizens LIMIT 1";
const CLEAR: &str = "DELETE FROM citizens";
/// Of several certificates of a person one that is opened is enough.
const PUT: &str = "INSERT INTO citizens (subject_serial, person, opened) VALUES (?1, ?2, ?3)
    ON CONFLICT (subject_serial, person) DO UPDATE SET opened = max(opened, excluded.opened)";
const LAST_IMPORT: &str = "SELECT max(as_of) FROM imports";
const FIND_IMPORT: &str = "SELECT citizens FROM imports WHERE sha256 = ?1";
const PUT_IMPORT: &str =
    "INSERT INTO imports (sha256, as_of, citizens, finished_at) VALUES (?1, ?2, ?3, ?4)";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] =
    &[FIND, KNOWN, ANY, CLEAR, PUT, LAST_IMPORT, FIND_IMPORT, PUT_IMPORT];

impl<D: Database> Citizens<D> {
    /// Whether this certificate belongs to this person, and if so, whether one was opened.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(
        &self,
        subject_serial: &str,
        person: PersonDigest,
    ) -> Result<Option<bool>, StoreError> {
        let rows = self.0.execute(FIND, &[subject_serial.into(), person.0[..].into()])?;
        rows.first().map(|row| Ok(row.integer(0)? == 1)).transpose()
    }

    /// Whether the register has this certificate, whosesoever it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_known(&self, subject_serial: &str) -> Result<bool, StoreError> {
        Ok(!self.0.execute(KNOWN, &[subject_serial.into()])?.is_empty())
    }

    /// Whether nothing was imported yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.0.execute(ANY, &[])?.is_empty())
    }

    /// Empties the register before it is filled anew. Inside the import's transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn clear(&self) -> Result<(), StoreError> {
        self.0.execute(CLEAR, &[]).map(drop)
    }

    /// Keeps a certificate of a person.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put(
        &self,
        subject_serial: &str,
        person: PersonDigest,
        opened: bool,
    ) -> Result<(), StoreError> {
        let parameters = [subject_serial.into(), person.0[..].into(), i64::from(opened).into()];
        self.0.execute(PUT, &parameters).map(drop)
    }

    /// The day of the newest file that was imported.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn imported_as_of(&self) -> Result<Option<Date>, StoreError> {
        let rows = self.0.execute(LAST_IMPORT, &[])?;
        let Some(row) = rows.first().filter(|row| !row.is_null(0)) else { return Ok(None) };
        row.parsed(0, "day", |text| text.parse().ok()).map(Some)
    }

    /// Whether this very file was imported.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_imported(&self, sha256: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(!self.0.execute(FIND_IMPORT, &[sha256[..].into()])?.is_empty())
    }

    /// Says that a file was imported; with the citizens, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Unique`] when it was before.
    pub fn keep_import(
        &self,
        sha256: &[u8; 32],
        as_of: Date,
        citizens: i64,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [sha256[..].into(), as_of.to_string().into(), citizens.into(), at.into()];
        self.0.execute(PUT_IMPORT, &parameters).map(drop)
    }
}
