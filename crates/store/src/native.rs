//! Connections of native programs: migration, import, tests.

use std::path::Path;

use rusqlite::types::{Value as Sql, ValueRef};

use crate::schema::Label;
use crate::{Database, Row, StoreError, Value};

/// A rusqlite connection.
pub struct Native {
    /// The connection itself.
    pub connection: rusqlite::Connection,
}

impl Native {
    /// Opens a database in a folder of databases.
    ///
    /// # Errors
    /// [`StoreError::Driver`].
    pub fn open_in(folder: &Path, label: Label) -> Result<Self, StoreError> {
        Self::open(&folder.join(format!("{}.db", label.name())), label)
    }

    /// Opens a database file as the host does: WAL, commits as sure as the database's promises
    /// need, foreign keys.
    ///
    /// # Errors
    /// [`StoreError::Driver`].
    pub fn open(path: &Path, label: Label) -> Result<Self, StoreError> {
        let connection = rusqlite::Connection::open(path).map_err(driver)?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(driver)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(driver)?;
        connection.execute_batch(label.synchronous()).map_err(driver)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(driver)?;
        Ok(Self { connection })
    }
}

pub(crate) fn driver(error: rusqlite::Error) -> StoreError {
    StoreError::from_driver(error.to_string())
}

impl Database for Native {
    fn execute(&self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(driver)?;
        let columns = statement.column_count();
        let parameters = parameters.iter().map(|value| match value {
            Value::Null => Sql::Null,
            Value::Integer(integer) => Sql::Integer(*integer),
            Value::Text(text) => Sql::Text(text.clone()),
            Value::Blob(blob) => Sql::Blob(blob.clone()),
        });
        let mut cursor = statement.query(rusqlite::params_from_iter(parameters)).map_err(driver)?;
        let mut rows = Vec::new();
        while let Some(row) = cursor.next().map_err(driver)? {
            let values = (0..columns)
                .map(|index| row.get_ref(index).map_err(driver).and_then(from_sql))
                .collect::<Result<_, _>>()?;
            rows.push(Row(values));
        }
        Ok(rows)
    }

    fn changes(&self) -> u64 {
        self.connection.changes()
    }
}

fn from_sql(value: ValueRef<'_>) -> Result<Value, StoreError> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(integer) => Ok(Value::Integer(integer)),
        ValueRef::Text(text) => String::from_utf8(text.to_vec())
            .map(Value::Text)
            .map_err(|_| StoreError::Driver("text is not UTF-8".into())),
        ValueRef::Blob(blob) => Ok(Value::Blob(blob.to_vec())),
        ValueRef::Real(_) => Err(StoreError::Driver("no column is REAL".into())),
    }
}

/// Takes the steps that a database has not taken yet, each in one transaction. Returns
/// their names.
///
/// # Errors
/// [`StoreError::Driver`].
pub fn migrate(
    connection: &rusqlite::Connection,
    label: Label,
) -> Result<Vec<&'static str>, StoreError> {
    connection
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS schema_steps (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
        )
        .map_err(driver)?;
    let mut taken = Vec::new();
    for step in label.steps() {
        let transaction = connection.unchecked_transaction().map_err(driver)?;
        let new = transaction
            .execute("INSERT OR IGNORE INTO schema_steps (name) VALUES (?1)", [step.name])
            .map_err(driver)?;
        if new == 1 {
            transaction.execute_batch(step.sql).map_err(driver)?;
            taken.push(step.name);
        }
        transaction.commit().map_err(driver)?;
    }
    Ok(taken)
}

/// A migrated database in memory, for tests.
#[cfg(test)]
pub(crate) fn memory(label: Label) -> Native {
    let connection = rusqlite::Connection::open_in_memory().expect("memory");
    connection.pragma_update(None, "foreign_keys", true).expect("pragma");
    migrate(&connection, label).expect("steps");
    Native { connection }
}
