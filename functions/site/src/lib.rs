//! Serves the pages, with the headers that keep them safe.

use std::path::{Component, Path, PathBuf};

use http::{HeaderValue, Method, StatusCode, header};
use pki::Environment;
use spin_sdk::http::{FullBody, IntoResponse, Request};
use spin_sdk::http_service;
use web::{Problem, Reply};

/// Where the manifest mounts the packed pages.
const ROOT: &str = "/site";
/// The place in every page where a test installation says so.
const ENVIRONMENT_MARK: &str = "<!-- environment -->";
const TEST_BANNER: &str = r#"<p class="test-banner" role="note">測試環境：本網站使用測試憑證與虛構資料，非正式服務。</p>"#;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(route(&request).await)
}

async fn route(request: &Request) -> Result<Reply, Problem> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err(web::method_not_allowed("GET, HEAD"));
    }
    let found = file(request.uri().path()).and_then(|path| {
        let bytes = std::fs::read(&path).ok()?;
        Some((path, bytes))
    });
    let (status, path, mut bytes) = match found {
        Some((path, bytes)) => (StatusCode::OK, path, bytes),
        None => {
            let path = PathBuf::from(ROOT).join("404.html");
            let bytes = std::fs::read(&path).map_err(Problem::internal)?;
            (StatusCode::NOT_FOUND, path, bytes)
        }
    };
    let content_type = content_type(&path);
    if content_type.starts_with("text/html") {
        bytes = with_environment(bytes).await?;
    }
    let mut reply = http::Response::new(FullBody::new(bytes.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
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

/// The file behind a path: only plain names, and `index.html` for folders.
fn file(path: &str) -> Option<PathBuf> {
    let relative = Path::new(path.trim_start_matches('/'));
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || path.contains(['\\', '%', '\0']) {
        return None;
    }
    let whole = PathBuf::from(ROOT).join(relative);
    Some(if path.ends_with('/') { whole.join("index.html") } else { whole })
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// Nothing inline and no other host; the bridge on this computer, and our own module.
fn content_security_policy(bridge: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self'; connect-src 'self' {bridge}; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'"
    )
}

async fn with_environment(page: Vec<u8>) -> Result<Vec<u8>, Problem> {
    let banner = match web::trust().await?.environment() {
        Environment::Test => TEST_BANNER,
        Environment::Production => "",
    };
    let page = String::from_utf8(page).map_err(Problem::internal)?;
    Ok(page.replacen(ENVIRONMENT_MARK, banner, 1).into_bytes())
}
