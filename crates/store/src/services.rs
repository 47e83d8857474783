//! The identity confirmation service: its form, what officers' consent brings about, and the
//! approved services.

use domain::{
    Applicant, AskedCase, CaseId, CaseKind, ConfirmationSubmission, Person, RateLimit,
    ServiceState, ServiceTimes, StopGround,
};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;

use crate::cases::json as text_of;
use crate::database::one;
use crate::{CaseRow, Cases, Database, Evidence, Filing, Row, StoreError};

/// What the annex has beside every application.
#[derive(Clone, Debug)]
pub struct ConfirmationFormRow {
    /// 機關(構)地址.
    pub address: String,
    /// 應用系統中文名稱.
    pub system_name: String,
    /// 伺服器憑證序號.
    pub server_serial: String,
    /// 聯絡人, `{"name", "title", "unit", "email", "phone", "fax"}`.
    pub contact: serde_json::Value,
    /// 代理人.
    pub deputy: serde_json::Value,
    /// 預定開放日期 or 預定停用日期.
    pub day: Date,
    /// The last instant of the server certificate.
    pub not_after: Option<Timestamp>,
    /// Version of 申請要點.
    pub terms_version: String,
}

/// An approved service.
#[derive(Clone, Debug)]
pub struct ServiceRow {
    /// Its number.
    pub id: i64,
    /// The case that was approved.
    pub case: CaseId,
    /// Whose.
    pub applicant: Applicant,
    /// 機關(構)名稱.
    pub name: String,
    /// 應用系統中文名稱.
    pub system_name: String,
    /// Where letters go.
    pub email: String,
    /// 伺服器憑證序號.
    pub server_serial: String,
    /// When it is open.
    pub times: ServiceTimes,
    /// Why it was stopped: ground, and words.
    pub stop: Option<(StopGround, String)>,
    /// Requests that it may make.
    pub rate: RateLimit,
}

const STANDING: &str = "SELECT
    EXISTS (SELECT 1 FROM institutions WHERE applicant = ?1),
    EXISTS (SELECT 1 FROM cases WHERE applicant = ?1 AND service = 'confirmation' AND state = 'accepted')";
const ASKED: &str =
    "SELECT cases.id, cases.kind, submitted_at FROM cases JOIN questions ON case_id = cases.id
    WHERE applicant = ?1 AND service = 'confirmation' AND state = 'accepted' AND closed_at IS NULL";
const INSERT_FORM: &str = "INSERT INTO confirmation_forms
    (case_id, version, address, system_name, server_serial, contact, deputy, day, terms_version,
     terms_sha256, sha256, certificate, not_before, not_after, judgement)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
const FORM: &str = "SELECT address, system_name, server_serial, contact, deputy, day, not_after,
    terms_version FROM confirmation_forms WHERE case_id = ?1 AND version = ?2";
const OPEN_SERVICE: &str = "INSERT INTO confirmation_services
    (case_id, applicant, name, system_name, email, server_serial, sha256, certificate, not_before,
     not_after, opens_on, approved_at)
    SELECT ?1, ?3, ?4, system_name, ?5, server_serial, sha256, certificate, not_before, not_after,
        day, ?6
    FROM confirmation_forms WHERE case_id = ?1 AND version = ?2 AND sha256 IS NOT NULL
    RETURNING id";
const CLOSE_SERVICE: &str = "UPDATE confirmation_services
    SET closes_on = (SELECT day FROM confirmation_forms WHERE case_id = ?1 AND version = ?2)
    WHERE id = (SELECT max(id) FROM confirmation_services WHERE applicant = ?3 AND stopped_at IS NULL
        AND closes_on IS NULL AND server_serial =
        (SELECT server_serial FROM confirmation_forms WHERE case_id = ?1 AND version = ?2))
    RETURNING id";
macro_rules! service_select {
    () => {
        "SELECT id, case_id, applicant, name, system_name, email, server_serial, opens_on, closes_on,
    not_before, not_after, stopped_at, stop_ground, stop_reason, requests_per_minute, burst
    FROM confirmation_services "
    };
}
const BY_CERTIFICATE: &str =
    concat!(service_select!(), "WHERE sha256 = ?1 ORDER BY confirmation_services.id DESC");
/// What the trigger `a_server_certificate_serves_one` refuses.
const IN_USE: &str = "SELECT 1 FROM confirmation_services WHERE sha256 = ?1
    AND (applicant <> ?2 OR (stopped_at IS NULL AND closes_on IS NULL)) LIMIT 1";
