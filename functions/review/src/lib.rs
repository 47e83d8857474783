//! Review (A15): officers see what waits, and decide.

use domain::{ApId, CaseId, CaseKind, CaseState, Code, Decision, Edition, Officer, Permission};
use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::schema::Label;
use store::{CaseRow, Cases, NewIssKey, Transaction};
use web::{Problem, Reply, SignedRequest};

/// Candidates for a new apId. With even ten million of sixty issued, all of them taken would
/// happen once in a number with twenty digits; under the manual of 108 there are 676,000, and
/// with half of them issued it is once in four thousand million.
const AP_ID_CANDIDATES: usize = 32;
/// Longest 審核結果, in characters.
const MAX_RESULT: usize = 500;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(route(request).await)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    let officer = officer(request.headers()).await?;
    let path = web::segments(&request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (path.as_slice(), request.method()) {
        (["api", "review", "cases"], &Method::GET) => {
            officer.check(Permission::ReadCases)?;
            waiting()
        }
        (["api", "review", "cases", id], &Method::GET) => {
            officer.check(Permission::ReadCases)?;
            one(case_id(id)?)
        }
        (["api", "review", "cases", id, "decision"], &Method::POST) => {
            let id = case_id(id)?;
            decide(officer, id, request).await
        }
        (["api", "review", "cases"] | ["api", "review", "cases", _], _) => {
            Err(web::method_not_allowed("GET"))
        }
        (["api", "review", "cases", _, "decision"], _) => Err(web::method_not_allowed("POST")),
        _ => Err(Code::NotFound.into()),
    }
}

/// The officer of the session, who must still be on the list: what the list says now counts.
async fn officer(headers: &HeaderMap) -> Result<Officer, Problem> {
    let id = web::require_officer(headers, web::now()).await?;
    let officer = Cases(store::spin::open(Label::Cases)?).officer_by_id(id)?;
    Ok(officer.ok_or(Code::NotAllowed)?)
}

fn case_id(text: &str) -> Result<CaseId, Problem> {
    CaseId::parse(text).ok_or_else(|| Code::CaseNotFound.into())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CaseView {
    #[serde(flatten)]
    receipt: domain::Receipt,
    contact_name: String,
    /// The name in the certificate, for comparison with the one that was typed.
    signer_name: String,
    result: Option<String>,
}

impl From<&CaseRow> for CaseView {
    fn from(row: &CaseRow) -> Self {
        Self {
            receipt: row.receipt(),
            contact_name: row.contact_name.clone(),
            signer_name: row.signer_name.clone(),
            result: row.result.clone(),
        }
    }
}

fn waiting() -> Result<Reply, Problem> {
    let rows = Cases(store::spin::open(Label::Cases)?).under_review()?;
    let views: Vec<CaseView> = rows.iter().map(CaseView::from).collect();
    Ok(web::json(StatusCode::OK, &serde_json::json!({ "count": views.len(), "cases": views })))
}

fn one(id: CaseId) -> Result<Reply, Problem> {
    let row = Cases(store::spin::open(Label::Cases)?).case(id)?;
    Ok(web::json(StatusCode::OK, &CaseView::from(&row)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionRequest {
    decision: Decision,
    /// 審核結果, which the applicant reads.
    result: String,
}

async fn decide(officer: Officer, id: CaseId, request: Request) -> Result<Reply, Problem> {
    officer.check(Permission::Decide)?;
    let origin = web::origin().await?;
    let DecisionRequest { decision, result } = SignedRequest::plain(request, &origin).await?;
    let result = domain::result_text(&result, MAX_RESULT)?;
    let now = web::now();
    let edition = web::edition().await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let row = cases.case(id)?;
    officer.check_decision(row.case.ubn)?;
    let decided = row.case.clone().decide(decision)?;
    cases.keep_decision(&decided, officer.id, &result, now)?;
    if decided.state == CaseState::Approved {
        let candidates = (0..AP_ID_CANDIDATES).map(|_| ApId::from_random(edition, web::random()));
        cases.keep_approval(&row, candidates, now)?;
        if edition == Edition::Of108 && row.case.kind == CaseKind::ApiApplication {
            // Figure 8 of that manual: both at approval.
            let (_, digest, sealed) = web::new_iss_key(row.case.ubn).await?;
            cases.keep_iss_key(row.case.ubn, &NewIssKey { digest, sealed })?;
        }
    }
    let view = CaseView::from(&cases.case(id)?);
    transaction.commit()?;
    Ok(web::json(StatusCode::OK, &view))
}
