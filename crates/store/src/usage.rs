//! What was called: statistics and lists from the record of calls, and what keeps it small.

use domain::{PersonDigest, TaipeiDay};
use jiff::Timestamp;

use crate::calls::JTI_KEPT;
use crate::database::one;
use crate::{Calls, Cases, Database, Deed, Row, StoreError, Value};

/// A call as it is listed.
#[derive(Clone, Debug)]
pub struct CallRow {
    /// From 1 for each account.
    pub number: i64,
    /// When it came.
    pub at: Timestamp,
    /// [`domain::CallOutcome::code`].
    pub outcome: String,
    /// x-request-id.
    pub request: [u8; 16],
    /// Whom it was about.
    pub person: Option<PersonDigest>,
    /// userId.
    pub user_id: String,
    /// How long it took, in microseconds.
    pub took: i64,
    /// Whether it was answered in test mode.
    pub sandbox: bool,
}

/// Calls of a day with the same outcome, or requests refused for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayCount {
    /// Days since 1970-01-01 in Taipei.
    pub day: i64,
    /// The outcome, or the reason.
    pub what: String,
    /// How many.
    pub count: i64,
    /// Whether it is about test mode: no real calls.
    pub sandbox: bool,
}

/// All calls with one outcome that took about as long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallTotal {
    /// [`domain::CallOutcome::code`].
    pub outcome: String,
    /// Whether they were answered in test mode.
    pub sandbox: bool,
    /// The bound of [`domain::CALL_DURATIONS`] that none of them is above.
    pub upper: i64,
    /// How many.
    pub calls: i64,
    /// What they took together, in microseconds.
    pub micros: i64,
}

/// An outage that was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When it begins.
    pub begins_at: Timestamp,
    /// When it is over.
    pub ends_at: Timestamp,
    /// What and why.
    pub note: String,
}

/// What was tended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// Calls that went into the tallies.
    pub tallied: i64,
    /// Calls whose jti was forgotten.
    pub forgotten: i64,
}

/// Calls that are tended in one transaction: calls that come in wait behind it, for milliseconds.
const TENDED_AT_ONCE: i64 = 2_000;

const DAYS: &str = "SELECT day, outcome, sum(calls), sandbox FROM
    (SELECT day, outcome, sandbox, calls FROM tallies WHERE account = ?1 AND day >= ?2
    UNION ALL SELECT (at / 1000000 + 28800) / 86400, outcome, sandbox, 1 FROM calls
        WHERE account = ?1 AND number > coalesce((SELECT tallied FROM tended WHERE account = ?1), 0)
            AND at >= (?2 * 86400 - 28800) * 1000000 AND outcome IS NOT NULL)
    GROUP BY day, sandbox, outcome ORDER BY day DESC, sandbox, outcome";
/// What was refused by a number of the test data is counted under a reason of its own.
const REFUSALS: &str = "SELECT day, reason, count, reason LIKE 'test-%' FROM refusals
    WHERE account = ?1 AND day >= ?2 ORDER BY day DESC, reason";
const LIST: &str = "SELECT number, at, outcome, request, person, user_id, took, sandbox FROM calls
    WHERE account = ?1 AND number < ?2 AND outcome IS NOT NULL ORDER BY number DESC LIMIT ?3";
/// From one account to the next, without looking at every call.
const ACCOUNTS: &str = "WITH RECURSIVE found (account) AS (SELECT min(account) FROM calls
        UNION ALL SELECT (SELECT min(account) FROM calls WHERE account > found.account)
            FROM found WHERE found.account IS NOT NULL)
    SELECT account, coalesce((SELECT forgotten FROM tended WHERE tended.account = found.account), 0)
    FROM found WHERE account IS NOT NULL";
/// How far an account is tended, and its newest call.
const STATE: &str = "SELECT coalesce((SELECT tallied FROM tended WHERE account = ?1), 0),
    coalesce((SELECT forgotten FROM tended WHERE account = ?1), 0),
    coalesce((SELECT max(number) FROM calls WHERE account = ?1), 0)";
