//! The officers' side of a case: who has it, what was asked, what was decided.

use domain::{Act, Actor, Case, CaseId, CaseState, Ground};
use jiff::Timestamp;
use serde_json::json;

use crate::audit::Deed;
use crate::cases::{case_row, case_select, json};
use crate::database::one;
use crate::{CaseRow, Cases, Database, Row, StoreError};

/// What an applicant was asked for.
#[derive(Clone, Debug)]
pub struct QuestionRow {
    /// When.
    pub asked_at: Timestamp,
    /// By whom.
    pub asked_by: String,
    /// Codes of the grounds.
    pub grounds: Vec<Ground>,
    /// The officer's words.
    pub text: String,
    /// Working days for the answer.
    pub answer_days: u16,
    /// When it was answered, or needed no answer any more.
    pub closed_at: Option<Timestamp>,
    /// The version of the application that answers it.
    pub version: Option<i64>,
}

/// A note of an officer.
#[derive(Clone, Debug)]
pub struct NoteRow {
    /// When.
    pub written_at: Timestamp,
    /// By whom.
    pub written_by: String,
    /// The note.
    pub text: String,
}

/// Another company that gave the same address or contact.
#[derive(Clone, Debug)]
pub struct CoincidenceRow {
    /// 統一編號, or organisation OID.
    pub applicant: String,
    /// 公司名稱.
    pub company_name: String,
    /// The form's member that is the same.
    pub member: String,
    /// When it was given last.
    pub at: Timestamp,
}

const OPEN: &str =
    concat!(case_select!(), "WHERE state = 'accepted' ORDER BY submitted_at, cases.id LIMIT 2000");
const FIND: &str = concat!(
    case_select!(),
    "WHERE applicant = ?1 OR cases.id = ?1 OR host_address = ?1 OR instr(company_name, ?1) > 0
        OR cases.id IN (SELECT case_id FROM registration_forms WHERE code = ?1)
        OR cases.id IN (SELECT case_id FROM confirmation_forms WHERE instr(system_name, ?1) > 0)
    ORDER BY submitted_at DESC LIMIT 200"
);
const ALL: &str = concat!(case_select!(), "ORDER BY submitted_at DESC, cases.id LIMIT 50000");
const DECISIONS: &str = "SELECT decided_at, state, grounds FROM cases WHERE decided_at >= ?1";
const ASSIGN: &str = "UPDATE cases SET assigned_to = ?3
    WHERE id = ?1 AND state = 'accepted' AND assigned_to IS ?2 RETURNING id";
const SECOND_LOOK: &str = "UPDATE cases SET second_look = ?2
    WHERE id = ?1 AND state = 'accepted' RETURNING id";
const NOTE: &str =
    "INSERT INTO notes (case_id, written_at, written_by, text) VALUES (?1, ?2, ?3, ?4)";
const NOTES: &str =
    "SELECT written_at, name, text FROM notes JOIN officers ON officers.id = written_by
    WHERE case_id = ?1 ORDER BY notes.id";
const ASK: &str = "INSERT INTO questions (case_id, asked_at, asked_by, grounds, text, answer_days)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const QUESTIONS: &str = "SELECT asked_at, name, grounds, text, answer_days, closed_at, version
    FROM questions JOIN officers ON officers.id = asked_by
    WHERE case_id = ?1 ORDER BY questions.id";
const EXTEND: &str = "UPDATE cases SET extension_days = extension_days + ?2
    WHERE id = ?1 AND state = 'accepted' RETURNING id";
const DECIDE: &str = "UPDATE cases SET state = ?2, decided_at = ?3, decided_by = ?4, result = ?5,
    grounds = ?6, assigned_to = ?4, second_look = NULL
    WHERE id = ?1 AND state = 'accepted' AND (assigned_to IS NULL OR assigned_to = ?4) RETURNING id";
const SET_ASIDE: &str = "UPDATE cases SET state = 'accepted', decided_at = NULL, decided_by = NULL,
    result = NULL, grounds = NULL
    WHERE id = ?1 AND state = 'rejected' RETURNING id";
