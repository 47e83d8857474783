//! A call, whichever way it came in: who asks, whether they may, and what is answered.

use std::net::IpAddr;
use std::time::Instant;

use domain::{
    Admission, Answer, CallOutcome, Caller, CallerCertificate, Claims, IdCard, IssKey,
    PersonDigest, RateState, RecordFinding, SandboxAnswer, TaipeiDay, TokenDigest, TokenRefused,
};
use jiff::Timestamp;
use pki::jwt::{Unverified, Verified};
use store::schema::Label;
use store::{Attempts, Calls, Cases, EarlierCall, NewCall, Register};
use web::Problem;

use crate::kept::{self, Settings};

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The token is no token of this service.
    Token,
    /// Unknown issuer, closed account and bad signature look alike.
    Credentials,
    /// The token was judged.
    Judged(TokenRefused),
    /// The jti was used by another token.
    Reused,
    /// Too many calls.
    RateLimited,
    /// As published for a number of the test data.
    Unavailable,
}

impl Refusal {
    /// As it is counted.
    fn reason(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Credentials | Self::Judged(TokenRefused::Closed) => "credentials",
            Self::Judged(TokenRefused::Claim(_)) => "claim",
            Self::Judged(TokenRefused::Time(_)) => "time",
            Self::Judged(TokenRefused::Certificate) => "certificate",
            Self::Judged(TokenRefused::Address) => "address",
            Self::Reused => "jti",
            Self::RateLimited => "rate",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What became of a call.
pub(crate) struct Made {
    /// When it came.
    pub(crate) at: Timestamp,
    /// Where the account stands with its limit, once it is known.
    pub(crate) rate: Option<RateState>,
    /// The answer, or why there is none.
    pub(crate) result: Result<CallOutcome, Refusal>,
}

/// How a request came in.
struct Arrival {
    /// x-request-id.
    request: [u8; 16],
    source: IpAddr,
    begun: Instant,
    now: Timestamp,
}

/// A call on its way.
struct Call<'a> {
    settings: &'a Settings,
    caller: &'a Caller,
    digest: TokenDigest,
    now: Timestamp,
}

/// Makes a call under the request's number. An error means that nothing may be said.
pub(crate) async fn make(token: &str, source: IpAddr, request: [u8; 16]) -> Result<Made, Problem> {
    let arrival = Arrival { request, source, begun: Instant::now(), now: web::precise_now() };
    let now = arrival.now;
    let mut made = Made { at: now, rate: None, result: Err(Refusal::Token) };
    let mut account = String::new();
    made.result = match Unverified::<Claims>::parse(token) {
        Err(_) => Err(Refusal::Token),
        Ok(token) => admitted(token, &arrival, &mut made, &mut account).await?,
    };
    if let Err(refusal) = made.result {
        calls()?.refuse(&account, refusal.reason(), now)?;
    }
    Ok(made)
}

fn calls() -> Result<Calls<store::spin::Pooled>, Problem> {
    Ok(Calls(store::spin::open(Label::Calls)?))
}

async fn admitted(
    token: Unverified<Claims>,
    arrival: &Arrival,
    made: &mut Made,
    account: &mut String,
) -> Result<Result<CallOutcome, Refusal>, Problem> {
    let Arrival { request, source, begun, now } = *arrival;
    let settings = kept::settings().await?;
    let digest = IssKey::lookup_digest(&token.unverified_claims().iss, &settings.digest_key);
    let caller = Cases(store::spin::open(Label::Cases)?).caller(digest, now)?;
    let Some(caller) = caller else { return Ok(Err(Refusal::Credentials)) };
    account.clone_from(&caller.ap_id);
    let Some((token, certificate)) = verified(token, &caller, &settings)? else {
        return Ok(Err(Refusal::Credentials));
    };
    let admission = match domain::admit(token.claims(), &caller, certificate, source, now) {
        Ok(admission) => admission,
        Err(refusal) => return Ok(Err(Refusal::Judged(refusal))),
    };
    let digest = TokenDigest::of_token(token.sha256());
    let call = Call { settings: &settings, caller: &caller, digest, now };
    let jti = TokenDigest::of_jti(&caller.ap_id, &token.claims().jti);
    let before = calls()?.before(&caller.ap_id, jti)?;
    let rate = caller.rate.judge(before.due, now.as_microsecond());
    made.rate = Some(rate);
    if let Some(earlier) = before.earlier {
        return call.again(&earlier);
    }
    if !rate.allowed {
        return Ok(Err(Refusal::RateLimited));
    }
    let (outcome, person) = match admission {
        Admission::Lookup(card) => {
            let person = settings.register_key.person(&card);
            (CallOutcome::Answered(call.look_up(&card, person)?), Some(person))
        }
        Admission::Settled(outcome) | Admission::Sandbox(SandboxAnswer::Outcome(outcome)) => {
            (outcome, None)
        }
        Admission::Sandbox(SandboxAnswer::RateLimited) => return Ok(Err(Refusal::RateLimited)),
        Admission::Sandbox(SandboxAnswer::Unavailable) => return Ok(Err(Refusal::Unavailable)),
    };
    let kept = calls()?.record(&NewCall {
        account: &caller.ap_id,
        at: now,
        outcome: &outcome.code(),
        request,
        jti,
        token: digest,
        person,
        user_id: &token.claims().user_id,
        took: i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX),
        rate: caller.rate,
    })?;
    // The same token may have come twice at once: then the answer of the one kept first counts.
    match kept {
        None => Ok(Ok(outcome)),
        Some(earlier) => call.again(&earlier),
    }
}

/// The token, and which of the caller's certificates it is signed with: several while a former
/// one may still be used.
pub(crate) fn verified<'a>(
    token: Unverified<Claims>,
    caller: &'a Caller,
    settings: &Settings,
) -> Result<Option<(Verified<Claims>, &'a CallerCertificate)>, Problem> {
    let certificates = &caller.certificates;
    let keys = certificates.iter().map(|one| kept::key(&one.public_key, settings.arithmetic));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    Ok(token.verify_with(keys).ok().map(|(token, which)| (token, &certificates[which])))
}

impl Call<'_> {
    /// Compares a card and counts a wrong answer, durably, before anything is said.
    fn look_up(&self, card: &IdCard, person: PersonDigest) -> Result<Answer, Problem> {
        let day = TaipeiDay::of(self.now);
        let register = Register(store::spin::open(Label::Register)?);
        let finding = register.compare(person, self.settings.register_key.card(card))?;
        let attempts = Attempts(store::spin::open(Label::Attempts)?);
        let count = match finding {
            RecordFinding::Differs => attempts.count_wrong(person, day, self.digest)?,
            _ => attempts.wrong_so_far(person, day)?,
        };
        Ok(domain::judge(finding, count, self.caller.change_codes))
    }

    /// The jti was used before: by this very token, which gets its answer again, or by another.
    fn again(&self, earlier: &EarlierCall) -> Result<Result<CallOutcome, Refusal>, Problem> {
        if earlier.token != self.digest {
            return Ok(Err(Refusal::Reused));
        }
        let outcome = CallOutcome::from_code(&earlier.outcome);
        outcome.map(Ok).ok_or_else(|| Problem::internal("an outcome that nobody keeps"))
    }
}
