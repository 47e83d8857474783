//! The narrow door to SQLite, the same in a component and in a native program.

use crate::StoreError;

/// A value of SQLite.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// TEXT.
    Text(String),
    /// BLOB.
    Blob(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Blob(value.to_vec())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<jiff::Timestamp> for Value {
    fn from(value: jiff::Timestamp) -> Self {
        Self::Integer(value.as_second())
    }
}

/// A row of a result.
#[derive(Clone, Debug)]
pub struct Row(pub Vec<Value>);

impl Row {
    fn inconsistent(&self, index: usize) -> StoreError {
        StoreError::Inconsistent { what: "column", found: format!("{index} of {}", self.0.len()) }
    }

    /// An INTEGER.
    pub(crate) fn integer(&self, index: usize) -> Result<i64, StoreError> {
        match self.0.get(index) {
            Some(Value::Integer(value)) => Ok(*value),
            _ => Err(self.inconsistent(index)),
        }
    }

    /// An INTEGER or NULL.
    pub(crate) fn optional_integer(&self, index: usize) -> Result<Option<i64>, StoreError> {
        if self.is_null(index) { Ok(None) } else { self.integer(index).map(Some) }
    }

    /// A TEXT.
    pub(crate) fn text(&self, index: usize) -> Result<&str, StoreError> {
        match self.0.get(index) {
            Some(Value::Text(value)) => Ok(value),
            _ => Err(self.inconsistent(index)),
        }
    }

    /// A BLOB.
    pub(crate) fn blob(&self, index: usize) -> Result<&[u8], StoreError> {
        match self.0.get(index) {
            Some(Value::Blob(value)) => Ok(value),
            _ => Err(self.inconsistent(index)),
        }
    }

    /// Whether the column is NULL.
    pub(crate) fn is_null(&self, index: usize) -> bool {
        matches!(self.0.get(index), Some(Value::Null))
    }

    /// A TEXT or NULL.
    pub(crate) fn optional_text(&self, index: usize) -> Result<Option<String>, StoreError> {
        if self.is_null(index) {
            Ok(None)
        } else {
            self.text(index).map(|text| Some(text.to_owned()))
        }
    }

    /// An instant.
    pub(crate) fn instant(&self, index: usize) -> Result<jiff::Timestamp, StoreError> {
        jiff::Timestamp::from_second(self.integer(index)?).map_err(|_| self.inconsistent(index))
    }

    /// An instant or NULL.
    pub(crate) fn optional_instant(
        &self,
        index: usize,
    ) -> Result<Option<jiff::Timestamp>, StoreError> {
        if self.is_null(index) { Ok(None) } else { self.instant(index).map(Some) }
    }

    /// A TEXT that `read` understands.
    pub(crate) fn parsed<T>(
        &self,
        index: usize,
        what: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let text = self.text(index)?;
        read(text).ok_or_else(|| StoreError::Inconsistent { what, found: text.to_owned() })
    }
}

/// A connection, held by one request at a time.
pub trait Database {
    /// Runs one statement to its end.
    ///
    /// # Errors
    /// [`StoreError::Unique`] when a uniqueness rule refuses, [`StoreError::Driver`] otherwise.
    fn execute(&self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError>;

    /// Rows that the last statement changed.
    fn changes(&self) -> u64;

    /// Gives the connection up for good: a transaction on it could not be ended.
    fn abandon(&self) {}
}

impl<D: Database> Database for &D {
    fn execute(&self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        (**self).execute(sql, parameters)
    }

    fn changes(&self) -> u64 {
        (**self).changes()
    }
}

/// The one row of a statement that must give exactly one.
pub(crate) fn one(rows: Vec<Row>) -> Result<Row, StoreError> {
    let count = rows.len();
    let mut rows = rows.into_iter();
    match (rows.next(), count) {
        (Some(row), 1) => Ok(row),
        _ => Err(StoreError::Conflict),
    }
}

/// A transaction that has the right to write from its beginning.
pub struct Transaction<'a, D: Database> {
    database: &'a D,
    open: bool,
}

impl<'a, D: Database> Transaction<'a, D> {
    /// BEGIN IMMEDIATE: waits for other writers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin(database: &'a D) -> Result<Self, StoreError> {
        database.execute("BEGIN IMMEDIATE", &[])?;
        Ok(Self { database, open: true })
    }

    /// Makes everything durable, or nothing.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was kept then.
    pub fn commit(mut self) -> Result<(), StoreError> {
        self.database.execute("COMMIT", &[])?;
        self.open = false;
        Ok(())
    }
}

impl<D: Database> Database for Transaction<'_, D> {
    fn execute(&self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.database.execute(sql, parameters)
    }

    fn changes(&self) -> u64 {
        self.database.changes()
    }
}

impl<D: Database> Drop for Transaction<'_, D> {
    fn drop(&mut self) {
        if self.open {
            // Should even this fail, closing the connection rolls back.
            if self.database.execute("ROLLBACK", &[]).is_err() {
                self.database.abandon();
            }
        }
    }
}
