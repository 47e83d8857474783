//! The record of confirmation requests, and what a citizen may see of it.

use domain::{PersonDigest, RateLimit, TaipeiDay};
use jiff::Timestamp;

use crate::cases::json;
use crate::{Calls, Confirmations, Database, Row, StoreError, Value};

/// A request to be kept.
#[derive(Clone, Debug)]
pub struct NewConfirmation<'a> {
    /// Which approved service asked.
    pub service: i64,
    /// When.
    pub at: Timestamp,
    /// Used once.
    pub nonce: &'a str,
    /// Of what was signed.
    pub sha256: [u8; 32],
    /// What for.
    pub purpose: &'a str,
    /// In the order of the pairs.
    pub answers: &'a [u16],
    /// Of each pair that could be read: its place, and whom it was about.
    pub people: &'a [(usize, PersonDigest)],
    /// The service's limit.
    pub rate: RateLimit,
}

/// A request that had the same nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierConfirmation {
    /// Of what was signed.
    pub sha256: Vec<u8>,
    /// From 1 for each service.
    pub number: i64,
    /// As they were given.
    pub answers: Vec<u16>,
}

/// That somebody was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedRow {
    /// When.
    pub at: Timestamp,
    /// Which approved service asked.
    pub service: i64,
    /// What for.
    pub purpose: String,
    /// What was answered.
    pub answer: u16,
}

/// A verification call about somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallAbout {
    /// apId.
    pub account: String,
    /// When.
    pub at: Timestamp,
    /// [`domain::CallOutcome::code`].
    pub outcome: String,
}

/// Wrong national IDs of a card's holder on one day.
const MAX_WRONG_IDS: i64 = 3;
/// Most entries that a citizen is shown at once.
pub const SHOWN: usize = 200;

const DUE: &str = "SELECT due FROM requests WHERE service = ?1 ORDER BY number DESC LIMIT 1";
const EARLIER: &str =
    "SELECT sha256, number, answers FROM requests WHERE service = ?1 AND nonce = ?2";
const RECORD: &str =
    "INSERT INTO requests (service, number, at, nonce, sha256, purpose, answers, due)
    VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM requests WHERE service = ?1),
        ?2, ?3, ?4, ?5, ?6, ?7) RETURNING number";
const ASKED: &str = "INSERT INTO confirmed (person, at, service, number, place, answer)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
/// A request that asks about somebody many times is one entry.
const OF_PERSON: &str = "SELECT DISTINCT confirmed.at, confirmed.service, purpose, answer, number
    FROM confirmed JOIN requests USING (service, number) WHERE person = ?1 AND confirmed.at < ?2
    ORDER BY confirmed.at DESC LIMIT ?3";
const WRONG: &str = "SELECT count FROM wrong_ids WHERE subject_serial = ?1 AND day = ?2";
/// One statement decides: of any number of tries at once three are counted.
const COUNT_WRONG: &str = "INSERT INTO wrong_ids (subject_serial, day, count) VALUES (?1, ?2, 1)
    ON CONFLICT (subject_serial, day) DO UPDATE SET count = count + 1 WHERE count < 3
    RETURNING count";
const FORGET_WRONG: &str = "DELETE FROM wrong_ids WHERE day < ?1";

/// The whole record is read: an index by person would cost every call a write, and a citizen
/// looks seldom.
const CALLS_ABOUT: &str = "SELECT account, at, outcome FROM calls
    WHERE person = ?1 AND at < ?2 AND outcome IS NOT NULL ORDER BY at DESC LIMIT ?3";

#[cfg(test)]
pub(crate) const CALLS: &[&str] = &[CALLS_ABOUT];
#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] =
    &[DUE, EARLIER, RECORD, ASKED, OF_PERSON, WRONG, COUNT_WRONG, FORGET_WRONG];

