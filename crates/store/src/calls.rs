//! The call record, and the rules that live in it: a token that comes again gets its answer
//! again, and an account makes no more calls than it may (requirements A18, A19).
//!
//! One statement judges the limit, pays, and takes the jti, before anything is compared; another
//! sets the outcome, before the answer leaves. Between the two a call is open: whoever comes with
//! the same token goes on with it, and nobody else can.

use domain::{PersonDigest, RateLimit, TaipeiDay, TokenDigest};
use jiff::Timestamp;

use crate::{Calls, Database, Row, StoreError, Value};

/// How long a jti is kept: longer than any token lives, with the tolerance on both sides.
pub const JTI_KEPT: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

/// A call to be kept.
#[derive(Clone, Debug)]
pub struct NewCall<'a> {
    /// apId.
    pub account: &'a str,
    /// When it came.
    pub at: Timestamp,
    /// [`domain::CallOutcome::code`], when nobody has to be looked up for it.
    pub outcome: Option<&'a str>,
    /// x-request-id.
    pub request: [u8; 16],
    /// Of the account's jti.
    pub jti: TokenDigest,
    /// Of the token.
    pub token: TokenDigest,
    /// Who is to be looked up.
    pub person: Option<PersonDigest>,
    /// userId.
    pub user_id: &'a str,
    /// How long it took so far, in microseconds.
    pub took: i64,
    /// The account's limit.
    pub rate: RateLimit,
    /// Whether the account is in test mode.
    pub sandbox: bool,
}

/// A call that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCall {
    /// From 1 for each account.
    pub number: i64,
    /// [`domain::CallOutcome::code`]; `None` while it is open.
    pub outcome: Option<String>,
}

/// A call that had the same jti.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierCall {
    /// Of its token.
    pub token: TokenDigest,
    /// When it came.
    pub at: Timestamp,
    /// What is kept.
    pub call: KeptCall,
}

/// What became of a call that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It is kept and paid. It has an outcome when it needed no look-up, or when the person is
    /// known to be locked.
    New(KeptCall),
    /// The jti was used before: nothing was kept, and nothing paid.
    Earlier(EarlierCall),
    /// It is over the limit: nothing was kept, and nothing paid.
    OverLimit,
}

/// What is known of an account and a jti.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// When the account's calls so far are paid off, in microseconds since 1970.
    pub due: Option<i64>,
    /// The call that had this jti.
    pub earlier: Option<EarlierCall>,
}

/// The outcome of an open call.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// apId.
    pub account: &'a str,
    /// [`KeptCall::number`].
    pub number: i64,
    /// When it came; of one that was counted on the day before, and lost since, the end of that day.
    pub at: Timestamp,
    /// [`domain::CallOutcome::code`].
    pub outcome: &'a str,
    /// x-request-id of the answer.
    pub request: [u8; 16],
    /// How long it took, in microseconds.
    pub took: i64,
}

/// One statement numbers the call, judges the limit, pays, finds a jti that was used and a person
/// who is locked. Over the limit `due` would be NULL, which it cannot be: the row is left out, as
/// for a jti that is there.
///
/// INSERT … SELECT from the same table would make a temporary table. RETURNING makes one too, and
/// is cheaper than asking in a statement of its own. No parameter stands where it could change the
/// plan (a test looks).
pub(crate) const RESERVE: &str = "INSERT OR IGNORE INTO calls
    (account, number, at, outcome, request, jti, token, person, user_id, took, due, sandbox)
    VALUES (?1, 1 + coalesce((SELECT number FROM calls
            WHERE account = (SELECT ?1) ORDER BY number DESC LIMIT 1), 0),
        ?2, CASE WHEN ?3 IS NULL AND EXISTS (SELECT 1 FROM calls WHERE outcome IN ('4', '5')
            AND person = (SELECT ?7) AND at BETWEEN ?13 AND ?13 + 86399999999) THEN '5' ELSE ?3 END,
        ?4, ?5, ?6, ?7, ?8, ?9,
        nullif(coalesce((SELECT CASE WHEN due < ?2 OR due > ?2 + ?12 THEN ?2 + ?11
                WHEN due + ?11 <= ?2 + ?10 THEN due + ?11 ELSE 0 END
            FROM calls WHERE account = (SELECT ?1) ORDER BY number DESC LIMIT 1), ?2 + ?11), 0),
        ?14)
    RETURNING number, outcome, due";
