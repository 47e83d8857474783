//! SQLite databases behind the `spin:sqlite` interface.
//!
//! Durability: every connection runs in WAL mode with `synchronous=FULL` unless the guest
//! says otherwise on it, so a statement that was answered survives power loss. Changes
//! outside transactions that wait at the same time share one commit and its sync
//! ([`writer`]).
//!
//! Writers of one database queue fairly, in the order in which they asked. The
//! queue replaces SQLite's own busy waiting, which sleeps for random times and
//! lets late writers overtake early ones. Reads outside a transaction never queue.

mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use tokio::sync::OwnedMutexGuard;

use self::writer::{Sync, Writer};
use crate::bindings::sqlite::{Error, QueryResult, RowResult, Value};

/// Prepared statements kept for each connection.
const STATEMENT_CACHE: usize = 64;
/// How long a writer of another process is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Rows that one statement may return; more is an error, not an exhausted host.
const MAX_ROWS: usize = 100_000;

/// One database file.
pub(crate) struct Database {
    path: PathBuf,
    writer: Arc<tokio::sync::Mutex<Writer>>,
}

impl Database {
    /// Prepares the file (creating it when absent) and checks that it can be opened.
    pub(crate) fn new(path: PathBuf) -> anyhow::Result<Arc<Self>> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let writer = Writer::open(&path)
            .with_context(|| format!("cannot open the database {}", path.display()))?;
        Ok(Arc::new(Self { path, writer: Arc::new(tokio::sync::Mutex::new(writer)) }))
    }
}

/// A connection as guests and the writer use it.
fn connect(path: &Path) -> rusqlite::Result<rusqlite::Connection> {
    let connection = rusqlite::Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    Ok(connection)
}

/// Idle connections of one component to one database.
pub(crate) struct Pool {
    database: Arc<Database>,
    /// For what a guest does on a connection of its own.
    idle: Mutex<Vec<rusqlite::Connection>>,
    /// For reads outside transactions, whichever guest asks; one for each thread is enough. The
    /// fewer there are, the fewer page caches go stale with every commit.
    readers: Mutex<Vec<rusqlite::Connection>>,
}

impl Pool {
    pub(crate) fn new(database: Arc<Database>) -> Arc<Self> {
        Arc::new(Self { database, idle: Mutex::default(), readers: Mutex::default() })
    }

    /// A connection for one guest handle.
    pub(crate) fn open(self: &Arc<Self>) -> Result<Connection, Error> {
        let connection = self.take(&self.idle)?;
        let session = Session {
            connection: Some(connection),
            turn: None,
            sync: Sync::Full,
            alike: true,
            last: None,
            pool: self.clone(),
        };
        Ok(Connection {
            session: Arc::new(Mutex::new(session)),
            writer: self.database.writer.clone(),
        })
    }

    fn take(&self, from: &Mutex<Vec<rusqlite::Connection>>) -> Result<rusqlite::Connection, Error> {
        let pooled = lock(from).pop();
        pooled.map_or_else(|| connect(&self.database.path).map_err(io_error), Ok)
    }

    fn read(&self, sql: &str, parameters: Vec<Value>) -> Result<QueryResult, Error> {
        let reader = self.take(&self.readers)?;
        let result = run(&reader, sql, parameters);
        lock(&self.readers).push(reader);
        result
    }
}

/// An open connection, and the right to write while a transaction is under way.
struct Session {
    /// Present until the session is dropped.
    connection: Option<rusqlite::Connection>,
    turn: Option<OwnedMutexGuard<Writer>>,
    /// What the guest has set by `PRAGMA synchronous`.
    sync: Sync,
    /// Whether a read on another connection would see the same: no setting was changed that
    /// reads depend on, nothing temporary was made.
    alike: bool,
    /// What the last change did, when the writer ran it.
    last: Option<Done>,
    pool: Arc<Pool>,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Done {
    changes: u64,
    last_insert_rowid: i64,
}

impl Done {
    fn by(connection: &rusqlite::Connection) -> Self {
        Self { changes: connection.changes(), last_insert_rowid: connection.last_insert_rowid() }
    }
}

impl Drop for Session {
    /// Gives the connection back, unless a transaction was left open or the guest has changed
    /// what reads see: then it is closed, which rolls back.
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && connection.is_autocommit()
            && self.alike
        {
            lock(&self.pool.idle).push(connection);
        }
    }
}

