//! The applicants' side: what may be applied for, the signed annex, the state of each service,
//! answers to demands.

use domain::letter::Subject;
use domain::{
    Applicant, AskedCase, Case, CaseId, Code, ConfirmationContext, Ground, Policy, RocDateTime,
    RocDay, TermsReference,
};
use http::StatusCode;
use pki::{Judgement, Purpose, UploadedCertificate};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use spin_sdk::http::Request;
use store::schema::Label;
use store::{CaseRow, Cases, Content, Database, DemandRow, Evidence, ServiceRow, Transaction};
use web::{CheckableReceipt, PreviewRequest, Problem, Reply, SignedRequest};

/// Longest answer to a demand, in characters.
const MAX_ANSWER: usize = 1000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    applicant: Applicant,
    /// Whether the list of supervised institutions has it.
    supervised: bool,
    open_case: bool,
    /// The first day that may be applied for, `YYYY-MM-DD`.
    earliest_day: String,
    /// Today, `YYYY-MM-DD`, as the form's checks count.
    today: String,
    terms: TermsReference,
    asked: Option<Value>,
    services: Vec<Value>,
    cases: Vec<Value>,
}

pub(crate) async fn status(request: &Request) -> Result<Reply, Problem> {
    let now = web::now();
    let applicant = web::require_applicant(request.headers(), now).await?;
    let cases = Cases(store::spin::open(Label::Cases)?);
    let (supervised, open_case, asked) = cases.confirmation_standing(applicant)?;
    let today = RocDay::of(now).0;
    let asked = match asked {
        None => None,
        Some(asked) => question(&cases, asked, now)?,
    };
    let mut services = Vec::new();
    for row in cases.services_of(applicant)? {
        let demands: Vec<_> = cases.demands(row.id)?.iter().map(demand_view).collect();
        services.push(service_view(&row, demands, now));
    }
    let mut views = Vec::new();
    for row in cases.cases_of(applicant)? {
        if row.case.kind.service() == domain::Service::Confirmation {
            views.push(annex(&cases, &row, now)?);
        }
    }
    let reply = Status {
        applicant,
        supervised,
        open_case,
        earliest_day: domain::earliest_day(today).to_string(),
        today: today.to_string(),
        terms: domain::confirmation_terms(),
        asked,
        services,
        cases: views,
    };
    Ok(web::json(StatusCode::OK, &reply))
}

/// What the applicant was asked for, and the annex as it stands.
fn question(
    cases: &Cases<impl Database>,
    asked: AskedCase,
    now: jiff::Timestamp,
) -> Result<Option<Value>, Problem> {
    let Some(question) = cases.questions(asked.id)?.pop() else { return Ok(None) };
    let filed = RocDay::of(asked.submitted_at).0;
    let calendar = cases.calendar()?;
    let until = calendar.nth_working_day_after(question.asked_at, question.answer_days);
    let grounds: Vec<_> = question.grounds.into_iter().map(Ground::words).collect();
    Ok(Some(json!({
        "case": annex(cases, &cases.case(asked.id)?, now)?,
        "grounds": grounds,
        "text": question.text,
        // The form's checks count from the day of the application.
        "today": filed.to_string(),
        "earliestDay": domain::earliest_day(filed).to_string(),
        "until": until.map(|day| RocDay(day).to_string()),
    })))
}

fn service_view(row: &ServiceRow, demands: Vec<Value>, now: jiff::Timestamp) -> Value {
    let state = row.state(now);
    json!({
        "number": row.id,
        "systemName": row.system_name,
        "serverSerial": row.server_serial,
        "state": state,
        "stateWord": state.word(),
        "opensOn": RocDay(row.times.opens_on).to_string(),
        "closesOn": row.times.closes_on.map(|day| RocDay(day).to_string()),
        "certificateEnds": RocDay::of(row.times.not_after).to_string(),
        "stoppedAt": row.times.stopped_at.map(|at| RocDateTime(at).to_string()),
        "stopGround": row.stop.as_ref().map(|(ground, _)| ground.word()),
        "stopReason": row.stop.as_ref().map(|(_, reason)| reason.clone()),
        "demands": demands,
    })
}

fn demand_view(row: &DemandRow) -> Value {
    json!({
        "number": row.id,
        "kindWord": row.kind.word(),
        "text": row.text,
        "dueOn": RocDay(row.due_on).to_string(),
        "demandedAt": RocDateTime(row.demanded_at).to_string(),
        "answer": row.answer,
        "open": row.closed_at.is_none(),
        "met": row.met,
    })
}

/// A case as the annex shows it, with its result.
fn annex(
    cases: &Cases<impl Database>,
    row: &CaseRow,
    now: jiff::Timestamp,
) -> Result<Value, Problem> {
    let form = cases.confirmation_form(row)?;
    let until = Case::cancellable_until(&row.case).filter(|until| *until >= now);
    Ok(json!({
        "serialNumber": row.case.id,
        "kind": row.case.kind,
        "kindWord": row.case.kind.case_word(),
        "state": row.case.state,
        "stateWord": row.case.state.word(),
        "submittedAtRoc": RocDateTime(row.case.submitted_at).to_string(),
        "decidedAtRoc": row.decided_at.map(|at| RocDateTime(at).to_string()),
        "result": row.result,
        "grounds": row.grounds.iter().map(|ground| ground.words()).collect::<Vec<_>>(),
        "cancellableUntil": until.map(|until| until.to_string()),
        "organisationName": row.company_name,
        "text": row.reason,
        "organisationAddress": form.as_ref().map(|form| form.address.clone()),
        "systemName": form.as_ref().map(|form| form.system_name.clone()),
        "serverSerial": form.as_ref().map(|form| form.server_serial.clone()),
        "contact": form.as_ref().map(|form| form.contact.clone()),
        "deputy": form.as_ref().map(|form| form.deputy.clone()),
        "day": form.as_ref().map(|form| form.day.to_string()),
        "dayRoc": form.as_ref().map(|form| RocDay(form.day).to_string()),
        "certificateEnds":
            form.as_ref().and_then(|form| form.not_after).map(|at| RocDay::of(at).to_string()),
        "termsVersion": form.map(|form| form.terms_version),
    }))
}

