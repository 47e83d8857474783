//! The peer: the same call as a native server, written well: axum on one thread a core,
//! each with its own rusqlite connections and prepared statements, aws-lc with parsed
//! keys, wrong answers counted by one writer that commits what waits together. The same
//! databases, the same durability, the same rules (`domain`), the same answers.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use anyhow::Context;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::{
    Admission, Answer, Claims, DigestKey, IdCard, IssKey, PersonDigest, RecordFinding, TaipeiDay,
};
use jiff::Timestamp;
use pki::jwt::Unverified;
use rusqlite::OptionalExtension;
use store::native::Native;
use store::schema::Label;
use store::{Attempts, Cases, Register, Transaction};
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
}

/// A wrong answer to be counted.
struct Count {
    person: PersonDigest,
    day: TaipeiDay,
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

impl Kept {
    fn open(data: &Path) -> anyhow::Result<Self> {
        let open = |label: Label| Native::open(&data.join(format!("{}.db", label.name())));
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
    let attempts = Native::open(&data.join(format!("{}.db", Label::Attempts.name())))?;
    std::thread::spawn(move || count(&attempts, &counts));
    let peer = Arc::new(Peer {
        data,
        digest_key: key("digest_key"),
        register_key: key("register_key"),
        turns: (0..TURNS).map(|_| Mutex::default()).collect(),
        writer,
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
                .map(|count| Attempts(&transaction).count_wrong(count.person, count.day))
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
    match answer(&peer, source.ip(), &headers).await {
        Ok(Ok(answer)) => {
            let body = format!(
                r#"{{"httpCode":"200","httpMessage":"OK","rdCode":"RS7009","rdMessage":"查詢作業完成","responseData":{{"checkIdCardApply":"{}"}}}}"#,
                answer.code()
            );
            ([("content-type", "application/json"), ("cache-control", "no-store")], body)
                .into_response()
        }
        Ok(Err(status)) => status.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn answer(
    peer: &Arc<Peer>,
    source: std::net::IpAddr,
    headers: &HeaderMap,
) -> anyhow::Result<Result<Answer, StatusCode>> {
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
    let mut verified = None;
    for certificate in &caller.certificates {
        let key = Kept::with(|kept| kept.key(certificate.key.pkcs1()))?;
        if key.verify_sig(signed.as_bytes(), &signature).is_ok() {
            verified = Some(certificate);
            break;
        }
    }
    let Some(certificate) = verified else { return Ok(Err(StatusCode::UNAUTHORIZED)) };
    match domain::admit(claims, &caller, certificate, source, now) {
        Ok(Admission::Lookup(card)) => look_up(peer, &card, TaipeiDay::of(now)).await.map(Ok),
        _ => Ok(Err(StatusCode::FORBIDDEN)),
    }
}

/// Base64url without padding; nothing for anything else, which no key signed.
fn decode(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
}

async fn look_up(peer: &Peer, card: &IdCard, day: TaipeiDay) -> anyhow::Result<Answer> {
    let (person, digest) = (peer.register_key.person(card), peer.register_key.card(card));
    let place = u16::from_be_bytes([person.0[0], person.0[1]]);
    let _turn = peer.turns[usize::from(place) % TURNS].lock().await;
    let finding = Kept::with(|kept| Ok(Register(&kept.register).compare(person, digest)?))?;
    let count = if finding == RecordFinding::Differs {
        let (counted, wait) = oneshot::channel();
        peer.writer.send(Count { person, day, counted })?;
        wait.await??
    } else {
        Kept::with(|kept| so_far(&kept.attempts, person, day))?
    };
    Ok(domain::judge(finding, count))
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
