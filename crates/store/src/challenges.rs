//! Single-use challenges.

use domain::{Applicant, CHALLENGE_LIFETIME, POSSESSION_LIFETIME, Ubn};
use jiff::Timestamp;
use pki::Purpose;

use crate::database::one;
use crate::{Cases, Database, StoreError, Value};

/// A challenge as it is handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedChallenge {
    /// At least 256 random bits, Base64url.
    pub challenge: String,
    /// Until when it may be used.
    pub expires_at: Timestamp,
}

const FORGET: &str = "DELETE FROM challenges WHERE challenge IN
    (SELECT challenge FROM challenges WHERE expires_at < ?1 ORDER BY expires_at LIMIT 16)";
const ISSUE: &str =
    "INSERT INTO challenges (challenge, purpose, origin, applicant, issued_at, expires_at, visit)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING expires_at";
/// One statement decides: of any number of replays one gets the row.
const CONSUME: &str = "UPDATE challenges SET used_at = ?5
    WHERE challenge = ?1 AND purpose = ?2 AND origin = ?3 AND applicant IS ?4 AND visit IS ?6
      AND used_at IS NULL AND expires_at > ?5
    RETURNING challenge";
const OPEN: &str = "SELECT 1 FROM challenges
    WHERE challenge = ?1 AND origin = ?2 AND used_at IS NULL AND expires_at > ?3";
const EXPLAIN: &str = "SELECT used_at IS NOT NULL FROM challenges
    WHERE challenge = ?1 AND purpose = ?2 AND origin = ?3 AND applicant IS ?4 AND visit IS ?5";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[FORGET, ISSUE, CONSUME, OPEN, EXPLAIN];

/// The purpose of challenges that no card signs.
const POSSESSION: &str = "prove-possession";
/// Used and expired challenges are kept for a day, so that a late replay is told as such.
const KEPT: i64 = 24 * 3600;

