//! The verification call (A18, A19): `GET /integration/rwv2c2` with a signed token.

use domain::{
    Admission, Answer, Claims, DigestKey, IdCard, IssKey, RecordFinding, TaipeiDay, TokenRefused,
};
use http::{HeaderMap, Method, StatusCode, header};
use pki::jwt::{TimeError, Unverified};
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::schema::Label;
use store::{Attempts, Cases, Register};
use web::{Problem, Reply, legacy};

const PATH: &str = "/integration/rwv2c2";

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    match route(&request).await {
        Ok(reply) => reply,
        Err(problem) => {
            // Logged; the caller gets the five members that it expects.
            let _ = problem.into_reply();
            legacy::refused(StatusCode::SERVICE_UNAVAILABLE, "temporarily unavailable")
        }
    }
}

async fn route(request: &Request) -> Result<Reply, Problem> {
    if request.uri().path() == "/integration/readyz" {
        return Ok(web::readiness(ready().await));
    }
    if request.uri().path().trim_end_matches('/') != PATH {
        return Ok(legacy::refused(StatusCode::NOT_FOUND, "no such address"));
    }
    if request.method() != Method::GET {
        return Ok(legacy::refused(StatusCode::METHOD_NOT_ALLOWED, "use GET"));
    }
    let now = web::now();
    let Ok(source) = web::client_address(request.headers()) else {
        return Ok(legacy::refused(StatusCode::BAD_REQUEST, "the source address is not clear"));
    };
    let Some(token) = bearer(request.headers()) else {
        return Ok(legacy::refused(StatusCode::UNAUTHORIZED, "bearer token missing"));
    };
    let Ok(token) = Unverified::<Claims>::parse(token) else {
        return Ok(legacy::refused(StatusCode::UNAUTHORIZED, "bad token"));
    };
    let key = web::digest_key().await?;
    let digest = IssKey::lookup_digest(&token.unverified_claims().iss, &key);
    let caller = Cases(store::spin::open(Label::Cases)?).caller(digest, now)?;
    // Unknown issuer and bad signature look alike.
    const NO_CREDENTIALS: &str = "no credentials found";
    let Some(caller) = caller else {
        return Ok(legacy::refused(StatusCode::UNAUTHORIZED, NO_CREDENTIALS));
    };
    // Several while a former one may still be used.
    let verified = caller.certificates.iter().find_map(|certificate| {
        let token = token.clone().verify(&certificate.key).ok()?;
        Some((token, certificate))
    });
    let Some((token, certificate)) = verified else {
        return Ok(legacy::refused(StatusCode::UNAUTHORIZED, NO_CREDENTIALS));
    };
    let admission = match domain::admit(token.claims(), &caller, certificate, source, now) {
        Ok(admission) => admission,
        Err(refusal) => return Ok(refused(refusal, NO_CREDENTIALS)),
    };
    match &admission {
        Admission::Lookup(card) => look_up(card, TaipeiDay::of(now)).await.map(legacy::answer),
        other => legacy::without_lookup(other)
            .ok_or_else(|| Problem::internal("an admission without an answer")),
    }
}

/// Whether everything is there that an answer needs.
async fn ready() -> Result<(), Problem> {
    web::digest_key().await?;
    register_key().await?;
    for label in [Label::Cases, Label::Register, Label::Attempts] {
        store::schema::check(&store::spin::open(label)?, label).map_err(Problem::not_ready)?;
    }
    Ok(())
}

async fn register_key() -> Result<DigestKey, Problem> {
    let text = web::variable("register_key").await?;
    DigestKey::from_hex(&text)
        .ok_or_else(|| Problem::not_ready("register_key is not 64 hexadecimal digits"))
}

/// Compares a card and counts a wrong answer, durably, before anything is said.
async fn look_up(card: &IdCard, day: TaipeiDay) -> Result<Answer, Problem> {
    let key = register_key().await?;
    let person = key.person(card);
    let finding = Register(store::spin::open(Label::Register)?).compare(person, key.card(card))?;
    let attempts = Attempts(store::spin::open(Label::Attempts)?);
    let count = match finding {
        RecordFinding::Differs => attempts.count_wrong(person, day)?,
        _ => attempts.wrong_so_far(person, day)?,
    };
    Ok(domain::judge(finding, count))
}

fn refused(refusal: TokenRefused, no_credentials: &'static str) -> Reply {
    let (status, message) = match refusal {
        TokenRefused::Claim(_) => (StatusCode::UNAUTHORIZED, "a claim is not as agreed"),
        TokenRefused::Time(error) => (
            StatusCode::UNAUTHORIZED,
            match error {
                TimeError::NotYetValid => "token not valid yet",
                TimeError::Expired => "token expired",
                TimeError::Lifetime => "token lives too long",
            },
        ),
        TokenRefused::Certificate => (StatusCode::UNAUTHORIZED, "certificate not valid"),
        TokenRefused::Address => (StatusCode::FORBIDDEN, "Your IP address is not allowed"),
        TokenRefused::Closed => (StatusCode::UNAUTHORIZED, no_credentials),
    };
    legacy::refused(status, message)
}

/// The token of the one Authorization header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
