//! Handlers (授權經辦人): who they are, what they may do, and for whom.

use domain::{
    Act, Actor, Applicant, Asker, HandlerCard, HandlerData, HandlerPermission, Notice,
    PersonDigest, Ubn,
};
use jiff::Timestamp;
use serde_json::json;

use super::visits::person;
use super::{CitizenCard, RegistrationRow};
use crate::database::one;
use crate::{Cases, Database, Row, StoreError, Value};

/// A handler before it is kept.
#[derive(Clone, Copy)]
pub struct NewHandler<'a> {
    /// What was typed.
    pub data: &'a HandlerData,
    /// Stands for the national ID, and its last four.
    pub person: Option<(PersonDigest, &'a str)>,
    /// Digest of an invitation, its end, and its address.
    pub invitation: Option<([u8; 32], Timestamp, &'a str)>,
}

/// A handler.
#[derive(Clone, Debug)]
pub struct HandlerRow {
    /// Id.
    pub id: i64,
    /// Of which registration.
    pub registration: i64,
    /// 姓名.
    pub name: String,
    /// Stands for the national ID.
    pub person: PersonDigest,
    /// Last four of the national ID.
    pub tail: String,
    /// 憑證序號; none while an invitation waits.
    pub serial_number: Option<String>,
    /// The CA's number of the person, once the card was seen.
    pub subject_serial: Option<String>,
    /// 電子信箱.
    pub email: Option<String>,
    /// What they may do.
    pub permissions: Vec<HandlerPermission>,
    /// Until when an invitation may be proved.
    pub invitation_until: Option<Timestamp>,
    /// One more with each change.
    pub revision: i64,
}

impl HandlerRow {
    /// Whether this card is the handler's: the same rule as in `BY_CARD`.
    fn is_of(&self, card: &HandlerCard) -> bool {
        self.serial_number.as_ref() == Some(&card.serial_number)
            && self.tail == card.tail
            && self.subject_serial.as_ref().is_none_or(|known| *known == card.subject_serial)
    }

    fn words(&self) -> String {
        words(&self.permissions)
    }
}

fn words(permissions: &[HandlerPermission]) -> String {
    permissions.iter().map(|permission| permission.word()).collect::<Vec<_>>().join("、")
}

/// A handler with the organisation that the work is for.
#[derive(Clone, Debug)]
pub struct HandlerEntry {
    /// The handler.
    pub handler: HandlerRow,
    /// 機關代號.
    pub code: String,
    /// 機關名稱.
    pub organisation: String,
    /// Organisation OID or 統一編號.
    pub key: Applicant,
}

macro_rules! handler_select {
    () => {
        "SELECT handlers.id, registration, handlers.name, person, tail, serial_number,
    subject_serial, handlers.email, permissions, invitation_until, handlers.revision,
    registrations.code, registrations.name, registrations.number
    FROM handlers JOIN registrations ON registrations.id = registration
    WHERE removed_at IS NULL AND "
    };
}
const OF_REGISTRATION: &str =
    concat!(handler_select!(), "registration = ?1 ORDER BY handlers.name, handlers.id");
const BY_ID: &str = concat!(handler_select!(), "handlers.id = ?1");
/// The card must be that of the person whose ID the manager typed, and of nobody whom the entry
/// knew before.
const BY_CARD: &str = concat!(
    handler_select!(),
    "serial_number = ?1 AND tail = ?2 AND coalesce(subject_serial, ?3) = ?3 ORDER BY code"
);
const BY_PERSON: &str = concat!(handler_select!(), "person = ?1 ORDER BY code");
const BY_INVITATION: &str = concat!(handler_select!(), "invitation = ?1 AND invitation_until > ?2");
const ADD: &str = "INSERT INTO handlers (registration, name, person, tail, serial_number, email,
    permissions, invitation, invitation_until, added_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING id";
/// Another card or another person has to be seen anew: the CA's number of the former one says
/// nothing of who shows the next.
const CHANGE: &str = "UPDATE handlers SET name = ?3, person = coalesce(?4, person),
    tail = coalesce(?5, tail), serial_number = coalesce(?6, serial_number),
    subject_serial = CASE WHEN coalesce(?4, person) = person
        AND coalesce(?6, serial_number) = serial_number THEN subject_serial END,
    email = ?7, permissions = ?8,
    invitation = CASE WHEN ?6 IS NULL THEN invitation END,
    invitation_until = CASE WHEN ?6 IS NULL THEN invitation_until END, revision = revision + 1
    WHERE id = ?1 AND revision = ?2 AND removed_at IS NULL RETURNING id";
const REMOVE: &str = "UPDATE handlers SET removed_at = ?3, invitation = NULL,
    invitation_until = NULL, revision = revision + 1
    WHERE id = ?1 AND revision = ?2 AND removed_at IS NULL RETURNING id";
const ACCEPT: &str = "UPDATE handlers SET serial_number = ?3, subject_serial = ?4,
    invitation = NULL, invitation_until = NULL, revision = revision + 1
    WHERE id = ?1 AND invitation = ?2 AND removed_at IS NULL RETURNING id";
const RENEW: &str = "UPDATE handlers SET serial_number = ?3, subject_serial = ?4,
    revision = revision + 1
    WHERE id = ?1 AND revision = ?2 AND removed_at IS NULL RETURNING id";
const SEEN: &str = "UPDATE handlers SET subject_serial = ?2
    WHERE serial_number = ?1 AND tail = ?3 AND subject_serial IS NULL AND removed_at IS NULL";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    OF_REGISTRATION,
    BY_ID,
    BY_CARD,
    BY_PERSON,
    BY_INVITATION,
    ADD,
    CHANGE,
    REMOVE,
    ACCEPT,
    RENEW,
    SEEN,
];

