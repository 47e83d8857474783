//! The listener: TLS, trusted proxies, limits, and the host's own problem answers.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use wasmtime_wasi_http::{Error as HttpError, WasiBody};

use crate::app::{App, Failure};

/// The header of a request's number.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How requests are received.
pub(crate) struct Options {
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) max_body: u64,
    pub(crate) header_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) max_connections: usize,
}

/// A TLS acceptor from PEM files.
pub(crate) fn tls(certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("--tls-cert {}", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("--tls-key {}", key.display()))?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves until `stop` resolves; then lets the requests under way finish.
pub(crate) async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    options: Options,
    stop: impl Future<Output = ()>,
) {
    let options = Arc::new(options);
    let connections = Arc::new(Semaphore::new(options.max_connections));
    let (stopping, stopped) = tokio::sync::watch::channel(());
    let accept = async {
        loop {
            // The semaphore is never closed.
            let Ok(slot) = connections.clone().acquire_owned().await else { return };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    crate::log(&format!("accept: {error}"));
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            let (app, options, mut stopped) = (app.clone(), options.clone(), stopped.clone());
            tokio::spawn(async move {
                let _slot = slot;
                match options.tls.clone() {
                    None => connection(app, options, stream, peer, &mut stopped).await,
                    Some(tls) => {
                        let handshake =
                            tokio::time::timeout(options.header_timeout, tls.accept(stream));
                        if let Ok(Ok(stream)) = handshake.await {
                            connection(app, options, stream, peer, &mut stopped).await;
                        }
                    }
                }
            });
        }
    };
    tokio::select! { () = accept => (), () = stop => () }
    drop(listener);
    drop(stopped);
    let _ = stopping.send(());
    let _ = tokio::time::timeout(Duration::from_secs(5), stopping.closed()).await;
}

async fn connection(
    app: Arc<App>,
    options: Arc<Options>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    stopped: &mut tokio::sync::watch::Receiver<()>,
) {
    let timeout = options.header_timeout;
    let service = service_fn(move |request| {
        let (app, options) = (app.clone(), options.clone());
        async move { Ok::<_, Infallible>(respond(&app, &options, peer, request).await) }
    });
    let mut connection = std::pin::pin!(
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(timeout)
            .max_headers(READ_HEADERS)
            .pipeline_flush(true)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Most headers of a request.
const MAX_HEADERS: usize = 64;
/// So many are read for an answer that says so. With more the connection is closed: hyper has no
/// answer of its own while answers wait for those of pipelined requests.
const READ_HEADERS: usize = 100;

/// The clients of this address know five members, in every answer (docs/verification.md): the
/// host's own answers have them as well.
const FIVE_MEMBERS: &str = "/integration/rwv2c2";

/// An answer of the host's own.
struct Own {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
}

/// Every answer has the request's number: the one that a component gave, or the host's.
async fn respond(
    app: &Arc<App>,
    options: &Options,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Response<WasiBody> {
    let behind_proxy = trusted(peer.ip(), &options.trusted_proxies);
    let id = request_id(request.headers(), behind_proxy);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let five_members = request.uri().path().starts_with(FIVE_MEMBERS);
    let answered = answer(app, options, peer, request).await;
    let mut response = answered.unwrap_or_else(|own| own.response(five_members));
    response.headers_mut().entry(REQUEST_ID).or_insert(id);
    response
}

async fn answer(
    app: &Arc<App>,
    options: &Options,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<WasiBody>, Own> {
    // With the request's number, which the host adds.
    if request.headers().len() > MAX_HEADERS + 1 {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(own(status, "too-many-headers", "標頭數量超過限制"));
    }
    let Some(client) = client_address(peer, request.headers(), &options.trusted_proxies) else {
        return Err(own(StatusCode::BAD_REQUEST, "bad-request", "代理伺服器未提供來源位址"));
    };
    let (mut parts, body) = request.into_parts();
    let behind_proxy = trusted(peer.ip(), &options.trusted_proxies);
    match absolute_uri(&parts.uri, &parts.headers, options.tls.is_some(), behind_proxy) {
        Some(uri) => parts.uri = uri,
        None => return Err(own(StatusCode::BAD_REQUEST, "bad-request", "請求格式不正確")),
    }
    let declared = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if declared
        .and_then(|length| length.parse().ok())
        .is_some_and(|length: u64| length > options.max_body)
    {
        return Err(own(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "內容超過大小限制"));
    }
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE] {
        parts.headers.remove(name);
    }
    let body = whole_body(body, options).await?;
    let body = Full::new(body).map_err(HttpError::from).boxed_unsync();
    let handled = app.handle(client, Request::from_parts(parts, body)).await;
    let handled = handled.ok_or(own(StatusCode::NOT_FOUND, "no-such-route", "查無此網址"))?;
    handled.map_err(|failure| match failure {
        Failure::Busy => own(StatusCode::SERVICE_UNAVAILABLE, "busy", "系統忙碌中，請稍後再試"),
        Failure::Deadline => {
            own(StatusCode::GATEWAY_TIMEOUT, "deadline-exceeded", "處理逾時，請稍後再試")
        }
        Failure::Component => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            own(status, "component-failed", "系統發生錯誤，請稍後再試")
        }
    })
}

/// The body, read before the request takes a turn: a slow client holds a connection, and
/// nothing that others wait for.
async fn whole_body(body: Incoming, options: &Options) -> Result<Bytes, Own> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let limit = usize::try_from(options.max_body).unwrap_or(usize::MAX);
    let read = Limited::new(body, limit).collect();
    match tokio::time::timeout(options.body_timeout, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(own(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "內容超過大小限制"))
        }
        Ok(Err(_)) => Err(own(StatusCode::BAD_REQUEST, "bad-request", "請求格式不正確")),
        Err(_) => Err(own(StatusCode::REQUEST_TIMEOUT, "body-too-slow", "內容傳送逾時")),
    }
}

