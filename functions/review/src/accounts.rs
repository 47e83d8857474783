//! A company's account behind the counter: 暫停 at once by one officer, 註銷 and the acceptance
//! of an improvement plan by two (A17).

use domain::letter::Subject;
use domain::{
    AccountState, Actor, Case, CaseKind, CaseState, Code, Edition, Officer, Permission, RateLimit,
    RegisterFinding, RocDate, RocDateTime, RocDay, TaipeiDay, Ubn,
};
use http::StatusCode;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spin_sdk::http::Request;
use store::schema::Label;
use store::{
    AccountRow, Calls, Cases, Content, Database, DayCount, DecisionRecord, Deed, NewIssKey,
    ProposalRow, ProposedAct, Transaction,
};
use web::{Problem, Reply, SignedRequest};

use crate::views::{LetterView, LogView, letter_view, log_views};

/// Longest reason, in characters: the company reads it.
pub(crate) const MAX_REASON: usize = 500;

/// An act by its name in the address.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    Suspension,
    Resumption,
    Revocation,
    KeyLeak,
    UbnChange,
}

impl Act {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "suspension" => Self::Suspension,
            "resumption" => Self::Resumption,
            "revocation" => Self::Revocation,
            "key-leak" => Self::KeyLeak,
            "ubn-change" => Self::UbnChange,
            _ => return None,
        })
    }

    fn permission(self) -> Permission {
        match self {
            Self::Suspension | Self::KeyLeak => Permission::Suspend,
            Self::Resumption => Permission::Supervise,
            // One proposes, another endorses.
            Self::Revocation | Self::UbnChange => Permission::Decide,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountView {
    ubn: Ubn,
    company_name: String,
    status: &'static str,
    status_word: &'static str,
    status_since: String,
    /// Who brought it about.
    status_by: String,
    status_reason: String,
    /// What becomes of calls.
    calls_word: &'static str,
    /// What the company may apply for, when no case is under way.
    offers: Vec<&'static str>,
    /// What leads back to calls.
    way_back: &'static str,
    /// 統編變更 that the company is part of.
    handover: Option<HandoverView>,
    /// The warning that it was not used for a year.
    idle: Option<crate::idle::IdleView>,
    host_address: String,
    ap_id: String,
    certificate_serial_number: Option<String>,
    certificate_until: Option<String>,
    calls: CallsView,
    /// What this officer may do now.
    may: Vec<&'static str>,
    letters: Vec<LetterView>,
    log: Vec<LogView>,
    proposals: Vec<ProposalView>,
}

/// Both sides of a change of the 統一編號, and what is next.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HandoverView {
    former: Ubn,
    successor: Ubn,
    step: &'static str,
    words: String,
    stop_case: domain::CaseId,
    application: Option<domain::CaseId>,
}

pub(crate) fn handover_view(
    cases: &Cases<impl Database>,
    ubn: Ubn,
) -> Result<Option<HandoverView>, Problem> {
    let view = |row: store::HandoverRow| HandoverView {
        former: row.former,
        successor: row.successor,
        step: row.step.name(),
        words: row.step.words(row.former, row.successor),
        stop_case: row.stop_case,
        application: row.application,
    };
    Ok(cases.handover(ubn)?.map(view))
}

/// What the account's system has called, from the record of calls.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallsView {
    /// `112/11/17 14:35:04`; absent when there was no call.
    pub(crate) last_at: Option<String>,
    /// Calls of the last 31 days.
    pub(crate) count: i64,
    /// Of them those that were wrong (codes 2 to 4).
    pub(crate) wrong: i64,
    /// Requests that were refused.
    pub(crate) refused: i64,
    /// Test mode.
    sandbox: bool,
    calls_per_minute: u32,
    burst: u32,
}

