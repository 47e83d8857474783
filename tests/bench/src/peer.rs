//! The peer: the same call as a native server, written well: axum on one thread a core,
//! each with its own rusqlite connections and prepared statements, aws-lc with parsed
//! keys, wrong answers counted by one writer that commits what waits together. The same
//! databases, the same durability, the same rules (`domain`), the same answers.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError, mpsc};

use anyhow::Context;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::{
    Admission, Answer, CallOutcome, Claims, DigestKey, IdCard, IssKey, PersonDigest, RecordFinding,
    TaipeiDay, TokenDigest,
};
use jiff::Timestamp;
use pki::jwt::Unverified;
use rusqlite::OptionalExtension;
use store::native::Native;
use store::schema::Label;
use store::{
    Attempts, Calls, Cases, Finished, NewCall, Register, Reserved, StoreError, Transaction,
};
use tokio::sync::{Mutex, oneshot};

/// Calls about one person take turns; this many persons at once.
const TURNS: usize = 1024;

struct Peer {
    data: PathBuf,
    digest_key: DigestKey,
    register_key: DigestKey,
    /// Fair queues: a right answer waits for every wrong one that asked before.
    turns: Vec<Mutex<()>>,
    writer: mpsc::Sender<Count>,
    /// One connection for all threads: none has to read again what another wrote.
    calls: Lock<Record>,
}

/// The call record: what comes in together is committed together.
struct Record {
    database: Native,
    /// Whoever waits for the next commit.
    waiting: Vec<oneshot::Sender<()>>,
    commits: u32,
    checkpoints: mpsc::Sender<()>,
    /// Whether the log was moved: what came meanwhile is moved too, so that it begins anew.
    moved: Arc<AtomicBool>,
}

/// Commits between two checkpoints, as in the host.
const CHECKPOINT: u32 = 500;

impl Record {
    fn open(data: &Path) -> anyhow::Result<Self> {
        let database = Native::open_in(data, Label::Calls)?;
        database.connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let other = Native::open_in(data, Label::Calls)?;
        let (checkpoints, asked) = mpsc::channel();
        let moved = Arc::new(AtomicBool::new(false));
        let done = moved.clone();
        std::thread::spawn(move || {
            while asked.recv().is_ok() {
                let _ = move_log(&other);
                done.store(true, Ordering::Relaxed);
            }
        });
        Ok(Self { database, waiting: Vec::new(), commits: 0, checkpoints, moved })
    }

    fn execute(&self, sql: &str) -> anyhow::Result<()> {
        Ok(self.database.connection.prepare_cached(sql)?.execute([]).map(drop)?)
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.execute("COMMIT")?;
        self.commits += 1;
        if self.commits.is_multiple_of(CHECKPOINT) {
            self.checkpoints.send(())?;
        }
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(());
        }
        if self.moved.swap(false, Ordering::Relaxed) {
            move_log(&self.database)?;
        }
        Ok(())
    }
}

fn move_log(database: &Native) -> rusqlite::Result<()> {
    database.connection.query_row("PRAGMA wal_checkpoint", [], |_| Ok(()))
}

/// A wrong answer to be counted.
struct Count {
    person: PersonDigest,
    day: TaipeiDay,
    token: TokenDigest,
    counted: oneshot::Sender<anyhow::Result<Option<u8>>>,
}

/// What one serving thread keeps.
struct Kept {
    cases: Native,
    register: Native,
    attempts: Native,
    keys: RefCell<HashMap<Vec<u8>, Arc<ParsedPublicKey>>>,
}

thread_local! {
    static KEPT: OnceCell<Kept> = const { OnceCell::new() };
}

impl Peer {
    fn calls(&self) -> std::sync::MutexGuard<'_, Record> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes into the record of calls; what it says, once that is committed.
    async fn record<T>(
        self: &Arc<Self>,
        write: impl FnOnce(&Calls<&Native>) -> Result<T, StoreError>,
    ) -> anyhow::Result<T> {
        let (told, committed) = oneshot::channel();
        let written = {
            let mut record = self.calls();
            if record.waiting.is_empty() {
                record.execute("BEGIN IMMEDIATE")?;
                let peer = self.clone();
                // Whoever is ready on this thread joins before it commits.
                tokio::spawn(async move {
                    tokio::task::yield_now().await;
                    peer.calls().commit()
                });
            }
            record.waiting.push(told);
            write(&Calls(&record.database))?
        };
        committed.await?;
        Ok(written)
    }
}

