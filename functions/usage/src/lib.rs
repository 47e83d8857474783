//! What a company's system has called: statistics, the list of its calls, settings; and for
//! everybody the test data and the state of the service.

mod metrics;

use domain::{
    AccountState, CallOutcome, Code, DigestKey, RocDateTime, RocDay, SandboxAnswer, TaipeiDay, Ubn,
};
use http::{HeaderMap, Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::schema::Label;
use store::{CallRow, CallSettings, Calls, Cases, DayCount, Transaction};
use web::{Problem, Reply, SignedRequest};

/// Days of the statistics.
const DAYS: i64 = 31;
/// Calls of one page of the list.
const PAGE: i64 = 50;
/// Calls of one file.
const FILE: i64 = 50_000;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(route(request).await)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    let path = web::segments(&request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (request.method(), path.as_slice()) {
        (&Method::GET, ["api", "usage"]) => usage(&request).await,
        (&Method::GET, ["api", "usage", "calls"]) => calls(&request).await,
        (&Method::GET, ["api", "usage", "calls.csv"]) => file(&request).await,
        (&Method::POST, ["api", "usage", "settings"]) => set(request).await,
        (&Method::GET, ["api", "test-data"]) => Ok(test_data()),
        (&Method::GET, ["api", "status"]) => status().await,
        (&Method::GET, ["api", "account-states"]) => account_states().await,
        (&Method::GET, ["operate", "metrics"]) => metrics::metrics(request.headers()).await,
        (_, ["api", "usage", "settings"]) => Err(web::method_not_allowed("POST")),
        (
            _,
            ["api", "usage", ..]
            | ["api", "test-data" | "status" | "account-states"]
            | ["operate", ..],
        ) => Err(web::method_not_allowed("GET")),
        _ => Err(Code::NotFound.into()),
    }
}

/// The company that asks, and its account's settings.
async fn account(headers: &HeaderMap, now: Timestamp) -> Result<(Ubn, CallSettings), Problem> {
    let ubn = web::require_company(headers, now).await?;
    let settings = Cases(store::spin::open(Label::Cases)?).call_settings(ubn)?;
    Ok((ubn, settings.ok_or(Code::AccountState)?))
}

fn record() -> Result<Calls<store::spin::Pooled>, Problem> {
    Ok(Calls(store::spin::open(Label::Calls)?))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    ap_id: String,
    /// 啟用狀態, in words.
    status_word: &'static str,
    /// The last call, `112/11/17 14:35:04`.
    last_at: Option<String>,
    /// The warning that it was not used for a year: since when, and until when a call ends it.
    idle: Option<IdleView>,
    calls_per_minute: u32,
    burst: u32,
    sandbox: bool,
    change_codes: bool,
    /// Until when the list was read.
    as_of: String,
    days: Vec<CountView>,
    refusals: Vec<CountView>,
}

#[derive(Serialize)]
struct IdleView {
    since: String,
    until: String,
}

/// So many calls of a day with one outcome, or requests refused for one reason.
#[derive(Serialize)]
struct CountView {
    /// `112/11/17`.
    day: String,
    code: String,
    word: String,
    count: i64,
    /// Whether it is about test mode.
    sandbox: bool,
}

impl CountView {
    fn new(counted: DayCount, word: impl Fn(&str) -> String) -> Self {
        // Noon of the day in Taipei.
        let noon = counted.day * 86_400 + 4 * 3600;
        let day = Timestamp::from_second(noon).unwrap_or_default();
        let day = RocDay::of(day).to_string();
        let DayCount { what, count, sandbox, .. } = counted;
        Self { day, word: of_mode(word(&what), sandbox), code: what, count, sandbox }
    }
}

/// Words that tell test mode from real calls.
fn of_mode(word: String, sandbox: bool) -> String {
    if sandbox { format!("{word}（測試模式）") } else { word }
}

fn outcome_word(code: &str) -> String {
    CallOutcome::from_code(code)
        .map_or_else(|| code.to_owned(), |outcome| outcome.word().to_owned())
}

/// Why a request got no answer, in words.
fn refusal_word(reason: &str) -> String {
    match reason.trim_start_matches("test-") {
        "credentials" => "簽章不符",
        "claim" => "Token欄位值不符規定",
        "time" => "Token逾期、尚未生效或有效時間過長",
        "certificate" => "憑證不在有效期間內",
        "address" => "來源不是登錄之主機連線IP位址",
        "jti" => "jti重複使用於不同Token",
        "rate" => "呼叫次數超過上限",
        "unavailable" => "服務暫時無法使用",
        other => other,
    }
    .to_owned()
}

async fn usage(request: &Request) -> Result<Reply, Problem> {
    let now = web::now();
    let (ubn, settings) = account(request.headers(), now).await?;
    let record = record()?;
    let cases = Cases(store::spin::open(Label::Cases)?);
    let row = cases.account(ubn)?.ok_or(Code::AccountState)?;
    let last = record.last_call(&settings.ap_id)?;
    // A call ends it, though the scheduler may not have seen it yet.
    let idle = cases
        .idle_warning(ubn)?
        .filter(|row| last.is_none_or(|last| last <= row.warning.unused_since))
        .map(|row| IdleView {
            since: RocDay::of(row.warning.unused_since).to_string(),
            until: RocDay(row.warning.until).to_string(),
        });
    let from = TaipeiDay::of(now - SignedDuration::from_hours(24 * (DAYS - 1)));
    let view = |counted: Vec<DayCount>, word: fn(&str) -> String| {
        counted.into_iter().map(|one| CountView::new(one, word)).collect()
    };
    let usage = Usage {
        status_word: row.state(now).word(),
        last_at: last.map(|at| RocDateTime(at).to_string()),
        idle,
        calls_per_minute: settings.rate.per_minute,
        burst: settings.rate.burst,
        sandbox: settings.sandbox,
        change_codes: settings.change_codes,
        as_of: RocDateTime(now).to_string(),
        days: view(record.days(&settings.ap_id, from)?, outcome_word),
        refusals: view(record.refusals(&settings.ap_id, from)?, refusal_word),
        ap_id: settings.ap_id,
    };
    Ok(web::json(StatusCode::OK, &usage))
}

/// A call as its company sees it. Of the national ID there is only what stands for it in this
/// account's list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallView {
    number: i64,
    at: String,
    code: String,
    word: String,
    person: Option<String>,
    user_id: String,
    request_id: String,
    /// Whole ones: finer, it might tell what was done for an answer that says nothing.
    milliseconds: u64,
    /// Whether it was answered in test mode.
    sandbox: bool,
}