pub(crate) fn calls_view(cases: &Cases<impl Database>, ubn: Ubn) -> Result<CallsView, Problem> {
    let now = web::now();
    let settings = cases.call_settings(ubn)?.ok_or(Code::NotFound)?;
    let record = Calls(store::spin::open(Label::Calls)?);
    let from = TaipeiDay::of(now - SignedDuration::from_hours(24 * 30));
    let days = record.days(&settings.ap_id, from)?;
    // Test mode is no use.
    let sum = |counted: &[DayCount], of: &dyn Fn(&str) -> bool| {
        counted.iter().filter(|one| !one.sandbox && of(&one.what)).map(|one| one.count).sum()
    };
    let last = record.last_call(&settings.ap_id)?;
    Ok(CallsView {
        last_at: last.map(|at| RocDateTime(at).to_string()),
        count: sum(&days, &|_| true),
        wrong: sum(&days, &|code| ["2", "3", "4"].contains(&code)),
        refused: sum(&record.refusals(&settings.ap_id, from)?, &|_| true),
        sandbox: settings.sandbox,
        calls_per_minute: settings.rate.per_minute,
        burst: settings.rate.burst,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProposalView {
    id: i64,
    act: ProposedAct,
    act_word: &'static str,
    ubn: Option<Ubn>,
    company_name: Option<String>,
    /// The value of a policy, in words.
    policy: Option<String>,
    serial_number: Option<domain::CaseId>,
    reason: String,
    proposed_by: String,
    proposed_at: String,
    /// Whether this officer may be the second.
    may_decide: bool,
}

fn proposal_view(row: ProposalRow, officer: &Officer) -> ProposalView {
    let may_decide = check_second(officer, &row).is_ok();
    ProposalView {
        id: row.id,
        act: row.act,
        act_word: match row.act {
            ProposedAct::Revoke => "註銷查驗權限",
            ProposedAct::AcceptPlan => "核可改善做法",
            ProposedAct::SetPolicy => "變更審核期限",
        },
        ubn: row.ubn,
        company_name: row.company_name,
        policy: row.policy.map(|value| {
            let from = RocDay(value.valid_from);
            format!("{}：{}，自{from}起", value.policy.word(), value.value)
        }),
        serial_number: row.case,
        reason: row.reason,
        proposed_by: row.proposed_name,
        proposed_at: RocDateTime(row.proposed_at).to_string(),
        may_decide,
    }
}

/// The second of two is somebody else, and has nothing to do with the company.
fn check_second(officer: &Officer, proposal: &ProposalRow) -> Result<(), Problem> {
    match proposal.ubn {
        Some(ubn) => officer.check_on(ubn, Permission::Endorse)?,
        None => officer.check(Permission::Endorse)?,
    }
    if proposal.proposed_by == officer.id { Err(Code::OwnProposal.into()) } else { Ok(()) }
}

pub(crate) fn one(officer: &Officer, ubn: Ubn) -> Result<Reply, Problem> {
    let now = web::now();
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let view = view(&cases, officer, ubn)?;
    let deed = Deed::new(Actor::Officer(officer.id), domain::Act::AccountRead, now);
    cases.log(&deed.on_company(ubn))?;
    transaction.commit()?;
    Ok(web::json(StatusCode::OK, &view))
}

fn account(cases: &Cases<impl Database>, ubn: Ubn) -> Result<AccountRow, Problem> {
    Ok(cases.account(ubn)?.ok_or(Code::NotFound)?)
}

fn view(cases: &Cases<impl Database>, officer: &Officer, ubn: Ubn) -> Result<AccountView, Problem> {
    let now = web::now();
    let row = account(cases, ubn)?;
    let (status, state) = (row.account.status, row.state(now));
    let proposals: Vec<_> =
        cases.open_proposals()?.into_iter().filter(|proposal| proposal.ubn == Some(ubn)).collect();
    let revoking = proposals.iter().any(|proposal| proposal.act == ProposedAct::Revoke);
    let handover = handover_view(cases, ubn)?;
    let idle = cases.idle_warning(ubn)?;
    let idle = idle.map(|row| crate::idle::view(row, officer, now)).transpose()?;
    let mut may = Vec::new();
    for (name, act) in [
        ("suspension", Act::Suspension),
        ("resumption", Act::Resumption),
        ("revocation", Act::Revocation),
        ("key-leak", Act::KeyLeak),
        ("ubn-change", Act::UbnChange),
    ] {
        let fits = match act {
            Act::UbnChange => status == domain::AccountStatus::Active && handover.is_none(),
            Act::Suspension => status == domain::AccountStatus::Active,
            Act::Resumption => status == domain::AccountStatus::Suspended,
            Act::KeyLeak => status == domain::AccountStatus::Active && row.iss_key.is_some(),
            Act::Revocation => {
                let live = [domain::AccountStatus::Active, domain::AccountStatus::Suspended];
                live.contains(&status) && !revoking
            }
        };
        if fits && officer.check_on(ubn, act.permission()).is_ok() {
            may.push(name);
        }
    }
    let live = [domain::AccountStatus::Active, domain::AccountStatus::Suspended];
    if live.contains(&status) && officer.check_on(ubn, Permission::SetLimits).is_ok() {
        may.push("limits");
    }
    let certificate = row.certificate.as_ref();
    Ok(AccountView {
        ubn,
        company_name: row.account.company_name.clone(),
        status: state.name(),
        status_word: state.word(),
        status_since: RocDateTime(row.state_since(now)).to_string(),
        status_by: status_by(cases, ubn, state)?,
        status_reason: row.status_reason.clone(),
        calls_word: state.calls(),
        offers: state.offers(Edition::Of112),
        way_back: state.way_back(),
        handover,
        idle,
        host_address: row.account.host_address.to_string(),
        ap_id: row.ap_id.clone(),
        certificate_serial_number: certificate.map(|found| found.serial_number.clone()),
        certificate_until: certificate.map(|found| RocDate(found.not_after).to_string()),
        calls: calls_view(cases, ubn)?,
        may,
        letters: cases.letters_of_company(ubn)?.into_iter().map(letter_view).collect(),
        log: log_views(cases, &cases.log_of_company(ubn)?)?,
        proposals: proposals.into_iter().map(|row| proposal_view(row, officer)).collect(),
    })
}

/// Who brought an account into its state, by name.
fn status_by(
    cases: &Cases<impl Database>,
    ubn: Ubn,
    state: AccountState,
) -> Result<String, Problem> {
    if state == AccountState::CertificateExpired {
        return Ok("憑證效期屆滿".to_owned());
    }
    let actor = cases.status_deed(ubn)?.map(|deed| deed.actor);
    Ok(match actor {
        Some(Actor::Officer(id)) => cases.officer_names()?.remove(&id).unwrap_or_default(),
        Some(Actor::Applicant(_) | Actor::Organisation(_) | Actor::Handler(_)) => {
            "申請人".to_owned()
        }
        Some(Actor::Citizen) => "民眾".to_owned(),
        Some(Actor::Operator) => "系統".to_owned(),
        None => String::new(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    pub(crate) text: String,
}

pub(crate) async fn act(
    officer: &Officer,
    ubn: Ubn,
    act: Act,
    request: Request,
) -> Result<Reply, Problem> {
    officer.check(act.permission())?;
    let origin = web::origin().await?;
    let Reason { text } = SignedRequest::plain(request, &origin).await?;
    let reason = domain::result_text(&text, MAX_REASON)?;
    officer.check_on(ubn, act.permission())?;
    // Made before the transaction begins, since variables are read asynchronously.
    let key = match act {
        Act::KeyLeak => Some(web::new_iss_key(ubn).await?),
        _ => None,
    };
    let now = web::now();
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let row = account(&cases, ubn)?;
    match (act, key) {
        (Act::KeyLeak, None) => return Err(Problem::internal("no isskey was made")),
        (Act::KeyLeak, Some((_, digest, sealed))) => {
            let key = NewIssKey { digest, sealed };
            cases.renew_iss_key(ubn, &key, None, Actor::Officer(officer.id), now)?;
            cases.write_account_letter(&row, Subject::KeyBlocked, &reason, &origin, now)?;
        }
        (Act::Suspension, _) => {
            cases.suspend(ubn, &reason, officer.id, now)?;
            cases.write_account_letter(&row, Subject::Suspended, &reason, &origin, now)?;
        }
        (Act::Resumption, _) => {
            cases.resume(ubn, &reason, officer.id, now)?;
            cases.write_account_letter(&row, Subject::Resumed, &reason, &origin, now)?;
        }
        (Act::UbnChange, _) => {
            cases.write_account_letter(&row, Subject::UbnChange, &reason, &origin, now)?;
            let deed = Deed::new(Actor::Officer(officer.id), domain::Act::UbnChangeNoticed, now);
            cases.log(&deed.on_company(ubn).with(json!({ "reason": reason })))?;
        }
        (Act::Revocation, _) => {
            cases.propose(ProposedAct::Revoke, ubn, None, &reason, officer.id, now)?;
        }
    }
    let view = view(&cases, officer, ubn)?;
    transaction.commit()?;
    Ok(web::json(StatusCode::OK, &view))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Limits {
    calls_per_minute: i64,
    burst: i64,
    text: String,
}

/// Sets how many calls an account may make; the company is told by letter.
pub(crate) async fn set_limits(
    officer: &Officer,
    ubn: Ubn,
    request: Request,
) -> Result<Reply, Problem> {
    officer.check(Permission::SetLimits)?;
    let origin = web::origin().await?;
    let Limits { calls_per_minute, burst, text } = SignedRequest::plain(request, &origin).await?;
    let rate = RateLimit::of(calls_per_minute, burst)?;
    let reason = domain::result_text(&text, MAX_REASON)?;
    officer.check_on(ubn, Permission::SetLimits)?;
    let now = web::now();
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let row = account(&cases, ubn)?;
    cases.set_limits(ubn, rate, &reason, officer.id, now)?;
    cases.write_account_letter(&row, Subject::LimitsSet(rate), &reason, &origin, now)?;
    let view = view(&cases, officer, ubn)?;
    transaction.commit()?;
    Ok(web::json(StatusCode::OK, &view))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SweepView {
    ubn: Ubn,
    company_name: String,
    status_word: &'static str,
    finding: RegisterFinding,
    finding_word: &'static str,
    registered_name: Option<String>,
    registered_status: Option<String>,
}

/// The accounts that do not fit the company register: a look, which changes nothing (rule 10).
pub(crate) fn sweep(officer: &Officer) -> Result<Reply, Problem> {
    let now = web::now();
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let as_of = cases.companies_as_of()?;
    // Without a register nothing fits it.
    let found = if as_of.is_some() { cases.sweep()? } else { Vec::new() };
    let views: Vec<_> = found
        .into_iter()
        .map(|row| SweepView {
            ubn: row.ubn,
            company_name: row.company_name,
            status_word: row.status.word(),
            finding: row.finding,
            finding_word: row.finding.word(),
            registered_name: row.entry.as_ref().map(|entry| entry.name.clone()),
            registered_status: row.entry.map(|entry| entry.status),
        })
        .collect();
    let deed = Deed::new(Actor::Officer(officer.id), domain::Act::SweepRead, now);
    cases.log(&deed.with(json!({ "found": views.len() })))?;
    transaction.commit()?;
    let as_of = as_of.map(|day| RocDay(day).to_string());
    Ok(web::json(StatusCode::OK, &json!({ "asOf": as_of, "findings": views })))
}

pub(crate) fn proposals(officer: &Officer) -> Result<Reply, Problem> {
    let open = Cases(store::spin::open(Label::Cases)?).open_proposals()?;
    let views: Vec<_> = open.into_iter().map(|row| proposal_view(row, officer)).collect();
    Ok(web::json(StatusCode::OK, &json!({ "proposals": views })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Endorsement {
    endorsed: bool,
}

/// The second officer's word; what was proposed happens with it.
pub(crate) async fn decide(officer: &Officer, id: i64, request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let Endorsement { endorsed } = SignedRequest::plain(request, &origin).await?;
    let now = web::now();
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let proposal = cases.open_proposals()?.into_iter().find(|proposal| proposal.id == id);
    let proposal = proposal.ok_or(Code::ProposalNotOpen)?;
    check_second(officer, &proposal)?;
    crate::idle::decided(&cases, &proposal, endorsed, officer, now)?;
    cases.decide_proposal(&proposal, endorsed, officer.id, now)?;
    if endorsed {
        match (proposal.case, proposal.ubn) {
            (None, Some(ubn)) => {
                let row = account(&cases, ubn)?;
                cases.write_account_letter(
                    &row,
                    Subject::Revoked,
                    &proposal.reason,
                    &origin,
                    now,
                )?;
            }
            (Some(id), _) => accept_plan(&cases, officer, id, &proposal, &origin, now)?,
            (None, None) => {}
        }
    }
    let reply = match proposal.ubn {
        Some(ubn) => web::json(StatusCode::OK, &view(&cases, officer, ubn)?),
        None => web::json(StatusCode::OK, &json!({})),
    };
    transaction.commit()?;
    Ok(reply)
}

/// The case of an improvement plan is approved with its second officer.
fn accept_plan(
    cases: &Cases<impl Database>,
    officer: &Officer,
    id: domain::CaseId,
    proposal: &ProposalRow,
    origin: &str,
    now: jiff::Timestamp,
) -> Result<(), Problem> {
    let row = cases.case(id)?;
    if row.case.kind != CaseKind::ImprovementPlan || row.case.state != CaseState::Accepted {
        return Err(Code::ProposalNotOpen.into());
    }
    if row.assigned_to != Some(officer.id) {
        let (me, act) = (officer.id, domain::Act::Assigned);
        cases.assign(&row, Some(me), me, act, now)?;
    }
    let decided = Case { state: CaseState::Approved, ..row.case.clone() };
    let (officer, result) = (officer.id, proposal.reason.as_str());
    cases
        .keep_decision(DecisionRecord { decided: &decided, officer, grounds: &[], result }, now)?;
    let content = Content { grounds: &[], text: result, edited: None, origin };
    Ok(cases.write_case_letter(&row, Subject::Approved, content, now)?)
}