fn own(status: StatusCode, code: &'static str, title: &'static str) -> Own {
    Own { status, code, title }
}

impl Own {
    /// A problem (RFC 9457), where they are known with the five members beside its own.
    fn response(&self, five_members: bool) -> Response<WasiBody> {
        let Self { status, code, title } = *self;
        let mut body = serde_json::json!({
            "type": format!("/problems/{code}"), "title": title, "status": status.as_u16(),
            "code": code,
        });
        if five_members {
            body["httpCode"] = status.as_str().into();
            body["httpMessage"] = status.canonical_reason().unwrap_or("Error").into();
            body["rdCode"] = "".into();
            body["rdMessage"] = "".into();
            body["responseData"] = serde_json::json!({});
            body["message"] = code.replace('-', " ").into();
        }
        let body = Full::new(Bytes::from(body.to_string())).map_err(HttpError::from).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// The request's number, 32 hexadecimal digits. One that came along counts from a trusted proxy
/// alone, and only in this form (nginx's `$request_id`).
fn request_id(headers: &HeaderMap, behind_proxy: bool) -> HeaderValue {
    let mut given = headers.get_all(REQUEST_ID).iter();
    if let (true, Some(given), None) = (behind_proxy, given.next(), given.next())
        && given.len() == 32
        && given.as_bytes().iter().all(u8::is_ascii_hexdigit)
    {
        return given.clone();
    }
    let mut bytes = [0; 16];
    // Without randomness components give no answer; a number may be missing then.
    let _ = SystemRandom::new().fill(&mut bytes);
    HeaderValue::try_from(hex::encode(bytes)).unwrap_or(HeaderValue::from_static("0"))
}

fn trusted(address: IpAddr, proxies: &[IpNet]) -> bool {
    proxies.iter().any(|net| net.contains(&address.to_canonical()))
}

/// The address that the request comes from: the peer's, unless the peer is a trusted
/// proxy. Then the nearest address in `X-Forwarded-For` that is not a trusted proxy,
/// read from the right, since everything left of it is the client's own claim. `None`:
/// a trusted proxy named no client; its own address must not stand for one.
fn client_address(peer: SocketAddr, headers: &HeaderMap, proxies: &[IpNet]) -> Option<SocketAddr> {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    if !trusted(peer.ip(), proxies) {
        return Some(peer);
    }
    let mut hops = Vec::new();
    for value in headers.get_all("x-forwarded-for") {
        hops.extend(value.to_str().ok()?.split(',').map(str::trim));
    }
    for hop in hops.into_iter().rev() {
        let with_port = hop.parse::<SocketAddr>().map(|address| address.ip());
        let address = hop.parse::<IpAddr>().or(with_port).ok()?.to_canonical();
        if !trusted(address, proxies) {
            return Some(SocketAddr::new(address, 0));
        }
    }
    None
}

/// The request's URI with scheme and authority, as components expect it. `None`:
/// no single valid `Host`.
fn absolute_uri(uri: &Uri, headers: &HeaderMap, tls: bool, behind_proxy: bool) -> Option<Uri> {
    let forwarded = headers.get("x-forwarded-proto").filter(|_| behind_proxy);
    let https = match forwarded {
        Some(value) => value == "https",
        None => tls,
    };
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, None) = (hosts.next(), hosts.next()) else { return None };
    let authority: Authority = match (uri.authority(), host) {
        (Some(authority), _) => authority.clone(),
        (None, Some(host)) => host.to_str().ok()?.parse().ok()?,
        (None, None) => return None,
    };
    let path = uri.path_and_query()?.clone();
    Uri::builder()
        .scheme(if https { Scheme::HTTPS } else { Scheme::HTTP })
        .authority(authority)
        .path_and_query(path)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    const PEER: &str = "198.51.100.1:4000";

    fn client(headers: &HeaderMap, proxies: &[IpNet]) -> Option<String> {
        let client = client_address(PEER.parse().unwrap(), headers, proxies);
        client.map(|address| address.ip().to_string())
    }

    #[test]
    fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
        let claimed = headers(&[("x-forwarded-for", "203.0.113.9")]);
        assert_eq!(client(&claimed, &[]).as_deref(), Some("198.51.100.1"));
        let proxies = ["198.51.100.0/24".parse().unwrap()];
        assert_eq!(client(&claimed, &proxies).as_deref(), Some("203.0.113.9"));
    }