impl<D: Database> Cases<D> {
    /// Keeps a new challenge; forgets a few that ended long ago.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn issue_challenge(
        &self,
        challenge: String,
        purpose: Purpose,
        origin: &str,
        applicant: Option<Applicant>,
        now: Timestamp,
    ) -> Result<IssuedChallenge, StoreError> {
        self.issue(challenge, (purpose.name(), origin), applicant, None, now, CHALLENGE_LIFETIME)
    }

    /// Keeps a challenge for the next card of a visit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn issue_visit_challenge(
        &self,
        challenge: String,
        purpose: Purpose,
        origin: &str,
        visit: &str,
        now: Timestamp,
    ) -> Result<IssuedChallenge, StoreError> {
        let visit = Some(visit);
        self.issue(challenge, (purpose.name(), origin), None, visit, now, CHALLENGE_LIFETIME)
    }

    /// Keeps a challenge that a system's key is to sign.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn issue_possession_challenge(
        &self,
        challenge: String,
        origin: &str,
        ubn: Ubn,
        now: Timestamp,
    ) -> Result<IssuedChallenge, StoreError> {
        self.issue(
            challenge,
            (POSSESSION, origin),
            Some(ubn.into()),
            None,
            now,
            POSSESSION_LIFETIME,
        )
    }

    fn issue(
        &self,
        challenge: String,
        (purpose, origin): (&str, &str),
        applicant: Option<Applicant>,
        visit: Option<&str>,
        now: Timestamp,
        lifetime: i64,
    ) -> Result<IssuedChallenge, StoreError> {
        self.0.execute(FORGET, &[Value::from(now.as_second() - KEPT)])?;
        let row = one(self.0.execute(
            ISSUE,
            &[
                challenge.as_str().into(),
                purpose.into(),
                origin.into(),
                applicant.map(String::from).into(),
                now.into(),
                Value::from(now.as_second() + lifetime),
                visit.into(),
            ],
        )?)?;
        Ok(IssuedChallenge { challenge, expires_at: row.instant(0)? })
    }

    /// Whether a challenge can still be used: a look that promises nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn challenge_is_open(
        &self,
        challenge: &str,
        origin: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = self.0.execute(OPEN, &[challenge.into(), origin.into(), now.into()])?;
        Ok(!rows.is_empty())
    }

    /// Uses a challenge up. Inside the transaction of the act that it allows.
    ///
    /// # Errors
    /// [`StoreError::ChallengeUnknown`], [`StoreError::ChallengeExpired`],
    /// [`StoreError::ChallengeUsed`].
    pub fn consume_challenge(
        &self,
        challenge: &str,
        purpose: Purpose,
        origin: &str,
        applicant: Option<Applicant>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.consume_for(challenge, (purpose.name(), origin), applicant, None, now)
    }

    /// Uses a visit's challenge up. Inside the transaction of the step that it allows.
    ///
    /// # Errors
    /// As [`Cases::consume_challenge`].
    pub fn consume_visit_challenge(
        &self,
        challenge: &str,
        purpose: Purpose,
        origin: &str,
        visit: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.consume_for(challenge, (purpose.name(), origin), None, Some(visit), now)
    }

    /// Uses up a challenge that a system's key signed. Inside the upload's transaction.
    ///
    /// # Errors
    /// As [`Cases::consume_challenge`].
    pub(crate) fn consume_possession_challenge(
        &self,
        challenge: &str,
        origin: &str,
        ubn: Ubn,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.consume_for(challenge, (POSSESSION, origin), Some(ubn.into()), None, now)
    }

    fn consume_for(
        &self,
        challenge: &str,
        (purpose, origin): (&str, &str),
        applicant: Option<Applicant>,
        visit: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut parameters = vec![
            Value::from(challenge),
            purpose.into(),
            origin.into(),
            applicant.map(String::from).into(),
            now.into(),
            visit.into(),
        ];
        if self.0.execute(CONSUME, &parameters)?.len() == 1 {
            return Ok(());
        }
        parameters.remove(4);
        match self.0.execute(EXPLAIN, &parameters)?.first() {
            None => Err(StoreError::ChallengeUnknown),
            Some(row) if row.integer(0)? == 1 => Err(StoreError::ChallengeUsed),
            Some(_) => Err(StoreError::ChallengeExpired),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::memory;
    use crate::schema::Label;

    #[test]
    fn a_challenge_serves_once_for_what_it_was_issued() {
        let cases = Cases(memory(Label::Cases));
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let later = |seconds: i64| Timestamp::from_second(1_700_000_000 + seconds).unwrap();
        let issue = |letter: &str| {
            cases
                .issue_challenge(letter.repeat(43), Purpose::SignIn, "o", None, now)
                .unwrap()
                .challenge
        };
        let consume = |challenge: &str, purpose, origin, at| {
            let ubn = (purpose != Purpose::SignIn).then(|| "12345675".parse().unwrap());
            cases.consume_challenge(challenge, purpose, origin, ubn, at)
        };
        let a = issue("a");
        assert_eq!(cases.challenge_is_open(&a, "o", later(299)), Ok(true));
        assert_eq!(cases.challenge_is_open(&a, "o", later(300)), Ok(false));
        assert_eq!(cases.challenge_is_open(&a, "p", now), Ok(false));
        assert_eq!(consume(&a, Purpose::Apply, "o", now), Err(StoreError::ChallengeUnknown));
        assert_eq!(consume(&a, Purpose::SignIn, "p", now), Err(StoreError::ChallengeUnknown));
        assert_eq!(consume(&a, Purpose::SignIn, "o", later(299)), Ok(()));
        assert_eq!(consume(&a, Purpose::SignIn, "o", later(299)), Err(StoreError::ChallengeUsed));
        assert_eq!(cases.challenge_is_open(&a, "o", now), Ok(false));
        let b = issue("b");
        assert_eq!(
            consume(&b, Purpose::SignIn, "o", later(300)),
            Err(StoreError::ChallengeExpired)
        );
        assert!(matches!(
            cases.issue_challenge("a".repeat(43), Purpose::SignIn, "o", None, now),
            Err(StoreError::Unique(_))
        ));
    }
}
