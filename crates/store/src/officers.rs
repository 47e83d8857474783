//! Officers: who may do what behind the counter.

use std::collections::BTreeMap;

use domain::{Act, Actor, Applicant, Officer, Role};
use jiff::Timestamp;
use serde_json::json;

use crate::audit::Deed;
use crate::database::one;
use crate::{Cases, Database, StoreError};

/// A person as the list names them.
#[derive(Clone, Copy, Debug)]
pub struct NewOfficer<'a> {
    /// Serial number in the subject of a citizen certificate, or `OID:` and the organisation OID
    /// of an agency's.
    pub subject_serial: &'a str,
    /// For the page's head.
    pub name: &'a str,
    /// What the person may do.
    pub role: Role,
    /// The company or organisation that the person has to do with.
    pub own_company: Option<Applicant>,
}

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
    WHERE id = ?1 AND removed_at IS NULL RETURNING id";
const LIST: &str = "SELECT id, name, role, own_company FROM officers
    WHERE removed_at IS NULL ORDER BY name, id";
const NAMES: &str = "SELECT id, name FROM officers";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[FIND, FIND_BY_ID, ADD, REMOVE, LIST, NAMES];

impl<D: Database> Cases<D> {
    /// The officer whose card is known by this.
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

    /// Everybody on the list.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn officers(&self) -> Result<Vec<Officer>, StoreError> {
        self.0.execute(LIST, &[])?.iter().map(officer).collect()
    }

    /// The names of everybody who ever was on the list, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn officer_names(&self) -> Result<BTreeMap<i64, String>, StoreError> {
        let rows = self.0.execute(NAMES, &[])?;
        rows.iter().map(|row| Ok((row.integer(0)?, row.text(1)?.to_owned()))).collect()
    }

    /// Puts a person on the list, or changes what the list says. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_officer(
        &self,
        new: NewOfficer<'_>,
        by: Actor,
        now: Timestamp,
    ) -> Result<Officer, StoreError> {
        let parameters = [
            new.subject_serial.into(),
            new.name.into(),
            new.role.name().into(),
            new.own_company.map(String::from).into(),
            now.into(),
        ];
        let added = officer(&one(self.0.execute(ADD, &parameters)?)?)?;
        let details = json!({ "officer": added.id, "role": added.role.name() });
        self.log(&Deed::new(by, Act::OfficerAdded, now).with(details))?;
        Ok(added)
    }

    /// Takes a person off the list. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the person is not on it.
    pub fn remove_officer(&self, id: i64, by: Actor, now: Timestamp) -> Result<(), StoreError> {
        one(self.0.execute(REMOVE, &[id.into(), now.into()])?)?;
        let details = json!({ "officer": id });
        self.log(&Deed::new(by, Act::OfficerRemoved, now).with(details))
    }
}

fn officer(row: &crate::Row) -> Result<Officer, StoreError> {
    Ok(Officer {
        id: row.integer(0)?,
        name: row.text(1)?.to_owned(),
        role: row.parsed(2, "role", Role::from_name)?,
        own_company: match row.is_null(3) {
            true => None,
            false => Some(row.parsed(3, "applicant", |text| text.parse().ok())?),
        },
    })
}