/// The certificate of an application that was not approved yet.
const CERTIFICATE_OF: &str =
    "SELECT sha256 FROM confirmation_forms WHERE case_id = ?1 AND version = ?2";
const OF_APPLICANT: &str = concat!(service_select!(), "WHERE applicant = ?1 ORDER BY id DESC");
const ALL: &str = concat!(service_select!(), "ORDER BY id DESC LIMIT 1000");
const ONE: &str = concat!(service_select!(), "WHERE id = ?1");

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[
    STANDING,
    ASKED,
    INSERT_FORM,
    FORM,
    OPEN_SERVICE,
    CLOSE_SERVICE,
    BY_CERTIFICATE,
    IN_USE,
    CERTIFICATE_OF,
    OF_APPLICANT,
    ALL,
    ONE,
];

fn person(person: &Person) -> Result<String, StoreError> {
    text_of(&json!({
        "name": person.name, "title": person.title, "unit": person.unit,
        "email": person.email.as_str(), "phone": person.phone.as_str(), "fax": person.fax.as_str(),
    }))
}

impl<D: Database> Cases<D> {
    /// Whether an applicant is on the list of supervised institutions, whether a case of the
    /// confirmation service is under way, and which one waits for an answer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn confirmation_standing(
        &self,
        applicant: Applicant,
    ) -> Result<(bool, bool, Option<AskedCase>), StoreError> {
        let applicant = applicant.to_string();
        let row = one(self.0.execute(STANDING, &[applicant.as_str().into()])?)?;
        let asked = self.0.execute(ASKED, &[applicant.into()])?;
        let asked = match asked.first() {
            None => None,
            Some(row) => Some(AskedCase {
                id: row.parsed(0, "case id", CaseId::parse)?,
                kind: row.parsed(1, "case kind", CaseKind::from_name)?,
                submitted_at: row.instant(2)?,
            }),
        };
        Ok((row.integer(0)? == 1, row.integer(1)? == 1, asked))
    }

    /// Keeps an application for the confirmation service. Inside a transaction.
    ///
    /// # Errors
    /// As [`Cases::keep_application`].
    pub fn keep_confirmation(
        &self,
        submission: &ConfirmationSubmission,
        evidence: Evidence<'_>,
        review_days: u16,
    ) -> Result<(), StoreError> {
        let ConfirmationSubmission { case, form, certificate, signer_name } = submission;
        let draft = &form.draft;
        let filing = Filing {
            name: &draft.organisation_name,
            contact_name: &draft.contact_name,
            email: form.contact.email.as_str(),
            reason: &draft.text,
            signer_name,
        };
        let answer = draft.answers.is_some();
        let version = self.keep_application(case, filing, evidence, answer, review_days)?;
        let server = certificate.as_ref();
        let terms = domain::confirmation_terms();
        let parameters = [
            case.id.to_string().into(),
            version.into(),
            draft.organisation_address.as_str().into(),
            draft.system_name.as_str().into(),
            draft.server_serial.as_str().into(),
            person(&form.contact)?.into(),
            person(&form.deputy)?.into(),
            form.day.to_string().into(),
            terms.version.into(),
            terms.sha256.into(),
            server.map(|server| server.certificate().fingerprint().0.to_vec()).into(),
            server.map(|server| server.certificate().der().to_vec()).into(),
            server.map(|server| server.certificate().not_before()).into(),
            server.map(|server| server.certificate().not_after()).into(),
            server.map(|server| text_of(server.judgement())).transpose()?.into(),
        ];
        self.0.execute(INSERT_FORM, &parameters).map(drop)
    }

    /// The annex of a case, in the version that counts.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn confirmation_form(
        &self,
        row: &CaseRow,
    ) -> Result<Option<ConfirmationFormRow>, StoreError> {
        let rows = self.0.execute(FORM, &[row.case.id.to_string().into(), row.version.into()])?;
        let form = |row: &Row| {
            Ok(ConfirmationFormRow {
                address: row.text(0)?.to_owned(),
                system_name: row.text(1)?.to_owned(),
                server_serial: row.text(2)?.to_owned(),
                contact: row.parsed(3, "person", |text| serde_json::from_str(text).ok())?,
                deputy: row.parsed(4, "person", |text| serde_json::from_str(text).ok())?,
                day: row.parsed(5, "day", |text| text.parse().ok())?,
                not_after: row.optional_instant(6)?,
                terms_version: row.text(7)?.to_owned(),
            })
        };
        rows.first().map(form).transpose()
    }

    /// Brings about what 同意 means: a service begins or ends on its day. Inside the decision's
    /// transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is no such service;
    /// [`StoreError::ServerCertificateInUse`].
    pub fn keep_confirmation_approval(
        &self,
        row: &CaseRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = row.case.id.to_string();
        let applicant = row.case.applicant.to_string();
        let done = match row.case.kind {
            CaseKind::ConfirmationStart => {
                let form = one(self
                    .0
                    .execute(CERTIFICATE_OF, &[id.as_str().into(), row.version.into()])?)?;
                if self.is_server_certificate_in_use(form.blob(0)?, row.case.applicant)? {
                    return Err(StoreError::ServerCertificateInUse);
                }
                self.0.execute(
                    OPEN_SERVICE,
                    &[
                        id.into(),
                        row.version.into(),
                        applicant.into(),
                        row.company_name.as_str().into(),
                        row.email.as_str().into(),
                        now.into(),
                    ],
                )
            }
            CaseKind::ConfirmationStop => {
                self.0.execute(CLOSE_SERVICE, &[id.into(), row.version.into(), applicant.into()])
            }
            _ => return Err(StoreError::Conflict),
        };
        one(done?).map(drop)
    }

    /// The service that a call with this server certificate is for: the one that is open, and
    /// without any the newest. One may begin when another is to end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn service_of_certificate(
        &self,
        sha256: &[u8],
        now: Timestamp,
    ) -> Result<Option<ServiceRow>, StoreError> {
        let rows = self.0.execute(BY_CERTIFICATE, &[sha256.into()])?;
        let mut services = rows.iter().map(service).collect::<Result<Vec<_>, _>>()?;
        let open = services.iter().position(|row| row.state(now) == ServiceState::Open);
        let place = open.unwrap_or(0);
        Ok((place < services.len()).then(|| services.swap_remove(place)))
    }

    /// Whether a server certificate serves another applicant, or a service of which no end is
    /// known: then it cannot serve a new one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_server_certificate_in_use(
        &self,
        sha256: &[u8],
        applicant: Applicant,
    ) -> Result<bool, StoreError> {
        let parameters = [sha256.into(), applicant.to_string().into()];
        Ok(!self.0.execute(IN_USE, &parameters)?.is_empty())
    }

    /// An applicant's services, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn services_of(&self, applicant: Applicant) -> Result<Vec<ServiceRow>, StoreError> {
        self.0.execute(OF_APPLICANT, &[applicant.to_string().into()])?.iter().map(service).collect()
    }

    /// Every service, newest first; a thousand at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn services(&self) -> Result<Vec<ServiceRow>, StoreError> {
        self.0.execute(ALL, &[])?.iter().map(service).collect()
    }

    /// One service.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn service(&self, id: i64) -> Result<Option<ServiceRow>, StoreError> {
        self.0.execute(ONE, &[id.into()])?.first().map(service).transpose()
    }
}

