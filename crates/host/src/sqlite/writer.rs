//! Group commit: changes of rows outside transactions run on one connection, one after
//! another, in one transaction; those that wait at the same time share its commit. None is
//! answered before it. To a guest each is what it would be by itself: it changes all of its
//! rows or none, sees all that was asked for before, and is durable when it is answered.
//!
//! A statement that finds nothing to change, while no change waits, is answered at once.
//! Statements run on the thread that asks; what may take long (a sync, a lock that another
//! process holds) runs beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::{BUSY_TIMEOUT, Done, connect, io_error, run};
use crate::bindings::sqlite::{Error, QueryResult, Value};

/// Commits between two checkpoints.
const CHECKPOINT: u32 = 500;

/// How sure a commit is (`PRAGMA synchronous`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sync {
    /// It survives a kill, and may be lost at power loss.
    Normal,
    /// It survives power loss.
    Full,
}

impl Sync {
    /// What a connection is set to; anything but NORMAL is as good as FULL here.
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let level: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        Ok(if level == 1 { Self::Normal } else { Self::Full })
    }
}

/// The connection that changes run on.
pub(super) struct Writer {
    path: PathBuf,
    connection: Connection,
    sync: Sync,
    /// Whoever waits for the next commit.
    waiting: Vec<oneshot::Sender<Result<(), Error>>>,
    commits: u32,
}

/// What became of a statement.
enum Outcome {
    /// Nothing is left to be done.
    Done,
    /// It counts when this says so.
    Waits(oneshot::Receiver<Result<(), Error>>),
}

/// Runs a change, and waits until it is committed.
pub(super) async fn change(
    writer: &Arc<Mutex<Writer>>,
    sql: String,
    parameters: Vec<Value>,
    sync: Sync,
) -> Result<(QueryResult, Done), Error> {
    let mut turn = writer.clone().lock_owned().await;
    if turn.is_open() && turn.sync < sync {
        turn = commit(turn).await;
    }
    if !turn.begin(sync).map_err(io_error)? {
        turn = begin_patiently(turn).await?;
    }
    let first = turn.waiting.is_empty();
    let (result, done, outcome) = turn.run(&sql, parameters)?;
    drop(turn);
    if let Outcome::Waits(committed) = outcome {
        if first {
            let writer = writer.clone();
            tokio::spawn(async move {
                // Whoever is ready to ask gets the lock before this, and joins; as long as
                // somebody has joined, others may.
                let mut joined = 0;
                loop {
                    tokio::task::yield_now().await;
                    let turn = writer.clone().lock_owned().await;
                    if !turn.is_open() {
                        break;
                    }
                    if turn.waiting.len() <= joined {
                        drop(commit(turn).await);
                        break;
                    }
                    joined = turn.waiting.len();
                }
            });
        }
        committed.await.map_err(io_error)??;
    }
    Ok((result, done))
}

/// Reads; what it may have seen of changes that wait is committed before it is answered.
pub(super) async fn read(
    writer: &Arc<Mutex<Writer>>,
    sql: String,
    parameters: Vec<Value>,
) -> Result<QueryResult, Error> {
    let mut turn = writer.clone().lock_owned().await;
    if !turn.is_open() {
        return run(&turn.connection, &sql, parameters);
    }
    let (result, _, outcome) = turn.run(&sql, parameters)?;
    drop(turn);
    if let Outcome::Waits(committed) = outcome {
        committed.await.map_err(io_error)??;
    }
    Ok(result)
}

