//! Letters: written in the transaction of what they are about, sent later.

use domain::letter::{Facts, Letter, Subject};
use domain::{Act, Actor, Applicant, CaseId, Ground, Notice};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::audit::Deed;
use crate::database::one;
use crate::{AccountRow, CaseRow, Cases, Database, RegistrationRow, Row, StoreError, Value};

/// A letter before it is kept.
#[derive(Clone, Copy, Debug)]
pub struct NewLetter<'a> {
    /// To which company or organisation.
    pub applicant: Applicant,
    /// About which case.
    pub case: Option<CaseId>,
    /// Which template.
    pub kind: &'static str,
    /// Where to.
    pub recipient: &'a str,
    /// What it says.
    pub letter: &'a Letter,
}

/// What a letter about a case says beside its template.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The grounds, in the order chosen.
    pub grounds: &'a [Ground],
    /// What the officer adds.
    pub text: &'a str,
    /// The whole letter, where an officer changed it.
    pub edited: Option<&'a Letter>,
    /// The service's address.
    pub origin: &'a str,
}

impl CaseRow {
    /// The letter about this case, by its template.
    pub fn letter(&self, subject: Subject, content: Content<'_>) -> Letter {
        subject.letter(&Facts {
            company_name: &self.company_name,
            case: Some((self.case.id, self.case.kind)),
            grounds: content.grounds,
            text: content.text,
            origin: content.origin,
        })
    }
}

/// A letter as it is kept.
#[derive(Clone, Debug)]
pub struct LetterRow {
    /// Its number.
    pub id: i64,
    /// Which template.
    pub kind: String,
    /// Where to.
    pub recipient: String,
    /// What it says.
    pub letter: Letter,
    /// When it was written.
    pub written_at: Timestamp,
    /// `queued`, `sent` or `failed`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// The server's last word.
    pub answer: Option<String>,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
}

/// How many times a letter is tried.
pub const MAX_ATTEMPTS: i64 = 12;
/// A relay that took a letter on and fell over: another one tries after this.
const TAKEN_FOR: SignedDuration = SignedDuration::from_mins(10);

macro_rules! letter_select {
    () => {
        "SELECT id, kind, recipient, subject, body, written_at, state, attempts, answer, sent_at
    FROM letters "
    };
}
const WRITE: &str =
    "INSERT INTO letters (applicant, case_id, kind, recipient, subject, body, written_at, next_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7) RETURNING id";
const ONE: &str = concat!(letter_select!(), "WHERE id = ?1");
const OF_CASE: &str = concat!(letter_select!(), "WHERE case_id = ?1 ORDER BY id");
const OF_COMPANY: &str =
    concat!(letter_select!(), "WHERE applicant = ?1 ORDER BY id DESC LIMIT 100");
const RESEND: &str =
    "UPDATE letters SET state = 'queued', attempts = 0, next_at = ?2, sent_at = NULL
    WHERE id = ?1 AND state <> 'queued' RETURNING applicant, case_id";
const TAKE: &str = "UPDATE letters SET attempts = attempts + 1, next_at = ?2
    WHERE id = (SELECT id FROM letters WHERE state = 'queued' AND next_at <= ?1 ORDER BY next_at, id LIMIT 1)
    RETURNING id, kind, recipient, subject, body, written_at, state, attempts, answer, sent_at";
const SENT: &str =
    "UPDATE letters SET state = 'sent', sent_at = ?2, answer = ?3 WHERE id = ?1 RETURNING id";
const NOT_SENT: &str = "UPDATE letters SET state = ?2, next_at = ?3, answer = ?4
    WHERE id = ?1 RETURNING id";
const STATES: &str = "SELECT state, count(*), min(written_at) FROM letters GROUP BY state";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] =
    &[WRITE, ONE, OF_CASE, OF_COMPANY, RESEND, TAKE, SENT, NOT_SENT, STATES];