impl<D: Database> Cases<D> {
    /// The handlers of an organisation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn handlers(&self, registration: i64) -> Result<Vec<HandlerRow>, StoreError> {
        let rows = self.0.execute(OF_REGISTRATION, &[registration.into()])?;
        rows.iter().map(|row| Ok(entry(row)?.handler)).collect()
    }

    /// A handler who has not been removed.
    ///
    /// # Errors
    /// [`StoreError::HandlerNotFound`].
    pub fn handler(&self, id: i64) -> Result<HandlerEntry, StoreError> {
        let rows = self.0.execute(BY_ID, &[id.into()])?;
        entry(rows.first().ok_or(StoreError::HandlerNotFound)?)
    }

    /// For whom the holder of a card is a handler.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn handlers_of_card(&self, card: &HandlerCard) -> Result<Vec<HandlerEntry>, StoreError> {
        let HandlerCard { serial_number, subject_serial, tail } = card;
        let parameters = [serial_number, tail, subject_serial].map(|text| text.as_str().into());
        self.0.execute(BY_CARD, &parameters)?.iter().map(entry).collect()
    }

    /// For whom a person is a handler.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn handlers_of_person(&self, id: PersonDigest) -> Result<Vec<HandlerEntry>, StoreError> {
        self.0.execute(BY_PERSON, &[id.0[..].into()])?.iter().map(entry).collect()
    }

    /// Who was invited by this, while it may be proved.
    ///
    /// # Errors
    /// [`StoreError::InvitationOver`].
    pub fn invited(
        &self,
        invitation: [u8; 32],
        now: Timestamp,
    ) -> Result<HandlerEntry, StoreError> {
        let rows = self.0.execute(BY_INVITATION, &[invitation[..].into(), now.into()])?;
        entry(rows.first().ok_or(StoreError::InvitationOver)?)
    }

    /// For whom somebody acts in this: for itself, or as a handler with the permission. Asked with
    /// every request, so that a removal counts at once.
    ///
    /// # Errors
    /// [`StoreError::NotPermitted`].
    pub fn applicant_of(
        &self,
        asker: &Asker,
        permission: HandlerPermission,
    ) -> Result<Applicant, StoreError> {
        match asker {
            Asker::Applicant(applicant) => Ok(*applicant),
            Asker::Handler { id, card } => Ok(self.permitted(*id, card, permission)?.key),
        }
    }

    /// The same where only companies have to do with it.
    ///
    /// # Errors
    /// [`StoreError::NotPermitted`].
    pub fn company_of(
        &self,
        asker: &Asker,
        permission: HandlerPermission,
    ) -> Result<Ubn, StoreError> {
        self.applicant_of(asker, permission)?.ubn().ok_or(StoreError::NotPermitted)
    }

    /// A handler's entry, if it is the one of this card's holder and has this permission.
    ///
    /// # Errors
    /// [`StoreError::NotPermitted`].
    pub fn permitted(
        &self,
        id: i64,
        card: &HandlerCard,
        permission: HandlerPermission,
    ) -> Result<HandlerEntry, StoreError> {
        match self.handler(id) {
            Ok(entry)
                if entry.handler.is_of(card) && entry.handler.permissions.contains(&permission) =>
            {
                Ok(entry)
            }
            Ok(_) | Err(StoreError::HandlerNotFound) => Err(StoreError::NotPermitted),
            Err(other) => Err(other),
        }
    }

    /// Adds a handler, with log and letters. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::HandlerExists`].
    pub fn add_handler(
        &self,
        of: &RegistrationRow,
        new: NewHandler<'_>,
        by: Actor,
        origin: &str,
        now: Timestamp,
    ) -> Result<HandlerEntry, StoreError> {
        let (person, tail) = new.person.ok_or(StoreError::HandlerNotFound)?;
        let data = new.data;
        let email = data.email.as_ref().map(domain::Email::as_str);
        let parameters = [
            of.id.into(),
            data.name.as_str().into(),
            person.0[..].into(),
            tail.into(),
            data.serial_number.as_ref().map(ToString::to_string).into(),
            email.into(),
            crate::cases::json(&data.permissions)?.into(),
            new.invitation.as_ref().map(|(digest, ..)| &digest[..]).into(),
            new.invitation.map(|(_, until, _)| until).into(),
            now.into(),
        ];
        let id = one(self.0.execute(ADD, &parameters).map_err(exists)?)?.integer(0)?;
        let details = json!({ "handler": id, "invited": new.invitation.is_some(),
            "permissions": data.permissions });
        self.log(&of.deed(by, Act::HandlerAdded, now, details))?;
        let notice = Notice::ToManager("新增授權經辦人", &data.name);
        self.write_notice(of, &of.email, notice, origin, now)?;
        if let Some(email) = email {
            let words = words(&data.permissions);
            match new.invitation {
                None => {
                    self.write_notice(of, email, Notice::HandlerAdded(&words), origin, now)?;
                }
                Some((_, until, address)) => {
                    let until = domain::RocDay::of(until).to_string();
                    self.write_notice(of, email, Notice::Invited(address, &until), origin, now)?;
                }
            }
        }
        self.handler(id)
    }

    /// Changes a handler's entry as it was seen, with log and letters. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::HandlerChanged`], [`StoreError::HandlerExists`].
    pub fn change_handler(
        &self,
        of: &RegistrationRow,
        (id, revision): (i64, i64),
        new: NewHandler<'_>,
        by: Actor,
        origin: &str,
        now: Timestamp,
    ) -> Result<HandlerEntry, StoreError> {
        let data = new.data;
        let before = self.handler(id)?.handler;
        let parameters = [
            id.into(),
            revision.into(),
            data.name.as_str().into(),
            new.person.as_ref().map(|(person, _)| &person.0[..]).into(),
            new.person.map(|(_, tail)| tail).into(),
            data.serial_number.as_ref().map(ToString::to_string).into(),
            data.email.as_ref().map(domain::Email::as_str).into(),
            crate::cases::json(&data.permissions)?.into(),
        ];
        let changed = self.0.execute(CHANGE, &parameters).map_err(exists)?;
        one(changed).map_err(|_| StoreError::HandlerChanged)?;
        let after = self.handler(id)?;
        let details = json!({ "handler": id, "permissions": data.permissions,
            "formerPermissions": before.permissions, "formerSerial": before.serial_number });
        self.log(&of.deed(by, Act::HandlerChanged, now, details))?;
        let notice = Notice::ToManager("修改授權經辦人", &data.name);
        self.write_notice(of, &of.email, notice, origin, now)?;
        let words = after.handler.words();
        for email in addresses(&before, &after.handler) {
            self.write_notice(of, email, Notice::HandlerChanged(&words), origin, now)?;
        }
        Ok(after)
    }

    /// Removes a handler as it was seen, with log and letters. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::HandlerChanged`].
    pub fn remove_handler(
        &self,
        of: &RegistrationRow,
        (id, revision): (i64, i64),
        by: Actor,
        origin: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let before = self.handler(id)?.handler;
        let removed = self.0.execute(REMOVE, &[id.into(), revision.into(), now.into()])?;
        one(removed).map_err(|_| StoreError::HandlerChanged)?;
        let details = json!({ "handler": id, "formerPermissions": before.permissions,
            "formerSerial": before.serial_number });
        self.log(&of.deed(by, Act::HandlerRemoved, now, details))?;
        let notice = Notice::ToManager("刪除授權經辦人", &before.name);
        self.write_notice(of, &of.email, notice, origin, now)?;
        if let Some(email) = &before.email {
            self.write_notice(of, email, Notice::HandlerRemoved, origin, now)?;
        }
        Ok(())
    }

    /// The invited person's own card is the handler's from now on. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::InvitationOver`], [`StoreError::HandlerExists`].
    pub fn accept_invitation(
        &self,
        invited: &HandlerEntry,
        invitation: [u8; 32],
        card: &CitizenCard,
        origin: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let id = invited.handler.id;
        let parameters = [
            id.into(),
            invitation[..].into(),
            card.serial_number.as_str().into(),
            card.subject_serial.as_str().into(),
        ];
        let accepted = self.0.execute(ACCEPT, &parameters).map_err(exists)?;
        one(accepted).map_err(|_| StoreError::InvitationOver)?;
        let of = self.registration(invited.handler.registration)?;
        let details = json!({ "handler": id, "serial": card.serial_number });
        self.log(&of.deed(Actor::Handler(id), Act::InvitationAccepted, now, details))?;
        let notice = Notice::Accepted(&invited.handler.name);
        self.write_notice(&of, &of.email, notice, origin, now)
    }

    /// A renewed card takes the place of a handler's former one; the manager is told. Inside a
    /// transaction.
    ///
    /// # Errors
    /// [`StoreError::HandlerChanged`], [`StoreError::HandlerExists`].
    pub fn renew_handler(
        &self,
        entry: &HandlerEntry,
        card: &CitizenCard,
        origin: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let HandlerRow { id, revision, registration, name, serial_number, .. } = &entry.handler;
        let parameters = [
            Value::from(*id),
            (*revision).into(),
            card.serial_number.as_str().into(),
            card.subject_serial.as_str().into(),
        ];
        let renewed = self.0.execute(RENEW, &parameters).map_err(exists)?;
        one(renewed).map_err(|_| StoreError::HandlerChanged)?;
        let of = self.registration(*registration)?;
        let details = json!({ "handler": id, "formerSerial": serial_number,
            "serial": card.serial_number });
        self.log(&of.deed(Actor::Handler(*id), Act::HandlerRenewed, now, details))?;
        self.write_notice(&of, &of.email, Notice::HandlerRenewed(name), origin, now)
    }

    /// Keeps the CA's number of the person when a handler's card is first seen, so that the
    /// renewed card is known again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn handler_seen(&self, card: &HandlerCard) -> Result<(), StoreError> {
        let HandlerCard { serial_number, subject_serial, tail } = card;
        let parameters = [serial_number, subject_serial, tail].map(|text| text.as_str().into());
        self.0.execute(SEEN, &parameters).map(drop)
    }
}

