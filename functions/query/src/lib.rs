//! Progress (A11 to A13): the company's account and cases; a receipt, again; whether a
//! receipt is one of ours.

use domain::{Case, CaseId, Code, IssKey, RocDate, RocDateTime, SealingKey};
use http::{Method, StatusCode};
use serde::Serialize;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::schema::Label;
use store::{AccountRow, CaseRow, Cases};
use web::{Problem, Reply};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(route(request).await)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    if request.method() != Method::GET {
        return Err(web::method_not_allowed("GET"));
    }
    let path = web::segments(&request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["api", "cases"] => progress(&request).await,
        ["api", "cases", id] => receipt(&request, id).await,
        ["api", "receipts", id] => check(id),
        _ => Err(Code::NotFound.into()),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    account: Option<AccountView>,
    queried_at: String,
    count: usize,
    cases: Vec<CaseView>,
}

/// The head of the page (figure 28).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountView {
    company_name: String,
    ubn: String,
    host_address: String,
    certificate_serial_number: Option<String>,
    not_before: Option<String>,
    not_after: Option<String>,
    status: &'static str,
    status_word: &'static str,
    iss_key: Option<String>,
    ap_id: String,
    contact_name: String,
    landline: Option<String>,
    mobile: Option<String>,
    email: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CaseView {
    #[serde(flatten)]
    receipt: domain::Receipt,
    decided_at_roc: Option<String>,
    result: Option<String>,
    /// Until when the applicant may cancel; absent when no longer.
    cancellable_until: Option<String>,
}

async fn progress(request: &Request) -> Result<Reply, Problem> {
    let now = web::now();
    let ubn = web::require_company(request.headers(), now).await?;
    let cases = Cases(store::spin::open(Label::Cases)?);
    let account = match cases.account(ubn)? {
        Some(row) => Some(account_view(row).await?),
        None => None,
    };
    let rows = cases.cases_of(ubn)?;
    let reply = Progress {
        account,
        queried_at: RocDateTime(now).to_string(),
        count: rows.len(),
        cases: rows.iter().map(|row| case_view(row, now)).collect(),
    };
    Ok(web::json(StatusCode::OK, &reply))
}

async fn account_view(row: AccountRow) -> Result<AccountView, Problem> {
    let AccountRow { account, certificate, iss_key, .. } = row;
    let iss_key = match iss_key {
        None => None,
        Some(sealed) => {
            let key = SealingKey::from_hex(&web::variable("seal_key").await?)
                .ok_or_else(|| Problem::not_ready("seal_key is not 64 hexadecimal digits"))?;
            let opened = IssKey::open(&sealed, account.ubn, &key).map_err(Problem::internal)?;
            Some(opened.reveal().to_owned())
        }
    };
    Ok(AccountView {
        company_name: account.company_name,
        ubn: account.ubn.to_string(),
        host_address: account.host_address.to_string(),
        certificate_serial_number: certificate.as_ref().map(|row| row.serial_number.clone()),
        not_before: certificate.as_ref().map(|row| RocDate(row.not_before).to_string()),
        not_after: certificate.as_ref().map(|row| RocDate(row.not_after).to_string()),
        status: account.status.name(),
        status_word: account.status.word(),
        iss_key,
        ap_id: row.ap_id,
        contact_name: row.contact_name,
        landline: row.landline,
        mobile: row.mobile,
        email: row.email,
    })
}

fn case_view(row: &CaseRow, now: jiff::Timestamp) -> CaseView {
    let until = Case::cancellable_until(&row.case).filter(|until| *until >= now);
    CaseView {
        receipt: row.receipt(),
        decided_at_roc: row.decided_at.map(|at| RocDateTime(at).to_string()),
        result: row.result.clone(),
        cancellable_until: until.map(|until| until.to_string()),
    }
}

async fn receipt(request: &Request, id: &str) -> Result<Reply, Problem> {
    let ubn = web::require_company(request.headers(), web::now()).await?;
    let id = CaseId::parse(id).ok_or(Code::CaseNotFound)?;
    let row = Cases(store::spin::open(Label::Cases)?).case_of(ubn, id)?;
    Ok(web::json(StatusCode::OK, &row.receipt()))
}

/// What whoever holds a receipt may compare with it: nothing that is not printed there, not
/// what became of the case, and nobody's name, number or address. The S/N is random, so that none can be found by trying.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptCheck {
    serial_number: CaseId,
    company_name: String,
    ubn: String,
    kind_word: &'static str,
    submitted_at_roc: String,
}

fn check(id: &str) -> Result<Reply, Problem> {
    let id = CaseId::parse(id).ok_or(Code::CaseNotFound)?;
    let receipt = Cases(store::spin::open(Label::Cases)?).case(id)?.receipt();
    let reply = ReceiptCheck {
        serial_number: receipt.serial_number,
        company_name: receipt.company_name,
        ubn: receipt.ubn.to_string(),
        kind_word: receipt.kind_word,
        submitted_at_roc: receipt.submitted_at_roc,
    };
    Ok(web::json(StatusCode::OK, &reply))
}
