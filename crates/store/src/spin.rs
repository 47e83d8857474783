//! Connections inside a component.
//!
//! A connection is held by one request at a time: it is taken from the instance's pool
//! and given back when dropped. The calls are the synchronous ones, so nothing else runs
//! in the instance between two statements of a transaction.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use spin_sdk::sqlite::wit::sqlite as wit;

use crate::schema::Label;
use crate::{Database, Row, StoreError, Value};

thread_local! {
    static POOL: RefCell<HashMap<&'static str, Vec<wit::Connection>>> = RefCell::default();
}

/// A pooled connection of this instance.
pub struct Pooled {
    label: Label,
    connection: Option<wit::Connection>,
    abandoned: Cell<bool>,
}

/// Opens a database that the manifest grants.
///
/// # Errors
/// [`StoreError::Driver`].
pub fn open(label: Label) -> Result<Pooled, StoreError> {
    let idle = POOL.with_borrow_mut(|pool| pool.get_mut(label.name()).and_then(Vec::pop));
    if let Some(connection) = idle {
        return Ok(Pooled { label, connection: Some(connection), abandoned: Cell::new(false) });
    }
    let connection = wit::Connection::open(label.name()).map_err(driver)?;
    let pooled = Pooled { label, connection: Some(connection), abandoned: Cell::new(false) };
    // Spin sets no pragmas; where this host has set them already, this changes nothing.
    pooled.execute("PRAGMA foreign_keys = ON", &[])?;
    pooled.execute(label.synchronous(), &[])?;
    Ok(pooled)
}

/// Whether a challenge of ours can still be used: a look that promises nothing.
///
/// # Errors
/// [`StoreError`].
pub fn challenge_is_open(
    challenge: &str,
    origin: &str,
    now: jiff::Timestamp,
) -> Result<bool, StoreError> {
    crate::Cases(open(Label::Cases)?).challenge_is_open(challenge, origin, now)
}

/// What certificates are judged by: the lists, and the cards of our own CAs.
///
/// # Errors
/// [`StoreError::Driver`].
pub fn standings() -> Result<crate::Standings<Pooled, Pooled>, StoreError> {
    Ok(crate::Standings {
        lists: crate::Revocation(open(Label::Revocation)?),
        cards: crate::Cases(open(Label::Cases)?),
    })
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.abandoned.get()
        {
            POOL.with_borrow_mut(|pool| {
                pool.entry(self.label.name()).or_default().push(connection);
            });
        }
    }
}

impl Database for Pooled {
    fn execute(&self, sql: &'static str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        let parameters: Vec<wit::Value> = parameters.iter().map(to_wit).collect();
        let connection =
            self.connection.as_ref().ok_or_else(|| StoreError::Driver("closed".into()))?;
        let result = connection.execute(sql, &parameters).map_err(driver)?;
        result
            .rows
            .into_iter()
            .map(|row| row.values.into_iter().map(from_wit).collect::<Result<_, _>>().map(Row))
            .collect()
    }

    fn changes(&self) -> u64 {
        self.connection.as_ref().map_or(0, wit::Connection::changes)
    }

    fn abandon(&self) {
        self.abandoned.set(true);
    }
}

fn driver(error: wit::Error) -> StoreError {
    match error {
        wit::Error::Io(message) => StoreError::from_driver(message),
        other => StoreError::Driver(other.to_string()),
    }
}

fn to_wit(value: &Value) -> wit::Value {
    match value {
        Value::Null => wit::Value::Null,
        Value::Integer(integer) => wit::Value::Integer(*integer),
        Value::Text(text) => wit::Value::Text(text.clone()),
        Value::Blob(blob) => wit::Value::Blob(blob.clone()),
    }
}

fn from_wit(value: wit::Value) -> Result<Value, StoreError> {
    match value {
        wit::Value::Null => Ok(Value::Null),
        wit::Value::Integer(integer) => Ok(Value::Integer(integer)),
        wit::Value::Text(text) => Ok(Value::Text(text)),
        wit::Value::Blob(blob) => Ok(Value::Blob(blob)),
        wit::Value::Real(_) => Err(StoreError::Driver("no column is REAL".into())),
    }
}
