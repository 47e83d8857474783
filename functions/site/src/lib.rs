//! Serves the pages, with the headers that keep them safe.

use std::path::{Component, Path, PathBuf};

use domain::Edition;
use http::{HeaderValue, Method, StatusCode, header};
use pki::{Environment, Fingerprint};
use spin_sdk::http::{FullBody, IntoResponse, Request};
use spin_sdk::http_service;
use web::{Problem, Reply};

/// Where the manifest mounts the packed pages.
const ROOT: &str = "/site";
/// What is below it has a name that changes with its content.
const ASSETS: &str = "/assets/";
/// Content codings that the pages are packed in, the best first, with their files' endings.
const CODINGS: [(&str, &str); 2] = [("br", "br"), ("gzip", "gz")];

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(route(&request).await)
}

async fn route(request: &Request) -> Result<Reply, Problem> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err(web::method_not_allowed("GET, HEAD"));
    }
    let environment = web::trust().await?.environment();
    let accepted = request.headers().get(header::ACCEPT_ENCODING);
    let accepted = accepted.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let path = request.uri().path();
    let edition = web::edition().await?;
    let found = files(path, edition).find_map(|path| read(&path, environment, accepted));
    let (status, file) = match found {
        Some(file) => (StatusCode::OK, file),
        None => {
            let page = PathBuf::from(ROOT).join("404.html");
            let page = read(&page, environment, accepted)
                .ok_or_else(|| Problem::internal("the pages are not packed"))?;
            (StatusCode::NOT_FOUND, page)
        }
    };
    let kept = status == StatusCode::OK && path.starts_with(ASSETS);
    let tag = format!("\"{}\"", &Fingerprint::of(&file.bytes).to_string()[..32]);
    let same = request.headers().get_all(header::IF_NONE_MATCH).iter().any(|known| {
        known.to_str().is_ok_and(|known| known.split(',').any(|known| known.trim() == tag))
    });
    let mut reply = if same && status == StatusCode::OK {
        let mut reply = http::Response::new(FullBody::new(Vec::new().into()));
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        reply
    } else {
        let mut reply = http::Response::new(FullBody::new(file.bytes.into()));
        *reply.status_mut() = status;
        reply
    };
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    if let Some(coding) = file.coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let caching = if kept { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::ETAG, HeaderValue::try_from(tag).map_err(Problem::internal)?);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // A window that a bridge opens by popup needs its opener.
    headers
        .insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin-allow-popups"));
    let policy = content_security_policy(&web::variable("bridge_url").await?);
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::try_from(policy).map_err(Problem::internal)?,
    );
    if web::origin().await?.starts_with("https://") {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    Ok(reply)
}

/// Where a path may lie: pages that differ by the ministry's manual are in a folder of its
/// year, and asked for by the name that they have in common.
fn files(path: &str, edition: Edition) -> impl Iterator<Item = PathBuf> {
    let relative = path.trim_start_matches('/');
    let first = relative.split('/').next().unwrap_or_default();
    let paths = match Edition::from_name(first) {
        Some(_) => vec![],
        None => vec![format!("/{}/{relative}", edition.name()), format!("/{relative}")],
    };
    paths.into_iter().filter_map(|path| file(&path))
}

/// The file behind a path: only plain names, and `index.html` for folders. The pages for
/// test installations are asked for by nobody.
fn file(path: &str) -> Option<PathBuf> {
    let relative = Path::new(path.trim_start_matches('/'));
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || path.contains(['\\', '%', '\0']) || path.ends_with(".test.html") {
        return None;
    }
    let whole = PathBuf::from(ROOT).join(relative);
    Some(if path.ends_with('/') { whole.join("index.html") } else { whole })
}

/// A file as it is sent.
struct Found {
    bytes: Vec<u8>,
    content_type: &'static str,
    coding: Option<&'static str>,
}

/// Reads a file in the best coding that is accepted; of a page the one that is meant for
/// this environment.
fn read(path: &Path, environment: Environment, accepted: &str) -> Option<Found> {
    let content_type = content_type(path)?;
    let path = match environment {
        Environment::Test if content_type == HTML => path.with_extension("test.html"),
        _ => path.to_owned(),
    };
    let coded = CODINGS.into_iter().filter(|(coding, _)| accepts(accepted, coding));
    let coded = coded.filter_map(|(coding, ending)| {
        let name = format!("{}.{ending}", path.to_str()?);
        Some((std::fs::read(name).ok()?, Some(coding)))
    });
    let (bytes, coding) = { coded }.next().or_else(|| Some((std::fs::read(&path).ok()?, None)))?;
    Some(Found { bytes, content_type, coding })
}

/// Whether `Accept-Encoding` has this coding (RFC 9110, section 12.5.3).
fn accepts(accepted: &str, coding: &str) -> bool {
    accepted.split(',').any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        let none = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok());
        name.trim().eq_ignore_ascii_case(coding) && none != Some(0.0)
    })
}

const HTML: &str = "text/html; charset=utf-8";

/// The type of a file; none for what is no part of the site by itself.
fn content_type(path: &Path) -> Option<&'static str> {
    Some(match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => HTML,
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        _ => return None,
    })
}

/// Nothing inline and no other host; the bridge on this computer, and our own module.
fn content_security_policy(bridge: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self'; connect-src 'self' {bridge}; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'"
    )
}