const TALLY: &str = "INSERT INTO tallies (account, day, outcome, sandbox, calls)
    SELECT account, (at / 1000000 + 28800) / 86400, outcome, sandbox, count(*) FROM calls
        WHERE account = ?1 AND number > ?2 AND number <= ?3 AND outcome IS NOT NULL GROUP BY 2, 3, 4
    ON CONFLICT (account, day, outcome, sandbox) DO UPDATE SET calls = calls + excluded.calls";
const TOTAL: &str = "INSERT INTO totals (outcome, sandbox, upper, calls, micros)
    SELECT outcome, sandbox, (SELECT min(value) FROM json_each(?4) WHERE value >= took), count(*), sum(took)
        FROM calls WHERE account = ?1 AND number > ?2 AND number <= ?3 AND outcome IS NOT NULL
        GROUP BY 1, 2, 3
    ON CONFLICT (outcome, sandbox, upper) DO UPDATE
        SET calls = calls + excluded.calls, micros = micros + excluded.micros";
/// What was added up, and the calls since.
const TOTALS: &str = "WITH RECURSIVE found (account) AS (SELECT min(account) FROM calls
        UNION ALL SELECT (SELECT min(account) FROM calls WHERE account > found.account)
            FROM found WHERE found.account IS NOT NULL)
    SELECT outcome, upper, sum(calls), sum(micros), sandbox FROM
        (SELECT outcome, sandbox, upper, calls, micros FROM totals
        UNION ALL SELECT outcome, sandbox,
            (SELECT min(value) FROM json_each(?1) WHERE value >= took), 1, took
            FROM found CROSS JOIN calls ON calls.account = found.account AND number > coalesce(
                (SELECT tallied FROM tended WHERE tended.account = found.account), 0)
            WHERE outcome IS NOT NULL)
    GROUP BY sandbox, outcome, upper ORDER BY sandbox, outcome, upper";
const ALL_REFUSALS: &str =
    "SELECT 0, reason, sum(count) FROM refusals GROUP BY reason ORDER BY reason";
/// The first call that may still get its outcome: its process is at it, or died and the same token
/// may go on with it. It is added up when it has one, or when no token can any more.
const UNDER_WAY: &str = "SELECT min(number) FROM calls
    WHERE account = ?1 AND number > ?2 AND number <= ?3 AND at >= ?4 AND outcome IS NULL";
const OLD: &str = "SELECT number FROM calls WHERE account = ?1 AND number > ?2 AND at < ?3
    ORDER BY number DESC LIMIT 1";
const FORGET: &str =
    "UPDATE calls SET jti = NULL WHERE account = ?1 AND number > ?2 AND number <= ?3";
const TENDED: &str = "INSERT INTO tended (account, tallied, forgotten) VALUES (?1, ?2, ?3)
    ON CONFLICT (account) DO UPDATE SET tallied = excluded.tallied, forgotten = excluded.forgotten";

const SET_CALLS: &str = "UPDATE accounts SET sandbox = ?2, change_codes = ?3
    WHERE ubn = ?1 AND status = 'active' RETURNING ubn";
const SET_LIMITS: &str = "UPDATE accounts SET calls_per_minute = ?2, burst = ?3
    WHERE ubn = ?1 AND status IN ('active', 'suspended') RETURNING ubn";
const CALL_SETTINGS: &str =
    "SELECT ap_id, calls_per_minute, burst, sandbox, change_codes FROM accounts WHERE ubn = ?1";
const OUTAGES: &str =
    "SELECT begins_at, ends_at, note FROM outages WHERE ends_at > ?1 ORDER BY begins_at";
const ANNOUNCE: &str = "INSERT INTO outages (begins_at, ends_at, note) VALUES (?1, ?2, ?3)";

#[cfg(test)]
pub(crate) const CALLS: &[&str] = &[
    DAYS,
    REFUSALS,
    LIST,
    ACCOUNTS,
    STATE,
    TALLY,
    TOTAL,
    TOTALS,
    ALL_REFUSALS,
    UNDER_WAY,
    OLD,
    FORGET,
    TENDED,
];
#[cfg(test)]
pub(crate) const CASES: &[&str] = &[SET_CALLS, SET_LIMITS, CALL_SETTINGS, OUTAGES, ANNOUNCE];

