//! What officers are asked before a registration goes through: a case in their workbench.

use domain::letter::Subject;
use domain::{AskerDraft, CaseId, CaseKind, Code, RocDay, VisitKind};
use http::StatusCode;
use serde::Serialize;
use spin_sdk::http::Request;
use store::schema::Label;
use store::{Cases, Content, NewRegistrationCase, Transaction, VisitRow};
use web::{Problem, Reply, SignedRequest};

use crate::visits::Standing;
use crate::{Office, Offices, offices};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    /// S/N.
    serial_number: CaseId,
    /// 次一營業日, by the office calendar.
    next_working_day: Option<String>,
    offices: Offices,
    /// The office in charge, where the register knows the region.
    office: Option<String>,
}

/// What officers are to look at, by how far the cards came.
fn question(visit: &VisitRow) -> Result<CaseKind, Code> {
    match (&visit.organisation, &visit.citizen) {
        (Some(_), None) if !visit.admitted && visit.kind != VisitKind::FindOrganisation => {
            Ok(CaseKind::RegistrationMismatch)
        }
        (Some(_), Some(_)) if !visit.confirmed => Ok(CaseKind::ManagerChange),
        _ => Err(Code::VisitStep),
    }
}

/// Asks officers (figures 3-6, 3-7): name and phone are 必填.
pub(crate) async fn ask(request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let now = web::now();
    let headers = request.headers().clone();
    let draft: AskerDraft = SignedRequest::plain(request, &origin).await?;
    let offices = offices().await?;
    let standing = Standing::read().await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let visit = standing.visit(&cases, &headers, now)?;
    let kind = question(&visit)?;
    let asker = draft.parse()?;
    let id = CaseId::from_random(web::random());
    let new = NewRegistrationCase { id, kind, visit: &visit, asker: &asker, origin: &origin };
    let row = cases.ask_officers(new, now)?;
    let next = row.clock.due(&cases.calendar()?);
    let content = Content { grounds: &[], text: "", edited: None, origin: &origin };
    cases.write_case_letter(&row, Subject::Received { expected: next }, content, now)?;
    transaction.commit()?;
    let region = visit.organisation.and_then(|card| card.region);
    let office = region.and_then(|region| {
        let covers = |office: &&Office| {
            office.regions.iter().any(|known| region.starts_with(known.as_str()))
        };
        offices.offices.iter().find(covers).map(|office| office.name.clone())
    });
    let next_working_day = next.map(|day| RocDay(day).to_string());
    let reply = Asked { serial_number: id, next_working_day, offices, office };
    Ok(web::json(StatusCode::CREATED, &reply))
}
