//! Reading requests and writing answers.

use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use domain::Code;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use pki::Transport;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use spin_sdk::http::{FullBody, Request};

use crate::Problem;

/// Largest body, in bytes: an upload of the largest certificate file in its signature.
const MAX_BODY: usize = 192 << 10;

/// What a shell answers.
pub type Reply = Response<FullBody<Bytes>>;

/// The body of every signed act.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SignedBody {
    signed_data: String,
    #[serde(default)]
    transport: Option<Transport>,
}

/// A signed act as it came in.
pub struct SignedRequest {
    /// The CMS message, byte for byte.
    pub signed_data: Vec<u8>,
    /// How it came from the card, as the page says.
    pub transport: Option<Transport>,
}

/// Turns an outcome into an answer.
pub fn respond(outcome: Result<Reply, Problem>) -> Reply {
    outcome.unwrap_or_else(Problem::into_reply)
}

/// The instant of the host's clock, in whole seconds.
pub fn now() -> jiff::Timestamp {
    let now = precise_now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// The instant of the host's clock.
pub fn precise_now() -> jiff::Timestamp {
    jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap_or_default()
}

/// Random bytes from the host.
///
/// # Panics
/// When the host has no randomness: nothing may go on then.
#[expect(clippy::expect_used, reason = "without randomness no secret may be made")]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the host gives randomness");
    bytes
}

/// The segments of the path.
pub fn segments(request: &Request) -> Vec<String> {
    request.uri().path().trim_matches('/').split('/').map(str::to_owned).collect()
}

/// The answer to a wrong method.
pub fn method_not_allowed(allowed: &'static str) -> Problem {
    Problem::allow(allowed)
}

/// The answer to "are you ready?"; what is missing names configuration only.
pub fn readiness(outcome: Result<(), Problem>) -> Reply {
    match outcome {
        Ok(()) => json(StatusCode::OK, &serde_json::json!({ "ready": true })),
        Err(problem) => {
            let cause = problem.cause().unwrap_or("unknown");
            let body = serde_json::json!({ "ready": false, "cause": cause });
            json(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
    }
}

/// A JSON answer.
pub fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    json_reply(status, "application/json", value)
}

/// An answer without content.
pub fn empty() -> Reply {
    let mut reply = Response::new(FullBody::new(Bytes::new()));
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// A text for programs.
pub fn text(content_type: &'static str, body: String) -> Reply {
    let mut reply = Response::new(FullBody::new(Bytes::from(body)));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    secure(headers);
    reply
}

/// A file that the browser keeps rather than shows.
///
/// # Errors
/// A fault, when the name is no header value.
pub fn download(
    name: &str,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Result<Reply, Problem> {
    let mut reply = Response::new(FullBody::new(body.into()));
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_DISPOSITION, disposition.map_err(Problem::internal)?);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    secure(headers);
    Ok(reply)
}

/// What every answer of the service says: keep nothing, guess nothing, run nothing.
fn secure(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

pub(crate) fn json_reply(
    status: StatusCode,
    content_type: &'static str,
    value: &impl Serialize,
) -> Reply {
    // Our own types always serialize.
    let body = serde_json::to_vec(value).unwrap_or_default();
    let length = HeaderValue::from(body.len());
    let mut reply = Response::new(FullBody::new(Bytes::from(body)));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, length);
    secure(headers);
    reply
}

impl SignedRequest {
    fn from_body(body: SignedBody) -> Result<Self, Problem> {
        let signed_data =
            BASE64_STANDARD.decode(body.signed_data).map_err(|_| Code::SignatureMalformed)?;
        Ok(Self { signed_data, transport: body.transport })
    }
}

/// The body of an act that says nothing beside its path.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Reads a signed act.
///
/// # Errors
/// As [`body`], and [`Code::SignatureMalformed`].
pub async fn signed_request(request: Request, origin: &str) -> Result<SignedRequest, Problem> {
    SignedRequest::from_body(body(request, origin).await?)
}

/// The body of an act that a citizen's card signed. The national ID stands beside what was
/// signed: the message is kept, and the ID is not.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CitizenBody {
    signed_data: String,
    #[serde(default)]
    transport: Option<Transport>,
    national_id: String,
}

/// Reads an act that a citizen's card signed, and the national ID that was typed.
///
/// # Errors
/// As [`signed_request`].
pub async fn signed_by_citizen(
    request: Request,
    origin: &str,
) -> Result<(SignedRequest, String), Problem> {
    let CitizenBody { signed_data, transport, national_id } = body(request, origin).await?;
    Ok((SignedRequest::from_body(SignedBody { signed_data, transport })?, national_id))
}

impl SignedRequest {
    /// Reads any JSON body with the same checks; for acts that need no signature.
    ///
    /// # Errors
    /// See [`body`].
    pub async fn plain<T: DeserializeOwned>(request: Request, origin: &str) -> Result<T, Problem> {
        body(request, origin).await
    }
}

/// Reads a JSON body that a page of this very service sent.
///
/// A page of another site can send neither this content type nor another origin without
/// the browser's saying so; `Sec-Fetch-Site` is looked at too, where it is sent.
async fn body<T: DeserializeOwned>(request: Request, origin: &str) -> Result<T, Problem> {
    same_site(request.headers(), origin)?;
    json_object(&bytes(request, "application/json").await?)
        .ok_or_else(|| Code::MalformedRequest.into())
}

/// Reads a body of this media type: what systems send, who need no page.
///
/// # Errors
/// [`Code::UnsupportedMediaType`], [`Code::BodyTooLarge`].
pub async fn bytes(request: Request, media_type: &str) -> Result<Bytes, Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(media_type) {
        return Err(Code::UnsupportedMediaType.into());
    }
    let collected = Limited::new(request.into_body(), MAX_BODY).collect().await;
    let bytes = collected.map_err(|error| {
        let too_large = error.is::<LengthLimitError>() || error.to_string().contains("BodySize");
        if too_large { Code::BodyTooLarge } else { Code::MalformedRequest }
    })?;
    Ok(bytes.to_bytes())
}