impl<D: Database> Cases<D> {
    /// Writes a letter. Inside the transaction of what it is about.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write_letter(&self, new: NewLetter<'_>, now: Timestamp) -> Result<(), StoreError> {
        let parameters = [
            new.applicant.to_string().into(),
            new.case.map(|id| id.to_string()).into(),
            new.kind.into(),
            new.recipient.into(),
            new.letter.subject.as_str().into(),
            new.letter.body.as_str().into(),
            now.into(),
        ];
        let id = one(self.0.execute(WRITE, &parameters)?)?.integer(0)?;
        let mut deed =
            Deed::new(Actor::Operator, Act::LetterWritten, now).on_company(new.applicant);
        deed.case = new.case;
        let digest = letter_digest(new.letter);
        self.log(&deed.with(json!({ "letter": id, "kind": new.kind, "sha256": digest })))
    }

    /// One letter.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn letter(&self, id: i64) -> Result<Option<LetterRow>, StoreError> {
        self.0.execute(ONE, &[id.into()])?.first().map(letter_row).transpose()
    }

    /// Writes a letter about a case to its applicant: by the template, or as an officer left
    /// it; none where no address was left. Inside the transaction of what it is about.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write_case_letter(
        &self,
        row: &CaseRow,
        subject: Subject,
        content: Content<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if row.email.is_empty() {
            return Ok(());
        }
        let by_template;
        let letter = match content.edited {
            Some(letter) => letter,
            None => {
                by_template = row.letter(subject, content);
                &by_template
            }
        };
        let new = NewLetter {
            applicant: row.case.applicant,
            case: Some(row.case.id),
            kind: subject.name(),
            recipient: &row.email,
            letter,
        };
        self.write_letter(new, now)
    }

    /// Writes a letter about an account to its contact, by the template. Inside the transaction
    /// of what it is about.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write_account_letter(
        &self,
        row: &AccountRow,
        subject: Subject,
        text: &str,
        origin: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let company_name = &row.account.company_name;
        let facts = Facts { company_name, case: None, grounds: &[], text, origin };
        let letter = subject.letter(&facts);
        let new = NewLetter {
            applicant: row.account.ubn.into(),
            case: None,
            kind: subject.name(),
            recipient: &row.email,
            letter: &letter,
        };
        self.write_letter(new, now)
    }

    /// Writes to somebody of a registered organisation. Inside the transaction of what it is
    /// about.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn write_notice(
        &self,
        registration: &RegistrationRow,
        recipient: &str,
        notice: Notice<'_>,
        origin: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let number = registration.registered.key.to_string();
        let letter = notice.letter(&registration.name, origin);
        self.write_letter_to(&number, recipient, (notice.name(), &letter), now)
    }

    /// Writes to an organisation by its number (統一編號, or OID). Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn write_letter_to(
        &self,
        number: &str,
        recipient: &str,
        (kind, letter): (&str, &Letter),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let parameters = [
            number.into(),
            Value::Null,
            kind.into(),
            recipient.into(),
            letter.subject.as_str().into(),
            letter.body.as_str().into(),
            now.into(),
        ];
        let id = one(self.0.execute(WRITE, &parameters)?)?.integer(0)?;
        let mut deed = Deed::new(Actor::Operator, Act::LetterWritten, now);
        deed.company = number.parse().ok();
        let digest = letter_digest(letter);
        self.log(&deed.with(json!({ "letter": id, "kind": kind, "sha256": digest })))
    }

    /// The letters of a case, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn letters_of_case(&self, id: CaseId) -> Result<Vec<LetterRow>, StoreError> {
        self.0.execute(OF_CASE, &[id.to_string().into()])?.iter().map(letter_row).collect()
    }

    /// The last hundred letters to a company, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn letters_of_company(
        &self,
        company: impl Into<Applicant>,
    ) -> Result<Vec<LetterRow>, StoreError> {
        self.0
            .execute(OF_COMPANY, &[company.into().to_string().into()])?
            .iter()
            .map(letter_row)
            .collect()
    }

    /// Has a letter sent once more. Inside a transaction.
    ///
    /// # Errors
    /// [`StoreError::LetterQueued`] when it waits to be sent anyway, or is none.
    pub fn resend_letter(&self, id: i64, by: i64, now: Timestamp) -> Result<(), StoreError> {
        let rows = self.0.execute(RESEND, &[id.into(), now.into()])?;
        let row = rows.first().ok_or(StoreError::LetterQueued)?;
        let applicant: Applicant = row.parsed(0, "applicant", |text| text.parse().ok())?;
        let mut deed = Deed::new(Actor::Officer(by), Act::Resent, now).on_company(applicant);
        deed.case = row.optional_text(1)?.and_then(|id| CaseId::parse(&id));
        self.log(&deed.with(json!({ "letter": id })))
    }

    /// Takes on the next letter that is due, so that no other relay sends it too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_letter(&self, now: Timestamp) -> Result<Option<LetterRow>, StoreError> {
        let until = now + TAKEN_FOR;
        self.0.execute(TAKE, &[now.into(), until.into()])?.first().map(letter_row).transpose()
    }

    /// A letter went out; the server's last word.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn letter_sent(&self, id: i64, answer: &str, now: Timestamp) -> Result<(), StoreError> {
        one(self.0.execute(SENT, &[id.into(), now.into(), answer.into()])?).map(drop)
    }

    /// A letter did not go out. It is tried again after longer and longer, unless the server
    /// refuses it for good or it was tried often enough.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn letter_not_sent(
        &self,
        letter: &LetterRow,
        answer: &str,
        for_good: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let over = for_good || letter.attempts >= MAX_ATTEMPTS;
        let state = if over { "failed" } else { "queued" };
        let wait = SignedDuration::from_secs(60 << letter.attempts.clamp(0, 9));
        let parameters = [letter.id.into(), state.into(), (now + wait).into(), answer.into()];
        one(self.0.execute(NOT_SENT, &parameters)?).map(drop)
    }

    /// How many letters are in each state, and since when the oldest one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn letter_states(&self) -> Result<Vec<(String, i64, Timestamp)>, StoreError> {
        let state = |row: &Row| Ok((row.text(0)?.to_owned(), row.integer(1)?, row.instant(2)?));
        self.0.execute(STATES, &[])?.iter().map(state).collect()
    }
}

/// What the log says of a letter: SHA-256 of subject, a line feed and body, in hexadecimal.
pub fn letter_digest(letter: &Letter) -> String {
    let text = format!("{}\n{}", letter.subject, letter.body);
    hex::encode(Sha256::digest(text))
}

fn letter_row(row: &Row) -> Result<LetterRow, StoreError> {
    Ok(LetterRow {
        id: row.integer(0)?,
        kind: row.text(1)?.to_owned(),
        recipient: row.text(2)?.to_owned(),
        letter: Letter { subject: row.text(3)?.to_owned(), body: row.text(4)?.to_owned() },
        written_at: row.instant(5)?,
        state: row.text(6)?.to_owned(),
        attempts: row.integer(7)?,
        answer: row.optional_text(8)?,
        sent_at: row.optional_instant(9)?,
    })
}
