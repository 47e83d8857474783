//! Asking responders by the private route to `functions/refresh`.

use std::pin::pin;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use pki::revocation::{OcspFinding, RevocationSource, WithResponse, read_response};
use pki::{Certificate, SigningInput, UnconfirmedSignature, VerifiedSignature};
use serde::{Deserialize, Serialize};
use spin_sdk::http::FullBody;
use spin_sdk::wasip3::clocks::monotonic_clock::wait_for;

use crate::{Problem, Reply};

/// The private route.
pub const OCSP_PATH: &str = "/ocsp";
const OCSP_URL: &str = "http://refresh.spin.internal/ocsp";
/// Largest response, in bytes.
const MAX_RESPONSE: usize = 64 << 10;

/// How long a person waits for a responder before the lists decide.
const PATIENCE: Duration = Duration::from_secs(4);

/// Which certificate a responder is asked about.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OcspQuestion {
    /// DER, in Base64.
    pub certificate: String,
    /// Its issuer's, DER, in Base64.
    pub issuer: String,
}

/// A responder's answer, as it came.
pub fn ocsp_reply(response: Bytes) -> Reply {
    let mut reply = Response::new(FullBody::new(response));
    let kind = HeaderValue::from_static("application/ocsp-response");
    reply.headers_mut().insert(header::CONTENT_TYPE, kind);
    reply
}

/// Judges whether the signer's certificate, and its issuer's, are revoked. Where the
/// variable `ocsp` is `when-named` and the certificate names a responder, the responder
/// is asked first, if the challenge is one that `is_open` says can still be used: a message that
/// was spent or never asked for has nobody asked. Without a usable answer the lists decide.
///
/// # Errors
/// The refusal, or [`domain::Code::NotReady`].
pub async fn confirm(
    signature: UnconfirmedSignature,
    lists: &impl RevocationSource,
    now: Timestamp,
    is_open: impl FnOnce(&str) -> Result<bool, Problem>,
) -> Result<VerifiedSignature, Problem> {
    let path = signature.path();
    let (certificate, issuer) = (path.certificate(), path.issuer());
    let wanted = match crate::variable("ocsp").await?.as_str() {
        "off" => false,
        "when-named" if certificate.ocsp_responders().is_empty() => false,
        "when-named" => match SigningInput::from_canonical(signature.unconfirmed_content()) {
            Some(input) => is_open(&input.challenge)?,
            None => false,
        },
        _ => return Err(Problem::not_ready("ocsp is neither off nor when-named")),
    };
    let response = if wanted { ask(certificate, issuer, now).await } else { None };
    let source = WithResponse::new(lists, certificate, issuer, response);
    Ok(signature.confirm(&source)?)
}

async fn ask(
    certificate: &Certificate,
    issuer: &Certificate,
    now: Timestamp,
) -> Option<OcspFinding> {
    let question = OcspQuestion {
        certificate: BASE64_STANDARD.encode(certificate.der()),
        issuer: BASE64_STANDARD.encode(issuer.der()),
    };
    let body = Bytes::from(serde_json::to_vec(&question).ok()?);
    let asked = async {
        let response = spin_sdk::http::post(OCSP_URL, body).await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let body = Limited::new(response.into_body(), MAX_RESPONSE).collect().await.ok()?;
        read_response(&body.to_bytes(), certificate, issuer, now).ok()
    };
    within(PATIENCE, asked).await.flatten()
}

/// What comes of something within this time; `None` when it takes longer.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    let timer = pin!(wait_for(nanos));
    match select(pin!(work), timer).await {
        Either::Left((outcome, _)) => Some(outcome),
        Either::Right(_) => None,
    }
}
