//! What is kept of a verification call, and how many calls an account may make.

use sha2::{Digest, Sha256};

use crate::{Answer, Code, Coded, ConditionError, FieldError, FieldProblem};

/// What a call that was not turned away came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It was answered by a code (RS7009).
    Answered(Answer),
    /// orgId and apId are not those of the isskey (RS3811).
    AccountMismatch,
    /// A condition is not allowed (RS3822); no try is counted.
    Condition(ConditionError),
}

const ACCOUNT_MISMATCH: &str = "RS3811";
const CONDITION: &str = "RS3822 ";

impl CallOutcome {
    /// As it is kept.
    pub fn code(&self) -> String {
        match self {
            Self::Answered(answer) => answer.code().to_string(),
            Self::AccountMismatch => ACCOUNT_MISMATCH.to_owned(),
            Self::Condition(error) => format!("{CONDITION}{}", error.kept()),
        }
    }

    /// In plain words.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Answered(answer) => answer.word(),
            Self::AccountMismatch => "orgId或apId不符",
            Self::Condition(_) => "查詢條件不符規定",
        }
    }

    /// The outcome that was kept so.
    pub fn from_code(code: &str) -> Option<Self> {
        if code == ACCOUNT_MISMATCH {
            return Some(Self::AccountMismatch);
        }
        if let Some(member) = code.strip_prefix(CONDITION) {
            return ConditionError::about(member).map(Self::Condition);
        }
        let mut characters = code.chars();
        let (Some(code), None) = (characters.next(), characters.next()) else { return None };
        Answer::from_code(code).map(Self::Answered)
    }
}

/// Stands for a token, or for its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenDigest(pub [u8; 16]);

impl TokenDigest {
    /// Of a token, given the SHA-256 of what was signed: the signature follows from it.
    pub fn of_token(sha256: &[u8; 32]) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&sha256[..16]);
        Self(half)
    }

    /// Of an account's jti.
    pub fn of_jti(account: &str, jti: &str) -> Self {
        let digest = Sha256::new().chain_update(account).chain_update([0]).chain_update(jti);
        Self::of_token(&digest.finalize().into())
    }
}

/// Bounds by which calls are counted for monitors, in microseconds: 500 µs to 1 s, and the rest.
pub const CALL_DURATIONS: [i64; 12] = [
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    i64::MAX,
];

/// How many calls an account may make: so many a minute, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// In the long run; at least 1.
    pub per_minute: u32,
    /// At once, after a rest; at least 1.
    pub burst: u32,
}

/// Most calls a minute, and most at once, that officers may allow.
pub const MOST_CALLS: RateLimit = RateLimit { per_minute: 600_000, burst: 100_000 };

/// Why an account cannot have a limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit is not allowed")]
pub struct LimitError(Vec<FieldError>);

impl Coded for LimitError {
    fn code(&self) -> Code {
        Code::InvalidFields
    }

    fn fields(&self) -> &[FieldError] {
        &self.0
    }
}

/// Where an account stands with its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateState {
    /// The limit.
    pub limit: RateLimit,
    /// Whether this call is within it.
    pub allowed: bool,
    /// Calls that could follow this one at once.
    pub remaining: u32,
    /// Seconds until as many as ever may follow at once; rounded up.
    pub reset: u32,
    /// Seconds after which the call may be made, when it is not within the limit; rounded up.
    pub retry_after: u32,
}

/// Microseconds in a minute.
const MINUTE: i64 = 60_000_000;

impl RateLimit {
    /// A limit that an officer typed.
    ///
    /// # Errors
    /// [`LimitError`] names each number that is not allowed.
    pub fn of(per_minute: i64, burst: i64) -> Result<Self, LimitError> {
        let mut wrong = Vec::new();
        let mut judged = |member, number: i64, most: u32| {
            let number = u32::try_from(number).unwrap_or(0);
            if !(1..=most).contains(&number) {
                wrong.push(FieldError::at(member, FieldProblem::CallLimit));
            }
            number
        };
        let per_minute = judged("callsPerMinute", per_minute, MOST_CALLS.per_minute);
        let burst = judged("burst", burst, MOST_CALLS.burst);
        if wrong.is_empty() { Ok(Self { per_minute, burst }) } else { Err(LimitError(wrong)) }
    }

    /// What one call costs, in microseconds (the emission interval of GCRA, ITU-T I.371).
    pub fn cost(self) -> i64 {
        (MINUTE / i64::from(self.per_minute.max(1))).max(1)
    }

    /// How far ahead of the clock the calls may be, in microseconds.
    pub fn tolerance(self) -> i64 {
        self.cost() * i64::from(self.burst.max(1))
    }

    /// How far ahead of the clock the time can be when all calls are paid off, in microseconds,
    /// with ten seconds for calls that were under way while the clock was corrected.
    pub fn furthest(self) -> i64 {
        self.tolerance() + self.cost() + 10_000_000
    }

