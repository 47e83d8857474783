//! 取消申請 (A12): within 24 hours, while 受理中.

use domain::{CaseId, Code, HandlerPermission};
use http::{Method, StatusCode};
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::schema::Label;
use store::{Cases, Transaction};
use web::{Nothing, Problem, Reply, SignedRequest};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(route(request).await)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    if request.method() != Method::POST {
        return Err(web::method_not_allowed("POST"));
    }
    let origin = web::origin().await?;
    let now = web::now();
    let asker = web::require_asker(request.headers(), now).await?;
    let id = web::segments(&request).get(2).and_then(|id| CaseId::parse(id));
    let id = id.ok_or(Code::CaseNotFound)?;
    let Nothing {} = SignedRequest::plain(request, &origin).await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let applicant = cases.applicant_of(&asker, HandlerPermission::Cancel)?;
    let cancelled = cases.case_of(applicant, id)?.case.cancel(now)?;
    cases.keep_cancellation(&cancelled, now)?;
    let receipt = cases.case_of(applicant, id)?.receipt();
    transaction.commit()?;
    Ok(web::json(StatusCode::OK, &receipt))
}
