//! Cases and the applications behind them, as their applicants make and see them.

use domain::{
    Act, Actor, Agreement, Applicant, Case, CaseId, CaseKind, CaseState, CertificateUpload, Ground,
    Receipt, ReviewClock, RocDateTime, Standing, Submission, Ubn, UnderReview,
};
use jiff::Timestamp;
use pki::{Judgement, Purpose};
use sha2::{Digest, Sha256};

use crate::audit::Deed;
use crate::database::one;
use crate::{Cases, Database, Row, StoreError};

/// A case with everything that its applicant and an officer see.
#[derive(Clone, Debug)]
pub struct CaseRow {
    /// Id, company, kind, state and time.
    pub case: Case,
    /// 審核日期.
    pub decided_at: Option<Timestamp>,
    /// 審核結果.
    pub result: Option<String>,
    /// 公司名稱, or the organisation's.
    pub company_name: String,
    /// 連線主機網路位址, where the form has one.
    pub host_address: Option<String>,
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
    /// Which of its applications this is, from 1.
    pub version: i64,
    /// Codes of the grounds of its decision.
    pub grounds: Vec<Ground>,
    /// The officer who has it.
    pub assigned_to: Option<i64>,
    /// That officer's name.
    pub assigned_name: Option<String>,
    /// Why a supervisor is to look at it.
    pub second_look: Option<String>,
    /// When its decision is due.
    pub clock: ReviewClock,
    /// 統編變更: the 統一編號 after (API停用) or before (API申請).
    pub other_ubn: Option<Ubn>,
}

impl CaseRow {
    /// What stands in the way of an officer's acts.
    pub fn under_review(&self) -> UnderReview {
        UnderReview {
            state: self.case.state,
            kind: self.case.kind,
            assigned_to: self.assigned_to,
            waiting: self.waiting_since().is_some(),
        }
    }

    /// Since when the applicant's answer is waited for.
    pub fn waiting_since(&self) -> Option<Timestamp> {
        self.clock.pauses.iter().find(|(_, end)| end.is_none()).map(|(from, _)| *from)
    }

    /// The receipt, which the applicant can see again at any time.
    pub fn receipt(&self) -> Receipt {
        let Case { id, applicant, kind, state, submitted_at } = self.case.clone();
        Receipt {
            serial_number: id,
            kind,
            kind_word: kind.case_word(),
            submitted_at: submitted_at.to_string(),
            submitted_at_roc: RocDateTime(submitted_at).to_string(),
            state,
            state_word: state.word(),
            company_name: self.company_name.clone(),
            ubn: applicant.ubn(),
            organisation: match applicant {
                Applicant::Company(_) => None,
                Applicant::Organisation(organisation) => Some(organisation),
            },
            landline: self.landline.clone(),
            mobile: self.mobile.clone(),
            email: self.email.clone(),
            host_address: self.host_address.clone(),
            reason: self.reason.clone(),
            other_ubn: self.other_ubn,
            iss_key: None,
        }
    }
}

/// A signed message as it was received.
#[derive(Clone, Debug)]
pub struct EvidenceRow {
    /// Which of the case's applications it is, from 1.
    pub version: i64,
    /// When it came.
    pub received_at: Timestamp,
    /// CMS, byte for byte.
    pub signed_data: Vec<u8>,
    /// What its acceptance was based on.
    pub judgement: Judgement,
    /// What the acceptance of the certificate in it was based on, of an upload.
    pub certificate_judgement: Option<Judgement>,
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

/// Who applies, whom to write to, and why: what every application has.
#[derive(Clone, Copy, Debug)]
pub struct Filing<'a> {
    /// 公司名稱, or the organisation's.
    pub name: &'a str,
    /// 聯絡人.
    pub contact_name: &'a str,
    /// 電子信箱: where letters go.
    pub email: &'a str,
    /// What for.
    pub reason: &'a str,
    /// The name in the certificate that signed.
    pub signer_name: &'a str,
}

/// What the form of the API service has besides.
struct ApiForm {
    host_address: String,
    landline: Option<String>,
    mobile: Option<String>,
    other_ubn: Option<Ubn>,
}

