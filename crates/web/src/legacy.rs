//! The answers of the verification API, as its clients know them: always the same five
//! members. This is the only place that knows them.

use domain::{CallOutcome, ConditionError};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::request::{Reply, json};

/// The envelope: four strings that are never null, and one object.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    http_code: String,
    http_message: &'static str,
    rd_code: &'static str,
    rd_message: String,
    response_data: ResponseData,
    /// Only on answers that are not 200; clients that do not know it ignore it.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseData {
    #[serde(skip_serializing_if = "Option::is_none")]
    check_id_card_apply: Option<char>,
}

/// The job ran.
const RS7009: (&str, &str) = ("RS7009", "查詢作業完成");
/// orgId or apId are not those of the isskey.
const RS3811: (&str, &str) = ("RS3811", "連結機關作業管理資料未建, 請重新輸入");
/// A condition is not allowed.
const RS3822: (&str, &str) = ("RS3822", "查詢條件值,不符規定");

fn done((code, message): (&'static str, &str), answer: Option<char>) -> Reply {
    let envelope = Envelope {
        http_code: "200".to_owned(),
        http_message: "OK",
        rd_code: code,
        rd_message: message.to_owned(),
        response_data: ResponseData { check_id_card_apply: answer },
        message: None,
    };
    json(StatusCode::OK, &envelope)
}

/// The answer to a call that was not turned away.
pub fn outcome(outcome: &CallOutcome) -> Reply {
    match outcome {
        CallOutcome::Answered(answer) => done(RS7009, Some(answer.code())),
        CallOutcome::AccountMismatch => done(RS3811, None),
        CallOutcome::Condition(ConditionError { member }) => {
            done((RS3822.0, &format!("{} ({member})", RS3822.1)), None)
        }
    }
}

/// Turned away before the question was read. Unknown, closed and badly signed look alike.
pub fn refused(status: StatusCode, message: &'static str) -> Reply {
    let envelope = Envelope {
        http_code: status.as_u16().to_string(),
        http_message: status.canonical_reason().unwrap_or("Error"),
        rd_code: "",
        rd_message: String::new(),
        response_data: ResponseData::default(),
        message: Some(message),
    };
    let mut reply = json(status, &envelope);
    let hint = match status {
        StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
        StatusCode::METHOD_NOT_ALLOWED => Some((header::ALLOW, "GET")),
        StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "5")),
        _ => None,
    };
    if let Some((name, value)) = hint {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}