/// A JSON object as one of our types. A list of its values in their order, which serde would take
/// as well, is none.
pub fn json_object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    let begins = json.trim_ascii_start().first() == Some(&b'{');
    begins.then(|| serde_json::from_slice(json).ok()).flatten()
}

fn same_site(headers: &HeaderMap, origin: &str) -> Result<(), Problem> {
    let foreign_origin = headers.get_all(header::ORIGIN).iter().any(|value| value != origin);
    let cross_site = headers
        .get("sec-fetch-site")
        .is_some_and(|value| value != "same-origin" && value != "none");
    if foreign_origin || cross_site { Err(Code::CrossSiteRequest.into()) } else { Ok(()) }
}

/// The address that the request comes from, as the host says.
///
/// Spin appends its own `spin-client-addr` behind whatever the client sent: more than one
/// value means that somebody forges, and then nobody is believed.
///
/// # Errors
/// [`Code::SourceAddressForged`].
pub fn client_address(headers: &HeaderMap) -> Result<IpAddr, Problem> {
    let mut values = headers.get_all("spin-client-addr").iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Code::SourceAddressForged.into());
    };
    let address: Option<SocketAddr> = value.to_str().ok().and_then(|text| text.parse().ok());
    address
        .map(|address| address.ip().to_canonical())
        .ok_or_else(|| Code::SourceAddressForged.into())
}

/// The number of a request: the host's, which it puts in the place of whatever the client sent; a new
/// one where there is none of the host's form.
pub fn request_id(headers: &HeaderMap) -> [u8; 16] {
    let mut id = [0; 16];
    let mut values = headers.get_all("x-request-id").iter();
    let (Some(value), None) = (values.next(), values.next()) else { return random() };
    if hex::decode_to_slice(value.as_bytes(), &mut id).is_ok() { id } else { random() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn one_address_is_believed_and_two_are_not() {
        let address = |values| client_address(&headers(values)).ok().map(|ip| ip.to_string());
        assert_eq!(
            address(&[("spin-client-addr", "203.0.113.7:4000")]).as_deref(),
            Some("203.0.113.7")
        );
        assert_eq!(
            address(&[("spin-client-addr", "[::ffff:203.0.113.7]:1")]).as_deref(),
            Some("203.0.113.7")
        );
        assert_eq!(address(&[]), None);
        assert_eq!(address(&[("spin-client-addr", "203.0.113.7")]), None);
        let twice = [("spin-client-addr", "203.0.113.7:1"), ("spin-client-addr", "127.0.0.1:1")];
        assert_eq!(address(&twice), None);
    }

    #[test]
    fn other_sites_are_told_by_their_headers() {
        let allowed = |values| same_site(&headers(values), "https://a.example").is_ok();
        assert!(allowed(&[]));
        assert!(allowed(&[("origin", "https://a.example"), ("sec-fetch-site", "same-origin")]));
        assert!(!allowed(&[("origin", "https://a.example.evil")]));
        assert!(!allowed(&[("origin", "null")]));
        assert!(!allowed(&[("sec-fetch-site", "cross-site")]));
        assert!(!allowed(&[("sec-fetch-site", "same-site")]));
    }
}
