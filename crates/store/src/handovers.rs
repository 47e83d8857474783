//! 統編變更: an account that goes on under another 統一編號.

use domain::{Act, Actor, CaseId, CaseKind, CaseState, HandoverStep, Ubn};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::audit::Deed;
use crate::database::one;
use crate::{AccountRow, CaseRow, Cases, Database, Row, StoreError};

/// How far a change of the 統一編號 has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandoverRow {
    /// The 統一編號 before.
    pub former: Ubn,
    /// And now.
    pub successor: Ubn,
    /// What is next.
    pub step: HandoverStep,
    /// The API停用 that it began with.
    pub stop_case: CaseId,
    /// The API申請 of the new one.
    pub application: Option<CaseId>,
}

/// What the approval of a case means for such a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoverPlan {
    /// The account goes on until this one takes over.
    Agree(Ubn),
    /// This one's account will end with the first certificate of the new account.
    Open(Ubn),
}

const INSERT: &str = "INSERT INTO handovers (stop_case, former, successor, agreed_at)
    SELECT ?1, ubn, ?3, ?4 FROM accounts WHERE ubn = ?2 AND status = 'active' RETURNING former";
/// Those that came to nothing: the former account ended otherwise, or named another one since.
const FORGET: &str = "UPDATE handovers SET ended_at = ?3 WHERE ended_at IS NULL AND (former = ?1
    OR successor = ?2 AND (SELECT status FROM accounts WHERE ubn = former) <> 'active')";
/// Whether the successor can already be called with, or is somebody else's.
const TAKEN: &str = "SELECT EXISTS (SELECT 1 FROM accounts
        WHERE ubn = ?1 AND status IN ('active', 'suspended', 'revoked'))
    OR EXISTS (SELECT 1 FROM handovers JOIN accounts ON ubn = former
        WHERE successor = ?1 AND former <> ?2 AND ended_at IS NULL AND status = 'active')";
pub(crate) const TAKES_OVER: &str = "SELECT former FROM handovers JOIN accounts ON ubn = former
    WHERE successor = ?1 AND ended_at IS NULL AND status = 'active'";
const COMPLETE: &str = "UPDATE handovers SET ended_at = ?2
    WHERE successor = ?1 AND ended_at IS NULL RETURNING former";
const END_ACCOUNT: &str =
    "UPDATE accounts SET status = 'stopped', status_since = ?2, status_reason = ?3
    WHERE ubn = ?1 AND status = 'active' RETURNING ubn";
/// The newest one that is open, or by which the former account has ended.
const OF_COMPANY: &str = "SELECT former, successor, ended_at IS NOT NULL, stop_case, application.id,
        application.state
    FROM handovers JOIN accounts ON accounts.ubn = former
    LEFT JOIN cases AS application ON application.id =
        (SELECT id FROM cases WHERE applicant = successor AND kind = 'api-application'
            AND (state = 'accepted' OR coalesce(decided_at, submitted_at) >= agreed_at)
            ORDER BY submitted_at DESC LIMIT 1)
    WHERE (former = ?1 OR successor = ?1)
        AND (ended_at IS NULL AND status = 'active' OR ended_at = status_since AND status = 'stopped')
    ORDER BY agreed_at DESC LIMIT 1";
const WAITING: &str = "SELECT count(*) FROM handovers JOIN accounts ON ubn = former
    WHERE ended_at IS NULL AND status = 'active' AND agreed_at < ?1";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] =
    &[INSERT, FORGET, TAKEN, TAKES_OVER, COMPLETE, END_ACCOUNT, OF_COMPANY, WAITING];

/// How long a change may wait for the new 統一編號 before officers are told.
const PATIENCE: SignedDuration = SignedDuration::from_hours(30 * 24);

