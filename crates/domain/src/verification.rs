//! The verification call (requirements A18, A19): who may ask, and what is answered.

use std::net::IpAddr;

use jiff::Timestamp;
use pki::jwt::{TimeError, TokenTimes};
use serde::Deserialize;

use crate::sandbox::{SandboxAnswer, sandbox};
use crate::{AccountStatus, CallOutcome, IdCard, RateLimit, Ubn};

/// Wrong answers for one national ID on one Taipei day; after the third the ID is locked
/// until the next day, for everyone (rule 6).
pub const MAX_WRONG_ANSWERS: u8 = 3;

const SUBJECT: &str = "綠色便民專案";
const JOB_ID: &str = "V2C201";
const OP_TYPE: &str = "RW";

/// Claims of a call's token. `aud` carries the caller's local time without a zone and is
/// neither read nor needed.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// 營利事業統一編號.
    pub org_id: String,
    /// The account.
    pub ap_id: String,
    /// Who inside the company asked; the caller's own word.
    pub user_id: String,
    /// The isskey.
    pub iss: String,
    sub: String,
    job_id: String,
    op_type: String,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    #[serde(default)]
    pub(crate) nbf: Option<i64>,
    /// The token's own number.
    pub jti: String,
    /// JSON text with the four conditions.
    pub condition_map: String,
}

/// The certificate that a caller's tokens are verified with.
#[derive(Clone, Debug)]
pub struct CallerCertificate {
    /// The key, RFC 8017 `RSAPublicKey` in DER.
    pub public_key: Vec<u8>,
    /// First instant of validity.
    pub not_before: Timestamp,
    /// Last instant of validity.
    pub not_after: Timestamp,
    /// Whether its CA has put it on hold or revoked it.
    pub revoked: bool,
}

impl CallerCertificate {
    /// Whether tokens signed with it are accepted at this instant.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        !self.revoked && self.not_before <= now && now <= self.not_after
    }
}

/// The account behind an isskey.
#[derive(Clone, Debug)]
pub struct Caller {
    /// 統一編號.
    pub ubn: Ubn,
    /// apId.
    pub ap_id: String,
    /// 啟用狀態.
    pub status: AccountStatus,
    /// The registered address.
    pub host_address: IpAddr,
    /// How many calls it may make.
    pub rate: RateLimit,
    /// Whether a match is answered by 9 or A instead of 1.
    pub change_codes: bool,
    /// Whether its calls are answered from the published test data.
    pub sandbox: bool,
    /// The certificates in use, the newest first: several while a former one may still be
    /// used.
    pub certificates: Vec<CallerCertificate>,
}

/// Why a call was turned away before its conditions were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// sub, jobId, opType, jti or userId are not as agreed.
    #[error("a claim is not as agreed: {0}")]
    Claim(&'static str),
    /// iat, nbf and exp do not fit this instant.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// The certificate is not valid now.
    #[error("the uploaded certificate is not valid now")]
    Certificate,
    /// The call comes from another address than the registered one.
    #[error("the call comes from another address")]
    Address,
    /// The account no longer exists for callers.
    #[error("the account is closed")]
    Closed,
}

/// What becomes of a call whose token is good.
#[derive(Clone, PartialEq, Eq)]
pub enum Admission {
    /// Its card is to be looked up.
    Lookup(IdCard),
    /// It has its outcome without.
    Settled(CallOutcome),
    /// It is answered from the published test data.
    Sandbox(SandboxAnswer),
}

/// Judges a token, verified with one of the account's certificates, against the account, the
/// source address and the time.
///
/// # Errors
/// [`TokenRefused`].
pub fn admit(
    claims: &Claims,
    caller: &Caller,
    certificate: &CallerCertificate,
    source: IpAddr,
    now: Timestamp,
) -> Result<Admission, TokenRefused> {
    // A closed account looks like none, whatever else is wrong.
    if caller.status.is_closed() {
        return Err(TokenRefused::Closed);
    }
    fixed_claims(claims).map_err(TokenRefused::Claim)?;
    let Claims { iat, exp, nbf, .. } = *claims;
    TokenTimes { iat, exp, nbf }.check(now)?;
    if !is_registered_address(source, caller.host_address) {
        return Err(TokenRefused::Address);
    }
    if caller.status == AccountStatus::Suspended {
        return Ok(Admission::Settled(CallOutcome::Answered(Answer::Suspended)));
    }
    if !certificate.is_valid(now) {
        return Err(TokenRefused::Certificate);
    }
    if claims.org_id != caller.ubn.as_str() || claims.ap_id != caller.ap_id {
        return Ok(Admission::Settled(CallOutcome::AccountMismatch));
    }
    Ok(match IdCard::from_condition_map(&claims.condition_map) {
        Ok(card) if caller.sandbox => Admission::Sandbox(sandbox(&card)),
        Ok(card) => Admission::Lookup(card),
        Err(error) => Admission::Settled(CallOutcome::Condition(error)),
    })
}

