//! The second endpoint: POST, JSON, problems (RFC 9457). The same token, the same rules; a
//! match, no match and an error are never mixed. And the check of a token.

use std::net::IpAddr;

use domain::{
    Answer, CallOutcome, Claims, ConditionError, IssKey, Members, RocDateTime, TaipeiDay,
    TokenCheck, TokenChecks, TokenRefused,
};
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use pki::jwt::{TimeError, Unverified};
use serde::{Deserialize, Serialize};
use serde_json::json;
use spin_sdk::http::Request;
use store::Cases;
use store::schema::Label;
use web::{Problem, Reply};

use crate::call::{self, Made, Refusal};
use crate::kept;

/// Largest body; a token has at most 8 KiB.
const MAX_BODY: usize = 16 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    token: String,
}

/// A body with a token, or the problem with it.
async fn body(request: Request) -> Result<String, Reply> {
    let malformed = || {
        problem(
            StatusCode::BAD_REQUEST,
            "malformed-request",
            "請求內容必須是 {\"token\": \"…\"}",
            json!({}),
        )
    };
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(problem(
            status,
            "unsupported-media-type",
            "請以 application/json 送出",
            json!({}),
        ));
    }
    let collected = Limited::new(request.into_body(), MAX_BODY).collect().await;
    let bytes = collected.map_err(|_| malformed())?.to_bytes();
    web::json_object(&bytes).map(|body: Body| body.token).ok_or_else(malformed)
}

/// `POST /integration/v2/verifications`.
pub(crate) async fn verification(
    request: Request,
    source: IpAddr,
    id: [u8; 16],
) -> Result<Reply, Problem> {
    let token = match body(request).await {
        Ok(token) => token,
        Err(refused) => return Ok(refused),
    };
    let made = call::make(token.trim(), source, id).await?;
    let mut reply = match &made.result {
        Ok(outcome) => outcome_reply(outcome, &made),
        Err(refusal) => refused(*refusal),
    };
    crate::set_call_headers(&mut reply, &made);
    Ok(reply)
}

fn outcome_reply(outcome: &CallOutcome, made: &Made) -> Reply {
    let matched = |changed: Option<bool>| {
        let mut body = json!({ "result": "match" });
        if let Some(changed) = changed {
            body["numberChanged"] = changed.into();
        }
        web::json(StatusCode::OK, &body)
    };
    let no_match = |reason: &str| {
        web::json(StatusCode::OK, &json!({ "result": "no-match", "reason": reason }))
    };
    let answer = match outcome {
        CallOutcome::Answered(answer) => answer,
        CallOutcome::AccountMismatch => {
            let title = "orgId 或 apId 與isskey之帳號不符";
            return problem(StatusCode::FORBIDDEN, "account-mismatch", title, json!({}));
        }
        CallOutcome::Condition(ConditionError { member }) => {
            let further = json!({ "errors": [{ "field": member, "code": "not-allowed" }] });
            let title = "查詢條件值不符規定，未計入錯誤次數";
            return problem(
                StatusCode::UNPROCESSABLE_ENTITY,
                "condition-not-allowed",
                title,
                further,
            );
        }
    };
    match answer {
        Answer::Matches => matched(None),
        Answer::MatchesUnchanged => matched(Some(false)),
        Answer::MatchesChanged => matched(Some(true)),
        Answer::Differs(nth) => {
            let locked = *nth == domain::MAX_WRONG_ANSWERS;
            let body = json!({
                "result": "no-match", "reason": "differs", "wrongAnswersToday": nth, "locked": locked,
            });
            web::json(StatusCode::OK, &body)
        }
        Answer::NumberStopped => no_match("number-stopped"),
        Answer::ReportedLost => no_match("reported-lost"),
        Answer::Locked => {
            let until = TaipeiDay::of(made.at).ends_at();
            let further = json!({ "lockedUntil": until.to_string() });
            let title = "該身分證字號今日錯誤已達3次，明日始得查詢；本次未比對";
            problem(StatusCode::LOCKED, "id-locked", title, further)
        }
        Answer::Suspended => {
            let title = "帳號因異常使用暫停權限";
            problem(StatusCode::FORBIDDEN, "caller-suspended", title, json!({}))
        }
    }
}

