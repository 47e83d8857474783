//! The identity confirmation service: its form, approved services, demands and stops.

use domain::{
    Act, Actor, Applicant, AskedCase, CaseId, CaseKind, ConfirmationSubmission, DemandKind, Person,
    RateLimit, ServiceState, ServiceTimes, StopGround, TAIPEI,
};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;

use crate::audit::Deed;
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

/// What is demanded of an applicant.
#[derive(Clone, Debug)]
pub struct DemandRow {
    /// Its number.
    pub id: i64,
    /// Of which service.
    pub service: i64,
    /// 限期改善 or 配合措施.
    pub kind: DemandKind,
    /// What.
    pub text: String,
    /// The last day for it.
    pub due_on: Date,
    /// When it was demanded.
    pub demanded_at: Timestamp,
    /// The applicant's answer.
    pub answer: Option<String>,
    /// When officers closed it.
    pub closed_at: Option<Timestamp>,
    /// Whether it was met.
    pub met: Option<bool>,
}

impl DemandRow {
    /// Whether it may be found unmet now: [`DemandKind::may_be_unmet`].
    pub fn may_be_unmet(&self, now: Timestamp) -> bool {
        let today = TAIPEI.to_datetime(now).date();
        self.kind.may_be_unmet(self.answer.is_some(), self.due_on, today)
    }
}

/// A demand that nobody has closed yet, and the officer who made it.
#[derive(Clone, Debug)]
pub struct OpenDemandRow {
    /// The demand.
    pub demand: DemandRow,
    /// Who made it.
    pub by: i64,
    /// That officer's name.
    pub by_name: String,
}

/// A stop that waits for the second officer.
#[derive(Clone, Debug)]
pub struct StopRow {
    /// Its number.
    pub id: i64,
    /// Of which service.
    pub service: i64,
    /// The ground.
    pub ground: StopGround,
    /// In words.
    pub reason: String,
    /// Who proposed it.
    pub proposed_by: i64,
    /// That officer's name.
    pub proposed_name: String,
    /// When.
    pub proposed_at: Timestamp,
}

/// A supervised institution.
#[derive(Clone, Debug)]
pub struct InstitutionRow {
    /// 統一編號, or organisation OID.
    pub applicant: Applicant,
    /// Its name.
    pub name: String,
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
macro_rules! demand_select {
    () => {
        "SELECT id, service_id, kind, text, due_on, demanded_at, answer, closed_at, met
    FROM confirmation_demands "
    };
}
const DEMANDS: &str = concat!(demand_select!(), "WHERE service_id = ?1 ORDER BY id DESC");
const DEMAND: &str = concat!(demand_select!(), "WHERE id = ?1");
const OPEN_DEMANDS: &str = "SELECT confirmation_demands.id, service_id, kind, text, due_on,
    demanded_at, answer, closed_at, met, demanded_by, name
    FROM confirmation_demands JOIN officers ON officers.id = demanded_by
    WHERE closed_at IS NULL ORDER BY due_on, confirmation_demands.id LIMIT 2000";
const PUT_DEMAND: &str = "INSERT INTO confirmation_demands
    (service_id, kind, text, due_on, demanded_at, demanded_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const ANSWER_DEMAND: &str = "UPDATE confirmation_demands SET answered_at = ?2, answer = ?3
    WHERE id = ?1 AND closed_at IS NULL RETURNING id";
const CLOSE_DEMAND: &str =
    "UPDATE confirmation_demands SET closed_at = ?2, closed_by = ?3, met = ?4
    WHERE id = ?1 AND closed_at IS NULL RETURNING id";
const PROPOSE_STOP: &str = "INSERT INTO confirmation_stops
    (service_id, ground, reason, proposed_by, proposed_at)
    SELECT id, ?2, ?3, ?4, ?5 FROM confirmation_services WHERE id = ?1 AND stopped_at IS NULL
    RETURNING id";
const OPEN_STOPS: &str = "SELECT confirmation_stops.id, service_id, ground, reason, proposed_by,
    name, proposed_at FROM confirmation_stops JOIN officers ON officers.id = proposed_by
    WHERE decided_at IS NULL ORDER BY confirmation_stops.id";
const DECIDE_STOP: &str = "UPDATE confirmation_stops
    SET decided_by = ?2, decided_at = ?3, endorsed = ?4
    WHERE id = ?1 AND decided_at IS NULL RETURNING id";
const STOP_SERVICE: &str = "UPDATE confirmation_services
    SET stopped_at = ?2, stop_ground = ?3, stop_reason = ?4
    WHERE id = ?1 AND stopped_at IS NULL RETURNING id";
const PUT_INSTITUTION: &str = "INSERT INTO institutions (applicant, name, added_at)
    VALUES (?1, ?2, ?3) ON CONFLICT (applicant) DO UPDATE SET name = excluded.name";
const DROP_INSTITUTION: &str = "DELETE FROM institutions WHERE applicant = ?1 RETURNING applicant";
const INSTITUTIONS: &str = "SELECT applicant, name FROM institutions ORDER BY name, applicant";
/// The company behind an apId, and what it said the calls are for.
const OF_AP_ID: &str = "SELECT
    coalesce((SELECT company_name FROM accounts WHERE accounts.ubn = ap_ids.ubn), ''),
    coalesce((SELECT reason FROM cases JOIN applications
        ON case_id = cases.id AND applications.version = cases.version
        WHERE applicant = ap_ids.ubn AND kind = 'api-application' AND state = 'approved'
        ORDER BY decided_at DESC LIMIT 1), '')
    FROM ap_ids WHERE ap_id = ?1";

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
    DEMANDS,
    DEMAND,
    OPEN_DEMANDS,
    PUT_DEMAND,
    ANSWER_DEMAND,
    CLOSE_DEMAND,
    PROPOSE_STOP,
    OPEN_STOPS,
    DECIDE_STOP,
    STOP_SERVICE,
    PUT_INSTITUTION,
    DROP_INSTITUTION,
    INSTITUTIONS,
    OF_AP_ID,
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

    /// What is demanded of a service, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn demands(&self, service: i64) -> Result<Vec<DemandRow>, StoreError> {
        self.0.execute(DEMANDS, &[service.into()])?.iter().map(demand).collect()
    }

