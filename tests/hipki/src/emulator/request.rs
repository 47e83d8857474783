//! Requests, with every tolerance towards their encoding that clients rely on.

use std::collections::HashMap;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::codes::{self, Failure};
use super::{Emulator, Recorded};

/// The header by which the popup names the origin of its opener.
const OPENER: &str = "x-opener-origin";
/// What clients send for what is absent.
const ABSENT: &str = "__NotExistedTag__";
const LIMIT: usize = 16 << 20;

/// The JSON of an operation. Unknown keys mean nothing.
pub(super) struct Package(Value);

impl Package {
    /// A member with text in it, the empty text included.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str().filter(|text| *text != ABSENT)
    }

    /// A member with text other than the empty one.
    pub(super) fn filled(&self, key: &str) -> Option<&str> {
        self.text(key).filter(|text| !text.is_empty())
    }

    /// A switch, which may come as text.
    pub(super) fn flag(&self, key: &str) -> bool {
        match self.0.get(key) {
            Some(Value::Bool(on)) => *on,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }
}

/// A request, recorded and taken apart.
pub(super) struct Incoming {
    /// Path.
    pub(super) path: String,
    /// Query.
    pub(super) query: HashMap<String, String>,
    /// Body as a form.
    pub(super) form: HashMap<String, String>,
    /// Host name of the site on whose behalf it comes.
    pub(super) site: Option<String>,
    /// `tbsPackage`; empty when there is no body.
    pub(super) package: Result<Package, Failure>,
}

impl FromRequest<Emulator> for Incoming {
    type Rejection = StatusCode;

    async fn from_request(request: Request, state: &Emulator) -> Result<Self, StatusCode> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, LIMIT).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        let path = parts.uri.path().to_owned();
        let site = site(&parts.headers);
        state.shared().requests.push(Recorded {
            method: parts.method.to_string(),
            path: path.clone(),
            query: parts.uri.query().map(str::to_owned),
            site: site.clone(),
            body: String::from_utf8_lossy(&body).into_owned(),
        });
        let query = parameters(parts.uri.query().unwrap_or_default().as_bytes());
        let form = parameters(&body);
        let package = package(&body, &form);
        Ok(Self { path, query, form, site, package })
    }
}

fn parameters(encoded: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(encoded).into_owned().collect()
}

/// The package, from a form or as the body itself.
fn package(body: &[u8], form: &HashMap<String, String>) -> Result<Package, Failure> {
    let body = body.trim_ascii();
    let package = match form.get("tbsPackage") {
        _ if body.is_empty() => Ok(json!({})),
        _ if body.starts_with(b"{") => serde_json::from_slice(body),
        Some(text) => serde_json::from_str(text),
        None => return Err(codes::MALFORMED.into()),
    };
    match package {
        Ok(package @ Value::Object(_)) => Ok(Package(package)),
        Ok(_) | Err(_) => Err(codes::MALFORMED.into()),
    }
}

/// The site that asks: another origin, or the opener that the component's own popup
/// names. Programs name none.
fn site(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let own = text(header::HOST.as_str());
    text(header::ORIGIN.as_str())
        .or_else(|| text(header::REFERER.as_str()))
        .filter(|origin| Some(authority(origin)) != own)
        .or_else(|| text(OPENER))
        .map(|origin| host(authority(origin)).to_ascii_lowercase())
}

fn authority(origin: &str) -> &str {
    let rest = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn host(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or_default(),
    }
}