fn refused(refusal: Refusal) -> Reply {
    let unauthorized = |code, title| problem(StatusCode::UNAUTHORIZED, code, title, json!({}));
    match refusal {
        Refusal::Token => {
            unauthorized("token-malformed", "Token格式或欄位不正確，請以Token檢查功能確認")
        }
        Refusal::Credentials | Refusal::Judged(TokenRefused::Closed) => {
            unauthorized("no-credentials", "查無此isskey，或簽章不符")
        }
        Refusal::Judged(TokenRefused::Claim(name)) => {
            let further = json!({ "errors": [{ "field": name, "code": "not-as-agreed" }] });
            problem(StatusCode::UNAUTHORIZED, "claim-not-accepted", "Token欄位值不符規定", further)
        }
        Refusal::Judged(TokenRefused::Time(error)) => match error {
            TimeError::NotYetValid => {
                unauthorized("token-not-yet-valid", "Token尚未生效，請校正系統時間")
            }
            TimeError::Expired => unauthorized("token-expired", "Token已逾期"),
            TimeError::Lifetime => unauthorized("token-lifetime", "Token有效時間不得超過600秒"),
        },
        Refusal::Judged(TokenRefused::Certificate) => {
            unauthorized("certificate-not-valid", "上傳之憑證不在有效期間內或已廢止")
        }
        Refusal::Judged(TokenRefused::Address) => {
            let title = "來源不是登錄之主機連線IP位址";
            problem(StatusCode::FORBIDDEN, "address-not-registered", title, json!({}))
        }
        Refusal::Reused => unauthorized("jti-reused", "此jti已用於另一個Token"),
        Refusal::RateLimited => {
            problem(StatusCode::TOO_MANY_REQUESTS, "rate-limited", "呼叫次數超過上限", json!({}))
        }
        Refusal::Unavailable => unavailable(),
    }
}

/// Later, the same question again.
pub(crate) fn unavailable() -> Reply {
    let title = "服務暫時無法使用，請稍後再試";
    let mut reply = problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title, json!({}));
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    reply
}

/// RFC 9457, with further members.
pub(crate) fn problem(
    status: StatusCode,
    code: &str,
    title: &str,
    further: serde_json::Value,
) -> Reply {
    let mut body = further;
    body["type"] = format!("/problems/{code}").into();
    body["title"] = title.into();
    body["status"] = status.as_u16().into();
    body["code"] = code.into();
    let mut reply = web::json(status, &body);
    let content_type = HeaderValue::from_static("application/problem+json");
    reply.headers_mut().insert(header::CONTENT_TYPE, content_type);
    if status == StatusCode::UNAUTHORIZED {
        reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    reply
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked {
    server_time: String,
    server_time_roc: String,
    passed: bool,
    checks: Vec<TokenCheck>,
}

/// `POST /integration/token-checks`: nothing is looked up in the register, counted or kept.
pub(crate) async fn token_check(request: Request, source: IpAddr) -> Result<Reply, Problem> {
    let token = match body(request).await {
        Ok(token) => token,
        Err(refused) => return Ok(refused),
    };
    let now = web::precise_now();
    let checks = checks(token.trim(), source, now).await?.finish();
    Ok(web::json(
        StatusCode::OK,
        &Checked {
            server_time: now.to_string(),
            server_time_roc: RocDateTime(now).to_string(),
            passed: checks.iter().all(|check| check.passed == Some(true)),
            checks,
        },
    ))
}

async fn checks(token: &str, source: IpAddr, now: Timestamp) -> Result<TokenChecks, Problem> {
    let mut checks = TokenChecks::default();
    let members = Unverified::<Members>::parse(token);
    let members = members.as_ref().map(Unverified::unverified_claims).map_err(|error| *error);
    let parsed = Unverified::<Claims>::parse(token);
    let readable = checks.read(members, parsed.is_ok());
    let Ok(parsed) = parsed else { return Ok(checks) };
    if !readable || !checks.claims(parsed.unverified_claims(), now) {
        return Ok(checks);
    }
    let settings = kept::settings().await?;
    let digest = IssKey::lookup_digest(&parsed.unverified_claims().iss, &settings.digest_key);
    let caller = Cases(store::spin::open(Label::Cases)?).caller(digest, now)?;
    let verified = match &caller {
        Some(caller) if !caller.status.is_closed() => call::verified(parsed, caller, &settings)?,
        _ => None,
    };
    match (&caller, verified) {
        (Some(caller), Some((token, certificate))) => {
            checks.own(token.claims(), caller, certificate, source, now);
        }
        _ => checks.stranger(),
    }
    Ok(checks)
}
