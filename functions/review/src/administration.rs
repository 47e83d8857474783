//! The audit log for whoever may read it; the list of officers and the office calendar for
//! administrators.

use domain::{
    Actor, Applicant, FieldProblem, FormCheck, ListTrouble, Officer, Policy, PolicyError,
    PolicyValue, RocDateTime, RocDay, Role, TAIPEI,
};
use http::StatusCode;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use serde_json::json;
use spin_sdk::http::Request;
use store::schema::Label;
use store::{Cases, NewOfficer, Publishing, Transaction};
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
    let over = cases.idle_warnings()?.iter().filter(|row| row.warning.is_over(now)).count();
    if over > 0 {
        warnings.push(format!("有{over}個帳號逾一年未使用且警告期滿，請於「逾一年未使用」辦理。"));
    }
    let waiting = cases.waiting_handovers(now)?;
    if waiting > 0 {
        warnings.push(format!("有{waiting}件統一編號變更核准逾30日，尚未由新統一編號承接。"));
    }
    for publishing in cases.publishing()? {
        warnings.extend(publishing.trouble(now).map(|trouble| in_words(&publishing, trouble, now)));
    }
    Ok(web::json(StatusCode::OK, &json!({ "warnings": warnings })))
}

/// What is wrong with the revocation lists of a CA of our own.
fn in_words(publishing: &Publishing, trouble: ListTrouble, now: Timestamp) -> String {
    let at = RocDateTime(publishing.attempted_at);
    let what = match trouble {
        ListTrouble::Failed => format!("於{at}公布失敗"),
        ListTrouble::Unfinished => format!("於{at}開始公布而未完成"),
        ListTrouble::Overdue => "逾期未公布".to_owned(),
    };
    let stands = match publishing.in_force(now) {
        Some((_, until)) => format!("現行清冊有效至{}", RocDateTime(until)),
        None => "沒有有效的清冊".to_owned(),
    };
    format!("憑證廢止清冊{what}，{stands}，請通知系統操作人員處理後重新公布。")
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
    own_company: Option<String>,
}

/// Names an officer, or changes what the list says of one.
pub(crate) async fn add_officer(officer: &Officer, request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let said: OfficerRequest = SignedRequest::plain(request, &origin).await?;
    let mut form = FormCheck::default();
    let subject = form.take("subjectSerial", domain::officer_subject(&said.subject_serial));
    let name = form.text("name", &said.name, MAX_TEXT);
    let role = form.take("role", Role::from_name(&said.role).ok_or(FieldProblem::NotOffered));
    let own = said.own_company.as_deref().map(Applicant::typed).transpose();
    let own_company = form.take("ownCompany", own);
    let whole = subject.zip(name).zip(role.zip(own_company));
    let ((subject, name), (role, own_company)) = form.finish(whole)?;
    let new = NewOfficer { subject_serial: &subject, name: &name, role, own_company };
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
    /// YYYY-MM-DD.
    valid_from: String,
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
    let now = web::now();
    let today = RocDay::of(now).0;
    let PolicyRequest { policy, value, valid_from, text } = said;
    let mut form = FormCheck::default();
    let day = form.take("validFrom", day(&valid_from));
    // Whatever else is wrong with the value, its day is judged by itself.
    let judged = PolicyValue { policy, value, valid_from: day.unwrap_or(today) };
    for error in judged.errors(today) {
        match error {
            PolicyError::Value => form.wrong("value", FieldProblem::PolicyNumber),
            PolicyError::Past if day.is_some() => form.wrong("validFrom", FieldProblem::DayToCome),
            PolicyError::Past => {}
        }
    }
    let reason = form.text("result", &text, MAX_TEXT);
    let (value, reason) = form.finish(day.map(|_| judged).zip(reason))?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    Cases(&transaction).propose_policy(value, &reason, officer.id, now)?;
    transaction.commit()?;
    Ok(web::json(StatusCode::CREATED, &value))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DayRequest {
    /// YYYY-MM-DD.
    day: String,
    working: bool,
    note: String,
}

/// A day as a browser's field gives it.
fn day(text: &str) -> Result<Date, FieldProblem> {
    match text.trim() {
        "" => Err(FieldProblem::Required),
        text => text.parse().map_err(|_| FieldProblem::Day),
    }
}

/// Says of one day whether the offices work: every open deadline moves with it.
pub(crate) async fn set_day(officer: &Officer, request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let said: DayRequest = SignedRequest::plain(request, &origin).await?;
    let mut form = FormCheck::default();
    let whole = form.take("day", day(&said.day)).zip(form.text("result", &said.note, MAX_TEXT));
    let (day, note) = form.finish(whole)?;
    let working = said.working;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let by = Actor::Officer(officer.id);
    Cases(&transaction).set_day(day, working, &note, by, web::now())?;
    transaction.commit()?;
    Ok(web::empty())
}
