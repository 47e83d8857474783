//! The confirmation call: a CMS message signed by an approved server certificate, answered pair
//! by pair.

use domain::{
    Code, ConfirmationRefused, ConfirmationRequest, PairAnswer, PersonDigest, ServiceState,
};
use http::StatusCode;
use serde::Serialize;
use sha2::{Digest, Sha256};
use spin_sdk::http::Request;
use store::schema::Label;
use store::{Cases, Citizens, Confirmations, NewConfirmation, ServiceRow, Transaction};
use web::{Problem, Reply};

/// The request's media type (RFC 8551, section 3.2).
const MEDIA_TYPE: &str = "application/pkcs7-mime";

#[derive(Serialize)]
struct Answered {
    /// From 1 for each service: what the record knows the request by.
    number: i64,
    /// 0, 1, 2 or 999, in the order of the pairs.
    answers: Vec<u16>,
}

pub(crate) async fn confirm(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let message = web::bytes(request, MEDIA_TYPE).await?;
    let trust = web::trust().await?;
    let lists = store::spin::standings()?;
    // No challenge of ours is inside: the lists decide, so that a request sent again and again
    // has no responder asked.
    let signature = trust.verify_server_message(&message, now)?;
    let proof = web::confirm(signature, &lists, now, |_| Ok(false)).await?;
    let cases = Cases(store::spin::open(Label::Cases)?);
    let fingerprint = proof.certificate().fingerprint();
    let service =
        cases.service_of_certificate(&fingerprint.0, now)?.ok_or(ConfirmationRefused::Unknown)?;
    let state = service.state(now);
    if state != ServiceState::Open {
        return Err(ConfirmationRefused::NotOpen { state }.into());
    }
    let asked = ConfirmationRequest::read(proof.content(), &origin, now)?;
    let sha256: [u8; 32] = Sha256::digest(proof.content()).into();
    let answered = answer(&service, &asked, sha256).await?;
    Ok(web::json(StatusCode::OK, &answered))
}

/// One transaction: the nonce, the limit, the answers and their record.
async fn answer(
    service: &ServiceRow,
    asked: &ConfirmationRequest,
    sha256: [u8; 32],
) -> Result<Answered, Problem> {
    let key = web::register_key().await?;
    let at = web::precise_now();
    let citizens = Citizens(store::spin::open(Label::Citizens)?);
    let database = store::spin::open(Label::Confirmations)?;
    let transaction = Transaction::begin(&database)?;
    let record = Confirmations(&transaction);
    if let Some(earlier) = record.earlier(service.id, &asked.nonce)? {
        // The very same request gets its answer again; another one with its nonce gets none.
        return match earlier.sha256 == sha256 {
            true => Ok(Answered { number: earlier.number, answers: earlier.answers }),
            false => Err(Code::ConfirmationReplayed.into()),
        };
    }
    let due = record.due(service.id)?;
    if !service.rate.judge(due, at.as_microsecond()).allowed {
        return Err(Code::TooManyRequests.into());
    }
    let mut answers = Vec::with_capacity(asked.pairs.len());
    let mut people: Vec<(usize, PersonDigest)> = Vec::new();
    // A register that was never filled knows nobody: it would answer each pair wrongly.
    let mut answering = matches!(citizens.is_empty(), Ok(false));
    for (place, pair) in asked.pairs.iter().enumerate() {
        let answer = match pair.read() {
            // A pair in another form is no pair of the register.
            None => PairAnswer::NoMatch,
            Some((serial, number)) => {
                let person = key.person_of(&number);
                people.push((place, person));
                // A register that does not answer is waited for once, not a thousand times.
                let found = answering.then(|| citizens.find(serial, person));
                answering = matches!(found, Some(Ok(_)));
                found.and_then(Result::ok).map_or(PairAnswer::Fault, PairAnswer::from)
            }
        };
        answers.push(answer.code());
    }
    let new = NewConfirmation {
        service: service.id,
        at,
        nonce: &asked.nonce,
        sha256,
        purpose: &asked.purpose,
        answers: &answers,
        people: &people,
        rate: service.rate,
    };
    let number = record.record(&new)?;
    transaction.commit()?;
    Ok(Answered { number, answers })
}
