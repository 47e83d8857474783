//! Cases, the applications behind them, and their events.

use domain::{
    Actor, Agreement, Case, CaseId, CaseKind, CaseState, CertificateUpload, Receipt, RocDateTime,
    Standing, Submission, Ubn,
};
use jiff::Timestamp;
use pki::{Judgement, Purpose};

use crate::database::one;
use crate::{Cases, Database, Row, StoreError, Value};

/// A case with everything that its applicant and an officer see.
#[derive(Clone, Debug)]
pub struct CaseRow {
    /// Id, company, kind, state and time.
    pub case: Case,
    /// 審核日期.
    pub decided_at: Option<Timestamp>,
    /// 審核結果.
    pub result: Option<String>,
    /// 公司名稱.
    pub company_name: String,
    /// 連線主機網路位址.
    pub host_address: String,
    /// 聯絡人.
    pub contact_name: String,
    /// 市話.
    pub landline: Option<String>,
    /// 手機.
    pub mobile: Option<String>,
    /// 電子信箱.
    pub email: String,
    /// 使用目的/原因.
    pub reason: String,
    /// The name in the certificate that signed.
    pub signer_name: String,
}

impl CaseRow {
    /// The receipt, which the applicant can see again at any time.
    pub fn receipt(&self) -> Receipt {
        let Case { id, ubn, kind, state, submitted_at } = self.case.clone();
        Receipt {
            serial_number: id,
            kind,
            kind_word: kind.case_word(),
            submitted_at: submitted_at.to_string(),
            submitted_at_roc: RocDateTime(submitted_at).to_string(),
            state,
            state_word: state.word(),
            company_name: self.company_name.clone(),
            ubn,
            landline: self.landline.clone(),
            mobile: self.mobile.clone(),
            email: self.email.clone(),
            host_address: self.host_address.clone(),
            reason: self.reason.clone(),
            iss_key: None,
        }
    }
}

/// The signed message as received, and the challenge that it uses up.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// CMS, byte for byte.
    pub signed_data: &'a [u8],
    /// What its acceptance was based on.
    pub judgement: &'a Judgement,
    /// The challenge inside.
    pub challenge: &'a str,
    /// What it was issued for.
    pub purpose: Purpose,
    /// The origin it was issued to.
    pub origin: &'a str,
}

const STANDING: &str = "SELECT
    (SELECT status FROM accounts WHERE ubn = ?1),
    EXISTS (SELECT 1 FROM cases WHERE ubn = ?1 AND state = 'accepted')";
/// A record as it is kept.
pub(crate) fn json(record: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|error| StoreError::Driver(error.to_string()))
}

const INSERT_CASE: &str =
    "INSERT INTO cases (id, ubn, kind, state, submitted_at) VALUES (?1, ?2, ?3, ?4, ?5)";
const INSERT_APPLICATION: &str = "INSERT INTO applications
    (case_id, company_name, host_address, contact_name, landline, mobile, email, reason,
     notice_version, notice_sha256, rules_version, rules_sha256, signer_name, challenge, signed_data,
     judgement)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
/// The data on file stand on the receipt of an upload (figure 12).
const INSERT_UPLOAD: &str = "INSERT INTO applications
    (case_id, company_name, host_address, contact_name, landline, mobile, email, reason,
     notice_version, notice_sha256, rules_version, rules_sha256, signer_name, challenge, signed_data,
     judgement)
    SELECT ?1, company_name, host_address, contact_name, landline, mobile, email, ?2,
           ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?11 FROM accounts WHERE ubn = ?10
    RETURNING case_id";
const BY_CHALLENGE: &str =
    "SELECT case_id FROM applications WHERE challenge = ?1 AND signed_data = ?2";
const EVIDENCE: &str = "SELECT signed_data, judgement FROM applications WHERE case_id = ?1";
const INSERT_EVENT: &str =
    "INSERT INTO case_events (case_id, at, actor, event) VALUES (?1, ?2, ?3, ?4)";
const OF_COMPANY: &str = "SELECT id, ubn, kind, state, submitted_at, decided_at, result,
    company_name, host_address, contact_name, landline, mobile, email, reason, signer_name
    FROM cases JOIN applications ON case_id = id
    WHERE ubn = ?1
    ORDER BY submitted_at DESC, (SELECT min(case_events.id) FROM case_events WHERE case_id = cases.id) DESC";
const BY_ID: &str = "SELECT cases.id, ubn, kind, state, submitted_at, decided_at, result,
    company_name, host_address, contact_name, landline, mobile, email, reason, signer_name
    FROM cases JOIN applications ON case_id = cases.id
    WHERE cases.id = ?1";