    /// One demand.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn demand(&self, id: i64) -> Result<Option<DemandRow>, StoreError> {
        self.0.execute(DEMAND, &[id.into()])?.first().map(demand).transpose()
    }

    /// Demands that nobody has closed yet, the most urgent first; two thousand at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_demands(&self) -> Result<Vec<OpenDemandRow>, StoreError> {
        let open = |row: &Row| {
            Ok(OpenDemandRow {
                demand: demand(row)?,
                by: row.integer(9)?,
                by_name: row.text(10)?.to_owned(),
            })
        };
        self.0.execute(OPEN_DEMANDS, &[])?.iter().map(open).collect()
    }

    /// Demands improvement or measures by a day. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the same kind is demanded already.
    pub fn keep_demand(
        &self,
        service: &ServiceRow,
        kind: DemandKind,
        text: &str,
        due_on: Date,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [
            service.id.into(),
            kind.name().into(),
            text.into(),
            due_on.to_string().into(),
            now.into(),
            by.into(),
        ];
        match self.0.execute(PUT_DEMAND, &parameters) {
            Err(StoreError::Unique(_)) => return Err(StoreError::Conflict),
            other => other.map(drop)?,
        }
        let deed = Deed::new(Actor::Officer(by), Act::Demanded, now);
        let details = json!({ "kind": kind, "dueOn": due_on.to_string() });
        self.log(&deed.on_case(service.case, service.applicant).with(details))
    }

    /// The applicant answers a demand. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is closed.
    pub fn answer_demand(
        &self,
        service: &ServiceRow,
        demand: i64,
        answer: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        one(self.0.execute(ANSWER_DEMAND, &[demand.into(), now.into(), answer.into()])?)?;
        let deed = Deed::new(Actor::Applicant(service.applicant), Act::DemandAnswered, now);
        self.log(&deed.on_case(service.case, service.applicant).with(json!({ "demand": demand })))
    }

    /// An officer says whether a demand was met. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is closed.
    pub fn close_demand(
        &self,
        service: &ServiceRow,
        demand: i64,
        met: bool,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [demand.into(), now.into(), by.into(), i64::from(met).into()];
        one(self.0.execute(CLOSE_DEMAND, &parameters)?)?;
        let deed = Deed::new(Actor::Officer(by), Act::DemandClosed, now);
        let details = json!({ "demand": demand, "met": met });
        self.log(&deed.on_case(service.case, service.applicant).with(details))
    }

    /// Proposes to stop a service (point 6). Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is stopped or that is proposed already.
    pub fn propose_stop(
        &self,
        service: &ServiceRow,
        ground: StopGround,
        reason: &str,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters =
            [service.id.into(), ground.name().into(), reason.into(), by.into(), now.into()];
        match self.0.execute(PROPOSE_STOP, &parameters) {
            Err(StoreError::Unique(_)) => return Err(StoreError::Conflict),
            other => one(other?)?,
        };
        let deed = Deed::new(Actor::Officer(by), Act::Proposed, now);
        let details = json!({ "ground": ground, "reason": reason });
        self.log(&deed.on_case(service.case, service.applicant).with(details))
    }

    /// Stops that wait for the second officer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_stops(&self) -> Result<Vec<StopRow>, StoreError> {
        let stop = |row: &Row| {
            Ok(StopRow {
                id: row.integer(0)?,
                service: row.integer(1)?,
                ground: row.parsed(2, "ground", StopGround::from_name)?,
                reason: row.text(3)?.to_owned(),
                proposed_by: row.integer(4)?,
                proposed_name: row.text(5)?.to_owned(),
                proposed_at: row.instant(6)?,
            })
        };
        self.0.execute(OPEN_STOPS, &[])?.iter().map(stop).collect()
    }

    /// The second officer's word on a stop. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody else was faster.
    pub fn decide_stop(
        &self,
        service: &ServiceRow,
        stop: &StopRow,
        endorsed: bool,
        by: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [stop.id.into(), by.into(), now.into(), i64::from(endorsed).into()];
        one(self.0.execute(DECIDE_STOP, &parameters)?)?;
        let act = if endorsed { Act::Endorsed } else { Act::Declined };
        let deed = Deed::new(Actor::Officer(by), act, now);
        let details = json!({ "ground": stop.ground, "proposedBy": stop.proposed_by });
        self.log(&deed.on_case(service.case, service.applicant).with(details))?;
        if !endorsed {
            return Ok(());
        }
        let parameters =
            [service.id.into(), now.into(), stop.ground.name().into(), stop.reason.as_str().into()];
        one(self.0.execute(STOP_SERVICE, &parameters)?)?;
        let deed = Deed::new(Actor::Officer(by), Act::ConfirmationStopped, now);
        let details = json!({ "ground": stop.ground, "reason": stop.reason });
        self.log(&deed.on_case(service.case, service.applicant).with(details))
    }

    /// The list of supervised institutions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn institutions(&self) -> Result<Vec<InstitutionRow>, StoreError> {
        let institution = |row: &Row| {
            Ok(InstitutionRow {
                applicant: row.parsed(0, "applicant", |text| text.parse().ok())?,
                name: row.text(1)?.to_owned(),
            })
        };
        self.0.execute(INSTITUTIONS, &[])?.iter().map(institution).collect()
    }

    /// Puts an institution on the list, or gives it another name; without a name takes it off.
    /// Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is to be taken off and is not there.
    pub fn set_institution(
        &self,
        applicant: Applicant,
        name: Option<&str>,
        by: Actor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let text = applicant.to_string();
        match name {
            Some(name) => {
                self.0.execute(PUT_INSTITUTION, &[text.into(), name.into(), now.into()])?;
            }
            None => {
                one(self.0.execute(DROP_INSTITUTION, &[text.into()])?)?;
            }
        }
        let deed = Deed::new(by, Act::InstitutionSet, now).on_company(applicant);
        self.log(&deed.with(json!({ "listed": name.is_some() })))
    }

    /// The company behind an apId, and the purpose that it applied with.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn company_of_ap_id(&self, ap_id: &str) -> Result<Option<(String, String)>, StoreError> {
        let rows = self.0.execute(OF_AP_ID, &[ap_id.into()])?;
        rows.first().map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).transpose()
    }
}

impl ServiceRow {
    /// Where it stands.
    pub fn state(&self, now: Timestamp) -> ServiceState {
        self.times.state(now)
    }
}

fn day(row: &Row, index: usize) -> Result<Date, StoreError> {
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

fn demand(row: &Row) -> Result<DemandRow, StoreError> {
    Ok(DemandRow {
        id: row.integer(0)?,
        service: row.integer(1)?,
        kind: row.parsed(2, "demand", DemandKind::from_name)?,
        text: row.text(3)?.to_owned(),
        due_on: day(row, 4)?,
        demanded_at: row.instant(5)?,
        answer: row.optional_text(6)?,
        closed_at: row.optional_instant(7)?,
        met: row.optional_integer(8)?.map(|met| met == 1),
    })
}
