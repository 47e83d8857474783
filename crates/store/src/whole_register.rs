//! Replacing the whole register: a new table is filled in the order of its key, beside the one
//! that answers, and takes its place at the end. Interrupted, it goes on where it stopped.

use domain::PersonDigest;
use jiff::Timestamp;
use rusqlite::OptionalExtension;

use crate::native::{Native, driver};
use crate::{CardFile, IdCardRow, Register, StoreError, Transaction};

/// Cards of one commit.
const COMMIT: usize = 500_000;

/// What is being filled: its file, and the cards so far. It belongs to no step of the schema,
/// since it is there during an import only.
const CREATE: &str = "CREATE TABLE id_cards_next (
        person BLOB PRIMARY KEY CHECK (length(person) = 16),
        card   BLOB NOT NULL CHECK (length(card) = 16),
        state  INTEGER NOT NULL CHECK (state = 0 OR state = 6 OR state = 7),
        changed INTEGER NOT NULL CHECK (changed IN (0, 1))
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE id_cards_next_file (sha256 BLOB NOT NULL) STRICT;";
const DISCARD: &str =
    "DROP TABLE IF EXISTS id_cards_next; DROP TABLE IF EXISTS id_cards_next_file;";
const EXCHANGE: &str = "DROP TABLE id_cards; DROP TABLE id_cards_next_file;
    ALTER TABLE id_cards_next RENAME TO id_cards;";
const PUT: &str =
    "INSERT INTO id_cards_next (person, card, state, changed) VALUES (?1, ?2, ?3, ?4)";

/// An import under way.
pub struct WholeRegister<'a> {
    database: &'a Native,
    file: CardFile,
}

impl<'a> WholeRegister<'a> {
    /// Begins, or goes on with what was begun with the same file.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin(database: &'a Native, file: CardFile) -> Result<Self, StoreError> {
        let connection = &database.connection;
        // The new table may be lost and filled again; the old one is not touched until the end.
        connection
            .execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 16384")
            .map_err(driver)?;
        let exists = connection.table_exists(None, "id_cards_next_file").map_err(driver)?;
        let begun: Option<Vec<u8>> = if exists {
            connection
                .query_row("SELECT sha256 FROM id_cards_next_file", [], |row| row.get(0))
                .optional()
                .map_err(driver)?
        } else {
            None
        };
        if begun.as_deref() != Some(&file.sha256[..]) {
            let transaction = connection.unchecked_transaction().map_err(driver)?;
            transaction.execute_batch(DISCARD).map_err(driver)?;
            transaction.execute_batch(CREATE).map_err(driver)?;
            let put = "INSERT INTO id_cards_next_file (sha256) VALUES (?1)";
            transaction.execute(put, [&file.sha256[..]]).map_err(driver)?;
            transaction.commit().map_err(driver)?;
        }
        Ok(Self { database, file })
    }

    /// The last card that is there: the next one comes after it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last(&self) -> Result<Option<PersonDigest>, StoreError> {
        let last: Option<[u8; 16]> = self
            .database
            .connection
            .query_row("SELECT max(person) FROM id_cards_next", [], |row| row.get(0))
            .map_err(driver)?;
        Ok(last.map(PersonDigest))
    }

    /// Appends cards in the order of their persons; `progress` is told the number after each
    /// commit.
    ///
    /// # Errors
    /// [`StoreError::Unique`] when a person comes twice.
    pub fn append(
        &self,
        cards: impl Iterator<Item = IdCardRow>,
        mut progress: impl FnMut(usize),
    ) -> Result<(), StoreError> {
        let mut cards = cards.peekable();
        let mut count = 0;
        while cards.peek().is_some() {
            let connection = &self.database.connection;
            let transaction = connection.unchecked_transaction().map_err(driver)?;
            {
                let mut put = transaction.prepare(PUT).map_err(driver)?;
                for card in cards.by_ref().take(COMMIT) {
                    put.execute((&card.person.0, &card.card.0, card.state, card.changed))
                        .map_err(driver)?;
                    count += 1;
                }
            }
            transaction.commit().map_err(driver)?;
            progress(count);
        }
        Ok(())
    }

    /// Puts the new table in the place of the one that answered until now, when it has so many
    /// cards.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub fn exchange(self, cards: i64, at: Timestamp) -> Result<(), StoreError> {
        let connection = &self.database.connection;
        connection.execute_batch("PRAGMA synchronous = FULL").map_err(driver)?;
        let count = "SELECT count(*) FROM id_cards_next";
        let found: i64 = connection.query_row(count, [], |row| row.get(0)).map_err(driver)?;
        if found != cards {
            return Err(StoreError::Inconsistent { what: "cards", found: found.to_string() });
        }
        let transaction = Transaction::begin(self.database)?;
        connection.execute_batch(EXCHANGE).map_err(driver)?;
        Register(&transaction).keep_import(&self.file, cards, at)?;
        transaction.commit()
    }
}
