//! What an instance keeps between requests: keys that are costly to make ready.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use domain::DigestKey;
use pki::{Arithmetic, PreparedKey, RsaPublicKey};
use web::Problem;

/// Keys of callers that are kept; beyond it all are made ready anew.
const CALLERS: usize = 256;

/// What does not change while the application runs.
pub(crate) struct Settings {
    /// Of isskeys.
    pub(crate) digest_key: DigestKey,
    /// Of the register.
    pub(crate) register_key: DigestKey,
    /// What computes RSA.
    pub(crate) arithmetic: Arithmetic,
}

thread_local! {
    static SETTINGS: RefCell<Option<Rc<Settings>>> = const { RefCell::new(None) };
    static KEYS: RefCell<HashMap<Vec<u8>, Rc<PreparedKey>>> = RefCell::default();
}

/// The settings, read once for each instance.
pub(crate) async fn settings() -> Result<Rc<Settings>, Problem> {
    if let Some(settings) = SETTINGS.with_borrow(Clone::clone) {
        return Ok(settings);
    }
    let register_key = DigestKey::from_hex(&web::variable("register_key").await?)
        .ok_or_else(|| Problem::not_ready("register_key is not 64 hexadecimal digits"))?;
    let arithmetic = match web::variable("rsa").await?.as_str() {
        "prepared" => Arithmetic::Prepared,
        "library" => Arithmetic::Library,
        _ => return Err(Problem::not_ready("rsa is neither prepared nor library")),
    };
    let digest_key = web::digest_key().await?;
    let settings = Rc::new(Settings { digest_key, register_key, arithmetic });
    SETTINGS.set(Some(settings.clone()));
    Ok(settings)
}

/// A caller's key, ready.
pub(crate) fn key(pkcs1: &[u8], arithmetic: Arithmetic) -> Result<Rc<PreparedKey>, Problem> {
    if let Some(key) = KEYS.with_borrow(|keys| keys.get(pkcs1).cloned()) {
        return Ok(key);
    }
    let key = RsaPublicKey::from_pkcs1(pkcs1).map_err(Problem::internal)?;
    let key = Rc::new(PreparedKey::new(key, arithmetic));
    KEYS.with_borrow_mut(|keys| {
        if keys.len() == CALLERS {
            keys.clear();
        }
        keys.insert(pkcs1.to_vec(), key.clone());
    });
    Ok(key)
}
