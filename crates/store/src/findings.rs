//! Abnormal use: what an account's calls look like, and what was found.

use domain::{Act, Actor, Conduct, ConductSign, TaipeiDay, Ubn};
use jiff::Timestamp;
use serde_json::json;

use crate::audit::Deed;
use crate::database::one;
use crate::{Calls, Cases, Database, Row, StoreError};

/// Something that was found, and is open.
#[derive(Clone, Debug)]
pub struct FindingRow {
    /// Its number.
    pub id: i64,
    /// Whose calls.
    pub ubn: Ubn,
    /// 公司名稱.
    pub company_name: String,
    /// When it was found first.
    pub found_at: Timestamp,
    /// Points.
    pub score: i64,
    /// What stood out.
    pub signs: Vec<ConductSign>,
    /// Whether the account was suspended by it.
    pub suspended: bool,
}

/// An account whose calls are looked at.
#[derive(Clone, Debug)]
pub struct WatchedAccount {
    /// 統一編號.
    pub ubn: Ubn,
    /// apId.
    pub ap_id: String,
    /// What came before this is over and judged: the account was resumed, or a finding closed.
    pub decided: Timestamp,
    /// Whether a finding is open, and its points.
    pub open_score: Option<i64>,
}

/// From a decision on the day's refusals so far are over and judged. They have no times of their
/// own: so many there were when the decision was seen first.
const DECIDED: &str = "INSERT INTO judged (account, decided, day, foreign_requests)
    VALUES (?1, ?2, ?3, 0)
    ON CONFLICT (account) DO UPDATE SET decided = excluded.decided, day = excluded.day,
        foreign_requests = coalesce((SELECT sum(count) FROM refusals
            WHERE account = ?1 AND day = ?3 AND reason = 'address'), 0)
        WHERE judged.decided < excluded.decided";
/// Only the newest calls are looked at, as many as the limit allows in an hour; none of test mode.
const CONDUCT: &str = "SELECT count(*), coalesce(sum(outcome IN ('1', '2', '3', '4', '9', 'A')), 0),
        coalesce(sum(outcome IN ('2', '3', '4')), 0),
        count(DISTINCT CASE WHEN outcome IN ('2', '3', '4') THEN person END), count(DISTINCT user_id),
        coalesce(sum((at / 1000000 + 28800) % 86400 < 21600), 0),
        coalesce((SELECT sum(count) FROM refusals
            WHERE account = ?1 AND day = ?3 AND reason = 'address'), 0)
            - coalesce((SELECT foreign_requests FROM judged WHERE account = ?1 AND day = ?3), 0)
    FROM (SELECT outcome, person, user_id, at, sandbox FROM calls WHERE account = ?1
        ORDER BY number DESC LIMIT 100000)
    WHERE at >= ?2 AND sandbox = 0 AND outcome IS NOT NULL";
const WATCHED: &str = "SELECT accounts.ubn, ap_id, max(status_since,
        coalesce((SELECT max(closed_at) FROM findings WHERE findings.ubn = accounts.ubn), 0)),
        (SELECT score FROM findings WHERE findings.ubn = accounts.ubn AND closed_at IS NULL)
    FROM accounts WHERE status = 'active'";
const FOUND: &str = "INSERT INTO findings (ubn, found_at, score, signs, suspended)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (ubn) WHERE closed_at IS NULL DO UPDATE
        SET score = excluded.score, signs = excluded.signs, suspended = excluded.suspended
    RETURNING id";
const FINDINGS: &str = "SELECT id, findings.ubn, company_name, found_at, score, signs, suspended
    FROM findings JOIN accounts ON accounts.ubn = findings.ubn
    WHERE closed_at IS NULL ORDER BY suspended DESC, score DESC, found_at";
const CLOSE: &str = "UPDATE findings SET closed_at = ?2, closed_by = ?3, note = ?4
    WHERE id = ?1 AND closed_at IS NULL RETURNING ubn";
const SUSPEND: &str =
    "UPDATE accounts SET status = 'suspended', status_since = ?2, status_reason = ?3
    WHERE ubn = ?1 AND status = 'active' RETURNING ubn";

