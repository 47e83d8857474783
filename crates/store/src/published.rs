//! The lists that our own CAs publish.

use domain::{ListAttempt, ListTrouble};
use jiff::Timestamp;
use pki::Fingerprint;

use crate::database::one;
use crate::{Cases, Database, Row, StoreError};

/// A list as it is served.
#[derive(Clone, Debug)]
pub struct PublishedList {
    /// Where, below `/crl/`.
    pub name: String,
    /// Address of the partition; none for the complete list.
    pub partition: Option<String>,
    /// Whether it is a delta.
    pub delta: bool,
    /// cRLNumber.
    pub number: i64,
    /// thisUpdate.
    pub this_update: Timestamp,
    /// nextUpdate.
    pub next_update: Timestamp,
    /// The list.
    pub der: Vec<u8>,
}

/// How an own CA's publishing stands.
#[derive(Clone, Debug)]
pub struct Publishing {
    /// SHA-256 of the CA's certificate.
    pub issuer: Fingerprint,
    /// The complete list's cRLNumber, thisUpdate and nextUpdate; none before the first.
    pub current: Option<(i64, Timestamp, Timestamp)>,
    /// When it was last tried.
    pub attempted_at: Timestamp,
    /// What became of that.
    pub attempt: ListAttempt,
}

impl Publishing {
    /// thisUpdate and nextUpdate of the complete list, while it is in force.
    pub fn in_force(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        self.current.map(|(_, at, until)| (at, until)).filter(|(_, until)| now <= *until)
    }

    /// What is wrong.
    pub fn trouble(&self, now: Timestamp) -> Option<ListTrouble> {
        let published = self.in_force(now).map(|(at, _)| at);
        self.attempt.trouble(self.attempted_at, published, now)
    }
}

macro_rules! list_select {
    () => {
        "SELECT name, partition, delta, number, this_update, next_update, der FROM published_lists "
    };
}
/// A delta brings a list up to the complete one of its own number; one that is behind it is
/// obsolete (RFC 5280, section 5.2.4), and offered no more. Its row stays: numbers rise.
macro_rules! offered {
    () => {
        "(delta = 0 OR number = (SELECT max(number) FROM published_lists AS other
            WHERE other.issuer = published_lists.issuer))"
    };
}
const BY_NAME: &str = concat!(list_select!(), "WHERE name = ?1 AND ", offered!());
const OF_ISSUER: &str =
    concat!(list_select!(), "WHERE issuer = ?1 AND ", offered!(), " ORDER BY name");
const LAST_NUMBER: &str = "SELECT coalesce(max(number), 0) FROM published_lists WHERE issuer = ?1";
const PUBLISH: &str = "INSERT INTO published_lists
    (name, issuer, partition, delta, number, this_update, next_update, der)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (name) DO UPDATE SET number = excluded.number, this_update = excluded.this_update,
        next_update = excluded.next_update, der = excluded.der
        WHERE issuer = excluded.issuer AND partition = excluded.partition
            AND delta = excluded.delta
    RETURNING name";
const NOTE: &str = "INSERT INTO list_attempts (issuer, attempted_at, outcome, failure)
    VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (issuer) DO UPDATE SET attempted_at = excluded.attempted_at,
        outcome = excluded.outcome, failure = excluded.failure";
const STATE: &str = "SELECT list_attempts.issuer, number, this_update, next_update, attempted_at,
    outcome, failure FROM list_attempts LEFT JOIN published_lists
    ON published_lists.issuer = list_attempts.issuer AND partition = '' AND delta = 0
    ORDER BY list_attempts.issuer";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[BY_NAME, OF_ISSUER, LAST_NUMBER, PUBLISH, NOTE, STATE];