    #[test]
    fn what_the_client_claims_before_the_proxy_is_ignored() {
        let proxies = ["198.51.100.0/24".parse().unwrap()];
        for (claim, expected) in [
            ("10.0.0.1, 203.0.113.9", Some("203.0.113.9")),
            ("10.0.0.1, 203.0.113.9:4711, 198.51.100.2", Some("203.0.113.9")),
            ("nonsense, 198.51.100.2", None),
            ("198.51.100.2", None),
            ("", None),
        ] {
            let claimed = headers(&[("x-forwarded-for", claim)]);
            assert_eq!(client(&claimed, &proxies).as_deref(), expected, "{claim}");
        }
        assert_eq!(client(&HeaderMap::new(), &proxies), None);
    }

    #[test]
    fn a_request_number_counts_from_a_trusted_proxy_in_its_one_form() {
        let good = "00112233445566778899aabbccddeeff";
        let one = headers(&[("x-request-id", good)]);
        assert_eq!(request_id(&one, true), good);
        assert_ne!(request_id(&one, false), good);
        let two = headers(&[("x-request-id", good), ("x-request-id", good)]);
        assert_ne!(request_id(&two, true), good);
        for bad in
            ["", "x", "00112233-4455-6677-8899-aabbccddeeff", "zz112233445566778899aabbccddeeff"]
        {
            let made = request_id(&headers(&[("x-request-id", bad)]), true);
            assert_eq!(made.len(), 32, "{bad}");
            assert_ne!(made, bad);
        }
    }

    #[test]
    fn one_host_header_makes_the_uri_absolute() {
        let uri = Uri::from_static("/a?b=c");
        let one = headers(&[("host", "127.0.0.1:3000")]);
        let absolute = absolute_uri(&uri, &one, false, false).unwrap();
        assert_eq!(absolute, "http://127.0.0.1:3000/a?b=c");
        let two = headers(&[("host", "a"), ("host", "b")]);
        assert!(absolute_uri(&uri, &two, false, false).is_none());
        assert!(absolute_uri(&uri, &HeaderMap::new(), false, false).is_none());
        let claimed = headers(&[("host", "a"), ("x-forwarded-proto", "https")]);
        assert_eq!(absolute_uri(&uri, &claimed, false, false).unwrap().scheme_str(), Some("http"));
        assert_eq!(absolute_uri(&uri, &claimed, false, true).unwrap().scheme_str(), Some("https"));
    }
}