    /// Judges a call at `now` (microseconds since 1970), given when the calls so far are paid
    /// off. A time further ahead than the limit ever allows comes from a clock that was set
    /// back since, and counts for nothing: nobody would get it paid off.
    pub fn judge(self, due: Option<i64>, now: i64) -> RateState {
        let (cost, tolerance) = (self.cost(), self.tolerance());
        let ahead = due.map_or(0, |due| due.saturating_sub(now));
        let behind = if ahead > self.furthest() { 0 } else { ahead.clamp(0, tolerance) };
        let allowed = behind + cost <= tolerance;
        let after = if allowed { behind + cost } else { behind };
        let whole = |micros: i64| u32::try_from(micros).unwrap_or(u32::MAX);
        RateState {
            limit: self,
            allowed,
            remaining: whole((tolerance - after) / cost),
            reset: whole(seconds(after)),
            retry_after: if allowed { 0 } else { whole(seconds(behind + cost - tolerance)) },
        }
    }
}

impl RateState {
    /// Whether the caller should slow down: less than a fifth is left.
    pub fn is_close(&self) -> bool {
        u64::from(self.remaining) * 5 < u64::from(self.limit.burst)
    }
}

/// Rounded up.
fn seconds(micros: i64) -> i64 {
    (micros + 999_999) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_survive_being_kept() {
        let answers = "123456789A".chars().filter_map(Answer::from_code);
        let mut all: Vec<_> = answers.map(CallOutcome::Answered).collect();
        assert_eq!(all.len(), 10);
        all.push(CallOutcome::AccountMismatch);
        for member in ["personId", "applyCode", "applyYyymmdd", "issueSiteId", "conditionMap"] {
            all.push(CallOutcome::Condition(ConditionError::about(member).unwrap()));
        }
        for outcome in all {
            assert_eq!(CallOutcome::from_code(&outcome.code()), Some(outcome));
        }
        for bad in ["", "0", "B", "11", "RS3822 userId", "RS7009"] {
            assert_eq!(CallOutcome::from_code(bad), None, "{bad}");
        }
    }

    #[test]
    fn limits_that_officers_set_have_bounds() {
        assert_eq!(RateLimit::of(600, 120), Ok(RateLimit { per_minute: 600, burst: 120 }));
        let wrong = |per_minute, burst| {
            let error = RateLimit::of(per_minute, burst).unwrap_err();
            error.fields().iter().map(|field| field.pointer.clone()).collect::<Vec<_>>()
        };
        assert_eq!(wrong(0, 1), ["/callsPerMinute"]);
        assert_eq!(wrong(-1, 7), ["/callsPerMinute"]);
        assert_eq!(wrong(600_001, 0), ["/callsPerMinute", "/burst"]);
    }

    #[test]
    fn a_jti_is_of_one_account() {
        let one = TokenDigest::of_jti("AB123", "x");
        assert_eq!(one, TokenDigest::of_jti("AB123", "x"));
        assert_ne!(one, TokenDigest::of_jti("AB124", "x"));
        assert_ne!(TokenDigest::of_jti("AB123", "4x"), TokenDigest::of_jti("AB1234", "x"));
    }

    /// What the record's own statement computes.
    fn paid(limit: RateLimit, due: Option<i64>, now: i64) -> i64 {
        let due = due.filter(|due| *due <= now + limit.furthest()).unwrap_or(0);
        due.max(now).min(now + limit.tolerance()) + limit.cost()
    }

    #[test]
    fn a_burst_then_one_call_for_each_interval() {
        let limit = RateLimit { per_minute: 600, burst: 5 };
        let (start, mut due) = (1_700_000_000_000_000, None);
        for left in (0..5).rev() {
            let state = limit.judge(due, start);
            assert!(state.allowed);
            assert_eq!((state.remaining, state.retry_after), (left, 0));
            assert_eq!(state.is_close(), left == 0);
            due = Some(paid(limit, due, start));
        }
        let state = limit.judge(due, start);
        assert_eq!(
            (state.allowed, state.remaining, state.reset, state.retry_after),
            (false, 0, 1, 1)
        );
        assert!(!limit.judge(due, start + limit.cost() - 1).allowed);
        let state = limit.judge(due, start + limit.cost());
        assert_eq!((state.allowed, state.remaining), (true, 0));
        assert_eq!(limit.judge(due, start + 60_000_000).remaining, 4);
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nobody_up_for_long() {
        let limit = RateLimit { per_minute: 60, burst: 3 };
        let now = 1_700_000_000_000_000;
        let ahead = Some(now + 3_600_000_000);
        assert_eq!(limit.judge(ahead, now).remaining, 2);
        assert_eq!(paid(limit, ahead, now), now + limit.cost());
        // A few seconds back: a burst that is used up stays so for as long.
        let used_up = Some(now + limit.tolerance() + 5_000_000);
        assert_eq!(limit.judge(used_up, now).retry_after, 1);
        let extreme = RateLimit { per_minute: u32::MAX, burst: u32::MAX };
        assert!(extreme.judge(Some(i64::MAX), now).allowed);
    }
}
