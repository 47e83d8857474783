//! 啟用, 暫停, 註銷: what officers do to accounts, alone and by twos.

use domain::{Act, Actor, Case, CaseId, Policy, PolicyValue, Ubn};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;

use crate::audit::Deed;
use crate::database::one;
use crate::{Cases, Database, Row, StoreError};

/// What needs two officers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProposedAct {
    /// 註銷.
    Revoke,
    /// To accept an improvement plan.
    AcceptPlan,
    /// Another value of a policy.
    SetPolicy,
}

impl ProposedAct {
    const ALL: [Self; 3] = [Self::Revoke, Self::AcceptPlan, Self::SetPolicy];

    fn name(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::AcceptPlan => "accept-plan",
            Self::SetPolicy => "set-policy",
        }
    }
}

/// What an officer proposes.
#[derive(Clone, Debug)]
pub struct ProposalRow {
    /// Its number.
    pub id: i64,
    /// What.
    pub act: ProposedAct,
    /// To which company; none for a policy.
    pub ubn: Option<Ubn>,
    /// Its name on file.
    pub company_name: Option<String>,
    /// The value of a policy.
    pub policy: Option<PolicyValue>,
    /// The case of the plan.
    pub case: Option<CaseId>,
    /// Why.
    pub reason: String,
    /// By whom.
    pub proposed_by: i64,
    /// That officer's name.
    pub proposed_name: String,
    /// When.
    pub proposed_at: Timestamp,
}

const SET_STATUS: &str = "UPDATE accounts SET status = ?3, status_since = ?4, status_reason = ?5
    WHERE ubn = ?1 AND status = ?2 RETURNING ubn";
const REVOKE: &str =
    "UPDATE accounts SET status = 'revoked', status_since = ?2, status_reason = ?3,
    plan_accepted_at = NULL WHERE ubn = ?1 AND status IN ('active', 'suspended') RETURNING ubn";
const ACCEPT_PLAN: &str = "UPDATE accounts SET plan_accepted_at = ?2
    WHERE ubn = ?1 AND status IN ('suspended', 'revoked') RETURNING ubn";
const PROPOSE: &str = "INSERT INTO proposals (act, ubn, case_id, reason, proposed_by, proposed_at)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6 FROM accounts WHERE ubn = ?2 RETURNING id";
const PROPOSE_POLICY: &str =
    "INSERT INTO proposals (act, policy, value, valid_from, reason, proposed_by, proposed_at)
    VALUES ('set-policy', ?1, ?2, ?3, ?4, ?5, ?6)";
const SET_POLICY: &str = "INSERT INTO policies (policy, value, valid_from, proposal_id)
    SELECT policy, value, valid_from, id FROM proposals WHERE id = ?1";
const POLICY: &str = "SELECT value FROM policies WHERE policy = ?1 AND valid_from <= ?2
    ORDER BY valid_from DESC LIMIT 1";
const POLICIES: &str = "SELECT policy, value, valid_from FROM policies ORDER BY policy, valid_from";
const OPEN: &str = "SELECT proposals.id, act, proposals.ubn, company_name, case_id, reason,
    proposed_by, name, proposed_at, policy, value, valid_from
    FROM proposals LEFT JOIN accounts ON accounts.ubn = proposals.ubn
    JOIN officers ON officers.id = proposed_by
    WHERE decided_at IS NULL ORDER BY proposals.id";
const DECIDE: &str = "UPDATE proposals SET decided_by = ?2, decided_at = ?3, endorsed = ?4
    WHERE id = ?1 AND decided_at IS NULL RETURNING id";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[
    SET_STATUS,
    REVOKE,
    ACCEPT_PLAN,
    PROPOSE,
    OPEN,
    DECIDE,
    PROPOSE_POLICY,
    SET_POLICY,
    POLICY,
    POLICIES,
];

impl<D: Database> Cases<D> {
    /// 暫停: no call is answered from now on. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::AccountState`] when the account is not 啟用.
    pub fn suspend(
        &self,
        ubn: Ubn,
        reason: &str,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.set_status(ubn, ["active", "suspended"], reason, now)?;
        let deed = Deed::new(Actor::Officer(by), Act::Suspended, now).on_company(ubn);
        self.log(&deed.with(json!({ "reason": reason })))
    }

    /// Ends a suspension. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::AccountState`] when the account is not 暫停.
    pub fn resume(
        &self,
        ubn: Ubn,
        reason: &str,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.set_status(ubn, ["suspended", "active"], reason, now)?;
        let deed = Deed::new(Actor::Officer(by), Act::Resumed, now).on_company(ubn);
        self.log(&deed.with(json!({ "reason": reason })))
    }

    fn set_status(
        &self,
        ubn: Ubn,
        [from, to]: [&'static str; 2],
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [ubn.as_str().into(), from.into(), to.into(), now.into(), reason.into()];
        changed(self.0.execute(SET_STATUS, &parameters)?)
    }

    /// Proposes what needs a second officer. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::AccountState`] when there is no account, or the same is proposed already.
    pub fn propose(
        &self,
        act: ProposedAct,
        ubn: Ubn,
        case: Option<CaseId>,
        reason: &str,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [
            act.name().into(),
            ubn.as_str().into(),
            case.map(|id| id.to_string()).into(),
            reason.into(),
            by.into(),
            now.into(),
        ];
        match self.0.execute(PROPOSE, &parameters) {
            Err(StoreError::Unique(_)) => return Err(StoreError::AccountState),
            other => changed(other?)?,
        }
        let mut deed = Deed::new(Actor::Officer(by), Act::Proposed, now).on_company(ubn);
        deed.case = case;
        self.log(&deed.with(json!({ "act": act, "reason": reason })))
    }

    /// What is proposed, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_proposals(&self) -> Result<Vec<ProposalRow>, StoreError> {
        self.0.execute(OPEN, &[])?.iter().map(proposal_row).collect()
    }

