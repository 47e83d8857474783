//! Approved confirmation services: what is demanded of them, how they are stopped (points 6 and
//! 7), and the list of supervised institutions.

use domain::letter::{Facts, Subject};
use domain::{
    Applicant, Code, DemandKind, FieldProblem, FormCheck, OfficeCalendar, Officer, Permission,
    QueueFacts, RocDateTime, RocDay, ServiceState, StopGround,
};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use spin_sdk::http::Request;
use store::schema::Label;
use store::{Cases, Database, DemandRow, NewLetter, OpenDemandRow, ServiceRow, Transaction};
use web::{Problem, Reply, SignedRequest};

/// Longest text of an act, in characters.
const MAX_TEXT: usize = 500;

pub(crate) fn list(officer: &Officer) -> Result<Reply, Problem> {
    view(&Cases(store::spin::open(Label::Cases)?), officer)
}

fn view(cases: &Cases<impl Database>, officer: &Officer) -> Result<Reply, Problem> {
    let now = web::now();
    let stops = cases.open_stops()?;
    let mut services = Vec::new();
    for row in cases.services()? {
        let demands: Vec<_> = cases
            .demands(row.id)?
            .iter()
            .map(|demand| {
                json!({
                    "number": demand.id, "kind": demand.kind, "kindWord": demand.kind.word(),
                    "text": demand.text, "dueOn": RocDay(demand.due_on).to_string(),
                    "answer": demand.answer, "open": demand.closed_at.is_none(),
                    "met": demand.met,
                    "late": demand.closed_at.is_none() && demand.due_on < RocDay::of(now).0,
                    "mayBeUnmet": demand.may_be_unmet(now),
                })
            })
            .collect();
        let stop = stops.iter().find(|stop| stop.service == row.id).map(|stop| {
            json!({
                "number": stop.id, "groundWord": stop.ground.word(), "reason": stop.reason,
                "mayDecide": stop.proposed_by != officer.id
                    && officer.check_on(row.applicant, Permission::Endorse).is_ok(),
            })
        });
        let state = row.state(now);
        services.push(json!({
            "number": row.id, "case": row.case, "applicant": row.applicant, "name": row.name,
            "systemName": row.system_name, "serverSerial": row.server_serial,
            "state": state, "stateWord": state.word(),
            "opensOn": RocDay(row.times.opens_on).to_string(),
            "closesOn": row.times.closes_on.map(|day| RocDay(day).to_string()),
            "certificateEnds": RocDay::of(row.times.not_after).to_string(),
            "stoppedAt": row.times.stopped_at.map(|at| RocDateTime(at).to_string()),
            "stopGround": row.stop.as_ref().map(|(ground, _)| ground.word()),
            "stopReason": row.stop.as_ref().map(|(_, reason)| reason.clone()),
            "demands": demands, "stop": stop,
        }));
    }
    let grounds: Vec<_> = StopGround::ALL
        .iter()
        .map(|ground| json!({ "name": ground.name(), "word": ground.word() }))
        .collect();
    let body = json!({ "services": services, "grounds": grounds });
    Ok(web::json(StatusCode::OK, &body))
}

/// A demand or a stop in a queue, beside the cases.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Queued {
    #[serde(skip)]
    pub(crate) facts: QueueFacts,
    /// Number of the service.
    service: i64,
    kind_word: &'static str,
    company_name: String,
    system_name: String,
    applicant: Applicant,
    asked_at_roc: String,
    due: Option<String>,
    days_left: Option<i32>,
    state_word: &'static str,
    assigned_name: String,
}