/// Whether a call comes from the registered address; an IPv4 address may be written as
/// an IPv6 one.
pub fn is_registered_address(source: IpAddr, registered: IpAddr) -> bool {
    source.to_canonical() == registered.to_canonical()
}

/// The members that have to be as agreed; the name of the first that is not.
pub(crate) fn fixed_claims(claims: &Claims) -> Result<(), &'static str> {
    let user = &claims.user_id;
    let user_ok = (1..=12).contains(&user.len())
        && user.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    for (name, ok) in [
        ("sub", claims.sub == SUBJECT),
        ("jobId", claims.job_id == JOB_ID),
        ("opType", claims.op_type == OP_TYPE),
        ("jti", (1..=64).contains(&claims.jti.len())),
        ("userId", user_ok),
    ] {
        if !ok {
            return Err(name);
        }
    }
    Ok(())
}

/// What the register says about a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFinding {
    /// Every member is as on file; and whether the holder had another number before.
    Matches {
        /// 統號變更紀錄.
        changed: bool,
    },
    /// Something differs, or the number is not on file.
    Differs,
    /// The number is no longer in use.
    NumberStopped,
    /// The card was reported lost.
    ReportedLost,
}

/// checkIdCardApply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 1: 國民身分證資料與檔存資料相符.
    Matches,
    /// 2, 3, 4: compared, different, for the nth time today.
    Differs(u8),
    /// 5: locked, not compared.
    Locked,
    /// 6: the number is no longer in use.
    NumberStopped,
    /// 7: reported lost.
    ReportedLost,
    /// 8: the caller is suspended.
    Suspended,
    /// 9: as 1, and 無統號變更紀錄.
    MatchesUnchanged,
    /// A: as 1, and 有統號變更紀錄.
    MatchesChanged,
}

impl Answer {
    /// The character on the wire.
    pub fn code(self) -> char {
        match self {
            Self::Matches => '1',
            Self::Differs(nth) => char::from(b'1' + nth),
            Self::Locked => '5',
            Self::NumberStopped => '6',
            Self::ReportedLost => '7',
            Self::Suspended => '8',
            Self::MatchesUnchanged => '9',
            Self::MatchesChanged => 'A',
        }
    }

    /// In plain words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Matches => "相符",
            Self::Differs(1) => "不符，當日第1次錯誤",
            Self::Differs(2) => "不符，當日第2次錯誤",
            Self::Differs(_) => "不符，當日第3次錯誤",
            Self::Locked => "當日錯誤已達3次，未比對",
            Self::NumberStopped => "身分證字號已停止使用",
            Self::ReportedLost => "已登錄掛失",
            Self::Suspended => "暫停使用者權限",
            Self::MatchesUnchanged => "相符，無統號變更紀錄",
            Self::MatchesChanged => "相符，有統號變更紀錄",
        }
    }

    /// The answer of this character.
    pub fn from_code(code: char) -> Option<Self> {
        Some(match code {
            '1' => Self::Matches,
            '2' => Self::Differs(1),
            '3' => Self::Differs(2),
            '4' => Self::Differs(3),
            '5' => Self::Locked,
            '6' => Self::NumberStopped,
            '7' => Self::ReportedLost,
            '8' => Self::Suspended,
            '9' => Self::MatchesUnchanged,
            'A' => Self::MatchesChanged,
            _ => return None,
        })
    }
}