impl<D: Database> Calls<D> {
    /// Calls by day and outcome, from a day on, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn days(&self, account: &str, from: TaipeiDay) -> Result<Vec<DayCount>, StoreError> {
        let rows = self.0.execute(DAYS, &[account.into(), from.number().into()])?;
        rows.iter().map(day_count).collect()
    }

    /// Requests that were refused, by day and reason.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn refusals(&self, account: &str, from: TaipeiDay) -> Result<Vec<DayCount>, StoreError> {
        let rows = self.0.execute(REFUSALS, &[account.into(), from.number().into()])?;
        rows.iter().map(day_count).collect()
    }

    /// Calls before a number, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn list(&self, account: &str, before: i64, limit: i64) -> Result<Vec<CallRow>, StoreError> {
        let rows = self.0.execute(LIST, &[account.into(), before.into(), limit.into()])?;
        rows.iter().map(call_row).collect()
    }

    /// All calls there ever were, by outcome and by how long they took.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn totals(&self) -> Result<Vec<CallTotal>, StoreError> {
        let total = |row: &Row| {
            Ok(CallTotal {
                outcome: row.text(0)?.to_owned(),
                upper: row.integer(1)?,
                calls: row.integer(2)?,
                micros: row.integer(3)?,
                sandbox: row.integer(4)? == 1,
            })
        };
        self.0.execute(TOTALS, &[bounds().into()])?.iter().map(total).collect()
    }

    /// All requests that were ever refused, by reason.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn all_refusals(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = self.0.execute(ALL_REFUSALS, &[])?;
        rows.iter().map(|row| Ok((row.text(1)?.to_owned(), row.integer(2)?))).collect()
    }

    /// Adds up what came since the last time, and forgets the jti of tokens that can no longer be
    /// used: a few thousand calls in each transaction, with a pause after it for whoever waits.
    /// Several may tend at once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tend(&self, now: Timestamp, mut pause: impl FnMut()) -> Result<Tended, StoreError> {
        let mut tended = Tended::default();
        let cutoff = (now - JTI_KEPT).as_microsecond();
        for row in self.0.execute(ACCOUNTS, &[])? {
            let (account, forgotten) = (row.text(0)?, row.integer(1)?);
            let newest = one(self.0.execute(STATE, &[account.into()])?)?.integer(2)?;
            let old = self.0.execute(OLD, &[account.into(), forgotten.into(), cutoff.into()])?;
            let old = old.first().map_or(Ok(forgotten), |row| row.integer(0))?;
            while let Some(more) = self.tend_some(account, newest, old, cutoff)? {
                tended.tallied += more.tallied;
                tended.forgotten += more.forgotten;
                pause();
            }
        }
        Ok(tended)
    }

    /// Tends the next calls of an account, up to the newest one and the last old one. `None`: there
    /// is nothing left to do. How far it got is read inside the transaction: another may have
    /// tended meanwhile.
    fn tend_some(
        &self,
        account: &str,
        newest: i64,
        old: i64,
        cutoff: i64,
    ) -> Result<Option<Tended>, StoreError> {
        let transaction = crate::Transaction::begin(&self.0)?;
        let state = one(transaction.execute(STATE, &[account.into()])?)?;
        let (tallied, forgotten) = (state.integer(0)?, state.integer(1)?);
        let next = |from: i64, last: i64| last.min(from + TENDED_AT_ONCE).max(from);
        let range = |from: i64, to: i64| [account.into(), from.into(), to.into()];
        let with = |[account, from, to]: [Value; 3], more: Value| [account, from, to, more];
        let last = next(tallied, newest);
        let under_way = with(range(tallied, last), cutoff.into());
        let under_way = one(transaction.execute(UNDER_WAY, &under_way)?)?.optional_integer(0)?;
        let last = under_way.map_or(last, |number| number - 1);
        let old = next(forgotten, old);
        if (last, old) == (tallied, forgotten) {
            return Ok(None);
        }
        transaction.execute(TALLY, &range(tallied, last))?;
        transaction.execute(TOTAL, &with(range(tallied, last), bounds().into()))?;
        transaction.execute(FORGET, &range(forgotten, old))?;
        transaction.execute(TENDED, &range(last, old))?;
        transaction.commit()?;
        Ok(Some(Tended { tallied: last - tallied, forgotten: old - forgotten }))
    }
}

