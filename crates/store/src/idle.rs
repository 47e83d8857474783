//! 逾一年未使用: which accounts were used when, the warnings, and what became of them.

use domain::{Act, Actor, IdleWarning, Ubn};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;

use crate::audit::Deed;
use crate::database::one;
use crate::{Calls, Cases, Database, Row, StoreError};

/// An account in use, without what its calls say.
#[derive(Clone, Debug)]
pub struct IdleAccount {
    /// 統一編號.
    pub ubn: Ubn,
    /// apId.
    pub ap_id: String,
    /// The latest of its approval, the end of a suspension, and officers having let it go on.
    pub since: Timestamp,
    /// The warning that is open, with its number.
    pub warning: Option<(i64, IdleWarning)>,
}

/// A warning as officers see it.
#[derive(Clone, Debug)]
pub struct IdleRow {
    /// Its number.
    pub id: i64,
    /// Whose account.
    pub ubn: Ubn,
    /// 公司名稱.
    pub company_name: String,
    /// apId.
    pub ap_id: String,
    /// When it was given.
    pub warned_at: Timestamp,
    /// What it says.
    pub warning: IdleWarning,
    /// The proposal that was made of it and is not decided.
    pub proposal: Option<i64>,
}

/// Why a warning is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleEnd {
    /// There was a call.
    Used,
    /// The account is no longer 啟用.
    Closed,
    /// It was revoked for it.
    Revoked,
    /// Officers let it go on.
    Kept,
}

impl IdleEnd {
    fn name(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Closed => "closed",
            Self::Revoked => "revoked",
            Self::Kept => "kept",
        }
    }
}

/// The newest call, and the newest day of the tallies in case its calls are gone.
const LAST_CALL: &str = "SELECT max(at) FROM
    (SELECT * FROM (SELECT at FROM calls WHERE account = ?1 ORDER BY number DESC LIMIT 1)
    UNION ALL SELECT (max(day) * 86400 - 28800) * 1000000 FROM tallies WHERE account = ?1)";
const ACCOUNTS: &str = "SELECT accounts.ubn, ap_id, max(approved_at, status_since,
        coalesce((SELECT max(closed_at) FROM idle_warnings AS kept
            WHERE kept.ubn = accounts.ubn AND outcome = 'kept'), 0)),
    idle_warnings.id, unused_since, until, submitted_at
    FROM accounts LEFT JOIN idle_warnings ON idle_warnings.ubn = accounts.ubn AND closed_at IS NULL
    WHERE status = 'active' ORDER BY accounts.ubn";
const LEFT_OVER: &str = "SELECT idle_warnings.id, idle_warnings.ubn FROM idle_warnings
    JOIN accounts ON accounts.ubn = idle_warnings.ubn
    WHERE closed_at IS NULL AND status <> 'active' ORDER BY idle_warnings.id";
const WARN: &str = "INSERT INTO idle_warnings (ubn, unused_since, warned_at, until)
    VALUES (?1, ?2, ?3, ?4)";
const SUBMIT: &str = "UPDATE idle_warnings SET submitted_at = ?2
    WHERE id = ?1 AND submitted_at IS NULL AND closed_at IS NULL RETURNING ubn, unused_since";
const CLOSE: &str = "UPDATE idle_warnings SET closed_at = ?2, outcome = ?3
    WHERE id = ?1 AND closed_at IS NULL RETURNING ubn";
/// A warning of before the account was opened anew, or of before a suspension, is none.
macro_rules! idle_select {
    () => {
        "SELECT idle_warnings.id, idle_warnings.ubn, company_name, ap_id, warned_at,
        unused_since, until, submitted_at,
        (SELECT id FROM proposals WHERE proposals.id = proposal_id AND decided_at IS NULL)
    FROM idle_warnings JOIN accounts ON accounts.ubn = idle_warnings.ubn
    WHERE closed_at IS NULL AND status = 'active' AND unused_since >= max(approved_at, status_since) "
    };
}
const LIST: &str = concat!(idle_select!(), "ORDER BY until, idle_warnings.id");
const OF_COMPANY: &str = concat!(idle_select!(), "AND idle_warnings.ubn = ?1");
const PROPOSED: &str = "UPDATE idle_warnings SET proposal_id =
        (SELECT id FROM proposals WHERE proposals.ubn = idle_warnings.ubn AND act = 'revoke' AND decided_at IS NULL)
    WHERE id = ?1 AND closed_at IS NULL RETURNING id";
const OF_PROPOSAL: &str = "SELECT idle_warnings.id, unused_since, closed_at IS NOT NULL, ap_id
    FROM idle_warnings JOIN accounts ON accounts.ubn = idle_warnings.ubn WHERE proposal_id = ?1";

#[cfg(test)]
pub(crate) const CALLS: &[&str] = &[LAST_CALL];
#[cfg(test)]
pub(crate) const CASES: &[&str] =
    &[ACCOUNTS, LEFT_OVER, WARN, SUBMIT, CLOSE, LIST, OF_COMPANY, PROPOSED, OF_PROPOSAL];

