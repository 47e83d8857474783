//! Attacks on tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use jiff::Timestamp;
use pki::jwt::{TokenTimes, Unverified};
use pki::{Arithmetic, Certificate, PreparedKey};
use serde::Deserialize;

use crate::{CorpusError, Judged, Outcome, timed};

#[derive(Deserialize)]
pub(crate) struct Corpus {
    expected_claims: Claims,
    certs: BTreeMap<String, String>,
    cases: Vec<Case>,
}

/// The corpus's names for what the verification call names otherwise.
#[derive(Clone, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    jti: String,
    iat: i64,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    token: String,
    now: i64,
    registered: String,
    expect: String,
}

/// Expands `@REPEAT(c,n)@`.
fn expand(token: &str) -> String {
    let Some((before, rest)) = token.split_once("@REPEAT(") else { return token.to_owned() };
    let Some((arguments, after)) = rest.split_once(")@") else { return token.to_owned() };
    let Some((text, count)) = arguments.rsplit_once(',') else { return token.to_owned() };
    let count: usize = count.trim().parse().unwrap_or(0);
    format!("{before}{}{}", text.repeat(count), expand(after))
}

/// What a caller is registered with.
struct Registered {
    certificate: Certificate,
    key: PreparedKey,
    address: IpAddr,
}

fn register(pem: &str) -> Result<Registered, String> {
    let pem = pem::parse(pem).map_err(|error| error.to_string())?;
    let certificate = Certificate::from_der(pem.contents()).map_err(|error| error.to_string())?;
    let key = certificate.rsa_key().map_err(|error| error.to_string())?;
    let key = PreparedKey::new(key, Arithmetic::Prepared);
    Ok(Registered { certificate, key, address: Ipv4Addr::new(203, 0, 113, 9).into() })
}

impl Corpus {
    fn judge(&self, case: &Case, memory: &mut Memory) -> Outcome {
        let now = Timestamp::from_second(case.now).map_err(|error| error.to_string())?;
        let token = expand(&case.token);
        let pem = self.certs.get(&case.registered).ok_or("no certificate is registered")?;
        let caller = register(pem)?;
        let token = Unverified::<Claims>::parse(&token).map_err(|error| error.to_string())?;
        let verified = token.verify(&caller.key).map_err(|error| error.to_string())?;
        let claims = verified.claims();
        let Claims { iat, exp, nbf, .. } = *claims;
        TokenTimes { iat, exp, nbf }.check(now).map_err(|error| error.to_string())?;
        caller.certificate.check_validity(now).map_err(|error| error.to_string())?;
        let expected = &self.expected_claims;
        for (name, found, expected) in [
            ("iss", &claims.iss, &expected.iss),
            ("sub", &claims.sub, &expected.sub),
            ("aud", &claims.aud, &expected.aud),
            ("jti", &claims.jti, &expected.jti),
        ] {
            if found != expected {
                return Err(format!("{name} is not as agreed"));
            }
        }
        if !domain::is_registered_address(memory.source, caller.address) {
            return Err("the call comes from another address".to_owned());
        }
        if memory.approved && memory.seen.insert(claims.jti.clone()) {
            return Ok(format!("a call of {}", claims.sub));
        }
        Err(if memory.approved { "the token was used before" } else { "no account" }.to_owned())
    }

    /// The cases that attack the service's memory: what happened before, or elsewhere.
    fn judge_state(&self, case: &Case) -> Outcome {
        let mut memory = Memory::default();
        match case.id.rsplit('/').next() {
            Some("replay") => {
                self.judge(case, &mut memory)?;
            }
            Some("ip-mismatch") => memory.source = Ipv4Addr::new(203, 0, 113, 10).into(),
            Some("not-approved") => memory.approved = false,
            _ => return Err("this attack on the service's memory is not known".to_owned()),
        }
        self.judge(case, &mut memory)
    }
}

struct Memory {
    seen: BTreeSet<String>,
    source: IpAddr,
    approved: bool,
}

impl Default for Memory {
    fn default() -> Self {
        let source = Ipv4Addr::new(203, 0, 113, 9).into();
        Self { seen: BTreeSet::new(), source, approved: true }
    }
}

pub(crate) fn judge(corpus: &Corpus) -> Result<Vec<Judged>, CorpusError> {
    let judged = corpus.cases.iter().map(|case| {
        timed(&case.id, &case.expect, || {
            if case.id.starts_with("state/") {
                corpus.judge_state(case)
            } else {
                corpus.judge(case, &mut Memory::default())
            }
        })
    });
    Ok(judged.collect())
}
