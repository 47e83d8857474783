//! The call record, and the rules that live in it: a token that comes again gets its answer
//! again, and an account makes no more calls than it may (requirements A18, A19).

use domain::{PersonDigest, RateLimit, TokenDigest};
use jiff::Timestamp;

use crate::{Calls, Database, Row, StoreError, Value};

/// A call to be kept.
#[derive(Clone, Debug)]
pub struct NewCall<'a> {
    /// apId.
    pub account: &'a str,
    /// When it came.
    pub at: Timestamp,
    /// [`domain::CallOutcome::code`].
    pub outcome: &'a str,
    /// x-request-id.
    pub request: [u8; 16],
    /// Of the account's jti.
    pub jti: TokenDigest,
    /// Of the token.
    pub token: TokenDigest,
    /// Whom it was about, where that could be read.
    pub person: Option<PersonDigest>,
    /// userId.
    pub user_id: &'a str,
    /// How long it took, in microseconds.
    pub took: i64,
    /// The account's limit.
    pub rate: RateLimit,
}

/// What is known when a call comes in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// When the account's calls so far are paid off, in microseconds since 1970.
    pub due: Option<i64>,
    /// The call that had this jti.
    pub earlier: Option<EarlierCall>,
}

/// A call that had the same jti.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierCall {
    /// Of its token.
    pub token: TokenDigest,
    /// [`domain::CallOutcome::code`].
    pub outcome: String,
}

/// No parameter stands where it could change the plan (a test looks).
pub(crate) const BEFORE: &str = "SELECT token, outcome, NULL FROM calls
        WHERE jti = ?2
    UNION ALL SELECT NULL, NULL,
        (SELECT due FROM calls WHERE account = (SELECT ?1) ORDER BY number DESC LIMIT 1)";
/// One statement numbers the call, pays for it, and finds a jti that was used meanwhile.
/// INSERT … SELECT from the same table and RETURNING would each make a temporary table.
pub(crate) const RECORD: &str = "INSERT INTO calls
    (account, number, at, outcome, request, jti, token, person, user_id, took, due, sandbox)
    VALUES (?1, 1 + coalesce((SELECT number FROM calls
            WHERE account = (SELECT ?1) ORDER BY number DESC LIMIT 1), 0),
        ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
        min(?2 + ?10, coalesce((SELECT CASE WHEN due > ?2 + ?12 THEN ?2 ELSE max(due, ?2) END
            FROM calls WHERE account = (SELECT ?1) ORDER BY number DESC LIMIT 1), ?2)) + ?11, 0)
    ON CONFLICT (jti) WHERE jti IS NOT NULL DO NOTHING";
const EARLIER: &str = "SELECT token, outcome FROM calls WHERE jti = ?1";
const REFUSE: &str = "INSERT INTO refusals (account, day, reason, count, last_at)
    VALUES (?1, ?2, ?3, 1, ?4)
    ON CONFLICT (account, day, reason) DO UPDATE SET count = count + 1, last_at = excluded.last_at";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[BEFORE, RECORD, EARLIER, REFUSE];

impl<D: Database> Calls<D> {
    /// What is known when a call comes in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn before(&self, account: &str, jti: TokenDigest) -> Result<Before, StoreError> {
        let mut before = Before::default();
        for row in self.0.execute(BEFORE, &[account.into(), jti.0[..].into()])? {
            if row.is_null(0) {
                before.due = row.optional_integer(2)?;
            } else {
                before.earlier = Some(earlier(&row)?);
            }
        }
        Ok(before)
    }

    /// Keeps a call and pays for it; returns the call that has the jti already, if one has:
    /// then nothing was kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn record(&self, call: &NewCall<'_>) -> Result<Option<EarlierCall>, StoreError> {
        let parameters = [
            call.account.into(),
            micros(call.at),
            call.outcome.into(),
            call.request[..].into(),
            call.jti.0[..].into(),
            call.token.0[..].into(),
            call.person.as_ref().map(|person| &person.0[..]).into(),
            call.user_id.into(),
            call.took.into(),
            call.rate.tolerance().into(),
            call.rate.cost().into(),
            call.rate.furthest().into(),
        ];
        self.0.execute(RECORD, &parameters)?;
        if self.0.changes() > 0 {
            return Ok(None);
        }
        let rows = self.0.execute(EARLIER, &[call.jti.0[..].into()])?;
        // It was there a moment ago.
        rows.first().map(earlier).transpose()?.ok_or(StoreError::Conflict).map(Some)
    }

    /// Counts a request that got no answer; `account` is empty when it is not known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn refuse(&self, account: &str, reason: &str, at: Timestamp) -> Result<(), StoreError> {
        let day = domain::TaipeiDay::of(at).number();
        let parameters = [account.into(), day.into(), reason.into(), micros(at)];
        self.0.execute(REFUSE, &parameters).map(drop)
    }
}