impl ServiceRow {
    /// Where it stands.
    pub fn state(&self, now: Timestamp) -> ServiceState {
        self.times.state(now)
    }
}

pub(crate) fn day(row: &Row, index: usize) -> Result<Date, StoreError> {
    row.parsed(index, "day", |text| text.parse().ok())
}

fn service(row: &Row) -> Result<ServiceRow, StoreError> {
    let limit = |index| {
        let number = row.integer(index)?;
        u32::try_from(number)
            .map_err(|_| StoreError::Inconsistent { what: "limit", found: number.to_string() })
    };
    Ok(ServiceRow {
        id: row.integer(0)?,
        case: row.parsed(1, "case id", CaseId::parse)?,
        applicant: row.parsed(2, "applicant", |text| text.parse().ok())?,
        name: row.text(3)?.to_owned(),
        system_name: row.text(4)?.to_owned(),
        email: row.text(5)?.to_owned(),
        server_serial: row.text(6)?.to_owned(),
        times: ServiceTimes {
            opens_on: day(row, 7)?,
            closes_on: if row.is_null(8) { None } else { Some(day(row, 8)?) },
            not_before: row.instant(9)?,
            not_after: row.instant(10)?,
            stopped_at: row.optional_instant(11)?,
        },
        stop: match row.is_null(12) {
            true => None,
            false => {
                Some((row.parsed(12, "ground", StopGround::from_name)?, row.text(13)?.to_owned()))
            }
        },
        rate: RateLimit { per_minute: limit(14)?, burst: limit(15)? },
    })
}
