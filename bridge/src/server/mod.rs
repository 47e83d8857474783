//! The loopback HTTP surface: exact host, exact origin, a closed set of commands.

mod asker;
mod commands;
mod hipki;
mod pairing;
mod patience;
mod peer;
mod reply;
mod self_test;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use protocol::{
    Failure, FailureCode, ListCards, PROTOCOL_VERSION, PairBegin, PairConfirm, PairReveal, Status,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

use crate::action::Workers;
use crate::cards::CardSource;
use crate::dialog::Windows;
use crate::page::{PageAnswer, PageWindows};
use crate::sites::Sites;
use crate::worker::{self, Job, Word};
use asker::{Asker, elsewhere, single};
use pairing::Pairings;
use patience::{Patience, Queue};
use reply::{Answer, done, failed, last, page, with_status};
use self_test::Report;

/// Largest request.
const MAX_REQUEST: usize = 256 << 10;
/// Largest request that is read to its end, and thrown away: whoever sends it shall be able
/// to read why it was refused.
const MAX_READ: usize = 8 << 20;
/// How long a request's head and body may take, each.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Connections at once.
const MAX_CONNECTIONS: usize = 256;
/// Looks at the readers at once; others wait.
const MAX_LOOKS: usize = 2;
/// Pages that wait for a change at once; others look for themselves.
const MAX_WAITS: usize = 8;
/// The page that carries messages where a browser does not let pages ask themselves.
const POPUP: &str = include_str!("popup.html");
/// The page that looks at every part in turn.
const SELF_TEST: &str = include_str!("self_test.html");
/// What a bridge is started with.
pub struct Options {
    /// The sites that may ask.
    pub sites: Sites,
    /// Where cards are looked for, in this order.
    pub sources: Vec<CardSource>,
    /// How the person is asked.
    pub windows: Windows,
    /// The program whose `worker` command does the work.
    pub program: PathBuf,
    /// How long a card or module may take for anything.
    pub card_time: Duration,
    /// Listeners and rules of the HiPKI surface, where it is switched on.
    pub hipki: Option<(Vec<TcpListener>, HipkiOptions)>,
}

/// Rules of the HiPKI surface.
#[derive(Clone, Copy, Debug)]
pub struct HipkiOptions {
    /// Whether digests are signed that a page made. Whoever allows it lets every allowed
    /// site have anything signed.
    pub allow_raw: bool,
}

struct Bridge {
    sites: Sites,
    sources: Vec<CardSource>,
    windows: Windows,
    workers: Workers,
    port: u16,
    pairings: Pairings,
    patience: Patience,
    pages: PageWindows,
    /// One window at a time, in the order of asking.
    turn: Mutex<()>,
    queue: Queue,
    /// Looks at the readers at once, and waits for their changes.
    looks: Semaphore,
    waits: Arc<Semaphore>,
    hipki: Option<HipkiOptions>,
    /// Makes [`Changes::seen`] say nothing about the readers.
    salt: [u8; 16],
}

/// Serves on loopback listeners of one port until the task is dropped.
///
/// # Errors
/// Those of the listeners.
pub async fn serve(listeners: Vec<TcpListener>, options: Options) -> std::io::Result<()> {
    let port = match listeners.first() {
        Some(listener) => listener.local_addr()?.port(),
        None => return Ok(()),
    };
    let Options { sites, sources, windows, program, card_time, hipki } = options;
    let (more, hipki) = hipki.unzip();
    if hipki.is_some() {
        // PINs come through this process then.
        worker::no_traces();
    }
    let mut salt = [0; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut salt)
        .map_err(|_| std::io::Error::other("no randomness"))?;
    let bridge = Arc::new(Bridge {
        sites,
        sources,
        windows,
        workers: Workers::new(program, card_time),
        port,
        pairings: Pairings::default(),
        patience: Patience::default(),
        pages: PageWindows::default(),
        turn: Mutex::new(()),
        queue: Queue::default(),
        looks: Semaphore::new(MAX_LOOKS),
        waits: Arc::new(Semaphore::new(MAX_WAITS)),
        hipki,
        salt,
    });
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut tasks = tokio::task::JoinSet::new();
    let own = listeners.into_iter().map(|listener| (listener, Surface::Own));
    let more = more.into_iter().flatten().map(|listener| (listener, Surface::Hipki));
    for (listener, surface) in own.chain(more) {
        tasks.spawn(accept(listener, surface, bridge.clone(), connections.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(std::io::Error::other)??;
    }
    Ok(())
}

/// What is served on a port.
#[derive(Clone, Copy)]
enum Surface {
    Own,
    Hipki,
}

async fn accept(
    listener: TcpListener,
    surface: Surface,
    bridge: Arc<Bridge>,
    connections: Arc<Semaphore>,
) -> std::io::Result<()> {
    loop {
        let Ok(permit) = connections.clone().acquire_owned().await else { return Ok(()) };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, or gone already: the next one may have more luck.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let bridge = bridge.clone();
        tokio::spawn(async move {
            connection(stream, surface, bridge).await;
            drop(permit);
        });
    }
}

async fn connection(stream: TcpStream, surface: Surface, bridge: Arc<Bridge>) {
    let _ = stream.set_nodelay(true);
    let port = stream.local_addr().map(|address| address.port()).unwrap_or_default();
    let ends = stream.local_addr().ok().zip(stream.peer_addr().ok());
    // Looked up when something is asked: who only connects costs nothing.
    let own = Arc::new(OnceLock::new());
    let service = service_fn(move |request| {
        let (bridge, own) = (bridge.clone(), own.clone());
        async move {
            let is_own = || ends.is_some_and(|(here, there)| peer::is_own(here, there));
            Ok::<_, Infallible>(match surface {
                _ if !*own.get_or_init(is_own) => elsewhere(&request),
                Surface::Own => answer(&bridge, request).await,
                Surface::Hipki => hipki::answer(&bridge, port, request).await,
            })
        }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The popup asks whether there is something to show.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WindowQuery {
    window: String,
}

/// The popup tells what the person answered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WindowAnswer {
    window: String,
    answer: PageAnswer,
}

async fn answer(bridge: &Bridge, request: Request<Incoming>) -> Answer {
    let asker = match bridge.asker(&request) {
        Ok(asker) => asker,
        Err(failure) => return failed(&failure),
    };
    let mut answer = if request.method() == Method::OPTIONS {
        with_status(StatusCode::NO_CONTENT, Bytes::new())
    } else {
        bridge.route(&asker, request).await.unwrap_or_else(|failure| failed(&failure))
    };
    if let Asker::Page(origin) = &asker
        && let Ok(origin) = HeaderValue::try_from(origin)
    {
        let headers = answer.headers_mut();
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin),
            (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type")),
            (header::VARY, HeaderValue::from_static("origin")),
            (
                HeaderName::from_static("access-control-allow-private-network"),
                HeaderValue::from_static("true"),
            ),
        ] {
            headers.insert(name, value);
        }
    }
    answer
}

impl Bridge {
    async fn route(&self, asker: &Asker, request: Request<Incoming>) -> Result<Answer, Failure> {
        let path = request.uri().path().to_owned();
        let post = request.method() == Method::POST;
        match (request.method(), path.as_str()) {
            (&Method::GET, "/v1/status") => {
                return Ok(done(&Status {
                    product: env!("CARGO_PKG_NAME").to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    protocol: PROTOCOL_VERSION,
                }));
            }
            // Somebody typed the address.
            (&Method::GET, "/") if matches!(asker, Asker::Nobody) => {
                let mut answer = with_status(StatusCode::FOUND, Bytes::new());
                let place = HeaderValue::from_static("/v1/self-test");
                answer.headers_mut().insert(header::LOCATION, place);
                return Ok(answer);
            }
            (&Method::GET, "/v1/self-test") if matches!(asker, Asker::Nobody) => {
                return Ok(page(SELF_TEST));
            }
            (&Method::GET, "/v1/popup") if matches!(asker, Asker::Nobody) => {
                return Ok(page(POPUP));
            }
            _ => (),
        }
        if matches!(asker, Asker::Own)
            && matches!(path.as_str(), "/v1/self-test" | "/v1/diagnostics")
        {
            let ListCards {} = body(request).await?;
            let found = self.cards().await.map_err(|failure| failure.code);
            let named = path == "/v1/self-test";
            return Ok(done(&Report::new(
                &self.sources,
                found,
                named,
                self.windows.can_open(),
                Timestamp::now(),
            )));
        }
        if matches!(asker, Asker::Own) && path == "/v1/window" {
            let WindowQuery { window } = body(request).await?;
            return Ok(done(&self.pages.question(&window)));
        }
        if matches!(asker, Asker::Own) && path == "/v1/window/answer" {
            let WindowAnswer { window, answer } = body(request).await?;
            if !answer.is_fit() {
                return Err(FailureCode::MalformedRequest.into());
            }
            self.pages.answer(&window, answer);
            return Ok(last(done(&())));
        }
        let Some(origin) = asker.origin() else { return Err(FailureCode::OriginRefused.into()) };
        match path.as_str() {
            "/v1/pair/begin" if post => {
                let PairBegin {} = body(request).await?;
                let key = self.sites.key(origin).map_err(|_| FailureCode::Failed)?;
                Ok(done(&self.pairings.begin(origin, key, Instant::now())?))
            }
            "/v1/pair/reveal" if post => {
                let PairReveal { pairing, nonce } = body(request).await?;
                Ok(done(&self.pairings.reveal(origin, &pairing, &nonce, Instant::now())?))
            }
            "/v1/pair/confirm" if post => {
                let PairConfirm { pairing } = body(request).await?;
                Ok(done(&self.pair(origin, &pairing).await?))
            }
            _ if !self.sites.allows(origin) => Err(FailureCode::NotPaired.into()),
            "/v1/hello" if post => Ok(done(&self.hello(origin, &body(request).await?)?)),
            "/v1/cards" if post => {
                let ListCards {} = body(request).await?;
                Ok(done(&self.cards().await?))
            }
            "/v1/changes" if post => Ok(done(&self.changes(body(request).await?).await)),
            "/v1/sign" if post => {
                let request = body(request).await?;
                Ok(done(&self.sign(origin, asker.window(), request).await?))
            }
            _ => Err(FailureCode::MalformedRequest.into()),
        }
    }

    /// Runs a job with a window: in its turn, made when its turn has come, and not too
    /// often in vain.
    async fn ask(
        &self,
        origin: &str,
        window: Option<&str>,
        working: &AtomicBool,
        job: impl FnOnce() -> Job,
    ) -> Result<Word, Failure> {
        let _place = self.queue.enter(origin).ok_or(FailureCode::Busy)?;
        let _turn = self.turn.lock().await;
        self.patience.check(origin, Instant::now())?;
        self.patience.vain(origin, Instant::now());
        let page = window.map(|window| (&self.pages, window));
        let result = self.workers.run(&job(), page, working).await;
        let vain = [FailureCode::PinCancelled, FailureCode::TimedOut];
        if !matches!(&result, Err(failure) if vain.contains(&failure.code)) {
            self.patience.forgive(origin);
        }
        result
    }
}

/// A JSON body. The content type is one that no page can send without a preflight.
async fn body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Failure> {
    let malformed = || Failure::from(FailureCode::MalformedRequest);
    let content_type = single(request.headers(), &header::CONTENT_TYPE)?.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(malformed());
    }
    let bytes = everything(request.into_body()).await.ok_or_else(malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| malformed())
}

/// A body, unless it is too large or too slow.
async fn everything(mut body: Incoming) -> Option<Vec<u8>> {
    let read = async {
        let (mut all, mut size) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.ok()?.into_data() else { continue };
            size += data.len();
            if size > MAX_READ {
                return None;
            }
            if size <= MAX_REQUEST {
                all.extend_from_slice(&data);
            }
        }
        (size <= MAX_REQUEST).then_some(all)
    };
    timeout(REQUEST_TIME, read).await.ok().flatten()
}