/// Demands that nobody has closed and stops that wait for the second officer.
pub(crate) fn queued(
    cases: &Cases<impl Database>,
    calendar: &OfficeCalendar,
    now: Timestamp,
) -> Result<Vec<Queued>, Problem> {
    let mut queued = Vec::new();
    for OpenDemandRow { demand, by, by_name } in cases.open_demands()? {
        let answered = demand.answer.is_some();
        let facts = QueueFacts::of_demand(by, answered, demand.due_on, calendar, now);
        let state_word = match (answered, facts.waiting) {
            (true, _) => "已回覆",
            (false, true) => "待申請人辦理",
            (false, false) => "逾期未回覆",
        };
        let service = cases.service(demand.service)?.ok_or(Code::NotFound)?;
        queued.push(Queued {
            due: Some(RocDay(demand.due_on).to_string()),
            asked_at_roc: RocDateTime(demand.demanded_at).to_string(),
            ..Queued::of(service, facts, demand.kind.word(), state_word, by_name)
        });
    }
    for stop in cases.open_stops()? {
        let facts = QueueFacts::of_stop(stop.proposed_by);
        let service = cases.service(stop.service)?.ok_or(Code::NotFound)?;
        queued.push(Queued {
            asked_at_roc: RocDateTime(stop.proposed_at).to_string(),
            ..Queued::of(service, facts, "提請停止服務", "待主管覆核", stop.proposed_name)
        });
    }
    Ok(queued)
}

impl Queued {
    fn of(
        service: ServiceRow,
        facts: QueueFacts,
        kind_word: &'static str,
        state_word: &'static str,
        assigned_name: String,
    ) -> Self {
        Self {
            facts,
            service: service.id,
            kind_word,
            company_name: service.name,
            system_name: service.system_name,
            applicant: service.applicant,
            asked_at_roc: String::new(),
            due: None,
            days_left: facts.days_left,
            state_word,
            assigned_name,
        }
    }

    /// Whether a search means it: by 統一編號 or OID, or a part of a name.
    pub(crate) fn is_found_by(&self, text: &str) -> bool {
        self.applicant.to_string() == text
            || self.company_name.contains(text)
            || self.system_name.contains(text)
    }
}

/// An act by its name in the address.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    Demand,
    Met,
    Unmet,
    Stop,
    Endorse,
    Decline,
}

impl Act {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "demand" => Self::Demand,
            "met" => Self::Met,
            "unmet" => Self::Unmet,
            "stop" => Self::Stop,
            "endorse" => Self::Endorse,
            "decline" => Self::Decline,
            _ => return None,
        })
    }

    fn permission(self) -> Permission {
        match self {
            Self::Endorse | Self::Decline => Permission::Endorse,
            _ => Permission::Suspend,
        }
    }
}

/// What an officer says with an act; each takes what it needs of it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Said {
    text: String,
    kind: Option<DemandKind>,
    ground: Option<StopGround>,
    /// The last day, `YYYY-MM-DD`.
    due_on: Option<jiff::civil::Date>,
    /// Which demand.
    demand: Option<i64>,
}

