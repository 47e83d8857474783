//! Abnormal use (異常使用) that was seen in the calls of an account, until an officer says what it
//! was (A17).

use domain::{Code, ConductSign, Officer, Permission, RocDateTime, Ubn};
use http::StatusCode;
use serde::Serialize;
use spin_sdk::http::Request;
use store::schema::Label;
use store::{Cases, StoreError, Transaction};
use web::{Problem, Reply, SignedRequest};

use crate::accounts::{MAX_REASON, Reason};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingView {
    id: i64,
    ubn: Ubn,
    company_name: String,
    found_at: String,
    score: i64,
    signs: Vec<ConductSign>,
    suspended: bool,
    may_close: bool,
}

pub(crate) fn findings(officer: &Officer) -> Result<Reply, Problem> {
    let rows = Cases(store::spin::open(Label::Cases)?).findings()?;
    let views: Vec<_> = rows
        .into_iter()
        .map(|row| FindingView {
            may_close: officer.check_on(row.ubn, Permission::Suspend).is_ok(),
            id: row.id,
            ubn: row.ubn,
            company_name: row.company_name,
            found_at: RocDateTime(row.found_at).to_string(),
            score: row.score,
            signs: row.signs,
            suspended: row.suspended,
        })
        .collect();
    Ok(web::json(StatusCode::OK, &serde_json::json!({ "findings": views })))
}

/// Closes a finding: what it was, for the record. Whether the account goes on is decided there.
pub(crate) async fn close(officer: &Officer, id: &str, request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let Reason { text } = SignedRequest::plain(request, &origin).await?;
    let note = domain::result_text(&text, MAX_REASON)?;
    let id: i64 = id.parse().map_err(|_| Code::NotFound)?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let gone = |error| match error {
        StoreError::Conflict => Problem::from(Code::NotFound),
        other => other.into(),
    };
    let ubn = cases.close_finding(id, &note, officer.id, web::now()).map_err(gone)?;
    officer.check_on(ubn, Permission::Suspend)?;
    transaction.commit()?;
    findings(officer)
}
