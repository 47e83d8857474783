//! What officers are asked before a registration goes through.

use domain::{AskerDraft, Code, Officer, Permission, RocDateTime, RocDay, VisitKind};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use spin_sdk::http::Request;
use store::schema::Label;
use store::{Cases, Deed, NewRegistrationReview, ReviewReason, Transaction};
use web::{Problem, Reply, SignedRequest};

use crate::visits::visit;
use crate::{Offices, offices};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    /// 次一營業日, by the office calendar.
    next_working_day: Option<String>,
    offices: Offices,
    /// The office in charge, where the register knows the region.
    office: Option<String>,
}

/// Asks officers (figures 3-6, 3-7): name and phone are 必填.
pub(crate) async fn ask(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let headers = request.headers().clone();
    let draft: AskerDraft = SignedRequest::plain(request, &origin).await?;
    let offices = offices().await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let visit = visit(&cases, &headers, now)?;
    let reason = match (&visit.organisation, &visit.citizen) {
        (Some(_), None) if !visit.admitted && visit.kind != VisitKind::FindOrganisation => {
            ReviewReason::Mismatch
        }
        (Some(_), Some(_)) if !visit.confirmed => ReviewReason::OtherManager,
        _ => return Err(Code::VisitStep.into()),
    };
    let asker = draft.parse()?;
    cases.ask_review(NewRegistrationReview { visit: &visit, reason, asker: &asker }, now)?;
    let next = cases.calendar()?.nth_working_day_after(now, 1);
    transaction.commit()?;
    let region = visit.organisation.and_then(|card| card.region);
    let office = region.and_then(|region| {
        let covers = |office: &&crate::Office| {
            office.regions.iter().any(|known| region.starts_with(known.as_str()))
        };
        offices.offices.iter().find(covers).map(|office| office.name.clone())
    });
    let reply =
        Asked { next_working_day: next.map(|day| RocDay(day).to_string()), offices, office };
    Ok(web::json(StatusCode::CREATED, &reply))
}

async fn officer(headers: &HeaderMap, permission: Permission) -> Result<Officer, Problem> {
    let id = web::require_officer(headers, web::now()).await?;
    let officer = Cases(store::spin::open(Label::Cases)?).officer_by_id(id)?;
    let officer = officer.ok_or(Code::NotAllowed)?;
    officer.check(permission)?;
    Ok(officer)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReviewView {
    id: i64,
    reason: &'static str,
    reason_word: &'static str,
    code: String,
    /// What the card says.
    name: String,
    number: String,
    /// What the register says of the code.
    register_name: Option<String>,
    register_number: Option<String>,
    manager_name: Option<String>,
    contact_name: String,
    phone: String,
    email: Option<String>,
    asked_at_roc: String,
    decided_at_roc: Option<String>,
    cleared: Option<bool>,
    note: Option<String>,
}

pub(crate) async fn list(request: &Request) -> Result<Reply, Problem> {
    let officer = officer(request.headers(), Permission::ReadCases).await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let mut views = Vec::new();
    for row in cases.registration_reviews()? {
        let entry = match row.code.parse() {
            Ok(code) => cases.organisation(&code)?,
            Err(_) => None,
        };
        views.push(ReviewView {
            id: row.id,
            reason: row.reason.name(),
            reason_word: row.reason.word(),
            code: row.code,
            name: row.name,
            number: domain::shown_number(row.key),
            register_number: entry.as_ref().map(|entry| domain::shown_number(entry.key)),
            register_name: entry.map(|entry| entry.name),
            manager_name: row.manager_name,
            contact_name: row.contact_name,
            phone: row.phone,
            email: row.email,
            asked_at_roc: RocDateTime(row.asked_at).to_string(),
            decided_at_roc: row.decided.map(|(at, _)| RocDateTime(at).to_string()),
            cleared: row.decided.map(|(_, cleared)| cleared),
            note: row.note,
        });
    }
    // Who looked at names and numbers is known later.
    let actor = domain::Actor::Officer(officer.id);
    cases.log(&Deed::new(actor, domain::Act::ReviewsRead, web::now()))?;
    transaction.commit()?;
    Ok(web::json(StatusCode::OK, &serde_json::json!({ "reviews": views })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    cleared: bool,
    /// What whoever asked reads, with a refusal.
    #[serde(default)]
    note: String,
}

pub(crate) async fn decide(id: i64, request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let officer = officer(request.headers(), Permission::Decide).await?;
    let Decision { cleared, note } = SignedRequest::plain(request, &origin).await?;
    let note = domain::review_note(&note, cleared)?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let row = cases.registration_review(id)?;
    officer.check_on(row.key, Permission::Decide)?;
    cases.decide_review(id, cleared, &note, officer.id, &origin, now)?;
    transaction.commit()?;
    Ok(web::empty())
}
