//! Registrations and their receipts (收件紀錄).

use domain::{
    Act, Actor, CaseKind, ManagerContact, Notice, OrganisationCode, PersonDigest, Registered,
    VisitKind,
};
use jiff::Timestamp;
use serde_json::json;

use super::visits::person;
use super::{CitizenCard, OrganisationCard, VisitRow};
use crate::audit::Deed;
use crate::database::one;
use crate::{Cases, Database, Row, StoreError, Value};

/// A registered organisation.
#[derive(Clone, Debug)]
pub struct RegistrationRow {
    /// Its number here.
    pub id: i64,
    /// 機關代號.
    pub code: OrganisationCode,
    /// 機關名稱.
    pub name: String,
    /// What is judged by.
    pub registered: Registered,
    /// The manager's name in the certificate.
    pub manager_name: String,
    /// Last four of the manager's national ID.
    pub manager_tail: String,
    /// 姓名 as typed.
    pub contact_name: String,
    /// 電子信箱.
    pub email: String,
    /// 連絡電話.
    pub phone: String,
    /// When.
    pub registered_at: Timestamp,
    /// One more with each replacement.
    pub revision: i64,
}

impl RegistrationRow {
    /// A deed done to this organisation.
    pub fn deed(&self, actor: Actor, act: Act, now: Timestamp, more: serde_json::Value) -> Deed {
        let mut details = json!({ "organisation": self.code.as_str() });
        if let (Some(all), serde_json::Value::Object(more)) = (details.as_object_mut(), more) {
            all.extend(more);
        }
        let mut deed = Deed::new(actor, act, now).with(details);
        deed.company = Some(self.registered.key);
        deed
    }
}

/// A receipt.
#[derive(Clone, Debug)]
pub struct ReceiptRow {
    /// 機關名稱.
    pub name: String,
    /// 收件時間.
    pub received_at: Timestamp,
    /// 註冊項目.
    pub item: VisitKind,
    /// 憑證序號 of the organisation's card.
    pub organisation_serial: String,
    /// 憑證序號 of the manager's card.
    pub manager_serial: String,
}

macro_rules! registration_select {
    () => {
        "SELECT id, code, name, number, organisation_serial, manager_name, manager_serial,
    manager_subject, manager_person, manager_tail, contact_name, email, phone, registered_at, revision
    FROM registrations "
    };
}
const BY_CODE: &str = concat!(registration_select!(), "WHERE code = ?1");
const BY_ID: &str = concat!(registration_select!(), "WHERE id = ?1");
const ADD: &str = "INSERT INTO registrations (code, name, number, organisation_serial,
    manager_name, manager_serial, manager_subject, manager_person, manager_tail, contact_name,
    email, phone, registered_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) RETURNING id";
/// Of any number of replacements that began before, one gets the row.
const REPLACE: &str = "UPDATE registrations SET name = ?3, number = ?4, organisation_serial = ?5,
    manager_name = ?6, manager_serial = ?7, manager_subject = ?8, manager_person = ?9,
    manager_tail = ?10, contact_name = ?11, email = ?12, phone = ?13, revision = revision + 1
    WHERE id = ?1 AND revision = ?2 RETURNING id";
const RECEIPT: &str = "INSERT INTO registration_receipts (registration, received_at, item, name,
    terms_version, terms_sha256, organisation_serial, manager_serial, former_organisation,
    former_manager, organisation_signed, organisation_judgement, citizen_signed, citizen_judgement)
    SELECT ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, organisation_signed, organisation_judgement,
        citizen_signed, citizen_judgement FROM visits WHERE id = ?1 RETURNING id";
const RECEIPTS: &str = "SELECT receipt.name, received_at, item, receipt.organisation_serial,
    receipt.manager_serial
    FROM registration_receipts AS receipt JOIN registrations ON registrations.id = registration
    WHERE code = ?1 ORDER BY receipt.id DESC LIMIT 100";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[BY_CODE, BY_ID, ADD, REPLACE, RECEIPT, RECEIPTS];