pub(crate) async fn case(request: &Request, id: &str) -> Result<Reply, Problem> {
    let now = web::now();
    let applicant = web::require_applicant(request.headers(), now).await?;
    let id = CaseId::parse(id).ok_or(Code::CaseNotFound)?;
    let cases = Cases(store::spin::open(Label::Cases)?);
    let row = cases.case_of(applicant, id)?;
    Ok(web::json(StatusCode::OK, &annex(&cases, &row, now)?))
}

/// Looks at a server certificate's file before it is signed and sent; nothing is kept.
pub(crate) async fn preview(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let applicant = web::require_applicant(request.headers(), now).await?;
    let (certificate, preview) =
        SignedRequest::plain::<PreviewRequest>(request, &origin).await?.read()?;
    let trust = web::trust().await?;
    let lists = store::spin::standings()?;
    let cases = Cases(store::spin::open(Label::Cases)?);
    let judged = domain::judge_server_certificate(certificate, applicant, &trust, &lists, now)
        .map_err(Problem::from)
        .and_then(|server| free(&cases, &server, applicant));
    Ok(web::json(StatusCode::OK, &preview.judged(judged)))
}

pub(crate) async fn apply(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let edition = web::edition().await?;
    let now = web::now();
    let session = web::require_applicant(request.headers(), now).await?;
    let SignedRequest { signed_data, transport } = web::signed_request(request, &origin).await?;
    let trust = web::trust().await?;
    let lists = store::spin::standings()?;
    let is_open = |challenge: &str| Ok(store::spin::challenge_is_open(challenge, &origin, now)?);
    let proof = web::confirm(trust.verify(&signed_data, now)?, &lists, now, is_open).await?;
    let input = domain::signed_input(&proof, &origin, Purpose::Apply)?;
    let judgement = Judgement { transport, ..proof.judgement().clone() };
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    if let Some(known) = cases.case_of_message(session, &input.challenge, &signed_data)? {
        return Ok(web::json(StatusCode::OK, &CheckableReceipt::new(known.receipt(), &origin)));
    }
    let (supervised, open_case, asked) = cases.confirmation_standing(session)?;
    let case_id = CaseId::from_random(web::random());
    let context = ConfirmationContext { session, supervised, open_case, asked, case_id, now };
    let submission =
        domain::submit_confirmation(&proof, &input.document, &context, &trust, &lists)?;
    match &submission.certificate {
        Some(server) => free(&cases, server, session)?,
        None if !stoppable(&cases, session, &submission)? => {
            return Err(domain::ConfirmationApplyError::NoService.into());
        }
        None => {}
    }
    let policy = Policy::ReviewDays;
    let review_days = cases.policy(policy, RocDay::of(now).0)?;
    let evidence = Evidence {
        signed_data: &signed_data,
        judgement: &judgement,
        challenge: &input.challenge,
        purpose: input.purpose,
        origin: &origin,
    };
    let review_days = review_days.unwrap_or_else(|| policy.of_edition(edition));
    cases.keep_confirmation(&submission, evidence, review_days)?;
    let row = cases.case(submission.case.id)?;
    if submission.form.draft.answers.is_none() {
        let subject = Subject::Received { expected: row.clock.due(&cases.calendar()?) };
        let content = Content { grounds: &[], text: "", edited: None, origin: &origin };
        cases.write_case_letter(&row, subject, content, now)?;
    }
    transaction.commit()?;
    Ok(web::json(StatusCode::CREATED, &CheckableReceipt::new(row.receipt(), &origin)))
}

/// Refuses a server certificate that serves already.
fn free(
    cases: &Cases<impl Database>,
    server: &UploadedCertificate,
    applicant: Applicant,
) -> Result<(), Problem> {
    let sha256 = server.certificate().fingerprint().0;
    match cases.is_server_certificate_in_use(&sha256, applicant)? {
        true => Err(Code::ServerCertificateInUse.into()),
        false => Ok(()),
    }
}

/// Whether there is a service with this serial number that has neither ended nor been stopped.
fn stoppable(
    cases: &Cases<impl Database>,
    applicant: Applicant,
    submission: &domain::ConfirmationSubmission,
) -> Result<bool, Problem> {
    let serial = &submission.form.draft.server_serial;
    Ok(cases.services_of(applicant)?.iter().any(|service| {
        service.server_serial == *serial
            && service.times.closes_on.is_none()
            && service.times.stopped_at.is_none()
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DemandAnswer {
    text: String,
}

/// The answer to a demand: whether it is met, officers say.
pub(crate) async fn answer(request: Request, id: &str) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let applicant = web::require_applicant(request.headers(), now).await?;
    let id: i64 = id.parse().map_err(|_| Code::NotFound)?;
    let DemandAnswer { text } = SignedRequest::plain(request, &origin).await?;
    let text = domain::result_text(&text, MAX_ANSWER)?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let demand = cases.demand(id)?.ok_or(Code::NotFound)?;
    let service = cases.service(demand.service)?.ok_or(Code::NotFound)?;
    if service.applicant != applicant {
        return Err(Code::NotFound.into());
    }
    cases.answer_demand(&service, id, &text, now)?;
    transaction.commit()?;
    Ok(web::empty())
}
