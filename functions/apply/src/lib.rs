//! Applications (A4 to A10): what may be applied for, the signed application, and the
//! upload of a system's certificate.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::letter::Subject;
use domain::{
    Actor, ApplyError, CaseId, Edition, Ground, GroundWords, HandlerPermission, HandoverStep,
    IssKey, Policy, Receipt, RocDay, SubmissionContext,
};
use http::{HeaderMap, Method, StatusCode};
use pki::{Judgement, Purpose, SigningInput, TrustStore, VerifiedSignature};
use serde::{Deserialize, Serialize};
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::http_service;
use store::schema::Label;
use store::{CaseRow, Cases, Content, Database, Evidence, NewIssKey, Replacement, Transaction};
use web::{
    CertificatesChecked, CheckableReceipt, Nothing, PreviewRequest, Problem, Reply, SignedRequest,
};

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::respond(route(request).await)
}

async fn route(request: Request) -> Result<Reply, Problem> {
    if request.uri().path() == web::CERTIFICATE_CHECKS_PATH {
        // No public route leads here.
        return check_certificates(request).await;
    }
    let path = web::segments(&request);
    match (path.last().map(String::as_str), request.method()) {
        (Some("readyz"), &Method::GET) => {
            let checks = async {
                web::digest_key().await?;
                web::sealing_key().await?;
                web::edition().await.map(drop)
            };
            Ok(web::readiness(checks.await))
        }
        (Some("standing"), &Method::GET) => standing(&request).await,
        (Some("applications"), &Method::POST) => apply(request).await,
        (Some("certificates"), &Method::POST) => upload(request).await,
        (Some("iss-keys"), &Method::POST) => renew_iss_key(request).await,
        (Some("certificate-previews"), &Method::POST) => preview(request).await,
        (Some("possession-challenges"), &Method::POST) => possession_challenge(request).await,
        (Some("standing" | "readyz"), _) => Err(web::method_not_allowed("GET")),
        _ => Err(web::method_not_allowed("POST")),
    }
}

/// Judges the certificates again that systems sign tokens with: `functions/refresh` asks for it
/// when it has taken a list, and then the next call is answered by it.
async fn check_certificates(request: Request) -> Result<Reply, Problem> {
    let after = web::certificate_checks(request).await?.unwrap_or_default();
    let trust = web::trust().await?;
    let cases = store::spin::open(Label::Cases)?;
    let lists = store::spin::open(Label::Revocation)?;
    let (changes, next) = store::check_certificates(&cases, &lists, &trust, &after, web::now())?;
    let refused = changes.iter().filter(|change| change.revoked).count();
    let checked = CertificatesChecked {
        refused,
        accepted_again: changes.len() - refused,
        after: next.map(hex::encode),
    };
    Ok(web::json(StatusCode::OK, &checked))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StandingReply {
    open_case: bool,
    offered: Vec<Offer>,
    /// What the company was asked for, and has not answered yet.
    asked: Option<Asked>,
    /// 統編變更: the former 統一編號 whose account goes on under this one.
    takes_over: Option<domain::Ubn>,
}

#[derive(Serialize)]
struct Offer {
    kind: domain::CaseKind,
    word: &'static str,
}

/// What the company was asked for, and the application as it stands: what the form of the
/// answer is filled with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    #[serde(flatten)]
    receipt: Receipt,
    contact_name: String,
    grounds: Vec<GroundWords>,
    text: String,
    /// The last day for the answer, `112/11/17`.
    until: Option<String>,
}

/// The company for which somebody prepares an application: the company itself, or a handler with
/// API申請. What is sent carries the signature of the company's card in either case.
async fn may_apply(
    cases: &Cases<impl Database>,
    headers: &HeaderMap,
    now: jiff::Timestamp,
) -> Result<domain::Ubn, Problem> {
    let asker = web::require_asker(headers, now).await?;
    Ok(cases.company_of(&asker, HandlerPermission::Apply)?)
}

