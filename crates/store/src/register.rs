//! Identity cards, as keyed digests.

use domain::{CardDigest, PersonDigest, RecordFinding};

use crate::{Database, Register, StoreError};

/// A card to be kept.
#[derive(Clone, Copy, Debug)]
pub struct IdCardRow {
    /// Whose card.
    pub person: PersonDigest,
    /// Its data.
    pub card: CardDigest,
    /// 0 in force, 6 number no longer in use, 7 reported lost.
    pub state: i64,
    /// Whether the holder had another number before.
    pub changed: bool,
}

pub(crate) const FIND: &str = "SELECT card, state, changed FROM id_cards WHERE person = ?1";
const PUT: &str = "INSERT INTO id_cards (person, card, state, changed) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (person) DO UPDATE SET card = excluded.card, state = excluded.state,
        changed = excluded.changed";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[FIND, PUT];

impl<D: Database> Register<D> {
    /// Compares a card with the register, in constant time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn compare(
        &self,
        person: PersonDigest,
        card: CardDigest,
    ) -> Result<RecordFinding, StoreError> {
        let rows = self.0.execute(FIND, &[person.0[..].into()])?;
        let Some(row) = rows.first() else { return Ok(RecordFinding::Differs) };
        let kept: [u8; 16] = row.blob(0)?.try_into().map_err(|_| StoreError::Inconsistent {
            what: "card digest",
            found: "another length".into(),
        })?;
        match row.integer(1)? {
            0 if card.matches(&CardDigest(kept)) => {
                Ok(RecordFinding::Matches { changed: row.integer(2)? == 1 })
            }
            0 => Ok(RecordFinding::Differs),
            6 => Ok(RecordFinding::NumberStopped),
            7 => Ok(RecordFinding::ReportedLost),
            other => Err(StoreError::Inconsistent { what: "card state", found: other.to_string() }),
        }
    }

    /// Keeps a card, replacing what was known of the person's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put(&self, row: &IdCardRow) -> Result<(), StoreError> {
        let IdCardRow { person, card, state, changed } = row;
        let parameters =
            [person.0[..].into(), card.0[..].into(), (*state).into(), i64::from(*changed).into()];
        self.0.execute(PUT, &parameters).map(drop)
    }
}