impl<D: Database> Calls<D> {
    /// The second in which an account called last, if it ever did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last_call(&self, account: &str) -> Result<Option<Timestamp>, StoreError> {
        let row = one(self.0.execute(LAST_CALL, &[account.into()])?)?;
        let at = row.optional_integer(0)?;
        // Whole seconds, as warnings keep them.
        Ok(at.map(|at| Timestamp::from_second(at.div_euclid(1_000_000)).unwrap_or_default()))
    }
}

impl<D: Database> Cases<D> {
    /// Every account that is 啟用, as far as its use matters.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn idle_accounts(&self) -> Result<Vec<IdleAccount>, StoreError> {
        let account = |row: &Row| {
            let warning = match row.optional_integer(3)? {
                None => None,
                Some(id) => Some((id, warning(row, 4)?)),
            };
            Ok(IdleAccount {
                ubn: row.parsed(0, "統一編號", |text| text.parse().ok())?,
                ap_id: row.text(1)?.to_owned(),
                since: row.instant(2)?,
                warning,
            })
        };
        self.0.execute(ACCOUNTS, &[])?.iter().map(account).collect()
    }

    /// Warnings of accounts that are no longer 啟用, by number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn idle_left_over(&self) -> Result<Vec<(i64, Ubn)>, StoreError> {
        let row =
            |row: &Row| Ok((row.integer(0)?, row.parsed(1, "統一編號", |text| text.parse().ok())?));
        self.0.execute(LEFT_OVER, &[])?.iter().map(row).collect()
    }

    /// Keeps a warning. Inside a transaction, with its letter.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one already.
    pub fn warn_idle(
        &self,
        ubn: Ubn,
        unused_since: Timestamp,
        until: Date,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let until = until.to_string();
        let parameters =
            [ubn.as_str().into(), unused_since.into(), now.into(), until.as_str().into()];
        match self.0.execute(WARN, &parameters) {
            Err(StoreError::Unique(_)) => return Err(StoreError::Conflict),
            other => other.map(drop)?,
        }
        let deed = Deed::new(Actor::Operator, Act::IdleWarned, now).on_company(ubn);
        self.log(&deed.with(json!({ "unusedSince": unused_since.as_second(), "until": until })))
    }

    /// Puts a warning that is over before officers. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when that was done before.
    pub fn submit_idle(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        let row = one(self.0.execute(SUBMIT, &[id.into(), now.into()])?)?;
        let ubn: Ubn = row.parsed(0, "統一編號", |text| text.parse().ok())?;
        let deed = Deed::new(Actor::Operator, Act::IdleSubmitted, now).on_company(ubn);
        self.log(&deed.with(json!({ "unusedSince": row.integer(1)? })))
    }

    /// Ends a warning. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it has ended.
    pub fn close_idle(
        &self,
        id: i64,
        end: IdleEnd,
        by: Actor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let row = one(self.0.execute(CLOSE, &[id.into(), now.into(), end.name().into()])?)?;
        let ubn: Ubn = row.parsed(0, "統一編號", |text| text.parse().ok())?;
        let deed = Deed::new(by, Act::IdleCleared, now).on_company(ubn);
        self.log(&deed.with(json!({ "outcome": end.name() })))
    }

    /// The warnings that are open, those that are over first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn idle_warnings(&self) -> Result<Vec<IdleRow>, StoreError> {
        self.0.execute(LIST, &[])?.iter().map(idle_row).collect()
    }

    /// The warning of a company that is open.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn idle_warning(&self, ubn: Ubn) -> Result<Option<IdleRow>, StoreError> {
        self.0.execute(OF_COMPANY, &[ubn.as_str().into()])?.first().map(idle_row).transpose()
    }

    /// Says that the open proposal to revoke the account was made of this warning. Inside the
    /// proposal's transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the warning has ended.
    pub fn idle_proposed(&self, id: i64) -> Result<(), StoreError> {
        one(self.0.execute(PROPOSED, &[id.into()])?).map(drop)
    }

    /// The warning that a proposal was made of: its number, the last use before it, whether it
    /// has ended, and the account's apId.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn idle_of_proposal(
        &self,
        proposal: i64,
    ) -> Result<Option<(i64, Timestamp, bool, String)>, StoreError> {
        let rows = self.0.execute(OF_PROPOSAL, &[proposal.into()])?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some((row.integer(0)?, row.instant(1)?, row.integer(2)? == 1, row.text(3)?.to_owned())))
    }
}

fn warning(row: &Row, first: usize) -> Result<IdleWarning, StoreError> {
    Ok(IdleWarning {
        unused_since: row.instant(first)?,
        until: row.parsed(first + 1, "day", |text| text.parse().ok())?,
        is_due: !row.is_null(first + 2),
    })
}

fn idle_row(row: &Row) -> Result<IdleRow, StoreError> {
    Ok(IdleRow {
        id: row.integer(0)?,
        ubn: row.parsed(1, "統一編號", |text| text.parse().ok())?,
        company_name: row.text(2)?.to_owned(),
        ap_id: row.text(3)?.to_owned(),
        warned_at: row.instant(4)?,
        warning: warning(row, 5)?,
        proposal: row.optional_integer(8)?,
    })
}
