//! What an installation sets, read through Spin variables.

use std::cell::RefCell;
use std::rc::Rc;

use domain::{AddressPolicy, Code, DigestKey, Edition, IssKey, Sealed, SealingKey, Ubn};
use http::{HeaderMap, header};
use pki::{Environment, TrustStore};
use spin_sdk::variables;
use subtle::ConstantTimeEq;

use crate::Problem;

thread_local! {
    static TRUST: RefCell<Option<Rc<TrustStore>>> = const { RefCell::new(None) };
}

/// A variable's value.
///
/// # Errors
/// [`domain::Code::NotReady`] when it is not set.
pub async fn variable(name: &'static str) -> Result<String, Problem> {
    variables::get(name)
        .await
        .map_err(|_| Problem::not_ready(format!("variable {name:?} is not set")))
}

/// A key that programs show, not people: 64 hexadecimal digits.
///
/// # Errors
/// [`Code::NotReady`].
pub async fn key_variable(name: &'static str) -> Result<String, Problem> {
    let key = variable(name).await?;
    if key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(key)
    } else {
        Err(Problem::not_ready(format!("{name} is not 64 hexadecimal digits")))
    }
}

/// Whether the key of this variable came along, as a bearer token.
///
/// # Errors
/// [`Code::NotAllowed`]; [`Code::NotReady`].
pub async fn require_key(headers: &HeaderMap, name: &'static str) -> Result<(), Problem> {
    let expected = key_variable(name).await?;
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    if given.as_bytes().ct_eq(expected.as_bytes()).into() {
        Ok(())
    } else {
        Err(Code::NotAllowed.into())
    }
}

/// The service's own origin: the only one that signatures and pages may name.
///
/// # Errors
/// [`domain::Code::NotReady`].
pub async fn origin() -> Result<String, Problem> {
    variable("origin").await
}

/// The key of lookup digests.
///
/// # Errors
/// [`domain::Code::NotReady`].
pub async fn digest_key() -> Result<DigestKey, Problem> {
    let text = variable("digest_key").await?;
    DigestKey::from_hex(&text)
        .ok_or_else(|| Problem::not_ready("digest_key is not 64 hexadecimal digits"))
}

/// The key of the registers' digests.
///
/// # Errors
/// [`domain::Code::NotReady`].
pub async fn register_key() -> Result<DigestKey, Problem> {
    let text = variable("register_key").await?;
    DigestKey::from_hex(&text)
        .ok_or_else(|| Problem::not_ready("register_key is not 64 hexadecimal digits"))
}

/// The key that isskeys are sealed with.
///
/// # Errors
/// [`domain::Code::NotReady`].
pub async fn sealing_key() -> Result<SealingKey, Problem> {
    SealingKey::from_hex(&variable("seal_key").await?)
        .ok_or_else(|| Problem::not_ready("seal_key is not 64 hexadecimal digits"))
}

/// A new isskey of a company: itself, its look-up digest, and sealed.
///
/// # Errors
/// [`domain::Code::NotReady`]; a fault, when randomness gives none.
pub async fn new_iss_key(ubn: Ubn) -> Result<(IssKey, [u8; 16], Sealed), Problem> {
    let key = IssKey::from_random(&crate::random())
        .ok_or_else(|| Problem::internal("randomness gave no isskey"))?;
    let sealed =
        key.seal(ubn, &sealing_key().await?, crate::random()).map_err(Problem::internal)?;
    let digest = IssKey::lookup_digest(key.reveal(), &digest_key().await?);
    Ok((key, digest, sealed))
}

/// The ministry's manual that the installation follows.
///
/// # Errors
/// [`domain::Code::NotReady`].
pub async fn edition() -> Result<Edition, Problem> {
    Edition::from_name(&variable("edition").await?)
        .ok_or_else(|| Problem::not_ready("edition is neither 108 nor 112"))
}

/// The trust store, checked once for each instance.
///
/// # Errors
/// [`domain::Code::NotReady`] when it is missing or refused.
pub async fn trust() -> Result<Rc<TrustStore>, Problem> {
    if let Some(trust) = TRUST.with_borrow(Clone::clone) {
        return Ok(trust);
    }
    let text = variable("trust_store").await?;
    let trust = Rc::new(TrustStore::from_json(&text).map_err(Problem::not_ready)?);
    TRUST.set(Some(trust.clone()));
    Ok(trust)
}

/// Addresses that may be registered: with the test store also this machine's own.
pub fn addresses(trust: &TrustStore) -> AddressPolicy {
    match trust.environment() {
        Environment::Production => AddressPolicy::Public,
        Environment::Test => AddressPolicy::PublicOrLoopback,
    }
}