/// The answer, given what the register says and the day's count of wrong answers for
/// this ID: for [`RecordFinding::Differs`] the count with this one, durably kept; else
/// the count so far. `None`: three had been given before.
///
/// Before a comparison is revealed, the lock is asked; so after the third wrong answer
/// nothing reveals whether data are right.
///
/// Codes 9 and A are for callers that asked for them: others know 1 alone.
pub fn judge(finding: RecordFinding, count: Option<u8>, change_codes: bool) -> Answer {
    let Some(count) = count else { return Answer::Locked };
    match finding {
        RecordFinding::Matches { .. } if !change_codes => Answer::Matches,
        RecordFinding::Matches { changed: true } => Answer::MatchesChanged,
        RecordFinding::Matches { changed: false } => Answer::MatchesUnchanged,
        RecordFinding::Differs => Answer::Differs(count.clamp(1, MAX_WRONG_ANSWERS)),
        RecordFinding::NumberStopped => Answer::NumberStopped,
        RecordFinding::ReportedLost => Answer::ReportedLost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn claims() -> Claims {
        let conditions = r#"{"personId":"A123456789","applyCode":"1","applyYyymmdd":"0940105","issueSiteId":"63000"}"#;
        serde_json::from_value(serde_json::json!({
            "orgId": "12345675", "apId": "SPE08", "userId": "realname_001", "iss": "k",
            "sub": SUBJECT, "aud": "2023/11/17 14:00:00", "jobId": JOB_ID, "opType": OP_TYPE,
            "iat": NOW - 180, "exp": NOW + 180, "jti": "1", "conditionMap": conditions,
        }))
        .unwrap()
    }

    fn caller() -> Caller {
        let time = |second| Timestamp::from_second(second).unwrap();
        Caller {
            ubn: "12345675".parse().unwrap(),
            ap_id: "SPE08".into(),
            status: AccountStatus::Active,
            host_address: [203, 0, 113, 7].into(),
            rate: RateLimit { per_minute: 600, burst: 60 },
            change_codes: false,
            sandbox: false,
            certificates: vec![CallerCertificate {
                public_key: Vec::new(),
                not_before: time(NOW - 1000),
                not_after: time(NOW + 1000),
                revoked: false,
            }],
        }
    }

    fn outcome(claims: &Claims, caller: &Caller) -> Result<Admission, TokenRefused> {
        let now = Timestamp::from_second(NOW).unwrap();
        admit(claims, caller, &caller.certificates[0], [203, 0, 113, 7].into(), now)
    }

    #[test]
    fn a_good_call_is_looked_up() {
        assert!(matches!(outcome(&claims(), &caller()), Ok(Admission::Lookup(_))));
    }

    #[test]
    fn times_are_judged_with_a_minute_of_tolerance() {
        let at = |iat, exp, nbf| {
            let (iat, exp) = (NOW + iat, NOW + exp);
            outcome(&Claims { iat, exp, nbf, ..claims() }, &caller()).err()
        };
        assert_eq!(at(-300, 300, None), None);
        assert_eq!(at(60, 300, None), None);
        assert_eq!(at(61, 300, None), Some(TimeError::NotYetValid.into()));
        assert_eq!(at(0, 300, Some(NOW + 60)), None);
        assert_eq!(at(0, 300, Some(NOW + 61)), Some(TimeError::NotYetValid.into()));
        assert_eq!(at(-300, -60, None), None);
        assert_eq!(at(-300, -61, None), Some(TimeError::Expired.into()));
        assert_eq!(at(-301, 300, None), Some(TimeError::Lifetime.into()));
        assert_eq!(at(10, 10, None), Some(TimeError::Lifetime.into()));
        let extreme = Claims { iat: i64::MIN, exp: i64::MAX, ..claims() };
        assert_eq!(outcome(&extreme, &caller()).err(), Some(TimeError::Lifetime.into()));
    }

    #[test]
    fn address_account_and_status_are_judged() {
        let now = Timestamp::from_second(NOW).unwrap();
        let from = |caller: &Caller| {
            admit(&claims(), caller, &caller.certificates[0], [203, 0, 113, 8].into(), now)
        };
        let elsewhere = from(&caller());
        assert_eq!(elsewhere.err(), Some(TokenRefused::Address));
        let status = |status| outcome(&claims(), &Caller { status, ..caller() });
        let eight = CallOutcome::Answered(Answer::Suspended);
        let suspended = status(AccountStatus::Suspended).ok();
        assert!(matches!(suspended, Some(Admission::Settled(outcome)) if outcome == eight));
        assert_eq!(status(AccountStatus::Stopped).err(), Some(TokenRefused::Closed));
        let closed = Caller { status: AccountStatus::Revoked, ..caller() };
        assert_eq!(from(&closed).err(), Some(TokenRefused::Closed));
        let other = Claims { ap_id: "OTHER".into(), ..claims() };
        let mut held = caller();
        held.certificates[0].revoked = true;
        assert_eq!(outcome(&claims(), &held).err(), Some(TokenRefused::Certificate));
        let mismatch = Admission::Settled(CallOutcome::AccountMismatch);
        assert!(outcome(&other, &caller()).is_ok_and(|admission| admission == mismatch));
        let user = Claims { user_id: "a b".into(), ..claims() };
        assert_eq!(outcome(&user, &caller()).err(), Some(TokenRefused::Claim("userId")));
    }

    #[test]
    fn answers_follow_the_table() {
        use RecordFinding::{Differs, NumberStopped, ReportedLost};
        let [unchanged, changed] = [false, true].map(|changed| RecordFinding::Matches { changed });
        for (finding, count, code) in [
            (unchanged, Some(0), '1'),
            (changed, Some(2), '1'),
            (Differs, Some(1), '2'),
            (Differs, Some(2), '3'),
            (Differs, Some(3), '4'),
            (NumberStopped, Some(0), '6'),
            (ReportedLost, Some(1), '7'),
            (unchanged, None, '5'),
            (Differs, None, '5'),
            (NumberStopped, None, '5'),
            (ReportedLost, None, '5'),
        ] {
            assert_eq!(judge(finding, count, false).code(), code, "{finding:?} {count:?}");
        }
        assert_eq!(judge(unchanged, Some(1), true).code(), '9');
        assert_eq!(judge(changed, Some(1), true).code(), 'A');
        assert_eq!(judge(changed, None, true).code(), '5');
        assert_eq!(judge(Differs, Some(1), true).code(), '2');
        assert_eq!(Answer::Suspended.code(), '8');
    }
}
