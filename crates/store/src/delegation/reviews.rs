//! What officers are asked before a registration goes through.

use domain::{Act, Actor, Applicant, Notice, OrganisationCode, PersonDigest, ReviewAsker};
use jiff::Timestamp;
use serde_json::json;

use super::VisitRow;
use crate::audit::Deed;
use crate::database::one;
use crate::{Cases, Database, Row, StoreError};

/// Why officers are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewReason {
    /// Code and card do not fit the register.
    Mismatch,
    /// Another person is to be the manager.
    OtherManager,
}

impl ReviewReason {
    /// The name in the store and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mismatch => "mismatch",
            Self::OtherManager => "other-manager",
        }
    }

    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mismatch => "機關代號與機關憑證資料比對不符",
            Self::OtherManager => "更換授權管理者為另一人",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Mismatch, Self::OtherManager].into_iter().find(|reason| reason.name() == name)
    }
}

/// A question to officers before it is kept.
#[derive(Clone, Copy, Debug)]
pub struct NewRegistrationReview<'a> {
    /// The visit whose cards it is about.
    pub visit: &'a VisitRow,
    /// Why.
    pub reason: ReviewReason,
    /// Who asks.
    pub asker: &'a ReviewAsker,
}

/// A question to officers.
#[derive(Clone, Debug)]
pub struct RegistrationReviewRow {
    /// Id.
    pub id: i64,
    /// Why.
    pub reason: ReviewReason,
    /// 機關代號 as typed.
    pub code: String,
    /// What the organisation's card says.
    pub name: String,
    /// Organisation OID or 統一編號 of the card.
    pub key: Applicant,
    /// Who is to be the manager.
    pub manager_name: Option<String>,
    /// 姓名.
    pub contact_name: String,
    /// 電話.
    pub phone: String,
    /// 電子信箱.
    pub email: Option<String>,
    /// When.
    pub asked_at: Timestamp,
    /// When it was decided, and whether it goes through.
    pub decided: Option<(Timestamp, bool)>,
    /// What the officer said.
    pub note: Option<String>,
}

const ASK: &str = "INSERT INTO registration_reviews (reason, code, name, number,
    organisation_serial, manager_name, manager_person, contact_name, phone, email, asked_at,
    organisation_signed)
    SELECT ?2, code, organisation ->> '$.name', organisation ->> '$.number',
        organisation ->> '$.serialNumber', ?3, ?4, ?5, ?6, ?7, ?8, organisation_signed
    FROM visits WHERE id = ?1 RETURNING id";
macro_rules! review_select {
    () => {
        "SELECT id, reason, code, name, number, manager_name, contact_name, phone, email,
    asked_at, decided_at, cleared, note FROM registration_reviews "
    };
}
const LIST: &str = concat!(review_select!(), "ORDER BY decided_at IS NOT NULL, id DESC LIMIT 200");
const BY_ID: &str = concat!(review_select!(), "WHERE id = ?1");
/// The last word on code and number together.
const MISMATCH: &str = "SELECT cleared FROM registration_reviews
    WHERE code = ?1 AND number = ?2 AND reason = 'mismatch' ORDER BY id DESC LIMIT 1";
const MANAGER: &str = "SELECT cleared FROM registration_reviews
    WHERE code = ?1 AND manager_person = ?2 AND reason = 'other-manager'
        AND (cleared IS NULL OR decided_at > ?3) ORDER BY id DESC LIMIT 1";
const DECIDE: &str = "UPDATE registration_reviews
    SET decided_at = ?2, decided_by = ?3, cleared = ?4, note = ?5
    WHERE id = ?1 AND decided_at IS NULL RETURNING id";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[ASK, LIST, BY_ID, MISMATCH, MANAGER, DECIDE];

/// How long a new manager may be registered after officers agreed, in seconds.
const MANAGER_CLEARED_FOR: i64 = 30 * 24 * 3600;