impl<D: Database> Cases<D> {
    /// The registration of a code.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn registration_of(
        &self,
        code: &OrganisationCode,
    ) -> Result<Option<RegistrationRow>, StoreError> {
        self.0.execute(BY_CODE, &[code.as_str().into()])?.first().map(registration).transpose()
    }

    /// A registration.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn registration(&self, id: i64) -> Result<RegistrationRow, StoreError> {
        registration(&one(self.0.execute(BY_ID, &[id.into()])?)?)
    }

    /// The registration of a visit, if it is still as it was when the cards were shown.
    ///
    /// # Errors
    /// [`StoreError::RegistrationChanged`].
    pub fn registration_of_visit(&self, visit: &VisitRow) -> Result<RegistrationRow, StoreError> {
        let (id, revision) = visit.registration.ok_or(StoreError::VisitStep)?;
        let row = self.registration(id)?;
        if row.revision == revision { Ok(row) } else { Err(StoreError::RegistrationChanged) }
    }

    /// Registers an organisation, or puts the visit's cards in the place of the registered ones,
    /// with receipt, log and letter; ends the visit. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::RegistrationChanged`], [`StoreError::AlreadyRegistered`].
    pub fn keep_registration(
        &self,
        visit: &VisitRow,
        contact: &ManagerContact,
        origin: &str,
        now: Timestamp,
    ) -> Result<RegistrationRow, StoreError> {
        let (Some(code), Some(organisation), Some(citizen), Some(person)) =
            (&visit.code, &visit.organisation, &visit.citizen, visit.person)
        else {
            return Err(StoreError::VisitStep);
        };
        let former = match visit.kind {
            VisitKind::Register => None,
            _ => Some(self.registration_of_visit(visit)?),
        };
        // A handler may have shown the second card: the manager stays who it is.
        let manager = match (&former, visit.handler) {
            (Some(former), Some(_)) => former.manager(),
            _ => Manager { card: citizen.clone(), person },
        };
        // Nor does a handler change where the manager is written to.
        let contact = match (&former, visit.handler) {
            (Some(former), Some(_)) => [&former.contact_name[..], &former.email, &former.phone],
            _ => [&contact.name[..], contact.email.as_str(), contact.phone.as_str()],
        };
        let id = match &former {
            None => self.add_registration(code, organisation, &manager, contact, now)?,
            Some(former) => self.replace_cards(former, organisation, &manager, contact)?,
        };
        let row = self.registration(id)?;
        self.spend(former.as_ref(), &row, now)?;
        self.keep_receipt(visit, former.as_ref(), &row, organisation, now)?;
        self.finish_visit(&visit.id, now)?;
        let actor = visit.handler.map_or(Actor::Organisation(id), Actor::Handler);
        let serials = json!({
            "item": visit.kind.name(),
            "organisationSerial": row.registered.organisation_serial,
            "managerSerial": row.registered.manager_serial,
            "formerOrganisationSerial": former.as_ref().map(|row| &row.registered.organisation_serial),
            "formerManagerSerial": former.as_ref().map(|row| &row.registered.manager_serial),
        });
        let act = if former.is_some() { Act::CardReplaced } else { Act::Registered };
        self.log(&row.deed(actor, act, now, serials))?;
        let notice = match former {
            None => Notice::Registered,
            Some(_) => Notice::Replaced(visit.kind.word()),
        };
        self.write_notice(&row, &row.email, notice, origin, now)?;
        // Whoever was manager before is told as well.
        if let Some(former) = former.filter(|former| former.email != row.email) {
            self.write_notice(&row, &former.email, notice, origin, now)?;
        }
        Ok(row)
    }

    /// Officers' word is for one change: of the organisation's number, or of the person who is
    /// manager.
    fn spend(
        &self,
        former: Option<&RegistrationRow>,
        row: &RegistrationRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let former = former.map(|former| &former.registered);
        if former.map(|former| former.key) != Some(row.registered.key) {
            self.spend_reviews(&row.code, CaseKind::RegistrationMismatch, now)?;
        }
        let person = |registered: &Registered| {
            (registered.manager_person, registered.manager_subject.clone())
        };
        if former.map(person) != Some(person(&row.registered)) {
            self.spend_reviews(&row.code, CaseKind::ManagerChange, now)?;
        }
        Ok(())
    }

    fn add_registration(
        &self,
        code: &OrganisationCode,
        organisation: &OrganisationCard,
        manager: &Manager,
        contact: [&str; 3],
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let mut parameters = vec![Value::from(code.as_str())];
        parameters.extend(cards(organisation, manager, contact));
        parameters.push(now.into());
        match self.0.execute(ADD, &parameters) {
            Ok(rows) => one(rows)?.integer(0),
            Err(StoreError::Unique(_)) => Err(StoreError::AlreadyRegistered),
            Err(other) => Err(other),
        }
    }

    fn replace_cards(
        &self,
        former: &RegistrationRow,
        organisation: &OrganisationCard,
        manager: &Manager,
        contact: [&str; 3],
    ) -> Result<i64, StoreError> {
        let mut parameters = vec![Value::from(former.id), former.revision.into()];
        parameters.extend(cards(organisation, manager, contact));
        match self.0.execute(REPLACE, &parameters) {
            Ok(rows) => one(rows)
                .and_then(|row| row.integer(0))
                .map_err(|_| StoreError::RegistrationChanged),
            Err(StoreError::Unique(_)) => Err(StoreError::AlreadyRegistered),
            Err(other) => Err(other),
        }
    }

    fn keep_receipt(
        &self,
        visit: &VisitRow,
        former: Option<&RegistrationRow>,
        row: &RegistrationRow,
        organisation: &OrganisationCard,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let agreed = organisation.agreed.as_ref().ok_or(StoreError::VisitStep)?;
        let parameters = [
            visit.id.as_str().into(),
            row.id.into(),
            now.into(),
            visit.kind.name().into(),
            row.name.as_str().into(),
            agreed.version.as_str().into(),
            agreed.sha256.as_str().into(),
            row.registered.organisation_serial.as_str().into(),
            row.registered.manager_serial.as_str().into(),
            former.map(|former| former.registered.organisation_serial.as_str()).into(),
            former.map(|former| former.registered.manager_serial.as_str()).into(),
        ];
        one(self.0.execute(RECEIPT, &parameters)?).map(drop)
    }

    /// What was received of an organisation, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn receipts_of(&self, code: &OrganisationCode) -> Result<Vec<ReceiptRow>, StoreError> {
        self.0.execute(RECEIPTS, &[code.as_str().into()])?.iter().map(receipt).collect()
    }
}

