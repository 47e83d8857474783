//! Officers: who may do what behind the counter.

use domain::{Officer, Role, Ubn};
use jiff::Timestamp;

use crate::database::one;
use crate::{Cases, Database, StoreError};

const FIND: &str = "SELECT id, name, role, own_company FROM officers
    WHERE subject_serial = ?1 AND removed_at IS NULL";
const FIND_BY_ID: &str =
    "SELECT id, name, role, own_company FROM officers WHERE id = ?1 AND removed_at IS NULL";
const ADD: &str = "INSERT INTO officers (subject_serial, name, role, own_company, added_at)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (subject_serial) DO UPDATE SET name = excluded.name, role = excluded.role,
        own_company = excluded.own_company, removed_at = NULL
    RETURNING id, name, role, own_company";
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

    /// Puts a person on the list, or changes what the list says.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_officer(
        &self,
        subject_serial: &str,
        name: &str,
        role: Role,
        own_company: Option<Ubn>,
        now: Timestamp,
    ) -> Result<Officer, StoreError> {
        let parameters = [
            subject_serial.into(),
            name.into(),
            role.name().into(),
            own_company.as_ref().map(Ubn::as_str).into(),
            now.into(),
        ];
        officer(&one(self.0.execute(ADD, &parameters)?)?)
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
    Ok(Officer {
        id: row.integer(0)?,
        name: row.text(1)?.to_owned(),
        role: row.parsed(2, "role", Role::from_name)?,
        own_company: match row.is_null(3) {
            true => None,
            false => Some(row.parsed(3, "統一編號", |text| text.parse().ok())?),
        },
    })
}
