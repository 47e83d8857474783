//! Key-value stores: a table in a SQLite file, last write wins, as in Spin.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use rusqlite::OptionalExtension;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS spin_key_value (
    store TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (store, key))";

/// A store as components hold it.
pub type SharedStore = Arc<Store>;

/// One store: a label in a file.
pub struct Store {
    label: String,
    connection: Mutex<rusqlite::Connection>,
}

impl Store {
    /// Opens the file, creating it when absent.
    pub(crate) fn open(label: &str, path: &Path) -> anyhow::Result<Arc<Self>> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let open = || -> rusqlite::Result<_> {
            let connection = rusqlite::Connection::open(path)?;
            connection.busy_timeout(std::time::Duration::from_secs(5))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        };
        let connection =
            open().with_context(|| format!("cannot open the store {}", path.display()))?;
        Ok(Arc::new(Self { label: label.to_owned(), connection: Mutex::new(connection) }))
    }

    fn with<T>(
        &self,
        act: impl FnOnce(&rusqlite::Connection, &str) -> rusqlite::Result<T>,
    ) -> Result<T, String> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        act(&connection, &self.label).map_err(|error| error.to_string())
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.with(|connection, store| {
            connection
                .prepare_cached("SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2")?
                .query_row([store, key], |row| row.get(0))
                .optional()
        })
    }

    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), String> {
        self.with(|connection, store| {
            connection
                .prepare_cached(
                    "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
                     ON CONFLICT (store, key) DO UPDATE SET value = excluded.value",
                )?
                .execute(rusqlite::params![store, key, value])
        })
        .map(drop)
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), String> {
        self.with(|connection, store| {
            connection
                .prepare_cached("DELETE FROM spin_key_value WHERE store = ?1 AND key = ?2")?
                .execute([store, key])
        })
        .map(drop)
    }

    pub(crate) fn keys(&self) -> Result<Vec<String>, String> {
        self.with(|connection, store| {
            connection
                .prepare_cached("SELECT key FROM spin_key_value WHERE store = ?1 ORDER BY key")?
                .query_map([store], |row| row.get(0))?
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_do_not_see_each_other() {
        let path = std::env::temp_dir().join(format!("chayan-kv-{}.db", std::process::id()));
        let (a, b) = (Store::open("a", &path).unwrap(), Store::open("b", &path).unwrap());
        a.set("k", b"1").unwrap();
        assert_eq!(a.get("k").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(b.get("k").unwrap(), None);
        a.delete("k").unwrap();
        assert!(a.keys().unwrap().is_empty());
        std::fs::remove_file(path).unwrap();
    }
}