    /// The second officer's word on a proposal. Inside a transaction, with what it brings
    /// about: the account is revoked, or may apply again.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else was faster; [`StoreError::AccountState`].
    pub fn decide_proposal(
        &self,
        proposal: &ProposalRow,
        endorsed: bool,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let flag = i64::from(endorsed);
        one(self.0.execute(DECIDE, &[proposal.id.into(), by.into(), now.into(), flag.into()])?)?;
        let act = if endorsed { Act::Endorsed } else { Act::Declined };
        let mut deed = Deed::new(Actor::Officer(by), act, now);
        (deed.company, deed.case) = (proposal.ubn.map(Into::into), proposal.case);
        self.log(&deed.with(json!({ "act": proposal.act, "proposedBy": proposal.proposed_by })))?;
        if !endorsed {
            return Ok(());
        }
        let ubn = proposal.ubn.as_ref().map(Ubn::as_str);
        match proposal.act {
            ProposedAct::Revoke => {
                let parameters = [ubn.into(), now.into(), proposal.reason.as_str().into()];
                changed(self.0.execute(REVOKE, &parameters)?)?;
                let mut deed = Deed::new(Actor::Officer(by), Act::Revoked, now);
                deed.company = proposal.ubn.map(Into::into);
                self.log(&deed.with(json!({ "reason": proposal.reason })))
            }
            ProposedAct::AcceptPlan => {
                changed(self.0.execute(ACCEPT_PLAN, &[ubn.into(), now.into()])?)
            }
            ProposedAct::SetPolicy => {
                match self.0.execute(SET_POLICY, &[proposal.id.into()]) {
                    // Another one from the same day on has been set already.
                    Err(StoreError::Unique(_)) => return Err(StoreError::Conflict),
                    other => other.map(drop)?,
                }
                let deed = Deed::new(Actor::Officer(by), Act::PolicySet, now);
                self.log(&deed.with(json!({ "policy": proposal.policy })))
            }
        }
    }

    /// Proposes another value of a policy. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::AccountState`] when one is proposed already.
    pub fn propose_policy(
        &self,
        value: PolicyValue,
        reason: &str,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [
            value.policy.name().into(),
            i64::from(value.value).into(),
            value.valid_from.to_string().into(),
            reason.into(),
            by.into(),
            now.into(),
        ];
        match self.0.execute(PROPOSE_POLICY, &parameters) {
            Err(StoreError::Unique(_)) => return Err(StoreError::AccountState),
            other => other.map(drop)?,
        }
        let deed = Deed::new(Actor::Officer(by), Act::Proposed, now);
        self.log(&deed.with(json!({ "policy": value, "reason": reason })))
    }

    /// What a policy says on this day, where somebody has said it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn policy(&self, policy: Policy, day: Date) -> Result<Option<u16>, StoreError> {
        let rows = self.0.execute(POLICY, &[policy.name().into(), day.to_string().into()])?;
        rows.first().map(|row| row.integer(0).map(days)).transpose()
    }

    /// Every value that was ever set, with those to come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn policies(&self) -> Result<Vec<PolicyValue>, StoreError> {
        self.0.execute(POLICIES, &[])?.iter().map(|row| policy_value(row, 0)).collect()
    }

    /// Whether a case may still be decided by itself: nobody has proposed to accept it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn proposal_of(&self, case: &Case) -> Result<Option<ProposalRow>, StoreError> {
        let open = self.open_proposals()?;
        Ok(open.into_iter().find(|proposal| proposal.case == Some(case.id)))
    }
}

fn changed(rows: Vec<Row>) -> Result<(), StoreError> {
    if rows.len() == 1 { Ok(()) } else { Err(StoreError::AccountState) }
}

fn days(value: i64) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

fn policy_value(row: &Row, first: usize) -> Result<PolicyValue, StoreError> {
    Ok(PolicyValue {
        policy: row.parsed(first, "policy", Policy::from_name)?,
        value: days(row.integer(first + 1)?),
        valid_from: row.parsed(first + 2, "day", |text| text.parse().ok())?,
    })
}

fn proposal_row(row: &Row) -> Result<ProposalRow, StoreError> {
    Ok(ProposalRow {
        id: row.integer(0)?,
        act: row.parsed(1, "proposed act", |text| {
            ProposedAct::ALL.into_iter().find(|act| act.name() == text)
        })?,
        ubn: row.optional_text(2)?.and_then(|text| text.parse().ok()),
        company_name: row.optional_text(3)?,
        policy: if row.is_null(9) { None } else { Some(policy_value(row, 9)?) },
        case: row.optional_text(4)?.and_then(|id| CaseId::parse(&id)),
        reason: row.text(5)?.to_owned(),
        proposed_by: row.integer(6)?,
        proposed_name: row.text(7)?.to_owned(),
        proposed_at: row.instant(8)?,
    })
}