/// What an account has set for its calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSettings {
    /// apId.
    pub ap_id: String,
    /// Its limit.
    pub rate: domain::RateLimit,
    /// 測試模式.
    pub sandbox: bool,
    /// Whether a match is answered by 9 or A.
    pub change_codes: bool,
}

impl<D: Database> Cases<D> {
    /// What a company's account has set for its calls.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn call_settings(&self, ubn: domain::Ubn) -> Result<Option<CallSettings>, StoreError> {
        let rows = self.0.execute(CALL_SETTINGS, &[ubn.as_str().into()])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let count = |index| {
            let number = row.integer(index)?;
            u32::try_from(number)
                .map_err(|_| StoreError::Inconsistent { what: "limit", found: number.to_string() })
        };
        Ok(Some(CallSettings {
            ap_id: row.text(0)?.to_owned(),
            rate: domain::RateLimit { per_minute: count(1)?, burst: count(2)? },
            sandbox: row.integer(3)? == 1,
            change_codes: row.integer(4)? == 1,
        }))
    }

    /// Sets test mode and codes 9 and A. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the account is not in use.
    pub fn set_calls(
        &self,
        ubn: domain::Ubn,
        sandbox: bool,
        change_codes: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let flag = |value: bool| i64::from(value).into();
        let parameters = [ubn.as_str().into(), flag(sandbox), flag(change_codes)];
        one(self.0.execute(SET_CALLS, &parameters)?)?;
        let actor = domain::Actor::Applicant(ubn.into());
        let deed = Deed::new(actor, domain::Act::CallsSet, now).on_company(ubn);
        self.log(&deed.with(serde_json::json!({ "sandbox": sandbox, "changeCodes": change_codes })))
    }

    /// Sets how many calls a company's account may make, from the next call on. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::AccountState`] when there is no account, or it has ended.
    pub fn set_limits(
        &self,
        ubn: domain::Ubn,
        rate: domain::RateLimit,
        reason: &str,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let domain::RateLimit { per_minute, burst } = rate;
        let parameters =
            [ubn.as_str().into(), i64::from(per_minute).into(), i64::from(burst).into()];
        if self.0.execute(SET_LIMITS, &parameters)?.is_empty() {
            return Err(StoreError::AccountState);
        }
        let deed = Deed::new(domain::Actor::Officer(by), domain::Act::LimitsSet, now);
        let details = serde_json::json!({
            "callsPerMinute": per_minute, "burst": burst, "reason": reason,
        });
        self.log(&deed.on_company(ubn).with(details))
    }

    /// Outages that are not over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn outages(&self, now: Timestamp) -> Result<Vec<Outage>, StoreError> {
        let rows = self.0.execute(OUTAGES, &[now.into()])?;
        let outage = |row: &Row| {
            Ok(Outage {
                begins_at: row.instant(0)?,
                ends_at: row.instant(1)?,
                note: row.text(2)?.to_owned(),
            })
        };
        rows.iter().map(outage).collect()
    }

    /// Announces an outage. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn announce(&self, outage: &Outage, now: Timestamp) -> Result<(), StoreError> {
        let Outage { begins_at, ends_at, note } = outage;
        self.0
            .execute(ANNOUNCE, &[(*begins_at).into(), (*ends_at).into(), note.as_str().into()])?;
        let deed = Deed::new(domain::Actor::Operator, domain::Act::OutageAnnounced, now);
        let details = serde_json::json!({
            "from": begins_at.to_string(), "until": ends_at.to_string(), "note": note,
        });
        self.log(&deed.with(details))
    }
}

/// The bounds of durations, as JSON.
fn bounds() -> String {
    let bounds = domain::CALL_DURATIONS.map(|bound| bound.to_string());
    format!("[{}]", bounds.join(","))
}

fn day_count(row: &Row) -> Result<DayCount, StoreError> {
    Ok(DayCount {
        day: row.integer(0)?,
        what: row.text(1)?.to_owned(),
        count: row.integer(2)?,
        sandbox: row.integer(3)? == 1,
    })
}

