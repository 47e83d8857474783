//! Visits: what their cards said, step by step.

use domain::{
    Applicant, HandlerCard, OrganisationCode, PersonDigest, TermsReference, VISIT_LIFETIME,
    VisitKind,
};
use jiff::Timestamp;
use pki::Judgement;
use serde::{Deserialize, Serialize};

use crate::database::one;
use crate::{Cases, Database, Row, StoreError, Value};

/// What an organisation's card said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrganisationCard {
    /// The name in the certificate.
    pub name: String,
    /// Organisation OID or 統一編號.
    pub number: String,
    /// 憑證序號.
    pub serial_number: String,
    /// 效期, seconds since 1970 UTC.
    pub not_after: i64,
    /// The terms that were agreed to.
    pub agreed: Option<TermsReference>,
    /// 縣市 by the register, where it knows the code.
    pub region: Option<String>,
}

impl OrganisationCard {
    /// The number, typed.
    ///
    /// # Errors
    /// [`StoreError::Inconsistent`].
    pub fn key(&self) -> Result<Applicant, StoreError> {
        self.number.parse().map_err(|_| StoreError::Inconsistent {
            what: "organisation's number",
            found: self.number.clone(),
        })
    }
}

/// What a citizen's card said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CitizenCard {
    /// The name in the certificate.
    pub name: String,
    /// The CA's number of the person.
    pub subject_serial: String,
    /// Last four of the national ID.
    pub tail: String,
    /// 憑證序號.
    pub serial_number: String,
    /// 效期, seconds since 1970 UTC.
    pub not_after: i64,
}

impl CitizenCard {
    /// The card as a handler works with it.
    pub fn of_handler(&self) -> HandlerCard {
        HandlerCard {
            serial_number: self.serial_number.clone(),
            subject_serial: self.subject_serial.clone(),
            tail: self.tail.clone(),
        }
    }
}

/// A signed step.
#[derive(Clone, Copy, Debug)]
pub struct CardEvidence<'a> {
    /// The CMS message, byte for byte.
    pub signed_data: &'a [u8],
    /// What its acceptance was based on.
    pub judgement: &'a Judgement,
}

/// A visit that is under way.
#[derive(Clone, Debug)]
pub struct VisitRow {
    /// SHA-256 of its token.
    pub id: String,
    /// What it is for.
    pub kind: VisitKind,
    /// Until when.
    pub expires_at: Timestamp,
    /// What a handler's invitation is known by.
    pub invitation: Option<[u8; 32]>,
    /// The registration as it was at the first card, by id and revision.
    pub registration: Option<(i64, i64)>,
    /// 機關代號.
    pub code: Option<OrganisationCode>,
    /// Step 1.
    pub organisation: Option<OrganisationCard>,
    /// Whether step 1 lets it go on.
    pub admitted: bool,
    /// Step 2.
    pub citizen: Option<CitizenCard>,
    /// Whose ID was typed with it.
    pub person: Option<PersonDigest>,
    /// Whether it may do what it is for.
    pub confirmed: bool,
    /// The handler whose card it is, where it is not the manager's.
    pub handler: Option<i64>,
    /// What the organisation's card signed.
    pub organisation_signed: Option<Vec<u8>>,
    /// What the acceptance of each card so far was based on.
    pub judgements: Vec<Judgement>,
}

const FORGET: &str = "DELETE FROM visits WHERE id IN
    (SELECT id FROM visits WHERE expires_at < ?1 ORDER BY expires_at LIMIT 16)";
const BEGIN: &str = "INSERT INTO visits (id, kind, begun_at, expires_at, invitation)
    VALUES (?1, ?2, ?3, ?4, ?5)";
const FIND: &str = "SELECT id, kind, expires_at, invitation, registration, revision, code,
    organisation, admitted, citizen, person, confirmed, handler, organisation_signed,
    organisation_judgement, citizen_judgement
    FROM visits WHERE id = ?1 AND expires_at > ?2 AND finished_at IS NULL";
/// The first card, once.
const ORGANISATION: &str = "UPDATE visits SET code = ?2, organisation = ?3,
    organisation_signed = ?4, organisation_judgement = ?5, admitted = ?6, registration = ?7,
    revision = ?8
    WHERE id = ?1 AND organisation IS NULL AND finished_at IS NULL RETURNING id";
/// The second card, once.
const CITIZEN: &str = "UPDATE visits SET citizen = ?2, person = ?3, citizen_signed = ?4,
    citizen_judgement = ?5, confirmed = ?6, handler = ?7
    WHERE id = ?1 AND citizen IS NULL AND finished_at IS NULL RETURNING id";
const FINISH: &str =
    "UPDATE visits SET finished_at = ?2 WHERE id = ?1 AND finished_at IS NULL RETURNING id";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[FORGET, BEGIN, FIND, ORGANISATION, CITIZEN, FINISH];