/// A guest's handle.
#[derive(Clone)]
pub struct Connection {
    session: Arc<Mutex<Session>>,
    writer: Arc<tokio::sync::Mutex<Writer>>,
}

/// How a statement has to be run.
enum Plan {
    /// A read outside a transaction: at once, on this thread, by any connection.
    Read,
    /// The same on the guest's own connection.
    OwnRead,
    /// The same, of a database whose commits need no sync: by the writer, whose pages are
    /// never made stale by somebody else's changes.
    ReadByWriter,
    /// Inside a transaction that already has its turn, or reads in one.
    Continue,
    /// A change of rows outside a transaction: by the writer, which commits it with others.
    Change(Sync),
    /// Anything else that has to wait for its turn.
    Queue,
}

impl Connection {
    /// Runs one statement to its end.
    pub(crate) async fn execute(
        &self,
        sql: String,
        parameters: Vec<Value>,
    ) -> Result<QueryResult, Error> {
        let turn = match self.plan(&sql)? {
            Plan::Read => {
                let pool = lock(&self.session).pool.clone();
                return pool.read(&sql, parameters);
            }
            Plan::OwnRead => return lock(&self.session).run(&sql, parameters),
            Plan::ReadByWriter => return writer::read(&self.writer, sql, parameters).await,
            Plan::Continue => None,
            Plan::Change(sync) => {
                let (result, done) = writer::change(&self.writer, sql, parameters, sync).await?;
                lock(&self.session).last = Some(done);
                return Ok(result);
            }
            Plan::Queue => {
                let mut turn = self.writer.clone().lock_owned().await;
                if turn.is_open() {
                    turn = writer::commit(turn).await;
                }
                Some(turn)
            }
        };
        let session = self.session.clone();
        tokio::task::spawn_blocking(move || {
            let mut session = lock(&session);
            if turn.is_some() {
                session.turn = turn;
            }
            let result = session.run(&sql, parameters);
            if session.connection()?.is_autocommit() {
                session.turn = None;
            }
            result
        })
        .await
        .map_err(io_error)?
    }

    fn plan(&self, sql: &str) -> Result<Plan, Error> {
        let session = lock(&self.session);
        let connection = session.connection()?;
        if connection.is_autocommit() && session.alike {
            if begins_with_one_of(sql, &CHANGES) {
                return Ok(Plan::Change(session.sync));
            }
            if begins_with_one_of(sql, &["SELECT"]) {
                let unsynced = session.sync == Sync::Normal;
                return Ok(if unsynced { Plan::ReadByWriter } else { Plan::Read });
            }
        }
        let statement = connection.prepare_cached(sql).map_err(io_error)?;
        Ok(match (statement.readonly(), connection.is_autocommit()) {
            (true, true) => Plan::OwnRead,
            (true, false) => Plan::Continue,
            (false, _) if session.turn.is_some() => Plan::Continue,
            (false, _) => Plan::Queue,
        })
    }

    /// Rows changed by the last finished statement.
    pub(crate) fn changes(&self) -> u64 {
        lock(&self.session).done().map_or(0, |done| done.changes)
    }

    /// Row id of the last insert.
    pub(crate) fn last_insert_rowid(&self) -> i64 {
        lock(&self.session).done().map_or(0, |done| done.last_insert_rowid)
    }
}

/// First words of statements that change rows and nothing else.
const CHANGES: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "REPLACE"];
/// Of others that leave a connection as it was, but for a transaction.
const HARMLESS: [&str; 8] =
    ["SELECT", "WITH", "BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"];
/// Settings that reads do not depend on.
const SETTINGS: [&str; 2] = ["foreign_keys", "synchronous"];

/// What a statement is, as far as its first word tells.
fn begins_with_one_of(sql: &str, words: &[&str]) -> bool {
    let first = sql.split_whitespace().next().unwrap_or_default();
    words.iter().any(|word| first.eq_ignore_ascii_case(word))
}

/// Whether a connection reads as before after this statement.
fn leaves_reads_alone(sql: &str) -> bool {
    let setting = || sql.split_whitespace().nth(1).unwrap_or_default();
    begins_with_one_of(sql, &CHANGES)
        || begins_with_one_of(sql, &HARMLESS)
        || (is_pragma(sql) && SETTINGS.contains(&setting()))
}

