//! Revocation (#3): fetches the lists that the trust store names, and asks responders for
//! the other components by a private route. The only component with a way out.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use domain::Code;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use pki::revocation::{CrlError, OcspRequest};
use pki::{Certificate, TrustStore};
use serde::Serialize;
use spin_sdk::http::{FullBody, IntoResponse, Request};
use spin_sdk::http_service;
use store::schema::Label;
use store::{FetchState, Revocation, TakeError, Taken};
use web::{OcspQuestion, Problem, Reply};

/// Largest list that is fetched, in bytes; the largest of GPKI has about 20 MB.
const MAX_LIST: usize = 28 << 20;
/// How long one list may take to arrive. The whole refresh has the host's request timeout
/// (15 s unless set): raise that for large lists on a slow line.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest response of a responder, in bytes.
const MAX_RESPONSE: usize = 64 << 10;
/// Responders that are asked about one certificate.
const MAX_RESPONDERS: usize = 1;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(route(request).await)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    match (request.uri().path(), request.method()) {
        ("/operate/readyz", &Method::GET) => Ok(web::readiness(ready().await)),
        ("/operate/refresh", &Method::POST) => refresh(&request).await,
        // No public route leads here.
        (web::OCSP_PATH, &Method::POST) => ask_responder(request).await,
        ("/operate/readyz", _) => Err(web::method_not_allowed("GET")),
        ("/operate/refresh", _) => Err(web::method_not_allowed("POST")),
        _ => Err(Code::NotFound.into()),
    }
}

async fn ready() -> Result<(), Problem> {
    web::trust().await?;
    web::key_variable("refresh_key").await?;
    store::schema::check(&store::spin::open(Label::Revocation)?, Label::Revocation)
        .map_err(Problem::not_ready)
}

/// What became of one address.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    url: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<usize>,
}

async fn refresh(request: &Request) -> Result<Reply, Problem> {
    web::require_key(request.headers(), "refresh_key").await?;
    let trust = web::trust().await?;
    let now = web::now();
    let mut outcomes = Vec::new();
    // First by what is there: a refresh that was cut off may have left it undone.
    let mut checked = Checked::default();
    checked.again().await;
    for url in in_turn(&trust)? {
        // What fails here must not keep the others from being fetched.
        let (outcome, entries) = match fetch_list(&trust, url, now).await {
            Ok(outcome) => outcome,
            Err(_) => ("not-stored", None),
        };
        if outcome == "taken" {
            checked.again().await;
        }
        outcomes.push(Outcome { url: url.to_owned(), outcome, entries });
    }
    let body = serde_json::json!({ "lists": outcomes, "certificates": checked });
    Ok(web::json(StatusCode::OK, &body))
}

/// What became of the certificates that systems sign tokens with.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked {
    refused: usize,
    accepted_again: usize,
    /// Whether all were judged by every list that was taken.
    complete: bool,
}

impl Checked {
    /// Judges them by the lists that count now.
    async fn again(&mut self) {
        match web::check_certificates().await {
            Ok(found) => {
                self.refused += found.refused;
                self.accepted_again += found.accepted_again;
                self.complete = true;
            }
            Err(problem) => {
                self.complete = false;
                // Logged; the lists are fetched all the same.
                drop(problem.into_reply());
            }
        }
    }
}

/// The addresses, the one that was asked longest ago first: one that eats up the time
/// comes last the next time.
fn in_turn(trust: &TrustStore) -> Result<Vec<&str>, Problem> {
    let lists = Revocation(store::spin::open(Label::Revocation)?);
    let mut addresses = trust
        .list_addresses()
        .map(|url| Ok((lists.fetch_state(url)?.attempted_at, url)))
        .collect::<Result<Vec<_>, Problem>>()?;
    addresses.sort_unstable();
    Ok(addresses.into_iter().map(|(_, url)| url).collect())
}

