//! Identity cards, as keyed digests.

use domain::{CardDigest, PersonDigest, RecordFinding};
use jiff::Timestamp;
use jiff::civil::Date;

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

const LAST_IMPORT: &str = "SELECT max(as_of) FROM imports";
const FIND_IMPORT: &str = "SELECT cards FROM imports WHERE sha256 = ?1";
const PUT_IMPORT: &str = "INSERT INTO imports (sha256, as_of, whole, cards, finished_at)
    VALUES (?1, ?2, ?3, ?4, ?5)";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[FIND, PUT, LAST_IMPORT, FIND_IMPORT, PUT_IMPORT];

/// A file of cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardFile {
    /// Of the file.
    pub sha256: [u8; 32],
    /// The day that it describes.
    pub as_of: Date,
    /// The whole register, or what changed.
    pub whole: bool,
}

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

    /// Says that a file was imported; with the cards, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Unique`] when it was before.
    pub fn keep_import(
        &self,
        file: &CardFile,
        cards: i64,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let day = file.as_of.to_string();
        let whole = i64::from(file.whole);
        let parameters =
            [file.sha256[..].into(), day.into(), whole.into(), cards.into(), at.into()];
        self.0.execute(PUT_IMPORT, &parameters).map(drop)
    }
}