impl CallView {
    fn new(row: CallRow, account: &str, key: &DigestKey) -> Self {
        Self {
            number: row.number,
            at: RocDateTime(row.at).to_string(),
            word: of_mode(outcome_word(&row.outcome), row.sandbox),
            sandbox: row.sandbox,
            code: row.outcome,
            person: row.person.map(|person| key.pseudonym(account, person)),
            user_id: row.user_id,
            request_id: hex::encode(row.request),
            milliseconds: row.took.unsigned_abs().div_ceil(1000),
        }
    }
}

#[derive(Serialize)]
struct Listed {
    calls: Vec<CallView>,
    /// For the calls before these.
    before: Option<i64>,
}

/// `?before=`: calls before this number.
fn before(request: &Request) -> Result<i64, Problem> {
    let query = request.uri().query().unwrap_or_default();
    match query.split('&').find_map(|part| part.strip_prefix("before=")) {
        Some(text) => text.parse().map_err(|_| Code::MalformedRequest.into()),
        None => Ok(i64::MAX),
    }
}

async fn calls(request: &Request) -> Result<Reply, Problem> {
    let (_, settings) = account(request.headers(), web::now()).await?;
    let key = web::digest_key().await?;
    let rows = record()?.list(&settings.ap_id, before(request)?, PAGE)?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count == PAGE);
    let before = rows.last().filter(|_| more).map(|row| row.number);
    let calls = rows.into_iter().map(|row| CallView::new(row, &settings.ap_id, &key)).collect();
    Ok(web::json(StatusCode::OK, &Listed { calls, before }))
}