/// Who is manager, by the card.
struct Manager {
    card: CitizenCard,
    person: PersonDigest,
}

impl RegistrationRow {
    fn manager(&self) -> Manager {
        Manager {
            card: CitizenCard {
                name: self.manager_name.clone(),
                subject_serial: self.registered.manager_subject.clone(),
                tail: self.manager_tail.clone(),
                serial_number: self.registered.manager_serial.clone(),
                not_after: 0,
            },
            person: self.registered.manager_person,
        }
    }
}

fn cards(
    organisation: &OrganisationCard,
    Manager { card, person }: &Manager,
    contact: [&str; 3],
) -> [Value; 11] {
    [
        organisation.name.as_str().into(),
        organisation.number.as_str().into(),
        organisation.serial_number.as_str().into(),
        card.name.as_str().into(),
        card.serial_number.as_str().into(),
        card.subject_serial.as_str().into(),
        person.0[..].into(),
        card.tail.as_str().into(),
        contact[0].into(),
        contact[1].into(),
        contact[2].into(),
    ]
}

fn registration(row: &Row) -> Result<RegistrationRow, StoreError> {
    let person = person(row, 8)?.ok_or(StoreError::Conflict)?;
    Ok(RegistrationRow {
        id: row.integer(0)?,
        code: row.parsed(1, "organisation's code", |text| text.parse().ok())?,
        name: row.text(2)?.to_owned(),
        registered: Registered {
            key: row.parsed(3, "organisation's number", |text| text.parse().ok())?,
            organisation_serial: row.text(4)?.to_owned(),
            manager_serial: row.text(6)?.to_owned(),
            manager_subject: row.text(7)?.to_owned(),
            manager_person: person,
        },
        manager_name: row.text(5)?.to_owned(),
        manager_tail: row.text(9)?.to_owned(),
        contact_name: row.text(10)?.to_owned(),
        email: row.text(11)?.to_owned(),
        phone: row.text(12)?.to_owned(),
        registered_at: row.instant(13)?,
        revision: row.integer(14)?,
    })
}

fn receipt(row: &Row) -> Result<ReceiptRow, StoreError> {
    Ok(ReceiptRow {
        name: row.text(0)?.to_owned(),
        received_at: row.instant(1)?,
        item: row.parsed(2, "visit", VisitKind::from_name)?,
        organisation_serial: row.text(3)?.to_owned(),
        manager_serial: row.text(4)?.to_owned(),
    })
}
