//! Having the certificates that systems sign tokens with judged again, by a private route to
//! `functions/apply`, which has the accounts; whoever fetched a list has not.

use bytes::Bytes;
use domain::Code;
use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};

use crate::Problem;

/// The private route.
pub const CERTIFICATE_CHECKS_PATH: &str = "/certificate-checks";
const URL: &str = "http://apply.spin.internal/certificate-checks";
/// Largest answer, in bytes.
const MAX_ANSWER: usize = 4 << 10;

/// Which certificates are judged: some of those after this one.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateChecks {
    /// SHA-256, hexadecimal; the first ones without it.
    pub after: Option<String>,
}

/// What was found.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificatesChecked {
    /// Refused from the next call on.
    pub refused: usize,
    /// Accepted again.
    pub accepted_again: usize,
    /// The last one that was judged; none when all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Has all of them judged, some at a time.
///
/// # Errors
/// A fault, when the component that has the accounts gave no answer.
pub async fn check_certificates() -> Result<CertificatesChecked, Problem> {
    let mut whole = CertificatesChecked::default();
    let mut next = CertificateChecks::default();
    loop {
        let part = ask(&next).await?;
        whole.refused += part.refused;
        whole.accepted_again += part.accepted_again;
        match part.after {
            None => return Ok(whole),
            after => next.after = after,
        }
    }
}

async fn ask(checks: &CertificateChecks) -> Result<CertificatesChecked, Problem> {
    let no_answer = || Problem::internal("the certificates of accounts could not be judged");
    let body = Bytes::from(serde_json::to_vec(checks).map_err(Problem::internal)?);
    let response = spin_sdk::http::post(URL, body).await.map_err(|_| no_answer())?;
    if response.status() != StatusCode::OK {
        return Err(no_answer());
    }
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|_| no_answer())?.to_bytes();
    serde_json::from_slice(&body).map_err(|_| no_answer())
}

/// Reads such a question.
///
/// # Errors
/// [`Code::MalformedRequest`].
pub async fn certificate_checks(
    request: spin_sdk::http::Request,
) -> Result<Option<Vec<u8>>, Problem> {
    let body = Limited::new(request.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|_| Code::MalformedRequest)?.to_bytes();
    let checks: CertificateChecks = crate::json_object(&body).ok_or(Code::MalformedRequest)?;
    let after = checks.after.map(hex::decode).transpose();
    Ok(after.map_err(|_| Code::MalformedRequest)?)
}