const STANDING: &str = "SELECT
    (SELECT status FROM accounts WHERE ubn = ?1),
    EXISTS (SELECT 1 FROM cases WHERE applicant = ?1 AND service = 'api' AND state = 'accepted'),
    (SELECT plan_accepted_at FROM accounts WHERE ubn = ?1)";
const ASKED: &str = "SELECT cases.id, cases.kind FROM cases JOIN questions ON case_id = cases.id
    WHERE applicant = ?1 AND service = 'api' AND state = 'accepted' AND closed_at IS NULL";
/// A record as it is kept.
pub(crate) fn json(record: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|error| StoreError::Driver(error.to_string()))
}

const INSERT_CASE: &str =
    "INSERT INTO cases (id, applicant, service, kind, state, submitted_at, version, review_days)
    VALUES (?1, ?2, ?7, ?3, ?4, ?5, 1, ?6)";
const INSERT_APPLICATION: &str = "INSERT INTO applications
    (case_id, version, received_at, company_name, contact_name, email, reason, signer_name,
     challenge, signed_data, judgement)
    SELECT ?1, version, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM cases WHERE id = ?1
    RETURNING version";
const INSERT_API_FORM: &str = "INSERT INTO api_forms
    (case_id, version, host_address, landline, mobile,
     notice_version, notice_sha256, rules_version, rules_sha256, other_ubn)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
/// The data on file stand on the receipt of an upload (figure 12).
const ON_FILE: &str = "SELECT company_name, contact_name, email, host_address, landline, mobile
    FROM accounts WHERE ubn = ?1";
const OF_CERTIFICATE: &str = "UPDATE applications SET certificate_judgement = ?3
    WHERE case_id = ?1 AND version = ?2 RETURNING case_id";
const BY_CHALLENGE: &str =
    "SELECT case_id FROM applications WHERE challenge = ?1 AND signed_data = ?2";
/// A registration's second card signed a message of its own.
const EVIDENCE: &str =
    "SELECT version, received_at, signed_data, judgement, certificate_judgement, 1 AS card
    FROM applications WHERE case_id = ?1
    UNION ALL SELECT version, received_at, citizen_signed, citizen_judgement, NULL, 2
    FROM registration_forms JOIN applications USING (case_id, version)
    WHERE case_id = ?1 AND citizen_signed IS NOT NULL ORDER BY version, card";
/// What [`case_row`] reads.
macro_rules! case_select {
    () => {
        "SELECT cases.id, applicant, kind, state, submitted_at, decided_at, result,
    company_name, host_address, contact_name, landline, mobile, email, reason, signer_name,
    cases.version, grounds, assigned_to, (SELECT name FROM officers WHERE officers.id = assigned_to),
    second_look, review_days + extension_days,
    (SELECT json_group_array(json_array(asked_at, closed_at)) FROM questions WHERE case_id = cases.id),
    other_ubn
    FROM cases
    JOIN applications ON applications.case_id = cases.id AND applications.version = cases.version
    LEFT JOIN api_forms ON api_forms.case_id = cases.id AND api_forms.version = cases.version "
    };
}
pub(crate) use case_select;
const OF_APPLICANT: &str = concat!(
    case_select!(),
    "WHERE applicant = ?1 ORDER BY submitted_at DESC,
    (SELECT min(place) FROM audit_log WHERE audit_log.case_id = cases.id) DESC"
);
const BY_ID: &str = concat!(case_select!(), "WHERE cases.id = ?1");
const NEXT_VERSION: &str = "UPDATE cases SET version = version + 1
    WHERE id = ?1 AND applicant = ?2 AND state = 'accepted' RETURNING version";
const ANSWER: &str = "UPDATE questions SET closed_at = ?2, version = ?3
    WHERE case_id = ?1 AND closed_at IS NULL RETURNING id";
const CLOSE_QUESTION: &str =
    "UPDATE questions SET closed_at = ?2 WHERE case_id = ?1 AND closed_at IS NULL";