const COINCIDENCES: &str = "WITH own AS
    (SELECT applicant, host_address, landline, mobile, email FROM cases
        JOIN applications ON applications.case_id = cases.id AND applications.version = cases.version
        LEFT JOIN api_forms ON api_forms.case_id = cases.id AND api_forms.version = cases.version
        WHERE cases.id = ?1)
    SELECT cases.applicant, company_name,
        CASE WHEN api_forms.host_address = own.host_address THEN 'hostAddress'
             WHEN applications.email = own.email THEN 'email'
             WHEN api_forms.mobile = own.mobile THEN 'mobile' ELSE 'landline' END,
        max(submitted_at)
    FROM own, cases
        JOIN applications ON applications.case_id = cases.id AND applications.version = cases.version
        LEFT JOIN api_forms ON api_forms.case_id = cases.id AND api_forms.version = cases.version
    WHERE cases.applicant <> own.applicant AND (api_forms.host_address = own.host_address
        OR applications.email = own.email AND own.email <> '' OR api_forms.mobile = own.mobile
        OR api_forms.landline = own.landline)
    GROUP BY cases.applicant ORDER BY 4 DESC LIMIT 20";
const FORMER_VERSIONS: &str = "SELECT version, company_name, host_address, contact_name, landline,
    mobile, email, reason FROM applications LEFT JOIN api_forms USING (case_id, version)
    WHERE case_id = ?1 AND version < ?2 ORDER BY version";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[
    OPEN,
    FIND,
    ALL,
    DECISIONS,
    ASSIGN,
    SECOND_LOOK,
    NOTE,
    NOTES,
    ASK,
    QUESTIONS,
    EXTEND,
    DECIDE,
    SET_ASIDE,
    COINCIDENCES,
    FORMER_VERSIONS,
];

/// A decision as it is kept.
#[derive(Clone, Copy, Debug)]
pub struct DecisionRecord<'a> {
    /// The case in its new state.
    pub decided: &'a Case,
    /// By whom.
    pub officer: i64,
    /// Codes of the grounds.
    pub grounds: &'a [Ground],
    /// 審核結果.
    pub result: &'a str,
}