fn is_pragma(sql: &str) -> bool {
    begins_with_one_of(sql, &["PRAGMA"])
}

impl Session {
    fn connection(&self) -> Result<&rusqlite::Connection, Error> {
        self.connection.as_ref().ok_or(Error::InvalidConnection)
    }

    fn done(&self) -> Option<Done> {
        self.last.or_else(|| self.connection.as_ref().map(Done::by))
    }

    fn run(&mut self, sql: &str, parameters: Vec<Value>) -> Result<QueryResult, Error> {
        let result = run(self.connection()?, sql, parameters)?;
        self.alike &= leaves_reads_alone(sql);
        if is_pragma(sql) {
            self.sync = Sync::of(self.connection()?).map_err(io_error)?;
        } else if !self.connection()?.is_autocommit() {
            self.last = None;
        }
        Ok(result)
    }
}

fn run(
    connection: &rusqlite::Connection,
    sql: &str,
    parameters: Vec<Value>,
) -> Result<QueryResult, Error> {
    let mut statement = connection.prepare_cached(sql).map_err(io_error)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let parameters = rusqlite::params_from_iter(parameters.into_iter().map(to_sql));
    let mut cursor = statement.query(parameters).map_err(io_error)?;
    let mut rows = Vec::new();
    while let Some(row) = cursor.next().map_err(io_error)? {
        if rows.len() == MAX_ROWS {
            return Err(Error::Io(format!("more than {MAX_ROWS} rows")));
        }
        let values = (0..columns.len())
            .map(|index| row.get_ref(index).map_err(io_error).and_then(from_sql))
            .collect::<Result<_, _>>()?;
        rows.push(RowResult { values });
    }
    Ok(QueryResult { columns, rows })
}

fn to_sql(value: Value) -> rusqlite::types::Value {
    use rusqlite::types::Value as Sql;
    match value {
        Value::Null => Sql::Null,
        Value::Integer(integer) => Sql::Integer(integer),
        Value::Real(real) => Sql::Real(real),
        Value::Text(text) => Sql::Text(text),
        Value::Blob(blob) => Sql::Blob(blob),
    }
}

fn from_sql(value: ValueRef<'_>) -> Result<Value, Error> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(text) => {
            Value::Text(std::str::from_utf8(text).map_err(io_error)?.to_owned())
        }
        ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
    })
}

/// SQLite's message names the constraint that failed, never a value.
fn io_error(error: impl std::fmt::Display) -> Error {
    Error::Io(error.to_string())
}