/// Fetches one list if it changed. What fails is noted; the list that counts stays.
async fn fetch_list(
    trust: &TrustStore,
    url: &str,
    now: Timestamp,
) -> Result<(&'static str, Option<usize>), Problem> {
    let lists = Revocation(store::spin::open(Label::Revocation)?);
    let before = lists.fetch_state(url)?;
    lists.note_attempt(url, now)?;
    // "Not modified" helps only those who still have the list.
    let heads = lists.heads()?;
    let has_list = |issuer: &Certificate| {
        heads.iter().any(|(fingerprint, _)| *fingerprint == issuer.fingerprint())
    };
    let before = if trust.authorities().all(has_list) { before } else { FetchState::default() };
    drop(lists);
    let mut request = http::Request::get(url);
    if let Some(etag) = &before.etag {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    if let Some(last_modified) = &before.last_modified {
        request = request.header(header::IF_MODIFIED_SINCE, last_modified);
    }
    let fetched = match request.body(FullBody::new(Bytes::new())) {
        Ok(request) => {
            let fetched = web::within(PATIENCE, fetch(request, MAX_LIST)).await;
            fetched.unwrap_or(Err("too-slow"))
        }
        Err(_) => Err("bad-address"),
    };
    let database = store::spin::open(Label::Revocation)?;
    let lists = Revocation(&database);
    let fail = |failure: &'static str| {
        lists.note_failure(url, failure, now)?;
        Ok((failure, None))
    };
    let (status, headers, body) = match fetched {
        Ok(fetched) => fetched,
        Err(failure) => return fail(failure),
    };
    if status == StatusCode::NOT_MODIFIED {
        lists.note_fetched(url, before.etag, before.last_modified, now)?;
        return Ok(("not-modified", None));
    }
    if status != StatusCode::OK {
        return fail("refused-by-the-server");
    }
    let (outcome, entries) = match store::take_list(&database, &body, trust, now) {
        Ok(Taken::New { entries }) => ("taken", Some(entries)),
        Ok(Taken::Same) => ("same", None),
        // Somebody serves the past.
        Ok(Taken::Older) => return fail("older"),
        Err(TakeError::Crl(error)) => return fail(failure(&error)),
        Err(TakeError::Store(error)) => return Err(error.into()),
    };
    let text = |name: header::HeaderName| {
        headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    lists.note_fetched(url, text(header::ETAG), text(header::LAST_MODIFIED), now)?;
    Ok((outcome, entries))
}

/// A word for operators; the list's own bytes stay out of it.
fn failure(error: &CrlError) -> &'static str {
    match error {
        CrlError::Issuer => "not-signed-by-a-trusted-ca",
        CrlError::NotCurrent { .. } => "not-current",
        CrlError::Unsupported(_) | CrlError::UnknownCritical(_) => "unsupported-kind",
        CrlError::TooLarge(_) => "too-large",
        _ => "not-a-list",
    }
}

/// Sends a request and reads its whole answer.
async fn fetch(
    request: http::Request<FullBody<Bytes>>,
    limit: usize,
) -> Result<(StatusCode, HeaderMap, Bytes), &'static str> {
    let response = spin_sdk::http::send(request).await.map_err(|_| "not-reached")?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, limit).collect().await.map_err(|_| "cut-short-or-too-large")?;
    Ok((parts.status, parts.headers, body.to_bytes()))
}

/// Asks the responders that a certificate names; the asking component judges the answer.
async fn ask_responder(request: Request) -> Result<Reply, Problem> {
    let body = Limited::new(request.into_body(), MAX_RESPONSE);
    let body = body.collect().await.map_err(|_| Code::MalformedRequest)?.to_bytes();
    let question: OcspQuestion =
        serde_json::from_slice(&body).map_err(|_| Code::MalformedRequest)?;
    let read = |text: &str| {
        let der = BASE64_STANDARD.decode(text).ok()?;
        Certificate::from_der(&der).ok()
    };
    let (Some(certificate), Some(issuer)) = (read(&question.certificate), read(&question.issuer))
    else {
        return Err(Code::MalformedRequest.into());
    };
    let asked = OcspRequest::new(&certificate, &issuer)?.to_der()?;
    for url in certificate.ocsp_responders().into_iter().take(MAX_RESPONDERS) {
        let request = http::Request::post(url)
            .header(header::CONTENT_TYPE, "application/ocsp-request")
            // Responders are old programs: none that we know reads chunks.
            .header(header::CONTENT_LENGTH, asked.len())
            .body(FullBody::new(Bytes::from(asked.clone())));
        let Ok(request) = request else { continue };
        if let Ok((StatusCode::OK, _, response)) = fetch(request, MAX_RESPONSE).await {
            return Ok(web::ocsp_reply(response));
        }
    }
    Err(Code::RevocationUnknown.into())
}