fn call_row(row: &Row) -> Result<CallRow, StoreError> {
    let digest = |index| -> Result<[u8; 16], StoreError> {
        row.blob(index)?.try_into().map_err(|_| StoreError::Inconsistent {
            what: "digest",
            found: "another length".into(),
        })
    };
    Ok(CallRow {
        number: row.integer(0)?,
        at: Timestamp::from_microsecond(row.integer(1)?).unwrap_or_default(),
        outcome: row.text(2)?.to_owned(),
        request: digest(3)?,
        person: if row.is_null(4) { None } else { Some(PersonDigest(digest(4)?)) },
        user_id: row.text(5)?.to_owned(),
        took: row.integer(6)?,
        sandbox: row.integer(7)? == 1,
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::native::{Native, memory};
    use crate::schema::Label;

    const NOW: &str = "2023-11-17T14:00:00+08:00";

    /// As many calls, all of them over.
    fn calls(count: i64) -> Native {
        let database = memory(Label::Calls);
        let at = NOW.parse::<Timestamp>().unwrap() - jiff::SignedDuration::from_hours(1);
        let put = "WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL
                SELECT n + 1 FROM numbers WHERE n < ?1)
            INSERT INTO calls (account, number, at, outcome, request, jti, token, user_id, took, due, sandbox)
            SELECT 'AB123', n, ?2, '1', zeroblob(16), CAST(printf('%016d', n) AS BLOB), zeroblob(16), 'u', 7, 0, 0
                FROM numbers";
        let put = database.connection.execute(put, [count, at.as_microsecond()]);
        assert_eq!(i64::try_from(put.unwrap()), Ok(count));
        database
    }

    fn sum(database: &Native, what: &str) -> i64 {
        database.connection.query_row(what, [], |row| row.get(0)).unwrap()
    }

    /// Notes how many calls are tended in one transaction; and somebody else tends just before
    /// the first.
    struct Watched {
        database: Native,
        others: Cell<bool>,
    }

    impl Database for Watched {
        fn execute(&self, sql: &'static str, given: &[Value]) -> Result<Vec<Row>, StoreError> {
            if sql == "BEGIN IMMEDIATE" && self.others.replace(false) {
                Calls(&self.database).tend(NOW.parse().unwrap(), || ())?;
            }
            self.database.execute(sql, given)
        }

        fn changes(&self) -> u64 {
            self.database.changes()
        }
    }

    #[test]
    fn a_backlog_is_tended_in_small_transactions() {
        let count = 3 * TENDED_AT_ONCE + 1;
        let calls = Calls(calls(count));
        let now = NOW.parse().unwrap();
        let mut seen = Vec::new();
        let whole = calls.tend(now, || {
            let state = "SELECT tallied + forgotten FROM tended";
            seen.push(sum(&calls.0, state));
        });
        assert_eq!(whole, Ok(Tended { tallied: count, forgotten: count }));
        assert_eq!(seen.len(), 4);
        seen.insert(0, 0);
        assert!(seen.windows(2).all(|pair| pair[1] - pair[0] <= 2 * TENDED_AT_ONCE), "{seen:?}");
        assert_eq!(sum(&calls.0, "SELECT sum(calls) FROM tallies"), count);
        assert_eq!(sum(&calls.0, "SELECT sum(calls) FROM totals"), count);
        assert_eq!(sum(&calls.0, "SELECT count(*) FROM calls WHERE jti IS NOT NULL"), 0);
        assert_eq!(calls.tend(now, || panic!("nothing is left")), Ok(Tended::default()));
    }

    #[test]
    fn what_two_tend_at_once_is_counted_once() {
        let calls = Calls(Watched { database: calls(10), others: Cell::new(true) });
        assert_eq!(calls.tend(NOW.parse().unwrap(), || ()), Ok(Tended::default()));
        assert_eq!(sum(&calls.0.database, "SELECT sum(calls) FROM tallies"), 10);
        assert_eq!(sum(&calls.0.database, "SELECT sum(calls) FROM totals"), 10);
    }
}
