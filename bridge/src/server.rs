//! The loopback HTTP surface: exact origin, exact host, three commands.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use protocol::{Failure, FailureCode, ListCards, PROTOCOL_VERSION, SignRequest, Status};
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::cards::CardBackend;
use crate::pin::PinPrompt;
use crate::sign;

/// Largest request.
const MAX_REQUEST: usize = 256 << 10;

/// What a bridge is started with.
pub struct Options {
    /// Origins of pages that may ask, each exactly `scheme://host[:port]`.
    pub allowed_origins: Vec<String>,
    /// Where the cards are.
    pub backend: Box<dyn CardBackend>,
    /// How the PIN is asked.
    pub prompt: Box<dyn PinPrompt>,
}

struct Bridge {
    options: Options,
    port: u16,
    /// One command at a time: two PIN windows would confuse.
    busy: Mutex<()>,
}

/// Serves on a loopback listener until the task is dropped.
///
/// # Errors
/// Those of the listener.
pub async fn serve(listener: TcpListener, options: Options) -> std::io::Result<()> {
    let port = listener.local_addr()?.port();
    let bridge = Arc::new(Bridge { options, port, busy: Mutex::new(()) });
    let router = Router::new().fallback(answer).with_state(bridge);
    axum::serve(listener, router).await
}

async fn answer(State(bridge): State<Arc<Bridge>>, request: Request) -> Response {
    let origin = match bridge.origin_of(&request) {
        Ok(origin) => origin,
        Err(failure) => return failure_response(&failure),
    };
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        match bridge.route(origin.as_deref(), request).await {
            Ok(response) => response,
            Err(failure) => failure_response(&failure),
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(origin) = origin.and_then(|origin| HeaderValue::try_from(origin).ok()) {
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
            (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type")),
            (header::VARY, HeaderValue::from_static("origin")),
        ] {
            headers.insert(name, value);
        }
        headers.insert("access-control-allow-private-network", HeaderValue::from_static("true"));
    }
    response
}

fn failure_response(failure: &Failure) -> Response {
    let status = StatusCode::from_u16(failure.code.status());
    (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(failure)).into_response()
}

/// The one value of a header; `Err` when there are several.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &header::HeaderName,
) -> Result<Option<&'a str>, Failure> {
    let refused = || Failure::from(FailureCode::OriginRefused);
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| refused()),
        _ => Err(refused()),
    }
}

impl Bridge {
    /// Checks `Host` (against names that were rebound to this computer) and `Origin`.
    ///
    /// Without an origin only the status may be asked: it says nothing but that a bridge
    /// is running.
    fn origin_of(&self, request: &Request) -> Result<Option<String>, Failure> {
        let refused = || Failure::from(FailureCode::OriginRefused);
        let host = single(request.headers(), &header::HOST)?.ok_or_else(refused)?;
        let port = self.port;
        if host != format!("127.0.0.1:{port}") && host != format!("localhost:{port}") {
            return Err(refused());
        }
        match single(request.headers(), &header::ORIGIN)? {
            Some(origin)
                if self.options.allowed_origins.iter().any(|allowed| allowed == origin) =>
            {
                Ok(Some(origin.to_owned()))
            }
            None if request.method() == Method::GET && request.uri().path() == "/v1/status" => {
                Ok(None)
            }
            _ => Err(refused()),
        }
    }

    async fn route(
        self: Arc<Self>,
        origin: Option<&str>,
        request: Request,
    ) -> Result<Response, Failure> {
        let path = request.uri().path().to_owned();
        match (request.method(), path.as_str(), origin) {
            (&Method::GET, "/v1/status", _) => Ok(Json(Status {
                product: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                protocol: PROTOCOL_VERSION,
            })
            .into_response()),
            (&Method::POST, "/v1/cards", Some(_)) => {
                let ListCards {} = body(request).await?;
                let cards =
                    self.command(|bridge| sign::list(bridge.options.backend.as_ref())).await?;
                Ok(Json(cards).into_response())
            }
            (&Method::POST, "/v1/sign", Some(origin)) => {
                let request: SignRequest = body(request).await?;
                let origin = origin.to_owned();
                let signed = self
                    .command(move |bridge| {
                        let Options { backend, prompt, .. } = &bridge.options;
                        let now = jiff::Timestamp::now();
                        sign::sign(backend.as_ref(), prompt.as_ref(), &origin, request, now)
                    })
                    .await?;
                Ok(Json(signed).into_response())
            }
            _ => Err(FailureCode::MalformedRequest.into()),
        }
    }

    /// Runs a command beside the server's threads, one at a time.
    async fn command<T: Send + 'static>(
        self: Arc<Self>,
        act: impl FnOnce(&Self) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        tokio::task::spawn_blocking(move || {
            let _turn = self.busy.try_lock().map_err(|_| Failure::from(FailureCode::Busy))?;
            act(&self)
        })
        .await
        .unwrap_or_else(|_| Err(FailureCode::Failed.into()))
    }
}

/// A JSON body. The content type is one that no page can send without a preflight.
async fn body<T: DeserializeOwned>(request: Request<Body>) -> Result<T, Failure> {
    let malformed = || Failure::from(FailureCode::MalformedRequest);
    let content_type = single(request.headers(), &header::CONTENT_TYPE)?.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(malformed());
    }
    let bytes = to_bytes(request.into_body(), MAX_REQUEST).await.map_err(|_| malformed())?;
    serde_json::from_slice(&bytes).map_err(|_| malformed())
}