const UNDER_REVIEW: &str = "SELECT cases.id, ubn, kind, state, submitted_at, decided_at, result,
    company_name, host_address, contact_name, landline, mobile, email, reason, signer_name
    FROM cases JOIN applications ON case_id = cases.id
    WHERE state = 'accepted' ORDER BY submitted_at LIMIT 200";
const CANCEL: &str = "UPDATE cases SET state = 'cancelled'
    WHERE id = ?1 AND ubn = ?2 AND state = 'accepted' RETURNING id";
const DECIDE: &str = "UPDATE cases SET state = ?2, decided_at = ?3, decided_by = ?4, result = ?5
    WHERE id = ?1 AND state = 'accepted' RETURNING id";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[
    STANDING,
    INSERT_CASE,
    INSERT_APPLICATION,
    INSERT_UPLOAD,
    BY_CHALLENGE,
    EVIDENCE,
    INSERT_EVENT,
    OF_COMPANY,
    BY_ID,
    UNDER_REVIEW,
    CANCEL,
    DECIDE,
];

impl<D: Database> Cases<D> {
    /// What the rules need to know of a company.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn standing(&self, ubn: Ubn) -> Result<Standing, StoreError> {
        let row = one(self.0.execute(STANDING, &[ubn.as_str().into()])?)?;
        let account = if row.is_null(0) {
            None
        } else {
            Some(row.parsed(0, "account status", domain::AccountStatus::from_name)?)
        };
        Ok(Standing { account, open_case: row.integer(1)? == 1 })
    }

    /// Keeps an application. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::OpenCase`] when a case is under way; errors of the challenge.
    pub fn keep_submission(
        &self,
        submission: &Submission,
        evidence: Evidence<'_>,
    ) -> Result<(), StoreError> {
        let Submission { case, application, .. } = submission;
        self.consume(case, evidence)?;
        self.insert_case(case)?;
        let Agreement { notice, rules } = application.agreed.clone();
        self.0.execute(
            INSERT_APPLICATION,
            &[
                case.id.to_string().into(),
                application.company_name.as_str().into(),
                application.host_address.to_string().into(),
                application.contact_name.as_str().into(),
                application.landline.as_ref().map(|number| number.as_str()).into(),
                application.mobile.as_ref().map(|number| number.as_str()).into(),
                application.email.as_str().into(),
                application.reason.as_str().into(),
                notice.version.into(),
                notice.sha256.into(),
                rules.version.into(),
                rules.sha256.into(),
                submission.signer_name.as_str().into(),
                evidence.challenge.into(),
                evidence.signed_data.into(),
                json(evidence.judgement)?.into(),
            ],
        )?;
        self.record(case, &Actor::Applicant(case.ubn), "submitted", case.submitted_at)
    }

    /// Keeps the case of a certificate upload. Inside the upload's transaction.
    ///
    /// # Errors
    /// As [`Cases::keep_submission`].
    pub(crate) fn keep_upload_case(
        &self,
        upload: &CertificateUpload,
        evidence: Evidence<'_>,
    ) -> Result<(), StoreError> {
        let case = &upload.case;
        self.consume(case, evidence)?;
        self.insert_case(case)?;
        let Agreement { notice, rules } = upload.agreed.clone();
        one(self.0.execute(
            INSERT_UPLOAD,
            &[
                case.id.to_string().into(),
                upload.reason.as_str().into(),
                notice.version.into(),
                notice.sha256.into(),
                rules.version.into(),
                rules.sha256.into(),
                upload.signer_name.as_str().into(),
                evidence.challenge.into(),
                evidence.signed_data.into(),
                case.ubn.as_str().into(),
                json(evidence.judgement)?.into(),
            ],
        )?)?;
        self.record(case, &Actor::Applicant(case.ubn), "uploaded", case.submitted_at)
    }

    /// The case of this company that this very message has opened already: a page that lost
    /// the answer sends it again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn case_of_message(
        &self,
        ubn: Ubn,
        challenge: &str,
        signed_data: &[u8],
    ) -> Result<Option<CaseRow>, StoreError> {
        let rows = self.0.execute(BY_CHALLENGE, &[challenge.into(), signed_data.into()])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let id = row.parsed(0, "case id", CaseId::parse)?;
        match self.case_of(ubn, id) {
            Err(StoreError::CaseNotFound) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The signed message of a case, as received, and what its acceptance was based on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn evidence(&self, id: &str) -> Result<Option<(Vec<u8>, Judgement)>, StoreError> {
        let rows = self.0.execute(EVIDENCE, &[id.into()])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let judgement = row.parsed(1, "judgement", |text| serde_json::from_str(text).ok())?;
        Ok(Some((row.blob(0)?.to_vec(), judgement)))
    }

    fn consume(&self, case: &Case, evidence: Evidence<'_>) -> Result<(), StoreError> {
        let Evidence { challenge, purpose, origin, .. } = evidence;
        self.consume_challenge(challenge, purpose, origin, Some(case.ubn), case.submitted_at)
    }

    fn insert_case(&self, case: &Case) -> Result<(), StoreError> {
        let parameters = [
            case.id.to_string().into(),
            case.ubn.as_str().into(),
            case.kind.name().into(),
            case.state.name().into(),
            case.submitted_at.into(),
        ];
        match self.0.execute(INSERT_CASE, &parameters) {
            Err(StoreError::Unique(columns)) if columns.contains("cases.ubn") => {
                Err(StoreError::OpenCase)
            }
            other => other.map(drop),
        }
    }

    fn record(
        &self,
        case: &Case,
        actor: &Actor,
        event: &'static str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let actor = match actor {
            Actor::Applicant(ubn) => format!("applicant:{ubn}"),
            Actor::Officer(id) => format!("officer:{id}"),
        };
        let parameters: [Value; 4] =
            [case.id.to_string().into(), at.into(), actor.into(), event.into()];
        self.0.execute(INSERT_EVENT, &parameters).map(drop)
    }

    /// A company's cases, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cases_of(&self, ubn: Ubn) -> Result<Vec<CaseRow>, StoreError> {
        self.0.execute(OF_COMPANY, &[ubn.as_str().into()])?.iter().map(case_row).collect()
    }

    /// One case.
    ///
    /// # Errors
    /// [`StoreError::CaseNotFound`].
    pub fn case(&self, id: CaseId) -> Result<CaseRow, StoreError> {
        let rows = self.0.execute(BY_ID, &[id.to_string().into()])?;
        rows.first().map(case_row).ok_or(StoreError::CaseNotFound)?
    }

    /// One case of this company; another company's is not found.
    ///
    /// # Errors
    /// [`StoreError::CaseNotFound`].
    pub fn case_of(&self, ubn: Ubn, id: CaseId) -> Result<CaseRow, StoreError> {
        self.case(id).and_then(|row| {
            if row.case.ubn == ubn { Ok(row) } else { Err(StoreError::CaseNotFound) }
        })
    }

    /// Cases that wait for a decision, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn under_review(&self) -> Result<Vec<CaseRow>, StoreError> {
        self.0.execute(UNDER_REVIEW, &[])?.iter().map(case_row).collect()
    }

    /// Keeps a cancellation. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the case is no longer open.
    pub fn keep_cancellation(&self, cancelled: &Case, now: Timestamp) -> Result<(), StoreError> {
        let parameters = [cancelled.id.to_string().into(), cancelled.ubn.as_str().into()];
        one(self.0.execute(CANCEL, &parameters)?)?;
        self.record(cancelled, &Actor::Applicant(cancelled.ubn), "cancelled", now)
    }

    /// Keeps an officer's decision. Inside a transaction, with what it brings about.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else was faster.
    pub fn keep_decision(
        &self,
        decided: &Case,
        officer: i64,
        result: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        one(self.0.execute(
            DECIDE,
            &[
                decided.id.to_string().into(),
                decided.state.name().into(),
                now.into(),
                officer.into(),
                result.into(),
            ],
        )?)?;
        let event = if decided.state == CaseState::Approved { "approved" } else { "rejected" };
        self.record(decided, &Actor::Officer(officer), event, now)
    }
}

fn case_row(row: &Row) -> Result<CaseRow, StoreError> {
    Ok(CaseRow {
        case: Case {
            id: row.parsed(0, "case id", CaseId::parse)?,
            ubn: row.parsed(1, "統一編號", |text| text.parse().ok())?,
            kind: row.parsed(2, "case kind", CaseKind::from_name)?,
            state: row.parsed(3, "case state", CaseState::from_name)?,
            submitted_at: row.instant(4)?,
        },
        decided_at: row.optional_instant(5)?,
        result: row.optional_text(6)?,
        company_name: row.text(7)?.to_owned(),
        host_address: row.text(8)?.to_owned(),
        contact_name: row.text(9)?.to_owned(),
        landline: row.optional_text(10)?,
        mobile: row.optional_text(11)?,
        email: row.text(12)?.to_owned(),
        reason: row.text(13)?.to_owned(),
        signer_name: row.text(14)?.to_owned(),
    })
}
