//! The audit log for whoever may read it; the list of officers and the office calendar for
//! administrators.

use domain::{Actor, Applicant, Officer, Policy, PolicyValue, RocDay, Role, TAIPEI};
use http::StatusCode;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spin_sdk::http::Request;
use store::schema::Label;
use store::{Cases, NewOfficer, Transaction};
use web::{Nothing, Problem, Reply, SignedRequest};

/// Longest text, in characters.
const MAX_TEXT: usize = 200;

#[derive(Serialize)]
struct Entry {
    place: i64,
    entry: serde_json::Value,
    leaf: String,
}

/// `?from=`: a thousand entries from this place on.
pub(crate) fn log(query: &str) -> Result<Reply, Problem> {
    let from = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "from")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let rows = Cases(store::spin::open(Label::Cases)?).log_from(from)?;
    let entries: Vec<_> = rows
        .iter()
        .map(|row| Entry {
            place: row.place,
            entry: serde_json::from_str(&row.entry).unwrap_or_default(),
            leaf: hex::encode(row.leaf),
        })
        .collect();
    Ok(web::json(StatusCode::OK, &json!({ "entries": entries })))
}

/// Days ahead for which the office calendar should be known.
const CALENDAR_AHEAD: i64 = 60;
/// A letter that waits so long is one that does not go out.
const LETTER_WAIT: jiff::SignedDuration = jiff::SignedDuration::from_mins(30);
/// A snapshot of the register that is older should be replaced, in days.
const REGISTER_AGE: i64 = 45;

/// What does not work as it should, in words for whoever signs in; none of it stops anything.
pub(crate) fn health() -> Result<Reply, Problem> {
    let now = web::now();
    let cases = Cases(store::spin::open(Label::Cases)?);
    let today = TAIPEI.to_datetime(now).date();
    let mut warnings = Vec::new();
    for (state, count, since) in cases.letter_states()? {
        match state.as_str() {
            "failed" => warnings.push(format!("有{count}封信件寄送失敗，請於案件中查看並重寄。")),
            "queued" if now.duration_since(since) > LETTER_WAIT => {
                warnings.push(format!("有{count}封信件尚未寄出，請通知系統操作人員檢查郵件服務。"));
            }
            _ => {}
        }
    }
    let ahead = today.checked_add(CALENDAR_AHEAD.days()).unwrap_or(today);
    if !cases.calendar()?.covers(today, ahead) {
        warnings.push("辦公日曆未匯入，到期日未扣除國定假日。".to_owned());
    }
    match cases.companies_as_of()? {
        None => warnings.push("商工登記資料未匯入，無法比對公司登記。".to_owned()),
        Some(day) if day.checked_add(REGISTER_AGE.days()).is_ok_and(|limit| limit < today) => {
            warnings.push(format!("商工登記資料為{}的資料，請更新。", RocDay(day)));
        }
        Some(_) => {}
    }
    Ok(web::json(StatusCode::OK, &json!({ "warnings": warnings })))
}

fn view(officer: &Officer) -> serde_json::Value {
    json!({
        "id": officer.id,
        "name": officer.name,
        "role": officer.role.name(),
        "roleWord": officer.role.word(),
        "ownCompany": officer.own_company.map(|ubn| ubn.to_string()),
    })
}

pub(crate) fn officers() -> Result<Reply, Problem> {
    let officers = Cases(store::spin::open(Label::Cases)?).officers()?;
    let views: Vec<_> = officers.iter().map(view).collect();
    Ok(web::json(StatusCode::OK, &json!({ "officers": views })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OfficerRequest {
    subject_serial: String,
    name: String,
    role: String,
    #[serde(default)]
    own_company: Option<Applicant>,
}

/// Names an officer, or changes what the list says of one.
pub(crate) async fn add_officer(officer: &Officer, request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let said: OfficerRequest = SignedRequest::plain(request, &origin).await?;
    let role = Role::from_name(&said.role).ok_or(domain::Code::MalformedRequest)?;
    let new = NewOfficer {
        subject_serial: &domain::result_text(&said.subject_serial, MAX_TEXT)?,
        name: &domain::result_text(&said.name, MAX_TEXT)?,
        role,
        own_company: said.own_company,
    };
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let added = Cases(&transaction).add_officer(new, Actor::Officer(officer.id), web::now())?;
    transaction.commit()?;
    Ok(web::json(StatusCode::CREATED, &view(&added)))
}

/// Takes somebody off the list; the sessions end with it. Nobody takes themselves off: there
/// would be nobody left to put anybody on.
pub(crate) async fn remove_officer(
    officer: &Officer,
    id: i64,
    request: Request,
) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let Nothing {} = SignedRequest::plain(request, &origin).await?;
    if id == officer.id {
        return Err(domain::Code::NotAllowed.into());
    }
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    Cases(&transaction).remove_officer(id, Actor::Officer(officer.id), web::now())?;
    transaction.commit()?;
    Ok(web::empty())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PolicyRequest {
    policy: Policy,
    value: u16,
    valid_from: Date,
    /// Why.
    text: String,
}

/// What each policy says: of the edition, and each value that was set.
pub(crate) async fn policies() -> Result<Reply, Problem> {
    let edition = web::edition().await?;
    let set = Cases(store::spin::open(Label::Cases)?).policies()?;
    let views: Vec<_> = Policy::ALL
        .into_iter()
        .map(|policy| {
            let values: Vec<_> = set
                .iter()
                .filter(|value| value.policy == policy)
                .map(|value| json!({ "value": value.value, "from": RocDay(value.valid_from).to_string() }))
                .collect();
            json!({
                "policy": policy,
                "word": policy.word(),
                "ofEdition": policy.of_edition(edition),
                "values": values,
            })
        })
        .collect();
    Ok(web::json(StatusCode::OK, &json!({ "policies": views })))
}

/// Proposes another value; it holds once another supervisor has agreed.
pub(crate) async fn propose_policy(officer: &Officer, request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let said: PolicyRequest = SignedRequest::plain(request, &origin).await?;
    let reason = domain::result_text(&said.text, MAX_TEXT)?;
    let now = web::now();
    let PolicyRequest { policy, value, valid_from, .. } = said;
    let value = PolicyValue { policy, value, valid_from }.check(RocDay::of(now).0)?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    Cases(&transaction).propose_policy(value, &reason, officer.id, now)?;
    transaction.commit()?;
    Ok(web::json(StatusCode::CREATED, &value))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DayRequest {
    day: Date,
    working: bool,
    note: String,
}

/// Says of one day whether the offices work: every open deadline moves with it.
pub(crate) async fn set_day(officer: &Officer, request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let DayRequest { day, working, note } = SignedRequest::plain(request, &origin).await?;
    let note = domain::result_text(&note, MAX_TEXT)?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let by = Actor::Officer(officer.id);
    Cases(&transaction).set_day(day, working, &note, by, web::now())?;
    transaction.commit()?;
    Ok(web::empty())
}