/// A panic while the lock was held cannot leave a connection half-changed: SQLite's
/// own state decides.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("chayan-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            Self(path)
        }

        fn pool(&self) -> Arc<Pool> {
            Pool::new(Database::new(self.0.join("test.db")).unwrap())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    async fn run(connection: &Connection, sql: &str) -> Result<QueryResult, Error> {
        connection.execute(sql.to_owned(), Vec::new()).await
    }

    #[tokio::test]
    async fn connections_are_durable_and_cannot_attach() {
        let folder = Folder::new("pragmas");
        let connection = folder.pool().open().unwrap();
        let mut pragmas = Vec::new();
        for pragma in ["PRAGMA journal_mode", "PRAGMA synchronous", "PRAGMA foreign_keys"] {
            let mut result = run(&connection, pragma).await.unwrap();
            pragmas.append(&mut result.rows[0].values);
        }
        let text = format!("{pragmas:?}");
        assert!(text.contains("wal") && text.contains("Integer(2)") && text.contains("Integer(1)"));
        assert!(run(&connection, "ATTACH 'other.db' AS other").await.is_err());
    }

    #[tokio::test]
    async fn a_transaction_left_open_is_rolled_back_and_gives_way() {
        let folder = Folder::new("rollback");
        let pool = folder.pool();
        let first = pool.open().unwrap();
        run(&first, "CREATE TABLE t (n INTEGER)").await.unwrap();
        run(&first, "BEGIN IMMEDIATE").await.unwrap();
        run(&first, "INSERT INTO t VALUES (1)").await.unwrap();
        let second = pool.open().unwrap();
        let waiting = tokio::spawn({
            let second = second.clone();
            async move { run(&second, "INSERT INTO t VALUES (2)").await }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!waiting.is_finished(), "the second writer waits for its turn");
        drop(first);
        waiting.await.unwrap().unwrap();
        let rows = run(&second, "SELECT n FROM t").await.unwrap().rows;
        assert_eq!(rows.len(), 1, "the open transaction left nothing");
    }

    #[tokio::test]
    async fn reads_see_the_transaction_and_the_settings_of_their_own_connection() {
        let folder = Folder::new("own");
        let pool = folder.pool();
        let [first, second] = [(); 2].map(|()| pool.open().unwrap());
        let first_value = async |connection: &Connection, sql: &str| {
            format!("{:?}", run(connection, sql).await.unwrap().rows[0].values[0])
        };
        let all = "SELECT count(*) FROM t";
        run(&first, "CREATE TABLE t (n INTEGER)").await.unwrap();
        run(&second, "PRAGMA foreign_keys = ON").await.unwrap();
        run(&second, "BEGIN IMMEDIATE").await.unwrap();
        run(&second, "INSERT INTO t VALUES (1)").await.unwrap();
        assert_eq!(first_value(&second, all).await, "Value::Integer(1)");
        assert_eq!(first_value(&first, all).await, "Value::Integer(0)");
        run(&second, "COMMIT").await.unwrap();
        assert_eq!(first_value(&second, all).await, "Value::Integer(1)");
        let alike = "SELECT 'a' LIKE 'A'";
        run(&second, "PRAGMA case_sensitive_like = ON").await.unwrap();
        assert_eq!(first_value(&second, alike).await, "Value::Integer(0)");
        assert_eq!(first_value(&pool.open().unwrap(), alike).await, "Value::Integer(1)");
        run(&second, "CREATE TEMP TABLE own AS SELECT 7 AS n").await.unwrap();
        assert_eq!(first_value(&second, "SELECT n FROM own").await, "Value::Integer(7)");
    }

    #[tokio::test]
    async fn writers_are_served_in_the_order_of_asking() {
        let folder = Folder::new("order");
        let pool = folder.pool();
        let first = pool.open().unwrap();
        run(&first, "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)").await.unwrap();
        run(&first, "BEGIN IMMEDIATE").await.unwrap();
        let mut waiting = Vec::new();
        for n in 0..20 {
            let connection = pool.open().unwrap();
            waiting.push(tokio::spawn(async move {
                run(&connection, &format!("INSERT INTO t (n) VALUES ({n})")).await
            }));
            tokio::task::yield_now().await;
        }
        run(&first, "COMMIT").await.unwrap();
        for writer in waiting {
            writer.await.unwrap().unwrap();
        }
        let rows = run(&first, "SELECT n FROM t ORDER BY id").await.unwrap().rows;
        let order: Vec<String> = rows.iter().map(|row| format!("{:?}", row.values[0])).collect();
        let expected: Vec<String> = (0..20).map(|n| format!("Value::Integer({n})")).collect();
        assert_eq!(order, expected);
    }

    /// Sixty-four changes at once, each on a connection of its own.
    async fn at_once(pool: &Arc<Pool>, sql: impl Fn(usize) -> String) -> Vec<bool> {
        let tasks: Vec<_> = (0..64)
            .map(|n| {
                let (connection, sql) = (pool.open().unwrap(), sql(n));
                tokio::spawn(async move { run(&connection, &sql).await.is_ok() })
            })
            .collect();
        let mut done = Vec::new();
        for task in tasks {
            done.push(task.await.unwrap());
        }
        done
    }

    #[tokio::test]
    async fn changes_that_wait_share_commits_and_fail_each_for_itself() {
        let folder = Folder::new("group");
        let pool = folder.pool();
        let reader = pool.open().unwrap();
        run(&reader, "CREATE TABLE t (n INTEGER UNIQUE CHECK (n <> 13))").await.unwrap();
        let before = pool.database.writer.lock().await.commits();
        // Every other number comes twice; thirteen is refused.
        let done = at_once(&pool, |n| format!("INSERT INTO t VALUES ({})", n / 2 * 2 + 1)).await;
        assert_eq!(done.iter().filter(|ok| **ok).count(), 31);
        let commits = pool.database.writer.lock().await.commits() - before;
        assert!((1..31).contains(&commits), "{commits} commits for 31 changes");
        let rows = run(&reader, "SELECT count(*) FROM t").await.unwrap().rows;
        assert_eq!(format!("{:?}", rows[0].values), "[Value::Integer(31)]");
        // A change tells what it did; one that finds nothing is no commit.
        run(&reader, "DELETE FROM t WHERE n < 5").await.unwrap();
        assert_eq!(reader.changes(), 2);
        let before = pool.database.writer.lock().await.commits();
        run(&reader, "UPDATE t SET n = n WHERE n = 2").await.unwrap();
        assert_eq!(reader.changes(), 0);
        assert_eq!(pool.database.writer.lock().await.commits(), before);
    }

    #[tokio::test]
    async fn a_transaction_begins_after_the_changes_that_asked_before() {
        let folder = Folder::new("after");
        let pool = folder.pool();
        let first = pool.open().unwrap();
        run(&first, "CREATE TABLE t (n INTEGER)").await.unwrap();
        for round in 0..20 {
            let changing = {
                let connection = pool.open().unwrap();
                tokio::spawn(async move { run(&connection, "INSERT INTO t VALUES (1)").await })
            };
            tokio::task::yield_now().await;
            run(&first, "BEGIN IMMEDIATE").await.unwrap();
            let rows = run(&first, "SELECT count(*) FROM t").await.unwrap().rows;
            run(&first, "COMMIT").await.unwrap();
            changing.await.unwrap().unwrap();
            let expected = format!("[Value::Integer({})]", round + 1);
            assert_eq!(format!("{:?}", rows[0].values), expected);
        }
    }

    #[tokio::test]
    async fn whoever_gives_up_waiting_for_another_process_leaves_no_lock() {
        let folder = Folder::new("given-up");
        let pool = folder.pool();
        run(&pool.open().unwrap(), "CREATE TABLE t (n INTEGER)").await.unwrap();
        let connection = pool.open().unwrap();
        let other = rusqlite::Connection::open(folder.0.join("test.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let waiting = run(&connection, "INSERT INTO t VALUES (1)");
        let given_up = tokio::time::timeout(Duration::from_millis(50), waiting).await;
        assert!(given_up.is_err(), "it waited");
        other.execute_batch("COMMIT").unwrap();
        // SQLite tries again after a tenth of a second at the latest.
        tokio::time::sleep(Duration::from_millis(500)).await;
        other.busy_timeout(Duration::ZERO).unwrap();
        other.execute_batch("BEGIN IMMEDIATE; COMMIT").unwrap();
        run(&connection, "INSERT INTO t VALUES (2)").await.unwrap();
        let rows = run(&connection, "SELECT n FROM t").await.unwrap().rows;
        assert_eq!(rows.len(), 1, "what was given up left nothing");
    }

    #[tokio::test]
    async fn without_syncs_reads_see_what_was_asked_before() {
        let folder = Folder::new("normal");
        let pool = folder.pool();
        let connection = pool.open().unwrap();
        run(&connection, "PRAGMA synchronous = NORMAL").await.unwrap();
        run(&connection, "CREATE TABLE t (n INTEGER)").await.unwrap();
        assert!(
            at_once(&pool, |n| format!("INSERT INTO t VALUES ({n})")).await.iter().all(|ok| *ok)
        );
        let rows = run(&connection, "SELECT count(*), max(n) FROM t").await.unwrap().rows;
        assert_eq!(format!("{:?}", rows[0].values), "[Value::Integer(64), Value::Integer(63)]");
        // What needs a sync has it, whatever others chose.
        let other = pool.open().unwrap();
        run(&other, "INSERT INTO t VALUES (64)").await.unwrap();
        assert!(pool.database.writer.lock().await.synced());
    }

    /// However much there is to do: a disk is not filled by a busy hour.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_log_begins_anew_while_changes_keep_coming() {
        let folder = Folder::new("log");
        let pool = folder.pool();
        let connection = pool.open().unwrap();
        run(&connection, "CREATE TABLE t (n INTEGER)").await.unwrap();
        let busy = |_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let connection = pool.open().unwrap();
                run(&connection, "PRAGMA synchronous = NORMAL").await.unwrap();
                while pool.database.writer.lock().await.commits() < 5000 {
                    run(&connection, "INSERT INTO t VALUES (1)").await.unwrap();
                }
            })
        };
        let tasks: Vec<_> = (0..8).map(busy).collect();
        for task in tasks {
            task.await.unwrap();
        }
        let log = std::fs::metadata(folder.0.join("test.db-wal")).unwrap().len();
        // Each commit writes a page at least.
        assert!(log < 5000 * 4096 / 2, "{log} bytes");
    }
}
