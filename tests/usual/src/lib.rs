//! The verification call as a component is usually written: the `rsa` crate, keys parsed and
//! variables read for each request, a connection opened for each request (the bench runs it with one
//! instance for each). The rules, statements and answers are the service's own.

use std::net::IpAddr;
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{
    Admission, Answer, CallOutcome, Claims, DigestKey, IssKey, RecordFinding, TaipeiDay,
    TokenDigest,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use pki::jwt::Unverified;
use rsa::RsaPublicKey;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::sha2::{Digest, Sha256};
use rsa::signature::Verifier;
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::schema::Label;
use store::{Attempts, Calls, Cases, Finished, NewCall, Register, Reserved};
use web::{Problem, Reply, legacy};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(answer(request.headers()).await)
}

async fn key(name: &'static str) -> Result<DigestKey, Problem> {
    let text = web::variable(name).await?;
    DigestKey::from_hex(&text).ok_or_else(|| Problem::not_ready("a key"))
}

fn unauthorized() -> Reply {
    legacy::refused(StatusCode::UNAUTHORIZED, "no credentials found")
}

async fn answer(headers: &HeaderMap) -> Result<Reply, Problem> {
    let begun = Instant::now();
    let now = web::precise_now();
    let number = web::request_id(headers);
    let source: IpAddr = web::client_address(headers)?;
    let token = headers.get("authorization").and_then(|value| value.to_str().ok());
    let Some(token) = token.and_then(|value| value.strip_prefix("Bearer ")) else {
        return Ok(unauthorized());
    };
    let Ok(parsed) = Unverified::<Claims>::parse(token) else { return Ok(unauthorized()) };
    let claims = parsed.unverified_claims();
    let digest = IssKey::lookup_digest(&claims.iss, &key("digest_key").await?);
    let caller = Cases(store::spin::open(Label::Cases)?).caller(digest, now)?;
    let Some(caller) = caller else { return Ok(unauthorized()) };
    let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let verifies = |pkcs1: &[u8]| {
        let key = RsaPublicKey::from_pkcs1_der(pkcs1).ok();
        let signature = Signature::try_from(signature.as_slice()).ok();
        key.zip(signature).is_some_and(|(key, signature)| {
            VerifyingKey::<Sha256>::new(key).verify(signed.as_bytes(), &signature).is_ok()
        })
    };
    let certificate = caller.certificates.iter().find(|one| verifies(&one.public_key));
    let Some(certificate) = certificate else { return Ok(unauthorized()) };
    let outcome = match domain::admit(claims, &caller, certificate, source, now) {
        Ok(admission) => admission,
        Err(_) => return Ok(unauthorized()),
    };
    let token = TokenDigest::of_token(&Sha256::digest(signed.as_bytes()).into());
    let jti = TokenDigest::of_jti(&caller.ap_id, &claims.jti);
    let register_key = key("register_key").await?;
    let (settled, card) = match outcome {
        Admission::Settled(outcome) => (Some(outcome), None),
        Admission::Sandbox(_) => return Ok(unauthorized()),
        Admission::Lookup(card) => (None, Some(card)),
    };
    let person = card.as_ref().map(|card| register_key.person(card));
    let code = settled.map(|outcome: CallOutcome| outcome.code());
    let took = || i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX);
    let (reserved, _) = Calls(store::spin::open(Label::Calls)?).reserve(&NewCall {
        account: &caller.ap_id,
        at: now,
        outcome: code.as_deref(),
        request: number,
        jti,
        token,
        person,
        user_id: &claims.user_id,
        took: took(),
        rate: caller.rate,
        sandbox: caller.sandbox,
    })?;
    let kept = match reserved {
        Reserved::New(kept) => kept,
        Reserved::Earlier(earlier) if earlier.token == token => earlier.call,
        Reserved::Earlier(_) => return Ok(unauthorized()),
        Reserved::OverLimit => {
            return Ok(legacy::refused(StatusCode::TOO_MANY_REQUESTS, "rate limit"));
        }
    };
    let outcome = match (&kept.outcome, card, person) {
        (Some(code), ..) => CallOutcome::from_code(code),
        (None, Some(card), Some(person)) => {
            let day = TaipeiDay::of(now);
            let register = Register(store::spin::open(Label::Register)?);
            let finding = register.compare(person, register_key.card(&card))?;
            let attempts = Attempts(store::spin::open(Label::Attempts)?);
            let count = match finding {
                RecordFinding::Differs => attempts.count_wrong(person, day, token)?,
                _ if attempts.is_locked(person, day)? => None,
                _ => Some(0),
            };
            let answer: Answer = domain::judge(finding, count, caller.change_codes);
            let outcome = CallOutcome::Answered(answer);
            Calls(store::spin::open(Label::Calls)?).finish(&Finished {
                account: &caller.ap_id,
                number: kept.number,
                at: now,
                outcome: &outcome.code(),
                request: number,
                took: took(),
            })?;
            Some(outcome)
        }
        _ => None,
    };
    let Some(outcome) = outcome else { return Ok(unauthorized()) };
    let mut reply = legacy::outcome(&outcome);
    if let Ok(value) = HeaderValue::from_str(&hex::encode(number)) {
        reply.headers_mut().insert("x-request-id", value);
    }
    Ok(reply)
}