impl<D: Database> Confirmations<D> {
    /// The request of this service that had this nonce.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn earlier(
        &self,
        service: i64,
        nonce: &str,
    ) -> Result<Option<EarlierConfirmation>, StoreError> {
        let rows = self.0.execute(EARLIER, &[service.into(), nonce.into()])?;
        let earlier = |row: &Row| {
            Ok(EarlierConfirmation {
                sha256: row.blob(0)?.to_vec(),
                number: row.integer(1)?,
                answers: row.parsed(2, "answers", |text| serde_json::from_str(text).ok())?,
            })
        };
        rows.first().map(earlier).transpose()
    }

    /// When the service's requests so far are paid off, in microseconds since 1970.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn due(&self, service: i64) -> Result<Option<i64>, StoreError> {
        let rows = self.0.execute(DUE, &[service.into()])?;
        rows.first().map(|row| row.integer(0)).transpose()
    }

    /// Keeps a request with whom it was about; its number. Inside a transaction, in which the
    /// nonce and the limit were looked at.
    ///
    /// # Errors
    /// [`StoreError::Unique`] when the nonce was used.
    pub fn record(&self, new: &NewConfirmation<'_>) -> Result<i64, StoreError> {
        let at = new.at.as_microsecond();
        let begun = self.due(new.service)?.filter(|due| *due <= at + new.rate.furthest());
        let due = begun.unwrap_or(at).max(at) + new.rate.cost();
        let rows = self.0.execute(
            RECORD,
            &[
                new.service.into(),
                at.into(),
                new.nonce.into(),
                new.sha256[..].into(),
                new.purpose.into(),
                json(&new.answers)?.into(),
                due.into(),
            ],
        )?;
        let number = crate::database::one(rows)?.integer(0)?;
        for (place, person) in new.people {
            let answer = new.answers.get(*place).copied().unwrap_or_default();
            self.0.execute(
                ASKED,
                &[
                    person.0[..].into(),
                    at.into(),
                    new.service.into(),
                    number.into(),
                    i64::try_from(*place).unwrap_or(i64::MAX).into(),
                    i64::from(answer).into(),
                ],
            )?;
        }
        Ok(number)
    }

    /// Who asked about a person before an instant, newest first; one more than [`SHOWN`] at most,
    /// which tells that there are more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn asked_about(
        &self,
        person: PersonDigest,
        before: Timestamp,
    ) -> Result<Vec<AskedRow>, StoreError> {
        let rows = self.0.execute(OF_PERSON, &page(person, before))?;
        let asked = |row: &Row| {
            Ok(AskedRow {
                at: micros(row, 0)?,
                service: row.integer(1)?,
                purpose: row.text(2)?.to_owned(),
                answer: u16::try_from(row.integer(3)?).unwrap_or(999),
            })
        };
        rows.iter().map(asked).collect()
    }

    /// Whether the holder of this card has typed three wrong national IDs today.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_locked(&self, subject_serial: &str, now: Timestamp) -> Result<bool, StoreError> {
        let day = TaipeiDay::of(now).number();
        let rows = self.0.execute(WRONG, &[subject_serial.into(), day.into()])?;
        Ok(rows.first().map(|row| row.integer(0)).transpose()? == Some(MAX_WRONG_IDS))
    }

    /// Counts a wrong national ID: how many more are counted today. `None` when three were
    /// counted already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count_wrong(
        &self,
        subject_serial: &str,
        now: Timestamp,
    ) -> Result<Option<u8>, StoreError> {
        let day = TaipeiDay::of(now).number();
        self.0.execute(FORGET_WRONG, &[(day - 1).into()])?;
        let counted = self.0.execute(COUNT_WRONG, &[subject_serial.into(), day.into()])?;
        let left = |row: &Row| Ok(u8::try_from(MAX_WRONG_IDS - row.integer(0)?).unwrap_or(0));
        counted.first().map(left).transpose()
    }
}

impl<D: Database> Calls<D> {
    /// Verification calls about a person, newest first; two hundred at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn calls_about(
        &self,
        person: PersonDigest,
        before: Timestamp,
    ) -> Result<Vec<CallAbout>, StoreError> {
        let rows = self.0.execute(CALLS_ABOUT, &page(person, before))?;
        let call = |row: &Row| {
            Ok(CallAbout {
                account: row.text(0)?.to_owned(),
                at: micros(row, 1)?,
                outcome: row.text(2)?.to_owned(),
            })
        };
        rows.iter().map(call).collect()
    }
}

fn page(person: PersonDigest, before: Timestamp) -> [Value; 3] {
    let most = i64::try_from(SHOWN + 1).unwrap_or(i64::MAX);
    [person.0[..].into(), before.as_microsecond().into(), most.into()]
}

fn micros(row: &Row, index: usize) -> Result<Timestamp, StoreError> {
    let found = row.integer(index)?;
    Timestamp::from_microsecond(found)
        .map_err(|_| StoreError::Inconsistent { what: "instant", found: found.to_string() })
}