const CANCEL: &str = "UPDATE cases SET state = 'cancelled'
    WHERE id = ?1 AND applicant = ?2 AND state = 'accepted' RETURNING id";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[
    STANDING,
    ASKED,
    INSERT_CASE,
    INSERT_APPLICATION,
    INSERT_API_FORM,
    ON_FILE,
    OF_CERTIFICATE,
    BY_CHALLENGE,
    EVIDENCE,
    OF_APPLICANT,
    BY_ID,
    NEXT_VERSION,
    ANSWER,
    CLOSE_QUESTION,
    CANCEL,
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
        let asked = self.0.execute(ASKED, &[ubn.as_str().into()])?;
        let asked = match asked.first() {
            None => None,
            Some(row) => Some((
                row.parsed(0, "case id", CaseId::parse)?,
                row.parsed(1, "case kind", CaseKind::from_name)?,
            )),
        };
        Ok(Standing {
            account,
            open_case: row.integer(1)? == 1,
            asked,
            plan_accepted: !row.is_null(2),
            takes_over: self.takes_over(ubn)?,
        })
    }

    /// Keeps an application to the API service, or the answer to a question (補件) as the next
    /// version of one. Inside a transaction. `review_days`: working days for the review.
    ///
    /// # Errors
    /// [`StoreError::OpenCase`] when a case is under way; errors of the challenge.
    pub fn keep_submission(
        &self,
        submission: &Submission,
        evidence: Evidence<'_>,
        review_days: u16,
    ) -> Result<(), StoreError> {
        let Submission { case, application, .. } = submission;
        let filing = Filing {
            name: &application.company_name,
            contact_name: &application.contact_name,
            email: application.email.as_str(),
            reason: &application.reason,
            signer_name: &submission.signer_name,
        };
        let answer = application.answers.is_some();
        let version = self.keep_application(case, filing, evidence, answer, review_days)?;
        let form = ApiForm {
            host_address: application.host_address.to_string(),
            landline: application.landline.as_ref().map(|number| number.as_str().to_owned()),
            mobile: application.mobile.as_ref().map(|number| number.as_str().to_owned()),
            other_ubn: application.other_ubn,
        };
        self.keep_api_form(case.id, version, form, &application.agreed)
    }

    /// Keeps what every application has, of whatever service: the case, or the next version of
    /// one as the answer to a question; who applies and why; the evidence, whose challenge is
    /// used up; the entry in the log. What the form has besides is kept by its service under the
    /// version that this returns. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::OpenCase`] when a case of the same service is under way; errors of the
    /// challenge.
    pub fn keep_application(
        &self,
        case: &Case,
        filing: Filing<'_>,
        evidence: Evidence<'_>,
        answers_question: bool,
        review_days: u16,
    ) -> Result<i64, StoreError> {
        self.consume(case, evidence)?;
        if !answers_question {
            return self.open_case(case, filing, evidence, review_days);
        }
        let id = case.id.to_string();
        let next = [id.as_str().into(), case.applicant.to_string().into()];
        let version = one(self.0.execute(NEXT_VERSION, &next)?)?.integer(0)?;
        one(self.0.execute(ANSWER, &[id.into(), case.submitted_at.into(), version.into()])?)?;
        self.insert_application(case, filing, evidence)?;
        self.log_message(case, Act::Answered, evidence.signed_data)?;
        Ok(version)
    }

    /// Opens a case with its first application, whose challenge was used up already. Inside a
    /// transaction.
    pub(crate) fn open_case(
        &self,
        case: &Case,
        filing: Filing<'_>,
        evidence: Evidence<'_>,
        review_days: u16,
    ) -> Result<i64, StoreError> {
        self.insert_case(case, review_days)?;
        let version = self.insert_application(case, filing, evidence)?;
        self.log_message(case, Act::Submitted, evidence.signed_data)?;
        Ok(version)
    }

    /// The log's entry of a message that a card of the applicant signed: by its digest, it speaks
    /// of one alone.
    pub(crate) fn log_message(
        &self,
        case: &Case,
        act: Act,
        signed_data: &[u8],
    ) -> Result<(), StoreError> {
        let digest =
            serde_json::json!({ "signedDataSha256": hex::encode(Sha256::digest(signed_data)) });
        let deed = Deed::new(Actor::Applicant(case.applicant), act, case.submitted_at);
        self.log(&deed.on_case(case.id, case.applicant).with(digest))
    }

    fn insert_application(
        &self,
        case: &Case,
        filing: Filing<'_>,
        evidence: Evidence<'_>,
    ) -> Result<i64, StoreError> {
        let parameters = [
            case.id.to_string().into(),
            case.submitted_at.into(),
            filing.name.into(),
            filing.contact_name.into(),
            filing.email.into(),
            filing.reason.into(),
            filing.signer_name.into(),
            evidence.challenge.into(),
            evidence.signed_data.into(),
            json(evidence.judgement)?.into(),
        ];
        one(self.0.execute(INSERT_APPLICATION, &parameters)?)?.integer(0)
    }

    fn keep_api_form(
        &self,
        id: CaseId,
        version: i64,
        form: ApiForm,
        agreed: &Agreement,
    ) -> Result<(), StoreError> {
        let Agreement { notice, rules } = agreed.clone();
        let parameters = [
            id.to_string().into(),
            version.into(),
            form.host_address.into(),
            form.landline.into(),
            form.mobile.into(),
            notice.version.into(),
            notice.sha256.into(),
            rules.version.into(),
            rules.sha256.into(),
            form.other_ubn.as_ref().map(Ubn::as_str).into(),
        ];
        self.0.execute(INSERT_API_FORM, &parameters).map(drop)
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
        // It is never reviewed.
        self.insert_case(case, 1)?;
        let on_file = one(self.0.execute(ON_FILE, &[case.applicant.to_string().into()])?)?;
        let filing = Filing {
            name: on_file.text(0)?,
            contact_name: on_file.text(1)?,
            email: on_file.text(2)?,
            reason: &upload.reason,
            signer_name: &upload.signer_name,
        };
        let version = self.insert_application(case, filing, evidence)?;
        let judgement = json(upload.certificate.judgement())?;
        let parameters = [case.id.to_string().into(), version.into(), judgement.into()];
        one(self.0.execute(OF_CERTIFICATE, &parameters)?)?;
        let form = ApiForm {
            host_address: on_file.text(3)?.to_owned(),
            landline: on_file.optional_text(4)?,
            mobile: on_file.optional_text(5)?,
            other_ubn: None,
        };
        self.keep_api_form(case.id, version, form, &upload.agreed)?;
        self.log_message(case, Act::Uploaded, evidence.signed_data)
    }

    /// The case of this applicant that this very message has opened already: a page that lost
    /// the answer sends it again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn case_of_message(
        &self,
        applicant: impl Into<Applicant>,
        challenge: &str,
        signed_data: &[u8],
    ) -> Result<Option<CaseRow>, StoreError> {
        let rows = self.0.execute(BY_CHALLENGE, &[challenge.into(), signed_data.into()])?;
        let Some(row) = rows.first() else { return Ok(None) };
        let id = row.parsed(0, "case id", CaseId::parse)?;
        match self.case_of(applicant, id) {
            Err(StoreError::CaseNotFound) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The signed messages of a case, as received, and what their acceptance was based on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn evidence(&self, id: CaseId) -> Result<Vec<EvidenceRow>, StoreError> {
        let read = |text: &str| serde_json::from_str(text).ok();
        let evidence = |row: &Row| {
            let certificate_judgement =
                if row.is_null(4) { None } else { Some(row.parsed(4, "judgement", read)?) };
            Ok(EvidenceRow {
                version: row.integer(0)?,
                received_at: row.instant(1)?,
                signed_data: row.blob(2)?.to_vec(),
                judgement: row.parsed(3, "judgement", read)?,
                certificate_judgement,
            })
        };
        self.0.execute(EVIDENCE, &[id.to_string().into()])?.iter().map(evidence).collect()
    }

    fn consume(&self, case: &Case, evidence: Evidence<'_>) -> Result<(), StoreError> {
        let Evidence { challenge, purpose, origin, .. } = evidence;
        let applicant = Some(case.applicant);
        self.consume_challenge(challenge, purpose, origin, applicant, case.submitted_at)
    }

    fn insert_case(&self, case: &Case, review_days: u16) -> Result<(), StoreError> {
        let parameters = [
            case.id.to_string().into(),
            case.applicant.to_string().into(),
            case.kind.name().into(),
            case.state.name().into(),
            case.submitted_at.into(),
            i64::from(review_days).into(),
            case.kind.service().name().into(),
        ];
        match self.0.execute(INSERT_CASE, &parameters) {
            Err(StoreError::Unique(columns)) if columns.contains("cases.applicant") => {
                Err(StoreError::OpenCase)
            }
            other => other.map(drop),
        }
    }

    /// An applicant's cases, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cases_of(&self, applicant: impl Into<Applicant>) -> Result<Vec<CaseRow>, StoreError> {
        self.0
            .execute(OF_APPLICANT, &[applicant.into().to_string().into()])?
            .iter()
            .map(case_row)
            .collect()
    }

    /// One case.
    ///
    /// # Errors
    /// [`StoreError::CaseNotFound`].
    pub fn case(&self, id: CaseId) -> Result<CaseRow, StoreError> {
        let rows = self.0.execute(BY_ID, &[id.to_string().into()])?;
        rows.first().map(case_row).ok_or(StoreError::CaseNotFound)?
    }

    /// One case of this applicant; another one's is not found.
    ///
    /// # Errors
    /// [`StoreError::CaseNotFound`].
    pub fn case_of(
        &self,
        applicant: impl Into<Applicant>,
        id: CaseId,
    ) -> Result<CaseRow, StoreError> {
        let applicant = applicant.into();
        self.case(id).and_then(|row| {
            if row.case.applicant == applicant { Ok(row) } else { Err(StoreError::CaseNotFound) }
        })
    }

    /// Keeps a cancellation. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the case is no longer open.
    pub fn keep_cancellation(&self, cancelled: &Case, now: Timestamp) -> Result<(), StoreError> {
        self.close_question(cancelled.id, now)?;
        let parameters = [cancelled.id.to_string().into(), cancelled.applicant.to_string().into()];
        one(self.0.execute(CANCEL, &parameters)?)?;
        let deed = Deed::new(Actor::Applicant(cancelled.applicant), Act::Cancelled, now);
        self.log(&deed.on_case(cancelled.id, cancelled.applicant))
    }

    /// A question that is open is no longer needed. Inside a transaction.
    pub(crate) fn close_question(&self, id: CaseId, now: Timestamp) -> Result<(), StoreError> {
        self.0.execute(CLOSE_QUESTION, &[id.to_string().into(), now.into()]).map(drop)
    }
}

