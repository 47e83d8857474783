//! The verification call (A18, A19): `GET /integration/rwv2c2` with a signed token, as its
//! clients know it; the same rules behind `POST /integration/v2/verifications`; and what is wrong
//! with a token, `POST /integration/token-checks`.

mod call;
mod kept;
mod modern;

use domain::{RateState, TokenRefused};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pki::jwt::TimeError;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::schema::Label;
use web::{Problem, Reply, legacy};

use crate::call::{Made, Refusal};

const PATH: &str = "/integration/rwv2c2";
const REQUEST_ID: &str = "x-request-id";

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let legacy = request.uri().path().starts_with(PATH);
    let id = web::request_id(request.headers());
    let mut reply = match route(request, id).await {
        Ok(reply) => reply,
        Err(problem) => {
            let fault = problem.code().status() >= 500;
            // Logged under the request's number.
            let reply = problem.under(id).into_reply();
            // Whatever failed, the same question may come again: the first endpoint has the five
            // members, the others a problem, both with Retry-After.
            if legacy {
                legacy::refused(StatusCode::SERVICE_UNAVAILABLE, "temporarily unavailable")
            } else if fault {
                modern::unavailable()
            } else {
                reply
            }
        }
    };
    set(reply.headers_mut(), REQUEST_ID, &hex::encode(id));
    reply
}

async fn route(request: Request, id: [u8; 16]) -> Result<Reply, Problem> {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    match path.as_str() {
        "/integration/readyz" => Ok(web::readiness(ready().await)),
        "/integration/v2/verifications" | "/integration/token-checks" => {
            if request.method() != Method::POST {
                return Err(web::method_not_allowed("POST"));
            }
            let Ok(source) = web::client_address(request.headers()) else {
                let title = "無法確認來源IP位址";
                let further = serde_json::json!({});
                let status = StatusCode::BAD_REQUEST;
                return Ok(modern::problem(status, "source-address-unclear", title, further));
            };
            if path.ends_with("token-checks") {
                modern::token_check(request, source).await
            } else {
                modern::verification(request, source, id).await
            }
        }
        PATH => legacy_call(&request, id).await,
        _ => Ok(legacy::refused(StatusCode::NOT_FOUND, "no such address")),
    }
}

async fn legacy_call(request: &Request, id: [u8; 16]) -> Result<Reply, Problem> {
    if request.method() != Method::GET {
        return Ok(legacy::refused(StatusCode::METHOD_NOT_ALLOWED, "use GET"));
    }
    let Ok(source) = web::client_address(request.headers()) else {
        return Ok(legacy::refused(StatusCode::BAD_REQUEST, "the source address is not clear"));
    };
    let Some(token) = bearer(request.headers()) else {
        return Ok(legacy::refused(StatusCode::UNAUTHORIZED, "bearer token missing"));
    };
    let made = call::make(token, source, id).await?;
    Ok(legacy_reply(&made))
}

/// Whether everything is there that an answer needs.
async fn ready() -> Result<(), Problem> {
    kept::settings().await?;
    for label in [Label::Cases, Label::Register, Label::Attempts, Label::Calls] {
        store::schema::check(&store::spin::open(label)?, label).map_err(Problem::not_ready)?;
    }
    Ok(())
}

fn legacy_reply(made: &Made) -> Reply {
    let mut reply = match &made.result {
        Ok(outcome) => legacy::outcome(outcome),
        Err(refusal) => {
            let (status, message) = refused(*refusal);
            legacy::refused(status, message)
        }
    };
    set_call_headers(&mut reply, made);
    reply
}

/// What every answer to a call says of it.
fn set_call_headers(reply: &mut Reply, made: &Made) {
    let headers = reply.headers_mut();
    if let Some(rate) = &made.rate {
        set_rate(headers, rate);
    }
    if made.result == Err(Refusal::RateLimited) {
        let seconds = made.rate.map_or(1, |rate| rate.retry_after.max(1));
        set(headers, "retry-after", &seconds.to_string());
    }
}

/// The fields of draft-ietf-httpapi-ratelimit-headers, and a warning before the limit.
fn set_rate(headers: &mut HeaderMap, rate: &RateState) {
    let policy = format!("\"calls\";q={};w=60", rate.limit.per_minute);
    set(headers, "ratelimit-policy", &policy);
    set(headers, "ratelimit", &format!("\"calls\";r={};t={}", rate.remaining, rate.reset));
    if rate.is_close() {
        set(headers, "x-ratelimit-warning", "less than a fifth of the burst is left");
    }
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn refused(refusal: Refusal) -> (StatusCode, &'static str) {
    const NO_CREDENTIALS: &str = "no credentials found";
    let unauthorized = |message| (StatusCode::UNAUTHORIZED, message);
    match refusal {
        Refusal::Token => unauthorized("bad token"),
        Refusal::Credentials | Refusal::Judged(TokenRefused::Closed) => {
            unauthorized(NO_CREDENTIALS)
        }
        Refusal::Judged(TokenRefused::Claim(_)) => unauthorized("a claim is not as agreed"),
        Refusal::Judged(TokenRefused::Time(error)) => unauthorized(match error {
            TimeError::NotYetValid => "token not valid yet",
            TimeError::Expired => "token expired",
            TimeError::Lifetime => "token lives too long",
        }),
        Refusal::Judged(TokenRefused::Certificate) => unauthorized("certificate not valid"),
        Refusal::Judged(TokenRefused::Address) => {
            (StatusCode::FORBIDDEN, "Your IP address is not allowed")
        }
        Refusal::Reused => unauthorized("jti was used by another token"),
        Refusal::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "too many calls"),
        Refusal::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily unavailable"),
    }
}

/// The token of the one Authorization header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