/// Where a handler is written to, before and after a change.
fn addresses<'a>(before: &'a HandlerRow, after: &'a HandlerRow) -> Vec<&'a str> {
    let mut all: Vec<_> =
        [&before.email, &after.email].into_iter().flatten().map(String::as_str).collect();
    all.dedup();
    all
}

fn exists(error: StoreError) -> StoreError {
    match error {
        StoreError::Unique(_) => StoreError::HandlerExists,
        other => other,
    }
}

fn entry(row: &Row) -> Result<HandlerEntry, StoreError> {
    let permissions = row.parsed(8, "permissions", |text| serde_json::from_str(text).ok())?;
    Ok(HandlerEntry {
        handler: HandlerRow {
            id: row.integer(0)?,
            registration: row.integer(1)?,
            name: row.text(2)?.to_owned(),
            person: person(row, 3)?.ok_or(StoreError::Conflict)?,
            tail: row.text(4)?.to_owned(),
            serial_number: row.optional_text(5)?,
            subject_serial: row.optional_text(6)?,
            email: row.optional_text(7)?,
            permissions,
            invitation_until: row.optional_instant(9)?,
            revision: row.integer(10)?,
        },
        code: row.text(11)?.to_owned(),
        organisation: row.text(12)?.to_owned(),
        key: row.parsed(13, "organisation's number", |text| text.parse().ok())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Label;

    fn card(serial: char, subject: &str, tail: &str) -> HandlerCard {
        HandlerCard {
            serial_number: serial.to_string().repeat(32),
            subject_serial: subject.into(),
            tail: tail.into(),
        }
    }

    #[test]
    fn an_entry_is_of_the_card_and_the_person_that_it_names() {
        let database = crate::native::memory(Label::Cases);
        let add = "INSERT INTO registrations (code, name, number, organisation_serial,
                manager_name, manager_serial, manager_subject, manager_person, manager_tail,
                contact_name, email, phone, registered_at)
            VALUES ('A0001', '測試機關', '12345675', '01', '林管理', '02', '1', zeroblob(16),
                '6789', '林管理', 'manager@example.com.tw', '0212345678', 0);
            INSERT INTO handlers (registration, name, person, tail, serial_number, permissions,
                added_at)
            VALUES (1, '陳經辦', zeroblob(16), '1234',
                'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', '[\"progress\"]', 0)";
        database.connection.execute_batch(add).unwrap();
        let cases = Cases(&database);
        let own = card('A', "8", "1234");
        let found = |card: &HandlerCard| {
            let listed = cases.handlers_of_card(card).unwrap().len();
            let permitted = cases.permitted(1, card, HandlerPermission::Progress).is_ok();
            assert_eq!(listed == 1, permitted, "{card:?}");
            permitted
        };
        let subject = || cases.handler(1).unwrap().handler.subject_serial;
        // Who is somebody else is neither found nor kept as the one who was seen.
        for other in [card('B', "8", "1234"), card('A', "8", "4321")] {
            cases.handler_seen(&other).unwrap();
            assert!(!found(&other) && subject().is_none());
        }
        assert!(found(&own));
        cases.handler_seen(&own).unwrap();
        assert_eq!(subject().as_deref(), Some("8"));
        assert!(found(&own) && !found(&card('A', "9", "1234")));
        // A change of the card, or of the person, has it seen anew; of anything else not.
        let change = |person: Value, tail: Value, serial: Value| {
            let revision = cases.handler(1).unwrap().handler.revision;
            let parameters = [
                1.into(),
                revision.into(),
                "陳經辦".into(),
                person,
                tail,
                serial,
                Value::Null,
                "[\"progress\"]".into(),
            ];
            one(database.execute(CHANGE, &parameters).unwrap()).unwrap();
        };
        change(Value::Null, Value::Null, own.serial_number.as_str().into());
        change([0; 16][..].into(), "1234".into(), Value::Null);
        assert_eq!(subject().as_deref(), Some("8"));
        let second = card('B', "9", "1234");
        change(Value::Null, Value::Null, second.serial_number.as_str().into());
        assert!(subject().is_none() && found(&second) && !found(&own));
        cases.handler_seen(&second).unwrap();
        assert_eq!(subject().as_deref(), Some("9"));
        change([1; 16][..].into(), "4321".into(), Value::Null);
        assert!(subject().is_none() && !found(&second));
    }
}