impl<D: Database> Cases<D> {
    /// The list of this name, unless it is a delta that is obsolete.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn published_list(&self, name: &str) -> Result<Option<PublishedList>, StoreError> {
        self.0.execute(BY_NAME, &[name.into()])?.first().map(list).transpose()
    }

    /// The lists of a CA, without a delta that is obsolete.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn published_lists(&self, issuer: Fingerprint) -> Result<Vec<PublishedList>, StoreError> {
        self.0.execute(OF_ISSUER, &[issuer.0[..].into()])?.iter().map(list).collect()
    }

    /// The highest cRLNumber that a CA's lists have had.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last_list_number(&self, issuer: Fingerprint) -> Result<i64, StoreError> {
        one(self.0.execute(LAST_NUMBER, &[issuer.0[..].into()])?)?.integer(0)
    }

    /// Puts a list in the place of the last one of its name. Inside the transaction of all
    /// lists of this number.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the name is another list's.
    pub fn publish(&self, issuer: Fingerprint, new: &PublishedList) -> Result<(), StoreError> {
        let parameters = [
            new.name.as_str().into(),
            issuer.0[..].into(),
            new.partition.as_deref().unwrap_or_default().into(),
            i64::from(new.delta).into(),
            new.number.into(),
            new.this_update.into(),
            new.next_update.into(),
            new.der.as_slice().into(),
        ];
        one(self.0.execute(PUBLISH, &parameters)?).map(drop)
    }

    /// Notes how far an attempt to publish has come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_publishing(
        &self,
        issuer: Fingerprint,
        attempt: &ListAttempt,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (outcome, failure) = match attempt {
            ListAttempt::Begun => ("begun", None),
            ListAttempt::Failed(failure) => ("failed", Some(failure.clone())),
            ListAttempt::Published => ("published", None),
        };
        let parameters = [issuer.0[..].into(), now.into(), outcome.into(), failure.into()];
        self.0.execute(NOTE, &parameters).map(drop)
    }

    /// How publishing stands, of every CA that ever tried.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn publishing(&self) -> Result<Vec<Publishing>, StoreError> {
        let read = |row: &Row| {
            let issuer = row.blob(0)?.try_into().map_err(|_| StoreError::Inconsistent {
                what: "issuer",
                found: "unreadable".into(),
            })?;
            let current = match row.optional_integer(1)? {
                Some(number) => Some((number, row.instant(2)?, row.instant(3)?)),
                None => None,
            };
            let attempt = match (row.text(5)?, row.optional_text(6)?) {
                ("begun", None) => ListAttempt::Begun,
                ("published", None) => ListAttempt::Published,
                ("failed", Some(failure)) => ListAttempt::Failed(failure),
                (found, _) => {
                    return Err(StoreError::Inconsistent {
                        what: "outcome",
                        found: found.to_owned(),
                    });
                }
            };
            let issuer = Fingerprint(issuer);
            Ok(Publishing { issuer, current, attempted_at: row.instant(4)?, attempt })
        };
        self.0.execute(STATE, &[])?.iter().map(read).collect()
    }
}

fn list(row: &Row) -> Result<PublishedList, StoreError> {
    Ok(PublishedList {
        name: row.text(0)?.to_owned(),
        partition: row.optional_text(1)?.filter(|address| !address.is_empty()),
        delta: row.integer(2)? == 1,
        number: row.integer(3)?,
        this_update: row.instant(4)?,
        next_update: row.instant(5)?,
        der: row.blob(6)?.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Label;

    #[test]
    fn numbers_rise_and_a_name_stays_one_cas() {
        let cases = Cases(crate::native::memory(Label::Cases));
        let at = |second| Timestamp::from_second(second).unwrap();
        let new = |number: i64| PublishedList {
            name: "MOEACA/complete.crl".into(),
            partition: None,
            delta: false,
            number,
            this_update: at(number),
            next_update: at(100),
            der: vec![0x30],
        };
        let (ours, theirs) = (Fingerprint([1; 32]), Fingerprint([2; 32]));
        assert_eq!(cases.last_list_number(ours), Ok(0));
        cases.publish(ours, &new(5)).unwrap();
        assert_eq!(cases.publish(theirs, &new(6)), Err(StoreError::Conflict));
        assert!(cases.publish(ours, &new(5)).is_err());
        assert!(cases.publish(ours, &new(4)).is_err());
        cases.publish(ours, &new(6)).unwrap();
        assert_eq!(cases.last_list_number(ours), Ok(6));
        assert!(cases.0.connection.execute("DELETE FROM published_lists", []).is_err());
        let name = "MOEACA/complete-delta.crl";
        let delta = |number| PublishedList { name: name.into(), delta: true, ..new(number) };
        for (number, complete, offered) in [(7, 7, true), (7, 8, false), (9, 9, true)] {
            if offered {
                cases.publish(ours, &delta(number)).unwrap();
            }
            cases.publish(ours, &new(complete)).unwrap();
            assert_eq!(cases.published_list(name).unwrap().is_some(), offered);
            let lists = cases.published_lists(ours).unwrap();
            assert_eq!(lists.iter().any(|list| list.delta), offered);
        }
        let failed = ListAttempt::Failed("no key".into());
        for attempt in [ListAttempt::Begun, failed, ListAttempt::Published] {
            cases.note_publishing(ours, &attempt, at(7)).unwrap();
            let state = cases.publishing().unwrap();
            assert_eq!(state[0].current.map(|(number, ..)| number), Some(9));
            assert_eq!(state[0].attempt, attempt);
        }
    }
}
