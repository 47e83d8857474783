//! What officers do to a case. Each act is one transaction: the change, its letter, its entry
//! in the log.

use domain::letter::{Letter, Subject};
use domain::{
    ApId, CaseId, CaseKind, CaseState, Code, Decision, Edition, FieldProblem, FormCheck, Ground,
    HandoverStep, Officer, Permission, Policy, ReviewError, RocDay, Service,
};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use spin_sdk::http::Request;
use store::schema::Label;
use store::{
    CaseRow, Cases, Content, Database, DecisionRecord, HandoverPlan, NewIssKey, ProposedAct,
    Transaction,
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

    /// Text, grounds, days and letter, whichever an act takes; everything that is wrong at once.
    fn checked(&self, kind: CaseKind, grounds: bool, days: bool) -> Result<Checked, Problem> {
        let mut form = FormCheck::default();
        // Whoever is refused or asked must be told at least one ground, and one that fits.
        if grounds && self.grounds.is_empty() {
            form.wrong("grounds", FieldProblem::Required);
        } else if grounds && !self.grounds.iter().all(|ground| ground.fits(kind)) {
            form.wrong("grounds", FieldProblem::NotOffered);
        }
        let days = form.take("days", self.days(days));
        let text = form.text("result", &self.text, MAX_TEXT);
        let letter = form.part(self.letter.as_ref().map(Letter::edited).transpose());
        let grounds = if grounds { self.grounds.clone() } else { Vec::new() };
        let whole = text.zip(days).zip(letter);
        let whole = whole.map(|((text, days), letter)| Checked { text, grounds, days, letter });
        Ok(form.finish(whole)?)
    }

    /// Working days of an extension; none for another act.
    fn days(&self, wanted: bool) -> Result<u16, FieldProblem> {
        match self.days {
            _ if !wanted => Ok(0),
            Some(days) if (1..=MAX_EXTENSION).contains(&days) => Ok(days),
            _ => Err(FieldProblem::ExtensionDays),
        }
    }
}

/// What an officer says with an act, once it was found to be in order.
struct Checked {
    text: String,
    grounds: Vec<Ground>,
    days: u16,
    letter: Option<Letter>,
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
            let checked = said.checked(row.case.kind, false, false)?;
            cases.set_aside(&case, &checked.text, officer.id, now)?;
            desk.write(Subject::SetAside, &checked)?;
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
        let checked = self.said.checked(self.row.case.kind, true, false)?;
        let (case, days) = (&self.row.case, self.answer_days()?);
        let (officer, now) = (self.officer.id, self.now);
        self.cases.ask(case, &checked.grounds, &checked.text, days, officer, now)?;
        self.write(self.about_question()?, &checked)
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

    fn extend(&self) -> Result<(), Problem> {
        self.row.under_review().check(self.officer.id)?;
        let checked = self.said.checked(self.row.case.kind, false, true)?;
        self.cases.extend(&self.row.case, checked.days, self.officer.id, self.now)?;
        self.write(self.about_extension(checked.days)?, &checked)
    }

    fn about_extension(&self, days: u16) -> Result<Subject, Problem> {
        let mut clock = self.row.clock.clone();
        clock.days = clock.days.saturating_add(days);
        Ok(Subject::Extended { expected: clock.due(&self.cases.calendar()?) })
    }

    fn decide(&self, new_key: Option<NewIssKey>) -> Result<(), Problem> {
        let decision = self.said.decision.ok_or(Code::MalformedRequest)?;
        let (row, now) = (self.row, self.now);
        row.under_review().check_decision(self.officer.id, decision)?;
        if self.cases.proposal_of(&row.case)?.is_some() {
            return Err(Code::TwoOfficersNeeded.into());
        }
        let checked = self.said.checked(row.case.kind, decision == Decision::Reject, false)?;
        let subject = match decision {
            Decision::Approve => self.about_approval()?,
            Decision::Reject => Subject::Rejected,
        };
        let decided = row.case.clone().decide(decision)?;
        let record = DecisionRecord {
            decided: &decided,
            officer: self.officer.id,
            grounds: &checked.grounds,
            result: &checked.text,
        };
        self.cases.keep_decision(record, now)?;
        if decided.state == CaseState::Approved {
            self.bring_about(row, now)?;
            if let (Some(key), Some(ubn)) = (&new_key, row.case.applicant.ubn()) {
                self.cases.keep_iss_key(ubn, key)?;
            }
        }
        self.write(subject, &checked)
    }

    /// An approval may be a step of a change of the 統一編號: whoever has to do with either side
    /// leaves it to others.
    fn about_approval(&self) -> Result<Subject, Problem> {
        let Some(ubn) = self.row.case.applicant.ubn() else { return Ok(Subject::Approved) };
        let (step, former, successor) = match self.cases.handover_plan(self.row)? {
            None => return Ok(Subject::Approved),
            Some(HandoverPlan::Agree(successor)) => (HandoverStep::Apply, ubn, successor),
            Some(HandoverPlan::Open(former)) => (HandoverStep::Upload, former, ubn),
        };
        for side in [former, successor] {
            self.officer.check_on(side, Permission::Decide)?;
        }
        Ok(Subject::Handover { step, former, successor })
    }

    /// What an approval means, by the service of the case.
    fn bring_about(&self, row: &CaseRow, now: Timestamp) -> Result<(), Problem> {
        match row.case.kind.service() {
            Service::Api => {
                let candidates =
                    (0..AP_ID_CANDIDATES).map(|_| ApId::from_random(self.edition, web::random()));
                Ok(self.cases.keep_approval(row, candidates, now)?)
            }
            Service::Confirmation => Ok(self.cases.keep_confirmation_approval(row, now)?),
            // The visit that comes next looks at the decision itself.
            Service::Registration => Ok(()),
        }
    }

    fn write(&self, subject: Subject, checked: &Checked) -> Result<(), Problem> {
        let Checked { grounds, text, letter, .. } = checked;
        let content = Content { grounds, text, edited: letter.as_ref(), origin: self.origin };
        Ok(self.cases.write_case_letter(self.row, subject, content, self.now)?)
    }

    /// The letter that an act would send, to be read and changed first.
    fn preview(&self) -> Result<Reply, Problem> {
        let subject = match self.said.about.as_deref() {
            Some("approve") => self.about_approval()?,
            Some("reject") => Subject::Rejected,
            Some("question") => self.about_question()?,
            Some("extension") => self.about_extension(self.said.days.unwrap_or(1))?,
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
