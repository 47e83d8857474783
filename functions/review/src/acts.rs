//! What officers do to a case. Each act is one transaction: the change, its letter, its entry
//! in the log.

use domain::letter::{Letter, Subject};
use domain::{
    ApId, CaseId, CaseKind, CaseState, Code, Decision, Edition, Ground, Officer, Permission,
    Policy, ReviewError, RocDay,
};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use spin_sdk::http::Request;
use store::schema::Label;
use store::{
    CaseRow, Cases, Content, Database, DecisionRecord, NewIssKey, ProposedAct, Transaction,
};
use web::{Nothing, Problem, Reply, SignedRequest};

use crate::views;

/// Candidates for a new apId. With even ten million of sixty issued, all of them taken would
/// happen once in a number with twenty digits; under the manual of 108 there are 676,000, and
/// with half of them issued it is once in four thousand million.
const AP_ID_CANDIDATES: usize = 32;
/// Longest text of an act, in characters.
const MAX_TEXT: usize = 500;
/// Most working days of one extension.
const MAX_EXTENSION: u16 = 30;

/// An act by its name in the address.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    Claim,
    Release,
    Assign,
    SecondLook,
    Note,
    Question,
    Extension,
    Decision,
    SetAside,
    Plan,
    LetterPreview,
}

impl Act {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "claim" => Self::Claim,
            "release" => Self::Release,
            "assign" => Self::Assign,
            "second-look" => Self::SecondLook,
            "note" => Self::Note,
            "question" => Self::Question,
            "extension" => Self::Extension,
            "decision" => Self::Decision,
            "set-aside" => Self::SetAside,
            "plan" => Self::Plan,
            "letter-preview" => Self::LetterPreview,
            _ => return None,
        })
    }

    fn permission(self) -> Permission {
        match self {
            Self::Assign | Self::SetAside => Permission::Supervise,
            _ => Permission::Decide,
        }
    }
}

/// What an officer says with an act; each act takes what it needs of it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Said {
    /// Codes of the grounds.
    grounds: Vec<Ground>,
    /// 審核結果, or what is asked, noted or given as a reason.
    #[serde(alias = "result")]
    text: String,
    /// approve or reject.
    decision: Option<Decision>,
    /// Working days.
    days: Option<u16>,
    /// To whom a case is given.
    officer: Option<i64>,
    /// The letter, where it was changed.
    letter: Option<Letter>,
    /// The revision of the case that the officer saw: when something has been done to it
    /// since, nothing is done.
    seen: Option<i64>,
    /// What a letter is previewed for: question, extension, approve, reject.
    about: Option<String>,
}

impl Said {
    fn text(&self) -> Result<String, Problem> {
        Ok(domain::result_text(&self.text, MAX_TEXT)?)
    }

    /// Whoever is refused or asked must be told at least one ground.
    fn grounds(&self) -> Result<&[Ground], Problem> {
        if self.grounds.is_empty() {
            Err(domain::MissingGrounds::default().into())
        } else {
            Ok(&self.grounds)
        }
    }
}