#[cfg(test)]
pub(crate) const CALLS: &[&str] = &[DECIDED, CONDUCT];
#[cfg(test)]
pub(crate) const CASES: &[&str] = &[WATCHED, FOUND, FINDINGS, CLOSE, SUSPEND];

impl<D: Database> Calls<D> {
    /// An account's calls since an instant, and what was refused since it was decided about last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn conduct(
        &self,
        account: &str,
        decided: Timestamp,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Conduct, StoreError> {
        let today = TaipeiDay::of(now).number();
        self.0.execute(DECIDED, &[account.into(), decided.into(), today.into()])?;
        let parameters = [account.into(), since.as_microsecond().into(), today.into()];
        let row = one(self.0.execute(CONDUCT, &parameters)?)?;
        let count =
            |index| row.integer(index).map(|count| u32::try_from(count.max(0)).unwrap_or(u32::MAX));
        Ok(Conduct {
            calls: count(0)?,
            compared: count(1)?,
            wrong: count(2)?,
            wrong_persons: count(3)?,
            users: count(4)?,
            at_night: count(5)?,
            foreign: count(6)?,
        })
    }
}

impl<D: Database> Cases<D> {
    /// The accounts in use.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn watched_accounts(&self) -> Result<Vec<WatchedAccount>, StoreError> {
        let rows = self.0.execute(WATCHED, &[])?;
        let account = |row: &Row| {
            Ok(WatchedAccount {
                ubn: row.parsed(0, "統一編號", |text| text.parse().ok())?,
                ap_id: row.text(1)?.to_owned(),
                decided: row.instant(2)?,
                open_score: row.optional_integer(3)?,
            })
        };
        rows.iter().map(account).collect()
    }

    /// Keeps what was found, and suspends the account when `reason` says why. Inside a
    /// transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_finding(
        &self,
        ubn: Ubn,
        signs: &[ConductSign],
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let score = i64::from(domain::conduct_score(signs));
        let text = json!(signs).to_string();
        let suspended = i64::from(reason.is_some());
        let parameters =
            [ubn.as_str().into(), now.into(), score.into(), text.into(), suspended.into()];
        one(self.0.execute(FOUND, &parameters)?)?;
        let deed = Deed::new(Actor::Operator, Act::ConductFound, now).on_company(ubn);
        self.log(&deed.with(json!({ "score": score, "signs": signs })))?;
        if let Some(reason) = reason {
            one(self.0.execute(SUSPEND, &[ubn.as_str().into(), now.into(), reason.into()])?)?;
            let deed = Deed::new(Actor::Operator, Act::Suspended, now).on_company(ubn);
            self.log(&deed.with(json!({ "reason": reason })))?;
        }
        Ok(())
    }

    /// What was found and nobody has closed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn findings(&self) -> Result<Vec<FindingRow>, StoreError> {
        self.0.execute(FINDINGS, &[])?.iter().map(finding).collect()
    }

    /// Closes a finding with what it was; whose it was. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not open.
    pub fn close_finding(
        &self,
        id: i64,
        note: &str,
        by: i64,
        now: Timestamp,
    ) -> Result<Ubn, StoreError> {
        let row = one(self.0.execute(CLOSE, &[id.into(), now.into(), by.into(), note.into()])?)?;
        let ubn: Ubn = row.parsed(0, "統一編號", |text| text.parse().ok())?;
        let deed = Deed::new(Actor::Officer(by), Act::ConductClosed, now).on_company(ubn);
        self.log(&deed.with(json!({ "note": note })))?;
        Ok(ubn)
    }
}

fn finding(row: &Row) -> Result<FindingRow, StoreError> {
    let signs = row.text(5)?;
    Ok(FindingRow {
        id: row.integer(0)?,
        ubn: row.parsed(1, "統一編號", |text| text.parse().ok())?,
        company_name: row.text(2)?.to_owned(),
        found_at: row.instant(3)?,
        score: row.integer(4)?,
        signs: serde_json::from_str(signs)
            .map_err(|_| StoreError::Inconsistent { what: "signs", found: signs.to_owned() })?,
        suspended: row.integer(6)? == 1,
    })
}
