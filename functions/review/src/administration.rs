//! The audit log for whoever may read it; the list of officers and the office calendar for
//! administrators.

use domain::{Actor, Officer, Role, Ubn};
use http::StatusCode;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spin_sdk::http::Request;
use store::schema::Label;
use store::{Cases, NewOfficer, Transaction};
use web::{Problem, Reply, SignedRequest};

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
    own_company: Option<Ubn>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

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