pub(crate) async fn act(
    officer: &Officer,
    id: CaseId,
    act: Act,
    request: Request,
) -> Result<Reply, Problem> {
    officer.check(act.permission())?;
    let origin = web::origin().await?;
    let said: Said = SignedRequest::plain(request, &origin).await?;
    let edition = web::edition().await?;
    let new_key = match (act, edition) {
        (Act::Decision, Edition::Of108) => new_key(id).await?,
        _ => None,
    };
    let now = web::now();
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    let cases = Cases(&transaction);
    let row = cases.case(id)?;
    if !matches!(act, Act::Note | Act::LetterPreview) {
        officer.check_on(row.case.applicant, act.permission())?;
    }
    if row.case.state == CaseState::Accepted
        && said.seen.is_some()
        && said.seen != Some(cases.revision(id)?)
    {
        return Err(ReviewError::Changed.into());
    }
    let desk =
        Desk { cases: &cases, officer, row: &row, said: &said, origin: &origin, edition, now };
    match act {
        Act::Claim => desk.claim()?,
        Act::Release => {
            row.under_review().check(officer.id)?;
            cases.assign(&row, None, officer.id, domain::Act::Released, now)?;
        }
        Act::Assign => desk.assign()?,
        Act::SecondLook => {
            row.under_review().check(officer.id)?;
            cases.mark_second_look(&row.case, Some(&said.text()?), officer.id, now)?;
        }
        Act::Note => cases.note(&row.case, &said.text()?, officer.id, now)?,
        Act::Question => desk.ask()?,
        Act::Extension => desk.extend()?,
        Act::Decision => desk.decide(new_key)?,
        Act::SetAside => {
            let case = row.case.clone().set_aside()?;
            let reason = said.text()?;
            cases.set_aside(&case, &reason, officer.id, now)?;
            desk.write(Subject::SetAside, &[], &reason)?;
        }
        Act::Plan => {
            row.under_review().check(officer.id)?;
            if row.case.kind != CaseKind::ImprovementPlan {
                return Err(Code::CaseKindNotOffered.into());
            }
            let ubn = row.case.applicant.ubn().ok_or(Code::CaseKindNotOffered)?;
            let id = Some(row.case.id);
            cases.propose(ProposedAct::AcceptPlan, ubn, id, &said.text()?, officer.id, now)?;
        }
        Act::LetterPreview => return desk.preview(),
    }
    let reply = views::after(&cases, officer, id, now)?;
    transaction.commit()?;
    Ok(reply)
}

/// An isskey that an approval under the manual of 108 gives (figure 8): made before the
/// transaction begins, since variables are read asynchronously.
async fn new_key(id: CaseId) -> Result<Option<NewIssKey>, Problem> {
    let row = Cases(store::spin::open(Label::Cases)?).case(id)?;
    let Some(ubn) = row.case.applicant.ubn().filter(|_| row.case.kind == CaseKind::ApiApplication)
    else {
        return Ok(None);
    };
    let (_, digest, sealed) = web::new_iss_key(ubn).await?;
    Ok(Some(NewIssKey { digest, sealed }))
}

/// Everything that an act needs.
struct Desk<'a, D: Database> {
    cases: &'a Cases<D>,
    officer: &'a Officer,
    row: &'a CaseRow,
    said: &'a Said,
    origin: &'a str,
    edition: Edition,
    now: Timestamp,
}

