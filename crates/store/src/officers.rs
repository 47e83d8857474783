//! Officers: who may review.

use jiff::Timestamp;

use crate::database::one;
use crate::{Cases, Database, StoreError};

/// An officer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Officer {
    /// The id under which acts are recorded.
    pub id: i64,
    /// For the page's head.
    pub name: String,
}

const FIND: &str = "SELECT id, name FROM officers WHERE subject_serial = ?1 AND removed_at IS NULL";
const FIND_BY_ID: &str = "SELECT id, name FROM officers WHERE id = ?1 AND removed_at IS NULL";
const ADD: &str = "INSERT INTO officers (subject_serial, name, added_at) VALUES (?1, ?2, ?3)
    ON CONFLICT (subject_serial) DO UPDATE SET name = excluded.name, removed_at = NULL
    RETURNING id, name";

const REMOVE: &str = "UPDATE officers SET removed_at = ?2
    WHERE subject_serial = ?1 AND removed_at IS NULL RETURNING id";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[FIND, FIND_BY_ID, ADD, REMOVE];

impl<D: Database> Cases<D> {
    /// The officer with this citizen certificate subject.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn officer(&self, subject_serial: &str) -> Result<Option<Officer>, StoreError> {
        self.0.execute(FIND, &[subject_serial.into()])?.first().map(officer).transpose()
    }

    /// The officer with this id, while still on the list.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn officer_by_id(&self, id: i64) -> Result<Option<Officer>, StoreError> {
        self.0.execute(FIND_BY_ID, &[id.into()])?.first().map(officer).transpose()
    }

    /// Puts a person on the list.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_officer(
        &self,
        subject_serial: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<Officer, StoreError> {
        officer(&one(self.0.execute(ADD, &[subject_serial.into(), name.into(), now.into()])?)?)
    }

    /// Takes a person off the list.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the person is not on it.
    pub fn remove_officer(&self, subject_serial: &str, now: Timestamp) -> Result<(), StoreError> {
        one(self.0.execute(REMOVE, &[subject_serial.into(), now.into()])?).map(drop)
    }
}

fn officer(row: &crate::Row) -> Result<Officer, StoreError> {
    Ok(Officer { id: row.integer(0)?, name: row.text(1)?.to_owned() })
}
