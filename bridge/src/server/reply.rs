//! Answers: JSON, failures, and the bridge's own pages.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use protocol::Failure;
use serde::Serialize;

pub(super) type Answer = Response<Full<Bytes>>;

pub(super) fn with_status(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let mut answer = with_status(status, serde_json::to_vec(body).unwrap_or_default().into());
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

pub(super) fn done(body: &impl Serialize) -> Answer {
    json(StatusCode::OK, body)
}

/// Ends the connection with this answer: what was sent on it is erased with its buffers.
pub(super) fn last(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

pub(super) fn failed(failure: &Failure) -> Answer {
    let status = StatusCode::from_u16(failure.code.status());
    json(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), failure)
}

/// A page of the bridge's own: nothing from elsewhere, in no frame.
pub(super) fn page(html: &'static str) -> Answer {
    let mut answer = with_status(StatusCode::OK, Bytes::from_static(html.as_bytes()));
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}
