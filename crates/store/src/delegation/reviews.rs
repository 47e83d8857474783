//! What officers are asked before a registration goes through: cases like any other, with the
//! cards of the visit as their evidence. A visit looks at what became of them.

use domain::{
    Act, Applicant, Case, CaseId, CaseKind, CaseState, OrganisationCode, PersonDigest,
    REGISTRATION_REVIEW_DAYS, ReviewAsker,
};
use jiff::Timestamp;
use pki::{Judgement, Purpose};

use super::{CitizenCard, OrganisationCard, VisitRow};
use crate::cases::json;
use crate::database::one;
use crate::{CaseRow, Cases, Database, Evidence, Filing, Row, StoreError};

/// A question to officers before it is kept.
#[derive(Clone, Copy, Debug)]
pub struct NewRegistrationCase<'a> {
    /// S/N.
    pub id: CaseId,
    /// Code and card, or another manager.
    pub kind: CaseKind,
    /// The visit whose cards it is about.
    pub visit: &'a VisitRow,
    /// Who asks.
    pub asker: &'a ReviewAsker,
    /// The service's address.
    pub origin: &'a str,
}

/// What such a case has beside every application.
#[derive(Clone, Debug)]
pub struct RegistrationFormRow {
    /// 機關代號 as typed.
    pub code: OrganisationCode,
    /// 憑證序號 of the organisation's card.
    pub organisation_serial: String,
    /// 電話.
    pub phone: String,
    /// Who is to be the manager.
    pub manager_name: Option<String>,
}

const MESSAGES: &str = "SELECT organisation_signed, organisation_judgement, challenge,
    citizen_signed, citizen_judgement FROM visits
    JOIN challenges ON visit = id AND purpose = ?2 AND used_at IS NOT NULL WHERE id = ?1";
const INSERT_FORM: &str = "INSERT INTO registration_forms (case_id, version, code,
    organisation_serial, phone, manager_name, manager_person, citizen_signed, citizen_judgement)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const FORM: &str = "SELECT code, organisation_serial, phone, manager_name FROM registration_forms
    WHERE case_id = ?1 AND version = ?2";
/// What officers said of code and number together.
const MISMATCH: &str = "SELECT state = 'approved' FROM registration_forms
    JOIN cases ON cases.id = case_id AND cases.version = registration_forms.version
    WHERE code = ?1 AND applicant = ?2 AND kind = 'registration-mismatch'
        AND (state = 'accepted' OR state = 'approved' AND spent_at IS NULL AND decided_at > ?3)
    ORDER BY 1 DESC LIMIT 1";
/// The same of another person as manager.
const MANAGER: &str = "SELECT state = 'approved' FROM registration_forms
    JOIN cases ON cases.id = case_id AND cases.version = registration_forms.version
    WHERE code = ?1 AND manager_person = ?2 AND kind = 'manager-change'
        AND (state = 'accepted' OR state = 'approved' AND spent_at IS NULL AND decided_at > ?3)
    ORDER BY 1 DESC LIMIT 1";
/// Every approval of this kind, whomever it was for: what it was judged by is no longer so.
const SPEND: &str = "UPDATE registration_forms SET spent_at = ?3
    WHERE code = ?1 AND spent_at IS NULL AND EXISTS (SELECT 1 FROM cases
        WHERE id = case_id AND cases.version = registration_forms.version
            AND kind = ?2 AND state = 'approved')";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[MESSAGES, INSERT_FORM, FORM, MISMATCH, MANAGER, SPEND];

/// How long officers' word waits for the visit that it was given for, in seconds.
const CLEARED_FOR: i64 = 30 * 24 * 3600;

/// What the cards of a visit signed.
struct Messages {
    organisation: (Vec<u8>, Judgement),
    challenge: String,
    citizen: Option<(Vec<u8>, Judgement)>,
}