pub(crate) async fn act(
    officer: &Officer,
    id: i64,
    act: Act,
    request: Request,
) -> Result<Reply, Problem> {
    officer.check(act.permission())?;
    let origin = web::origin().await?;
    let said: Said = SignedRequest::plain(request, &origin).await?;
    let now = web::now();
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let service = cases.service(id)?.ok_or(Code::NotFound)?;
    officer.check_on(service.applicant, act.permission())?;
    match act {
        Act::Demand => {
            let kind = said.kind.ok_or(Code::MalformedRequest)?;
            if !matches!(service.state(now), ServiceState::Waiting | ServiceState::Open) {
                return Err(Code::AccountState.into());
            }
            let mut form = FormCheck::default();
            let due_on = said.due_on.filter(|day| *day > RocDay::of(now).0);
            let due_on = form.take("dueOn", due_on.ok_or(FieldProblem::DayToCome));
            let text = form.text("result", &said.text, MAX_TEXT);
            let (due_on, text) = form.finish(due_on.zip(text))?;
            let open = |demand: &DemandRow| demand.kind == kind && demand.closed_at.is_none();
            if cases.demands(id)?.iter().any(open) {
                return Err(Code::AccountState.into());
            }
            cases.keep_demand(&service, kind, &text, due_on, officer.id, now)?;
            write(&cases, &service, Subject::Demanded { until: due_on }, &text, &origin)?;
        }
        Act::Met | Act::Unmet => {
            let number = said.demand.ok_or(Code::MalformedRequest)?;
            let demand = cases.demand(number)?.filter(|demand| demand.service == id);
            let demand = demand.ok_or(Code::NotFound)?;
            let met = matches!(act, Act::Met);
            if !met && !demand.may_be_unmet(now) {
                return Err(Code::DemandFirst.into());
            }
            let text = match said.text.trim() {
                "" => String::new(),
                text => domain::result_text(text, MAX_TEXT)?,
            };
            cases.close_demand(&service, number, met, officer.id, now)?;
            write(&cases, &service, Subject::DemandClosed { met }, &text, &origin)?;
        }
        Act::Stop => {
            let text = domain::result_text(&said.text, MAX_TEXT)?;
            let ground = said.ground.ok_or(Code::MalformedRequest)?;
            if let Some(kind) = ground.demand() {
                // Newest first: what was unmet once and met later is no ground any more.
                let demands = cases.demands(id)?;
                let last = demands.iter().find(|demand| demand.kind == kind);
                if last.and_then(|demand| demand.met) != Some(false) {
                    return Err(Code::DemandFirst.into());
                }
            }
            cases.propose_stop(&service, ground, &text, officer.id, now)?;
        }
        Act::Endorse | Act::Decline => {
            let stops = cases.open_stops()?;
            let stop = stops.iter().find(|stop| stop.service == id);
            let stop = stop.ok_or(Code::ProposalNotOpen)?;
            if stop.proposed_by == officer.id {
                return Err(Code::OwnProposal.into());
            }
            let endorsed = matches!(act, Act::Endorse);
            cases.decide_stop(&service, stop, endorsed, officer.id, now)?;
            if endorsed {
                let text = format!("{}。{}", stop.ground.word(), stop.reason);
                write(&cases, &service, Subject::ServiceStopped, &text, &origin)?;
            }
        }
    }
    let reply = view(&cases, officer)?;
    transaction.commit()?;
    Ok(reply)
}

fn write(
    cases: &Cases<impl Database>,
    service: &ServiceRow,
    subject: Subject,
    text: &str,
    origin: &str,
) -> Result<(), Problem> {
    let row = cases.case(service.case)?;
    let letter = subject.letter(&Facts {
        company_name: &service.name,
        case: Some((service.case, row.case.kind)),
        grounds: &[],
        text,
        origin,
    });
    let new = NewLetter {
        applicant: service.applicant,
        case: Some(service.case),
        kind: subject.name(),
        recipient: &service.email,
        letter: &letter,
    };
    Ok(cases.write_letter(new, web::now())?)
}

pub(crate) fn institutions() -> Result<Reply, Problem> {
    institutions_view(&Cases(store::spin::open(Label::Cases)?))
}

fn institutions_view(cases: &Cases<impl Database>) -> Result<Reply, Problem> {
    let institutions: Vec<_> = cases
        .institutions()?
        .into_iter()
        .map(|row| json!({ "applicant": row.applicant, "name": row.name }))
        .collect();
    Ok(web::json(StatusCode::OK, &json!({ "institutions": institutions })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InstitutionRequest {
    /// 統一編號, or `OID:` and the organisation OID; as typed.
    applicant: String,
    /// Without a name it is taken off the list.
    #[serde(default)]
    name: Option<String>,
}

pub(crate) async fn set_institution(officer: &Officer, request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let said: InstitutionRequest = SignedRequest::plain(request, &origin).await?;
    let mut form = FormCheck::default();
    let applicant = form.take("applicant", Applicant::typed(&said.applicant));
    let name = match &said.name {
        Some(name) => form.text("result", name, MAX_TEXT).map(Some),
        None => Some(None),
    };
    let (applicant, name) = form.finish(applicant.zip(name))?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let by = domain::Actor::Officer(officer.id);
    cases.set_institution(applicant, name.as_deref(), by, web::now())?;
    let reply = institutions_view(&cases)?;
    transaction.commit()?;
    Ok(reply)
}