impl<D: Database> Cases<D> {
    /// Every case that is 受理中, oldest first; two thousand at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_cases(&self) -> Result<Vec<CaseRow>, StoreError> {
        self.0.execute(OPEN, &[])?.iter().map(case_row).collect()
    }

    /// Cases by 統一編號, S/N, address, 機關代號, or a part of the name or of 應用系統中文名稱;
    /// newest first, two hundred at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find_cases(&self, text: &str) -> Result<Vec<CaseRow>, StoreError> {
        self.0.execute(FIND, &[text.into()])?.iter().map(case_row).collect()
    }

    /// Every case, newest first; fifty thousand at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn all_cases(&self) -> Result<Vec<CaseRow>, StoreError> {
        self.0.execute(ALL, &[])?.iter().map(case_row).collect()
    }

    /// When cases were decided since then, how, and on what grounds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn decisions(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, CaseState, Vec<Ground>)>, StoreError> {
        let decision = |row: &Row| {
            Ok((
                row.instant(0)?,
                row.parsed(1, "case state", CaseState::from_name)?,
                row.parsed(2, "grounds", |text| serde_json::from_str(text).ok())?,
            ))
        };
        self.0.execute(DECISIONS, &[since.into()])?.iter().map(decision).collect()
    }

    /// Gives a case to an officer, or to nobody. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else was faster.
    pub fn assign(
        &self,
        row: &CaseRow,
        to: Option<i64>,
        by: i64,
        act: Act,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = row.case.id.to_string();
        one(self.0.execute(ASSIGN, &[id.into(), row.assigned_to.into(), to.into()])?)?;
        let deed = Deed::new(Actor::Officer(by), act, now).on_case(row.case.id, row.case.applicant);
        self.log(&deed.with(json!({ "from": row.assigned_to, "to": to })))
    }

    /// A supervisor is to look at it, for this reason; or has. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`].
    pub fn mark_second_look(
        &self,
        case: &Case,
        reason: Option<&str>,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        one(self.0.execute(SECOND_LOOK, &[case.id.to_string().into(), reason.into()])?)?;
        let deed =
            Deed::new(Actor::Officer(by), Act::SecondLook, now).on_case(case.id, case.applicant);
        self.log(&deed.with(json!({ "wanted": reason.is_some() })))
    }

    /// Keeps a note for officers. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note(&self, case: &Case, text: &str, by: i64, now: Timestamp) -> Result<(), StoreError> {
        let parameters = [case.id.to_string().into(), now.into(), by.into(), text.into()];
        self.0.execute(NOTE, &parameters)?;
        self.log(&Deed::new(Actor::Officer(by), Act::Noted, now).on_case(case.id, case.applicant))
    }

    /// The notes of a case, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn notes(&self, id: CaseId) -> Result<Vec<NoteRow>, StoreError> {
        let note = |row: &Row| {
            Ok(NoteRow {
                written_at: row.instant(0)?,
                written_by: row.text(1)?.to_owned(),
                text: row.text(2)?.to_owned(),
            })
        };
        self.0.execute(NOTES, &[id.to_string().into()])?.iter().map(note).collect()
    }

    /// Asks the applicant; the clock stands still from now on. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the applicant was asked already.
    pub fn ask(
        &self,
        case: &Case,
        grounds: &[Ground],
        text: &str,
        answer_days: u16,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let asked = self.0.execute(
            ASK,
            &[
                case.id.to_string().into(),
                now.into(),
                by.into(),
                json(&grounds)?.into(),
                text.into(),
                i64::from(answer_days).into(),
            ],
        );
        match asked {
            Err(StoreError::Unique(_)) => return Err(StoreError::Conflict),
            other => other.map(drop)?,
        }
        let deed = Deed::new(Actor::Officer(by), Act::Asked, now).on_case(case.id, case.applicant);
        self.log(&deed.with(json!({ "grounds": grounds, "text": text })))
    }

    /// What the applicant was asked, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn questions(&self, id: CaseId) -> Result<Vec<QuestionRow>, StoreError> {
        let question = |row: &Row| {
            Ok(QuestionRow {
                asked_at: row.instant(0)?,
                asked_by: row.text(1)?.to_owned(),
                grounds: row.parsed(2, "grounds", |text| serde_json::from_str(text).ok())?,
                text: row.text(3)?.to_owned(),
                answer_days: u16::try_from(row.integer(4)?).unwrap_or(u16::MAX),
                closed_at: row.optional_instant(5)?,
                version: row.optional_integer(6)?,
            })
        };
        self.0.execute(QUESTIONS, &[id.to_string().into()])?.iter().map(question).collect()
    }

    /// The review may take so many working days more. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`].
    pub fn extend(
        &self,
        case: &Case,
        days: u16,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        one(self.0.execute(EXTEND, &[case.id.to_string().into(), i64::from(days).into()])?)?;
        let deed =
            Deed::new(Actor::Officer(by), Act::Extended, now).on_case(case.id, case.applicant);
        self.log(&deed.with(json!({ "workingDays": days })))
    }

    /// Keeps an officer's decision. Inside a transaction, with what it brings about.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else was faster.
    pub fn keep_decision(
        &self,
        decision: DecisionRecord<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let DecisionRecord { decided, officer, grounds, result } = decision;
        self.close_question(decided.id, now)?;
        one(self.0.execute(
            DECIDE,
            &[
                decided.id.to_string().into(),
                decided.state.name().into(),
                now.into(),
                officer.into(),
                result.into(),
                json(&grounds)?.into(),
            ],
        )?)?;
        let act = if decided.state == CaseState::Approved { Act::Approved } else { Act::Rejected };
        let deed =
            Deed::new(Actor::Officer(officer), act, now).on_case(decided.id, decided.applicant);
        self.log(&deed.with(json!({ "grounds": grounds, "result": result })))
    }

    /// A refusal is one no longer. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::OpenCase`] when the company has applied anew meanwhile.
    pub fn set_aside(
        &self,
        case: &Case,
        reason: &str,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match self.0.execute(SET_ASIDE, &[case.id.to_string().into()]) {
            Err(StoreError::Unique(_)) => return Err(StoreError::OpenCase),
            other => one(other?)?,
        };
        let deed =
            Deed::new(Actor::Officer(by), Act::SetAside, now).on_case(case.id, case.applicant);
        self.log(&deed.with(json!({ "reason": reason })))
    }

    /// Other companies that gave the same address or contact as this case.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn coincidences(&self, id: CaseId) -> Result<Vec<CoincidenceRow>, StoreError> {
        let coincidence = |row: &Row| {
            Ok(CoincidenceRow {
                applicant: row.text(0)?.to_owned(),
                company_name: row.text(1)?.to_owned(),
                member: row.text(2)?.to_owned(),
                at: row.instant(3)?,
            })
        };
        self.0.execute(COINCIDENCES, &[id.to_string().into()])?.iter().map(coincidence).collect()
    }

    /// Earlier versions of a case's application: version, 公司名稱, 連線主機網路位址, 聯絡人,
    /// 市話, 手機, 電子信箱, 使用目的/原因.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn former_versions(&self, row: &CaseRow) -> Result<Vec<(i64, [String; 7])>, StoreError> {
        let version = |found: &Row| {
            let text = |index| Ok(found.optional_text(index)?.unwrap_or_default());
            let fields = [text(1)?, text(2)?, text(3)?, text(4)?, text(5)?, text(6)?, text(7)?];
            Ok((found.integer(0)?, fields))
        };
        let parameters = [row.case.id.to_string().into(), row.version.into()];
        self.0.execute(FORMER_VERSIONS, &parameters)?.iter().map(version).collect()
    }
}