impl<D: Database> Cases<D> {
    /// What officers said of a code with a card's number: nothing, not yet (`false`), or yes. A
    /// refusal or a withdrawal is as if nobody had asked: it may be asked again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mismatch_cleared(
        &self,
        code: &OrganisationCode,
        key: Applicant,
        now: Timestamp,
    ) -> Result<Option<bool>, StoreError> {
        let since = now.as_second() - CLEARED_FOR;
        let parameters = [code.as_str().into(), key.to_string().into(), since.into()];
        let rows = self.0.execute(MISMATCH, &parameters)?;
        rows.first().map(|row| Ok(row.integer(0)? == 1)).transpose()
    }

    /// The same of another person as manager.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn manager_cleared(
        &self,
        code: &OrganisationCode,
        manager: PersonDigest,
        now: Timestamp,
    ) -> Result<Option<bool>, StoreError> {
        let since = now.as_second() - CLEARED_FOR;
        let parameters = [code.as_str().into(), manager.0[..].into(), since.into()];
        let rows = self.0.execute(MANAGER, &parameters)?;
        rows.first().map(|row| Ok(row.integer(0)? == 1)).transpose()
    }

    /// What officers agreed to has been done, or something else was: their word is spent. Inside
    /// the transaction of what was done.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn spend_reviews(
        &self,
        code: &OrganisationCode,
        kind: CaseKind,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [code.as_str().into(), kind.name().into(), now.into()];
        self.0.execute(SPEND, &parameters).map(drop)
    }

    /// Asks officers by a case of its own, and ends the visit. Inside a transaction. One case
    /// at a time: who asks again while it waits is told so.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ask_officers(
        &self,
        new: NewRegistrationCase<'_>,
        now: Timestamp,
    ) -> Result<CaseRow, StoreError> {
        let NewRegistrationCase { id, kind, visit, asker, origin } = new;
        let card = visit.organisation.as_ref().ok_or(StoreError::VisitStep)?;
        let messages = self.messages(visit)?;
        let applicant = card.key()?;
        let case = Case { id, applicant, kind, state: CaseState::Accepted, submitted_at: now };
        let filing = Filing {
            name: &card.name,
            contact_name: &asker.name,
            email: asker.email.as_ref().map(domain::Email::as_str).unwrap_or_default(),
            reason: match kind {
                CaseKind::ManagerChange => "更換授權管理者為另一人",
                _ => "機關代號與機關憑證資料比對不符",
            },
            signer_name: &card.name,
        };
        let (signed_data, judgement) = &messages.organisation;
        let purpose = Purpose::ConfirmOrganisation;
        let challenge = messages.challenge.as_str();
        let evidence = Evidence { signed_data, judgement, challenge, purpose, origin };
        let version = match self.open_case(&case, filing, evidence, REGISTRATION_REVIEW_DAYS) {
            Err(StoreError::OpenCase) => return Err(StoreError::ReviewAsked),
            other => other?,
        };
        let manager = visit.citizen.as_ref().zip(messages.citizen.as_ref());
        let manager = manager.filter(|_| kind == CaseKind::ManagerChange);
        self.keep_form(&case, version, (visit, card, asker), manager)?;
        if let Some((_, (signed_data, _))) = manager {
            self.log_message(&case, Act::Countersigned, signed_data)?;
        }
        self.finish_visit(&visit.id, now)?;
        self.case(id)
    }

    fn messages(&self, visit: &VisitRow) -> Result<Messages, StoreError> {
        let purpose = Purpose::ConfirmOrganisation.name();
        let row = one(self.0.execute(MESSAGES, &[visit.id.as_str().into(), purpose.into()])?)?;
        let message = |index: usize| {
            let read = |text: &str| serde_json::from_str(text).ok();
            Ok((row.blob(index)?.to_vec(), row.parsed(index + 1, "judgement", read)?))
        };
        Ok(Messages {
            organisation: message(0)?,
            challenge: row.text(2)?.to_owned(),
            citizen: if row.is_null(3) { None } else { Some(message(3)?) },
        })
    }

    fn keep_form(
        &self,
        case: &Case,
        version: i64,
        (visit, card, asker): (&VisitRow, &OrganisationCard, &ReviewAsker),
        manager: Option<(&CitizenCard, &(Vec<u8>, Judgement))>,
    ) -> Result<(), StoreError> {
        let person = visit.person.filter(|_| manager.is_some());
        let parameters = [
            case.id.to_string().into(),
            version.into(),
            visit.code.as_ref().map(OrganisationCode::as_str).into(),
            card.serial_number.as_str().into(),
            asker.phone.as_str().into(),
            manager.map(|(card, _)| card.name.as_str()).into(),
            person.as_ref().map(|person| &person.0[..]).into(),
            manager.map(|(_, (signed_data, _))| &signed_data[..]).into(),
            manager.map(|(_, (_, judgement))| json(judgement)).transpose()?.into(),
        ];
        self.0.execute(INSERT_FORM, &parameters).map(drop)
    }

    /// What a case about a registration has beside every application.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn registration_form(
        &self,
        row: &CaseRow,
    ) -> Result<Option<RegistrationFormRow>, StoreError> {
        let rows = self.0.execute(FORM, &[row.case.id.to_string().into(), row.version.into()])?;
        let form = |row: &Row| {
            Ok(RegistrationFormRow {
                code: row.parsed(0, "organisation code", |text| text.parse().ok())?,
                organisation_serial: row.text(1)?.to_owned(),
                phone: row.text(2)?.to_owned(),
                manager_name: row.optional_text(3)?,
            })
        };
        rows.first().map(form).transpose()
    }
}