/// Commits what waits; the lock stays with the caller.
pub(super) async fn commit(mut turn: OwnedMutexGuard<Writer>) -> OwnedMutexGuard<Writer> {
    let full = turn.sync == Sync::Full;
    let turn = if full {
        let committed = tokio::task::spawn_blocking(move || {
            turn.commit();
            turn
        });
        match committed.await {
            Ok(turn) => turn,
            // A panic in there: whoever waited was told by the dropped channels.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    } else {
        turn.commit();
        turn
    };
    if turn.commits.is_multiple_of(CHECKPOINT) {
        let path = turn.path.clone();
        let writer = OwnedMutexGuard::mutex(&turn).clone();
        tokio::spawn(async move {
            // A failure costs nothing but a longer log, and is tried again.
            let _ = tokio::task::spawn_blocking(move || checkpoint(&path)).await;
            // What came meanwhile is little: moved while nobody writes, the log begins anew
            // instead of growing as long as there is something to do.
            let mut turn = writer.lock_owned().await;
            let moved = tokio::task::spawn_blocking(move || {
                if turn.is_open() {
                    turn.commit();
                }
                move_log(&turn.connection)
            });
            let _ = moved.await;
        });
    }
    turn
}

/// Begins a transaction beside the serving thread, as long as another process may write.
async fn begin_patiently(turn: OwnedMutexGuard<Writer>) -> Result<OwnedMutexGuard<Writer>, Error> {
    let mut begun = Begun(Some(turn));
    let begun = tokio::task::spawn_blocking(move || {
        begun.0.as_mut().map_or(Ok(()), |turn| turn.begin_patiently()).map(|()| begun)
    });
    let turn = begun.await.map_err(io_error)??.0.take();
    turn.ok_or_else(|| Error::Io("the transaction was not begun".to_owned()))
}

/// A transaction without a change. Whoever asked for it may be gone when it has begun (a deadline):
/// then nobody would end it, and other processes could not write.
struct Begun(Option<OwnedMutexGuard<Writer>>);

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(turn) = &self.0
            && turn.is_open()
            && turn.waiting.is_empty()
        {
            // Should even this fail, the next change ends it.
            let _ = turn.connection.execute_batch("ROLLBACK");
        }
    }
}

/// Moves what the log holds into the database, without holding anybody up.
fn checkpoint(path: &Path) -> rusqlite::Result<()> {
    move_log(&connect(path)?)
}

fn move_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

impl Writer {
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = connect(path)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let path = path.to_owned();
        Ok(Self { path, connection, sync: Sync::Full, waiting: Vec::new(), commits: 1 })
    }

    /// Whether a transaction is open: changes wait for its commit, or whoever began it gave up.
    pub(super) fn is_open(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Begins a transaction unless one is open; says no when another process writes.
    fn begin(&mut self, sync: Sync) -> rusqlite::Result<bool> {
        if self.is_open() {
            return Ok(true);
        }
        if self.sync != sync {
            let level = if sync == Sync::Normal { "NORMAL" } else { "FULL" };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.sync = sync;
        }
        self.connection.busy_timeout(std::time::Duration::ZERO)?;
        match self.execute("BEGIN IMMEDIATE") {
            Ok(()) => Ok(true),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn begin_patiently(&mut self) -> Result<(), Error> {
        self.connection.busy_timeout(BUSY_TIMEOUT).map_err(io_error)?;
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(io_error)
    }

    /// Runs a change in the open transaction.
    fn run(
        &mut self,
        sql: &str,
        parameters: Vec<Value>,
    ) -> Result<(QueryResult, Done, Outcome), Error> {
        let before = self.connection.total_changes();
        let result = run(&self.connection, sql, parameters);
        if !self.is_open() {
            // SQLite gave the whole transaction up, with what others had changed.
            self.tell(&Err(Error::Io("the transaction was rolled back".to_owned())));
        }
        let changed = result.is_ok() && self.connection.total_changes() != before;
        let alone = !changed && self.waiting.is_empty();
        if alone && self.is_open() {
            // Nothing is there to be synced.
            self.execute("COMMIT").map_err(io_error)?;
        }
        let (result, done) = (result?, Done::by(&self.connection));
        if alone {
            return Ok((result, done, Outcome::Done));
        }
        let (told, committed) = oneshot::channel();
        self.waiting.push(told);
        Ok((result, done, Outcome::Waits(committed)))
    }

    fn commit(&mut self) {
        let committed = self.execute("COMMIT");
        if committed.is_err() && self.is_open() {
            // Nothing of it may stay to be committed with the next.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.commits = self.commits.wrapping_add(1);
        self.tell(&committed.map_err(io_error));
    }

    fn tell(&mut self, outcome: &Result<(), Error>) {
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(outcome.clone());
        }
    }

    #[cfg(test)]
    pub(super) fn commits(&self) -> u32 {
        self.commits
    }

    /// Whether the last commit was synced.
    #[cfg(test)]
    pub(super) fn synced(&self) -> bool {
        self.sync == Sync::Full
    }
}
