//! 逾一年未使用 (rule 10): the accounts that were warned, and their revocation, which takes two as
//! any other does. Whether an account is still unused is looked up at each step.

use domain::{Actor, Code, IdleWarning, Officer, Permission, RocDateTime, RocDay, Ubn};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use spin_sdk::http::Request;
use store::schema::Label;
use store::{
    Calls, Cases, Database, Deed, IdleEnd, IdleRow, ProposalRow, ProposedAct, Transaction,
};
use web::{Problem, Reply, SignedRequest};

use crate::accounts::{MAX_REASON, Reason};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IdleView {
    id: i64,
    ubn: Ubn,
    company_name: String,
    /// The day of the last use, `112/11/17`.
    unused_since: String,
    warned_at: String,
    /// The last day of the warning, `112/11/17`.
    until: String,
    /// Whether the warning is over.
    over: bool,
    /// Whether there was a call since: `chayan warn-unused` will end the warning.
    used: bool,
    /// Whether revocation is proposed already.
    proposed: bool,
    may_propose: bool,
}

fn used_since(ap_id: &str, warning: IdleWarning) -> Result<bool, Problem> {
    let last = Calls(store::spin::open(Label::Calls)?).last_call(ap_id)?;
    Ok(last.is_some_and(|last| last > warning.unused_since))
}

pub(crate) fn view(row: IdleRow, officer: &Officer, now: Timestamp) -> Result<IdleView, Problem> {
    let used = used_since(&row.ap_id, row.warning)?;
    let over = row.warning.is_over(now);
    let proposed = row.proposal.is_some();
    let may = officer.check_on(row.ubn, Permission::Decide).is_ok();
    Ok(IdleView {
        id: row.id,
        ubn: row.ubn,
        company_name: row.company_name,
        unused_since: RocDay::of(row.warning.unused_since).to_string(),
        warned_at: RocDateTime(row.warned_at).to_string(),
        until: RocDay(row.warning.until).to_string(),
        over,
        used,
        proposed,
        may_propose: may && over && !used && !proposed,
    })
}

fn views(cases: &Cases<impl Database>, officer: &Officer) -> Result<Reply, Problem> {
    let now = web::now();
    let rows = cases.idle_warnings()?;
    let views = rows.into_iter().map(|row| view(row, officer, now));
    let views = views.collect::<Result<Vec<_>, _>>()?;
    Ok(web::json(StatusCode::OK, &json!({ "accounts": views })))
}

pub(crate) fn list(officer: &Officer) -> Result<Reply, Problem> {
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    cases.log(&Deed::new(Actor::Officer(officer.id), domain::Act::IdleRead, web::now()))?;
    let reply = views(&cases, officer)?;
    transaction.commit()?;
    Ok(reply)
}

/// Proposes the revocation of an account whose warning is over.
pub(crate) async fn propose(
    officer: &Officer,
    id: i64,
    request: Request,
) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let Reason { text } = SignedRequest::plain(request, &origin).await?;
    let now = web::now();
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let row = cases.idle_warnings()?.into_iter().find(|row| row.id == id);
    let row = row.ok_or(Code::NotFound)?;
    officer.check_on(row.ubn, Permission::Decide)?;
    let reason = domain::result_text(&text, MAX_REASON)?;
    if used_since(&row.ap_id, row.warning)? {
        return Err(Code::AccountUsed.into());
    }
    if !row.warning.is_over(now) {
        return Err(Code::WarningNotOver.into());
    }
    cases.propose(ProposedAct::Revoke, row.ubn, None, &reason, officer.id, now)?;
    cases.idle_proposed(id)?;
    let reply = views(&cases, officer)?;
    transaction.commit()?;
    Ok(reply)
}

/// What a decision on a proposal means for the warning that it was made of; an account that was
/// used meanwhile is not revoked for it. Inside the decision's transaction, before it.
pub(crate) fn decided(
    cases: &Cases<impl Database>,
    proposal: &ProposalRow,
    endorsed: bool,
    by: &Officer,
    now: Timestamp,
) -> Result<(), Problem> {
    let Some((id, unused_since, ended, ap_id)) = cases.idle_of_proposal(proposal.id)? else {
        return Ok(());
    };
    let warning = IdleWarning { unused_since, until: RocDay::of(now).0, is_due: true };
    if endorsed && (ended || used_since(&ap_id, warning)?) {
        return Err(Code::AccountUsed.into());
    }
    if !ended {
        let end = if endorsed { IdleEnd::Revoked } else { IdleEnd::Kept };
        cases.close_idle(id, end, Actor::Officer(by.id), now)?;
    }
    Ok(())
}