impl Kept {
    fn open(data: &Path) -> anyhow::Result<Self> {
        let open = |label| Native::open_in(data, label);
        Ok(Self {
            cases: open(Label::Cases)?,
            register: open(Label::Register)?,
            attempts: open(Label::Attempts)?,
            keys: RefCell::default(),
        })
    }

    fn with<T>(act: impl FnOnce(&Self) -> anyhow::Result<T>) -> anyhow::Result<T> {
        KEPT.with(|kept| act(kept.get().context("the thread was not prepared")?))
    }

    fn key(&self, pkcs1: &[u8]) -> anyhow::Result<Arc<ParsedPublicKey>> {
        let mut keys = self.keys.borrow_mut();
        if let Some(key) = keys.get(pkcs1) {
            return Ok(key.clone());
        }
        let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pkcs1)
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let key = Arc::new(parsed);
        keys.insert(pkcs1.to_vec(), key.clone());
        Ok(key)
    }
}

/// Serves until it is killed; prints its address.
pub(crate) fn serve(dir: &Path) -> anyhow::Result<()> {
    let config: toml::Table = std::fs::read_to_string(dir.join("runtime-config.toml"))?.parse()?;
    let values = &config["variables_provider"][0]["values"];
    let key = |name: &str| DigestKey::from_hex(values[name].as_str().unwrap()).unwrap();
    let data = dir.join("data");
    let (writer, counts) = mpsc::channel();
    let attempts = Native::open_in(&data, Label::Attempts)?;
    let calls = Lock::new(Record::open(&data)?);
    std::thread::spawn(move || count(&attempts, &counts));
    let peer = Arc::new(Peer {
        data,
        digest_key: key("digest_key"),
        register_key: key("register_key"),
        turns: (0..TURNS).map(|_| Mutex::default()).collect(),
        writer,
        calls,
    });
    let first = listener(([127, 0, 0, 1], 0).into())?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..std::thread::available_parallelism()?.get() {
        listeners.push(listener(address)?);
    }
    println!("{address}");
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            listeners.into_iter().map(|it| scope.spawn(|| listen(it, peer.clone()))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a serving thread"))
    })
}

/// A listener that shares its port with those of the other threads.
fn listener(address: std::net::SocketAddr) -> anyhow::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

fn listen(listener: std::net::TcpListener, peer: Arc<Peer>) -> anyhow::Result<()> {
    let kept = Kept::open(&peer.data)?;
    anyhow::ensure!(KEPT.with(|cell| cell.set(kept).is_ok()), "the thread was prepared twice");
    let router = Router::new().route("/integration/rwv2c2", get(verify)).with_state(peer);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let service = router.into_make_service_with_connect_info::<std::net::SocketAddr>();
        axum::serve(listener, service).await?;
        Ok(())
    })
}

/// Counts what waits, in its order, with one commit; answers after it.
fn count(attempts: &Native, counts: &mpsc::Receiver<Count>) {
    while let Ok(first) = counts.recv() {
        let batch: Vec<Count> = std::iter::once(first).chain(counts.try_iter()).collect();
        let counted = Transaction::begin(attempts).and_then(|transaction| {
            let results = batch
                .iter()
                .map(|count| {
                    Attempts(&transaction).count_wrong(count.person, count.day, count.token)
                })
                .collect::<Result<Vec<_>, _>>()?;
            transaction.commit()?;
            Ok(results)
        });
        match counted {
            Ok(results) => {
                for (count, result) in batch.into_iter().zip(results) {
                    let _ = count.counted.send(Ok(result));
                }
            }
            Err(error) => {
                for count in batch {
                    let _ = count.counted.send(Err(error.clone().into()));
                }
            }
        }
    }
}