pub(crate) fn case_row(row: &Row) -> Result<CaseRow, StoreError> {
    let pauses: Vec<(i64, Option<i64>)> =
        row.parsed(21, "questions", |text| serde_json::from_str(text).ok())?;
    let instant = |second: i64| {
        Timestamp::from_second(second)
            .map_err(|_| StoreError::Inconsistent { what: "instant", found: second.to_string() })
    };
    let pause = |(from, to): (i64, Option<i64>)| Ok((instant(from)?, to.map(instant).transpose()?));
    let pauses = pauses.into_iter().map(pause).collect::<Result<_, StoreError>>()?;
    let grounds = match row.is_null(16) {
        true => Vec::new(),
        false => row.parsed(16, "grounds", |text| serde_json::from_str(text).ok())?,
    };
    let submitted_at = row.instant(4)?;
    Ok(CaseRow {
        case: Case {
            id: row.parsed(0, "case id", CaseId::parse)?,
            applicant: row.parsed(1, "applicant", |text| text.parse().ok())?,
            kind: row.parsed(2, "case kind", CaseKind::from_name)?,
            state: row.parsed(3, "case state", CaseState::from_name)?,
            submitted_at,
        },
        decided_at: row.optional_instant(5)?,
        result: row.optional_text(6)?,
        company_name: row.text(7)?.to_owned(),
        host_address: row.optional_text(8)?,
        contact_name: row.text(9)?.to_owned(),
        landline: row.optional_text(10)?,
        mobile: row.optional_text(11)?,
        email: row.text(12)?.to_owned(),
        reason: row.text(13)?.to_owned(),
        signer_name: row.text(14)?.to_owned(),
        version: row.integer(15)?,
        grounds,
        assigned_to: row.optional_integer(17)?,
        assigned_name: row.optional_text(18)?,
        second_look: row.optional_text(19)?,
        clock: ReviewClock {
            submitted_at,
            days: u16::try_from(row.integer(20)?).unwrap_or(u16::MAX),
            pauses,
        },
        other_ubn: match row.is_null(22) {
            true => None,
            false => Some(row.parsed(22, "統一編號", |text| text.parse().ok())?),
        },
    })
}