/// The newest calls as CSV. Every value comes from a narrow alphabet or from here: none can
/// begin a formula.
async fn file(request: &Request) -> Result<Reply, Problem> {
    let (_, settings) = account(request.headers(), web::now()).await?;
    let key = web::digest_key().await?;
    let rows = record()?.list(&settings.ap_id, before(request)?, FILE)?;
    let write = || -> anyhow::Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
        let head = ["序號", "時間", "結果", "說明", "查驗對象代號", "userId", "requestId", "毫秒"];
        writer.write_record(head)?;
        for row in rows {
            let call = CallView::new(row, &settings.ap_id, &key);
            writer.write_record([
                call.number.to_string(),
                call.at,
                call.code,
                call.word,
                call.person.unwrap_or_default(),
                call.user_id,
                call.request_id,
                call.milliseconds.to_string(),
            ])?;
        }
        Ok(writer.into_inner()?)
    };
    let text = write().map_err(Problem::internal)?;
    web::download("chayan-calls.csv", "text/csv; charset=utf-8", text)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    sandbox: bool,
    change_codes: bool,
}

async fn set(request: Request) -> Result<Reply, Problem> {
    let now = web::now();
    let (ubn, _) = account(request.headers(), now).await?;
    let origin = web::origin().await?;
    let settings: Settings = SignedRequest::plain(request, &origin).await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    Cases(&transaction).set_calls(ubn, settings.sandbox, settings.change_codes, now).map_err(
        |error| match error {
            store::StoreError::Conflict => Problem::from(Code::AccountState),
            other => other.into(),
        },
    )?;
    transaction.commit()?;
    Ok(web::empty())
}

/// The published test data.
fn test_data() -> Reply {
    let cases = domain::sandbox_cases().into_iter().map(|case| {
        let (code, word) = match case.answer {
            SandboxAnswer::Outcome(outcome) => (outcome.code(), outcome.word()),
            SandboxAnswer::RateLimited => ("HTTP 429".to_owned(), "呼叫次數超過上限"),
            SandboxAnswer::Unavailable => ("HTTP 503".to_owned(), "服務暫時無法使用"),
        };
        serde_json::json!({ "personId": case.person_id, "code": code, "word": word })
    });
    let conditions: serde_json::Map<_, _> = domain::SANDBOX_CONDITIONS
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let body = serde_json::json!({ "cases": cases.collect::<Vec<_>>(), "conditions": conditions });
    web::json(StatusCode::OK, &body)
}

/// The published table: what an account in each state still allows.
async fn account_states() -> Result<Reply, Problem> {
    let edition = web::edition().await?;
    let states = AccountState::ALL.map(|state| {
        serde_json::json!({
            "state": state.name(), "word": state.word(), "calls": state.calls(),
            "offers": state.offers(edition), "wayBack": state.way_back(),
        })
    });
    Ok(web::json(StatusCode::OK, &serde_json::json!({ "states": states })))
}

/// Whether the verification call has all that it needs: it says so itself, by a private route.
const READY: &str = "http://verify.spin.internal/integration/readyz";
/// How long it may take to say so.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

async fn ready() -> bool {
    let asked = async { spin_sdk::http::get(READY).await.ok() };
    let answer = web::within(PATIENCE, asked).await.flatten();
    answer.is_some_and(|answer| answer.status() == StatusCode::OK)
}

/// The state of the service: its clock, and outages that were announced.
async fn status() -> Result<Reply, Problem> {
    let now = web::now();
    let outages = Cases(store::spin::open(Label::Cases)?).outages(now)?;
    let outages = outages.iter().map(|outage| {
        serde_json::json!({
            "from": outage.begins_at.to_string(), "until": outage.ends_at.to_string(),
            "fromRoc": RocDateTime(outage.begins_at).to_string(),
            "untilRoc": RocDateTime(outage.ends_at).to_string(),
            "underWay": outage.begins_at <= now, "note": outage.note,
        })
    });
    let body = serde_json::json!({
        "serverTime": now.to_string(), "serverTimeRoc": RocDateTime(now).to_string(),
        "ready": ready().await, "outages": outages.collect::<Vec<_>>(),
    });
    Ok(web::json(StatusCode::OK, &body))
}