impl<D: Database> Cases<D> {
    /// What officers said of a code with a card's number: nothing, not yet (`false`), or yes. A
    /// refusal is as if nobody had asked: it may be asked again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn mismatch_cleared(
        &self,
        code: &OrganisationCode,
        key: Applicant,
    ) -> Result<Option<bool>, StoreError> {
        let rows = self.0.execute(MISMATCH, &[code.as_str().into(), key.to_string().into()])?;
        rows.first().map_or(Ok(None), cleared)
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
        let since = now.as_second() - MANAGER_CLEARED_FOR;
        let parameters = [code.as_str().into(), manager.0[..].into(), since.into()];
        let rows = self.0.execute(MANAGER, &parameters)?;
        rows.first().map_or(Ok(None), cleared)
    }

    /// Asks officers, and ends the visit. Inside a transaction. One question at a time: who asks
    /// again while it waits is told so.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ask_review(
        &self,
        new: NewRegistrationReview<'_>,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let NewRegistrationReview { visit, reason, asker } = new;
        let manager = visit.citizen.as_ref().filter(|_| reason == ReviewReason::OtherManager);
        let person = manager.and(visit.person);
        let parameters = [
            visit.id.as_str().into(),
            reason.name().into(),
            manager.map(|card| card.name.as_str()).into(),
            person.as_ref().map(|person| &person.0[..]).into(),
            asker.name.as_str().into(),
            asker.phone.as_str().into(),
            asker.email.as_ref().map(domain::Email::as_str).into(),
            now.into(),
        ];
        let id = match self.0.execute(ASK, &parameters) {
            Ok(rows) => one(rows)?.integer(0)?,
            Err(StoreError::Unique(_)) => return Err(StoreError::ReviewAsked),
            Err(other) => return Err(other),
        };
        self.finish_visit(&visit.id, now)?;
        let row = self.registration_review(id)?;
        let mut deed = Deed::new(Actor::Operator, Act::ReviewAsked, now);
        deed.company = Some(row.key);
        self.log(
            &deed.with(json!({ "review": id, "reason": reason.name(), "organisation": row.code })),
        )?;
        Ok(id)
    }

    /// A question.
    ///
    /// # Errors
    /// [`StoreError::CaseNotFound`].
    pub fn registration_review(&self, id: i64) -> Result<RegistrationReviewRow, StoreError> {
        let rows = self.0.execute(BY_ID, &[id.into()])?;
        review(rows.first().ok_or(StoreError::CaseNotFound)?)
    }

    /// The questions, open ones first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn registration_reviews(&self) -> Result<Vec<RegistrationReviewRow>, StoreError> {
        self.0.execute(LIST, &[])?.iter().map(review).collect()
    }

    /// An officer decides; whoever asked is told where there is an address. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when somebody decided before.
    pub fn decide_review(
        &self,
        id: i64,
        cleared: bool,
        note: &str,
        by: i64,
        origin: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [id.into(), now.into(), by.into(), i64::from(cleared).into(), note.into()];
        one(self.0.execute(DECIDE, &parameters)?)?;
        let row = self.registration_review(id)?;
        let act = if cleared { Act::RegistrationCleared } else { Act::RegistrationBarred };
        let mut deed = Deed::new(Actor::Officer(by), act, now);
        deed.company = Some(row.key);
        self.log(&deed.with(json!({ "review": id, "organisation": row.code })))?;
        if let Some(email) = &row.email {
            let notice = if cleared { Notice::Cleared } else { Notice::Barred(note) };
            let letter = notice.letter(&row.name, origin);
            let number = row.key.to_string();
            self.write_letter_to(&number, email, (notice.name(), &letter), now)?;
        }
        Ok(())
    }
}

/// Not yet, yes, or (after a refusal) as if never asked.
fn cleared(row: &Row) -> Result<Option<bool>, StoreError> {
    Ok(match row.optional_integer(0)? {
        None => Some(false),
        Some(1) => Some(true),
        Some(_) => None,
    })
}

fn review(row: &Row) -> Result<RegistrationReviewRow, StoreError> {
    let cleared = row.optional_integer(11)?.map(|cleared| cleared == 1);
    Ok(RegistrationReviewRow {
        id: row.integer(0)?,
        reason: row.parsed(1, "reason", ReviewReason::from_name)?,
        code: row.text(2)?.to_owned(),
        name: row.text(3)?.to_owned(),
        key: row.parsed(4, "organisation's number", |text| text.parse().ok())?,
        manager_name: row.optional_text(5)?,
        contact_name: row.text(6)?.to_owned(),
        phone: row.text(7)?.to_owned(),
        email: row.optional_text(8)?,
        asked_at: row.instant(9)?,
        decided: row.optional_instant(10)?.zip(cleared),
        note: row.optional_text(12)?,
    })
}
