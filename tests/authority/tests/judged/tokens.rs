//! Tokens of calling systems: key, times, size.

use jiff::Timestamp;
use pki::jwt::{TimeError, TokenError, TokenTimes, Unverified};
use pki::{Arithmetic, PreparedKey};
use serde_json::{Value, json};
use test_ca::token::Caller;

use crate::{card, parsed};

fn caller() -> Caller {
    Caller {
        org_id: "12345675".to_owned(),
        ap_id: "A".to_owned(),
        iss_key: "key".to_owned(),
        private_key: card().key.pkcs8().unwrap(),
    }
}

#[test]
fn a_token_is_its_keys_and_nobody_elses() {
    let prepared = |key| PreparedKey::new(key, Arithmetic::Prepared);
    let key = prepared(parsed(&card().certificate).rsa_key().unwrap());
    let text = caller().sign(&json!({"iss": "key"})).unwrap();
    let token = Unverified::<Value>::parse(&text).unwrap();
    assert_eq!(token.unverified_claims()["iss"], "key");
    let verified = token.clone().verify(&key).unwrap();
    assert_eq!(verified.claims(), &json!({"iss": "key"}));
    let other = crate::pki().authorities().next().unwrap();
    let other = prepared(parsed(&other.certificate).rsa_key().unwrap());
    assert_eq!(token.verify(&other).unwrap_err(), TokenError::Signature);
    let (signed, _) = text.rsplit_once('.').unwrap();
    let unsigned = Unverified::<Value>::parse(&format!("{signed}.")).unwrap();
    assert_eq!(unsigned.verify(&key).unwrap_err(), TokenError::Signature);
}

#[test]
fn the_largest_token_is_of_eight_kibibytes() {
    let sized = |size: usize| {
        // Base64 grows by whole groups of four.
        let fits = |text: &String| (size - text.len()).is_multiple_of(4);
        let texts = (0..9).map(|length| "a".repeat(length));
        let mut tokens = texts.map(|text| caller().sign(&json!({"iss": text})).unwrap());
        let mut token = tokens.find(fits).unwrap();
        let header = token.find('.').unwrap();
        token.insert_str(header, &"A".repeat(size - token.len()));
        Unverified::<Value>::parse(&token).unwrap_err()
    };
    assert_eq!(sized(8 << 10), TokenError::Header);
    assert_eq!(sized((8 << 10) + 2), TokenError::Malformed);
}

#[test]
fn times_have_their_limits_to_the_second() {
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    let check = |iat: i64, exp: i64, nbf: Option<i64>| {
        let at = |seconds| now.as_second() + seconds;
        TokenTimes { iat: at(iat), exp: at(exp), nbf: nbf.map(at) }.check(now)
    };
    assert_eq!(check(0, 600, None), Ok(()));
    assert_eq!(check(0, 601, None), Err(TimeError::Lifetime));
    assert_eq!(check(0, 1, None), Ok(()));
    assert_eq!(check(0, 0, None), Err(TimeError::Lifetime));
    assert_eq!(check(0, -1, None), Err(TimeError::Lifetime));
    assert_eq!(check(60, 300, None), Ok(()));
    assert_eq!(check(61, 300, None), Err(TimeError::NotYetValid));
    assert_eq!(check(0, 300, Some(60)), Ok(()));
    assert_eq!(check(0, 300, Some(61)), Err(TimeError::NotYetValid));
    assert_eq!(check(0, 300, Some(-999)), Ok(()));
    assert_eq!(check(-300, -60, None), Ok(()));
    assert_eq!(check(-300, -61, None), Err(TimeError::Expired));
    // Numbers at the ends do not wrap around.
    let extreme = TokenTimes { iat: i64::MIN, exp: i64::MAX, nbf: None };
    assert_eq!(extreme.check(now), Err(TimeError::Lifetime));
}
