//! Progress (A11 to A13): the company's account and cases; a receipt, again; whether a
//! receipt is one of ours; the integrator's guide.

mod guide;

use domain::{
    AccountState, AccountStatus, Actor, Asker, Case, CaseId, CaseState, Code, Edition, Ground,
    GroundWords, HandlerPermission, IssKey, OfficeCalendar, Organisation, RocDate, RocDateTime,
    RocDay, TAIPEI, Ubn,
};
use http::{Method, StatusCode};
use serde::Serialize;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::schema::Label;
use store::{AccountRow, CaseRow, Cases, QuestionRow, StoreError};
use web::{CheckableReceipt, Problem, Reply};

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
        ["api", "guide"] => guide(&request).await,
        _ => Err(Code::NotFound.into()),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    ubn: String,
    account: Option<AccountView>,
    /// 統編變更 that the company is part of: what is next, in words.
    handover: Option<HandoverView>,
    queried_at: String,
    count: usize,
    cases: Vec<CaseView>,
}

#[derive(Serialize)]
struct HandoverView {
    step: &'static str,
    words: String,
}

/// 逾一年未使用: the days of the last use and of the end of the warning, `112/11/17`.
#[derive(Serialize)]
struct IdleView {
    since: String,
    until: String,
}

/// Before the end of a day.
const SECOND: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

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
    /// Since when, `112/11/17`.
    status_since: String,
    /// By whom, as far as the company is told.
    status_by: &'static str,
    /// What becomes of calls.
    calls: &'static str,
    /// What may be applied for, when no case is under way.
    offers: Vec<&'static str>,
    /// What leads back to calls.
    way_back: &'static str,
    /// The warning that it was not used for a year.
    idle: Option<IdleView>,
    /// Why, where that has to be said.
    status_reason: String,
    /// The warning that is due for the certificate: days before its end, 0 when it is over.
    expiry_warning: Option<i64>,
    /// The last day on which a former certificate may be used as well, `112/11/17`.
    former_until: Option<String>,
    iss_key: Option<String>,
    /// The last day of a former isskey that is taken as well, `112/11/17`.
    former_iss_key_until: Option<String>,
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
    /// The day by which a decision is expected, `112/11/17`; for a case that waits for one.
    expected_by: Option<String>,
    /// Whether the office calendar is known up to that day, so that holidays count.
    holidays_known: bool,
    /// The grounds of a refusal, in words.
    grounds: Vec<GroundWords>,
    /// What the company is asked for now.
    question: Option<QuestionView>,
}

/// 補件: the clock stands still until it is answered.
#[derive(Serialize)]
struct QuestionView {
    grounds: Vec<GroundWords>,
    text: String,
    /// The last day for the answer, `112/11/17`.
    until: Option<String>,
}

async fn progress(request: &Request) -> Result<Reply, Problem> {
    let now = web::now();
    let asker = web::require_asker(request.headers(), now).await?;
    let cases = Cases(store::spin::open(Label::Cases)?);
    let (ubn, whole) = match cases.company_of(&asker, HandlerPermission::Progress) {
        // Whoever may withdraw sees what can be withdrawn.
        Err(StoreError::NotPermitted) => {
            (cases.company_of(&asker, HandlerPermission::Cancel)?, false)
        }
        other => (other?, true),
    };
    let account = match cases.account(ubn)?.filter(|_| whole) {
        Some(row) => {
            // The isskey is for who holds the company's card.
            let row = match asker {
                Asker::Handler { .. } => AccountRow { iss_key: None, ..row },
                Asker::Applicant(_) => row,
            };
            let by = match cases.status_deed(ubn)?.map(|deed| deed.actor) {
                _ if row.state(now) == AccountState::CertificateExpired => "憑證效期屆滿",
                Some(Actor::Officer(_)) => "審核人員",
                Some(Actor::Operator) => "系統",
                Some(Actor::Applicant(_) | Actor::Organisation(_) | Actor::Handler(_)) => "申請人",
                Some(Actor::Citizen) => "民眾",
                None => "",
            };
            let idle = cases.idle_warning(ubn)?.map(|row| IdleView {
                since: RocDay::of(row.warning.unused_since).to_string(),
                until: RocDay(row.warning.until).to_string(),
            });
            let edition = web::edition().await?;
            Some(AccountView { status_by: by, idle, ..account_view(row, edition, now).await? })
        }
        None => None,
    };
    let handover = cases.handover(ubn)?.filter(|_| whole).map(|row| HandoverView {
        step: row.step.name(),
        words: row.step.words(row.former, row.successor),
    });
    let mut rows = cases.cases_of(ubn)?;
    rows.retain(|row| whole || row.case.cancellable_until().is_some_and(|until| until >= now));
    let calendar = cases.calendar()?;
    let mut views = Vec::new();
    for row in &rows {
        let question = match row.waiting_since() {
            None => None,
            Some(_) => cases.questions(row.case.id)?.pop(),
        };
        views.push(case_view(row, question, &calendar, now));
    }
    let reply = Progress {
        ubn: ubn.to_string(),
        account,
        handover,
        queried_at: RocDateTime(now).to_string(),
        count: rows.len(),
        cases: views,
    };
    Ok(web::json(StatusCode::OK, &reply))
}

