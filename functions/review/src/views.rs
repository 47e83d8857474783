//! What officers see: queues, one case beside its facts, the list of grounds.

use domain::letter::Letter;
use domain::{
    Act, Actor, CaseId, Ground, OfficeCalendar, Officer, Permission, Queue, QueueFacts,
    RocDateTime, RocDay, Service, case_acts, working_days_left,
};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use store::schema::Label;
use store::{
    AccountRow, CaseRow, Cases, Database, Deed, LetterRow, LogRow, StoreError, Transaction,
};
use web::{Problem, Reply};

use crate::facts;

/// A case in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    #[serde(flatten)]
    receipt: domain::Receipt,
    contact_name: String,
    /// The name in the certificate, for comparison with the one that was typed.
    signer_name: String,
    /// The day by which it is due, `112/11/17`; none while the applicant is waited for.
    due: Option<String>,
    /// Working days left; below zero when it is overdue.
    days_left: Option<i32>,
    /// Whether the office calendar is known up to the due day.
    holidays_known: bool,
    waiting: bool,
    /// Whether the applicant has answered a question.
    answered: bool,
    assigned_name: Option<String>,
    mine: bool,
    second_look: Option<String>,
    result: Option<String>,
    decided_at_roc: Option<String>,
}

fn summary(row: &CaseRow, officer: &Officer, calendar: &OfficeCalendar, now: Timestamp) -> Summary {
    let due = Some(row.case.state)
        .filter(|state| *state == domain::CaseState::Accepted)
        .and_then(|_| row.clock.due(calendar));
    let submitted = domain::TAIPEI.to_datetime(row.case.submitted_at).date();
    Summary {
        receipt: row.receipt(),
        contact_name: row.contact_name.clone(),
        signer_name: row.signer_name.clone(),
        due: due.map(|day| RocDay(day).to_string()),
        days_left: due.map(|day| working_days_left(calendar, day, now)),
        holidays_known: due.is_some_and(|day| calendar.covers(submitted, day)),
        waiting: row.waiting_since().is_some(),
        answered: row.version > 1,
        assigned_name: row.assigned_name.clone(),
        mine: row.assigned_to == Some(officer.id),
        second_look: row.second_look.clone(),
        result: row.result.clone(),
        decided_at_roc: row.decided_at.map(|at| RocDateTime(at).to_string()),
    }
}

#[derive(Serialize)]
struct QueueView {
    name: &'static str,
    word: &'static str,
    count: usize,
}

/// Most cases of one answer.
const PAGE: usize = 200;

/// `?queue=new`, or `?find=` with a 統一編號, a name, an S/N or an address, which also finds
/// what stands in the queues beside cases; without either,
/// everything that is 受理中.
pub(crate) fn list(officer: &Officer, query: &str) -> Result<Reply, Problem> {
    let now = web::now();
    let (mut queue, mut find) = (None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "queue" => queue = Queue::from_name(&value),
            "find" => find = Some(value.trim().to_owned()).filter(|text| !text.is_empty()),
            _ => {}
        }
    }
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let calendar = cases.calendar()?;
    let open = cases.open_cases()?;
    let facts = |row: &CaseRow| QueueFacts {
        assigned_to: row.assigned_to,
        waiting: row.waiting_since().is_some(),
        second_look: row.second_look.is_some(),
        days_left: row.clock.due(&calendar).map(|day| working_days_left(&calendar, day, now)),
    };
    let facts: Vec<_> = open.iter().map(facts).collect();
    let mut queued = crate::services::queued(&cases, &calendar, now)?;
    let queues = Queue::ALL.map(|queue| QueueView {
        name: queue.name(),
        word: queue.word(),
        count: facts
            .iter()
            .chain(queued.iter().map(|queued| &queued.facts))
            .filter(|facts| queue.has(**facts, officer.id))
            .count(),
    });
    queued.retain(|queued| match &find {
        Some(text) => queued.is_found_by(text),
        None => queue.is_none_or(|queue| queue.has(queued.facts, officer.id)),
    });
    let found;
    let rows: Vec<&CaseRow> = match &find {
        Some(text) => {
            found = cases.find_cases(text)?;
            found.iter().collect()
        }
        None => open
            .iter()
            .zip(&facts)
            .filter(|(_, facts)| queue.is_none_or(|queue| queue.has(**facts, officer.id)))
            .map(|(row, _)| row)
            .collect(),
    };
    let count = rows.len() + queued.len();
    let views: Vec<_> =
        rows.iter().take(PAGE).map(|row| summary(row, officer, &calendar, now)).collect();
    let seen =
        json!({ "queue": queue.map(Queue::name), "search": find.is_some(), "cases": views.len() });
    cases.log(&Deed::new(Actor::Officer(officer.id), Act::ListRead, now).with(seen))?;
    transaction.commit()?;
    let body = json!({
        "queues": queues,
        "count": count,
        "cases": views,
        "services": queued,
    });
    Ok(web::json(StatusCode::OK, &body))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    #[serde(flatten)]
    summary: Summary,
    version: i64,
    /// What an act on this case names as seen.
    revision: i64,
    grounds: Vec<Ground>,
    /// What this officer may do now.
    may: Vec<&'static str>,
    facts: Vec<facts::Fact>,
    /// For a change: what is on file, beside what is applied for.
    changes: Vec<Change>,
    questions: Vec<Question>,
    notes: Vec<Note>,
    letters: Vec<LetterView>,
    log: Vec<LogView>,
    history: Vec<Past>,
    /// Whoever a supervisor can give the case to.
    officers: Vec<OfficerView>,
    /// A proposal of this case that waits for the second officer.
    proposed: Option<i64>,
    /// 統編變更 that the company is part of: both sides.
    handover: Option<crate::accounts::HandoverView>,
}

