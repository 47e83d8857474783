//! A call, whichever way it came in: who asks, whether they may, and what is answered.

use std::net::IpAddr;
use std::time::Instant;

use domain::{
    Admission, Answer, CallOutcome, Caller, CallerCertificate, Claims, IdCard, IssKey,
    PersonDigest, RateState, RecordFinding, SandboxAnswer, TaipeiDay, TokenDigest, TokenRefused,
};
use jiff::{SignedDuration, Timestamp};
use pki::jwt::{Unverified, Verified};
use store::schema::Label;
use store::{
    Attempts, Calls, Cases, DayStanding, EarlierCall, Finished, KeptCall, NewCall, Register,
    Reserved,
};
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
    /// As it is counted; `published` when a number of the test data is answered so.
    fn reason(self, published: bool) -> &'static str {
        match self {
            Self::RateLimited if published => "test-rate",
            Self::Token => "token",
            Self::Credentials | Self::Judged(TokenRefused::Closed) => "credentials",
            Self::Judged(TokenRefused::Claim(_)) => "claim",
            Self::Judged(TokenRefused::Time(_)) => "time",
            Self::Judged(TokenRefused::Certificate) => "certificate",
            Self::Judged(TokenRefused::Address) => "address",
            Self::Reused => "jti",
            Self::RateLimited => "rate",
            Self::Unavailable => "test-unavailable",
        }
    }
}

/// What became of a call.
pub(crate) struct Made {
    /// When it came; of a token that came before, the first time.
    pub(crate) at: Timestamp,
    /// Where the account stands with its limit, once it is known.
    pub(crate) rate: Option<RateState>,
    /// The answer, or why there is none.
    pub(crate) result: Result<CallOutcome, Refusal>,
    /// Whether it was turned away as published for a number of the test data.
    published: bool,
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
    arrival: &'a Arrival,
    token: TokenDigest,
}

