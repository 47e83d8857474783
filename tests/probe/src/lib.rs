//! Tries to reach things and says what happened. Each path is one attempt.

use std::cell::Cell;

use bytes::Bytes;
use http_body_util::BodyExt;
use pki::public_operation::{BYTES, Modulus};
use spin_sdk::http::{FullBody, IntoResponse, Request};
use spin_sdk::http_service;
use spin_sdk::key_value::Store;
use spin_sdk::sqlite::Connection;
use spin_sdk::variables;

thread_local! { static SERVED: Cell<u32> = const { Cell::new(0) }; }

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    http::Response::new(FullBody::new(Bytes::from(attempt(request).await)))
}

fn outcome<T, E: std::fmt::Debug>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("refused: {error:?}"),
    }
}

async fn attempt(request: Request) -> String {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_matches('/').splitn(3, '/').skip(1).collect();
    match parts[..] {
        ["store", label] => outcome(Store::open(label).await),
        ["database", label] => outcome(Connection::open(label).await),
        ["attach", _] => match Connection::open_default().await {
            Ok(connection) => {
                let result = connection.execute("ATTACH 'x.db' AS x", []).await;
                match result {
                    Ok(rows) => outcome(rows.result().await),
                    Err(error) => outcome::<(), _>(Err(error)),
                }
            }
            Err(error) => outcome::<(), _>(Err(error)),
        },
        ["variable", name] => outcome(variables::get(name).await),
        ["read", file] => outcome(std::fs::read(format!("/{file}"))),
        ["write", file] => outcome(std::fs::write(format!("/{file}"), "x")),
        ["call", address] => match spin_sdk::http::get(format!("http://{address}")).await {
            Ok(response) => format!("ok {}", response.status()),
            Err(error) => format!("refused: {error:?}"),
        },
        ["trap"] => panic!("as asked"),
        ["loop"] => loop {
            std::hint::black_box(0);
        },
        ["memory"] => {
            let mut blocks = Vec::new();
            loop {
                blocks.push(vec![1_u8; 1 << 20]);
                std::hint::black_box(&blocks);
            }
        }
        ["served"] => SERVED.with(|served| {
            served.set(served.get() + 1);
            served.get().to_string()
        }),
        ["clock"] => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.unwrap_or_default().as_secs().to_string()
        }
        ["headers"] => request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap_or("?")))
            .collect(),
        ["corpus"] => corpus(request).await,
        ["checks"] => checks(request).await,
        ["powers"] => powers(request).await,
        ["body"] => match request.into_body().collect().await {
            Ok(body) => body.to_bytes().len().to_string(),
            Err(error) => format!("refused: {error:?}"),
        },
        _ => "nothing".to_owned(),
    }
}

/// Signature checks one after another, as the service makes them: microseconds for each
/// of the two kinds, measured in here (`scripts/bench`).
async fn checks(request: Request) -> String {
    let Ok(body) = request.into_body().collect().await else { return "no body".to_owned() };
    match serde_json::from_slice::<signature_checks::Checks>(&body.to_bytes()) {
        Ok(checks) => serde_json::to_string(&checks.run()).unwrap_or_default(),
        Err(error) => error.to_string(),
    }
}

/// The RSA public-key operation in here, of moduli and numbers of 256 bytes, one after the other: the
/// powers in JSON, as bytes; `null` where the number is not below the modulus.
async fn powers(request: Request) -> String {
    let Ok(body) = request.into_body().collect().await else { return "no body".to_owned() };
    let body = body.to_bytes();
    let (inputs, _) = body.as_chunks::<BYTES>().0.as_chunks::<2>();
    let power = |[n, s]: &[[u8; BYTES]; 2]| {
        let modulus = Modulus::new(n).ok_or("no modulus, or nothing is fused here")?;
        Ok::<_, &str>(modulus.power(s).map(|power| power.to_vec()))
    };
    let powers: Result<Vec<_>, _> = inputs.iter().map(power).collect();
    serde_json::to_string(&powers).unwrap_or_default()
}

/// Judges a corpus in here: one JSON line for each case, as `chayan corpus` prints them.
async fn corpus(request: Request) -> String {
    let Ok(body) = request.into_body().collect().await else { return "no body".to_owned() };
    let body = body.to_bytes();
    let judged = std::str::from_utf8(&body)
        .map_err(|error| error.to_string())
        .and_then(|text| corpus::judge(text, None).map_err(|error| error.to_string()));
    match judged {
        Ok(judged) => judged
            .iter()
            .filter_map(|case| serde_json::to_string(case).ok())
            .collect::<Vec<_>>()
            .join("\n"),
        Err(error) => error,
    }
}