fn earlier(row: &Row) -> Result<EarlierCall, StoreError> {
    let token = row.blob(0)?.try_into().map_err(|_| StoreError::Inconsistent {
        what: "token digest",
        found: "another length".into(),
    })?;
    Ok(EarlierCall { token: TokenDigest(token), outcome: row.text(1)?.to_owned() })
}

fn micros(at: Timestamp) -> Value {
    at.as_microsecond().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::memory;
    use crate::schema::Label;

    const RATE: RateLimit = RateLimit { per_minute: 600, burst: 5 };

    fn call<'a>(account: &'a str, jti: u8, at: Timestamp) -> NewCall<'a> {
        NewCall {
            account,
            at,
            outcome: "1",
            request: [9; 16],
            jti: TokenDigest([jti; 16]),
            token: TokenDigest([jti + 100; 16]),
            person: None,
            user_id: "user",
            took: 7,
            rate: RATE,
        }
    }

    #[test]
    fn a_jti_is_kept_once_and_numbers_have_no_gap() {
        let calls = Calls(memory(Label::Calls));
        let at: Timestamp = "2023-11-17T14:00:00+08:00".parse().unwrap();
        assert_eq!(calls.before("AB123", TokenDigest([1; 16])), Ok(Before::default()));
        assert_eq!(calls.record(&call("AB123", 1, at)), Ok(None));
        assert_eq!(calls.record(&call("AB123", 2, at)), Ok(None));
        assert_eq!(calls.record(&call("CD456", 3, at)), Ok(None));
        let earlier = EarlierCall { token: TokenDigest([101; 16]), outcome: "1".into() };
        let again = NewCall { outcome: "5", ..call("AB123", 1, at) };
        assert_eq!(calls.record(&again), Ok(Some(earlier.clone())));
        let due = Some(at.as_microsecond() + 2 * RATE.cost());
        let before = calls.before("AB123", TokenDigest([1; 16])).unwrap();
        assert_eq!(before, Before { due, earlier: Some(earlier) });
        assert_eq!(calls.before("AB123", TokenDigest([7; 16])).unwrap().earlier, None);
        let numbers: Vec<(String, i64)> = calls
            .0
            .connection
            .prepare("SELECT account, number FROM calls")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let expected = [("AB123", 1), ("AB123", 2), ("CD456", 1)];
        assert_eq!(numbers, expected.map(|(account, number)| (account.to_owned(), number)));
    }

    #[test]
    fn what_is_due_follows_the_limit_even_when_the_clock_goes_back() {
        let calls = Calls(memory(Label::Calls));
        let at: Timestamp = "2023-11-17T14:00:00+08:00".parse().unwrap();
        for jti in 0..5 {
            calls.record(&call("AB123", jti, at)).unwrap();
        }
        let due = calls.before("AB123", TokenDigest([9; 16])).unwrap().due;
        assert!(!RATE.judge(due, at.as_microsecond()).allowed);
        let earlier = at - jiff::SignedDuration::from_hours(1);
        calls.record(&call("AB123", 6, earlier)).unwrap();
        let due = calls.before("AB123", TokenDigest([9; 16])).unwrap().due.unwrap();
        assert_eq!(due, earlier.as_microsecond() + RATE.cost());
    }

    #[test]
    fn refusals_are_counted_by_day_and_reason() {
        let calls = Calls(memory(Label::Calls));
        let at: Timestamp = "2023-11-17T14:00:00+08:00".parse().unwrap();
        for reason in ["address", "address", "time"] {
            calls.refuse("AB123", reason, at).unwrap();
        }
        calls.refuse("", "token", at).unwrap();
        let count = "SELECT sum(count), count(*) FROM refusals";
        let counted = calls.0.connection.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(counted.unwrap(), (4_i64, 3_i64));
    }
}