impl<D: Database> Desk<'_, D> {
    fn claim(&self) -> Result<(), Problem> {
        self.row.under_review().check(self.officer.id)?;
        let me = self.officer.id;
        Ok(self.cases.assign(self.row, Some(me), me, domain::Act::Claimed, self.now)?)
    }

    /// A supervisor gives a case to somebody who may decide it, whoever has it now.
    fn assign(&self) -> Result<(), Problem> {
        let to = self.said.officer.ok_or(Code::MalformedRequest)?;
        let to = self.cases.officer_by_id(to)?.ok_or(Code::NotFound)?;
        to.check_on(self.row.case.applicant, Permission::Decide)?;
        let by = self.officer.id;
        Ok(self.cases.assign(self.row, Some(to.id), by, domain::Act::Assigned, self.now)?)
    }

    fn ask(&self) -> Result<(), Problem> {
        self.row.under_review().check_question(self.officer.id)?;
        let (grounds, text) = (self.said.grounds()?, self.said.text()?);
        let (case, days) = (&self.row.case, self.answer_days()?);
        self.cases.ask(case, grounds, &text, days, self.officer.id, self.now)?;
        self.write(self.about_question()?, grounds, &text)
    }

    fn answer_days(&self) -> Result<u16, Problem> {
        let (policy, today) = (Policy::AnswerDays, RocDay::of(self.now).0);
        let days = self.cases.policy(policy, today)?;
        Ok(days.unwrap_or_else(|| policy.of_edition(self.edition)))
    }

    fn about_question(&self) -> Result<Subject, Problem> {
        let calendar = self.cases.calendar()?;
        let until = calendar.nth_working_day_after(self.now, self.answer_days()?);
        Ok(Subject::Asked { until })
    }

    fn days(&self) -> Result<u16, Problem> {
        let days = self.said.days.filter(|days| (1..=MAX_EXTENSION).contains(days));
        Ok(days.ok_or(Code::MalformedRequest)?)
    }

    fn extend(&self) -> Result<(), Problem> {
        self.row.under_review().check(self.officer.id)?;
        let text = self.said.text()?;
        self.cases.extend(&self.row.case, self.days()?, self.officer.id, self.now)?;
        self.write(self.about_extension()?, &[], &text)
    }

    fn about_extension(&self) -> Result<Subject, Problem> {
        let mut clock = self.row.clock.clone();
        clock.days = clock.days.saturating_add(self.days()?);
        Ok(Subject::Extended { expected: clock.due(&self.cases.calendar()?) })
    }

    fn decide(&self, new_key: Option<NewIssKey>) -> Result<(), Problem> {
        let decision = self.said.decision.ok_or(Code::MalformedRequest)?;
        let (row, now) = (self.row, self.now);
        row.under_review().check_decision(self.officer.id, decision)?;
        if self.cases.proposal_of(&row.case)?.is_some() {
            return Err(Code::TwoOfficersNeeded.into());
        }
        let result = self.said.text()?;
        let (subject, grounds) = match decision {
            Decision::Approve => (Subject::Approved, &[][..]),
            Decision::Reject => (Subject::Rejected, self.said.grounds()?),
        };
        let decided = row.case.clone().decide(decision)?;
        let record = DecisionRecord {
            decided: &decided,
            officer: self.officer.id,
            grounds,
            result: &result,
        };
        self.cases.keep_decision(record, now)?;
        if decided.state == CaseState::Approved {
            let candidates =
                (0..AP_ID_CANDIDATES).map(|_| ApId::from_random(self.edition, web::random()));
            self.cases.keep_approval(row, candidates, now)?;
            if let (Some(key), Some(ubn)) = (&new_key, row.case.applicant.ubn()) {
                self.cases.keep_iss_key(ubn, key)?;
            }
        }
        self.write(subject, grounds, &result)
    }

    fn write(&self, subject: Subject, grounds: &[Ground], text: &str) -> Result<(), Problem> {
        let edited = self.said.letter.as_ref().map(Letter::edited).transpose()?;
        let content = Content { grounds, text, edited: edited.as_ref(), origin: self.origin };
        Ok(self.cases.write_case_letter(self.row, subject, content, self.now)?)
    }

    /// The letter that an act would send, to be read and changed first.
    fn preview(&self) -> Result<Reply, Problem> {
        let subject = match self.said.about.as_deref() {
            Some("approve") => Subject::Approved,
            Some("reject") => Subject::Rejected,
            Some("question") => self.about_question()?,
            Some("extension") => self.about_extension()?,
            Some("set-aside") => Subject::SetAside,
            _ => return Err(Code::MalformedRequest.into()),
        };
        let grounds = &self.said.grounds;
        let text = self.said.text.trim();
        let content = Content { grounds, text, edited: None, origin: self.origin };
        Ok(web::json(StatusCode::OK, &self.row.letter(subject, content)))
    }
}

pub(crate) async fn resend(officer: &Officer, id: i64, request: Request) -> Result<Reply, Problem> {
    let origin = web::origin().await?;
    let Nothing {} = SignedRequest::plain(request, &origin).await?;
    let database = store::spin::open(Label::Cases)?;
    let transaction = Transaction::begin(&database)?;
    Cases(&transaction).resend_letter(id, officer.id, web::now())?;
    transaction.commit()?;
    Ok(web::empty())
}
