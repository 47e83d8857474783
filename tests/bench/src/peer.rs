//! The peer: the same call as a native server, written well: axum, rusqlite with kept
//! connections and prepared statements, aws-lc with parsed keys. The same databases, the
//! same durability, the same rules (`domain`), the same answers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::{Admission, Answer, Claims, DigestKey, IdCard, IssKey, RecordFinding, TaipeiDay};
use jiff::Timestamp;
use pki::jwt::Unverified;
use store::native::Native;
use store::schema::Label;
use store::{Attempts, Cases, Register};

struct Peer {
    data: PathBuf,
    digest_key: DigestKey,
    register_key: DigestKey,
    connections: Mutex<HashMap<&'static str, Vec<Native>>>,
    keys: Mutex<HashMap<Vec<u8>, Arc<ParsedPublicKey>>>,
    /// Writers of the counters queue fairly, as in the host.
    writers: Arc<tokio::sync::Mutex<()>>,
}

impl Peer {
    fn with<T>(&self, label: Label, act: impl FnOnce(&Native) -> T) -> anyhow::Result<T> {
        let pooled = self.connections.lock().unwrap().get_mut(label.name()).and_then(Vec::pop);
        let connection = match pooled {
            Some(connection) => connection,
            None => Native::open(&self.data.join(format!("{}.db", label.name())))?,
        };
        let result = act(&connection);
        self.connections.lock().unwrap().entry(label.name()).or_default().push(connection);
        Ok(result)
    }

    fn key(&self, pkcs1: &[u8]) -> anyhow::Result<Arc<ParsedPublicKey>> {
        let mut keys = self.keys.lock().unwrap();
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
    let peer = Arc::new(Peer {
        data: dir.join("data"),
        digest_key: key("digest_key"),
        register_key: key("register_key"),
        connections: Mutex::default(),
        keys: Mutex::default(),
        writers: Arc::default(),
    });
    let router = Router::new().route("/integration/rwv2c2", get(verify)).with_state(peer);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let service = router.into_make_service_with_connect_info::<std::net::SocketAddr>();
        axum::serve(listener, service).await?;
        Ok(())
    })
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
    let caller = peer.with(Label::Cases, |database| Cases(database).caller(digest))??;
    let Some(caller) = caller else { return Ok(Err(StatusCode::UNAUTHORIZED)) };
    let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
    let signature = decode(signature);
    let key = peer.key(caller.certificate.key.pkcs1())?;
    if key.verify_sig(signed.as_bytes(), &signature).is_err() {
        return Ok(Err(StatusCode::UNAUTHORIZED));
    }
    let now = Timestamp::now();
    match domain::admit(claims, &caller, source, now) {
        Ok(Admission::Lookup(card)) => look_up(peer, &card, TaipeiDay::of(now)).await.map(Ok),
        _ => Ok(Err(StatusCode::FORBIDDEN)),
    }
}

/// Base64url without padding; nothing for anything else, which no key signed.
fn decode(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
}

async fn look_up(peer: &Arc<Peer>, card: &IdCard, day: TaipeiDay) -> anyhow::Result<Answer> {
    let (person, digest) = (peer.register_key.person(card), peer.register_key.card(card));
    let finding =
        peer.with(Label::Register, |database| Register(database).compare(person, digest))??;
    let turn = peer.writers.clone().lock_owned().await;
    let count = if finding == RecordFinding::Differs {
        let peer = peer.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            peer.with(Label::Attempts, |database| Attempts(database).count_wrong(person, day))
        })
        .await???
    } else {
        let _turn = turn;
        peer.with(Label::Attempts, |database| Attempts(database).wrong_so_far(person, day))??
    };
    Ok(domain::judge(finding, count))
}