/// 申請事項 that the company may choose from now (A3), or what it was asked for.
async fn standing(request: &Request) -> Result<Reply, Problem> {
    let cases = Cases(store::spin::open(Label::Cases)?);
    let ubn = may_apply(&cases, request.headers(), web::now()).await?;
    let standing = cases.standing(ubn)?;
    let offered = standing
        .offered(web::edition().await?)
        .iter()
        .map(|kind| Offer { kind: *kind, word: kind.word() });
    let asked = match standing.asked {
        None => None,
        Some((id, _)) => asked(&cases, id)?,
    };
    let reply = StandingReply {
        open_case: standing.open_case,
        offered: offered.collect(),
        asked,
        takes_over: standing.takes_over,
    };
    Ok(web::json(StatusCode::OK, &reply))
}

fn asked(cases: &Cases<impl Database>, id: CaseId) -> Result<Option<Asked>, Problem> {
    let row = cases.case(id)?;
    let Some(question) = cases.questions(id)?.pop() else { return Ok(None) };
    let calendar = cases.calendar()?;
    let until = calendar.nth_working_day_after(question.asked_at, question.answer_days);
    Ok(Some(Asked {
        receipt: row.receipt(),
        contact_name: row.contact_name,
        grounds: question.grounds.into_iter().map(Ground::words).collect(),
        text: question.text,
        until: until.map(|day| RocDay(day).to_string()),
    }))
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
struct RenewalRequest {
    /// Whether somebody else knows the isskey: it ends at once then.
    leaked: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Renewal {
    iss_key: String,
    /// The last day of the former one, `112/11/17`; none when it has ended.
    former_until: Option<String>,
}

/// Another isskey: beside the former one for some days, or in its place at once.
async fn renew_iss_key(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let ubn = web::require_company(request.headers(), now).await?;
    let RenewalRequest { leaked } = SignedRequest::plain(request, &origin).await?;
    let (iss_key, digest, sealed) = web::new_iss_key(ubn).await?;
    let key = NewIssKey { digest, sealed };
    let last = RocDay::of(now).plus(domain::ISS_KEY_OVERLAP_DAYS);
    let former_until = Some(last).filter(|_| !leaked);
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let row = cases.account(ubn)?.ok_or(domain::Code::AccountState)?;
    let end = former_until.map(RocDay::end);
    cases.renew_iss_key(ubn, &key, end, Actor::Applicant(ubn.into()), now)?;
    let subject = match former_until {
        Some(RocDay(until)) => Subject::KeyRenewed { until },
        None => Subject::KeyBlocked,
    };
    cases.write_account_letter(&row, subject, "", &origin, now)?;
    transaction.commit()?;
    let renewal = Renewal {
        iss_key: iss_key.reveal().to_owned(),
        former_until: former_until.map(|day| day.to_string()),
    };
    Ok(web::json(StatusCode::CREATED, &renewal))
}

/// A challenge for the key of the company's system (A7).
async fn possession_challenge(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let cases = Cases(store::spin::open(Label::Cases)?);
    let ubn = may_apply(&cases, request.headers(), now).await?;
    let Nothing {} = SignedRequest::plain(request, &origin).await?;
    let value = BASE64_URL_SAFE_NO_PAD.encode(web::random::<32>());
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

/// Looks at a certificate file before it is signed and sent; nothing is kept.
async fn preview(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let cases = Cases(store::spin::open(Label::Cases)?);
    let ubn = may_apply(&cases, request.headers(), now).await?;
    let (certificate, preview) =
        SignedRequest::plain::<PreviewRequest>(request, &origin).await?.read()?;
    let lists = store::spin::standings()?;
    let trust = web::trust().await?;
    let judged = domain::judge_upload(certificate, ubn, &trust, &lists, now);
    Ok(web::json(StatusCode::OK, &preview.judged(judged)))
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
    edition: Edition,
    now: jiff::Timestamp,
    trust: std::rc::Rc<TrustStore>,
}

impl Signed {
    async fn read(request: Request, purpose: Purpose) -> Result<Self, Problem> {
        let origin = web::origin().await?;
        let now = web::now();
        let cases = Cases(store::spin::open(Label::Cases)?);
        let session = may_apply(&cases, request.headers(), now).await?;
        let SignedRequest { signed_data, transport } =
            web::signed_request(request, &origin).await?;
        let trust = web::trust().await?;
        let lists = store::spin::standings()?;
        let is_open =
            |challenge: &str| Ok(store::spin::challenge_is_open(challenge, &origin, now)?);
        let signature = trust.verify(&signed_data, now)?;
        let proof = web::confirm(signature, &lists, now, is_open).await?;
        let input = domain::signed_input(&proof, &origin, purpose)?;
        let judgement = Judgement { transport, ..proof.judgement().clone() };
        let edition = web::edition().await?;
        Ok(Self { session, signed_data, proof, judgement, input, origin, edition, now, trust })
    }

    fn context(&self, cases: &Cases<impl Database>) -> Result<SubmissionContext, Problem> {
        Ok(SubmissionContext {
            session: self.session,
            standing: cases.standing(self.session)?,
            edition: self.edition,
            addresses: web::addresses(&self.trust),
            case_id: CaseId::from_random(web::random()),
            now: self.now,
        })
    }

    /// The case that this very message has opened already: whoever did not get the answer
    /// sends the message again, and gets it once more.
    fn known(&self, cases: &Cases<impl Database>) -> Result<Option<CaseRow>, Problem> {
        Ok(cases.case_of_message(self.session, &self.input.challenge, &self.signed_data)?)
    }

    fn answer(&self, status: StatusCode, receipt: Receipt) -> Reply {
        web::json(status, &CheckableReceipt::new(receipt, &self.origin))
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
    if let Some(known) = signed.known(&cases)? {
        return Ok(signed.answer(StatusCode::OK, known.receipt()));
    }
    let submission = domain::submit(&signed.proof, &signed.input, &signed.context(&cases)?)?;
    let (policy, today) = (Policy::ReviewDays, RocDay::of(signed.now).0);
    let review_days = cases.policy(policy, today)?;
    let review_days = review_days.unwrap_or_else(|| policy.of_edition(signed.edition));
    cases.keep_submission(&submission, signed.evidence(), review_days)?;
    let row = cases.case(submission.case.id)?;
    if submission.application.answers.is_none() {
        let subject = Subject::Received { expected: row.clock.due(&cases.calendar()?) };
        let content = Content { grounds: &[], text: "", edited: None, origin: &signed.origin };
        cases.write_case_letter(&row, subject, content, signed.now)?;
    }
    transaction.commit()?;
    Ok(signed.answer(StatusCode::CREATED, row.receipt()))
}

async fn upload(request: Request) -> Result<Reply, Problem> {
    let sealing_key = web::sealing_key().await?;
    let signed = Signed::read(request, Purpose::UploadCertificate).await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    if let Some(known) = signed.known(&cases)? {
        let account = cases.account(signed.session)?;
        let sealed = account.and_then(|account| account.iss_key);
        let open = |sealed| IssKey::open(&sealed, signed.session, &sealing_key);
        let iss_key = sealed.map(open).transpose().map_err(Problem::internal)?;
        let mut receipt = known.receipt();
        receipt.iss_key = iss_key.map(|key| key.reveal().to_owned());
        return Ok(signed.answer(StatusCode::OK, receipt));
    }
    let context = signed.context(&cases)?;
    let lists = store::spin::standings()?;
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
            let (key, digest, sealed) = web::new_iss_key(signed.session).await?;
            (key, Replacement::NewIssKey(NewIssKey { digest, sealed }))
        }
    };
    cases.keep_upload(&upload, &replacement, signed.evidence())?;
    // From now on the new account can be called with: the former one ends.
    if let Some(row) = cases.complete_handover(signed.session, signed.now)? {
        let (former, successor) = (row.account.ubn, signed.session);
        let subject = Subject::Handover { step: HandoverStep::Done, former, successor };
        cases.write_account_letter(&row, subject, "", &signed.origin, signed.now)?;
    }
    let mut receipt = cases.case(upload.case.id)?.receipt();
    transaction.commit()?;
    receipt.iss_key = Some(iss_key.reveal().to_owned());
    Ok(signed.answer(StatusCode::CREATED, receipt))
}