impl<D: Database> Cases<D> {
    /// Begins a visit; forgets a few that ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn begin_visit(
        &self,
        id: &str,
        kind: VisitKind,
        invitation: Option<[u8; 32]>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.0.execute(FORGET, &[now.into()])?;
        let parameters = [
            id.into(),
            kind.name().into(),
            now.into(),
            Value::from(now.as_second() + VISIT_LIFETIME),
            invitation.as_ref().map(|digest| &digest[..]).into(),
        ];
        self.0.execute(BEGIN, &parameters).map(drop)
    }

    /// A visit that is under way.
    ///
    /// # Errors
    /// [`StoreError::VisitOver`].
    pub fn visit(&self, id: &str, now: Timestamp) -> Result<VisitRow, StoreError> {
        let rows = self.0.execute(FIND, &[id.into(), now.into()])?;
        visit_row(rows.first().ok_or(StoreError::VisitOver)?)
    }

    /// Keeps what the first card said. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::VisitStep`] when another card was first.
    pub fn keep_organisation_card(
        &self,
        visit: &VisitRow,
        code: &OrganisationCode,
        card: &OrganisationCard,
        evidence: CardEvidence<'_>,
        admitted: bool,
        registration: Option<(i64, i64)>,
    ) -> Result<(), StoreError> {
        let parameters = [
            visit.id.as_str().into(),
            code.as_str().into(),
            crate::cases::json(card)?.into(),
            evidence.signed_data.into(),
            crate::cases::json(evidence.judgement)?.into(),
            i64::from(admitted).into(),
            registration.map(|(id, _)| id).into(),
            registration.map(|(_, revision)| revision).into(),
        ];
        let rows = self.0.execute(ORGANISATION, &parameters)?;
        one(rows).map(drop).map_err(|_| StoreError::VisitStep)
    }

    /// Keeps what the citizen's card said. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::VisitStep`] when another card was first.
    pub fn keep_citizen_card(
        &self,
        visit: &VisitRow,
        card: &CitizenCard,
        person: PersonDigest,
        evidence: CardEvidence<'_>,
        confirmed: bool,
        handler: Option<i64>,
    ) -> Result<(), StoreError> {
        let parameters = [
            visit.id.as_str().into(),
            crate::cases::json(card)?.into(),
            person.0[..].into(),
            evidence.signed_data.into(),
            crate::cases::json(evidence.judgement)?.into(),
            i64::from(confirmed).into(),
            handler.into(),
        ];
        let rows = self.0.execute(CITIZEN, &parameters)?;
        one(rows).map(drop).map_err(|_| StoreError::VisitStep)
    }

    /// Ends a visit. Inside the transaction of what it did.
    ///
    /// # Errors
    /// [`StoreError::VisitOver`] when it has ended already.
    pub fn finish_visit(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        let rows = self.0.execute(FINISH, &[id.into(), now.into()])?;
        one(rows).map(drop).map_err(|_| StoreError::VisitOver)
    }
}

fn digest<const N: usize>(row: &Row, index: usize) -> Result<Option<[u8; N]>, StoreError> {
    if row.is_null(index) {
        return Ok(None);
    }
    let bytes = row.blob(index)?.try_into();
    bytes.map(Some).map_err(|_| StoreError::Inconsistent { what: "digest", found: String::new() })
}

pub(super) fn person(row: &Row, index: usize) -> Result<Option<PersonDigest>, StoreError> {
    Ok(digest(row, index)?.map(PersonDigest))
}

fn card<T: for<'de> Deserialize<'de>>(row: &Row, index: usize) -> Result<Option<T>, StoreError> {
    if row.is_null(index) {
        return Ok(None);
    }
    row.parsed(index, "card", |text| serde_json::from_str(text).ok()).map(Some)
}

fn visit_row(row: &Row) -> Result<VisitRow, StoreError> {
    let registration = row.optional_integer(4)?.zip(row.optional_integer(5)?);
    let code = row.optional_text(6)?.and_then(|code| code.parse().ok());
    Ok(VisitRow {
        id: row.text(0)?.to_owned(),
        kind: row.parsed(1, "visit", VisitKind::from_name)?,
        expires_at: row.instant(2)?,
        invitation: digest(row, 3)?,
        registration,
        code,
        organisation: card(row, 7)?,
        admitted: row.integer(8)? == 1,
        citizen: card(row, 9)?,
        person: person(row, 10)?,
        confirmed: row.integer(11)? == 1,
        handler: row.optional_integer(12)?,
        organisation_signed: if row.is_null(13) { None } else { Some(row.blob(13)?.to_vec()) },
        judgements: [card(row, 14)?, card(row, 15)?].into_iter().flatten().collect(),
    })
}