async fn verify(
    State(peer): State<Arc<Peer>>,
    ConnectInfo(source): ConnectInfo<std::net::SocketAddr>,
    headers: HeaderMap,
) -> Response {
    let mut request = [0; 16];
    if aws_lc_rs::rand::fill(&mut request).is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match answer(&peer, source.ip(), &headers, request).await {
        Ok(Ok(answer)) => {
            let body = format!(
                r#"{{"httpCode":"200","httpMessage":"OK","rdCode":"RS7009","rdMessage":"查詢作業完成","responseData":{{"checkIdCardApply":"{}"}}}}"#,
                answer.code()
            );
            let id = hex::encode(request);
            let headers = [
                ("content-type", "application/json"),
                ("cache-control", "no-store"),
                ("x-request-id", id.as_str()),
            ];
            (headers, body).into_response()
        }
        Ok(Err(status)) => status.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn answer(
    peer: &Arc<Peer>,
    source: std::net::IpAddr,
    headers: &HeaderMap,
    request: [u8; 16],
) -> anyhow::Result<Result<Answer, StatusCode>> {
    let begun = std::time::Instant::now();
    let token = headers.get("authorization").and_then(|value| value.to_str().ok());
    let Some(token) = token.and_then(|value| value.strip_prefix("Bearer ")) else {
        return Ok(Err(StatusCode::UNAUTHORIZED));
    };
    let Ok(parsed) = Unverified::<Claims>::parse(token) else {
        return Ok(Err(StatusCode::UNAUTHORIZED));
    };
    let claims = parsed.unverified_claims();
    let digest = IssKey::lookup_digest(&claims.iss, &peer.digest_key);
    let now = Timestamp::now();
    let caller = Kept::with(|kept| Ok(Cases(&kept.cases).caller(digest, now)?))?;
    let Some(caller) = caller else { return Ok(Err(StatusCode::UNAUTHORIZED)) };
    let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
    let signature = decode(signature);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, signed.as_bytes());
    let token = TokenDigest::of_token(digest.as_ref().try_into()?);
    let mut verified = None;
    for certificate in &caller.certificates {
        let key = Kept::with(|kept| kept.key(&certificate.public_key))?;
        if key.verify_digest_sig(&digest, &signature).is_ok() {
            verified = Some(certificate);
            break;
        }
    }
    let Some(certificate) = verified else { return Ok(Err(StatusCode::UNAUTHORIZED)) };
    let Ok(Admission::Lookup(card)) = domain::admit(claims, &caller, certificate, source, now)
    else {
        return Ok(Err(StatusCode::FORBIDDEN));
    };
    let jti = TokenDigest::of_jti(&caller.ap_id, &claims.jti);
    let person = peer.register_key.person(&card);
    let took = || i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX);
    let account = caller.ap_id.as_str();
    let call = NewCall {
        account,
        at: now,
        outcome: None,
        request,
        jti,
        token,
        person: Some(person),
        user_id: &claims.user_id,
        took: took(),
        rate: caller.rate,
        sandbox: caller.sandbox,
    };
    let kept = match peer.record(|calls| calls.reserve(&call)).await?.0 {
        Reserved::New(kept) => kept,
        Reserved::Earlier(earlier) if earlier.token == token => earlier.call,
        Reserved::Earlier(_) => return Ok(Err(StatusCode::UNAUTHORIZED)),
        Reserved::OverLimit => return Ok(Err(StatusCode::TOO_MANY_REQUESTS)),
    };
    if let Some(code) = &kept.outcome {
        let Some(CallOutcome::Answered(answer)) = CallOutcome::from_code(code) else {
            return Ok(Err(StatusCode::UNAUTHORIZED));
        };
        return Ok(Ok(answer));
    }
    let answer = look_up(peer, &card, person, TaipeiDay::of(now), token).await?;
    let outcome = CallOutcome::Answered(answer).code();
    let (number, took) = (kept.number, took());
    let finished = Finished { account, number, at: now, outcome: &outcome, request, took };
    let first = peer.record(|calls| calls.finish(&finished)).await?;
    Ok(if first.is_none() { Ok(answer) } else { Err(StatusCode::CONFLICT) })
}

/// Base64url without padding; nothing for anything else, which no key signed.
fn decode(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
}

async fn look_up(
    peer: &Peer,
    card: &IdCard,
    person: PersonDigest,
    day: TaipeiDay,
    token: TokenDigest,
) -> anyhow::Result<Answer> {
    let digest = peer.register_key.card(card);
    let place = u16::from_be_bytes([person.0[0], person.0[1]]);
    let _turn = peer.turns[usize::from(place) % TURNS].lock().await;
    let finding = Kept::with(|kept| Ok(Register(&kept.register).compare(person, digest)?))?;
    let count = if finding == RecordFinding::Differs {
        let (counted, wait) = oneshot::channel();
        peer.writer.send(Count { person, day, token, counted })?;
        wait.await??
    } else {
        Kept::with(|kept| so_far(&kept.attempts, person, day))?
    };
    Ok(domain::judge(finding, count, false))
}

/// The count so far. Reading is enough: this call has the person's turn, and whoever
/// had it before has committed.
fn so_far(attempts: &Native, person: PersonDigest, day: TaipeiDay) -> anyhow::Result<Option<u8>> {
    let count: Option<u8> = attempts
        .connection
        .prepare_cached("SELECT wrong FROM wrong_answers WHERE person = ?1 AND day = ?2")?
        .query_row((person.0, day.number()), |row| row.get(0))
        .optional()?;
    let count = count.unwrap_or(0);
    Ok((count < domain::MAX_WRONG_ANSWERS).then_some(count))
}