/// Makes a call under the request's number. An error means that nothing may be said.
pub(crate) async fn make(token: &str, source: IpAddr, request: [u8; 16]) -> Result<Made, Problem> {
    let arrival = Arrival { request, source, begun: Instant::now(), now: web::precise_now() };
    let now = arrival.now;
    let mut made = Made { at: now, rate: None, result: Err(Refusal::Token), published: false };
    let mut account = String::new();
    made.result = match Unverified::<Claims>::parse(token) {
        Err(_) => Err(Refusal::Token),
        Ok(token) => admitted(token, &arrival, &mut made, &mut account).await?,
    };
    if let Err(refusal) = made.result {
        calls()?.refuse(&account, refusal.reason(made.published), now)?;
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
    let Arrival { request, source, now, .. } = *arrival;
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
    let call = Call { settings: &settings, caller: &caller, arrival, token: digest };
    let jti = TokenDigest::of_jti(&caller.ap_id, &token.claims().jti);
    let (settled, card) = match admission {
        Admission::Lookup(card) => (None, Some(card)),
        Admission::Settled(outcome) | Admission::Sandbox(SandboxAnswer::Outcome(outcome)) => {
            (Some(outcome), None)
        }
        Admission::Sandbox(SandboxAnswer::RateLimited) => {
            return call.published(Refusal::RateLimited, jti, made);
        }
        Admission::Sandbox(SandboxAnswer::Unavailable) => {
            return call.published(Refusal::Unavailable, jti, made);
        }
    };
    let asked = card.map(|card| Asked { person: settings.register_key.person(&card), card });
    let code = settled.as_ref().map(CallOutcome::code);
    let (reserved, due) = calls()?.reserve(&NewCall {
        account: &caller.ap_id,
        at: now,
        outcome: code.as_deref(),
        request,
        jti,
        token: digest,
        person: asked.as_ref().map(|asked| asked.person),
        user_id: &token.claims().user_id,
        took: arrival.took(),
        rate: caller.rate,
        sandbox: caller.sandbox,
    })?;
    made.rate = Some(caller.rate.judge(due, now.as_microsecond()));
    let (kept, again) = match reserved {
        Reserved::New(kept) => (kept, false),
        Reserved::OverLimit => return Ok(Err(Refusal::RateLimited)),
        Reserved::Earlier(EarlierCall { token, .. }) if token != digest => {
            return Ok(Err(Refusal::Reused));
        }
        Reserved::Earlier(EarlierCall { at, call, .. }) => {
            made.at = at;
            (call, true)
        }
    };
    let KeptCall { number, outcome: None } = kept else {
        // What the token alone names is told each time, and not kept.
        let same = settled.filter(|settled| kept.outcome.as_ref() == Some(&settled.code()));
        return same.map_or_else(|| known(&kept), Ok).map(Ok);
    };
    let outcome = match (settled, &asked) {
        (Some(outcome), _) => outcome,
        (None, Some(asked)) => CallOutcome::Answered(call.look_up(asked, made, again)?),
        (None, None) => return Err(Problem::internal("nothing was asked")),
    };
    let finished = calls()?.finish(&Finished {
        account: &caller.ap_id,
        number,
        at: made.at,
        outcome: &outcome.code(),
        request,
        took: arrival.took(),
    })?;
    // The same token may have come twice at once: then the outcome that was set first counts.
    let Some(first) = finished else { return Ok(Ok(outcome)) };
    known(&KeptCall { number, outcome: Some(first) }).map(Ok)
}

/// The outcome that a call has.
fn known(kept: &KeptCall) -> Result<CallOutcome, Problem> {
    let outcome = kept.outcome.as_deref().and_then(CallOutcome::from_code);
    outcome.ok_or_else(|| Problem::internal("an outcome that nobody keeps"))
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

/// What is to be looked up.
struct Asked {
    card: IdCard,
    person: PersonDigest,
}

impl Arrival {
    /// So far, in microseconds.
    fn took(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}

impl Call<'_> {
    /// Compares a card, and counts a wrong answer, durably, before anything is said. The day is
    /// that of the call, also when it goes on after midnight.
    fn look_up(&self, asked: &Asked, made: &mut Made, again: bool) -> Result<Answer, Problem> {
        let Asked { card, person } = asked;
        let (person, day) = (*person, TaipeiDay::of(made.at));
        let attempts = Attempts(store::spin::open(Label::Attempts)?);
        if again {
            match attempts.standing(person, day, self.token)? {
                DayStanding::Counted(nth) => return Ok(Answer::Differs(nth)),
                DayStanding::Locked => return Ok(Answer::Locked),
                DayStanding::Open => {}
            }
        }
        // Soon after midnight: it may have been counted before, and its call lost with the power.
        let before = TaipeiDay::of(made.at - store::JTI_KEPT);
        if before != day
            && let DayStanding::Counted(nth) = attempts.standing(person, before, self.token)?
        {
            // Then it is a call of that day: a third wrong answer locks nobody on this one.
            made.at = day.begins_at() - SignedDuration::from_micros(1);
            return Ok(Answer::Differs(nth));
        }
        let register = Register(store::spin::open(Label::Register)?);
        let finding = register.compare(person, self.settings.register_key.card(card))?;
        let count = match finding {
            RecordFinding::Differs => attempts.count_wrong(person, day, self.token)?,
            _ if attempts.is_locked(person, day)? => None,
            _ => Some(0),
        };
        Ok(domain::judge(finding, count, self.caller.change_codes))
    }

    /// Turned away as published for a number of the test data: nothing is kept.
    fn published(
        &self,
        refusal: Refusal,
        jti: TokenDigest,
        made: &mut Made,
    ) -> Result<Result<CallOutcome, Refusal>, Problem> {
        let before = calls()?.before(&self.caller.ap_id, jti)?;
        let rate = self.caller.rate.judge(before.due, self.arrival.now.as_microsecond());
        made.rate = Some(rate);
        match before.earlier {
            Some(earlier) if earlier.token != self.token => return Ok(Err(Refusal::Reused)),
            Some(EarlierCall { call, at, .. }) if call.outcome.is_some() => {
                made.at = at;
                return known(&call).map(Ok);
            }
            _ => {}
        }
        made.published = rate.allowed;
        Ok(Err(if rate.allowed { refusal } else { Refusal::RateLimited }))
    }
}
