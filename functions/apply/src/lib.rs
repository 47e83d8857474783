//! Applications (A4 to A10): what may be applied for, the signed application, and the
//! upload of a system's certificate.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{ApplyError, CaseId, IssKey, SealingKey, SubmissionContext};
use http::{Method, StatusCode};
use pki::{Judgement, Purpose, SigningInput, TrustStore, VerifiedSignature};
use serde::{Deserialize, Serialize};
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::schema::Label;
use store::{Cases, Database, Evidence, Replacement, Revocation, Transaction};
use web::{Problem, Reply, SignedRequest};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(route(request).await)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    let path = web::segments(&request);
    match (path.last().map(String::as_str), request.method()) {
        (Some("readyz"), &Method::GET) => {
            let checks = async { web::digest_key().await.and(sealing_key().await).map(drop) };
            Ok(web::readiness(checks.await))
        }
        (Some("standing"), &Method::GET) => standing(&request).await,
        (Some("applications"), &Method::POST) => apply(request).await,
        (Some("certificates"), &Method::POST) => upload(request).await,
        (Some("possession-challenges"), &Method::POST) => possession_challenge(request).await,
        (Some("standing" | "readyz"), _) => Err(web::method_not_allowed("GET")),
        _ => Err(web::method_not_allowed("POST")),
    }
}

async fn sealing_key() -> Result<SealingKey, Problem> {
    SealingKey::from_hex(&web::variable("seal_key").await?)
        .ok_or_else(|| Problem::not_ready("seal_key is not 64 hexadecimal digits"))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StandingReply {
    open_case: bool,
    offered: Vec<Offer>,
}

#[derive(Serialize)]
struct Offer {
    kind: domain::CaseKind,
    word: &'static str,
}

/// 申請事項 that the company may choose from now (A3).
async fn standing(request: &Request) -> Result<Reply, Problem> {
    let ubn = web::require_company(request.headers(), web::now()).await?;
    let standing = Cases(store::spin::open(Label::Cases)?).standing(ubn)?;
    let offered = standing.offered().iter().map(|kind| Offer { kind: *kind, word: kind.word() });
    let reply = StandingReply { open_case: standing.open_case, offered: offered.collect() };
    Ok(web::json(StatusCode::OK, &reply))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PossessionChallenge {
    challenge: String,
    /// What the system's key is to sign.
    text: String,
    /// One line that does it.
    command: String,
    expires_at: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// A challenge for the key of the company's system (A7).
async fn possession_challenge(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let ubn = web::require_company(request.headers(), now).await?;
    let Nothing {} = SignedRequest::plain(request, &origin).await?;
    let value = BASE64_URL_SAFE_NO_PAD.encode(web::random::<32>());
    let cases = Cases(store::spin::open(Label::Cases)?);
    let issued = cases.issue_possession_challenge(value, &origin, ubn, now)?;
    let text = domain::possession_text(&origin, ubn, &issued.challenge);
    let command =
        format!("printf '%s' '{text}' | openssl dgst -sha256 -sign system.key | openssl base64 -A");
    let reply = PossessionChallenge {
        challenge: issued.challenge,
        text,
        command,
        expires_at: issued.expires_at.to_string(),
    };
    Ok(web::json(StatusCode::CREATED, &reply))
}

/// A signature that was judged, and what it is for.
struct Signed {
    session: domain::Ubn,
    signed_data: Vec<u8>,
    proof: VerifiedSignature,
    /// The proof's, and how it came from the card.
    judgement: Judgement,
    input: SigningInput,
    origin: String,
    now: jiff::Timestamp,
    trust: std::rc::Rc<TrustStore>,
}

impl Signed {
    async fn read(request: Request, purpose: Purpose) -> Result<Self, Problem> {
        let origin = web::origin().await?;
        let now = web::now();
        let session = web::require_company(request.headers(), now).await?;
        let SignedRequest { signed_data, transport } =
            web::signed_request(request, &origin).await?;
        let trust = web::trust().await?;
        let lists = Revocation(store::spin::open(Label::Revocation)?);
        let proof = web::confirm(trust.verify(&signed_data, now)?, &lists, now).await?;
        let input = domain::signed_input(&proof, &origin, purpose)?;
        let judgement = Judgement { transport, ..proof.judgement().clone() };
        Ok(Self { session, signed_data, proof, judgement, input, origin, now, trust })
    }

    fn context(&self, cases: &Cases<impl Database>) -> Result<SubmissionContext, Problem> {
        Ok(SubmissionContext {
            session: self.session,
            standing: cases.standing(self.session)?,
            addresses: web::addresses(&self.trust),
            case_id: CaseId::from_random(web::random()),
            now: self.now,
        })
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            signed_data: &self.signed_data,
            judgement: &self.judgement,
            challenge: &self.input.challenge,
            purpose: self.input.purpose,
            origin: &self.origin,
        }
    }
}

async fn apply(request: Request) -> Result<Reply, Problem> {
    let signed = Signed::read(request, Purpose::Apply).await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let submission = domain::submit(&signed.proof, &signed.input, &signed.context(&cases)?)?;
    cases.keep_submission(&submission, signed.evidence())?;
    transaction.commit()?;
    Ok(web::json(StatusCode::CREATED, &submission.receipt()))
}

async fn upload(request: Request) -> Result<Reply, Problem> {
    let digest_key = web::digest_key().await?;
    let sealing_key = sealing_key().await?;
    let signed = Signed::read(request, Purpose::UploadCertificate).await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let context = signed.context(&cases)?;
    let lists = Revocation(store::spin::open(Label::Revocation)?);
    let upload =
        domain::accept_upload(&signed.proof, &signed.input, &context, &signed.trust, &lists)?;
    let account = cases
        .account(signed.session)?
        .ok_or(ApplyError::NotOffered { kind: domain::CaseKind::CertificateUpload })?;
    let (iss_key, replacement) = match account.iss_key {
        Some(sealed) => (
            IssKey::open(&sealed, signed.session, &sealing_key).map_err(Problem::internal)?,
            Replacement::SameIssKey,
        ),
        None => {
            let key = IssKey::from_random(&web::random())
                .ok_or_else(|| Problem::internal("randomness gave no isskey"))?;
            let sealed =
                key.seal(signed.session, &sealing_key, web::random()).map_err(Problem::internal)?;
            let digest = IssKey::lookup_digest(key.reveal(), &digest_key);
            (key, Replacement::NewIssKey { digest, sealed })
        }
    };
    cases.keep_upload(&upload, &replacement, signed.evidence())?;
    let mut receipt = cases.case(upload.case.id)?.receipt();
    transaction.commit()?;
    receipt.iss_key = Some(iss_key.reveal().to_owned());
    Ok(web::json(StatusCode::CREATED, &receipt))
}