#[derive(Serialize)]
struct Change {
    name: &'static str,
    before: String,
    after: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    asked_at: String,
    asked_by: String,
    grounds: Vec<&'static str>,
    text: String,
    until: Option<String>,
    /// Past its last day; nothing follows from that by itself.
    late: bool,
    answered_at: Option<String>,
    open: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Note {
    written_at: String,
    written_by: String,
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LetterView {
    id: i64,
    kind: String,
    recipient: String,
    #[serde(flatten)]
    letter: Letter,
    written_at: String,
    state: String,
    state_word: &'static str,
    attempts: i64,
    answer: Option<String>,
    sent_at: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct LogView {
    at: String,
    actor: String,
    word: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Past {
    serial_number: CaseId,
    kind_word: &'static str,
    submitted_at_roc: String,
    state_word: &'static str,
}

#[derive(Serialize)]
struct OfficerView {
    id: i64,
    name: String,
}

/// The names of the fields that a change is about.
const CHANGEABLE: [&str; 7] =
    ["公司名稱", "連線主機網路位址", "聯絡人", "市話", "手機", "電子信箱", "使用目的/原因"];

fn fields(row: &CaseRow) -> [String; 7] {
    [
        row.company_name.clone(),
        row.host_address.clone().unwrap_or_default(),
        row.contact_name.clone(),
        row.landline.clone().unwrap_or_default(),
        row.mobile.clone().unwrap_or_default(),
        row.email.clone(),
        row.reason.clone(),
    ]
}

fn on_file(account: &AccountRow, row: &CaseRow) -> [String; 7] {
    [
        account.account.company_name.clone(),
        account.account.host_address.to_string(),
        account.contact_name.clone(),
        account.landline.clone().unwrap_or_default(),
        account.mobile.clone().unwrap_or_default(),
        account.email.clone(),
        row.reason.clone(),
    ]
}

/// What differs between what was and what is.
fn changes(before: &[String; 7], after: &[String; 7]) -> Vec<Change> {
    let pairs = CHANGEABLE.into_iter().zip(before.iter().zip(after));
    pairs
        .filter(|(_, (before, after))| before != after)
        .map(|(name, (before, after))| Change {
            name,
            before: before.clone(),
            after: after.clone(),
        })
        .collect()
}

pub(crate) fn one(officer: &Officer, id: CaseId) -> Result<Reply, Problem> {
    let now = web::now();
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let applicant = cases.case(id)?.case.applicant;
    let detail = detail(&cases, officer, id, now)?;
    let deed = Deed::new(Actor::Officer(officer.id), Act::CaseRead, now);
    cases.log(&deed.on_case(id, applicant))?;
    transaction.commit()?;
    Ok(web::json(StatusCode::OK, &detail))
}

/// What an act answers: the case as it is then. Inside the act's transaction.
pub(crate) fn after(
    cases: &Cases<impl Database>,
    officer: &Officer,
    id: CaseId,
    now: Timestamp,
) -> Result<Reply, Problem> {
    Ok(web::json(StatusCode::OK, &detail(cases, officer, id, now)?))
}

fn detail(
    cases: &Cases<impl Database>,
    officer: &Officer,
    id: CaseId,
    now: Timestamp,
) -> Result<Detail, Problem> {
    let row = cases.case(id)?;
    let applicant = row.case.applicant;
    let calendar = cases.calendar()?;
    let account = match (row.case.kind.service(), applicant.ubn()) {
        (Service::Api, Some(ubn)) => cases.account(ubn)?,
        _ => None,
    };
    let proposed = cases.proposal_of(&row.case)?.map(|proposal| proposal.id);
    let mut may = case_acts(officer, applicant, row.under_review());
    if proposed.is_some() {
        // It waits for the second officer.
        may.retain(|act| !matches!(*act, "plan" | "reject" | "question" | "release"));
    }
    let past = cases.cases_of(applicant)?;
    let history = past.iter().filter(|past| past.case.id != id).map(|past| Past {
        serial_number: past.case.id,
        kind_word: past.case.kind.case_word(),
        submitted_at_roc: RocDateTime(past.case.submitted_at).to_string(),
        state_word: past.case.state.word(),
    });
    let mut changed = Vec::new();
    if let Some(account) = account.as_ref().filter(|_| is_change(row.case.kind)) {
        changed = changes(&on_file(account, &row), &fields(&row));
    } else if let Some((_, before)) = cases.former_versions(&row)?.pop() {
        changed = changes(&before, &fields(&row));
    }
    let questions = cases.questions(id)?;
    let officers = match may.contains(&"assign") {
        false => Vec::new(),
        true => cases
            .officers()?
            .into_iter()
            .filter(|other| other.check_on(applicant, Permission::Decide).is_ok())
            .map(|other| OfficerView { id: other.id, name: other.name })
            .collect(),
    };
    Ok(Detail {
        summary: summary(&row, officer, &calendar, now),
        version: row.version,
        revision: cases.revision(id)?,
        grounds: row.grounds.clone(),
        may,
        facts: facts::of(cases, &row, account.as_ref(), now)?,
        changes: changed,
        questions: questions
            .into_iter()
            .map(|question| {
                let until = calendar.nth_working_day_after(question.asked_at, question.answer_days);
                let today = domain::TAIPEI.to_datetime(now).date();
                Question {
                    asked_at: RocDateTime(question.asked_at).to_string(),
                    asked_by: question.asked_by,
                    grounds: question.grounds.iter().map(|ground| ground.word()).collect(),
                    text: question.text,
                    late: question.closed_at.is_none() && until.is_some_and(|day| day < today),
                    until: until.map(|day| RocDay(day).to_string()),
                    open: question.closed_at.is_none(),
                    answered_at: question
                        .closed_at
                        .filter(|_| question.version.is_some())
                        .map(|at| RocDateTime(at).to_string()),
                }
            })
            .collect(),
        notes: cases
            .notes(id)?
            .into_iter()
            .map(|note| Note {
                written_at: RocDateTime(note.written_at).to_string(),
                written_by: note.written_by,
                text: note.text,
            })
            .collect(),
        letters: cases.letters_of_case(id)?.into_iter().map(letter_view).collect(),
        log: log_views(cases, &cases.log_of_case(id)?)?,
        history: history.collect(),
        officers,
        proposed,
        handover: match applicant.ubn() {
            None => None,
            Some(ubn) => crate::accounts::handover_view(cases, ubn)?,
        },
    })
}

fn is_change(kind: domain::CaseKind) -> bool {
    matches!(kind, domain::CaseKind::DataChange | domain::CaseKind::AddressChange)
}

pub(crate) fn letter_view(row: LetterRow) -> LetterView {
    let state_word = match row.state.as_str() {
        "sent" => "已寄出",
        "failed" => "寄送失敗",
        _ => "待寄送",
    };
    LetterView {
        id: row.id,
        kind: row.kind,
        recipient: row.recipient,
        letter: row.letter,
        written_at: RocDateTime(row.written_at).to_string(),
        state: row.state,
        state_word,
        attempts: row.attempts,
        answer: row.answer,
        sent_at: row.sent_at.map(|at| RocDateTime(at).to_string()),
    }
}

/// Who did what, in plain words.
pub(crate) fn log_views(
    cases: &Cases<impl Database>,
    rows: &[LogRow],
) -> Result<Vec<LogView>, StoreError> {
    let names = cases.officer_names()?;
    rows.iter()
        .map(LogRow::deed)
        // Letters stand by themselves, with what became of them.
        .filter(|deed| !matches!(deed, Ok(deed) if deed.act == Act::LetterWritten))
        .map(|deed| {
            let deed = deed?;
            let actor = match deed.actor {
                Actor::Applicant(_) => "申請人".to_owned(),
                Actor::Organisation(_) => "機關（兩張憑證）".to_owned(),
                Actor::Handler(_) => "授權經辦人".to_owned(),
                Actor::Officer(id) => names.get(&id).cloned().unwrap_or_default(),
                Actor::Citizen => "民眾".to_owned(),
                Actor::Operator => "系統操作人員".to_owned(),
            };
            Ok(LogView { at: RocDateTime(deed.at).to_string(), actor, word: deed.act.word() })
        })
        .collect()
}

/// Who is signed in, and what the role may do.
pub(crate) fn me(officer: &Officer) -> Reply {
    let may: Vec<_> = Permission::ALL
        .into_iter()
        .filter(|permission| officer.role.may(*permission))
        .map(Permission::name)
        .collect();
    let body = json!({
        "name": officer.name,
        "role": officer.role.name(),
        "roleWord": officer.role.word(),
        "may": may,
    });
    web::json(StatusCode::OK, &body)
}

pub(crate) fn grounds() -> Reply {
    let grounds: Vec<_> = Ground::ALL
        .iter()
        .map(|ground| {
            let kinds: Vec<_> =
                domain::CaseKind::ALL.into_iter().filter(|kind| ground.fits(*kind)).collect();
            json!({
                "name": ground.name(), "field": ground.field(), "word": ground.word(),
                "kinds": kinds,
            })
        })
        .collect();
    web::json(StatusCode::OK, &json!({ "grounds": grounds }))
}