impl<D: Database> Cases<D> {
    /// What the approval of this case would mean for a change of the 統一編號. Where the new
    /// number has an account already, nothing has to wait for it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn handover_plan(&self, row: &CaseRow) -> Result<Option<HandoverPlan>, StoreError> {
        let Some(ubn) = row.case.applicant.ubn() else { return Ok(None) };
        match (row.case.kind, row.other_ubn) {
            (CaseKind::ApiStop, Some(successor)) => {
                let parameters = [successor.as_str().into(), ubn.as_str().into()];
                let taken = one(self.0.execute(TAKEN, &parameters)?)?.integer(0)? == 1;
                Ok((!taken).then_some(HandoverPlan::Agree(successor)))
            }
            (CaseKind::ApiApplication, _) => Ok(self.takes_over(ubn)?.map(HandoverPlan::Open)),
            _ => Ok(None),
        }
    }

    /// The former 統一編號 whose account goes on under this one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn takes_over(&self, successor: Ubn) -> Result<Option<Ubn>, StoreError> {
        let rows = self.0.execute(TAKES_OVER, &[successor.as_str().into()])?;
        rows.first().map(|row| row.parsed(0, "統一編號", |text| text.parse().ok())).transpose()
    }

    /// Keeps that an account goes on until the new number takes over. Inside the approval's
    /// transaction.
    pub(crate) fn agree_handover(
        &self,
        stop_case: CaseId,
        former: Ubn,
        successor: Ubn,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let new = successor.as_str();
        self.0.execute(FORGET, &[former.as_str().into(), new.into(), now.into()])?;
        let id = stop_case.to_string();
        let parameters = [id.into(), former.as_str().into(), new.into(), now.into()];
        one(self.0.execute(INSERT, &parameters)?).map(drop)
    }

    /// The new number's certificate is there: the former account ends now. Whose it was, for the
    /// letter. Inside the upload's transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn complete_handover(
        &self,
        successor: Ubn,
        now: Timestamp,
    ) -> Result<Option<AccountRow>, StoreError> {
        let rows = self.0.execute(COMPLETE, &[successor.as_str().into(), now.into()])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let former: Ubn = row.parsed(0, "統一編號", |text| text.parse().ok())?;
        let reason = format!("統一編號已變更為{successor}");
        let parameters = [former.as_str().into(), now.into(), reason.into()];
        if self.0.execute(END_ACCOUNT, &parameters)?.is_empty() {
            // It ended otherwise, or is suspended: that stays.
            return Ok(None);
        }
        let deed = Deed::new(Actor::Applicant(successor.into()), Act::HandedOver, now);
        self.log(&deed.on_company(former).with(json!({ "successor": successor })))?;
        self.account(former)
    }

    /// The change that a company is part of, on either side.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn handover(&self, ubn: Ubn) -> Result<Option<HandoverRow>, StoreError> {
        self.0.execute(OF_COMPANY, &[ubn.as_str().into()])?.first().map(handover_row).transpose()
    }

    /// Changes that wait for the new number for more than thirty days.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn waiting_handovers(&self, now: Timestamp) -> Result<i64, StoreError> {
        one(self.0.execute(WAITING, &[(now - PATIENCE).into()])?)?.integer(0)
    }
}

fn handover_row(row: &Row) -> Result<HandoverRow, StoreError> {
    let state = row.optional_text(5)?.and_then(|state| CaseState::from_name(&state));
    Ok(HandoverRow {
        former: row.parsed(0, "統一編號", |text| text.parse().ok())?,
        successor: row.parsed(1, "統一編號", |text| text.parse().ok())?,
        step: match (row.integer(2)? == 1, state) {
            (true, _) => HandoverStep::Done,
            (false, Some(CaseState::Accepted)) => HandoverStep::Review,
            (false, Some(CaseState::Approved)) => HandoverStep::Upload,
            (false, _) => HandoverStep::Apply,
        },
        stop_case: row.parsed(3, "case id", CaseId::parse)?,
        application: row.optional_text(4)?.and_then(|id| CaseId::parse(&id)),
    })
}