pub(crate) const BEFORE: &str = "SELECT token, at, number, outcome, NULL FROM calls
        WHERE jti = ?2
    UNION ALL SELECT NULL, NULL, NULL, NULL,
        (SELECT due FROM calls WHERE account = (SELECT ?1) ORDER BY number DESC LIMIT 1)";
pub(crate) const FINISH: &str = "UPDATE calls SET outcome = ?3, request = ?4, took = ?5, at = ?6
    WHERE account = ?1 AND number = ?2 AND outcome IS NULL";
const OUTCOME: &str = "SELECT outcome FROM calls
    WHERE account = ?1 AND number = ?2 AND outcome IS NOT NULL";
const REFUSE: &str = "INSERT INTO refusals (account, day, reason, count, last_at)
    VALUES (?1, ?2, ?3, 1, ?4)
    ON CONFLICT (account, day, reason) DO UPDATE SET count = count + 1, last_at = excluded.last_at";

#[cfg(test)]
pub(crate) const STATEMENTS: &[&str] = &[RESERVE, BEFORE, FINISH, OUTCOME, REFUSE];

impl<D: Database> Calls<D> {
    /// Keeps a call and pays for it, before anything is compared; and when the account's calls
    /// before it are paid off, in microseconds since 1970.
    ///
    /// # Errors
    /// [`StoreError`]: nothing may be compared then.
    pub fn reserve(&self, call: &NewCall<'_>) -> Result<(Reserved, Option<i64>), StoreError> {
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
            micros(TaipeiDay::of(call.at).begins_at()),
            i64::from(call.sandbox).into(),
        ];
        let rows = self.0.execute(RESERVE, &parameters)?;
        if let Some(row) = rows.first() {
            let kept = KeptCall { number: row.integer(0)?, outcome: row.optional_text(1)? };
            return Ok((Reserved::New(kept), Some(row.integer(2)? - call.rate.cost())));
        }
        let before = self.before(call.account, call.jti)?;
        let reserved = match before.earlier {
            Some(earlier) => Reserved::Earlier(earlier),
            // Something else does not let it be kept, or the clock was set back just now.
            None if call.rate.judge(before.due, call.at.as_microsecond()).allowed => {
                return Err(unkept(call.account));
            }
            None => Reserved::OverLimit,
        };
        Ok((reserved, before.due))
    }

    /// What is known of an account and a jti; nothing is kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn before(&self, account: &str, jti: TokenDigest) -> Result<Before, StoreError> {
        let mut before = Before::default();
        for row in self.0.execute(BEFORE, &[account.into(), jti.0[..].into()])? {
            if row.is_null(0) {
                before.due = row.optional_integer(4)?;
            } else {
                before.earlier = Some(earlier(&row)?);
            }
        }
        Ok(before)
    }

    /// Gives an open call its outcome; returns the one that it has already, if it has one: the
    /// same token may have come twice at once.
    ///
    /// # Errors
    /// [`StoreError`]: nothing may be revealed then.
    pub fn finish(&self, finished: &Finished<'_>) -> Result<Option<String>, StoreError> {
        let Finished { account, number, at, outcome, request, took } = *finished;
        let parameters = [
            account.into(),
            number.into(),
            outcome.into(),
            request[..].into(),
            took.into(),
            micros(at),
        ];
        self.0.execute(FINISH, &parameters)?;
        if self.0.changes() > 0 {
            return Ok(None);
        }
        let rows = self.0.execute(OUTCOME, &parameters[..2])?;
        let row = rows.first().ok_or_else(|| unkept(account))?;
        row.text(0).map(|outcome| Some(outcome.to_owned()))
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

/// A call of this account is not kept, and no rule says why.
fn unkept(account: &str) -> StoreError {
    StoreError::Inconsistent { what: "call", found: account.to_owned() }
}

fn earlier(row: &Row) -> Result<EarlierCall, StoreError> {
    let token = row.blob(0)?.try_into().map_err(|_| StoreError::Inconsistent {
        what: "token digest",
        found: "another length".into(),
    })?;
    let at = row.integer(1)?;
    Ok(EarlierCall {
        token: TokenDigest(token),
        at: Timestamp::from_microsecond(at)
            .map_err(|_| StoreError::Inconsistent { what: "instant", found: at.to_string() })?,
        call: KeptCall { number: row.integer(2)?, outcome: row.optional_text(3)? },
    })
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

    /// A question about one person, which is not answered yet.
    fn call<'a>(account: &'a str, jti: u8, at: Timestamp) -> NewCall<'a> {
        NewCall {
            account,
            at,
            outcome: None,
            request: [9; 16],
            jti: TokenDigest([jti; 16]),
            token: TokenDigest([jti + 100; 16]),
            person: Some(PersonDigest([7; 16])),
            user_id: "user",
            took: 7,
            rate: RATE,
            sandbox: false,
        }
    }

    fn instant(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn kept(number: i64, outcome: Option<&str>) -> Reserved {
        Reserved::New(KeptCall { number, outcome: outcome.map(str::to_owned) })
    }

    /// Reserved and finished.
    fn answered(calls: &Calls<crate::native::Native>, call: &NewCall<'_>, outcome: &str) {
        let (Reserved::New(KeptCall { number, outcome: None }), _) = calls.reserve(call).unwrap()
        else {
            panic!("not reserved")
        };
        let NewCall { account, at, .. } = *call;
        let finished = Finished { account, number, at, outcome, request: [8; 16], took: 70 };
        assert_eq!(calls.finish(&finished), Ok(None));
    }

    #[test]
    fn a_jti_is_kept_once_and_numbers_have_no_gap() {
        let calls = Calls(memory(Label::Calls));
        let at = instant("2023-11-17T14:00:00+08:00");
        let now = at.as_microsecond();
        assert_eq!(calls.before("AB123", TokenDigest([1; 16])), Ok(Before::default()));
        assert_eq!(calls.reserve(&call("AB123", 1, at)), Ok((kept(1, None), Some(now))));
        let settled = NewCall { outcome: Some("RS3811"), person: None, ..call("AB123", 2, at) };
        let due = Some(now + RATE.cost());
        assert_eq!(calls.reserve(&settled), Ok((kept(2, Some("RS3811")), due)));
        assert_eq!(calls.reserve(&call("CD456", 3, at)), Ok((kept(1, None), Some(now))));
        // Open, then answered: the same jti costs nothing, whatever comes with it.
        let due = Some(now + 2 * RATE.cost());
        let again = NewCall { token: TokenDigest([50; 16]), ..call("AB123", 1, at) };
        let mut earlier = EarlierCall {
            token: TokenDigest([101; 16]),
            at,
            call: KeptCall { number: 1, outcome: None },
        };
        assert_eq!(calls.reserve(&again), Ok((Reserved::Earlier(earlier.clone()), due)));
        let finished = |outcome| {
            let (account, number) = ("AB123", 1);
            calls.finish(&Finished { account, number, at, outcome, request: [8; 16], took: 70 })
        };
        assert_eq!(finished("1"), Ok(None));
        assert_eq!(finished("5"), Ok(Some("1".to_owned())));
        earlier.call.outcome = Some("1".to_owned());
        assert_eq!(calls.reserve(&again), Ok((Reserved::Earlier(earlier.clone()), due)));
        let before = calls.before("AB123", TokenDigest([1; 16])).unwrap();
        assert_eq!(before, Before { due, earlier: Some(earlier) });
        let missing =
            Finished { account: "AB123", number: 9, at, outcome: "1", request: [8; 16], took: 7 };
        assert_eq!(calls.finish(&missing), Err(unkept("AB123")));
        let rows: Vec<(String, i64, Option<String>, i64)> = calls
            .0
            .connection
            .prepare("SELECT account, number, outcome, took FROM calls")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let expected =
            [("AB123", 1, Some("1"), 70), ("AB123", 2, Some("RS3811"), 7), ("CD456", 1, None, 7)];
        let expected = expected.map(|(account, number, outcome, took)| {
            (account.to_owned(), number, outcome.map(str::to_owned), took)
        });
        assert_eq!(rows, expected);
    }

    #[test]
    fn no_call_is_kept_over_the_limit_even_when_the_clock_goes_back() {
        let calls = Calls(memory(Label::Calls));
        let at = instant("2023-11-17T14:00:00+08:00");
        for jti in 0..5 {
            let (reserved, _) = calls.reserve(&call("AB123", jti, at)).unwrap();
            assert_eq!(reserved, kept(i64::from(jti) + 1, None));
        }
        let due = Some(at.as_microsecond() + RATE.tolerance());
        assert_eq!(calls.reserve(&call("AB123", 6, at)), Ok((Reserved::OverLimit, due)));
        let count = "SELECT count(*) FROM calls";
        let counted =
            || calls.0.connection.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(counted(), 5);
        // A little later one more, and only one.
        let later = at + jiff::SignedDuration::from_micros(RATE.cost());
        assert_eq!(calls.reserve(&call("AB123", 6, later)), Ok((kept(6, None), due)));
        let (reserved, _) = calls.reserve(&call("AB123", 7, later)).unwrap();
        assert_eq!(reserved, Reserved::OverLimit);
        let earlier = at - jiff::SignedDuration::from_hours(1);
        let reserved = calls.reserve(&call("AB123", 7, earlier));
        assert_eq!(reserved, Ok((kept(7, None), Some(earlier.as_microsecond()))));
        // What does not fit the schema is an error, not a limit.
        let bad = NewCall { request: [9; 16], account: "AB1234", ..call("AB123", 8, at) };
        assert_eq!(calls.reserve(&bad), Err(unkept("AB1234")));
    }

    /// What is paid is what [`RateLimit::judge`] says.
    #[test]
    fn the_statement_judges_as_the_rule_does() {
        let calls = Calls(memory(Label::Calls));
        let start = instant("2023-11-17T14:00:00+08:00");
        let mut random = 7_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        let (mut at, mut allowed) = (start, 0);
        for n in 0..2000_u16 {
            let back = if next(40) == 0 { 20_000_000 } else { 0 };
            at += jiff::SignedDuration::from_micros(next(150_000) as i64 - back);
            let mut new = call("AB123", 0, at);
            new.jti.0[..2].copy_from_slice(&n.to_be_bytes());
            let due = calls.before("AB123", new.jti).unwrap().due;
            let judged = RATE.judge(due, at.as_microsecond());
            let (reserved, before) = calls.reserve(&new).unwrap();
            assert_eq!(matches!(reserved, Reserved::New(_)), judged.allowed, "{n}");
            assert_eq!(RATE.judge(before, at.as_microsecond()), judged, "{n}");
            allowed += u32::from(judged.allowed);
        }
        assert!((200..1900).contains(&allowed), "{allowed}");
    }

    /// After the third wrong answer one statement answers, and knows of the card nothing.
    #[test]
    fn a_locked_person_is_known_by_the_record_until_the_day_ends() {
        let calls = Calls(memory(Label::Calls));
        let at = instant("2023-11-17T23:59:59.999999+08:00");
        let rate = RateLimit { per_minute: 600, burst: 500 };
        let call = |account, jti, at| NewCall { rate, ..call(account, jti, at) };
        for (jti, outcome) in [(1, "2"), (2, "3")] {
            answered(&calls, &call("AB123", jti, at), outcome);
        }
        let mine = NewCall { sandbox: true, person: None, ..call("AB123", 3, at) };
        let (reserved, _) = calls.reserve(&NewCall { outcome: Some("4"), ..mine }).unwrap();
        assert_eq!(reserved, kept(3, Some("4")));
        answered(&calls, &call("AB123", 4, at), "4");
        let reserved = |call: &NewCall<'_>| calls.reserve(call).unwrap().0;
        assert_eq!(reserved(&call("CD456", 5, at)), kept(1, Some("5")));
        let early = instant("2023-11-17T00:00:00+08:00");
        assert_eq!(reserved(&call("EF789", 6, early)), kept(1, Some("5")));
        // Somebody else, the days beside it, and what needs no look-up.
        let other = NewCall { person: Some(PersonDigest([8; 16])), ..call("CD456", 7, at) };
        assert_eq!(reserved(&other), kept(2, None));
        let next = instant("2023-11-18T00:00:00+08:00");
        assert_eq!(reserved(&call("CD456", 8, next)), kept(3, None));
        let before = instant("2023-11-16T23:59:59.999999+08:00");
        assert_eq!(reserved(&call("GH123", 9, before)), kept(1, None));
        let settled = NewCall { outcome: Some("8"), person: None, ..call("CD456", 10, at) };
        assert_eq!(reserved(&settled), kept(4, Some("8")));
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