async fn account_view(
    row: AccountRow,
    edition: Edition,
    now: jiff::Timestamp,
) -> Result<AccountView, Problem> {
    let (state, since) = (row.state(now), row.state_since(now));
    let AccountRow { account, certificate, iss_key, former_ends_at, .. } = row;
    let iss_key = match iss_key {
        None => None,
        Some(sealed) => {
            let key = web::sealing_key().await?;
            let opened = IssKey::open(&sealed, account.ubn, &key).map_err(Problem::internal)?;
            Some(opened.reveal().to_owned())
        }
    };
    let in_use = account.status == AccountStatus::Active;
    let certificate_ends = certificate.as_ref().map(|row| row.not_after);
    Ok(AccountView {
        company_name: account.company_name,
        ubn: account.ubn.to_string(),
        host_address: account.host_address.to_string(),
        certificate_serial_number: certificate.as_ref().map(|row| row.serial_number.clone()),
        not_before: certificate.as_ref().map(|row| RocDate(row.not_before).to_string()),
        not_after: certificate.as_ref().map(|row| RocDate(row.not_after).to_string()),
        status: state.name(),
        status_word: state.word(),
        status_since: RocDay::of(since).to_string(),
        status_by: "",
        calls: state.calls(),
        offers: state.offers(edition),
        way_back: state.way_back(),
        idle: None,
        status_reason: row.status_reason,
        expiry_warning: certificate_ends
            .filter(|_| in_use)
            .and_then(|end| domain::expiry_warning(end, now)),
        former_until: former_ends_at
            .filter(|end| in_use && *end > now)
            .map(|end| RocDay(TAIPEI.to_datetime(end - SECOND).date()).to_string()),
        iss_key,
        former_iss_key_until: row
            .former_iss_key_until
            .filter(|end| in_use && *end > now)
            .map(|end| RocDay::of(end - SECOND).to_string()),
        ap_id: row.ap_id,
        contact_name: row.contact_name,
        landline: row.landline,
        mobile: row.mobile,
        email: row.email,
    })
}

fn case_view(
    row: &CaseRow,
    question: Option<QuestionRow>,
    calendar: &OfficeCalendar,
    now: jiff::Timestamp,
) -> CaseView {
    let Case { state, submitted_at, .. } = row.case;
    let words = |grounds: &[Ground]| grounds.iter().map(|ground| ground.words()).collect();
    let expected = Some(state)
        .filter(|state| *state == CaseState::Accepted)
        .and_then(|_| row.clock.due(calendar));
    let submitted = TAIPEI.to_datetime(submitted_at).date();
    let until = Case::cancellable_until(&row.case).filter(|until| *until >= now);
    CaseView {
        receipt: row.receipt(),
        decided_at_roc: row.decided_at.map(|at| RocDateTime(at).to_string()),
        result: row.result.clone(),
        cancellable_until: until.map(|until| until.to_string()),
        expected_by: expected.map(|day| RocDay(day).to_string()),
        holidays_known: expected.is_some_and(|day| calendar.covers(submitted, day)),
        grounds: words(&row.grounds),
        question: question.map(|question| QuestionView {
            grounds: words(&question.grounds),
            until: calendar
                .nth_working_day_after(question.asked_at, question.answer_days)
                .map(|day| RocDay(day).to_string()),
            text: question.text,
        }),
    }
}

async fn receipt(request: &Request, id: &str) -> Result<Reply, Problem> {
    let asker = web::require_asker(request.headers(), web::now()).await?;
    let cases = Cases(store::spin::open(Label::Cases)?);
    let ubn = cases.company_of(&asker, HandlerPermission::Progress)?;
    let id = CaseId::parse(id).ok_or(Code::CaseNotFound)?;
    let row = cases.case_of(ubn, id)?;
    let origin = web::origin().await?;
    Ok(web::json(StatusCode::OK, &CheckableReceipt::new(row.receipt(), &origin)))
}

/// 操作文件下載: for whoever has an account that is in use.
async fn guide(request: &Request) -> Result<Reply, Problem> {
    let now = web::now();
    let ubn = web::require_company(request.headers(), now).await?;
    let row = Cases(store::spin::open(Label::Cases)?).account(ubn)?;
    let row =
        row.filter(|row| row.account.status == AccountStatus::Active).ok_or(Code::NotFound)?;
    let page = guide::render(&row, &web::origin().await?, now).map_err(Problem::internal)?;
    web::download(&format!("chayan-api-{}.html", row.ap_id), "text/html; charset=utf-8", page)
}

/// What whoever holds a receipt may compare with it: nothing that is not printed there, not
/// what became of the case, and nobody's name, number or address. The S/N is random, so that none can be found by trying.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptCheck {
    serial_number: CaseId,
    company_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ubn: Option<Ubn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation: Option<Organisation>,
    kind_word: &'static str,
    submitted_at_roc: String,
}

fn check(id: &str) -> Result<Reply, Problem> {
    let id = CaseId::parse(id).ok_or(Code::CaseNotFound)?;
    let receipt = Cases(store::spin::open(Label::Cases)?).case(id)?.receipt();
    let reply = ReceiptCheck {
        serial_number: receipt.serial_number,
        company_name: receipt.company_name,
        ubn: receipt.ubn,
        organisation: receipt.organisation,
        kind_word: receipt.kind_word,
        submitted_at_roc: receipt.submitted_at_roc,
    };
    Ok(web::json(StatusCode::OK, &reply))
}
