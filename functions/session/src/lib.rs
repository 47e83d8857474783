//! Challenges and sessions: sign in with a card, sign out; and what pages need to know.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{
    Act, Actor, Agreement, Applicant, Code, Edition, HandlerCard, HandlerPermission, SignedIn,
};
use http::{Method, StatusCode, header};
use pki::{Environment, Purpose};
use serde::{Deserialize, Serialize};
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::schema::Label;
use store::{Cases, Deed, Transaction};
use web::{Problem, Reply, Session, SignedRequest, Who};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(route(request).await)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    let path = web::segments(&request);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (path.as_slice(), request.method()) {
        (["readyz"], &Method::GET) => ready().await,
        (["api", "config"], &Method::GET) => config().await,
        (["api", "challenges"], &Method::POST) => challenge(request).await,
        (["api", "session"], &Method::POST) => sign_in(request).await,
        (["api", "session"], &Method::GET) => current(&request).await,
        (["api", "session"], &Method::DELETE) => sign_out(&request).await,
        (["readyz"] | ["api", "config"], _) => Err(web::method_not_allowed("GET")),
        (["api", "challenges"], _) => Err(web::method_not_allowed("POST")),
        (["api", "session"], _) => Err(web::method_not_allowed("GET, POST, DELETE")),
        _ => Err(Code::NotFound.into()),
    }
}

/// Whether everything is there that sign-in and the pages need.
async fn ready() -> Result<Reply, Problem> {
    let checks = async {
        web::trust().await?;
        web::origin().await?;
        web::variable("bridge_url").await?;
        web::edition().await?;
        for label in [Label::Cases, Label::Revocation] {
            store::schema::check(&store::spin::open(label)?, label).map_err(Problem::not_ready)?;
        }
        Ok(())
    };
    Ok(web::readiness(checks.await))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    environment: Environment,
    origin: String,
    bridge_url: String,
    hipki_url: String,
    /// Where the bridge's packages are published; empty when nowhere.
    bridge_downloads: String,
    /// The ministry's manual that the pages follow.
    edition: Edition,
    /// What an applicant agrees to now.
    terms: Agreement,
}

async fn config() -> Result<Reply, Problem> {
    let edition = web::edition().await?;
    let config = Config {
        environment: web::trust().await?.environment(),
        origin: web::origin().await?,
        bridge_url: web::variable("bridge_url").await?,
        hipki_url: web::variable("hipki_url").await?,
        bridge_downloads: web::variable("bridge_downloads").await?,
        edition,
        terms: edition.agreement(),
    };
    Ok(web::json(StatusCode::OK, &config))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChallengeRequest {
    purpose: Purpose,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChallengeReply {
    challenge: String,
    purpose: Purpose,
    expires_at: String,
}

async fn challenge(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let headers = request.headers().clone();
    let ChallengeRequest { purpose } = SignedRequest::plain(request, &origin).await?;
    let now = web::now();
    let applicant: Option<Applicant> = match purpose {
        Purpose::SignIn | Purpose::UnlockCard => None,
        Purpose::Apply | Purpose::UploadCertificate => {
            let asker = web::require_asker(&headers, now).await?;
            let cases = Cases(store::spin::open(Label::Cases)?);
            Some(cases.applicant_of(&asker, HandlerPermission::Apply)?)
        }
        // A visit has challenges of its own.
        Purpose::ConfirmOrganisation
        | Purpose::ConfirmManager
        | Purpose::FindOrganisation
        | Purpose::FindSerial
        | Purpose::AcceptInvitation
        | Purpose::RenewHandler => return Err(Code::MalformedRequest.into()),
    };
    let value = BASE64_URL_SAFE_NO_PAD.encode(web::random::<32>());
    let cases = Cases(store::spin::open(Label::Cases)?);
    let issued = cases.issue_challenge(value, purpose, &origin, applicant, now)?;
    let reply = ChallengeReply {
        challenge: issued.challenge,
        purpose,
        expires_at: issued.expires_at.to_string(),
    };
    Ok(web::json(StatusCode::CREATED, &reply))
}

async fn sign_in(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let headers = request.headers().clone();
    let SignedRequest { signed_data, .. } = web::signed_request(request, &origin).await?;
    let now = web::now();
    let lists = store::spin::standings()?;
    let signature = web::trust().await?.verify(&signed_data, now)?;
    let is_open = |challenge: &str| Ok(store::spin::challenge_is_open(challenge, &origin, now)?);
    let proof = web::confirm(signature, &lists, now, is_open).await?;
    let input = domain::signed_input(&proof, &origin, Purpose::SignIn)?;
    let signed_in = domain::sign_in(&input.document, proof.credential())?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let (who, actor) = match signed_in {
        SignedIn::Company { ubn, name } => {
            (Who::Company { ubn, name }, Actor::Applicant(ubn.into()))
        }
        SignedIn::Organisation { organisation, name } => {
            (Who::Organisation { organisation, name }, Actor::Applicant(organisation.into()))
        }
        SignedIn::Citizen { subject, tail } => (Who::Citizen { subject, tail }, Actor::Citizen),
        SignedIn::Officer { subject } => {
            let officer = cases.officer(&subject)?.ok_or(Code::OfficerUnknown)?;
            let id = officer.id;
            (Who::Officer { id, name: officer.name }, Actor::Officer(id))
        }
        SignedIn::Handler(citizen) => {
            let card = HandlerCard {
                serial_number: proof.certificate().serial_number(),
                subject_serial: citizen.subject_serial,
                tail: citizen.tail,
            };
            cases.handler_seen(&card)?;
            let entries = cases.handlers_of_card(&card)?;
            let first = entries.first().ok_or(Code::HandlerUnknown)?.handler.id;
            let handler = (entries.len() == 1).then_some(first);
            (Who::Handler { handler, card, name: citizen.name }, Actor::Handler(first))
        }
    };
    cases.consume_challenge(&input.challenge, Purpose::SignIn, &origin, None, now)?;
    let mut deed = Deed::new(actor, Act::SignedIn, now);
    if let Actor::Applicant(applicant) = actor {
        deed = deed.on_company(applicant);
    }
    cases.log(&deed)?;
    transaction.commit()?;
    Session::end(&headers).await?;
    let (session, cookie) = Session::start(who, now).await?;
    let mut reply = web::json(StatusCode::CREATED, &session);
    reply.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(reply)
}

async fn current(request: &Request) -> Result<Reply, Problem> {
    let session = Session::of(request.headers(), web::now()).await?;
    Ok(web::json(StatusCode::OK, &session.ok_or(Code::NotSignedIn)?))
}

async fn sign_out(request: &Request) -> Result<Reply, Problem> {
    Session::end(request.headers()).await?;
    let mut reply = web::empty();
    reply.headers_mut().insert(header::SET_COOKIE, web::clear_cookie());
    Ok(reply)
}
